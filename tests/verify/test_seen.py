"""Policies that see observations: each recursion against enumeration, with o in trajectories."""

from dataclasses import replace

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import (
    doubly_robust,
    gpomdp,
    importance_sampling,
    per_decision,
    reinforce,
)
from mdptools.policies import Observation, Softmax
from mdptools.testing.models import discriminating_mdp
from mdptools.verify import (
    additive_moments,
    doubly_robust_moments,
    exact_moments,
    importance_sampling_moments,
    n_step_moments,
    optimal_baseline,
    reward_to_go_moments,
    whole_return_moments,
)

CHANNEL = [[0.7, 0.3, 0.0], [0.0, 0.8, 0.2], [0.5, 0.0, 0.5], [1.0, 0.0, 0.0]]


def setting(seed):
    mdp = discriminating_mdp(seed)
    mdp = replace(mdp, reward_std=[[0.5, 0.0]] + [[0.0, 0.0]] * 3).with_objective(horizon=3)
    rng = np.random.default_rng(seed)
    seen = Observation(mdp, CHANNEL)
    return mdp, seen, rng.normal(size=seen.shape), rng.normal(size=seen.shape), rng


def assert_agree(found, expected):
    scale = max(1.0, np.abs(expected.covariance).max())
    assert np.abs(found.mean - expected.mean).max() <= 1e-12 * scale
    assert np.abs(found.covariance - expected.covariance).max() <= 1e-12 * scale


@pytest.mark.parametrize("seed", range(4))
def test_gradients_are_scored_by_what_was_seen(seed):
    """The mean is that of the mixture pi(a | s), the covariance is not.

    Seen failing: scores of the mixture; chances of a given s for those of o and a.
    """
    mdp, seen, theta, _, rng = setting(seed)
    policy, v, gamma = (seen, theta), rng.normal(size=4), mdp.gamma

    def expected(estimator, **keywords):
        return exact_moments(
            lambda batch: estimator(batch, seen, theta, gamma, **keywords), mdp, policy
        )

    found = reward_to_go_moments(mdp, policy, baseline=v)
    assert_agree(found, expected(gpomdp, baseline=v))
    assert_agree(whole_return_moments(mdp, policy, baseline=0.7), expected(reinforce, baseline=0.7))
    n_step = n_step_moments(mdp, policy, 3, critic=v)
    assert_agree(n_step, expected(gpomdp, baseline=v))
    best = optimal_baseline(mdp, policy)
    fewer = expected(gpomdp, baseline=best)
    assert fewer.variance.sum() < expected(gpomdp).variance.sum()
    for shift in (-0.1, 0.1):
        worse = reward_to_go_moments(mdp, policy, baseline=best + shift)
        assert worse.variance.sum() > fewer.variance.sum()
    pi = seen.probs(theta)
    mixed = reward_to_go_moments(mdp, pi, baseline=v).deviation
    assert abs(mixed - found.deviation) > 1e-3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("sees", ["both", "behaviour", "policy"])
def test_ratios_are_those_of_what_was_seen(seed, sees):
    """Ratios are pi(a | o) / b(a | o), pi(a | s) / b(a | o) if the policy sees the state, and
    pi(a | s) / b(a | s) where the one who acts sees no observations.

    Seen failing: the joint chance of o and a under the policy for its share given o; Q of another
    action at an observation.
    """
    mdp, seen, theta, other, rng = setting(seed)
    state = Softmax(mdp), rng.normal(size=(4, 2))
    policy = state if sees == "behaviour" else (seen, theta)
    b = state if sees == "policy" else (seen, other)
    given = b[0].probs(b[1]) if sees == "policy" else b
    gamma, Q = mdp.gamma, rng.normal(size=(3, 4, 2))
    family, parameters = policy
    # Where nothing was seen, the mixture is all that there is.
    policy_of = seen.probs(theta) if sees == "policy" else policy

    def expected(estimator):
        return exact_moments(estimator, mdp, policy, behaviour=b)

    for kind, estimator in (("trajectory", importance_sampling), ("per_decision", per_decision)):
        found = importance_sampling_moments(mdp, policy, given, kind=kind)
        assert_agree(found, expected(lambda x, f=estimator: f(x, policy_of, gamma)))
    found = doubly_robust_moments(mdp, policy, given, Q=Q)
    assert_agree(found, expected(lambda x: doubly_robust(x, policy_of, gamma, Q)))
    found = reward_to_go_moments(mdp, policy, behaviour=given)
    assert_agree(found, expected(lambda x: gpomdp(x, family, parameters, gamma, off_policy=True)))
    for f in (Q[0], lambda s, a, r, after: Q[0][s, a]):
        found = additive_moments(mdp, policy, f, behaviour=given)
        row = expected(lambda x: weighted(x, policy_of, Q[0], gamma))
        assert_agree(found, row)


def weighted(batch, policy, f, gamma):
    """per_decision, with f(s, a) for the rewards."""
    return per_decision(
        replace(batch, r=np.where(batch.mask, f[batch.s[:, :-1], batch.a], 0.0)), policy, gamma
    )


def test_a_refusal_says_what_was_seen():
    """Seen failing: the number of a pair (o, a) for that of an action."""
    mdp, seen, theta, other, _ = setting(0)
    other = np.where(np.arange(2) == 1, -1e4, other)
    with pytest.raises(ModelError, match=r"behaviour never takes action .*'1 at sight 0'"):
        importance_sampling_moments(mdp, (seen, theta), (seen, other))
