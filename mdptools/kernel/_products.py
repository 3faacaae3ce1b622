"""Products with P and with the chain of a policy.

Takes     P as it is stored, and arrays of values, weights or actions.
Gives     P V, x P, P_pi and parts of it.
Source    Puterman (1994), section 5.6: P_pi and its adjoint.
Not here  rewards and discounting (bellman), linear systems (`_resolvent`), a chain that changes
          little by little (`_follower`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import BoolS, FloatArray, FloatS, FloatSA, IntArray, readonly
from ._storage import is_dense, shape
from ._threads import each

if TYPE_CHECKING:
    from ._storage import Chain, Kernel

MANY, BLOCK = 1 << 20, 1 << 18
"""From so many entries on a sparse product is done in blocks of rows, with so many in each."""


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
        In the unit of V. Time and reads O(S^2 A) if dense, O(nnz) if sparse; large sparse products
        on several threads, with the same bits on any number of them.
    """
    flat: Any = P.reshape(-1, P.shape[2]) if isinstance(P, np.ndarray) else P
    product: FloatArray = flat.dot(V) if flat is not P or P.nnz < MANY else _apart(P, V)
    return product.reshape(len(V), -1)


def expect_in_blocks(P: Kernel, V: FloatS, use: Callable[[int, int, FloatSA], object]) -> None:
    """P V, handed on in blocks of states while they are in the processor's cache.

    Parameters
    ----------
    P : kernel
    V : (S,) array, any unit
    use : function (begin, end, (end - begin, A) array) -> anything
        Gets ``(P V)[begin:end]``, which it may change. Called once for each block, from several
        threads and in any order; once for all states where P is dense or small.
    """
    if isinstance(P, np.ndarray) or P.nnz < MANY:
        use(0, len(V), expect(P, V))
        return
    n_states, n_actions = shape(P)

    def work(begin: int, end: int) -> None:
        rows = _rows(P, begin * n_actions, end * n_actions)
        use(begin, end, rows.dot(V).reshape(-1, n_actions))

    each(work, n_states, max(1, BLOCK * n_states // P.nnz))


def step(chain: Chain, V: FloatS) -> FloatS:
    """(P_pi V)(s) = sum_t P_pi[s, t] V[t], the expected value after one step of a chain.

    Parameters
    ----------
    chain : (n, S) array or csr_array
    V : (S,) array, any unit

    Returns
    -------
    (n,) array
        In the unit of V; threads as in `expect`.
    """
    table: Any = chain
    if isinstance(chain, np.ndarray) or chain.nnz < MANY:
        small: FloatS = table.dot(V)
        return small
    return _apart(chain, V)


def _apart(P: Any, V: FloatS) -> FloatArray:
    """The product of a large csr_array in blocks of rows."""
    product = np.empty(P.shape[0], dtype=np.result_type(P.dtype, V))

    def work(begin: int, end: int) -> None:
        product[begin:end] = _rows(P, begin, end).dot(V)

    each(work, len(product), max(1, BLOCK * len(product) // P.nnz))
    return product


def _rows(P: Any, begin: int, end: int) -> Any:
    """Some rows of a csr_array for a product, without a copy.

    The constructor would copy parts that are small beside the whole. Where the rows begin and end
    is all that a product reads, and these places are those in P's own arrays.
    """
    from scipy.sparse import csr_array

    rows: Any = csr_array((end - begin, P.shape[1]))
    rows.data, rows.indices, rows.indptr = P.data, P.indices, P.indptr[begin : end + 1]
    return rows


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


def lump(P: Kernel, rows: IntArray, labels: IntArray, n_labels: int) -> Chain:
    """Where the rows ``s*A + a`` lead, by classes of states: entries of one class add up.

    Parameters
    ----------
    P : kernel
    rows : (n,) array of int
    labels : (S,) array of int
        The class of each state, 0 to ``n_labels - 1``; -1 for states that are left out.
    n_labels : int

    Returns
    -------
    (n, n_labels) array or csr_array
        Dense if P is.
    """
    from scipy.sparse import csr_array

    part: Any = take(P, rows)
    members = np.flatnonzero(labels >= 0)
    entries = np.ones(len(members))
    one_of = csr_array((entries, (members, labels[members])), shape=(len(labels), n_labels))
    if isinstance(part, np.ndarray):
        dense: FloatArray = np.ascontiguousarray(part @ one_of)
        return dense
    lumped: Any = csr_array(part @ one_of)
    lumped.sum_duplicates()  # sorts the indices, so that the same model gives the same bits
    sparse: Chain = lumped
    return sparse


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


def among(P: Kernel, states: IntArray) -> Kernel:
    """The kernel among some states: where other states are reached, rows no longer sum to one.

    Parameters
    ----------
    P : kernel
    states : (n,) array of int

    Returns
    -------
    kernel of n states
        A copy.
    """
    table: Any = P
    if isinstance(P, np.ndarray):
        dense: Kernel = table[np.ix_(states, np.arange(P.shape[1]), states)]
        return dense
    n_actions = shape(P)[1]
    rows = (states[:, None] * n_actions + np.arange(n_actions)).reshape(-1)
    sparse: Kernel = table[rows][:, states]
    return sparse


def of_rows(rows: Chain, n_actions: int) -> Kernel:
    """A matrix with a row for each pair, ``s*A + a``, as a kernel.

    Parameters
    ----------
    rows : (S*A, S) array or csr_array
    n_actions : int

    Returns
    -------
    kernel
    """
    if not isinstance(rows, np.ndarray):
        return rows
    return rows.reshape(-1, n_actions, rows.shape[1])


def columns(chain: Chain, kept: BoolS) -> Chain:
    """The columns of a matrix that are ``kept``.

    Parameters
    ----------
    chain : (n, k) array or csr_array
    kept : (k,) array of bool

    Returns
    -------
    (n, number kept) array or csr_array
    """
    table: Any = chain
    part: Chain = table[:, np.flatnonzero(kept)]
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
