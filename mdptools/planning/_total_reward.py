"""Total reward until termination (stochastic shortest path), bounded from both sides.

Takes     an MDP with gamma = 1 and no horizon.
Gives     a `Solution`, or a ModelError that names the states where no finite optimum exists.
Source    Bertsekas and Tsitsiklis (1991); end components: de Alfaro (1997).
Not here  the solver (`_episodes`), which states are infinite (`_infinite`), average reward.

A policy counts if it ends almost surely: in a terminal state, or resting, that is going round for
ever among states where this costs and earns nothing. V* is the best of these policies.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import check_count, check_served, check_tol, check_values
from ..errors import ModelError
from ..model import MDP
from ._ending_solution import Decided, ending_solution
from ._episodes import Ending, EndlessCycleError, solve_task
from ._infinite import refuse, refuse_cycle, sort_states
from ._joined_task import Task
from ._solution import RELATIVE_TOL, Solution
from ._watch import Callback, Watch


def total_reward(
    mdp: MDP,
    *,
    tol: float | None = None,
    infinite: str = "refuse",
    max_iterations: int = 10_000,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
) -> Solution:
    """The best expected total reward until termination, bounded from both sides.

    Parameters
    ----------
    mdp : MDP
        gamma = 1 and no horizon.
    tol : float, reward units, optional
        Largest accepted error of V in any state; ``1e-9 max|R|`` times the longest expected time
        to the end under the returned policy if omitted.
    infinite : {"refuse", "keep"}
        What to do if the optimum is inf or -inf in some states: raise a ModelError that names
        them and a cycle, or return inf and -inf there and the certified values elsewhere.
    max_iterations : int
        Give up after evaluating this many policies.
    V0 : (S,) array_like, reward units, optional
        A guess of V: one starts from its greedy policy, if that ends.
    history : bool
        Keep, for each policy, the largest improvement that was possible.
    callback : callable, optional
        Called with a `Step` after each policy; its bound is inf, as nothing is proved on the way.
        StopIteration from it ends the search.

    Returns
    -------
    Solution
        ``certificate.lower`` is proved for the returned policy, ``certificate.upper`` for every
        policy that ends. ``optimal_actions`` are the pairs whose upper bound reaches the lower
        bound of their state; all allowed ones where V is infinite.

    Raises
    ------
    ModelError
        If the optimum is infinite in some states and they are not to be kept, or if it is
        undefined: if every policy can go round a cycle whose rewards cancel but are not 0, or can
        win and lose without limit.
    ConvergenceError
        If ``tol`` is below what float64 can prove; if it cannot prove any bound (a cycle whose
        rewards cancel, unless the bound holds exactly in fractions) the bound is inf.

    Notes
    -----
    States among which one can go round for nothing are joined to one; then policy iteration from a
    policy that ends, each policy by one LU: O(S^3) if P is dense; sparse ones in the order of
    their strong components, so that only these fill in. The bounds are the values for rewards
    that are larger or smaller by a few round-offs, and are then checked in each state. Where that
    is far off, because one can collect round-off for a long time, states of almost the same value
    are joined for the upper bound.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.1, 0.9]], [[0, 1], [0, 1]]], [[-1, -3], [0, 0]], gamma=1)
    >>> solution = total_reward(mdp)
    >>> solution.V.round(6), solution.pi[0], solution.certificate.bound < 1e-12
    (array([-2.,  0.]), array([1., 0.]), True)

    State 1 pays 2 for each step there:

    >>> mdp = MDP(
    ...     [[[0, 0, 1], [0, 0, 1]], [[0, 1, 0], [0, 0, 1]], [[0, 0, 1], [0, 0, 1]]],
    ...     [[-1, -2], [2, 0], [0, 0]],
    ...     gamma=1,
    ... )
    >>> total_reward(mdp, infinite="keep").V
    array([-1., inf,  0.])
    """
    check_served(mdp, "total_reward", "total", instead="solve, or policy_iteration (discounted)")
    tol = check_tol(tol)
    check_count(max_iterations, "max_iterations")
    if infinite not in ("refuse", "keep"):
        raise ModelError(f"infinite is {infinite!r:.80}; it must be 'refuse' or 'keep'.")
    guess = None if V0 is None else check_values(V0, "V0", mdp.n_states)
    watch = Watch("total_reward", 0.0 if tol is None else tol, history, callback)
    sorts = sort_states(mdp)
    if sorts.undefined.any() or not (sorts.finite.all() or infinite == "keep"):
        refuse(mdp, sorts)
    task = Task(
        mdp,
        pairs=sorts.pairs & ~mdp.terminal[:, None],
        R=mdp.R,
        ended=mdp.terminal,
        worth=np.zeros(mdp.n_states),
        rests=True,
        reward_roundoff=mdp.facts.reward_roundoff,
    )
    outside = mdp.terminal | ~sorts.finite
    values = np.where(sorts.plus, np.inf, np.where(sorts.minus, -np.inf, 0.0))

    def finish(ending: Ending) -> Solution:
        time = max(1.0, min(ending.time, 1e300))
        return ending_solution(
            task,
            ending,
            Decided(outside, values, sorts.actions, free=mdp.terminal),
            watch,
            method="total_reward",
            tol=tol,
            wanted=RELATIVE_TOL * mdp.facts.reward_max * time if tol is None else tol,
            cure=f"max_iterations = {max_iterations} were not enough",
        )

    try:
        return solve_task(task, watch, max_iterations, guess, finish)
    except EndlessCycleError as endless:
        refuse_cycle(mdp, endless)
