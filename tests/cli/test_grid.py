"""Arrows: names to directions, directions to signs, cells to lines."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mdptools import MDP
from mdptools.cli import _grid
from mdptools.problems import grid_world

UP, DOWN, LEFT, RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)
ONES = [UP, DOWN, LEFT, RIGHT]


@pytest.mark.parametrize(
    ("names", "directions"),
    [
        (["left", "down", "right", "up"], (LEFT, DOWN, RIGHT, UP)),
        (["LEFT", "Right"], (LEFT, RIGHT)),
        (["north", "east", "south", "west"], (UP, RIGHT, DOWN, LEFT)),
        (["N", "E", "S", "W"], (UP, RIGHT, DOWN, LEFT)),
        (["go west", "move_right"], (LEFT, RIGHT)),
        (["NE", "south-west", "up left", "stay"], ((-1, 1), (1, -1), (-1, -1), (0, 0))),
        (["left", "pickup"], None),
        (["left", "pick right"], None),
        (["forward", "back 1"], None),
        (["left", "west"], None),  # two actions, one arrow
        (["up up", "down"], None),
        (["left right", "down"], None),
        (["up", ""], None),
        ([], None),
        (None, None),
    ],
)
def test_directions_of_names(names, directions):
    """Seen failing: with every unknown word ignored; without asking whether two actions share an
    arrow; with "up up" for a move.
    """
    assert _grid.moves(names) == directions


def test_signs_of_every_set_of_moves():
    """Seen failing: with left and right exchanged; with two corners exchanged."""
    expected = dict(zip(ONES, "↑↓←→", strict=True))
    for size in range(1, 5):
        for best in itertools.combinations(ONES, size):
            found = _grid.sign(best, plain=False, corners=True)
            if size == 1:
                assert found == expected[best[0]]
            elif size > 2:
                assert found == "+"
    pairs = {frozenset(pair) for pair in itertools.combinations(ONES, 2)}
    signs = {_grid.sign([*pair], plain=False, corners=True) for pair in pairs}
    assert signs == set("↔↕↖↗↙↘")
    assert _grid.sign([RIGHT, DOWN], plain=False, corners=True) == "↘"
    assert _grid.sign([UP, LEFT], plain=False, corners=True) == "↖"


def test_a_diagonal_arrow_has_one_meaning():
    """Seen failing: with corners always on."""
    assert _grid.sign([(1, 1)], plain=False, corners=False) == "↘"
    assert _grid.sign([RIGHT, DOWN], plain=False, corners=False) == "+"


@pytest.mark.parametrize(
    ("best", "expected"),
    [
        ([UP], "^"),
        ([DOWN], "v"),
        ([LEFT], "<"),
        ([RIGHT], ">"),
        ([LEFT, RIGHT], "-"),
        ([UP, DOWN], "|"),
        ([UP, LEFT], "+"),
        (ONES, "+"),
        ([(0, 0)], "o"),
    ],
)
def test_plain_signs(best, expected):
    """Seen failing: with the arrows of Unicode for plain ones."""
    assert _grid.sign(best, plain=True, corners=True) == expected


def test_lines_are_as_narrow_as_they_must_be():
    """Seen failing: with the gap counted once too often; with numbers that may touch."""
    where = np.arange(4).reshape(1, 4)
    assert _grid.draw(where, [*"abcd"], 7) == ["a b c d"]
    assert _grid.draw(where, [*"abcd"], 6) == ["abcd"]
    assert _grid.draw(where, [*"abcd"], 3) is None
    assert _grid.draw(where, ["1", "22", "3", "4"], 11) == [" 1 22  3  4"]
    assert _grid.draw(where, ["1", "22", "3", "4"], 10) is None


def picture(mdp, optimal=None, *, width=80, plain=False, reachable=None):
    if optimal is None:
        optimal = mdp.allowed
    reachable = range(mdp.n_states) if reachable is None else reachable
    return _grid.policy_picture(mdp, optimal, reachable, width=width, plain=plain)


def only(mdp, *actions):
    return np.eye(mdp.n_actions, dtype=bool)[list(actions)]


def test_a_picture_has_walls_ends_and_a_legend():
    """Seen failing: with walls shown as dots; with a legend of all signs."""
    mdp = grid_world(["..G", ".#H"], gamma=0.9)
    optimal = only(mdp, 2, 2, 0, 3, 0)
    optimal[0, 1] = True  # right or down
    optimal[3] = True
    assert picture(mdp, optimal) == [
        "↘ → G",
        "+   x",
        "",
        "↘ right or down   + three or more are optimal",
        "G terminal, entered with the most reward   x terminal",
    ]
    assert picture(mdp, optimal, plain=True, reachable=[0, 1, 2]) == [
        "+ > G",
        ".   x",
        "",
        "+ several are optimal   G terminal, entered with the most reward   x terminal",
        ". never visited",
    ]


def test_a_picture_without_signs_to_explain_has_no_legend():
    """Seen failing: with an empty legend all the same."""
    mdp = MDP([[[1.0]] * 2], [[1.0, 2.0]], 0.5, action_names=["left", "right"], layout=(1, 1))
    assert picture(mdp, only(mdp, 1)) == ["→"]


def test_no_picture_without_layout_names_or_room():
    """Seen failing: with `and` for `or` between layout and directions."""
    P, R = np.ones((1, 1, 1)), [[1.0]]
    assert picture(MDP(P, R, 0.5, action_names=["left"])) is None
    assert picture(MDP(P, R, 0.5, layout=(1, 1))) is None
    assert picture(MDP(P, R, 0.5, layout=(1, 1), action_names=["jump"])) is None
    assert picture(grid_world(["." * 30], gamma=0.9), width=29) is None


def test_goals_are_the_ends_that_pay_most():
    """Seen failing: with the least reward for the most; with 0 for the reward of an end that is not
    entered yet.
    """
    paying = grid_world(["+.-"], legend={"+": 1.0, "-": -1.0}, terminal="+-", gamma=0.9)
    assert _grid.end_signs(paying) == {0: "G", 2: "x"}
    costly = grid_world(["+.-"], legend={"+": -3.0, "-": -1.0}, terminal="+-", gamma=0.9)
    assert _grid.end_signs(costly) == {0: "x", 2: "G"}
    alike = grid_world(["+.-"], legend={"+": 1.0, "-": 1.0}, terminal="+-", gamma=0.9)
    assert _grid.end_signs(alike) == {0: "G", 2: "G"}
    assert _grid.end_signs(MDP(np.ones((1, 1, 1)), [[1.0]], 0.5)) == {}


def test_every_sign_can_be_asked_of_a_terminal():
    """Seen failing: without the corners in UNICODE."""
    for size in range(1, 5):
        for best in itertools.combinations(ONES, size):
            sign = _grid.sign(best, plain=False, corners=True)
            assert sign in _grid.UNICODE or sign.isascii()
