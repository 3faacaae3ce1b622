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
from ..checks import check_served, check_tol, check_values
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._solution import Solution, discounted_tol, one_hot
from ._sweeps import Patience, affordable, sweep_until, widened
from ._watch import Callback, Watch

INSTEAD = "solve, backward_induction (finite) or total_reward (total)"


def value_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    max_sweeps: int | None = None,
) -> Solution:
    """Optimal values by repeated Bellman backups, with a proved error bound.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted distance between V and V* in any state; ``1e-9 max|R| / (1 - gamma)`` if
        omitted.
    V0 : (S,) array_like, reward units, optional
        Where to start. Zeros if omitted.
    history : bool
        Keep the bound of each sweep.
    callback : callable, optional
        Called with a `Step` after each sweep. If it raises StopIteration, or at Ctrl-C, the answer
        is what was found so far, with its bound.
    max_sweeps : int, optional
        Give up after this many backups of all the states. If omitted, after as many as take
        about a second, but not before 20,000, unless the pace of the last half of them shows that
        these would not do.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``, unless it was stopped. V is the best Q of each state.

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
    wanted = discounted_tol(mdp, check_tol(tol))
    V = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
    V[mdp.terminal] = 0.0
    return sweep_until(
        _Hard(mdp, None),
        V,
        Watch("value_iteration", wanted, history, callback),
        Patience(max_sweeps, affordable(mdp), mdp.n_states),
        tol=tol,
        wanted=wanted,
        instead="policy_iteration needs none",
    )


def q_iteration(
    mdp: MDP,
    pi: Any = None,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    max_sweeps: int | None = None,
    Q0: Any = None,
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
    V0, history, callback, max_sweeps
        As `value_iteration`.
    Q0 : (S, A) array_like, reward units, optional
        Where to start, in the place of V0; what it says of refused pairs is not looked at.

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
    wanted = discounted_tol(mdp, check_tol(tol))
    V = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
    if Q0 is not None:
        if V0 is not None:
            raise ModelError("V0 and Q0 are both given; q_iteration starts from one of them.")
        table = as_floats(Q0, "Q0")
        if table.shape != mdp.allowed.shape or not np.isfinite(table[mdp.allowed]).all():
            raise ModelError(
                f"Q0 has shape {table.shape}; it must be (S, A) = {mdp.allowed.shape} and finite "
                f"at allowed pairs."
            )
        table[~mdp.allowed] = -np.inf
        V = table.max(axis=1) if policy is None else expect_actions(policy, table)
    V[mdp.terminal] = 0.0
    return sweep_until(
        _Hard(mdp, policy),
        V,
        Watch("q_iteration", wanted, history, callback),
        Patience(max_sweeps, affordable(mdp), mdp.n_states),
        tol=tol,
        wanted=wanted,
        instead="policy_iteration needs none" if pi is None else "evaluate needs none",
    )


class _Hard:
    """The best action of each state; with a policy, the mean over its own."""

    def __init__(self, mdp: MDP, pi: FloatSA | None) -> None:
        self.mdp, self.pi = mdp, pi

    def fold(self, Q: FloatSA) -> FloatS:
        """max_a Q, or sum_a pi Q."""
        V: FloatS = Q.max(axis=1) if self.pi is None else expect_actions(self.pi, Q)
        return V

    def bracket(self, V: FloatS, Q: FloatSA, TV: FloatS) -> Bracket:
        """MacQueen's numbers, with the round-off of the mean over actions."""
        found = bracket(self.mdp, V, TV, TV)
        if self.pi is None:
            return found
        return widened(found, mixing_roundoff(self.mdp, self.pi, V, Q))

    def answer(self, Q: FloatSA, TV: FloatS, found: Bracket, watch: Watch) -> Solution:
        """Shift to the middle of the bracket; back up once more so that V and Q fit together."""
        mdp, pi = self.mdp, self.pi
        middle = TV + found.shift
        middle[mdp.terminal] = 0.0
        bound, loss, lower, upper = certify(mdp, TV, TV, found, found.shift)
        fitting = backup(mdp, middle)
        V = self.fold(fitting)
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
            method=watch.method,
            reason=watch.reason,
            sweeps=watch.sweeps,
            history=watch.trace,
        )
