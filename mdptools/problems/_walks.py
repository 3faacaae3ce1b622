"""Walks along a line: to predict, to explore, to win a fortune.

Takes     a length, probabilities, a discount.
Gives     an `MDP`.
Source    Sutton and Barto (2018), chapters 4, 6, 7 and 9; Strehl and Littman (2008); Osband and
          others (2013, 2020); each function names its own.
Not here  the chain on which the gradient vanishes, the line world (`_classic`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ModelError
from ..model import MDP
from ._arguments import at_least, chance, finite
from ._tensors import one_successor


def random_walk(
    n: int = 5, *, ends: tuple[float, float] = (0.0, 1.0), reach: int = 1, gamma: float = 1.0
) -> MDP:
    """A walk that steps left or right by chance until it leaves the line.

    There is nothing to decide: the one action goes 1 to ``reach`` states to either side, each with
    the same probability. Whoever would step over an end is in the terminal state there.

    Parameters
    ----------
    n : int
        Number of states that are not terminal; those are states 1 to n, and 0 and n + 1 the ends.
    ends : pair of float, reward units
        Paid on arrival at the left and at the right end.
    reach : int
        The longest step.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        The walk starts in the middle. With ``reach=1``, undiscounted, V of state s is
        ``left + (right - left) * s / (n + 1)``.

    Raises
    ------
    ModelError
        If n or reach is smaller than 1, or an end is not finite.

    Notes
    -----
    Sutton and Barto (2018): example 6.2 is ``random_walk()``, example 7.1 ``random_walk(19,
    ends=(-1, 1))``, example 9.1 ``random_walk(1000, ends=(-1, 1), reach=100)``.

    Examples
    --------
    >>> mdp = random_walk()
    >>> mdp.n_states, int(mdp.mu.argmax()), mdp.R[:, 0]
    (7, 3, array([0. , 0. , 0. , 0. , 0. , 0.5, 0. ]))
    """
    n, reach = at_least(n, "n", 1), at_least(reach, "reach", 1)
    left, right = (finite(x, "ends") for x in ends)
    step = np.concatenate((np.arange(-reach, 0), np.arange(1, reach + 1)))
    P = np.zeros((n + 2, 1, n + 2))
    here = np.arange(1, n + 1)
    target = np.clip(here[:, None] + step, 0, n + 1)
    np.add.at(P[:, 0], (here[:, None], target), 1 / len(step))
    P[0, 0, 0] = P[-1, 0, -1] = 1.0
    paid = np.zeros_like(P)
    paid[1:-1, 0, 0], paid[1:-1, 0, -1] = left, right
    return MDP(
        P,
        paid,
        gamma,
        mu=np.arange(n + 2) == (n + 1) // 2,
        terminal=[0, n + 1],
        action_names=("step",),
        layout=(1, n + 2),
    )


def fair_walk(n: int = 20) -> MDP:
    """A fair walk on 0, ..., 2n from the middle, which pays 1 at the right end.

    By symmetry the answer is 1/2. Sweeps of value iteration get there so slowly that a rule which
    stops at a small change stops long before: with n = 20 and a change of 1e-6 it is off by 1.6e-4.

    Parameters
    ----------
    n : int

    Returns
    -------
    MDP
        ``2 n + 1`` states; V*(s) = s / (2 n) between the ends.

    Raises
    ------
    ModelError
        If n is smaller than 1.

    Notes
    -----
    After Haddad and Monmege (2018), "Interval iteration algorithm for MDPs and IMDPs", who show
    that the change from sweep to sweep bounds nothing.

    Examples
    --------
    >>> fair_walk().n_states
    41
    """
    return random_walk(2 * at_least(n, "n", 1) - 1)


def slow_reachability(n: int = 10) -> MDP:
    """Reachability whose answer is 1/2 and whose sweeps need 2**n steps to come near it.

    From state 0 one goes to the first state of the left or of the right arm with probability 1/2.
    In each arm a step goes on with probability 1/2 and back to state 0 otherwise; at the end of the
    right arm is the goal, at the end of the left one nothing is paid any more.

    Parameters
    ----------
    n : int
        Length of an arm.

    Returns
    -------
    MDP
        ``2 n + 1`` states and one action; arriving at the goal pays 1. V*(0) = 1/2.

    Raises
    ------
    ModelError
        If n is smaller than 1.

    Notes
    -----
    Haddad and Monmege (2018), "Interval iteration algorithm for MDPs and IMDPs", the example with
    which they show that value iteration stopped at a small change can be off by half.

    Examples
    --------
    >>> slow_reachability(3).n_states
    7
    """
    n = at_least(n, "n", 1)
    P = np.zeros((2 * n + 1, 1, 2 * n + 1))
    for first in (1, n + 1):
        P[0, 0, first] = 0.5
        arm = np.arange(first, first + n)
        P[arm[:-1], 0, arm[1:]] = P[arm[:-1], 0, 0] = 0.5
        P[arm[-1], 0, arm[-1]] = 1.0
    paid = np.zeros_like(P)
    paid[: 2 * n, 0, 2 * n] = 1.0
    return MDP(
        P,
        np.where(P > 0, paid, 0.0),
        1.0,
        mu=np.arange(2 * n + 1) == 0,
        terminal=[n, 2 * n],
        action_names=("step",),
    )


def gambler(goal: int = 100, *, heads: float = 0.4) -> MDP:
    """The gambler who stakes what he has until he is rich or ruined.

    State s is the capital; a stake of a units (at most what there is, and what is missing to the
    goal) is doubled with probability ``heads`` and lost otherwise.

    Parameters
    ----------
    goal : int
        At least 2.
    heads : float
        Probability of winning a stake.

    Returns
    -------
    MDP
        Action a stakes a + 1 units. V*(s) is the probability of reaching the goal; with the
        default it is 0.4 at half the goal and 0.16 at a quarter. No stake of 0 is offered, so every
        policy ends.

    Raises
    ------
    ModelError
        If goal is smaller than 2 or heads is no probability.

    Notes
    -----
    Sutton and Barto (2018), example 4.3; Dubins and Savage (1965): bold play is optimal if heads is
    at most 1/2.

    Examples
    --------
    >>> mdp = gambler(4)
    >>> mdp.n_states, mdp.action_names, mdp.allowed[1]
    (5, ('stake 1', 'stake 2'), array([ True, False]))
    """
    goal, heads = at_least(goal, "goal", 2), chance(heads, "heads")
    n_actions = goal // 2
    capital, stake = np.arange(goal + 1)[:, None], np.arange(1, n_actions + 1)
    live = (capital > 0) & (capital < goal)
    allowed = (stake <= np.minimum(capital, goal - capital)) | ~live & (stake == 1)
    P = np.zeros((goal + 1, n_actions, goal + 1))
    s, a = np.nonzero(allowed & live)
    np.add.at(P, (s, a, s + a + 1), heads)
    np.add.at(P, (s, a, s - a - 1), 1 - heads)
    P[0, 0, 0] = P[goal, 0, goal] = 1.0
    paid = np.zeros_like(P)
    paid[s, a, goal] = np.where(s + a + 1 == goal, 1.0, 0.0)
    return MDP(
        P,
        paid,
        1.0,
        allowed=allowed,
        terminal=[0, goal],
        action_names=tuple(f"stake {k}" for k in stake),
        layout=(1, goal + 1),
    )


def riverswim(n: int = 6, *, gamma: float | None = None, horizon: int | None = None) -> MDP:
    """Swim against the stream: a little is paid at once, much at the other end.

    "left" goes with the stream and always arrives; "right" advances with probability 0.35, stays
    with 0.6 and is swept back with 0.05 (at the left end 0.6 and 0.4, at the right end it stays
    with 0.6 and is swept back with 0.4). "left" at the left end pays 0.005, "right" at the right
    end 1.

    Parameters
    ----------
    n : int
        Number of states, at least 2.
    gamma : float, optional
        Discount. Average reward if gamma and horizon are omitted.
    horizon : int, optional
        Number of steps.

    Returns
    -------
    MDP
        The swimmer starts at the left end.

    Raises
    ------
    ModelError
        If n is smaller than 2.

    Notes
    -----
    Strehl and Littman (2008), "An analysis of model-based interval estimation for Markov decision
    processes", with the probabilities and rewards of Osband, Russo and Van Roy (2013), "(More)
    efficient reinforcement learning via posterior sampling".

    Examples
    --------
    >>> mdp = riverswim()
    >>> mdp.objective, mdp.P[2, 1]
    ('average', array([0.  , 0.05, 0.6 , 0.35, 0.  , 0.  ]))
    """
    n = at_least(n, "n", 2)
    here = np.arange(n)
    P = np.zeros((n, 2, n))
    P[here, 0, np.maximum(here - 1, 0)] = 1.0
    middle = here[1:-1]
    P[middle, 1, middle - 1], P[middle, 1, middle], P[middle, 1, middle + 1] = 0.05, 0.6, 0.35
    P[0, 1, :2] = 0.4, 0.6
    P[-1, 1, -2:] = 0.4, 0.6
    R = np.zeros((n, 2))
    R[0, 0], R[-1, 1] = 0.005, 1.0
    return MDP(
        P,
        R,
        gamma,
        horizon=horizon,
        average=gamma is None and horizon is None,
        mu=here == 0,
        terminal=(),
        action_names=("left", "right"),
        layout=(1, n),
    )


def deep_sea(n: int = 10, *, cost: float = 0.01) -> MDP:
    """A dive of n steps; only who always steers right finds the treasure.

    The diver starts at the surface on the left. Each step goes one row down, and one column left or
    right; right costs ``cost / n``. Right from the last column in the last row pays 1.

    Parameters
    ----------
    n : int
        Rows, and columns.
    cost : float, reward units
        Of n steps to the right.

    Returns
    -------
    MDP
        The cells that can be reached, ``n (n + 1) / 2``, and a last state "bottom", which is
        terminal. Undiscounted; J* is ``1 - cost`` if that is positive.

    Raises
    ------
    ModelError
        If n is smaller than 1, or cost not finite.

    Notes
    -----
    Osband and others (2020), "Behaviour suite for reinforcement learning", without the random
    meaning of the actions in each cell (see `mdptools.transforms` for relabelled actions).

    Examples
    --------
    >>> mdp = deep_sea(3)
    >>> mdp.n_states, mdp.state_names[-2:]
    (7, ('(2, 2)', 'bottom'))
    """
    n, cost = at_least(n, "n", 1), finite(cost, "cost")
    cells = [(i, j) for i in range(n) for j in range(i + 1)]
    index = {cell: s for s, cell in enumerate(cells)}
    bottom = len(cells)
    successors = np.full((bottom + 1, 2), bottom)
    for (i, j), s in index.items():
        if i < n - 1:
            successors[s] = index[i + 1, max(j - 1, 0)], index[i + 1, j + 1]
    R = np.zeros((bottom + 1, 2))
    R[:bottom, 1] = -cost / n
    R[bottom - 1, 1] += 1.0
    return MDP(
        one_successor(successors),
        R,
        1.0,
        mu=np.arange(bottom + 1) == 0,
        terminal=[bottom],
        state_names=(*(f"({i}, {j})" for i, j in cells), "bottom"),
        action_names=("left", "right"),
        layout=[*cells, (np.nan, np.nan)],
    )


def combination_lock(
    n: int = 10, n_actions: int = 2, *, gamma: float = 0.95, code: Any = None
) -> MDP:
    """A lock of n dials: the right turn at each goes on, any other back to the beginning.

    Parameters
    ----------
    n : int
        Number of dials.
    n_actions : int
        Turns there are at each, at least 2.
    gamma : float
        Discount.
    code : (n,) array_like of int, optional
        The right turn at each dial; 0 everywhere if omitted.

    Returns
    -------
    MDP
        n + 1 states, the last one terminal: opening the lock pays 1. ``V*(s) = gamma**(n - 1 - s)``
        for the others. Random turns need about ``n_actions**n`` steps.

    Raises
    ------
    ModelError
        If n or n_actions is too small, or code names a turn that there is not.

    Notes
    -----
    Whitehead (1991), "A study of cooperative mechanisms for faster reinforcement learning", shows
    that undirected exploration takes exponential time on such models.

    Examples
    --------
    >>> mdp = combination_lock(3, code=[0, 1, 1])
    >>> mdp.P.argmax(axis=2)
    array([[1, 0],
           [0, 2],
           [0, 3],
           [3, 3]])
    """
    n, n_actions = at_least(n, "n", 1), at_least(n_actions, "n_actions", 2)
    turns = np.zeros(n, dtype=np.int64) if code is None else np.asarray(code)
    if turns.shape != (n,) or turns.dtype.kind not in "iu":
        raise ModelError(f"code is {code!r:.80}; it must be {n} ints, one for each dial.")
    if not ((turns >= 0) & (turns < n_actions)).all():
        bad = int(np.flatnonzero((turns < 0) | (turns >= n_actions))[0])
        raise ModelError(f"code[{bad}] is {turns[bad]}; the turns are 0 to {n_actions - 1}.")
    here = np.arange(n)
    successors = np.zeros((n + 1, n_actions), dtype=np.int64)
    successors[here, turns] = here + 1
    successors[n] = n
    R = np.zeros((n + 1, n_actions))
    R[n - 1, turns[-1]] = 1.0
    return MDP(
        one_successor(successors),
        R,
        gamma,
        mu=np.arange(n + 1) == 0,
        terminal=[n],
        state_names=(*(f"dial {s + 1}" for s in here), "open"),
        action_names=tuple(f"turn {a}" for a in range(n_actions)),
        layout=(1, n + 1),
    )
