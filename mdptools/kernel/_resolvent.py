"""Linear systems with I - gamma P_pi.

Takes     the chain of a policy, dense or sparse, and gamma.
Gives     `Resolvent`, which solves with the matrix and with its transpose.
Source    LAPACK and SuperLU; GMRES (Saad and Schultz 1986) with iterative refinement.
Not here  how exact a solution is: certificates measure it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatS

if TYPE_CHECKING:
    from ._storage import Chain


@cache
def _lapack() -> tuple[Any, Any]:
    """LU and the solver that goes with it: SciPy is loaded when they are first needed."""
    from scipy.linalg.lapack import dgetrf, dgetrs

    return dgetrf, dgetrs


LARGE = 10_000
"""States above which a sparse system is iterated on: an LU of a random graph would fill in."""


class Resolvent:
    """(I - gamma P_pi)^-1, the sum of the discounted powers of P_pi.

    Parameters
    ----------
    chain : (n, n) array or csr_array
    gamma : float

    Raises
    ------
    ArithmeticError
        If I - gamma P_pi is singular in float64.

    Notes
    -----
    Dense: one LU by LAPACK, 2/3 n^3 flops. Sparse: one LU by SuperLU. It fills in on random graphs,
    on which GMRES converges within a few products; so above 10,000 states GMRES is tried first, and
    the LU, which is good at grids and lines, where that does not get on.
    """

    __slots__ = ("_lu", "_matrix", "_pivots", "_solve_sparse")

    def __init__(self, chain: Chain, gamma: float) -> None:
        self._solve_sparse: Any = None
        self._matrix: Any = None
        if isinstance(chain, np.ndarray):
            dgetrf, _ = _lapack()
            matrix = chain * -gamma
            diagonal = matrix.reshape(-1)[:: len(matrix) + 1]
            diagonal += 1.0
            # The transpose of a C-ordered array is what LAPACK wants: no copy is made.
            self._lu, self._pivots, info = dgetrf(matrix.T, overwrite_a=True)
            if info != 0:
                raise ArithmeticError("I - gamma P_pi is singular in float64")
            return
        from scipy.sparse import csr_array

        index = np.arange(chain.shape[0] + 1)
        identity = csr_array((np.ones(len(index) - 1), index[:-1], index))
        self._matrix = identity - gamma * chain
        if chain.shape[0] <= LARGE:
            self._factor()

    def _factor(self) -> None:
        from scipy.sparse.linalg import splu

        columns = self._matrix.tocsc()
        # SuperLU counts in C ints; older releases of SciPy leave the conversion to us.
        columns.indices = columns.indices.astype(np.intc)
        columns.indptr = columns.indptr.astype(np.intc)
        try:
            self._solve_sparse = splu(columns).solve
        except RuntimeError as error:  # SuperLU's word for a zero pivot
            raise ArithmeticError("I - gamma P_pi is singular in float64") from error

    def solve(self, b: FloatS) -> FloatS:
        """x with (I - gamma P_pi) x = b: values from rewards."""
        return self._solved(b, adjoint=False)

    def solve_adjoint(self, b: FloatS) -> FloatS:
        """x with (I - gamma P_pi)' x = b: visits from a start distribution."""
        return self._solved(b, adjoint=True)

    def _solved(self, b: FloatS, *, adjoint: bool) -> FloatS:
        x: FloatS
        if self._matrix is None:
            _, dgetrs = _lapack()
            x, _ = dgetrs(self._lu, self._pivots, b, trans=0 if adjoint else 1)
            return x
        if self._solve_sparse is None:
            iterated = _refined(self._matrix.T.tocsr() if adjoint else self._matrix, b)
            if iterated is not None:
                return iterated
            self._factor()
        x = self._solve_sparse(b, "T" if adjoint else "N")
        return x


def _refined(matrix: Any, b: FloatS) -> FloatS | None:
    """x with matrix x = b: GMRES to five digits, again for what is left; None if that fails."""
    from scipy.sparse.linalg import gmres

    x = np.zeros_like(b)
    left = b
    begin = size = np.abs(b).max(initial=0.0)
    for _ in range(20):
        step, _ = gmres(matrix, left, atol=0.0, restart=30, maxiter=10)
        after = b - matrix @ (x + step)
        remaining = np.abs(after).max(initial=0.0)
        if not remaining < size / 2:
            break
        x, left, size = x + step, after, remaining
    return x if size <= 1e-9 * begin else None
