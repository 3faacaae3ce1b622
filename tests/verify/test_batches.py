"""What a batch does to moments: against enumerating every pair of trajectories."""

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import gpomdp, reinforce
from mdptools.policies import Softmax
from mdptools.testing.models import discriminating_mdp
from mdptools.verify import (
    batch_moments,
    critic_first_factor,
    exact_moments,
    reward_to_go_moments,
    sample_variance_factor,
    whole_return_moments,
)


@pytest.fixture(scope="module")
def small():
    mdp = discriminating_mdp(1).with_objective(horizon=2)
    return mdp, Softmax(mdp), np.random.default_rng(0).normal(size=(4, 2))


@pytest.mark.parametrize("estimator", [gpomdp, reinforce])
def test_batches_of_two_are_what_all_pairs_say(small, estimator):
    """Seen failing: the variance left at that of one; 1 - 1/n for leave-one-out as well."""
    mdp, family, theta = small
    moments = reward_to_go_moments if estimator is gpomdp else whole_return_moments
    one = moments(mdp, (family, theta))
    for baseline in (None, "batch_mean", "leave_one_out"):
        given = {} if baseline is None else {"baseline": baseline}
        pairs = exact_moments(
            lambda batch, given=given: estimator(batch, family, theta, mdp.gamma, **given),
            mdp,
            (family, theta),
            batch=2,
        )
        found = batch_moments(one, 2, baseline=baseline or "none")
        np.testing.assert_allclose(found.mean, pairs.mean, atol=1e-13)
        if baseline is None:
            np.testing.assert_allclose(found.covariance, pairs.covariance, atol=1e-13)
            np.testing.assert_allclose(found.variance, pairs.variance, atol=1e-13)
        else:
            assert found.variance is None and "baseline" in found.note
    assert np.abs(one.mean).max() > 0.1


@pytest.mark.parametrize("ddof", [0, 1])
def test_the_sample_variance_of_two_rows(small, ddof):
    """Seen failing: (n - ddof) / n."""
    mdp, family, theta = small
    policy = (family, theta)
    G = exact_moments(lambda batch: batch.r.sum(axis=1), mdp, policy)
    pairs = exact_moments(
        lambda batch: np.array([batch.r.sum(axis=1).var(ddof=ddof)]), mdp, policy, batch=2
    )
    expected = sample_variance_factor(2, ddof) * G.variance
    np.testing.assert_allclose(pairs.mean, expected, rtol=1e-12)


def test_a_critic_that_moves_first_shrinks_the_gradient(small):
    """Seen failing: 1 + step_size."""
    mdp, family, theta = small
    step, v = 0.1, np.array([0.5, -1.0, 2.0, 0.0])
    policy = (family, theta)

    def moved(batch):  # v(s_t) + step (G_t - v(s_t)), each from the old v
        G = np.cumsum((mdp.gamma ** np.arange(2) * batch.r)[:, ::-1], axis=1)[:, ::-1]
        G = G / mdp.gamma ** np.arange(2)
        left = G - (v[batch.s[:, :-1]] + step * (G - v[batch.s[:, :-1]]))
        w = np.where(batch.mask, mdp.gamma ** np.arange(2) * left, 0.0)
        return family.accumulate(theta, batch.s[:, :-1], batch.a, w)

    found = exact_moments(moved, mdp, policy).mean
    exact = reward_to_go_moments(mdp, policy).mean
    np.testing.assert_allclose(found, critic_first_factor(step) * exact, atol=1e-13)


def test_refusals(small):
    """Seen failing: a divisor of 0."""
    mdp, family, theta = small
    one = reward_to_go_moments(mdp, (family, theta), detail="mean")
    assert batch_moments(one, 5).variance is None
    with pytest.raises(ModelError, match="baseline is 'median'"):
        batch_moments(one, 2, baseline="median")
    with pytest.raises(ModelError, match="needs at least 2 trajectories; n is 1"):
        batch_moments(one, 1, baseline="leave_one_out")
    with pytest.raises(ModelError, match="n is 0; it must be an int >= 1"):
        batch_moments(one, 0)
    with pytest.raises(ModelError, match="ddof is 2, and n is 2"):
        sample_variance_factor(2, ddof=2)
    with pytest.raises(ModelError, match=r"step_size is 2; it must be a number in \[0, 1\]"):
        critic_first_factor(2)
