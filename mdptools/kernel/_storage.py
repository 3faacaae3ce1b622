"""How P is stored: brought into form, checked, and asked what it holds.

Takes     P, an (S, A, S) array or an (S*A, S) SciPy sparse array with row ``s*A + a``.
Gives     the form that is kept; its sizes, branches, support and row sums; the checks of its rows.
Not here  products (`_products`), linear systems (`_resolvent`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from ..arrays import (
    BoolS,
    BoolSA,
    FloatArray,
    FloatSA,
    IntArray,
    as_floats,
    as_numbers,
    is_frozen,
    precision,
    readonly,
)
from ..errors import ModelError

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
            return _frozen(_narrow(shared)), precision(P)
    csr = csr_array(P, dtype=np.float64, copy=True)
    csr.sum_duplicates()
    if csr.nnz and not csr.data.all():
        csr.eliminate_zeros()
    return _frozen(_narrow(csr)), precision(P)


def _narrow(P: Any) -> Any:
    """P with indices of 32 bits where these are enough: a quarter less to read in each product."""
    if P.nnz < 1 << 31 and P.shape[1] < 1 << 31:
        P.indices = P.indices.astype(np.int32, copy=False)
        P.indptr = P.indptr.astype(np.int32, copy=False)
    return P


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


def size(P: Kernel) -> int:
    """How many numbers a product with P reads; at least 1.

    Parameters
    ----------
    P : kernel

    Returns
    -------
    int
    """
    return max(int(P.size), 1)


def branches(P: Kernel) -> tuple[IntArray, IntArray, FloatArray]:
    """Every nonzero of P: its row ``s*A + a``, its successor and its probability, in row order.

    Parameters
    ----------
    P : kernel
        Or the rows of some of its states, `of_rows`.

    Returns
    -------
    row, successor : (nnz,) arrays of int
    probability : (nnz,) array
    """
    if isinstance(P, np.ndarray):
        flat = P.reshape(-1, P.shape[2])
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


def absorb(P: Kernel, states: BoolS) -> Kernel:
    """P where some states keep whoever comes there: their rows lead to themselves alone.

    Parameters
    ----------
    P : kernel
    states : (S,) array of bool

    Returns
    -------
    kernel
        A copy.
    """
    _, n_actions = shape(P)
    where = np.flatnonzero(states)
    if isinstance(P, np.ndarray):
        kept = P.copy()
        kept[where] = 0.0
        kept[where, :, where] = 1.0
        return readonly(kept)
    from scipy.sparse import csr_array

    rows = (where[:, None] * n_actions + np.arange(n_actions)).reshape(-1)
    loops = csr_array((np.ones(len(rows)), (rows, rows // n_actions)), shape=P.shape)
    return as_kernel(clear_rows(P, np.repeat(~states[:, None], n_actions, axis=1)) + loops)[0]


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
