"""Outcome lists: what an episode pays and when it ends, beside a walk through the lists themselves.

The independent road is `worth`: the value of a policy by recursion over the outcomes as they are
written, in which ``terminated`` means that nothing follows.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP, ModelError
from mdptools.model import _outcomes


def worth(rows, actions, gamma, n_steps):
    """V (S,) of a deterministic policy after n_steps, by the meaning of the outcomes."""
    V = [0.0] * len(rows)
    for _ in range(n_steps):
        V = [
            sum(p * (r + (0.0 if over else gamma * V[t])) for p, t, r, over in rows[s][actions[s]])
            for s in range(len(rows))
        ]
    return V


def values(mdp, actions, n_steps):
    """V (S,) of the same policy in the model, by plain loops; 0 on terminal states."""
    P = mdp.P if isinstance(mdp.P, np.ndarray) else mdp.P.toarray().reshape(*mdp.R.shape, -1)
    actions = np.append(actions, [0] * (mdp.n_states - len(actions))).astype(int)
    pick = np.arange(mdp.n_states), actions
    V = np.zeros(mdp.n_states)
    for _ in range(n_steps):
        V = np.where(mdp.terminal, 0.0, mdp.R[pick] + mdp.gamma * P[pick] @ V)
    return V


@st.composite
def tables(draw):
    """Outcome lists of one to four states: endings, loops, several rewards on one successor."""
    n_states, n_actions = draw(st.integers(1, 4)), draw(st.integers(1, 2))
    outcome = st.tuples(
        st.integers(0, n_states - 1), st.sampled_from([0.0, 0.0, 1.0, -2.0]), st.booleans()
    )
    rows = []
    for _ in range(n_states):
        menus = []
        for _ in range(n_actions):
            outcomes = draw(st.lists(outcome, min_size=1, max_size=4))
            share = 1 / len(outcomes) if len(outcomes) != 3 else 0.25
            shares = [share] * len(outcomes)
            shares[0] += 1 - sum(shares)
            menus.append([(p, *rest) for p, rest in zip(shares, outcomes, strict=True)])
        rows.append(menus)
    return rows


@given(tables(), st.sampled_from(["list", "dict"]), st.data())
def test_a_model_is_worth_what_its_outcomes_are(rows, form, data):
    """Whatever is entered with or without termination, from wherever an episode can start.

    Seen failing: with `done` ignored; with the end reached without its reward; with states that
    are entered both ways terminal."""
    start = data.draw(st.one_of(st.none(), st.integers(0, len(rows) - 1)))
    actions = [data.draw(st.integers(0, len(rows[0]) - 1)) for _ in rows]
    given_rows = rows
    if form == "dict":
        given_rows = {s: dict(enumerate(menus)) for s, menus in enumerate(rows)}
    mu = None if start is None else np.eye(len(rows))[start]
    mdp = MDP.from_outcomes(given_rows, 0.5, mu=mu)
    for n_steps in (1, 2, 7):
        exact, found = worth(rows, actions, 0.5, n_steps), values(mdp, actions, n_steps)
        asked = [start] if start is not None else np.flatnonzero(~mdp.terminal[: len(rows)])
        for s in asked:
            assert found[s] == pytest.approx(exact[s], abs=1e-12)
    assert mdp.n_states in (len(rows), len(rows) + 1)
    if mdp.n_states > len(rows):
        assert mdp.terminal[-1] and mdp.state_names[-1] == "end" and mdp.mu[-1] == 0


def go(t, r=0.0, over=False, p=1.0):
    """One outcome."""
    return (p, t, r, over)


def test_a_state_entered_both_ways_is_not_terminal():
    """As four states of Taxi: a drop-off ends there, a journey goes on from there.

    Seen failing: with every state that is entered with termination terminal; without the note."""
    rows = [[[go(1)], [go(1, 20.0, True)]], [[go(0, -1.0)], [go(1, -1.0)]]]
    mdp = MDP.from_outcomes(rows, 0.9, mu=[1, 0], layout=(1, 2), notes="mine", final=None)
    assert mdp.n_states == 3 and mdp.terminal.tolist() == [False, False, True]
    assert mdp.state_names == ("0", "1", "end")
    assert mdp.P[0, 1].tolist() == [0, 0, 1] and mdp.R[0, 1] == 20
    assert mdp.P[0, 0].tolist() == [0, 1, 0] and mdp.P[1, 0].tolist() == [1, 0, 0]
    assert mdp.mu.tolist() == [1, 0, 0]
    assert np.array_equal(mdp.layout, [[0, 0], [0, 1], [np.nan] * 2], equal_nan=True)
    assert mdp.notes[0] == "mine" and "entered both with termination and without" in mdp.notes[1]


def test_what_is_said_about_the_states_speaks_of_the_end_too():
    """Seen failing: with final, with reward_std, with terminal, with coordinates left as long as
    they were."""
    rows = [[[go(1)], [go(1, 20.0, True)]], [[go(0, -1.0)], [go(1, -1.0)]]]
    mdp = MDP.from_outcomes(
        rows,
        horizon=3,
        mu=[0.5, 0.5],
        final=[1, 2],
        reward_std=[[1, 2], [3, 4]],
        state_names=["x", "y"],
        layout=[[0, 5], [1, 6]],
    )
    assert mdp.final.tolist() == [1, 2, 0] and mdp.reward_std[2].tolist() == [0, 0]
    assert mdp.state_names == ("x", "y", "end") and mdp.layout[:2].tolist() == [[0, 5], [1, 6]]
    assert np.isnan(mdp.layout[2]).all() and mdp.terminal.tolist() == [False, False, True]
    for nobody in ((), np.zeros(2, dtype=bool)):
        mdp = MDP.from_outcomes(rows, 0.9, terminal=nobody)
        assert mdp.terminal.tolist() == [False, False, True]  # an ending ends


def test_a_goal_whose_own_rows_go_on_is_terminal():
    """As the goal of CliffWalking: its rows lead away again, but nobody ever takes them.

    Seen failing: with the rows of the goal kept; with its own loop for an entrance."""
    rows = [[[go(0, -1.0)], [go(1, -1.0, True)]], [[go(0, -5.0)], [go(1, -1.0)]]]
    mdp = MDP.from_outcomes(rows, 0.9, mu=[1, 0])
    assert mdp.n_states == 2 and mdp.terminal.tolist() == [False, True]
    assert mdp.R.tolist() == [[-1, -1], [0, 0]] and mdp.P[1, :, 1].tolist() == [1, 1]
    assert mdp.notes == () and mdp.state_names is None


def test_a_chain_of_states_that_are_only_entered_by_ending():
    """State 2 is entered by ending from 0, and without ending from 1 alone, which is over itself.

    Seen failing: with one round in place of rounds until nothing changes."""
    rows = [
        [[go(1, 1.0, True)], [go(2, 2.0, True)]],
        [[go(2)], [go(2)]],
        [[go(3)], [go(3)]],
        [[go(0)], [go(0)]],
    ]
    mdp = MDP.from_outcomes(rows, 0.9, mu=[1, 0, 0, 0])
    assert mdp.terminal.tolist() == [False, True, True, False]
    again = MDP.from_outcomes([*rows[:3], [[go(1)], [go(0)]]], 0.9, mu=[1, 0, 0, 0])
    assert again.terminal.tolist() == [False, False, False, False, True]


def test_a_start_state_that_is_entered_by_termination():
    """Seen failing: with mu not asked: then the first step of every episode is lost."""
    rows = [[[go(1, 1.0)]], [[go(0, 2.0, True)]]]
    mdp = MDP.from_outcomes(rows, 0.5, mu=[1, 0])
    assert mdp.terminal.tolist() == [False, False, True]
    assert mdp.R[:, 0].tolist() == [1, 2, 0]
    assert MDP.from_outcomes(rows, 0.5, mu=[0, 1]).terminal.tolist() == [True, False]


@pytest.mark.parametrize("reward", [3.0, 0.0])
def test_a_bandit_is_one_state_that_ends(reward):
    """Seen failing: with its loop kept (the reward comes for ever); for reward 0 with an absorbing
    state without reward taken for an end, which a model of zeros alone does not have."""
    mdp = MDP.from_outcomes([[[go(0, reward, True)]]], 1.0)
    assert mdp.n_states == 2 and mdp.R[:, 0].tolist() == [reward, 0]
    assert mdp.P[:, 0].tolist() == [[0, 1], [0, 1]] and mdp.mu.tolist() == [1, 0]
    assert mdp.terminal.tolist() == [False, True]


def test_endings_under_average_reward_stay_where_they_are():
    """Seen failing: with the added state declared terminal."""
    mdp = MDP.from_outcomes([[[go(0, 3.0, True)]]], average=True)
    assert mdp.n_states == 2 and not mdp.terminal.any()
    assert mdp.P[0, 0].tolist() == [0, 1]


def test_an_absorbing_state_may_be_entered_without_termination():
    """Seen failing: with its own loop for an entrance (then an end is added)."""
    rows = [[[go(1, 1.0)], [go(1, 2.0, True)]], [[go(1)], [go(1, 0.0, True)]]]
    mdp = MDP.from_outcomes(rows, 0.9)
    assert mdp.n_states == 2 and mdp.terminal.tolist() == [False, True]
    assert mdp.R.tolist() == [[1, 2], [0, 0]]


def test_outcomes_that_agree_are_merged_and_others_are_not():
    """Seen failing: with the last of equal outcomes kept; with rewards averaged; with outcomes of
    probability zero kept."""
    outcomes = [go(0, -1.0, p=0.25), go(0, -100.0, p=0.25), go(0, -1.0, p=0.25), go(1, 0.0, p=0.25)]
    mdp = MDP.from_outcomes([[[*outcomes, go(1, 9.0, True, p=0.0)]], [[go(1, 1.0)]]], 0.9)
    assert mdp.P[0, 0].tolist() == [0.75, 0.25] and mdp.R[0, 0] == -25.5
    law = mdp.law
    assert law.reward[:3].tolist() == [-100, -1, 0] and law.prob[:3].tolist() == [0.25, 0.5, 0.25]
    assert mdp.n_states == 2 and law.next_state.tolist() == [0, 0, 1, 1]


def test_missing_actions_are_refused():
    """Seen failing: with every action allowed; with the largest action of the first state only."""
    rows = {0: {0: [go(1)], 2: [go(0, 1.0)]}, 1: [[], [go(0, 2.0)]]}
    mdp = MDP.from_outcomes(rows, 0.9)
    assert mdp.allowed.tolist() == [[True, False, True], [False, True, False]]
    assert mdp.R.tolist() == [[0, 0, 1], [0, 2, 0]]
    closed = MDP.from_outcomes({0: {1: [go(1, 1.0, True)]}, 1: {}}, 0.9)
    assert closed.allowed.tolist() == [[False, True], [True, True]] and closed.terminal[1]


def test_a_large_table_is_kept_sparse(monkeypatch):
    """Seen failing: with row and column exchanged; with the limit asked of the rows alone."""
    rng = np.random.default_rng(0)
    n = 30
    rows = [
        [[go(int(rng.integers(n)), 1.0, bool(rng.random() < 0.2), 0.5) for _ in "12"] for _ in "ab"]
        for _ in range(n)
    ]
    dense = MDP.from_outcomes(rows, 0.9)
    monkeypatch.setattr(_outcomes, "DENSE_LIMIT", n * n * 2 - 1)
    thin = MDP.from_outcomes(rows, 0.9)
    assert dense.facts.dense and not thin.facts.dense
    assert np.array_equal(thin.P.toarray().reshape(dense.P.shape), dense.P)
    assert np.array_equal(thin.R, dense.R) and np.array_equal(thin.terminal, dense.terminal)


def test_no_noise_and_no_final_reward_where_it_is_over():
    """Seen failing: with the noise of the goal kept (then it is not terminal); with its final
    reward accepted."""
    rows = [[[go(1, 1.0, True)]], [[go(0, 5.0)]]]
    mdp = MDP.from_outcomes(rows, 0.9, mu=[1, 0], reward_std=np.ones((2, 1)))
    assert mdp.terminal.tolist() == [False, True] and mdp.reward_std.tolist() == [[1], [0]]
    with pytest.raises(
        ModelError, match=r"^final\[1\] is 4, but an episode is over when it enters"
    ):
        MDP.from_outcomes(rows, horizon=2, mu=[1, 0], final=[0, 4])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (7, r"^rows is 7; it must be a list or dictionary of states"),
        ([], r"^rows is empty: a model has at least one state"),
        ([[]], r"^rows has no outcome at all"),
        ({1: [[go(1)]]}, r"^rows has 1 states but none called 0: states are 0 to S - 1"),
        ([3], r"^rows\[0\] is 3; rows\[s\]\[a\] must be a list of outcomes"),
        ([[3]], r"^rows\[0\]\[0\] is 3; rows\[s\]\[a\] must be a list of outcomes"),
        ([[[(1.0, 0)]]], r"^rows\[0\]\[0\]\[0\] is \(1.0, 0\); an outcome is \(probability, next"),
        ([[[(1.0, 0.5, 0, False)]]], r"^rows\[0\]\[0\]\[0\] is .*; an outcome is"),
        ([[[("x", 0, 0, False)]]], r"^rows\[0\]\[0\]\[0\] is .*; an outcome is"),
        ([[[go(0), go(1)]]], r"^rows\[0\]\[0\]\[1\] goes to state 1; states are 0 to 0"),
        ([{-1: [go(0)]}], r"^rows\[0\]\[-1\]\[0\] .* actions are >= 0"),
        ([[[go(0, p=-1.0)]]], r"^rows\[0\]\[0\]\[0\] has probability -1.0 and reward 0.0"),
        ([[[go(0, p=np.nan)]]], r"^rows\[0\]\[0\]\[0\] has probability nan"),
        ([[[go(0, np.inf)]]], r"^rows\[0\]\[0\]\[0\] has probability 1.0 and reward inf"),
        ([[[go(0, p=0.9)]]], r"^P\[0, 0\] sums to 0.9, not 1"),
        ([[[go(0)]], []], r"^state 1 has no allowed action"),
    ],
)
def test_outcomes_that_are_none(rows, message):
    """Seen failing: without `entry[3] != t` (0.5 is no state); without the lower limit of actions;
    with `p < 0`, which lets nan pass."""
    with pytest.raises(ModelError, match=message):
        MDP.from_outcomes(rows, 0.9)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"mu": [1, 0, 0]}, r"^mu has shape \(3,\); it must be \(S,\) = \(2,\)"),
        ({"layout": (3, 3)}, r"^layout must be \(rows, cols\) with rows \* cols = 2"),
        ({"allowed": [[True], [True]]}, r"^allowed= does not go with outcome lists"),
        ({"law": None}, r"^law= does not go with outcome lists"),
        ({"state_names": 3}, r"^state_names is 3; it must be a list of 2 names"),
        ({"terminal": 1}, r"^terminal has shape \(\)"),
        ({"reward_std": 1.0}, r"^reward_std has shape \(\)"),
    ],
)
def test_keywords_that_do_not_fit(keywords, message):
    """Seen failing: without the question for each; the layout (3, 3) used to give places."""
    rows = [[[go(1)], [go(1, 20.0, True)]], [[go(0, -1.0)], [go(1, -1.0)]]]  # an end is added
    with pytest.raises(ModelError, match=message):
        MDP.from_outcomes(rows, 0.9, **keywords)


def test_every_word_of_a_table_with_two_states():
    """All 64 pairs of deterministic rows: two states, each going somewhere, paying or not, ending
    or not. Seen failing: with start states taken for over; with absorbing states taken for ends
    whatever they pay."""
    menus = list(itertools.product((0, 1), (0.0, 1.0), (False, True)))
    for first, second in itertools.product(menus, menus):
        rows = [[[go(*first)]], [[go(*second)]]]
        for start in (0, 1):
            mdp = MDP.from_outcomes(rows, 0.5, mu=np.eye(2)[start])
            exact, found = worth(rows, [0, 0], 0.5, 9), values(mdp, [0, 0], 9)
            assert found[start] == pytest.approx(exact[start], abs=1e-12), rows


def test_probabilities_in_float32():
    """Seen failing: with `float(p)` alone: 1/3 + 2/3 was 1 + 2.98e-08."""
    third, rest = np.float32(1 / 3), np.float32(2 / 3)
    mdp = MDP.from_outcomes([[[(third, 0, 1.0, False), (rest, 0, 0.0, False)]]], 0.9)
    assert mdp.P[0, 0, 0] == 1 and mdp.R[0, 0] == pytest.approx(1 / 3, abs=1e-7)
    with pytest.raises(ModelError, match=r"^P\[0, 0\] sums to 0.66"):
        MDP.from_outcomes([[[(third, 0, 1.0, False), (third, 0, 0.0, False)]]], 0.9)
