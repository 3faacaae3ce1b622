"""What every text says of policy gradient estimators, as numbers: by enumeration and recursion."""

from dataclasses import replace

import numpy as np
import pytest

from mdptools import MDP, Observation, evaluate, policy_gradient
from mdptools.estimators import actor_critic, gpomdp, reinforce
from mdptools.sampling import Trajectories
from mdptools.testing.models import discriminating_mdp, policy_for
from mdptools.verify import (
    enumerate_trajectories,
    exact_moments,
    reward_to_go_moments,
    whole_return_moments,
)

NOISY = [[0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


def everything(mdp, policy):
    return Trajectories.concatenate(list(enumerate_trajectories(mdp, policy)))


def scores(batch, family, theta):
    """psi_t, (N, T, D), one step at a time."""
    found = []
    for t in range(batch.n_steps):
        w = np.where(np.arange(batch.n_steps) == t, batch.mask, 0.0)
        found.append(family.accumulate(theta, batch.s[:, :-1], batch.a, w, batch.o))
    return np.stack(found, axis=1)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("seen", [False, True])
def test_scores_have_mean_zero_given_the_state_and_its_time(seed, seen):
    """And so given all that was before. Seen failing: with the term - pi left out of the score."""
    mdp = discriminating_mdp(seed)
    family, theta = policy_for(mdp, seed)
    if seen:
        family, theta = Observation(mdp, NOISY), np.random.default_rng(seed).normal(size=(3, 2))
    batch = everything(mdp, (family, theta))
    psi = scores(batch, family, theta)
    for t in range(batch.n_steps):
        for s in range(3):
            here = (batch.s[:, t] == s) & batch.mask[:, t]
            np.testing.assert_allclose(batch.weight[here] @ psi[here, t], 0, atol=1e-14)
    first = batch.s[:, 1] == 1  # a function of the past beside a later score
    past = np.where(first, batch.r[:, 0], 0.0)
    np.testing.assert_allclose((batch.weight * past) @ psi[:, 1], 0, atol=1e-14)


@pytest.mark.parametrize("seed", range(3))
def test_summed_scores_and_the_fisher_information(seed):
    """Cov[sum psi_t] is that under the visits without gamma, Cov[sum gamma^(t/2) psi_t] that under
    the discounted ones; gamma^t in its place is neither.

    Seen failing: with gamma^t for gamma^(t/2)."""
    mdp = discriminating_mdp(seed)
    family, theta = policy_for(mdp, seed)
    pi, psi = family.probs(theta), family.score(theta)
    batch = everything(mdp, (family, theta))
    each = scores(batch, family, theta)
    visits = evaluate(mdp, pi).visits
    undiscounted = visits / (0.9 ** np.arange(4))[:, None]
    for c, counted in ((1.0, undiscounted), (0.9, visits)):
        summed = np.einsum("t,ntd->nd", c ** (np.arange(4) / 2), each)
        covariance = (batch.weight[:, None] * summed).T @ summed
        fisher = np.einsum("ts,sa,sai,saj->ij", counted, pi, psi, psi)
        np.testing.assert_allclose(covariance, fisher, atol=1e-13)
    assert np.abs(covariance - np.einsum("ts,sa,sai,saj->ij", undiscounted, pi, psi, psi)).max() > (
        0.01
    )


@pytest.mark.parametrize("seed", range(3))
def test_leaving_gamma_out_has_the_bias_of_the_recursion(seed):
    """Its mean minus that with gamma^t, both by enumeration and both by recursion.

    Seen failing: with c = gamma^2; with the returns undiscounted as well."""
    mdp = discriminating_mdp(seed)
    policy = policy_for(mdp, seed)
    means = {
        c: exact_moments(
            lambda batch, c=c: gpomdp(batch, *policy, 0.9, time_discount=c), mdp, policy
        ).mean
        for c in (1.0, None)
    }
    found = {c: reward_to_go_moments(mdp, policy, time_discount=c).mean for c in (1.0, None)}
    bias = means[1.0] - means[None]
    np.testing.assert_allclose(bias, found[1.0] - found[None], atol=1e-13)
    assert np.abs(bias).max() > 1e-3


def endless(horizon=4):
    """Nothing terminates; gamma < 1."""
    rng = np.random.default_rng(7)
    return MDP(rng.dirichlet(np.ones(3), (3, 2)), rng.normal(size=(3, 2)), 0.9, horizon=horizon)


@pytest.mark.parametrize("estimator", ["reward to go", "whole return"])
def test_what_a_thousand_more_on_every_reward_does(estimator):
    """The gradient stays. Without a baseline the variance is exactly that of X + 1000 Y, Y the same
    estimator of a reward of 1; with V_t it does not change.

    Seen failing: with a baseline that is not V of the shifted model; with the covariance of X and Y
    left out."""
    mdp = endless()
    policy = policy_for(mdp)
    shifted, ones = replace(mdp, R=mdp.R + 1000), replace(mdp, R=np.ones((3, 2)))
    moments = reward_to_go_moments if estimator == "reward to go" else whole_return_moments
    rows = gpomdp if estimator == "reward to go" else reinforce
    before, after = moments(mdp, policy), moments(shifted, policy)
    np.testing.assert_allclose(before.mean, after.mean, atol=1e-8)
    batch = everything(mdp, policy)
    X = rows(batch, *policy, 0.9)
    Y = rows(replace(batch, r=np.ones(batch.r.shape)), *policy, 0.9)
    np.testing.assert_allclose(batch.weight @ Y, 0, atol=1e-12)  # nothing ends: no gradient
    cross = batch.weight @ (X * Y)
    expected = before.variance + 2000 * cross + 1e6 * (batch.weight @ Y**2)
    np.testing.assert_allclose(after.variance, expected, rtol=1e-9)
    np.testing.assert_allclose(moments(ones, policy).variance, batch.weight @ Y**2, atol=1e-12)
    assert (after.variance / before.variance).min() > 1e4
    if estimator == "reward to go":
        quiet = [
            reward_to_go_moments(m, policy, baseline=evaluate(m, policy[0].probs(policy[1])).V[:-1])
            for m in (mdp, shifted)
        ]
        np.testing.assert_allclose(quiet[0].variance, quiet[1].variance, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_observations_bias_a_critic_and_not_a_return(seed):
    """REINFORCE with scores of pi(a | o): none, exactly. A critic that takes two states for one:
    what the recursion says, from the error of the critic at the next state.

    Seen failing: with the critic of the states; with the term - pi left out of the score."""
    mdp = discriminating_mdp(seed)
    labels = [0, 0, 1, 2]
    family, theta = Observation(mdp, labels), np.random.default_rng(seed).normal(size=(3, 2))
    policy = family, theta
    gradient = policy_gradient(mdp, family, theta).value.reshape(-1)
    batch = everything(mdp, policy)
    assert batch.o is not None
    for rows in (reinforce, gpomdp):
        mean = batch.weight @ rows(batch, family, theta, 0.9)
        np.testing.assert_allclose(mean, gradient, atol=1e-13)
    exact = evaluate(mdp, family.probs(theta))
    law = np.bincount(labels, exact.visits.sum(axis=0))
    worth = np.bincount(labels, (exact.visits * exact.V[:-1]).sum(axis=0))
    v = (worth / np.where(law > 0, law, 1.0))[labels]  # by what it sees alone
    bias = batch.weight @ actor_critic(batch, family, theta, 0.9, v) - gradient
    recursion = reward_to_go_moments(mdp, policy, critic=v, detail="mean").mean - gradient
    np.testing.assert_allclose(bias, recursion, atol=1e-13)
    assert np.abs(bias).max() > 1e-3
