"""Kernels: every product and every question, dense and sparse, beside loops over fractions."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import oracles
from mdptools import ModelError, kernel
from mdptools.arrays import readonly
from mdptools.kernel import _resolvent
from mdptools.testing.strategies import mdps, policies

KEEPERS = ("dense", "sparse")


@st.composite
def both_forms(draw, max_states=4):
    """A model, and its P dense and sparse; some rows are empty, some probabilities 1e-12."""
    mdp = draw(mdps(objective="discounted", sparse=False, max_states=max_states))
    stored, _ = kernel.as_kernel(sparse.csr_array(mdp.P.reshape(-1, mdp.n_states)))
    return mdp, {"dense": mdp.P, "sparse": stored}


def vectors(*shape):
    """Arrays of eighths: their products with P are rounded once or twice."""
    size = math.prod(shape)
    eighths = st.lists(st.integers(-80, 80), min_size=size, max_size=size)
    return eighths.map(lambda values: np.reshape(values, shape) / 8)


def pairs(mdp):
    """Every (s, a)."""
    return itertools.product(range(mdp.n_states), range(mdp.n_actions))


def dense(chain):
    """A chain as an array."""
    return chain if isinstance(chain, np.ndarray) else chain.toarray()


def close(x, exact):
    """Whether floats are exact ones, up to the round-off of a dozen operations on numbers < 100."""
    return oracles.largest_error(x, exact) < Fraction(1, 10**12)


# --- products -----------------------------------------------------------------------------------


@given(st.data())
def test_expect_is_a_sum_over_successors(data):
    """Seen failing: with P transposed in its last two axes; with the sparse rows a*S + s."""
    mdp, forms = data.draw(both_forms())
    V = data.draw(vectors(mdp.n_states))
    exact = [
        [sum(Fraction(p) * Fraction(v) for p, v in zip(row, V, strict=True)) for row in rows]
        for rows in mdp.P.tolist()
    ]
    for P in forms.values():
        assert kernel.expect(P, V).shape == (mdp.n_states, mdp.n_actions)
        assert close(kernel.expect(P, V), exact)
        assert close(kernel.expect(P, V * 1j).imag, exact)


@given(st.data())
def test_push_is_the_adjoint_of_expect(data):
    """Seen failing: with the mean over actions for the sum; with x transposed."""
    mdp, forms = data.draw(both_forms())
    x = data.draw(vectors(mdp.n_states, mdp.n_actions))
    V = data.draw(vectors(mdp.n_states))
    for P in forms.values():
        assert kernel.push(P, x).shape == (mdp.n_states,)
        assert kernel.push(P, x) @ V == pytest.approx((x * kernel.expect(P, V)).sum(), abs=1e-9)


@given(st.data())
def test_mix_is_the_chain_of_a_policy(data):
    """Seen failing: with pi of the next state; with the sparse weights in Fortran order."""
    mdp, forms = data.draw(both_forms())
    pi = data.draw(policies(mdp))
    exact = [
        [
            sum(Fraction(pi[s, a]) * Fraction(mdp.P[s, a, t]) for a in range(mdp.n_actions))
            for t in range(mdp.n_states)
        ]
        for s in range(mdp.n_states)
    ]
    for form, P in forms.items():
        chain = kernel.mix(P, pi)
        assert kernel.is_dense(chain) == (form == "dense")
        assert close(dense(chain), exact)


@given(st.data())
def test_pick_takes_one_row_of_each_state(data):
    """Seen failing: with rows a*S + s; with a view for the copy."""
    mdp, forms = data.draw(both_forms())
    pi = data.draw(policies(mdp, mixed=False))
    actions = pi.argmax(axis=1)
    rows = data.draw(st.lists(st.integers(0, mdp.n_states * mdp.n_actions - 1), max_size=5))
    for form, P in forms.items():
        chain = kernel.pick(P, actions)
        assert kernel.is_dense(chain) == (form == "dense")
        assert np.array_equal(dense(chain), mdp.P[np.arange(mdp.n_states), actions])
        taken = kernel.take(P, np.array(rows, dtype=int))
        assert np.array_equal(dense(taken), mdp.P.reshape(-1, mdp.n_states)[rows])
        assert not np.shares_memory(getattr(chain, "data", chain), getattr(P, "data", P))


@given(st.data())
def test_restrict_keeps_some_states(data):
    """Seen failing: with rows alone; with the complement."""
    mdp, forms = data.draw(both_forms())
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=4, max_size=4))[: mdp.n_states])
    states = np.flatnonzero(kept)
    for P in forms.values():
        chain = kernel.mix(P, mdp.allowed / mdp.allowed.sum(axis=1, keepdims=True))
        part = kernel.restrict(chain, kept)
        assert np.array_equal(dense(part), dense(chain)[states][:, states])


# --- what is possible ---------------------------------------------------------------------------


@given(both_forms())
def test_questions_about_the_support(case):
    """Seen failing: with counts of columns for rows; with the self-loop counted as leaving; with
    branches in column order; with probabilities below 1e-9 dropped."""
    mdp, forms = case
    rows = mdp.P.tolist()
    nonzero = [
        (s * mdp.n_actions + a, t, rows[s][a][t])
        for s, a in pairs(mdp)
        for t in range(mdp.n_states)
        if rows[s][a][t] != 0
    ]
    after = {(s, a): {t for t, p in enumerate(rows[s][a]) if p} for s, a in pairs(mdp)}
    shape = (mdp.n_states, mdp.n_actions)
    for form, P in forms.items():
        assert kernel.shape(P) == shape and kernel.is_dense(P) == (form == "dense")
        found = kernel.branches(P)
        assert list(zip(*(x.tolist() for x in found), strict=True)) == nonzero
        pattern = kernel.support(P)
        assert np.array_equal(pattern.toarray(), mdp.P.reshape(-1, mdp.n_states) != 0)
        assert set(pattern.data.tolist()) <= {1.0} and pattern.has_sorted_indices
        lengths = np.reshape([len(after[pair]) for pair in pairs(mdp)], shape)
        assert np.array_equal(kernel.row_lengths(P), lengths)
        stay = np.reshape([after[s, a] <= {s} for s, a in pairs(mdp)], shape)
        assert np.array_equal(kernel.stays(P), stay)
        assert np.abs(kernel.row_sums(P) - mdp.P.sum(axis=2)).max() <= 2**-50


@pytest.mark.parametrize("form", KEEPERS)
def test_the_smallest_probability_counts(form):
    """Seen failing: with `> 1e-200` in support."""
    P = np.array([[[1.0, 1e-300]], [[0.0, 1.0]]])
    P, _ = kernel.as_kernel(P if form == "dense" else sparse.csr_array(P.reshape(-1, 2)))
    assert kernel.support(P).nnz == 3
    assert kernel.stays(P).tolist() == [[False], [True]]


@given(st.data())
def test_column_length_is_the_largest_number_of_predecessors(data):
    """Seen failing: with the rows counted."""
    mdp, forms = data.draw(both_forms())
    pi = data.draw(policies(mdp, mixed=False))
    for P in forms.values():
        chain = kernel.mix(P, pi)
        assert kernel.column_length(chain) == max((dense(chain) != 0).sum(axis=0))


# --- what is kept -------------------------------------------------------------------------------


def test_every_sparse_format_becomes_the_same_kernel():
    """Seen failing: without sum_duplicates; without eliminate_zeros; with readonly left out."""
    P = np.array([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0], [0.25, 0.75]])
    wanted, _ = kernel.as_kernel(sparse.csr_array(P))
    row, col = [3, 3, 3, 2, 1, 0, 1, 0], [1, 0, 1, 0, 1, 1, 0, 0]
    parts = [0.5, 0.25, 0.25, 1.0, 0.5, 1.0, 0.5, 0.0]
    messy = sparse.coo_array((parts, (row, col)), shape=(4, 2))
    unsorted = sparse.csr_array(
        ([1, 0.5, 0.5, 1, 0.75, 0.25], [1, 1, 0, 0, 1, 0], [0, 1, 3, 4, 6]), shape=(4, 2)
    )
    for given_P in (
        messy,
        unsorted,
        sparse.csc_array(P),
        sparse.csr_matrix(P),
        sparse.lil_array(P),
    ):
        stored, _ = kernel.as_kernel(given_P)
        assert kernel.same(stored, wanted)
        assert not (stored.data.flags.writeable or stored.indices.flags.writeable)
        assert not stored.indptr.flags.writeable


def test_writeable_arrays_are_copied_and_frozen_ones_are_not():
    """Seen failing: with the frozen copied too; with the writeable kept; with the object that was
    handed in kept, and not its arrays alone."""
    P = np.array([[[0.5, 0.5]], [[0.0, 1.0]]])
    kept, _ = kernel.as_kernel(P)
    assert not np.shares_memory(kept, P) and not kept.flags.writeable
    assert kernel.as_kernel(kept)[0] is kept
    assert not np.shares_memory(kernel.as_kernel(readonly(P[:]))[0], P)
    S = sparse.csr_array(P.reshape(-1, 2))
    stored, _ = kernel.as_kernel(S)
    assert not np.shares_memory(stored.data, S.data)
    again, _ = kernel.as_kernel(stored)
    assert again is not stored and np.shares_memory(again.data, stored.data)
    assert np.shares_memory(again.indices, stored.indices)
    for name in ("data", "indices", "indptr"):
        assert not getattr(again, name).flags.writeable
    messy = sparse.csr_array(([0.5, 0.5, 1.0, 0.0], [0, 0, 1, 0], [0, 2, 4]), shape=(2, 2))
    for part in (messy.data, messy.indices, messy.indptr):
        readonly(part)
    assert kernel.as_kernel(messy)[0].nnz == 2  # read-only, but not yet in order


def test_the_precision_is_that_of_the_type_in_which_p_came():
    """Seen failing: with EPS for every type."""
    for form in (lambda x: x, lambda x: sparse.csr_array(x[:, 0])):
        eps = [kernel.as_kernel(form(np.eye(2, dtype=t)[:, None]))[1] for t in ("f4", "f8", "i8")]
        assert eps == [2**-23, 2**-52, 2**-52]


@pytest.mark.parametrize(
    ("P", "message"),
    [
        (np.ones((2, 2)), r"^P has shape \(2, 2\); it must be \(S, A, S\).*from_action_matrices"),
        (np.ones((2, 3, 3)), r"^P has shape \(2, 3, 3\); it must be \(S, A, S\)"),
        (np.ones((2, 0, 2)), r"^P has shape \(2, 0, 2\)"),
        (np.ones((0, 1, 0)), r"^P has shape \(0, 1, 0\)"),
        ([[[1.0]], [[0.5, 0.5]]], r"^P is no array of real numbers"),
        (np.ones((1, 1, 1), complex), r"^P is no array of real numbers: their type is complex128"),
        (sparse.csr_array(np.ones((3, 2))), r"^P is sparse with shape \(3, 2\); .*multiple"),
        (sparse.csr_array((0, 2)), r"^P is sparse with shape \(0, 2\)"),
        (sparse.csr_array([[1j]]), r"^P is no array of real numbers: their type is complex128"),
    ],
)
def test_what_is_no_kernel(P, message):
    """Seen failing: without `0 in raw.shape`; without the question of the kind; with np.asarray
    for as_numbers."""
    with pytest.raises(ModelError, match=message):
        kernel.as_kernel(P)


@pytest.mark.parametrize("form", KEEPERS)
@pytest.mark.parametrize("bad", [-0.25, math.nan, math.inf])
def test_the_first_entry_that_is_no_probability_is_named(form, bad):
    """Seen failing: with `(P < 0).any()`, which lets nan pass; without the upper bound; with the
    names of state and action exchanged."""
    P = np.zeros((3, 2, 3))
    P[:, :, 0] = 1.0
    P[1, 1, 2] = P[2, 0, 1] = bad
    P, _ = kernel.as_kernel(P if form == "dense" else sparse.csr_array(P.reshape(-1, 3)))
    message = (
        rf"^P\[1, 1, 2\] is {bad:g}: the probability of going from state s1 to s2 under action a1 "
        rf"must be a number between 0 and 1\.$"
    )
    with pytest.raises(ModelError, match=message):
        kernel.check_entries(P, "s{}".format, "a{}".format)


@given(st.data())
def test_rows_are_emptied_and_divided(data):
    """Seen failing: with `allowed` negated; with the sums of the wrong rows; with a division by
    zero in empty rows."""
    mdp, forms = data.draw(both_forms())
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=12, max_size=12)))
    mask = mask[: mdp.n_states * mdp.n_actions].reshape(mdp.n_states, mdp.n_actions)
    sums = np.where(mask, 2.0 ** np.arange(mask.size).reshape(mask.shape), 0.0)
    for P in forms.values():
        cleared = kernel.clear_rows(P, mask)
        table = dense(cleared).reshape(mdp.P.shape)
        assert np.array_equal(table, np.where(mask[:, :, None], mdp.P, 0.0))
        assert (cleared is P) == (not mdp.P[~mask].any())
        halves = dense(kernel.divide_rows(P, sums)).reshape(mdp.P.shape)
        assert np.array_equal(halves, mdp.P / np.where(mask, sums, 1.0)[:, :, None])
        for kept in (cleared, kernel.divide_rows(P, sums)):
            numbers = kept if isinstance(kept, np.ndarray) else kept.data
            assert not numbers.flags.writeable
            assert kernel.row_lengths(kept).sum() == np.count_nonzero(numbers)


def test_same_and_code():
    """Seen failing: with the columns left out of `same`; with the shape left out of `code`."""
    P = np.array([[0.5, 0.5, 0.0], [0.1, 0.9, 0.0], [1.0, 0.0, 0.0]])
    others = [P[:, [0, 2, 1]], P[[1, 0, 2]], np.eye(3)]
    stored = [kernel.as_kernel(sparse.csr_array(x))[0] for x in (P, P, *others)]
    tables = [kernel.as_kernel(x[:, None])[0] for x in (P, P, *others)]
    for forms in (stored, tables):
        assert [kernel.same(forms[0], other) for other in forms[1:]] == [True] + [False] * 3
        made = eval(kernel.code(forms[0]), {"csr_array": sparse.csr_array})
        assert kernel.same(kernel.as_kernel(made)[0], forms[0])
    assert not kernel.same(stored[0], tables[0]) and not kernel.same(tables[0], stored[0])


# --- the inverse --------------------------------------------------------------------------------


@given(st.data())
def test_the_resolvent_solves_both_ways(data):
    """Seen failing: with solve and solve_adjoint exchanged (dense; sparse); with gamma squared."""
    mdp, forms = data.draw(both_forms())
    pi = data.draw(policies(mdp))
    b = data.draw(vectors(mdp.n_states))
    gamma = data.draw(st.sampled_from([0.0, 0.5, 0.9]))
    for P in forms.values():
        chain = kernel.mix(P, pi)
        matrix = [
            [Fraction(int(s == t)) - Fraction(gamma) * Fraction(p) for t, p in enumerate(row)]
            for s, row in enumerate(dense(chain).tolist())
        ]
        right = [[Fraction(x)] for x in b]
        values = [x for (x,) in oracles.solve_exact(matrix, right)]
        transposed = [list(column) for column in zip(*matrix, strict=True)]
        visits = [x for (x,) in oracles.solve_exact(transposed, right)]
        inverse = kernel.Resolvent(chain, gamma)
        assert close(inverse.solve(b), values)
        assert close(inverse.solve_adjoint(b), visits)


@pytest.mark.parametrize("form", KEEPERS)
def test_a_singular_matrix_is_an_arithmetic_error(form):
    """Seen failing: without the question about `info` (dense); with RuntimeError let through."""
    chain = np.eye(2) if form == "dense" else sparse.csr_array(np.eye(2))
    with pytest.raises(ArithmeticError, match="singular in float64"):
        kernel.Resolvent(chain, 1.0)


@pytest.mark.parametrize("adjoint", [False, True])
def test_large_sparse_systems_are_iterated_on(monkeypatch, adjoint):
    """GMRES where it converges: the same answer as the LU of the dense chain, and no LU at all.

    Seen failing: with one round of five digits; with the matrix for its transpose.
    """
    monkeypatch.setattr(_resolvent, "LARGE", 10)
    rng = np.random.default_rng(0)
    chain = rng.dirichlet(np.ones(60), 60)
    sparse_chain = sparse.csr_array(chain)
    b = rng.normal(size=60)
    resolvent = kernel.Resolvent(sparse_chain, 0.99)
    monkeypatch.setattr(kernel.Resolvent, "_factor", None)  # an LU would be an error
    found = resolvent.solve_adjoint(b) if adjoint else resolvent.solve(b)
    matrix = np.eye(60) - 0.99 * chain
    truth = np.linalg.solve(matrix.T if adjoint else matrix, b)
    assert np.abs(found - truth).max() <= 1e-11 * np.abs(truth).max()


def test_where_iterating_does_not_get_on_there_is_an_lu(monkeypatch):
    """A fair walk of 3,000 states: its expected time is 2e6, and GMRES is lost.

    Seen failing: with GMRES's last iterate given out.
    """
    monkeypatch.setattr(_resolvent, "LARGE", 10)
    n = 3000
    walk = sparse.csr_array(sparse.diags([np.full(n - 1, 0.5)] * 2, [-1, 1]))
    time = kernel.Resolvent(walk, 1.0).solve(np.ones(n))
    i = np.arange(1, n + 1)
    assert np.abs(time / (i * (n + 1.0 - i)) - 1).max() <= 1e-9
