"""The walk on a line: the equation itself, walks that are drawn, nodes that are doubled."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.continuous import line_walk_values


def lengths(n, rng, start=0.0, std=0.25):
    """Moves until each of n walks is outside [-3, 3]."""
    x, moves = np.full(n, start), np.zeros(n)
    inside = np.ones(n, dtype=bool)
    while inside.any():
        moves[inside] += 1
        side = rng.choice([-1.0, 1.0], size=n)
        x = np.where(inside, x + side + std * rng.standard_normal(n), x)
        inside &= np.abs(x) <= 3
    return moves


@pytest.mark.parametrize("start", [0.0, -2.5])
def test_drawn_walks_are_as_long_as_the_values_say(start):
    """|z| < 5: wrong by chance less than once in 10^6.

    Seen failing: with variance 1/4; without the half of each side; -1 paid once more."""
    drawn = lengths(100_000, np.random.default_rng(0), start)
    error = drawn.std() / np.sqrt(len(drawn))
    value = float(line_walk_values().at(start))
    assert abs(drawn.mean() + value) < 5 * error
    wider = lengths(100_000, np.random.default_rng(0), start, std=0.5)
    assert abs(wider.mean() + value) > 5 * error  # a std of 1/2 is found


def test_it_solves_the_equation():
    """V = -1 + the integral of p V, by scipy's quad at places that are no nodes; symmetric.

    Seen failing: with weights of [-1, 1]; interpolation between nodes by straight lines."""
    from scipy.integrate import quad

    walk = line_walk_values()
    assert float(walk.at(3.5)) == 0
    for x in (0.0, 1.23, -2.9):

        def integrand(y, x=x):
            bells = [np.exp(-8 * (y - x - side) ** 2) for side in (-1, 1)]
            return walk.at(y) * sum(bells) * 2 / np.sqrt(2 * np.pi)

        right = quad(integrand, -3, 3, epsabs=1e-12, limit=200)[0] - 1
        assert float(walk.at(x)) == pytest.approx(right, abs=1e-10)
    np.testing.assert_allclose(walk.at(walk.x), walk.V, atol=1e-11)
    np.testing.assert_allclose(walk.V, walk.V[::-1], atol=1e-11)


def test_the_estimate_covers_what_more_nodes_change():
    """Seen failing: with no more than round-off in it."""
    best = line_walk_values(256)
    x = np.linspace(-3, 3, 101)
    for n in (12, 16, 24, 32, 64):
        walk = line_walk_values(n)
        assert np.abs(walk.at(x) - best.at(x)).max() <= walk.certificate.bound + 1e-11
    assert walk.certificate.kind == "estimated" and walk.certificate.bound < 1e-10


@pytest.mark.parametrize("n", [0, 7, 4096])
def test_refusals(n):
    """Seen failing: without the limits."""
    with pytest.raises(ModelError, match=f"n is {n}"):
        line_walk_values(n)
