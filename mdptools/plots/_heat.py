"""Values as colours, with numbers that can be read on top of them.

Takes     arrays of any shape, and the axes on which their cells are drawn.
Gives     a colour for each number, black or white ink for it, its digits, and a colour bar.
Source    sequential: viridis, even steps to the eye, also in grey and to the colour-blind, and no
          grey of its own, which walls have; diverging: Brewer's RdBu. Contrast: the relative
          luminance of WCAG 2.
Not here  where the cells are (`_grid_world`, `_table`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, as_floats
from ..errors import MissingExtraError, ModelError
from ._style import SMALL, TEXT, THIN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.cm import ScalarMappable
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap, Normalize

SEQUENTIAL, DIVERGING = "viridis", "RdBu"
HATCH, DOTS = "////", "..."
FAINT = "#A6A6A6"
"""Of hatches and dots, which say that a cell has no number."""
MINUS = "\N{MINUS SIGN}"
LEAST_TEXT = 4.0  # points: smaller numbers are left out
TALLEST = 6.0  # inches: of a bar
WIDE = 0.62  # of its height: the width of a character, on average


def check_numbers(x: Any, name: str, *shapes: tuple[int, ...]) -> FloatArray:
    """Numbers of one of some shapes; infinite ones and nan can be drawn as well.

    Parameters
    ----------
    x : array_like
    name : str
    *shapes : tuple of int
        (S,) and the like.

    Returns
    -------
    array
        A fresh copy.

    Raises
    ------
    ModelError
        Naming the shape; if there is a time in front, that one step must be chosen.
    """
    values = as_floats(x, name)
    check_shape(values.shape, name, *shapes)
    return values


def check_shape(shape: tuple[int, ...], name: str, *shapes: tuple[int, ...]) -> None:
    """Pass if a shape is one of those that can be drawn.

    Parameters
    ----------
    shape : tuple of int
    name : str
    *shapes : tuple of int

    Raises
    ------
    ModelError
        Naming the shape, and the cure.
    """
    if shape in shapes:
        return
    cure = ""
    if shape[1:] in shapes:
        cure = f" One step at a time can be drawn: {name}[0] is the first."
    needed = " or ".join(map(str, shapes))
    raise ModelError(f"{name} has shape {shape}; it must be {needed}.{cure}")


class Heat(NamedTuple):
    """The colours of numbers."""

    cmap: Colormap
    norm: Normalize

    def colours(self, values: FloatArray) -> FloatArray:
        """RGBA, 0 to 1, of each number: (..., 4)."""
        return np.asarray(self.cmap(self.norm(values)), dtype=float)


def heat(values: FloatArray) -> Heat:
    """Colours that diverge around 0 if the numbers have both signs, else sequential ones.

    Parameters
    ----------
    values : array
        Numbers that are not finite do not count.

    Returns
    -------
    Heat

    Raises
    ------
    MissingExtraError
        If matplotlib is not installed.
    """
    try:
        from matplotlib import colormaps
        from matplotlib.colors import Normalize
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error

    known = values[np.isfinite(values)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    diverging = low < 0 < high
    if diverging:
        high = max(-low, high)
        low = -high
    elif low == high:  # one number is in the middle of a bar around it
        low, high = low - max(abs(low), 1.0) / 2, high + max(abs(high), 1.0) / 2
    return Heat(colormaps[DIVERGING if diverging else SEQUENTIAL], Normalize(low, high))


def inks(colours: FloatArray) -> list[str]:
    """Black or white for each colour, whichever stands out more.

    Parameters
    ----------
    colours : (n, 4) array
        RGBA, 0 to 1.

    Returns
    -------
    list of str
    """
    rgb = np.asarray(colours)[:, :3]
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    light = linear @ [0.2126, 0.7152, 0.0722]
    # contrast (light + 0.05) / 0.05 with black is larger than 1.05 / (light + 0.05) with white
    return ["black" if one > math.sqrt(1.05 * 0.05) - 0.05 else "white" for one in light.tolist()]


def numbers(values: Iterable[float]) -> list[str]:
    """Numbers with the same decimals: three digits for the largest, and two for the differences.

    Parameters
    ----------
    values : floats
        Infinite ones and nan are written as such.

    Returns
    -------
    list of str
        Exact zeros as "0"; a real minus sign.

    Examples
    --------
    >>> numbers([0.5420, 0.0, 1.0]), numbers([99.81, 99.84, float("inf")])
    (['0.54', '0', '1.00'], ['99.81', '99.84', '∞'])
    >>> numbers([3.0, 12.0]), numbers([2.5e7, 1.0])
    (['3', '12'], ['2.5e7', '1.0e0'])
    """
    given = [float(x) for x in values]
    known = [x for x in given if math.isfinite(x)]
    largest = max((abs(x) for x in known), default=0.0)
    spread = max(known, default=0.0) - min(known, default=0.0)
    if 0 < largest < 1e-3 or largest >= 1e5:
        written = [re.sub(r"e(-?)\+?0*(\d)", r"e\1\2", f"{x:.1e}") for x in given]
    else:
        decimals = max(2 - _order(largest), 1 - _order(spread), 0)
        decimals = min(decimals, 5 - max(_order(largest), 0))
        while decimals and all(abs(round(x, decimals - 1) - x) < 1e-9 * largest for x in known):
            decimals -= 1
        written = [f"{x:z.{decimals}f}" for x in given]
    return [
        word.replace("-", MINUS).replace("inf", "∞") if x else "0"
        for x, word in zip(given, written, strict=True)
    ]


def shortened(name: str, most: int) -> str:
    """A name, or its beginning with an ellipsis.

    Parameters
    ----------
    name : str
    most : int
        Letters.

    Returns
    -------
    str

    Examples
    --------
    >>> shortened("low", 5), shortened("recharge", 5)
    ('low', 'rech…')
    """
    return name if len(name) <= most else name[: most - 1].rstrip() + "…"


def _order(x: float) -> int:
    """The power of ten of a number."""
    return math.floor(math.log10(x)) if x > 0 else 0


def cell_size(ax: Axes) -> tuple[float, float]:
    """Width and height of a square of data, in points, as far as they are known before drawing.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With its limits.

    Returns
    -------
    (width, height)
    """
    ax.apply_aspect()
    box, points = ax.get_window_extent(), 72 / ax.figure.dpi
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    return box.width * points / abs(right - left), box.height * points / abs(high - low)


def fitting(ax: Axes, texts: Iterable[str], share: float) -> float:
    """The size of text, in points, with which each of some texts fits into a cell.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        A cell is 1 wide and 1 high.
    texts : str
    share : float
        How much of a cell's height there is for text.

    Returns
    -------
    float
        0 if it would be too small to be read.
    """
    wide, high = cell_size(ax)
    longest = max((len(text) for text in texts), default=0)
    size = min(TEXT, 0.9 * wide / (WIDE * max(longest, 1)), share * high)
    return size if size >= LEAST_TEXT else 0.0


def with_unit(label: str) -> str:
    """A label with its unit, where the letter says it: V, Q, A and R are in reward units.

    Parameters
    ----------
    label : str

    Returns
    -------
    str

    Examples
    --------
    >>> with_unit("V"), with_unit("Q*"), with_unit("visits")
    ('$V$ [reward units]', '$Q^*$ [reward units]', 'visits')
    """
    plain = label.strip("$")
    if not re.fullmatch(r"[VQAR](\*|[_^].+)?", plain):
        return label
    if plain[1:] == "*":
        plain = plain[0] + "^*"
    return f"${plain}$ [reward units]"


def bar(ax: Axes, drawn: ScalarMappable, label: str, *, below: bool = False) -> Colorbar:
    """A colour bar that takes its room from the axes.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    drawn : matplotlib.cm.ScalarMappable
        What has the colours.
    label : str
    below : bool
        Below the axes, not beside them.

    Returns
    -------
    matplotlib.colorbar.Colorbar
    """
    where: dict[str, Any] = {"location": "bottom", "aspect": 40, "shrink": 0.8}
    if not below:
        high = ax.get_window_extent().height / ax.figure.dpi
        where = {"location": "right", "aspect": 25, "shrink": min(1.0, TALLEST / high)}
    made = ax.figure.colorbar(drawn, ax=ax, pad=0.03, **where)
    made.set_label(with_unit(label), fontsize=TEXT)
    made.ax.tick_params(labelsize=SMALL, length=2.5, width=THIN / 2)
    made.outline.set_linewidth(THIN / 2)
    if not below and ax.get_aspect() != "auto" and ax.figure.get_layout_engine() is None:
        # as high as the cells, and beside them, which nobody else sees to
        ax.apply_aspect()
        cells, whole = ax.get_position(), made.ax.get_position(original=True)
        made.ax.set_position((cells.x1 + 0.02, cells.y0, whole.width, cells.height))
    return made
