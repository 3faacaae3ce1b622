"""A policy as it is handed in: a table, or a family with theta."""

import numpy as np
import pytest

from mdptools import MDP, ModelError, Softmax, split_policy
from mdptools.policies import SoftmaxAt


def model():
    P = np.full((3, 2, 3), 1 / 3)
    return MDP(P, np.ones((3, 2)), gamma=0.9, allowed=[[1, 1], [1, 1], [0, 1]])


def test_a_family_with_theta_is_taken_apart():
    """Seen failing: theta and family exchanged on the way out."""
    mdp = model()
    family, logits = Softmax(mdp), np.arange(6.0).reshape(3, 2)
    pi, same, theta = split_policy(mdp, (family, logits))
    assert same is family and theta is logits
    assert np.array_equal(pi, family.probs(logits))


def test_a_table_stands_for_softmax_at_its_logarithm():
    """Scores, pullback and accumulated scores are those of Softmax at log pi.

    Seen failing: the score without -pi; the pullback without the mean.
    """
    mdp = model()
    table = np.array([[0.25, 0.75], [0.5, 0.5], [0.0, 1.0]])
    pi, family, theta = split_policy(mdp, table)
    softmax, logits = Softmax(mdp), np.log(np.maximum(table, 1e-300))
    assert isinstance(family, SoftmaxAt) and np.array_equal(pi, table)
    assert np.allclose(family.score(theta), softmax.score(logits), rtol=0, atol=1e-15)
    G = np.arange(6.0).reshape(3, 2)
    assert np.allclose(family.pullback(theta, G), softmax.pullback(logits, G), rtol=0, atol=1e-15)
    s, a = np.array([[0, 1, 2, 0]]), np.array([[1, 0, 1, 0]])
    w = np.array([[1.0, 2.0, 3.0, 0.0]])
    mine, theirs = family.accumulate(theta, s, a, w), softmax.accumulate(logits, s, a, w)
    assert np.allclose(mine, theirs, rtol=0, atol=1e-15)
    assert (family.shape, family.size, family.pullback_norm) == ((3, 2), 6, 1.0)


def test_what_is_neither_is_refused():
    """Seen failing: (theta, family) taken for a table of two rows."""
    mdp = model()
    with pytest.raises(ModelError, match=r"policy is \(theta, family\); it must be"):
        split_policy(mdp, (np.zeros((3, 2)), Softmax(mdp)))
    with pytest.raises(ModelError, match=r"pi has shape \(2, 2\)"):
        split_policy(mdp, np.ones((2, 2)) / 2)
    timed = np.full((4, 3, 2), 0.5)
    with pytest.raises(ModelError, match=r"one table .* For one at each time: Timed\(mdp"):
        SoftmaxAt(mdp).score(timed)


def test_a_table_for_each_time_is_a_softmax_for_each_time():
    """Seen failing: with SoftmaxAt for all tables (its scores are of one table)."""
    mdp = model().with_objective(gamma=0.9, horizon=2)
    tables = np.array([[[0.25, 0.75]] * 2 + [[0.0, 1.0]], [[1.0, 0.0]] * 2 + [[0.0, 1.0]]])
    pi, family, theta = split_policy(mdp, tables)
    assert np.array_equal(pi, tables) and family.shape == theta.shape == (2, 3, 2)
    assert np.array_equal(family.score(theta)[1, :, :, 6:], SoftmaxAt(mdp).score(tables[1]))
