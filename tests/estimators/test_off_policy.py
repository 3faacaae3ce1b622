"""Off-policy evaluation: rows by loops, and exact means by enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mdptools import MDP, ModelError, evaluate
from mdptools.estimators import (
    direct_method,
    discounted_return,
    doubly_robust,
    importance_ratios,
    importance_sampling,
    per_decision,
    weighted_importance_sampling,
)
from mdptools.policies import Observation
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import behaviour_for, critic_for, discriminating_mdp, policy_for
from mdptools.verify import check_estimator, enumerate_trajectories
from ratio_means import mean_of_ratio
from walks import PI, as_batch, model, walks

GAMMA = 0.9
OTHER = np.array([[0.6, 0.4], [1.0, 0.0], [0.1, 0.9], [0.5, 0.5]])
Q = np.array([[1.0, -2.0], [0.5, -np.inf], [2.0, 0.25], [7.0, 7.0]])  # (1, 1) is refused


def mixed() -> Trajectories:
    """Terminated, truncated and empty trajectories of several lengths; some cut before others."""
    parts = [rollout(model(), PI, 30, rng=k, max_steps=n) for k, n in ((0, 4), (1, 2))]
    return Trajectories.concatenate(parts)


def every_trajectory(mdp, policy, **keywords):
    return Trajectories.concatenate(list(enumerate_trajectories(mdp, policy, **keywords)))


def mean_of(q, pi):
    return sum(p * x for p, x in zip(pi, q, strict=True) if p > 0)


@pytest.mark.parametrize("by_time", [False, True])
def test_rows_are_those_of_the_loop(by_time):
    """Seen failing: without the last ratio; ratios one step late; b / pi; the critic asked at a
    termination; a truncation taken for one; gamma left out before the critic; v for a start in
    the end."""
    batch, T = mixed(), 4
    assert batch.truncated.any() and batch.terminated.any() and (batch.lengths == 0).any()
    pi = np.stack([OTHER, PI, OTHER, PI]) if by_time else OTHER
    q = np.stack([Q, Q + 1, 2 * Q, Q - 1, Q]) if by_time else Q
    tables = np.broadcast_to(pi, (T, 4, 2)) if not by_time else pi
    critics = np.broadcast_to(q, (T + 1, 4, 2)) if not by_time else q
    rows = {name: np.zeros(batch.n) for name in ("is", "pd", "dm", "dr")}
    ratios = np.ones((batch.n, T))
    for i in range(batch.n):
        s, a, r, L = batch.s[i], batch.a[i], batch.r[i], int(batch.lengths[i])

        def v(t, i=i):
            state = batch.s[i, t]
            return mean_of(critics[t, state], tables[min(t, T - 1), state])

        for t in range(L):
            ratios[i, t] = tables[t, s[t], a[t]] / PI[s[t], a[t]]
            rows["pd"][i] += GAMMA**t * np.prod(ratios[i, : t + 1]) * r[t]
        rows["is"][i] = np.prod(ratios[i]) * sum(GAMMA**t * r[t] for t in range(L))
        x = v(L) if batch.truncated[i] else 0.0
        for t in reversed(range(L)):
            x = v(t) + ratios[i, t] * (r[t] + GAMMA * x - critics[t, s[t], a[t]])
        rows["dr"][i] = x
        rows["dm"][i] = v(0) if L or batch.truncated[i] else 0.0
    np.testing.assert_allclose(importance_ratios(batch, pi), ratios, atol=1e-13)
    np.testing.assert_allclose(importance_sampling(batch, pi, GAMMA), rows["is"], atol=1e-12)
    np.testing.assert_allclose(per_decision(batch, pi, GAMMA), rows["pd"], atol=1e-12)
    np.testing.assert_allclose(doubly_robust(batch, pi, GAMMA, q), rows["dr"], atol=1e-12)
    np.testing.assert_allclose(direct_method(batch, pi, q), rows["dm"], atol=1e-12)
    rho, G = ratios.prod(axis=1), discounted_return(batch, GAMMA)
    expected = (rho * G).sum() / rho.sum()
    assert weighted_importance_sampling(batch, pi, GAMMA) == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_what_the_harness_says(seed):
    """Unbiased: trajectory and per-decision weights, doubly robust with any Q; direct only with the
    right one. Seen failing: without the last ratio; ratios one step late; b / pi; the critic
    asked at a termination; V left out."""
    mdp = discriminating_mdp(seed)
    policy, b = policy_for(mdp, seed), behaviour_for(mdp, seed)
    pi, gamma = policy[0].probs(policy[1]), mdp.gamma
    exact = evaluate(mdp, pi)
    Q_wrong = critic_for(mdp, seed)[:, None] + [0.3, -0.7]
    V_wrong = critic_for(mdp, seed + 1)

    def outcome(estimator):
        return check_estimator(estimator, mdp, policy, target="J", behaviour=b)

    honest = [
        lambda x: importance_sampling(x, policy, gamma),
        lambda x: importance_sampling(x, pi, gamma),
        lambda x: per_decision(x, policy, gamma),
        lambda x: doubly_robust(x, policy, gamma, Q_wrong),
        lambda x: doubly_robust(x, policy, gamma, exact.Q),
        lambda x: direct_method(x, policy, exact.Q),
        lambda x: direct_method(x, policy, Q_wrong, V=exact.V),
    ]
    found = [outcome(estimator) for estimator in honest]
    assert [one.outcome for one in found] == ["unbiased"] * len(found)
    assert found[4].deviation < 0.9 * min(found[0].deviation, found[3].deviation)
    wrong = outcome(lambda x: direct_method(x, policy, Q_wrong))
    error = np.where(mdp.terminal, 0.0, (pi * Q_wrong).sum(axis=1) - exact.V[0])
    assert wrong.outcome == "biased"
    assert float(wrong.bias) == pytest.approx(mdp.mu @ error, abs=1e-13)
    wrong = outcome(lambda x: doubly_robust(x, policy, gamma, Q_wrong, V=V_wrong))
    gap = np.where(mdp.terminal, 0.0, V_wrong - (pi * Q_wrong).sum(axis=1))
    assert wrong.outcome == "biased"
    assert float(wrong.bias) == pytest.approx(exact.visits.sum(axis=0) @ gap, abs=1e-12)
    plain = outcome(lambda x: discounted_return(x, gamma))
    assert plain.outcome == "biased"


def test_weighted_importance_sampling_is_biased_like_1_over_n():
    """N = 1 and 2 by enumeration of batches, and up to 1000 by the exact mean of a ratio of sums.

    Seen failing: divided by N; b / pi."""
    mdp = discriminating_mdp(0).with_objective(horizon=2)
    policy, b = policy_for(mdp), behaviour_for(mdp)
    pi = policy[0].probs(policy[1])
    batch = every_trajectory(mdp, b)
    rho = importance_ratios(batch, pi).prod(axis=1)
    A = rho * discounted_return(batch, mdp.gamma)
    J = evaluate(mdp, pi).J
    bias = {n: mean_of_ratio(batch.weight, A, rho, n) - J for n in (1, 2, 10, 100, 1000)}

    def estimator(x):
        return weighted_importance_sampling(x, pi, mdp.gamma)

    pairs = check_estimator(estimator, mdp, policy, target="J", behaviour=b, batch=2)
    assert pairs.outcome == "biased"
    assert float(pairs.bias) == pytest.approx(bias[2], abs=1e-10)
    assert bias[1] == pytest.approx(evaluate(mdp, b).J - J, abs=1e-10)  # J of who acted
    assert 1000 * bias[1000] == pytest.approx(100 * bias[100], rel=0.02)
    limit = batch.weight @ (rho * (rho * J - A))  # E[rho (rho J - A)]: the C of C/N
    assert 1000 * bias[1000] == pytest.approx(limit, rel=0.01)


def test_no_weight_at_all():
    """Seen failing: 0/0."""
    batch = Trajectories.from_steps([[(0, 1, 2.0)]], last=[3], logp=[[0.0]])
    never = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    assert weighted_importance_sampling(batch, never, GAMMA) == 0.0
    assert importance_sampling(batch, never, GAMMA)[0] == 0.0


def test_a_truncation_costs_what_the_critic_would_have_made_up_for():
    """Cut after 3 steps: per-decision lacks the weighted gamma^3 V; doubly robust with the exact
    critic lacks nothing. By enumeration. Seen failing: a truncation taken for a termination;
    the critic asked at a termination; ratios one step late; v for a start in the end."""
    batch, chance = as_batch(walks(PI, 3), PI)
    mdp = model()
    P = np.einsum("sa,sat->st", OTHER, mdp.P)[:3, :3]
    R = np.where(mdp.allowed, mdp.R, 0.0)
    V = np.append(np.linalg.solve(np.eye(3) - GAMMA * P, (OTHER * R).sum(axis=1)[:3]), 7.0)
    exact = np.where(
        mdp.allowed, R + GAMMA * np.einsum("sat,t->sa", mdp.P, V * [1, 1, 1, 0]), -np.inf
    )
    exact[3] = 7.0
    J = mdp.mu[:3] @ V[:3]
    rho = importance_ratios(batch, OTHER).prod(axis=1)
    left = chance @ np.where(batch.truncated, rho * V[batch.s[:, -1]], 0.0)
    mean = chance @ per_decision(batch, OTHER, GAMMA)
    assert mean == pytest.approx(J - GAMMA**3 * left, abs=1e-12) and abs(left) > 0.1
    assert chance @ doubly_robust(batch, OTHER, GAMMA, exact) == pytest.approx(J, abs=1e-12)
    assert chance @ direct_method(batch, OTHER, exact) == pytest.approx(J, abs=1e-12)


def test_policies_that_see_observations():
    """Ratios are pi(a|o) / b(a|o); means are exact, with a critic of states too.

    Seen failing: ratios of the mixture; ratios one step late; b / pi."""
    mdp = discriminating_mdp(1).with_objective(horizon=3)
    family = Observation(mdp, [[0.7, 0.3, 0], [0.2, 0.8, 0], [0.5, 0.5, 0], [0, 0, 1.0]])
    rng = np.random.default_rng(0)
    target, b = ((family, rng.standard_normal((3, 2))) for _ in range(2))
    pi = family.probs(target[1])
    Q_wrong = critic_for(mdp, 1)[:, None] + [0.3, -0.7]
    for estimator in (
        lambda x: importance_sampling(x, target, mdp.gamma),
        lambda x: per_decision(x, target, mdp.gamma),
        lambda x: doubly_robust(x, target, mdp.gamma, Q_wrong),
    ):
        found = check_estimator(estimator, mdp, target, target="J", behaviour=b)
        assert found.outcome == "unbiased"
    batch = rollout(mdp, b, 20, rng=0)
    assert batch.o is not None
    seen = importance_ratios(batch, target)
    blind = importance_ratios(batch, pi)
    assert np.abs(seen - blind).max() > 0.01


def test_the_horizon_is_a_curse_for_whole_trajectories():
    """E[rho^2] grows like its one-step value to the power of the length; the doubly robust estimate
    with the exact critic of a deterministic model has no variance at all.

    Seen failing: b / pi; the critic asked at the horizon."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=1.0, horizon=6)
    pi, b = np.array([[0.1, 0.9]]), np.array([[0.5, 0.5]])
    batch = every_trajectory(mdp, b)
    second = batch.weight @ importance_ratios(batch, pi).prod(axis=1) ** 2
    assert second == pytest.approx((2 * (0.01 + 0.81)) ** 6, abs=1e-10)
    exact = evaluate(mdp, pi)
    rows = doubly_robust(batch, pi, 1.0, exact.Q)
    np.testing.assert_allclose(rows, exact.J, atol=1e-12)
    assert len(list(itertools.groupby(np.sort(per_decision(batch, pi, 1.0))))) > 10


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: importance_sampling(b, PI, 1.5), "gamma is 1.5"),
        (lambda b: per_decision(b, PI, -1), "gamma is -1"),
        (lambda b: per_decision(b, PI[:2], 0.5), "policy has 2 states and 2 actions; these"),
        (lambda b: per_decision(b, np.stack([PI] * 3), 0.5), "policy has 3 times; these"),
        (lambda b: per_decision(b, 2 * PI, 0.5), "policy sums to 2 in state 0"),
        (lambda b: doubly_robust(b, PI, 0.5, Q[:2]), "Q has 2 states and 2 actions"),
        (lambda b: doubly_robust(b, PI, 0.5, Q[0]), r"Q has shape \(2,\); it must be \(S, A\)"),
        (lambda b: doubly_robust(b, PI, 0.5, Q, V=[1.0]), "V has 1 states"),
        (lambda b: direct_method(b, np.full((4, 2), 0.5), Q), "mean of Q over the policy is -inf"),
        (
            lambda b: doubly_robust(b, PI, 0.5, np.where(PI > 0.6, np.nan, Q), V=np.zeros(4)),
            "Q is nan for state",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(mixed())


def test_products_that_overflow_are_named():
    """inf times 0 would be nan. Seen failing: without the check."""
    steps = [[(0, 0, 1.0)] * 1200 + [(0, 1, 1.0)]]
    batch = Trajectories.from_steps(steps, last=[1], logp=[[np.log(0.5)] * 1201])
    pi = np.array([[1.0, 0.0], [1.0, 0.0]])
    for call in (importance_sampling, per_decision, weighted_importance_sampling):
        with pytest.raises(ModelError, match="first 1024 ratios of trajectory 0 is above 1e308"):
            call(batch, pi, 1.0)
    assert importance_ratios(batch, pi)[0, -1] == 0.0


def test_ratios_need_the_probabilities_of_who_acted():
    """Seen failing: nan for 1."""
    never = Trajectories.from_steps([[(0, 1, 1.0)]], last=[1], logp=[[-np.inf]])
    with pytest.raises(ModelError, match="logp is -inf at step 0 of trajectory 0"):
        importance_ratios(never, PI)
    batch = Trajectories.from_steps([[(0, 1, 1.0)]], last=[1])
    for call in (importance_ratios, lambda *x: per_decision(*x, 0.5)):
        with pytest.raises(ModelError, match="logp is nan at step 0 of trajectory 0"):
            call(batch, PI)
