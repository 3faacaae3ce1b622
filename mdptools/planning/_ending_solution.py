"""From an `Ending` to a `Solution`: action values, ties, infinite values, and either sense.

Takes     a `Task`, what was found for it, and the states that are decided without it.
Gives     a `Solution`.
Not here  solving the task (`_episodes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import kernel
from ..arrays import EPS, LARGEST, BoolS, BoolSA, FloatArray, FloatS, FloatSA, IntS, readonly
from ..certificates import Certificate
from ..errors import ConvergenceError
from ._episodes import CURE, Ending
from ._joined_task import Task
from ._solution import Solution, one_hot, within
from ._watch import Watch

BRACKET = (
    "L <= V^pi <= V* <= W for every L <= R_pi + P_pi L and every W >= R + P W that is constant and "
    ">= 0 where resting is free (induction over the steps of any policy that ends); if one can "
    "stay for long, for P with each row divided by its sum"
)
BRACKET_DISCOUNTED = (
    "L <= V^pi <= V* <= W for every L <= R_pi + gamma P_pi L and every W >= R + gamma P W "
    "(monotone contractions), both checked in each state"
)


@dataclass(frozen=True, slots=True)
class Decided:
    """States whose value is known without solving anything, and what one does there."""

    states: BoolS
    V: FloatS
    actions: IntS  # -1: any allowed action
    free: BoolS  # of these: where nothing is to be decided, every allowed action is as good


def ending_solution(
    task: Task,
    ending: Ending,
    decided: Decided,
    watch: Watch,
    *,
    method: str,
    tol: float | None,
    wanted: float,
    cure: str,
    minimise: bool = False,
    within_range: tuple[float, float] | tuple[FloatS, FloatS] = (-np.inf, np.inf),
) -> Solution:
    """The solution of a task; of its negative, if what was asked is the least total reward.

    Parameters
    ----------
    task : Task
    ending : Ending
    decided : Decided
        All states that have no pair in the task.
    watch : Watch
    method : str
    tol, wanted, cure
        As `within` takes them.
    minimise : bool
        Whether rewards were negated in the task.
    within_range : (float, float) or two (S,) arrays
        Where all values of the task lie, whatever it is: 0 and 1 if they are probabilities.

    Returns
    -------
    Solution

    Raises
    ------
    ConvergenceError
        If the bound misses ``tol``, or rewards cancel round a cycle.
    """
    mdp = task.mdp
    V, lower, upper = (
        np.where(decided.states, decided.V, values.clip(*within_range))
        for values in (ending.V, ending.lower, ending.upper)
    )
    finite = np.isfinite(V)
    slack = np.where(decided.states, 0.0, 4 * EPS * np.abs(np.where(finite, V, 0.0)))
    with np.errstate(invalid="ignore"):
        above = np.where(finite, upper - V, 0.0) + slack
        below = np.where(finite, V - lower, 0.0) + slack
    bound = float(max(above.max(), below.max(), 0.0))
    lower = np.maximum(lower - slack, within_range[0])
    upper = np.minimum(upper + slack, within_range[1])
    Q = _action_values(task, V, decided)
    optimal = _could_be_best(task, lower, upper, V, Q, decided)
    chosen = np.where(decided.states, decided.actions, ending.actions)
    chosen = np.where(chosen < 0, mdp.allowed.argmax(axis=1), chosen)
    if minimise:
        V, Q, lower, upper = negated(V), negated(Q, mdp.allowed), negated(upper), negated(lower)
    solution = Solution(
        V=readonly(V),
        Q=readonly(Q),
        pi=one_hot(chosen, mdp.n_actions),
        optimal_actions=readonly(optimal),
        J=_mean(mdp.mu, V),
        certificate=Certificate(
            bound=bound,
            loss=float((above + below).max()),
            residual=ending.left,
            theorem=BRACKET if task.gamma == 1 else BRACKET_DISCOUNTED,
            lower=readonly(lower),
            upper=readonly(upper),
        ),
        method=method,
        reason=watch.reason,
        sweeps=watch.sweeps,
        history=watch.trace,
    )
    if ending.cycle and not watch.stopped:
        raise ConvergenceError(
            f"float64 cannot tell whether the optimal total reward is finite: the rewards of the "
            f"cycle {ending.cycle} cancel to within round-off. error.solution holds the best "
            f"policy that was found, its certificate.lower holds. {CURE}",
            solution=solution,
            floor=np.inf,
        )
    return within(
        solution,
        tol,
        wanted,
        floor=bound if ending.stable else None,
        cure=cure,
        stopped=watch.stopped,
    )


def negated(x: FloatArray, allowed: BoolSA | None = None) -> FloatArray:
    """-x, without -0.0; refused pairs stay at -inf."""
    negative: FloatArray = 0.0 - x
    if allowed is not None:
        negative = np.where(allowed, negative, -np.inf)
    return readonly(negative)


def _mean(mu: FloatS, V: FloatS) -> float:
    """mu @ V, where an infinite V counts only if it weighs; nan if inf and -inf both do."""
    weighs = mu > 0
    with np.errstate(invalid="ignore"):
        return float(mu[weighs] @ V[weighs])


def _action_values(task: Task, V: FloatS, decided: Decided) -> FloatSA:
    """R + gamma P V; infinite values count with any probability of them; -inf at refused pairs."""
    mdp = task.mdp
    Q = task.gamma * kernel.expect(mdp.P, np.where(np.isfinite(V), V, 0.0)) + task.R
    minus = V == -np.inf
    for states, value in ((V == np.inf, np.inf), (minus, -np.inf)):
        if states.any():
            Q[kernel.expect(mdp.P, states.astype(np.float64)) > 0] = value
    over = decided.states & decided.free
    Q[over] = V[over, None]
    Q[~mdp.allowed] = -np.inf
    return Q


def _could_be_best(
    task: Task, lower: FloatS, upper: FloatS, V: FloatS, Q: FloatSA, decided: Decided
) -> BoolSA:
    """Every action whose upper bound is not below the lower bound of its state."""
    mdp = task.mdp
    known = np.isfinite(V)
    size = kernel.expect(mdp.P, np.where(known, np.abs(V), 0.0)) + np.abs(task.R)
    terms = kernel.row_lengths(mdp.P) + 4
    high = task.gamma * kernel.expect(mdp.P, np.where(known, np.minimum(upper, LARGEST), 0.0))
    high += task.R
    high += size * (EPS * terms + 2 * mdp.facts.row_defect) + task.reward_roundoff
    best: BoolSA = (high >= np.where(known, lower, 0.0)[:, None]) & (Q > -np.inf)
    best[V == np.inf] = Q[V == np.inf] == np.inf
    # Nothing to be decided, nothing to be lost, or nothing proved: every allowed action.
    loose = (decided.states & decided.free) | (V == -np.inf)
    loose |= known & ((lower == -np.inf) | (upper == np.inf))
    best[loose] = mdp.allowed[loose]
    return best
