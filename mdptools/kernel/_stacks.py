"""Products with many vectors, or for many policies, in one call.

Takes     P as it is stored, and stacks of values, weights or policies.
Gives     stacks of P V, x P and P_pi.
Source    Puterman (1994), section 5.6: P_pi and its adjoint.
Not here  one vector at a time, on several threads where it is long (`_products`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray
from ._products import mix, to_dense
from ._storage import shape

if TYPE_CHECKING:
    from ._storage import Kernel


def expect_each(P: Kernel, V: FloatArray) -> FloatArray:
    """``expect`` for the columns of V.

    Parameters
    ----------
    P : kernel
    V : (S, K) array, any unit

    Returns
    -------
    (S, A, K) array
        Time O(S^2 A K) if dense, O(nnz K) if sparse.
    """
    n_states, n_actions = shape(P)
    flat: Any = P.reshape(-1, n_states) if isinstance(P, np.ndarray) else P
    product: FloatArray = flat @ V
    return product.reshape(n_states, n_actions, -1)


def push_each(P: Kernel, x: FloatArray) -> FloatArray:
    """``push`` for each x[:, :, k].

    Parameters
    ----------
    P : kernel
    x : (S, A, K) array

    Returns
    -------
    (S, K) array
        Time as `expect_each`.
    """
    n_states, n_actions = shape(P)
    flat: Any = P.reshape(-1, n_states) if isinstance(P, np.ndarray) else P
    pushed: FloatArray = flat.T @ x.reshape(n_states * n_actions, -1)
    return pushed


def mix_each(P: Kernel, pi: FloatArray) -> FloatArray:
    """The chains of many policies, as dense matrices.

    Parameters
    ----------
    P : kernel
    pi : (N, S, A) array

    Returns
    -------
    (N, S, S) array
        ``sum_a pi[n, s, a] P[s, a, t]``. Time O(N S^2 A) if dense.
    """
    if isinstance(P, np.ndarray):
        dense: FloatArray = np.matmul(pi.transpose(1, 0, 2), P).transpose(1, 0, 2)
        return dense
    return np.stack([to_dense(mix(P, one)) for one in pi])


def tensors(kernels: Sequence[Kernel]) -> FloatArray:
    """Many kernels of one shape as one dense array.

    Parameters
    ----------
    kernels : sequence of N kernels

    Returns
    -------
    (N, S, A, S) array
        A new one.
    """
    n_states, n_actions = shape(kernels[0])
    dense = [P if isinstance(P, np.ndarray) else P.toarray() for P in kernels]
    return np.stack([P.reshape(n_states, n_actions, n_states) for P in dense])
