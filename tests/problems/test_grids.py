"""Grid worlds: the book's numbers, Gymnasium's tensors, and every letter with a meaning."""

from __future__ import annotations

import numpy as np
import pytest

import oracles
from mdptools import ModelError, from_gymnasium
from mdptools.problems import grid_world

RUSSELL_NORVIG = """
    ...+
    .#.-
    S...
"""


def four_by_three(**changes):
    options = {
        "legend": {"+": 1.0, "-": -1.0},
        "terminal": "+-",
        "slip": 0.2,
        "step_reward": -0.04,
        **changes,
    }
    return grid_world(RUSSELL_NORVIG, **options)


def test_russell_and_norvigs_utilities():
    """Their figure 17.3 (2010). Seen failing: with slip instead of slip / 2 to each side; with the
    bonus paid on leaving; with a blocked move that goes on to the next cell."""
    V = [float(v) for v in oracles.optimum(four_by_three(), normalise_rows=True).V]
    printed = [0.812, 0.868, 0.918, 0, 0.762, 0.660, 0, 0.705, 0.655, 0.611, 0.388]
    assert np.allclose(V, printed, rtol=0, atol=5.1e-4)


def test_sutton_and_bartos_random_policy():
    """Their figure 4.1 (2018): values of the uniform policy, whole numbers. Seen failing: with
    blocked moves that cost nothing; with one of the two terminal corners free."""
    mdp = grid_world("T.../..../..../...T", terminal="T", step_reward=-1.0)
    V = oracles.evaluate(mdp, np.full((16, 4), 0.25)).V
    assert V == [0, -14, -20, -22, -14, -18, -20, -20, -20, -20, -18, -14, -22, -20, -14, 0]


@pytest.mark.parametrize("slip", [0.0, 2 / 3])
@pytest.mark.parametrize("map_name", ["4x4", "8x8"])
def test_it_is_gymnasiums_frozen_lake(map_name, slip):
    """Seen failing: with the order left, right, up, down; with holes that do not end; with mu
    uniform; with the reward paid in F cells."""
    maps = {
        "4x4": "SFFF/FHFH/FFFH/HFFG",
        "8x8": "SFFFFFFF/FFFFFFFF/FFFHFFFF/FFFFFHFF/FFFHFFFF/FHHFFFHF/FHFFHFHF/FFFHFFFG",
    }
    ours = grid_world(maps[map_name], gamma=0.9, slip=slip)
    theirs = from_gymnasium("FrozenLake-v1", gamma=0.9, map_name=map_name, is_slippery=slip > 0)
    assert np.abs(ours.P - theirs.P).max() <= 1e-15
    assert np.abs(ours.R - theirs.R).max() <= 1e-15
    for name in ("terminal", "mu", "allowed"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))
    assert ours.action_names == theirs.action_names
    assert ours.layout == theirs.layout
    assert np.array_equal(ours.branches.reward, theirs.branches.reward)


def test_walls_are_no_states_and_the_layout_shows_the_gaps():
    """Seen failing: with walls kept as states; with coordinates (column, row)."""
    mdp = four_by_three()
    assert mdp.n_states == 11
    assert mdp.layout[4].tolist() == [1, 0] and mdp.layout[5].tolist() == [1, 2]
    assert mdp.state_names[5] == "(1, 2)"
    assert np.flatnonzero(mdp.mu).tolist() == [7]
    assert np.flatnonzero(mdp.terminal).tolist() == [3, 6]
    left, down, right, up = range(4)
    straight = four_by_three(slip=0.0).P
    assert straight[4, right, 4] == 1  # into the wall
    assert straight[0, up, 0] == straight[0, left, 0] == 1  # off the grid
    assert straight[0, down, 4] == straight[0, right, 1] == 1


def test_slipping_goes_to_both_sides():
    """Seen failing: with the opposite direction for one of the sides."""
    P = grid_world("G../.../..S", slip=0.2).P[4]  # the middle; around it 1 up, 3 left, 5, 7 down
    left, down, right, up = P
    for row, ahead, sides in ((left, 3, (1, 7)), (right, 5, (1, 7)), (up, 1, (3, 5))):
        assert row[ahead] == 0.8 and [row[i] for i in sides] == [0.1, 0.1]
    assert down[7] == 0.8 and down[3] == down[5] == 0.1


def test_a_bonus_is_paid_on_arrival_and_stands_in_the_law():
    """Seen failing: with the bonus in place of the step reward; with none on a blocked move."""
    mdp = grid_world("S*G", legend={"*": 5.0, "G": 2.0}, step_reward=-1.0)
    left, _, right, up = range(4)
    assert mdp.R[0, right] == 4 and mdp.R[1, up] == 4 and mdp.R[1, right] == 1
    assert mdp.R[1, left] == -1 and mdp.R[2].tolist() == [0, 0, 0, 0]
    slippery = grid_world("S*G", legend={"*": 5.0, "G": 2.0}, step_reward=-1.0, slip=0.5)
    law, row = slippery.branches, 1 * 4 + right
    here = slice(law.offsets[row], law.offsets[row + 1])
    assert law.next_state[here].tolist() == [1, 2] and law.reward[here].tolist() == [4, 1]


def test_where_episodes_start():
    """Seen failing: with the first S alone; with mu uniform over the terminal cell too."""
    assert grid_world("S.S.G").mu.tolist() == [0.5, 0, 0.5, 0, 0]
    assert grid_world("...G").mu.tolist() == pytest.approx([1 / 3] * 3 + [0])


def test_a_cell_that_cannot_be_reached_keeps_its_meaning():
    """Seen failing: without `terminal=` (a goal behind walls, with nobody to find it so)."""
    mdp = grid_world("S.G#G", legend={"G": 1.0})
    assert np.flatnonzero(mdp.terminal).tolist() == [2, 3]


@pytest.mark.parametrize(
    "text", ["S.G\n.#.", "S.G/.#.", ["S.G", ".#."], ("S.G", ".#."), "\n   S.G\n\n   .#.  \n"]
)
def test_the_forms_of_a_map(text):
    """Seen failing: without `strip`; without the `replace` of "/"."""
    assert grid_world(text).equals(grid_world("S.G\n.#."))


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("S.G/..", {}, r"row 1 of the map, '..', has 2 letters and row 0 has 3"),
        ("", {}, "text has no row"),
        ("###", {}, "no cell in which to move"),
        ("G#H", {}, "no cell in which to move"),
        ("S.x", {}, r"'x' in row 0, column 2, which has no meaning; .*# \. F G H S: name it"),
        (3, {}, "text is 3; a map is a str"),
        ([["S", "G"]], {}, "a map is a str"),
        ("S.G", {"slip": 1.5}, "slip is 1.5; it must be a probability"),
        ("S.G", {"slip": -0.1}, "slip is -0.1; it must be a probability"),
        ("S.G", {"slip": "ice"}, "slip is 'ice'; it must be a finite number"),
        ("S.G", {"step_reward": np.nan}, "step_reward is nan; it must be a finite number"),
        ("S.G", {"legend": 3}, "legend is 3; it must map letters to rewards"),
        ("S.G", {"legend": {"Go": 1.0}}, "legend has the key 'Go'; it must be one letter"),
        ("S.G", {"legend": {"G": None}}, r"legend\['G'\] is None; it must be a finite number"),
        ("S.G", {"legend": {"#": 1.0}}, "pays for '#', but no move ends in a wall"),
        ("S.G", {"terminal": "S"}, "'S' is in terminal and in start"),
        ("S.G", {"terminal": "#"}, "'#' is in terminal and in walls"),
        ("S.G", {"start": "#"}, "'#' is in walls and in start"),
        ("S.G", {"walls": None}, "walls is None; it must be a str of letters"),
        ("S.G", {"gamma": 2}, "gamma is 2"),
    ],
)
def test_a_map_that_cannot_be(text, options, message):
    """Seen failing: each with its check taken out of `_grids`."""
    with pytest.raises(ModelError, match=message):
        grid_world(text, **options)
