"""Models of the benchmarks that the library has no ready-made ones for, from fixed seeds.

Takes     sizes.
Gives     an `MDP`.
Not here  Garnet models (mdptools.problems), what is done with them (bench_<room>).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_array

from mdptools import MDP

MOVES = ((0, -1), (1, 0), (0, 1), (-1, 0))  # the two ways to slip are the neighbours in the circle


def branching(successors: np.ndarray, probs: np.ndarray, n_states: int) -> Any:
    """P (S*A, S) from the successors (S*A, k) of each pair; the same one twice is added up.

    Of copies: adding up sorts in place.
    """
    n_pairs, k = successors.shape
    offsets = np.arange(0, n_pairs * k + 1, k)
    P = csr_array((probs.flatten(), successors.flatten(), offsets), shape=(n_pairs, n_states))
    P.sum_duplicates()
    return P


def ring(n_states: int, n_actions: int, gamma: float) -> MDP:
    """A ring that mixes slowly: each action drifts one way or the other, dense P.

    A tenth of the steps stay where they are, so that the chain has no period.
    """
    states = np.arange(n_states)
    right = np.linspace(0.05, 0.85, n_actions)
    P = np.zeros((n_states, n_actions, n_states))
    P[states, :, states] = 0.1
    P[states, :, (states + 1) % n_states] = right
    P[states, :, states - 1] = 0.9 - right
    R = np.random.default_rng(0).standard_normal((n_states, n_actions))
    return MDP(P, R, gamma, terminal=())


def moves(side: int, slip: float) -> tuple[np.ndarray, np.ndarray]:
    """Successors (S, 4, 3) and probabilities (3,) of a square grid; a wall is no way."""
    row, col = np.divmod(np.arange(side * side), side)
    there = np.stack(
        [
            np.clip(row + down, 0, side - 1) * side + np.clip(col + right, 0, side - 1)
            for down, right in MOVES
        ],
        axis=1,
    )
    successors = np.stack([there, np.roll(there, 1, axis=1), np.roll(there, -1, axis=1)], axis=2)
    return successors, np.array([1 - slip, slip / 2, slip / 2])


def grid(side: int, gamma: float, *, slip: float = 0.1, step: float = -1.0) -> MDP:
    """A square grid with slips whose last cell is the goal and ends the episode, sparse P."""
    n_states = side * side
    successors, probs = moves(side, slip)
    goal = n_states - 1
    successors[goal] = goal
    P = branching(successors.reshape(-1, 3), np.tile(probs, (n_states * 4, 1)), n_states)
    R = np.full((n_states, 4), step)
    R[goal] = 0
    return MDP(P, R, gamma, terminal=[goal])


def trapped_grid(side: int, *, slip: float, breakdown: float) -> tuple[MDP, MDP, np.ndarray]:
    """A grid with holes where each step is the last one with a small probability.

    Returns the model as model checkers see it (a goal, holes that are never left, no discount), the
    same as a discounted model in which coming to the goal is paid, and the cells where it ends. One
    more state takes those who broke down.
    """
    n_cells = side * side
    successors, probs = moves(side, slip)
    stop = np.random.default_rng(0).random(n_cells) < 0.05
    stop[0] = False
    stop[-1] = True
    successors[stop] = np.flatnonzero(stop)[:, None, None]
    pairs = np.tile(probs, (n_cells * 4, 1))
    steady = branching(successors.reshape(-1, 3), pairs, n_cells)
    into_goal = (1 - breakdown) * steady[:, [n_cells - 1]].toarray().reshape(n_cells, 4)
    into_goal[stop] = 0
    discounted = MDP(steady, into_goal, 1 - breakdown, terminal=np.flatnonzero(stop))
    broken = np.full((n_cells, 4, 1), n_cells)
    broken[stop] = np.flatnonzero(stop)[:, None, None]
    with_end = np.concatenate([successors, broken], axis=2).reshape(-1, 4)
    with_end = np.concatenate([with_end, np.full((4, 4), n_cells)])
    weights = np.tile([*((1 - breakdown) * probs), breakdown], (len(with_end), 1))
    weights /= weights.sum(axis=1, keepdims=True)
    P = branching(with_end, weights, n_cells + 1)
    return MDP(P, np.zeros((n_cells + 1, 4)), 1.0, terminal=()), discounted, stop


def layers(n_layers: int, width: int, n_actions: int, gamma: float) -> MDP:
    """Layer upon layer, each pair with five successors in the next; the last one ends. Sparse P."""
    rng = np.random.default_rng(0)
    n_states = n_layers * width + 1
    n_pairs = n_layers * width * n_actions
    first = (np.arange(n_pairs) // (width * n_actions) + 1) * width  # state of the next layer
    successors = first[:, None] + rng.integers(0, width, (n_pairs, 5))
    successors[first == n_layers * width] = n_states - 1
    successors = np.concatenate([successors, np.full((n_actions, 5), n_states - 1)])
    probs = rng.dirichlet(np.ones(5), len(successors))
    R = rng.standard_normal((n_states, n_actions))
    R[-1] = 0
    return MDP(branching(successors, probs, n_states), R, gamma, terminal=[n_states - 1])


def gambler(goal: int, chance: float, n_stakes: int) -> MDP:
    """A gambler with 0..goal who stakes 1, 2, 4, ... of what is there, and wins with a chance."""
    stakes = 1 << np.arange(n_stakes)
    money = np.arange(goal + 1)[:, None]
    stake = np.minimum(stakes, np.minimum(money, goal - money))
    successors = np.stack([money + stake, money - stake], axis=2).reshape(-1, 2)
    P = branching(successors, np.tile([chance, 1 - chance], (len(successors), 1)), goal + 1)
    return MDP(P, np.zeros(stake.shape), 1.0, terminal=())
