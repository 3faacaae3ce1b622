"""Classes and periods against networkx and against powers of the pattern."""

import math

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP
from mdptools.errors import ModelError
from mdptools.structure import (
    communicating_classes,
    is_acyclic,
    is_communicating,
    is_deterministic,
    is_unichain,
    period,
    recurrent_classes,
    transient_states,
)


def digraph(mdp, steps, pairs):
    """The graph of those pairs, drawn edge by edge."""
    drawn = nx.DiGraph()
    drawn.add_nodes_from(range(mdp.n_states))
    drawn.add_edges_from((s, t) for s, a in pairs for t in steps[s, a])
    return drawn


def lists(classes):
    return [states.tolist() for states in classes]


def ordered(sets):
    return sorted(sorted(states) for states in sets)


def chain(n_states, *edges):
    """One action; each edge equally likely among those of its state."""
    P = np.zeros((n_states, 1, n_states))
    for s, t in edges:
        P[s, 0, t] = 1
    return MDP(P / P.sum(axis=2, keepdims=True), np.ones(n_states), gamma=0.9)


def always(mdp):
    return np.ones((mdp.n_states, 1))


@given(data=st.data())
def test_communicating_classes_are_the_strong_components(models, data):
    """Seen failing: with weak components; with SciPy's numbering of the components."""
    mdp, steps = data.draw(models())
    drawn = digraph(mdp, steps, steps)
    expected = ordered(nx.strongly_connected_components(drawn))
    assert lists(communicating_classes(mdp)) == expected
    assert is_communicating(mdp) == nx.is_strongly_connected(drawn)


@given(data=st.data())
def test_recurrent_classes_are_the_closed_components(models, policies, data):
    """Seen failing: with open components counted too; with pi ignored; with pi > 1e-200."""
    mdp, steps = data.draw(models())
    pi, used = data.draw(policies(mdp, steps))
    drawn = digraph(mdp, steps, used)
    expected = ordered(nx.attracting_components(drawn))
    assert lists(recurrent_classes(mdp, pi)) == expected
    transient = set(range(mdp.n_states)).difference(*expected)
    assert set(np.flatnonzero(transient_states(mdp, pi))) == transient
    assert is_unichain(mdp, pi) == (len(expected) == 1)
    assert all([s] in expected for s in np.flatnonzero(mdp.terminal))


@given(data=st.data(), phases=st.integers(1, 3))
def test_the_period_divides_every_return(models, policies, data, phases):
    """Seen failing: with level(u) - level(v); with one edge of each class."""
    mdp, steps = data.draw(models(max_states=7, phases=phases))
    pi, used = data.draw(policies(mdp, steps))
    classes = recurrent_classes(mdp, pi)
    found = period(mdp, pi)
    assert len(found) == len(classes)
    for states, length in zip(classes, found, strict=True):
        step = nx.to_numpy_array(digraph(mdp, steps, used), nodelist=states.tolist()) > 0
        walks, lengths = np.eye(len(states), dtype=bool), []
        for k in range(1, len(states) + 1):  # no simple cycle is longer
            walks = walks @ step
            if walks.trace():
                lengths.append(k)
        assert length == math.gcd(*lengths)
        assert isinstance(length, int)


def test_two_states_in_turn_have_period_two():
    """Seen failing: with level(u) - level(v)."""
    mdp = chain(2, (0, 1), (1, 0))
    assert period(mdp, always(mdp)) == (2,)


def test_cycles_of_four_and_six_have_period_two():
    """Seen failing: with the smallest for the gcd; with the largest."""
    four = [(0, 1), (1, 2), (2, 3), (3, 0)]
    six = [(3, 4), (4, 5), (5, 6), (6, 7), (7, 2)]
    mdp = chain(8, *four, *six)
    assert period(mdp, always(mdp)) == (2,)


def test_periods_come_in_the_order_of_the_classes():
    """Seen failing: with the largest member of a class to order the classes by."""
    mdp = chain(7, (0, 6), (6, 0), (1, 2), (2, 3), (3, 1), (4, 0), (4, 1), (4, 4), (5, 5))
    assert lists(recurrent_classes(mdp, always(mdp))) == [[0, 6], [1, 2, 3], [5]]
    assert period(mdp, always(mdp)) == (2, 3, 1)


def test_a_terminal_state_has_period_one():
    """Seen failing: with the self-loops of terminal states left out."""
    mdp = MDP([[[0, 1]], [[0, 1]]], [1, 0], gamma=1)
    assert mdp.terminal.tolist() == [False, True]
    assert period(mdp, always(mdp)) == (1,)


def test_a_probability_of_1e_300_joins_two_classes():
    """Seen failing: with P > 1e-200 for P != 0."""
    mdp = MDP([[[1, 1e-300]], [[0, 1]]], [1, 2], gamma=0.9)
    assert lists(recurrent_classes(mdp, always(mdp))) == [[1]]
    assert is_unichain(mdp, always(mdp))


@given(data=st.data())
def test_deterministic_and_acyclic_are_what_they_say(models, data):
    """Seen failing: with refused pairs asked too; without self-loops; with terminal states."""
    mdp, steps = data.draw(models())
    live = {(s, a) for s, a in steps if not mdp.terminal[s]}
    assert is_deterministic(mdp) == all(len(nexts) == 1 for nexts in steps.values())
    assert is_acyclic(mdp) == nx.is_directed_acyclic_graph(digraph(mdp, steps, live))


def test_the_line_world():
    """Seen failing: with is_acyclic on all states; with recurrent_classes that ignore pi."""
    right, left = np.eye(5, k=1), np.eye(5, k=-1)
    right[4, 4] = left[0, 0] = 1
    left[4] = right[4]
    mdp = MDP.from_action_matrices([left, right], [-1, -1, -1, -1, 0], gamma=1)
    go_left, go_right = np.tile([1, 0], (5, 1)), np.tile([0, 1], (5, 1))
    assert lists(communicating_classes(mdp)) == [[0, 1, 2, 3], [4]]
    assert not is_communicating(mdp) and not is_acyclic(mdp) and is_deterministic(mdp)
    assert lists(recurrent_classes(mdp, go_left)) == [[0], [4]]
    assert lists(recurrent_classes(mdp, go_right)) == [[4]]
    only_right = MDP.from_action_matrices([right], [-1, -1, -1, -1, 0], gamma=1)
    assert is_acyclic(only_right)


@pytest.mark.parametrize("ask", [recurrent_classes, transient_states, is_unichain, period])
def test_a_policy_of_the_wrong_shape_is_named(ask):
    """Seen failing: without the check of the shape."""
    with pytest.raises(ModelError, match=r"pi has shape \(3, 1\); it must be \(S, A\) = \(2, 1\)"):
        ask(chain(2, (0, 1), (1, 0)), np.ones((3, 1)))


@pytest.mark.parametrize("ask", [recurrent_classes, transient_states, is_unichain, period])
@pytest.mark.parametrize(
    ("pi", "match"),
    [
        (None, r"^pi has shape \(\); it must be \(S, A\) = \(2, 1\)"),
        ([[np.inf], [1]], r"^pi\[0, 0\] is inf"),
        ([[1], [1, 0]], "^pi is no array of real numbers"),
    ],
)
def test_what_is_no_policy(ask, pi, match):
    """Seen failing: with None for all actions; without `pi < inf`; with asarray for as_floats."""
    with pytest.raises(ModelError, match=match):
        ask(chain(2, (0, 1), (1, 0)), pi)
