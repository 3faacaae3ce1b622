"""Expected TD, SARSA and Q-learning on tables: the mean of what a learner would do.

Takes     a step size; a policy, or none for control; weights of states or pairs.
Gives     rules: `TemporalDifference`, `Sarsa`, `QLearning`, `TargetTable`; what rules of a table Q
          share: `PairRule`.
Source    Sutton and Barto (2018), eqs. (6.2), (6.7) and (6.8), with expectations for samples;
          TD(lambda): Tsitsiklis and Van Roy (1997).
Not here  linear features (`_linear_rules`), sweeps of planners (`_sweep_rules`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ..arrays import FloatArray, FloatS, FloatSA, readonly
from ..bellman import backup, best_actions, expect_actions
from ..checks import check_count, check_values
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..model import MDP
from ..policies import check_policy, deterministic_policy
from ._steps import StepSize, check_step, step_at, words_for
from ._value_tables import (
    check_lam,
    check_pairs,
    check_target,
    check_weights,
    followed,
    kept_finite,
    start_pairs,
    start_values,
    td_error,
    towards,
)


class _Learner:
    """What learners share: a step size, and weights of what is updated."""

    __slots__ = ()

    kind: ClassVar[str] = "value"
    step_size: StepSize
    weights: Any

    def __post_init__(self) -> None:
        check_step(self.step_size)

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The step size."""
        return step_at(self.step_size, mdp, t)


class PairRule(ABC):
    """A rule whose x is a table Q (S, A), with the policy that follows it."""

    __slots__ = ()

    kind: ClassVar[str] = "value"
    Q0: Any

    @property
    @abstractmethod
    def name(self) -> str:
        """What a report calls it."""

    def start(self, mdp: MDP) -> FloatArray:
        """Q0, or zeros; -inf at refused pairs."""
        return start_pairs(mdp, self.Q0, self.name.partition(",")[0])

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy that is followed at x."""
        return self._followed(mdp, check_pairs(mdp, x))

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """sum_a pi Q, pi the policy that is followed."""
        Q = check_pairs(mdp, x)
        return expect_actions(self._followed(mdp, Q), Q)

    def _followed(self, mdp: MDP, Q: FloatSA) -> FloatSA:
        """The greedy policy of Q, the first of the best actions."""
        return deterministic_policy(mdp, best_actions(Q)[0])


class _PairLearner(_Learner, PairRule):
    """Q + step w (R + gamma P sum_a pi Q - Q), pi the policy that is followed."""

    __slots__ = ()

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next Q.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (S, A) array, reward units
        t : int
        found : Evaluation, optional
            Not used: values are what is sought.

        Returns
        -------
        (S, A) array
            -inf at refused pairs.

        Raises
        ------
        ModelError
            If a policy or the weights do not fit; if Q leaves float64.
        """
        goal = backup(mdp, self.values(mdp, x))
        eta = step_at(self.step_size, mdp, t)
        return towards(mdp, check_pairs(mdp, x), goal, eta, self.weights, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class TemporalDifference(_Learner):
    """V + step w (T_lam V - V): expected TD(lam) for one policy.

    Parameters
    ----------
    pi : (S, A) array_like
        The policy that is evaluated.
    step_size : float in (0, inf), function of t, or Geometric
    lam : float in [0, 1]
        ``T_lam V - V = sum_k (gamma lam P_pi)^k (R_pi + gamma P_pi V - V)``. 0 is TD(0); 1 is
        expected Monte Carlo: one step of size 1 is V^pi.
    weights : (S,) array_like, optional
        w >= 0, how often each state is updated; 1 if omitted (all at once).
    V0 : (S,) array_like, reward units, optional
        Zeros if omitted.

    Notes
    -----
    Discounted or total reward. V stays 0 on terminal states. lam > 0 costs one LU factorisation of
    ``I - gamma lam P_pi`` a step, O(S^3) if dense.

    Examples
    --------
    >>> mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    >>> rule = TemporalDifference([[1.0]], 0.5)
    >>> rule.step(mdp, rule.step(mdp, rule.start(mdp)))
    array([0.875])
    """

    pi: Any
    step_size: StepSize = 1.0
    lam: float = 0.0
    weights: Any = None
    V0: Any = None

    def __post_init__(self) -> None:
        check_step(self.step_size)
        check_lam(self.lam)

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"expected TD({self.lam:g}), {words_for(self.step_size)}"
        return with_options(head, self, "pi", "lam", "step_size")

    def start(self, mdp: MDP) -> FloatArray:
        """V0, or zeros; 0 on terminal states."""
        return start_values(mdp, self.V0, "expected TD")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy that is evaluated."""
        return check_policy(mdp, self.pi)

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """x itself."""
        return check_values(x, "x", mdp.n_states)

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next V.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (S,) array, reward units
        t : int
        found : Evaluation, optional
            Not used: values are what is sought.

        Returns
        -------
        (S,) array

        Raises
        ------
        ModelError
            If pi or the weights do not fit; if V leaves float64.
        """
        pi = check_policy(mdp, self.pi)
        V = check_values(x, "x", mdp.n_states)
        error = td_error(mdp, pi, V, self.lam)
        weights = check_weights(self.weights, (mdp.n_states,))
        return kept_finite(V + step_at(self.step_size, mdp, t) * weights * error, self.name)


@dataclass(frozen=True, slots=True, eq=False)
class Sarsa(_PairLearner):
    """Q + step w (R + gamma P sum_a pi Q - Q): expected SARSA.

    Parameters
    ----------
    step_size : float in (0, inf), function of t, or Geometric
    pi : (S, A) array_like, optional
        The policy that is evaluated.
    epsilon : float in [0, 1], optional
        Instead of pi: the epsilon-greedy policy of Q itself.
    weights : (S, A) array_like, optional
        w >= 0, how often each pair is updated; 1 if omitted (all at once).
    Q0 : (S, A) array_like, reward units, optional
        Zeros if omitted.

    Notes
    -----
    Discounted or total reward. Both backups are gamma-contractions: ``(1 - epsilon) max + epsilon
    mean`` too.
    """

    step_size: StepSize = 1.0
    pi: Any = None
    epsilon: float | None = None
    weights: Any = None
    Q0: Any = None

    def __post_init__(self) -> None:
        check_step(self.step_size)
        check_target(self.pi, self.epsilon)

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"expected SARSA, {words_for(self.step_size)}"
        return with_options(head, self, "pi", "step_size")

    def _followed(self, mdp: MDP, Q: FloatSA) -> FloatSA:
        """pi, or the epsilon-greedy policy of Q."""
        return followed(mdp, Q, self.pi, self.epsilon)


@dataclass(frozen=True, slots=True, eq=False)
class QLearning(_PairLearner):
    """Q + step w (R + gamma P max_a Q - Q): expected Q-learning.

    Parameters
    ----------
    step_size : float in (0, inf), function of t, or Geometric
        1 without weights is Q-iteration.
    weights : (S, A) array_like, optional
        w >= 0, how often each pair is updated; 1 if omitted (all at once).
    Q0 : (S, A) array_like, reward units, optional
        Zeros if omitted.

    Notes
    -----
    Discounted or total reward. With ``step w <= 1`` the distance to Q* shrinks by ``1 - step min w
    (1 - gamma)`` or more.
    """

    step_size: StepSize = 1.0
    weights: Any = None
    Q0: Any = None

    @property
    def name(self) -> str:
        """What a report calls it."""
        return with_options(f"expected Q-learning, {words_for(self.step_size)}", self, "step_size")


@dataclass(frozen=True, slots=True, eq=False)
class TargetTable(_Learner):
    """Q + step w (R + gamma P V_target - Q), the target a copy of Q taken every so many updates.

    Parameters
    ----------
    every : int
        Updates between two copies. 1 is `QLearning` (or `Sarsa` for a pi); with many each copy is
        one sweep of value iteration, but for ``(1 - step)^every``.
    step_size : float in (0, inf), function of t, or Geometric
    pi : (S, A) array_like, optional
        Evaluate this policy; the maximum over actions if omitted.
    weights : (S, A) array_like, optional
        1 if omitted.
    Q0 : (S, A) array_like, reward units, optional
        Zeros if omitted.

    Notes
    -----
    x is (2, S, A): Q and its target. The target is renewed before each step whose t is a multiple
    of ``every``; Mnih et al. (2015), without a network.
    """

    every: int
    step_size: StepSize = 1.0
    pi: Any = None
    weights: Any = None
    Q0: Any = None

    def __post_init__(self) -> None:
        check_count(self.every, "every")
        check_step(self.step_size)

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"target table every {self.every}, {words_for(self.step_size)}"
        return with_options(head, self, "every", "step_size")

    def start(self, mdp: MDP) -> FloatArray:
        """Q0, or zeros, twice; -inf at refused pairs."""
        Q = start_pairs(mdp, self.Q0, "a target table")
        return readonly(np.stack([Q, Q]))

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """pi, or the greedy policy of Q."""
        return followed(mdp, self._table(mdp, x, 0), self.pi, 0.0)

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """max_a Q, or sum_a pi Q."""
        return expect_actions(self.policy(mdp, x), self._table(mdp, x, 0))

    def _table(self, mdp: MDP, x: Any, which: int) -> FloatSA:
        if np.shape(x) != (2, mdp.n_states, mdp.n_actions):
            raise ModelError(f"x has shape {np.shape(x)}; it must be (2, S, A): Q and its target.")
        return check_pairs(mdp, x[which])

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next pair of tables.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (2, S, A) array, reward units
        t : int
        found : Evaluation, optional
            Not used.

        Returns
        -------
        (2, S, A) array

        Raises
        ------
        ModelError
            If pi or the weights do not fit; if Q leaves float64.
        """
        Q = self._table(mdp, x, 0)
        target = Q if t % self.every == 0 else self._table(mdp, x, 1)
        V = expect_actions(followed(mdp, target, self.pi, 0.0), target)
        eta = step_at(self.step_size, mdp, t)
        new = towards(mdp, Q, backup(mdp, V), eta, self.weights, self.name)
        return readonly(np.stack([new, target]))
