"""Transition kernels: the one file that knows whether P is dense or sparse.

Takes     P, an (S, A, S) array or an (S*A, S) SciPy sparse array with row ``s*A + a``.
Gives     its products, its support and the checks of its rows. Rows of refused pairs are zero.
Source    Puterman (1994), section 5.6: P_pi and its adjoint.
Not here  rewards and discounting (bellman), reachability (structure).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from .arrays import (
    BoolS,
    BoolSA,
    FloatArray,
    FloatS,
    FloatSA,
    IntArray,
    as_floats,
    as_numbers,
    is_frozen,
    precision,
    readonly,
)
from .errors import ModelError

if TYPE_CHECKING:
    from scipy.sparse import csr_array

    Kernel: TypeAlias = "FloatArray | csr_array[np.float64, tuple[int, int]]"
    Chain: TypeAlias = "FloatArray | csr_array[np.float64, tuple[int, int]]"


def as_kernel(P: Any) -> tuple[Kernel, float]:
    """Bring P into the form that is kept.

    Parameters
    ----------
    P : (S, A, S) array_like or (S*A, S) SciPy sparse
        Transition probabilities. The layout is never guessed from the shape.

    Returns
    -------
    P : (S, A, S) array, or (S*A, S) csr_array with sorted indices and no stored zeros
        float64 and read-only. Arrays that are so already are kept without a copy.
    precision : float
        The machine epsilon of the type in which P came, at least that of float64.

    Raises
    ------
    ModelError
        If the shape is another, or the numbers are not real.
    """
    if is_sparse(P):
        return _as_sparse(P)
    raw = as_numbers(P, "P")
    if raw.ndim != 3 or raw.shape[0] != raw.shape[2] or 0 in raw.shape:
        raise ModelError(
            f"P has shape {raw.shape}; it must be (S, A, S), with P[s, a, t] the probability of "
            f"going from s to t under a, or a SciPy sparse array (S*A, S). For one (S, S) matrix "
            f"for each action use MDP.from_action_matrices."
        )
    kept = raw.dtype == np.float64 and is_frozen(raw)
    return raw if kept else readonly(as_floats(raw, "P")), precision(raw)


def _as_sparse(P: Any) -> tuple[Kernel, float]:
    from scipy.sparse import csr_array

    if P.ndim != 2 or 0 in P.shape or P.shape[0] % P.shape[1]:
        raise ModelError(
            f"P is sparse with shape {P.shape}; it must be (S*A, S) with row s*A + a for action a "
            f"in state s: the number of rows is a multiple of the number of columns."
        )
    if P.dtype.kind not in "biuf":
        raise ModelError(f"P is no array of real numbers: their type is {P.dtype}.")
    if isinstance(P, csr_array) and P.dtype == np.float64 and all(map(is_frozen, _parts(P))):
        # Another csr_array around the same numbers: the one that is handed in can be given others.
        shared = csr_array(_parts(P), shape=P.shape)
        if shared.has_canonical_format and shared.data.all():
            return _frozen(shared), precision(P)
    csr = csr_array(P, dtype=np.float64, copy=True)
    csr.sum_duplicates()
    if csr.nnz and not csr.data.all():
        csr.eliminate_zeros()
    return _frozen(csr), precision(P)


def _parts(P: Any) -> tuple[Any, Any, Any]:
    """The arrays of which a csr_array consists, as its constructor takes them."""
    return P.data, P.indices, P.indptr


def _frozen(P: Any) -> Any:
    """P, a csr_array of our own, with writing switched off, also behind SciPy's views."""
    for part in _parts(P):
        readonly(part)
        if isinstance(part.base, np.ndarray):
            readonly(part.base)
    return P


def is_sparse(x: Any) -> bool:
    """Whether somebody handed in a SciPy sparse array or matrix, in whatever format."""
    return hasattr(x, "tocsr")


def is_dense(P: Kernel | Chain) -> bool:
    """Whether P is an ndarray: for those who choose a linear solver."""
    return isinstance(P, np.ndarray)


def shape(P: Kernel) -> tuple[int, int]:
    """(S, A) of a kernel."""
    if isinstance(P, np.ndarray):
        return P.shape[0], P.shape[1]
    return P.shape[1], P.shape[0] // P.shape[1]


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
        dense: FloatArray = np.matmul(pi[:, None, :], P)[:, 0, :]
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


def branches(P: Kernel) -> tuple[IntArray, IntArray, FloatArray]:
    """Every nonzero of P: its row ``s*A + a``, its successor and its probability, in row order.

    Parameters
    ----------
    P : kernel

    Returns
    -------
    row, successor : (nnz,) arrays of int
    probability : (nnz,) array
    """
    if isinstance(P, np.ndarray):
        flat = P.reshape(-1, P.shape[0])
        row, successor = np.nonzero(flat)
        return row, successor, flat[row, successor]
    row = np.repeat(np.arange(P.shape[0]), np.diff(P.indptr))
    return row, P.indices.astype(np.int64), P.data


def support(P: Kernel) -> csr_array[np.float64, tuple[int, int]]:
    """The pattern of P as an (S*A, S) csr_array of ones: which successors are possible.

    Parameters
    ----------
    P : kernel

    Returns
    -------
    csr_array
        Only zero or not counts: a probability of 1e-300 is a one.
    """
    from scipy.sparse import csr_array

    n_states, n_actions = shape(P)
    row, successor, _ = branches(P)
    counts = np.bincount(row, minlength=n_states * n_actions)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    return csr_array(
        (np.ones(len(successor)), successor, indptr), shape=(n_states * n_actions, n_states)
    )


def stays(P: Kernel) -> BoolSA:
    """Which pairs certainly stay where they are (no other successor is possible).

    Parameters
    ----------
    P : kernel

    Returns
    -------
    (S, A) array of bool
        True for empty rows too.
    """
    n_states, n_actions = shape(P)
    if isinstance(P, np.ndarray):
        elsewhere = P.astype(bool)
        elsewhere[np.arange(n_states), :, np.arange(n_states)] = False
        stay: BoolSA = np.logical_not(elsewhere.any(axis=2))
        return stay
    row, successor, _ = branches(P)
    leaves = np.bincount(row[successor != row // n_actions], minlength=n_states * n_actions)
    quiet: BoolSA = (leaves == 0).reshape(n_states, n_actions)
    return quiet


def row_lengths(P: Kernel) -> IntArray:
    """How many successors each pair has, (S, A): the number of terms in its sum.

    Parameters
    ----------
    P : kernel

    Returns
    -------
    (S, A) array of int
    """
    if isinstance(P, np.ndarray):
        counts: IntArray = np.count_nonzero(P, axis=2)
        return counts
    lengths: IntArray = np.diff(P.indptr).astype(np.int64)
    return lengths.reshape(shape(P))


def row_sums(P: Kernel) -> FloatSA:
    """sum_t P[s, a, t], (S, A).

    Parameters
    ----------
    P : kernel

    Returns
    -------
    (S, A) array
    """
    if isinstance(P, np.ndarray):
        dense: FloatSA = P.sum(axis=2)
        return dense
    sums = np.zeros(P.shape[0])
    filled = np.flatnonzero(np.diff(P.indptr))
    sums[filled] = np.add.reduceat(P.data, P.indptr[filled])
    return sums.reshape(shape(P))


def check_entries(
    P: Kernel, state: Callable[[int], str] = str, action: Callable[[int], str] = str
) -> None:
    """Pass if every entry is a number >= 0; else raise ModelError naming the first culprit.

    Parameters
    ----------
    P : kernel
    state, action : functions int -> str
        What the message calls a state and an action.

    Raises
    ------
    ModelError
        Naming the first negative or non-finite entry.
    """
    entries = P if isinstance(P, np.ndarray) else P.data
    # Written so that nan fails too; min and max need no temporary as large as P.
    if entries.size == 0 or (entries.min() >= 0 and entries.max() < np.inf):
        return
    if isinstance(P, np.ndarray):
        s, a, t = (int(i) for i in np.argwhere(~((P >= 0) & (P < np.inf)))[0])
        value = P[s, a, t]
    else:
        row, successor, prob = branches(P)
        first = int(np.flatnonzero(~((prob >= 0) & (prob < np.inf)))[0])
        s, a = divmod(int(row[first]), shape(P)[1])
        t, value = int(successor[first]), prob[first]
    raise ModelError(
        f"P[{s}, {a}, {t}] is {value:.6g}: the probability of going from state {state(s)} to "
        f"{state(t)} under action {action(a)} must be a number between 0 and 1."
    )


def clear_rows(P: Kernel, allowed: BoolSA) -> Kernel:
    """P with the rows of refused pairs emptied; P itself where they are empty already.

    Parameters
    ----------
    P : kernel
    allowed : (S, A) array of bool

    Returns
    -------
    kernel
    """
    if allowed.all():
        return P
    if isinstance(P, np.ndarray):
        if not P[~allowed].any():
            return P
        return readonly(np.where(allowed[:, :, None], P, 0.0))
    kept = np.repeat(allowed.reshape(-1), np.diff(P.indptr))
    if kept.all():
        return P
    cleared = P.copy()
    cleared.data = np.where(kept, P.data, 0.0)
    cleared.eliminate_zeros()
    kept_rows: Kernel = _frozen(cleared)
    return kept_rows


def divide_rows(P: Kernel, sums: FloatSA) -> Kernel:
    """P with each row divided by its number in ``sums`` (rows with sum zero stay).

    Parameters
    ----------
    P : kernel
    sums : (S, A) array

    Returns
    -------
    kernel
    """
    safe = np.where(sums > 0, sums, 1.0)
    if isinstance(P, np.ndarray):
        return readonly(P / safe[:, :, None])
    divided = P.copy()
    divided.data = P.data / np.repeat(safe.reshape(-1), np.diff(P.indptr))
    quotient: Kernel = _frozen(divided)
    return quotient


def same(P: Kernel, other: Kernel) -> bool:
    """Whether two kernels are stored alike and hold the same numbers.

    Parameters
    ----------
    P, other : kernel

    Returns
    -------
    bool
    """
    if isinstance(P, np.ndarray) or isinstance(other, np.ndarray):
        return (
            isinstance(P, np.ndarray) and isinstance(other, np.ndarray) and np.array_equal(P, other)
        )
    return (
        P.shape == other.shape
        and np.array_equal(P.indptr, other.indptr)
        and np.array_equal(P.indices, other.indices)
        and np.array_equal(P.data, other.data)
    )


def code(P: Kernel) -> str:
    """Python code that makes P again, to the last bit.

    Parameters
    ----------
    P : kernel

    Returns
    -------
    str
        Nested lists, or a call of ``csr_array``.
    """
    if isinstance(P, np.ndarray):
        return repr(P.tolist())
    data, indices, indptr = (part.tolist() for part in _parts(P))
    return f"csr_array(({data}, {indices}, {indptr}), shape={P.shape})"


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
