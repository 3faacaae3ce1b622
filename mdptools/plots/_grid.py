"""What a picture of a grid world shows: which state is where, and what is in its cell.

Takes     a model with a layout, numbers (S,) and a policy as they are handed in.
Gives     a `Look`: everything checked, and sorted into the kinds of cells there are.
Not here  drawing it (`_grid_world`), what signs mean (`_grid_signs`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import BoolS, FloatArray, FloatS, FloatSA, IntArray, as_numbers
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP, cells
from ..policies import check_policy
from ..structure import reachable
from ._heat import MINUS, Heat, check_numbers, check_shape, heat

FEW = 4
"""More states in which an episode can start are not marked."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is to be drawn: the states that have a cell, and what is in it."""

    mdp: MDP
    where: IntArray  # (rows, columns), -1 for a wall
    origin: tuple[int, int]  # the coordinates of the first cell
    places: FloatArray  # (S, 2) row and column, nan where a state has no cell
    V: FloatS | None
    weight: FloatSA | None
    coloured: BoolS  # has a number to colour its cell
    ends: BoolS  # a terminal state that shows its reward and not its number
    visited: BoolS  # has a cell that some episode comes to
    fills: FloatArray  # (S, 4) the colours of the cells
    heat: Heat

    @property
    def placed(self) -> BoolS:
        """Which states have a cell."""
        found: BoolS = np.isfinite(self.places[:, 0])
        return found

    @property
    def acting(self) -> BoolS:
        """In which states a decision is shown."""
        found: BoolS = self.visited & ~self.mdp.terminal
        return found


def look_at(mdp: MDP, values: Any, policy: Any) -> Look:
    """The arguments of `grid_world`, checked; what follows from them.

    Parameters
    ----------
    mdp : MDP
    values : (S,) array_like or None
    policy : (S, A) array_like or None

    Returns
    -------
    Look

    Raises
    ------
    ModelError
        If the layout is no grid, or an array does not fit.
    """
    check_model(mdp)
    where, origin = _where(mdp)
    V = None if values is None else check_numbers(values, "values", (mdp.n_states,))
    weight = None if policy is None else _weights(mdp, policy)
    places = np.full((mdp.n_states, 2), np.nan)
    places[where[where >= 0]] = np.argwhere(where >= 0)
    placed = ~np.isnan(places[:, 0])
    # V is 0 on terminal states: there is more to say about them
    ends = mdp.terminal & placed & (V is None or not V[mdp.terminal].any())
    coloured = np.zeros(mdp.n_states, dtype=np.bool_)
    fills = np.ones((mdp.n_states, 4))
    if V is not None:
        coloured = placed & ~ends & np.isfinite(V)
    scale = heat(np.zeros(0) if V is None else V[coloured])
    if V is not None:
        fills[coloured] = scale.colours(V[coloured])
    visited = placed & reachable(mdp)
    return Look(mdp, where, origin, places, V, weight, coloured, ends, visited, fills, scale)


def _where(mdp: MDP) -> tuple[IntArray, tuple[int, int]]:
    """The state in each cell, and the coordinates of the first cell."""
    if mdp.layout is None:
        raise ModelError(
            "the model has no layout: make it with layout=(rows, cols), or with a row and a column "
            "for each state; plots.transition_graph and plots.table need none."
        )
    where = cells(mdp.layout, mdp.n_states)
    if where is None:
        raise ModelError(
            "the layout is no grid: coordinates must be whole numbers (row, column), one state in "
            "each cell, nan for states that are not to be drawn; plots.transition_graph takes any."
        )
    if isinstance(mdp.layout, tuple):
        return where, (0, 0)
    first = np.nanmin(mdp.layout[~np.isnan(mdp.layout).any(axis=1)], axis=0)
    return where, (int(first[0]), int(first[1]))


def _weights(mdp: MDP, policy: Any) -> FloatSA:
    """How much of each action: probabilities, or 1 for each that is marked."""
    table = as_numbers(policy, "policy")
    shape = (mdp.n_states, mdp.n_actions)
    check_shape(table.shape, "policy", shape)
    if table.dtype != np.bool_:
        return check_policy(mdp, table)
    wrong = np.argwhere(table & ~mdp.allowed)
    if len(wrong):
        s, a = (int(i) for i in wrong[0])
        raise ModelError(
            f"policy marks action {mdp.name_of_action(a)} in state {mdp.name_of_state(s)}, which "
            f"is not allowed there."
        )
    return table.astype(float)


def rewards(look: Look) -> dict[int, str]:
    """What each end pays on entering; "end" where that is not one number.

    Parameters
    ----------
    look : Look

    Returns
    -------
    dict from state to str
    """
    law = look.mdp.branches
    entering = ~look.mdp.terminal[law.row // look.mdp.n_actions]
    least, most = np.full((2, look.mdp.n_states), [[np.inf], [-np.inf]])
    np.minimum.at(least, law.next_state[entering], law.reward[entering])
    np.maximum.at(most, law.next_state[entering], law.reward[entering])
    found = {}
    for s in np.flatnonzero(look.ends).tolist():
        paid = f"{most[s]:+.3g}".replace("-", MINUS) if most[s] else "0"
        found[s] = paid if least[s] == most[s] else "end"
    return found


def starts(look: Look) -> list[int]:
    """Where episodes start, if that is in few of the states.

    Parameters
    ----------
    look : Look

    Returns
    -------
    list of int
    """
    found = np.flatnonzero(look.placed & (look.mdp.mu > 0))
    few = len(found) <= FEW and len(found) < int((look.placed & ~look.mdp.terminal).sum())
    return [int(s) for s in found] if few else []
