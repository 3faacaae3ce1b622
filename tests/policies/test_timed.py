"""A family for each time: every time by itself. Derivatives are in test_families.py."""

import numpy as np
import pytest

from mdptools import MDP, Direct, ModelError, Observation, Softmax, Timed, policy_gradient, solve

MDP3 = MDP(np.full((2, 2, 2), 0.5), [[0.0, 1.0], [1.0, 0.0]], 0.5, horizon=3)


def test_each_time_has_its_own_parameters():
    """Seen failing: with theta[0] at each time."""
    theta = np.random.default_rng(0).normal(size=(3, 2, 2))
    family = Timed(MDP3, Softmax(MDP3))
    assert family.shape == (3, 2, 2) and family.size == 12
    pi = family.probs(theta)
    for t in range(3):
        assert np.array_equal(pi[t], Softmax(MDP3).probs(theta[t]))


def test_ascent_finds_a_policy_that_changes_with_time():
    """Whoever takes action 1 first wants the other one later. Seen failing: with pullback summed
    over time."""
    P = [[[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [0.0, 1.0]]]
    mdp = MDP(P, [[1.0, 0.4], [0.0, 0.0]], 1.0, horizon=3, mu=[1.0, 0.0])
    family, x = Direct(mdp), np.full((3, 2, 2), 0.5)
    timed = Timed(mdp, family)
    for _ in range(40):
        step = x + policy_gradient(mdp, timed, x).value
        x = np.stack([family.project(row) for row in step])
    assert x[:, 0].tolist() == [[0, 1], [0, 1], [1, 0]]
    assert policy_gradient(mdp, timed, x).J == pytest.approx(solve(mdp).V[0, 0])


def test_what_does_not_fit():
    """Seen failing: without the check of the horizon (then H is 0); with steps beyond it; with
    dJ_dpi (S, A) spread over time."""
    with pytest.raises(ModelError, match=r"^a policy that depends on time needs .* a horizon"):
        endless = MDP3.with_objective(gamma=0.5)
        Timed(endless, Softmax(endless))
    family = Timed(MDP3, Softmax(MDP3))
    theta = np.zeros((3, 2, 2))
    with pytest.raises(ModelError, match=r"^dJ_dpi has shape \(2, 2\); it must be \(H, S, A\) = "):
        family.pullback(theta, np.zeros((2, 2)))
    steps = np.zeros((1, 4), dtype=int)
    with pytest.raises(ModelError, match=r"^there are 4 steps; the horizon is 3"):
        family.accumulate(theta, steps, steps, np.ones((1, 4)))
    with pytest.raises(ModelError, match=r"^s, a, w and o must be \(N, T\)"):
        family.accumulate(theta, steps[0], steps[0], np.ones(4))
    inside = Observation(MDP3, [0, 0], lambda seen: Timed(MDP3, Softmax(seen)))
    with pytest.raises(ModelError, match=r"table of shape \(3, 1, 2\); .* let Timed stand outside"):
        inside.probs(np.zeros((3, 1, 2)))
