"""Trust regions: the natural direction as far as a bound on the mean KL lets it go.

Takes     a family, a bound on the KL.
Gives     the rule `TrustRegion`, the practical form.
Source    Schulman, Levine, Abbeel, Jordan and Moritz (2015), section 6 and appendix C.
Not here  the maximiser under that bound itself (`_constrained_rules`); PPO (`_proximal_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..gradients import Fisher, Surrogate, natural_gradient
from ..model import MDP
from ..policies import Timed
from ._family_rule import FamilyRule, finite_or_refused
from ._restricted_rules import scaled
from ._steps import check_size
from ._trace import log_of

KINDS = ("old||new", "new||old")


@dataclass(frozen=True, slots=True, eq=False)
class TrustRegion(FamilyRule):
    """TRPO in practice: the natural direction, scaled to the radius, halved until it is accepted.

    Parameters
    ----------
    radius : float > 0
        delta: the largest mean KL between the old and the new policy, in nats.
    kl : {"old||new", "new||old"}
        KL(old || new), as published, or KL(new || old).
    cg_steps : int, optional
        The direction by so many steps of conjugate gradients on products with F, as the published
        code does. The exact direction if omitted.
    halvings : int
        How often the step is halved before theta stays where it is.
    family : Family, or function MDP -> Family, optional
        The tabular softmax if omitted, one for each time if the model has a horizon.
    theta0 : array, optional
        Zeros if omitted.

    Notes
    -----
    The first try is ``sqrt(2 radius / g.x) x`` with ``x = F^+ g``, whose KL is the radius to second
    order. A step is accepted if its mean KL is at most the radius and its surrogate
    ``sum_s visits(s) sum_a pi' A`` is > 0; J itself may fall. The mean is over ``(1 - gamma)
    visits`` if discounted, over visits otherwise (`Surrogate`). Near the top steps grow like ``1 /
    sqrt(gap)``, and soon probabilities underflow: there the KL is that of the logarithms, where
    the family knows them.
    """

    radius: float = 0.01
    kl: str = "old||new"
    cg_steps: int | None = None
    halvings: int = 30

    def __post_init__(self) -> None:
        check_size(self.radius, "radius")
        check_kl(self.kl)
        check_count(self.halvings, "halvings")
        if self.cg_steps is not None:
            check_count(self.cg_steps, "cg_steps")

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"trust region, radius {self.radius:g} of KL({self.kl})"
        return with_options(head, self, "radius", "kl")

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next theta.

        Parameters
        ----------
        mdp : MDP
        x : array
        t : int
        found : Evaluation, optional
            Not used.

        Returns
        -------
        array
            theta itself if no step is accepted.

        Raises
        ------
        ModelError
            As `natural_gradient`.
        """
        family = self.family_of(mdp)
        natural = natural_gradient(mdp, family, x)
        g, direction, fisher = natural.gradient.value, natural.value, natural.fisher
        if self.cg_steps is not None:
            direction = conjugate_gradient(fisher, g, self.cg_steps)
        here = Surrogate(mdp, fisher.pi, natural.gradient.evaluation, fisher.weights)
        move = scaled(g, direction, self.radius)
        for _ in range(self.halvings + 1):
            theta = x + move
            if np.isfinite(theta).all():
                new = family.probs(theta)
                if here.gain(new) > 0 and self._moved_by(here, family, x, theta) <= self.radius:
                    return finite_or_refused(theta, self.name)
            move = move / 2
        return finite_or_refused(np.array(x, dtype=np.float64), self.name)

    def _moved_by(self, here: Surrogate, family: Any, x: Any, theta: FloatArray) -> float:
        """The mean KL, nats; finite where nothing but float64 takes a probability for 0."""
        KL = here.mean_kl(family.probs(theta), self.kl)
        if KL < np.inf:
            return KL
        known = _logs(family, x), _logs(family, theta)
        p, q = known if self.kl == KINDS[0] else known[::-1]
        P, Q = np.exp(p), np.exp(q)
        with np.errstate(invalid="ignore"):  # -inf less -inf where an action is refused
            terms = np.where(P > 0, P * (p - q) - P + Q, Q)
        divergence = np.maximum(terms, 0.0).sum(axis=-1)
        return float((here.weights * divergence)[here.weights > 0].sum())


def _logs(family: Any, theta: Any) -> FloatArray:
    """log pi (S, A) or (H, S, A), below 1e-308 where the family has it; -inf where pi is 0."""
    if isinstance(family, Timed):
        return np.stack([_logs(family.family, each) for each in np.asarray(theta)])
    if hasattr(family, "log_probs"):
        logs: FloatArray = family.log_probs(theta)
        return logs
    return log_of(family.probs(theta))


def check_kl(kl: Any) -> None:
    """Pass if it is one of the two kinds."""
    if kl not in KINDS:
        raise ModelError(f"kl is {kl!r:.80}; it must be 'old||new' or 'new||old'.")


def conjugate_gradient(fisher: Fisher, g: FloatArray, steps: int) -> FloatArray:
    """F^+ g by conjugate gradients from 0, which stay in the range of F as g does.

    Parameters
    ----------
    fisher : Fisher
    g : array
        In theta's shape.
    steps : int

    Returns
    -------
    array
        In theta's shape. Hestenes and Stiefel (1952); ends early where nothing is left of g.
    """
    size = float(np.abs(g).max(initial=0.0))
    x = np.zeros(g.shape)
    if size == 0:
        return x
    residual = g / size
    direction = residual
    left = first = float((residual * residual).sum())
    for _ in range(steps):
        image = fisher.product(direction)
        bend = float((direction * image).sum())
        if not bend > 0 or left <= 1e-28 * first:
            break
        x = x + left / bend * direction
        residual = residual - left / bend * image
        before, left = left, float((residual * residual).sum())
        direction = residual + left / before * direction
    return x * size
