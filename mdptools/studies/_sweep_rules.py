"""The sweeps of planners as rules: value, Q-, policy and modified policy iteration.

Takes     where to start.
Gives     rules: `ValueIteration`, `QIteration`, `PolicyIteration`, `ModifiedPolicyIteration`.
Source    Puterman (1994), chapter 6; Sutton and Barto (2018), chapter 4.
Not here  the planners, which certify and stop (planning).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA, as_floats, readonly
from ..bellman import backup, best_actions, expect_actions
from ..checks import check_count, check_served, check_values
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..model import MDP
from ..policies import check_policy, deterministic_policy
from ._rule import PolicyRule, evaluated
from ._value_rules import PairRule
from ._value_tables import OTHERWISE, start_values


@dataclass(frozen=True, slots=True, eq=False)
class _Sweep:
    """Rules whose x is V, and whose policy is greedy for it."""

    V0: Any = None
    kind: ClassVar[str] = "value"

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """None: a sweep has no step size."""
        return None

    def start(self, mdp: MDP) -> FloatArray:
        """V0, or zeros; 0 on terminal states."""
        return start_values(mdp, self.V0, "a sweep of values")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The greedy policy of the backup of V, the first of the best actions."""
        V = check_values(x, "x", mdp.n_states)
        return deterministic_policy(mdp, best_actions(backup(mdp, V))[0])

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """x itself."""
        return check_values(x, "x", mdp.n_states)


@dataclass(frozen=True, slots=True, eq=False)
class ValueIteration(_Sweep):
    """V <- max_a (R + gamma P V).

    Parameters
    ----------
    V0 : (S,) array_like, reward units, optional
        Zeros if omitted.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> rule = ValueIteration()
    >>> rule.step(mdp, rule.step(mdp, rule.start(mdp)))
    array([1.5])
    """

    @property
    def name(self) -> str:
        """What a report calls it."""
        return with_options("value iteration", self)

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """One backup of all states.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (S,) array, reward units
        t : int
        found : Evaluation, optional
            Not used.

        Returns
        -------
        (S,) array
        """
        V = check_values(x, "x", mdp.n_states)
        return readonly(best_actions(backup(mdp, V))[1])


@dataclass(frozen=True, slots=True, eq=False)
class ModifiedPolicyIteration(_Sweep):
    """V <- T_pi^m V with pi greedy for V.

    Parameters
    ----------
    V0 : (S,) array_like, reward units, optional
        Zeros if omitted.
    backups : int
        m >= 1; 1 is value iteration.
    """

    backups: int = 5

    def __post_init__(self) -> None:
        check_count(self.backups, "backups")

    @property
    def name(self) -> str:
        """What a report calls it."""
        return with_options(f"modified policy iteration, {self.backups} backups", self, "backups")

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """A greedy policy, and m backups with it.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (S,) array, reward units
        t : int
        found : Evaluation, optional
            Not used.

        Returns
        -------
        (S,) array
        """
        actions, V = best_actions(backup(mdp, check_values(x, "x", mdp.n_states)))
        chain = kernel.pick(mdp.P, actions)
        R = mdp.R[np.arange(mdp.n_states), actions]
        for _ in range(self.backups - 1):
            V = R + mdp.gamma * kernel.step(chain, V)
        return readonly(V)


@dataclass(frozen=True, slots=True, eq=False)
class QIteration(PairRule):
    """Q <- R + gamma P max_a Q.

    Parameters
    ----------
    Q0 : (S, A) array_like, reward units, optional
        Zeros if omitted.
    """

    Q0: Any = None

    @property
    def name(self) -> str:
        """What a report calls it."""
        return with_options("Q-iteration", self)

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """None: a sweep has no step size."""
        return None

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """One backup of all pairs.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (S, A) array, reward units
        t : int
        found : Evaluation, optional
            Not used.

        Returns
        -------
        (S, A) array
            -inf at refused pairs.
        """
        return readonly(backup(mdp, self.values(mdp, x)))


@dataclass(frozen=True, slots=True, eq=False)
class PolicyIteration(PolicyRule):
    """Howard's policy iteration: the greedy policy for the exact Q of the last one.

    Parameters
    ----------
    pi0 : (S, A) array_like, optional
        A deterministic policy; the first allowed action of each state if omitted.
    error : (S, A) array_like, reward units, optional
        Added to Q before the greedy policy is chosen: what a learner with a wrong critic would do.

    Notes
    -----
    x is pi. An action is kept unless another is better by more than twice the proved error of Q: so
    ties do not cycle, and V never falls without ``error``. With ``error`` the plain greedy policy
    is taken, which may go down or round in circles.
    """

    pi0: Any = None
    error: Any = None

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = "policy iteration" if self.error is None else "policy iteration, Q in error"
        return with_options(head, self, "error")

    def start(self, mdp: MDP) -> FloatArray:
        """The first policy.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.

        Returns
        -------
        (S, A) array

        Raises
        ------
        ModelError
            If pi0 is no deterministic policy of the model, or the objective another one.
        """
        check_served(mdp, "policy iteration", "discounted", "total", instead=OTHERWISE)
        if self.pi0 is None:
            return deterministic_policy(mdp, mdp.allowed.argmax(axis=1))
        return self.policy(mdp, self.pi0)

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """x itself, checked."""
        pi = check_policy(mdp, x)
        if pi.ndim != 2 or ((pi > 0) & (pi < 1)).any():
            raise ModelError("policy iteration goes through deterministic policies: rows of 0, 1.")
        return pi

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next policy.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (S, A) array
        t : int
        found : Evaluation, optional
            Of x.

        Returns
        -------
        (S, A) array
            x again if nothing is better.

        Raises
        ------
        ModelError
            As `evaluate`; if ``error`` has another shape than Q.
        """
        pi = self.policy(mdp, x)
        found = evaluated(mdp, pi, found)
        if self.error is not None:
            error = as_floats(self.error, "error")
            if error.shape != found.Q.shape or not np.isfinite(error).all():
                raise ModelError(f"error must be finite, of shape {found.Q.shape}.")
            return deterministic_policy(mdp, best_actions(found.Q + error)[0])
        actions, best = best_actions(found.Q)
        kept = expect_actions(pi, found.Q) >= best - 2 * found.certificate.bound
        return deterministic_policy(mdp, np.where(kept, pi.argmax(axis=1), actions))
