"""The entropy-regularised objective J_tau: values and gradient of one policy.

Takes     an MDP, pi or a family with theta, a temperature tau, perhaps a prior policy.
Gives     an `Evaluation` of V_tau, and a `Gradient` of J_tau, with bounds.
Source    ``V_tau = sum_a pi (Q_tau - tau log pi)``, ``Q_tau = R + gamma P V_tau``: Cen et al.
          (2022). The gradient is the policy gradient of the rewards ``R - tau log pi`` held fixed,
          because sum_a pi grad log pi = 0.
Not here  the policy that maximises J_tau (planning: `soft_policy_iteration`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..arrays import EPS, FloatS, FloatSA, readonly
from ..bellman import backup, expect_actions
from ..certificates import Certificate, mixing_roundoff
from ..checks import check_served, number_or_nan
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import Family, check_policy
from ._direct import check_finite
from ._gradient import Gradient
from ._policy import THEOREM as THEOREM_OF_GRADIENT
from ._policy import bound_of
from ._tangent import factored

THEOREM = (
    "|V_tau - V| <= L max |sum_a pi (R - tau log pi + gamma P V) - V|, L >= |(I - gamma P_pi)^-1|; "
    "with a horizon the round-off of each backup, carried along"
)
INSTEAD = "a model with gamma < 1 or horizon="


class Regularised(NamedTuple):
    """V_tau and what the gradient is made of."""

    evaluation: Evaluation  # Q is Q_tau
    bonus: FloatSA  # -tau log pi, or -tau log(pi / prior); 0 where pi is 0
    roundoff: float  # of the bonus at any pair


def regularised_evaluation(mdp: MDP, pi: Any, tau: float, *, prior: Any = None) -> Evaluation:
    """Values of a policy that is paid for its entropy, or pays for leaving a prior.

    Parameters
    ----------
    mdp : MDP
        Discounted or finite.
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon
    tau : float >= 0, reward units
        Weight of the entropy of pi at each decision.
    prior : (S, A) or (H, S, A) array_like, optional
        Then -KL(pi || prior) takes the place of the entropy.

    Returns
    -------
    Evaluation
        ``V`` is V_tau and counts the entropy of the state itself; ``Q`` is ``R + gamma P V_tau``
        and does not, so that ``V = sum_a pi (Q - tau log pi)``, and ``A = Q - V`` has the mean
        -tau entropy. ``J`` is ``mu @ V``; visits are those of `evaluate`.

    Raises
    ------
    ModelError
        If tau is not a number >= 0; if pi takes an action that the prior never takes; as
        `evaluate`.

    Notes
    -----
    Two LU factorisations, O(S^3) if dense; O(H S^2 A) with a horizon.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 0.0]], gamma=0.5)
    >>> regularised_evaluation(mdp, [[0.5, 0.5]], tau=1.0).V / np.log(2)
    array([2.])
    """
    return regularised(
        mdp, pi, check_weight(tau, "tau"), prior, "regularised_evaluation"
    ).evaluation


def regularised_gradient(
    mdp: MDP, family: Family, theta: Any, tau: float, *, prior: Any = None
) -> Gradient:
    """dJ_tau/dtheta, the gradient of the return plus tau times the entropies met on the way.

    Parameters
    ----------
    mdp : MDP
        Discounted or finite.
    family : Family
    theta : array
        In the family's shape.
    tau, prior
        As `regularised_evaluation`. The prior does not move with theta.

    Returns
    -------
    Gradient
        ``value`` in theta's shape; ``evaluation`` as `regularised_evaluation`, J its J_tau.

    Raises
    ------
    ModelError
        As `regularised_evaluation`; if pi is 0 at an allowed pair and the family can move it from
        there: entropy has an infinite slope at 0.

    Notes
    -----
    ``pullback(theta, visits (Q_tau - tau log pi - V_tau))``. Mei et al. (2020), section 4, with
    ``visits = d / (1 - gamma)``.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> regularised_gradient(mdp, Softmax(mdp), [[0.0, 1.0]], tau=1.0).value.round(9)
    array([[0., 0.]])
    """
    pi = family.probs(theta)
    found = regularised(mdp, pi, check_weight(tau, "tau"), prior, "regularised_gradient")
    check_interior(mdp, family, theta, pi)
    value, bound = pulled_back(mdp, family, theta, found)
    certificate = Certificate(bound, np.inf, 0.0, THEOREM_OF_GRADIENT)
    return Gradient(readonly(value), certificate, found.evaluation)


def pulled_back(mdp: MDP, family: Family, theta: Any, found: Regularised) -> tuple[Any, float]:
    """The gradient, and a bound on the sum of its errors."""
    told = found.evaluation
    V = before(told.V, told.visits)
    G = np.where(mdp.allowed, told.Q + found.bonus, 0.0)
    value = family.pullback(theta, told.visits[..., None] * (G - V[..., None]))
    worse = replace(
        told, certificate=replace(told.certificate, bound=told.certificate.bound + found.roundoff)
    )
    return value, bound_of(family, family.probs(theta), worse, V, G)


def before(V: FloatS, visits: FloatS) -> FloatS:
    """V beside visits: without the values after the last step."""
    return V if V.shape == visits.shape else V[:-1]


def check_weight(x: Any, name: str) -> float:
    """A weight: a number >= 0 in reward units."""
    weight = number_or_nan(x)
    if not 0 <= weight < np.inf:
        raise ModelError(f"{name} is {x!r:.80}; it must be a number >= 0, in reward units.")
    return weight


def check_interior(mdp: MDP, family: Family, theta: Any, pi: FloatSA) -> None:
    """Pass if no pair with pi = 0 can be moved by theta: a softmax that underflows cannot."""
    at_zero = (pi == 0) & mdp.allowed & ~mdp.terminal[:, None]
    if at_zero.any() and np.any(family.pullback(theta, at_zero.astype(float))):
        *_, s, a = (int(i) for i in np.argwhere(at_zero)[0])
        raise ModelError(
            f"pi is 0 for action {mdp.name_of_action(a)} in state {mdp.name_of_state(s)}: there "
            f"the slope of its logarithm is infinite. Move theta into the interior, or take tau = "
            f"0 and no barrier."
        )


def regularised(mdp: MDP, pi: Any, tau: float, prior: Any, function: str) -> Regularised:
    """V_tau with its bounds, for a checked tau."""
    check_served(mdp, function, "discounted", "finite", instead=INSTEAD)
    policy = check_policy(mdp, pi)
    plain = evaluate(mdp, policy)
    check_finite(mdp, plain)
    bonus, sizes = _bonus(mdp, policy, tau, prior)
    roundoff = 3 * EPS * float(sizes.max(initial=0.0))
    mean_roundoff = 3 * EPS * float(expect_actions(policy, sizes).max(initial=0.0))
    if mdp.objective == "finite":
        V, Q, bound, residual, first = _back(mdp, policy, bonus, mean_roundoff)
    else:
        V, Q, bound, residual = _stationary(mdp, policy, bonus, mean_roundoff)
        first = bound
    start = V if V.ndim == 1 else V[0]
    J = float(mdp.mu @ start)
    dot = EPS * (mdp.n_states / 2 + 1) + 2 * abs(float(mdp.mu.sum()) - 1)
    J_bound = first * float(mdp.mu.sum()) + dot * float(mdp.mu @ np.abs(start))
    evaluation = replace(
        plain,
        V=readonly(V),
        Q=readonly(Q),
        J=J,
        certificate=Certificate(bound, np.inf, residual, THEOREM),
        J_certificate=Certificate(J_bound, np.inf, residual, THEOREM),
    )
    return Regularised(evaluation, bonus, roundoff)


def _bonus(mdp: MDP, pi: FloatSA, tau: float, prior: Any) -> tuple[FloatSA, FloatSA]:
    """-tau log(pi / prior), and the sizes of what was added up to it."""
    taken = (pi > 0) & ~mdp.terminal[:, None]
    logs = np.log(np.where(taken, pi, 1.0))
    sizes, bonus = tau * np.abs(logs), -tau * logs
    if prior is not None:
        reference = check_policy(mdp, prior)
        taken = np.broadcast_to(taken, np.broadcast_shapes(taken.shape, reference.shape))
        missing = np.argwhere(taken & (reference == 0))
        if len(missing):
            *_, s, a = (int(i) for i in missing[0])
            raise ModelError(
                f"the prior never takes action {mdp.name_of_action(a)} in state "
                f"{mdp.name_of_state(s)}, and pi does: KL(pi || prior) is infinite."
            )
        expected = np.log(np.where(taken, reference, 1.0))
        sizes, bonus = sizes + tau * np.abs(expected), bonus + tau * expected
    return bonus, sizes


def _stationary(
    mdp: MDP, pi: FloatSA, bonus: FloatSA, roundoff: float
) -> tuple[FloatS, FloatSA, float, float]:
    """One solve, its residual, and the bound that follows."""
    kept = ~mdp.terminal
    V = np.zeros(mdp.n_states)
    if kept.any():
        paid = expect_actions(pi, mdp.R + bonus)
        V[kept] = factored(mdp, pi, kept).solve(paid[kept])
    Q = backup(mdp, V)
    with_bonus = Q + bonus
    gap = np.abs(expect_actions(pi, with_bonus) - V)[kept].max(initial=0.0)
    step = mixing_roundoff(mdp, pi, V, with_bonus) + roundoff
    time = mdp.facts.time
    return V, Q, time * (float(gap) + step) + step, float(gap)


def _back(
    mdp: MDP, pi: FloatSA, bonus: FloatSA, roundoff: float
) -> tuple[FloatS, FloatSA, float, float, float]:
    """Backups from the horizon to the start, with the round-off that they carry along."""
    horizon = mdp.horizon or 0
    timed = np.broadcast_to(pi, (horizon, *mdp.allowed.shape))
    extra = np.broadcast_to(bonus, timed.shape)
    V = np.zeros((horizon + 1, mdp.n_states))
    Q = np.zeros(timed.shape)
    if mdp.final is not None:
        V[horizon] = mdp.final
    error = worst = largest = 0.0
    growth = mdp.gamma * (1 + 2 * mdp.facts.row_defect)
    for t in range(horizon - 1, -1, -1):
        Q[t] = backup(mdp, V[t + 1])
        V[t] = expect_actions(timed[t], Q[t] + extra[t])
        V[t, mdp.terminal] = 0.0
        step = mixing_roundoff(mdp, timed[t], V[t + 1], Q[t] + extra[t]) + roundoff
        error = growth * error + step
        worst, largest = max(worst, error), max(largest, step)
    return V, Q, worst, largest, error
