"""Policies that see observations: what is learned about these, and about states all the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdptools import MDP, evaluate
from mdptools.estimators import (
    direct_method,
    discounted_return,
    discounted_visits,
    doubly_robust,
    every_visit_values,
    expected_sarsa,
    first_visit,
    gae,
    importance_sampling,
    lambda_return,
    lstd,
    n_step_return,
    n_step_sarsa,
    n_step_td,
    retrace,
    return_regression,
    sarsa,
    target_table_td,
    td,
    td_lambda,
    vtrace,
)
from mdptools.policies import Observation
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import discriminating_mdp
from mdptools.verify import enumerate_trajectories

V0 = np.array([3.0, 9.0])
Q0 = np.array([[3.0, -1.0], [9.0, 9.0]])


def aliased():
    """Two states that look alike; most steps change the state, and one action ends it."""
    P = np.zeros((3, 2, 3))
    P[0, :, 1], P[1, 0, 0], P[1, 1, 2], P[2, :, 2] = 1, 1, 1, 1
    mdp = MDP(P, [[1, 2], [-1, 4], [0, 0]], gamma=0.5, mu=[1, 0, 0])
    return mdp, (Observation(mdp, [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.zeros((2, 2)))


def batch_of():
    """Truncated trajectories among them."""
    mdp, policy = aliased()
    batch = rollout(mdp, policy, 50, rng=0, max_steps=3)
    assert batch.truncated.any() and batch.terminated.any()
    return batch


def known(batch, i):
    """A truncated trajectory ends a step earlier: nobody knows what would have been seen."""
    return int(batch.lengths[i]) - bool(batch.truncated[i])


@pytest.mark.parametrize("n", [1, 2])
def test_values_of_observations(n):
    """Seen failing: with states in their place; bootstrapping from the last one itself."""
    batch, V = batch_of(), V0.copy()
    for i in range(batch.n):
        L = known(batch, i)
        for t in range(L):
            end = min(t + n, L)
            G = sum(0.5 ** (k - t) * batch.r[i, k] for k in range(t, end))
            if end < L or batch.truncated[i]:
                G += 0.5 ** (end - t) * V[batch.o[i, end]]
            V[batch.o[i, t]] += 0.25 * (G - V[batch.o[i, t]])
    found = n_step_td(V0, batch, 0.5, n, 0.25, observed=True)
    np.testing.assert_allclose(found, V, atol=1e-13)
    if n == 1:
        np.testing.assert_array_equal(td(V0, batch, 0.5, 0.25, observed=True), found)
        frozen = target_table_td(V0, batch, 0.5, 0.25, refresh=1, observed=True)
        np.testing.assert_allclose(frozen, found, atol=1e-13)
    by_states = td([3.0, 3.0, 9.0], batch, 0.5, 0.25)
    assert by_states[0] != by_states[1] and found[1] == 9.0


def test_values_of_pairs_with_observations():
    """Seen failing: with states in their place."""
    batch, Q = batch_of(), Q0.copy()
    for i in range(batch.n):
        L = known(batch, i)
        for t in range(L):
            o, a = batch.o[i, t], batch.a[i, t]
            G = batch.r[i, t]
            if t + 1 < L or batch.truncated[i]:
                G += 0.5 * Q[batch.o[i, t + 1], batch.a[i, t + 1]]
            Q[o, a] += 0.25 * (G - Q[o, a])
    found = sarsa(Q0, batch, 0.5, 0.25, observed=True)
    np.testing.assert_allclose(found, Q, atol=1e-13)
    views = [
        sarsa(Q0, batch, 0.5, 0.1, lam=0.6, view=v, observed=True) for v in ("forward", "backward")
    ]
    np.testing.assert_allclose(*views, atol=1e-12)
    views = [
        td_lambda(V0, batch, 0.5, 0.6, 0.1, view=v, observed=True) for v in ("forward", "backward")
    ]
    np.testing.assert_allclose(*views, atol=1e-12)


def test_what_is_said_of_states_does_not_ask_what_was_seen():
    """The same numbers with and without the observations.

    Seen failing: with o in the place of s wherever there are observations."""
    batch = batch_of()
    blind = replace(batch, o=None)
    v, Q, phi = np.array([1.0, 2.0, 3.0]), np.arange(6.0).reshape(3, 2), np.eye(3)[:, :2]
    _, policy = aliased()
    for call in (
        lambda b: discounted_return(b, 0.5),
        lambda b: discounted_visits(b, 0.5, 3),
        lambda b: n_step_return(b, v, 0.5, 2),
        lambda b: lambda_return(b, v, 0.5, 0.5),
        lambda b: gae(b, v, 0.5, 0.5),
        lambda b: first_visit(b, 0.5, 1),
        lambda b: every_visit_values(b, 0.5, 3)[0],
        lambda b: td(v, b, 0.5, 0.1),
        lambda b: td_lambda(v, b, 0.5, 0.5, 0.1),
        lambda b: return_regression(v, b, 0.5, 0.1),
        lambda b: n_step_sarsa(Q, b, 0.5, 2, 0.1),
        lambda b: expected_sarsa(Q, b, policy, 0.5, 0.1),
        lambda b: lstd(b, phi, 0.5).w,
        lambda b: direct_method(b, policy, Q),
    ):
        np.testing.assert_array_equal(call(batch), call(blind))


def test_targets_off_policy_are_unbiased_at_the_exact_critic_of_states():
    """Ratios given what was seen, means of Q over the mixture: by enumeration.

    Seen failing: ratios of the step before. (The mixture over the logp of what was seen is
    unbiased as well.)"""
    mdp = discriminating_mdp(1).with_objective(horizon=3)
    family = Observation(mdp, [[0.7, 0.3, 0], [0.2, 0.8, 0], [0.5, 0.5, 0], [0, 0, 1.0]])
    rng = np.random.default_rng(0)
    policy, b = ((family, rng.standard_normal((3, 2))) for _ in range(2))
    exact = evaluate(mdp, family.probs(policy[1]))
    batch = Trajectories.concatenate(list(enumerate_trajectories(mdp, b)))
    assert batch.o is not None
    first = batch.s[:, 0]
    at_0 = {
        "retrace": retrace(batch, policy, mdp.gamma, exact.Q)[:, 0],
        "vtrace": vtrace(batch, policy, mdp.gamma, exact.V, rho_max=np.inf)[:, 0],
        "doubly robust": doubly_robust(batch, policy, mdp.gamma, exact.Q),
        "weights": importance_sampling(batch, policy, mdp.gamma),
    }
    for s in range(3):
        for name, rows in at_0.items():
            if name == "retrace":
                for a in range(2):
                    here = (first == s) & (batch.a[:, 0] == a)
                    mean = batch.weight[here] @ rows[here] / batch.weight[here].sum()
                    assert mean == pytest.approx(exact.Q[0, s, a], abs=1e-12)
            else:
                here = first == s
                mean = batch.weight[here] @ rows[here] / batch.weight[here].sum()
                assert mean == pytest.approx(exact.V[0, s], abs=1e-12)
