"""The small models have their published answers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import oracles
from mdptools import ModelError
from mdptools.problems import chain, line_world, small


def test_small_has_its_published_values():
    """Seen failing: with P read as (A, S, S); with 5 and 10 exchanged in R."""
    best = oracles.optimum(small())
    assert [round(float(v), 8) for v in best.V] == [392.29910714, 386.16071429]
    assert best.actions == [1, 0]
    assert small(gamma=0.5).gamma == 0.5


def test_line_world_is_the_lectures_table():
    """Seen failing: with -10 for "left" in state 3; with "left" in state 1 ending nothing but
    moving on; with gamma 0.99 as the default."""
    mdp = line_world()
    assert mdp.objective == "total"
    best = oracles.optimum(mdp)
    assert best.V == [-13, -12, -11, -1, 0]
    assert [[*row] for row in zip(*best.Q, strict=True)] == [
        [-14, -14, -13, -12, 0],  # left
        [-13, -12, -11, -1, 0],  # right
    ]
    right = [[0.0, 1.0]] * 5
    of_right = oracles.evaluate(mdp, right)
    assert of_right.V == best.V
    assert [row[0] for row in of_right.A] == [-1, -2, -2, -11, 0]


def test_line_world_is_drawn_as_a_line():
    """Seen failing: with layout (5, 1); with terminal state 0."""
    mdp = line_world()
    assert mdp.layout == (1, 5)
    assert mdp.action_names == ("left", "right")
    assert mdp.state_names == ("1", "2", "3", "4", "5")
    assert np.flatnonzero(mdp.terminal).tolist() == [4]


@pytest.mark.parametrize(("n", "n_actions"), [(2, 2), (3, 2), (6, 4), (9, 3)])
def test_chain_has_the_values_of_its_formula(n, n_actions):
    """Seen failing: with gamma = (n - 1) / n by default; with `successors[:, 0] = here`."""
    mdp = chain(n, n_actions=n_actions, reward=2.0)
    gamma = Fraction(mdp.gamma)
    assert mdp.gamma == (n - 2) / (n - 1)
    best = oracles.optimum(mdp)
    assert [2 * gamma ** (n - 1 - s) / (1 - gamma) for s in range(n)] == best.V
    assert np.array(best.optimal_actions)[: n - 1, 0].all()


def test_chain_goes_one_forward_or_one_back():
    """Seen failing: with all the way back to state 0; with state 0 going back to the end; with
    the end going back; with mu uniform."""
    mdp = chain(5)
    forward, *back = mdp.P.argmax(axis=2).T
    assert forward.tolist() == [1, 2, 3, 4, 4]
    assert all(b.tolist() == [0, 0, 1, 2, 4] for b in back) and len(back) == 3
    assert not mdp.terminal.any()  # its end pays
    assert mdp.mu.tolist() == [1, 0, 0, 0, 0]
    assert mdp.action_names == ("forward", "back 1", "back 2", "back 3")
    assert chain(3, n_actions=2).action_names == ("forward", "back")
    assert chain(3, mu=[0.25, 0.25, 0.5]).mu.tolist() == [0.25, 0.25, 0.5]


def test_a_chain_without_reward_has_no_terminal_state():
    """Seen failing: without `terminal=()` (the end absorbs and pays nothing, so it is found)."""
    assert not chain(3, reward=0.0).terminal.any()


def test_a_long_chain_is_sparse():
    """Seen failing: with `one_successor` always dense."""
    mdp = chain(1_100)
    assert not mdp.facts.dense
    assert mdp.facts.terms == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 1}, "n is 1; a chain needs at least 2"),
        ({"n": 3, "n_actions": 1}, "n_actions is 1; a chain needs at least 2"),
        ({"n": 2.5}, "n is 2.5; it must be an int"),
        ({"n": 3, "gamma": 1.5}, "gamma is 1.5"),
        ({"n": 3, "reward": "much"}, "reward is 'much'; it must be a finite number"),
    ],
)
def test_a_chain_that_cannot_be(arguments, message):
    """Seen failing: with the loop over the sizes taken out of `chain`."""
    with pytest.raises(ModelError, match=message):
        chain(**arguments)
