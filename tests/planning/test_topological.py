"""Topological value iteration: components alone, components together, and long lines."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from mdptools import MDP, ConvergenceError, kernel, topological_value_iteration
from mdptools.planning import _topological
from mdptools.problems import garnet
from mdptools.testing.strategies import mdps
from properties import Case, assert_right


def layered(n_layers, width, *, size=1, seed=0, sparse=True):
    """Components of ``size`` states, each pair also leads to the next layer."""
    rng = np.random.default_rng(seed)
    n_states = n_layers * width * size
    P = np.zeros((n_states, 2, n_states))
    for s in range(n_states):
        layer, first = s // (width * size), s - s % size
        for a in range(2):
            inside = first + (s + 1 + a) % size
            beyond = (layer + 1) * width * size + rng.integers(width * size)
            P[s, a, inside if layer == n_layers - 1 else beyond] += 0.25
            P[s, a, inside] += 0.75
    R = rng.standard_normal((n_states, 2))
    return MDP(csr_array(P.reshape(-1, n_states)) if sparse else P, R, 0.99)


def assert_fits(mdp, solution):
    """V = max_a R + gamma P V up to the bound."""
    best = (mdp.R + mdp.gamma * kernel.expect(mdp.P, solution.V)).max(axis=1)
    assert np.abs(best - solution.V).max() <= 2 * solution.certificate.bound


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("sparse", [False, True])
def test_one_pass_is_enough(size, sparse):
    """One look at the start and one at the end, whatever V0 is; loops are solved for.

    Seen failing: with the levels in the other order; with V0 kept in the backup of a level; with
    `_speed` None.
    """
    mdp = layered(6, 4, size=size, sparse=sparse)
    for V0 in (None, np.arange(mdp.n_states) * 1e3):
        solution = topological_value_iteration(mdp, tol=1e-9, V0=V0)
        assert solution.sweeps == 2 and solution.certificate.bound <= 1e-9
        assert_fits(mdp, solution)


@pytest.mark.parametrize("sparse", [False, True])
def test_large_components_are_swept(sparse, monkeypatch):
    """With ways out and without.

    Seen failing: with the sweeps left out; with no shift in closed components.
    """
    monkeypatch.setattr(_topological, "SMALL_DENSE", 0)
    monkeypatch.setattr(_topological, "SMALL_SPARSE", 0)
    mdp = layered(3, 2, size=5, sparse=sparse)
    solution = topological_value_iteration(mdp, tol=1e-6, max_sweeps=3)
    assert_fits(mdp, solution)
    monkeypatch.setattr(_topological, "SWEEPS", 60)
    closed = garnet(40, 3, 5, gamma=0.999, rng=0, sparse=sparse)
    solution = topological_value_iteration(closed, tol=1e-6, max_sweeps=3)
    assert_fits(closed, solution)


@settings(max_examples=60)
@given(mdp=mdps(objective="discounted", max_gamma=0.9), relative=st.sampled_from((1.0, 1e-6)))
def test_swept_components_are_right(mdp, relative):
    """Every component by sweeps, none by linear solves.

    Seen failing: with terminal states updated; with the components of a level left as they are.
    """
    case = Case(mdp)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_topological, "SMALL_DENSE", 0)
        patch.setattr(_topological, "SMALL_SPARSE", 0)
        solution = topological_value_iteration(mdp, tol=relative * case.scale)
    assert_right(case, solution)


@pytest.mark.parametrize("broken", ["raises", "is nan"])
def test_a_linear_solve_that_fails_does_no_harm(broken, monkeypatch):
    """Sweeps go on from there.

    Seen failing: with the ArithmeticError let through; with a V of nan kept.
    """

    class Broken:
        def __init__(self, chain, gamma):
            if broken == "raises":
                raise ArithmeticError("singular")

        def solve(self, b):
            return b * np.nan

    monkeypatch.setattr(kernel, "Resolvent", Broken)
    mdp = layered(3, 2, size=3)
    assert_fits(mdp, topological_value_iteration(mdp, tol=1e-6))


def test_a_long_line_takes_one_pass():
    """Twenty thousand levels of one state, two of which are skipped by some.

    Seen failing: with `_few` summing one row too few.
    """
    n_states = 20_000
    states = np.arange(n_states)
    target = np.minimum(np.stack([states + 1, states + 3], axis=1), n_states - 1).reshape(-1)
    P = csr_array((np.ones(2 * n_states), target, np.arange(2 * n_states + 1)))
    R = np.random.default_rng(0).random((n_states, 2))
    R[-1] = 0.0
    mdp = MDP(P, R, 0.999)
    solution = topological_value_iteration(mdp)
    assert solution.sweeps == 2
    V = np.zeros(n_states + 1)
    for s in range(n_states - 2, -1, -1):
        V[s] = max(R[s, a] + 0.999 * V[min(s + 1 + 2 * a, n_states - 1)] for a in (0, 1))
    assert np.abs(V[:-1] - solution.V).max() <= solution.certificate.bound + 1e-10


def test_too_few_passes_are_an_error_with_an_answer():
    """Seen failing: with the last iterate returned in silence."""
    mdp = layered(2, 2, size=1, sparse=False)
    with pytest.raises(ConvergenceError, match="max_sweeps = 1 were not enough") as caught:
        topological_value_iteration(mdp, tol=1e-6, max_sweeps=1)
    assert_right(Case(mdp), caught.value.solution)
