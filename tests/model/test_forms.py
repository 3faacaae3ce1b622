"""Other people's layouts: each constructor beside MDP() of the same model written out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mdptools import MDP, ModelError
from mdptools.arrays import readonly
from mdptools.testing.strategies import mdps


def numbers(P):
    """P as an (S, A, S) array."""
    if isinstance(P, np.ndarray):
        return P
    return P.toarray().reshape(P.shape[1], -1, P.shape[1])


def words(mdp):
    """What the constructors pass on."""
    words = {"gamma": mdp.gamma, "horizon": mdp.horizon, "average": mdp.average, "mu": mdp.mu}
    return words | {"final": mdp.final, "terminal": None if mdp.average else mdp.terminal}


# --- one matrix for each action -----------------------------------------------------------------


@given(mdps(several_rewards=False), st.data())
def test_from_action_matrices(mdp, data):
    """Dense, sparse, or some of each. Seen failing: with the sparse rows in the order a*S + s;
    with R (A, S, S) not transposed."""
    P = numbers(mdp.P)
    matrices = [
        data.draw(st.sampled_from([np.array, np.ndarray.tolist, sparse.csr_array]))(P[:, a])
        for a in range(mdp.n_actions)
    ]
    made = MDP.from_action_matrices(matrices, mdp.R, allowed=mdp.allowed, **words(mdp))
    thin = any(sparse.issparse(m) for m in matrices)
    P = sparse.csr_array(P.reshape(-1, mdp.n_states)) if thin else P
    assert made.equals(MDP(P, mdp.R, allowed=mdp.allowed, **words(mdp)))
    paid = np.arange(mdp.n_actions * mdp.n_states**2, dtype=float)
    paid = paid.reshape(mdp.n_actions, mdp.n_states, mdp.n_states)
    rule = {"gamma": 0.5, "allowed": mdp.allowed}
    made = MDP.from_action_matrices(matrices, paid, **rule)
    assert made.equals(MDP(P, paid.transpose(1, 0, 2), **rule))


def test_a_cube_means_something_else_to_each_constructor():
    """(S, S, S) fits both layouts, and neither guesses. Seen failing: with a layout guessed from
    the sums of rows."""
    cube = np.random.default_rng(0).dirichlet(np.ones(3), size=(3, 3))
    here, there = MDP(cube, np.ones(3), 0.9), MDP.from_action_matrices(cube, np.ones(3), 0.9)
    assert not here.equals(there)
    assert np.array_equal(there.P, cube.transpose(1, 0, 2)) and np.array_equal(here.P, cube)


@pytest.mark.parametrize(
    ("P", "R", "message"),
    [
        ([], [0], r"^P is empty; it must hold one \(S, S\) matrix for each action"),
        ([np.eye(2), np.eye(3)], [0, 0], r"got 2 of shapes \[\(2, 2\), \(3, 3\)\]"),
        ([np.ones((2, 3))], [0, 0], r"^P must hold one .* got 1 of shapes \[\(2, 3\)\]"),
        (np.eye(2), [0, 0], r"^P must hold one .* got 2 of shapes \[\(2,\)\]"),
        ([[[1.0], [0.5, 0.5]]], [0, 0], r"^P\[0\] is no array of real numbers"),
        ([np.eye(2)] * 3, np.zeros((2, 3, 2)), r"^R has shape \(2, 3, 2\); beside 3 matrices it"),
        ([np.eye(2) / 2], [0, 0], r"^P\[0, 0\] sums to 0.5, not 1"),
        (None, [0, 0], r"^P is None; it must hold one \(S, S\) matrix for each action"),
        (3, [0, 0], r"^P is 3; it must hold one"),
    ],
)
def test_what_is_no_matrix_for_each_action(P, R, message):
    """Seen failing: without the question for squares; without that for the shape of R; with the
    TypeError of what cannot be iterated over."""
    with pytest.raises(ModelError, match=message):
        MDP.from_action_matrices(P, R, 0.9)


# --- feasible pairs -----------------------------------------------------------------------------


@given(mdps(several_rewards=False), st.randoms(use_true_random=False))
def test_from_pairs(mdp, random):
    """In any order. Seen failing: with place = a*S + s; with the rewards in the order given."""
    pairs = np.argwhere(mdp.allowed).tolist()
    random.shuffle(pairs)
    s, a = np.array(pairs).T
    rows = numbers(mdp.P)[s, a]
    rows = rows if mdp.facts.dense else sparse.csc_array(rows)
    keywords = {"n_actions": mdp.n_actions, **words(mdp)}
    made = MDP.from_pairs(s.tolist(), a, rows, mdp.R[s, a], **keywords)
    assert made.equals(MDP(mdp.P, mdp.R, allowed=mdp.allowed, **words(mdp)))


@pytest.mark.parametrize("dtype", [np.int8, np.uint64])
def test_pairs_of_any_integer_type(dtype):
    """Seen failing: without astype (then 60 * 3 overflows in int8; uint64 is no place)."""
    s, a = np.repeat(np.arange(60), 3), np.tile(np.arange(3), 60)
    arguments = (np.full((180, 60), 1 / 60), s + a / 4, 0.9)
    made = MDP.from_pairs(s.astype(dtype), a.astype(dtype), *arguments)
    assert made.equals(MDP.from_pairs(s, a, *arguments)) and made.allowed.all()
    assert np.array_equal(made.R, np.arange(60)[:, None] + np.arange(3) / 4)


def test_the_number_of_actions_is_the_largest_one_that_is_named():
    """Seen failing: without the + 1; with n_actions ignored."""
    arguments = ([0, 1], [1, 0], np.eye(2), [1.0, 2.0], 0.9)
    assert MDP.from_pairs(*arguments).n_actions == 2
    assert MDP.from_pairs(*arguments, n_actions=3).allowed.sum() == 2
    assert MDP.from_pairs(*arguments, n_actions=3).n_actions == 3


@pytest.mark.parametrize(
    ("states", "actions", "n_actions", "message"),
    [
        ([0, 1, 0], [0, 0, 0], None, r"^the pair \(0, 0\) is named 2 times"),
        ([0, 1, 2], [0, 0, 0], None, r"^pair 2 is \(2, 0\), outside S = 2, A = 1"),
        ([0, 1, -1], [0, 0, 1], None, r"^pair 2 is \(-1, 1\), outside S = 2, A = 2"),
        ([0, 1, 1], [0, 0, 1], 1, r"^pair 2 is \(1, 1\), outside S = 2, A = 1"),
        ([0, 1], [0, 0, 1], None, r"^states and actions must be integer arrays of one length"),
        ([0, 1, 1.5], [0, 0, 1], None, r"types float64 and int64"),
        ([0, 0, 0], [0, 1, 2], None, r"^state 1 has no allowed action"),
    ],
)
def test_pairs_that_do_not_fit(states, actions, n_actions, message):
    """Seen failing: without the count of names; with negative states counted from the end."""
    rows = np.full((3, 2), 0.5)
    with pytest.raises(ModelError, match=message):
        MDP.from_pairs(states, actions, rows, [1.0, 2.0, 3.0], 0.9, n_actions=n_actions)


@pytest.mark.parametrize("rows", [np.full((2, 2), 0.5), np.full(3, 0.5), sparse.csr_array((2, 2))])
def test_one_row_for_each_pair(rows):
    """Seen failing: without the question."""
    with pytest.raises(
        ModelError, match=r"^P must have one row, and R one number, for each of the 3"
    ):
        MDP.from_pairs([0, 1, 1], [0, 0, 1], rows, [1.0, 2.0, 3.0], 0.9)


# --- costs --------------------------------------------------------------------------------------


@given(mdps())
def test_from_costs_negates_once(mdp):
    """Seen failing: with final kept as it is; with -0.0 for no cost."""
    keywords = {"allowed": mdp.allowed, **words(mdp)}
    final = None if mdp.final is None else -mdp.final
    made = MDP.from_costs(mdp.P, -mdp.R, **(keywords | {"final": final}))
    assert made.equals(MDP(mdp.P, mdp.R, **keywords))
    free = MDP.from_costs(mdp.P, np.zeros(mdp.R.shape), 0.5, allowed=mdp.allowed)
    assert not np.signbit(free.R).any()


def test_costs_of_steps():
    """Seen failing: with the sparse costs kept as they are."""
    P = np.array([[[0.5, 0.5]], [[0.25, 0.75]]])
    cost = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])
    dense, thin = (MDP.from_costs(P, c, 0.9) for c in (cost, sparse.csr_array(cost[:, 0])))
    assert dense.equals(thin) and dense.equals(MDP(P, -cost, 0.9))
    assert dense.R[:, 0].tolist() == [-1.5, -3.75]


# --- counts -------------------------------------------------------------------------------------

N = np.array([[[3, 1], [0, 0]], [[0, 2], [0, 0]]])
SUMS = np.array([[8.0, 0.0], [1.0, 0.0]])


def test_counts_become_frequencies():
    """Seen failing: with the mean reward left as a sum; with frequencies of the state for those of
    the pair."""
    mdp = MDP.from_counts(N[:, :1], SUMS[:, :1], 0.9)
    assert mdp.P.tolist() == [[[0.75, 0.25]], [[0, 1]]] and mdp.R.tolist() == [[2], [0.5]]
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 50, size=(40, 3, 40))
    assert MDP.from_counts(counts, np.zeros((40, 3)), 0.9, terminal=()).n_states == 40


def test_what_becomes_of_pairs_that_were_never_tried():
    """Seen failing: with "stay" and "uniform" exchanged; with R_sum divided by zero."""
    refuse = MDP.from_counts(N, SUMS, 0.9, unvisited="refuse")
    assert refuse.allowed.tolist() == [[True, False], [True, False]]
    stay = MDP.from_counts(N, SUMS, 0.9, unvisited="stay", mu=[1, 0])
    assert stay.P[:, 1].tolist() == [[1, 0], [0, 1]] and stay.mu.tolist() == [1, 0]
    uniform = MDP.from_counts(N, SUMS, 0.9, unvisited="uniform")
    assert uniform.P[:, 1].tolist() == [[0.5, 0.5], [0.5, 0.5]]
    for mdp in (refuse, stay, uniform):
        assert mdp.R.tolist() == [[2, 0], [0.5, 0]] and mdp.P[0, 0].tolist() == [0.75, 0.25]
    everything = MDP.from_counts(np.ones((2, 1, 2)), np.zeros((2, 1)), 0.9, unvisited="refuse")
    assert everything.allowed.all()


@pytest.mark.parametrize(
    ("counts", "sums", "unvisited", "message"),
    [
        (N, SUMS, "error", r"^action 1 was never tried in state 0 \(2 such pairs\): .*'refuse'"),
        (N, SUMS, "drop", r"^unvisited is 'drop'; it must be 'error', 'refuse', 'stay' or"),
        (-N, SUMS, "stay", r"^N\[0, 0, 0\] is -3: a count is >= 0 and finite"),
        (N + np.nan, SUMS, "stay", r"^N\[0, 0, 0\] is nan"),
        (N[0], SUMS, "stay", r"^N must be \(S, A, S\) and R_sum \(S, A\); got shapes \(2, 2\)"),
        (N, SUMS[0], "stay", r"got shapes \(2, 2, 2\) and \(2,\)"),
        (N, SUMS + np.inf, "stay", r"^R\[0, 0\] is inf"),
    ],
)
def test_counts_that_are_none(counts, sums, unvisited, message):
    """Seen failing: with `counts < 0`, which lets nan pass; with "error" doing nothing."""
    with pytest.raises(ModelError, match=message):
        MDP.from_counts(counts, sums, 0.9, unvisited=unvisited)


# --- all of them --------------------------------------------------------------------------------


def test_every_constructor_passes_the_keywords_on():
    """Seen failing: with the keywords dropped in each of them."""
    P, R = np.full((2, 1, 2), 0.5), np.ones((2, 1))
    rows = [[[(0.5, 0, 1.0, False), (0.5, 1, 1.0, False)]]] * 2
    said = {"horizon": 3, "mu": [0.25, 0.75], "state_names": ["x", "y"], "action_names": ["go"]}
    said |= {"layout": (2, 1), "notes": ["n"], "reward_std": np.ones((2, 1)), "gamma": 0.5}
    plain = MDP(P, R, **said)
    made = [
        MDP.from_action_matrices(P.transpose(1, 0, 2), R, **said),
        MDP.from_pairs([0, 1], [0, 0], P[:, 0], R[:, 0], **said),
        MDP.from_costs(P, -R, **said),
        MDP.from_counts(2 * P, 2 * R, **said),
        MDP.from_outcomes(rows, **said),
    ]
    for mdp in made:
        assert mdp.equals(plain) and mdp.notes == ("n",)


def test_a_subclass_makes_its_own_kind():
    """Seen failing: with MDP for cls."""

    class Mine(MDP):
        """Another name."""

    P, R = np.full((2, 1, 2), 0.5), np.ones((2, 1))
    assert type(Mine.from_costs(P, R, 0.9)) is Mine
    assert type(Mine.from_counts(P, R, 0.9)) is Mine


def test_arguments_are_left_as_they_were():
    """Seen failing: with `final` taken out of the caller's own dictionary; with counts divided in
    place."""
    P, R = np.full((2, 1, 2), 0.5), np.ones((2, 1))
    final = np.array([1.0, 2.0])
    counts = 2 * P
    for array in (P, R, final, counts):
        readonly(array)  # writing would raise
    keywords = {"horizon": 2, "final": final}
    MDP.from_costs(P, R, **keywords)
    MDP.from_counts(counts, R, 0.9)
    MDP.from_pairs([0, 1], [0, 0], P[:, 0], R[:, 0], 0.9)
    MDP.from_action_matrices([P[:, 0]], R, 0.9)
    assert keywords == {"horizon": 2, "final": final} and final.tolist() == [1.0, 2.0]
    assert (counts == 1).all() and (P == 0.5).all() and (R == 1).all()
