"""Parts of a kernel: classes of states, some states, columns, and states that keep who comes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mdptools import kernel
from mdptools.testing.strategies import mdps

EIGHTHS = 2.0**-50  # sums of a few probabilities, in whatever order


@st.composite
def both_forms(draw):
    """P dense and sparse, as they are kept."""
    mdp = draw(mdps(objective="discounted", sparse=False, max_states=5))
    stored, _ = kernel.as_kernel(sparse.csr_array(mdp.P.reshape(-1, mdp.n_states)))
    return mdp, (mdp.P, stored)


def dense(matrix):
    return matrix if isinstance(matrix, np.ndarray) else matrix.toarray()


@given(both_forms(), st.data())
def test_entries_of_one_class_add_up(case, data):
    """Seen failing: with the first state of a class for all; with label -1 for the last class."""
    mdp, forms = case
    labels = np.array(data.draw(st.lists(st.integers(-1, 2), min_size=mdp.n_states, max_size=5)))
    labels = labels[: mdp.n_states]
    rows = np.array(data.draw(st.lists(st.integers(0, mdp.R.size - 1), min_size=1)))
    for P in forms:
        lumped = dense(kernel.lump(P, rows, labels, 3))
        for i, row in enumerate(rows):
            for label in range(3):
                members = mdp.P[row // mdp.n_actions, row % mdp.n_actions, labels == label]
                assert abs(lumped[i, label] - members.sum()) <= EIGHTHS


@given(both_forms(), st.data())
def test_among_some_states(case, data):
    """Seen failing: with the rows of all states; with the columns in another order."""
    mdp, forms = case
    states = np.flatnonzero(
        data.draw(st.lists(st.booleans(), min_size=mdp.n_states, max_size=mdp.n_states))
    )
    for P in forms:
        part = kernel.among(P, states) if len(states) else None
        if part is None:
            continue
        assert kernel.shape(part) == (len(states), mdp.n_actions)
        expected = mdp.P[np.ix_(states, np.arange(mdp.n_actions), states)]
        assert (dense(part).reshape(expected.shape) == expected).all()


@given(both_forms(), st.data())
def test_columns_that_are_kept(case, data):
    """Seen failing: with the rows kept instead."""
    mdp, forms = case
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=5, max_size=5)))[: mdp.n_states]
    for P in forms:
        chain = kernel.pick(P, np.zeros(mdp.n_states, dtype=int))
        assert (dense(kernel.columns(chain, kept)) == mdp.P[:, 0, kept]).all()


@pytest.mark.parametrize("form", [0, 1])
def test_absorbing_states_keep_who_comes(form):
    """Seen failing: with the old successors left beside the loop; with one action alone changed."""
    P = np.zeros((3, 2, 3))
    P[0, 0, [1, 2]] = P[1, 1, [0, 1]] = 0.5
    P[0, 1, 0] = P[1, 0, 2] = P[2, :, 0] = 1
    kept = [P, kernel.as_kernel(sparse.csr_array(P.reshape(6, 3)))[0]][form]
    changed = kernel.absorb(kept, np.array([False, True, True]))
    assert dense(changed).reshape(P.shape).tolist() == [
        [[0, 0.5, 0.5], [1, 0, 0]],
        [[0, 1, 0], [0, 1, 0]],
        [[0, 0, 1], [0, 0, 1]],
    ]
    assert (dense(kept).reshape(P.shape) == P).all()
    assert kernel.is_dense(changed) == (form == 0)


def test_components_are_factored_in_their_order():
    """600 states that lead on, one by one or two by two: the LU needs no room for more.

    Seen failing: with the order of the solution not undone; with the transposed system solved.
    """
    n = 600
    rng = np.random.default_rng(3)
    on = np.arange(n - 1)
    back = np.arange(1, n, 2)
    chain = sparse.csr_array(
        (np.full(len(on) + len(back), 0.5), (np.r_[on, back], np.r_[on + 1, back - 1])), (n, n)
    )
    shuffled = rng.permutation(n)
    chain = sparse.csr_array(chain[shuffled][:, shuffled])
    resolvent = kernel.Resolvent(chain, 0.9)
    b = rng.normal(size=n)
    matrix = np.eye(n) - 0.9 * chain.toarray()
    assert np.abs(matrix @ resolvent.solve(b) - b).max() <= 1e-13
    assert np.abs(matrix.T @ resolvent.solve_adjoint(b) - b).max() <= 1e-13
