"""evaluate: one door for every objective.

Takes     an MDP and a policy.
Gives     an `Evaluation` with its certificates.
Source    discounted and total: Puterman (1994), sections 6.1 and 7.1; finite: section 4.2;
          average: section 8.2.
Not here  the linear algebra (`_stationary`, `_average`), the backward loop (`_finite`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import BoolS, FloatS, FloatSA, readonly
from ..bellman import backup, expect_actions
from ..certificates import Certificate, backup_roundoff
from ..checks import check_model, check_tol
from ..errors import ConvergenceError, ModelError
from ..model import MDP
from ..policies import check_policy
from ..structure import can_reach, reachable, recurrent_classes
from ._average import evaluate_average
from ._evaluation import Evaluation
from ._finite import evaluate_finite, start_defect
from ._stationary import Solve, solve, value_residual, visits_residual

RESIDUAL = "|V^pi - V| <= L max |R_pi + gamma P_pi V - V|, L >= |(I - gamma P_pi)^-1|"
RESIDUAL_J = "|J - mu.V| <= |v.r| + L |rv|_1 max |r|, r and rv the residuals of V and visits v"
RESIDUAL_VISITS = "|visits - v|_1 <= L |mu + gamma P_pi' v - v|_1, L >= |(I - gamma P_pi)^-1|"


def evaluate(mdp: MDP, pi: Any, *, tol: float | None = None) -> Evaluation:
    """Values, advantages, return and visits of a policy, each with a proved error bound.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon
    tol : float, reward units, optional
        Largest accepted error of V in any state (average reward: of the bias). Whatever float64
        gives if omitted.

    Returns
    -------
    Evaluation
        ``V``, ``Q``, ``A``, ``J``, ``visits``, ``d``, ``Z`` and three certificates; for average
        reward ``gain`` and its certificate as well.

    Raises
    ------
    ModelError
        If pi is no policy of the model; if the total reward is infinite or undefined because an
        episode can stay for ever among states with rewards (they are named). In states that an
        episode never enters such a reward gives V = +-inf instead.
    ConvergenceError
        If the bound is above ``tol``; ``error.solution`` is the Evaluation.

    Notes
    -----
    Solves (I - gamma P_pi) V = R_pi and its adjoint with one LU factorisation, O(S^3) if dense;
    finite: O(H S^2 A). Average reward: elimination without subtraction, in O(S^3), for any number
    of recurrent classes, periodic ones too; an LU above 1,000 states. Formulas of the bounds:
    ``certificate.theorem``.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=1.0)
    >>> found = evaluate(mdp, [[1.0], [1.0]])
    >>> found.V, found.J, found.visits, found.Z
    (array([2., 0.]), 2.0, array([2., 0.]), 2.0)

    The two states of a cycle, one of which pays:

    >>> cycle = MDP([[[0, 1]], [[1, 0]]], [[1], [0]], average=True)
    >>> found = evaluate(cycle, [[1], [1]])
    >>> found.gain, found.V, found.d
    (array([0.5, 0.5]), array([ 0.25, -0.25]), array([0.5, 0.5]))
    """
    check_model(mdp)
    tol = check_tol(tol)
    policy = check_policy(mdp, pi)
    if mdp.objective == "finite":
        found = evaluate_finite(mdp, policy)
    elif mdp.objective == "average":
        found = evaluate_average(mdp, policy)
    elif mdp.objective == "discounted":
        found = _assemble(mdp, policy, solve(mdp, policy, ~mdp.terminal, mdp.mu))
    else:
        found = _evaluate_total(mdp, policy)
    bound = found.certificate.bound
    if tol is not None and not bound <= tol:
        raise ConvergenceError(
            f"V is certified to {bound:.3g}, not to tol = {tol:.3g}: that is the round-off of "
            f"float64 for this model and policy.",
            solution=found,
            floor=bound,
        )
    return found


def _assemble(
    mdp: MDP,
    pi: FloatSA,
    found: Solve,
    plus: BoolS | None = None,
    minus: BoolS | None = None,
    forever: BoolS | None = None,
) -> Evaluation:
    """The Evaluation of a linear solve; ``plus`` and ``minus`` are worth +-inf."""
    Q = backup(mdp, found.V)
    residual, roundoff = value_residual(mdp, pi, found.V, Q, found.kept)
    rv, rv_roundoff = visits_residual(mdp, pi, found, mdp.mu)
    bound = _times(found.time, residual + roundoff)
    bound += backup_roundoff(mdp, float(np.abs(found.V).max()))  # so that it holds for Q as well
    visits_bound = _times(found.time, rv + rv_roundoff)
    J = float(mdp.mu @ found.V)
    signed = np.where(found.kept, expect_actions(pi, Q) - found.V, 0.0)
    dot = start_defect(mdp) * float(mdp.mu @ np.abs(found.V))
    size = float(found.visits.sum())
    J_bound = abs(float(found.visits @ signed)) + size * roundoff
    J_bound += _times(visits_bound, residual + roundoff)
    J_bound = min(J_bound, bound * float(mdp.mu.sum())) + dot
    V, visits = found.V, found.visits
    if plus is not None and minus is not None:
        V, Q = _with_infinite(mdp, V, Q, plus, minus)
    if forever is not None:
        visits = np.where(forever, np.inf, visits)
    return Evaluation(
        V=readonly(V),
        Q=readonly(Q),
        J=J,
        visits=readonly(visits),
        certificate=Certificate(bound, np.inf, residual, RESIDUAL),
        J_certificate=Certificate(J_bound, np.inf, residual, RESIDUAL_J),
        visits_certificate=Certificate(visits_bound, np.inf, rv, RESIDUAL_VISITS),
    )


def _times(time: float, error: float) -> float:
    """The product; an error of exactly 0 is none, even for a time that may be infinite."""
    return time * error if error else 0.0


def _evaluate_total(mdp: MDP, pi: FloatSA) -> Evaluation:
    """Total reward: recurrent classes must be terminal or pay nothing, where episodes go."""
    paying = (pi > 0) & (mdp.R != 0)
    entered = reachable(mdp, pi=pi)
    kept = np.ones(mdp.n_states, dtype=bool)
    plus, minus, forever = (np.zeros(mdp.n_states, dtype=bool) for _ in range(3))
    for members in recurrent_classes(mdp, pi):
        kept[members] = False
        rewards = mdp.R[members][paying[members]]
        if not len(rewards):
            forever[members] = entered[members] & ~mdp.terminal[members]
            continue
        sign_known = (rewards > 0).all() or (rewards < 0).all()
        if entered[members].any() or not sign_known:
            raise _never_ends(mdp, members, infinite=bool(sign_known))
        into = can_reach(mdp, members, pairs=pi > 0)
        (plus if rewards[0] > 0 else minus)[into] = True
    both = np.flatnonzero(plus & minus)
    if len(both):
        raise ModelError(
            f"the total reward of this policy is undefined in state "
            f"{mdp.name_of_state(int(both[0]))}: it can run into both +inf and -inf. {CURE}"
        )
    kept &= ~(plus | minus)
    return _assemble(mdp, pi, solve(mdp, pi, kept, mdp.mu), plus, minus, forever)


CURE = "Use gamma < 1, horizon= or average=True, or another policy."


def _never_ends(mdp: MDP, members: Any, *, infinite: bool) -> ModelError:
    names = ", ".join(mdp.name_of_state(int(s)) for s in members[:10])
    more = f" and {len(members) - 10} more" if len(members) > 10 else ""
    states = "state" if len(members) == 1 else "states"
    return ModelError(
        f"the total reward of this policy is {'infinite' if infinite else 'undefined'}: the policy "
        f"is improper, it stays for ever in {states} {names}{more}, not terminal and with rewards. "
        f"{CURE}"
    )


def _with_infinite(
    mdp: MDP, V: FloatS, Q: FloatSA, plus: BoolS, minus: BoolS
) -> tuple[FloatS, FloatSA]:
    """Put +-inf into V and into every pair that can reach such a state."""
    up = kernel.expect(mdp.P, plus.astype(float)) > 0
    down = kernel.expect(mdp.P, minus.astype(float)) > 0
    clash = np.argwhere(up & down)
    if len(clash):
        s, a = (int(i) for i in clash[0])
        raise ModelError(
            f"Q of action {mdp.name_of_action(a)} in state {mdp.name_of_state(s)} is undefined: "
            f"it can run into both +inf and -inf. {CURE}"
        )
    V = np.where(plus, np.inf, np.where(minus, -np.inf, V))
    Q = np.where(up, np.inf, np.where(down, -np.inf, Q))
    return V, Q
