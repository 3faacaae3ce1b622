"""Natural policy gradient and its kin: policies that are multiplied by exp(step * A).

Takes     a step size in the parameters (theta), as the literature of natural gradients counts it.
Gives     rules: `NaturalPolicyGradient`, `MultiplicativeWeights`, `SoftPolicyIteration`.
Source    Kakade (2001); Agarwal, Kakade, Lee and Mahajan (2021), section 5.3, for ``theta + step A
          / (1 - gamma)``; Cen et al. (2022) for the entropy-regularised step.
Not here  mirror descent, whose step multiplies Q itself (`_mirror_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA
from ..bellman import advantage, expect_actions
from ..checks import number_or_nan
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..gradients import natural_gradient, regularised_evaluation
from ..model import MDP
from ..policies import Softmax, Timed
from ._family_rule import FamilyRule, finite_or_refused
from ._rule import action_values
from ._steps import StepSize, check_size, check_step, scale_of, step_at, words_for
from ._table_rule import TableRule
from ._tables import anchored, check_table, gaps, moved, table_logs, table_policy, told_apart


@dataclass(frozen=True, slots=True, eq=False)
class NaturalPolicyGradient(FamilyRule):
    """theta + step F^+ dJ/dtheta.

    Parameters
    ----------
    step_size : float in (0, inf], function of t, or Geometric
        The step of theta. The same policies as mirror descent with ``step / (1 - gamma)``.
    tau : float >= 0, reward units
        Weight of the entropy in the objective; tabular softmax only, and ``step <= (1 - gamma) /
        tau``, with which it is soft policy iteration.
    method : {"auto", "advantage", "regression", "pinv"}
        How the direction is found, as in `natural_gradient`. "auto" takes the advantage for a
        tabular softmax, without any matrix.
    family : Family, or function MDP -> Family, optional
        The tabular softmax if omitted, one for each time if the model has a horizon.
    theta0 : array, optional
        Zeros if omitted.

    Notes
    -----
    Discounted: ``theta + step A / (1 - gamma)``; finite, total and average ``theta + step A``, for
    a tabular softmax up to a constant in each state, which no policy sees: it is chosen so that the
    largest logit is 0. As step tends to infinity the next policy is that of policy iteration, ties
    in proportion to pi; ``step_size=inf`` is that limit. Where a step would blow the round-off of
    Q up to order one, actions whose Q cannot be told apart count as ties. F is of the policy at
    hand, d of mu; the tabular step does not depend on mu.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> rule = NaturalPolicyGradient(step_size=0.5)
    >>> rule.step(mdp, rule.start(mdp))  # Q(1) - Q(0) = 1, times 0.5 / (1 - 0.5)
    array([[-1.,  0.]])
    """

    step_size: StepSize = 1.0
    tau: float = 0.0
    method: str = "auto"

    def __post_init__(self) -> None:
        check_step(self.step_size)
        check_tau(self.tau)

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"natural policy gradient, {words_for(self.step_size)}"
        return with_options(head, self, "step_size")

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The step of theta."""
        return step_at(self.step_size, mdp, t)

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next theta.

        Parameters
        ----------
        mdp : MDP
            Of any objective; with tau discounted or finite.
        x : array
        t : int
        found : Evaluation, optional
            Of the policy at x. Not used with another family than a tabular softmax, or with tau.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `natural_gradient`; if tau or an infinite step meet another family, or the step
            exceeds ``(1 - gamma) / tau``.
        """
        family, eta = self.family_of(mdp), step_at(self.step_size, mdp, t)
        temperature = _temperature(family)
        if self.method == "auto" and temperature is not None:
            pi = family.probs(x)
            logits = anchored(mdp, np.asarray(x, dtype=np.float64))
            rate = eta / scale_of(mdp)
            if pi.ndim == 2 and mdp.horizon is not None:
                return self._through_direction(mdp, family, x, eta)
            if self.tau:
                return soft_step(mdp, logits / temperature, pi, rate, self.tau) * temperature
            Q, bound = action_values(mdp, pi, found)
            gap = told_apart(gaps(mdp, Q), bound, rate)
            return moved(mdp, logits, rate * temperature, gap)
        return self._through_direction(mdp, family, x, eta)

    def _through_direction(self, mdp: MDP, family: Any, x: Any, eta: float) -> FloatArray:
        if self.tau or np.isinf(eta):
            raise ModelError(
                "tau > 0 and infinite steps of the natural gradient are for the tabular softmax "
                "with method='auto', one for each time if the model has a horizon."
            )
        direction = natural_gradient(mdp, family, x, method=self.method).value
        return finite_or_refused(x + eta * direction, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class MultiplicativeWeights(TableRule):
    """pi exp(step A / (1 - gamma)), normalised: soft policy iteration without entropy.

    Parameters
    ----------
    step_size : float in (0, inf], function of t, or Geometric
        As `NaturalPolicyGradient`, whose policies these are.
    use : {"A", "Q"}
        What is multiplied in: they differ by a factor of each state, which the normalisation takes
        out again.
    logits0 : (S, A) or (H, S, A) array_like, optional
        Zeros if omitted.

    Notes
    -----
    x is log pi, up to a constant in each state. Discounted; otherwise without ``1 - gamma``.
    """

    step_size: StepSize = 1.0
    use: str = "A"
    logits0: Any = None

    def __post_init__(self) -> None:
        check_step(self.step_size)
        if self.use not in ("A", "Q"):
            raise ModelError(f"use is {self.use!r:.80}; it must be 'A' or 'Q'.")

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"multiplicative weights with {self.use}, {words_for(self.step_size)}"
        return with_options(head, self, "use", "step_size")

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The step, as of theta."""
        return step_at(self.step_size, mdp, t)

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next logits.

        Parameters
        ----------
        mdp : MDP
        x : (S, A) or (H, S, A) array
        t : int
        found : Evaluation, optional
            Of the policy at x.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `evaluate`.
        """
        logits = check_table(mdp, x)
        pi = table_policy(mdp, logits)
        Q, bound = action_values(mdp, pi, found)
        rate = step_at(self.step_size, mdp, t) / scale_of(mdp)
        gap = gaps(mdp, Q if self.use == "Q" else advantage(Q, expect_actions(pi, Q)))
        return moved(mdp, logits, rate, told_apart(gap, bound, rate))


@dataclass(frozen=True, slots=True, eq=False)
class SoftPolicyIteration(TableRule):
    """softmax(Q_tau / tau): policy iteration for the return with an entropy bonus.

    Parameters
    ----------
    tau : float > 0, reward units
        Weight of the entropy of the policy at each decision.
    logits0 : (S, A) or (H, S, A) array_like, optional
        Zeros if omitted.

    Notes
    -----
    ``Q_tau = R + gamma P V_tau``, V_tau with the entropy of every decision. It is the regularised
    natural policy gradient of Cen et al. (2022) with step ``(1 - gamma) / tau``; Q_tau comes closer
    to the soft optimum by gamma a step, and no V_tau falls. `values` are the plain ones.
    """

    tau: float
    logits0: Any = None

    def __post_init__(self) -> None:
        check_size(self.tau, "tau")

    @property
    def name(self) -> str:
        """What a report calls it."""
        return with_options("soft policy iteration", self)

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next logits.

        Parameters
        ----------
        mdp : MDP
            Discounted or finite.
        x : (S, A) or (H, S, A) array
        t : int
        found : Evaluation, optional
            Not used: the values with the entropy are others.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `regularised_evaluation`.
        """
        logits = check_table(mdp, x)
        return soft_step(mdp, logits, table_policy(mdp, logits), 1 / self.tau, self.tau)


def soft_step(mdp: MDP, logits: FloatSA, pi: FloatSA, rate: float, tau: float) -> FloatSA:
    """Logits of ``pi^(1 - rate tau) exp(rate Q_tau)``, anchored.

    Parameters
    ----------
    mdp : MDP
    logits : (S, A) or (H, S, A) array
    pi : array
        Of the logits.
    rate : float, 1 / reward units
        At most 1 / tau.
    tau : float, reward units

    Returns
    -------
    (S, A) or (H, S, A) array

    Raises
    ------
    ModelError
        If the rate is larger.
    """
    kept = 1 - rate * tau
    if kept < -1e-12:
        raise ModelError(
            f"the step is {rate * scale_of(mdp):.6g}; with entropy of weight tau = {tau:g} it may "
            f"be at most {scale_of(mdp) / tau:.6g} (1 - gamma over tau, or 1 over tau)."
        )
    Q = regularised_evaluation(mdp, pi, tau).Q
    before = max(kept, 0.0) * table_logs(mdp, logits)
    return anchored(mdp, moved(mdp, before, rate, gaps(mdp, Q)))


def _temperature(family: Any) -> float | None:
    """That of a tabular softmax; None for another family."""
    inner = family.family if isinstance(family, Timed) else family
    return float(inner.temperature) if isinstance(inner, Softmax) else None


def check_tau(tau: Any) -> None:
    """Pass if ``tau`` is a number >= 0; else raise ModelError.

    Parameters
    ----------
    tau : float, reward units

    Raises
    ------
    ModelError
        Saying what it is instead.
    """
    if not 0 <= number_or_nan(tau) < np.inf:
        raise ModelError(f"tau is {tau!r:.80}; it must be a number >= 0, in reward units.")
