"""The two roads meet: a million sampled trajectories beside the recursions."""

import numpy as np
import pytest

from mdptools.estimators import actor_critic, gpomdp, reinforce
from mdptools.policies import SoftmaxAt
from mdptools.sampling import rollout
from mdptools.testing.models import behaviour_for, critic_for, discriminating_mdp, policy_for
from mdptools.verify import reward_to_go_moments, whole_return_moments

N, BATCH = 1_000_000, 125_000


def sampled_moments(mdp, pi, estimators):
    """Sums of x, x^2, x^3 and x^4 about nothing, of each estimator's rows; batch by batch."""
    rng = np.random.default_rng(0)
    sums = [np.zeros((4, 2 * mdp.n_states)) for _ in estimators]
    for _ in range(N // BATCH):
        batch = rollout(mdp, pi, BATCH, rng=rng)
        for total, estimate in zip(sums, estimators, strict=True):
            rows = estimate(batch)
            power = rows.copy()
            for k in range(4):
                total[k] += power.sum(axis=0)
                power *= rows
    return [total / N for total in sums]


@pytest.mark.parametrize("off_policy", [False, True])
def test_a_million_trajectories_agree(off_policy):
    """|z| < 5 for every mean and every second moment: 96 of them, so that a correct library fails
    with probability below 1e-4 were the seed not fixed.

    Seen failing: gamma^t left out on one road; the squares of the ratios for the ratios; a reward
    law whose two rewards on one successor are averaged by the sampler.
    """
    mdp = discriminating_mdp()
    family, theta = policy_for(mdp)
    pi, critic, gamma = family.probs(theta), critic_for(mdp), mdp.gamma
    b = behaviour_for(mdp) if off_policy else None
    at = SoftmaxAt(mdp)
    words = {"off_policy": off_policy}
    estimators = [
        lambda batch: reinforce(batch, at, pi, gamma, baseline=0.5, **words),
        lambda batch: gpomdp(batch, at, pi, gamma, **words),
        lambda batch: gpomdp(batch, at, pi, gamma, baseline=critic, time_discount=1.0, **words),
        lambda batch: actor_critic(batch, at, pi, gamma, critic * ~mdp.terminal, **words),
    ]
    exact = [
        whole_return_moments(mdp, pi, behaviour=b, baseline=0.5),
        reward_to_go_moments(mdp, pi, behaviour=b),
        reward_to_go_moments(mdp, pi, behaviour=b, baseline=critic, time_discount=1.0),
        reward_to_go_moments(mdp, pi, behaviour=b, critic=critic),
    ]
    sampled = sampled_moments(mdp, pi if b is None else b, estimators)
    for moments, (first, second, _, fourth) in zip(exact, sampled, strict=True):
        squares = moments.variance + moments.mean**2
        for found, truth, variance in [
            (first, moments.mean, moments.variance),
            (second, squares, fourth - second**2),
        ]:
            error = np.sqrt(np.maximum(variance, 0) / N)
            assert (np.abs(found - truth) <= 5 * error + 1e-12).all()
