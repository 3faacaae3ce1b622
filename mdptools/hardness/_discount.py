"""Discount sensitivity: at which gamma the optimal policy changes, exactly.

Takes     an MDP without a horizon.
Gives     `DiscountSensitivity`: the breakpoints in gamma, and the optimal policy between them.
Source    Blackwell (1962); Puterman (1994), section 10.1: values are rational functions of gamma.
          Derived below.
Not here  the optimum at one gamma (planning).

V of a policy at gamma is N(gamma) / D(gamma) with D = det(I - gamma P_pi) > 0 on [0, 1). So the
advantage of a pair times D is a polynomial g, and the policy is optimal where no g is positive: a
union of intervals whose ends are roots. From a gamma inside one the roots of all g give its ends;
where the next interval does not begin at the end of the last, one looks between them. There are
finitely many policies, so this ends, and the last interval reaches up to 1: its policy is Blackwell
optimal.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .. import kernel
from ..arrays import BoolArray, FloatArray, IntArray, readonly
from ..checks import check_count, check_model, number_or_nan
from ..errors import ModelError
from ..markup import Html, Shown, table
from ..model import MDP
from ..planning import policy_iteration
from ._polynomials import Poly, Root, compare, roots_in_unit, sign, trimmed, without_multiplicity

MOST_STATES = 30
"""Live states of the largest model that takes seconds."""

_WIDTH = Fraction(1, 2**60)


@dataclass(frozen=True, slots=True, eq=False)
class DiscountSensitivity(Shown):
    """The optimal policy as a function of the discount.

    Attributes
    ----------
    breakpoints : (k,) array
        The discounts in (0, 1) at which the set of optimal actions changes, rounded to floats.
    brackets : tuple of (Fraction, Fraction)
        Each breakpoint lies between the two: at most 2**-60 apart, or equal where it is rational
        and was met.
    policies : (k + 1, S) array of int
        An optimal policy on each interval, from gamma = 0 on: its actions. The last one is
        Blackwell optimal: optimal for each gamma near enough to 1.
    optimal_actions : (k + 1, S, A) array of bool
        All actions that are optimal on the whole open interval.
    """

    breakpoints: FloatArray
    brackets: tuple[tuple[Fraction, Fraction], ...]
    policies: IntArray
    optimal_actions: BoolArray

    @property
    def blackwell(self) -> IntArray:
        """The actions of a Blackwell optimal policy, (S,)."""
        actions: IntArray = self.policies[-1]
        return actions

    def interval(self, gamma: float) -> int:
        """On which interval a discount lies: a row of `policies`.

        Parameters
        ----------
        gamma : float in [0, 1)

        Returns
        -------
        int
            At a breakpoint, that on its left: both policies are optimal there.

        Raises
        ------
        ModelError
            If gamma is outside [0, 1).
        """
        if not 0 <= number_or_nan(gamma) < 1:
            raise ModelError(f"gamma is {gamma!r:.80}; it must be in [0, 1).")
        exact = Fraction(gamma)
        return sum(low < exact for low, _ in self.brackets)

    def _shown(self) -> Iterator[Html]:
        """For notebooks: a row for each interval."""
        ends = [0.0, *self.breakpoints.tolist(), 1.0]
        yield table(
            ["gamma from", "to", "actions of an optimal policy"],
            (
                [low, high, " ".join(map(str, actions))]
                for low, high, actions in zip(ends, ends[1:], self.policies, strict=False)
            ),
            total=len(self.policies),
            what="interval",
        )

    def __str__(self) -> str:
        ends = [0.0, *self.breakpoints.tolist(), 1.0]
        lines = [f"the optimal policy changes at {len(self.breakpoints)} discounts"]
        for low, high, actions in zip(ends, ends[1:], self.policies, strict=False):
            lines.append(f"  {low:.6g} < gamma < {high:.6g}: {' '.join(map(str, actions))}")
        return "\n".join(lines)


def discount_sensitivity(mdp: MDP, *, max_states: int = MOST_STATES) -> DiscountSensitivity:
    """The discounts at which the optimal policy changes, and the policy between them.

    Parameters
    ----------
    mdp : MDP
        Without a horizon; its own discount plays no part.
    max_states : int
        Refuse more states that are not terminal.

    Returns
    -------
    DiscountSensitivity
        Exact for the model's floats, each row of P divided by its sum.

    Raises
    ------
    ModelError
        If the model has a horizon, or more states than ``max_states``.

    Notes
    -----
    All in integers: for each policy met, S + 1 determinants of size S (Bareiss), and the real roots
    of S A polynomials of degree at most S by Descartes' rule. Seconds at 20 states.

    Examples
    --------
    >>> from mdptools.problems import discount_mismatch
    >>> found = discount_sensitivity(discount_mismatch(3))
    >>> found.breakpoints.round(6), found.policies[:, 0]  # 10 in the third step: gamma**2 = 0.1
    (array([0.316228]), array([0, 1]))
    """
    check_model(mdp)
    if mdp.horizon is not None:
        raise ModelError(
            "discount_sensitivity serves models without a horizon, and this one has a horizon of "
            f"{mdp.horizon}. Use mdp.with_objective(gamma=0.9): the discount plays no part."
        )
    live = int((~mdp.terminal).sum())
    if live > check_count(max_states, "max_states"):
        raise ModelError(
            f"the model has {live} states that are not terminal; exact breakpoints are sought up "
            f"to {max_states}: pass max_states={live} and be patient."
        )
    search = _Search(mdp)
    pieces = search.between(None, None)
    roots = [piece.high for piece in pieces[:-1]]
    for root in roots:
        assert root is not None
        root.refine(_WIDTH)
    brackets = tuple((root.low, root.high) for root in roots if root is not None)
    return DiscountSensitivity(
        breakpoints=readonly(np.array([float((low + high) / 2) for low, high in brackets])),
        brackets=brackets,
        policies=readonly(np.array([piece.actions for piece in pieces])),
        optimal_actions=readonly(np.array([piece.optimal for piece in pieces])),
    )


@dataclass(slots=True)
class _Piece:
    """A policy, and the interval on which it is optimal; None for 0 and for 1."""

    actions: tuple[int, ...]
    optimal: BoolArray
    low: Root | None
    high: Root | None


class _Search:
    """The intervals of a model."""

    def __init__(self, mdp: MDP) -> None:
        self.mdp = mdp
        self.live = np.flatnonzero(~mdp.terminal)
        row, successor, prob = kernel.branches(mdp.P)
        ends = np.searchsorted(row, np.arange(mdp.allowed.size + 1))
        place = {int(s): i for i, s in enumerate(self.live)}
        self.parts: dict[tuple[int, int], dict[int, int]] = {}
        self.whole: dict[tuple[int, int], int] = {}
        self.reward: dict[tuple[int, int], int] = {}
        self.reward_whole = math.lcm(*(r.as_integer_ratio()[1] for r in mdp.R.ravel().tolist()))
        for i, s in enumerate(self.live.tolist()):
            for a in np.flatnonzero(mdp.allowed[s]).tolist():
                pair = s * mdp.n_actions + a
                some = slice(ends[pair], ends[pair + 1])
                ratios = [p.as_integer_ratio() for p in prob[some].tolist()]
                common = math.lcm(*(q for _, q in ratios))
                parts = [p * (common // q) for p, q in ratios]
                self.whole[i, a] = sum(parts)  # the row divided by its sum
                after = zip(successor[some].tolist(), parts, strict=True)
                self.parts[i, a] = {place[t]: p for t, p in after if t in place}
                self.reward[i, a] = int(Fraction(float(mdp.R[s, a])) * self.reward_whole)
        self._advantages: dict[tuple[int, ...], dict[tuple[int, int], Poly]] = {}

    def between(self, low: Root | None, high: Root | None) -> list[_Piece]:
        """All pieces between two roots."""
        piece = self.piece_at(*self.inside(low, high))
        before = piece.low is not None and (low is None or compare(low, piece.low) < 0)
        after = piece.high is not None and (high is None or compare(piece.high, high) < 0)
        return [
            *(self.between(low, piece.low) if before else []),
            piece,
            *(self.between(piece.high, high) if after else []),
        ]

    def inside(self, low: Root | None, high: Root | None) -> tuple[Fraction, Fraction]:
        """The ends of an interval of rational numbers strictly between two roots."""
        width = Fraction(1, 16)
        while True:
            for root in (low, high):
                if root is not None:
                    root.refine(width)
            left = Fraction(0) if low is None else low.high
            right = Fraction(1) if high is None else high.low
            if left < right:
                return left, right
            width /= 16

    def piece_at(self, left: Fraction, right: Fraction) -> _Piece:
        """A policy that is optimal somewhere between, and where else it is."""
        for k in range(2, 10_000):
            gamma = left + (right - left) / k
            actions = self.optimum(gamma)
            advantages = self.advantages(actions)
            if all(not g or sign(g, gamma) for pair, g in advantages.items()):
                break  # no root: the signs are those of an interval around gamma
        optimal = np.zeros_like(self.mdp.allowed)
        optimal[self.mdp.terminal] = self.mdp.allowed[self.mdp.terminal]
        lows, highs = [], []
        for (i, a), g in advantages.items():
            if not g:
                optimal[self.live[i], a] = True  # the same value at each discount
                continue
            below, above = self._ends(g, gamma)
            lows += [below] if below is not None else []
            highs += [above] if above is not None else []
        full = np.zeros(self.mdp.n_states, dtype=np.int64)
        full[self.live] = actions
        full[self.mdp.terminal] = self.mdp.allowed[self.mdp.terminal].argmax(axis=1)
        return _Piece(
            tuple(full.tolist()),
            optimal,
            _extreme(lows, largest=True),
            _extreme(highs, largest=False),
        )

    def _ends(self, g: Poly, gamma: Fraction) -> tuple[Root | None, Root | None]:
        """The roots next to gamma beyond which g is positive."""
        simple = without_multiplicity(g)
        roots = [Root(simple, *bracket) for bracket in roots_in_unit(simple)]
        for root in roots:
            while root.low <= gamma <= root.high or root.low == 0 or root.high == 1:
                root.refine((root.high - root.low) / 4)
        for one, other in itertools.pairwise(roots):
            while one.high >= other.low:
                one.refine((one.high - one.low) / 4)
                other.refine((other.high - other.low) / 4)
        below = above = None
        for i, root in enumerate(roots):
            if root.high < gamma and self._sign_between(g, roots, i - 1) > 0:
                below = root
            if root.low > gamma and above is None and self._sign_between(g, roots, i) > 0:
                above = root
        return below, above

    def _sign_between(self, g: Poly, roots: list[Root], i: int) -> int:
        """The sign of g between root i and the next; before the first, behind the last."""
        left = roots[i].high if i >= 0 else Fraction(0)
        right = roots[i + 1].low if i + 1 < len(roots) else Fraction(1)
        return sign(g, (left + right) / 2)

    def optimum(self, gamma: Fraction) -> tuple[int, ...]:
        """Policy iteration at gamma, by exact signs, from what floats say."""
        near = min(max(float(gamma), 0.0), 1 - 2**-40)
        guess = policy_iteration(self.mdp.with_objective(gamma=near), tol=np.inf).pi.argmax(axis=1)
        actions = tuple(guess[self.live].tolist())
        while True:
            better = dict.fromkeys(range(len(actions)))
            for (i, a), g in self.advantages(actions).items():
                if g and better[i] is None and sign(g, gamma) > 0:
                    better[i] = a
            changed = tuple(a if better[i] is None else better[i] for i, a in enumerate(actions))
            if changed == actions:
                return actions
            actions = changed

    def advantages(self, actions: tuple[int, ...]) -> dict[tuple[int, int], Poly]:
        """g of each pair: its advantage times a positive number, as a polynomial in gamma."""
        if actions not in self._advantages:
            self._advantages[actions] = self._compute(actions)
        return self._advantages[actions]

    def _compute(self, actions: tuple[int, ...]) -> dict[tuple[int, int], Poly]:
        n = len(actions)
        chosen = [(i, a) for i, a in enumerate(actions)]
        right = [self.reward[pair] * self.whole[pair] for pair in chosen]
        columns: list[list[Fraction]] = [[] for _ in range(n + 1)]
        for j in range(n + 1):  # gamma = j / (n + 1): no pivot is 0
            matrix = [
                [
                    (n + 1) * self.whole[pair] * (i == t) - j * self.parts[pair].get(t, 0)
                    for t in range(n)
                ]
                for i, pair in enumerate(chosen)
            ]
            det, scaled = _cramer(matrix, [(n + 1) * r for r in right])
            for column, value in zip(columns, [det, *scaled], strict=True):
                column.append(Fraction(value))
        D, *N = _integer_polynomials([_interpolate(column) for column in columns], n + 1)
        found: dict[tuple[int, int], Poly] = {}
        for (i, a), parts in self.parts.items():
            if a == actions[i]:
                found[i, a] = []
                continue
            whole, reward = self.whole[i, a], self.reward[i, a]
            g = [whole * (reward * d - v) for d, v in zip(D, N[i], strict=True)] + [0]
            for t, part in parts.items():
                for k, v in enumerate(N[t]):
                    g[k + 1] += part * v
            found[i, a] = trimmed(g)
        return found


def _extreme(roots: list[Root], *, largest: bool) -> Root | None:
    """The largest or the smallest."""
    best: Root | None = None
    for root in roots:
        if best is None or compare(root, best) == (1 if largest else -1):
            best = root
    return best


def _cramer(matrix: list[list[int]], right: list[int]) -> tuple[int, list[int]]:
    """The determinant, and the solution times it; Bareiss, whose divisions come out even."""
    rows = [[*row, b] for row, b in zip(matrix, right, strict=True)]
    before = 1
    for k, top in enumerate(rows):
        pivot = top[k]
        for row in rows[k + 1 :]:
            factor = row[k]
            row[k:] = [
                (pivot * x - factor * y) // before for x, y in zip(row[k:], top[k:], strict=True)
            ]
        before = pivot
    scaled: list[int] = []
    for k in reversed(range(len(rows))):
        top = rows[k]
        later = sum(a * b for a, b in zip(top[k + 1 : -1], reversed(scaled), strict=True))
        scaled.append((before * top[-1] - later) // top[k])
    return before, scaled[::-1]


def _interpolate(values: list[Fraction]) -> list[Fraction]:
    """Coefficients in t of the polynomial with these values at t = 0, 1, 2, ... (Newton)."""
    table, differences = list(values), []
    while table:
        differences.append(table[0])
        table = [b - a for a, b in itertools.pairwise(table)]
    coefficients = [Fraction(0)] * len(values)
    basis = [Fraction(1)]  # t (t - 1) ... (t - k + 1) / k!
    for k, difference in enumerate(differences):
        for i, c in enumerate(basis):
            coefficients[i] += difference * c
        times_t = [Fraction(0), *basis]
        basis = [(x - k * y) / (k + 1) for x, y in zip(times_t, [*basis, Fraction(0)], strict=True)]
    return coefficients


def _integer_polynomials(polys: list[list[Fraction]], scale: int) -> list[Poly]:
    """The polynomials in gamma = t / scale, all times one positive number that clears fractions."""
    whole = math.lcm(*(c.denominator for p in polys for c in p))
    return [[int(c * whole) * scale**k for k, c in enumerate(p)] for p in polys]
