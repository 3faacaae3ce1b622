"""What several pictures draw alike: paths of updates, grey shades, names.

Takes     axes and plain arrays.
Gives     paths whose start, direction and speed can be seen without colours.
Not here  colours and sizes (`_style`), the pictures.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..errors import ModelError
from ._style import LINE, SMALL, colour, marker

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.patches import Patch

DOTS = 10
"""A path has about so many dots."""
PALE, DARK = 0.03, 0.36
"""From white to black: what shades under coloured lines may be."""
WIDE, BESIDE = 0.5, 4.0  # of the size of text: a character, and what else a column of names has
BELOW = 34.0  # points from the axes to a legend: ticks and a label are between


def shades(low: float = PALE, high: float = DARK) -> Colormap:
    """Greys, on which all colours of `_style` can be told apart.

    Parameters
    ----------
    low, high : float in [0, 1]
        How dark the least and the largest are.
    """
    from matplotlib.colors import LinearSegmentedColormap

    ends = [str(1 - low), str(1 - high)]
    made: Colormap = LinearSegmentedColormap.from_list("shades", ends)
    return made


def dots_every(longest: int) -> int:
    """1, 2 or 5 times a power of ten: about `DOTS` dots on the longest path.

    Examples
    --------
    >>> [dots_every(updates) for updates in (0, 9, 25, 60, 3000)]
    [1, 1, 5, 10, 500]
    """
    if longest <= DOTS:
        return 1
    size = 10 ** math.floor(math.log10(longest / DOTS))
    return next(int(k * size) for k in (1, 2, 5, 10) if longest <= DOTS * k * size)


def words_for_dots(every: int) -> str:
    """What a dot stands for."""
    return "a dot for each update" if every == 1 else f"a dot every {every:,} updates"


def as_paths(paths: Any, name: str, one: int) -> list[FloatArray]:
    """Paths as arrays, one for each.

    Parameters
    ----------
    paths : array_like, or a list of them
    name : str
    one : int
        How many axes a path has: what has so many is a single one.

    Raises
    ------
    ModelError
        If these are no arrays of numbers.
    """
    if not isinstance(paths, (list, tuple, np.ndarray)):
        raise ModelError(f"{name} is {paths!r:.80}; it must be an array, or a list of arrays.")
    try:
        single = np.ndim(np.asarray(paths, dtype=np.float64)) == one
    except (TypeError, ValueError):  # paths of several lengths
        single = False
    given = [paths] if single else paths
    return [as_floats(path, f"{name}[{i}]") for i, path in enumerate(given)]


def check_labels(labels: Any, n: int, default: str = "") -> list[str]:
    """One name for each path.

    Raises
    ------
    ModelError
        If there are more or fewer names.
    """
    if labels is None:
        return [default] * n
    names = [labels] if isinstance(labels, str) else [str(one) for one in labels]
    if len(names) != n:
        raise ModelError(f"labels has {len(names)} names for {n} paths; each path needs one.")
    return names


def draw_path(ax: Axes, xy: FloatArray, i: int, *, every: int, label: str) -> None:
    """A path of updates: hollow where it starts, an arrow head half-way, dots, a large mark.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    xy : (T+1, 2) array
    i : int
        Which path it is: its colour and marker.
    every : int
        Updates between two dots.
    label : str
    """
    ink, last = colour(i), len(xy) - 1
    # Round joins: the casing of a sharp turn would stick out.
    line: Any = {"solid_joinstyle": "round", "zorder": 4}
    ax.plot(*xy.T, color="white", linewidth=LINE + 1.6, label="_casing", **line)
    ax.plot(
        *xy.T,
        color=ink,
        linewidth=LINE,
        marker=marker(i),
        markersize=4.5,
        markevery=every,
        label=label or "_path",
        **line,
    )
    ends: dict[str, Any] = {"linestyle": "none", "markeredgecolor": ink, "zorder": 5}
    ax.plot(*xy[0], marker="o", markersize=7, markerfacecolor="white", markeredgewidth=1.5, **ends)
    if last:
        ax.plot(*xy[-1], marker=marker(i), markersize=7, markerfacecolor=ink, **ends)
        _draw_head(ax, xy, ink)


def _draw_head(ax: Axes, xy: FloatArray, ink: str) -> None:
    """An arrow head half-way along the path."""
    from matplotlib.patches import FancyArrowPatch

    way = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(xy, axis=0).T))])
    if not way[-1] > 0:
        return
    near = [0.49 * way[-1], 0.51 * way[-1]]
    x, y = (np.interp(near, way, part).tolist() for part in xy.T)
    ax.add_patch(
        FancyArrowPatch(
            (x[0], y[0]), (x[1], y[1]), arrowstyle="-|>", mutation_scale=15, shrinkA=0, shrinkB=0,
            color=ink, linewidth=0, zorder=4,
        )
    )  # fmt: skip


def legend_below(
    ax: Axes, *, points: float = BELOW, columns: int = 2, first: Sequence[Patch] = ()
) -> None:
    """The legend below the axes and their labels, so that it covers nothing.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With what is to be named.
    points : float
        How far below.
    columns : int
        At most; as many as fit below the axes.
    first : patches with labels
        Stand before what was drawn.
    """
    from matplotlib.transforms import ScaledTranslation

    drawn, names = ax.get_legend_handles_labels()
    handles, labels = [*first, *drawn], [*(str(one.get_label()) for one in first), *names]
    if handles:
        seen = [re.sub(r"\\[a-z]+", "x", label).replace("$", "") for label in labels]
        wide = SMALL * (WIDE * max(map(len, seen)) + BESIDE)
        room = ax.get_window_extent().width * 72 / ax.figure.dpi
        columns = max(1, min(columns, int(room / wide)))
        down = ScaledTranslation(0, -points / 72, ax.figure.dpi_scale_trans)
        ax.legend(
            handles, labels, fontsize=SMALL, frameon=False, handlelength=2.6, ncols=columns,
            loc="upper center", bbox_to_anchor=(0.5, 0.0), bbox_transform=ax.transAxes + down,
            borderaxespad=0.0,
        )  # fmt: skip


def names_of(names: Sequence[str] | None, n: int) -> list[str]:
    """Names of states or actions, or their numbers."""
    return [str(i) for i in range(n)] if names is None else [str(one) for one in names]
