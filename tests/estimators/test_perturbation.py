"""Gradients from values alone: exact on quadratics, common random numbers, regression."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError, rollout
from mdptools.estimators import discounted_return, perturbation_gradient
from mdptools.testing.models import discriminating_mdp, policy_for
from mdptools.verify import program_moments

H = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, -0.3], [0.0, -0.3, 4.0]])
G = np.array([1.0, -2.0, 0.5])
X = np.array([0.3, 0.1, -0.7])


def quadratic(x, rng):
    return float(G @ x + 0.5 * x @ H @ x)


def test_central_differences_of_a_quadratic_are_exact_and_forward_ones_off_by_half_the_curvature():
    """Seen failing: with forward for central; with central differences halved twice."""
    exact = G + H @ X
    central = perturbation_gradient(quadratic, X, 0.5, rng=0)
    np.testing.assert_allclose(central, [exact], atol=1e-13)
    forward = perturbation_gradient(quadratic, X, 0.5, rng=0, kind="forward")
    np.testing.assert_allclose(forward[0] - exact, 0.25 * np.diag(H), atol=1e-13)


def test_regression_on_directions_is_least_squares_of_least_norm():
    """More directions than parameters, and fewer. Seen failing: with U.T for the pseudo-inverse."""
    rng, exact = np.random.default_rng(0), G + H @ X
    for m in (7, 2):
        U = rng.normal(size=(m, 3))
        found = perturbation_gradient(quadratic, X, U, rng=0)[0]
        fitted = np.linalg.lstsq(U, U @ exact, rcond=None)[0]
        np.testing.assert_allclose(found, fitted, atol=1e-12)
        assert np.allclose(found, exact) == (m > 3)


def test_theta_keeps_its_shape_and_each_row_its_own_numbers():
    """Seen failing: with one seed for all repetitions; with theta flattened for J."""
    seen = []

    def J(theta, rng):
        assert theta.shape == (2, 2)
        seen.append(float(rng.random()))
        return float((theta**2).sum() + seen[-1])

    rows = perturbation_gradient(J, np.eye(2), 0.1, 3, rng=5)
    assert rows.shape == (3, 2, 2) and len(seen) == 24
    np.testing.assert_allclose(rows, 2 * np.stack([np.eye(2)] * 3), atol=1e-12)
    assert len(set(seen[:8])) == 1 and len(set(seen)) == 3  # common within a row, not between rows
    perturbation_gradient(J, np.eye(2), 0.1, rng=5, common=False)
    assert len(set(seen[24:])) == 8


def test_noise_does_not_touch_the_mean():
    """All that can be drawn, by the choice tape. Seen failing: with forward for central."""

    def program(rng):
        def J(x, rng):
            return float(x[0] ** 3 + (1.0 if rng.random() < 0.25 else -2.0))

        return perturbation_gradient(J, [1.0], 0.5, rng=rng, common=False)[0]

    assert program_moments(program).mean == pytest.approx([3.25], abs=1e-13)


def test_common_random_numbers_of_rollouts():
    """The variance is far smaller with them, and both means agree: |z| < 5, eight coordinates,
    wrong by chance less than once in 10^5.

    Seen failing: with common ignored; with forward differences for central ones."""
    mdp = discriminating_mdp(0)
    family, theta = policy_for(mdp)

    def J(x, rng):
        return discounted_return(rollout(mdp, (family, x), 50, rng=rng), 0.9).mean()

    same, other = (
        perturbation_gradient(J, theta, 0.2, 100, rng=1, common=c).reshape(100, 8)
        for c in (True, False)
    )
    assert same.var(axis=0).sum() < 0.5 * other.var(axis=0).sum()
    live = same.var(axis=0) > 0
    error = np.sqrt((same.var(axis=0) + other.var(axis=0)) / 99)
    assert np.abs(((same - other).mean(axis=0) / error)[live]).max() < 5
    assert np.abs((2 * same - other).mean(axis=0) / error)[live].max() > 5  # a factor of 2 is found


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"directions": 0.0}, "directions is 0.0; a step must be a number > 0"),
        ({"directions": [[1.0]]}, r"directions has shape \(1, 1\); it must hold finite rows"),
        ({"directions": np.full((2, 3), np.nan)}, "it must hold finite rows"),
        ({"kind": "backward"}, "kind is 'backward'; it must be 'central' or 'forward'"),
        ({"n": 0}, "n is 0"),
        ({"rng": -1}, "rng is -1"),
        ({"J": lambda x, rng: np.nan}, "is nan at theta = .* one finite number"),
    ],
)
def test_wrong_arguments_are_refused(keywords, message):
    """Seen failing: each of the checks in turn left out."""
    arguments = {"J": quadratic, "theta": X, "directions": 0.1, "rng": 0} | keywords
    with pytest.raises(ModelError, match=message):
        perturbation_gradient(**arguments)
