"""The chain of a policy that changes little by little, for many products with it.

Takes     P as it is stored, and the rows that a policy follows, again and again.
Gives     `Follower`: products P_pi V. `compact`: a P that is stored dense without its zeros.
Not here  the policies (planning), single products (`_products`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray, FloatS, IntS
from ._products import step, take
from ._storage import is_dense, shape

if TYPE_CHECKING:
    from ._storage import Kernel

FEW = 0.25
"""Up to this part of the rows of a sparse chain, those that change are kept beside it."""

THIN = 16
"""Where every row has at most S / THIN entries, a dense P is worth being written without zeros."""

AT_ONCE = 1 << 19
"""Numbers of a dense P that are looked at in one go: their mask stays in the cache."""


class Follower:
    """The chain of a policy, which keeps up with the policy.

    Parameters
    ----------
    P : kernel

    Notes
    -----
    Memory: one copy of the chain, and of a quarter of it if it is sparse. A dense chain gets its
    changed rows replaced. Rows of a sparse one may be of other lengths than those they replace; so
    they stand apart, and their products are put in the place of the old ones' - until they are
    more than a quarter, when the chain is taken anew.
    """

    __slots__ = ("_P", "_apart", "_chain", "_changed", "_rows")

    def __init__(self, P: Kernel) -> None:
        self._P = P
        self._chain: Any = None
        self._apart: Any = None
        self._rows = self._changed = np.empty(0, dtype=np.intp)

    def follow(self, rows: IntS) -> None:
        """Be the chain with the row ``rows[s] = s*A + a`` of P in each state from now on.

        Parameters
        ----------
        rows : (S,) array of int
        """
        changed = np.flatnonzero(rows != self._rows) if self._chain is not None else rows
        if self._chain is None or (not is_dense(self._P) and len(changed) > FEW * len(rows)):
            self._chain = take(self._P, rows)
            self._rows, self._changed = rows, changed[:0]
        elif is_dense(self._P):
            self._chain[changed] = take(self._P, rows[changed])
            self._rows = rows
        else:
            self._apart = take(self._P, rows[changed])
            self._changed = changed

    def expect(self, V: FloatS) -> FloatS:
        """P_pi V, as `step`.

        Parameters
        ----------
        V : (S,) array, any unit

        Returns
        -------
        (S,) array
        """
        ahead = step(self._chain, V)
        if len(self._changed):
            ahead[self._changed] = step(self._apart, V)
        return ahead


def compact(P: Kernel, longest: int) -> Kernel:
    """P in the form in which its products are quick: a dense one without its zeros, if most are.

    Parameters
    ----------
    P : kernel
    longest : int
        The largest number of successors of a pair.

    Returns
    -------
    kernel
        P itself unless it is dense and every row has at most S / 16 successors; then a csr_array of
        at most 3/32 its size. The copy costs as much as two products with P, and a product with it
        at most a quarter of one.
    """
    n_states = shape(P)[0]
    if not isinstance(P, np.ndarray) or longest * THIN > n_states:
        return P
    from scipy.sparse import csr_array

    flat = P.reshape(-1, n_states)
    height = max(1, AT_ONCE // n_states)
    data, indices, lengths = [], [], []
    for begin in range(0, len(flat), height):
        part: FloatArray = flat[begin : begin + height]
        places = np.flatnonzero(part != 0)
        row, column = np.divmod(places, n_states)
        data.append(part.reshape(-1).take(places))
        indices.append(column.astype(np.int32))
        lengths.append(np.bincount(row, minlength=len(part)))
    indptr = np.zeros(len(flat) + 1, dtype=np.int32)
    np.cumsum(np.concatenate(lengths), out=indptr[1:])
    parts = (np.concatenate(data), np.concatenate(indices), indptr)
    thin: Kernel = csr_array(parts, shape=flat.shape)
    return thin
