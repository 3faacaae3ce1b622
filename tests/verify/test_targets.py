"""Targets against oracles that share no code with them, and what is honest at a cap."""

from dataclasses import replace

import numpy as np
import pytest

import oracles
import walks
from mdptools import MDP, ModelError
from mdptools.estimators import discounted_return, gpomdp
from mdptools.testing.models import discriminating_mdp, policy_for
from mdptools.verify import TARGETS, exact_moments
from mdptools.verify._targets import answers


@pytest.fixture(params=["finite", "final", "discounted", "total"])
def model(request):
    mdp = discriminating_mdp(2)
    if request.param == "final":
        return replace(mdp, final=np.array([1.0, -2.0, 0.5, 0.0]))
    if request.param == "discounted":
        return mdp.with_objective()
    return mdp.with_objective(gamma=1.0) if request.param == "total" else mdp


def test_targets_are_the_numbers_of_the_oracles(model):
    """Seen failing: V at time 1; J without final; the gradient of the table instead of theta."""
    family, theta = policy = policy_for(model, 2)
    pi = family.probs(theta)
    gradient = oracles.complex_step(lambda x: oracles.objective_of_logits(model, x), theta)
    J = oracles.objective_of_logits(model, theta)
    V = [oracles.objective_of_policy(replace(model, mu=start), pi) for start in np.eye(4)]
    np.testing.assert_allclose(TARGETS["policy_gradient"](model, policy), gradient, atol=1e-12)
    np.testing.assert_allclose(TARGETS["policy_gradient"](model, pi), gradient, atol=1e-12)
    np.testing.assert_allclose(TARGETS["J"](model, policy), J, atol=1e-12)
    np.testing.assert_allclose(TARGETS["V"](model, policy), V, atol=1e-12)
    assert TARGETS["V"](model, policy)[3] == 0


def test_values_of_pairs_visits_and_the_fisher_information(model):
    """Seen failing: Q at time 1; visits of time 0 alone; Fisher times 1 - gamma; -inf at refused
    pairs."""
    family, theta = policy = policy_for(model, 2)
    pi, live = family.probs(theta), ~model.terminal
    n = 200 if model.horizon is None else model.horizon
    V = np.zeros(4) if model.final is None else model.final
    law, visits = np.where(live, model.mu, 0.0), np.zeros(4)
    for _ in range(n):
        Q = model.R + model.gamma * np.einsum("sat,t->sa", model.P, V)
        V = np.where(live, (pi * Q).sum(axis=1), 0.0)
    for t in range(n):
        visits += model.gamma**t * law
        law = np.where(live, np.einsum("s,sa,sat->t", law, pi, model.P), 0.0)
    score = family.score(theta)
    fisher = np.einsum("s,sa,sai,saj->ij", visits, pi, score, score)
    np.testing.assert_allclose(TARGETS["Q"](model, policy)[live], Q[live], atol=1e-7)
    np.testing.assert_allclose(TARGETS["visits"](model, policy), visits, atol=1e-7)
    np.testing.assert_allclose(TARGETS["fisher"](model, policy), fisher, atol=1e-7)
    found = TARGETS["Q"](walks.model(), walks.PI)
    assert found[1, 1] == 0 and np.isfinite(found).all()


def test_infinite_targets_take_the_horizon_away(model):
    """Seen failing: with the horizon kept; with gamma lost."""
    family, theta = policy = policy_for(model, 2)
    endless = model.with_objective()
    for name in ("policy_gradient", "J", "V", "Q"):
        found = TARGETS[f"{name}_infinite"](model, policy)
        np.testing.assert_array_equal(found, TARGETS[name](endless, policy))
    gradient = oracles.complex_step(lambda x: oracles.objective_of_logits(endless, x), theta)
    found = TARGETS["policy_gradient_infinite"](model, policy)
    np.testing.assert_allclose(found, gradient, atol=1e-12)
    assert family.shape == found.shape


@pytest.mark.parametrize("gamma", [0.9, 1.0])
@pytest.mark.parametrize("cap", [1, 3, 5])
def test_what_is_honest_at_a_cap(gamma, cap):
    """Returns that stop, and returns that go on with the exact V, each by enumeration.

    Seen failing: A of the model that stops in the second; visits one step short; V(s_T) without
    gamma^T; terms beyond the cap counted.
    """
    mdp = discriminating_mdp(4).with_objective(gamma=gamma)
    family, theta = policy = policy_for(mdp, 4)
    V = TARGETS["V"](mdp, policy)

    def continued(batch):
        r = batch.r.copy()
        r[:, -1] += np.where(batch.truncated, gamma * V[batch.s[:, -1]], 0.0)
        return replace(batch, r=r)

    stops, goes_on, whole = answers(mdp, policy, "policy_gradient", cap)
    mean = exact_moments(lambda b: gpomdp(b, family, theta, gamma), mdp, policy, horizon=cap).mean
    np.testing.assert_allclose(stops.value.reshape(-1), mean, atol=1e-13)
    mean = exact_moments(
        lambda b: gpomdp(continued(b), family, theta, gamma), mdp, policy, horizon=cap
    ).mean
    np.testing.assert_allclose(goes_on.value.reshape(-1), mean, atol=1e-13)
    np.testing.assert_array_equal(whole.value, TARGETS["policy_gradient"](mdp, policy))
    assert np.abs(goes_on.value - whole.value).max() > 1e-3
    assert "stop after" in stops.claim and "continued by the exact V" in goes_on.claim

    stops, goes_on, whole = answers(mdp, policy, "J", cap)
    mean = exact_moments(lambda b: discounted_return(b, gamma), mdp, policy, horizon=cap).mean
    assert stops.value == pytest.approx(mean[0], abs=1e-13)
    mean = exact_moments(
        lambda b: discounted_return(continued(b), gamma), mdp, policy, horizon=cap
    ).mean
    assert goes_on.value == whole.value == pytest.approx(mean[0], abs=1e-12)


def test_infinite_names_do_not_accept_what_stops():
    """Seen failing: with the answer that stops first; with it anywhere."""
    mdp = discriminating_mdp(4)
    policy = policy_for(mdp, 4)
    endless = mdp.with_objective()
    for model, cap in ((endless, 4), (mdp, None)):
        whole, goes_on = answers(model, policy, "policy_gradient_infinite", cap)
        np.testing.assert_array_equal(whole.value, TARGETS["policy_gradient"](endless, policy))
        assert "first 4 terms" in goes_on.claim
    (only,) = answers(mdp, policy, "policy_gradient", None)
    assert only.claim == "the policy gradient"
    assert len(answers(endless, policy, "policy_gradient", None)) == 1


def test_a_model_whose_endless_return_does_not_exist_still_stops():
    """Seen failing: with its error let through."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=1.0)
    (only,) = answers(mdp, [[1.0]], "J", 5)
    assert only.value == 5
    with pytest.raises(ModelError, match="total reward of this policy is infinite"):
        answers(mdp, [[1.0]], "J_infinite", 5)


def test_arrays_functions_and_names_of_ones_own(monkeypatch):
    """Seen failing: a function asked about the model that does not stop only."""
    mdp = discriminating_mdp().with_objective()
    policy = policy_for(mdp)
    (only,) = answers(mdp, policy, [1, 2], 3)
    assert only.value.tolist() == [1.0, 2.0] and only.function is None

    def states(mdp, policy):
        return mdp.horizon or 0.0

    stops, whole = answers(mdp, policy, states, 3)
    assert (float(stops.value), float(whole.value)) == (3.0, 0.0)
    assert stops.claim == "states when returns stop after 3 steps"
    monkeypatch.setitem(TARGETS, "mine", states)
    assert [float(one.value) for one in answers(mdp, policy, "mine", 3)] == [3.0, 0.0]


def test_bad_targets():
    """Seen failing: without either check."""
    mdp = discriminating_mdp()
    policy = policy_for(mdp)
    with pytest.raises(ModelError, match="there is no target 'gradient'; there are policy_gradien"):
        answers(mdp, policy, "gradient", None)
    with pytest.raises(ModelError, match=r"the given target is nan at \[1\]: 1 of its 2 entries"):
        answers(mdp, policy, [0.0, np.nan], None)
    with pytest.raises(ModelError, match="no array of real numbers"):
        answers(mdp, policy, [[1.0], [1.0, 2.0]], None)
