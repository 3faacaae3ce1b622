"""Values and visits of a stationary policy by one linear solve, with proved bounds.

Takes     the chain of a policy on the states where it is transient or discounted.
Gives     V and visits with (I - gamma P_pi) V = R_pi and its adjoint, their residuals and bounds.
Source    formulas in `Solve`; ||(I - gamma P_pi)^-1|| <= L for L = 1 / (1 - gamma), or
          max(w) / (1 - e) for any w >= 0 with e = max |1 - (I - P_pi) w| < 1.
Not here  which states those are (`_evaluate`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolS, FloatS, FloatSA
from ..bellman import expect_actions
from ..certificates import mixing_roundoff
from ..errors import ConvergenceError
from ..model import MDP


@dataclass(frozen=True, slots=True)
class Solve:
    """V, visits and what their bounds are made of. Outside the kept states all are zero."""

    V: FloatS
    visits: FloatS
    time: float  # L, a bound on ||(I - gamma P_pi)^-1||
    chain: kernel.Chain  # among the kept states
    kept: BoolS


def solve(mdp: MDP, pi: FloatSA, kept: BoolS, start: FloatS) -> Solve:
    """Solve for values and visits among the states ``kept``; what leaves them is worth 0.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array
    kept : (S,) array of bool
    start : (S,) array

    Returns
    -------
    Solve
        Time O(S^3 + S^2 A) if dense.
    """
    V, visits = np.zeros(mdp.n_states), np.zeros(mdp.n_states)
    chain = kernel.restrict(kernel.mix(mdp.P, pi), kept)
    if not kept.any():
        return Solve(V, visits, 0.0, chain, kept)
    try:
        resolvent = kernel.Resolvent(chain, mdp.gamma)
    except ArithmeticError:
        raise ConvergenceError(
            "float64 cannot tell this policy from one that never terminates: the chance to "
            "terminate is below 1e-16 a step. Use gamma < 1 or horizon=.",
            floor=np.inf,
        ) from None
    V[kept] = resolvent.solve(expect_actions(pi, mdp.R)[kept])
    visits[kept] = np.maximum(resolvent.solve_adjoint(start[kept]), 0.0)
    if mdp.gamma < 1:
        time = mdp.facts.time
    else:
        time = longest(chain, resolvent.solve(np.ones(int(kept.sum()))), mdp, pi)
    return Solve(V, visits, time, chain, kept)


def longest(chain: kernel.Chain, w: FloatS, mdp: MDP, pi: FloatSA) -> float:
    """max(w) / (1 - e): no state lasts longer, if w is close to the expected time to the end."""
    w = np.maximum(w, 0.0)
    top = float(w.max())
    if not top < np.inf:
        return np.inf
    terms = mdp.facts.terms * mdp.n_actions
    defect = mdp.facts.row_defect + float(np.abs(pi.sum(axis=-1) - 1).max())
    roundoff = (EPS * (terms / 2 + 3) + 2 * defect) * top
    e = float(np.abs(1.0 - (w - chain @ w)).max()) + roundoff
    return top / (1 - e) * (1 + 4 * EPS) if e < 1 else np.inf


def value_residual(
    mdp: MDP, pi: FloatSA, V: FloatS, Q: FloatSA, where: BoolS
) -> tuple[float, float]:
    """||R_pi + gamma P_pi V - V|| over ``where`` as computed, and the round-off in it.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array
    V : (S,) array, reward units
    Q : (S, A) array
        The backup of V.
    where : (S,) array of bool

    Returns
    -------
    residual, roundoff : float, reward units
    """
    gap = np.abs(expect_actions(pi, Q) - V)[where].max(initial=0.0)
    return float(gap), mixing_roundoff(mdp, pi, V[np.isfinite(V)], Q)


def visits_residual(mdp: MDP, pi: FloatSA, found: Solve, start: FloatS) -> tuple[float, float]:
    """||start + gamma P_pi' v - v||_1 among the kept states, and the round-off in it.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array
    found : Solve
    start : (S,) array

    Returns
    -------
    residual, roundoff : float, decisions
    """
    v, mu = found.visits[found.kept], start[found.kept]
    residual = mu + mdp.gamma * (v @ found.chain) - v
    size = float(v.sum())
    terms = kernel.column_length(found.chain) + mdp.n_actions
    defect = 2 * (mdp.facts.row_defect + float(np.abs(pi.sum(axis=-1) - 1).max()))
    roundoff = (EPS * (terms / 2 + 3) + mdp.gamma * defect) * size
    roundoff += (EPS + 2 * abs(float(start.sum()) - 1)) * float(mu.sum())
    return float(np.abs(residual).sum()), roundoff
