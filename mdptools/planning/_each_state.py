"""Bounds of each state for a discounted optimum whose values differ much in size.

Takes     a discounted MDP and a `Solution` whose bound is one number for all states.
Gives     a `Solution` whose bounds are, in each state, of the size of the round-off there.
Source    a discount is a chance of 1 - gamma to end after each step: what bounds the total reward
          of policies that end (`_episodes`) bounds the discounted one.
Not here  the planners that find the policy; other objectives, whose bounds are such anyway.

MacQueen's bracket is as wide as the round-off of the largest value, in every state. Where values
are 1e6 in one part of a model and 1 in another, it says little of the second.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..arrays import EPS, readonly
from ..certificates import backup_roundoff, largest, magnitude
from ..errors import ConvergenceError
from ..model import MDP
from ._ending_solution import Decided, ending_solution
from ._episodes import best_ending
from ._joined_task import Task
from ._solution import Solution
from ._watch import Watch


def is_uneven(mdp: MDP, solution: Solution, share: float) -> bool:
    """Whether the bound is more than this share of the value of some state that is not worth 0."""
    size = np.abs(solution.V)
    least = size.min(initial=np.inf, where=size > 0)
    bound = solution.certificate.bound
    return bool(bound > share * least) and 0 < bound < np.inf


def in_each_state(
    mdp: MDP, solution: Solution, watch: Watch, wanted: float, max_iterations: int
) -> Solution:
    """The same optimum with bounds of each state, if float64 proves them.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    solution : Solution
        With a finite bound.
    watch : Watch
        Is told if Ctrl-C ends this, and the answer is the one that was given.
    wanted : float, reward units
        A bound that must stay so small.
    max_iterations : int
        Policies to try for one that is better where only small values show it.

    Returns
    -------
    Solution
        Time of a few backups and of two linear systems or more, with one LU for each policy.
    """
    task = Task(
        mdp,
        pairs=mdp.allowed & ~mdp.terminal[:, None],
        R=mdp.R,
        ended=mdp.terminal,
        worth=np.zeros(mdp.n_states),
        rests=False,
        reward_roundoff=mdp.facts.reward_roundoff,
        gamma=mdp.gamma,
    )
    old = solution.certificate
    silent = Watch(solution.method, wanted, history=False, callback=None)
    try:
        ending = best_ending(task, max_iterations, solution.pi.argmax(axis=1))
    except ConvergenceError:
        return solution
    assert old.lower is not None and old.upper is not None
    found = ending_solution(
        task,
        ending,
        Decided(mdp.terminal, np.zeros(mdp.n_states), np.full(mdp.n_states, -1), mdp.terminal),
        silent,
        method=solution.method,
        tol=None,
        wanted=np.inf,
        cure="",
        within_range=(old.lower, old.upper),
    )
    new = found.certificate
    assert new.lower is not None and new.upper is not None
    # An action value errs by gamma times the error of V, and by the round-off of its own backup.
    bound = max(new.bound, mdp.gamma * new.bound + backup_roundoff(mdp, magnitude(found.V)))
    # The old lower bound is one of V*, the new one also of the policy that comes with it.
    loss = largest(new.upper - np.minimum(ending.lower, new.lower)) * (1 + 4 * EPS)
    if bound > (wanted if old.bound <= wanted else 2 * old.bound) or loss == np.inf:
        return solution
    return replace(
        found,
        optimal_actions=readonly(found.optimal_actions & solution.optimal_actions),
        certificate=replace(new, bound=bound, loss=loss),
        sweeps=solution.sweeps,
        history=solution.history,
        reason=solution.reason,
    )
