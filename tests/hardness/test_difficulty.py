"""Diameter, gaps, horizons and coverage against all policies of small models."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mdptools import MDP, ModelError, evaluate, problems, solve
from mdptools.hardness import (
    action_gaps,
    bias_span,
    concentrability,
    diameter,
    effective_horizon,
    hitting_times,
    mismatch,
    sum_of_inverse_gaps,
    truncation_horizon,
)


def deterministic(mdp: MDP) -> list[np.ndarray]:
    choices = [np.flatnonzero(row) for row in mdp.allowed]
    return [np.eye(mdp.n_actions)[list(actions)] for actions in itertools.product(*choices)]


@pytest.mark.parametrize("seed", range(5))
def test_the_diameter_is_the_best_of_all_policies(seed):
    """Seen failing: with the largest time over policies; with the mean over states."""
    mdp = problems.garnet(4, 2, 2, gamma=0.9, rng=seed)
    times = np.array(
        [[hitting_times(mdp, pi, [t]).value for t in range(4)] for pi in deterministic(mdp)]
    )
    found = diameter(mdp)
    expected = times.min(axis=0).max()
    assert float(found) == expected or abs(float(found) - expected) <= 1e-6 * expected


def test_diameters_with_a_formula():
    """Seen failing: with the diameter of the undirected graph."""
    assert float(diameter(problems.multichain())) == np.inf
    riverswim = diameter(problems.riverswim(4))
    assert riverswim.certificate.bound <= 1e-6
    # From the left to the right end: only swimming right gets there.
    right = np.eye(2)[[1, 1, 1, 1]]
    expected = hitting_times(problems.riverswim(4), right, [3]).value[0]
    assert abs(float(riverswim) - expected) <= 1e-8


def test_the_bias_of_a_cycle_spans_one_half():
    """Seen failing: with the maximum of |bias|."""
    assert abs(float(bias_span(problems.two_cycle())) - 0.5) <= 1e-12
    with pytest.raises(ModelError, match="bias_span serves the objective average"):
        bias_span(problems.small())


@pytest.mark.parametrize("seed", range(5))
def test_gaps_are_what_actions_cost(seed):
    """Seen failing: with Q - V; with refused pairs at 0."""
    mdp = problems.garnet(5, 3, 2, gamma=0.9, rng=seed)
    gaps = action_gaps(mdp)
    best = max((evaluate(mdp, pi).V for pi in deterministic(mdp)), key=lambda V: V.sum())
    Q = mdp.R + 0.9 * mdp.P @ best
    np.testing.assert_allclose(gaps.value, best[:, None] - Q, atol=1e-9)
    positive = gaps.value[gaps.value > 1e-9]
    total = sum_of_inverse_gaps(mdp)
    assert abs(float(total) - (1 / positive).sum()) <= total.certificate.bound + 1e-6


def test_gaps_of_a_finite_horizon_have_a_time_axis():
    """Seen failing: with V[1:] for V[:-1]."""
    mdp = problems.inventory()
    gaps = action_gaps(mdp).value
    assert gaps.shape == (3, 4, 4) and np.isinf(gaps[:, 3, 1]).all()
    found = solve(mdp)
    np.testing.assert_allclose(gaps, found.V[:-1, :, None] - found.Q, atol=1e-9)


def test_the_truncation_horizon_is_the_first_that_does():
    """Seen failing: with one step less; with the horizon 1 / (1 - gamma)."""
    mdp = problems.small(gamma=0.9)
    for error in (1e-6, 0.1, 50.0, 1e3):
        steps = truncation_horizon(mdp, error)
        left = 10.0 / (1 - 0.9)
        assert left * 0.9**steps <= error
        assert steps == 0 or left * 0.9 ** (steps - 1) > error
    with pytest.raises(ModelError, match="error is 0; it must be a number > 0"):
        truncation_horizon(mdp, 0)


def test_the_effective_horizon_counts_the_steps_of_a_trap():
    """Seen failing: with k - 1; with the greedy action of the first index for all of them.

    A sure small reward beats what a random walk on the long way is worth, for k steps.
    """
    for n in (2, 4, 6):
        mdp = problems.combination_lock(n, gamma=0.99)
        P, R = mdp.P.copy(), mdp.R.copy()
        R[0, 1] = 0.05  # to stay in front of the lock pays a little
        model = MDP(P, R, 0.99, mu=mdp.mu, terminal=mdp.terminal)
        k = effective_horizon(model)
        optimal = solve(model).optimal_actions
        Q = evaluate(model, np.full((n + 1, 2), 0.5)).Q
        for step in range(1, k + 1):
            greedy = Q >= Q.max(axis=1, keepdims=True) - 1e-9
            wrong = (greedy & ~optimal)[:n].any()
            assert wrong == (step < k)
            Q = model.R + 0.99 * model.P @ np.where(model.terminal, 0, Q.max(axis=1))
    assert effective_horizon(problems.line_world()) >= 1


@pytest.mark.parametrize("seed", range(4))
def test_concentrability_is_the_worst_of_all_policies(seed):
    """Seen failing: without 1 - gamma; with the law of states for that of pairs."""
    mdp = problems.garnet(4, 2, 2, gamma=0.8, rng=seed)
    law = np.random.default_rng(seed).dirichlet(np.ones(8)).reshape(4, 2)
    worst = max(float(concentrability(mdp, law, pi)) for pi in deterministic(mdp))
    found = concentrability(mdp, law)
    assert abs(float(found) - worst) <= found.certificate.bound + 1e-9 * worst
    pi = deterministic(mdp)[0]
    d = evaluate(mdp, pi).d
    assert abs(float(mismatch(mdp, pi)) - (d / mdp.mu).max()) <= 1e-9


def test_what_the_data_never_shows_is_infinite():
    """Seen failing: with 0 / 0 = inf."""
    mdp = problems.two_cycle(gamma=0.5)
    assert float(concentrability(mdp, [[1.0], [0.0]])) == np.inf
    start = MDP(mdp.P, mdp.R, 0.5, mu=[1.0, 0.0])
    assert float(mismatch(start, [[1.0], [1.0]])) == np.inf
    stuck = MDP(np.eye(2)[:, None], [2.0, 1.0], 0.5, mu=[1.0, 0.0])
    assert float(mismatch(stuck, [[1.0], [1.0]], [1.0, 0.0])) == 1  # what neither sees: 0 / 0
    with pytest.raises(ModelError, match=r"the law has shape \(2,\) .* it must be \(2, 1\)"):
        concentrability(mdp, [0.5, 0.5])
    with pytest.raises(ModelError, match="all policies needs gamma < 1"):
        concentrability(problems.improper(), np.full((3, 2), 1 / 6))
