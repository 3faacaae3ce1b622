"""Reachability as model checkers know it: how likely, within how many steps, at what reward.

Takes     an MDP, of whatever objective; targets as a mask (S,) or indices.
Gives     a `Solution` with bounds from both sides; infinite values where they are infinite.
Source    Baier and Katoen (2008), sections 10.1 and 10.6: states of probability 0 and 1 are found
          from the structure, so that what is left has one solution.
Not here  whether one can come there at all (structure), the solver (`_episodes`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import LARGEST, BoolS, BoolSA, IntS
from ..checks import check_count, check_model, check_tol, check_values
from ..errors import ModelError
from ..model import MDP
from ..structure import almost_surely_reach, attractor_policy, can_reach, end_components, state_mask
from ._ending_solution import Decided, ending_solution, negated
from ._episodes import Ending, EndlessCycleError, solve_task
from ._finite_horizon import backward_induction
from ._infinite import earning, refuse_cycle
from ._joined_task import Task
from ._solution import RELATIVE_TOL, Solution
from ._watch import Callback, Watch

PROBABLE = 1e-8
"""``tol=None`` asks for this error of a probability."""


def reach_probability(
    mdp: MDP,
    targets: Any,
    *,
    sense: str = "max",
    through: Any = None,
    steps: int | None = None,
    tol: float | None = None,
    max_iterations: int = 10_000,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
) -> Solution:
    """The largest, or the smallest, probability of coming to the targets at some time.

    Parameters
    ----------
    mdp : MDP
        Only P, the allowed actions and mu are looked at.
    targets : (S,) array of bool, or indices
        Being there at the start counts.
    sense : {"max", "min"}
        Over all policies.
    through : (S,) array of bool, or indices, optional
        Stay in these states until then ("until"); all states if omitted.
    steps : int, optional
        Come there within so many steps; any number if omitted.
    tol : float, optional
        Largest accepted error of a probability; 1e-8 if omitted.
    max_iterations : int
        Give up after evaluating this many policies.
    V0 : (S,) array_like, optional
        A guess of V: one starts from its greedy policy, if that ends.
    history : bool
        Keep, for each policy, the largest improvement that was possible.
    callback : callable, optional
        Called with a `Step` after each policy, or each step. StopIteration from it ends the search.

    Returns
    -------
    Solution
        ``V`` (S,) probabilities, ``certificate.lower`` and ``upper`` in each state, ``pi`` a
        policy that attains V, ``J = mu @ V``. With ``steps`` time is the first axis, as for a
        finite horizon: ``V[t]`` is for ``steps - t`` steps that are left.

    Raises
    ------
    ModelError
        If an argument is wrong.
    ConvergenceError
        If ``tol`` is below what float64 can prove.

    Notes
    -----
    Never leaving a set has one minus the probability, in the other sense, of coming to its
    complement. Without ``steps``: probabilities 0 and 1 are exact; the others cost as
    `total_reward`. Where one can stay for so long that round-off adds up, the upper bound is that
    of a model in which states of almost the same value are one. What float64 cannot do is a chain
    that takes 1e16 steps and more to be decided: for this there is `solve_exactly`. With ``steps``:
    one product P V each.

    Examples
    --------
    A fair walk on 0..4 that may also stay where it is:

    >>> P = np.zeros((5, 2, 5))
    >>> for s in (1, 2, 3):
    ...     P[s, 0, [s - 1, s + 1]] = 0.5
    ...     P[s, 1, s] = 1
    >>> P[[0, 4], :, [0, 4]] = 1
    >>> mdp = MDP(P, np.zeros((5, 2)), gamma=1)
    >>> reach_probability(mdp, [4]).V.round(9)
    array([0.  , 0.25, 0.5 , 0.75, 1.  ])
    >>> reach_probability(mdp, [4], sense="min").V
    array([0., 0., 0., 0., 1.])
    >>> reach_probability(mdp, [4], steps=2).V[0]
    array([0.  , 0.  , 0.25, 0.5 , 1.  ])
    """
    method = "reach_probability"
    sign = _sign(sense)
    check_model(mdp)
    goal = state_mask(mdp, targets, "targets")
    kept = ~goal if through is None else state_mask(mdp, through, "through")
    if steps is not None:
        return _within_steps(mdp, goal, kept, sign, steps, tol, history, callback)
    check_count(max_iterations, "max_iterations")
    guess = None if V0 is None else sign * check_values(V0, "V0", mdp.n_states)
    tol = check_tol(tol) or PROBABLE
    watch = Watch(method, tol, history, callback)
    pairs = mdp.allowed & (kept & ~goal)[:, None]
    if sign > 0:
        never = ~can_reach(mdp, goal, pairs)
        surely, _ = almost_surely_reach(mdp, goal, pairs)
        actions = attractor_policy(mdp, goal, pairs)
    else:
        never, actions = _avoid(mdp, goal, pairs)
        surely = ~can_reach(mdp, never, pairs)
    known = never | surely
    worth = np.where(surely, sign, 0.0)
    task = Task(mdp, pairs & ~known[:, None], np.zeros(mdp.R.shape), known, worth, rests=False)

    def finish(ending: Ending) -> Solution:
        return ending_solution(
            task,
            ending,
            Decided(known, worth, np.where(known, actions, -1), free=goal | ~kept),
            watch,
            method=method,
            tol=tol,
            wanted=tol,
            cure=f"max_iterations = {max_iterations} were not enough",
            minimise=sign < 0,
            within_range=(0.0, 1.0) if sign > 0 else (-1.0, 0.0),
        )

    return solve_task(task, watch, max_iterations, guess, finish)


def reach_reward(
    mdp: MDP,
    targets: Any,
    *,
    sense: str = "max",
    tol: float | None = None,
    max_iterations: int = 10_000,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
) -> Solution:
    """The largest, or the smallest, expected reward on the way to the targets.

    Parameters
    ----------
    mdp : MDP
        Only P, R, the allowed actions and mu are looked at: the sum of R until the targets are
        entered, not discounted. With R = 1 it is the expected number of steps.
    targets : (S,) array of bool, or indices
        0 at the targets themselves.
    sense : {"max", "min"}
        Over all policies. A policy that may miss the targets counts as inf, in both senses: so the
        largest is inf where some policy can miss them, the smallest where every policy can.
    tol : float, reward units, optional
        Largest accepted error where V is finite; ``1e-9 max|R|`` times the longest expected number
        of steps under the returned policy if omitted.
    max_iterations, V0, history, callback
        As `reach_probability`.

    Returns
    -------
    Solution
        ``V`` (S,), with inf where it is infinite; -inf where a cycle of negative rewards can be
        repeated without limit before the targets are reached, in the sense "min".

    Raises
    ------
    ModelError
        If an argument is wrong.
    ConvergenceError
        If ``tol`` is below what float64 can prove, or rewards cancel round a cycle.

    Notes
    -----
    As `total_reward`, with the targets for terminal states and without resting elsewhere.

    Examples
    --------
    The number of throws of a fair coin until it shows heads twice in a row, and without end:

    >>> P = [[[0.5, 0.5, 0, 0]], [[0.5, 0, 0.5, 0]], [[0, 0, 1, 0]], [[0, 0, 0, 1]]]
    >>> reach_reward(MDP(P, [1, 1, 1, 1], gamma=0.9), [2]).V.round(9)
    array([ 6.,  4.,  0., inf])
    """
    sign = _sign(sense)
    check_model(mdp)
    goal = state_mask(mdp, targets, "targets")
    check_count(max_iterations, "max_iterations")
    guess = None if V0 is None else sign * check_values(V0, "V0", mdp.n_states)
    tol = check_tol(tol)
    watch = Watch("reach_reward", 0.0 if tol is None else tol, history, callback)
    pairs = mdp.allowed & ~goal[:, None]
    earns = np.zeros(mdp.n_states, dtype=bool)
    if sign > 0:
        avoided, actions = _avoid(mdp, goal, pairs)
        missed = can_reach(mdp, avoided, pairs)
        pairs = pairs & ~missed[:, None]
    else:
        sure, pairs = almost_surely_reach(mdp, goal, pairs)
        missed = ~sure
        positive, _, inside = earning(mdp, -mdp.R, end_components(mdp, pairs & ~goal[:, None]))
        if positive.any():
            earns = can_reach(mdp, positive, pairs)
        actions = np.where(positive, inside, attractor_policy(mdp, positive, pairs))
        pairs = pairs & ~(earns | missed)[:, None]
    known = goal | missed | earns
    task = Task(
        mdp,
        pairs & ~goal[:, None],
        sign * mdp.R + 0.0,
        goal,
        np.zeros(mdp.n_states),
        rests=False,
        reward_roundoff=mdp.facts.reward_roundoff,
    )
    values = np.where(missed, sign * np.inf, np.where(earns, np.inf, 0.0))

    def finish(ending: Ending) -> Solution:
        time = max(1.0, min(ending.time, LARGEST))
        return ending_solution(
            task,
            ending,
            Decided(known, values, np.where(known, actions, -1), free=goal),
            watch,
            method="reach_reward",
            tol=tol,
            wanted=RELATIVE_TOL * mdp.facts.reward_max * time if tol is None else tol,
            cure=f"max_iterations = {max_iterations} were not enough",
            minimise=sign < 0,
        )

    try:
        return solve_task(task, watch, max_iterations, guess, finish)
    except EndlessCycleError as endless:
        refuse_cycle(mdp, endless)


def _sign(sense: Any) -> float:
    if sense not in ("max", "min"):
        raise ModelError(f"sense is {sense!r:.80}; it must be 'max' or 'min'.")
    return 1.0 if sense == "max" else -1.0


def _avoid(mdp: MDP, goal: BoolS, pairs: BoolSA) -> tuple[BoolS, IntS]:
    """Where some policy of these pairs never comes to the goal, and its actions."""
    safe = pairs & (kernel.expect(kernel.support(mdp.P), goal.astype(np.float64)) == 0)
    components = end_components(mdp, pairs=safe)
    inside = np.zeros_like(safe)
    for component in components:
        inside[component.pairs[:, 0], component.pairs[:, 1]] = True
    home = inside.any(axis=1) | (~pairs.any(axis=1) & ~goal)
    never, _ = almost_surely_reach(mdp, home, safe)
    towards = attractor_policy(mdp, home, safe)
    return never, np.where(inside.any(axis=1), inside.argmax(axis=1), towards)


def _within_steps(
    mdp: MDP,
    goal: BoolS,
    kept: BoolS,
    sign: float,
    steps: Any,
    tol: float | None,
    history: bool,
    callback: Callback | None,
) -> Solution:
    """Backward induction where targets, and states that must not be entered, keep one for ever."""
    check_count(steps, "steps")
    still = MDP(
        kernel.absorb(mdp.P, goal | ~kept),
        np.zeros(mdp.R.shape),
        horizon=steps,
        mu=mdp.mu,
        final=np.where(goal, sign, 0.0),
        allowed=mdp.allowed,
        terminal=(),
    )
    found = backward_induction(
        still, tol=check_tol(tol) or PROBABLE, history=history, callback=callback
    )
    certificate = found.certificate
    lower, upper = certificate.lower, certificate.upper
    if sign < 0 and lower is not None and upper is not None:
        lower, upper = negated(upper), negated(lower)
    return replace(
        found,
        V=found.V if sign > 0 else negated(found.V),
        Q=found.Q if sign > 0 else negated(found.Q, mdp.allowed),
        J=sign * found.J,
        certificate=replace(certificate, lower=lower, upper=upper),
        method="reach_probability",
    )
