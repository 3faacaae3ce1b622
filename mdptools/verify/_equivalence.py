"""Equivalence: the claim that a mean is within a tolerance of zero, with an error rate.

Takes     rows y (n, D), batch after batch; tolerances; where rows can be (`_support`).
Gives     whether the claim may be made: wrongly with a chance of at most beta.
Source    two one-sided tests (Schuirmann 1987), each by a product of bets. Derived: if the mean of
          y_j is at least tol_j, then 1 + bet (tol_j - y_j) with bet >= 0 has mean at most 1, and
          so has the product; to be worth 1 / beta it has to be lucky once in 1 / beta times. The
          claim needs all 2 D products: if one coordinate is off, its own product already protects.
Not here  the alarm (`_eprocess`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ._bets import LOWEST, log_growth
from ._support import Support

CONSTANT = 0.1  # the tolerance of a coordinate without variance, as a share of the largest
UNITS = ("sd", "absolute", "target")


@dataclass(frozen=True, slots=True, eq=False)
class Sides:
    """What is bet on the next batch, from above and from below.

    Attributes
    ----------
    tol : (D,) array
        What is claimed: the mean of y_j is within tol_j of 0.
    upper, lower : (D,) arrays
        Bets on tol - y and on tol + y.
    """

    tol: FloatArray
    upper: FloatArray
    lower: FloatArray

    def measure(self, y: FloatArray) -> FloatArray:
        """Logarithms of both products over rows y (n, D), (2, D)."""
        above = log_growth(self.upper * (self.tol - y))
        return np.stack((above, log_growth(self.lower * (self.tol + y))))


class Equivalence:
    """Two one-sided tests in each coordinate.

    Parameters
    ----------
    tol : float
    units : {"sd", "absolute", "target"}
        Of tol: standard deviations of a row, units of the target, shares of the largest |target|.
    target : (D,) array
    floor : (D,) array
        Round-off: no smaller tolerance is claimed.

    Raises
    ------
    ModelError
        If the units are none of these, or the largest |target| is 0.
    """

    def __init__(self, tol: float, units: str, target: FloatArray, floor: FloatArray) -> None:
        if units not in UNITS:
            raise ModelError(f"tol_units is {units!r}; it must be one of {', '.join(UNITS)}.")
        size = float(np.abs(target).max(initial=0.0))
        if units == "target" and size == 0:
            raise ModelError(
                "tol_units is 'target', a share of the largest |target|, but the target is 0: take "
                "'sd' or 'absolute'."
            )
        self.tol, self.units, self._size, self._floor = tol, units, size, floor
        self.certified: FloatArray = np.zeros(len(target))
        self.start_again()

    def start_again(self) -> None:
        """Both products back to 1."""
        self.log_e: FloatArray = np.zeros((2, len(self.certified)))
        self.certified = np.zeros(len(self.certified))

    def tolerances(self, sd: FloatArray) -> FloatArray:
        """tol in absolute units, from the standard deviations of earlier rows."""
        if self.units == "absolute":
            return np.full(len(sd), self.tol)
        if self.units == "target":
            return np.full(len(sd), self.tol * self._size)
        largest = float(sd.max(initial=0.0))
        sizes = np.where(sd > self._floor, sd, CONSTANT * largest)
        return np.maximum(self.tol * sizes, self._floor)

    def sides(
        self, sd: FloatArray, mean: FloatArray, variance: FloatArray, support: Support
    ) -> Sides:
        """Bets for the next batch.

        Parameters
        ----------
        sd : (D,) array
            What tolerances are measured in.
        mean, variance : (D,) arrays
            Of all earlier rows y.
        support : Support
        """
        tol = self.tolerances(sd)
        upper = _bets(tol - mean, variance, support.high - tol)
        return Sides(tol, upper, _bets(tol + mean, variance, -support.low - tol))

    def take(self, sides: Sides, parts: Sequence[FloatArray]) -> None:
        """One batch, measured with ``sides``, in order."""
        for part in parts:
            self.log_e = self.log_e + part
        self.certified = np.maximum(self.certified, sides.tol)

    def holds(self, beta: float) -> bool:
        """Whether the claim may be made now."""
        return bool((self.log_e >= -np.log(beta)).all() and (self.certified > 0).all())


def _bets(gap: FloatArray, variance: FloatArray, reach: FloatArray) -> FloatArray:
    """gap / (variance + gap^2), capped so that no factor falls below 1/2.

    Without the cap the product can become negative, and its mean says nothing.
    """
    gap = np.maximum(gap, 0.0)
    square = variance + gap**2
    bet = np.divide(gap, square, out=np.zeros_like(gap), where=square > 0)
    cap = np.divide(LOWEST, reach, out=np.full_like(gap, np.inf), where=reach > 0)
    return np.minimum(bet, cap)
