"""What scipy.optimize minimises: -J of theta as a flat vector, with its derivatives.

Takes     an MDP, a family, tau and the weight of a log barrier.
Gives     `Objective`: fun, jac, hessp and hess.
Source    formula: fun = -(J_tau + barrier); minimisers of fun maximise J.
Not here  steps and stopping rules (scipy.optimize, studies).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..arrays import FloatArray, as_floats
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ..policies import Family
from ._barrier import log_barrier
from ._hessian import SecondOrder, second_order
from ._policy import policy_gradient
from ._regularised import check_weight, regularised_gradient


@dataclass(frozen=True, slots=True, eq=False)
class Objective:
    """-J of a flat theta, in the form that scipy.optimize asks for.

    Attributes
    ----------
    mdp : MDP
    family : Family
    tau, barrier : float, reward units

    Notes
    -----
    What was found at the last x is kept, so that fun, jac and any number of hessp at one x cost one
    evaluation and one factorisation.
    """

    mdp: MDP
    family: Family
    tau: float
    barrier: float
    _last: dict[str, Any] = field(init=False, repr=False, default_factory=dict)

    def fun(self, x: Any) -> float:
        """-(J_tau + barrier) at theta = x, (D,): a float in reward units; inf where log pi is."""
        value: float = self._first(x)[0]
        return value

    def jac(self, x: Any) -> FloatArray:
        """The gradient of `fun`, (D,)."""
        gradient: FloatArray = self._first(x)[1]
        return gradient.copy()

    def hessp(self, x: Any, p: Any) -> FloatArray:
        """The Hessian of `fun` times p, (D,)."""
        v = self._checked(p, "p").reshape(self.family.shape)
        return -self._second(x).product(v).reshape(-1)

    def hess(self, x: Any) -> FloatArray:
        """The Hessian of `fun`, (D, D)."""
        H = self._second(x).matrix()
        return -(H + H.T) / 2

    def theta(self, x: Any) -> FloatArray:
        """x in the family's shape."""
        return self._checked(x, "x").reshape(self.family.shape)

    def _checked(self, x: Any, name: str) -> FloatArray:
        flat = as_floats(x, name)
        if flat.shape != (self.family.size,):
            raise ModelError(
                f"{name} has shape {flat.shape}; it must be (D,) = ({self.family.size},), theta "
                f"flattened: theta.ravel()."
            )
        return flat

    def _at(self, x: Any) -> tuple[FloatArray, dict[str, Any]]:
        theta = self.theta(x)
        key = theta.tobytes()
        if self._last.get("key") != key:
            self._last.clear()
            self._last["key"] = key
        return theta, self._last

    def _first(self, x: Any) -> tuple[float, FloatArray]:
        theta, known = self._at(x)
        if "first" not in known:
            if self.tau:
                found = regularised_gradient(self.mdp, self.family, theta, self.tau)
            else:
                found = policy_gradient(self.mdp, self.family, theta)
            value, gradient = found.J, found.value
            if self.barrier:
                wall = log_barrier(self.mdp, self.family, theta, self.barrier)
                value, gradient = value + wall.value, gradient + wall.gradient
            known["first"] = -value, -gradient.reshape(-1)
        first: tuple[float, FloatArray] = known["first"]
        return first

    def _second(self, x: Any) -> SecondOrder:
        theta, known = self._at(x)
        if "second" not in known:
            known["second"] = second_order(
                self.mdp, self.family, theta, tau=self.tau, barrier=self.barrier
            )
        second: SecondOrder = known["second"]
        return second


def objective(mdp: MDP, family: Family, *, tau: float = 0.0, barrier: float = 0.0) -> Objective:
    """J as a function to minimise: every rule of scipy.optimize finds policies with it.

    Parameters
    ----------
    mdp : MDP
        Of any objective; with tau discounted or finite.
    family : Family
    tau : float >= 0, reward units
        Weight of the entropy, as `regularised_gradient`.
    barrier : float >= 0, reward units
        Weight of a `log_barrier`.

    Returns
    -------
    Objective
        ``fun``, ``jac``, ``hessp`` and ``hess`` of ``-(J_tau + barrier)``, all of a flat theta.

    Raises
    ------
    ModelError
        If tau or barrier is not a number >= 0. The functions raise as `regularised_gradient`, and
        hessp and hess if the family does not know its curvature.

    Notes
    -----
    Without tau a softmax has no maximum: J nears the optimum as theta grows, and minimisers stop
    where the gradient is below their tolerance.

    Examples
    --------
    >>> from scipy.optimize import minimize
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> found = objective(mdp, Softmax(mdp), tau=1.0)
    >>> best = minimize(found.fun, [0.0, 0.0], jac=found.jac, hessp=found.hessp, method="Newton-CG")
    >>> print(round(-best.fun, 6))  # tau log sum_a exp(R / tau) / (1 - gamma)
    2.626523
    """
    check_model(mdp)
    return Objective(mdp, family, check_weight(tau, "tau"), check_weight(barrier, "barrier"))
