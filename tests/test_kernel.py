"""Kernels: every product and every question, dense and sparse, beside loops over fractions."""

import itertools
import math
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import oracles
from mdptools import ModelError, kernel
from mdptools.arrays import readonly
from mdptools.kernel import _follower, _products, _resolvent, _threads
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


# --- large products -----------------------------------------------------------------------------


@contextmanager
def in_blocks(size, threads="2"):
    """As if every sparse kernel were large, in blocks of so many entries."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_products, "MANY", 1)
        patch.setattr(_products, "BLOCK", size)
        patch.setenv("OMP_NUM_THREADS", threads)
        yield


@given(st.data(), st.integers(1, 40), st.sampled_from("123"))
def test_blocks_and_threads_do_not_change_a_bit(data, size, threads):
    """Seen failing: with the rows of a block shifted by one; without the last block; with the real
    part alone."""
    mdp, forms = data.draw(both_forms())
    V = data.draw(vectors(mdp.n_states)) / 3
    for P in forms.values():
        chain = kernel.mix(P, mdp.allowed / mdp.allowed.sum(axis=1, keepdims=True))
        for x in (V, V * (1 + 2j)):
            whole, walked = kernel.expect(P, x), kernel.step(chain, x)
            parts = np.full(whole.shape, np.nan, dtype=whole.dtype)
            seen = np.zeros(mdp.n_states, dtype=int)

            def use(begin, end, part, parts=parts, seen=seen):
                parts[begin:end] = part
                seen[begin:end] += 1

            with in_blocks(size, threads):
                assert kernel.expect(P, x).tobytes() == whole.tobytes()
                assert kernel.step(chain, x).tobytes() == walked.tobytes()
                kernel.expect_in_blocks(P, x, use)
            assert parts.tobytes() == whole.tobytes() and (seen == 1).all()
            assert np.abs(walked - dense(chain) @ x).max() <= 1e-13


def test_large_products_are_done_in_several_threads(monkeypatch):
    """As many as there are to be, and no more than there are blocks; small ones in one.

    Two wait for each other, so neither can have done all. Seen failing: with one helper less; with
    a helper for each block; with as many helpers as threads.
    """
    P, V, names, pools = sparse.csr_array(np.eye(6)), np.arange(6.0), set(), []
    before, together = threading.active_count(), threading.Barrier(2, timeout=20)

    class Pool(ThreadPoolExecutor):
        def __init__(self, size):
            pools.append(size)
            super().__init__(size)

    def use(begin, end, part):
        names.add(threading.get_ident())
        if begin < 2:
            together.wait()

    monkeypatch.setattr("concurrent.futures.ThreadPoolExecutor", Pool)
    monkeypatch.setattr(_threads, "workers", lambda: 2)
    with in_blocks(1):
        kernel.expect_in_blocks(P, V, use)
    assert len(names) == 2 and pools == [1]
    monkeypatch.setattr(_threads, "workers", lambda: 9)
    with in_blocks(2):
        kernel.expect(P, V)
    assert pools == [1, 2]
    names.clear()
    together = threading.Barrier(1)
    kernel.expect_in_blocks(P, V, use)
    assert names == {threading.get_ident()} and pools == [1, 2]
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("said", "processors", "used"),
    [
        (None, 4, 4),
        ("", 4, 4),
        ("2", 4, 2),
        (" 3,2 ", 4, 3),
        ("0", 4, 4),
        ("-1", 4, 4),
        ("many", 4, 4),
        ("9", 4, 4),
        (None, 64, 8),
        ("1", 64, 1),
    ],
)
def test_how_many_threads(monkeypatch, said, processors, used):
    """Seen failing: without the processors' number; without the environment's; with its first
    number read as a whole; without the largest number that makes sense."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(processors)), raising=False)
    if said is None:
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    else:
        monkeypatch.setenv("OMP_NUM_THREADS", said)
    assert kernel.workers() == used
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert kernel.workers() == 1


@pytest.mark.parametrize("where", ["here", "there"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, ZeroDivisionError])
def test_what_a_block_raises_comes_out(monkeypatch, where, error):
    """From whichever thread, when no other is at work any more; and the next product is as usual.

    Seen failing: without `helper.result()`; with `_FIRST` not released.
    """
    monkeypatch.setattr(_threads, "workers", lambda: 2)
    me, busy = threading.get_ident(), []
    together = threading.Barrier(2, timeout=20)

    def work(begin, end):
        busy.append(begin)
        if begin < 2:
            together.wait()  # both threads have come so far
            if (threading.get_ident() == me) == (where == "here"):
                raise error
        busy.remove(begin)

    with pytest.raises(error):
        _threads.each(work, 10, 1)
    assert len(busy) == 1 and not _threads._FIRST.locked()
    done = []
    _threads.each(lambda begin, end: done.append((begin, end)), 5, 2)
    assert sorted(done) == [(0, 2), (2, 4), (4, 5)]


def test_blocks_within_blocks_and_without_threads(monkeypatch):
    """Who comes while another has helpers does alone; so does who gets no thread at all.

    Seen failing: with a lock that is waited for; without `suppress`.
    """
    monkeypatch.setattr(_threads, "workers", lambda: 3)
    done, lock, first = [], threading.Lock(), threading.Lock()

    class Impatient:
        release = first.release

        def acquire(self, blocking=True, timeout=-1):
            assert not blocking, "this could wait for itself"
            return first.acquire(blocking=False)

    monkeypatch.setattr(_threads, "_FIRST", Impatient())

    def inner(begin, end):
        with lock:
            done.append(begin)

    _threads.each(lambda begin, end: _threads.each(inner, 4, 1), 3, 1)
    assert sorted(done) == sorted([0, 1, 2, 3] * 3)

    def none(self):
        raise RuntimeError("can't start new thread")

    done.clear()
    monkeypatch.setattr(threading.Thread, "start", none)
    _threads.each(inner, 4, 1)
    assert sorted(done) == [0, 1, 2, 3]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_of_a_fork_can_multiply(monkeypatch):
    """After a product of its parent, and in the middle of one.

    Seen failing: with a pool that is kept (its threads do not exist in the child); with a lock that
    is waited for (nobody releases it in the child).
    """
    P, V = sparse.csr_array(np.eye(8)), np.arange(8.0)
    monkeypatch.setattr(_threads, "workers", lambda: 2)

    def fork():
        child = os.fork()
        if child == 0:
            signal.alarm(5)  # rather an end than a hang
            os._exit(0 if np.array_equal(kernel.expect(P, V)[:, 0], V) else 1)
        answers.append(os.waitpid(child, 0)[1])

    answers = []
    with in_blocks(1):
        kernel.expect(P, V)
        fork()
        kernel.expect_in_blocks(P, V, lambda begin, end, part: fork() if begin == 0 else None)
    assert answers == [0, 0]


@given(st.data())
def test_a_follower_is_the_chain_of_the_last_policy(data):
    """Whatever changes from one to the next, and back again.

    Seen failing: with the products of the rows apart added; with the rows apart of the time before
    kept; with the rows of a dense chain taken for those of the policy before.
    """
    mdp, forms = data.draw(both_forms())
    few = data.draw(st.sampled_from((0.0, 0.25, 0.5, 1.0)))
    V = data.draw(vectors(mdp.n_states))
    tables = {form: dense(P).copy() for form, P in forms.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_follower, "FEW", few)
        followers = {form: kernel.Follower(P) for form, P in forms.items()}
        for _ in range(data.draw(st.integers(1, 5))):
            actions = data.draw(
                st.lists(
                    st.integers(0, mdp.n_actions - 1),
                    min_size=mdp.n_states,
                    max_size=mdp.n_states,
                )
            )
            rows = kernel.first_rows(mdp.n_states, mdp.n_actions) + np.array(actions)
            exact = mdp.P[np.arange(mdp.n_states), actions] @ V
            for follower in followers.values():
                follower.follow(rows)
                for _ in range(2):
                    assert np.abs(follower.expect(V) - exact).max() <= 1e-12
    for form, P in forms.items():
        assert np.array_equal(dense(P), tables[form])


def test_a_follower_keeps_no_more_than_a_quarter_of_its_rows_apart():
    """Seen failing: with the first chain kept for good; with rows kept apart once it is renewed."""
    rng = np.random.default_rng(0)
    tensor = rng.dirichlet(np.ones(8), (8, 2))
    P, V = sparse.csr_array(tensor.reshape(16, 8)), rng.normal(size=8)
    follower, rows, apart = kernel.Follower(P), np.arange(0, 16, 2), []
    for changed in ([], [3], [3, 5], [0, 1, 2], [2], []):
        actions = np.isin(np.arange(8), changed)
        follower.follow(rows + actions)
        assert np.abs(follower.expect(V) - tensor[np.arange(8), actions * 1] @ V).max() <= 1e-15
        apart.append(len(follower._changed))
    assert apart == [0, 1, 2, 0, 2, 0]


@given(both_forms(), st.integers(1, 30), st.integers(1, 4))
def test_compact_leaves_the_zeros_out_where_most_are(case, at_once, thin):
    """Seen failing: with the columns counted from the start of a block; with the condition
    turned round; with a sparse P written anew."""
    mdp, forms = case
    longest = int(kernel.row_lengths(mdp.P).max())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_follower, "AT_ONCE", at_once)
        patch.setattr(_follower, "THIN", thin)
        assert kernel.compact(forms["sparse"], longest) is forms["sparse"]
        found = kernel.compact(mdp.P, longest)
    if longest * thin > mdp.n_states:
        assert found is mdp.P
    else:
        assert kernel.same(found, forms["sparse"])
        assert found.indices.dtype == found.indptr.dtype == np.int32


def test_indices_are_stored_in_32_bits():
    """They are read in each product. Seen failing: without `_narrow`; in one of its two places."""
    offsets, columns = np.array([0, 1, 2]), np.array([1, 0])
    for keep in (lambda x: x, readonly):
        parts = (keep(np.ones(2)), keep(columns.copy()), keep(offsets.copy()))
        given_P = sparse.csr_array((2, 2))
        given_P.data, given_P.indices, given_P.indptr = parts
        P, _ = kernel.as_kernel(given_P)
        assert P.indices.dtype == P.indptr.dtype == np.int32
        assert P.toarray().tolist() == [[0.0, 1.0], [1.0, 0.0]]
        assert np.shares_memory(P.data, parts[0]) == (keep is readonly)
        assert not (P.indices.flags.writeable or P.indptr.flags.writeable)


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


def test_a_chain_in_fortran_order_is_solved_too():
    """Seen failing: with `chain * -gamma`, which keeps the order of the chain, so that the ones
    were added to a copy of the diagonal."""
    rng = np.random.default_rng(0)
    chain = rng.dirichlet(np.ones(5), size=5)
    b = rng.normal(size=5)
    expected = np.linalg.solve(np.eye(5) - 0.9 * chain, b)
    found = kernel.Resolvent(np.asfortranarray(chain), 0.9)
    np.testing.assert_allclose(found.solve(b), expected, rtol=1e-12)
    wider = np.concatenate((chain, np.ones((5, 1))), axis=1)
    part = kernel.columns(wider, np.arange(6) < 5)
    np.testing.assert_allclose(kernel.Resolvent(part, 0.9).solve(b), expected, rtol=1e-12)


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
    monkeypatch.setattr(_resolvent, "SMALL", 10)
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
