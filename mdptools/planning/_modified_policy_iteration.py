"""Modified policy iteration for discounted models, stopped by MacQueen's bracket.

Takes     a discounted MDP.
Gives     a `Solution` at the middle of the bracket.
Source    Puterman and Shin (1978); Puterman (1994), section 6.5; the bracket: MacQueen (1966), see
          certificates.
Not here  exact evaluation of each policy (`_policy_iteration`).

A backup reads the rows of all actions, a sweep of the greedy policy's chain those of one. So a few
such sweeps after each backup bring V on at a fraction of the price. Where sweeps hardly help
because the chain mixes slowly, linear solves take their place: that is Howard's policy iteration.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatS, FloatSA, IntArray, IntS, readonly
from ..bellman import backup
from ..certificates import (
    MACQUEEN,
    Bracket,
    Certificate,
    bracket,
    certify,
    largest,
    optimal_actions,
    smallest,
)
from ..checks import check_count, check_served, check_tol, check_values
from ..model import MDP
from ._solution import ASKED, Solution, discounted_tol, one_hot, within

SLOW = 0.7
"""A bracket that keeps more than this part of its width in a sweep calls for linear solves."""

SETTLED, LONGER = 0.01, 3
"""Where fewer states than this part change their action, the policy is worth more sweeps."""

GLANCE = 4
"""After so many sweeps of a policy one looks whether it has been swept enough."""

LARGE_DENSE, LARGE_SPARSE = 5_000, 1_000
"""States up to which a linear solve is cheap enough: seconds at most, also where an LU fills in."""

MACQUEEN_Q = MACQUEEN + "; for Q* in the same way, around R + gamma P V"


def modified_policy_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    inner: int = 8,
    max_sweeps: int = 1_000_000,
    V0: Any = None,
    history: bool = False,
) -> Solution:
    """Optimal values by backups with cheap sweeps of the greedy policy between them.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted error of V and Q anywhere; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    inner : int
        Sweeps ``V <- R_pi + gamma P_pi V`` of the greedy policy after each backup: three times as
        many once it hardly changes, fewer where its own bracket is narrow enough for ``tol``.
    max_sweeps : int
        Give up after this many backups of all the states.
    V0 : (S,) array_like, reward units, optional
        Where to start. Zeros if omitted; the first backup is then R itself and costs nothing.
    history : bool
        Keep the bound of each backup.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``. V is the best Q of each state; ``sweeps`` counts backups.

    Raises
    ------
    ModelError
        If the model is not discounted or an argument is wrong.
    ConvergenceError
        If ``max_sweeps`` do not reach ``tol``, or float64 cannot; ``error.solution`` is the last
        iterate with its bound.

    Notes
    -----
    Time O(S^2 (A + inner)) a backup if P is dense, O(nnz (1 + inner / A)) if sparse; memory O(S A)
    besides P and one chain of it, O(S^2) or O(nnz / A). It converges from any start and for any
    number of sweeps in between (Puterman 1994, section 6.5). Once a backup with its sweeps leaves
    more than 0.7 of the bracket, each further policy is evaluated by one linear solve, O(S^3), in
    models of at most 5,000 states (1,000 if P is sparse).

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = modified_policy_iteration(mdp, tol=1e-6)
    >>> solution.V.round(3), solution.certificate.bound <= 1e-6
    (array([42.442, 36.047]), True)
    """
    check_served(
        mdp,
        "modified_policy_iteration",
        "discounted",
        instead="solve, backward_induction (finite) or total_reward (total)",
    )
    check_count(inner, "inner")
    check_count(max_sweeps, "max_sweeps")
    wanted = discounted_tol(mdp, check_tol(tol))
    V, Q = _first_backup(mdp, V0)
    states = kernel.first_rows(*mdp.R.shape)  # plus an action: the row of a pair
    solves = mdp.n_states <= (LARGE_DENSE if mdp.facts.dense else LARGE_SPARSE)
    solving, solved = False, set[bytes]()
    pairs, chain = np.full(mdp.n_states, -1), None
    spread = np.inf
    trace: list[float] = []
    for sweep in range(1, max_sweeps + 1):
        greedy = states + Q.argmax(axis=1)
        TV = Q.take(greedy)
        found = bracket(mdp, V, TV, TV)
        width, floor = _width(found), _floor(found)
        if history:
            trace.append(width)
        at_floor = width <= 2 * floor
        if width <= wanted or at_floor or sweep == max_sweeps:
            solution = _finish(mdp, greedy - states, Q, TV, found, sweep, trace)
            if solution.certificate.bound <= wanted or at_floor or sweep == max_sweeps:
                break
        before, spread = spread, found.high - found.low
        solving = solves and (solving or spread > SLOW * before)
        changed = np.flatnonzero(greedy != pairs)
        chain = _follow(mdp, chain, greedy, changed)
        pairs, rewards = greedy, mdp.R.take(greedy)
        exact = None
        if solving and pairs.tobytes() not in solved:  # ties may bring a policy back
            solved.add(pairs.tobytes())
            exact = _evaluate(mdp, chain, rewards)
        if exact is None:
            sweeps = inner * (LONGER if len(changed) <= SETTLED * mdp.n_states else 1)
            V = _sweep(mdp, chain, rewards, TV, sweeps, wanted * (1 - mdp.gamma) / 2)
        else:
            V = exact
        Q = backup(mdp, V)
    return within(
        solution,
        tol,
        wanted,
        floor=floor if at_floor else None,
        cure=f"max_sweeps = {max_sweeps} were not enough; policy_iteration needs none",
    )


def _first_backup(mdp: MDP, V0: Any) -> tuple[FloatS, FloatSA]:
    """The start and its backup, for which a start at zero needs no product."""
    if V0 is None:
        Q = mdp.R if mdp.facts.all_allowed else np.where(mdp.allowed, mdp.R, -np.inf)
        return np.zeros(mdp.n_states), Q
    V = np.where(mdp.terminal, 0.0, check_values(V0, "V0", mdp.n_states))
    return V, backup(mdp, V)


def _follow(mdp: MDP, chain: Any, pairs: IntS, changed: IntArray) -> Any:
    """The chain of ``pairs``, from that of a policy that differs in the states ``changed``."""
    if chain is None or (len(changed) and not mdp.facts.dense):
        return kernel.take(mdp.P, pairs)
    if len(changed):
        chain[changed] = kernel.take(mdp.P, pairs[changed])
    return chain


def _sweep(mdp: MDP, chain: Any, rewards: FloatS, V: FloatS, sweeps: int, enough: float) -> FloatS:
    """V after some sweeps of one policy, fewer if its differences spread no more than ``enough``.

    That is a quarter of the tolerance: the rest is for what the next backup finds.
    """
    for sweep in range(1, sweeps + 1):
        before, V = V, chain @ V
        V *= mdp.gamma
        V += rewards
        if sweep % GLANCE == 0:
            rise = V - before
            if largest(rise) - smallest(rise) <= enough:
                break
    return V


def _evaluate(mdp: MDP, chain: kernel.Chain, rewards: FloatS) -> FloatS | None:
    """V of one policy by a linear solve; None where float64 cannot."""
    try:
        V = kernel.Resolvent(chain, mdp.gamma).solve(rewards)
    except ArithmeticError:
        return None
    V[mdp.terminal] = 0.0  # pivoting can leave 1e-16 there
    return V if np.isfinite(V).all() else None


def _width(found: Bracket) -> float:
    """Half the bracket of V*: that of TV, and half of the differences' spread more.

    The bracket of Q* around Q is that of V* around TV: half of it is gamma times this, as what is
    said of ``Solution.optimal_actions`` asks for, and no further backup is needed to get there.
    """
    return (1 + found.factor) * (found.high - found.low) / 2 + found.roundoff


def _floor(found: Bracket) -> float:
    """The width that would be left if TV were V."""
    return found.roundoff * (2 * found.factor + 3)


def _finish(
    mdp: MDP,
    actions: IntS,
    Q: FloatSA,
    TV: FloatS,
    found: Bracket,
    sweeps: int,
    trace: list[float],
) -> Solution:
    """Shift V and Q to the middle of their bracket."""
    shift = np.where(mdp.terminal, 0.0, found.shift)
    bound, loss, lower, upper = certify(mdp, TV, TV, found, found.shift)
    # Q may be far below TV, and its sum with the shift is rounded.
    most = mdp.facts.reward_max + mdp.gamma * found.scale + abs(found.shift)
    bound += (found.high - found.low) / 2 + 2 * EPS * most
    V = TV + shift
    return Solution(
        V=readonly(V),
        Q=readonly(Q + shift[:, None]),
        pi=one_hot(actions, mdp.n_actions),
        # Before the shift: it moves all actions of a state alike, but for a rounding.
        optimal_actions=optimal_actions(Q, TV, mdp.gamma * bound + 2 * found.roundoff),
        J=float(mdp.mu @ V),
        certificate=Certificate(
            bound=bound,
            loss=loss,
            residual=found.high - found.low,
            theorem=MACQUEEN_Q,
            lower=lower,
            upper=upper,
        ),
        method="modified_policy_iteration",
        reason=ASKED,
        sweeps=sweeps,
        history=readonly(np.array(trace)) if trace else None,
    )
