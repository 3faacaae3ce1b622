"""Lookahead: the policy that plans k steps ahead with V at their end, and what it can lose.

Takes     an MDP, values V from anywhere, a number of steps.
Gives     a `Solution`: V after k backups, the Q of the first step, the policy greedy in it.
Source    Bertsekas and Tsitsiklis (1996), section 6.1, for the loss that an error of V allows;
          MacQueen (1966) for what the last backup itself proves. Their meeting is derived in
          `lookahead`.
Not here  backups until a tolerance is kept (`_value_iteration`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import EPS, BoolSA, FloatArray, FloatS, FloatSA, as_floats, readonly
from ..bellman import backup
from ..certificates import (
    MACQUEEN,
    Certificate,
    backup_roundoff,
    bracket,
    certify,
    largest,
    magnitude,
    optimal_actions,
)
from ..checks import check_count, check_served, check_values, number_or_nan
from ..errors import ConvergenceError, ModelError
from ..evaluation import evaluate
from ..model import MDP
from ._finite_horizon import backward_induction
from ._solution import ASKED, Solution, one_hot
from ._total_reward import total_reward

WITH_ERROR = (
    MACQUEEN + "; |V - V*| <= e gives |T^k V - V*| <= gamma^k e; the meet of both intervals"
)
SOLVED = (
    "without discounting a backup proves nothing: V* by solving the model, V^pi by evaluating pi"
)


def lookahead(mdp: MDP, V: Any, k: int = 1, *, error: float | None = None) -> Solution:
    """Plan k steps ahead, with V standing for what comes after them.

    Parameters
    ----------
    mdp : MDP
        Discounted, of total reward, or with a horizon.
    V : (S,) or, with a horizon H, also (H+1, S) array_like, reward units
        What being in a state is worth after the k steps; with a horizon one array for all times or
        one for each. On terminal states it counts as 0, and at the horizon as ``final``.
    k : int
        Number of steps; 1 is the greedy policy. With a horizon at most as many as are left.
    error : float, reward units, optional
        What is known of V: max |V - V*|, over all states and times.

    Returns
    -------
    Solution
        ``V`` is V after k backups, ``Q`` the last of them: what each first action is worth if the
        next k - 1 are planned. ``pi`` takes the best first action, in each state anew.
        ``certificate.bound`` is the error of these V and Q, ``certificate.loss`` what pi can lose
        against the optimum; ``lower`` and ``upper`` hold for V*.

    Raises
    ------
    ModelError
        If the model is one of average reward; if an argument is wrong; if ``error`` is refuted by
        what the backups prove of V*; for total reward if the optimum is infinite.

    Notes
    -----
    Discounted: pi is greedy with respect to W = T^(k-1) V. With low and high the smallest and
    largest of TW - W and g = gamma / (1 - gamma), TW + g low <= V^pi <= V* <= TW + g high. So pi
    loses at most g (high - low), and nothing has to be known of V. If |V - V*| <= e, then V* is
    also within gamma^k e of TW, and the loss is at most

        min(g high, gamma^k e) - g low <= 2 gamma^k e / (1 - gamma).

    The right hand side is the classical bound; it follows because low >= -(1 + gamma)
    gamma^(k-1) e, and equality is possible. All with the round-off of the backups added.

    A finite horizon and total reward have no such inequality: without discounting a difference
    never fades. There the model is solved and pi is evaluated: ``loss`` is what pi does lose, up to
    the errors of both. For total reward it is inf where pi can go on for ever among rewards.

    Time of k + 1 backups, O(k S^2 A) if P is dense, O(k nnz) if sparse. With a horizon k H of them
    if V depends on time, else k + H, and 3 H more to solve and to evaluate; for total reward one
    policy iteration more.

    Examples
    --------
    Going on pays 1 for ever, but to get there costs 2. One step ahead does not show that:

    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0, -2], [1, 1]], gamma=0.9)
    >>> for k in (1, 2, 3, 4):
    ...     solution = lookahead(mdp, [0, 0], k)
    ...     print(k, solution.pi[0], round(solution.certificate.loss, 3))
    1 [1. 0.] 9.0
    2 [1. 0.] 8.1
    3 [1. 0.] 7.29
    4 [0. 1.] 2.61

    Who knows how far V is from V* can know more:

    >>> [round(lookahead(mdp, [5, 10], error=e).certificate.loss, 3) for e in (None, 2)]
    [18.0, 1.8]
    """
    check_served(
        mdp,
        "lookahead",
        "discounted",
        "finite",
        "total",
        instead="relative_value_iteration or average_policy_iteration",
    )
    check_count(k, "k")
    known = _check_error(error)
    given = _check_given(mdp, V)
    if mdp.objective == "discounted":
        return _discounted(mdp, given, k, known)
    best = _solved(mdp)
    values, Q = _planned_finite(mdp, given, k) if mdp.horizon else _planned(mdp, given, k)
    return _compared(mdp, given, values, Q, best, k, known)


def _check_error(error: Any) -> float | None:
    if error is None:
        return None
    known = number_or_nan(error)
    if not 0 <= known < np.inf:
        raise ModelError(
            f"error is {error!r:.80}; it must be a number >= 0: the largest distance of V from V*, "
            f"in reward units. Leave it out if it is not known."
        )
    return known


def _check_given(mdp: MDP, V: Any) -> FloatArray:
    """V as it counts: (S,), or (H+1, S) with ``final`` at the end."""
    given = as_floats(V, "V")
    if mdp.horizon is None or given.ndim == 1:
        return np.where(mdp.terminal, 0.0, check_values(given, "V", mdp.n_states))
    shape = (mdp.horizon + 1, mdp.n_states)
    if given.shape != shape:
        raise ModelError(f"V has shape {given.shape}; it must be ({mdp.n_states},) or {shape}.")
    table = [check_values(given[t], f"V[{t}]", mdp.n_states) for t in range(len(given))]
    return np.where(mdp.terminal, 0.0, table)


# --- discounted ---------------------------------------------------------------------------------


def _discounted(mdp: MDP, given: FloatS, k: int, known: float | None) -> Solution:
    growth = mdp.gamma * (1 + 2 * mdp.facts.row_defect) * (1 + 2 * EPS)
    V, radius = given, known or 0.0
    for _ in range(k):
        W, Q = V, backup(mdp, V)
        V = Q.max(axis=1)
        radius = growth * radius + backup_roundoff(mdp, magnitude(W))
    found = bracket(mdp, W, V, V)
    bound, loss, lower, upper = certify(mdp, V, V, found)
    theorem = MACQUEEN
    if known is not None:
        # What is known may speak of rows that sum to one, or of rows as they are: their V* differ.
        size = magnitude(given) + known
        time = mdp.facts.time
        apart = 2 * mdp.gamma * mdp.facts.row_defect * size * time if time < np.inf else np.inf
        slack = 4 * EPS * (magnitude(V) + radius + apart)
        radius += apart + slack
        near = known + apart + EPS * size
        # V after k backups need not be asked: U = TW + g low has TU >= U, and so V + e >= U gives
        # T^k V + gamma^k e >= T^k U >= U; with TW + g high from above in the same way.
        _refute(mdp, given, near, known, lower, upper)
        lowest = np.maximum(given - near, V - radius)
        highest = np.minimum(given + near, V + radius)
        loss = min(loss, max(largest(np.minimum(upper, highest) - lower), 0.0) + slack)
        bound = min(bound, radius)
        lower = readonly(np.maximum(lower, lowest))
        upper = readonly(np.minimum(upper, highest))
        theorem = WITH_ERROR
    return Solution(
        V=readonly(V),
        Q=readonly(Q),
        pi=one_hot(Q.argmax(axis=1), mdp.n_actions),
        optimal_actions=_possible(mdp, lower, upper),
        J=float(mdp.mu @ V),
        certificate=Certificate(
            bound=bound,
            loss=loss,
            residual=found.high - found.low,
            theorem=theorem,
            lower=lower,
            upper=upper,
        ),
        method="lookahead",
        reason=ASKED,
        sweeps=k,
    )


def _possible(mdp: MDP, lower: FloatS, upper: FloatS) -> BoolSA:
    """Every action that could be optimal, by one more backup of the middle of V*'s interval."""
    half = max(largest(upper - lower), 0.0) / 2
    if not half < np.inf:
        return readonly(mdp.allowed.copy())
    middle = lower + (upper - lower) / 2
    scale = magnitude(middle)
    Q = backup(mdp, middle)
    error = mdp.gamma * (half + 2 * EPS * (scale + half)) + backup_roundoff(mdp, scale)
    return optimal_actions(Q, Q.max(axis=1), error)


def _refute(
    mdp: MDP, V: FloatArray, near: float, known: float, lower: FloatArray, upper: FloatArray
) -> None:
    """Pass if V can be that near to V*; else raise ModelError naming a state."""
    wrong = (V - near > upper) | (V + near < lower)
    if not wrong.any():
        return
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    time = f" at time {place[0]}" if len(place) == 2 else ""
    raise ModelError(
        f"error is {known:.6g}, but V is farther from V*: in state {mdp.name_of_state(place[-1])}"
        f"{time} V is {V[place]:.6g}, and V* is proved to be in [{lower[place]:.6g}, "
        f"{upper[place]:.6g}]. State a larger error, or none."
    )


# --- without discounting ------------------------------------------------------------------------


def _planned(mdp: MDP, V: FloatS, k: int) -> tuple[FloatS, FloatSA]:
    """k backups."""
    for _ in range(k):
        Q = backup(mdp, V)
        V = Q.max(axis=1)
    return V, Q


def _planned_finite(mdp: MDP, given: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """At each time as many backups as steps are planned, from the values at the end of them."""
    horizon = mdp.horizon or 0
    values = np.zeros((horizon + 1, mdp.n_states))
    if mdp.final is not None:
        values[horizon] = mdp.final
    Q = np.zeros((horizon, mdp.n_states, mdp.n_actions))
    for t in range(horizon - 1, -1, -1):
        if t + k >= horizon:  # planned to the end: one backup more than a step later
            values[t], Q[t] = _planned(mdp, values[t + 1], 1)
        elif given.ndim == 1 and t + k + 1 < horizon:
            values[t], Q[t] = values[t + 1], Q[t + 1]
        else:
            values[t], Q[t] = _planned(mdp, given if given.ndim == 1 else given[t + k], k)
    return values, Q


def _solved(mdp: MDP) -> Solution:
    """The optimum, with whatever bound float64 gives."""
    planner = backward_induction if mdp.horizon else total_reward
    try:
        return planner(mdp, tol=np.inf)
    except ConvergenceError as unproved:
        if unproved.solution is None:
            raise
        found: Solution = unproved.solution
        return found


def _compared(
    mdp: MDP,
    given: FloatArray,
    V: FloatArray,
    Q: FloatArray,
    best: Solution,
    k: int,
    known: float | None,
) -> Solution:
    """The answer, with what is known because the model was solved."""
    pi = one_hot(Q.argmax(axis=-1), mdp.n_actions)
    unsure = best.certificate.bound
    lower, upper = best.certificate.lower, best.certificate.upper
    if known is not None and lower is not None and upper is not None:
        end = slice(None, mdp.horizon)  # at the horizon the values are `final` anyway
        near = known + EPS * (magnitude(given.reshape(-1)) + known)
        stated = np.broadcast_to(given, lower.shape)[end]
        _refute(mdp, stated, near, known, lower[end], upper[end])
    allowed = np.broadcast_to(mdp.allowed, Q.shape)
    apart = max(magnitude((V - best.V).ravel()), magnitude(Q[allowed] - best.Q[allowed]))
    try:
        own = evaluate(mdp, pi)
        lost = float((best.V - own.V).max())
        loss = lost + unsure + own.certificate.bound
    except (ModelError, ConvergenceError):  # it may go on for ever among rewards
        lost = loss = np.inf
    slack = 4 * EPS * float(np.abs(best.V).max() + apart)
    return Solution(
        V=readonly(V),
        Q=readonly(Q),
        pi=pi,
        optimal_actions=best.optimal_actions,
        J=float(mdp.mu @ (V[0] if mdp.horizon else V)),
        certificate=Certificate(
            bound=apart + unsure + slack,
            loss=max(loss, 0.0) + slack,
            residual=lost,
            theorem=SOLVED,
            lower=lower,
            upper=upper,
        ),
        method="lookahead",
        reason=ASKED,
        sweeps=k,
    )
