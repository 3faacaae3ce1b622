"""Log-linear policies: the formula, and what is refused. Derivatives are in test_families.py."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP, LogLinear, ModelError, Softmax
from mdptools.testing.strategies import logits, mdps

MASKED = MDP(np.full((2, 2, 2), 0.5), np.ones(2), 0.9, allowed=[[True, False], [True, True]])


@given(st.data())
def test_the_identity_as_features_is_the_tabular_softmax(data):
    """Seen failing: with the states of phi in reverse order."""
    mdp = data.draw(mdps())
    theta = data.draw(logits(mdp))
    tabular = Softmax(mdp)
    family = LogLinear(mdp, np.eye(theta.size).reshape(*theta.shape, theta.size))
    flat = theta.reshape(-1)
    assert np.array_equal(family.probs(flat), tabular.probs(theta))
    assert np.allclose(family.score(flat), tabular.score(theta), rtol=0, atol=1e-15)
    G = np.arange(float(theta.size)).reshape(theta.shape)
    pulled = family.pullback(flat, G).reshape(theta.shape)
    assert np.allclose(pulled, tabular.pullback(theta, G), rtol=0, atol=1e-14)
    assert family.pullback_norm == 1


def test_what_stands_at_refused_pairs_does_not_matter():
    """Seen failing: with phi kept as it is (nan); with the mean over pairs for the norm."""
    for junk in (0.0, 1e300, np.nan, np.inf):
        phi = np.array([[[1.0], [junk]], [[-2.0], [1.0]]])
        family = LogLinear(MASKED, phi)
        assert family.probs([0.0]).tolist() == [[1, 0], [0.5, 0.5]]
        assert family.pullback_norm == 2
        assert phi[0, 1, 0] == junk or np.isnan(junk)  # the caller's array is left alone


def test_the_bound_on_the_pullback_is_attained():
    """Seen failing: with half of it."""
    family = LogLinear(MDP(np.ones((1, 2, 1)), [[0.0, 1.0]], 0.5), [[[-1.0, 2.0], [1.0, -2.0]]])
    pulled = family.pullback([0.0, 0.0], np.array([[-1.0, 1.0]]))
    assert np.abs(pulled).sum() == family.pullback_norm == 3


@pytest.mark.parametrize(
    ("phi", "message"),
    [
        (np.zeros((2, 2)), "phi has shape (2, 2); it must be (S, A, k) with (S, A) = (2, 2)"),
        (np.zeros((2, 2, 0)), "phi has shape (2, 2, 0); it must be (S, A, k)"),
        (np.zeros((3, 2, 1)), "phi has shape (3, 2, 1); it must be (S, A, k)"),
        (np.full((2, 2, 1), np.nan), "phi[0, 0, 0] is nan; it must be finite (3 are not)."),
    ],
)
def test_features_that_are_none(phi, message):
    """Seen failing: without the check of k; with refused pairs counted."""
    with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
        LogLinear(MASKED, phi)


def test_logits_that_overflow_are_named():
    """Seen failing: with a RuntimeWarning and a uniform policy, from inf - inf."""
    family = LogLinear(MASKED, np.full((2, 2, 2), [1e200, -1e200]))
    with pytest.raises(ModelError, match=r"^phi @ theta\[0, 0\] is inf; it must be finite"):
        family.probs([1e200, 0.0])
