"""Bets: how much to put on the next rows, given what all earlier ones were like.

Takes     moments of rows; factors.
Gives     `Bet`; the sum of logarithms of factors.
Source    Waudby-Smith and Ramdas (2024) for bets on means. Derived: the logarithm of a product of
          factors 1 + bet . y grows fastest, for small bets, along (E y y')^-1 E y.
Not here  what bets are worth (`_eprocess`), where rows can be (`_support`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray

RIDGE = 0.02
LOWEST = 0.5  # no factor 1 + bet . y can be smaller
GROUP = 16  # factors that are multiplied before a logarithm is taken


@dataclass(frozen=True, slots=True, eq=False)
class Bet:
    """What is bet on each row of the next batch.

    Attributes
    ----------
    direction : (D,) array
        In which the mean seems to be, for the variance that there is.
    share : float
        How much of it is bet: 0 if noise alone would look like that.
    each : (D,) array
        What is bet on each coordinate alone.
    """

    direction: FloatArray
    share: float
    each: FloatArray


def vector_bet(
    n: int, mean: FloatArray, scale: FloatArray, correlation: FloatArray | None
) -> tuple[FloatArray, float]:
    """A bet on all coordinates, not yet made safe: (correlation + ridge)^-1 mean, shrunk.

    Parameters
    ----------
    n : int
        Rows that it is made from.
    mean, scale : (D,) arrays
        Their mean and root mean square.
    correlation : (D, D) array or None
        About 0; None for the identity.

    Returns
    -------
    direction : (D,) array
        In units of 1 / y.
    share : float
        From 0 to 1: how much of it to bet.

    Notes
    -----
    The ridge makes a singular matrix harmless, and lets a direction without variance but with a
    mean be found fast. Noise alone makes n mean' M^-1 mean about the effective dimension: the bet
    is shrunk by what is left above it (James and Stein 1961).
    """
    u = mean / scale
    direction: FloatArray
    if correlation is None:
        direction, dof = u / (1 + RIDGE), len(u) / (1 + RIDGE)
    else:
        ridged = correlation + RIDGE * np.eye(len(u))
        solved: Any = np.linalg.solve(ridged, np.column_stack((u, correlation)))
        direction, dof = solved[:, 0], float(np.trace(solved[:, 1:]))
    gain = n * float((direction * u).sum())
    return direction / scale, 1 - dof / gain if gain > dof else 0.0


def coordinate_bets(n: int, mean: FloatArray, scale: FloatArray) -> FloatArray:
    """`vector_bet` for each coordinate alone."""
    u = mean / scale
    dof = 1 / (1 + RIDGE)
    bet = u * dof
    gain = n * bet * u
    shrunk = np.divide(dof, gain, out=np.ones_like(u), where=gain > dof)
    bets: FloatArray = (1 - shrunk) * bet / scale
    return bets


def shrinking(worst: Any) -> Any:
    """By what a bet that may fall by ``worst`` is multiplied, so that 1 + bet . y >= 1/2."""
    return LOWEST / np.maximum(worst, LOWEST)


def log_growth(x: FloatArray) -> FloatArray:
    """Sum over rows of log(1 + x), for x (n, k); x is overwritten.

    What is below -1 counts as very little above it: such a batch is not used.
    """
    x += 1.0
    np.maximum(x, 1e-15, out=x)
    whole = len(x) // GROUP * GROUP if x.max(initial=0.0) < 1e15 else 0
    grouped = x[:whole].reshape(-1, GROUP, x.shape[1]).prod(axis=1)
    total: FloatArray = np.log(grouped).sum(axis=0) + np.log(x[whole:]).sum(axis=0)
    return total
