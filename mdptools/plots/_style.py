"""One hand for all pictures: colours, dashes, sizes, and what every picture is finished with.

Takes     axes, or None for new ones.
Gives     axes of the same look, legible in print at the width of a column and a half.
Source    colours: Okabe and Ito (2008), which stay apart for readers who are colour-blind.
Not here  the pictures (`_study`, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#000000", "#480078")
"""Blue, orange, green, purple, sky, black, violet: one for each thing that is compared."""
ALARM = "#D55E00"
"""Vermilion, kept for what should not be."""
GREY = "#767676"
"""For what is there to compare with: 4.5 to 1 against white."""

MARKERS = ("o", "s", "D", "^", "P", "X")
"""With the colours, so that a picture survives a printer without any."""
DASHES: dict[str, Any] = {
    "a priori": (0, (6, 2)),
    "trace-certified": (0, (6, 1.5, 1, 1.5)),
    "a posteriori": (0, (1, 1.5)),
}
"""By how much a bound has to know."""

Layout = Literal["constrained", "compressed"]
SIZE = (6.0, 3.8)  # inches
IN_A_ROW = 5  # names
NEAR = 0.045  # of the height of the axes: a line of small text
TEXT, SMALL = 9.0, 7.5  # points
LINE, THIN = 1.5, 1.0  # points
ROWS = 4
"""A legend with more rows stands below the axes, in two columns."""


def colour(i: int) -> str:
    """The colour of the i-th thing that is compared."""
    return COLOURS[i % len(COLOURS)]


def marker(i: int) -> str:
    """Its marker; no two of the first 42 things share both."""
    return MARKERS[i % len(MARKERS)]


def new_axes(
    ax: Any = None, *, size: tuple[float, float] = SIZE, layout: Layout = "constrained"
) -> Axes:
    """The axes that were given, or those of a new figure.

    Parameters
    ----------
    ax : matplotlib.axes.Axes, optional
    size : (width, height), inches
        Of the new figure.
    layout : {"constrained", "compressed"}
        The second for axes of a fixed shape.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    ModelError
        If ``ax`` is something else.
    """
    try:
        from matplotlib.axes import Axes
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    if ax is not None:
        if not isinstance(ax, Axes):
            raise ModelError(f"ax is {ax!r:.80}; it must be matplotlib axes, as of plt.subplots().")
        return ax
    from matplotlib import pyplot as plt

    made: Axes = plt.subplots(figsize=size, layout=layout)[1]
    return made


def finish(ax: Axes, *, x: str, y: str, title: str = "") -> Axes:
    """Labels with units, a quiet grid, no box, a legend where it covers nothing.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    x, y : str
        What is drawn, with its unit.
    title : str

    Returns
    -------
    matplotlib.axes.Axes
    """
    ax.set_xlabel(x, fontsize=TEXT)
    ax.set_ylabel(y, fontsize=TEXT)
    if title:
        ax.set_title(title, fontsize=TEXT, loc="left")
    ax.tick_params(labelsize=SMALL)
    ax.grid(True, which="major", color="#DDDDDD", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    handles, labels = ax.get_legend_handles_labels()
    if handles:
        where: dict[str, Any] = {"loc": "best"}
        if len(handles) > ROWS:
            where = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.16), "ncols": 2}
        ax.legend(handles, labels, fontsize=SMALL, frameon=False, handlelength=3.2, **where)
    return ax


def name_lines(ax: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Names beside the right edge, at the heights where lines end, none on top of another.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With its final limits.
    ends : sequence of (name, y, colour)
        Lines of one colour that end at one place share a name; an arrow says that a line has left
        the axes.
    """
    groups: list[tuple[float, list[str], str]] = []
    for name, y, ink in ends:
        height = float(ax.transAxes.inverted().transform(ax.transData.transform((1.0, y)))[1])
        arrow = " ↑" if height > 1 else " ↓" if height < 0 else ""
        height = min(max(height, 0.0), 1.0)
        for known, names, its in groups:
            if its == ink and abs(known - height) < NEAR / 2:
                names.append(name + arrow)
                break
        else:
            groups.append((height, [name + arrow], ink))
    groups.sort(key=lambda group: group[0])
    rows = [
        [", ".join(names[i : i + IN_A_ROW]) for i in range(0, len(names), IN_A_ROW)]
        for _, names, _ in groups
    ]
    halves = [NEAR * len(one) / 2 for one in rows]
    places = [height for height, _, _ in groups]
    for i in range(1, len(places)):  # up, as far as one needs the room of another
        places[i] = max(places[i], places[i - 1] + halves[i - 1] + halves[i])
    ceiling = 1.0 + NEAR / 2
    for i in reversed(range(len(places))):  # and down again from the upper edge
        places[i] = min(places[i], ceiling - halves[i])
        ceiling = places[i] - halves[i]
    for (_, _, ink), one, place in zip(groups, rows, places, strict=True):
        ax.annotate(
            ",\n".join(one),
            (1.0, place),
            (4, 0),
            xycoords="axes fraction",
            textcoords="offset points",
            fontsize=SMALL,
            color=ink,
            va="center",
        )
