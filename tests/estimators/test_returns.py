"""Returns and temporal differences against loops, and their means by enumeration."""

from __future__ import annotations

import numpy as np
import pytest

import oracles
from mdptools import ModelError
from mdptools.estimators import (
    discounted_return,
    reward_to_go,
    rollout_utility,
    td_errors,
)
from mdptools.sampling import Trajectories, rollout
from walks import FINAL, PI, as_batch, model, walks

GAMMA = 0.9
V = np.array([1.5, -0.5, 2.0, 7.0])  # worth 7 where the episode has ended: nobody may look there


def mixed() -> Trajectories:
    """Terminated, truncated and empty trajectories of several lengths; some cut before others."""
    parts = [rollout(model(), PI, 30, rng=k, max_steps=n) for k, n in ((0, 4), (1, 2))]
    return Trajectories.concatenate(parts)


def loop_returns(batch, gamma):
    G = np.zeros((batch.n, batch.n_steps))
    for i in range(batch.n):
        for t in range(batch.lengths[i]):
            for k in range(t, batch.lengths[i]):
                G[i, t] += gamma ** (k - t) * batch.r[i, k]
    return G


def loop_td(batch, v, gamma):
    delta = np.zeros((batch.n, batch.n_steps))
    timed = v if v.ndim == 2 else np.tile(v, (batch.n_steps + 1, 1))
    for i in range(batch.n):
        for t in range(batch.lengths[i]):
            after = timed[t + 1, batch.s[i, t + 1]]
            if batch.terminated[i] and t == batch.lengths[i] - 1:
                after = 0.0
            delta[i, t] = batch.r[i, t] + gamma * after - timed[t, batch.s[i, t]]
    return delta


@pytest.mark.parametrize("gamma", [0.0, 0.7, 1.0])
def test_returns_are_those_of_the_loop(gamma):
    """Seen failing: with the return from t + 1; with powers of gamma from the start for those from
    t; with gamma^(t+1)."""
    batch = mixed()
    G = loop_returns(batch, gamma)
    np.testing.assert_allclose(reward_to_go(batch, gamma), G, atol=1e-14)
    np.testing.assert_allclose(discounted_return(batch, gamma), G[:, 0], atol=1e-14)


def test_temporal_differences_are_those_of_the_loop():
    """Seen failing: with v bootstrapped at a termination; with a truncation taken for one; with
    v(s_t) for v(s_{t+1}) at a truncation; with -v in the padding; with v of the time before."""
    batch = mixed()
    assert batch.truncated.any() and batch.terminated.any() and (batch.lengths == 0).any()
    np.testing.assert_allclose(td_errors(batch, V, GAMMA), loop_td(batch, V, GAMMA), atol=1e-14)
    timed = np.random.default_rng(0).standard_normal((batch.n_steps + 3, 4))
    found = td_errors(batch, timed, GAMMA)
    np.testing.assert_allclose(found, loop_td(batch, timed, GAMMA), atol=1e-14)


def test_temporal_differences_add_up_to_the_return():
    """sum_t gamma^t delta_t = G_0 + [gamma^T v(s_T) if truncated] - v(s_0).

    Seen failing: with v bootstrapped at a termination; with a truncation taken for one."""
    batch = mixed()
    some = batch[batch.lengths > 0]
    total = td_errors(some, V, GAMMA) @ GAMMA ** np.arange(some.n_steps)
    last = np.where(some.truncated, GAMMA**some.lengths * V[some.s[:, -1]], 0.0)
    expected = discounted_return(some, GAMMA) + last - V[some.s[:, 0]]
    np.testing.assert_allclose(total, expected, atol=1e-13)


def test_the_mean_return_is_the_objective():
    """By enumeration. Seen failing: with an undiscounted return; with final forgotten."""
    batch, chance = as_batch(walks(PI, 4, final=FINAL))
    mdp = model(horizon=4, final=FINAL)
    exact = oracles.objective_of_policy(mdp, PI)
    assert chance @ discounted_return(batch, GAMMA) == pytest.approx(exact, abs=1e-14)


def test_a_cut_costs_what_its_docstring_says():
    """J_T = J - gamma^T E[V(s_T)], by enumeration. Seen failing: with 1 added where it was cut."""
    batch, chance = as_batch(walks(PI, 3))
    mdp = model()
    value = np.array([oracles.objective_of_policy(model(mu=start), PI) for start in np.eye(4)])
    value[3] = 0.0
    left = chance @ np.where(batch.truncated, value[batch.s[:, -1]], 0.0)
    exact = oracles.objective_of_policy(mdp, PI) - GAMMA**3 * left
    assert chance @ discounted_return(batch, GAMMA) == pytest.approx(exact, abs=1e-14)


def test_a_row_does_not_depend_on_the_batch():
    """To the last digit. Seen failing: with a matrix product for the sum."""
    batch = mixed()
    for i in range(batch.n):
        assert discounted_return(batch[i], GAMMA)[0] == discounted_return(batch, GAMMA)[i]
        np.testing.assert_array_equal(
            reward_to_go(batch[i], GAMMA)[0], reward_to_go(batch, GAMMA)[i]
        )


def test_a_rollout_of_a_given_depth():
    """Its mean is J of the model that stops there: five standard errors of 40,000 rollouts, wrong
    one time in a million. Seen failing: a depth one more; without gamma; the start ignored."""
    mdp, n = model(), 40_000
    batch, chance = as_batch(walks(PI, 2))
    G = discounted_return(batch, GAMMA)
    for start, here in ((None, np.ones(batch.n, bool)), (2, batch.s[:, 0] == 2)):
        law = np.where(here, chance, 0.0) / chance[here].sum()
        mean, spread = law @ G, np.sqrt(law @ G**2 - (law @ G) ** 2)
        found = rollout_utility(mdp, PI, 2, 0, n=n, start=start)
        assert abs(found - mean) < 5 * spread / np.sqrt(n)
    rows = discounted_return(rollout(mdp, PI, 7, rng=3, max_steps=2), GAMMA)
    assert rollout_utility(mdp, PI, 2, 3, n=7) == pytest.approx(rows.mean(), abs=1e-15)
    with pytest.raises(ModelError, match="depth is 0; it must be an int >= 1"):
        rollout_utility(mdp, PI, 0, rng=0)


def test_length_zero():
    """Seen failing: with the last step of a trajectory without steps marked as its end."""
    batch = Trajectories.from_steps([[], []], last=[3, 3])
    assert reward_to_go(batch, GAMMA).shape == td_errors(batch, V, GAMMA).shape == (2, 0)
    np.testing.assert_array_equal(discounted_return(batch, GAMMA), [0, 0])
    beside = Trajectories.from_steps([[], [(0, 0, 1.0)]], last=[3, 1])
    np.testing.assert_array_equal(td_errors(beside, V, GAMMA), [[0.0], [1.0 - 1.5]])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: discounted_return(b, 1.5), r"gamma is 1.5; it must be a number in \[0, 1\]"),
        (lambda b: reward_to_go(b, float("nan")), "gamma is nan; it must be a number"),
        (lambda b: reward_to_go(b, None), "gamma is None; it must be a number"),
        (lambda b: td_errors(b, V, [0.9]), r"gamma is \[0.9\]; it must be a number"),
        (lambda b: td_errors(b, V[:2], 0.9), "v has 2 states; these trajectories visit state 3"),
        (
            lambda b: td_errors(b, np.ones((4, 4)), 0.9),
            r"v has shape \(4, 4\); .* at least 5 times",
        ),
        (lambda b: td_errors(b, 1.0, 0.9), r"v has shape \(\); it must be \(S,\)"),
        (lambda b: td_errors(b, [0, np.nan, 0, 0], 0.9), "v is nan in state 1; it must be finite"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(mixed())
