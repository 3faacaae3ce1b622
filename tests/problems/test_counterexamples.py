"""The counterexamples are as published; that they diverge is shown in tests of studies."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.problems import (
    baird,
    baird_features,
    tsitsiklis_van_roy,
    tsitsiklis_van_roy_features,
)


def test_bairds_model_is_the_published_one():
    """Seen failing: with 1/7 to all states for "dashed"; with "solid" leading to state 0."""
    mdp = baird()
    assert mdp.gamma == 0.99 and mdp.action_names == ("dashed", "solid")
    assert mdp.P[:, 0].tolist() == [[1 / 6] * 6 + [0]] * 7
    assert mdp.P[:, 1].tolist() == [[0] * 6 + [1]] * 7
    assert not mdp.R.any() and not mdp.terminal.any()
    np.testing.assert_allclose(mdp.mu, 1 / 7)


def test_bairds_features_are_the_published_ones():
    """Seen failing: with w_s for 2 w_s; with w_7 + w_8 in the last state."""
    w = np.arange(1.0, 9.0)
    np.testing.assert_array_equal(baird_features() @ w, [10, 12, 14, 16, 18, 20, 23])
    assert not baird_features().flags.writeable


def test_tsitsiklis_and_van_roys_model_is_the_published_one():
    """Seen failing: with epsilon and 1 - epsilon exchanged."""
    mdp = tsitsiklis_van_roy(epsilon=0.25, gamma=0.9)
    assert mdp.P[:, 0].tolist() == [[0, 1, 0], [0, 0.75, 0.25], [0, 0, 1]]
    assert np.flatnonzero(mdp.terminal).tolist() == [2] and not mdp.R.any()
    assert tsitsiklis_van_roy_features().ravel().tolist() == [1, 2, 0]
    assert tsitsiklis_van_roy(gamma=1.0).objective == "total"


def test_bad_input():
    """Seen failing: with any epsilon; with any gamma."""
    with pytest.raises(ModelError, match=r"gamma is 1.0; it must be in \[0, 1\): nothing ends"):
        baird(gamma=1.0)
    for epsilon in (0, 1.1, np.nan, "x"):
        with pytest.raises(ModelError, match=r"epsilon is .*; it must be a probability > 0"):
            tsitsiklis_van_roy(epsilon=epsilon)
