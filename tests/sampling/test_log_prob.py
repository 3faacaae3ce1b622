"""Probabilities of trajectories against products by hand, and the score against derivatives."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

import oracles
from mdptools import MDP, ModelError
from mdptools.policies import Softmax, SoftmaxAt
from mdptools.sampling import Trajectories, trajectory_log_prob, trajectory_log_prob_gradient
from walks import FINAL, MU, OUTCOMES, PI, PI_BY_TIME, as_batch, model, walks

THETA = np.array([[0.3, -0.8], [0.2, 9.0], [1.1, 0.4], [0.0, 0.5]])


@pytest.mark.parametrize(
    ("pi", "keywords"),
    [(PI, {}), (PI, {"horizon": 3}), (PI_BY_TIME, {"horizon": 3, "final": FINAL})],
    ids=["cut", "horizon", "by time"],
)
def test_every_trajectory_has_its_probability(pi, keywords):
    """Seen failing: without mu; without log pi; with P(s'|s, a) for P(s', r|s, a); without final;
    with final not discounted; with the policy of time 0 at all times; with padding counted."""
    found = walks(pi, 3, final=keywords.get("final"))
    batch, expected = as_batch(found)
    np.testing.assert_allclose(
        np.exp(trajectory_log_prob(model(**keywords), pi, batch)), expected, rtol=1e-14
    )
    assert expected.sum() == pytest.approx(1, abs=1e-14)  # the walks are all there are


@pytest.mark.parametrize(
    ("steps", "last"),
    [
        ([(0, 0, 0.75)], 1),  # a reward that nothing pays
        ([(0, 0, 0.5)], 1),  # one that another successor pays
        ([(0, 0, 2.0)], 2),  # a successor that does not follow
        ([(1, 1, 0.0)], 0),  # a refused action
        ([(3, 0, 0.0)], 3),  # an action after the end
    ],
)
def test_what_cannot_happen_has_probability_zero(steps, last):
    """Seen failing: with the nearest branch taken; with steps from a terminal state counted."""
    batch = Trajectories.from_steps([steps], last=[last])
    assert trajectory_log_prob(model(), PI, batch)[0] == -math.inf


def test_a_start_that_mu_excludes_has_probability_zero():
    """Seen failing: without mu."""
    mdp = model(mu=[0.0, 0.5, 0.5, 0.0])
    batch = Trajectories.from_steps([[(0, 0, 0.5)], [(2, 0, 3.0)]], last=[3, 3])
    np.testing.assert_allclose(np.exp(trajectory_log_prob(mdp, PI, batch)), [0, 0.5 * 0.8 * 0.5])


def test_rewards_within_round_off_count_as_equal():
    """Seen failing: with `==` for rewards."""
    batch = Trajectories.from_steps([[(0, 1, np.nextafter(-1.5, 0))]], last=[0])
    assert np.exp(trajectory_log_prob(model(), PI, batch)[0]) == pytest.approx(0.4 * 0.7 * 0.6)


def test_noisy_rewards_have_a_density():
    """Seen failing: without the second branch; without 1/std; with the variance for the standard
    deviation; with the density used where nothing is noisy."""
    std = np.zeros((4, 2))
    std[0, 0] = 0.5
    mdp = model(reward_std=std)
    batch = Trajectories.from_steps([[(0, 0, 1.2), (1, 0, -2.0)]], last=[2])

    def normal(x):
        return math.exp(-0.5 * (x / 0.5) ** 2) / (0.5 * math.sqrt(2 * math.pi))

    first = 0.25 * normal(1.2 + 1.0) + 0.25 * normal(1.2 - 2.0)
    expected = 0.4 * (0.3 * first) * (1.0 * 0.7)
    assert math.exp(trajectory_log_prob(mdp, PI, batch)[0]) == pytest.approx(expected, rel=1e-13)


def test_the_order_of_branches_in_a_law_does_not_matter():
    """Seen failing: with branches looked up without sorting them."""
    mdp = model()
    order = np.array([2, 1, 0, 4, 3, 6, 5, 8, 7, 9, 10, 11])
    law = replace(
        mdp.law,
        next_state=mdp.law.next_state[order],
        reward=mdp.law.reward[order],
        prob=mdp.law.prob[order],
    )
    batch, expected = as_batch(walks(PI, 3))
    found = trajectory_log_prob(replace(mdp, law=law), PI, batch)
    np.testing.assert_allclose(np.exp(found), expected, rtol=1e-14)


def test_the_gradient_is_the_score_and_not_the_models():
    """Seen failing: with the temperature left out; with the state after the action; with padding
    counted; with the last step left out."""
    family = Softmax(model(), temperature=0.7)
    batch, _ = as_batch(walks(PI, 3))
    score = trajectory_log_prob_gradient(family, THETA, batch)
    derivative = oracles.complex_step(
        lambda theta: trajectory_log_prob(model(), (family, theta), batch), THETA
    )
    np.testing.assert_allclose(score, derivative.reshape(score.shape), rtol=1e-12, atol=1e-14)

    # The same trajectories under another P and mu, on the same support: another probability, the
    # same derivative.
    other = model(mu=[0.1, 0.2, 0.3, 0.4])
    prob = np.where(other.law.prob < 1, 0.5, 1.0) ** np.array([2, 2, 1] + [1] * 9)
    P = np.zeros((8, 4))
    np.add.at(P, (other.law.row, other.law.next_state), prob)
    R = np.bincount(other.law.row, prob * other.law.reward, 8).reshape(4, 2)
    other = replace(other, P=P.reshape(4, 2, 4), R=R, law=replace(other.law, prob=prob))
    again = oracles.complex_step(
        lambda theta: trajectory_log_prob(other, (family, theta), batch), THETA
    )
    np.testing.assert_allclose(again, derivative, rtol=1e-12, atol=1e-14)
    before, after = (trajectory_log_prob(m, (family, THETA), batch) for m in (model(), other))
    assert np.abs(before - after).max() > 0.1


def test_the_derivation_of_the_policy_gradient():
    """sum P = 1, sum P G = J, and d sum P G = sum P (G score), all by enumeration.

    Seen failing: with `trajectory_log_prob` of another theta; with the score of the first step
    alone."""
    mdp = model(horizon=4, final=FINAL)
    family = Softmax(mdp)
    pi = family.probs(THETA)
    batch, chance = as_batch(walks(pi, 4, final=FINAL))
    G = batch.r @ 0.9 ** np.arange(4)

    def J(theta):
        return np.exp(trajectory_log_prob(mdp, (family, theta), batch)) @ G

    assert chance.sum() == pytest.approx(1, abs=1e-14)
    assert J(THETA) == pytest.approx(oracles.objective_of_logits(mdp, THETA), abs=1e-14)
    gradient = oracles.complex_step(lambda theta: oracles.objective_of_logits(mdp, theta), THETA)
    score = trajectory_log_prob_gradient(family, THETA, batch)
    np.testing.assert_allclose(oracles.complex_step(J, THETA), gradient, atol=1e-14)
    np.testing.assert_allclose((chance * G) @ score, gradient.ravel(), atol=1e-14)
    np.testing.assert_allclose(chance @ score, 0, atol=1e-14)


def test_a_policy_by_itself_is_scored_at_its_logarithm():
    """Seen failing: with log pi where pi is meant."""
    mdp = model()
    batch, _ = as_batch(walks(PI, 2))
    with np.errstate(divide="ignore"):
        logits = np.where(mdp.allowed, np.log(PI), 0.0)
    by_table = trajectory_log_prob_gradient(SoftmaxAt(mdp), PI, batch)
    by_logits = trajectory_log_prob_gradient(Softmax(mdp), logits, batch)
    np.testing.assert_allclose(by_table, by_logits, atol=1e-15)


def test_length_zero():
    """Seen failing: with -inf for a trajectory that starts at its end."""
    batch = Trajectories.from_steps([[], []], last=[3, 0])
    found = np.exp(trajectory_log_prob(model(), PI, batch))
    np.testing.assert_allclose(found, MU[[3, 0]], rtol=1e-15)
    rows = trajectory_log_prob_gradient(Softmax(model()), THETA, batch)
    np.testing.assert_array_equal(rows, np.zeros((2, 8)))


def test_trajectories_of_another_model_are_refused():
    """Seen failing: each of the two checks left out."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    with pytest.raises(ModelError, match="use states up to 1 and actions up to 0; the model has 1"):
        trajectory_log_prob(mdp, [[1.0]], Trajectories.from_steps([[]], last=[1]))
    long = Trajectories.from_steps([[(0, 0, 1.0)] * 3], last=[0])
    with pytest.raises(ModelError, match="a trajectory has 3 steps; the model's horizon is 2"):
        trajectory_log_prob(mdp.with_objective(horizon=2), [[1.0]], long)


def test_the_table_is_one_of_probabilities():
    """Seen failing: with one probability of OUTCOMES changed."""
    for branches in OUTCOMES.values():
        assert sum(p for p, _, _ in branches) == pytest.approx(1)
