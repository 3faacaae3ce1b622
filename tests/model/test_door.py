"""The door: every wrong argument gets one error that names the place, the number and the cure."""

import re

import numpy as np
import pytest
from scipy import sparse

from mdptools import MDP, ModelError, RewardLaw
from mdptools.arrays import EPS, readonly

P = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]])
R = np.array([[5.0, 10.0], [-1.0, 2.0]])
NAMES = {"state_names": ["home", "away"], "action_names": ["stay", "go"]}
END = np.array([[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]])  # state 1 absorbs


def stored(tensor):
    """The same P as a sparse one."""
    return sparse.csr_array(np.reshape(tensor, (-1, np.shape(tensor)[-1])))


def changed(table, place, value):
    """A copy with one entry changed."""
    table = np.array(table, dtype=float)
    table[place] = value
    return table


def refused(message, *arguments, **keywords):
    """Assert that MDP(...) raises exactly that message."""
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        MDP(*arguments, **keywords)


# --- P ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [np.array, stored])
def test_a_row_that_does_not_sum_to_one(form):
    """Seen failing: with the first wrong row for the worst; with names of state and action
    exchanged; with the tolerance without 4."""
    wrong = changed(changed(P, (0, 0, 0), 0.49), (1, 0, 0), 0.9)
    refused(
        "P[1, 0] sums to 1.1, not 1 (tolerance 1.78e-15): the outcomes of action 0 ('stay') in "
        "state 1 ('away') are wrong or incomplete. 2 of 4 rows are off; this is the worst. If they "
        "are counts, divide each row by its sum; if the action does not exist there, pass "
        "allowed=.",
        *(form(wrong), R, 0.9),
        **NAMES,
    )
    with pytest.raises(ModelError, match=r"^P\[0, 0\] sums to 1 - 1e-12, not 1"):
        MDP(form(changed(P, (0, 0, 0), 0.5 - 1e-12)), R, 0.9)
    with pytest.raises(ModelError, match=r"^P\[0, 1\] sums to 0, not 1"):  # an empty row
        MDP(form(changed(P, (0, 1), 0.0)), R, 0.9)


@pytest.mark.parametrize("form", [np.array, stored])
@pytest.mark.parametrize("bad", [-0.1, np.nan, np.inf])
def test_an_entry_that_is_no_probability(form, bad):
    """Seen failing: without check_entries; without the names."""
    refused(
        f"P[1, 0, 1] is {bad:.6g}: the probability of going from state 1 ('away') to 1 ('away') "
        f"under action 0 ('stay') must be a number between 0 and 1.",
        *(form(changed(P, (1, 0, 1), bad)), R, 0.9),
        **NAMES,
    )


def test_float32_is_widened_and_renormalised():
    """Seen failing: with the tolerance of float64; without divide_rows; with EPS for every type
    in from_action_matrices."""
    rows = np.random.default_rng(0).dirichlet(np.ones(50), size=(50, 2)).astype(np.float32)
    assert np.abs(rows.sum(axis=2, dtype=float) - 1).max() > 1e-9
    for mdp in (
        MDP(rows, np.zeros(50), 0.9),
        MDP.from_action_matrices(rows.transpose(1, 0, 2), np.zeros(50), 0.9),
        MDP.from_pairs(*np.divmod(np.arange(100), 2), rows.reshape(100, 50), np.zeros(100), 0.9),
    ):
        assert mdp.P.dtype == np.float64
        assert np.abs(mdp.P.sum(axis=2) - 1).max() < 50 * EPS
        assert np.allclose(mdp.P, rows, rtol=1e-5, atol=0)
    thin = MDP(stored(rows), np.zeros(50), 0.9)
    assert np.allclose(thin.P.toarray().reshape(mdp.P.shape), mdp.P, rtol=4 * EPS, atol=0)
    with pytest.raises(ModelError, match=r"sums to 1.0001, not 1 \(tolerance 9.54e-07\)"):
        MDP(changed(P, (0, 1, 1), 1.0001).astype(np.float32), R, 0.9)


@pytest.mark.parametrize("form", ["dense", "sparse"])
def test_honest_round_off_passes_at_5000_states(form):
    """Normalised rows of 5000 random numbers; the certificate has to cover what is off.

    Seen failing: with the tolerance EPS without the factor S; with a row_defect of 0."""
    P = np.zeros((5000, 1, 5000))
    P[np.arange(5000), 0, np.arange(5000)] = 1.0
    rows = np.random.default_rng(1).random((100, 5000))
    P[:100, 0] = rows / np.cumsum(rows, axis=1)[:, -1:]  # summed one by one: worse than NumPy's sum
    worst = np.abs(P[:100].sum(axis=2) - 1).max()
    assert worst > 4 * EPS
    mdp = MDP(readonly(P) if form == "dense" else stored(P), np.ones(5000), 0.9)
    assert worst <= mdp.facts.row_defect < 5000 * EPS


# --- R ------------------------------------------------------------------------------------------


def test_rewards_that_are_not_finite():
    """Seen failing: without `allowed &` (then minus infinity does not go with a refused pair)."""
    refused(
        "R[0, 1] is nan: the reward of action 1 ('go') in state 0 ('home') must be finite (2 are "
        "not). To forbid the action pass allowed=.",
        *(P, [[5, np.nan], [np.inf, 2]], 0.9),
        **NAMES,
    )
    mask = [[True, False], [True, True]]
    mdp = MDP(P, [[5, -np.inf], [-1, 2]], 0.9, allowed=mask)
    assert mdp.R.tolist() == [[5, 0], [-1, 2]]


@pytest.mark.parametrize("form", [np.array, stored])
def test_rewards_of_impossible_steps_are_not_looked_at(form):
    """Seen failing: with isfinite asked of the whole table."""
    paid = changed(np.ones((2, 2, 2)), (0, 1, 0), np.nan)  # P[0, 1, 0] is 0
    assert MDP(form(P), paid, 0.9).R.tolist() == [[1, 1], [1, 1]]
    for table in (changed(paid, (1, 0, 1), np.nan), stored(changed(paid, (1, 0, 1), np.nan))):
        refused(
            "R[1, 0, 1] is nan and P[1, 0, 1] is not 0: the reward of a possible step, from state "
            "1 ('away') to 1 ('away') under action 0 ('stay'), must be finite (1 are not).",
            *(form(P), table, 0.9),
            **NAMES,
        )


@pytest.mark.parametrize(
    "rewards", [R * 1e300, np.full((2, 2, 2), -1e300), stored(np.full((2, 2, 2), 1e300))]
)
def test_rewards_whose_sums_overflow(rewards):
    """Seen failing: with isfinite alone; the planners then gave NumPy's RuntimeWarning."""
    with pytest.raises(ModelError, match=r"must be finite, and at most 1e\+290 so that sums are"):
        MDP(P, rewards, 0.9)
    with pytest.raises(ModelError, match=r"^final\[1\] is 1e\+300: .* at most 1e\+290"):
        MDP(P, R, horizon=2, final=[0, 1e300])


@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        (np.zeros(3), r"^R has shape \(3,\); .*with S = 2 and A = 2"),
        (np.zeros((2, 2, 3)), r"^R has shape \(2, 2, 3\)"),
        (1.0, r"^R has shape \(\)"),
        ([[1.0], [1.0, 2.0]], r"^R is no array of real numbers"),
        (sparse.csr_array((2, 2)), r"^R is sparse .* it must be \(S\*A, S\) = \(4, 2\)"),
        (stored(P) * 1j, r"^R is no array of real numbers"),
    ],
)
def test_rewards_of_another_shape(rewards, message):
    """Seen failing: without the question for the shape of a sparse R; with dtype=float for
    as_floats there."""
    with pytest.raises(ModelError, match=message):
        MDP(P, rewards, 0.9)


# --- the law ------------------------------------------------------------------------------------


def law(**changes):
    """The branches of P, each paying R(s, a) minus or plus 1 by halves, with some changed."""
    parts = {"offsets": [0, 4, 6, 10, 14], "next_state": [0, 0, 1, 1, 1, 1] + [0, 0, 1, 1] * 2}
    parts["reward"] = np.repeat(R.reshape(-1), [4, 2, 4, 4]) + np.tile([-1.0, 1.0], 7)
    parts["prob"] = np.repeat([0.5, 0.5, 1.0, 0.8, 0.2, 0.1, 0.9], 2) / 2
    return RewardLaw(**{name: np.array(x) for name, x in (parts | changes).items()})


@pytest.mark.parametrize("form", [np.array, stored])
def test_a_law_must_go_with_p_and_r(form):
    """Seen failing: without the comparison with P; with that with R (then `replace(mdp, R=...)`
    changes nothing and says so to nobody)."""
    mdp = MDP(form(P), R, 0.9, law=law())
    assert np.allclose(mdp.R, R, atol=1e-14) and mdp.law.reward[:2].tolist() == [4, 6]
    moved = law(prob=changed(law().prob, (0,), 0.15))
    message = (
        "law and P differ by -0.1 at P[0, 0, 0] (action 0 ('stay') in state 0 ('home')): give "
        "law=None with another P."
    )
    refused(message, form(P), R, 0.9, law=moved, **NAMES)
    message = (
        "R[1, 0] is 7, but the law pays -1 (action 0 ('stay') in state 1 ('away')): give law=None "
        "with another R."
    )
    refused(message, form(P), changed(R, (1, 0), 7.0), 0.9, law=law(), **NAMES)
    refused(
        "law has 2 pairs; the model has 4.",
        P,
        R,
        0.9,
        law=RewardLaw([0, 1, 2], [0, 1], R[0], [1, 1]),
    )
    outside = law(next_state=[2, *law().next_state[1:]])
    refused("branch 0 of the law goes to state 2; states are 0 to 1.", P, R, 0.9, law=outside)
    refused("law is 'law'; it must be a RewardLaw or None.", P, R, 0.9, law="law")


# --- objective ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "objective"),
    [
        ({"gamma": 0}, "discounted"),
        ({"gamma": np.float32(0.5)}, "discounted"),
        ({"gamma": 1}, "total"),
        ({"gamma": 1, "horizon": 3}, "finite"),
        ({"horizon": np.int64(3)}, "finite"),
        ({"gamma": 0.5, "horizon": 1}, "finite"),
        ({"average": True}, "average"),
        ({"average": True, "gamma": 1.0}, "average"),
    ],
)
def test_words_that_make_an_objective(words, objective):
    """Seen failing: with gamma=None taken for 0; with total for gamma=1 and a horizon."""
    mdp = MDP(P, R, **words)
    assert mdp.objective == objective
    assert type(mdp.gamma) is float and type(mdp.average) is bool
    assert mdp.horizon is None or type(mdp.horizon) is int
    assert mdp.gamma == words.get("gamma", 1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({}, r"^gamma is missing: give 0 <= gamma < 1 \(discounted\), gamma=1 .* average=True"),
        ({"gamma": 1.5}, r"^gamma is 1.5; it must be a number in \[0, 1\]"),
        ({"gamma": -0.1}, r"^gamma is -0.1; it must be a number in \[0, 1\]"),
        ({"gamma": np.nan}, r"^gamma is nan; it must be a number in \[0, 1\]"),
        ({"gamma": "0.9"}, r"^gamma is '0.9'; it must be a number in \[0, 1\]"),
        ({"gamma": 10**400}, r"^gamma is 10+; it must be a number in \[0, 1\]"),
        ({"gamma": [0.9]}, r"^gamma is \[0.9\]; it must be a number in \[0, 1\]"),
        ({"gamma": np.ones(1)}, r"^gamma is array\(\[1.\]\); it must be a number in \[0, 1\]"),
        ({"average": "no"}, r"^average is 'no'; it must be True or False"),
        ({"average": np.zeros(2)}, r"^average is array\(.*; it must be True or False"),
        ({"gamma": "much"}, r"^gamma is 'much'; it must be a number in \[0, 1\]"),
        ({"horizon": 0}, r"^horizon is 0; it must be a number of actions, an int >= 1"),
        ({"horizon": 2.5}, r"^horizon is 2.5; it must be a number of actions"),
        ({"horizon": True}, r"^horizon is True; it must be a number of actions"),
        ({"horizon": 2, "average": True}, r"^average=True and horizon= are two objectives"),
        ({"gamma": 0.9, "average": True}, r"^gamma is 0.9 with average=True"),
        ({"gamma": 0.9, "final": [0, 0]}, r"^final is the reward .*: it needs horizon="),
    ],
)
def test_words_that_make_no_objective(words, message):
    """Seen failing: with `gamma < 0 or gamma > 1`, which lets nan pass; with True for 1 step."""
    with pytest.raises(ModelError, match=message):
        MDP(P, R, **words)


# --- mu and final -------------------------------------------------------------------------------


def test_mu():
    """Seen failing: with mu not renormalised; with the tolerance of float64 for float32; with nan
    let through by `(mu < 0).any()`."""
    assert MDP(P, R, 0.9, mu=[0.25, 0.75]).mu.tolist() == [0.25, 0.75]
    single = np.array([0.1, 0.9], dtype=np.float32)
    assert MDP(P, R, 0.9, mu=single).mu.sum() == pytest.approx(1, abs=2 * EPS)
    refused("mu has shape (3,); it must be (S,) = (2,).", P, R, 0.9, mu=[1, 0, 0])
    bad = "the probability of starting in state 1 ('away') must be >= 0."
    refused(f"mu[1] is -0.5: {bad}", P, R, 0.9, mu=[1.5, -0.5], **NAMES)
    refused(f"mu[1] is nan: {bad}", P, R, 0.9, mu=[1, np.nan], **NAMES)
    message = "not 1 (tolerance 1.78e-15): divide it by its sum."
    refused(f"mu sums to 2, {message}", P, R, 0.9, mu=[1, 1])
    refused(f"mu sums to 1 + 1e-09, {message}", P, R, 0.9, mu=[1, 1e-9])


def test_mu_is_uniform_over_the_states_that_are_not_terminal():
    """Seen failing: with all the states; with nan where all states are terminal."""
    assert MDP(END, [[1, 1], [0, 0]], 0.9).mu.tolist() == [1, 0]
    assert MDP(P, R, 0.9).mu.tolist() == [0.5, 0.5]
    every = MDP([[[1.0, 0.0]], [[0.0, 1.0]]], np.zeros(2), 0.9, terminal=[0, 1])
    assert every.mu.tolist() == [0.5, 0.5]


def test_final():
    """Seen failing: with final of a terminal state let through; without the question for nan."""
    assert MDP(P, R, horizon=2, final=[3, 4]).final.tolist() == [3, 4]
    refused("final has shape (3,); it must be (S,) = (2,).", P, R, horizon=2, final=[0, 0, 0])
    refused(
        "final[1] is nan: what ending in state 1 ('away') is worth must be finite (1 are not).",
        *(P, R),
        **NAMES,
        horizon=2,
        final=[0, np.nan],
    )
    paid = {"R": [[1, 1], [0, 0]], "horizon": 2, "final": [0, 7]}
    assert not MDP(END, **paid).terminal.any()  # worth 7 in the end: an absorbing state, no end
    refused(
        "final[1] is 7, but state 1 ('away') is terminal: an episode that has ended is worth 0. "
        "Pay the reward on entering it.",
        *(END,),
        **paid,
        **NAMES,
        terminal=[1],
    )


# --- allowed and terminal -----------------------------------------------------------------------


def test_allowed():
    """Seen failing: with numbers of actions taken for a mask; with `any(axis=0)`."""
    assert MDP(P, R, 0.9, allowed=[[1, 0], [1, 1]]).allowed.tolist() == [[True, False], [True] * 2]
    refused(
        "state 1 ('away') has no allowed action (1 such states): allow one; in a state where the "
        "episode is over that is a self-loop with reward 0.",
        *(P, R, 0.9),
        allowed=[[True, True], [False, False]],
        **NAMES,
    )
    tail = "it must be a bool array (S, A) = (2, 2): True where the action exists, not its number."
    refused(f"allowed has shape (2,) and type bool; {tail}", P, R, 0.9, allowed=[True, False])
    refused(f"allowed has shape (2, 2) and type int64; {tail}", P, R, 0.9, allowed=[[0, 1], [2, 1]])
    with pytest.raises(ModelError, match=r"^allowed is no array of real numbers"):
        MDP(P, R, 0.9, allowed=[[True], [True, False]])


@pytest.mark.parametrize("form", [np.array, stored])
def test_rows_of_refused_pairs_are_kept_as_zeros(form):
    """Seen failing: without clear_rows; with R not cleared; with the entries checked before."""
    mask = [[True, False], [True, True]]
    full, unknown, empty = (
        MDP(form(changed(P, (0, 1), value)), R, 0.9, allowed=mask) for value in ([0, 1], np.nan, 0)
    )
    assert full.equals(empty) and unknown.equals(empty) and full.R[0, 1] == 0
    table = full.P if form is np.array else full.P.toarray().reshape(2, 2, 2)
    assert not table[0, 1].any()


@pytest.mark.parametrize("form", [np.array, stored])
def test_terminal_states_are_found_or_declared(form):
    """Seen failing: with found states kept for terminal=(); with the noise left out of `paying`;
    with the reward law left out of `paying`; with refused actions looked at."""
    rewards = np.array([[1.0, 1.0], [0.0, 0.0]])
    for declared in (None, [1], (1,), np.array([1]), [False, True], np.array([False, True])):
        assert MDP(form(END), rewards, 0.9, terminal=declared).terminal.tolist() == [False, True]
    for declared in ((), [], np.zeros(2, bool)):
        assert not MDP(form(END), rewards, 0.9, terminal=declared).terminal.any()
    assert not MDP(form(END), rewards, 0.9, reward_std=[[0, 0], [0, 1]]).terminal.any()
    coin = RewardLaw(
        [0, 2, 3, 5, 6], [0, 1, 1, 1, 1, 1], [1, 1, 1, -1, 1, 0], [0.5, 0.5, 1, 0.5, 0.5, 1]
    )
    assert not MDP(form(END), rewards, 0.9, law=coin).terminal.any()
    only_action_0 = MDP(form(P), changed(R, (1, 0), 0.0), 0.9, allowed=[[True] * 2, [True, False]])
    assert not only_action_0.terminal.any()
    stuck = changed(P, (1, 0), [0.0, 1.0])  # the other action is refused
    mask = [[True] * 2, [True, False]]
    assert MDP(form(stuck), [[5, 10], [0, 2]], 0.9, allowed=mask).terminal.tolist() == [False, True]


def test_an_all_zero_model_has_no_terminal_states():
    """Seen failing: with `found.all()` not asked."""
    still = np.eye(3)[:, None, :]
    assert not MDP(still, np.zeros((3, 1)), 0.9).terminal.any()
    assert MDP(still, np.zeros((3, 1)), 0.9, terminal=[2]).terminal.tolist() == [False, False, True]


def test_a_declared_terminal_state_that_is_none():
    """Seen failing: with `absorbing` for `~absorbing`; with state -1 taken for the last."""
    refused(
        "state 0 ('home') is declared terminal, but it is not absorbing with zero reward under "
        "each allowed action (1 such states). Make each of its rows a self-loop with reward 0.",
        *(END, [[1, 1], [0, 0]], 0.9),
        **NAMES,
        terminal=[0, 1],
    )
    for s in (2, -1):
        refused(f"terminal names state {s}; states are 0 to 1.", P, R, 0.9, terminal=[s])
    tail = "it must be a bool array (2,) or a list of states."
    refused(f"terminal has shape (3,) and type bool; {tail}", P, R, 0.9, terminal=[True] * 3)
    refused(f"terminal has shape () and type int64; {tail}", P, R, 0.9, terminal=1)
    refused(f"terminal has shape (1,) and type float64; {tail}", P, R, 0.9, terminal=[0.5])


def test_nothing_is_terminal_with_average_reward():
    """Seen failing: with found states kept; with a declared one accepted."""
    rewards = [[1, 1], [0, 0]]
    assert not MDP(END, rewards, average=True).terminal.any()
    assert not MDP(END, rewards, average=True, terminal=()).terminal.any()
    refused(
        "terminal names state 1 ('away'), but with average=True nothing ends: an absorbing state "
        "goes on for ever. Leave terminal out.",
        *(END, rewards),
        **NAMES,
        average=True,
        terminal=[1],
    )


# --- the rest -----------------------------------------------------------------------------------


def test_reward_std():
    """Seen failing: with negative numbers accepted; with those of refused pairs kept."""
    assert MDP(P, R, 0.9).reward_std is None
    mask = [[True, False], [True, True]]
    noisy = MDP(P, R, 0.9, reward_std=[[1, np.nan], [0, 2]], allowed=mask)
    assert noisy.reward_std.tolist() == [[1, 0], [0, 2]]
    refused("reward_std has shape (2,); it must be (S, A) = (2, 2).", P, R, 0.9, reward_std=[1, 1])
    for bad in (-1, np.nan, np.inf):
        refused(
            f"reward_std[1, 0] is {bad:g} (action 0 ('stay') in state 1 ('away')): a standard "
            f"deviation is finite and >= 0.",
            *(P, R, 0.9),
            **NAMES,
            reward_std=[[0, 0], [bad, 0]],
        )


def test_names():
    """Seen failing: with a string taken for two names; with names that are alike."""
    mdp = MDP(P, R, 0.9, state_names=[10, 20], action_names=iter(["l", "r"]))
    assert (mdp.state_names, mdp.action_names) == (("10", "20"), ("l", "r"))
    refused("state_names has 3 names; there are 2 states.", P, R, 0.9, state_names=["x", "y", "z"])
    refused("action_names has 'l' twice: names must differ.", P, R, 0.9, action_names=["l", "l"])
    for bad in ("ab", 5):
        message = f"state_names is {bad!r}; it must be a list of 2 names."
        refused(message, P, R, 0.9, state_names=bad)


def test_notes_are_strings():
    """Seen failing: with a string taken apart into its letters."""
    assert MDP(P, R, 0.9, notes="one note").notes == ("one note",)
    assert MDP(P, R, 0.9, notes=["a", 2]).notes == ("a", "2")


@pytest.mark.parametrize("layout", [(3, 1), (0, 2), (1.5, 2), (-1, -2), (np.nan, 2), [1, 2, 3]])
def test_a_layout_that_fits_nowhere(layout):
    """Seen failing: without the product; with int() before the question for whole numbers."""
    with pytest.raises(ModelError, match=r"^layout must be \(rows, cols\) with rows \* cols = 2"):
        MDP(P, R, 0.9, layout=layout)


def test_layouts():
    """Seen failing: with nan refused; with (rows, cols) left as an array."""
    mdp = MDP(P, R, 0.9, layout=np.array([1, 2]))
    assert mdp.layout == (1, 2) and type(mdp.layout[0]) is int
    places = MDP(P, R, 0.9, layout=[(0, 1), (np.nan, np.nan)]).layout
    assert np.array_equal(places, [[0, 1], [np.nan, np.nan]], equal_nan=True)
    with pytest.raises(ModelError, match=r"finite coordinates of shape \(2, 2\).*got .*inf"):
        MDP(P, R, 0.9, layout=[(0, 1), (np.inf, 0)])


def test_nothing_is_shared_with_what_can_be_written():
    """Seen failing: with np.asarray in as_floats; with readonly left out for R; for mu."""
    given_arrays = {
        "P": P.copy(),
        "R": R.copy(),
        "mu": np.array([0.5, 0.5]),
        "final": np.array([1.0, 2.0]),
        "allowed": np.ones((2, 2), dtype=bool),
        "terminal": np.zeros(2, dtype=bool),
        "reward_std": np.ones((2, 2)),
        "layout": np.ones((2, 2)),
    }
    mdp = MDP(**given_arrays, horizon=2)
    for name, array in given_arrays.items():
        kept = getattr(mdp, name)
        assert not np.shares_memory(kept, array), name
        assert not kept.flags.writeable, name
    frozen = readonly(P.copy())
    assert MDP(frozen, R, 0.9).P is frozen


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"notes": 3}, "^notes is 3; it must be a list of str"),
        ({"notes": None}, "^notes is None; it must be a list of str"),
        ({"state_names": stored(P)}, "(?s)^state_names is .*; it must be a list of 2 names"),
        ({"action_names": b"ab"}, "^action_names is b'ab'; it must be a list of 2 names"),
        ({"allowed": stored(P)}, "^allowed is no array of real numbers: it is sparse"),
        ({"mu": stored(np.eye(1))}, "^mu is no array of real numbers: it is sparse"),
    ],
)
def test_words_of_a_type_that_nobody_reads(words, message):
    """Seen failing: with each of them let through to a TypeError or ValueError."""
    with pytest.raises(ModelError, match=message):
        MDP(P, R, 0.9, **words)
