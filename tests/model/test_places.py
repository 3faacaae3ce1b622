"""Where states stand, and which way the names of actions point."""

import numpy as np
import pytest

from mdptools.model import STAY, cells, directions

UP, DOWN, LEFT, RIGHT = (-1, 0), (1, 0), (0, -1), (0, 1)


def test_each_name_has_its_own_direction():
    """Seen failing: with all names refused where one has no direction."""
    taxi = ["south", "north", "east", "west", "pickup", "dropoff"]
    assert directions(taxi) == (DOWN, UP, RIGHT, LEFT, None, None)
    assert directions(["wait", "go NE", "up up", ""]) == (STAY, (-1, 1), None, None)
    assert directions(["left", "west"]) == (LEFT, LEFT)
    assert directions(None) == ()


def test_cells_of_a_grid_and_of_coordinates():
    """Seen failing: with (column, row) for (row, column); with nan not left out."""
    np.testing.assert_array_equal(cells((2, 3), 6), [[0, 1, 2], [3, 4, 5]])
    places = np.array([[3.0, 1.0], [np.nan, np.nan], [2.0, 3.0]])  # (row, column)
    np.testing.assert_array_equal(cells(places, 3), [[-1, -1, 2], [0, -1, -1]])


@pytest.mark.parametrize(
    "layout",
    [
        None,
        np.array([[0.0, 0.5], [1.0, 1.0]]),
        np.array([[1.0, 1.0], [1.0, 1.0]]),  # two states in one cell
        np.array([[0.0, 0.0], [1e6, 1e6]]),  # a picture of a desert
        np.full((2, 2), np.nan),
    ],
)
def test_a_layout_that_is_no_grid_has_no_cells(layout):
    """Seen failing: without asking whether a cell is taken; without the limit on cells; without the
    question for integers.
    """
    assert cells(layout, 2) is None
