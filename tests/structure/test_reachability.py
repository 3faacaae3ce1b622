"""Reaching possibly and almost surely, against all deterministic policies and set fixpoints."""

import itertools

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP
from mdptools.errors import ModelError
from mdptools.structure import (
    almost_surely_reach,
    attractor_policy,
    can_reach,
    every_policy_proper,
    fewest_steps,
    improper_states,
    is_proper,
    reachable,
)


def digraph(n_states, steps, pairs):
    """The graph of those pairs, drawn edge by edge."""
    drawn = nx.DiGraph()
    drawn.add_nodes_from(range(n_states))
    drawn.add_edges_from((s, t) for s, a in pairs for t in steps[s, a])
    return drawn


def from_some(drawn, starts):
    return set(starts).union(*(nx.descendants(drawn, s) for s in starts))


def surely(n_states, steps, pairs, targets):
    """States from which the chain of those pairs is almost surely led to the targets."""
    drawn = digraph(n_states, steps, {(s, a) for s, a in pairs if s not in targets})
    hopeful = from_some(drawn.reverse(), targets)
    return {s for s in range(n_states) if from_some(drawn, [s]) <= hopeful}


def deterministic(n_states, pairs):
    """Each choice of one pair for each state that has one."""
    choices = [[p for p in sorted(pairs) if p[0] == s] or [None] for s in range(n_states)]
    return [{p for p in chosen if p} for chosen in itertools.product(*choices)]


def by_fixpoints(n_states, steps, pairs, targets):
    """The greatest set whose states can come to the targets by pairs that stay in it."""
    states = set(range(n_states))
    while True:
        hopeful = set(targets)
        while True:
            more = {
                s for s, a in pairs if s in states and steps[s, a] <= states
                and steps[s, a] & hopeful
            }  # fmt: skip
            if more <= hopeful:
                break
            hopeful |= more
        if hopeful == states:
            return states
        states = hopeful


def lake():
    """Three cells in a row, a hole at the left, the goal at the right; every step is slippery.

    Action 0 in cell 2 may slip into cell 1, from which each step may fall into the hole; action 1
    tries again where it is, or comes to the goal.
    """
    hole, one, two, goal = range(4)
    P = np.zeros((4, 2, 4))
    P[hole, :, hole] = P[goal, :, goal] = 1
    P[one, :, [hole, two]] = 0.5
    P[two, 0, [one, goal]] = 0.5
    P[two, 1, [two, goal]] = 0.999, 0.001
    return MDP(P, [0, 1, 1, 0], gamma=1)


@given(data=st.data())
def test_reachable_follows_the_edges(models, policies, few_states, data):
    """Seen failing: with the edges reversed; with the start left out; with pi ignored."""
    mdp, steps = data.draw(models())
    pi, used = data.draw(policies(mdp, steps))
    starts = data.draw(few_states(mdp))
    as_mask = np.isin(np.arange(mdp.n_states), list(starts))
    for given_pi, pairs in [(None, set(steps)), (pi, used)]:
        drawn = digraph(mdp.n_states, steps, pairs)
        expected = from_some(drawn, starts)
        assert set(np.flatnonzero(reachable(mdp, as_mask, given_pi))) == expected
        assert set(np.flatnonzero(reachable(mdp, sorted(starts), given_pi))) == expected
        possible = from_some(drawn, np.flatnonzero(mdp.mu > 0).tolist())
        assert set(np.flatnonzero(reachable(mdp, pi=given_pi))) == possible


@given(data=st.data())
def test_can_reach_follows_the_edges_backwards(models, pair_sets, few_states, mask, data):
    """Seen failing: with the edges forward; with pairs ignored."""
    mdp, steps = data.draw(models())
    pairs = data.draw(pair_sets(steps))
    targets = data.draw(few_states(mdp))
    for given_pairs, meant in [(None, set(steps)), (mask(mdp, pairs), pairs)]:
        drawn = digraph(mdp.n_states, steps, meant)
        expected = from_some(drawn.reverse(), targets)
        assert set(np.flatnonzero(can_reach(mdp, sorted(targets), given_pairs))) == expected


@given(data=st.data())
def test_fewest_steps_are_the_shortest_paths(models, pair_sets, few_states, mask, data):
    """Seen failing: with the edges forward; with pairs ignored; with 0 where none leads."""
    mdp, steps = data.draw(models())
    pairs = data.draw(pair_sets(steps))
    targets = data.draw(few_states(mdp))
    for given_pairs, meant in [(None, set(steps)), (mask(mdp, pairs), pairs)]:
        backwards = digraph(mdp.n_states, steps, meant).reverse()
        paths = nx.multi_source_dijkstra_path_length(backwards, targets) if targets else {}
        expected = [paths.get(s, -1) for s in range(mdp.n_states)]
        assert fewest_steps(mdp, sorted(targets), given_pairs).tolist() == expected


@given(data=st.data())
def test_some_deterministic_policy_reaches_almost_surely(models, pair_sets, few_states, mask, data):
    """Seen failing: with can_reach; with the pairs of targets followed."""
    mdp, steps = data.draw(models(max_states=4))
    pairs = data.draw(pair_sets(steps))
    targets = data.draw(few_states(mdp))
    states, _ = almost_surely_reach(mdp, sorted(targets), mask(mdp, pairs))
    best = set(targets)
    for chosen in deterministic(mdp.n_states, pairs):
        best |= surely(mdp.n_states, steps, chosen, targets)
    assert set(np.flatnonzero(states)) == best


@given(data=st.data())
def test_the_pairs_of_almost_sure_reaching(models, pair_sets, few_states, mask, data):
    """Seen failing: with the pairs that may leave."""
    mdp, steps = data.draw(models(max_states=7))
    pairs = data.draw(pair_sets(steps))
    targets = data.draw(few_states(mdp))
    states, staying = almost_surely_reach(mdp, sorted(targets), mask(mdp, pairs))
    expected = by_fixpoints(mdp.n_states, steps, pairs, targets)
    assert set(np.flatnonzero(states)) == expected
    inside = {(s, a) for s, a in pairs if s in expected and steps[s, a] <= expected}
    assert {tuple(p) for p in np.argwhere(staying).tolist()} == inside
    assert expected <= surely(mdp.n_states, steps, inside, targets)


@given(data=st.data())
def test_the_attractor_policy_reaches_almost_surely(models, pair_sets, few_states, mask, data):
    """Seen failing: with the first pair that stays; with levels of all pairs; with <= for <."""
    mdp, steps = data.draw(models(max_states=7))
    pairs = data.draw(pair_sets(steps))
    targets = data.draw(few_states(mdp))
    actions = attractor_policy(mdp, sorted(targets), mask(mdp, pairs)).tolist()
    expected = by_fixpoints(mdp.n_states, steps, pairs, targets)
    assert {s for s, a in enumerate(actions) if a >= 0} == expected - targets
    chosen = {(s, a) for s, a in enumerate(actions) if a >= 0}
    assert chosen <= pairs
    assert expected <= surely(mdp.n_states, steps, chosen, targets)


@given(data=st.data())
def test_a_proper_policy_ends_from_everywhere(models, policies, data):
    """Seen failing: with "cannot reach a terminal state" alone; with pi ignored."""
    mdp, steps = data.draw(models(max_states=8))
    pi, used = data.draw(policies(mdp, steps))
    ends = surely(mdp.n_states, steps, used, set(np.flatnonzero(mdp.terminal).tolist()))
    assert set(np.flatnonzero(~improper_states(mdp, pi))) == ends
    assert is_proper(mdp, pi) == (len(ends) == mdp.n_states)


@given(data=st.data())
def test_every_policy_is_proper_if_every_deterministic_one_is(models, data):
    """Seen failing: with terminal states among the end components; negated; with any policy."""
    mdp, steps = data.draw(models(max_states=4))
    targets = set(np.flatnonzero(mdp.terminal).tolist())
    proper = all(
        len(surely(mdp.n_states, steps, chosen, targets)) == mdp.n_states
        for chosen in deterministic(mdp.n_states, steps)
    )
    assert every_policy_proper(mdp) == proper


def test_a_trap_behind_a_slip_is_avoided():
    """Seen failing: with can_reach for the set; with the first pair that comes nearer."""
    mdp = lake()
    states, pairs = almost_surely_reach(mdp, 3)
    assert can_reach(mdp, 3).tolist() == [False, True, True, True]
    assert states.tolist() == [False, False, True, True]
    assert pairs.tolist() == [[False, False], [False, False], [False, True], [True, True]]
    assert attractor_policy(mdp, 3).tolist() == [-1, -1, 1, -1]


def test_going_to_and_fro_before_a_gamble():
    """Seen failing: with one round only.

    0 and 1 are left and right of a door. From 1 one may gamble: the goal 2 or the trap 3. Without
    the gamble nobody is stuck, yet nobody comes to the goal.
    """
    P = np.zeros((4, 2, 4))
    P[0, :, 1] = P[1, 0, 0] = P[2, :, 2] = P[3, :, 3] = 1
    P[1, 1, 2:] = 0.5
    states, pairs = almost_surely_reach(MDP(P, [1, 1, 0, 0], gamma=1), [2])
    assert states.tolist() == [False, False, True, False]
    assert np.argwhere(pairs).tolist() == [[2, 0], [2, 1]]


def test_the_lake_dries_out_under_policies_that_move():
    """Seen failing: with every_policy_proper negated; with terminal states never reached."""
    mdp = lake()
    assert every_policy_proper(mdp)
    assert is_proper(mdp, np.full((4, 2), 0.5))


def test_the_line_world():
    """Seen failing: with "cannot reach a terminal state" read from all actions."""
    right, left = np.eye(5, k=1), np.eye(5, k=-1)
    right[4, 4] = left[0, 0] = 1
    left[4] = right[4]
    mdp = MDP.from_action_matrices([left, right], [-1, -1, -1, -1, 0], gamma=1)
    go_left, go_right = np.tile([1, 0], (5, 1)), np.tile([0, 1], (5, 1))
    assert almost_surely_reach(mdp, [4])[0].all()
    assert attractor_policy(mdp, [4]).tolist() == [1, 1, 1, 1, -1]
    assert improper_states(mdp, go_left).tolist() == [True, True, True, True, False]
    assert is_proper(mdp, go_right) and not is_proper(mdp, go_left)
    assert not every_policy_proper(mdp)
    assert reachable(mdp, 2, go_right).tolist() == [False, False, True, True, True]


def test_a_probability_of_1e_300_counts():
    """Seen failing: with P > 1e-200 for P != 0."""
    P = [[[1, 1e-300, 0]], [[0, 1, 0]], [[0, 1, 1e-300]]]
    mdp = MDP(P, [1, 0, 1], gamma=1)
    assert almost_surely_reach(mdp, 1)[0].all()
    assert every_policy_proper(mdp)
    assert can_reach(mdp, 2).tolist() == [False, False, True]
    assert almost_surely_reach(mdp, 2)[0].tolist() == [False, False, True]


def test_an_action_of_probability_1e_300_is_taken():
    """Seen failing: with pi > 1e-200 for pi > 0."""
    mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [1, 0], gamma=1)
    assert is_proper(mdp, [[1, 1e-300], [1, 0]])
    assert not is_proper(mdp, [[1, 0], [1, 0]])


def test_nothing_ends_where_nothing_is_terminal():
    """Seen failing: with improper states only where a terminal state exists."""
    mdp = MDP([[[0, 1]], [[1, 0]]], [1, 2], gamma=0.9)
    assert improper_states(mdp, [[1], [1]]).all()
    assert not every_policy_proper(mdp)
    assert not can_reach(mdp, []).any()


@pytest.mark.parametrize("ask", [can_reach, almost_surely_reach, attractor_policy, reachable])
@pytest.mark.parametrize(
    ("states", "match"),
    [
        ([0, 4], r"(targets|start)\[1\] is 4; the states of this model are 0 to 3"),
        (-1, r"(targets|start)\[0\] is -1; the states of this model are 0 to 3"),
        ([True, False], r"(targets|start) is an array of bool with shape \(2,\)"),
        ([0.0, 1.0], r"it must be a mask of bool with shape \(S,\) = \(4,\), or the indices"),
        ([[0, 1]], r"with shape \(1, 2\)"),
        ("end", r"(targets|start) is no array of real numbers: their type is <U3"),
        ([[0], [0, 1]], r"(targets|start) is no array of real numbers"),
    ],
)
def test_bad_states_are_named(ask, states, match):
    """Seen failing: with negative indices let through; without the check of type and shape."""
    with pytest.raises(ModelError, match=match):
        ask(lake(), states)


def test_answers_are_read_only():
    """Seen failing: without readonly in each of them."""
    mdp = lake()
    pi = np.full((4, 2), 0.5)
    states, pairs = almost_surely_reach(mdp, 3)
    answers = [states, pairs, can_reach(mdp, 3), reachable(mdp), attractor_policy(mdp, 3)]
    assert not any(x.flags.writeable for x in [*answers, improper_states(mdp, pi)])
