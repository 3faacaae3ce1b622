"""Products with P and with the chain of a policy.

Takes     P as it is stored, and arrays of values, weights or actions.
Gives     P V, x P, P_pi and parts of it.
Source    Puterman (1994), section 5.6: P_pi and its adjoint.
Not here  rewards and discounting (bellman), linear systems (`_resolvent`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import BoolS, FloatArray, FloatS, FloatSA, IntArray, readonly
from ._storage import is_dense, shape

if TYPE_CHECKING:
    from ._storage import Chain, Kernel


def expect(P: Kernel, V: FloatS) -> FloatSA:
    """(P V)(s, a) = sum_t P[s, a, t] V[t], the expected value after one step.

    Parameters
    ----------
    P : kernel
    V : (S,) array, any unit
        Real or complex.

    Returns
    -------
    (S, A) array
        In the unit of V. Time and reads O(S^2 A) if dense, O(nnz) if sparse.
    """
    flat: Any = P.reshape(-1, P.shape[2]) if isinstance(P, np.ndarray) else P
    product: FloatArray = flat.dot(V)
    return product.reshape(len(V), -1)


def push(P: Kernel, x: FloatSA) -> FloatS:
    """(x P)(t) = sum_{s,a} x[s, a] P[s, a, t], the adjoint of `expect`.

    Parameters
    ----------
    P : kernel
    x : (S, A) array
        Mass on pairs.

    Returns
    -------
    (S,) array
        Where one step takes that mass.
    """
    flat: Any = P.reshape(-1, P.shape[0]) if isinstance(P, np.ndarray) else P
    pushed: FloatArray = x.reshape(-1) @ flat
    return pushed


def mix(P: Kernel, pi: FloatSA) -> Chain:
    """P_pi[s, t] = sum_a pi[s, a] P[s, a, t], the chain of a policy.

    Parameters
    ----------
    P : kernel
    pi : (S, A) array

    Returns
    -------
    (S, S) array or csr_array
        Dense if P is.
    """
    if isinstance(P, np.ndarray):
        dense: FloatArray = np.einsum("sa,sat->st", pi, P)
        return dense
    from scipy.sparse import csr_array

    n_states, n_actions = shape(P)
    indptr = np.arange(0, n_states * n_actions + 1, n_actions)
    weights = csr_array(
        (pi.reshape(-1), np.arange(n_states * n_actions), indptr),
        shape=(n_states, n_states * n_actions),
    )
    chain: Any = csr_array(weights @ P)
    chain.sum_duplicates()  # sorts the indices, so that the same model gives the same bits
    mixed: Chain = chain
    return mixed


@lru_cache(maxsize=1)  # a planner asks for the same again and again
def first_rows(n_states: int, n_actions: int) -> IntArray:
    """Where each state begins among the rows: plus ``actions``, the rows of (s, actions[s]).

    Parameters
    ----------
    n_states, n_actions : int

    Returns
    -------
    (S,) array of int
        ``s * A``.
    """
    return readonly(np.arange(0, n_states * n_actions, n_actions))


def pick(P: Kernel, actions: IntArray) -> Chain:
    """The chain of a deterministic policy: ``P[s, actions[s]]`` for every s.

    Parameters
    ----------
    P : kernel
    actions : (S,) array of int

    Returns
    -------
    (S, S) array or csr_array
        A copy. Dense if P is.
    """
    return take(P, first_rows(*shape(P)) + actions)


def take(P: Kernel, rows: IntArray) -> Chain:
    """The rows ``s*A + a`` of P: with one for each state, the chain of a policy.

    Parameters
    ----------
    P : kernel
    rows : (n,) array of int

    Returns
    -------
    (n, S) array or csr_array
        A copy. Dense if P is.
    """
    if isinstance(P, np.ndarray):
        return P.reshape(-1, P.shape[2]).take(rows, axis=0)
    table: Any = P
    chain: Chain = table[rows]
    return chain


def table(
    row: IntArray, column: IntArray, weight: FloatArray, n_rows: int, n_columns: int, *, dense: bool
) -> Any:
    """A matrix from its entries; entries at one place add up.

    Parameters
    ----------
    row, column : (n,) arrays of int
    weight : (n,) array
    n_rows, n_columns : int
    dense : bool

    Returns
    -------
    (n_rows, n_columns) array or csr_array
    """
    if dense:
        flat = np.bincount(row * n_columns + column, weight, n_rows * n_columns)
        return flat.reshape(n_rows, n_columns)
    from scipy.sparse import csr_array

    return csr_array((weight, (row, column)), shape=(n_rows, n_columns))


def restrict(chain: Chain, kept: BoolS) -> Chain:
    """The chain among the states of ``kept`` alone; what leaves them is gone.

    Parameters
    ----------
    chain : (S, S) array or csr_array
    kept : (S,) array of bool

    Returns
    -------
    (k, k) array or csr_array
        The chain itself if all are kept.
    """
    if kept.all():
        return chain
    states = np.flatnonzero(kept)
    table: Any = chain
    part: Chain = table[np.ix_(states, states)] if is_dense(chain) else table[states][:, states]
    return part


def to_dense(chain: Chain) -> FloatArray:
    """The chain as an ndarray.

    Parameters
    ----------
    chain : (n, n) array or csr_array

    Returns
    -------
    (n, n) array
        The chain itself if it is dense.
    """
    if isinstance(chain, np.ndarray):
        return chain
    dense: FloatArray = chain.toarray()
    return dense


def column_length(chain: Chain) -> int:
    """The largest number of predecessors of a state: how many terms the adjoint's sums have.

    Parameters
    ----------
    chain : (S, S) array or csr_array

    Returns
    -------
    int
    """
    if isinstance(chain, np.ndarray):
        return int(np.count_nonzero(chain, axis=0).max(initial=0))
    return int(np.bincount(chain.indices, minlength=1).max(initial=0))
