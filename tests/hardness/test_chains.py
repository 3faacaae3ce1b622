"""The chain of a policy against fractions, naive loops and formulas."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import MDP, ModelError, problems
from mdptools.hardness import (
    absorption_probabilities,
    hitting_times,
    kemeny_constant,
    mixing_time,
    policy_chain,
    spectral_gap,
)


def random_chain(seed: int, n: int = 5, average: bool = True) -> tuple[MDP, np.ndarray, np.ndarray]:
    mdp = problems.ergodic(n, 2, mixing=0.05, rng=seed)
    pi = np.random.default_rng(seed).dirichlet(np.ones(2), size=n)
    return mdp, pi, np.einsum("sa,sat->st", pi, mdp.P)


def stationary(chain: np.ndarray) -> np.ndarray:
    n = len(chain)
    A = np.vstack((np.eye(n) - chain.T, np.ones(n)))
    return np.linalg.lstsq(A, np.append(np.zeros(n), 1.0), rcond=None)[0]


@pytest.mark.parametrize("seed", range(8))
def test_hitting_times_solve_their_equations(seed):
    """Seen failing: with the time at the targets 1; with the transposed chain."""
    mdp, pi, chain = random_chain(seed)
    found = hitting_times(mdp, pi, [1, 3])
    kept = [0, 2, 4]
    expected = np.zeros(5)
    expected[kept] = np.linalg.solve(np.eye(3) - chain[np.ix_(kept, kept)], np.ones(3))
    assert np.abs(found.value - expected).max() <= found.certificate.bound + 1e-10
    assert found.certificate.bound <= 1e-8


def test_what_may_be_missed_takes_forever():
    """Seen failing: with the expected time of those that arrive."""
    walk = problems.random_walk(3)
    pi = np.ones((5, 1))
    assert hitting_times(walk, pi, [4]).value.tolist() == [np.inf, np.inf, np.inf, np.inf, 0.0]
    np.testing.assert_allclose(hitting_times(walk, pi, [0, 4]).value, [0, 3, 4, 3, 0], atol=1e-9)


def test_absorption_is_the_gamblers_ruin():
    """Seen failing: with the classes exchanged."""
    found = absorption_probabilities(problems.random_walk(9), np.ones((11, 1)))
    np.testing.assert_allclose(found.value[:, 1], np.arange(11) / 10, atol=1e-12)
    np.testing.assert_allclose(found.value.sum(axis=1), 1, atol=2 * found.certificate.bound + 1e-12)


@pytest.mark.parametrize("distance", [0.25, 0.01])
@pytest.mark.parametrize("seed", range(6))
def test_mixing_time_is_that_of_a_loop(seed, distance):
    """Seen failing: with t for t + 1; with the L1 distance; with one start only."""
    mdp, pi, chain = random_chain(seed)
    w, power, t = stationary(chain), np.eye(5), 0
    while np.abs(power - w).sum(axis=1).max() / 2 > distance:
        power, t = power @ chain, t + 1
    found = mixing_time(mdp, pi, distance=distance)
    assert float(found) == t and found.certificate.bound == 0
    assert found.certificate.lower[0] == found.certificate.upper[0] == t


def test_mixing_times_at_the_ends():
    """Seen failing: with inf for the chain that is mixed at once; with 2**10 steps as a chain that
    does not mix."""
    one = MDP([[[1.0]]], [[0.0]], 0.5)
    assert float(mixing_time(one, [[1.0]])) == 0
    assert float(mixing_time(problems.two_cycle(), [[1.0], [1.0]])) == np.inf
    slow = MDP([[[1 - 1e-6, 1e-6]], [[1e-6, 1 - 1e-6]]], [0.0, 0.0], 0.5)
    expected = np.ceil(np.log(0.5) / np.log(1 - 2e-6))
    found = mixing_time(slow, [[1.0], [1.0]])
    assert found.certificate.lower[0] <= expected <= found.certificate.upper[0]


@pytest.mark.parametrize("seed", range(6))
def test_kemenys_constant_is_the_mean_of_hitting_times(seed):
    """Seen failing: with the trace plus 1; with the uniform law for the stationary one."""
    mdp, pi, chain = random_chain(seed)
    w = stationary(chain)
    times = np.stack([hitting_times(mdp, pi, [t]).value for t in range(5)], axis=1)
    found = kemeny_constant(mdp, pi)
    np.testing.assert_allclose(times @ w, float(found), rtol=1e-8)
    assert found.certificate.kind == "estimated"


def test_spectral_gaps():
    """Seen failing: with the second eigenvalue by size, not by absolute value."""
    lazy = MDP([[[0.9, 0.1]], [[0.1, 0.9]]], [0.0, 0.0], gamma=0.5)
    assert abs(float(spectral_gap(lazy, [[1.0], [1.0]])) - 0.2) <= 1e-12
    assert float(spectral_gap(problems.two_cycle(), [[1.0], [1.0]])) <= 1e-12
    assert float(spectral_gap(MDP([[[1.0]]], [[0.0]], 0.5), [[1.0]])) == 1


def test_bad_input():
    """Seen failing: each with its check taken out."""
    model, pi = problems.multichain(), np.eye(3)[[1, 1, 1]]
    for function in (mixing_time, kemeny_constant):
        with pytest.raises(ModelError, match="the chain has 2 recurrent classes: "):
            function(problems.weakly_communicating(), np.eye(2)[[0, 0, 0]])
    with pytest.raises(ModelError, match=r"distance is 1; it must be in \(0, 1\)"):
        mixing_time(model, pi, distance=1)
    with pytest.raises(ModelError, match="depends on time"):
        policy_chain(problems.model_win(horizon=2), np.full((2, 3, 2), 0.5))
