"""Models from counts, and optimism about what was not counted.

Takes     `Trajectories`, or any model with the pairs of it that are known; a planner.
Gives     counts, a policy planned in the model they make, a model with a utopia.
Source    Brafman and Tennenholtz (2002) for the utopia; Mannor et al. (2007) for how wrong the
          values of a counted model are.
Not here  acting (learners), planning: a planner is a function model -> pi, and is handed in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatSA, IntArray
from ..checks import check_count, check_served, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..sampling import Trajectories

Planner = Callable[[MDP], Any]


def count_transitions(
    trajectories: Trajectories, n_states: int, n_actions: int
) -> tuple[IntArray, FloatSA]:
    """How often each pair was followed by each state, and the sum of the rewards there.

    Estimates nothing by itself; divided by the counts of the pairs they are the model of maximum
    likelihood, unbiased where the number of counts does not depend on what was counted.

    Parameters
    ----------
    trajectories : Trajectories
    n_states, n_actions : int

    Returns
    -------
    N : (S, A, S) array of int
    R_sum : (S, A) array, reward units
        Both as `MDP.from_counts` takes them. Per batch.

    Raises
    ------
    ModelError
        If the trajectories use states or actions that do not exist.

    Notes
    -----
    Terminal states are never left, so their rows are 0. Time O(N T + S^2 A).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)]], last=[1])
    >>> N, R_sum = count_transitions(batch, 2, 1)
    >>> N[0], R_sum[0]
    (array([[1, 1]]), array([3.]))
    """
    S, A = check_count(n_states, "n_states"), check_count(n_actions, "n_actions")
    batch = trajectories
    largest = int(batch.s.max(initial=0)), int(batch.a.max(initial=0))
    if largest[0] >= S or largest[1] >= A:
        raise ModelError(
            f"there are {S} states and {A} actions; these trajectories use numbers {largest[0]} "
            f"and {largest[1]}."
        )
    who, time = np.nonzero(batch.mask)
    row = batch.s[who, time].astype(np.int64) * A + batch.a[who, time]
    N: Any = np.bincount(row * S + batch.s[who, time + 1], minlength=S * A * S)
    R_sum: Any = np.bincount(row, weights=batch.r[who, time], minlength=S * A)
    return N.reshape(S, A, S), R_sum.reshape(S, A)


def certainty_equivalence(
    trajectories: Trajectories,
    planner: Planner,
    gamma: float,
    *,
    n_states: int,
    n_actions: int,
    unvisited: Any = "stay",
    **keywords: Any,
) -> FloatSA:
    """Count, take the counts for the truth, and plan.

    Approaches an optimal policy as every pair is tried ever more often. It does not explore: a pair
    that was never tried is what ``unvisited`` says.

    Parameters
    ----------
    trajectories : Trajectories
    planner : function MDP -> pi (S, A)
        For instance ``lambda model: solve(model).pi``.
    gamma : float in [0, 1]
    n_states, n_actions : int
    unvisited, **keywords
        As for `MDP.from_counts`.

    Returns
    -------
    (S, A) array
        What the planner returns.

    Raises
    ------
    ModelError
        As `count_transitions` and `MDP.from_counts`.

    Examples
    --------
    >>> from mdptools import solve
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0)], [(0, 1, 3.0)]], last=[1, 1])
    >>> planner = lambda model: solve(model).pi
    >>> certainty_equivalence(batch, planner, 0.9, n_states=2, n_actions=2)[0]
    array([0., 1.])
    """
    check_planner(planner)
    N, R_sum = count_transitions(trajectories, n_states, n_actions)
    model = MDP.from_counts(N, R_sum, gamma, unvisited=unvisited, **keywords)
    pi: FloatSA = planner(model)
    return pi


def optimistic_model(model: MDP, known: Any, v_max: float) -> MDP:
    """The model in which each pair that is not known leads to a utopia worth v_max.

    If ``model`` is right at the known pairs and no value exceeds v_max, then the optimal values of
    this model are at least V* of the true one, in every state. With counted rows that holds with
    high probability only.

    Parameters
    ----------
    model : MDP
        Discounted. Its rows at pairs that are not known are not read.
    known : (S, A) array_like of bool
    v_max : float, reward units
        At least ``max V*``; the largest reward divided by ``1 - gamma`` always is.

    Returns
    -------
    MDP
        With one state more, the utopia, the last one: it is never left, and worth v_max.

    Raises
    ------
    ModelError
        If the model is not discounted, or another argument does not fit.

    Notes
    -----
    By induction over backups: with V >= V* the backup of a known pair is at least Q*, that of any
    other pair is v_max. Each step there pays ``(1 - gamma) v_max``. Memory O(S^2 A): P is dense.

    Examples
    --------
    >>> from mdptools import solve
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> hopeful = optimistic_model(mdp, [[True, False]], v_max=2.0)
    >>> solve(hopeful).V.round(6)
    array([2., 2.])
    """
    check_served(model, "optimistic_model", "discounted", instead="a model with gamma < 1")
    mask = np.asarray(known)
    if mask.dtype != np.bool_ or mask.shape != model.R.shape:
        raise ModelError(
            f"known has shape {mask.shape} and type {mask.dtype}; it must hold bools, (S, A) = "
            f"{model.R.shape}."
        )
    best = number_or_nan(v_max)
    if not abs(best) < np.inf:
        raise ModelError(f"v_max is {v_max!r:.80}; it must be a finite number.")
    S, A = model.R.shape
    P, R = np.zeros((S + 1, A, S + 1)), np.full((S + 1, A), (1 - model.gamma) * best)
    sure = mask | model.terminal[:, None]
    P[:S, :, :S] = np.where(sure[:, :, None], _dense(model), 0.0)
    P[:S, :, S] = ~sure & model.allowed
    P[S, :, S] = 1.0
    R[:S] = np.where(sure, model.R, R[:S])
    return MDP(
        P,
        R,
        model.gamma,
        mu=np.append(model.mu, 0.0),
        allowed=np.append(model.allowed, np.ones((1, A), bool), axis=0),
        terminal=np.append(model.terminal, False),
    )


def _dense(model: MDP) -> FloatArray:
    """P as (S, A, S)."""
    S, A = model.R.shape
    return kernel.to_dense(model.P).reshape(S, A, S)


def check_planner(planner: Any) -> None:
    """Pass if it can be called."""
    if not callable(planner):
        raise ModelError(
            f"planner is {planner!r:.80}; it must be a function model -> pi, for instance "
            f"lambda model: solve(model).pi."
        )
