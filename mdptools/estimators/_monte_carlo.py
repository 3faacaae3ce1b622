"""Monte Carlo values: the mean of what followed the visits to a state.

Takes     `Trajectories`, gamma, a state, or the size of a table.
Gives     one number for each trajectory; or a table over a whole batch, with counts.
Source    Sutton and Barto (2018), section 5.1; Singh and Sutton (1996) for the bias.
Not here  moving towards returns step by step (`_temporal_difference`).

A return that was cut by a truncation lacks what would have followed: ``-gamma^k E[V]`` of the state
it was in, k steps later. A critic ``v`` goes on in its place; without one the rewards stop there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray
from ..checks import check_count
from ..errors import ModelError
from ..sampling import Trajectories
from ._bootstrapped import lambda_return
from ._chains import occurrences
from ._returns import reward_to_go


def first_visit(
    trajectories: Trajectories, gamma: float, state: int, *, v: Any = None
) -> FloatArray:
    """The return from the first visit to ``state``; 0 where it is not visited.

    Estimates V(state) on the trajectories that visit it: unbiased given a visit, if every
    trajectory runs until it terminates by itself. Under a fixed horizon a visit at time t is
    followed by fewer steps, and the mean is that of V_t over the first visits. Over all
    trajectories the mean is ``Pr(visit)`` times that; where all start in the state both are V, at
    time 0.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]
    state : int
    v : (S,) or (at least T+1, S) array_like, reward units, optional
        What goes on behind a truncation.

    Returns
    -------
    (N,) array, reward units

    Raises
    ------
    ModelError
        If gamma, state or v do not fit.

    Notes
    -----
    What follows the first visit is a trajectory that starts there, by the Markov property. Time
    O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], []], last=[1, 1])
    >>> first_visit(batch, 0.5, 0)
    array([2., 0.])
    """
    visited, G = _visits(trajectories, gamma, state, v)
    first = visited & (visited.cumsum(axis=1) == 1)
    found: FloatArray = np.where(first, G, 0.0).sum(axis=1)
    return found


def every_visit(
    trajectories: Trajectories, gamma: float, state: int, *, v: Any = None
) -> FloatArray:
    """The mean of the returns from all visits to ``state``; 0 where it is not visited.

    Estimates V(state), with a bias wherever a trajectory may come back: how many visits there were
    and what followed them depend on each other. In a batch pooled by `every_visit_values` the bias
    shrinks like 1/N.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]
    state : int
    v : (S,) or (at least T+1, S) array_like, reward units, optional
        What goes on behind a truncation.

    Returns
    -------
    (N,) array, reward units

    Raises
    ------
    ModelError
        If gamma, state or v do not fit.

    Notes
    -----
    Derived here. Starting in the state, with p the probability of coming back, c and f the mean
    discounted reward up to the return, or up to the end where there is none, and d = E[gamma^tau |
    return]: the mean is ``sum_n p^(n-1) (1-p) (1/n) sum_{k<n} y_k`` with ``y_0 = f, y_{k+1} = c + d
    y_k``; V is ``(p c + (1-p) f) / (1 - p d)``. Time O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], []], last=[1, 1])
    >>> every_visit(batch, 0.5, 0)
    array([2., 0.])
    """
    visited, G = _visits(trajectories, gamma, state, v)
    total = np.where(visited, G, 0.0).sum(axis=1)
    found: FloatArray = total / np.maximum(visited.sum(axis=1), 1)
    return found


def first_visit_values(
    trajectories: Trajectories,
    gamma: float,
    n_states: int,
    n_actions: int | None = None,
    *,
    v: Any = None,
) -> tuple[FloatArray, IntArray]:
    """Means of the returns from first visits over a whole batch, for every state.

    Estimates V of the policy that acted, or Q. Unbiased given at least one visit, under the
    conditions of `first_visit`.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]
    n_states : int
    n_actions : int, optional
        Then pairs are visited, and the table is Q.
    v : (S,) or (at least T+1, S) array_like, reward units, optional
        What goes on behind a truncation.

    Returns
    -------
    values : (S,) or (S, A) array, reward units
        0 where there was no visit.
    counts : array of int of the same shape
        Visits that are in the mean; on terminal states there are none.

    Raises
    ------
    ModelError
        If gamma, the sizes or v do not fit.

    Notes
    -----
    Sutton and Barto (2018), section 5.1. Per batch. Time O(N T log(N T)).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], [(0, 0, 4.0)]], last=[1, 1])
    >>> first_visit_values(batch, 0.5, 2)
    (array([3., 0.]), array([2, 0]))
    """
    cells, G, size = _pooled(trajectories, gamma, n_states, n_actions, v)
    who = np.nonzero(trajectories.mask)[0]
    first = occurrences(who * size + cells) == 1
    return _means(cells[first], G[first], n_states, n_actions)


def every_visit_values(
    trajectories: Trajectories,
    gamma: float,
    n_states: int,
    n_actions: int | None = None,
    *,
    v: Any = None,
) -> tuple[FloatArray, IntArray]:
    """Means of the returns from all visits over a whole batch, for every state.

    Estimates V of the policy that acted, or Q, with a bias that shrinks like 1/N: it is a ratio of
    sums, of returns and of visits. The same numbers as `return_regression` (or, for pairs,
    `n_step_sarsa` with n >= T) with step sizes 1/k, and as `lstd` with lam=1 and a feature for each
    state.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]
    n_states : int
    n_actions : int, optional
        Then pairs are visited, and the table is Q.
    v : (S,) or (at least T+1, S) array_like, reward units, optional
        What goes on behind a truncation.

    Returns
    -------
    values : (S,) or (S, A) array, reward units
        0 where there was no visit.
    counts : array of int of the same shape
        Visits; on terminal states there are none.

    Raises
    ------
    ModelError
        If gamma, the sizes or v do not fit.

    Notes
    -----
    Sutton and Barto (2018), section 5.1; Singh and Sutton (1996). Per batch. Time O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], [(0, 0, 5.0)]], last=[1, 1])
    >>> every_visit_values(batch, 0.5, 2)
    (array([3., 0.]), array([3, 0]))
    """
    cells, G, _ = _pooled(trajectories, gamma, n_states, n_actions, v)
    return _means(cells, G, n_states, n_actions)


def _followed_by(trajectories: Trajectories, gamma: float, v: Any) -> FloatArray:
    """The whole return from each step, (N, T)."""
    if v is None:
        return reward_to_go(trajectories, gamma)
    return lambda_return(trajectories, v, gamma, 1.0)


def _visits(trajectories: Trajectories, gamma: float, state: Any, v: Any) -> tuple[Any, FloatArray]:
    """Whether each step starts in the state, and its return."""
    if not isinstance(state, (int, np.integer)) or isinstance(state, bool) or state < 0:
        raise ModelError(f"state is {state!r:.80}; it must be the index of a state, an int >= 0.")
    visited = (trajectories.s[:, :-1] == state) & trajectories.mask
    return visited, _followed_by(trajectories, gamma, v)


def _pooled(
    batch: Trajectories, gamma: float, n_states: int, n_actions: int | None, v: Any
) -> tuple[IntArray, FloatArray, int]:
    """The cell and the return of each step there is, and the number of cells."""
    S = check_count(n_states, "n_states")
    width = 1 if n_actions is None else check_count(n_actions, "n_actions")
    largest = int(batch.s.max(initial=0)), int(batch.a.max(initial=0))
    if largest[0] >= S or (n_actions is not None and largest[1] >= width):
        raise ModelError(
            f"these trajectories use state {largest[0]} and action {largest[1]}; n_states is {S}"
            f"{'' if n_actions is None else f', n_actions is {width}'}."
        )
    cells = batch.s[:, :-1][batch.mask].astype(np.int64) * width
    if n_actions is not None:
        cells = cells + batch.a[batch.mask]
    return cells, _followed_by(batch, gamma, v)[batch.mask], S * width


def _means(
    cells: IntArray, G: FloatArray, n_states: int, n_actions: int | None
) -> tuple[FloatArray, IntArray]:
    shape = (n_states,) if n_actions is None else (n_states, n_actions)
    size = int(np.prod(shape))
    counts: Any = np.bincount(cells, minlength=size).astype(np.int64)
    values: FloatArray = np.bincount(cells, weights=G, minlength=size) / np.maximum(counts, 1)
    return values.reshape(shape), counts.reshape(shape)
