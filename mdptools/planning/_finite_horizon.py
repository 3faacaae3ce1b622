"""Backward induction: the optimum of a finite horizon, exact but for round-off.

Takes     an MDP with a horizon.
Gives     a `Solution` with time in front: V (H+1, S); Q, pi, optimal_actions (H, S, A).
Source    Puterman (1994), section 4.5.
Not here  infinite horizons.
"""

from __future__ import annotations

import numpy as np

from ..arrays import readonly
from ..bellman import backup
from ..certificates import Certificate, backup_roundoff, optimal_actions
from ..checks import check_served, check_tol
from ..model import MDP
from ._solution import ASKED, RELATIVE_TOL, Solution, one_hot, within

SWEEPS = "e[t] <= gamma e[t+1] + the round-off of one backup; exact but for round-off"


def backward_induction(mdp: MDP, *, tol: float | None = None) -> Solution:
    """The optimal time-dependent policy of a finite horizon.

    Parameters
    ----------
    mdp : MDP
        With ``horizon=``; ``final`` is the value at its end.
    tol : float, reward units, optional
        Largest accepted error of V at any time and state; ``1e-9 (H max|R| + max|final|)`` if
        omitted.

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
    V = np.zeros((horizon + 1, mdp.n_states))
    Q = np.zeros((horizon, mdp.n_states, mdp.n_actions))
    if mdp.final is not None:
        V[horizon] = mdp.final
    if wanted is None:
        scale = horizon * mdp.facts.reward_max + float(np.abs(V[horizon]).max())
        wanted = RELATIVE_TOL * scale
    growth = mdp.gamma * (1 + 2 * mdp.facts.row_defect)
    error = np.zeros(horizon + 1)
    residual = 0.0
    for t in range(horizon - 1, -1, -1):
        Q[t] = backup(mdp, V[t + 1])
        Q[t].max(axis=1, out=V[t])
        step = backup_roundoff(mdp, float(np.abs(V[t + 1]).max()))
        error[t] = growth * error[t + 1] + step
        residual = max(residual, step)
    bound = float(error.max())
    possible = [optimal_actions(Q[t], V[t], float(error[t])) for t in range(horizon)]
    solution = Solution(
        V=readonly(V),
        Q=readonly(Q),
        pi=one_hot(Q.argmax(axis=2), mdp.n_actions),
        optimal_actions=readonly(np.stack(possible)),
        J=float(mdp.mu @ V[0]),
        certificate=Certificate(
            bound=bound,
            # V is the evaluation of pi as well, with the same round-off.
            loss=2 * bound,
            residual=residual,
            theorem=SWEEPS,
            lower=readonly(V - error[:, None]),
            upper=readonly(V + error[:, None]),
        ),
        method="backward_induction",
        reason=ASKED,
        sweeps=horizon,
    )
    return within(solution, tol, wanted, floor=bound, cure="")
