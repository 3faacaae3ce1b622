"""Traces with a horizon: what they hold, and which bounds they may be held against."""

import numpy as np
import pytest

import iterations as it
from mdptools import MDP, ModelError, Softmax, Timed, evaluate, policy_gradient
from mdptools.studies import (
    GradientAscent,
    MultiplicativeWeights,
    NaturalPolicyGradient,
    ProjectedGradient,
    ValueIteration,
    bound,
    bounds,
    finite_trace,
)

SEEDS = (0, 2, 3, 5)  # with a terminal state, refused actions, neither


def model(seed, horizon=4, gamma=None):
    mdp = it.random_mdp(seed)
    return mdp.with_objective(gamma=mdp.gamma if gamma is None else gamma, horizon=horizon)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("gamma", [None, 1.0])
def test_numbers_of_a_trace_are_those_of_each_policy(seed, gamma):
    """Gaps, J, visits, advantages and the gradient, beside `evaluate` and `policy_gradient`.

    Seen failing: gaps without gamma; visits of terminal states; advantages with the gap of h in the
    place of h + 1.
    """
    mdp = model(seed, gamma=gamma)
    theta = np.random.default_rng(seed).normal(size=(4, *mdp.R.shape))
    one = finite_trace(mdp, NaturalPolicyGradient(0.3, theta0=theta), 3)
    family = Timed(mdp, Softmax(mdp))
    best = one.truth.V
    for t in (0, 3):
        exact = evaluate(mdp, one.pi[t])
        tol = one.floor + 1e-15
        assert np.abs(one.timed_gaps[t] - (best - exact.V)).max() <= tol
        assert abs(one.J[t] - exact.J) <= tol
        assert np.abs(one.visits[t] - exact.visits).max() <= 1e-14
        A = np.where(mdp.allowed & ~mdp.terminal[:, None], exact.A, 0.0)
        assert np.abs(one.advantage[t] - A).max() <= tol
        logits = np.where(mdp.allowed, one.log_pi[t], 0.0)
        assert np.abs(one.gradient[t] - policy_gradient(mdp, family, logits).value).max() <= tol


def test_the_final_reward_counts():
    """Seen failing: with V* of the end left out of the gaps' model."""
    mdp = it.random_mdp(0).with_objective(horizon=2, final=np.arange(len(it.random_mdp(0).mu)))
    one = finite_trace(mdp, NaturalPolicyGradient(0.3), 2)
    assert abs(one.J[2] - evaluate(mdp, one.pi[2]).J) <= one.floor
    assert bound("F2f", one).first_violation is None
    with pytest.raises(ModelError, match=r"F1f does not apply: it assumes no reward for where"):
        bound("F1f", one)


def test_rules_make_the_traces_of_their_formulas():
    """Seen failing: with MultiplicativeWeights unknown; with the tied gradient of one time only."""
    mdp = model(6)
    m = it.Plain(mdp)
    for rule in (NaturalPolicyGradient(0.2), MultiplicativeWeights(0.2, use="Q")):
        one = finite_trace(mdp, rule, 8)
        assert one.algorithm == "finite_natural_gradient"
        logs = it.timed(m, np.zeros(mdp.R.shape), 4, 0.2, 8, weighted=False)
        assert np.abs(one.log_pi - logs).max() < 1e-12
        assert {"F2f", "F1f"} <= {held.name for held in bounds(one)[0]}
    eta = 1 / finite_trace(mdp, GradientAscent(step_size=1.0), 1).truth.smoothness
    for tied, family in ((False, None), (True, Softmax)):
        one = finite_trace(mdp, GradientAscent(step_size=eta, family=family), 8)
        assert one.algorithm == "finite_gradient_ascent"
        logs = it.timed(m, np.zeros(mdp.R.shape), 4, eta, 8, weighted=True, tied=tied)
        assert np.abs(one.log_pi - logs).max() < 1e-12
        theta = np.where(mdp.allowed, one.log_pi[8, 0] if tied else one.log_pi[8], 0.0)
        exact = policy_gradient(mdp, Softmax(mdp) if tied else Timed(mdp, Softmax(mdp)), theta)
        assert np.abs(one.gradient[8] - exact.value).max() <= 1e-12
        assert {"D0f", "D4f"} <= {held.name for held in bounds(one)[0]}
    other = finite_trace(mdp, ProjectedGradient(step_size=0.1), 2)
    assert (other.algorithm, bounds(other)[0]) == ("finite", [])
    tempered = NaturalPolicyGradient(0.2, family=lambda mdp: Timed(mdp, Softmax(mdp, 2.0)))
    assert finite_trace(mdp, tempered, 2).algorithm == "finite"


def test_gaps_are_exact_far_below_round_off():
    """Two steps that each lose 1 with probability 1 / (1 + e^t).

    Seen failing: with V* - V by subtraction.
    """
    mdp = MDP([[[1.0], [1.0]]], [[1.0, 0.0]], horizon=2)
    one = finite_trace(mdp, NaturalPolicyGradient(step_size=1.0), 700)
    t = np.arange(701.0)
    assert np.abs(one.gap() * (1 + np.exp(t)) / 2 - 1).max() < 1e-12
    assert np.abs(one.log_gap() + np.log1p(np.exp(t)) - np.log(2)).max() < 1e-12


def test_ties_take_the_optimal_policy_nearest_to_the_start():
    """Seen failing: with the first optimal action for pi*, whose KL_0 is larger."""
    mdp = MDP([[[1.0]] * 3], [[1.0, 1.0, 0.0]], horizon=2)
    theta = np.log([[[0.1, 0.8, 0.1]]] * 2)
    one = finite_trace(mdp, NaturalPolicyGradient(1.0, theta0=theta), 5)
    assert abs(bound("F2f", one).constants["KL_0"] - 2 * np.log(1 / 0.9)) < 1e-12


def test_constants_by_hand():
    """Seen failing: H^2 for H (H + 1) / 2; a trivial bound without gamma."""
    mdp = MDP([[[1.0], [1.0]]], [[3.0, 1.0]], gamma=0.5, horizon=3)
    one = finite_trace(mdp, NaturalPolicyGradient(1.0), 1)
    assert one.truth.smoothness == 2 / 2 * (3 / 2 - 1 / 2) * 6
    assert one.truth.trivial == 2 * 1.75
    assert abs(bound("F1f", one).values[0] - (3 * np.log(2) + 2 * 6)) < 1e-12


def test_refusals_name_what_is_missing():
    """Seen failing: without each of the checks."""
    discounted = it.random_mdp(0)
    with pytest.raises(ModelError, match=r"finite_trace.*run_study"):
        finite_trace(discounted, NaturalPolicyGradient(1.0), 2)
    with pytest.raises(ModelError, match=r"serves .* Use transforms\.add_time for a horizon"):
        finite_trace(model(0), ValueIteration(), 2)
    steep = finite_trace(model(6), GradientAscent(step_size=1e3), 2)
    with pytest.raises(
        ModelError, match=r"D4f does not apply: .*H \(H\+1\) / 2; eta is 1e\+03, ab"
    ):
        bound("D4f", steep)
    large = MDP(np.full((9, 5, 9), 1 / 9), np.arange(45.0).reshape(9, 5), horizon=3)
    with pytest.raises(ModelError, match=r"at most 128 logits, to compute Hessians; there are 135"):
        bound("D0f", finite_trace(large, GradientAscent(step_size=0.01), 1))
