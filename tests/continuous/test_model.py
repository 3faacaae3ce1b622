"""The continuous model and its policy: what they hold, what they refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.continuous import ContinuousMDP, GaussianPolicy, evaluate_continuous, sample


def stay(s, a):
    return np.eye(2)[s]


def pay(s, a):
    return a + s


def test_the_score_is_the_derivative_of_the_log_density():
    """By a complex step. Seen failing: std for std^2; log_std taken for std."""
    mean, log_std = np.array([0.3, -1.0]), np.array([0.2, -0.4])
    s, a = np.array([0, 1, 1]), np.array([1.0, -2.0, 0.5])

    def log_density(m, b):
        return -0.5 * ((a - m) / np.exp(b)) ** 2 - b

    h = 1e-30
    by_mean = log_density(mean[s] + 1j * h, log_std[s]).imag / h
    by_log_std = log_density(mean[s], log_std[s] + 1j * h).imag / h
    found = GaussianPolicy(mean, log_std).score(s, a)
    np.testing.assert_allclose(found, np.stack((by_mean, by_log_std), axis=-1), rtol=1e-13)


def test_mu_is_uniform_where_something_is_decided():
    """And a changed copy keeps what is terminal.

    Seen failing: with terminal states counted; with bools refused."""
    mdp = ContinuousMDP(pay, stay, 2, 0.5, terminal=[1])
    for same in (mdp, replace(mdp, gamma=0.2)):
        assert same.mu.tolist() == [1, 0] and same.live.tolist() == [True, False]


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"gamma": 1.0}, "gamma is 1.0; .* or 1 with a horizon"),
        ({"gamma": "x"}, "gamma is 'x'"),
        ({"horizon": 0}, "horizon is 0"),
        ({"n_states": 0}, "n_states is 0"),
        ({"terminal": [2]}, r"terminal is \[2\]; it must list states, ints from 0 to 1"),
        ({"terminal": [0.5]}, "it must list states"),
        ({"terminal": 1}, "it must list states"),
        ({"terminal": [[0], [0, 1]]}, "terminal is no array of real numbers"),
        ({"terminal": [0, 1]}, "all states are terminal"),
        ({"mu": [1.0]}, "mu is .* it must be a distribution"),
        ({"mu": [0.7, 0.7]}, "mu is .* it must be a distribution"),
        ({"reward": lambda s, a: 1.0}, r"reward\(s, a\) has shape \(\); it must be \(2,\)"),
        ({"reward": lambda s, a: a / 0}, "is nan for s = 0 and a = 0; it must be finite"),
        ({"transition": lambda s, a: a}, r"transition\(s, a\) has shape \(2,\); it must be \(2, 2"),
        (
            {"transition": lambda s, a: stay(s, a) * 0.9},
            "for s = 0 and a = 0 sums to 0.9 and its smallest entry is 0",
        ),
    ],
)
def test_wrong_models_are_refused(keywords, message):
    """Seen failing: each of the checks in turn left out."""
    arguments = {"reward": pay, "transition": stay, "n_states": 2, "gamma": 0.5} | keywords
    with np.errstate(all="ignore"), pytest.raises(ModelError, match=message):
        ContinuousMDP(**arguments)


def test_wrong_policies_are_refused():
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=r"both must be \(S,\)"):
        GaussianPolicy([0.0], [0.0, 1.0])
    with pytest.raises(ModelError, match="mean must be finite"):
        GaussianPolicy([np.inf], [0.0])
    mdp = ContinuousMDP(pay, stay, 2, 0.5)
    for use in (evaluate_continuous, lambda m, p: sample(m, p, 1, rng=0, max_steps=1)):
        with pytest.raises(ModelError, match="policy has 1 states; the model has 2"):
            use(mdp, GaussianPolicy([0.0], [0.0]))
        with pytest.raises(ModelError, match="policy is of type list"):
            use(mdp, [0.0])
