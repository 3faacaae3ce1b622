"""The pole on a cart: Gymnasium's steps, and grid points around them."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError, problems, solve
from mdptools.problems import _cartpole


def test_steps_are_gymnasiums():
    """Seen failing: with the half length doubled; with a semi-implicit step."""
    env = pytest.importorskip("gymnasium").make("CartPole-v1").unwrapped
    env.reset(seed=0)
    state = np.random.default_rng(0).uniform(-1, 1, (40, 4)) * [2.3, 3, 0.2, 3]
    for action, force in enumerate((-10.0, 10.0)):
        for x, ours in zip(state, _cartpole.step(state, force), strict=True):
            env.state, env.steps_beyond_terminated = tuple(x), None
            _, _, terminated, _, _ = env.step(action)
            np.testing.assert_allclose(ours, env.state, rtol=1e-14)
            assert terminated == (abs(ours[0]) > 2.4 or abs(ours[2]) > _cartpole.THETA_LIMIT)
    assert (_cartpole.X_LIMIT, _cartpole.THETA_LIMIT) == (
        env.x_threshold,
        env.theta_threshold_radians,
    )


def test_the_points_around_a_state_have_its_mean():
    """Seen failing: with weights of the opposite corners; with the nearest point alone."""
    axes = [np.linspace(-1, 1, n) for n in (3, 4, 5, 3)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 4)
    state = np.random.default_rng(1).uniform(-1, 1, (100, 4))
    corner, weight = _cartpole._around(state, axes)
    assert (weight >= 0).all()
    np.testing.assert_allclose(weight.sum(axis=1), 1, atol=1e-14)
    np.testing.assert_allclose((weight[..., None] * grid[corner]).sum(axis=1), state, atol=1e-14)


def test_it_starts_upright_and_ends_when_it_falls():
    """Seen failing: with a reward in the last state; with the start uniform."""
    mdp = problems.cartpole((3, 3, 5, 3))
    assert mdp.n_states == 136 and mdp.terminal.nonzero()[0].tolist() == [135]
    assert mdp.mu.argmax() == 67 and mdp.mu[67] == 1  # the middle of each axis
    assert (mdp.R[:-1] == 1).all()


def test_halving_the_grid_changes_the_value_as_stated():
    """Seen failing: with faster speeds on the grid; with gamma 0.98."""
    J = [solve(problems.cartpole(n)).J for n in (5, 9)]
    np.testing.assert_allclose(J, [25.45, 58.91], atol=0.01)


def test_bad_input():
    """Seen failing: each with its check taken out."""
    with pytest.raises(ModelError, match=r"points is \(3, 3\); it must be one int, or four"):
        problems.cartpole((3, 3))
    with pytest.raises(ModelError, match="points is 2; it must be at least 3"):
        problems.cartpole(2)
