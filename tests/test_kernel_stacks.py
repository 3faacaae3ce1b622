"""Products with many vectors against one at a time."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from mdptools import kernel


@pytest.mark.parametrize("sparse", [False, True])
def test_stacks_are_what_single_products_are(sparse):
    """Seen failing: actions before states, in each of the three."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(5), (5, 3))
    P[P < 0.1] = 0
    if sparse:
        P = csr_array(P.reshape(15, 5))
    V, x, pi = rng.normal(size=(5, 4)), rng.normal(size=(5, 3, 4)), rng.random((6, 5, 3))
    ahead, back, chains = (
        kernel.expect_each(P, V),
        kernel.push_each(P, x),
        kernel.mix_each(P, pi),
    )
    assert ahead.shape == (5, 3, 4) and back.shape == (5, 4) and chains.shape == (6, 5, 5)
    for k in range(4):
        assert ahead[:, :, k] == pytest.approx(kernel.expect(P, V[:, k]))
        assert back[:, k] == pytest.approx(kernel.push(P, x[:, :, k]))
    for n in range(6):
        assert chains[n] == pytest.approx(kernel.to_dense(kernel.mix(P, pi[n])))


def test_kernels_of_one_shape_are_one_array():
    """Seen failing: with actions before states."""
    P = np.random.default_rng(1).dirichlet(np.ones(4), (4, 3))
    Q = np.random.default_rng(2).dirichlet(np.ones(4), (4, 3))
    stacked = kernel.tensors([P, csr_array(Q.reshape(12, 4))])
    np.testing.assert_array_equal(stacked, [P, Q])
    assert stacked.base is not P


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("large", [0, 10_000])
def test_a_resolvent_solves_for_many_columns(sparse, large, monkeypatch):
    """Dense, sparse, and iterated on. Seen failing: GMRES given a matrix."""
    from mdptools.kernel import _resolvent

    monkeypatch.setattr(_resolvent, "LARGE", large)
    monkeypatch.setattr(_resolvent, "SMALL", 0 if large == 0 else 500)
    rng = np.random.default_rng(0)
    chain = rng.dirichlet(np.ones(20), 20)
    found = kernel.Resolvent(csr_array(chain) if sparse else chain, 0.9)
    b = rng.normal(size=(20, 3))
    system = np.eye(20) - 0.9 * chain
    assert found.solve(b) == pytest.approx(np.linalg.solve(system, b), rel=1e-8)
    assert found.solve_adjoint(b) == pytest.approx(np.linalg.solve(system.T, b), rel=1e-8)
