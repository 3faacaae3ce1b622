"""Moments: the exact mean and covariance of an estimator, for one trajectory.

Takes     what the recursions and the enumeration of this room compute.
Gives     the noun.
Not here  the computing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray
from ..markup import Shown


@dataclass(frozen=True, slots=True, eq=False)
class Moments(Shown):
    """The law of an estimator's row, as far as its first two moments.

    Attributes
    ----------
    mean : (D,) array
    variance : (D,) array or None
        inf where the second moment is infinite.
    covariance : (D, D) array or None
        Where it was asked for.
    mass : float
        The probability of all trajectories that were looked at; 1 but for round-off.
    count : int or None
        How many trajectories were enumerated; None for a recursion.
    note : str
        Why a variance is infinite.
    """

    mean: FloatArray
    variance: FloatArray | None
    covariance: FloatArray | None = None
    mass: float = 1.0
    count: int | None = None
    note: str = ""

    @property
    def deviation(self) -> float:
        """Standard deviation of one row: the root of the summed variances; inf if one is."""
        if self.variance is None:
            return float("nan")
        return float(np.sqrt(np.maximum(self.variance, 0.0).sum()))


def from_second(mean: FloatArray, second: FloatArray) -> Moments:
    """Moments from the mean (D,) and second moments: (D, D), or (D,) for variances alone."""
    if second.ndim == 1:
        return Moments(mean, np.maximum(second - mean**2, 0.0))
    covariance = second - np.outer(mean, mean)
    return Moments(mean, np.maximum(np.diag(covariance), 0.0), covariance)
