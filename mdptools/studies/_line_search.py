"""Exact line search: the first stationary point of J along a direction.

Takes     J and its slope as functions of the step.
Gives     the step.
Source    doubling until the slope is no longer > 0, then Brent (1973), chapter 4, on the slope.
Not here  the directions.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..arrays import EPS
from ..estimators import with_options
from ._steps import check_size


@dataclass(frozen=True, slots=True)
class LineSearch:
    """Go on along the direction until J rises no longer.

    Parameters
    ----------
    longest : float > 0
        Where to stop if J still rises there: softmax policies may have their best step at infinity.
    """

    longest: float = 1e6

    def __post_init__(self) -> None:
        check_size(self.longest, "longest")


def words_for_search(search: LineSearch) -> str:
    """A line search in a few characters, for names of rules."""
    return with_options("line search", search)


def stationary_step(
    along: Callable[[float], tuple[float, float]], first: float, longest: float
) -> float:
    """The step to the first sign change of the slope that doubling brackets.

    Parameters
    ----------
    along : function step -> (J, slope)
    first : float > 0
        The first step that is tried.
    longest : float > 0
        The largest.

    Returns
    -------
    float
        In [0, longest]; 0 if the slope at 0 is not > 0. J there is not below any J that was met on
        the way, J at 0 among them, by more than round-off: otherwise the best step that was met is
        given.
    """
    from scipy.optimize import brentq

    seen = {0.0: along(0.0)}

    def slope(eta: float) -> float:
        if eta not in seen:
            seen[eta] = along(eta)
        return seen[eta][1]

    if not slope(0.0) > 0:
        return 0.0
    low, high = 0.0, min(first, longest)
    while slope(high) > 0 and high < longest:
        low, high = high, min(2 * high, longest)
    found = high
    if slope(high) < 0:
        found = float(brentq(slope, low, high, xtol=1e-12 * high, rtol=4 * EPS, maxiter=200))
    slope(found)
    best = max(seen, key=lambda eta: seen[eta][0])
    noise = 100 * EPS * max(abs(J) for J, _ in seen.values())
    return found if seen[found][0] >= seen[best][0] - noise else best
