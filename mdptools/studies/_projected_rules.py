"""Projected gradient ascent: pi itself moves along dJ/dpi and is put back onto the simplex.

Takes     a step size.
Gives     the rule `ProjectedGradient`.
Source    Agarwal, Kakade, Lee and Mahajan (2021), section 4.
Not here  projected steps along Q, which do not depend on mu (`_mirror_rules`, "euclidean").
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, readonly
from ..checks import check_served
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..model import MDP
from ..policies import check_policy, uniform_policy
from ._projection import projected_step
from ._rule import PolicyRule, evaluated
from ._steps import StepSize, check_step, most_actions, reward_range, step_at, words_for
from ._tables import gaps, table_shape


@dataclass(frozen=True, slots=True, eq=False)
class ProjectedGradient(PolicyRule):
    """The policy nearest to pi + step dJ/dpi, state by state.

    Parameters
    ----------
    step_size : float in (0, inf], function of t, or Geometric, optional
        ``(1 - gamma)^3 / (2 gamma A range)`` if omitted, with which J never falls: range is that
        of the rewards, A the largest number of allowed actions.
    pi0 : (S, A) or (H, S, A) array_like, optional
        The first policy; uniform if omitted.

    Notes
    -----
    x is pi. ``dJ/dpi = visits Q``: states that mu never leads to do not move. Agarwal et al.
    (2021), section 4, with ``d / (1 - gamma) = visits``.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> rule = ProjectedGradient()
    >>> rule.step_size_at(mdp, 0), rule.step(mdp, rule.start(mdp))
    (0.0625, array([[0.4375, 0.5625]]))
    """

    step_size: StepSize | None = None
    pi0: Any = None

    def __post_init__(self) -> None:
        if self.step_size is not None:
            check_step(self.step_size)

    @property
    def name(self) -> str:
        """What a report calls it."""
        words = "step 1/L" if self.step_size is None else words_for(self.step_size)
        return with_options(f"projected gradient ascent, {words}", self, "step_size")

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The step of pi.

        Parameters
        ----------
        mdp : MDP
        t : int

        Returns
        -------
        float

        Raises
        ------
        ModelError
            If it is omitted, and the model is not discounted or gamma is 0.
        """
        if self.step_size is not None:
            return step_at(self.step_size, mdp, t)
        check_served(mdp, "the default step", "discounted", instead="step_size=")
        if mdp.gamma == 0:
            raise ModelError("the default step is infinite where gamma is 0: say step_size.")
        turn = 2 * mdp.gamma * most_actions(mdp) * reward_range(mdp)
        return (1 - mdp.gamma) ** 3 / turn if turn else 1.0

    def start(self, mdp: MDP) -> FloatArray:
        """The first policy."""
        pi = uniform_policy(mdp) if self.pi0 is None else check_policy(mdp, self.pi0)
        return readonly(np.array(np.broadcast_to(pi, table_shape(mdp))))

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """x itself, checked."""
        return check_policy(mdp, x)

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next policy.

        Parameters
        ----------
        mdp : MDP
        x : (S, A) or (H, S, A) array
        t : int
        found : Evaluation, optional
            Of x.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `evaluate` and `step_size_at`.
        """
        pi = check_policy(mdp, x)
        found = evaluated(mdp, pi, found)
        eta = step_at(self.step_size, mdp, t) if self.step_size else self.step_size_at(mdp, t)
        return projected_step(
            mdp, pi, float(eta or 0.0), found.visits[..., None] * gaps(mdp, found.Q)
        )
