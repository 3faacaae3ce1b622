"""Natural gradients and multiplicative weights: one iteration under three names."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smooth
from mdptools import MDP, LogLinear, ModelError, Softmax, Timed, evaluate, problems
from mdptools.estimators import Power
from mdptools.planning import soft_value_iteration
from mdptools.studies import (
    Geometric,
    MirrorDescent,
    MultiplicativeWeights,
    NaturalPolicyGradient,
    SoftPolicyIteration,
)
from mdptools.testing.strategies import logits, mdps

EPS = 2.0**-52
MANY = settings(max_examples=60)


def garnet(seed=0, gamma=0.9):
    return problems.garnet(6, 3, branching=3, gamma=gamma, rng=seed)


def after(rule, mdp, steps=1):
    x = rule.start(mdp)
    for t in range(steps):
        x = rule.step(mdp, x, t)
    return rule.policy(mdp, x)


def written_out(mdp, pi, eta):
    """pi exp(eta A), normalised, with A from an independent dense solve; A and pi not tiny."""
    _, Q, _ = smooth.solved(mdp, pi)
    weights = pi * np.exp(eta * np.where(mdp.allowed, Q - Q.max(axis=-1, keepdims=True), 0.0))
    return weights / weights.sum(axis=-1, keepdims=True)


# The same iterates


@pytest.mark.parametrize("objective", smooth.OBJECTIVES)
@pytest.mark.parametrize("seed", range(6))
def test_three_names_of_one_step(objective, seed):
    """Seen failing: with weight on refused pairs; with 1 - gamma for every objective; with -Q for
    Q; with the step divided by 1 - gamma."""
    mdp, theta = smooth.random_model(seed, objective, gammas=(0.1, 0.5, 0.9))
    eta = 0.3 / (1 + np.abs(mdp.R).max())
    rate = eta / (1 - mdp.gamma) if objective == "discounted" else eta
    theta = np.broadcast_to(theta, (mdp.horizon, *theta.shape)) if mdp.horizon else theta
    pi = Timed(mdp, Softmax(mdp)).probs(theta) if mdp.horizon else Softmax(mdp).probs(theta)
    expected = written_out(mdp, pi, rate)
    for use in ("A", "Q"):
        weights = MultiplicativeWeights(eta, use, theta)
        np.testing.assert_allclose(after(weights, mdp), expected, atol=1e-12)
    np.testing.assert_allclose(
        after(NaturalPolicyGradient(eta, theta0=theta), mdp), expected, atol=1e-12
    )
    mirror = MirrorDescent(rate, pi0=pi)
    np.testing.assert_allclose(after(mirror, mdp), expected, atol=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_advantage_is_the_pseudo_inverse_on_the_support(temperature):
    """Seen failing: with the temperature left out of the step; with the direction added twice;
    with no 1 / (1 - gamma); with the step the other way."""
    mdp = garnet(gamma=0.8)
    theta = np.random.default_rng(1).normal(size=(6, 3))
    family = Softmax(mdp, temperature)
    steps = {
        method: after(NaturalPolicyGradient(0.05, 0.0, method, family=family, theta0=theta), mdp)
        for method in ("auto", "advantage", "regression", "pinv")
    }
    d = evaluate(mdp, family.probs(theta)).d
    F = np.linalg.eigvalsh(
        np.kron(np.diag(d), np.eye(3)) * family.probs(theta).reshape(-1)
    )  # its scale alone
    tol = 1e3 * EPS * F[-1] / F[0]
    for method in ("advantage", "regression", "pinv"):
        np.testing.assert_allclose(steps[method], steps["auto"], rtol=tol, atol=tol)


def test_many_steps_of_weights_and_gradient_agree():
    """Seen failing: with a schedule that starts at t = 1; with the first step throughout; with -Q
    for Q."""
    mdp = garnet(3)
    schedule = lambda t: 0.1 / (t + 1)  # noqa: E731
    one = after(NaturalPolicyGradient(schedule), mdp, 12)
    two = after(MultiplicativeWeights(schedule, "Q"), mdp, 12)
    np.testing.assert_allclose(one, two, atol=1e-12)
    assert NaturalPolicyGradient(schedule).step_size_at(mdp, 3) == 0.1 / 4
    grown = NaturalPolicyGradient(Geometric(0.1))
    assert grown.step_size_at(mdp, 2) == pytest.approx(0.1 / mdp.gamma**2)


def test_the_evaluation_handed_in_is_used():
    """Seen failing: with the evaluation made anew; with the evaluation of the weights made
    anew."""
    mdp = garnet(2)
    for rule in (NaturalPolicyGradient(0.1), MultiplicativeWeights(0.1)):
        x = rule.start(mdp)
        right = evaluate(mdp, rule.policy(mdp, x))
        np.testing.assert_array_equal(rule.step(mdp, x, found=right), rule.step(mdp, x))
        wrong = evaluate(mdp.with_objective(gamma=0.1), rule.policy(mdp, x))
        assert np.abs(rule.step(mdp, x, found=wrong) - rule.step(mdp, x)).max() > 1e-3


# The limit of large steps


@MANY
@given(data=st.data())
def test_an_infinite_step_is_policy_iteration_with_ties_in_proportion(data):
    """Seen failing: with ties shared out evenly; with no lowest logit; with no 1 / (1 - gamma);
    with the step the other way."""
    mdp = data.draw(mdps(max_states=4, max_actions=3, objective="discounted", max_gamma=0.9))
    theta = data.draw(logits(mdp))
    family = Softmax(mdp)
    pi = family.probs(theta)
    found = evaluate(mdp, pi)
    Q, blur = np.where(mdp.allowed, found.Q, -np.inf), 2 * found.certificate.bound
    best = mdp.allowed & (Q >= Q.max(axis=1, keepdims=True) - blur)
    kept = np.where(best, family.log_probs(theta), -np.inf)
    kept = np.exp(kept - kept.max(axis=1, keepdims=True))
    expected = kept / kept.sum(axis=1, keepdims=True)
    rule = NaturalPolicyGradient(np.inf, theta0=theta)
    np.testing.assert_allclose(after(rule, mdp), expected, atol=1e-12)
    # Finite steps come there as they grow, as far as the smallest true gap lets them.
    gaps = (Q.max(axis=1, keepdims=True) - Q)[mdp.allowed & ~best]
    if len(gaps):
        spread = np.ptp(np.where(mdp.allowed, theta, 0.0)) + 50
        eta = spread / gaps.min()
        finite = NaturalPolicyGradient(eta * (1 - mdp.gamma), theta0=theta)
        if eta * blur > 1 or eta * blur < 1e-9:
            np.testing.assert_allclose(after(finite, mdp), expected, atol=1e-8)


def test_ties_are_not_broken_by_roundoff():
    """Seen failing: with ties left to round-off; with ties of the weights left to round-off; with
    no gap taken for a tie; with ties shared out evenly."""
    P = np.full((3, 3, 3), 1 / 3)
    mdp = MDP(P, [[0.1 + 0.2, 0.3, 0.0]] * 3, gamma=0.9)  # apart by 6e-17
    start = np.log([[0.2, 0.3, 0.5]] * 3)
    for eta in (1e6, 1e20, 1e300, np.inf):
        for rule in (
            NaturalPolicyGradient(eta, theta0=start),
            MultiplicativeWeights(eta, "Q", start),
        ):
            np.testing.assert_allclose(after(rule, mdp, 5), [[0.4, 0.6, 0]] * 3, atol=1e-12)


def test_what_can_be_told_apart_is():
    """Seen failing: with gaps of a million times the round-off taken for ties; with steps capped
    at 1000; with the step the other way."""
    mdp = MDP(np.ones((1, 3, 1)), [[1.0, 1.0 + 1e-9, 0.0]], gamma=0.5)
    for eta in (1e15, 1e20, np.inf):
        np.testing.assert_allclose(after(NaturalPolicyGradient(eta), mdp), [[0, 1, 0]], atol=1e-12)


# Extremes


@pytest.mark.parametrize("eta", [1e-300, 1e-6, 1.0, 1e6, 1e300, np.inf])
@pytest.mark.parametrize("low", [-1.0, -690.0, -1e4, -1e300])
def test_extreme_steps_and_probabilities_keep_their_sum(eta, low):
    """Seen failing: with no lowest logit."""
    mdp = garnet(4)
    theta = np.zeros((6, 3))
    theta[:, 1] = low
    for rule in (
        NaturalPolicyGradient(eta, theta0=theta),
        MultiplicativeWeights(eta, "A", theta),
        MultiplicativeWeights(eta, "Q", theta),
        MirrorDescent(eta),
        SoftPolicyIteration(min(max(1 / eta, 1e-290), 1e10), theta),
    ):
        x = rule.start(mdp)
        for t in range(6):
            x = rule.step(mdp, x, t)
            assert np.isfinite(x).all()
            np.testing.assert_allclose(rule.policy(mdp, x).sum(axis=1), 1, rtol=4 * EPS)


def test_a_probability_of_1e_300_comes_back():
    """Seen failing: with steps capped at 1000; with logits cut at -600; with no 1 / (1 - gamma);
    with the step the other way."""
    mdp = MDP(np.ones((1, 2, 1)), [[0.0, 1.0]], gamma=0.5)
    rule = NaturalPolicyGradient(1.0, theta0=[[0.0, -1000.0]])
    x = rule.start(mdp)
    assert rule.policy(mdp, x)[0, 1] == 0
    for t in range(500):  # each adds 1 / (1 - gamma) = 2 to the difference
        x = rule.step(mdp, x, t)
    np.testing.assert_allclose(rule.policy(mdp, x), [[0.5, 0.5]], atol=1e-10)
    long = NaturalPolicyGradient(1e6, theta0=[[0.0, -2e6]])
    np.testing.assert_array_equal(after(long, mdp), [[0.5, 0.5]])


# What theorems promise


@MANY
@given(data=st.data())
def test_no_value_falls(data):
    """Seen failing: with the step the other way."""
    mdp = data.draw(mdps(max_states=4, max_actions=3, objective="discounted", max_gamma=0.99))
    rule = NaturalPolicyGradient(data.draw(st.sampled_from([0.01, 1.0, 100.0])))
    x = rule.start(mdp)
    V = rule.values(mdp, x)
    for t in range(5):
        x = rule.step(mdp, x, t)
        before, V = V, rule.values(mdp, x)
        bound = evaluate(mdp, rule.policy(mdp, x)).certificate.bound
        assert (V >= before - 4 * bound).all()


def test_the_published_rate_is_kept():
    """Seen failing: with no 1 / (1 - gamma); with the step the other way."""
    eta = 0.002
    mdp = garnet(1, gamma=0.95)
    best = soft_value_iteration(mdp, 1e-9, tol=1e-5).V  # V* to 1e-5
    rule = NaturalPolicyGradient(eta)
    x = rule.start(mdp)
    for T in range(1, 301):
        x = rule.step(mdp, x, T - 1)
        gap = float(mdp.mu @ (best - rule.values(mdp, x)))
        assert gap <= np.log(3) / (eta * T) + np.ptp(mdp.R) / ((1 - mdp.gamma) ** 2 * T)
    assert gap < 0.02 * float(mdp.mu @ (best - rule.values(mdp, rule.start(mdp))))


def test_soft_policy_iteration_contracts_to_the_soft_optimum():
    """Seen failing: with Q of the plain values; with half of tau in Q; with half the step; with
    pi^(1 - step tau)."""
    mdp, tau = garnet(5), 0.3
    best = soft_value_iteration(mdp, tau, tol=1e-10)
    rule = SoftPolicyIteration(tau)
    x = rule.start(mdp)
    gaps = []
    for t in range(12):
        pi = rule.policy(mdp, x)
        _, Q, _ = smooth.solved(mdp, pi, tau)  # Q with the bonus of the action itself
        Q = Q + tau * np.log(pi)
        gaps.append(np.abs(best.Q - Q).max())
        x = rule.step(mdp, x, t)
    assert gaps[0] > 0.1 and gaps[-1] < 1e-9
    assert all(b <= mdp.gamma * a + 1e-9 for a, b in pairwise(gaps))
    np.testing.assert_allclose(rule.policy(mdp, x), best.pi, atol=1e-8)


@pytest.mark.parametrize("horizon", [None, 4])
def test_the_largest_soft_step_is_soft_policy_iteration(horizon):
    """Seen failing: with half of tau in Q; with half the rate in the gradient with entropy; with
    half the step; with 1 - gamma for every objective."""
    mdp = garnet(6) if horizon is None else garnet(6).with_objective(horizon=horizon)
    tau = 0.2
    largest = (1 - mdp.gamma) / tau if horizon is None else 1 / tau
    one = after(NaturalPolicyGradient(largest, tau), mdp, 3)
    np.testing.assert_allclose(one, after(SoftPolicyIteration(tau), mdp, 3), atol=1e-12)
    half = NaturalPolicyGradient(largest / 2, tau)
    x = half.start(mdp)
    pi = half.policy(mdp, x)
    _, Q, _ = smooth.solved(mdp, pi, tau)
    logs = 0.5 * np.log(pi) + 0.5 * (Q + tau * np.log(pi)) / tau
    weights = np.exp(logs - logs.max(axis=-1, keepdims=True))
    expected = weights / weights.sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(half.policy(mdp, half.step(mdp, x)), expected, atol=1e-12)


def test_another_family_moves_by_its_own_direction():
    """Seen failing: with the direction added twice; with the tabular family for all."""
    mdp = garnet(7)
    phi = np.random.default_rng(0).normal(size=(6, 3, 4))
    family = LogLinear(mdp, phi)
    rule = NaturalPolicyGradient(0.1, family=lambda model: LogLinear(model, phi))
    x = rule.start(mdp)
    assert x.shape == (4,) and not x.any()
    pi = family.probs(x)
    scores = family.score(x).reshape(-1, 4)
    _, Q, visits = smooth.solved(mdp, pi)
    A = (Q - (pi * Q).sum(axis=1, keepdims=True)).reshape(-1)
    weight = ((1 - mdp.gamma) * visits[:, None] * pi).reshape(-1)
    F = (scores * weight[:, None]).T @ scores
    g = scores.T @ ((visits[:, None] * pi).reshape(-1) * A)
    np.testing.assert_allclose(rule.step(mdp, x), 0.1 * np.linalg.solve(F, g), rtol=1e-8)


# Bad input


@pytest.mark.parametrize("step", [0, -1.0, np.nan, "1", None, Softmax])
def test_a_step_size_is_a_number_above_0_or_a_schedule(step):
    """Seen failing: with a class taken for a schedule; with nan taken for a step."""
    for rule in (NaturalPolicyGradient, MultiplicativeWeights, MirrorDescent):
        with pytest.raises(ModelError, match=r"step_size is .*; it must be a number > 0, or a sch"):
            rule(step)


def test_bad_input_names_what_is_wrong():
    """Seen failing: with a family of any type; with theta0 of any shape; with any tau; with any
    word for use."""
    mdp = garnet()
    with pytest.raises(ModelError, match=r"use is 'V'; it must be 'A' or 'Q'"):
        MultiplicativeWeights(1.0, "V")
    with pytest.raises(ModelError, match=r"tau is 0; it must be a finite number > 0"):
        SoftPolicyIteration(0)
    with pytest.raises(ModelError, match=r"tau is -1; it must be a number >= 0"):
        NaturalPolicyGradient(1.0, -1)
    with pytest.raises(ModelError, match=r"step is 1; with entropy .* tau = 0.5 it may be at most"):
        rule = NaturalPolicyGradient(1.0, 0.5)
        rule.step(mdp, rule.start(mdp))
    with pytest.raises(ModelError, match=r"after 0 steps is nan; .* lambda t: schedule\(t \+ 1\)"):
        rule = NaturalPolicyGradient(Power(0.7))  # 1/k^0.7, which counts from 1
        rule.step(mdp, rule.start(mdp))
    with pytest.raises(ModelError, match=r"the step size after 0 steps is -1"):
        NaturalPolicyGradient(lambda t: -1).step(mdp, np.zeros((6, 3)))
    with pytest.raises(ModelError, match=r"tabular softmax"):
        rule = NaturalPolicyGradient(np.inf, family=LogLinear(mdp, np.ones((6, 3, 1))))
        rule.step(mdp, rule.start(mdp))
    with pytest.raises(ModelError, match=r"theta0 has shape \(2,\); it must be \(6, 3\)"):
        NaturalPolicyGradient(theta0=[0.0, 1.0]).start(mdp)
    with pytest.raises(ModelError, match=r"family is 3; it must be a family"):
        NaturalPolicyGradient(family=3).start(mdp)
    with pytest.raises(ModelError, match=r"logits0 has shape \(3,\)"):
        MultiplicativeWeights(1.0, "A", np.zeros(3)).start(mdp)
    bad = np.zeros((6, 3))
    bad[2, 1] = np.nan
    with pytest.raises(ModelError, match=r"x is nan for action 1 in state 2"):
        MultiplicativeWeights(1.0).step(mdp, bad)
    with pytest.raises(ModelError, match=r"1 / gamma where gamma is 0"):
        MultiplicativeWeights(Geometric(1.0)).step_size_at(garnet(gamma=0.0), 0)


def test_average_reward_with_two_classes_is_refused():
    """Seen failing: with any number of classes."""
    mdp = MDP(np.eye(2)[:, None], [[1.0], [0.0]], average=True)
    with pytest.raises(ModelError, match=r"one recurrent class, this policy has 2"):
        MultiplicativeWeights(1.0).step(mdp, np.zeros((2, 1)))


def test_total_reward_that_rests_for_ever_is_refused():
    """Seen failing: with infinite visits accepted; with logits cut at -600."""
    P = [[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0]] * 2]
    mdp = MDP(P, [[0.0, -1.0], [0.0, 0.0]], gamma=1.0)
    stay = [[0.0, -1e300], [0.0, 0.0]]
    with pytest.raises(ModelError, match=r"finite values and visits: this policy can rest"):
        MultiplicativeWeights(1.0, "A", stay).step(mdp, np.array(stay))
