"""A number for each state: grids and tables."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools.cli import _states
from mdptools.problems import grid_world, line_world, small


def test_what_is_infinite_does_not_change_the_others():
    """Seen failing: with `aligned` alone (exponents for all)."""
    assert _states.numbers([1.5, -np.inf, 20.0], 4) == ["1.5", "-inf", "20.0"]


def test_a_grid_hides_what_is_never_visited():
    """Seen failing: with the numbers of hidden states counted for the digits."""
    mdp = grid_world(["S.", "#G"], gamma=0.9)
    x = np.array([1.25, 1e9, 0.0])
    shown = np.array([True, False, True])
    assert _states.grid(mdp, x, 80, shown=shown) == ["1.25    .", "        0"]


def test_a_grid_takes_fewer_digits_where_there_is_no_room():
    """And none that is too wide or too tall.

    Seen failing: with `fewest` ignored; without the limit on rows.
    """
    mdp = grid_world(["S" + "." * 9 + "G"], gamma=0.9)
    x = np.full(11, 0.123456)
    assert _states.grid(mdp, x, 80)[0].split()[0] == "0.1235"
    assert _states.grid(mdp, x, 66)[0].split()[0] == "0.123"
    assert _states.grid(mdp, x, 58) is None
    assert _states.grid(mdp, x, 58, fewest=2)[0].split()[0] == "0.12"
    tall = grid_world(["S", *["."] * 60, "G"], gamma=0.9)
    assert _states.grid(tall, np.zeros(62), 80) is None
    assert _states.grid(small(), np.zeros(2), 80) is None  # no layout


@pytest.mark.parametrize(("most", "rows", "end"), [(2, 2, 2), (9, 5, 0)])
def test_a_table_says_how_much_is_left_out(most, rows, end):
    """Seen failing: with the number of all states for those left out."""
    lines = _states.rows(line_world(), {"x": ["7"] * 5}, 80, right={"x"}, most=most)
    assert lines[0].split() == ["state", "name", "x"] and lines[1].split() == ["0", "1", "7"]
    assert lines[1 + rows :] == ["", "and 3 more states; --json has them all"][:end]
