"""Conservative policy iteration: mix in the greedy policy, as much as a theorem allows.

Takes     pi, and how much to mix in.
Gives     the rule `ConservativePolicyIteration`.
Source    Kakade and Langford (2002), theorem 4.1; Bhandari and Russo (2021) for exact line search.
Not here  policy iteration itself, which mixes in everything (`_sweep_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, as_floats, readonly
from ..bellman import expect_actions
from ..checks import check_served, number_or_nan
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import check_policy, uniform_policy
from ._family_rule import flow
from ._line_search import LineSearch, stationary_step, words_for_search
from ._rule import PolicyRule, evaluated
from ._tables import gaps, greedy_set, table_shape, told_apart


@dataclass(frozen=True, slots=True, eq=False)
class ConservativePolicyIteration(PolicyRule):
    """(1 - weight) pi + weight greedy.

    Parameters
    ----------
    weight : float in (0, 1], or LineSearch, optional
        How much of the greedy policy is mixed in. If omitted, for discounted models: the weight
        with the largest guaranteed gain, ``(1 - gamma) ((1 - M / (2 m))^(-1/2) - 1) / gamma`` and
        at most 1, M the mean of the greedy policy's advantage over d, m its largest absolute value.
    pi0 : (S, A) or (H, S, A) array_like, optional
        The first policy; uniform if omitted.
    error : (S, A) or (H, S, A) array_like, reward units, optional
        Added to Q before the greedy policy is chosen: what a learner with a wrong critic would do.
        The guarantee then counts the true advantage of its choice, and does not move where that is
        not > 0.

    Notes
    -----
    Kakade and Langford (2002), theorem 4.1, with V not normalised: mixing in a weight w gains at
    least ``(w M - 2 w^2 gamma m / (1 - gamma (1 - w))) / (1 - gamma)``. With ``u = 1 - gamma +
    gamma w`` the derivative of the bracket is ``M - 2 m (1 - (1 - gamma)^2 / u^2)``, whose zero is
    the default. Ties of the greedy policy are shared out evenly. x is pi.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> rule = ConservativePolicyIteration(0.5)
    >>> rule.step(mdp, rule.start(mdp))
    array([[0.25, 0.75]])
    """

    weight: float | LineSearch | None = None
    pi0: Any = None
    error: Any = None

    def __post_init__(self) -> None:
        if self.weight is None or isinstance(self.weight, LineSearch):
            return
        if not 0 < number_or_nan(self.weight) <= 1:
            raise ModelError(f"weight is {self.weight!r:.80}; it must be a number in (0, 1].")

    @property
    def name(self) -> str:
        """What a report calls it."""
        if self.weight is None:
            head = "conservative policy iteration, guaranteed weight"
        elif isinstance(self.weight, LineSearch):
            head = f"conservative policy iteration, {words_for_search(self.weight)}"
        elif self.weight == 1:  # nothing of the old policy is left
            head = "policy iteration with ties shared out"
        else:
            head = f"conservative policy iteration, weight {self.weight:g}"
        head += "" if self.error is None else ", Q in error"
        return with_options(head, self, "weight", "error")

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The weight, if it is a number."""
        fixed = self.weight is not None and not isinstance(self.weight, LineSearch)
        return float(self.weight) if fixed else None  # type: ignore[arg-type]

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
            Of any objective; discounted for the default weight.
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
            As `evaluate`; if the default weight is asked for under another objective, or ``error``
            has another shape than Q.
        """
        pi = check_policy(mdp, x)
        found = evaluated(mdp, pi, found)
        greedy = self._greedy(mdp, found)
        weight = self._weight(mdp, pi, greedy, found)
        mixed = (1 - weight) * pi + weight * greedy
        return readonly(mixed / mixed.sum(axis=-1, keepdims=True))

    def _greedy(self, mdp: MDP, found: Evaluation) -> FloatSA:
        Q = found.Q
        if self.error is not None:
            error = as_floats(self.error, "error")
            if error.shape not in (Q.shape, mdp.allowed.shape) or not np.isfinite(error).all():
                raise ModelError(f"error must be finite, of shape {Q.shape}, not {error.shape}.")
            Q = Q + error
        best = greedy_set(mdp, told_apart(gaps(mdp, Q), found.certificate.bound))
        greedy: FloatSA = best / best.sum(axis=-1, keepdims=True)
        return greedy

    def _weight(self, mdp: MDP, pi: FloatSA, greedy: FloatSA, found: Evaluation) -> float:
        if isinstance(self.weight, LineSearch):
            return self._searched(mdp, pi, greedy, found)
        if self.weight is not None:
            return float(self.weight)
        check_served(mdp, "the guaranteed weight", "discounted", instead="weight=")
        h = np.where(mdp.terminal, 0.0, expect_actions(greedy, found.A))
        return guaranteed_weight(
            mdp.gamma, (1 - mdp.gamma) * float(found.visits @ h), float(np.abs(h).max())
        )

    def _searched(self, mdp: MDP, pi: FloatSA, greedy: FloatSA, found: Evaluation) -> float:
        assert isinstance(self.weight, LineSearch)
        change = greedy - pi

        def along(weight: float) -> tuple[float, float]:
            there = found
            if weight:
                there = evaluated(mdp, pi, evaluate(mdp, np.clip(pi + weight * change, 0.0, 1.0)))
            return there.J, float((flow(mdp, there) * change).sum())

        return stationary_step(along, 1.0, min(1.0, self.weight.longest))


def guaranteed_weight(gamma: float, mean: float, largest: float) -> float:
    """The w in [0, 1] that maximises ``w mean - 2 w^2 gamma largest / (1 - gamma (1 - w))``.

    Parameters
    ----------
    gamma : float in [0, 1)
    mean, largest : float, reward units
        With ``mean <= largest``.

    Returns
    -------
    float
        0 if the mean is not > 0.
    """
    if not mean > 0:
        return 0.0
    share = mean / (2 * largest)
    # (1 - share)^(-1/2) - 1, without cancellation
    root = float(np.sqrt(1 - share))
    excess = share / (root * (1 + root))
    return min(1.0, (1 - gamma) * excess / gamma) if gamma else 1.0
