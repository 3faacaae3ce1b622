"""Blocks of states: the rows of a few states at a time, and who can follow whom.

Takes     P as it is stored, states as indices or as a slice.
Gives     P V in some states only, a chain cut into pieces, the chances to stay, the pattern of one
          step.
Not here  products with all of P (`_products`), the order of the blocks (structure).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..arrays import FloatArray, FloatS, FloatSA, IntArray
from ._products import _rows
from ._storage import shape

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    from ._storage import Chain, Kernel

States: TypeAlias = "IntArray | slice"

AT_ONCE = 1 << 16
"""States whose rows are copied at a time: the copy stays small beside P."""

FEW = 64
"""Rows, at most, for which SciPy's products cost less than what is around them."""


def expect_at(P: Kernel, states: States, V: FloatS) -> FloatSA:
    """The rows of `expect` for some states.

    Parameters
    ----------
    P : kernel
    states : (n,) array of int, or a slice with begin and end
        Of a slice no row is copied.
    V : (S,) array, any unit

    Returns
    -------
    (n, A) array
        In the unit of V. Time O(n A S) if dense, O(branches of these states) if sparse.
    """
    n_states, n_actions = shape(P)
    if isinstance(P, np.ndarray):
        seen: FloatArray = P[states].reshape(-1, n_states).dot(V)
        return seen.reshape(-1, n_actions)
    if isinstance(states, slice):
        begin, end = states.start * n_actions, states.stop * n_actions
        few = _few(P, begin, end, V) if end - begin <= FEW else None
        ahead: FloatArray = _rows(P, begin, end).dot(V) if few is None else few
        return ahead.reshape(-1, n_actions)
    if len(states) > AT_ONCE:
        cuts = range(0, len(states), AT_ONCE)
        return np.concatenate([expect_at(P, states[i : i + AT_ONCE], V) for i in cuts])
    rows = (states[:, None] * n_actions + np.arange(n_actions)).reshape(-1)
    copied: Any = P
    product: FloatArray = copied[rows].dot(V)
    return product.reshape(-1, n_actions)


def _few(P: Any, begin: int, end: int, V: FloatS) -> FloatArray | None:
    """A product with a few rows, in a fifth of the time that it takes to make a csr_array."""
    starts = P.indptr[begin : end + 1]
    first = starts[0]
    entries = slice(first, starts[-1])
    if not np.diff(starts).all():
        return None  # `reduceat` knows no empty sums
    terms = P.data[entries] * V[P.indices[entries]]
    sums: FloatArray = np.add.reduceat(terms, starts[:-1] - first)
    return sums


def split(chain: Chain, bounds: list[int]) -> list[Chain]:
    """The rows of a chain in consecutive pieces, without a copy; for products only.

    Parameters
    ----------
    chain : (n, S) array or csr_array
    bounds : list of int
        Where the pieces begin and the last one ends.

    Returns
    -------
    list of (m, S) arrays or csr_arrays
    """
    if isinstance(chain, np.ndarray):
        return [chain[i:j] for i, j in pairwise(bounds)]
    return [_rows(chain, i, j) for i, j in pairwise(bounds)]


def loops(P: Kernel) -> FloatSA:
    """P[s, a, s], the chance of a pair to stay where it is.

    Parameters
    ----------
    P : kernel

    Returns
    -------
    (S, A) array
    """
    n_states, n_actions = shape(P)
    chances = np.zeros((n_states, n_actions))
    if isinstance(P, np.ndarray):
        index = np.arange(n_states)
        chances[:] = P[index, :, index]
        return chances
    for begin in range(0, n_states, AT_ONCE):
        first, last = begin * n_actions, min(begin + AT_ONCE, n_states) * n_actions
        ends = P.indptr[first : last + 1]
        row = np.repeat(np.arange(first, last), np.diff(ends))
        entries = slice(int(ends[0]), int(ends[-1]))
        own = P.indices[entries] == row // n_actions
        chances.reshape(-1)[row[own]] = P.data[entries][own]
    return chances


def pattern(P: Kernel) -> csr_array[np.float64, tuple[int, int]]:
    """Which states can follow which under any action, as an (S, S) csr_array.

    Parameters
    ----------
    P : kernel

    Returns
    -------
    csr_array
        Every stored entry is an edge, once, in the order of its target; what it weighs is some
        number that is not 0. Memory: as P, while it is made and after.
    """
    from scipy.sparse import csr_array

    n_states, n_actions = shape(P)
    if isinstance(P, np.ndarray):
        joined = (P != 0).any(axis=1)
        source, target = np.nonzero(joined)
        indptr = np.zeros(n_states + 1, dtype=np.int32)
        np.cumsum(np.bincount(source, minlength=n_states), out=indptr[1:])
        parts = (np.ones(len(target)), target.astype(np.int32), indptr)
        return csr_array(parts, shape=(n_states, n_states))
    parts = (np.ones(P.nnz), P.indices.copy(), P.indptr[::n_actions].copy())
    graph = csr_array(parts, shape=(n_states, n_states))
    graph.sum_duplicates()  # with an edge twice SciPy's search for components never returns
    return graph
