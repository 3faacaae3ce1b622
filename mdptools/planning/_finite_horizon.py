"""Backward induction: the optimum of a finite horizon, exact but for round-off.

Takes     an MDP with a horizon.
Gives     a `Solution` with time in front: V (H+1, S); Q, pi, optimal_actions (H, S, A).
Source    Puterman (1994), section 4.5.
Not here  infinite horizons.

Stopped early, the times that were not reached take over TV, the backup of the last V. With e the
error of V and d = max |TV - V|, the value k steps before V is within
gamma^k e + (1 + ... + gamma^(k-1)) d of V, and the value before that, a backup of it, within gamma
times this of TV. The same holds of the values of the policy that takes the best actions of TV.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..arrays import EPS, TINY, FloatArray, FloatS, FloatSA, IntArray, readonly
from ..bellman import backup
from ..certificates import Certificate, backup_roundoff, largest, magnitude, optimal_actions
from ..checks import check_fits, check_served, check_tol
from ..model import MDP
from ._solution import RELATIVE_TOL, Solution, one_hot, within
from ._watch import Callback, Watch

SWEEPS = "e[t] <= gamma e[t+1] + the round-off of one backup; exact but for round-off"
STOPPED_SWEEPS = (
    "e[t] <= gamma e[t+1] + the round-off of one backup; before the times that were reached also "
    "|T^k V - V| <= (1 + ... + gamma^(k-1)) max |TV - V|"
)


def backward_induction(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
) -> Solution:
    """The optimal time-dependent policy of a finite horizon.

    Parameters
    ----------
    mdp : MDP
        With ``horizon=``; ``final`` is the value at its end.
    tol : float, reward units, optional
        Largest accepted error of V at any time and state; ``1e-9 (H max|R| + max|final|)`` if
        omitted.
    V0 : object, optional
        Not looked at: there is nothing to guess. The start is ``mdp.final``.
    history : bool
        Keep what would be proved of all times after each backup, if it were the last.
    callback : callable, optional
        Called with a `Step` after each backup. If it raises StopIteration, or at Ctrl-C, the times
        that were not reached take over the last backup, and the bound says how far off that can
        be.

    Returns
    -------
    Solution
        V (H+1, S) with ``V[H] = final``; Q, pi and optimal_actions (H, S, A).

    Raises
    ------
    ModelError
        If the model has no horizon.
    ConvergenceError
        If ``tol`` is below the round-off; ``error.floor`` is that round-off.

    Notes
    -----
    Time O(H S^2 A) if P is dense, O(H nnz) if sparse; memory O(H S A).

    Examples
    --------
    >>> mdp = MDP(
    ...     [[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], horizon=2
    ... )
    >>> solution = backward_induction(mdp)
    >>> solution.V, solution.pi[0].argmax(axis=1)
    (array([[12. ,  7.4],
           [10. ,  2. ],
           [ 0. ,  0. ]]), array([1, 0]))
    """
    check_served(mdp, "backward_induction", "finite", instead="solve")
    wanted = tol = check_tol(tol)
    horizon = mdp.horizon or 0
    if wanted is None:
        final = 0.0 if mdp.final is None else float(np.abs(mdp.final).max())
        wanted = RELATIVE_TOL * (horizon * mdp.facts.reward_max + final)
    watch = Watch("backward_induction", wanted, history, callback)

    def finish(found: Swept) -> Solution:
        V, Q, error = found.V, found.Q, found.error
        possible = [optimal_actions(Q[t], V[t], float(error[t])) for t in range(horizon)]
        solution = Solution(
            V=readonly(V),
            Q=readonly(Q),
            pi=one_hot(Q.argmax(axis=2), mdp.n_actions),
            optimal_actions=readonly(np.stack(possible)),
            J=float(mdp.mu @ V[0]),
            # V is the evaluation of pi as well, with the same error.
            certificate=found.certificate(loss=2 * found.bound),
            method=watch.method,
            reason=watch.reason,
            sweeps=watch.sweeps,
            history=watch.trace,
        )
        return within(solution, tol, wanted, floor=found.bound, cure="", stopped=watch.stopped)

    return sweep_back(mdp, lambda Q: Q.max(axis=1), lambda _: 0.0, watch, finish)


class Swept(NamedTuple):
    """What backward induction found.

    Attributes
    ----------
    V : (H+1, S) array
    Q : (H, S, A) array
    error : (H+1,) array, reward units
        Of V and Q at each time.
    bound : float, reward units
        For all times. Where times were not reached Q is as wrong as V there, and the bound is
        1 / gamma times that: so it says of ``Solution.optimal_actions`` what it always does.
    residual : float, reward units
        The largest round-off of one backup; if times were not reached, max |TV - V| of the last V.
    theorem : str
    """

    V: FloatArray
    Q: FloatArray
    error: FloatArray
    bound: float
    residual: float
    theorem: str

    def certificate(self, loss: float) -> Certificate:
        """Of an answer whose policy loses so much at most."""
        return Certificate(
            bound=self.bound,
            loss=loss,
            residual=self.residual,
            theorem=self.theorem,
            lower=readonly(self.V - self.error[:, None]),
            upper=readonly(self.V + self.error[:, None]),
        )


def sweep_back(
    mdp: MDP,
    fold: Callable[[FloatSA], FloatS],
    roundoff: Callable[[FloatSA], float],
    watch: Watch,
    finish: Callable[[Swept], Solution],
) -> Solution:
    """One backup for each step, from the last to the first.

    Parameters
    ----------
    mdp : MDP
        With a horizon.
    fold : function of Q (S, A)
        V (S,) of a backup: 1-Lipschitz, and a constant more where all Q are.
    roundoff : function of Q (S, A)
        What ``fold`` adds to the round-off of the backup, reward units.
    watch : Watch
    finish : function of what was `Swept` -> Solution
        Called once more if Ctrl-C falls into it.

    Returns
    -------
    Solution
    """
    horizon = mdp.horizon or 0
    check_fits(horizon, mdp.n_states, mdp.n_actions, watch.method)
    V = np.zeros((horizon + 1, mdp.n_states))
    Q = np.zeros((horizon, mdp.n_states, mdp.n_actions))
    if mdp.final is not None:
        V[horizon] = mdp.final
    growth = mdp.gamma * (1 + 2 * mdp.facts.row_defect)
    error, rounded = np.zeros(horizon + 1), np.zeros(horizon)

    def search() -> None:
        for t in range(horizon - 1, -1, -1):
            Q[t] = backup(mdp, V[t + 1])
            V[t] = fold(Q[t])
            rounded[t] = step = backup_roundoff(mdp, magnitude(V[t + 1])) + roundoff(Q[t])
            error[t] = growth * error[t + 1] + step
            bound = largest(error[t:]) if watch.looks else 0.0
            if watch.looks and t:  # the first or the last of the times before t is the worst
                later = 2 * (backup_roundoff(mdp, magnitude(V[t])) + roundoff(Q[t]))
                drift = growth * magnitude(V[t] - V[t + 1]) + later
                ends = _unreached(growth, error[t], later, drift, np.array([0, t - 1]))
                bound = max(bound, largest(ends) / (mdp.gamma or 1.0))
            watch.see(bound)

    def swept(_: None) -> Solution:
        t = horizon - watch.sweeps  # V[t] is done
        bound = largest(error[t:])
        if not t:
            return finish(Swept(V, Q, error, bound, largest(rounded), SWEEPS))
        Q[:t] = backup(mdp, V[t])
        V[:t] = fold(Q[0])
        step = backup_roundoff(mdp, magnitude(V[t])) + roundoff(Q[0])
        residual = magnitude(V[0] - V[t])
        error[:t] = _unreached(growth, error[t], step, residual, np.arange(t - 1, -1, -1))
        bound = max(bound, largest(error[:t]) / (mdp.gamma or 1.0))
        return finish(Swept(V, Q, error, bound, residual, STOPPED_SWEEPS))

    return watch.answer(search, swept)


def _unreached(growth: float, error: float, step: float, drift: float, k: IntArray) -> FloatArray:
    """The error of TV as the value k + 1 steps before V, see the head of this file."""
    sums = k if growth == 1 else np.expm1(k * math.log(max(growth, TINY))) / (growth - 1)
    reach = growth**k * error + sums * (drift + step)
    total: FloatArray = (growth * reach + step) * (1 + 8 * EPS * (k + 8))
    return total
