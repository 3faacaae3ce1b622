"""Policies in the cells of a grid: arrows where actions are moves, marks where they are not.

Takes     axes, where the states stand, and how much each action is taken.
Gives     arrows as long as probabilities, dots for staying, letters with their meaning.
Source    directions: the names of actions (`model.directions`).
Not here  the cells, walls and values (`_grid_world`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import BoolS, FloatArray, FloatSA
from ..model import MDP, STAY, Move, directions
from ._heat import MINUS, cell_size, fitting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REACH = 0.40  # of a cell: an arrow of probability 1
REACH_BESIDE = 0.29  # the same where a number stands below
LIFT = 0.13  # of a cell: how far up the arrows move then
APART = 0.03  # of a cell: between the centre and the arrows that leave it
RING = 0.6  # of an arrow: the ring of staying
LEAST = 0.01
"""Less probable actions are not drawn."""
SHORT = 3  # letters: such names stand for themselves


def marks(mdp: MDP) -> list[str]:
    """A sign for each action that is no move: its name if that is short, else a letter, or number.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    list of str
        "" for moves; no two of the others are the same, and none is "S", the start.

    Examples
    --------
    >>> from mdptools import MDP
    >>> def named(*names):
    ...     return MDP([[[1.0]] * len(names)], [range(len(names))], 0.5, action_names=names)
    >>> marks(named("left", "pickup", "dropoff")), marks(named("move 1", "move 2", "move 10"))
    (['', 'P', 'D'], ['1', '2', '10'])
    >>> marks(named("stop", "go on")), marks(named("drive S", "drive N"))
    (['0', '1'], ['0', '1'])
    """
    names = mdp.action_names or tuple(str(a) for a in range(mdp.n_actions))
    steps = directions(mdp.action_names) or (None,) * mdp.n_actions
    other = [a for a, step in enumerate(steps) if step is None]
    words = [names[a].split() for a in other]
    while (
        len(words) > 1 and len({tuple(one[:1]) for one in words}) == 1 and min(map(len, words)) > 1
    ):
        words = [one[1:] for one in words]  # "move -1" and "move 1" are told apart by numbers
    rest = [" ".join(one).replace("-", MINUS) for one in words]
    initials = [name[:1].upper() for name in rest]
    if all(0 < len(name) <= SHORT and name != "S" for name in rest):
        signs = rest
    elif len(set(initials)) == len(initials) and all(c.isalpha() and c != "S" for c in initials):
        signs = initials
    else:
        signs = [str(a) for a in other]
    found = dict(zip(other, signs, strict=True))
    return [found.get(a, "") for a in range(mdp.n_actions)]


def draw_policy(
    ax: Axes, mdp: MDP, weight: FloatSA, places: FloatArray, ink: list[str], *, beside: bool
) -> None:
    """Arrows, rings and marks.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        Cells are 1 wide and high, y grows downwards.
    mdp : MDP
    weight : (S, A) array
        Probabilities; 1 for each optimal action where ties are shown; 0 where no action is. The
        largest is the longest arrow.
    places : (S, 2) array
        (row, column) of the cells.
    ink : list of str
        The colour in each state.
    beside : bool
        Whether a number stands in the lower part of each cell.
    """
    ways = towards(mdp, weight)
    x, y = places[:, 1], places[:, 0] - (LIFT if beside else 0.0)
    moving = np.zeros(mdp.n_states, dtype=np.bool_)
    for much in ways.values():
        moving |= much >= LEAST
    reach = (REACH_BESIDE if beside else REACH) / longest(ways)
    stays = ways.pop(STAY, np.zeros(mdp.n_states))
    _draw_arrows(ax, ways, x, y, ink, reach)
    at = np.flatnonzero(stays >= LEAST)
    if len(at):
        ax.scatter(
            x[at],
            y[at],
            s=(RING * reach * min(cell_size(ax))) ** 2 * stays[at],
            facecolors="none",
            edgecolors=[ink[s] for s in at],
            linewidths=1.2,
            zorder=4,
        )
    if mdp.n_actions > 1:  # where there is no choice there is nothing to say
        _draw_marks(ax, marks(mdp), weight, x, y, ink, moving)


def towards(mdp: MDP, weight: FloatSA) -> dict[Move, FloatArray]:
    """How much of each direction, (S,) at most 1; two names of one direction share it.

    Parameters
    ----------
    mdp : MDP
    weight : (S, A) array

    Returns
    -------
    dict
    """
    found: dict[Move, FloatArray] = {}
    for a, step in enumerate(directions(mdp.action_names)):
        if step is not None:
            found[step] = np.minimum(found.get(step, 0.0) + weight[:, a], 1.0)
    return found


def longest(ways: dict[Move, FloatArray]) -> float:
    """The largest weight of a direction, which the longest arrow stands for; 1 without arrows.

    Parameters
    ----------
    ways : dict
        From `towards`.

    Returns
    -------
    float
    """
    most = max((float(much.max()) for much in ways.values()), default=1.0)
    return most if most >= LEAST else 1.0


def _draw_arrows(
    ax: Axes,
    ways: dict[Move, FloatArray],
    x: FloatArray,
    y: FloatArray,
    ink: list[str],
    reach: float,
) -> None:
    """All arrows as one field; a diagonal one is as long as the others."""
    if not ways:
        return
    several = np.sum([much >= LEAST for much in ways.values()], axis=0) > 1
    tails = []
    for (down, right), much in ways.items():
        unit = np.array([right, down]) / np.hypot(right, down)
        for s in np.flatnonzero(much >= LEAST).tolist():
            length = reach * float(much[s])
            start = APART if several[s] else -length / 2  # an arrow alone is in the middle
            tail = np.array([x[s], y[s]]) + start * unit
            tails.append((*tail.tolist(), *(length * unit).tolist(), ink[s]))
    if not tails:
        return
    x0, y0, u, v, colours = zip(*tails, strict=True)
    ax.quiver(
        x0,
        y0,
        u,
        v,
        color=list(colours),
        angles="xy",
        scale_units="xy",
        scale=1,
        units="x",
        width=0.03,
        headwidth=4.0,
        headlength=4.0,
        headaxislength=3.6,
        minlength=0.0,
        zorder=4,
    )


def _draw_marks(
    ax: Axes,
    signs: list[str],
    weight: FloatSA,
    x: FloatArray,
    y: FloatArray,
    ink: list[str],
    moving: BoolS,
) -> None:
    """The signs of actions that are no moves: in the middle, or in a corner beside arrows."""
    other = [a for a, sign in enumerate(signs) if sign]
    texts = {}
    for s in np.flatnonzero((weight[:, other] >= LEAST).any(axis=1)).tolist():
        taken = [a for a in other if weight[s, a] >= LEAST]
        sure = all(weight[s, a] > 1 - LEAST for a in taken)
        texts[s] = "/".join(
            signs[a] if sure else f"{signs[a]} {weight[s, a]:.2f}".replace(" 0.", " .")
            for a in taken
        )
    size = fitting(ax, texts.values(), 0.2 if moving.any() else 0.3)
    if not size:
        return
    for s, text in texts.items():
        right, up = (0.45, 0.45 - LIFT) if moving[s] else (0.0, 0.0)
        ax.text(
            x[s] + right,
            y[s] - up,
            text,
            fontsize=size,
            color=ink[s],
            weight="bold",
            ha="right" if moving[s] else "center",
            va="top" if moving[s] else "center",
            zorder=5,
            parse_math=False,
        )
