"""Transition graphs: who can follow whom, with what probability, for ever or in passing.

Takes     a model of few states, perhaps a policy.
Gives     axes with a node for each state, an arrow for each transition.
Source    the form without a policy: Sutton and Barto (2018), example 3.3.
Not here  classes (structure), graphs for other programs (interop).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray, as_numbers
from ..checks import check_model
from ..model import MDP
from ..policies import check_policy
from ._curves import Box, Joined, curves
from ._graph import Arrow, Graph, graph_of
from ._heat import cell_size, check_shape
from ._nodes import (
    DOT,
    RADIUS,
    draw_actions,
    draw_arrow,
    draw_starts,
    draw_states,
    explain,
    label_size,
    write,
)
from ._places import action_places, state_places
from ._style import new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

APART, APART_ALONE = 1.75, 1.1
"""Between the nearest two states, with actions between them and without."""
REACH = 0.66  # from a state to its actions
MARGIN = 0.8  # round the nodes, until it is known what is there
LEAST, MOST = (4.4, 1.8), (11.0, 8.0)  # inches


def transition_graph(mdp: MDP, pi: Any = None, *, ax: Any = None) -> Axes:
    """A model, or the chain of a policy, as a graph with probabilities.

    Parameters
    ----------
    mdp : MDP
        At most 40 states, and 100 arrows.
    pi : (S, A) array_like, optional
        Show its chain. If omitted, each action is a small node between states.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If there are too many states or arrows, or pi is no policy of this model.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    An arrow without a number has probability 1; likelier arrows are wider. With a policy each of
    its recurrent classes has a colour, and transient states are grey. Without one each set of
    states that can reach each other has a colour, and states that are visited at most once are
    grey.
    Terminal states have two rings, and no actions. States stand where the layout says, or as far
    from each other as they are in the graph (Kamada and Kawai 1989), the same on each run. An arrow
    from nowhere marks where episodes start. O(S^3) for the places, O(arrows S) for the curves.

    Examples
    --------
    >>> from mdptools.policies import uniform_policy
    >>> from mdptools.problems import two_state
    >>> mdp = two_state()
    >>> ax = transition_graph(mdp, uniform_policy(mdp))
    >>> sorted(text.get_text() for text in ax.texts)  # ax.figure.savefig("chain.pdf") keeps it
    ['0.25', '0.75', 's1', 's2']
    """
    check_model(mdp)
    law = None
    if pi is not None:
        table = as_numbers(pi, "pi")
        check_shape(table.shape, "pi", (mdp.n_states, mdp.n_actions))
        law = check_policy(mdp, table)
    graph = graph_of(mdp, law)
    places = _placed(mdp, graph)
    axes = new_axes(ax, size=_size(places))
    _draw(axes, mdp, graph, places)
    return axes


def _placed(mdp: MDP, graph: Graph) -> FloatArray:
    """Where states and action nodes stand, in this order."""
    states = state_places(mdp, graph.follows, APART_ALONE if graph.chain else APART)
    if not graph.pairs:
        return states
    ways = [(s, law) for (s, _), law in zip(graph.pairs, graph.laws, strict=True)]
    return np.concatenate([states, action_places(states, ways, REACH)])


def _size(places: FloatArray) -> tuple[float, float]:
    """Inches: one for each unit, as long as that fits on a page."""
    wide, high = (float(extent) + 2 * MARGIN for extent in np.ptp(places, axis=0))
    shrink = min(1.0, MOST[0] / wide, MOST[1] / high)
    return max(wide * shrink, LEAST[0]), max(high * shrink, LEAST[1]) + 0.3


def _draw(ax: Axes, mdp: MDP, graph: Graph, places: FloatArray) -> None:
    """Nodes, then arrows that keep clear of them, then limits that hold them all."""
    radii = np.array([RADIUS] * mdp.n_states + [DOT] * len(graph.pairs))
    ax.set_aspect("equal")
    ax.axis("off")
    _limit(ax, places, MARGIN)
    unit = min(cell_size(ax))
    taken: list[Box] = []
    draw_states(ax, mdp, graph, places, unit, taken)
    draw_actions(ax, mdp, graph, places, radii, unit, taken)
    labels = [_words(arrow.prob) for arrow in graph.arrows]
    edges = [
        Joined(arrow.source, arrow.target, label_size(label, unit), _bend(graph, arrow))
        for arrow, label in zip(graph.arrows, labels, strict=True)
    ]
    drawn = curves(places, radii, edges, taken)
    for arrow, curve, label in zip(graph.arrows, drawn, labels, strict=True):
        draw_arrow(ax, curve.points, f"{arrow.source}->{arrow.target}", prob=arrow.prob)
        if label:
            write(ax, curve.label, label, ground=True)
            taken.append(Box(curve.label, label_size(label, unit)))
    starts = draw_starts(ax, graph, places)
    inked = [places - radii[:, None], places + radii[:, None], *starts]
    inked += [curve.points for curve in drawn]
    inked += [box.centre + np.array([[-0.5], [0.5]]) * box.size for box in taken]
    _limit(ax, np.concatenate(inked), 0.1)
    explain(ax, mdp, graph)


def _limit(ax: Axes, points: FloatArray, margin: float) -> None:
    """Axes that hold some points."""
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))


def _words(p: float) -> str:
    """A probability in two digits, more if these would say 1; nothing for 1."""
    if p > 1 - 1e-9:
        return ""
    return f"{p:.2g}" if p < 0.995 else f"{p:.4g}" if p < 0.99995 else "≈1"


def _bend(graph: Graph, arrow: Arrow) -> float:
    """Two ways between two states part; from an action back to its state is a way round."""
    if graph.chain:
        return 0.18 if graph.follows[arrow.target, arrow.source] else 0.0
    s, _ = graph.pairs[arrow.source - len(graph.follows)]
    return -0.7 if s == arrow.target else 0.0
