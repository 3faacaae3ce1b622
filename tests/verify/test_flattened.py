"""Flattened dynamics: the same support, nothing rare in it."""

from dataclasses import replace

import numpy as np
import pytest

from mdptools import MDP
from mdptools.policies import Observation
from mdptools.problems import garnet
from mdptools.sampling import Trajectories, trajectory_log_prob
from mdptools.testing.models import discriminating_mdp
from mdptools.verify import enumerate_trajectories
from mdptools.verify._flattened import flattened, probe


def every(mdp, acting):
    return Trajectories.concatenate(list(enumerate_trajectories(mdp, acting)))


def paths(batch):
    return {
        (tuple(s), tuple(a), tuple(np.round(r, 12)))
        for s, a, r in zip(batch.s, batch.a, batch.r, strict=True)
    }


@pytest.mark.parametrize("seed", range(4))
def test_the_paths_are_the_same_and_each_branch_is_equally_likely(seed):
    """Seen failing: two rewards of one successor merged; starts of probability 0 included;
    probabilities kept."""
    mdp = discriminating_mdp(seed)
    rng = np.random.default_rng(seed)
    final = rng.normal(size=4) * ~mdp.terminal
    mdp = replace(mdp, final=final, reward_std=[[0.5, 0]] + [[0, 0]] * 3, mu=[0.9, 0.1, 0, 0])
    flat = flattened(mdp)
    half = np.full((4, 2), 0.5)
    assert paths(every(flat, half)) == paths(every(mdp, half))
    counts = np.diff(flat.branches.offsets)
    assert np.array_equal(flat.branches.prob, 1 / counts[flat.branches.row])
    assert flat.mu.tolist() == [0.5, 0.5, 0, 0]
    assert (flat.gamma, flat.horizon) == (mdp.gamma, mdp.horizon)
    assert np.array_equal(flat.terminal, mdp.terminal)


def test_refused_actions_and_sparse_models_stay_what_they_are():
    """Seen failing: probabilities kept."""
    mdp = MDP([[[0.1, 0.9], [0, 0]], [[0.5, 0.5], [1, 0]]], [[1, 0], [2, 3]], 0.9,
              allowed=[[True, False], [True, True]], state_names=["a", "b"])  # fmt: skip
    flat = flattened(mdp)
    assert np.array_equal(flat.allowed, mdp.allowed) and flat.state_names == ("a", "b")
    assert flat.branches.prob.tolist() == [0.5, 0.5, 0.5, 0.5, 1]
    assert np.array_equal(flat.R[mdp.allowed], mdp.R[mdp.allowed])
    large = garnet(200, n_actions=3, branching=4, gamma=0.9, rng=0)
    assert np.allclose(flattened(large).branches.prob, 0.25)


@pytest.mark.parametrize("timed", [False, True])
def test_a_probe_finds_what_is_rare_and_says_who_acts(timed):
    """An outcome of probability 1e-9 behind an action of probability 1e-9.

    Seen failing: the log-probabilities of the flattened policy; actions that the policy never
    takes; time ignored.
    """
    P = [[[1, 0], [1, 0], [1e-9, 1 - 1e-9]], [[0, 1]] * 3]
    mdp = MDP(P, [[0, 0, 5], [1, 1, 1]], horizon=3, mu=[1, 0])
    pi = np.array([[1 - 1e-9, 0, 1e-9], [0.5, 0.5, 0]])
    acting = np.stack([pi, pi, pi[:, [0, 2, 1]]]) if timed else pi
    batch = probe(mdp, acting, 400, None, 0)
    table = acting if timed else np.stack([pi] * 3)
    chosen = table[np.arange(3), batch.s[:, :-1], batch.a]
    assert (chosen > 0).all()
    np.testing.assert_allclose(batch.logp, np.log(chosen), atol=1e-14)
    assert np.isfinite(trajectory_log_prob(mdp, acting, batch)).all()
    twice = (batch.a[:, :2] == 2).all(axis=1) & (batch.s[:, 1] == 0)
    assert 20 < twice.sum() < 180  # one in eight, though P is 1e-27


def test_a_probe_shows_what_the_policy_may_see():
    """Seen failing: the likely observations only."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=50, mu=[1.0])
    seen = Observation(mdp, [[1 - 1e-9, 1e-9]])
    theta = np.array([[0.0, 1.0], [2.0, 0.0]])
    batch = probe(mdp, (seen, theta), 20, 30, 0)
    assert 0.4 < batch.o.mean() < 0.6
    np.testing.assert_allclose(batch.logp, np.log(seen.family.probs(theta)[batch.o, batch.a]))
    assert batch.truncated.all() and (batch.lengths == 30).all()
