"""Branches to tensors: P written down, dense or sparse, from arrays of pairs and successors.

Takes     for each pair s*A + a its successors, and their probabilities.
Gives     P as `MDP` takes it, read-only where that saves a copy.
Not here  anything about the model that is finished (kernel).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray, readonly
from ..errors import ModelError

DENSE_LIMIT = 4_000_000
"""Entries of an (S, A, S) array above which a problem that may choose keeps P sparse."""

DENSE_MAXIMUM = 1 << 29
"""Entries of an (S, A, S) array, 4 GiB, above which none is made."""


def check_fits(n_states: int, n_actions: int, cure: str) -> None:
    """Pass if a dense P may be made."""
    size = n_states * n_actions * n_states
    if size > DENSE_MAXIMUM:
        raise ModelError(
            f"a dense P with n_states = {n_states} and n_actions = {n_actions} would hold {size} "
            f"numbers, {size >> 27} GiB: {cure}."
        )


def dense(successors: IntArray, probs: FloatArray, n_states: int) -> FloatArray:
    """P (S, A, S) from the k different successors of each pair, (S*A, k)."""
    n_pairs = len(successors)
    P = np.zeros((n_states, n_pairs // n_states, n_states))
    rows = P.reshape(n_pairs, n_states)
    np.put_along_axis(rows, successors, probs, axis=1)
    return readonly(P)


def sparse(successors: IntArray, probs: FloatArray, n_states: int) -> Any:
    """P (S*A, S) as a csr_array, from the k different successors of each pair in rising order."""
    from scipy.sparse import csr_array

    n_pairs, k = successors.shape
    offsets = np.arange(0, n_pairs * k + 1, k)
    parts = (probs.reshape(-1), successors.reshape(-1), offsets)
    return csr_array(parts, shape=(n_pairs, n_states))


def one_successor(successors: IntArray) -> Any:
    """P of a deterministic model from its table of successors (S, A)."""
    n_states, n_actions = successors.shape
    write = sparse if n_states * n_states * n_actions > DENSE_LIMIT else dense
    column = successors.reshape(-1, 1)
    return write(column, np.ones(column.shape), n_states)
