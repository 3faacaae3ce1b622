"""PPO: several steps of gradient ascent on one surrogate, clipped or with a penalty on the KL.

Takes     a family, inner steps, how far the policy may go.
Gives     rules `ProximalPolicy` and `ProximalPenalty`.
Source    Schulman, Wolski, Dhariwal, Radford and Klimov (2017), eqs. (7) and (8), with exact
          expectations.
Not here  trust regions (`_trust_region_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, readonly
from ..checks import check_count
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..gradients import Surrogate, surrogate
from ..model import MDP
from ._family_rule import FamilyRule, finite_or_refused
from ._rule import evaluated
from ._steps import check_size, scale_of

FARTHER, CHANGE = 1.5, 2.0
"""Where the KL leaves [target / 1.5, 1.5 target] the penalty is halved or doubled, as published."""


@dataclass(frozen=True, slots=True, eq=False)
class ProximalPolicy(FamilyRule):
    """PPO: a few steps of gradient ascent on the clipped surrogate.

    Parameters
    ----------
    epsilon : float > 0
        How far new / pi may leave 1 and still pay.
    inner_steps : int
        Steps on one surrogate before the policy is evaluated anew.
    step_size : float > 0
        Of each inner step. The first is plain gradient ascent.
    stop_kl : float > 0, optional
        The inner steps end after the first one whose mean KL(old || new) exceeds this, in nats.
    family : Family, or function MDP -> Family, optional
        The tabular softmax if omitted, one for each time if the model has a horizon.
    theta0 : array, optional
        Zeros if omitted.

    Notes
    -----
    Schulman, Wolski, Dhariwal, Radford and Klimov (2017), eq. (7), with exact expectations. Nothing
    is promised: J may fall.
    """

    epsilon: float = 0.2
    inner_steps: int = 10
    step_size: float = 0.1
    stop_kl: float | None = None

    def __post_init__(self) -> None:
        check_size(self.epsilon, "epsilon")
        check_count(self.inner_steps, "inner_steps")
        check_size(self.step_size, "step_size")
        if self.stop_kl is not None:
            check_size(self.stop_kl, "stop_kl")

    @property
    def name(self) -> str:
        """What a report calls it."""
        stop = "" if self.stop_kl is None else f", until KL {self.stop_kl:g}"
        head = (
            f"clipped surrogate, epsilon {self.epsilon:g}, {self.inner_steps} steps of "
            f"{self.step_size:g}{stop}"
        )
        return with_options(head, self, "epsilon", "inner_steps", "step_size", "stop_kl")

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The size of the inner steps."""
        return float(self.step_size)

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next theta.

        Parameters
        ----------
        mdp : MDP
        x : array
        t : int
        found : Evaluation, optional
            Of the policy at x.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `policy_gradient`; if theta leaves float64.
        """
        family, here = self.family_of(mdp), _around(self, mdp, x, found)
        theta = np.array(x, dtype=np.float64)
        for k in range(self.inner_steps):
            if k and self.stop_kl is not None and _moved_by(here, family, theta) > self.stop_kl:
                break
            slope = here.clipped_gradient(family, theta, self.epsilon)
            theta = finite_or_refused(theta + self.step_size * slope, self.name)
        return theta


@dataclass(frozen=True, slots=True, eq=False)
class ProximalPenalty(FamilyRule):
    """PPO without clipping: a few steps of ascent on the surrogate less ``penalty`` times the KL.

    Parameters
    ----------
    penalty : float > 0, reward units
        beta of sum_s visits(s) (<pi', A> - beta KL(pi || pi')); the first one if it adapts.
    target : float > 0, optional
        The mean KL that is aimed at, in nats: after each update beta is doubled if the KL was above
        1.5 target, halved if it was below target / 1.5. beta stays if omitted.
    inner_steps : int
        Steps on one surrogate before the policy is evaluated anew.
    step_size : float > 0
        Of each inner step. The first is plain gradient ascent.
    stop_kl : float > 0, optional
        The inner steps end after the first one whose mean KL(old || new) exceeds this, in nats.
    family : Family, or function MDP -> Family, optional
        The tabular softmax if omitted, one for each time if the model has a horizon.
    theta0 : array, optional
        Zeros if omitted.

    Notes
    -----
    x is theta, flattened, and behind it the beta of the next update: (D + 1,). Visits weigh gain
    and KL alike, as samples do in the paper, so beta is in its unit; the mean KL that the target
    and ``stop_kl`` are held against is over ``(1 - gamma) visits`` if discounted. Nothing is
    promised: J may fall.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> rule = ProximalPenalty(0.5, inner_steps=500, step_size=0.2)
    >>> x = rule.step(mdp, rule.start(mdp))
    >>> rule.policy(mdp, x), float(x[-1])  # where p (1 - p) = beta (p - 1/2)
    (array([[0.19098301, 0.80901699]]), 0.5)
    """

    penalty: float = 1.0
    target: float | None = None
    inner_steps: int = 10
    step_size: float = 0.1
    stop_kl: float | None = None

    def __post_init__(self) -> None:
        check_size(self.penalty, "penalty")
        check_count(self.inner_steps, "inner_steps")
        check_size(self.step_size, "step_size")
        for name in ("target", "stop_kl"):
            if getattr(self, name) is not None:
                check_size(getattr(self, name), name)

    @property
    def name(self) -> str:
        """What a report calls it."""
        aim = "" if self.target is None else f" for KL {self.target:g}"
        stop = "" if self.stop_kl is None else f", until KL {self.stop_kl:g}"
        head = (
            f"penalised surrogate, beta {self.penalty:g}{aim}, {self.inner_steps} steps of "
            f"{self.step_size:g}{stop}"
        )
        said = ("penalty", "target", "inner_steps", "step_size", "stop_kl")
        return with_options(head, self, *said)

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The size of the inner steps."""
        return float(self.step_size)

    def start(self, mdp: MDP) -> FloatArray:
        """theta0, flattened, and the penalty."""
        return readonly(np.append(FamilyRule.start(self, mdp), float(self.penalty)))

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy of the theta in x."""
        return self.family_of(mdp).probs(self._split(mdp, x)[0])

    def _split(self, mdp: MDP, x: Any) -> tuple[FloatArray, float]:
        """theta and beta."""
        flat, shape = np.asarray(x, dtype=np.float64), tuple(self.family_of(mdp).shape)
        if flat.shape != (int(np.prod(shape)) + 1,) or not 0 <= flat[-1] < np.inf:
            raise ModelError(
                f"x has shape {flat.shape}; it must be theta {shape}, flattened, and a beta >= 0 "
                f"behind it."
            )
        return flat[:-1].reshape(shape), float(flat[-1])

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next theta and beta.

        Parameters
        ----------
        mdp : MDP
        x : (D + 1,) array
        t : int
        found : Evaluation, optional
            Of the policy at x.

        Returns
        -------
        (D + 1,) array

        Raises
        ------
        ModelError
            As `policy_gradient`; if theta leaves float64.
        """
        theta, beta = self._split(mdp, x)
        family, here = self.family_of(mdp), _around(self, mdp, x, found)
        for k in range(self.inner_steps):
            if k and self.stop_kl is not None and _moved_by(here, family, theta) > self.stop_kl:
                break
            slope = here.gain_gradient(family, theta)
            if k:  # at pi itself the KL is flat
                slope = slope - beta / scale_of(mdp) * here.kl_gradient(family, theta)
            theta = finite_or_refused(theta + self.step_size * slope, self.name)
        if self.target is not None:
            kl = _moved_by(here, family, theta)
            if kl > FARTHER * self.target:
                beta = CHANGE * beta
            elif kl < self.target / FARTHER:
                beta = beta / CHANGE
        return readonly(np.append(theta, min(beta, float(np.finfo(float).max))))


def _around(rule: Any, mdp: MDP, x: Any, found: Evaluation | None) -> Surrogate:
    """The surrogate at the policy of x."""
    pi = rule.policy(mdp, x)
    if found is None:
        return surrogate(mdp, pi)
    found = evaluated(mdp, pi, found)
    weights = scale_of(mdp) * found.visits
    return Surrogate(mdp, pi, found, weights.sum(axis=0) if weights.ndim == pi.ndim else weights)


def _moved_by(here: Surrogate, family: Any, theta: FloatArray) -> float:
    """The mean KL(old || new), nats."""
    return here.mean_kl(family.probs(theta))
