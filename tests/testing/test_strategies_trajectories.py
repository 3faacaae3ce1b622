"""Trajectories: each step is possible, ends are right, and a failing batch prints as code."""

from random import Random

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from mdptools import MDP, ModelError, Trajectories
from mdptools.testing.strategies import mdps, policies, trajectories

QUICK = settings(max_examples=1000, phases=[Phase.generate, Phase.shrink])


def outcomes(mdp, s, a):
    """{(next state, reward)} of a pair."""
    law, pair = mdp.branches, s * mdp.n_actions + a
    which = law.row == pair
    return set(zip(law.next_state[which].tolist(), law.reward[which].tolist(), strict=True))


@given(data=st.data())
@settings(max_examples=150)
def test_each_step_has_positive_probability(data):
    """Start, action, successor with its reward, and the end; logp is that of the policy.

    Seen failing: with starts anywhere; with the allowed actions for those of the policy; with
    successors and rewards drawn apart; with episodes that go on in terminal states; without the
    reward at the end.
    """
    mdp = data.draw(mdps())
    pi = data.draw(policies(mdp))
    batch = data.draw(trajectories(mdp, pi, max_episodes=4, max_length=5))
    assert 1 <= batch.n <= 4 and batch.n_steps <= 5
    for i, length in enumerate(batch.lengths):
        s, a, r = batch.s[i], batch.a[i], batch.r[i]
        assert mdp.mu[s[0]] > 0
        for t in range(length):
            assert not mdp.terminal[s[t]]
            acting = pi if pi.ndim == 2 else pi[t]
            assert batch.logp[i, t] == np.log(acting[s[t], a[t]]) > -np.inf
            late = mdp.final is not None and t + 1 == mdp.horizon
            extra = mdp.gamma * mdp.final[s[t + 1]] if late else 0.0
            possible = {(u, x + extra) for u, x in outcomes(mdp, s[t], a[t])}
            assert (s[t + 1], r[t]) in possible
        over = mdp.terminal[s[length]] or length == mdp.horizon
        assert batch.terminated[i] == over


@given(data=st.data())
@settings(max_examples=40)
def test_rewards_have_noise_where_the_model_has(data):
    """The uniform policy acts if none is given; rewards are within two standard deviations.

    Seen failing: with the noise left out.
    """
    mdp = MDP(
        [[[1 - 1e-12, 1e-12]] * 2, [[0, 1]] * 2], [[1.0, 2.0], [0, 0]], 0.5,
        mu=[1, 0], reward_std=[[0.5, 0.5], [0, 0]],
    )  # fmt: skip
    batch = data.draw(trajectories(mdp, min_episodes=2, max_episodes=2))
    assert batch.n == 2
    assert (batch.logp[batch.mask] == np.log(0.5)).all()
    noise = (batch.r - 1 - batch.a)[batch.mask]
    assert set(noise.tolist()) <= {-1, -0.5, 0, 0.5, 1}


@pytest.mark.parametrize("seed", range(3))
def test_unlikely_branches_come_as_often_as_others(seed):
    """An end of probability 1e-12 is among 50 batches.

    Seen failing: with the most likely branch alone.
    """
    mdp = MDP([[[1 - 1e-12, 1e-12]], [[0, 1]]], [[1.0], [0.0]], 0.5, mu=[1, 0])
    some = settings(max_examples=50, phases=[Phase.generate])
    batch = find(trajectories(mdp), lambda b: b.s[:, -1].any(), settings=some, random=Random(seed))
    assert batch.terminated.any()


def test_trajectories_shrink_to_one_episode_without_a_step():
    """And, where there has to be a step, to one step of the first action.

    Seen failing: with the longest episode drawn first.
    """
    mdp = MDP(np.full((2, 2, 2), 0.5), np.zeros((2, 2)), 0.5)
    smallest = find(trajectories(mdp), lambda batch: True, settings=QUICK, random=Random(0))
    assert smallest.n == 1 and smallest.n_steps == 0
    step = find(trajectories(mdp), lambda batch: batch.n_steps, settings=QUICK, random=Random(0))
    assert (step.s.tolist(), step.a.tolist()) == ([[0, 0]], [[0]])


def test_a_failing_batch_prints_as_code():
    """Seen failing: with the batch made outside of `builds`."""
    mdp = MDP([[[1.0]]], [[2.0]], 0.5)

    @settings(max_examples=100, database=None)
    @given(trajectories(mdp))
    def claim(batch):
        assert batch.r.sum() < 3

    with pytest.raises(AssertionError) as caught:
        claim()
    note = "\n".join(caught.value.__notes__)
    code = note[note.index("Trajectories.from_steps(") : note.rindex(")")].rstrip().rstrip(",")
    assert eval(code, {"Trajectories": Trajectories}).r.sum() >= 3


@pytest.mark.parametrize(
    ("numbers", "match"),
    [
        ({"min_episodes": 0}, "min_episodes is 0"),
        ({"min_episodes": 4}, "min_episodes is 4, max_episodes 3"),
        ({"max_length": -1}, "max_length -1"),
        ({"pi": [[2.0]]}, "pi sums to 2 in state 0"),
    ],
)
def test_what_makes_no_sense_is_refused(numbers, match):
    """Seen failing: without the check of the numbers."""
    with pytest.raises(ModelError, match=match):
        trajectories(MDP([[[1.0]]], [[2.0]], 0.5), **numbers)
