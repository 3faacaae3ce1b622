"""The polytope of values: what is filled, and how it is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.path import Path as Outline

import pictures
from mdptools import MDP, ModelError, evaluate, plots, problems, solve
from mdptools.hardness import value_polytope
from mdptools.problems import garnet
from pictures import plt

HERE = Path(__file__).parent / "pictures"
MODELS = [*(problems.polytope(which) for which in "abcd"), garnet(2, 4, 2, gamma=0.8, rng=1)]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def filled(ax):
    """The outlines of what is filled."""
    (pieces,) = [one for one in ax.collections if isinstance(one, PolyCollection)]
    return [path.vertices for path in pieces.get_paths()]


def covered(outlines, points):
    """Whether points lie in one of some outlines."""
    inside = np.zeros(len(points), dtype=bool)
    for outline in outlines:
        for sign in (1e-6, -1e-6):  # the side on which an edge counts depends on its sense
            inside |= Outline(outline).contains_points(points, radius=sign)
    return inside


@pytest.mark.parametrize("mdp", MODELS)
def test_what_is_filled_is_the_set_of_values(mdp):
    """Both ways: values of random policies are covered; what is covered is the value of one, which
    is so where V(s) lies between the smallest and the largest R + gamma P V, in both states.

    Seen failing: with corners in the order of a bow; with one pair of actions left out.
    """
    ax = plots.polytope(value_polytope(mdp))
    outlines = filled(ax)
    rng = np.random.default_rng(0)
    policies = rng.dirichlet(np.full(mdp.n_actions, 0.4), size=(150, 2))
    V = np.array([evaluate(mdp, pi).V for pi in policies])
    assert covered(outlines, V).all()
    low, high = V.min(axis=0), V.max(axis=0)
    points = rng.uniform(low, high, size=(3000, 2))
    Q = mdp.R + mdp.gamma * np.einsum("sat,nt->nsa", mdp.P, points)
    slack = np.minimum(points - Q.min(axis=2), Q.max(axis=2) - points).min(axis=1)
    clear = np.abs(slack) > 1e-5 * (high - low).max()
    assert 0.05 < (slack > 0).mean() < 0.95
    assert np.array_equal(covered(outlines, points[clear]), slack[clear] > 0)


def test_corners_edges_and_the_optimum():
    """Seen failing: with the least V for the largest; with edges between any two policies."""
    mdp = problems.recycling_robot(gamma=0.9)
    found = value_polytope(mdp)
    ax = plots.polytope(found)
    by_label = {line.get_label(): line.get_xydata() for line in ax.lines}
    assert np.array_equal(by_label["deterministic policies"], found.V)
    assert by_label["optimum"][0] == pytest.approx(solve(mdp).V)
    (edges,) = [one for one in ax.collections if isinstance(one, LineCollection)]
    assert np.array_equal(np.array(edges.get_segments()), found.V[found.edges])
    names = {text.get_text(): text.xy for text in ax.texts}
    assert len(names) == 6
    for actions, V in zip(found.policies, found.V, strict=True):
        name = ", ".join(mdp.action_names[a] for a in actions)
        assert names[f"({name})"] == tuple(V)
    assert ax.get_xlabel() == "$V$(high) [reward units]"
    assert ax.get_ylabel() == "$V$(low) [reward units]"


def test_a_path_of_values_also_of_more_states_and_outside():
    """Three states, one of them terminal: the other two are drawn. Value iteration from 0 starts
    outside.

    Seen failing: with the first two states for those that are drawn.
    """
    P = np.zeros((3, 2, 3))
    P[0, :, 0] = 1
    P[1] = [[0.1, 0.9, 0.0], [0.1, 0.0, 0.9]]
    P[2] = [[0.2, 0.4, 0.4], [0.0, 1.0, 0.0]]
    mdp = MDP(P, [[0, 0], [1.0, 2.0], [0.5, -1.0]], gamma=0.8)
    V = [np.zeros(3)]
    for _ in range(30):
        V.append((mdp.R + mdp.gamma * mdp.P @ V[-1]).max(axis=1))
    found = value_polytope(mdp)
    assert found.states.tolist() == [1, 2] and found.state_names == ("1", "2")
    ax = plots.polytope(found, path=np.array(V), labels="value iteration")
    by_label = {line.get_label(): line for line in ax.lines}
    line = by_label["value iteration"]
    assert np.array_equal(line.get_xydata(), np.array(V)[:, 1:])
    assert line.get_markevery() == 5
    assert not covered(filled(ax), np.zeros((1, 2)))[0]
    assert ax.get_title(loc="left") == "a dot every 5 updates"
    again = plots.polytope(found, path=[np.array(V)[:, 1:], V], labels=["a", "b"])
    both = {line.get_label(): line.get_xydata() for line in again.lines}
    assert np.array_equal(both["a"], both["b"])


def test_names_are_few_and_none_on_another():
    """Of 36 policies only the optimum is named; names of corners that are close are stacked.

    Seen failing: with all names; with names in one place twice.
    """
    many = value_polytope(garnet(2, 6, 2, gamma=0.8, rng=0))
    (name,) = plots.polytope(many).texts
    best = int(many.V.sum(axis=1).argmax())
    assert name.get_text() == many.names[best] and name.xy == tuple(many.V[best])
    twice = MDP(np.full((2, 2, 2), 0.5), [[1.0, 1.0], [0.0, 0.5]], gamma=0.5)
    texts = [text.get_text() for text in plots.polytope(value_polytope(twice)).texts]
    assert sorted(sorted(text.split("\n")) for text in texts) == [
        ["(0, 0)", "(1, 0)"],
        ["(0, 1)", "(1, 1)"],
    ]


def test_one_policy_is_a_point():
    """Seen failing: with a division by the extent."""
    mdp = MDP(np.full((2, 1, 2), 0.5), [[1.0], [0.0]], gamma=0.5)
    ax = plots.polytope(value_polytope(mdp), ax=pictures.canvas())
    assert [text.get_text() for text in ax.texts] == ["(0, 0)"]
    pictures.drawn(ax)


def test_bad_arguments_are_named():
    """Seen failing: without each of the checks."""
    found = value_polytope(problems.polytope())
    with pytest.raises(
        ModelError, match=r"polytope is MDP.*it must be what value_polytope returns"
    ):
        plots.polytope(problems.polytope())
    with pytest.raises(
        ModelError, match=r"path\[1\] has shape \(3,\); it must be finite and \(T\+1"
    ):
        plots.polytope(found, path=[np.zeros((2, 2)), np.zeros(3)])
    with pytest.raises(ModelError, match=r"path\[0\] has shape \(3, 1\); it must be finite and"):
        plots.polytope(found, path=np.zeros((3, 1)))
    with pytest.raises(ModelError, match=r"path\[0\] has shape \(1, 2\); it must be finite"):
        plots.polytope(found, path=[[[np.inf, 0.0]]])


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own."""
    ax = plt.subplots()[1]
    assert plots.polytope(value_polytope(MODELS[0]), ax=ax) is ax


def test_the_picture_looks_as_it_did():
    """Seen failing: without what is filled; without edges; without the path."""
    found = value_polytope(problems.polytope("c"))
    path = np.array([[0.0, 0.0], [3.0, 3.0], [6.0, 6.2]])
    ax = pictures.silent(plots.polytope(found, path=path, ax=pictures.canvas()))
    stored = pictures.stored(ax, HERE / "polytope.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    fewer = pictures.silent(plots.polytope(found, ax=pictures.canvas()))
    assert pictures.apart(pictures.drawn(fewer), stored) > pictures.NEAR
