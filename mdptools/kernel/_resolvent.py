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
from ._triangular import Triangular

if TYPE_CHECKING:
    from ._storage import Chain


@cache
def _lapack() -> tuple[Any, Any]:
    """LU and the solver that goes with it: SciPy is loaded when they are first needed."""
    from scipy.linalg.lapack import dgetrf, dgetrs

    return dgetrf, dgetrs


SMALL = 500
"""States of the largest strong component up to which an order between components is enough."""

LARGE = 10_000
"""States of a strong component above which one iterates: an LU of a random graph would fill in."""

HUGE = 100_000
"""States of a chain above which an LU takes gigabytes: one iterates if components are not small."""


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
    Dense: one LU by LAPACK, 2/3 n^3 flops. Sparse: one LU by SuperLU, with the states in an order
    in which no strong component leads to a later one: so it fills in within components only. Within
    large random ones it fills in badly, while GMRES converges within a few products; so where a
    component has above 10,000 states (above 500 in chains of 100,000) one iterates first: by
    Gauss-Seidel sweeps backwards from where the chain is left, if it is, then by GMRES; the LU,
    which is good at grids and lines but takes memory, comes where these do not get on.
    """

    __slots__ = ("_lu", "_matrix", "_order", "_pivots", "_solve_sparse", "_triangular")

    def __init__(self, chain: Chain, gamma: float) -> None:
        self._solve_sparse: Any = None
        self._matrix: Any = None
        if isinstance(chain, np.ndarray):
            dgetrf, _ = _lapack()
            # In C order, whatever the chain's is: else `reshape` below would be a copy.
            matrix = np.multiply(chain, -gamma, order="C")
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
        self._order: Any = None
        self._triangular: Any = None
        if chain.shape[0] <= SMALL:
            self._factor()
            return
        from scipy.sparse.csgraph import connected_components

        # SciPy numbers the components so that no step leads to a larger number.
        pattern = _in_c_ints(self._matrix.copy())
        count, labels = connected_components(pattern, directed=True, connection="strong")
        largest = int(np.bincount(labels, minlength=count).max())
        if largest <= SMALL:
            self._order = labels.argsort(kind="stable")
        if largest <= (LARGE if chain.shape[0] <= HUGE else SMALL):
            self._factor()

    def _factor(self) -> None:
        from scipy.sparse.linalg import splu

        columns = self._matrix.tocsc()
        options: Any = {}
        if self._order is not None:
            columns = columns[self._order][:, self._order]
            options = {"permc_spec": "NATURAL", "diag_pivot_thresh": 0.0}
        try:
            self._solve_sparse = splu(_in_c_ints(columns), **options).solve
        except RuntimeError as error:  # SuperLU's word for a zero pivot
            raise ArithmeticError("I - gamma P_pi is singular in float64") from error

    def solve(self, b: FloatS) -> FloatS:
        """x with (I - gamma P_pi) x = b, (n,) or (n, K): values from rewards."""
        return self._solved(b, adjoint=False)

    def solve_adjoint(self, b: FloatS) -> FloatS:
        """x with (I - gamma P_pi)' x = b, (n,) or (n, K): visits from a start distribution."""
        return self._solved(b, adjoint=True)

    def _solved(self, b: FloatS, *, adjoint: bool) -> FloatS:
        x: FloatS
        if self._matrix is None:
            _, dgetrs = _lapack()
            x, _ = dgetrs(self._lu, self._pivots, b, trans=0 if adjoint else 1)
            return x
        if self._solve_sparse is None:
            if b.ndim == 2:  # one iterates on one column
                columns = [self._solved(column, adjoint=adjoint) for column in b.T]
                return np.stack(columns, axis=1)
            iterated = self._swept(b, adjoint=adjoint)
            if iterated is None:
                iterated = _refined(self._matrix.T.tocsr() if adjoint else self._matrix, b)
            if iterated is not None:
                return iterated
            self._factor()
        trans = "T" if adjoint else "N"
        if self._order is None:
            x = self._solve_sparse(b, trans)
        else:
            x = np.empty_like(b)
            x[self._order] = self._solve_sparse(b[self._order], trans)
        return x

    def _swept(self, b: FloatS, *, adjoint: bool) -> FloatS | None:
        """Gauss-Seidel sweeps, if the chain is left somewhere and they get on."""
        if self._triangular is None:
            try:
                self._triangular = Triangular(self._matrix)
            except ArithmeticError:
                self._triangular = False
        return self._triangular.solve(b, adjoint=adjoint) if self._triangular else None


def _in_c_ints(matrix: Any) -> Any:
    """The matrix, counting in C ints: older releases of SciPy leave the conversion to us."""
    matrix.indices = matrix.indices.astype(np.intc)
    matrix.indptr = matrix.indptr.astype(np.intc)
    return matrix


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
