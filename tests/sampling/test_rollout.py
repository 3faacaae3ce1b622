"""Rollouts: every joint frequency is the model's, every flag and every bit of padding is right.

Statistical tests draw from fixed seeds. Each z statistic is compared with 5: for an exact sampler
one of them fails with probability below 6e-7, and no test looks at more than 200 of them, so a new
seed would fail with probability below 2e-4.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

import oracles
from mdptools import MDP, ModelError
from mdptools.policies import Softmax, uniform_policy
from mdptools.sampling import Trajectories, _rollout, rollout, trajectory_log_prob
from walks import END, FINAL, MU, OUTCOMES, PI, PI_BY_TIME, model, walks

N = 200_000
NOISE = np.array([[0.5, 2.0], [1.0, 0.0], [0.0, 3.0], [0.0, 0.0]])  # standard deviations


def assert_probable(count, prob, n):
    """Counts (k,) out of n are those of probabilities (k,), |z| < 5."""
    count, prob = np.asarray(count, dtype=float), np.asarray(prob, dtype=float)
    assert (count[prob == 0] == 0).all()
    sure = (prob == 0) | (prob == 1)
    assert (count[prob == 1] == n).all()
    spread = np.sqrt(n * prob * (1 - prob))[~sure]
    z = (count[~sure] - n * prob[~sure]) / spread
    assert np.abs(z).max(initial=0) < 5, z


def assert_mean(x, expected):
    """The mean of independent draws is the expected one, |z| < 5."""
    z = (x.mean() - expected) / (x.std(ddof=1) / np.sqrt(len(x)))
    assert abs(z) < 5, z


def assert_padded(batch):
    """Whatever the episodes are, the padding is as promised."""
    lengths = batch.lengths
    np.testing.assert_array_equal(batch.mask, np.arange(batch.n_steps) < lengths[:, None])
    for name in ("a", "r", "logp"):
        assert not getattr(batch, name)[~batch.mask].any(), name
    last = batch.s[np.arange(batch.n), lengths]
    behind = np.arange(batch.n_steps + 1) >= lengths[:, None]
    np.testing.assert_array_equal(
        batch.s[behind], np.broadcast_to(last[:, None], behind.shape)[behind]
    )
    np.testing.assert_array_equal(batch.truncated, ~batch.terminated)


def endless(gamma=0.9, **keywords):
    """State 0 loops under action 0 and ends under action 1; state 1 is a trap; 2 is terminal."""
    P = [[[1, 0, 0], [0, 0.5, 0.5]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]]
    R = [[1, 2], [-1, 1], [0, 0]]
    names = ("hall", "trap", "goal")
    return MDP(P, R, gamma, mu=[1, 0, 0], terminal=[2], state_names=names, **keywords)


# Laws


@pytest.mark.parametrize("pi", [PI, PI_BY_TIME], ids=["stationary", "by time"])
def test_whole_trajectories_have_their_probabilities(pi):
    """All 3-step trajectories by name, starts included. Seen failing: with mu uniform; with
    the fraction not compared; with the halves exchanged; with the policy of time 0 at all times;
    with action and successor drawn apart (rewards of the mean); with a terminal start stepped."""
    batch = rollout(model(horizon=3, final=FINAL), pi, N, rng=1)
    expected = {
        (tuple(steps), last): chance for chance, steps, last, _ in walks(pi, 3, final=FINAL)
    }
    columns = (x.tolist() for x in (batch.s, batch.a, batch.r, batch.lengths))
    drawn = Counter(
        (tuple(zip(s[:k], a[:k], r[:k], strict=True)), s[k])
        for s, a, r, k in zip(*columns, strict=True)
    )
    assert set(drawn) <= set(expected)
    names = list(expected)
    assert_probable([drawn[name] for name in names], [expected[name] for name in names], N)


def test_transitions_have_the_probabilities_of_the_model():
    """(a, s', r) given s, over whole episodes. Seen failing: with the alias of another state; with
    one uniform number for two steps; with uniform numbers of 6 bits."""
    batch = rollout(model(), PI, N, rng=2)
    time, who = np.nonzero(batch.mask.T)
    steps = Counter(
        zip(
            batch.s[who, time].tolist(),
            batch.a[who, time].tolist(),
            batch.s[who, time + 1].tolist(),
            batch.r[who, time].tolist(),
            strict=True,
        )
    )
    visits = Counter(batch.s[who, time].tolist())
    seen = 0
    for (s, a), branches in OUTCOMES.items():
        if s != END:
            count = [steps[s, a, t, r] for _, t, r in branches]
            assert_probable(count, [PI[s, a] * p for p, _, _ in branches], visits[s])
            seen += sum(count)
    assert seen == batch.n_transitions == sum(steps.values())


def test_successive_steps_are_independent():
    """The return and its square have the means of the model, by linear equations; so have lengths.

    Seen failing: with the uniform numbers of the first step used again at every step."""
    mdp = model(gamma=1.0)
    batch = rollout(mdp, PI, N, rng=3)
    G = batch.r.sum(axis=1)
    assert_mean(G, oracles.objective_of_policy(mdp, PI))
    live = range(3)
    chain, first, square = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros(3)
    mean = np.zeros(3)
    for (s, a), branches in OUTCOMES.items():
        for p, t, r in branches:
            if s != END:
                mean[s] += PI[s, a] * p * r
                square[s] += PI[s, a] * p * r * r
                if t != END:
                    chain[s, t] += PI[s, a] * p
                    first[s, t] += PI[s, a] * p * r
    V = np.linalg.solve(np.eye(3) - chain, mean)
    W = np.linalg.solve(np.eye(3) - chain, square + 2 * first @ V)  # E[G^2 | s]
    assert_mean(G**2, MU[list(live)] @ W)
    assert_mean(
        batch.lengths.astype(float), MU[:3] @ np.linalg.solve(np.eye(3) - chain, np.ones(3))
    )


def test_logp_is_that_of_the_policy():
    """Seen failing: with the logarithm of the joint branch; with that of the cell's own half."""
    mdp = model(horizon=3)
    batch = rollout(mdp, PI_BY_TIME, 5000, rng=4)
    time, who = np.nonzero(batch.mask.T)
    expected = np.log(PI_BY_TIME[time, batch.s[who, time], batch.a[who, time]])
    np.testing.assert_array_equal(batch.logp[who, time], expected)


def test_every_drawn_trajectory_is_possible():
    """The other road through the model: `trajectory_log_prob`. Seen failing: with final not
    discounted in the sampler; with an action of a neighbouring pair."""
    mdp = model(horizon=6, final=FINAL)
    assert np.isfinite(trajectory_log_prob(mdp, PI, rollout(mdp, PI, 5000, rng=5))).all()


def test_noise_of_rewards():
    """Seen failing: with the variance for the standard deviation; with one number for all steps of
    a time; with the noise of another pair."""
    quiet, noisy = (rollout(model(reward_std=x), PI, N, rng=6) for x in (None, NOISE))
    np.testing.assert_array_equal(noisy.s, quiet.s)
    noise, real = noisy.r - quiet.r, quiet.mask
    for s, a in OUTCOMES:
        here = noise[real & (quiet.s[:, :-1] == s) & (quiet.a == a)]
        if NOISE[s, a] == 0:
            assert not here.any()
        else:
            assert_mean(here, 0.0)
            assert_mean(here**2, NOISE[s, a] ** 2)
            assert_mean(here**4, 3 * NOISE[s, a] ** 4)  # Gaussian
    both = real[:, 0] & real[:, 1]
    assert_mean(noise[both, 0] * noise[both, 1], 0.0)
    assert not noisy.r[~real].any()


# The same seed


def test_a_seed_decides_everything():
    """Seen failing: with np.random.default_rng() inside; with the seed ignored."""
    mdp = model(reward_std=NOISE)
    for keywords in ({}, {"truncation": "geometric"}, {"max_steps": 3}):
        one, two, other = (rollout(mdp, PI, 50, rng=seed, **keywords) for seed in (7, 7, 8))
        np.testing.assert_array_equal(one.r, two.r)
        np.testing.assert_array_equal(one.s, two.s)
        assert one.r.shape != other.r.shape or (one.r != other.r).any()
    shared = np.random.default_rng(7)
    np.testing.assert_array_equal(rollout(mdp, PI, 50, rng=shared).r, rollout(mdp, PI, 50, rng=7).r)
    assert rollout(mdp, PI, 50, rng=shared).n_transitions > 0  # and goes on from there


def test_pieces_do_not_change_the_draws(monkeypatch):
    """Seen failing: with the last piece of each pass left out; with large pieces written last."""
    mdp = model(reward_std=NOISE)
    whole = rollout(mdp, PI, 500, rng=9)
    monkeypatch.setattr(_rollout, "_BLOCK", 64)
    pieces = rollout(mdp, PI, 500, rng=9)
    for name in ("s", "a", "r", "mask", "logp"):
        np.testing.assert_array_equal(getattr(pieces, name), getattr(whole, name))


def test_storage_does_not_change_the_draws():
    """Seen failing: with P asked for directly."""
    dense, sparse = (rollout(model(sparse=x), PI, 200, rng=10) for x in (False, True))
    np.testing.assert_array_equal(dense.r, sparse.r)


def test_a_family_acts_as_its_table():
    """Seen failing: with theta used as pi."""
    mdp = model()
    family, theta = Softmax(mdp), np.array([[0.3, -1.0], [0.0, 5.0], [2.0, 0.0], [0.0, 0.0]])
    one, two = (rollout(mdp, x, 200, rng=11) for x in ((family, theta), family.probs(theta)))
    np.testing.assert_array_equal(one.s, two.s)
    assert not one.a[one.s[:, :-1] == 1].any()  # refused there, whatever its logit


# Ends and cuts


def test_ends_without_limits():
    """Seen failing: with T one too long; with s[1:] one time late; with padding of s 0."""
    batch = rollout(model(), PI, 3000, rng=12)
    assert_padded(batch)
    assert batch.terminated.all() and not batch.truncated.any()
    assert (batch.s[:, -1] == END).all()
    assert batch.n_steps == batch.lengths.max()
    assert (batch.lengths == 0).sum() == (batch.s[:, 0] == END).sum() > 0


def test_a_limit_truncates():
    """Seen failing: with all marked terminated at the limit; with one step too many; with
    max_steps ignored on a finite horizon; with a limit beyond the horizon truncating."""
    batch = rollout(model(), PI, 3000, rng=13, max_steps=2)
    assert_padded(batch)
    assert batch.n_steps == 2
    np.testing.assert_array_equal(batch.terminated, batch.s[:, 2] == END)
    assert (batch.lengths[batch.truncated] == 2).all() and batch.truncated.any()

    timed = model(horizon=4, final=FINAL)
    short = rollout(timed, PI, 3000, rng=13, max_steps=2)
    np.testing.assert_array_equal(short.terminated, short.s[:, 2] == END)
    np.testing.assert_array_equal(short.r, batch.r)  # nothing final is paid at a cut
    assert rollout(timed, PI, 300, rng=13, max_steps=4).terminated.all()
    assert rollout(timed, PI, 300, rng=13, max_steps=9).terminated.all()


def test_a_horizon_terminates_and_pays():
    """Seen failing: with final paid to all; with final undiscounted; with final of the state
    before; with T the longest episode."""
    mdp = model(horizon=3)
    with_final = rollout(model(horizon=3, final=FINAL), PI, 3000, rng=14)
    without = rollout(mdp, PI, 3000, rng=14)
    assert_padded(with_final)
    assert with_final.n_steps == 3 and with_final.terminated.all()
    bonus = np.zeros((3000, 3))
    bonus[:, 2] = np.where(without.mask[:, 2], 0.9 * FINAL[without.s[:, 3]], 0.0)
    np.testing.assert_array_equal(with_final.r, without.r + bonus)

    ends_at_once = MDP([[[0, 1]], [[0, 1]]], [[1], [0]], horizon=5, mu=[1, 0])
    batch = rollout(ends_at_once, [[1], [1]], 4, rng=0)
    assert batch.n_steps == 5 and (batch.lengths == 1).all() and (batch.r[:, 0] == 1).all()


def test_the_final_return_is_that_of_the_oracle():
    """Seen failing: with final undiscounted."""
    mdp = model(horizon=4, final=[3.0, 3.0, 3.0, 0.0])
    law = oracles.return_law(mdp, PI, outcomes=OUTCOMES)
    exact = float(sum(p * g for p, g in law))
    batch = rollout(mdp, PI, N, rng=15)
    assert_mean(batch.r @ 0.9 ** np.arange(4), exact)


def test_a_geometric_cut_discounts():
    """Undiscounted sums of cut episodes have the discounted mean, and lengths the geometric law.

    Seen failing: with survival drawn before the reward; with 1 - gamma for gamma; with the cut one
    step late; with the cut marked terminated; with an end marked truncated."""
    mdp = model(gamma=0.7)
    batch = rollout(mdp, PI, N, rng=16, truncation="geometric")
    assert_padded(batch)
    np.testing.assert_array_equal(batch.terminated, batch.s[:, -1] == END)
    assert_mean(batch.r.sum(axis=1), oracles.objective_of_policy(mdp, PI))

    forever = MDP([[[1.0]]], [[1.0]], gamma=0.7)
    lengths = rollout(forever, [[1.0]], N, rng=17, truncation="geometric").lengths
    ks = np.arange(1, 12)
    assert_probable([(lengths == k).sum() for k in ks], 0.3 * 0.7 ** (ks - 1), N)


def test_a_geometric_cut_before_a_horizon_or_a_limit():
    """Seen failing: with the cut at the horizon itself truncating; with the limit terminating."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5, horizon=3, final=[8.0])
    batch = rollout(mdp, [[1.0]], N, rng=18, truncation="geometric")
    np.testing.assert_array_equal(batch.terminated, batch.lengths == 3)
    assert_probable([(batch.lengths == k).sum() for k in (1, 2, 3)], [0.5, 0.25, 0.25], N)
    np.testing.assert_array_equal(batch.r[batch.terminated, 2], 1 + 0.5 * 8)
    assert_mean(batch.r.sum(axis=1), 1 + 0.5 + 0.25 * (1 + 4))
    cut = rollout(mdp, [[1.0]], 100, rng=18, truncation="geometric", max_steps=2)
    assert cut.truncated.all() and cut.lengths.max() == 2


def test_gamma_zero_cuts_after_one_reward():
    """Seen failing: with nothing drawn for gamma = 0."""
    batch = rollout(model(gamma=0.0), PI, 300, rng=19, truncation="geometric")
    assert batch.lengths.max() == 1


def test_average_reward_is_cut_by_a_limit():
    """Seen failing: with the average objective refused."""
    mdp = MDP([[[0, 1]], [[1, 0]]], [[1], [0]], average=True, mu=[1, 0])
    batch = rollout(mdp, [[1], [1]], 2, rng=0, max_steps=4)
    np.testing.assert_array_equal(batch.s, [[0, 1, 0, 1, 0]] * 2)
    assert batch.truncated.all()


def test_everybody_starts_at_the_end():
    """Seen failing: with T at least 1."""
    batch = rollout(model(), PI, 5, rng=0, start=END)
    assert (batch.n_steps, batch.s.shape, batch.n_transitions) == (0, (5, 1), 0)
    assert batch.terminated.all()


# Starts


def test_starts():
    """Seen failing: with an array of states taken for a distribution; with mu used anyway."""
    mdp = model()
    assert (rollout(mdp, PI, 9, rng=0, start=2).s[:, 0] == 2).all()
    np.testing.assert_array_equal(
        rollout(mdp, PI, 4, rng=0, start=[3, 0, 1, 2]).s[:, 0], [3, 0, 1, 2]
    )
    law = [0.0, 0.25, 0.0, 0.75]
    drawn = rollout(mdp, PI, N, rng=20, start=law).s[:, 0]
    assert_probable(np.bincount(drawn, minlength=4), law, N)


# Refusals


def test_a_policy_that_need_not_end_is_refused():
    """Seen failing: without the check; with gamma < 1 held to be an end; with
    states named that the start cannot reach; with an improper state held against other starts."""
    mdp = endless()
    message = r"in one of the states 0 \('hall'\): give max_steps="
    with pytest.raises(ModelError, match=message):
        rollout(mdp, [[1, 0], [1, 0], [1, 0]], 3, rng=0)
    with pytest.raises(ModelError, match=r"the states 0 \('hall'\), 1 \('trap'\): give"):
        rollout(mdp, uniform_policy(mdp), 3, rng=0)
    with pytest.raises(ModelError, match="geometric"):
        rollout(endless(gamma=1.0), uniform_policy(mdp), 3, rng=0, truncation="geometric")
    assert rollout(mdp, uniform_policy(mdp), 3, rng=0, max_steps=5).n_steps <= 5
    assert rollout(mdp, uniform_policy(mdp), 3, rng=0, truncation="geometric").n == 3
    assert rollout(mdp, uniform_policy(mdp), 3, rng=0, start=2).n_steps == 0
    assert rollout(endless(horizon=4), uniform_policy(mdp), 3, rng=0).n_steps == 4


def test_a_policy_that_hardly_ever_ends_does_not_hang(monkeypatch):
    """Seen failing: without the check (it never came back); with it in spite of max_steps."""
    mdp = MDP([[[1 - 1e-12, 1e-12]], [[0, 1]]], [[1], [0]], gamma=1.0, mu=[1, 0])
    pi = [[1], [1]]
    monkeypatch.setattr(_rollout, "_LONGEST", 50)
    with pytest.raises(ModelError, match="after 50 steps 3 of 3 episodes are still running"):
        rollout(mdp, pi, 3, rng=0)
    assert rollout(mdp, pi, 3, rng=0, max_steps=60).n_steps == 60
    monkeypatch.setattr(_rollout, "_LARGEST", 30)
    with pytest.raises(ModelError, match="after 10 steps 3 of 3 episodes are still running"):
        rollout(mdp, pi, 3, rng=0)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"n": 0}, "n is 0; it must be an int >= 1"),
        ({"n": 2.5}, "n is 2.5; it must be an int >= 1"),
        ({"rng": -1}, "rng is -1; it must be a numpy.random.Generator, or a seed"),
        ({"rng": None}, "rng is None; it must be a numpy.random.Generator, or a seed"),
        ({"max_steps": 0}, "max_steps is 0; it must be an int >= 1"),
        ({"truncation": "random"}, "truncation is 'random'; it must be 'fixed' or 'geometric'"),
        ({"start": 4}, "start holds state 4; there are 4 states"),
        ({"start": [0, 1]}, r"start has shape \(2,\); it must be a state, or one state for each"),
        ({"start": [0.5, 0.5]}, r"start has shape \(2,\); a distribution must be \(S,\) = \(4,\)"),
        ({"start": [0.5, 0.0, 0.0, 0.0]}, "start sums to 0.5 and its smallest entry is 0"),
        ({"start": [1.5, -0.5, 0.0, 0.0]}, "start sums to 1 .*smallest entry is -0.5"),
        ({"policy": PI[:2]}, r"pi has shape \(2, 2\); it must be"),
        ({"policy": PI_BY_TIME}, r"pi has shape \(3, 4, 2\); it must be"),
        ({"policy": [[1, 0], [0, 1], [1, 0], [1, 0]]}, "pi gives 1 to action 1 in state 1"),
    ],
)
def test_wrong_arguments_are_refused(keywords, message):
    """Seen failing: each of the checks in turn left out."""
    arguments = {"policy": PI, "n": 3, "rng": 0} | keywords
    with pytest.raises(ModelError, match=message):
        rollout(model(), arguments.pop("policy"), arguments.pop("n"), **arguments)


# What comes back


def test_the_result_is_made_of_small_read_only_arrays():
    """Seen failing: with int64 states; with episodes first in memory."""
    batch = rollout(model(), PI, 100, rng=0)
    assert isinstance(batch, Trajectories)
    assert batch.s.dtype == batch.a.dtype == np.int32
    assert all(x.T.flags.c_contiguous for x in (batch.s, batch.a, batch.r, batch.mask, batch.logp))
    assert not batch.r.flags.writeable
    assert batch.o is None and batch.weight is None
