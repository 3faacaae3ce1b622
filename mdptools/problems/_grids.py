"""Grid worlds, drawn as text.

Takes     a map, one letter for each cell, and what the letters mean.
Gives     an `MDP` whose layout is the map.
Source    Russell and Norvig (2010), section 17.1; Sutton and Barto (2018), chapters 3, 4 and 6;
          Gymnasium's FrozenLake.
Not here  grids with wind, teleports or several things to carry; pictures (plots).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import ModelError
from ..model import MDP
from ._arguments import finite

FREE = ".F"
"""Cells in which nothing happens; F is the frozen surface of Gymnasium's maps."""

# Each action with its step (rows, columns), in Gymnasium's order: the two ways to slip off course
# are the neighbours in this circle.
MOVES = {"left": (0, -1), "down": (1, 0), "right": (0, 1), "up": (-1, 0)}


def grid_world(
    text: str | Sequence[str],
    *,
    gamma: float = 1.0,
    legend: Mapping[str, float] | None = None,
    terminal: str = "GH",
    walls: str = "#",
    start: str = "S",
    slip: float = 0.0,
    step_reward: float = 0.0,
) -> MDP:
    """A grid world from a text map.

    Parameters
    ----------
    text : str or sequence of str
        One letter for each cell, the rows separated by line breaks or ``/`` (or given as a
        sequence); blank lines and indentation do not count. ``.`` and ``F`` are free cells; other
        letters get their meaning below.
    gamma : float
        Discount.
    legend : mapping from letter to float, reward units
        What a move is paid that ends in a cell with that letter, on top of ``step_reward`` (also if
        it ends there because it was blocked). ``{"G": 1.0}`` if omitted.
    terminal : str
        Letters of the cells that end an episode when they are entered.
    walls : str
        Letters of the cells that are no states.
    start : str
        Letters of the cells in which an episode starts, each with the same probability. If the map
        has none, it starts in each cell that is not terminal with the same probability.
    slip : float
        Probability that a move goes off course, half of it to each of the two sides.
    step_reward : float, reward units
        What each move is paid.

    Returns
    -------
    MDP
        Actions "left", "down", "right", "up", in this order. A move into a wall or off the grid
        stays. States are the cells that are no walls, row by row from the top left, named
        "(row, column)"; the layout is (rows, cols), or the coordinates where there are walls.

    Raises
    ------
    ModelError
        If the rows differ in length, a letter has no meaning or two, or slip is no probability.

    Notes
    -----
    Paying a reward on arrival gives the values of Russell and Norvig, who pay it for being in a
    state: only the terminal cells differ, where V is 0 here and their reward there. Gymnasium's
    FrozenLake is ``slip=2 / 3``. Time and memory O(cells) until P is made.

    Examples
    --------
    Russell and Norvig (2010), figure 17.1:

    >>> mdp = grid_world(
    ...     '''
    ...     ...+
    ...     .#.-
    ...     S...
    ...     ''',
    ...     legend={"+": 1.0, "-": -1.0},
    ...     terminal="+-",
    ...     slip=0.2,
    ...     step_reward=-0.04,
    ... )
    >>> mdp.n_states, mdp.action_names, mdp.state_names[int(mdp.mu.argmax())]
    (11, ('left', 'down', 'right', 'up'), '(2, 0)')
    """
    rewards = _read_legend(legend)
    rows = _read_map(text)
    _check_letters(rows, rewards, terminal, walls, start)
    slip, step_reward = finite(slip, "slip"), finite(step_reward, "step_reward")
    if not 0 <= slip <= 1:
        raise ModelError(f"slip is {slip:g}; it must be a probability.")
    cells = [
        (i, j) for i, row in enumerate(rows) for j, letter in enumerate(row) if letter not in walls
    ]
    index = {cell: s for s, cell in enumerate(cells)}
    letters = [rows[i][j] for i, j in cells]
    ends = [letter in terminal for letter in letters]
    if all(ends):
        raise ModelError("the map has no cell in which to move: all are walls or terminal.")

    moves = list(MOVES.values())
    outcomes: list[list[list[tuple[float, int, float, bool]]]] = []
    for s, (i, j) in enumerate(cells):
        if ends[s]:
            outcomes.append([[(1.0, s, 0.0, True)] for _ in moves])
            continue
        arrivals = []
        for down, right in moves:
            t = index.get((i + down, j + right), s)
            arrivals.append((t, step_reward + rewards.get(letters[t], 0.0), ends[t]))
        outcomes.append(
            [
                [
                    (1 - slip, *arrivals[a]),
                    (slip / 2, *arrivals[a - 1]),
                    (slip / 2, *arrivals[(a + 1) % 4]),
                ]
                for a in range(4)
            ]
        )
    starts = np.array([letter in start for letter in letters])
    shape = (len(rows), len(rows[0]))
    return MDP.from_outcomes(
        outcomes,
        gamma,
        mu=starts / starts.sum() if starts.any() else None,
        terminal=np.array(ends),
        state_names=[f"({i}, {j})" for i, j in cells],
        action_names=tuple(MOVES),
        layout=shape if len(cells) == shape[0] * shape[1] else cells,
    )


def _read_map(text: Any) -> list[str]:
    """The rows of the map, all of one length."""
    if isinstance(text, str):
        text = text.replace("/", "\n").splitlines()
    if not isinstance(text, Sequence) or not all(isinstance(row, str) for row in text):
        raise ModelError(
            f"text is {text!r:.80}; a map is a str, or a sequence with one str for each row."
        )
    rows = [row.strip() for row in text if row.strip()]
    if not rows:
        raise ModelError("text has no row: a map has one letter for each cell.")
    for i, row in enumerate(rows):
        if len(row) != len(rows[0]):
            raise ModelError(
                f"row {i} of the map, {row!r}, has {len(row)} letters and row 0 has "
                f"{len(rows[0])}: they must have the same length."
            )
    return rows


def _read_legend(legend: Any) -> dict[str, float]:
    """What arriving at a letter is paid."""
    if legend is None:
        return {"G": 1.0}
    if not isinstance(legend, Mapping):
        raise ModelError(f"legend is {legend!r:.80}; it must map letters to rewards.")
    for letter in legend:
        if not isinstance(letter, str) or len(letter) != 1:
            raise ModelError(f"legend has the key {letter!r}; it must be one letter.")
    return {letter: finite(pay, f"legend[{letter!r}]") for letter, pay in legend.items()}


def _check_letters(
    rows: list[str], rewards: dict[str, float], terminal: Any, walls: Any, start: Any
) -> None:
    """Pass if each letter of the map has a meaning, and none has two that do not go together."""
    roles = {"terminal": terminal, "walls": walls, "start": start}
    for name, role in roles.items():
        if not isinstance(role, str):
            raise ModelError(f"{name} is {role!r:.80}; it must be a str of letters.")
    for one, other in (("terminal", "walls"), ("terminal", "start"), ("walls", "start")):
        both = sorted(set(roles[one]) & set(roles[other]))
        if both:
            raise ModelError(f"the letter {both[0]!r} is in {one} and in {other}: choose one.")
    paid = sorted(set(walls) & set(rewards))
    if paid:
        raise ModelError(f"the legend pays for {paid[0]!r}, but no move ends in a wall.")
    known = {*FREE, *terminal, *walls, *start, *rewards}
    for i, row in enumerate(rows):
        for j, letter in enumerate(row):
            if letter not in known:
                raise ModelError(
                    f"the map has {letter!r} in row {i}, column {j}, which has no meaning; the "
                    f"letters with one are {' '.join(sorted(known))}: name it in legend, terminal, "
                    f"walls or start."
                )
