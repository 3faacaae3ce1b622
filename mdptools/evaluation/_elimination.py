"""Elimination without subtraction: absorbing chains solved to a relative accuracy.

Takes     the chain among some states and the chance of each to leave them, all >= 0.
Gives     `Elimination`, the factors of I - P; solutions, and their relative error.
Source    Grassmann, Taksar and Heyman (1985); O'Cinneide (1993) for the error. Derived below.
Not here  which states those are (`_average`).

A diagonal entry of I - P is the chance to leave the state, and that is the sum of the other
entries of its row: nothing is subtracted, so nothing cancels, however slowly the chain mixes.

Error. Eliminating state k of n turns P[i, j] into P[i, j] + P[i, k] P[k, j] / leave[k]: with
m = n - 1 - k states left, at most m + 4 roundings, u each. By the forest theorem an entry of
(I - P)^-1 is a quotient of two sums of products of entries of P, at most m of them in each, so a
relative change e of all entries changes it by a factor of ((1 + e) / (1 - e))^m at most; the right
hand side and the substitution add 3 m + 9. The sum over k is below u (2/3 n^3 + 6 n^2 + 14 n).
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, FloatS

BLOCK = 64
"""States that are eliminated before the rest of the matrix hears of it."""

SAFE = 1e-150
"""If no factor is smaller, no product of two underflows."""

LEAST = 1e-300
"""A state that is left more rarely than that counts as one that is never left."""


class Elimination:
    """I - P of an absorbing chain in two triangular factors.

    Parameters
    ----------
    chain : (n, n) array
        >= 0. The diagonal is not looked at.
    leave : (n,) array
        >= 0: the chance to leave these states. With the other entries of a row it sums to one minus
        the diagonal.
    defect : float
        Relative error of each entry of ``chain`` and ``leave``.

    Attributes
    ----------
    relative : float
        Each solution for a right hand side >= 0 is off by a factor of at most ``exp(relative)``;
        inf if that is not known, because numbers underflow.

    Raises
    ------
    ArithmeticError
        If some state never leaves, as far as float64 can see.
    """

    __slots__ = ("_factors", "_order", "relative")

    def __init__(self, chain: FloatArray, leave: FloatS, defect: float) -> None:
        n = len(leave)
        factors, leave = chain.copy(), leave.copy()
        for begin in range(0, n, BLOCK):
            end = min(begin + BLOCK, n)
            for k in range(begin, end):
                # Row and column k hear of the states of this block that went before.
                lower = factors[k, begin:k]
                factors[k, k + 1 :] += lower @ factors[begin:k, k + 1 :]
                leave[k] += lower @ leave[begin:k]
                factors[k + 1 :, k] += factors[k + 1 :, begin:k] @ factors[begin:k, k]
                pivot = factors[k, k + 1 :].sum() + leave[k]
                if not LEAST < pivot < np.inf:
                    raise ArithmeticError("a state never leaves")
                factors[k, k] = pivot
                factors[k + 1 :, k] /= pivot
            lower = factors[end:, begin:end]
            factors[end:, end:] += lower @ factors[begin:end, end:]
            leave[end:] += lower @ leave[begin:end]
        smallest = min(
            float(factors.min(initial=1.0, where=factors > 0)),
            float(leave.min(initial=1.0, where=leave > 0)),
        )
        roundings = n**3 / 3 + 3 * n**2 + 7 * n
        self.relative = 1.01 * (EPS * roundings + 2 * n * defect) if smallest > SAFE else np.inf
        factors *= -1.0
        factors.reshape(-1)[:: n + 1] *= -1.0
        self._factors = np.asfortranarray(factors)  # LAPACK would copy it for each solution
        self._order = np.arange(n, dtype=np.int32)

    def solve(self, b: FloatS) -> FloatS:
        """x with (I - P) x = b."""
        return self._solved(b, adjoint=False)

    def solve_adjoint(self, b: FloatS) -> FloatS:
        """x with (I - P)' x = b."""
        return self._solved(b, adjoint=True)

    def _solved(self, b: FloatArray, *, adjoint: bool) -> FloatArray:
        # LAPACK's substitution subtracts products of numbers <= 0: nothing cancels here either.
        x: FloatArray
        x, _ = _substitution()(self._factors, self._order, b, trans=int(adjoint))
        return x


@cache
def _substitution() -> Any:
    """LAPACK's solver for factors: SciPy is loaded when it is first needed."""
    from scipy.linalg.lapack import dgetrs

    return dgetrs
