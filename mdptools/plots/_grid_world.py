"""Grid worlds as pictures: values as heat and numbers, policies as arrows, walls and ends.

Takes     a model with a layout; perhaps numbers (S,), and a policy or a table of optimal actions.
Gives     axes with a cell for each state, and a legend of every sign in them.
Source    the form: Sutton and Barto (2018), figures 3.5 and 4.1; Russell and Norvig (2010), 17.2.
Not here  the numbers (evaluation, planning); grids as text (cli).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import BoolS
from ..model import MDP
from ._arrows import draw_policy
from ._grid import Look, look_at, rewards, starts
from ._grid_signs import WALL, explain
from ._heat import DOTS, FAINT, HATCH, bar, fitting, inks, numbers
from ._style import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = "#D0D0D0"
"""Between cells."""
LOW = 0.32  # of a cell: how far below the middle the number stands, beside arrows
FRAMES = (0.03, 0.09)  # of a cell: where the two frames of a terminal state are
MANY = 25
"""Grids with more rows or columns have no number at each of them."""


def grid_world(
    mdp: MDP, values: Any = None, *, policy: Any = None, label: str = "V", ax: Any = None
) -> Axes:
    """A grid world: a number for each cell as heat, a policy as arrows, walls, ends and the start.

    Parameters
    ----------
    mdp : MDP
        With a layout: (rows, cols), or whole-number coordinates (row, column) for each state. Cells
        that no state has are walls.
    values : (S,) array_like, optional
        Values, visits, rewards ``mdp.R.max(axis=1)``, or whatever else there is for each state.
    policy : (S, A) array_like, optional
        Probabilities: an arrow as long as its probability for each action whose name is a direction
        ("left", "N", "move_up", "south-east"), a ring for staying, a letter for others. Or an array
        of bool, such as `Solution.optimal_actions`: an arrow for each optimal action.
    label : str
        What the values are, for the colour bar. "V", "Q", "A" and "R", also as in "V*", get their
        unit; other labels should bring their own.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted. The colour bar takes its room from these axes.

    Returns
    -------
    matplotlib.axes.Axes
        Cell (row, column) is around the point x = column, y = row; y grows downwards.

    Raises
    ------
    ModelError
        If the model has no layout, or one that is no grid; if an array has the wrong shape, as one
        with an entry for each time step; if the policy is none of this model.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Values of both signs have colours that diverge around 0; others go from the smallest to the
    largest. Infinite values and nan are hatched, and have no part in the colours. A terminal state
    has a double frame; where all values are 0 on terminal states, as V is, the number in it is the
    reward for entering. States that no episode can visit have dots, and no arrows. Numbers that
    would be too small to be read are left out. O(S A) drawn objects.

    Examples
    --------
    >>> from mdptools import solve
    >>> from mdptools.problems import frozen_lake
    >>> mdp = frozen_lake(gamma=0.99)
    >>> sol = solve(mdp)
    >>> ax = grid_world(mdp, sol.V, policy=sol.optimal_actions)
    >>> ax.texts[0].get_text()  # ax.figure.savefig("lake.pdf") keeps it
    '0.542'
    """
    look = look_at(mdp, values, policy)
    rows, columns = look.where.shape
    axes = new_axes(ax, size=_size(rows, columns, look.V is not None))
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5), aspect="equal")
    _draw_cells(axes, look, label)
    _draw_states(axes, look)
    ink = inks(look.fills)
    numbered = _draw_numbers(axes, look, ink)
    _draw_words(axes, look, ink)
    if look.weight is not None:
        weight = np.where(look.acting[:, None], look.weight, 0.0)
        draw_policy(axes, mdp, weight, look.places, ink, beside=numbered)
    explain(axes, look)
    return axes


def _size(rows: int, columns: int, heated: bool) -> tuple[float, float]:
    """Inches: cells that hold a number, a page that holds the cells."""
    side = min(max(6.0 / max(columns, rows), 0.36), 0.85)
    wide, high = columns * side + 0.6, rows * side + 0.9
    if not heated:
        return max(wide, 2.4), max(high, 1.4)
    if columns > 2 * rows:
        return max(wide, 3.6), high + 0.8
    return wide + 0.9, max(high, 1.6)


def _draw_cells(ax: Axes, look: Look, label: str) -> None:
    """Walls, colours, a line between cells, the bar."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    rows, columns = look.where.shape
    if look.V is not None and look.coloured.any():
        numbered = np.where(look.coloured, look.V, np.nan)[look.where]
        hidden = (look.where < 0) | ~look.coloured[look.where]
        mesh = ax.pcolormesh(
            np.arange(columns + 1) - 0.5,
            np.arange(rows + 1) - 0.5,
            np.ma.array(np.where(hidden, 0.0, numbered), mask=hidden),
            cmap=look.heat.cmap,
            norm=look.heat.norm,
            zorder=1,
        )
        bar(ax, mesh, label, below=columns > 2 * rows)
    walls = [Rectangle((j - 0.5, i - 0.5), 1, 1) for i, j in np.argwhere(look.where < 0)]
    ax.add_collection(PatchCollection(walls, facecolor=WALL, edgecolor=WALL, label="wall"))
    lines: Any = {"color": LINES, "linewidth": 0.6, "zorder": 1.5}
    ax.hlines(np.arange(1, rows) - 0.5, -0.5, columns - 0.5, **lines)
    ax.vlines(np.arange(1, columns) - 0.5, -0.5, rows - 0.5, **lines)


def _draw_states(ax: Axes, look: Look) -> None:
    """Two frames round terminal states; a pattern where there is no number or no visit."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    unknown = look.placed & ~look.coloured & ~look.ends & (look.V is not None)
    kinds: list[tuple[str, BoolS, float, dict[str, Any]]] = [
        ("never visited", look.placed & ~look.visited, 0.0, {"hatch": DOTS, "edgecolor": FAINT}),
        ("not finite", unknown, 0.0, {"hatch": HATCH, "edgecolor": FAINT}),
        *(("terminal", look.mdp.terminal & look.placed, inset, {}) for inset in FRAMES),
    ]
    for name, states, inset, style in kinds:
        side = 1 - 2 * inset
        patches = [
            Rectangle((column - side / 2, row - side / 2), side, side)
            for row, column in look.places[states]
        ]
        if patches:
            frame = {"edgecolor": [*map(_frame, inks(look.fills[states]))]} | style
            ax.add_collection(
                PatchCollection(
                    patches,
                    facecolor="none",
                    linewidth=0.0 if "hatch" in style else 0.9,
                    zorder=2,
                    label=name,
                    **frame,
                )
            )


def _frame(ink: str) -> str:
    """The colour of a frame on what asks for this ink."""
    return WALL if ink == "black" else ink


def _draw_numbers(ax: Axes, look: Look, ink: list[str]) -> bool:
    """The number of each cell that shows one, or its name; whether there was room for them."""
    texts = _numbers(look)
    size = fitting(ax, texts.values(), 0.3 if look.weight is None else 0.2)
    if not size:
        return False
    for s, text in texts.items():
        row, column = look.places[s]
        down = LOW if look.weight is not None and not look.mdp.terminal[s] else 0.0
        ground: Any = None
        if not look.visited[s] or not look.coloured[s]:  # there is a pattern behind
            ground = {"facecolor": tuple(look.fills[s]), "edgecolor": "none", "pad": 1.0}
        ax.text(
            column,
            row + down,
            text,
            fontsize=size,
            color=ink[s],
            ha="center",
            va="center",
            bbox=ground,
            zorder=5,
            parse_math=False,
        )
    return bool(texts)


def _numbers(look: Look) -> dict[int, str]:
    """What stands in the cells of states: numbers, or names where there is nothing else."""
    shown = np.flatnonzero(look.placed & ~look.ends).tolist()
    if max(look.where.shape) > MANY:
        return {}
    if look.V is not None:
        return dict(zip(shown, numbers(look.V[shown]), strict=True))
    if look.weight is not None or look.mdp.state_names is None:
        return {}
    names = {s: look.mdp.state_names[s] for s in shown}
    # "(0, 1)" says no more than the numbers of rows and columns
    return {s: name for s, name in names.items() if any(c.isalpha() for c in name)}


def _draw_words(ax: Axes, look: Look, ink: list[str]) -> None:
    """The reward of each end, and where episodes start."""
    paid = rewards(look)
    size = fitting(ax, paid.values(), 0.35)
    for s, text in paid.items() if size else ():
        row, column = look.places[s]
        ax.text(column, row, text, fontsize=size, weight="bold", ha="center", va="center")
    size = fitting(ax, "S", 0.2)
    for s in starts(look) if size else ():
        row, column = look.places[s]
        ax.text(
            column - 0.44,
            row - 0.44,
            "S",
            fontsize=size,
            color=ink[s],
            weight="bold",
            ha="left",
            va="top",
            zorder=5,
        )
