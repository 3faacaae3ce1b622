"""The discriminating models have what mistakes trip over."""

import numpy as np
import pytest

from mdptools.testing.models import behaviour_for, critic_for, discriminating_mdp, policy_for
from mdptools.verify import count_trajectories, enumerate_trajectories

SEEDS = range(40)


@pytest.mark.parametrize("seed", SEEDS)
def test_nothing_that_hides_a_mistake(seed):
    """Seen failing: gamma = 1; no terminal state; rewards below 1; all positive; a uniform start; a
    uniform policy; behaviour = pi; a critic that knows terminal states; horizon 3."""
    mdp = discriminating_mdp(seed)
    family, theta = policy_for(mdp, seed)
    pi, b, v = family.probs(theta), behaviour_for(mdp, seed), critic_for(mdp, seed)
    assert (mdp.objective, mdp.gamma, mdp.horizon) == ("finite", 0.9, 4)
    law = mdp.branches
    live = law.row // 2 < 3
    assert (law.reward[live] > 1).any() and (law.reward[live] < -1).any()
    assert (np.abs(law.reward[live]) < 1).any()
    assert len(set(law.reward[live])) == live.sum()
    assert 0 < mdp.mu[3] < 0.1 and len(set(mdp.mu)) == 4
    assert np.abs(pi[:3] - 0.5).max() > 0.1
    assert np.abs(pi[:3] - b[:3]).max() > 0.1 and b.min() > 0.05
    assert np.abs(v).min() >= 0.5 and (v > 0).any() and (v < 0).any()
    assert 300 < count_trajectories(mdp, (family, theta)) < 1000

    (batch,) = enumerate_trajectories(mdp, (family, theta))
    ended = mdp.terminal[batch.s[:, -1]]
    lengths = set(batch.lengths[ended])
    assert {0, 1, 2, 3, 4} == lengths
    assert 0.1 < batch.weight[ended].sum() < 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_one_successor_carries_two_rewards(seed):
    """Seen failing: without the third branch."""
    law = discriminating_mdp(seed).branches
    pairs = list(zip(law.row.tolist(), law.next_state.tolist(), strict=True))
    assert len(pairs) - len(set(pairs)) == 1


def test_the_seed_decides():
    """Seen failing: with a generator that is shared."""
    assert discriminating_mdp(3).equals(discriminating_mdp(3))
    assert not discriminating_mdp(3).equals(discriminating_mdp(4))
    mdp = discriminating_mdp()
    assert (behaviour_for(mdp, 1) == behaviour_for(mdp, 1)).all()
    assert not (policy_for(mdp, 1)[1] == policy_for(mdp, 2)[1]).any()
