"""Many models at once, beside exact fractions and beside one at a time."""

import numpy as np
import pytest

import oracles
from mdptools import MDP, ConvergenceError, ModelError, solve, solve_batch
from mdptools.planning import _batch


def stack(seed, n=40, n_states=4, n_actions=3):
    """Dense, sparse and deterministic rows; rewards from 1e-6 to 1e6; a tie in every model."""
    rng = np.random.default_rng(seed)
    P = rng.dirichlet(np.full(n_states, 0.5), (n, n_states, n_actions))
    P[: n // 4] = np.eye(n_states)[rng.integers(n_states, size=(n // 4, n_states, n_actions))]
    R = rng.normal(size=(n, n_states, n_actions)) * 10.0 ** rng.integers(-6, 7, (n, 1, 1))
    P[:, 0, 1], R[:, 0, 1] = P[:, 0, 0], R[:, 0, 0]
    return P, R


@pytest.mark.parametrize("gamma", [0.0, 0.5, 0.99, 0.9999])
def test_every_bound_covers_the_true_error(gamma):
    """Both truths: the stored floats, and rows that sum to one exactly.

    Seen failing: without 1 / (1 - gamma); with one model's bound for all; with the answers of
    models that are done later in the place of those that are done.
    """
    P, R = stack(int(gamma * 100))
    found = solve_batch(P, R, gamma)
    for i in range(len(P)):
        mdp = MDP(P[i], R[i], gamma)
        for normalised in (False, True):
            best = oracles.optimum(mdp, normalise_rows=normalised)
            assert oracles.largest_error(found.V[i], best.V) <= found.bound[i]
        assert np.array_equal(found.V[i], found.Q[i].max(axis=1))
        alone = solve(mdp)
        assert found.bound[i] <= 20 * alone.certificate.bound
        taken = alone.optimal_actions[np.arange(4), found.actions[i]]
        assert taken.all()


def test_chunks_and_discounts_do_not_mix(monkeypatch):
    """One gamma for each model, and chunks of two models: the answers of one at a time.

    Seen failing: with the first chunk's discounts for all; with the first models' discounts for
    those that are left.
    """
    P, R = stack(7, n=60)
    gamma = np.linspace(0.1, 0.99, 60)
    whole = solve_batch(P, R, gamma)
    monkeypatch.setattr(_batch, "CHUNK", 2 * 4 * 3 * 4)
    parts = solve_batch(P, R, gamma)
    assert np.array_equal(whole.V, parts.V) and np.array_equal(whole.sweeps, parts.sweeps)
    assert whole.sweeps.max() > 1
    for i in range(60):
        alone = solve(MDP(P[i], R[i], gamma[i]))
        assert np.abs(alone.V - whole.V[i]).max() <= alone.certificate.bound + whole.bound[i]


def test_rewards_of_states_and_one_gamma():
    """Seen failing: R (N, S) broadcast over states instead of actions."""
    P, _ = stack(1, n=3)
    R = np.arange(12.0).reshape(3, 4)
    table = np.repeat(R[:, :, None], 3, axis=2)
    assert np.array_equal(solve_batch(P, R, 0.9).V, solve_batch(P, table, 0.9).V)


def test_a_tolerance_that_cannot_be_met_loses_nothing():
    """Seen failing: without the check; with the worst model's number wrong."""
    P, R = stack(2)
    with pytest.raises(ConvergenceError, match=r"model \d+ has a bound of .*, above the") as caught:
        solve_batch(P, R, 0.99, tol=1e-30)
    assert caught.value.solution.V.shape == (40, 4)
    assert caught.value.floor == caught.value.solution.bound.max()
    with pytest.raises(ConvergenceError, match="unless max_iterations were used up"):
        solve_batch(P, R, 0.99, tol=1e-9, max_iterations=1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"P": np.ones((2, 3))}, r"P has shape \(2, 3\); it must be \(N, S, A, S\)"),
        ({"P": -np.ones((1, 1, 1, 1))}, r"P\[0, 0, 0, 0\] is -1: a probability must be >= 0"),
        ({"P": np.full((2, 1, 1, 1), 0.9)}, r"P\[0, 0, 0\] is off one by 0.1 .* model 0"),
        ({"R": np.zeros(3)}, r"R has shape \(3,\); it must be \(N, S, A\) = \(2, 1, 1\)"),
        ({"R": np.full((2, 1), np.nan)}, "and finite"),
        ({"gamma": 1.0}, r"it must be one number in \[0, 1\), or N of them"),
        ({"gamma": [0.5, np.nan]}, r"it must be one number in \[0, 1\), or N of them"),
    ],
)
def test_bad_input_is_named(change, message):
    """Seen failing: each without its check."""
    good = {"P": np.ones((2, 1, 1, 1)), "R": np.zeros((2, 1)), "gamma": 0.5}
    with pytest.raises(ModelError, match=message):
        solve_batch(**(good | change))
