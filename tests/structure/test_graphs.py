"""The graph of a model is what its branches say, pair by pair."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from mdptools import MDP
from mdptools.errors import ModelError
from mdptools.structure import _graphs, adjacency, graph


def two_ways():
    """Both actions of state 0 may lead to 1; state 1, "end", is terminal."""
    P = [[[0.5, 0.5], [0.25, 0.75]], [[0, 1], [0, 1]]]
    return MDP(P, [1, 0], gamma=1, state_names=("start", "end"))


@given(data=st.data())
def test_adjacency_joins_what_one_step_joins(models, policies, pair_sets, mask, data):
    """Seen failing: with pairs ignored; with pi ignored; with pi > 1e-200 for pi > 0."""
    mdp, steps = data.draw(models())
    pi, used = data.draw(policies(mdp, steps))
    pairs = data.draw(pair_sets(steps))
    everything = set(steps)
    for given_pi, given_pairs, meant in [
        (None, None, everything),
        (pi, None, used),
        (None, mask(mdp, pairs), pairs),
        (pi, mask(mdp, pairs), pairs & used),
    ]:
        expected = np.zeros((mdp.n_states, mdp.n_states), dtype=bool)
        for s, a in meant:
            expected[s, list(steps[s, a])] = True
        assert np.array_equal(adjacency(mdp, given_pi, given_pairs).toarray(), expected)


def test_adjacency_is_a_sparse_pattern():
    """Seen failing: without astype(bool)."""
    pattern = adjacency(two_ways())
    assert sparse.issparse(pattern) and pattern.format == "csr" and pattern.dtype == bool
    assert pattern.nnz == 3 and pattern.data.all()


def test_searches_get_each_edge_once():
    """Seen failing: without sum_duplicates. SciPy's strong components may then never come back."""
    mdp = two_ways()
    assert _graphs.step_graph(mdp, mdp.allowed).nnz == 3


@given(data=st.data())
def test_graph_says_which_actions_join_two_states(models, policies, data):
    """Seen failing: with the branches unsorted; with pi left out of the probability."""
    mdp, steps = data.draw(models())
    pi, used = data.draw(policies(mdp, steps))
    P = mdp.P if isinstance(mdp.P, np.ndarray) else mdp.P.toarray()
    P = P.reshape(mdp.n_states, mdp.n_actions, mdp.n_states)
    for given_pi, meant in [(None, set(steps)), (pi, used)]:
        found = graph(mdp, given_pi)
        assert list(found) == list(range(mdp.n_states))
        assert set(found.edges) == {(s, t) for s, a in meant for t in steps[s, a]}
        for s, t, facts in found.edges(data=True):
            takes = tuple(sorted(a for z, a in meant if z == s and t in steps[s, a]))
            assert facts["actions"] == takes
            if given_pi is None:
                assert set(facts) == {"actions"}
            else:
                mixed = sum(pi[s, a] * P[s, a, t] for a in takes)
                assert facts["probability"] == pytest.approx(mixed, rel=1e-12, abs=0)


def test_graph_knows_names_and_terminal_states():
    """Seen failing: with str(s) for the name; with terminal left out."""
    found = graph(two_ways())
    assert isinstance(found, nx.DiGraph)
    assert dict(found.nodes(data="name")) == {0: "start", 1: "end"}
    assert dict(found.nodes(data="terminal")) == {0: False, 1: True}
    nameless = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    assert dict(graph(nameless).nodes(data="name")) == {0: "0"}


def test_an_edge_too_unlikely_for_a_float_is_still_there():
    """Seen failing: with the edges of the mixed chain, pi(a|s) P(t|s,a) != 0."""
    P = [[[1.0, 1e-200], [1.0, 0.0]], [[0, 1], [0, 1]]]
    mdp, pi = MDP(P, [1, 0], gamma=1), [[1e-200, 1.0], [1.0, 0.0]]
    assert adjacency(mdp, pi)[0, 1]
    assert graph(mdp, pi)[0][1] == {"actions": (0,), "probability": 0.0}


@pytest.mark.parametrize(
    ("pi", "match"),
    [
        (np.ones((2, 1)), r"pi has shape \(2, 1\); it must be \(S, A\) = \(2, 2\)"),
        (np.ones((3, 2, 2)), r"pi\[t\]"),
        (np.zeros(2, dtype=int), r"deterministic_policy"),
        ([[1, 0], [-0.5, 1.5]], r"pi\[1, 0\] is -0\.5 in state 1 \('b'\): .* must be >= 0"),
        ([[1, 0], [np.nan, 1]], r"pi\[1, 0\] is nan"),
        ([[0.9, 0.1], [1, 0]], r"pi\[0, 1\] is 0\.1 in state 0 \('a'\): that action is refused"),
        ([[1, 0], [0, 0]], r"pi\[1\] takes no action in state 1 \('b'\): its sum is 0"),
    ],
)
def test_a_bad_policy_is_named(pi, match):
    """Seen failing: with (pi < 0) for ~(pi >= 0); without each of the four checks."""
    P = [[[0, 1], [0, 0]], [[1, 0], [1, 0]]]
    names = ("a", "b")
    mdp = MDP(P, [1, 2], gamma=0.9, allowed=[[True, False], [True, True]], state_names=names)
    with pytest.raises(ModelError, match=match):
        adjacency(mdp, pi)
    with pytest.raises(ModelError, match=match):
        graph(mdp, pi)


@pytest.mark.parametrize("pairs", [np.ones((2, 2)), np.ones(2, dtype=bool), [[0, 1]]])
def test_bad_pairs_are_named(pairs):
    """Seen failing: without the check of the type; without the check of the shape."""
    with pytest.raises(ModelError, match=r"pairs is an array of .* with shape \(S, A\) = \(2, 2\)"):
        adjacency(two_ways(), pairs=pairs)
