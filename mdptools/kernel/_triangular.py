"""Gauss-Seidel for linear systems with I - gamma P_pi: a triangular solve a sweep.

Takes     the matrix, sparse, of a chain that is left somewhere.
Gives     `Triangular`, which solves with it and its transpose where sweeps get on.
Source    Saad (2003), section 4.1; the order: backwards from where the chain is left.
Not here  when it is worth it (`_resolvent`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatS

SWEEPS, TRIAL = 500, 50
"""Sweeps, at most; and after how many one looks whether a third of the residual has gone."""

LEAK = 1e-9
"""A row that sums to so much more than the smallest is one from which the chain is left."""


class Triangular:
    """Sweeps from the states where a chain is left backwards to those that are far from there.

    Parameters
    ----------
    matrix : (n, n) csr_array
        I - gamma P_pi.

    Raises
    ------
    ArithmeticError
        If the chain is left nowhere, so that there is no order.

    Notes
    -----
    ``x <- x + L^-1 (b - M x)``, L the part of M on and below the diagonal in that order; L' for the
    transpose. SuperLU solves with L without any fill: memory O(nnz), and 20 ns for each entry.
    """

    __slots__ = ("_matrix", "_order", "_solve")

    def __init__(self, matrix: Any) -> None:
        from scipy.sparse import csc_array
        from scipy.sparse.csgraph import breadth_first_order
        from scipy.sparse.linalg import splu

        n = matrix.shape[0]
        sums = matrix @ np.ones(n)
        exits = np.flatnonzero(sums > sums.min() + LEAK)
        if not len(exits):
            raise ArithmeticError("the chain is left nowhere")
        # One more node, from which a search backwards begins with all exits.
        backward = matrix.T.tocsr()
        indptr = np.append(backward.indptr, backward.nnz + len(exits)).astype(np.int32)
        indices = np.append(backward.indices, exits).astype(np.int32)
        backward = type(matrix)((np.ones(len(indices)), indices, indptr), shape=(n + 1, n + 1))
        found = breadth_first_order(backward, n, return_predecessors=False)[1:]
        del backward
        rank = np.full(n, n, dtype=np.int32)
        rank[found] = np.arange(len(found), dtype=np.int32)
        rank[rank == n] = np.arange(len(found), n, dtype=np.int32)
        row = np.repeat(rank, np.diff(matrix.indptr))
        column = rank[matrix.indices]
        kept = column <= row
        lower = csc_array((matrix.data[kept], (row[kept], column[kept])), shape=(n, n))
        lower.indices = lower.indices.astype(np.intc)
        lower.indptr = lower.indptr.astype(np.intc)
        self._matrix = matrix
        self._order = np.empty(n, dtype=np.int32)
        self._order[rank] = np.arange(n, dtype=np.int32)
        self._solve: Any = splu(lower, permc_spec="NATURAL", diag_pivot_thresh=0.0).solve

    def solve(self, b: FloatS, *, adjoint: bool) -> FloatS | None:
        """x with M x = b, or M' x = b; None where sweeps do not get on.

        Done when the residual is a billionth of b and a sweep gains no more.
        """
        matrix = self._matrix.T if adjoint else self._matrix
        x = np.zeros_like(b)
        # Each sweep lowers what is left of values in its maximum, of visits in its sum.
        measure = np.sum if adjoint else np.max
        begin = size = looked = measure(np.abs(b))
        left = b
        for sweep in range(1, SWEEPS + 1):
            step = np.empty_like(b)
            step[self._order] = self._solve(left[self._order], "T" if adjoint else "N")
            step += x
            left = b - matrix @ step
            before, size = size, measure(np.abs(left))
            if before <= 1e-12 * begin and not size < before / 2:
                return x
            x = step
            if sweep % TRIAL == 0:
                if not size < looked * 2 / 3:
                    return x if size <= 1e-9 * begin else None
                looked = size
        return x if size <= 1e-9 * begin else None
