"""How hard a model is: how far apart its states are, how long one must look ahead, what a gap is.

Takes     an MDP.
Gives     `Measured`, each with what is proved.
Source    Jaksch, Ortner and Auer (2010) for the diameter; Laidlaw, Russell and Dragan (2023) for
          the effective horizon; each function says more.
Not here  the chain of one policy (`_chains`), the laws of data (`_coverage`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..arrays import EPS, BoolSA, FloatArray
from ..bellman import backup
from ..certificates import backup_roundoff
from ..checks import check_count, check_model, check_served, number_or_nan
from ..errors import ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..planning import Solution, reach_reward, solve
from ..policies import uniform_policy
from ._measured import Measured, measured


def diameter(mdp: MDP) -> Measured:
    """The longest expected time of a fastest way from one state to another.

    Parameters
    ----------
    mdp : MDP
        Rewards and discount play no part.

    Returns
    -------
    Measured
        ``value`` is max over s, t of min over policies of the expected steps from s to t; inf where
        some state cannot be reached for sure from another. Terminal states count as states.

    Raises
    ------
    ConvergenceError
        If float64 can prove no bound.

    Notes
    -----
    Jaksch, Ortner and Auer (2010), definition 1. One stochastic shortest path for each target:
    time O(S^4) if dense.

    Examples
    --------
    >>> from mdptools.problems import two_cycle
    >>> float(diameter(two_cycle()))
    1.0
    """
    check_model(mdp)
    steps = MDP(mdp.P, np.ones(mdp.n_states), average=True, allowed=mdp.allowed)
    value, bound = 0.0, 0.0
    theorem = "stochastic shortest paths, bounded from both sides"
    for target in range(mdp.n_states):
        found = reach_reward(steps, [target], sense="min")
        value = max(value, float(found.V.max()))
        bound = max(bound, found.certificate.bound)
        theorem = found.certificate.theorem
        if value == np.inf:
            return measured(np.inf, 0.0, "decided from the structure")
    return measured(value, bound, theorem)


def bias_span(mdp: MDP) -> Measured:
    """The largest minus the smallest bias of an optimal policy.

    Parameters
    ----------
    mdp : MDP
        Of average reward.

    Returns
    -------
    Measured
        Of the policy that `mdptools.solve` returns; where several policies are optimal their biases
        can differ.

    Raises
    ------
    ModelError
        If the model is not of average reward.

    Notes
    -----
    How much a wrong start can cost in all, in reward units; Bartlett and Tewari (2009).

    Examples
    --------
    >>> from mdptools.problems import two_cycle
    >>> float(bias_span(two_cycle()))
    0.5
    """
    check_served(mdp, "bias_span", "average", instead="with_objective(average=True)")
    found = evaluate(mdp, solve(mdp).pi)
    return measured(float(np.ptp(found.V)), 2 * found.certificate.bound, found.certificate.theorem)


def action_gaps(mdp: MDP, solution: Solution | None = None) -> Measured:
    """V* - Q*: what each action costs that is not optimal.

    Parameters
    ----------
    mdp : MDP
        Discounted, total or finite.
    solution : Solution, optional
        Of this model; it is solved if omitted.

    Returns
    -------
    Measured
        ``value`` (S, A) or (H, S, A): 0 at optimal actions, inf at refused ones. Entries above
        ``certificate.bound`` are proved to be positive.

    Raises
    ------
    ModelError
        If the model is of average reward.

    Notes
    -----
    V and Q are each off by the solution's bound, so that a gap is off by twice that.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> action_gaps(line_world()).value[:4]
    array([[ 1.,  0.],
           [ 2.,  0.],
           [ 2.,  0.],
           [11.,  0.]])
    """
    instead = "with_objective(gamma=...)"
    check_served(mdp, "action_gaps", "discounted", "total", "finite", instead=instead)
    found = solve(mdp) if solution is None else solution
    V = found.V[: len(found.Q)] if found.Q.ndim == 3 else found.V
    gaps = np.where(mdp.allowed, np.maximum(V[..., None] - found.Q, 0.0), np.inf)
    gaps[..., mdp.terminal, :] = np.where(mdp.allowed[mdp.terminal], 0.0, np.inf)
    return measured(gaps, 2 * found.certificate.bound, found.certificate.theorem)


def sum_of_inverse_gaps(mdp: MDP, solution: Solution | None = None) -> Measured:
    """The sum of 1 / gap over the pairs that are not optimal.

    Parameters
    ----------
    mdp : MDP
        Discounted, total or finite.
    solution : Solution, optional

    Returns
    -------
    Measured
        Pairs whose gap is not proved to be positive count as optimal.

    Raises
    ------
    ModelError
        If the model is of average reward.

    Notes
    -----
    The constant of regret bounds that depend on the model: Simchowitz and Jamieson (2019). With
    gaps off by e, the sum is off by at most sum e / (gap (gap - e)).

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> round(float(sum_of_inverse_gaps(line_world())), 9)  # 1 + 1/2 + 1/2 + 1/11
    2.090909091
    """
    gaps = action_gaps(mdp, solution)
    e = gaps.certificate.bound
    there = np.isfinite(gaps.value) & (gaps.value > e)
    of_those = gaps.value[there]
    error = float((e / (of_those * (of_those - e))).sum())
    return measured(float((1 / of_those).sum()), error, gaps.certificate.theorem)


def truncation_horizon(mdp: MDP, error: float) -> int:
    """The number of steps after which what follows is worth at most ``error``, under any policy.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    error : float, reward units

    Returns
    -------
    int
        The smallest H with ``gamma**H max|R| / (1 - gamma) <= error``.

    Raises
    ------
    ModelError
        If the model is not discounted, or error not > 0.

    Examples
    --------
    >>> from mdptools.problems import chain
    >>> truncation_horizon(chain(6), 0.01)
    28
    """
    check_served(mdp, "truncation_horizon", "discounted", instead="with_objective(gamma=...)")
    if not number_or_nan(error) > 0:
        raise ModelError(f"error is {error!r:.80}; it must be a number > 0, in reward units.")
    left, steps = mdp.facts.reward_max / (1 - mdp.gamma), 0
    if mdp.gamma > 0 and left > error:
        steps = max(0, math.ceil(math.log(error / left) / math.log(mdp.gamma)) - 2)
    while left * mdp.gamma**steps > error:
        steps += 1
    return steps


def effective_horizon(mdp: MDP, *, most: int = 1_000) -> int:
    """How many steps one must look ahead, and play at random from there, to act optimally.

    Parameters
    ----------
    mdp : MDP
        Discounted, total or finite.
    most : int
        Give up after so many steps.

    Returns
    -------
    int
        The smallest k such that each policy that is greedy for Q_k is optimal, where Q_1 is the Q
        of the uniform policy and Q_(k+1) = R + gamma P max Q_k. Ties within the round-off count as
        ties: all their actions have to be optimal.

    Raises
    ------
    ModelError
        If the model is of average reward, or no k up to ``most`` is enough.

    Notes
    -----
    Laidlaw, Russell and Dragan (2023), "Bridging RL theory and practice with the effective
    horizon": the k of a k-QVI-solvable model. Their horizon adds log_A of the sample size that
    tells the actions apart.

    Examples
    --------
    >>> from mdptools.problems import combination_lock
    >>> effective_horizon(combination_lock(10))
    1
    """
    instead = "with_objective(gamma=...)"
    check_served(mdp, "effective_horizon", "discounted", "total", "finite", instead=instead)
    check_count(most, "most")
    optimal = solve(mdp).optimal_actions | mdp.terminal[:, None]
    found = evaluate(mdp, uniform_policy(mdp))
    Q, error = found.Q, found.certificate.bound
    for k in range(1, most + 1):
        if not (_greedy(mdp, Q, error) & ~optimal).any():
            return k
        V = np.where(mdp.terminal, 0.0, Q.max(axis=-1))
        if mdp.objective == "finite":
            final = found.V[-1]
            V = np.concatenate((V[1:], final[None]))
            Q = np.stack([backup(mdp, v) for v in V])
        else:
            Q = backup(mdp, V)
        error = mdp.gamma * error + backup_roundoff(mdp, float(np.abs(V).max(initial=0.0)))
    raise ModelError(
        f"looking up to {most} steps ahead is not enough: a policy that is greedy then is still "
        f"not optimal, or gaps are below the round-off, {error:.2g}. Pass most=, or another model."
    )


def _greedy(mdp: MDP, Q: FloatArray, error: float) -> BoolSA:
    """The actions that could be greedy."""
    best = Q.max(axis=-1, keepdims=True)
    slack: Any = 2 * error + 4 * EPS * np.abs(best)
    marked: BoolSA = mdp.allowed & (best - slack <= Q)
    return marked
