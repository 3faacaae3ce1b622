"""Paths of updates: where they start and end, and how fast they were."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from mdptools import ModelError
from mdptools.plots import _marks, _style
from pictures import plt

SPIRAL = np.stack([np.cos(np.arange(31) / 5), np.arange(31) / 10], axis=1)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def test_a_path_shows_start_end_and_speed():
    """A casing, the path with dots at equal numbers of updates, its start, its end, a head.

    Seen failing: with the start full; with the end at the start; with dots at equal lengths.
    """
    ax = plt.subplots()[1]
    _marks.draw_path(ax, SPIRAL, 1, every=5, label="mine")
    casing, line, start, end = ax.lines
    for one in (casing, line):
        assert np.array_equal(one.get_xydata(), SPIRAL)
    assert (line.get_label(), line.get_color()) == ("mine", _style.colour(1))
    assert (line.get_markevery(), line.get_marker()) == (5, _style.marker(1))
    assert start.get_xydata().tolist() == [SPIRAL[0].tolist()]
    assert (start.get_markerfacecolor(), start.get_marker()) == ("white", "o")
    assert end.get_xydata().tolist() == [SPIRAL[-1].tolist()]
    assert end.get_markerfacecolor() == _style.colour(1)
    assert casing.get_color() == "white" and casing.get_linewidth() > line.get_linewidth()
    assert ax.get_legend_handles_labels()[1] == ["mine"]


def test_the_head_points_forward_half_way():
    """Seen failing: with its ends exchanged; with half of the updates for half of the way."""
    ax = plt.subplots()[1]
    path = np.array([[0.0, 0.0], [0.0, 1.0], [0.0, 4.0]])
    _marks.draw_path(ax, path, 0, every=1, label="")
    (head,) = ax.patches
    (x0, y0), (x1, y1) = head._posA_posB
    assert x0 == x1 == 0
    assert y0 < 2 < y1 and y1 - y0 < 0.1


@pytest.mark.parametrize("path", [[[1.0, 2.0]], [[1.0, 2.0]] * 4])
def test_a_path_that_goes_nowhere_is_a_point(path):
    """Seen failing: with a division by its length."""
    ax = plt.subplots()[1]
    _marks.draw_path(ax, np.array(path), 0, every=1, label="")
    assert not ax.patches
    ax.figure.canvas.draw()


def test_shades_leave_colours_apart():
    """Contrast of each path with its white casing and with the darkest shade.

    Seen failing: with shades down to black.
    """
    made = _marks.shades()
    assert made(0.0)[0] > 0.95 > made(1.0)[0] > 0.6
    assert made(0.0)[:3] == pytest.approx((made(0.0)[0],) * 3)


def test_each_path_has_one_name():
    """Seen failing: without the check."""
    assert _marks.check_labels(None, 2) == ["", ""]
    assert _marks.check_labels("one", 1) == ["one"]
    with pytest.raises(ModelError, match=r"labels has 1 names for 2 paths; each path needs one"):
        _marks.check_labels(["a"], 2)
    assert _marks.words_for_dots(1) == "a dot for each update"
    assert _marks.words_for_dots(2000) == "a dot every 2,000 updates"


def test_one_path_or_several():
    """Arrays or lists; of one length or of several.

    Seen failing: with the first point of a single path for a path.
    """
    for single in (SPIRAL, SPIRAL.tolist()):
        (path,) = _marks.as_paths(single, "paths", 2)
        assert np.array_equal(path, SPIRAL)
    for many in ([SPIRAL, SPIRAL[:3]], (SPIRAL, SPIRAL), np.stack([SPIRAL, SPIRAL])):
        first, second = _marks.as_paths(many, "paths", 2)
        assert np.array_equal(first, SPIRAL) and np.array_equal(second[:3], SPIRAL[:3])
    assert _marks.as_paths((), "paths", 2) == []
    with pytest.raises(ModelError, match=r"paths is 3; it must be an array, or a list of arrays"):
        _marks.as_paths(3, "paths", 2)
    with pytest.raises(ModelError, match=r"paths\[1\]"):
        _marks.as_paths([SPIRAL, "x"], "paths", 2)


def test_a_legend_below_covers_nothing():
    """Its upper edge is as many points below the axes as asked for.

    Seen failing: with a share of the height of the axes for points; with two columns below
    whatever is narrow; with the letters of formulas counted.
    """
    for height in (2.0, 6.0):
        ax = plt.subplots(figsize=(4, height))[1]
        ax.plot([0, 1], [0, 1], label="mine")
        _marks.legend_below(ax, points=40)
        ax.figure.canvas.draw()
        box = ax.get_legend().get_window_extent()
        below = (ax.get_window_extent().y0 - box.y1) * 72 / ax.figure.dpi
        assert below == pytest.approx(40, abs=1)
    for width, columns in ((5.6, 2), (2.0, 1)):
        ax = plt.subplots(figsize=(width, 3))[1]
        for i in range(4):
            ax.plot([0, 1], [i, i], label=r"a name that is long: $\alpha\beta\gamma\delta\epsilon$")
        _marks.legend_below(ax)
        assert ax.get_legend()._ncols == columns
    bare = plt.subplots()[1]
    _marks.legend_below(bare)
    assert bare.get_legend() is None
