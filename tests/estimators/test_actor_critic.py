"""Actor-critics that look several steps ahead: loops, exact biases, observations, times."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import MDP, ModelError, Observation, Softmax, Timed, evaluate, policy_gradient
from mdptools.estimators import actor_critic, gae_actor_critic, gpomdp, n_step_actor_critic
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import critic_for, discriminating_mdp, policy_for
from mdptools.verify import check_estimator, n_step_moments, reward_to_go_moments

MODEL = discriminating_mdp(1)
FAMILY, THETA = policy_for(MODEL, 1)
PI = FAMILY.probs(THETA)
V = evaluate(MODEL, PI).V
WRONG = critic_for(MODEL, 1)
NOISY = [[0.7, 0.3, 0.0], [0.2, 0.8, 0.0], [0.5, 0.5, 0.0], [0.0, 0.0, 1.0]]


def delta(batch, v, i, t):
    last = batch.terminated[i] and t == batch.lengths[i] - 1
    after = 0.0 if last else 0.9 * v[batch.s[i, t + 1]]
    return batch.r[i, t] + after - v[batch.s[i, t]]


@pytest.mark.parametrize("c", [None, 1.0])
@pytest.mark.parametrize("which", ["n = 1", "n = 2", "n = 9", "lam = 0.6"])
def test_they_are_their_loops(which, c):
    """Terminated, truncated and empty trajectories.

    Seen failing: with gamma for c; with the sum of n + 1 differences; with lam for gamma lam."""
    batch = rollout(MODEL.with_objective(), PI, 60, rng=2, max_steps=3)
    assert batch.truncated.any() and batch.terminated.any() and (batch.lengths == 0).any()
    psi, rows = FAMILY.score(THETA), np.zeros((60, 8))
    lam, n = (0.6, 99) if which.startswith("lam") else (1.0, int(which[-1]))
    for i in range(60):
        L = int(batch.lengths[i])
        for t in range(L):
            terms = [(0.9 * lam) ** (k - t) * delta(batch, WRONG, i, k) for k in range(t, L)][:n]
            rows[i] += (c or 0.9) ** t * sum(terms) * psi[batch.s[i, t], batch.a[i, t]]
    if which.startswith("lam"):
        found = gae_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, 0.6, time_discount=c)
    else:
        found = n_step_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, n, time_discount=c)
    np.testing.assert_allclose(found, rows, atol=1e-12)


def test_the_ends_of_both_ladders():
    """n = 1 and lam = 0 are the one-step actor-critic; n = T and lam = 1 GPOMDP with a baseline.

    Seen failing: with n - 1 rewards."""
    batch = rollout(MODEL, PI, 30, rng=0)
    one = actor_critic(batch, FAMILY, THETA, 0.9, WRONG)
    whole = gpomdp(batch, FAMILY, THETA, 0.9, baseline=WRONG)
    for found, expected in (
        (n_step_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, 1), one),
        (gae_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, 0.0), one),
        (n_step_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, 4), whole),
        (gae_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, 1.0), whole),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("c", [None, 1.0])
@pytest.mark.parametrize("which", ["n = 2", "lam = 0.6"])
def test_with_the_exact_critic_there_is_no_bias_and_with_another_what_recursions_say(which, c):
    """Seen failing: with v(s_{t+1}) subtracted; with the first table of the exact critic at all
    times."""

    def rows(v):
        def estimate(batch):
            if which == "n = 2":
                return n_step_actor_critic(batch, FAMILY, THETA, 0.9, v, 2, time_discount=c)
            return gae_actor_critic(batch, FAMILY, THETA, 0.9, v, 0.6, time_discount=c)

        return estimate

    exact = check_estimator(rows(V), MODEL, (FAMILY, THETA))
    assert exact.outcome == ("unbiased" if c is None else "biased")
    assert check_estimator(rows(V[0]), MODEL, (FAMILY, THETA)).outcome == "biased"
    found = check_estimator(rows(WRONG), MODEL, (FAMILY, THETA))
    assert found.outcome == "biased"
    if which == "n = 2":
        moments = n_step_moments(MODEL, (FAMILY, THETA), 2, critic=WRONG, time_discount=c)
    else:
        moments = reward_to_go_moments(
            MODEL, (FAMILY, THETA), critic=WRONG, return_discount=0.54, time_discount=c
        )
    gradient = policy_gradient(MODEL, FAMILY, THETA).value
    np.testing.assert_allclose(
        found.bias.reshape(-1), moments.mean - gradient.reshape(-1), atol=1e-12
    )


def test_the_biases_that_the_docstrings_state():
    """Errors of v(s_t) do no harm; those of states n steps ahead count gamma^n.

    Seen failing: the error of the state before; lam^k for lam^(k-1) (1 - lam)."""
    from mdptools.verify import enumerate_trajectories

    batch = Trajectories.concatenate(list(enumerate_trajectories(MODEL, PI)))
    psi = FAMILY.score(THETA)
    expected = {"n": np.zeros(8), "lam": np.zeros(8)}
    for i in range(batch.n):
        L = int(batch.lengths[i])
        for t in range(L):
            for k in range(1, L - t):  # what it comes to, and is not over
                error = 0.9**t * (WRONG - V[t + k])[batch.s[i, t + k]] * 0.9**k
                term = batch.weight[i] * error * psi[batch.s[i, t], batch.a[i, t]]
                expected["n"] += term * (k == 2)
                expected["lam"] += term * 0.6 ** (k - 1) * 0.4
    gradient = policy_gradient(MODEL, FAMILY, THETA).value.reshape(-1)
    two = batch.weight @ n_step_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, 2)
    mixed = batch.weight @ gae_actor_critic(batch, FAMILY, THETA, 0.9, WRONG, 0.6)
    np.testing.assert_allclose(two - gradient, expected["n"], atol=1e-12)
    np.testing.assert_allclose(mixed - gradient, expected["lam"], atol=1e-12)


@pytest.mark.parametrize("timed", [False, True])
def test_policies_that_see_observations(timed):
    """With V of the states no bias; with a critic that only knows what two alike states are worth
    together, the one that recursions state.

    Seen failing: with V of time 0 at all times; with n - 1 rewards."""
    family = Observation(MODEL, NOISY)
    family = Timed(MODEL, family) if timed else family
    theta = np.random.default_rng(0).normal(size=family.shape)
    exact = evaluate(MODEL, family.probs(theta))
    alike = np.array([0, 0, 1, 2])  # states 0 and 1 look the same to the critic
    law = np.bincount(alike, exact.visits.sum(axis=0))
    seen = np.bincount(alike, (exact.visits * exact.V[:-1]).sum(axis=0)) / np.maximum(law, 1e-300)
    for v, unbiased in ((exact.V, True), (seen[alike], False)):
        for n in (1, 2):

            def rows(batch, v=v, n=n):
                assert batch.o is not None
                return n_step_actor_critic(batch, family, theta, 0.9, v, n)

            verdict = check_estimator(rows, MODEL, (family, theta))
            assert (verdict.outcome == "unbiased") == unbiased
            if not unbiased and not timed:
                moments = n_step_moments(MODEL, (family, theta), n, critic=v, detail="mean")
                bias = moments.mean - policy_gradient(MODEL, family, theta).value.reshape(-1)
                np.testing.assert_allclose(verdict.bias.reshape(-1), bias, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: n_step_actor_critic(b, FAMILY, THETA, 0.9, WRONG, 0), "n is 0; it must be an i"),
        (lambda b: n_step_actor_critic(b, FAMILY, THETA, 2.0, WRONG, 1), "gamma is 2.0"),
        (lambda b: gae_actor_critic(b, FAMILY, THETA, 0.9, WRONG, -1), "lam is -1"),
        (lambda b: gae_actor_critic(b, FAMILY, THETA, 0.9, WRONG[:2], 1), "v has 2 states"),
        (
            lambda b: gae_actor_critic(b, FAMILY, THETA, 0.9, WRONG, 1, time_discount=9),
            "time_discount is 9",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(rollout(MODEL, PI, 40, rng=0))


def test_trajectories_without_steps_are_rows_of_zeros():
    """Seen failing: with the critic behind the end scored."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    batch = Trajectories.from_steps([[], [(0, 1, 1.0)]], last=[0, 0])
    for rows in (
        n_step_actor_critic(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, [3.0], 1),
        gae_actor_critic(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, [3.0], 0.5),
    ):
        np.testing.assert_array_equal(rows, [[0, 0], [1, -1]])
