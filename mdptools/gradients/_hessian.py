"""Second derivatives of J by theta, exact: products with a vector, and the whole matrix.

Takes     an MDP, a family with its curvature, theta, perhaps a direction v.
Gives     ``H v`` in theta's shape, or H (D, D), of J, of J_tau, with a log barrier too.
Source    the product rule on ``dJ/dtheta = pullback(theta, dJ/dpi)``: ``H v = curvature(theta, v,
          dJ/dpi) + pullback(theta, d(dJ/dpi))`` in direction ``dpi = pushforward(theta, v)``.
Not here  the derivative of dJ/dpi (`_tangent`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, as_floats, readonly
from ..bellman import advantage
from ..checks import check_model
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import Family, check_policy
from ._average import check_one_class
from ._barrier import barrier_product
from ._direct import check_finite
from ._regularised import before, check_interior, check_weight, regularised
from ._tangent import Tangent, tangent

AT_ONCE = 2**21
"""Numbers of dpi that are worked on together."""


def hessian_vector_product(
    mdp: MDP, family: Family, theta: Any, v: Any, *, tau: float = 0.0, barrier: float = 0.0
) -> FloatArray:
    """The Hessian of J by theta, times v.

    Parameters
    ----------
    mdp : MDP
        Of any objective; average reward with one recurrent class.
    family : Family
        With ``pushforward`` and ``curvature``.
    theta, v : arrays
        In the family's shape.
    tau : float, reward units
        Of J_tau, as `regularised_gradient` (discounted or finite).
    barrier : float, reward units
        Plus a `log_barrier` of this weight.

    Returns
    -------
    array
        In theta's shape, reward units.

    Raises
    ------
    ModelError
        As `policy_gradient`; if v has another shape or is not finite; if the family does not know
        its curvature.

    Notes
    -----
    One factorisation, O(S^3) if dense, and two solves. No bound is proved. Measured on models of up
    to 7 states with gamma up to 0.9999: within 100 eps s / (1 - gamma) of complex steps,
    ``s = 10 max(|R|, |V|) / (1 - gamma)``.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> theta = [[0.0, np.log(3)]]
    >>> hessian_vector_product(mdp, Softmax(mdp), theta, [[0.0, 1.0]])
    array([[ 0.09375, -0.09375]])
    """
    found = second_order(mdp, family, theta, tau=tau, barrier=barrier)
    return readonly(found.product(check_vector(family, v)))


def hessian(
    mdp: MDP, family: Family, theta: Any, *, tau: float = 0.0, barrier: float = 0.0
) -> FloatArray:
    """The Hessian of J by theta: all directions in one batch of solves.

    Parameters
    ----------
    mdp, family, theta, tau, barrier
        As `hessian_vector_product`.

    Returns
    -------
    (D, D) array, reward units
        theta in C order. Exactly symmetric: the mean of what was computed and its transpose.

    Raises
    ------
    ModelError
        As `hessian_vector_product`.

    Notes
    -----
    O(S^3 + S^2 A D) if dense, H times that with a horizon, and 3 D calls of the family.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> hessian(mdp, Softmax(mdp), [[0.0, np.log(3)]])
    array([[-0.09375,  0.09375],
           [ 0.09375, -0.09375]])
    """
    H = second_order(mdp, family, theta, tau=tau, barrier=barrier).matrix()
    return readonly((H + H.T) / 2)


@dataclass(frozen=True, slots=True, eq=False)
class SecondOrder:
    """The second derivative of an objective at one theta, factored."""

    mdp: MDP
    family: Family
    theta: Any
    flow: FloatSA  # dJ/dpi
    tangent: Tangent
    barrier: float

    def product(self, v: FloatArray) -> FloatArray:
        """H v, in theta's shape."""
        dpi = self.family.pushforward(self.theta, v)
        return self._joined(v, self.tangent.gradient(dpi[..., None])[..., 0])

    def matrix(self) -> FloatArray:
        """H (D, D), column by column as computed."""
        size, shape = self.family.size, self.family.shape
        H = np.empty((size, size))
        many = max(1, AT_ONCE // self.flow.size)
        for first in range(0, size, many):
            some = range(first, min(first + many, size))
            units = [_unit(size, j).reshape(shape) for j in some]
            dpi = np.stack([self.family.pushforward(self.theta, v) for v in units], axis=-1)
            moved = self.tangent.gradient(dpi)
            for k, j in enumerate(some):
                H[:, j] = self._joined(units[k], moved[..., k]).reshape(-1)
        return H

    def _joined(self, v: FloatArray, moved: FloatSA) -> FloatArray:
        Hv = self.family.curvature(self.theta, v, self.flow)
        Hv = Hv + self.family.pullback(self.theta, moved)
        if self.barrier:
            Hv = Hv + barrier_product(self.mdp, self.family, self.theta, v, self.barrier)
        return Hv


def second_order(
    mdp: MDP, family: Family, theta: Any, *, tau: float = 0.0, barrier: float = 0.0
) -> SecondOrder:
    """Evaluate and factor; the objective is checked here."""
    check_model(mdp)
    entropy, weight = check_weight(tau, "tau"), check_weight(barrier, "barrier")
    pi = check_policy(mdp, family.probs(theta))
    check_one_class(mdp, pi)
    if entropy or weight:
        check_interior(mdp, family, theta, pi)
    if entropy:
        soft = regularised(mdp, pi, entropy, None, "the Hessian with tau")
        found, Q = soft.evaluation, soft.evaluation.Q + soft.bonus
    else:
        found = evaluate(mdp, pi)
        check_finite(mdp, found)
        Q = found.Q
    return assembled(mdp, family, theta, pi, found, Q, tau=entropy, barrier=weight)


def assembled(
    mdp: MDP,
    family: Family,
    theta: Any,
    pi: FloatSA,
    found: Evaluation,
    Q: FloatSA,
    *,
    tau: float,
    barrier: float,
) -> SecondOrder:
    """The second derivative from an evaluation. ``Q`` includes the entropy of the action itself."""
    G = np.where(mdp.allowed, advantage(Q, before(found.V, found.visits)), 0.0)
    linear = tangent(mdp, pi, found.visits, G, tau)
    return SecondOrder(mdp, family, theta, found.visits[..., None] * G, linear, barrier)


def check_vector(family: Family, v: Any) -> FloatArray:
    """``v`` as an array in theta's shape."""
    vector = as_floats(v, "v")
    if vector.shape != family.shape or not np.isfinite(vector).all():
        raise ModelError(
            f"v has shape {vector.shape}; it must be finite and in theta's shape, {family.shape}."
        )
    return vector


def _unit(size: int, j: int) -> FloatArray:
    unit = np.zeros(size)
    unit[j] = 1.0
    return unit
