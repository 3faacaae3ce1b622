"""Every trajectory, once, with its probability; exact means over all of them."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

import estimator_mutants as mutants
import oracles
from mdptools import MDP, ModelError, RewardLaw, evaluate
from mdptools.estimators import discounted_return, gpomdp, reinforce, sampled_fisher
from mdptools.gradients import policy_gradient
from mdptools.policies import Softmax
from mdptools.sampling import (
    Trajectories,
    trajectory_log_prob,
    trajectory_log_prob_gradient,
)
from mdptools.testing.models import behaviour_for, critic_for, discriminating_mdp, policy_for
from mdptools.verify import (
    check_estimator,
    count_trajectories,
    enumerate_trajectories,
    exact_moments,
    reward_to_go_moments,
    whole_return_moments,
)
from mdptools.verify._enumeration import Compensated, Sums, pairwise
from mdptools.verify._tree import words


def all_of(mdp, policy, **keywords):
    return Trajectories.concatenate(list(enumerate_trajectories(mdp, policy, **keywords)))


def rows_of(batch):
    """Each trajectory as a tuple, with its probability."""
    return {
        (*s, *a, *r): float(p)
        for s, a, r, p in zip(
            batch.s.tolist(), batch.a.tolist(), batch.r.tolist(), batch.weight, strict=True
        )
    }


def with_final(seed):
    mdp = discriminating_mdp(seed)
    return replace(mdp, final=np.array([1.0, -2.0, 0.5, 0.0]))


@pytest.mark.parametrize("seed", range(4))
def test_the_policy_gradient_derived_on_all_trajectories(seed):
    """sum P(tau) = 1; sum P(tau) R(tau) = J; its derivative = E[score R] = the exact gradient; the
    derivative of log P(tau) is the summed score, and that of another model with the same paths.

    Seen failing: one branch of the tree left out; weights of the policy alone, without P; gamma^t
    left out of R; the score of the first step left out; P in place of log P differentiated.
    """
    mdp = with_final(seed) if seed % 2 else discriminating_mdp(seed)
    family, theta = policy_for(mdp, seed)
    batch = all_of(mdp, (family, theta))
    R = discounted_return(batch, mdp.gamma)
    assert batch.weight.sum() == pytest.approx(1, abs=1e-14)
    assert batch.weight @ R == pytest.approx(evaluate(mdp, family.probs(theta)).J, abs=1e-13)

    def log_prob(logits):
        return trajectory_log_prob(mdp, (family, logits), batch)

    np.testing.assert_allclose(np.exp(log_prob(theta)), batch.weight, rtol=1e-12)
    derivative = oracles.complex_step(lambda logits: np.exp(log_prob(logits)) @ R, theta)
    score = trajectory_log_prob_gradient(family, theta, batch)
    expected = (batch.weight @ (score * R[:, None])).reshape(theta.shape)
    exact = policy_gradient(mdp, family, theta).value
    np.testing.assert_allclose(derivative, exact, atol=1e-13)
    np.testing.assert_allclose(expected, exact, atol=1e-13)

    by_theta = oracles.complex_step(log_prob, theta).reshape(batch.n, -1)
    np.testing.assert_allclose(by_theta, score, atol=1e-13)
    other = other_chances(mdp)
    among = np.exp(trajectory_log_prob(other, (family, theta), batch))
    assert np.abs(among - batch.weight).max() > 1e-3
    moved = oracles.complex_step(
        lambda logits: trajectory_log_prob(other, (family, logits), batch), theta
    )
    np.testing.assert_allclose(moved.reshape(batch.n, -1), score, atol=1e-13)


def other_chances(mdp):
    """The same branches with other probabilities, and another start."""
    law = mdp.branches
    prob = law.prob ** np.linspace(0.5, 2.0, len(law.prob))
    prob = prob / np.bincount(law.row, prob)[law.row]
    P = np.zeros((mdp.R.size, mdp.n_states))
    np.add.at(P, (law.row, law.next_state), prob)
    law = RewardLaw(law.offsets, law.next_state, law.reward, prob)
    R = law.expected_reward(mdp.n_actions)
    mu = mdp.mu[::-1] if mdp.mu.all() else mdp.mu
    return replace(mdp, P=P.reshape(mdp.n_states, -1, mdp.n_states), R=R, law=law, mu=mu)


@pytest.mark.parametrize("seed", range(3))
def test_returns_have_the_law_that_walking_every_path_gives(seed):
    """Seen failing: final left out; final without gamma; rewards of branches exchanged."""
    mdp = with_final(seed)
    pi = policy_for(mdp, seed)[0].probs(policy_for(mdp, seed)[1])
    law = mdp.branches
    outcomes = {
        divmod(row, mdp.n_actions): [
            (law.prob[k], int(law.next_state[k]), law.reward[k])
            for k in np.flatnonzero(law.row == row)
        ]
        for row in range(mdp.R.size)
    }
    walked = oracles.return_law(mdp, pi, outcomes=outcomes, normalise_rows=True)
    batch = all_of(mdp, pi)
    returns = discounted_return(batch, mdp.gamma)
    for power in (1, 2, 3):
        moment = float(sum(p * value**power for p, value in walked))
        assert batch.weight @ returns**power == pytest.approx(moment, abs=1e-12)


def test_each_trajectory_comes_once_and_the_count_is_known_before():
    """Seen failing: every path taken for the child of the first; a count one too large."""
    mdp = discriminating_mdp()
    batch = all_of(mdp, policy_for(mdp))
    assert len(rows_of(batch)) == batch.n == count_trajectories(mdp, policy_for(mdp))


@pytest.mark.parametrize("chunk", [1, 7, 100])
def test_small_chunks_find_the_same_trajectories(chunk):
    """Seen failing: the second half of a split level dropped; parents of the wrong half."""
    mdp = discriminating_mdp(1)
    policy = policy_for(mdp, 1)
    batches = list(enumerate_trajectories(mdp, policy, chunk=chunk))
    assert max(batch.n for batch in batches) <= max(chunk, 5)  # 5 branches in a state, at most
    assert rows_of(Trajectories.concatenate(batches)) == rows_of(all_of(mdp, policy))


def test_memory_is_bounded_by_the_chunk():
    """160,000 trajectories in less memory than 10,000 of them take.

    Seen failing: breadth first to the end.
    """
    mdp = discriminating_mdp().with_objective(horizon=9)
    policy = policy_for(mdp)
    tracemalloc.start()
    try:
        n = sum(batch.n for batch in enumerate_trajectories(mdp, policy, chunk=2000))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert n > 150_000
    assert peak < 10_000 * 9 * 4 * 8  # s, a, r, logp; with a chunk of 2**16: ten times that


def test_equal_outcomes_are_one_branch_and_impossible_ones_none():
    """Seen failing: without merging; merged by successor or reward alone; zeros of pi kept."""
    law = RewardLaw(
        [0, 4, 5, 6, 7], [0, 1, 1, 1, 0, 1, 1], [2, 2, 2, 3, 9, 0, 0], [0.25] * 4 + [1] * 3
    )
    P = [[[0.25, 0.75], [1, 0]], [[0, 1], [0, 1]]]
    mdp = MDP(P, [[2.25, 9], [0, 0]], horizon=1, law=law, mu=[1, 0])
    batch = all_of(mdp, [[1.0, 0.0], [1.0, 0.0]])
    assert rows_of(batch) == {(0, 0, 0, 2.0): 0.25, (0, 1, 0, 2.0): 0.5, (0, 1, 0, 3.0): 0.25}
    assert count_trajectories(mdp, [[1.0, 0.0], [1.0, 0.0]]) == 3


def test_what_ends_and_what_is_cut():
    """Seen failing: a cap that terminates; the horizon that truncates; a start in a terminal state
    left out; masks that are True behind the end."""
    mdp = MDP([[[0.5, 0.5]], [[0, 1]]], [[1], [0]], gamma=0.5, horizon=2, mu=[0.75, 0.25])
    pi = [[1.0], [1.0]]
    batch = all_of(mdp, pi)
    assert batch.terminated.all() and not batch.truncated.any()
    assert batch.s.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 1], [1, 1, 1]]
    assert batch.mask.tolist() == [[True, True], [True, True], [True, False], [False, False]]
    assert batch.r.tolist() == [[1, 1], [1, 1], [1, 0], [0, 0]]
    assert batch.weight.tolist() == [0.1875, 0.1875, 0.375, 0.25]
    endless = mdp.with_objective()
    cut = all_of(endless, pi, horizon=2)
    assert cut.truncated.tolist() == [True, False, False, False]
    assert cut.terminated.tolist() == [False, True, True, True]
    sooner = all_of(mdp, pi, horizon=1)
    assert sooner.truncated.tolist() == [True, False, False]


def test_final_is_paid_inside_the_last_reward_and_only_at_the_horizon():
    """Seen failing: paid at a cap below the horizon; paid after termination; without gamma."""
    mdp = MDP(
        [[[0.5, 0.5]], [[0, 1]]], [[1], [0]], 0.5, horizon=2, final=[8, 0], mu=[1, 0], terminal=[1]
    )
    assert all_of(mdp, [[1.0], [1.0]]).r.tolist() == [[1, 5], [1, 1], [1, 0]]
    assert all_of(mdp, [[1.0], [1.0]], horizon=1).r.tolist() == [[1], [1]]


def test_a_policy_that_depends_on_time_acts_in_time():
    """Seen failing: the first table at every step."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=3)
    pi = np.array([[[1.0, 0.0]], [[0.0, 1.0]], [[0.5, 0.5]]])
    batch = all_of(mdp, pi)
    assert batch.a.tolist() == [[0, 1, 0], [0, 1, 1]]
    np.testing.assert_allclose(np.exp(batch.logp), [[1, 1, 0.5], [1, 1, 0.5]])


def test_without_a_horizon_the_tree_is_walked_to_its_end():
    """Seen failing: one step short; a loop taken for the end."""
    P = np.zeros((3, 1, 3))
    P[0, 0, [1, 2]], P[1, 0, 2], P[2, 0, 2] = 0.5, 1, 1
    mdp = MDP(P, [[1], [1], [0]], gamma=1.0, mu=[1, 0, 0])
    batch = all_of(mdp, np.ones((3, 1)))
    assert batch.s.tolist() == [[0, 1, 2], [0, 2, 2]]
    assert batch.terminated.all()
    loop = MDP([[[0.0, 1.0]], [[1.0, 0.0]]], [[1], [1]], gamma=0.5)
    with pytest.raises(ModelError, match="some trajectories go on for ever"):
        enumerate_trajectories(loop, np.ones((2, 1)))
    with pytest.raises(ModelError, match="some trajectories go on for ever"):
        count_trajectories(loop, np.ones((2, 1)))
    assert count_trajectories(loop, np.ones((2, 1)), horizon=7) == 2


def test_counts_beyond_all_bounds_are_named_and_refused():
    """Seen failing: with float counts without the shift, which end in inf."""
    mdp = MDP([[[0.5, 0.5]], [[0.5, 0.5]]], [[1.0], [0.0]], mu=[1, 0], gamma=0.9)
    pi = np.ones((2, 1))
    assert count_trajectories(mdp, pi, horizon=5000) == 2**5000
    with pytest.raises(ModelError, match=r"there are 1\.4e\+1505 trajectories of up to 5000 steps"):
        enumerate_trajectories(mdp, pi, horizon=5000)
    with pytest.raises(ModelError, match=r"65,536 trajectories .* limit=65,535"):
        exact_moments(lambda batch: batch.r[:, 0], mdp, pi, horizon=16, limit=65_535)
    assert words(999_999_999) == "999,999,999"


def test_average_reward_has_no_trajectories():
    """Seen failing: without the check."""
    mdp = MDP([[[1.0]]], [[1.0]], average=True)
    with pytest.raises(ModelError, match="average reward has no episodes"):
        enumerate_trajectories(mdp, [[1.0]])


@pytest.mark.parametrize("horizon", [0, -1, 2.0, True])
def test_a_cap_is_a_number_of_actions(horizon):
    """Seen failing: without the check."""
    mdp = discriminating_mdp()
    with pytest.raises(ModelError, match="it must be an int >= 1"):
        enumerate_trajectories(mdp, policy_for(mdp), horizon=horizon)
    with pytest.raises(ModelError, match="the model ends after 4 actions"):
        enumerate_trajectories(mdp, policy_for(mdp), horizon=5)


# --- exact moments --------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_moments_are_those_of_the_recursions(seed):
    """On- and off-policy, with final, noise and a critic: mean and covariance to 1e-12.

    Seen failing: noise of one sign; noise with its variance as deviation; the covariance without
    the mean; weights of the policy instead of the behaviour; chunks added but for the last.
    """
    mdp = with_final(seed).with_objective(horizon=3)
    noise = np.where(mdp.terminal, 0.0, 0.7)[:, None] * [1.0, 0.0]
    mdp = replace(mdp, reward_std=noise) if seed % 2 else mdp
    family, theta = policy = policy_for(mdp, seed)
    b = behaviour_for(mdp, seed) if seed % 3 else None
    v = critic_for(mdp, seed)
    off = b is not None
    pairs = [
        (
            lambda batch: gpomdp(batch, family, theta, mdp.gamma, baseline=v, off_policy=off),
            reward_to_go_moments(mdp, policy, behaviour=b, baseline=v),
        ),
        (
            lambda batch: reinforce(batch, family, theta, mdp.gamma, baseline=2.0, off_policy=off),
            whole_return_moments(mdp, policy, behaviour=b, baseline=2.0),
        ),
    ]
    for estimator, recursion in pairs:
        found = exact_moments(estimator, mdp, policy, behaviour=b, chunk=64)
        scale = max(1.0, np.abs(recursion.covariance).max())
        np.testing.assert_allclose(found.mean, recursion.mean, atol=1e-12 * scale)
        np.testing.assert_allclose(found.covariance, recursion.covariance, atol=1e-12 * scale)
        np.testing.assert_allclose(found.variance, np.diag(found.covariance), atol=0)
        assert found.mass == pytest.approx(1, abs=1e-14)
        assert found.count == count_trajectories(mdp, policy if b is None else b)


def test_less_detail_is_the_same_numbers():
    """Seen failing: the variance around zero."""
    mdp = discriminating_mdp()
    policy = policy_for(mdp)
    full, variance, mean = (
        exact_moments(lambda batch: batch.r, mdp, policy, detail=detail, chunk=50)
        for detail in ("covariance", "variance", "mean")
    )
    np.testing.assert_allclose(variance.variance, full.variance, atol=1e-14)
    assert variance.covariance is None
    assert mean.variance is None
    assert (mean.mean == full.mean).all()


def test_a_mean_of_two_has_half_the_covariance():
    """Seen failing: tuples without repetition; weights added instead of multiplied."""
    mdp = discriminating_mdp().with_objective(horizon=2)
    policy = policy_for(mdp)
    one = exact_moments(lambda batch: batch.r, mdp, policy)
    two = exact_moments(lambda batch: batch.r, mdp, policy, batch=2)
    np.testing.assert_allclose(two.mean, one.mean, atol=1e-14)
    np.testing.assert_allclose(two.covariance, one.covariance / 2, atol=1e-14)
    whole = exact_moments(lambda batch: batch.r.mean(axis=0)[None], mdp, policy, batch=2)
    np.testing.assert_allclose(whole.covariance, one.covariance / 2, atol=1e-14)
    number = exact_moments(lambda batch: batch.r[:, 0].max(), mdp, policy, batch=2)
    assert number.mean[0] > one.mean[0] + 0.01
    with pytest.raises(ModelError, match="batches of 2 of the"):
        exact_moments(lambda batch: batch.r, mdp, policy, batch=2, limit=100)


def test_a_batch_is_one_that_was_drawn_and_has_no_weight():
    """An estimator that weighs by `weight` would count the probabilities twice.

    Seen failing: with the weight of the enumeration kept in the tuples.
    """
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    policy = (Softmax(mdp), np.log([[0.2, 0.8]]))

    def mean(batch):
        assert batch.weight is None
        return sampled_fisher(batch, *policy, 1.0).mean(axis=0)[None]

    found = exact_moments(mean, mdp, policy, batch=3)
    one = exact_moments(lambda batch: sampled_fisher(batch, *policy, 1.0), mdp, policy)
    np.testing.assert_allclose(found.mean, one.mean, atol=1e-15)

    def weighs(batch):  # what most code does with weights that may be missing
        w = np.ones(batch.n) if batch.weight is None else batch.weight
        return w @ batch.r[:, 0] / w.sum()

    assert exact_moments(weighs, mdp, policy, batch=2).mean[0] == pytest.approx(0.8, abs=1e-15)
    checked = check_estimator(weighs, mdp, policy, target="J", batch=2)
    assert checked.outcome == "unbiased"


def test_n_numbers_for_n_trajectories_might_be_one_row_and_are_refused():
    """Seen failing: taken for n rows of one number in silence, also in a dict."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)

    def moments(answer):
        return exact_moments(lambda batch: answer, mdp, [[0.5, 0.5]], batch=2).mean.tolist()

    flat = np.array([1.0, 5.0])
    for answer in (flat, [1, 5], {"w": flat}):
        with pytest.raises(ModelError, match=r"2 numbers .* x\[None\] for one row"):
            moments(answer)
    with pytest.raises(ModelError, match=r"returned 3 rows .* 1 row or 2\. .* as x\[None\]"):
        moments([1.0, 5.0, 6.0])
    assert moments(flat[None]) == moments({"w": flat[None]}) == [1, 5]
    assert moments(flat[:, None]) == moments({"w": flat[:, None]}) == [3]
    assert moments(4.0) == moments([4.0]) == [4]


def test_small_variances_beside_large_means_survive():
    """Seen failing: E[x x'] - mean mean' around zero, which gives 0 or less."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    found = exact_moments(lambda batch: 1e9 + 1e-3 * batch.r, mdp, [[0.5, 0.5]])
    assert found.variance[0] == pytest.approx(0.25e-6, rel=1e-3)  # eps 1e9 in each row


def test_sums_lose_nothing():
    """Seen failing: plain addition in either."""
    total = Compensated()
    for term in (1.0, 1e100, 1.0, -1e100):
        total.add(np.array([term]))
    assert total.total[0] == 2
    many = np.full((1_000_001, 1), 0.1)
    assert abs(pairwise(many)[0] - 100_000.1) < 1e-10  # one by one: 1e-6
    sums = Sums("mean")
    for _ in range(3):
        sums.add(np.array([0.5]), np.array([[-2.0]]))
    assert sums.moments(3).mean[0] == -3
    assert sums.size[0] == 3


def test_the_first_trajectories_are_asked_for_twice():
    """Seen failing: without asking again; with asking for the same rows in the same company."""
    mdp = discriminating_mdp()
    policy = policy_for(mdp)
    rng = np.random.default_rng(0)
    with pytest.raises(ModelError, match="different answers for the same data: column 0 of row 0"):
        exact_moments(lambda batch: rng.random(batch.n), mdp, policy)
    with pytest.raises(ModelError, match=r"depends on the other rows of its batch.*batch=2"):
        exact_moments(lambda batch: batch.r - batch.r.mean(axis=0), mdp, policy)
    calls = []
    exact_moments(lambda batch: calls.append(batch.n) or batch.r, mdp, policy, chunk=100)
    assert calls[0] == calls[1] and calls[2] == 8
    assert len(calls) == 2 + sum(1 for _ in enumerate_trajectories(mdp, policy, chunk=100))


def test_a_family_and_its_table_act_alike():
    """Seen failing: theta taken for pi."""
    mdp = discriminating_mdp()
    family, theta = policy_for(mdp)
    pair = rows_of(all_of(mdp, (family, theta)))
    assert pair == rows_of(all_of(mdp, family.probs(theta)))
    assert isinstance(family, Softmax)
    assert mutants.lab(0).pi.shape == theta.shape
