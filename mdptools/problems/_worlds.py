"""Grid worlds with a name: from the two text books, Gymnasium, and the paper on options.

Takes     a discount; for frozen lake also the map.
Gives     an `MDP` whose layout is the grid. Actions are "left", "down", "right", "up".
Source    Sutton and Barto (2018), chapters 3, 4 and 6; Russell and Norvig (2010), section 17.1;
          Sutton, Precup and Singh (1999).
Not here  any other map (`grid_world`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..arrays import IntArray
from ..errors import ModelError
from ..model import MDP
from ._arguments import chance, discount_below_one
from ._grids import MOVES, grid_world
from ._tensors import one_successor

LAKES = {
    "4x4": "SFFF/FHFH/FFFH/HFFG",
    "8x8": "SFFFFFFF/FFFFFFFF/FFFHFFFF/FFFFFHFF/FFFHFFFF/FHHFFFHF/FHFFHFHF/FFFHFFFG",
}


def sutton_grid(*, gamma: float = 0.9) -> MDP:
    """Five by five cells, two of which are left by a jump that pays.

    Any action in A, (0, 1), pays 10 and leads to (4, 1); any in B, (0, 3), pays 5 and leads to
    (2, 3). A move off the grid costs 1 and stays. Nothing ends.

    Parameters
    ----------
    gamma : float
        Discount.

    Returns
    -------
    MDP
        V* is between 11.7 and 24.4; V of the uniform policy between -2.0 and 8.8.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1).

    Notes
    -----
    Sutton and Barto (2018), examples 3.5 and 3.8.

    Examples
    --------
    >>> sutton_grid().R[:4, 0]
    array([-1., 10.,  0.,  5.])
    """
    discount_below_one(gamma)
    successors, blocked = _moves(5, 5)
    R = np.where(blocked, -1.0, 0.0)
    for cell, target, pay in ((1, 21, 10.0), (3, 13, 5.0)):
        successors[cell], R[cell] = target, pay
    return _grid(successors, R, (5, 5), gamma, terminal=[])


def small_gridworld(*, gamma: float = 1.0) -> MDP:
    """Four by four cells with the end in two corners; each step costs 1.

    Parameters
    ----------
    gamma : float
        Discount.

    Returns
    -------
    MDP
        The two corners, states 0 and 15, are terminal. V of the uniform policy is 0, -14, -20, -22
        in the first row.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    Sutton and Barto (2018), example 4.1; there the two corners are one state.

    Examples
    --------
    >>> small_gridworld().terminal.nonzero()[0]
    array([ 0, 15])
    """
    successors, _ = _moves(4, 4)
    ends = [0, 15]
    successors[ends] = np.array(ends)[:, None]
    R = np.full(successors.shape, -1.0)
    R[ends] = 0.0
    return _grid(successors, R, (4, 4), gamma, terminal=ends)


def windy_gridworld(*, gamma: float = 1.0) -> MDP:
    """Seven by ten cells with an upward wind in the middle columns; each step costs 1.

    Parameters
    ----------
    gamma : float
        Discount.

    Returns
    -------
    MDP
        From (3, 0) to (3, 7), which is terminal: 15 steps at best.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    Sutton and Barto (2018), example 6.5: the wind of the column that is left lifts by 0, 0, 0, 1,
    1, 1, 2, 2, 1, 0 cells.

    Examples
    --------
    >>> mdp = windy_gridworld()
    >>> mdp.state_names[int(mdp.mu.argmax())], mdp.state_names[int(mdp.terminal.argmax())]
    ('(3, 0)', '(3, 7)')
    """
    successors, _ = _moves(7, 10, wind=(0, 0, 0, 1, 1, 1, 2, 2, 1, 0))
    start, goal = 30, 37
    successors[goal] = goal
    R = np.full(successors.shape, -1.0)
    R[goal] = 0.0
    return _grid(successors, R, (7, 10), gamma, terminal=[goal], start=start)


def cliff_walking(*, gamma: float = 1.0) -> MDP:
    """Four by twelve cells with a cliff along the lower edge.

    Each step costs 1; a step into the cliff costs 100 and leads back to the start, and the episode
    goes on.

    Parameters
    ----------
    gamma : float
        Discount.

    Returns
    -------
    MDP
        From (3, 0) to (3, 11), which is terminal: J* = -13 undiscounted. The cells of the cliff are
        states in which nobody ever is.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    Sutton and Barto (2018), example 6.6.

    Examples
    --------
    >>> mdp = cliff_walking()
    >>> int(mdp.P[36, 2].argmax()), mdp.R[36]
    (36, array([  -1.,   -1., -100.,   -1.]))
    """
    successors, _ = _moves(4, 12)
    start, goal = 36, 47
    fallen = (successors > start) & (successors < goal)
    R = np.where(fallen, -100.0, -1.0)
    successors[fallen] = start
    successors[goal], R[goal] = goal, 0.0
    return _grid(successors, R, (4, 12), gamma, terminal=[goal], start=start)


def russell_norvig(*, gamma: float = 1.0, step_reward: float = -0.04) -> MDP:
    """Three by four cells with a wall, a good end and a bad end; one move in five goes astray.

    Parameters
    ----------
    gamma : float
        Discount.
    step_reward : float, reward units
        What each move is paid.

    Returns
    -------
    MDP
        Arriving at (0, 3) pays 1 and at (1, 3) -1 on top, which gives the book's utilities: V* of
        the start, (2, 0), is 0.705 undiscounted.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1], or step_reward not finite.

    Notes
    -----
    Russell and Norvig (2010), section 17.1, figures 17.1 and 17.3.

    Examples
    --------
    >>> russell_norvig().n_states
    11
    """
    return grid_world(
        "...+/.#.-/S...",
        gamma=gamma,
        legend={"+": 1.0, "-": -1.0},
        terminal="+-",
        slip=0.2,
        step_reward=step_reward,
    )


def frozen_lake(
    text: str | Sequence[str] = "4x4", *, slip: float = 2 / 3, gamma: float = 0.99
) -> MDP:
    """Gymnasium's frozen lake, on any map.

    Parameters
    ----------
    text : str or sequence of str
        "4x4", "8x8", or a map as `grid_world` takes it: S start, F frozen, H hole, G goal.
    slip : float
        Probability that a move goes off course, half of it to each side.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        Arriving at the goal pays 1; holes and the goal are terminal. On the 4x4 map J* is 14/17
        undiscounted, and 0.5420 at the default.

    Raises
    ------
    ModelError
        If the map has letters without a meaning, or rows of different lengths.

    Notes
    -----
    Gymnasium's ``FrozenLake-v1``, whose maps these are, with its actions in its order.

    Examples
    --------
    >>> frozen_lake("SF/HG").n_states
    4
    """
    if isinstance(text, str):
        text = LAKES.get(text, text)
    return grid_world(text, gamma=gamma, slip=slip)


def four_rooms(*, goal: tuple[int, int] = (7, 9), slip: float = 1 / 3, gamma: float = 0.9) -> MDP:
    """Four rooms and four doors: a goal in one, a start anywhere else.

    A move succeeds with probability ``1 - slip``; otherwise it is one of the other three, each with
    the same probability.

    Parameters
    ----------
    goal : (row, column)
        Terminal; arriving there pays 1. Walls count, so cells are in 1 to 11.
    slip : float
        Probability of another move.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        104 cells. The start is uniform over all but the goal.

    Raises
    ------
    ModelError
        If the goal is no free cell.

    Notes
    -----
    Sutton, Precup and Singh (1999), "Between MDPs and semi-MDPs" (Artificial
    Intelligence 112), section 3: its map, its slip and its discount.

    Examples
    --------
    >>> four_rooms().n_states
    104
    """
    slip = chance(slip, "slip")
    cells = [(i, j) for i, row in enumerate(_ROOMS) for j, c in enumerate(row) if c == "."]
    if tuple(goal) not in cells:
        raise ModelError(f"goal is {goal!r}; that is no free cell, or none that there is.")
    index = {cell: s for s, cell in enumerate(cells)}
    steps = MOVES.values()
    successors = np.array(
        [[index.get((i + di, j + dj), s) for di, dj in steps] for s, (i, j) in enumerate(cells)]
    )
    end = index[goal[0], goal[1]]
    successors[end] = end
    n = len(cells)
    P = np.zeros((n, 4, n))
    here = np.arange(n)[:, None]
    for a in range(4):
        for b in range(4):
            weight = 1 - slip if a == b else slip / 3
            np.add.at(P[:, a], (here[:, 0], successors[:, b]), weight)
    R = P[:, :, end].copy()
    R[end] = 0.0
    return MDP(
        P,
        R,
        gamma,
        terminal=[end],
        state_names=tuple(f"({i}, {j})" for i, j in cells),
        action_names=tuple(MOVES),
        layout=cells,
    )


_ROOMS = (
    "#############",
    "#.....#.....#",
    "#.....#.....#",
    "#...........#",
    "#.....#.....#",
    "#.....#.....#",
    "##.####.....#",
    "#.....###.###",
    "#.....#.....#",
    "#.....#.....#",
    "#...........#",
    "#.....#.....#",
    "#############",
)


def _moves(rows: int, cols: int, wind: Sequence[int] | None = None) -> tuple[IntArray, IntArray]:
    """Where each move leads on an empty grid, (S, 4), and whether the edge stopped it."""
    i, j = np.divmod(np.arange(rows * cols), cols)
    step = np.array(list(MOVES.values()))
    up = np.zeros(cols, dtype=np.int64) if wind is None else np.asarray(wind)
    down, right = i[:, None] + step[:, 0] - up[j][:, None], j[:, None] + step[:, 1]
    stays = (down < 0) | (down >= rows) | (right < 0) | (right >= cols)
    return np.clip(down, 0, rows - 1) * cols + np.clip(right, 0, cols - 1), stays


def _grid(
    successors: IntArray,
    R: object,
    shape: tuple[int, int],
    gamma: float,
    *,
    terminal: list[int],
    start: int | None = None,
) -> MDP:
    n = len(successors)
    return MDP(
        one_successor(successors),
        R,
        gamma,
        mu=None if start is None else np.arange(n) == start,
        terminal=terminal,
        state_names=tuple(f"({s // shape[1]}, {s % shape[1]})" for s in range(n)),
        action_names=tuple(MOVES),
        layout=shape,
    )
