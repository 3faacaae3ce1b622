"""Arguments that many problems share: sizes, numbers, probabilities.

Takes     what the caller handed in, and its name.
Gives     the checked number, or a ModelError that names it.
Not here  checks of the finished model (`MDP` makes them).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count, number_or_nan
from ..errors import ModelError


def at_least(n: Any, name: str, least: int) -> int:
    """An int that is large enough."""
    count = check_count(n, name)
    if count < least:
        raise ModelError(f"{name} is {count}; it must be at least {least}.")
    return count


def finite(x: Any, name: str) -> float:
    """A finite float."""
    value = number_or_nan(x)
    if not np.isfinite(value):
        raise ModelError(f"{name} is {x!r:.80}; it must be a finite number.")
    return value


def chance(x: Any, name: str) -> float:
    """A probability."""
    value = number_or_nan(x)
    if not 0 <= value <= 1:
        raise ModelError(f"{name} is {x!r:.80}; it must be a probability.")
    return value


def discount_below_one(gamma: Any) -> float:
    """A discount for a model in which nothing ends."""
    value = number_or_nan(gamma)
    if not 0 <= value < 1:
        raise ModelError(f"gamma is {gamma!r:.80}; it must be in [0, 1): nothing ends here.")
    return value


def law(x: Any, name: str) -> FloatArray:
    """A distribution as an array."""
    p = np.asarray(x, dtype=np.float64)
    if p.ndim != 1 or not (p >= 0).all() or not abs(p.sum() - 1) <= 1e-12:
        raise ModelError(
            f"{name} is {x!r:.80}; it must be a vector of probabilities that sum to 1."
        )
    return p
