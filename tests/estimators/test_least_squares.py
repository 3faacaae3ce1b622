"""LSTD and fitted iteration: what the data know of the model, and the limits by enumeration."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import every_visit_values, fitted_value_iteration, lstd, td_lambda
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import discriminating_mdp, policy_for
from mdptools.verify import enumerate_trajectories
from walks import PI, model

GAMMA = 0.9
TABULAR = np.eye(4)[:, :3]  # state 3 is the end, and has no value
PHI = np.array([[1.0, 0.5], [1.0, -1.0], [1.0, 2.0], [5.0, 5.0]])  # nobody may look at the last row


def mixed() -> Trajectories:
    """Terminated, truncated and empty trajectories of several lengths; some cut before others."""
    parts = [rollout(model(), PI, 30, rng=k, max_steps=n) for k, n in ((0, 4), (1, 2))]
    return Trajectories.concatenate(parts)


def counted(batch):
    """V of the model made from counts: mean rewards, shares of successors, an end worth 0."""
    N, R = np.zeros((4, 4)), np.zeros(4)
    for i in range(batch.n):
        for t in range(int(batch.lengths[i])):
            N[batch.s[i, t], batch.s[i, t + 1]] += 1
            R[batch.s[i, t]] += batch.r[i, t]
    visits = N.sum(axis=1)[:3]
    return np.linalg.solve(np.eye(3) - GAMMA * N[:3, :3] / visits[:, None], R[:3] / visits)


def test_tabular_lstd_is_the_value_of_the_counted_model():
    """Truncated trajectories included. Seen failing: a truncation taken for a termination."""
    batch = mixed()
    assert batch.truncated.any() and batch.terminated.any()
    found = lstd(batch, TABULAR, GAMMA)
    np.testing.assert_allclose(found.V[:3], counted(batch), atol=1e-12)
    assert found.V[3] == 0 and found.residual == 0 and 1 < found.condition < 100


def test_tabular_lstd_with_lambda_1_is_the_every_visit_mean():
    """On the same data, to 1e-12, where the episodes terminate.

    Seen failing: a trace that decays by lambda alone."""
    batch = rollout(model(), PI, 300, rng=1)
    mean, _ = every_visit_values(batch, GAMMA, 4)
    np.testing.assert_allclose(lstd(batch, TABULAR, GAMMA, lam=1.0).V, mean, atol=1e-12)


@pytest.mark.parametrize("lam", [0.0, 0.6])
def test_lstd_is_where_td_lambda_stops(lam):
    """On one batch over and over, V does not move. Seen failing: a trace that decays by lambda
    alone; a truncation taken for a termination."""
    batch = mixed()
    V = lstd(batch, TABULAR, GAMMA, lam=lam).V
    whole = Trajectories.concatenate([batch])
    moves = np.zeros(4)
    for i in range(whole.n):
        moves += td_lambda(V, whole[i], GAMMA, lam, 1.0) - V
    np.testing.assert_allclose(moves[:3], 0, atol=1e-11)
    off = V + np.array([0.1, 0, 0, 0])
    assert np.abs(sum(td_lambda(off, whole[i], GAMMA, lam, 1.0) - off for i in range(60))).max() > 1


@pytest.mark.parametrize("seed", range(3))
def test_the_limit_is_the_truth_or_its_projection(seed):
    """With all trajectories, weighed by their probabilities, cut after 3 steps: V itself if phi can
    tell it; else the solution of the projected equation under the visits of these steps.

    Seen failing: a truncation taken for a termination; features of the end asked; padding left
    in the trace; without the weights."""
    mdp = discriminating_mdp(seed).with_objective()
    policy = policy_for(mdp, seed)
    pi = policy[0].probs(policy[1])
    batch = Trajectories.concatenate(list(enumerate_trajectories(mdp, policy, horizon=3)))
    P = np.einsum("sa,sat->st", pi, mdp.P)[:3, :3]
    R = (pi * mdp.R).sum(axis=1)[:3]
    V = np.linalg.solve(np.eye(3) - mdp.gamma * P, R)
    for lam in (0.0, 0.5, 1.0):
        found = lstd(batch, TABULAR, mdp.gamma, lam=lam, weights=batch.weight)
        np.testing.assert_allclose(found.V[:3], V, atol=1e-12)
    law = mdp.mu[:3] @ (np.eye(3) + P + P @ P)
    D, phi = np.diag(law), PHI[:3]
    w = np.linalg.solve(phi.T @ D @ (phi - mdp.gamma * P @ phi), phi.T @ D @ R)
    found = lstd(batch, PHI, mdp.gamma, weights=batch.weight)
    np.testing.assert_allclose(found.w, w, atol=1e-12)
    np.testing.assert_allclose(found.V, PHI @ w, atol=1e-11)


def test_fitted_iteration_approaches_lstd_by_gamma_each_time():
    """With a feature for each state. Seen failing: without gamma; sums for means in the fit; a
    truncation taken for a termination."""
    batch = mixed()
    V = counted(batch)
    before = fitted_value_iteration(batch, TABULAR, GAMMA, 1)
    errors = [np.abs(V).max(), np.abs(before.V[:3] - V).max()]
    for k in range(2, 8):
        found = fitted_value_iteration(batch, TABULAR, GAMMA, k)
        errors.append(np.abs(found.V[:3] - V).max())
        assert found.residual == pytest.approx(np.abs(found.V - before.V)[:3].max(), abs=1e-12)
        before = found
    assert all(new <= GAMMA * old + 1e-12 for old, new in itertools.pairwise(errors))
    last = fitted_value_iteration(batch, TABULAR, GAMMA, 300)
    np.testing.assert_allclose(last.V[:3], V, atol=1e-11)
    start = np.append(V, 0)[:3]
    again = fitted_value_iteration(batch, TABULAR, GAMMA, 1, w0=start)
    np.testing.assert_allclose(again.w, start, atol=1e-12)


def test_each_fit_is_a_regression():
    """Seen failing: sums for means beside the ridge; features of the end asked; the change of w for
    that of V."""
    batch = mixed()
    s, r = batch.s[:, :-1][batch.mask], batch.r[batch.mask]
    w = np.linalg.lstsq(PHI[s], r, rcond=None)[0]
    np.testing.assert_allclose(fitted_value_iteration(batch, PHI, GAMMA, 1).w, w, atol=1e-12)
    after = np.zeros((len(s), 2))
    for k, (i, t) in enumerate(np.argwhere(batch.mask)):
        if not (batch.terminated[i] and t == batch.lengths[i] - 1):
            after[k] = PHI[batch.s[i, t + 1]]
    twice = np.linalg.lstsq(PHI[s], r + GAMMA * after @ w, rcond=None)[0]
    found = fitted_value_iteration(batch, PHI, GAMMA, 2)
    np.testing.assert_allclose(found.w, twice, atol=1e-12)
    assert found.residual == pytest.approx(np.abs(PHI[s] @ (twice - w)).max(), abs=1e-12)
    gram = PHI[s].T @ PHI[s] / len(s) + 0.5 * np.eye(2)
    w = np.linalg.solve(gram, PHI[s].T @ r / len(s))
    found = fitted_value_iteration(batch, PHI, GAMMA, 1, ridge=0.5)
    np.testing.assert_allclose(found.w, w, atol=1e-12)


def test_a_singular_system_is_named_and_a_ridge_cures_it():
    """Seen failing: without the check of the condition; the ridge added to sums, not means."""
    batch = mixed()
    twice = np.column_stack((TABULAR, TABULAR[:, 0]))
    for call in (lstd, lambda *x, **k: fitted_value_iteration(*x, 5, **k)):
        with pytest.raises(ModelError, match=r"singular to round-off .* 4 features"):
            call(batch, twice, GAMMA)
        found = call(batch, twice, GAMMA, ridge=1e-9)
        assert np.isfinite(found.w).all() and found.condition > 1e6
    found = lstd(batch, twice, GAMMA, ridge=1e-9)
    np.testing.assert_allclose(found.V[:3], counted(batch), atol=1e-6)
    with pytest.raises(ModelError, match="singular"):
        lstd(batch, np.eye(4), GAMMA)  # nobody starts a step in the last state
    four = lstd(Trajectories.concatenate([batch, batch]), TABULAR, GAMMA, ridge=0.1)
    np.testing.assert_allclose(four.w, lstd(batch, TABULAR, GAMMA, ridge=0.1).w, atol=1e-12)


def test_features_that_expand_run_away():
    """Two states with values w and 2 w, the second seen seldom. Seen failing: without the check."""
    steps = [[(0, 0, 0.0)]]
    batch = Trajectories.from_steps(steps, last=[1], terminated=False)
    phi = [[1.0], [2.0]]
    found = fitted_value_iteration(batch, phi, 0.9, 5, w0=[1.0])
    assert found.w[0] == pytest.approx(1.8**5) and found.residual == pytest.approx(0.8 * 1.8**4)
    with pytest.raises(ModelError, match="the values run away: after 2000 iterations"):
        fitted_value_iteration(batch, phi, 0.9, 2000, w0=[1.0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: lstd(b, PHI, 1.5), "gamma is 1.5"),
        (lambda b: lstd(b, PHI, 0.5, lam=2), "lam is 2"),
        (lambda b: lstd(b, PHI[:2], 0.5), "phi has 2 rows; these trajectories visit state 3"),
        (lambda b: lstd(b, PHI[0], 0.5), r"phi has shape \(2,\); it must be \(S, k\)"),
        (lambda b: lstd(b, PHI * [np.nan, 1], 0.5), r"phi\[0, 0\] is nan"),
        (lambda b: lstd(b, PHI, 0.5, ridge=-1), "ridge is -1; it must be a number >= 0"),
        (
            lambda b: lstd(b, PHI, 0.5, weights=[1.0]),
            r"weights has shape \(1,\); it must be \(60,\)",
        ),
        (lambda b: lstd(b, PHI, 0.5, weights=-np.ones(60)), "a number >= 0 for each trajectory"),
        (lambda b: fitted_value_iteration(b, PHI, 0.5, 0), "iterations is 0"),
        (lambda b: fitted_value_iteration(b, PHI, 0.5, 1, w0=[1.0]), r"w0 has shape \(1,\)"),
        (lambda b: fitted_value_iteration(b, PHI, 0.5, 1, ridge=np.nan), "ridge is nan"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(mixed())
