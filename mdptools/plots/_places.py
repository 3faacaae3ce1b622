"""Where the nodes of a graph stand: states by their layout or their distances, actions beside them.

Takes     a model, and which states follow which.
Gives     coordinates, the same on each run, x to the right and y up.
Source    Kamada and Kawai (1989), as networkx does it: distances on the page like those in the
          graph.
Not here  the edges (`_curves`), what is drawn (`_transition_graph`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from ..model import MDP
from ._curves import free_angle

ROUND = 1.3
"""Of the two half axes of the layout: below it no direction is the longest."""
PAGE = 12.5  # units: longer rows of states are folded
TURNS = 36
"""How many directions are tried for each action."""
KEEP_RIGHT = np.deg2rad(24.0)
"""Actions leave a little to the left of their way, so that two ways between states are apart."""


def state_places(mdp: MDP, follows: BoolArray, apart: float) -> FloatArray:
    """Coordinates (S, 2) of the states; the nearest two are about ``apart`` from each other.

    Parameters
    ----------
    mdp : MDP
        Its layout is taken if it has a place for each state.
    follows : (S, S) array of bool
        Whether t can follow s.
    apart : float

    Returns
    -------
    (S, 2) array
    """
    if isinstance(mdp.layout, tuple):
        row, column = np.divmod(np.arange(mdp.n_states), mdp.layout[1])
        places = np.stack([column, -row], axis=1).astype(float)
    elif mdp.layout is not None and not np.isnan(mdp.layout).any():
        places = _spread(np.stack([mdp.layout[:, 1], -mdp.layout[:, 0]], axis=1))
    else:
        places = _spread(_turned(_by_distance(follows)))
    places = _scaled(places, apart)
    n_rows = -(-len(places) // int(PAGE / apart))
    if n_rows == 1 or np.ptp(places[:, 1]) > apart / 2:
        return places
    at = np.empty(len(places), dtype=np.int64)
    at[np.argsort(places[:, 0], kind="stable")] = np.arange(len(places))
    step = np.abs(at[:, None] - at[None])[follows]
    if (step > 1).sum() > len(step) / 3:  # a row would be hidden by its arrows
        return _scaled(_spread(_turned(_by_distance(follows))), apart)
    return _folded(at, n_rows, apart)


def _folded(at: IntArray, n_rows: int, apart: float) -> FloatArray:
    """A long row of states, given by the place of each, as several rows, there and back."""
    width = -(-len(at) // n_rows)
    row, column = np.divmod(at, width)
    column = np.where(row % 2 == 1, width - 1 - column, column)
    return np.stack([column * apart, -1.2 * apart * row], axis=1)


def _by_distance(follows: BoolArray) -> FloatArray:
    """Places whose distances are like the numbers of steps between states, whichever way."""
    import networkx as nx

    n_states = len(follows)
    if n_states == 1:
        return np.zeros((1, 2))
    graph = nx.Graph()
    graph.add_nodes_from(range(n_states))
    graph.add_edges_from((int(s), int(t)) for s, t in np.argwhere(follows) if s != t)
    steps = {s: dict(found) for s, found in nx.all_pairs_shortest_path_length(graph)}
    far = max(max(found.values()) for found in steps.values()) + 1.0  # to another component
    full = {s: {t: float(steps[s].get(t, far)) for t in range(n_states)} for s in range(n_states)}
    found = nx.kamada_kawai_layout(graph, dist=full)
    return np.array([found[s] for s in range(n_states)], dtype=float)


def _turned(places: FloatArray) -> FloatArray:
    """With the long axis across the page, state 0 to the left, later states lower."""
    if len(places) < 2:
        return places
    places = places - places.mean(axis=0)
    _, sizes, axes = np.linalg.svd(places, full_matrices=False)
    number = np.arange(len(places)) - (len(places) - 1) / 2
    if sizes[0] > ROUND * sizes[1]:
        places = places @ axes.T
        places[:, 0] *= 1.0 if number @ places[:, 0] >= 0 else -1.0
    else:  # it is round: state 0 is the leftmost
        angle = np.pi - np.arctan2(places[0, 1], places[0, 0])
        cos, sin = np.cos(angle), np.sin(angle)
        places = places @ np.array([[cos, sin], [-sin, cos]])
    places[:, 1] *= 1.0 if number @ places[:, 1] <= 0 else -1.0
    return places


def _spread(places: FloatArray) -> FloatArray:
    """States that stand much closer than others do are pushed apart."""
    if len(places) < 3:
        return places
    places = places.copy()
    for _ in range(60):
        between = places[:, None] - places[None]
        distance = np.hypot(between[..., 0], between[..., 1])
        np.fill_diagonal(distance, np.inf)
        least = 0.9 * np.median(distance.min(axis=1))
        short = np.maximum(least - distance, 0.0)
        if not (short > 1e-9).any():
            break
        # two in one place part along a line that their numbers give
        turn = np.arange(len(places), dtype=float)
        aside = np.stack([np.cos(turn), np.sin(turn)], axis=1)
        same = distance < 1e-9
        unit = np.where(same[..., None], aside[:, None] - aside[None], between)
        unit = unit / np.maximum(np.hypot(unit[..., 0], unit[..., 1]), 1e-12)[..., None]
        places += 0.25 * (unit * short[..., None]).sum(axis=1)
    return places


def _scaled(places: FloatArray, apart: float) -> FloatArray:
    """With the nearest two ``apart``."""
    between = places[:, None] - places[None]
    distance = np.hypot(between[..., 0], between[..., 1])
    least = distance[distance > 0].min(initial=np.inf)
    return places * (apart / least if np.isfinite(least) else 1.0)


def action_places(
    states: FloatArray, actions: list[tuple[int, FloatArray]], reach: float
) -> FloatArray:
    """Coordinates of the actions: beside their states, on the way to where they lead.

    Parameters
    ----------
    states : (S, 2) array
    actions : list of (s, prob)
        The state of each, and the law (S,) of its successors.
    reach : float
        How far from their states.

    Returns
    -------
    (n, 2) array
    """
    turn = np.arange(TURNS) * 2 * np.pi / TURNS
    around = reach * np.stack([np.cos(turn), np.sin(turn)], axis=1)  # (TURNS, 2)
    wanted = np.zeros((len(actions), TURNS))
    for i, (s, prob) in enumerate(actions):
        others = prob.copy()
        others[s] = 0.0
        way = others @ (states - states[s])
        if np.hypot(*way) > 0.3 * reach:
            angle = float(np.arctan2(way[1], way[0])) + KEEP_RIGHT
        else:  # nowhere, or both ways: where there is room
            near = np.flatnonzero(np.hypot(*(states - states[s]).T) < 3 * reach)
            rays = (states[near[near != s]] - states[s]).T
            angle = free_angle(np.arctan2(rays[1], rays[0]).tolist(), wanted=np.pi / 2)
        wanted[i] = 0.8 * (1 - np.cos(turn - angle))
    places = np.array([states[s] + around[wanted[i].argmin()] for i, (s, _) in enumerate(actions)])
    for _ in range(4):
        for i, (s, _) in enumerate(actions):
            tried = states[s] + around
            crowd = np.concatenate([np.delete(states, s, axis=0), np.delete(places, i, axis=0)])
            gap = np.hypot(*(tried[:, None] - crowd[None]).transpose(2, 0, 1))
            near = np.maximum(1 - gap / (0.9 * reach), 0.0)
            places[i] = tried[(wanted[i] + 4 * (near**2).sum(axis=1)).argmin()]
    return places.reshape(-1, 2)
