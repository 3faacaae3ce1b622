"""Tensors written down from tables of successors."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import MDP, ModelError
from mdptools.problems import _tensors

SUCCESSORS = np.array([[0, 1], [1, 2], [0, 2], [0, 1], [1, 2], [0, 1]])  # 3 states, 2 actions
PROBS = np.array([[0.25, 0.75]] * 6)


def test_both_forms_hold_the_same_numbers():
    """Seen failing: with rows a*S + s in `dense`; with the last offset missing in `sparse`."""
    expected = np.zeros((3, 2, 3))
    for row, (chosen, probs) in enumerate(zip(SUCCESSORS, PROBS, strict=True)):
        for t, p in zip(chosen, probs, strict=True):
            expected[row // 2, row % 2, t] = p
    assert np.array_equal(_tensors.dense(SUCCESSORS, PROBS, 3), expected)
    assert np.array_equal(_tensors.sparse(SUCCESSORS, PROBS, 3).toarray(), expected.reshape(6, 3))


def test_a_dense_tensor_is_kept_without_a_copy():
    """Seen failing: without `readonly`."""
    P = _tensors.dense(SUCCESSORS, PROBS, 3)
    assert MDP(P, np.zeros((3, 2)), gamma=0.9).P is P


def test_a_deterministic_model():
    """Seen failing: with the table transposed."""
    P = _tensors.one_successor(np.array([[1, 0], [1, 1]]))
    assert P.tolist() == [[[0, 1], [1, 0]], [[0, 1], [0, 1]]]


def test_a_tensor_that_would_not_fit_is_refused():
    """Seen failing: with the size counted in bytes; without the actions."""
    _tensors.check_fits(2**14, 2, "")  # 4 GiB
    with pytest.raises(ModelError, match=r"and n_actions = 3 would hold 805306368 numbers, 6 GiB"):
        _tensors.check_fits(2**14, 3, "")
