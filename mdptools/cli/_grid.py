"""Pictures of grid worlds as text: a policy as arrows, values as numbers.

Takes     names of actions, a layout, what is to stand in each state's cell.
Gives     lines of text, or None where there is no such picture.
Not here  choosing what to show (`_solution`), pictures that are not text (plots).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from ..arrays import BoolSA, IntArray
from ..model import MDP, STAY, Move, cells, directions

_NAMES = {(-1, 0): "up", (1, 0): "down", (0, -1): "left", (0, 1): "right", STAY: "stay"}

# Signs: for one move, for two that are both optimal, for more; then what is no move.
_ARROWS: dict[frozenset[Move], str] = {
    frozenset({(-1, 0)}): "↑",
    frozenset({(1, 0)}): "↓",
    frozenset({(0, -1)}): "←",
    frozenset({(0, 1)}): "→",
    frozenset({(-1, -1)}): "↖",
    frozenset({(-1, 1)}): "↗",
    frozenset({(1, -1)}): "↙",
    frozenset({(1, 1)}): "↘",
    frozenset({STAY}): "o",
    frozenset({(0, -1), (0, 1)}): "↔",
    frozenset({(-1, 0), (1, 0)}): "↕",
}
_CORNERS: dict[frozenset[Move], str] = {
    frozenset({(-1, 0), (0, -1)}): "↖",
    frozenset({(-1, 0), (0, 1)}): "↗",
    frozenset({(1, 0), (0, -1)}): "↙",
    frozenset({(1, 0), (0, 1)}): "↘",
}
_PLAIN: dict[frozenset[Move], str] = {
    frozenset({(-1, 0)}): "^",
    frozenset({(1, 0)}): "v",
    frozenset({(0, -1)}): "<",
    frozenset({(0, 1)}): ">",
    frozenset({STAY}): "o",
    frozenset({(0, -1), (0, 1)}): "-",
    frozenset({(-1, 0), (1, 0)}): "|",
}
MANY = "+"
GOAL, END, NEVER, WALL = "G", "x", ".", " "
UNICODE = "".join([*_ARROWS.values(), *_CORNERS.values()])
"""What a terminal must be able to show for arrows; otherwise ``^ v < >`` do."""


def moves(action_names: Sequence[str] | None) -> tuple[Move, ...] | None:
    """The direction of each action, or None if one of them has none, or two the same.

    Parameters
    ----------
    action_names : sequence of str or None
        Such as "left", "N", "move_up", "south-east".

    Returns
    -------
    tuple of (down, right), or None

    Examples
    --------
    >>> moves(["LEFT", "South-East", "stay"])
    ((0, -1), (1, 1), (0, 0))
    >>> moves(["left", "pick up the phone"]) is None
    True
    """
    found = [step for step in directions(action_names) if step is not None]
    known = found and len(found) == len(action_names or ()) == len(set(found))
    return tuple(found) if known else None


def sign(best: Collection[Move], *, plain: bool, corners: bool) -> str:
    """One character for the moves that are optimal.

    Parameters
    ----------
    best : moves
    plain : bool
        ASCII only.
    corners : bool
        Whether a diagonal arrow may stand for two moves: not where it is a move itself.

    Examples
    --------
    >>> left, right, up = (0, -1), (0, 1), (-1, 0)
    >>> [sign(best, plain=False, corners=True) for best in ([left], [left, right], [left, up])]
    ['←', '↔', '↖']
    >>> [sign(best, plain=True, corners=True) for best in ([left], [left, right], [left, up])]
    ['<', '-', '+']
    """
    signs = _PLAIN if plain else {**_ARROWS, **(_CORNERS if corners else {})}
    return signs.get(frozenset(best), MANY)


def draw(where: IntArray, texts: Sequence[str], width: int) -> list[str] | None:
    """The text of each state in its place; None if a line would be longer than ``width``.

    Parameters
    ----------
    where : (rows, cols) array
        From `model.cells`.
    texts : one for each state
    width : int
        Columns.

    Returns
    -------
    list of str, or None

    Examples
    --------
    >>> draw(np.array([[0, 1], [2, -1]]), ["1", "-10", "5"], 80)
    ['  1 -10', '  5']
    """
    length = max(len(texts[s]) for s in where[where >= 0])
    gap = 1 if where.shape[1] * (length + 1) - 1 <= width or length > 1 else 0
    if where.shape[1] * (length + gap) - gap > width:
        return None
    return [
        (" " * gap).join((texts[s] if s >= 0 else WALL).rjust(length) for s in row).rstrip()
        for row in where
    ]


def policy_picture(
    mdp: MDP, optimal: BoolSA, reachable: Collection[int], *, width: int, plain: bool
) -> list[str] | None:
    """The optimal actions of a grid world as arrows, a blank line, and what the signs mean.

    Parameters
    ----------
    mdp : MDP
        With a layout, and names of actions that are directions.
    optimal : (S, A) array of bool
    reachable : states
        The others are never visited, and shown as dots.
    width : int
        Columns.
    plain : bool
        ASCII only.

    Returns
    -------
    list of str, or None
        None if the model has no such picture, or if it would be too wide.
    """
    where, steps = cells(mdp.layout, mdp.n_states), moves(mdp.action_names)
    if where is None or steps is None:
        return None
    corners = not any(down and right for down, right in steps)
    signs, meaning = [], {}
    ends = end_signs(mdp)
    live = set(reachable)
    for s in range(mdp.n_states):
        best = [steps[a] for a in np.flatnonzero(optimal[s])]
        if s in ends:
            signs.append(ends[s])
        elif s not in live:
            signs.append(NEVER)
        else:
            signs.append(sign(best, plain=plain, corners=corners))
            if len(best) > 1 and signs[-1] != MANY:
                meaning[signs[-1]] = " or ".join(_NAMES[step] for step in sorted(best))
    drawn = draw(where, signs, width)
    if drawn is None:
        return None
    shown = {signs[s] for s in where[where >= 0]}
    several = "several are optimal" if plain or not corners else "three or more are optimal"
    fixed = {
        MANY: several,
        GOAL: "terminal" + (", entered with the most reward" if END in shown else ""),
        END: "terminal",
        NEVER: "never visited",
    }
    legend = [(sign_, text) for sign_, text in {**meaning, **fixed}.items() if sign_ in shown]
    if not legend:
        return drawn
    return [*drawn, "", *_legend(legend, width)]


def _legend(entries: Sequence[tuple[str, str]], width: int) -> list[str]:
    """As many entries in a line as fit."""
    lines = [""]
    for sign_, text in entries:
        entry = f"{sign_} {text}"
        if lines[-1] and len(lines[-1]) + 3 + len(entry) > width:
            lines.append("")
        lines[-1] += ("   " if lines[-1] else "") + entry
    return lines


def end_signs(mdp: MDP) -> dict[int, str]:
    """G for the terminal states that are entered with the most reward, x for the others.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    dict from state to sign
        All terminal states are G where none is entered with more than another.
    """
    law = mdp.branches
    entering = ~mdp.terminal[law.row // mdp.n_actions] & mdp.terminal[law.next_state]
    most = np.full(mdp.n_states, -np.inf)
    np.maximum.at(most, law.next_state[entering], law.reward[entering])
    best = most[mdp.terminal].max(initial=-np.inf)
    return {int(s): GOAL if most[s] == best else END for s in np.flatnonzero(mdp.terminal)}
