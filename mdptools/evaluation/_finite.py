"""Finite horizon: values backward, visits forward, round-off carried along.

Takes     an MDP with a horizon and a policy (S, A) or (H, S, A).
Gives     an `Evaluation` whose arrays have time in front.
Source    Puterman (1994), section 4.2.
Not here  choosing the actions (planning).
"""

from __future__ import annotations

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatSA, readonly
from ..bellman import backup, expect_actions
from ..certificates import Certificate, mixing_roundoff
from ..checks import check_fits
from ..model import MDP
from ._evaluation import Evaluation

SWEEPS = "e[t] <= gamma e[t+1] + the round-off of one backup; exact but for round-off"


def evaluate_finite(mdp: MDP, pi: FloatSA) -> Evaluation:
    """One backup and one push for each step.

    Parameters
    ----------
    mdp : MDP
        With a horizon.
    pi : (S, A) or (H, S, A) array
        Checked.

    Returns
    -------
    Evaluation
        Time O(H S^2 A), memory O(H S A).
    """
    horizon = mdp.horizon or 0
    check_fits(horizon, mdp.n_states, mdp.n_actions, "evaluate")
    shape = (mdp.n_states, mdp.n_actions)
    timed = np.broadcast_to(pi, (horizon, *shape))
    V = np.zeros((horizon + 1, mdp.n_states))
    Q = np.zeros((horizon, *shape))
    if mdp.final is not None:
        V[horizon] = mdp.final
    error = worst = residual = 0.0
    growth = mdp.gamma * (1 + 2 * mdp.facts.row_defect)
    for t in range(horizon - 1, -1, -1):
        Q[t] = backup(mdp, V[t + 1])
        V[t] = expect_actions(timed[t], Q[t])
        V[t, mdp.terminal] = 0.0
        step = mixing_roundoff(mdp, timed[t], V[t + 1], Q[t])
        error = growth * error + step
        worst, residual = max(worst, error), max(residual, step)

    visits = np.zeros((horizon, mdp.n_states))
    law = np.where(mdp.terminal, 0.0, mdp.mu)
    visits_error, total = start_defect(mdp) * float(law.sum()), 0.0
    terms = kernel.column_length(kernel.support(mdp.P)) + 4
    pi_defect = float(np.abs(pi.sum(axis=-1) - 1).max())
    for t in range(horizon):
        visits[t] = law
        total += visits_error
        law = mdp.gamma * kernel.push(mdp.P, law[:, None] * timed[t])
        law[mdp.terminal] = 0.0
        size = float(visits[t].sum())
        defect = 2 * (mdp.facts.row_defect + pi_defect)
        visits_error = growth * visits_error + size * (EPS * (terms / 2 + 2) + defect)
    J = float(mdp.mu @ V[0])
    dot = start_defect(mdp) * float(mdp.mu @ np.abs(V[0]))
    return Evaluation(
        V=readonly(V),
        Q=readonly(Q),
        J=J,
        visits=readonly(visits),
        certificate=Certificate(worst, np.inf, residual, SWEEPS),
        J_certificate=Certificate(error * float(mdp.mu.sum()) + dot, np.inf, residual, SWEEPS),
        visits_certificate=Certificate(total, np.inf, visits_error, SWEEPS),
    )


def start_defect(mdp: MDP) -> float:
    """Relative error of a mean over mu: its round-off, and how far mu is from summing to one."""
    n_starts = int(np.count_nonzero(mdp.mu))
    return EPS * (n_starts / 2 + 1) + 2 * abs(float(mdp.mu.sum()) - 1)
