"""Supports: where rows can be, and how low a bet on them can fall.

Takes     a declared box, perhaps with an l1 ball; or rows that were seen, to assume one from.
Gives     `Declared` and `Assumed`: the minimum of bet . y over all y that can come.
Source    derived: a linear function over a box cut by an l1 ball is a fractional knapsack. Start
          from the point of the box that is nearest to 0, then spend what is left of the radius on
          the coordinates in the order of |bet|: each unit of it gains |bet_j|, whatever else is
          done, so the greedy order is optimal.
Not here  bets (`_eprocess`, `_equivalence`).

A row x is tested as y = x - target, or, where only its direction is (``along``), as what is left of
x when its component along the target is taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray, as_floats
from ..checks import number_or_nan
from ..errors import ModelError

BOX = 4.0  # an assumed box is so many times as wide as what was seen
SLAB = 3.0  # and so is the range of one direction
SLACK = 1e-9  # round-off of rows at the edge of what was declared


class Support(Protocol):
    """What bets ask of a support of y."""

    @property
    def low(self) -> FloatArray:
        """The smallest y of each coordinate, (D,)."""

    @property
    def high(self) -> FloatArray:
        """The largest y of each coordinate, (D,)."""

    @property
    def known(self) -> BoolArray:
        """In which coordinates a bet may be made, (D,)."""

    def minimum(self, bet: FloatArray) -> float:
        """The minimum of bet . y."""


@dataclass(slots=True)
class Declared:
    """A box, and perhaps an l1 ball around 0, that hold every row x.

    Parameters
    ----------
    box : two (D,) arrays
        Smallest and largest x.
    radius : float
        The largest sum of absolute values of a row; inf if there is no such bound.
    target : (D,) array
    along : (D,) array or None
        A unit vector: then y = x - along (along . x), and the target plays no part.
    """

    box: tuple[FloatArray, FloatArray]
    radius: float
    target: FloatArray
    along: FloatArray | None = None
    low: FloatArray = field(init=False)
    high: FloatArray = field(init=False)
    known: BoolArray = field(init=False)

    def __post_init__(self) -> None:
        self.known = np.ones(len(self.target), dtype=np.bool_)
        if self.along is None and self.radius == np.inf:
            self.low, self.high = self.box[0] - self.target, self.box[1] - self.target
            return
        each = np.eye(len(self.target))
        self.low = np.array([self.minimum(one) for one in each])
        self.high = np.array([-self.minimum(-one) for one in each])

    def minimum(self, bet: FloatArray) -> float:
        """The minimum of bet . y over the support."""
        if self.along is not None:
            return lowest(bet - self.along * _dot(self.along, bet), *self.box, self.radius)
        return lowest(bet, *self.box, self.radius) - _dot(bet, self.target)


@dataclass(slots=True)
class Assumed:
    """A box and slabs somewhat wider than rows that were seen, and than 0: an assumption.

    The range is taken to hold y = 0, as it must if the mean is 0.

    Parameters
    ----------
    rows : (n, D) array
        Rows y that were seen.
    floor : (D,) array
        A coordinate whose range is not above this is constant: nobody knows how far it can go.
    """

    rows: FloatArray
    floor: FloatArray
    low: FloatArray = field(init=False)
    high: FloatArray = field(init=False)
    known: BoolArray = field(init=False)
    _seen: tuple[FloatArray, FloatArray] = field(init=False)

    def __post_init__(self) -> None:
        self._measure(self.rows.min(axis=0), self.rows.max(axis=0))

    def _measure(self, low: FloatArray, high: FloatArray) -> None:
        self._seen = (low, high)
        self.known = (high - low) / 2 > self.floor
        low, high = np.where(self.known, (np.minimum(low, 0.0), np.maximum(high, 0.0)), (low, high))
        middle, half = (low + high) / 2, (high - low) / 2
        margin = np.where(self.known, BOX * half, self.floor)
        self.low, self.high = middle - margin, middle + margin

    def minimum(self, bet: FloatArray) -> float:
        """The minimum of bet . y over the box and the slab of this direction."""
        along = np.einsum("nd,d->n", self.rows, bet)
        low, high = min(float(along.min()), 0.0), max(float(along.max()), 0.0)
        slab = (low + high) / 2 - SLAB * (high - low) / 2
        return max(slab, lowest(bet, self.low, self.high))

    def outside(self, low: FloatArray, high: FloatArray) -> IntArray:
        """Coordinates in which some rows, from ``low`` to ``high``, leave the box."""
        return np.flatnonzero((low < self.low) | (high > self.high))

    def enlarge(self, low: FloatArray, high: FloatArray, row: FloatArray) -> None:
        """Assume a wider support: there were rows from ``low`` to ``high``; ``row`` was one."""
        self.rows = np.concatenate((self.rows, row[None]))
        self._measure(np.minimum(self._seen[0], low), np.maximum(self._seen[1], high))


def lowest(bet: FloatArray, low: FloatArray, high: FloatArray, radius: float = np.inf) -> float:
    """The minimum of bet . x over a box, cut by an l1 ball.

    Parameters
    ----------
    bet, low, high : (D,) arrays
    radius : float

    Returns
    -------
    float

    Notes
    -----
    See the top of this file. O(D), O(D log D) with a radius.

    Examples
    --------
    >>> box = -np.ones(3), np.ones(3)
    >>> lowest(np.array([3.0, -2.0, 1.0]), *box), lowest(np.array([3.0, -2.0, 1.0]), *box, 1.5)
    (-6.0, -4.0)
    """
    if radius == np.inf:
        return float(np.where(bet > 0, bet * low, bet * high).sum())
    start = np.clip(0.0, low, high)
    room = np.where(bet > 0, start - low, high - start)
    order = np.argsort(-np.abs(bet), kind="stable")
    spent = np.cumsum(room[order])
    budget = max(radius - float(np.abs(start).sum()), 0.0)
    # A coordinate on the far side of 0 goes away from it only; one on its near side has no room.
    moves = np.clip(budget - (spent - room[order]), 0.0, room[order])
    return _dot(bet, start) - float((np.abs(bet[order]) * moves).sum())


def check_bounds(
    bounds: Any, l1: Any, target: FloatArray
) -> tuple[tuple[FloatArray, FloatArray], float] | None:
    """What somebody declared of rows, flat; None if nothing was.

    Parameters
    ----------
    bounds : (low, high), a number, or None
        Numbers or arrays that broadcast to the target's shape; a number B stands for (-B, B).
    l1 : float or None
    target : array

    Returns
    -------
    box : two (D,) arrays
    radius : float
        inf without l1.

    Raises
    ------
    ModelError
        If they are no bounds, or the target itself is outside of them.
    """
    if bounds is None and l1 is None:
        return None
    radius = np.inf if l1 is None else number_or_nan(l1)
    if not radius > 0:
        raise ModelError(f"l1 is {l1!r:.80}; it must be > 0: the largest sum of |x| of a row.")
    low, high = _box(radius if bounds is None else bounds, target.shape)
    flat = target.reshape(-1)
    away = np.flatnonzero((flat < low) | (flat > high))
    if len(away):
        j = int(away[0])
        raise ModelError(
            f"the target is {flat[j]:.6g} in coordinate {j}, outside of bounds= "
            f"[{low[j]:.6g}, {high[j]:.6g}]: no rows within them have such a mean."
        )
    nearest, size = float(np.abs(np.clip(0.0, low, high)).sum()), float(np.abs(flat).sum())
    if max(nearest, size) > radius * (1 + SLACK):
        what = "the target's sum" if size >= nearest else "the smallest sum within bounds="
        raise ModelError(
            f"{what} of |x| is {max(nearest, size):.6g}, above l1={radius:.6g}: no rows have such "
            f"a mean."
        )
    return (low, high), radius


def _box(bounds: Any, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest x, flat."""
    number = number_or_nan(bounds)
    if not np.isnan(number):
        bounds = (-number, number)
    try:
        first, second = bounds
        sides = [
            np.broadcast_to(as_floats(side, "bounds"), shape).reshape(-1)
            for side in (first, second)
        ]
    except (TypeError, ValueError):
        raise ModelError(
            f"bounds is {bounds!r:.80}; it must be (low, high), numbers or arrays of the target's "
            f"shape {shape}, or a number B for (-B, B)."
        ) from None
    bad = np.flatnonzero(~((sides[0] < sides[1]) & np.isfinite(sides[1] - sides[0])))
    if len(bad):
        j = int(bad[0])
        raise ModelError(
            f"bounds are {sides[0][j]:.6g} and {sides[1][j]:.6g} in coordinate {j}; they must be "
            f"finite, the first below the second."
        )
    return sides[0], sides[1]


def check_inside(
    rows: FloatArray, box: tuple[FloatArray, FloatArray], radius: float, where: str
) -> None:
    """Pass if all rows (n, D) are where they were declared to be; else raise ModelError.

    Parameters
    ----------
    rows : (n, D) array
    box, radius
        As `check_bounds` gives them.
    where : str
        Which rows these are, for the message.
    """
    low, high = box
    slack = SLACK * np.maximum(np.abs(low), np.abs(high))
    bad = np.argwhere((rows < low - slack) | (rows > high + slack))
    if len(bad):
        i, j = (int(k) for k in bad[0])
        raise ModelError(
            f"row {i} {where} is {rows[i, j]:.6g} in coordinate {j}, outside of bounds= "
            f"[{low[j]:.6g}, {high[j]:.6g}]: what was declared is not so, and no verdict can rest "
            f"on it. Declare wider bounds."
        )
    if radius < np.inf:
        sizes = np.abs(rows).sum(axis=1)
        over = np.flatnonzero(sizes > radius * (1 + SLACK))
        if len(over):
            i = int(over[0])
            j = int(np.abs(rows[i]).argmax())
            raise ModelError(
                f"row {i} {where} has sum of |x| {sizes[i]:.6g}, above l1={radius:.6g} (largest in "
                f"coordinate {j}: {rows[i, j]:.6g}): what was declared is not so. Declare more."
            )


def _dot(x: FloatArray, y: FloatArray) -> float:
    return float((x * y).sum())
