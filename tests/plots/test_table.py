"""The picture of a table: cells, digits, frames, hatches and names, and how it looks."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.collections import PatchCollection, QuadMesh

import pictures
from mdptools import MDP, ModelError, plots, solve
from mdptools.plots import _heat
from mdptools.problems import garnet, recycling_robot
from pictures import plt

ROBOT = recycling_robot(gamma=0.9)
SOLVED = solve(ROBOT)
HERE = Path(__file__).parent / "pictures"
MINUS = "\N{MINUS SIGN}"


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def mesh(ax):
    (found,) = [group for group in ax.collections if isinstance(group, QuadMesh)]
    return found


def cells(ax, label):
    """The (s, a) around which patches of one kind stand."""
    found = []
    for group in ax.collections:
        if isinstance(group, PatchCollection) and group.get_label() == label:
            for path in group.get_paths():
                x, y = path.get_extents().get_points().mean(axis=0)
                found.append((round(y), round(x)))
    return sorted(found)


def texts(ax):
    return {
        tuple(round(float(x)) for x in text.get_position()[::-1]): text.get_text()
        for text in ax.texts
    }


def ticks(axis):
    return [tick.get_text() for tick in axis.get_ticklabels()]


def test_each_pair_has_its_number_and_refused_ones_are_hatched():
    """Seen failing: with refused pairs as -inf; with states across the page; with -inf counted in
    the colours; with the names of states for those of actions."""
    ax = plots.table(ROBOT, SOLVED.Q, label="Q*")
    assert np.array_equal(np.ma.getmaskarray(mesh(ax).get_array().reshape(2, 3)), ~ROBOT.allowed)
    held = mesh(ax).get_array().reshape(2, 3)[ROBOT.allowed]
    assert np.array_equal(held, SOLVED.Q[ROBOT.allowed])
    assert (mesh(ax).norm.vmin, mesh(ax).norm.vmax) == (held.min(), held.max())
    assert cells(ax, "refused") == [(0, 2)]
    assert texts(ax) == {(int(s), int(a)): f"{SOLVED.Q[s, a]:.1f}" for s, a in
                         np.argwhere(ROBOT.allowed)}  # fmt: skip
    assert ticks(ax.yaxis) == ["high", "low"] and ax.get_ylabel() == "state"
    assert ticks(ax.xaxis) == ["search", "wait", "recharge"] and ax.get_xlabel() == "action"
    assert ax.get_ylim() == (1.5, -0.5)
    assert ax.figure.axes[1].get_ylabel() == "$Q^*$ [reward units]"


def test_optimal_actions_have_frames_but_nobody_acts_in_terminal_states():
    """Seen failing: with the frames transposed; with frames at the end; without the white rim."""
    P = [[[0.0, 1.0], [0.5, 0.5]], [[0.0, 1.0], [0.0, 1.0]]]
    mdp = MDP(P, [[1.0, 1.0], [0.0, 0.0]], 0.0)
    sol = solve(mdp)
    assert sol.optimal_actions.all()
    ax = plots.table(mdp, sol.Q, optimal=sol.optimal_actions)
    assert cells(ax, "optimal") == cells(ax, "_rim") == [(0, 0), (0, 1)]
    assert ticks(ax.yaxis) == ["0", "1  (terminal)"]
    ax = plots.table(ROBOT, SOLVED.Q, optimal=SOLVED.pi > 0)
    assert cells(ax, "optimal") == [(0, 0), (1, 2)]
    black, white = [group for group in ax.collections if group.get_label() in ("optimal", "_rim")]
    assert black.get_linewidth()[0] > white.get_linewidth()[0]  # the first is the rim


def test_one_number_for_each_state_is_a_column():
    """Seen failing: with a row; with ticks for actions; with hatches by `allowed`."""
    ax = plots.table(ROBOT, SOLVED.V, label="V")
    assert list(texts(ax)) == [(0, 0), (1, 0)]
    assert ticks(ax.xaxis) == [] and ax.get_xlabel() == "" and not cells(ax, "refused")


def test_what_is_not_finite_has_its_name():
    """An infinite number at an allowed pair is not refused.

    Seen failing: with every -inf taken for refused; with nan in the limits.
    """
    ax = plots.table(ROBOT, [[np.inf, -np.inf, -np.inf], [np.nan, 1.0, -3.0]])
    assert cells(ax, "refused") == [(0, 2)]
    assert cells(ax, "not finite") == [(0, 0), (0, 1), (1, 0)]
    assert texts(ax) == {(0, 0): "∞", (0, 1): f"{MINUS}∞", (1, 0): "nan", (1, 1): "1",
                         (1, 2): f"{MINUS}3"}  # fmt: skip
    assert (mesh(ax).norm.vmin, mesh(ax).norm.vmax, mesh(ax).cmap.name) == (-3, 3, "RdBu")
    assert len(plots.table(ROBOT, np.full((2, 3), np.nan)).figure.axes) == 1


def test_long_tables_are_cut_and_say_so():
    """Seen failing: with the last states; without the title; with all the ticks."""
    mdp = garnet(60, 2, 2, gamma=0.9, rng=0)
    x = np.arange(120.0).reshape(60, 2)
    ax = plots.table(mdp, x, optimal=x > 0)
    assert ax.get_title(loc="left") == "the first 40 of 60 states"
    assert mesh(ax).get_array().size == 80 and mesh(ax).norm.vmax == 79
    assert len(ticks(ax.yaxis)) == 40 and max(cells(ax, "optimal")) == (39, 1)
    assert plots.table(ROBOT, SOLVED.Q).get_title(loc="left") == ""


def test_names_are_cut_leant_and_no_mathematics():
    """Seen failing: with whole names; with upright ones; with "$" as mathematics."""
    names = ["a very long name of a state that nobody can read at all", "$x_1$"]
    mdp = MDP(np.full((2, 2, 2), 0.5), np.ones((2, 2)), 0.5, state_names=names,
              action_names=["go ahead by one", "$y_{"])  # fmt: skip
    ax = plots.table(mdp, np.ones((2, 2)))
    assert ticks(ax.yaxis) == ["a very long name of a state that nobody can…", "$x_1$"]
    assert {label.get_rotation() for label in ax.get_xticklabels()} == {40.0}
    pictures.drawn(ax)
    assert all(not label.get_parse_math() for label in ax.get_xticklabels())


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([0.123456, 0.5], ["0.123", "0.500"]),
        ([1.0, -0.5, 0.0], ["1.0", f"{MINUS}0.5", "0"]),
        ([-14.0, 3.0], [f"{MINUS}14", "3"]),
        ([392.2991, 386.1607], ["392.3", "386.2"]),
        ([1000.001, 1000.002], ["1000.00", "1000.00"]),
        ([99.8112, 99.8421], ["99.811", "99.842"]),
        ([-1e-18, 1.0], ["0", "1"]),
        ([1.5e-7, 2e-9], ["1.5e" + MINUS + "7", "2.0e" + MINUS + "9"]),
        ([123456.0, 1.0], ["1.2e5", "1.0e0"]),
        ([float("nan"), float("-inf"), 2.0], ["nan", MINUS + "∞", "2"]),
        ([], []),
    ],
)
def test_numbers_have_the_digits_that_tell_them_apart(values, written):
    """Seen failing: with digits for the largest alone; with "-0"; with a hyphen for a minus."""
    assert _heat.numbers(values) == written


def test_ink_stands_out_from_every_colour():
    """By the contrast of WCAG 2, at least 4.5 to 1 for both maps.

    Seen failing: with the mean of red, green and blue for the lightness; with the inks exchanged.
    """
    for values in (np.linspace(0, 1, 101), np.linspace(-1, 1, 101)):
        rgba = _heat.heat(values).colours(values)
        linear = np.where(rgba <= 0.04045, rgba / 12.92, ((rgba + 0.055) / 1.055) ** 2.4)[:, :3]
        light = linear @ [0.2126, 0.7152, 0.0722]
        ink = np.array([1.0 if ink == "white" else 0.0 for ink in _heat.inks(rgba)])
        high, low = np.maximum(light, ink), np.minimum(light, ink)
        assert ((high + 0.05) / (low + 0.05)).min() > 4.5


def test_colours_of_heat_are_told_apart_by_all_readers():
    """Lightness alone orders the sequential map, and the two ends of the other differ for the
    colour-blind (Machado et al. 2009: protan, deutan).

    Seen failing: with the map "jet"; with red and green ends.
    """
    steps = np.linspace(0, 1, 64)
    rgb = _heat.heat(steps).colours(steps)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    assert (np.diff(linear @ [0.2126, 0.7152, 0.0722]) > 0).all()
    ends = _heat.heat(np.array([-1.0, 1.0])).colours(np.array([-0.7, 0.7]))[:, :3]
    for matrix in (
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
         [-0.003882, -0.048116, 1.051998]],
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
         [-0.011820, 0.042940, 0.968881]],
    ):  # fmt: skip
        seen = ends @ np.array(matrix).T
        assert np.linalg.norm(seen[0] - seen[1]) > 0.3


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own; with room from the neighbour."""
    figure, (left, right) = plt.subplots(1, 2)
    before = right.get_position().bounds
    assert plots.table(ROBOT, SOLVED.Q, ax=left) is left
    figure.canvas.draw()
    assert right.get_position().bounds == before and len(figure.axes) == 3
    assert left.get_position().x1 < figure.axes[2].get_position().x0 < right.get_position().x0


def test_what_does_not_fit_is_named():
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=r"x has shape \(3,\); it must be \(2, 3\) or \(2,\)\.$"):
        plots.table(ROBOT, [1.0, 2.0, 3.0])
    finite = solve(ROBOT.with_objective(horizon=4))
    with pytest.raises(ModelError, match=r"x has shape \(4, 2, 3\).*One step at a time.*: x\[0\]"):
        plots.table(ROBOT, finite.Q)
    with pytest.raises(ModelError, match=r"optimal has shape \(4, 2, 3\).*: optimal\[0\] is the"):
        plots.table(ROBOT, finite.Q[0], optimal=finite.optimal_actions)
    with pytest.raises(ModelError, match=r"optimal has type float64; it must be bool: optimal_ac"):
        plots.table(ROBOT, SOLVED.Q, optimal=SOLVED.pi)
    with pytest.raises(ModelError, match=r"optimal frames actions, but x has one number for each"):
        plots.table(ROBOT, SOLVED.V, optimal=SOLVED.optimal_actions)
    wide = MDP(np.ones((1, 30, 1)), np.ones((1, 30)), 0.5)
    with pytest.raises(ModelError, match=r"the table has 30 columns; 25 can be read.*x\.max\(axis"):
        plots.table(wide, np.ones((1, 30)))
    with pytest.raises(ModelError, match=r"mdp is of type str; it must be a model"):
        plots.table("robot", SOLVED.Q)


def test_the_picture_looks_as_it_did():
    """Seen failing: with the frames left out; with another map of colours."""

    def picture(optimal):
        ax = pictures.canvas((6.0, 6.0))
        return pictures.silent(plots.table(ROBOT, SOLVED.Q, optimal=optimal, ax=ax))

    ax = picture(SOLVED.optimal_actions)
    stored = pictures.stored(ax, HERE / "table.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    assert np.array_equal(pictures.drawn(ax), pictures.drawn(picture(SOLVED.optimal_actions)))
    assert pictures.apart(pictures.drawn(picture(None)), stored) > pictures.NEAR
