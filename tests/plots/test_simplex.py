"""Learning on the simplex: points are probabilities, shades are J."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import pictures
from mdptools import MDP, ModelError, evaluate, plots
from mdptools.plots import _style
from mdptools.problems import bandit, garnet
from mdptools.studies import GradientAscent, NaturalPolicyGradient, PolicyIteration, run_study
from pictures import plt

HERE = Path(__file__).parent / "pictures"
MODEL = garnet(4, 3, 2, gamma=0.9, rng=3)
RULES = [GradientAscent(0.3), NaturalPolicyGradient(0.1), PolicyIteration()]
PATHS = [run.trace.pi for run in run_study(MODEL, RULES, 40).runs]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def named(ax):
    """Lines by label."""
    return {line.get_label(): line for line in ax.lines}


def probabilities(xy):
    """Of the three corners, from a point of the triangle."""
    top = xy[:, 1] / np.sqrt(0.75)
    right = xy[:, 0] - top / 2
    return np.stack([1 - right - top, right, top], axis=1)


def test_points_are_probabilities_and_corners_actions():
    """Seen failing: with the corners in another order; with state 0 whatever is asked."""
    ax = plots.simplex(MODEL, PATHS, state=1, labels=["a", "b", "c"])
    for pi, label in zip(PATHS, "abc", strict=True):
        found = probabilities(named(ax)[label].get_xydata())
        assert found == pytest.approx(pi[:, 1], abs=1e-12)
    corners = {text.get_text(): text.xy for text in ax.texts}
    for a, name in enumerate("012"):
        assert probabilities(np.array([corners[name]])) == pytest.approx(np.eye(3)[a : a + 1])
    assert ax.get_title(loc="left") == "in state 1, a dot every 5 updates"
    assert all(named(ax)[label].get_markevery() == 5 for label in "abc")
    assert ax.get_aspect() == 1.0 and not ax.axison


def test_only_allowed_actions_are_corners():
    """Four actions, three of which can be taken.

    Seen failing: with the first three actions.
    """
    mdp = MDP(
        np.ones((1, 4, 1)),
        [[1.0, 2.0, 3.0, 4.0]],
        gamma=0.5,
        allowed=[[True, False, True, True]],
        action_names=("a", "b", "c", "d"),
    )
    ax = plots.simplex(mdp, np.array([[[0.2, 0.0, 0.3, 0.5]]]))
    assert [text.get_text() for text in ax.texts] == ["a", "c", "d"]
    start = ax.lines[-1].get_xydata()
    assert probabilities(start) == pytest.approx(np.array([[0.2, 0.3, 0.5]]))
    assert ax.get_title(loc="left") == "a dot for each update"  # there is no other state


def test_lines_of_equal_shade_are_those_of_equal_return():
    """J by `evaluate` at the points of each line; the rest as in the last policy.

    Seen failing: with the rest as in the first policy; with the corners of J in another order.
    """
    ax = plots.simplex(MODEL, PATHS[0], state=1)
    shaded, lines = ax.collections[:2]
    assert lines.get_edgecolor()[0].tolist() == [1, 1, 1, 1]
    checked = 0
    for level, path in zip(lines.levels, lines.get_paths(), strict=True):
        for point in probabilities(path.vertices)[::5]:
            pi = PATHS[0][-1].copy()
            pi[1] = np.abs(point) / np.abs(point).sum()
            assert evaluate(MODEL, pi).J == pytest.approx(level, abs=0.01)
            checked += 1
    assert checked > 20
    assert np.array_equal(shaded.levels, lines.levels)
    bar = ax.figure.axes[-1]
    assert bar.get_ylabel() == "$J$ [reward units]"
    pi = PATHS[0][-1].copy()
    corners = []
    for a in range(3):
        pi[1] = np.eye(3)[a]
        corners.append(evaluate(MODEL, pi).J)
    step = np.diff(shaded.levels)[0]
    assert shaded.levels[0] <= min(corners) < shaded.levels[0] + step
    assert shaded.levels[-1] - step < max(corners) <= shaded.levels[-1]


def test_where_the_return_is_not_defined_there_is_no_shade():
    """A corner in which the episode never ends, and J falls beyond all bounds near it.

    Seen failing: with 0 for what is not defined; with levels down to the least J.
    """
    P = np.zeros((2, 3, 2))
    P[0, 0, 0], P[0, 1], P[0, 2, 1], P[1, :, 1] = 1, [0.5, 0.5], 1, 1
    mdp = MDP(P, [[-1.0, -1.0, -3.0], [0.0] * 3], gamma=1.0)
    ax = plots.simplex(mdp, np.array([[[0.4, 0.3, 0.3], [1.0, 0.0, 0.0]]]))
    shaded = ax.collections[0]
    assert shaded.levels[0] > -15 and shaded.levels[-1] >= -2
    assert shaded.extend == "min"
    drawn = np.concatenate([path.vertices for path in shaded.get_paths()])
    assert probabilities(drawn)[:, 0].max() < 1 - 1 / 48  # not up to the corner
    pictures.drawn(ax)


def test_a_return_that_never_changes_has_no_shades():
    """Seen failing: with levels all the same."""
    mdp = MDP(np.ones((1, 3, 1)), np.zeros((1, 3)), gamma=0.5)
    ax = plots.simplex(mdp, np.full((2, 1, 3), 1 / 3))
    assert not ax.collections and len(ax.figure.axes) == 1


def test_average_reward_is_drawn_too():
    """Seen failing: with mu @ V for J."""
    mdp = MODEL.with_objective(average=True)
    ax = plots.simplex(mdp, PATHS[1], state=0)
    pi = np.array(PATHS[1][-1])
    pi[0] = 1 / 3
    shaded = ax.collections[0]
    assert shaded.levels[0] < evaluate(mdp, pi).J < shaded.levels[-1]


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own."""
    ax = plt.subplots()[1]
    assert plots.simplex(MODEL, PATHS[0], state=2, ax=ax) is ax


def test_bad_arguments_are_named():
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=r"has 4 states that have three: say which: state="):
        plots.simplex(MODEL, PATHS[0])
    two = bandit([1.0, 0.0]).with_objective(gamma=0.5)
    pi = np.full((3, 1, 2), 0.5)
    with pytest.raises(ModelError, match=r"no state that has: for two, draw pi\[:, s, a\] against"):
        plots.simplex(two, pi)
    with pytest.raises(ModelError, match=r"state 0 has 2 actions to choose from, and a simplex"):
        plots.simplex(two, pi, state=0)
    with pytest.raises(ModelError, match=r"state is 4; it must be a state, 0 to 3"):
        plots.simplex(MODEL, PATHS[0], state=4)
    with pytest.raises(ModelError, match=r"state is True; it must be a state"):
        plots.simplex(MODEL, PATHS[0], state=True)
    with pytest.raises(ModelError, match=r"policies is empty"):
        plots.simplex(MODEL, [], state=0)
    with pytest.raises(ModelError, match=r"policies\[0\] has shape \(41, 4, 2\); it must be"):
        plots.simplex(MODEL, PATHS[0][:, :, :2], state=0)
    logits = np.stack([PATHS[0][0], 3 * PATHS[0][0]])
    with pytest.raises(ModelError, match=r"policies\[0\]\[1\] is .* in state 0.*no probabilities"):
        plots.simplex(MODEL, logits, state=0)
    half = np.where(np.arange(4)[:, None] == 2, 0.5, 1.0) * PATHS[0][:1]
    with pytest.raises(ModelError, match=r"policies\[0\]\[0\] is .* in state 2.*no probabilities"):
        plots.simplex(MODEL, half, state=0)
    with pytest.raises(ModelError, match=r"labels has 2 names for 1 paths"):
        plots.simplex(MODEL, PATHS[0], state=0, labels=["a", "b"])
    with pytest.raises(ModelError, match=r"mdp is of type int; it must be a model"):
        plots.simplex(3, PATHS[0], state=0)


def test_the_picture_looks_as_it_did():
    """Seen failing: without shades; with one path less; with the corners in another order."""
    ax = pictures.silent(plots.simplex(MODEL, PATHS, state=1, ax=pictures.canvas()))
    stored = pictures.stored(ax, HERE / "simplex.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    fewer = pictures.silent(plots.simplex(MODEL, PATHS[1:], state=1, ax=pictures.canvas()))
    assert pictures.apart(pictures.drawn(fewer), stored) > pictures.NEAR
    assert _style.colour(0) != _style.colour(1)
