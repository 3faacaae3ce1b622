"""Retrace and V-trace against their sums, and their means and fixed points by enumeration."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError, evaluate
from mdptools.estimators import lambda_return, retrace, reward_to_go, vtrace
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import behaviour_for, critic_for, discriminating_mdp, policy_for
from mdptools.verify import check_estimator, enumerate_trajectories
from walks import PI, model

GAMMA = 0.9
OTHER = np.array([[0.6, 0.4], [1.0, 0.0], [0.1, 0.9], [0.5, 0.5]])
Q = np.array([[1.0, -2.0], [0.5, -np.inf], [2.0, 0.25], [7.0, 7.0]])  # (1, 1) is refused
V = np.array([1.5, -0.5, 2.0, 7.0])


def mixed() -> Trajectories:
    """Terminated, truncated and empty trajectories of several lengths; some cut before others."""
    parts = [rollout(model(), PI, 30, rng=k, max_steps=n) for k, n in ((0, 4), (1, 2))]
    return Trajectories.concatenate(parts)


def every_trajectory(mdp, policy, **keywords):
    return Trajectories.concatenate(list(enumerate_trajectories(mdp, policy, **keywords)))


@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
def test_retrace_is_its_sum(lam):
    """Seen failing: the ratio of a_t itself counted; ratios that are not cut off; b / pi; a
    termination bootstrapped; a truncation taken for one."""
    batch = mixed()
    assert batch.truncated.any() and batch.terminated.any() and (batch.lengths == 0).any()
    means = [sum(p * q for p, q in zip(OTHER[s], Q[s], strict=True) if p > 0) for s in range(4)]
    expected = np.zeros((batch.n, 4))
    for i in range(batch.n):
        s, a, r, L = batch.s[i], batch.a[i], batch.r[i], int(batch.lengths[i])
        delta = []
        for k in range(L):
            over = batch.terminated[i] and k == L - 1
            delta.append(r[k] + (0.0 if over else GAMMA * means[s[k + 1]]) - Q[s[k], a[k]])
        for t in range(L):
            expected[i, t] = Q[s[t], a[t]]
            for k in range(t, L):
                c = [lam * min(1, OTHER[s[j], a[j]] / PI[s[j], a[j]]) for j in range(t + 1, k + 1)]
                expected[i, t] += GAMMA ** (k - t) * np.prod(c) * delta[k]
    np.testing.assert_allclose(retrace(batch, OTHER, GAMMA, Q, lam=lam), expected, atol=1e-12)


@pytest.mark.parametrize(("rho_max", "c_max", "lam"), [(1, 1, 1), (2.0, 0.5, 0.8), (np.inf, 1, 1)])
def test_vtrace_is_its_sum(rho_max, c_max, lam):
    """Seen failing: rho for c; the limits exchanged; b / pi; a truncation taken for a
    termination."""
    batch = mixed()
    expected = np.zeros((batch.n, 4))
    for i in range(batch.n):
        s, a, r, L = batch.s[i], batch.a[i], batch.r[i], int(batch.lengths[i])
        ratio = [OTHER[s[k], a[k]] / PI[s[k], a[k]] for k in range(L)]
        for t in range(L):
            expected[i, t] = V[s[t]]
            for k in range(t, L):
                over = batch.terminated[i] and k == L - 1
                delta = r[k] + (0.0 if over else GAMMA * V[s[k + 1]]) - V[s[k]]
                c = np.prod([lam * min(c_max, ratio[j]) for j in range(t, k)])
                expected[i, t] += GAMMA ** (k - t) * c * min(rho_max, ratio[k]) * delta
    found = vtrace(batch, OTHER, GAMMA, V, rho_max=rho_max, c_max=c_max, lam=lam)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_on_policy_vtrace_is_the_lambda_return():
    """Seen failing: rho and c exchanged."""
    batch = mixed()
    for lam in (0.0, 0.6, 1.0):
        found = vtrace(batch, PI, GAMMA, V, lam=lam)
        np.testing.assert_allclose(found, lambda_return(batch, V, GAMMA, lam), atol=1e-12)


def by_pair(batch, rows, weights=None):
    """The mean of the rows at time 0 for each first pair."""
    found, weights = np.zeros((4, 2)), batch.weight if weights is None else weights
    for s in range(4):
        for a in range(2):
            here = (batch.s[:, 0] == s) & (batch.a[:, 0] == a) & (batch.lengths > 0)
            if here.any():
                found[s, a] = weights[here] @ rows[here, 0] / weights[here].sum()
    return found


@pytest.mark.parametrize("seed", range(3))
def test_retrace_is_unbiased_at_the_exact_critic_and_nearer_from_any_other(seed):
    """Given the first pair, by enumeration; on-policy with lam=1 for any critic, on a horizon.

    Seen failing: the critic asked at a termination."""
    mdp = discriminating_mdp(seed)
    policy, b = policy_for(mdp, seed), behaviour_for(mdp, seed)
    pi, gamma = policy[0].probs(policy[1]), mdp.gamma
    batch, exact = every_trajectory(mdp, b), evaluate(mdp, pi)
    live = ~mdp.terminal
    for lam in (0.5, 1.0):
        found = by_pair(batch, retrace(batch, policy, gamma, exact.Q, lam=lam))
        np.testing.assert_allclose(found[live], exact.Q[0][live], atol=1e-12)
    endless = mdp.with_objective()
    Q_pi = evaluate(endless, pi).Q
    cut = every_trajectory(endless, b, horizon=3)
    wrong = Q_pi + np.random.default_rng(seed).standard_normal((4, 2))
    wrong[3] = 9.0  # worth nothing
    found = by_pair(cut, retrace(cut, policy, gamma, wrong))
    assert np.abs(found - Q_pi)[live].max() <= gamma * np.abs(wrong - Q_pi)[live].max()
    own = every_trajectory(mdp, policy)
    found = by_pair(own, retrace(own, policy, gamma, wrong))
    np.testing.assert_allclose(found[live], exact.Q[0][live], atol=1e-12)
    returns = by_pair(own, reward_to_go(own, gamma))
    np.testing.assert_allclose(found, returns, atol=1e-12)


def test_retrace_in_the_harness():
    """Weighed by the first pair it is an estimator of the whole table Q.

    Seen failing: the critic asked at a termination; ratios that are not cut off, with which any
    critic would do."""
    mdp = discriminating_mdp(0)
    policy, b = policy_for(mdp), behaviour_for(mdp)
    exact = evaluate(mdp, policy[0].probs(policy[1])).Q
    weights = np.where(mdp.terminal, 0.0, 1.0)[:, None] / (mdp.mu[:, None] * b)

    def rows(Q):
        def estimate(batch):
            first = np.zeros((batch.n, 4, 2))
            s, a = batch.s[:, 0], batch.a[:, 0]
            target = retrace(batch, policy, mdp.gamma, Q)[:, 0]
            first[np.arange(batch.n), s, a] = weights[s, a] * target
            return first

        return estimate

    keywords = {"target": "Q", "behaviour": b}
    assert check_estimator(rows(exact), mdp, policy, **keywords).outcome == "unbiased"
    own = evaluate(mdp, b).Q
    assert check_estimator(rows(own), mdp, policy, **keywords).outcome == "biased"


@pytest.mark.parametrize(("rho_max", "c_max"), [(np.inf, 1.0), (1.0, 1.0), (0.8, 0.5)])
@pytest.mark.parametrize("seed", range(3))
def test_vtrace_evaluates_the_policy_that_its_limit_makes(seed, rho_max, c_max):
    """v of that policy does not move, whatever c_max; with no limit it is pi itself.

    Seen failing: rho and c exchanged; their limits exchanged; b / pi; a truncation taken for a
    termination."""
    mdp = discriminating_mdp(seed).with_objective()
    policy, b = policy_for(mdp, seed), behaviour_for(mdp, seed)
    pi = policy[0].probs(policy[1])
    cut = pi if rho_max == np.inf else np.minimum(rho_max * b, pi)
    cut = cut / cut.sum(axis=1, keepdims=True)
    value = np.where(mdp.terminal, 7.0, evaluate(mdp, cut).V)
    batch = every_trajectory(mdp, b, horizon=3)
    rows = vtrace(batch, policy, mdp.gamma, value, rho_max=rho_max, c_max=c_max)
    for s in np.flatnonzero(~mdp.terminal):
        here = batch.s[:, 0] == s
        mean = batch.weight[here] @ rows[here, 0] / batch.weight[here].sum()
        assert mean == pytest.approx(value[s], abs=1e-12)
    wrong = critic_for(mdp, seed)
    rows = vtrace(batch, policy, mdp.gamma, wrong, rho_max=rho_max, c_max=c_max)
    assert np.abs(batch.weight @ rows[:, 0] - mdp.mu @ np.where(mdp.terminal, 0, value)) > 1e-3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: retrace(b, PI, 1.5, Q), "gamma is 1.5"),
        (lambda b: retrace(b, PI, 0.5, Q, lam=2), "lam is 2"),
        (lambda b: retrace(b, PI, 0.5, Q[:2]), "Q has 2 states and 2 actions"),
        (lambda b: vtrace(b, PI, 0.5, V[:2]), "v has 2 states"),
        (lambda b: vtrace(b, PI, 0.5, V, lam=-1), "lam is -1"),
        (
            lambda b: vtrace(b, PI, 0.5, V, rho_max=0.5),
            "rho_max is 0.5 and c_max is 1.0; they must",
        ),
        (lambda b: vtrace(b, PI, 0.5, V, c_max=0), "c_max is 0; they must be numbers"),
        (lambda b: vtrace(b, PI, 0.5, V, rho_max=np.nan), "rho_max is nan"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(mixed())
