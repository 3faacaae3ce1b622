"""SARSA and expected SARSA against the pseudo-code of the book, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import every_visit_values, expected_sarsa, n_step_sarsa, sarsa
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import behaviour_for, discriminating_mdp, policy_for
from walks import PI, model

GAMMA = 0.9
Q0 = np.array([[1.0, -2.0], [0.5, -np.inf], [2.0, 0.25], [7.0, 7.0]])  # (1, 1) is refused
Q0_BY_TIME = np.random.default_rng(3).standard_normal((5, 4, 2))
TABLES = pytest.mark.parametrize("table", [Q0, Q0_BY_TIME], ids=["pairs", "by time"])


def mixed() -> Trajectories:
    """Terminated, truncated and empty trajectories of several lengths; some cut before others."""
    parts = [rollout(model(), PI, 30, rng=k, max_steps=n) for k, n in ((0, 4), (1, 2))]
    return Trajectories.concatenate(parts)


def place(table, t, s, a):
    return (t, s, a) if table.ndim == 3 else (s, a)


def known(batch, i):
    """The steps whose next action is known, or not needed."""
    L = int(batch.lengths[i])
    return L if batch.terminated[i] else max(L - 1, 0)


@TABLES
@pytest.mark.parametrize("n", [1, 2, 7])
def test_sarsa_is_that_of_the_book(table, n):
    """Seen failing: the cell of the time before; a truncation taken for a termination; a
    bootstrap from action 0 where the next action is not known; the reward of the next step; nan
    from -inf at the end."""
    batch, Q, seen = mixed(), table.copy(), {}
    assert batch.truncated.any() and batch.terminated.any() and (batch.lengths == 0).any()
    for i in range(batch.n):
        s, a, r, L = batch.s[i], batch.a[i], batch.r[i], known(batch, i)
        for t in range(L):
            end = min(t + n, L)
            G = sum(GAMMA ** (k - t) * r[k] for k in range(t, end))
            if end < L or not batch.terminated[i]:
                G += GAMMA ** (end - t) * Q[place(Q, end, s[end], a[end])]
            here = place(Q, t, s[t], a[t])
            seen[here] = seen.get(here, 0) + 1
            Q[here] += seen[here] ** -0.7 * (G - Q[here])
    found = n_step_sarsa(table, batch, GAMMA, n, lambda k: k**-0.7)
    np.testing.assert_allclose(found, Q, atol=1e-13)
    table = table.copy()
    table[..., 3, :] = -np.inf  # the end: nobody looks there
    Q[..., 3, :] = -np.inf
    found = n_step_sarsa(table, batch, GAMMA, n, lambda k: k**-0.7)
    np.testing.assert_allclose(found, Q, atol=1e-13)
    if n == 1:
        found = sarsa(table, batch, GAMMA, lambda k: k**-0.7)
        np.testing.assert_allclose(found, Q, atol=1e-13)


@TABLES
def test_sarsa_lambda_in_its_views(table):
    """Forward and backward are the same to 1e-12, online is the book's.

    Seen failing: a trace that is not empty at first; a decay by lambda alone; a termination
    bootstrapped; online for offline; nan from -inf at the end."""
    batch, lam, Q = mixed(), 0.7, table.copy()
    for i in range(batch.n):
        e, L = np.zeros(Q.shape), known(batch, i)
        for t in range(L):
            here = place(Q, t, batch.s[i, t], batch.a[i, t])
            delta = batch.r[i, t] - Q[here]
            if not (batch.terminated[i] and t == L - 1):
                delta += GAMMA * Q[place(Q, t + 1, batch.s[i, t + 1], batch.a[i, t + 1])]
            e *= GAMMA * lam
            e[here] += 1.0
            Q += 0.3 * delta * e
    online = sarsa(table, batch, GAMMA, 0.3, lam=lam)
    np.testing.assert_allclose(online, Q, atol=1e-12)
    over = table.copy()
    over[..., 3, :] = -np.inf  # the end: nobody looks there
    found = sarsa(over, batch, GAMMA, 0.3, lam=lam)
    np.testing.assert_allclose(found[..., :3, :], online[..., :3, :], atol=1e-12)
    forward = sarsa(table, batch, GAMMA, 0.3, lam=lam, view="forward")
    backward = sarsa(table, batch, GAMMA, 0.3, lam=lam, view="backward")
    np.testing.assert_allclose(forward, backward, atol=1e-12)
    finite = np.isfinite(table)
    if table.ndim == 2:  # by time no pair comes twice in an episode, and all views agree
        assert np.abs(online[finite] - forward[finite]).max() > 1e-3
    else:
        np.testing.assert_allclose(online, forward, atol=1e-12)


def test_whole_returns_with_step_1_over_k_are_the_every_visit_mean():
    """SARSA(1) on the same data, to 1e-12, where the episodes terminate.

    Seen failing: with SARSA(0); the mean over states; steps 1/(k + 1)."""
    batch = rollout(model(), PI, 500, rng=1)
    mean, counts = every_visit_values(batch, GAMMA, 4, 2)
    found = n_step_sarsa(Q0, batch, GAMMA, batch.n_steps, lambda k: 1 / k)
    np.testing.assert_allclose(found[counts > 0], mean[counts > 0], atol=1e-12)
    assert found[1, 1] == -np.inf
    once = sarsa(Q0, batch, GAMMA, lambda k: 1 / k)
    assert np.abs(once - mean)[counts > 0].max() > 0.01


@TABLES
@pytest.mark.parametrize("by_time", [False, True])
def test_expected_sarsa_is_that_of_the_book(table, by_time):
    """Seen failing: the policy at s_t; a termination bootstrapped; s_{t+1} moved."""
    other = np.array([[0.6, 0.4], [1.0, 0.0], [0.1, 0.9], [0.5, 0.5]])
    pi = np.stack([other, PI, other, PI, other]) if by_time else other
    batch, Q = mixed(), table.copy()
    for i in range(batch.n):
        for t in range(int(batch.lengths[i])):
            s, a, after = batch.s[i, t], batch.a[i, t], batch.s[i, t + 1]
            G = batch.r[i, t]
            if not (batch.terminated[i] and t == batch.lengths[i] - 1):
                row = pi[t + 1, after] if by_time else pi[after]
                next_Q = Q[t + 1, after] if Q.ndim == 3 else Q[after]
                G += GAMMA * sum(p * q for p, q in zip(row, next_Q, strict=True) if p > 0)
            here = place(Q, t, s, a)
            Q[here] += 0.3 * (G - Q[here])
    np.testing.assert_allclose(expected_sarsa(table, batch, pi, GAMMA, 0.3), Q, atol=1e-13)


def test_expected_sarsa_evaluates_the_policy_whoever_acted():
    """Two behaviours, one limit. Seen failing: the policy at s_t; s_{t+1} moved; the count of
    all updates for that of the pair."""
    mdp = discriminating_mdp(0).with_objective()
    family, theta = policy = policy_for(mdp)
    pi = family.probs(theta)
    P = np.einsum("sat,tb->satb", mdp.P, pi) * ~mdp.terminal[:, None]
    P = P.reshape(8, 8) * np.repeat(~mdp.terminal, 2)[:, None]
    Q = np.linalg.solve(np.eye(8) - mdp.gamma * P, mdp.R.reshape(-1)).reshape(4, 2)
    for acting in (policy, behaviour_for(mdp)):
        batch = rollout(mdp, acting, 8000, rng=0)
        found = expected_sarsa(np.zeros((4, 2)), batch, policy, mdp.gamma, lambda k: k**-0.8)
        assert np.abs(found - Q).max() < 0.08
    on_policy = sarsa(np.zeros((4, 2)), batch, mdp.gamma, lambda k: k**-0.8)
    assert np.abs(on_policy - Q)[:3].max() > 0.1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: sarsa(Q0, b, 1.5, 0.1), "gamma is 1.5; it must be a number"),
        (lambda b: sarsa(Q0, b, 0.5, 0.1, lam=2), "lam is 2; it must be a number"),
        (lambda b: sarsa(Q0, b, 0.5, 0.1, view="both"), "view is 'both'"),
        (lambda b: sarsa(Q0, b, 0.5, 0.1, trace="none"), "trace is 'none'"),
        (lambda b: sarsa(Q0[:2], b, 0.5, 0.1), "Q0 has 2 states; these trajectories use number 3"),
        (lambda b: sarsa(Q0[:, :1], b, 0.5, 0.1), "Q0 has 1 actions; these"),
        (lambda b: sarsa(Q0[0], b, 0.5, 0.1), r"Q0 has shape \(2,\); it must be \(S, A\)"),
        (lambda b: sarsa(Q0 * np.nan, b, 0.5, 0.1), r"Q0 is nan at \[0, 0\]"),
        (lambda b: sarsa(Q0, b, 0.5, 0.1, observed=True), "hold no observations"),
        (lambda b: n_step_sarsa(Q0, b, 0.5, 1.5, 0.1), "n is 1.5; it must be an int"),
        (lambda b: sarsa(Q0_BY_TIME[:3], b, 0.5, 0.1), "need at least 4 times"),
        (
            lambda b: expected_sarsa(Q0_BY_TIME[:4], b, PI, 0.5, 0.1),
            "Q0 has 4 times; these trajectories need 5",
        ),
        (lambda b: expected_sarsa(Q0, b, PI[:2], 0.5, 0.1), "policy has 2 states and 2 actions"),
        (lambda b: expected_sarsa(Q0, b, 2 * PI, 0.5, 0.1), "policy sums to 2 in state 0"),
        (lambda b: expected_sarsa(Q0, b, PI[0], 0.5, 0.1), r"policy has shape \(2,\)"),
        (lambda b: expected_sarsa(Q0, b, PI, 0.5, -1), "step_size is -1"),
        (lambda b: expected_sarsa(Q0, b, PI, 1.0, 1e60), "the step size is too large"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(mixed())
