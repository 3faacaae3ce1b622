"""Tabular policies: what passes is kept, what is wrong is named by state, action and time."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import (
    MDP,
    ModelError,
    check_policy,
    deterministic_policy,
    epsilon_greedy,
    uniform_policy,
)
from mdptools.arrays import readonly
from mdptools.testing.strategies import mdps, policies

P = np.full((2, 2, 2), 0.5)
NAMES = {"state_names": ["home", "away"], "action_names": ["stay", "go"]}
PLAIN = MDP(P, np.ones(2), 0.9, **NAMES)
TIMED = MDP(P, np.ones(2), horizon=3, **NAMES)
MASKED = MDP(P, np.ones(2), 0.9, allowed=[[True, True], [True, False]], **NAMES)
SURE = np.array([[1.0, 0.0], [1.0, 0.0]])


def changed(table, place, value):
    """A copy with one entry changed."""
    table = np.array(table, dtype=float)
    table[place] = value
    return table


def refused(message, function, *arguments):
    """Assert that the call raises exactly that message."""
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        function(*arguments)


# --- check_policy -------------------------------------------------------------------------------


@given(st.data())
def test_a_policy_passes_as_it_is(data):
    """Seen failing: with a frozen array copied; with a writeable one kept; with every policy
    divided by its sums; with the repeated policy refused on a horizon."""
    mdp = data.draw(mdps())
    pi = data.draw(policies(mdp))
    assert np.array_equal(check_policy(mdp, pi), pi)
    frozen = readonly(np.array(pi))
    assert check_policy(mdp, frozen) is frozen
    loose = np.array(pi)
    kept = check_policy(mdp, loose)
    assert not np.shares_memory(kept, loose) and not kept.flags.writeable
    assert not np.shares_memory(check_policy(mdp, readonly(loose[:])), loose)
    assert np.array_equal(check_policy(mdp, pi.tolist()), pi)


def test_a_policy_in_float32_is_renormalised():
    """Seen failing: with the tolerance of float64; without the division."""
    rows = np.random.default_rng(0).dirichlet(np.ones(3), size=2).astype(np.float32)
    mdp = MDP(np.full((2, 3, 2), 0.5), np.ones(2), 0.9)
    for pi in (rows, readonly(rows.copy())):
        kept = check_policy(mdp, pi)
        assert kept.dtype == np.float64 and not kept.flags.writeable
        assert np.abs(kept.sum(axis=1) - 1).max() < 1e-15 and np.allclose(kept, rows, rtol=1e-6)


@pytest.mark.parametrize(
    ("mdp", "pi", "message"),
    [
        (PLAIN, changed(SURE, (1, 0), 0.5), "pi sums to 0.5 in state 1 ('away'), not 1: divide"),
        (PLAIN, changed(SURE, (1, 1), 1e-9), "pi sums to 1 + 1e-09 in state 1 ('away'), not 1"),
        (PLAIN, [[1.5, -0.5], [1, 0]], "pi is -0.5 for action 1 ('go') in state 0 ('home'): a "),
        (
            PLAIN,
            changed(SURE, (1, 0), np.nan),
            "pi is nan for action 0 ('stay') in state 1 ('away')",
        ),
        (PLAIN, changed(SURE, (1, 0), np.inf), "pi sums to inf in state 1 ('away'), not 1"),
        (
            MASKED,
            np.full((2, 2), 0.5),
            "pi gives 0.5 to action 1 ('go') in state 1 ('away'), which is not allowed there: give "
            "it 0.",
        ),
        (PLAIN, [0, 1], "pi has shape (2,); it must be (S, A) = (2, 2). For one action in each "),
        (PLAIN, [SURE] * 3, "pi has shape (3, 2, 2); it must be (S, A) = (2, 2)."),
        (
            TIMED,
            [SURE] * 2,
            "pi has shape (2, 2, 2); it must be (S, A) = (2, 2) or (H, S, A) = (3,",
        ),
        (
            TIMED,
            changed([SURE] * 3, (2, 1, 0), 0.5),
            "pi sums to 0.5 in state 1 ('away') at step 2, not 1",
        ),
        (
            TIMED,
            changed([SURE] * 3, (1, 0, 1), -1),
            "pi is -1 for action 1 ('go') in state 0 ('home') at step 1: a probability",
        ),
        (
            MASKED.with_objective(horizon=1),
            [[[1.0, 0.0], [0.5, 0.5]]],
            "pi gives 0.5 to action 1 ('go') in state 1 ('away') at step 0, which is not allowed",
        ),
        (PLAIN, [[1], [1, 0]], "pi is no array of real numbers"),
        (PLAIN, SURE * 1j, "pi is no array of real numbers: their type is complex128"),
    ],
)
def test_what_is_no_policy_of_the_model(mdp, pi, message):
    """Seen failing: with `(table < 0).any()`, which lets nan pass; without the mask; without the
    step; with np.asarray for as_numbers."""
    with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
        check_policy(mdp, pi)


# --- made policies ------------------------------------------------------------------------------


@given(mdps())
def test_the_uniform_policy_is_uniform_over_allowed_actions(mdp):
    """Seen failing: with 1 / A everywhere."""
    pi = uniform_policy(mdp)
    check_policy(mdp, pi)
    assert not pi.flags.writeable and ((pi > 0) == mdp.allowed).all()
    assert (pi.max(axis=1) * mdp.allowed.sum(axis=1) == 1).all()


@given(st.data())
def test_a_deterministic_policy_takes_the_actions_given(data):
    """Seen failing: with the axes of time and state exchanged."""
    mdp = data.draw(mdps())
    pi = data.draw(policies(mdp, mixed=False))
    actions = pi.argmax(axis=-1)
    made = deterministic_policy(mdp, actions)
    assert np.array_equal(made, pi) and not made.flags.writeable
    assert np.array_equal(deterministic_policy(mdp, actions.astype(np.uint8).tolist()), pi)


@pytest.mark.parametrize(
    ("mdp", "actions", "message"),
    [
        (PLAIN, [0, 2], "actions names 2 in state 1 ('away'); actions are 0 to 1."),
        (PLAIN, [-1, 0], "actions names -1 in state 0 ('home'); actions are 0 to 1."),
        (
            TIMED,
            [[0, 0], [1, 1], [0, -7]],
            "actions names -7 in state 1 ('away') at step 2; actions",
        ),
        (
            PLAIN,
            [0, 1, 0],
            "actions has shape (3,) and type int64; it must hold one action, an int",
        ),
        (PLAIN, [[0, 1]] * 3, "actions has shape (3, 2) and type int64"),
        (
            TIMED,
            [[0, 1]] * 2,
            "actions has shape (2, 2) and type int64; it must hold one action, an",
        ),
        (PLAIN, [0.0, 1.0], "actions has shape (2,) and type float64"),
        (MASKED, [0, 1], "pi gives 1 to action 1 ('go') in state 1 ('away'), which is not allowed"),
    ],
)
def test_actions_that_do_not_exist(mdp, actions, message):
    """Seen failing: with the largest action for the culprit; with -1 for the last action."""
    with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
        deterministic_policy(mdp, actions)


@given(st.data(), st.sampled_from([0, 0.25, 1]))
def test_epsilon_greedy_mixes_the_best_with_the_uniform(data, epsilon):
    """Seen failing: with epsilon and 1 - epsilon exchanged; with refused actions looked at; with
    the last of tied actions; without the axis of time."""
    mdp = data.draw(mdps())
    times = data.draw(st.sampled_from([(), (mdp.horizon,)])) if mdp.horizon else ()
    shape = (*times, mdp.n_states, mdp.n_actions)
    size = int(np.prod(shape))
    numbers = st.sampled_from([-np.inf, -1.0, 0.0, 2.0, np.inf])
    Q = np.array(data.draw(st.lists(numbers, min_size=size, max_size=size))).reshape(shape)
    Q = np.where(mdp.allowed, Q, np.nan)
    pi = epsilon_greedy(mdp, Q, epsilon)
    assert pi.shape == shape and not pi.flags.writeable
    check_policy(mdp, pi)
    for *time, s in np.ndindex(shape[:-1]):
        menu = np.flatnonzero(mdp.allowed[s]).tolist()
        best = max(menu, key=lambda a: (Q[(*time, s, a)], -a))
        for a in range(mdp.n_actions):
            wanted = (epsilon / len(menu) + (1 - epsilon) * (a == best)) * (a in menu)
            assert pi[(*time, s, a)] == pytest.approx(wanted, abs=1e-15)


def test_epsilon_greedy_with_wrong_arguments():
    """Seen failing: without the question for nan; with `epsilon < 0 or epsilon > 1`; with the
    TypeError of a comparison with None."""
    for epsilon in (-0.1, 1.1, np.nan, None, "0.5", [0.5]):
        message = f"epsilon is {epsilon!r}; it must be a number in [0, 1]."
        refused(message, epsilon_greedy, PLAIN, SURE, epsilon)
    message = "Q has shape (2,); it must be (S, A) = (2, 2)."
    refused(message, epsilon_greedy, PLAIN, [0.0, 1.0], 0.1)
    refused("Q has shape (1, 2, 2); it must be (S, A) = (2, 2).", epsilon_greedy, PLAIN, [SURE], 0)
    message = "Q is nan for action 1 ('go') in state 0 ('home'); it must be a number."
    refused(message, epsilon_greedy, PLAIN, changed(SURE, (0, 1), np.nan), 0.1)
    message = "Q is nan for action 0 ('stay') in state 1 ('away') at step 2; it must be a number."
    refused(message, epsilon_greedy, TIMED, changed([SURE] * 3, (2, 1, 0), np.nan), 0.1)
