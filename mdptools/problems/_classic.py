"""Small models from books, packages and papers.

Takes     a discount; for the chain also its length.
Gives     an `MDP`.
Source    each function names its own.
Not here  grids that are drawn (`_grids`), random models (`_random`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import check_count, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ._tensors import one_successor


def small(*, gamma: float = 0.99) -> MDP:
    """Two states, two actions: the first example of pymdptoolbox.

    Parameters
    ----------
    gamma : float
        Discount.

    Returns
    -------
    MDP
        ``V*`` is 392.29910714, 386.16071429 at the default discount: action 1 in state 0, action 0
        in state 1.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    ``mdptoolbox.example.small``. That package writes ``P[a, s, t]``; here it is ``P[s, a, t]``. The
    two are easily confused, because both are (2, 2, 2): read the wrong way, V* is 484.04, 457.98.

    Examples
    --------
    >>> small().P[0]
    array([[0.5, 0.5],
           [0. , 1. ]])
    """
    P = [[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]]
    R = [[5.0, 10.0], [-1.0, 2.0]]
    return MDP(P, R, gamma)


def line_world(*, gamma: float = 1.0) -> MDP:
    """Five states in a row, the last one the goal, and an expensive step in the middle.

    States are named 1 to 5; "left" in state 1 stays; each move costs 1, but "right" out of state 3
    costs 10. An episode ends on entering state 5.

    Parameters
    ----------
    gamma : float
        Discount; undiscounted by default.

    Returns
    -------
    MDP
        Undiscounted, "right" is optimal everywhere and V* is -13, -12, -11, -1, 0.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    A lecture's example of how V, Q and the advantage belong together: the advantage of "left" is
    -1, -2, -2, -11 in states 1 to 4.

    Examples
    --------
    >>> mdp = line_world()
    >>> mdp.objective, mdp.R[2]
    ('total', array([ -1., -10.]))
    """
    P = one_successor(np.array([[0, 1], [0, 2], [1, 3], [2, 4], [4, 4]]))
    R = [[-1.0, -1.0], [-1.0, -1.0], [-1.0, -10.0], [-1.0, -1.0], [0.0, 0.0]]
    return MDP(
        P,
        R,
        gamma,
        terminal=[4],
        state_names=("1", "2", "3", "4", "5"),
        action_names=("left", "right"),
        layout=(1, 5),
    )


def chain(
    n: int,
    *,
    n_actions: int = 4,
    gamma: float | None = None,
    reward: float = 1.0,
    mu: Any = None,
) -> MDP:
    """A chain on which one action leads forward and all the others back.

    The first action goes one state forward, each other one back (in state 0 it stays). The last
    state is absorbing, and each step in it pays: it is not terminal. A policy that has no opinion
    hardly ever gets there, so the gradient vanishes and undirected exploration takes exponential
    time.

    Parameters
    ----------
    n : int
        Number of states, at least 2.
    n_actions : int
        Number of actions, at least 2: how much the way back outnumbers the way forward.
    gamma : float, optional
        Discount; ``H / (H + 1)`` with ``H = n - 2`` if omitted.
    reward : float, reward units
        Paid by each step that leaves the last state.
    mu : (n,) array_like, optional
        Initial distribution; state 0 if omitted.

    Returns
    -------
    MDP
        ``V*(s) = reward * gamma**(n - 1 - s) / (1 - gamma)``.

    Raises
    ------
    ModelError
        If n or n_actions is smaller than 2, or anything else does not fit.

    Notes
    -----
    Agarwal, Kakade, Lee and Mahajan (2021), "On the theory of policy gradient methods", Proposition
    4.1, with its H + 2 states, 4 actions and discount as the defaults.

    Examples
    --------
    >>> mdp = chain(6)
    >>> mdp.n_states, mdp.n_actions, mdp.gamma, mdp.R[-1]
    (6, 4, 0.8, array([1., 1., 1., 1.]))
    """
    n, n_actions = check_count(n, "n"), check_count(n_actions, "n_actions")
    for size, name in ((n, "n"), (n_actions, "n_actions")):
        if size < 2:
            raise ModelError(f"{name} is {size}; a chain needs at least 2.")
    pay = number_or_nan(reward)
    if not np.isfinite(pay):
        raise ModelError(f"reward is {reward!r:.80}; it must be a finite number.")
    here = np.arange(n)
    successors = np.repeat(np.maximum(here - 1, 0)[:, None], n_actions, axis=1)
    successors[:, 0] = here + 1
    successors[-1] = n - 1
    if mu is None:
        mu = (here == 0).astype(float)
    back = ["back"] if n_actions == 2 else [f"back {a}" for a in range(1, n_actions)]
    return MDP(
        one_successor(successors),
        np.where(here == n - 1, pay, 0.0),
        (n - 2) / (n - 1) if gamma is None else gamma,
        mu=mu,
        terminal=(),
        action_names=("forward", *back),
        layout=(1, n),
    )
