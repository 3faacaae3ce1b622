"""Gauss-Seidel sweeps with a triangular solve, beside NumPy's dense solver."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from mdptools.kernel import _resolvent
from mdptools.kernel._triangular import Triangular


def corridor(n_states, *, up, seed=0):
    """A walk that drifts to state 0, where it is left; names are shuffled."""
    index = np.arange(n_states)
    chain = np.zeros((n_states, n_states))
    chain[index[1:], index[:-1]] = 1 - up
    chain[index[:-1], index[1:]] += up
    chain[-1, -1] = up
    names = np.random.default_rng(seed).permutation(n_states)
    return csr_array(chain[np.ix_(names, names)])


@pytest.mark.parametrize("adjoint", [False, True])
def test_sweeps_solve_a_corridor(adjoint):
    """Seen failing: with the order of the numbers; with L for L'; with one sweep."""
    chain = corridor(300, up=0.05)
    matrix = csr_array(np.eye(300) - 0.999 * chain.toarray())
    b = np.random.default_rng(1).standard_normal(300)
    found = Triangular(matrix).solve(b, adjoint=adjoint)
    dense = matrix.toarray()
    exact = np.linalg.solve(dense.T if adjoint else dense, b)
    assert np.allclose(found, exact, rtol=1e-9, atol=1e-9 * np.abs(exact).max())


def test_what_does_not_get_on_says_so():
    """A fair walk takes too many sweeps, and a chain that is never left has no order.

    Seen failing: with x returned whatever is left; with the exits not asked for.
    """
    fair = corridor(3000, up=0.5)
    matrix = csr_array((np.ones(3000), (range(3000), range(3000)))) - fair
    assert Triangular(csr_array(matrix)).solve(np.ones(3000), adjoint=False) is None
    ring = csr_array(np.eye(4) - 0.9 * np.roll(np.eye(4), 1, axis=1))
    with pytest.raises(ArithmeticError, match="the chain is left nowhere"):
        Triangular(ring)


def test_large_components_that_are_left_need_no_lu(monkeypatch):
    """Seen failing: with `_swept` None."""
    monkeypatch.setattr(_resolvent, "SMALL", 10)
    monkeypatch.setattr(_resolvent, "LARGE", 10)
    monkeypatch.setattr(_resolvent, "_refined", None)
    monkeypatch.setattr(_resolvent.Resolvent, "_factor", None)
    chain = corridor(300, up=0.05)
    resolvent = _resolvent.Resolvent(chain, 0.999)
    for adjoint, solve in ((False, resolvent.solve), (True, resolvent.solve_adjoint)):
        dense = np.eye(300) - 0.999 * chain.toarray()
        exact = np.linalg.solve(dense.T if adjoint else dense, np.ones(300))
        assert np.allclose(solve(np.ones(300)), exact, rtol=1e-8)
