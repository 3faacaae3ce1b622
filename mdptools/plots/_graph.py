"""A model of few states as nodes and arrows, before they have places.

Takes     an MDP, perhaps a policy.
Gives     a `Graph`: who leads where with what probability, and which states belong together.
Not here  places (`_places`), curves (`_curves`), drawing (`_nodes`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import kernel
from ..arrays import BoolArray, FloatArray, FloatSA, IntArray
from ..errors import ModelError
from ..model import MDP
from ..structure import communicating_classes, recurrent_classes

STATES, ARROWS = 40, 100
"""More of them cannot be read."""
FEW = 3
"""More states in which an episode can start are not marked."""


class Arrow(NamedTuple):
    """One transition, from node to node."""

    source: int
    target: int
    prob: float


class Graph(NamedTuple):
    """Nodes 0..S-1 are states; node S + i is the i-th pair of a state and an action."""

    pairs: list[tuple[int, int]]
    arrows: list[Arrow]
    follows: BoolArray  # (S, S) which states can follow which
    laws: list[FloatArray]  # (S,) the successors of each pair
    classes: list[list[int]]  # states that share a colour; no terminal ones
    starts: list[int]  # states to mark
    chain: bool


def graph_of(mdp: MDP, pi: FloatSA | None) -> Graph:
    """The chain of a policy, or all pairs; nothing leaves a terminal state.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array or None

    Returns
    -------
    Graph

    Raises
    ------
    ModelError
        If it has more states or arrows than can be read.
    """
    if mdp.n_states > STATES:
        raise _refusal(mdp, f"the model has {mdp.n_states:,} states", STATES)
    row, successor, prob = kernel.branches(mdp.P)
    s, a = np.divmod(row, mdp.n_actions)
    if pi is not None:
        prob = prob * pi[s, a]
    kept = ~mdp.terminal[s] & (prob > 0)
    s, a, successor, prob = s[kept], a[kept], successor[kept], prob[kept]
    step = np.zeros((mdp.n_states, mdp.n_states))
    np.add.at(step, (s, successor), prob)
    starts = np.flatnonzero(mdp.mu > 0).tolist()
    if len(starts) > FEW or len(starts) == int((~mdp.terminal).sum()):
        starts = []
    if pi is not None:
        arrows = [Arrow(int(i), int(j), float(step[i, j])) for i, j in np.argwhere(step > 0)]
        classes = _live(mdp, recurrent_classes(mdp, pi))
        found = Graph([], arrows, step > 0, [], classes, starts, True)
    else:
        pairs = [(int(i), int(j)) for i, j in np.argwhere(mdp.allowed & ~mdp.terminal[:, None])]
        number = {pair: i for i, pair in enumerate(pairs)}
        laws = [np.zeros(mdp.n_states) for _ in pairs]
        arrows = []
        for i, j, t, p in zip(
            s.tolist(), a.tolist(), successor.tolist(), prob.tolist(), strict=True
        ):
            laws[number[i, j]][t] += p
            arrows.append(Arrow(mdp.n_states + number[i, j], t, p))
        met = [
            one
            for one in _live(mdp, communicating_classes(mdp))
            if len(one) > 1 or step[one[0], one[0]] > 0
        ]
        found = Graph(pairs, arrows, step > 0, laws, met, starts, False)
    if len(found.arrows) > ARROWS:
        chain = "" if found.chain else "transition_graph(mdp, pi) is the chain of a policy, "
        raise _refusal(mdp, f"the graph has {len(found.arrows):,} arrows", ARROWS, chain)
    return found


def _live(mdp: MDP, classes: tuple[IntArray, ...]) -> list[list[int]]:
    """The classes whose states are not terminal."""
    return [one.tolist() for one in classes if not mdp.terminal[one[0]]]


def _refusal(mdp: MDP, what: str, most: int, chain: str = "") -> ModelError:
    """That a graph would be too large, and what else can be drawn."""
    grid = "plots.grid_world shows values and policies, " if mdp.layout is not None else ""
    return ModelError(
        f"{what}; more than {most} cannot be read. Instead: {chain}{grid}"
        f"plots.table shows numbers, structure.graph is for other programs."
    )
