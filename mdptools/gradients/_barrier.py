"""The log barrier: what keeps every action of a policy in play.

Takes     an MDP, a family and theta, a weight.
Gives     `LogBarrier`: the value, and its gradient by theta.
Source    Agarwal, Kakade, Lee and Mahajan (2021), section 5.2: with all actions allowed
          ``(weight / (S A)) sum log pi + weight log A``.
Not here  the return that it is added to (`_policy`, `_objective`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, FloatSA, readonly
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ..policies import Family
from ._regularised import check_interior, check_weight
from ._tangent import ratio


class LogBarrier(NamedTuple):
    """The barrier of one theta."""

    value: float  # reward units; 0 for the uniform policy, negative for all others
    gradient: FloatArray  # in theta's shape


def log_barrier(mdp: MDP, family: Family, theta: Any, weight: float = 1.0) -> LogBarrier:
    """-weight times the mean over the live states of KL(uniform || pi).

    Parameters
    ----------
    mdp : MDP
    family : Family
    theta : array
        In the family's shape.
    weight : float >= 0, reward units
        lambda in the papers.

    Returns
    -------
    LogBarrier
        ``value`` and ``gradient``; for a family that depends on time the mean is over time as well.

    Raises
    ------
    ModelError
        If the weight is not >= 0; if pi is 0 at an allowed pair, and the family can move it from
        there.

    Notes
    -----
    Uniform is uniform over the allowed actions, and terminal states do not count: with n(s) actions
    in each of m live states ``(weight / m) sum_s (1/n(s)) sum_a log(n(s) pi(a | s))``. Where all
    actions are allowed and nothing is terminal that is the published form.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> log_barrier(mdp, Softmax(mdp), [[0.0, 0.0]])
    LogBarrier(value=0.0, gradient=array([[0., 0.]]))
    """
    check_model(mdp)
    scale = check_weight(weight, "weight")
    pi = family.probs(theta)
    weights = scale * pair_weights(mdp, pi)
    check_interior(mdp, family, theta, pi)
    return LogBarrier(_value(mdp, family, theta, pi, weights), _slope(family, theta, pi, weights))


def pair_weights(mdp: MDP, pi: FloatSA) -> FloatSA:
    """1 / (m n(s)) at the allowed pairs of live states; they sum to one."""
    counted = mdp.allowed & ~mdp.terminal[:, None]
    share = counted / np.maximum(counted.sum(axis=1, keepdims=True), 1)
    weights: FloatSA = np.broadcast_to(share, pi.shape) / max(share.sum(), 1.0)
    return weights if pi.ndim == 2 else weights / len(pi)


def _value(mdp: MDP, family: Any, theta: Any, pi: FloatSA, weights: FloatSA) -> float:
    counted = weights > 0
    if hasattr(family, "log_probs"):  # knows the logarithm where pi underflows
        logs = family.log_probs(theta)
    else:
        logs = np.log(np.where(pi > 0, pi, 1.0))
        logs = np.where(pi > 0, logs, -np.inf)
    n = np.broadcast_to(mdp.allowed.sum(axis=1)[:, None], pi.shape)
    return float((weights[counted] * (logs[counted] + np.log(n[counted]))).sum())


def _slope(family: Family, theta: Any, pi: FloatSA, weights: FloatSA) -> FloatArray:
    """sum weights grad log pi: through scores, which need no division by a small pi."""
    if pi.ndim == 2:
        s, a = (x[None] for x in np.nonzero(weights))
        total = family.accumulate(theta, s, a, weights[weights > 0][None])
        return readonly(total.reshape(family.shape))
    check_positive(pi, weights)
    return readonly(family.pullback(theta, ratio(weights, pi)))


def barrier_product(
    mdp: MDP, family: Family, theta: Any, v: FloatArray, weight: float
) -> FloatArray:
    """The Hessian of the barrier times v, in theta's shape."""
    pi = family.probs(theta)
    weights = weight * pair_weights(mdp, pi)
    check_positive(pi, weights)
    slope = ratio(weights, pi)
    bent = family.pullback(theta, -slope * ratio(family.pushforward(theta, v), pi))
    return family.curvature(theta, v, slope) + bent


def check_positive(pi: FloatSA, weights: FloatSA) -> None:
    """Pass if 1 / pi is a float64 where the barrier asks for it."""
    if not (pi[weights > 0] > 1e-300).all():
        raise ModelError(
            "the barrier is out of reach of float64: some pi is below 1e-300. Take steps that stay "
            "in the interior."
        )
