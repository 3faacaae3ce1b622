"""Policy mirror descent: the policy that maximises step <Q, p> - D(p, pi) in each state.

Takes     a step size in policy space: it multiplies Q itself.
Gives     the rule `MirrorDescent`.
Source    Xiao (2022), "On the convergence rates of policy gradient methods"; Lan (2023) for the
          entropy-regularised step; Johnson, Pike-Burke and Rebeschini (2023) for adaptive steps.
Not here  natural gradients (`_natural_rules`), whose step s is ``s / (1 - gamma)`` here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, as_floats, readonly
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..gradients import regularised_evaluation
from ..model import MDP
from ..policies import check_policy, uniform_policy
from ._natural_rules import check_tau
from ._projection import projected_step
from ._rule import PolicyRule, action_values
from ._steps import Adaptive, StepSize, check_step, step_at, words_for
from ._tables import (
    anchored,
    check_table,
    gaps,
    greedy_set,
    moved,
    start_table,
    table_logs,
    table_policy,
    table_shape,
    told_apart,
)


@dataclass(frozen=True, slots=True, eq=False)
class MirrorDescent(PolicyRule):
    """argmax_p step <Q, p> - D(p, pi), state by state.

    Parameters
    ----------
    step_size : float in (0, inf], function of t, Geometric or Adaptive
        In policy space, 1 / reward units. A natural policy gradient with step s makes the same
        policies as step ``s / (1 - gamma)`` here: never give one rule the other's number.
    divergence : {"kl", "euclidean"}
        D(p, pi): KL(p || pi), then x is a table of logits and the policy is ``pi exp(step Q)``
        normalised; or half the squared distance, then x is pi and the policy is the projection of
        ``pi + step Q`` onto the simplex.
    tau : float >= 0, reward units
        Weight of the entropy in the objective, with "kl": ``log pi_next = (log pi + step Q_tau) /
        (1 + step tau)`` up to a constant.
    pi0 : (S, A) or (H, S, A) array_like, optional
        The first policy, uniform if omitted; > 0 at allowed pairs with "kl".

    Notes
    -----
    With a step that does not fall no V falls. Q is that of the exact evaluation, of any objective;
    the step does not depend on mu.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> rule = MirrorDescent(0.25, divergence="euclidean")
    >>> rule.step(mdp, rule.start(mdp))
    array([[0.375, 0.625]])
    """

    step_size: StepSize | Adaptive
    divergence: str = "kl"
    tau: float = 0.0
    pi0: Any = None

    def __post_init__(self) -> None:
        check_step(self.step_size, Adaptive)
        check_tau(self.tau)
        if self.divergence not in ("kl", "euclidean"):
            raise ModelError(f"divergence is {self.divergence!r:.80}; 'kl' or 'euclidean'.")
        if self.tau and (self.divergence != "kl" or isinstance(self.step_size, Adaptive)):
            raise ModelError("tau > 0 goes with divergence='kl' and steps that do not adapt.")

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"mirror descent ({self.divergence}), {words_for(self.step_size)}"
        return with_options(head, self, "divergence", "step_size")

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The step in policy space; None if it is adaptive."""
        return None if isinstance(self.step_size, Adaptive) else step_at(self.step_size, mdp, t)

    def start(self, mdp: MDP) -> FloatArray:
        """The first policy: its logits, or itself.

        Parameters
        ----------
        mdp : MDP

        Returns
        -------
        (S, A) array, or (H, S, A) if the model has a horizon

        Raises
        ------
        ModelError
            If pi0 is no policy; with "kl" if it is 0 at an allowed pair, which it could never
            leave.
        """
        pi = uniform_policy(mdp) if self.pi0 is None else check_policy(mdp, self.pi0)
        if self.divergence == "euclidean":
            return readonly(np.array(np.broadcast_to(pi, table_shape(mdp))))
        if (pi[..., mdp.allowed] == 0).any():
            raise ModelError(
                "pi0 is 0 at an allowed pair: KL never leaves there. Use divergence='euclidean'."
            )
        return start_table(mdp, np.log(np.where(mdp.allowed, pi, 1.0)), "pi0")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy at x."""
        if self.divergence == "euclidean":
            return check_policy(mdp, x)
        return table_policy(mdp, check_table(mdp, x))

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next x.

        Parameters
        ----------
        mdp : MDP
            Of any objective; with tau discounted or finite.
        x : (S, A) or (H, S, A) array
        t : int
        found : Evaluation, optional
            Of the policy at x. Not used with tau.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `evaluate`.
        """
        pi = self.policy(mdp, x)
        if self.tau and not isinstance(self.step_size, Adaptive):
            return self._soft(mdp, check_table(mdp, x), pi, step_at(self.step_size, mdp, t))
        Q, bound = action_values(mdp, pi, found)
        gap = gaps(mdp, Q)
        if isinstance(self.step_size, Adaptive):
            gap = told_apart(gap, bound)
            eta = self._adapted(mdp, x, gap, t)
        else:
            eta = step_at(self.step_size, mdp, t)
        gap = told_apart(gap, bound, eta)
        if self.divergence == "euclidean":
            return projected_step(mdp, pi, eta, gap)
        return moved(mdp, check_table(mdp, x), eta, gap)

    def _soft(self, mdp: MDP, logits: FloatSA, pi: FloatSA, eta: float) -> FloatSA:
        gap = gaps(mdp, regularised_evaluation(mdp, pi, self.tau).Q)
        shrink = 1 / (1 + eta * self.tau)  # 0 for an infinite step: soft policy iteration
        rate = 1 / self.tau if np.isinf(eta) else eta * shrink
        return anchored(mdp, moved(mdp, shrink * table_logs(mdp, logits), rate, gap))

    def _adapted(self, mdp: MDP, x: Any, gap: FloatSA, t: int) -> float:
        """max_s min D(greedy, pi) / c, c = error gamma^(2 (t + 1)); the floor keeps it > 0."""
        assert isinstance(self.step_size, Adaptive)
        best = greedy_set(mdp, gap)
        if self.divergence == "kl":
            logs = table_logs(mdp, check_table(mdp, x))
            top = np.where(best, logs, -np.inf).max(axis=-1)
            inside = np.exp(np.where(best, logs - top[..., None], -np.inf))
            distance = -(top + np.log(inside.sum(axis=-1)))
        else:
            # The nearest greedy policy: what lies elsewhere, shared out among the best.
            pi = as_floats(x, "x")
            elsewhere = np.where(best, 0.0, pi)
            share = elsewhere.sum(axis=-1) / best.sum(axis=-1)
            inside = best.sum(axis=-1) * share**2
            distance = ((elsewhere**2).sum(axis=-1) + inside) / 2
        largest = float(distance.max(initial=0.0))
        error = self.step_size.error * mdp.gamma ** (2 * (t + 1))
        with np.errstate(over="ignore", divide="ignore"):
            eta = float(np.float64(max(largest, 0.0)) / np.float64(error)) if largest > 0 else 0.0
        return eta if eta > 0 else 1 / self.step_size.error
