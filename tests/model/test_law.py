"""The reward law: branches in order, and their expectations."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP, ModelError, RewardLaw
from mdptools.model._law import law_of

BRANCHES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.integers(0, 2),
        st.sampled_from([-1.0, 0.0, 0.1, 3.0]),
        st.sampled_from([0.0, 0.25, 0.5]),
    ),
    min_size=1,
    max_size=12,
)


def columns(branches):
    """Arrays row, next_state, reward, prob."""
    row, successor, reward, prob = zip(*branches, strict=True)
    return np.array(row), np.array(successor), np.array(reward), np.array(prob)


@given(BRANCHES)
def test_branches_are_sorted_and_merged_where_all_but_the_probability_agrees(branches):
    """Seen failing: with branches merged by successor alone; without the sort; with branches of
    probability zero kept."""
    law = law_of(*columns(branches), n_rows=6)
    wanted = {}
    for row, successor, reward, prob in branches:
        if prob:
            key = row, successor, reward
            wanted[key] = wanted.get(key, 0) + prob
    found = zip(law.row, law.next_state, law.reward, law.prob, strict=True)
    assert [tuple(x.item() for x in branch) for branch in found] == [
        (*key, prob) for key, prob in sorted(wanted.items())
    ]
    assert len(law.offsets) == 7 and law.offsets[0] == 0 and law.offsets[-1] == len(wanted)
    assert law.same(law_of(*columns(branches[::-1]), n_rows=6))


@given(BRANCHES)
def test_expected_rewards_within_the_stated_round_off(branches):
    """Seen failing: without the factor `prob`; with reward 0.1 and probability 1 as ten times
    0.01; with a round-off of 0."""
    law = law_of(*columns(branches), n_rows=6)
    R = law.expected_reward(n_actions=2)
    exact = [Fraction(0)] * 6
    for row, reward, prob in zip(law.row, law.reward, law.prob, strict=True):
        exact[row] += Fraction(float(prob)) * Fraction(float(reward))
    assert R.shape == (3, 2)
    constant = True
    for row in range(6):
        rewards = set(law.reward[law.row == row].tolist())
        if len(rewards) > 1:
            constant = False
            assert abs(Fraction(float(R[row // 2, row % 2])) - exact[row]) <= law.roundoff()
        else:
            assert R[row // 2, row % 2] == (rewards.pop() if rewards else 0)
    assert law.is_constant() == constant and (law.roundoff() == 0) == (
        constant or not law.reward.any()
    )


def test_round_off_covers_many_branches():
    """A thousand rewards of 0.1 and one of 0.2. Seen failing: with EPS alone, without the number
    of terms."""
    rng = np.random.default_rng(0)
    prob, reward = rng.dirichlet(np.ones(3000)), rng.random(3000)
    law = RewardLaw([0, 3000], np.zeros(3000, int), reward, prob)
    pairs = zip(prob.tolist(), reward.tolist(), strict=True)
    exact = sum(Fraction(p) * Fraction(r) for p, r in pairs)
    error = abs(Fraction(float(law.expected_reward(1)[0, 0])) - exact)
    assert 0 < error <= law.roundoff() < 3100 * 2**-52


def test_two_laws_are_the_same():
    """Seen failing: with `reward` left out."""
    parts = ([0, 1, 2], [0, 1], [1.0, 2.0], [1.0, 1.0])
    assert RewardLaw(*parts).same(RewardLaw(*parts))
    others = ([0, 2, 2], [1, 1], [1.0, 3.0], [1.0, 0.5])
    for i, other in enumerate(others):
        assert not RewardLaw(*parts).same(RewardLaw(*parts[:i], other, *parts[i + 1 :]))


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (([0, 1], [0], [1, 2], [1]), r"one number for each branch; .* \(1,\), \(2,\) and \(1,\)"),
        (([0, 1], [[0]], [[1]], [[1]]), r"one number for each branch"),
        (([0, 2], [0], [1], [1]), r"^law.offsets must begin with 0.* 1; got \[0, 2\]"),
        (([1, 1], [0], [1], [1]), r"^law.offsets must begin with 0"),
        (([0, 2, 1, 2], [0, 0], [1, 1], [1, 1]), r"^law.offsets must .*never decrease"),
        (([0, 0.5, 1], [0], [1], [1]), r"^law.offsets is of type float64; it must hold integers"),
        (([0, 1], [0.5], [1], [1]), r"^law.next_state is of type float64"),
        (([0, 1], [0], [np.nan], [1]), r"^branch 0 of the law has reward nan and probability 1:"),
        (([0, 2], [0, 0], [1, 1], [1, -1]), r"^branch 1 .* probability -1: both must be finite"),
        (([0, 1], [0], [1], [np.nan]), r"^branch 0 .* probability nan"),
        (([0, 1], [0], ["1"], [1]), r"^law.reward is no array of real numbers"),
    ],
)
def test_arrays_that_are_no_law(parts, message):
    """Seen failing: without `steps < 0`; without isfinite of the reward; without the shapes."""
    with pytest.raises(ModelError, match=message):
        RewardLaw(*parts)


def test_a_law_is_read_only_and_its_own():
    """Seen failing: with np.asarray for the copy; with readonly left out."""
    parts = [np.array(x) for x in ([0, 1], [0], [1.0], [1.0])]
    law = RewardLaw(*parts)
    for name, given_array in zip(("offsets", "next_state", "reward", "prob"), parts, strict=True):
        kept = getattr(law, name)
        assert not kept.flags.writeable and not np.shares_memory(kept, given_array)
    empty = RewardLaw([0, 0], [], [], [])
    assert empty.expected_reward(1).tolist() == [[0]] and empty.is_constant()


def test_two_rewards_on_one_successor_stay_two():
    """Seen failing: with branches merged by successor."""
    coin = MDP.from_outcomes([[[(0.25, 0, 4.0, False), (0.75, 0, 0.0, False)]]], gamma=0.5)
    assert coin.R.tolist() == [[1]] and coin.P.tolist() == [[[1]]]
    assert list(zip(coin.law.reward.tolist(), coin.law.prob.tolist(), strict=True)) == [
        (0, 0.75),
        (4, 0.25),
    ]
    assert not coin.terminal.any()
