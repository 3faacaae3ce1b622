"""Where states stand in a picture, and which way an action's name points.

Takes     a model's layout, and the names of its actions.
Gives     a table of cells with the state of each; steps (down, right), or None for other actions.
Not here  pictures: as text (cli), for print (plots).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from ..arrays import IntArray

Move: TypeAlias = tuple[int, int]  # (down, right), each -1, 0 or 1

STAY = (0, 0)
_WORDS: dict[str, Move] = {
    "up": (-1, 0),
    "north": (-1, 0),
    "n": (-1, 0),
    "down": (1, 0),
    "south": (1, 0),
    "s": (1, 0),
    "left": (0, -1),
    "west": (0, -1),
    "w": (0, -1),
    "right": (0, 1),
    "east": (0, 1),
    "e": (0, 1),
    "stay": STAY,
    "wait": STAY,
    "noop": STAY,
}


def directions(action_names: Sequence[str] | None) -> tuple[Move | None, ...]:
    """The step of each action by its name, None where the name says none.

    Parameters
    ----------
    action_names : sequence of str or None
        Such as "left", "N", "move_up", "south-east".

    Returns
    -------
    tuple of (down, right) or None
        One for each name; empty without names.

    Examples
    --------
    >>> directions(["LEFT", "South-East", "stay", "pick up the phone"])
    ((0, -1), (1, 1), (0, 0), None)
    """
    return tuple(_direction(name) for name in action_names or ())


def _direction(name: str) -> Move | None:
    """The step that a name says: of one word, or of two that make a diagonal."""
    words = re.findall(r"[a-z]+", name.lower())
    words = words[words[:1] in (["move"], ["go"]) :]
    if words and words[0] in ("ne", "nw", "se", "sw"):
        words[:1] = words[0]
    steps = [_WORDS.get(word) for word in words]
    known = [step for step in steps if step is not None]
    if not known or len(known) < len(steps):
        return None
    down, right = (sum(step[axis] for step in known) for axis in (0, 1))
    # two words are one diagonal: "up left"; "up up" and "up down" mean something else
    if len(known) > 2 or (len(known) == 2 and not (down and right)):
        return None
    return down, right


def cells(layout: object, n_states: int) -> IntArray | None:
    """Which state is where: (rows, cols) of states, -1 where there is none.

    Parameters
    ----------
    layout : (rows, cols), (S, 2) array, or None
        As in `MDP`; the first coordinate counts rows from the top, the second columns.
    n_states : int

    Returns
    -------
    array or None
        None if the layout is no grid: coordinates that are no integers, two states in one cell,
        or far more cells than states.

    Examples
    --------
    >>> cells(np.array([[0, 0], [1, 1], [np.nan, np.nan]]), 3)
    array([[ 0, -1],
           [-1,  1]])
    """
    if layout is None:
        return None
    if isinstance(layout, tuple):
        return np.arange(n_states).reshape(layout)
    places = np.asarray(layout, dtype=float)
    placed = np.flatnonzero(np.isfinite(places).all(axis=1))
    if not len(placed) or (places[placed] % 1).any():
        return None
    lowest = places[placed].min(axis=0)
    extent = places[placed].max(axis=0) - lowest + 1
    if extent.prod() > 16 * len(placed) + 100:
        return None
    at = (places[placed] - lowest).astype(int)
    where = np.full(extent.astype(int), -1)
    where[at[:, 0], at[:, 1]] = placed
    return where if (where >= 0).sum() == len(placed) else None
