"""Tables of values as pictures: a row for each state, a column for each action.

Takes     a model, numbers (S,) or (S, A), perhaps which actions are optimal.
Gives     axes with a cell for each number, coloured by it.
Source    the numbers are those that are given.
Not here  grids (`_grid_world`), tables as text (cli).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import BoolSA, FloatArray, as_numbers
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._heat import (
    FAINT,
    HATCH,
    Heat,
    bar,
    cell_size,
    check_numbers,
    check_shape,
    fitting,
    heat,
    inks,
    numbers,
    shortened,
)
from ._style import SMALL, TEXT, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS, COLUMNS = 40, 25
"""More states are cut, more actions refused: their numbers could not be read."""
LONG = 44  # letters of a name
INSET = 2.0  # points: between the edge of a cell and the frame of an optimal action


def table(mdp: MDP, x: Any, *, optimal: Any = None, label: str = "Q", ax: Any = None) -> Axes:
    """A table of values: heat, a number in each cell, refused pairs hatched, optimal ones framed.

    Parameters
    ----------
    mdp : MDP
    x : (S,) or (S, A) array_like
        V, Q, the advantage, visits, a policy, or whatever else there is for each state or pair.
    optimal : (S, A) array_like of bool, optional
        Which actions to frame, such as `Solution.optimal_actions`.
    label : str
        What the numbers are, for the colour bar. "V", "Q", "A" and "R", also as in "Q*", get their
        unit; other labels should bring their own.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted. The colour bar takes its room from these axes.

    Returns
    -------
    matplotlib.axes.Axes
        Cell (s, a) is around the point x = a, y = s; y grows downwards.

    Raises
    ------
    ModelError
        If an array has the wrong shape, as one with an entry for each time step, or there are more
        than 25 actions.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Numbers of both signs have colours that diverge around 0; others go from the smallest to the
    largest. Pairs that are refused are hatched and hold no number; so are infinite numbers and nan,
    with their names. Of more than 40 states the first 40 are shown, and the title says so. A
    terminal state has no framed action: nobody acts there.

    Examples
    --------
    >>> from mdptools import solve
    >>> from mdptools.problems import recycling_robot
    >>> mdp = recycling_robot(gamma=0.9)
    >>> sol = solve(mdp)
    >>> ax = table(mdp, sol.Q, optimal=sol.optimal_actions, label="Q*")
    >>> [tick.get_text() for tick in ax.get_yticklabels()]  # ax.figure.savefig("Q.pdf") keeps it
    ['high', 'low']
    """
    check_model(mdp)
    shape = (mdp.n_states, mdp.n_actions)
    given = check_numbers(x, "x", shape, shape[:1])
    single = given.ndim == 1
    best = None if optimal is None else _marked(mdp, optimal, single=single)
    if not single and mdp.n_actions > COLUMNS:
        raise ModelError(
            f"the table has {mdp.n_actions} columns; {COLUMNS} can be read. A column of its own "
            f"for each state: x.max(axis=1), or the actions of interest as a model of their own."
        )
    shown = given[:ROWS, None] if single else given[:ROWS]
    refused = np.zeros(shown.shape, dtype=np.bool_) if single else ~mdp.allowed[:ROWS]
    rows, columns = shown.shape
    names = max(len(shortened(name, LONG)) for name in mdp.state_names or [""])
    wide = 1.6 + 0.07 * names + 0.72 * columns
    axes = new_axes(ax, size=(max(wide, 3.0), max(0.7 + 0.3 * rows, 2.0)))
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))
    known = np.isfinite(shown) & ~refused
    scale = heat(shown[known])
    if known.any():
        mesh = axes.pcolormesh(
            np.arange(columns + 1) - 0.5,
            np.arange(rows + 1) - 0.5,
            np.ma.array(np.where(known, shown, 0.0), mask=~known),
            cmap=scale.cmap,
            norm=scale.norm,
            edgecolors="white",
            linewidth=0.6,
        )
        bar(axes, mesh, label)
    _draw_cells(axes, shown, refused, known, scale)
    if best is not None:
        _frame(axes, best[:ROWS] & ~mdp.terminal[:ROWS, None])
    _finish(axes, mdp, rows, columns, single=single)
    return axes


def _marked(mdp: MDP, optimal: Any, *, single: bool) -> BoolSA:
    """Which actions are to be framed."""
    if single:
        raise ModelError("optimal frames actions, but x has one number for each state: leave it.")
    marked = as_numbers(optimal, "optimal")
    check_shape(marked.shape, "optimal", (mdp.n_states, mdp.n_actions))
    if marked.dtype != np.bool_:
        raise ModelError(
            f"optimal has type {marked.dtype}; it must be bool: optimal_actions, or pi > 0."
        )
    return marked


def _draw_cells(ax: Axes, shown: FloatArray, refused: BoolSA, known: BoolSA, scale: Heat) -> None:
    """The numbers, and hatches where there is none."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    fills = np.ones((*shown.shape, 4))
    fills[known] = scale.colours(shown[known])
    for name, where in (("refused", refused), ("not finite", ~known & ~refused)):
        patches = [Rectangle((a - 0.5, s - 0.5), 1, 1) for s, a in np.argwhere(where)]
        if patches:
            ax.add_collection(
                PatchCollection(
                    patches, facecolor="none", edgecolor=FAINT, hatch=HATCH, linewidth=0, label=name
                )
            )
    texts = numbers(shown[~refused])
    size = fitting(ax, texts, 0.6)
    if not size:
        return
    for (s, a), text, ink in zip(np.argwhere(~refused), texts, inks(fills[~refused]), strict=True):
        ground = None if known[s, a] else {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
        ax.text(
            a, s, text, fontsize=size, color=ink, ha="center", va="center", bbox=ground, zorder=4
        )


def _frame(ax: Axes, best: BoolSA) -> None:
    """A frame inside each cell that is marked: black with a white rim, which no colour hides."""
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    wide, high = (1 - 2 * INSET / size for size in cell_size(ax))
    patches = [Rectangle((a - wide / 2, s - high / 2), wide, high) for s, a in np.argwhere(best)]
    for width, ink in ((3.2, "white"), (1.6, "black")):
        ax.add_collection(
            PatchCollection(
                patches,
                facecolor="none",
                edgecolor=ink,
                linewidth=width,
                zorder=3,
                label="optimal" if ink == "black" else "_rim",
            )
        )


def _finish(ax: Axes, mdp: MDP, rows: int, columns: int, *, single: bool) -> None:
    """Names of states and actions, what the signs mean, what was cut."""
    states = mdp.state_names or tuple(str(s) for s in range(mdp.n_states))
    actions = mdp.action_names or tuple(str(a) for a in range(mdp.n_actions))
    ends = ["  (terminal)" if end else "" for end in mdp.terminal]
    ax.set_yticks(
        range(rows),
        labels=[shortened(states[s], LONG) + ends[s] for s in range(rows)],
        fontsize=SMALL,
        parse_math=False,
    )
    ax.set_ylabel("state", fontsize=TEXT)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    if single:
        ax.set_xticks([])
    else:
        names = [shortened(name, LONG) for name in actions]
        leaning = max(map(len, names)) > 8
        ax.set_xticks(range(columns), labels=names, fontsize=SMALL, parse_math=False)
        ax.tick_params(axis="x", rotation=40 if leaning else 0)
        if leaning:
            for text in ax.get_xticklabels():
                text.set(ha="left", rotation_mode="anchor")
        ax.set_xlabel("action", fontsize=TEXT)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    if rows < mdp.n_states:
        ax.set_title(f"the first {rows} of {mdp.n_states:,} states", fontsize=TEXT, loc="left")
