"""Maximal end components against their definition, set by set."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP
from mdptools.errors import ModelError
from mdptools.structure import _components, end_components


def by_definition(n_states, steps, pairs):
    """All sets of states that the pairs inside them make strongly connected; the largest ones."""
    found = []
    for size in range(n_states, 0, -1):
        for states in map(set, itertools.combinations(range(n_states), size)):
            inside = [(s, a) for s, a in sorted(pairs) if s in states and steps[s, a] <= states]
            drawn = nx.DiGraph((s, t) for s, a in inside for t in steps[s, a])
            alive = {s for s, _ in inside} == states and nx.is_strongly_connected(drawn)
            if alive and not any(states <= larger for larger, _ in found):
                found.append((states, inside))
    return sorted((sorted(states), inside) for states, inside in found)


def plain(components):
    return [(c.states.tolist(), [tuple(pair) for pair in c.pairs.tolist()]) for c in components]


@given(data=st.data())
def test_end_components_meet_their_definition(models, pair_sets, mask, data):
    """Seen failing: with terminal states in the default; with the pairs that stay dropped."""
    mdp, steps = data.draw(models(max_states=6))
    live = {(s, a) for s, a in steps if not mdp.terminal[s]}
    assert plain(end_components(mdp)) == by_definition(mdp.n_states, steps, live)
    pairs = data.draw(pair_sets(steps))
    expected = by_definition(mdp.n_states, steps, pairs)
    assert plain(end_components(mdp, mask(mdp, pairs))) == expected


def test_an_end_component_with_an_exit():
    """Seen failing: with a pair kept that has one successor inside."""
    P = np.zeros((4, 2, 4))
    P[[0, 1, 2, 3], 0, [1, 0, 3, 2]] = P[[0, 2, 3], 1, [1, 3, 2]] = 1
    P[1, 1, [0, 2]] = 0.5
    assert plain(end_components(MDP(P, np.ones(4), gamma=0.9))) == [
        ([0, 1], [(0, 0), (0, 1), (1, 0)]),
        ([2, 3], [(2, 0), (2, 1), (3, 0), (3, 1)]),
    ]


def test_a_way_out_of_1e_300_is_a_way_out():
    """Seen failing: with P > 1e-200 for P != 0."""
    mdp = MDP([[[1, 1e-300]], [[0, 1]]], [1, 0], gamma=1)
    assert end_components(mdp) == ()


def test_terminal_states_are_components_only_if_their_pairs_are_given():
    """Seen failing: with the pairs of terminal states in the default; with them never in."""
    mdp = MDP([[[0.5, 0.5]], [[0, 1]]], [1, 0], gamma=1)
    assert end_components(mdp) == ()
    assert plain(end_components(mdp, mdp.allowed)) == [([1], [(1, 0)])]


def slippery_line(n_states, stay):
    """Both ends are terminal; action 0 slips left or right, action 1 too or stays."""
    P = np.zeros((n_states, 2, n_states))
    s = np.arange(1, n_states - 1)
    P[s, :, s - 1] = P[s, :, s + 1] = 0.5
    if stay:
        P[s, 1] = np.eye(n_states)[s]
    P[0, :, 0] = P[-1, :, -1] = 1
    R = np.ones(n_states)
    R[[0, -1]] = 0
    return MDP(P, R, gamma=1)


@pytest.mark.parametrize("stay", [False, True])
def test_a_long_line_takes_few_searches(stay, monkeypatch):
    """Seen failing: with losses not followed backwards (50 searches); with stays as moves."""
    searches = []
    search = _components.strong_labels
    monkeypatch.setattr(
        _components, "strong_labels", lambda graph: searches.append(1) or search(graph)
    )
    mdp = slippery_line(100, stay)
    expected = [([s], [(s, 1)]) for s in range(1, 99)] if stay else []
    assert plain(end_components(mdp)) == expected
    assert len(searches) <= 2


def test_a_loss_can_part_two_components():
    """Seen failing: with one search only.

    0 and 1 go to and fro, and 2 and 3, and 4 and 5. From 1 one may go over to 2, and from 3 back to
    0, which may end in 4 for good: without the way back the way over leaves for good as well.
    """
    P = np.zeros((6, 2, 6))
    P[range(6), 0, [1, 0, 3, 2, 5, 4]] = P[[0, 1, 2, 4, 5], 1, [1, 2, 3, 5, 4]] = 1
    P[3, 1, [0, 4]] = 0.5
    assert plain(end_components(MDP(P, np.ones(6), gamma=0.9))) == [
        ([0, 1], [(0, 0), (0, 1), (1, 0)]),
        ([2, 3], [(2, 0), (2, 1), (3, 0)]),
        ([4, 5], [(4, 0), (4, 1), (5, 0), (5, 1)]),
    ]


def test_components_are_read_only():
    """Seen failing: without readonly."""
    (component,) = end_components(MDP([[[1.0]]], [[1.0]], gamma=0.5))
    with pytest.raises(ValueError, match="read-only"):
        component.states[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        component.pairs[0] = 1


def test_pairs_of_the_wrong_shape_are_named():
    """Seen failing: without the check of the shape."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    with pytest.raises(ModelError, match=r"pairs is an array of bool with shape \(2, 1\)"):
        end_components(mdp, np.ones((2, 1), dtype=bool))
