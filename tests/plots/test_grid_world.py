"""The picture of a grid world: every cell, arrow and sign, read from the axes, and how it looks."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from matplotlib.collections import PatchCollection, PathCollection, QuadMesh
from matplotlib.quiver import Quiver

import pictures
from mdptools import MDP, MissingExtraError, ModelError, plots, solve
from mdptools.plots import _heat
from mdptools.policies import uniform_policy
from mdptools.problems import cliff_walking, frozen_lake, jacks_car_rental, russell_norvig
from pictures import plt

LAKE = frozen_lake(gamma=0.99)
LAKE_SOLVED = solve(LAKE)
STAIRS = russell_norvig()
HERE = Path(__file__).parent / "pictures"


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def one(ax, kind):
    (found,) = [child for child in ax.get_children() if isinstance(child, kind)]
    return found


def texts(ax):
    """What is written, by (row, column) of the cell: a list for each."""
    found = {}
    for text in ax.texts:
        column, row = (round(float(x)) for x in text.get_position())
        found.setdefault((row, column), []).append(text.get_text())
    return found


def arrows(ax):
    """(row, column) of the cell, and (down, right) lengths, of each arrow."""
    field = one(ax, Quiver)
    return [
        ((round(float(y)), round(float(x))), (float(v), float(u)))
        for (x, y), u, v in zip(field.get_offsets(), field.U, field.V, strict=True)
    ]


def cells(ax, label):
    """The cells that have patches of one kind: (row, column) of their middles."""
    found = []
    for group in ax.collections:
        if isinstance(group, PatchCollection) and group.get_label() == label:
            for path in group.get_paths():
                x, y = path.get_extents().get_points().mean(axis=0)
                found.append((round(y), round(x)))
    return sorted(found)


def legend(ax):
    return [] if ax.get_legend() is None else [text.get_text() for text in ax.get_legend().texts]


def line(*names, n=3, layout=None, **keywords):
    """n states in a row that an action never leaves but for the next; all pay 1."""
    P = np.zeros((n, len(names), n))
    P[np.arange(n), :, (np.arange(n) + 1) % n] = 1.0
    layout = (1, n) if layout is None else layout
    return MDP(P, np.ones(n), 0.5, action_names=names, layout=layout, **keywords)


def test_each_cell_has_the_colour_and_the_number_of_its_state():
    """Seen failing: with the transposed table of cells; with ends coloured; without the unit."""
    ax = plots.grid_world(LAKE, LAKE_SOLVED.V)
    mesh = one(ax, QuadMesh)
    V = LAKE_SOLVED.V.reshape(4, 4)
    ends = LAKE.terminal.reshape(4, 4)
    held = mesh.get_array().reshape(4, 4)
    assert np.array_equal(np.ma.getmaskarray(held), ends)
    assert np.array_equal(held[~ends], V[~ends])
    assert (mesh.norm.vmin, mesh.norm.vmax) == (V[~ends].min(), V[~ends].max())
    assert ax.get_ylim() == (3.5, -0.5)  # row 0 is on top
    for (i, j), written in texts(ax).items():
        if not ends[i, j]:
            assert f"{V[i, j]:.3f}" in written
    (bar,) = [other for other in ax.figure.axes if other is not ax]
    assert bar.get_ylabel() == "$V$ [reward units]"
    labels = {"V*": "$V^*$ [reward units]", "R": "$R$ [reward units]", "visits": "visits"}
    for label, shown in labels.items():
        ax = plots.grid_world(LAKE, LAKE_SOLVED.V, label=label)
        assert ax.figure.axes[1].get_ylabel() == shown


def test_walls_and_coordinates_are_where_the_map_has_them():
    """Seen failing: with (column, row) for (row, column); with ticks that start at 0."""
    ax = plots.grid_world(STAIRS, np.arange(11.0))
    assert cells(ax, "wall") == [(1, 1)]
    assert texts(ax)[0, 2] == ["2"] and texts(ax)[1, 0] == ["4"]
    moved = MDP(np.eye(2)[:, None], [1.0, 2.0], 0.5, layout=[(5, 7), (6, 9)])
    ax = plots.grid_world(moved, [1.0, 2.0])
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["7", "8", "9"]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["5", "6"]
    assert cells(ax, "wall") == [(0, 1), (0, 2), (1, 0), (1, 1)]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("column", "row")


def test_every_optimal_action_is_an_arrow():
    """Also both of a tie. Seen failing: with the first of them only; with up and down exchanged;
    with arrows at terminal states; with all arrows from the middle.
    """
    best = LAKE_SOLVED.optimal_actions
    ax = plots.grid_world(LAKE, policy=best)
    moves = {"left": (0, -1), "down": (1, 0), "right": (0, 1), "up": (-1, 0)}
    expected = sorted(
        (divmod(int(s), 4), moves[LAKE.action_names[a]])
        for s, a in np.argwhere(best & ~LAKE.terminal[:, None])
    )
    found = sorted((cell, tuple(np.sign(step))) for cell, step in arrows(ax))
    assert found == expected
    sizes = {round(float(np.hypot(*step)), 9) for _, step in arrows(ax)}
    assert sizes == {0.4}
    field = one(ax, Quiver)
    for (x, y), u, v in zip(field.get_offsets(), field.U, field.V, strict=True):
        middle = np.array([x + u / 2, y + v / 2]) - np.round([x, y])
        (s,) = [4 * round(float(y)) + round(float(x))]
        assert (np.hypot(*middle) < 1e-9) == (best[s].sum() == 1)


def test_arrows_are_as_long_as_probabilities():
    """Relative to the most probable, which the legend names.

    Seen failing: with lengths by the square root; without the legend; with names of one direction
    not added; with diagonal arrows that are longer.
    """
    mdp = line("left", "right", "up-right", "west")
    pi = np.array([[0.1, 0.5, 0.2, 0.2], [0, 1, 0, 0], [0.005, 0.4, 0.595, 0]])
    ax = plots.grid_world(mdp, policy=pi)
    found = {}
    for (_, column), (down, right) in arrows(ax):
        found[column, round(np.sign(down)), round(np.sign(right))] = np.hypot(down, right) / 0.4
    wanted = {(0, 0, -1): 0.3, (0, 0, 1): 0.5, (0, -1, 1): 0.2, (1, 0, 1): 1.0,
              (2, 0, 1): 0.4, (2, -1, 1): 0.595}  # fmt: skip
    assert found == pytest.approx(wanted)
    assert "length: probability, up to 1" in legend(ax)
    ax = plots.grid_world(mdp, policy=uniform_policy(mdp))
    assert "length: probability, up to 0.5" in legend(ax)
    assert max(np.hypot(*step) for _, step in arrows(ax)) == pytest.approx(0.4)
    both = np.array([[True, False, False, True]] * 3)
    assert {
        round(float(np.hypot(*s)), 6) for _, s in arrows(plots.grid_world(mdp, policy=both))
    } == {0.4}


def test_actions_that_are_no_moves_have_letters_and_staying_a_ring():
    """Seen failing: with letters of moves too; without the legend; with letters that hide arrows;
    with the ring of a stay that is not taken.
    """
    mdp = line("left", "pickup", "stay", n=4)
    pi = [[0, 1, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 0, 1]]
    ax = plots.grid_world(mdp, policy=pi)
    assert texts(ax) == {(0, 0): ["P"], (0, 2): ["P .50"]}
    alone, beside = ax.texts
    assert alone.get_position() == (0.0, 0.0) and beside.get_position()[0] == pytest.approx(2.45)
    ring = one(ax, PathCollection)
    assert ring.get_offsets().tolist() == [[3.0, 0.0]]
    assert legend(ax)[1:] == ["stay", "pickup"]
    several = np.array([[False, True, True]] * 4)
    ax = plots.grid_world(line("left", "pickup", "dropoff", n=4), policy=several)
    assert texts(ax)[0, 0] == ["P/D"]
    ax = plots.grid_world(line("sit", "stand up", n=4), policy=several[:, :2])  # S is the start
    assert texts(ax)[0, 0] == ["1"]
    nameless = MDP(np.ones((1, 3, 1)), [[1.0, 2.0, 2.0]], 0.5, layout=(1, 1))
    ax = plots.grid_world(nameless, policy=[[0.0, 0.0, 1.0]])
    assert texts(ax) == {(0, 0): ["2"]} and legend(ax) == ["action 2"]
    assert not plots.grid_world(line("only"), policy=np.ones((3, 1))).texts


def test_actions_with_numbers_in_their_names_are_numbers():
    """Seen failing: with the whole names; with a legend of all of them."""
    mdp = jacks_car_rental(cars=3)
    ax = plots.grid_world(mdp, policy=mdp.allowed)
    least = mdp.allowed[0].argmax()
    assert mdp.action_names[least] == "move 0" and texts(ax)[0, 0] == ["0"]
    assert texts(ax)[0, 1] == ["\N{MINUS SIGN}1/0"] and texts(ax)[2, 0][0].startswith("0/1")
    assert len(legend(ax)) == 1 and legend(ax)[0] == "move -3, and so on"


def test_ends_show_the_reward_for_entering():
    """Seen failing: with V = 0 there; with the reward of the least likely branch; with "+0.5" where
    it depends; with one frame.
    """
    ax = plots.grid_world(STAIRS, solve(STAIRS).V)
    assert texts(ax)[0, 3] == ["+0.96"] and texts(ax)[1, 3] == ["\N{MINUS SIGN}1.04"]
    assert cells(ax, "terminal") == [(0, 3), (0, 3), (1, 3), (1, 3)]
    assert "terminal, with the reward on entering" in legend(ax)
    P = [[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]]
    either = MDP(P, [[1.0, 2.0], [0.0, 0.0]], 0.5, layout=(1, 2), terminal=[1])
    ax = plots.grid_world(either, [1.0, 0.0])
    assert texts(ax)[0, 1] == ["end"] and "terminal" in legend(ax)
    ax = plots.grid_world(either, [0.5, 1.0], label="chance of success")
    assert texts(ax) == {(0, 0): ["0.5"], (0, 1): ["1.0"]}


def test_numbers_of_both_signs_diverge_from_zero():
    """Seen failing: with the sequential map; with limits that are not symmetric."""
    mesh = one(plots.grid_world(line("a"), [-1.0, 0.0, 3.0]), QuadMesh)
    assert (mesh.cmap.name, mesh.norm.vmin, mesh.norm.vmax) == ("RdBu", -3.0, 3.0)
    for values, limits in (
        ([0.0, 1.0, 2.0], (0, 2)),
        ([-3.0, -2.0, 0.0], (-3, 0)),
        ([5.0] * 3, (2.5, 7.5)),
    ):
        mesh = one(plots.grid_world(line("a"), values), QuadMesh)
        assert (mesh.cmap.name, mesh.norm.vmin, mesh.norm.vmax) == ("viridis", *limits)


def test_what_is_not_finite_is_hatched_and_named():
    """Seen failing: with -inf in the colours' limits; without hatches; with nan as 0."""
    ax = plots.grid_world(line("a", n=5), [np.inf, -np.inf, np.nan, 1.0, 2.0])
    assert cells(ax, "not finite") == [(0, 0), (0, 1), (0, 2)]
    assert [texts(ax)[0, j] for j in range(3)] == [["∞"], ["\N{MINUS SIGN}∞"], ["nan"]]
    mesh = one(ax, QuadMesh)
    assert (mesh.norm.vmin, mesh.norm.vmax) == (1.0, 2.0)
    assert np.ma.getmaskarray(mesh.get_array()).ravel().tolist() == [True] * 3 + [False] * 2
    ax = plots.grid_world(line("a"), [np.inf] * 3)
    assert len(ax.figure.axes) == 1  # there is nothing to have a bar for
    norm = _heat.heat(np.array([np.nan, -np.inf, 1.0, 2.0])).norm
    assert (norm.vmin, norm.vmax) == (1.0, 2.0)


def test_states_that_are_never_visited_have_dots_and_no_arrows():
    """Seen failing: with arrows everywhere; without dots."""
    mdp = cliff_walking()
    ax = plots.grid_world(mdp, policy=solve(mdp).optimal_actions)
    cliff = [(3, j) for j in range(1, 11)]
    assert cells(ax, "never visited") == cliff and "never visited" in legend(ax)
    assert not {cell for cell, _ in arrows(ax)} & set(cliff)
    assert texts(ax)[3, 0] == ["S"] and "start" in legend(ax)
    assert not plots.grid_world(line("a")).texts  # all can be the start: none is marked


def test_numbers_stand_below_arrows_in_ink_that_shows():
    """Seen failing: with the number in the middle; with black ink on dark cells."""
    ax = plots.grid_world(LAKE, LAKE_SOLVED.V, policy=LAKE_SOLVED.pi)
    held = {text.get_text(): text for text in ax.texts}
    assert held["0.542"].get_position() == pytest.approx((0, 0.32))
    assert held["0.358"].get_color() == "white"  # the darkest of viridis
    assert held["0.863"].get_color() == "black"
    field = one(ax, Quiver)
    assert all(offset[1] + max(v, 0) < round(offset[1]) + 0.25
               for offset, v in zip(field.get_offsets(), field.V, strict=True))  # fmt: skip


def test_names_stand_in_a_map_without_numbers():
    """Seen failing: with names that are coordinates; with names as mathematics."""
    mdp = line("a", state_names=["low", "$x$", "high_1$"])
    ax = plots.grid_world(mdp)
    assert texts(ax) == {(0, 0): ["low"], (0, 1): ["$x$"], (0, 2): ["high_1$"]}
    assert not any(text.get_parse_math() for text in ax.texts)
    assert [t.get_text() for t in plots.grid_world(STAIRS).texts if t.get_text()[0] == "("] == []


def test_large_grids_have_colours_alone():
    """Seen failing: with numbers in 900 cells."""
    mdp = frozen_lake(["S" + "F" * 29, *["F" * 30] * 28, "F" * 29 + "G"], gamma=0.9)
    ax = plots.grid_world(mdp, np.arange(900) / 900.0)
    assert sorted(texts(ax)) == [] or sorted(texts(ax)) == [(0, 0), (29, 29)]
    assert len(ax.get_xticks()) <= 20


def test_the_bar_takes_its_room_from_the_axes_that_are_given():
    """Seen failing: with room from all axes; with a bar higher than the cells; with new axes."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 4))
    before, other = left.get_position(), right.get_position().bounds
    assert plots.grid_world(LAKE, LAKE_SOLVED.V, ax=left) is left
    figure.canvas.draw()
    (bar,) = [ax for ax in figure.axes if ax not in (left, right)]
    after, beside = left.get_position(), bar.get_position()
    assert right.get_position().bounds == other and len(plt.get_fignums()) == 1
    assert after.x1 < before.x1 and after.x1 < beside.x0 < before.x1
    assert (beside.y0, beside.y1) == pytest.approx((after.y0, after.y1), abs=1e-3)
    figure, pair = plt.subplots(1, 2, layout="constrained")
    for ax in pair:
        plots.grid_world(LAKE, LAKE_SOLVED.V, ax=ax)
    pictures.drawn(pair[0])
    wide = plots.grid_world(line("a", n=9), np.arange(9.0))
    assert wide.figure.axes[1].get_xlabel() == "$V$ [reward units]"  # below


def test_what_does_not_fit_is_named():
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=r"has no layout: make it with layout=\(rows, cols\)"):
        plots.grid_world(MDP(np.ones((1, 1, 1)), [1.0], 0.5))
    halves = line("a", layout=[(0, 0.5), (0, 1), (0, 2)])
    with pytest.raises(ModelError, match=r"the layout is no grid: coordinates must be whole"):
        plots.grid_world(halves)
    with pytest.raises(ModelError, match=r"values has shape \(3,\); it must be \(16,\)\.$"):
        plots.grid_world(LAKE, [1.0, 2.0, 3.0])
    finite = solve(LAKE.with_objective(horizon=3))
    with pytest.raises(ModelError, match=r"values has shape \(4, 16\).*: values\[0\] is the first"):
        plots.grid_world(LAKE, finite.V)
    with pytest.raises(
        ModelError, match=r"policy has shape \(3, 16, 4\).*: policy\[0\] is the fir"
    ):
        plots.grid_world(LAKE, policy=finite.pi)
    with pytest.raises(ModelError, match=r"pi sums to 2 in state 0"):
        plots.grid_world(LAKE, policy=np.full((16, 4), 0.5))
    refused = line("a", "b", allowed=[[True, False]] * 3)
    with pytest.raises(ModelError, match=r"policy marks action 1 \('b'\) in state 0, which is not"):
        plots.grid_world(refused, policy=np.ones((3, 2), dtype=bool))
    with pytest.raises(ModelError, match=r"mdp is of type int; it must be a model"):
        plots.grid_world(3)
    with pytest.raises(ModelError, match=r"ax is 7; it must be matplotlib axes"):
        plots.grid_world(LAKE, ax=7)


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    """Seen failing: with matplotlib imported before the axes are made."""
    import sys

    for name in ("matplotlib", "matplotlib.axes", "matplotlib.colors"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=r"mdptools\[plots\]"):
        plots.grid_world(LAKE, LAKE_SOLVED.V)


def test_the_picture_looks_as_it_did():
    """Seen failing: with the policy left out; with another map of colours."""
    V, best = LAKE_SOLVED.V, LAKE_SOLVED.optimal_actions

    def picture(policy):
        made = plots.grid_world(LAKE, V, policy=policy, ax=pictures.canvas((6.0, 6.0)))
        return pictures.silent(made)

    ax = picture(best)
    stored = pictures.stored(ax, HERE / "grid_world.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    assert np.array_equal(pictures.drawn(ax), pictures.drawn(picture(best)))
    assert pictures.apart(pictures.drawn(picture(None)), stored) > pictures.NEAR
