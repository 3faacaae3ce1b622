"""Value iteration and Q-iteration for discounted models, stopped by MacQueen's bracket.

Takes     a discounted MDP.
Gives     a `Solution` at the middle of the bracket.
Source    backup: Sutton and Barto (2018), eq. (4.10); the bracket: MacQueen (1966), see
          certificates.
Not here  other objectives (`_finite_horizon`, `_total_reward`).

The stopping rule is worth more than the sweeps: V itself is off by gamma^k max |V0 - V*|, but its
differences settle at the pace of the mixing, and the bracket sees only these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import FloatS, FloatSA, as_floats, readonly
from ..bellman import backup, expect_actions
from ..certificates import (
    MACQUEEN,
    Bracket,
    Certificate,
    bracket,
    certify,
    mixing_roundoff,
    optimal_actions,
)
from ..checks import check_count, check_served, check_tol, check_values
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._solution import ASKED, Solution, discounted_tol, one_hot, within

INSTEAD = "solve, backward_induction (finite) or total_reward (total)"


def value_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    max_sweeps: int = 1_000_000,
    V0: Any = None,
    history: bool = False,
) -> Solution:
    """Optimal values by repeated Bellman backups, with a proved error bound.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted distance between V and V* in any state; ``1e-9 max|R| / (1 - gamma)`` if
        omitted.
    max_sweeps : int
        Give up after this many backups of all the states.
    V0 : (S,) array_like, reward units, optional
        Where to start. Zeros if omitted.
    history : bool
        Keep the bound of each sweep.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``. V is the best Q of each state.

    Raises
    ------
    ModelError
        If the model is not discounted or an argument is wrong.
    ConvergenceError
        If ``max_sweeps`` do not reach ``tol``, or float64 cannot; ``error.solution`` is the last
        iterate with its bound.

    Notes
    -----
    Time O(S^2 A) a sweep if P is dense, O(nnz) if sparse; memory O(S A) besides P. A sweep
    contracts the bracket at least by gamma, and by the mixing of the model on top of that.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = value_iteration(mdp, tol=1e-6)
    >>> solution.V.round(3), solution.certificate.bound <= 1e-6
    (array([42.442, 36.047]), True)
    """
    check_served(mdp, "value_iteration", "discounted", instead=INSTEAD)
    start = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
    return _iterate(mdp, "value_iteration", None, start, tol, max_sweeps, history)


def q_iteration(
    mdp: MDP,
    pi: Any = None,
    *,
    tol: float | None = None,
    max_sweeps: int = 1_000_000,
    Q0: Any = None,
    history: bool = False,
) -> Solution:
    """Q* by repeated backups of Q; with a policy, Q^pi.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    pi : (S, A) array_like, optional
        The policy whose Q is wanted. The optimal one if omitted.
    tol : float, reward units, optional
        Largest accepted error of Q in any pair; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    max_sweeps : int
    Q0 : (S, A) array_like, reward units, optional
        Where to start. Zeros if omitted; what it says of refused pairs is not looked at.
    history : bool
        Keep the bound of each sweep.

    Returns
    -------
    Solution
        With ``pi``: V and Q are those of pi, ``pi`` is pi itself, ``optimal_actions`` are the
        actions that could be the best by Q, and ``certificate.loss`` is inf.

    Raises
    ------
    ModelError, ConvergenceError
        As `value_iteration`.

    Notes
    -----
    ``Q <- R + gamma P max_a Q``, or ``R + gamma P sum_a pi Q``; cost as `value_iteration`.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> q_iteration(mdp).Q.round(3)
    array([[40.32 , 42.442],
           [36.047, 35.017]])
    >>> q_iteration(mdp, [[1, 0], [1, 0]]).V.round(3)
    array([28.74 , 24.016])
    """
    check_served(mdp, "q_iteration", "discounted", instead=INSTEAD)
    policy = None if pi is None else check_policy(mdp, pi)
    start = np.zeros(mdp.n_states)
    if Q0 is not None:
        table = as_floats(Q0, "Q0")
        if table.shape != mdp.allowed.shape or not np.isfinite(table[mdp.allowed]).all():
            raise ModelError(
                f"Q0 has shape {table.shape}; it must be (S, A) = {mdp.allowed.shape} and finite "
                f"at allowed pairs."
            )
        table[~mdp.allowed] = -np.inf
        start = table.max(axis=1) if policy is None else expect_actions(policy, table)
    return _iterate(mdp, "q_iteration", policy, start, tol, max_sweeps, history)


def _iterate(
    mdp: MDP,
    method: str,
    pi: FloatSA | None,
    V: FloatS,
    tol: float | None,
    max_sweeps: int,
    history: bool,
) -> Solution:
    """Sweep until the middle of the bracket is within tol."""
    check_count(max_sweeps, "max_sweeps")
    wanted = discounted_tol(mdp, check_tol(tol))
    value: Callable[[FloatSA], FloatS] = (
        (lambda Q: Q.max(axis=1)) if pi is None else (lambda Q: expect_actions(pi, Q))
    )
    trace: list[float] = []
    V = np.where(mdp.terminal, 0.0, V)
    for sweep in range(1, max_sweeps + 1):
        Q = backup(mdp, V)
        TV = value(Q)
        found = bracket(mdp, V, TV, TV)
        if pi is not None:
            found = _widened(found, mixing_roundoff(mdp, pi, V, Q))
        if history:
            trace.append(found.width)
        at_floor = found.width <= 2 * found.floor
        if found.width <= wanted or at_floor or sweep == max_sweeps:
            solution = _finish(mdp, method, pi, value, Q, TV, found, sweep, trace)
            if solution.certificate.bound <= wanted or at_floor or sweep == max_sweeps:
                break
        V = TV
    return within(
        solution,
        tol,
        wanted,
        floor=found.floor if at_floor else None,
        cure=f"max_sweeps = {max_sweeps} were not enough; policy_iteration needs none",
    )


def _widened(found: Bracket, more: float) -> Bracket:
    """The bracket with the round-off of the mixing over actions added."""
    return found._replace(
        low=found.low - more, high=found.high + more, roundoff=found.roundoff + more
    )


def _finish(
    mdp: MDP,
    method: str,
    pi: FloatSA | None,
    value: Callable[[FloatSA], FloatS],
    Q: FloatSA,
    TV: FloatS,
    found: Bracket,
    sweeps: int,
    trace: list[float],
) -> Solution:
    """Shift to the middle of the bracket, and back up once more so that V and Q fit together."""
    middle = TV + found.shift
    middle[mdp.terminal] = 0.0
    bound, loss, lower, upper = certify(mdp, TV, TV, found, found.shift)
    fitting = backup(mdp, middle)
    V = value(fitting)
    # One more backup contracts the error by gamma and adds its own round-off.
    error = mdp.gamma * bound + 2 * found.roundoff
    bound = max(bound, error) if pi is None else max(bound, error + found.roundoff)
    best = fitting.max(axis=1)
    return Solution(
        V=readonly(V),
        Q=readonly(fitting),
        pi=one_hot(Q.argmax(axis=1), mdp.n_actions) if pi is None else pi,
        optimal_actions=optimal_actions(fitting, best, error),
        J=float(mdp.mu @ V),
        certificate=Certificate(
            bound=bound,
            loss=loss if pi is None else np.inf,
            residual=found.high - found.low,
            theorem=MACQUEEN,
            lower=lower,
            upper=upper,
        ),
        method=method,
        reason=ASKED,
        sweeps=sweeps,
        history=readonly(np.array(trace)) if trace else None,
    )
