"""Gradient ascent: theta + step dJ/dtheta, with steps that are proved or searched for.

Takes     a family, a step size.
Gives     the rule `GradientAscent`.
Source    Sutton et al. (2000) for the gradient; ``J(theta + g / beta) - J(theta) >= |g|^2 / (2
          beta)`` wherever no second derivative exceeds beta.
Not here  steps on the simplex (`_projected_rules`), other metrics (`_restricted_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import number_or_nan
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..gradients import log_barrier, regularised_gradient
from ..model import MDP
from ..policies import Softmax, Timed
from ._family_rule import FamilyRule, finite_or_refused, gradient_at
from ._line_search import LineSearch, stationary_step, words_for_search
from ._steps import StepSize, check_step, most_actions, smoothness, step_at, words_for


@dataclass(frozen=True, slots=True, eq=False)
class GradientAscent(FamilyRule):
    """theta + step dJ/dtheta.

    Parameters
    ----------
    step_size : float > 0, function of t, Geometric or LineSearch, optional
        ``1 / beta`` with `smoothness` if omitted, for tabular softmax families: J never falls.
    tau : float >= 0, reward units
        Weight of the entropy in the objective.
    barrier : float >= 0, reward units
        Weight of the log barrier in the objective; lambda in the papers.
    family : Family, or function MDP -> Family, optional
        The tabular softmax if omitted, one for each time if the model has a horizon. Not `Direct`,
        which has to be projected: `ProjectedGradient`.
    theta0 : array, optional
        Zeros if omitted.

    Notes
    -----
    With ``tau`` or ``barrier`` beta is larger: the entropy adds ``tau (4 + 8 log A) / (1 -
    gamma)^3`` (Mei et al. 2020, lemma 14), the barrier ``barrier / (2 m)``, m live states. Each is
    divided by temperature^2. `LineSearch` is for the plain objective.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> rule = GradientAscent()
    >>> rule.step_size_at(mdp, 0), rule.step(mdp, rule.start(mdp))
    (0.5, array([[-0.25,  0.25]]))
    """

    step_size: StepSize | LineSearch | None = None
    tau: float = 0.0
    barrier: float = 0.0

    def __post_init__(self) -> None:
        if self.step_size is not None:
            check_step(self.step_size, LineSearch)
        for name in ("tau", "barrier"):
            x = getattr(self, name)
            if not 0 <= number_or_nan(x) < np.inf:
                raise ModelError(f"{name} is {x!r:.80}; it must be a number >= 0.")
        if isinstance(self.step_size, LineSearch) and (self.tau or self.barrier):
            raise ModelError("line search serves the plain objective: tau and barrier must be 0.")

    @property
    def name(self) -> str:
        """What a report calls it."""
        if self.step_size is None:
            words = "step 1/beta"
        elif isinstance(self.step_size, LineSearch):
            words = words_for_search(self.step_size)
        else:
            words = words_for(self.step_size)
        return with_options(f"gradient ascent, {words}", self, "step_size")

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The step of theta; None for a line search.

        Parameters
        ----------
        mdp : MDP
        t : int

        Returns
        -------
        float or None

        Raises
        ------
        ModelError
            If it is to be found from the smoothness of a family or an objective of which none is
            known.
        """
        if isinstance(self.step_size, LineSearch):
            return None
        if self.step_size is None:
            return self._certified(mdp)
        return step_at(self.step_size, mdp, t)

    def _certified(self, mdp: MDP) -> float:
        beta = self._beta(mdp)
        return 1 / beta if beta else 1.0  # J is constant

    def _beta(self, mdp: MDP) -> float:
        family: Any = self.family_of(mdp)
        inner = family.family if isinstance(family, Timed) else family
        if not isinstance(inner, Softmax):
            raise ModelError(
                f"how fast the gradient of {type(inner).__name__} can turn is not known: say "
                f"step_size, or LineSearch()."
            )
        beta = smoothness(mdp)
        if self.tau and mdp.objective != "discounted":
            raise ModelError("with tau the certified step is known for gamma < 1: say step_size.")
        if self.tau:
            bend = 4 + 8 * float(np.log(most_actions(mdp)))
            beta += self.tau * bend / (1 - mdp.gamma) ** 3
        beta += self.barrier / (2 * max(int((~mdp.terminal).sum()), 1))
        return beta / float(inner.temperature) ** 2

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next theta.

        Parameters
        ----------
        mdp : MDP
            Of any objective; with tau discounted or finite.
        x : array
        t : int
        found : Evaluation, optional
            Of the policy at x. Not used with tau, or by a line search.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `policy_gradient` and `step_size_at`; if theta leaves float64.
        """
        family = self.family_of(mdp)
        if isinstance(self.step_size, LineSearch):
            return self._searched(mdp, family, x, self.step_size.longest)
        if self.tau:
            g = regularised_gradient(mdp, family, x, self.tau).value
        else:
            g, _ = gradient_at(mdp, family, x, found)
        if self.barrier:
            g = g + log_barrier(mdp, family, x, self.barrier).gradient
        eta = self._certified(mdp) if self.step_size is None else step_at(self.step_size, mdp, t)
        return finite_or_refused(x + eta * g, self.name)

    def _searched(self, mdp: MDP, family: Any, x: Any, longest: float) -> FloatArray:
        g, _ = gradient_at(mdp, family, x)
        size = float(np.abs(g).max(initial=0.0))
        if size == 0:
            return finite_or_refused(np.array(x, dtype=np.float64), self.name)
        unit = g / size  # so that its square does not underflow

        def along(eta: float) -> tuple[float, float]:
            there, found = gradient_at(mdp, family, x + eta * g)
            return found.J, float((unit * there).sum())

        eta = stationary_step(along, min(1.0, longest), longest)
        return finite_or_refused(x + eta * g, self.name)
