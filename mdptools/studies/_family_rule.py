"""What rules have in common that move the parameters of a family.

Takes     a family, or a function that makes one for a model, and the first theta.
Gives     start and policy; step sizes.
Not here  where theta moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..arrays import FloatArray, FloatSA, as_floats, readonly
from ..checks import check_model
from ..errors import ModelError
from ..evaluation import Evaluation
from ..gradients import policy_gradient
from ..model import MDP
from ..policies import Callable as CallableFamily
from ..policies import Direct, Family, Observation, Softmax, Timed, uniform_policy
from ._rule import PolicyRule, evaluated

FamilyLike: TypeAlias = Family | Callable[[MDP], Family] | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FamilyRule(PolicyRule):
    """A rule whose x is theta.

    Parameters
    ----------
    family : Family, or function MDP -> Family, optional
        The tabular softmax if omitted, one for each time if the model has a horizon.
    theta0 : array, optional
        Where to start. Zeros if omitted, which is the uniform policy for softmax families; the
        uniform policy itself for `Direct`.
    """

    family: FamilyLike = None
    theta0: Any = None

    def family_of(self, mdp: MDP) -> Family:
        """The family for this model.

        Parameters
        ----------
        mdp : MDP

        Returns
        -------
        Family

        Raises
        ------
        ModelError
            If ``family`` is neither a family nor a function that makes one.
        """
        check_model(mdp)
        made: Any = self.family
        if made is None:
            return Softmax(mdp) if mdp.horizon is None else Timed(mdp, Softmax(mdp))
        if isinstance(made, type) or not hasattr(made, "probs"):
            made = made(mdp) if callable(made) else made
        if not hasattr(made, "pullback"):
            raise ModelError(
                f"family is {self.family!r:.80}; it must be a family, or a function that makes one "
                f"for a model, such as Softmax."
            )
        family: Family = made
        return family

    def start(self, mdp: MDP) -> FloatArray:
        """theta0, or zeros.

        Parameters
        ----------
        mdp : MDP

        Returns
        -------
        array
            In the family's shape, read-only.

        Raises
        ------
        ModelError
            If theta0 does not fit; if it is omitted for `Callable`, of which nobody knows a start.
        """
        family = self.family_of(mdp)
        if self.theta0 is None:
            return readonly(_first(family))
        theta = as_floats(self.theta0, "theta0")
        if theta.shape != tuple(family.shape):
            raise ModelError(f"theta0 has shape {theta.shape}; it must be {tuple(family.shape)}.")
        if not np.isfinite(theta).all():
            raise ModelError("theta0 holds a number that is not finite.")
        return readonly(theta)

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy of theta = x."""
        return self.family_of(mdp).probs(x)


def _first(family: Any) -> FloatArray:
    if isinstance(family, Direct):
        return np.array(uniform_policy(family.mdp))
    if isinstance(family, Timed):
        return np.broadcast_to(_first(family.family), family.shape).copy()
    if isinstance(family, Observation):
        return _first(family.family)
    if isinstance(family, CallableFamily):
        raise ModelError(
            "of a function of theta the rule does not know where to start: say theta0."
        )
    return np.zeros(family.shape)


def gradient_at(
    mdp: MDP, family: Family, theta: Any, found: Evaluation | None = None
) -> tuple[FloatArray, Evaluation]:
    """dJ/dtheta, and the evaluation it is made of.

    Parameters
    ----------
    mdp : MDP
    family : Family
    theta : array
    found : Evaluation, optional
        Of the policy at theta; then nothing is evaluated.

    Returns
    -------
    gradient : array
        In theta's shape; the value of `policy_gradient`.
    found : Evaluation
    """
    if found is None:
        gradient = policy_gradient(mdp, family, theta)
        return gradient.value, gradient.evaluation
    found = evaluated(mdp, family.probs(theta), found)
    return family.pullback(theta, flow(mdp, found)), found


def flow(mdp: MDP, found: Evaluation) -> FloatSA:
    """visits(s) A(s, a), 0 at refused pairs: dJ/dpi less a baseline."""
    return found.visits[..., None] * np.where(mdp.allowed, found.A, 0.0)


def finite_or_refused(theta: FloatArray, name: str) -> FloatArray:
    """The next theta, if every number of it is finite."""
    if not np.isfinite(theta).all():
        raise ModelError(f"{name}: the step left float64; take smaller steps.")
    return readonly(theta)
