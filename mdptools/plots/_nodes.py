"""What stands in a transition graph: states, actions, arrows, words.

Takes     axes, a `Graph` and the places of its nodes.
Gives     circles, dots, curves with heads, names, a legend.
Not here  which way curves go (`_curves`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray
from ..model import MDP
from ._curves import Box, crowding, free_angle
from ._graph import Graph
from ._heat import WIDE, inks, shortened
from ._style import COLOURS, SMALL, TEXT, colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

RADIUS, DOT = 0.27, 0.06  # of a state, of an action
TINY = 6.5  # points: names of actions, probabilities
INK, SOFT = "#333333", "#9A9A9A"
PASSING = "#E3E3E3"
"""Of states that do not come back."""
LONG = 20  # letters of a name
SIDES = 8  # of an action, on which its name can stand


def label_size(text: str, unit: float) -> tuple[float, float]:
    """Width and height of a small text, about.

    Parameters
    ----------
    text : str
    unit : float
        Points to one unit of the axes.

    Returns
    -------
    (width, height)
        In units of the axes; (0, 0) without text.
    """
    return (WIDE * TINY * len(text) / unit, 1.25 * TINY / unit) if text else (0.0, 0.0)


def write(ax: Axes, at: FloatArray, text: str, *, ground: bool = False, **style: Any) -> None:
    """A text round a point, small if nothing else is said.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    at : (2,) array
    text : str
    ground : bool
        Whether it hides the line on which it stands.
    **style
        As matplotlib's.
    """
    box: Any = {"facecolor": "white", "edgecolor": "none", "pad": 0.6} if ground else None
    look: dict[str, Any] = {"fontsize": TINY, "color": INK} | style
    ax.text(
        float(at[0]), float(at[1]), text, ha="center", va="center", zorder=3, bbox=box,
        parse_math=False, **look,
    )  # fmt: skip


def draw_states(
    ax: Axes, mdp: MDP, graph: Graph, places: FloatArray, unit: float, taken: list[Box]
) -> None:
    """A circle for each state, with another inside if it is terminal, and its number or name.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    mdp : MDP
    graph : Graph
    places : (n, 2) array
    unit : float
        Points to one unit of the axes.
    taken : list of Box
        Names that stand below their states, because they do not fit in them, are added.
    """
    from matplotlib.colors import to_rgba_array
    from matplotlib.patches import Circle

    fills = [PASSING] * mdp.n_states
    for i, members in enumerate(graph.classes):
        for s in members:
            fills[s] = colour(i)
    for s in np.flatnonzero(mdp.terminal).tolist():
        fills[s] = "white"
    ink = inks(to_rgba_array(fills))
    numbers = [str(s) for s in range(mdp.n_states)]
    names = [shortened(name, LONG) for name in mdp.state_names or numbers]
    size = min(TEXT, 1.64 * RADIUS * unit / (WIDE * max(map(len, names))))
    inside = size >= TINY - 1
    for s, place in enumerate(places[: mdp.n_states]):
        rim: dict[str, Any] = {"edgecolor": INK, "linewidth": 1.0, "zorder": 2}
        at = (float(place[0]), float(place[1]))
        ax.add_patch(Circle(at, RADIUS, facecolor=fills[s], gid=f"state {s}", **rim))
        if mdp.terminal[s]:
            ax.add_patch(Circle(at, 0.82 * RADIUS, facecolor="none", gid=f"ring {s}", **rim))
        if inside:
            write(ax, place, names[s], fontsize=size, color=ink[s])
            continue
        write(ax, place, numbers[s], fontsize=min(SMALL, 1.2 * RADIUS * unit), color=ink[s])
        if mdp.state_names is not None:
            below = place - np.array([0.0, RADIUS + 0.7 * TINY / unit])
            write(ax, below, names[s])
            taken.append(Box(below, label_size(names[s], unit)))


def draw_actions(
    ax: Axes,
    mdp: MDP,
    graph: Graph,
    places: FloatArray,
    radii: FloatArray,
    unit: float,
    taken: list[Box],
) -> None:
    """A dot for each action, a line from its state, its name on the side where there is room.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    mdp : MDP
    graph : Graph
    places : (n, 2) array
    radii : (n,) array
    unit : float
        Points to one unit of the axes.
    taken : list of Box
        The names are added.
    """
    from matplotlib.patches import Circle

    names = mdp.action_names or tuple(str(a) for a in range(mdp.n_actions))
    turn = np.arange(SIDES) * 2 * np.pi / SIDES
    around = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    targets: list[list[int]] = [[s] for s, _ in graph.pairs]  # where lines go from each
    for arrow in graph.arrows:
        if not graph.chain:
            targets[arrow.source - mdp.n_states].append(arrow.target)
    for i, (s, a) in enumerate(graph.pairs):
        node, name = places[mdp.n_states + i], shortened(names[a], LONG)
        ways = places[sorted(set(targets[i]))] - node
        ways = ways / np.hypot(ways[:, 0], ways[:, 1])[:, None]
        rim = places[s] + RADIUS * (node - places[s]) / np.hypot(*(node - places[s]))
        ax.plot([rim[0], node[0]], [rim[1], node[1]], color=SOFT, linewidth=1.0, zorder=1)
        at = (float(node[0]), float(node[1]))
        ax.add_patch(
            Circle(at, DOT, facecolor=INK, edgecolor="none", zorder=2, gid=f"action {s},{a}")
        )
        size = label_size(name, unit)
        boxes = [Box(node + side * (DOT + 0.04 + np.array(size) / 2), size) for side in around]
        blocked = (np.maximum(around @ ways.T, 0.0) ** 2).sum(axis=1)
        costs = [3 * crowding(box, places, radii, taken) for box in boxes] + blocked
        box = boxes[int(costs.argmin())]
        write(ax, box.centre, name, style="italic")
        taken.append(box)


def draw_arrow(ax: Axes, points: FloatArray, gid: str, *, prob: float) -> None:
    """A curve with a head, wide if it is likely.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    points : (3, 2) or (4, 2) array
        Of a Bezier curve.
    gid : str
        The name of the curve in an SVG file.
    prob : float
    """
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path

    codes = [Path.MOVETO] + [Path.CURVE3 if len(points) == 3 else Path.CURVE4] * (len(points) - 1)
    ax.add_patch(
        FancyArrowPatch(
            path=Path(points, codes),
            arrowstyle="-|>,head_length=0.45,head_width=0.22",
            mutation_scale=9,
            linewidth=0.7 + 1.2 * prob,
            color=INK,
            capstyle="butt",
            joinstyle="miter",
            zorder=1.5,
            gid=gid,
        )
    )


def draw_starts(ax: Axes, graph: Graph, places: FloatArray) -> list[FloatArray]:
    """An arrow from nowhere to each state in which an episode can start.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    graph : Graph
    places : (n, 2) array

    Returns
    -------
    list of (3, 2) arrays
        The curves.
    """
    n_states, drawn = len(graph.follows), []
    for s in graph.starts:
        ends = [{arrow.source, arrow.target} for arrow in graph.arrows if s in arrow[:2]]
        others = {other for end in ends for other in end - {s}}
        others |= {n_states + i for i, (of, _) in enumerate(graph.pairs) if of == s}
        rays = (places[sorted(others)] - places[s]).reshape(-1, 2)
        angles = np.arctan2(rays[:, 1], rays[:, 0]).tolist()
        if graph.chain and graph.follows[s, s]:  # where the loop is
            angles.append(free_angle(angles, wanted=np.pi / 2))
        angle = free_angle(angles, wanted=np.pi)
        unit = RADIUS * np.array([np.cos(angle), np.sin(angle)])
        drawn.append(places[s] + np.outer([2.1, 1.55, 1.0], unit))
        draw_arrow(ax, drawn[-1], f"start->{s}", prob=0.4)
    return drawn


def explain(ax: Axes, mdp: MDP, graph: Graph) -> None:
    """What colours, rings and dots mean, of those that are there.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
    mdp : MDP
    graph : Graph
    """
    word = "recurrent class" if graph.chain else "communicating class"
    several = len(graph.classes) > 1
    handles = [
        _sign("o", f"{word} {i + 1}" if several else word, colour(i))
        for i in range(min(len(graph.classes), len(COLOURS)))
    ]
    if int(mdp.terminal.sum()) + sum(map(len, graph.classes)) < mdp.n_states:
        handles.append(_sign("o", "transient" if graph.chain else "visited at most once", PASSING))
    if mdp.terminal.any():
        handles.append(_sign("o", "terminal: two rings", "white"))
    if graph.starts:
        handles.append(_sign(r"$\rightarrow$", "start", INK))
    if graph.pairs:
        handles.append(_sign("o", "action", INK, size=4.0))
    if not handles:
        return
    ax.legend(
        handles=handles,
        fontsize=SMALL,
        frameon=False,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=min(len(handles), 3),
        handletextpad=0.3,
        columnspacing=1.2,
    )


def _sign(marker: str, meaning: str, fill: str, *, size: float = 8.0) -> Line2D:
    """A sign of the legend."""
    from matplotlib.lines import Line2D

    return Line2D(
        [],
        [],
        marker=marker,
        markersize=size,
        markerfacecolor=fill,
        markeredgecolor=INK,
        linestyle="",
        label=meaning,
    )
