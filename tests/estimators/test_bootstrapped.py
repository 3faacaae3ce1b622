"""n-step and lambda-returns and GAE against loops, in flat buffers, and their means."""

from __future__ import annotations

import numpy as np
import pytest

import oracles
from mdptools import ModelError, evaluate
from mdptools.estimators import (
    discounted_return,
    gae,
    gae_flat,
    lambda_return,
    n_step_return,
    reward_to_go,
    td_errors,
)
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import critic_for, discriminating_mdp, policy_for
from mdptools.verify import check_estimator, enumerate_trajectories
from walks import PI, as_batch, model, walks

GAMMA = 0.9
V = np.array([1.5, -0.5, 2.0, 7.0])  # worth 7 where the episode has ended: nobody may look there


def mixed() -> Trajectories:
    """Terminated, truncated and empty trajectories of several lengths; some cut before others."""
    parts = [rollout(model(), PI, 30, rng=k, max_steps=n) for k, n in ((0, 4), (1, 2))]
    return Trajectories.concatenate(parts)


def timed(v, n_times):
    return v if v.ndim == 2 else np.tile(v, (n_times, 1))


def loop_n_step(batch, v, gamma, n):
    """The definition, reward by reward."""
    v, G = timed(v, batch.n_steps + 1), np.zeros((batch.n, batch.n_steps))
    for i in range(batch.n):
        L = int(batch.lengths[i])
        for t in range(L):
            end = min(t + n, L)
            G[i, t] = sum(gamma ** (k - t) * batch.r[i, k] for k in range(t, end))
            if end < L or batch.truncated[i]:
                G[i, t] += gamma ** (end - t) * v[end, batch.s[i, end]]
    return G


def loop_lambda(batch, v, gamma, lam):
    """(1 - lam) sum_n lam^(n-1) G^(n), all the weight behind the end on the last."""
    G = np.zeros((batch.n, batch.n_steps))
    tables = [loop_n_step(batch, v, gamma, n) for n in range(1, batch.n_steps + 1)]
    for i in range(batch.n):
        L = int(batch.lengths[i])
        for t in range(L):
            left = L - t
            for n in range(1, left + 1):
                weight = (1 - lam) * lam ** (n - 1) if n < left else lam ** (left - 1)
                G[i, t] += weight * tables[n - 1][i, t]
    return G


@pytest.mark.parametrize("gamma", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_n_steps_are_those_of_the_loop(gamma, n):
    """Seen failing: gamma^n where the episode ended before; v asked at a termination;
    v(s_{t+n-1}); a truncation taken for a termination; the wrong power between two blocks of
    rewards."""
    batch = mixed()
    assert batch.truncated.any() and batch.terminated.any() and (batch.lengths == 0).any()
    by_time = np.random.default_rng(0).standard_normal((batch.n_steps + 3, 4))
    for v in (V, by_time):
        found = n_step_return(batch, v, gamma, n)
        np.testing.assert_allclose(found, loop_n_step(batch, v, gamma, n), atol=1e-13)


@pytest.mark.parametrize("lam", [0.0, 0.6, 1.0])
def test_lambda_returns_are_mixtures_of_n_step_returns(lam):
    """Seen failing: lam and 1 - lam exchanged; v asked at a termination; a truncation taken for
    one; 0 for the return behind a truncation; advantages that decay by lam alone."""
    batch = mixed()
    by_time = np.random.default_rng(1).standard_normal((batch.n_steps + 1, 4))
    for v in (V, by_time):
        expected = loop_lambda(batch, v, GAMMA, lam)
        np.testing.assert_allclose(lambda_return(batch, v, GAMMA, lam), expected, atol=1e-13)
        here = np.where(batch.mask, timed(v, 5)[np.arange(4), batch.s[:, :-1]], 0.0)
        np.testing.assert_allclose(gae(batch, v, GAMMA, lam), expected - here, atol=1e-13)


def test_both_ends_of_lambda_and_of_n():
    """lam=0 and n=1 are the temporal difference, lam=1 and n >= T the whole return.

    Seen failing: with lam in the place of 1 - lam."""
    batch = mixed()
    one = td_errors(batch, V, GAMMA) + np.where(batch.mask, V[batch.s[:, :-1]], 0.0)
    np.testing.assert_allclose(lambda_return(batch, V, GAMMA, 0.0), one, atol=1e-13)
    np.testing.assert_allclose(n_step_return(batch, V, GAMMA, 1), one, atol=1e-13)
    over = batch[batch.terminated]
    G = reward_to_go(over, GAMMA)
    np.testing.assert_allclose(lambda_return(over, V, GAMMA, 1.0), G, atol=1e-13)
    np.testing.assert_allclose(n_step_return(over, V, GAMMA, 4), G, atol=1e-13)


def every_trajectory(mdp, policy):
    return Trajectories.concatenate(list(enumerate_trajectories(mdp, policy)))


def exact_values(mdp, pi):
    ones = np.eye(4)
    return np.array([oracles.objective_of_policy(model(mdp.gamma, mu=s), pi) for s in ones])


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_exact_critic_makes_cut_returns_unbiased(n):
    """Of a model without a horizon, cut after 3 steps, by enumeration: J, whatever n and lambda.

    Seen failing: with a truncation taken for a termination: then J of 3 steps."""
    batch, chance = as_batch(walks(PI, 3))
    mdp = model()
    value = exact_values(mdp, PI)
    J = oracles.objective_of_policy(mdp, PI)
    live = batch.lengths > 0
    for G in (
        n_step_return(batch, value, GAMMA, n),
        lambda_return(batch, value, GAMMA, 0.5),
        lambda_return(batch, value, GAMMA, 1.0),
    ):
        assert chance[live] @ G[live, 0] == pytest.approx(J, abs=1e-13)
    stopped = chance @ discounted_return(batch, GAMMA)
    assert abs(stopped - J) > 0.01


@pytest.mark.parametrize("seed", range(3))
def test_what_the_harness_says(seed):
    """Exact critic: unbiased; a wrong one: biased by gamma^n times its mean error, n steps on.

    Seen failing: v(s_{t+n-1}); v asked at a termination; lam and 1 - lam exchanged."""
    mdp = discriminating_mdp(seed)
    policy = policy_for(mdp, seed)
    exact = evaluate(mdp, policy[0].probs(policy[1])).V
    wrong = critic_for(mdp, seed)

    def first(G):
        return lambda batch: G(batch)[:, 0]

    for n in (1, 2, 4):
        for v, outcome in ((exact, "unbiased"), (wrong, "unbiased" if n == 4 else "biased")):
            found = check_estimator(
                first(lambda b, n=n, v=v: n_step_return(b, v, mdp.gamma, n)),
                mdp,
                policy,
                target="J",
            )
            assert found.outcome == outcome
    for lam, outcome in ((0.0, "biased"), (0.7, "biased"), (1.0, "unbiased")):
        found = check_estimator(
            first(lambda b, lam=lam: lambda_return(b, wrong, mdp.gamma, lam)),
            mdp,
            policy,
            target="J",
        )
        assert found.outcome == outcome
    everything = every_trajectory(mdp, policy)
    reach = np.minimum(2, everything.lengths)
    error = wrong[everything.s[:, 2]] - exact[reach, everything.s[:, 2]]
    lasting = everything.lengths > 2
    bias = mdp.gamma**2 * everything.weight[lasting] @ error[lasting]
    found = check_estimator(
        first(lambda b: n_step_return(b, wrong, mdp.gamma, 2)), mdp, policy, target="J"
    )
    assert float(found.bias) == pytest.approx(bias, abs=1e-13)


# --- flat buffers --------------------------------------------------------------------------------


def buffer_of(batch, v):
    """The steps of all trajectories one after another, as a training loop keeps them."""
    columns = [[] for _ in range(5)]
    for i in range(batch.n):
        for t in range(int(batch.lengths[i])):
            last = t == batch.lengths[i] - 1
            step = (
                batch.r[i, t],
                v[batch.s[i, t]],
                v[batch.s[i, t + 1]],
                bool(last and batch.terminated[i]),
                bool(last and batch.truncated[i]),
            )
            for column, x in zip(columns, step, strict=True):
                column.append(x)
    return [np.array(column) for column in columns]


@pytest.mark.parametrize("lam", [0.0, 0.95, 1.0])
def test_a_flat_buffer_gives_what_the_trajectories_give(lam):
    """Seen failing: not reset at a truncation; not reset at a termination; v asked there."""
    batch = mixed()
    expected = gae(batch, V, GAMMA, lam)[batch.mask]
    np.testing.assert_allclose(gae_flat(*buffer_of(batch, V), GAMMA, lam), expected, atol=1e-13)
    ended = buffer_of(batch, V)
    ended[2] = np.where(ended[3], np.nan, ended[2])  # what follows a termination is not asked
    np.testing.assert_allclose(gae_flat(*ended, GAMMA, lam), expected, atol=1e-13)


def test_buffers_side_by_side():
    """Seen failing: the environments mixed up: a reset for all where one ends."""
    batch = mixed()
    columns = buffer_of(batch, V)
    half = len(columns[0]) // 2
    two = [np.stack((x[:half], x[half : 2 * half]), axis=1) for x in columns]
    both = gae_flat(*two, GAMMA, 0.9)
    for j in range(2):
        alone = gae_flat(*(x[:, j] for x in two), GAMMA, 0.9)
        np.testing.assert_array_equal(both[:, j], alone)


def test_a_buffer_that_is_not_reset_has_exactly_this_bias():
    """The advantage of the next episode comes in with (gamma lam)^k, k steps before the end.

    Over all pairs of trajectories: the mean of the first target is off by E[(gamma lam)^L] times
    the mean advantage at the start of the next, which is 0 only for a critic that is right.
    Seen failing: a decay by lam alone; a buffer that is reset at every step."""
    lam, mdp = 0.8, discriminating_mdp(1)
    policy, v = policy_for(mdp, 1), critic_for(mdp, 1)
    batch = every_trajectory(mdp, policy)
    some = batch[batch.lengths > 0]
    chance = some.weight / some.weight.sum()
    A, factor = gae(some, v, mdp.gamma, lam)[:, 0], (mdp.gamma * lam) ** some.lengths
    columns = buffer_of(some, v)
    columns[2] = np.where(columns[3], 0.0, columns[2])  # the ends are honoured in delta alone
    starts = np.append(0, np.cumsum(some.lengths))
    for i, j in np.random.default_rng(0).integers(some.n, size=(40, 2)):
        steps = np.r_[starts[i] : starts[i + 1], starts[j] : starts[j + 1]]
        r, now, after = (x[steps] for x in columns[:3])
        never = np.zeros(len(steps), dtype=bool)
        wrong = gae_flat(r, now, after, never, never, mdp.gamma, lam)[0]
        assert wrong - A[i] == pytest.approx(factor[i] * A[j], abs=1e-12)
    bias = (chance @ factor) * (chance @ A)
    assert abs(bias) > 0.05  # of first order, for what a critic learns from
    exact = gae(some, evaluate(mdp, policy[0].probs(policy[1])).V, mdp.gamma, lam)[:, 0]
    assert chance @ exact == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: n_step_return(b, V, GAMMA, 0), "n is 0; it must be an int >= 1"),
        (lambda b: n_step_return(b, V[:2], GAMMA, 1), "v has 2 states"),
        (lambda b: lambda_return(b, V, GAMMA, 1.5), r"lam is 1.5; it must be a number in \[0, 1\]"),
        (lambda b: gae(b, V, 2, 0.5), "gamma is 2; it must be a number"),
        (lambda b: gae(b, V, 0.5, None), "lam is None; it must be a number"),
        (
            lambda b: gae_flat([1.0], [1.0], [1.0], [0], [False], 0.5, 0.5),
            r"terminated has shape \(1,\) and type int64; it must hold bools",
        ),
        (
            lambda b: gae_flat([1.0], [1.0], [1.0], [False], [False] * 2, 0.5, 0.5),
            r"truncated has shape \(2,\)",
        ),
        (
            lambda b: gae_flat([1.0], [1.0, 2.0], [1.0], [False], [False], 0.5, 0.5),
            r"values has shape \(2,\); it must be \(1,\)",
        ),
        (
            lambda b: gae_flat([1.0], [1.0], [np.nan], [False], [True], 0.5, 0.5),
            r"next_values is nan at \[0\]; it must be finite",
        ),
        (lambda b: gae_flat(1.0, 1.0, 1.0, False, False, 0.5, 0.5), r"rewards has shape \(\)"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(mixed())
