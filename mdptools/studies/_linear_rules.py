"""Semi-gradient TD, SARSA and Q-learning with linear features, in expectation.

Takes     features, a step size, weights of states or pairs (how often each is updated).
Gives     rules `LinearTD`, `LinearSarsa`, `LinearQLearning`; `stationary_law`.
Source    Sutton and Barto (2018), sections 9.3, 10.1, 11.1 and 11.2; Tsitsiklis and Van Roy (1997).
Not here  whether they diverge (`_recursion`), tables (`_value_rules`); gradient-TD methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA, as_floats, readonly
from ..bellman import best_actions, expect_actions
from ..checks import check_served
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import check_policy, deterministic_policy
from ..structure import recurrent_classes
from ._steps import StepSize, check_step, step_at, words_for
from ._value_tables import (
    OTHERWISE,
    check_lam,
    check_target,
    check_weights,
    followed,
    kept_finite,
    resolvent_of,
)


class Recursion(NamedTuple):
    """``w_next = M @ w + b``."""

    M: FloatArray  # (k, k)
    b: FloatArray  # (k,)


@dataclass(frozen=True, slots=True, eq=False)
class LinearRule(ABC):
    """w + step sum_x weight(x) error(x) phi(x), x states or pairs: what the rules share."""

    phi: Any
    step_size: StepSize = 0.1
    weights: Any = None
    w0: Any = None
    kind: ClassVar[str] = "value"

    def __post_init__(self) -> None:
        check_step(self.step_size)

    @abstractmethod
    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy that is followed or evaluated."""

    @abstractmethod
    def system(self, mdp: MDP, x: Any) -> Recursion:
        """A and c of ``w + step (c - A w)``, at the policy of x."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What a report calls it."""

    def step_size_at(self, mdp: MDP, t: int) -> float | None:
        """The step size."""
        return step_at(self.step_size, mdp, t)

    def start(self, mdp: MDP) -> FloatArray:
        """w0, or zeros.

        Parameters
        ----------
        mdp : MDP

        Returns
        -------
        (k,) array
        """
        check_served(mdp, self.name, "discounted", "total", instead=OTHERWISE)
        k = self._features(mdp).shape[-1]
        return self._weights_of(np.zeros(k) if self.w0 is None else self.w0, k, "w0")

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next w.

        Parameters
        ----------
        mdp : MDP
            Discounted or total.
        x : (k,) array
        t : int
        found : Evaluation, optional
            Not used.

        Returns
        -------
        (k,) array

        Raises
        ------
        ModelError
            If features or weights do not fit; if w leaves float64.
        """
        A, c = self.system(mdp, x)
        w = self._weights_of(x, len(c), "x")
        return kept_finite(w + step_at(self.step_size, mdp, t) * (c - A @ w), self.name)

    def _weights_of(self, x: Any, k: int, name: str) -> FloatArray:
        w = as_floats(x, name)
        if w.shape != (k,) or not np.isfinite(w).all():
            raise ModelError(f"{name} must be {k} finite numbers, one for each feature.")
        return readonly(w)

    def _features(self, mdp: MDP) -> FloatArray:
        phi = as_floats(self.phi, "phi")
        shape = self._rows(mdp)
        if phi.shape[:-1] != shape or phi.ndim != len(shape) + 1 or not np.isfinite(phi).all():
            raise ModelError(f"phi has shape {phi.shape}; it must be {(*shape, 'k')}, and finite.")
        return phi

    @abstractmethod
    def _rows(self, mdp: MDP) -> tuple[int, ...]:
        """(S,) or (S, A)."""


@dataclass(frozen=True, slots=True, eq=False)
class LinearTD(LinearRule):
    """w + step phi' D (T_lam phi w - phi w), D = diag(d): expected semi-gradient TD(lam).

    Parameters
    ----------
    phi : (S, k) array_like
        Features; those of terminal states do not count.
    step_size : float in (0, inf), function of t, or Geometric
    weights : (S,) array_like, optional
        d >= 0, how often each state is updated. The stationary law of pi if omitted (one recurrent
        class, no terminal states). With another law the recursion may diverge.
    w0 : (k,) array_like, optional
        Zeros if omitted.
    pi : (S, A) array_like
        The policy that is evaluated.
    lam : float in [0, 1]
        As `TemporalDifference`: ``T_lam V - V = sum_k (gamma lam P_pi)^k (R_pi + gamma P_pi V -
        V)``. 0 is semi-gradient TD(0); 1 descends ``|V^pi - phi w|_D^2 / 2`` and never diverges
        for a small step.

    Notes
    -----
    The mean of TD(lam) with eligibility traces if d is the stationary law; with other weights the
    mean of the updates towards lambda-returns. lam > 0 costs one LU factorisation of ``I - gamma
    lam P_pi`` a step, O(S^3) if dense.

    Examples
    --------
    >>> from mdptools import problems
    >>> mdp = problems.tsitsiklis_van_roy()
    >>> rule = LinearTD(problems.tsitsiklis_van_roy_features(), 0.1, [0.5, 0.5, 0], pi=[[1.0]] * 3)
    >>> from mdptools.studies import LinearTD, spectral_radius
    >>> spectral_radius(rule, mdp) > 1
    True
    """

    pi: Any = None
    lam: float = 0.0

    def __post_init__(self) -> None:
        LinearRule.__post_init__(self)
        check_lam(self.lam)

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"expected semi-gradient TD({self.lam:g}), {words_for(self.step_size)}"
        return with_options(head, self, "phi", "pi", "lam", "step_size")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy that is evaluated."""
        return check_policy(mdp, self.pi)

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """phi w, 0 on terminal states."""
        phi = self._features(mdp)
        w = self._weights_of(x, phi.shape[-1], "x")
        return readonly(np.where(mdp.terminal, 0.0, phi @ w))

    def system(self, mdp: MDP, x: Any) -> Recursion:
        """A = phi' D M (phi - gamma P_pi phi), c = phi' D M R_pi, M = (I - gamma lam P_pi)^-1."""
        pi = self.policy(mdp, x)
        phi = np.where(mdp.terminal[:, None], 0.0, self._features(mdp))
        d = stationary_law(mdp, pi) if self.weights is None else self.weights
        d = np.where(mdp.terminal, 0.0, check_weights(d, (mdp.n_states,)))
        ahead = mdp.gamma * (kernel.mix(mdp.P, pi) @ phi)
        weighted, live = phi * d[:, None], ~mdp.terminal
        if self.lam and live.any():
            traced = resolvent_of(mdp, pi, self.lam).solve_adjoint(weighted[live])
            weighted[live] = traced
        return Recursion(weighted.T @ (phi - ahead), weighted.T @ expect_actions(pi, mdp.R))

    def _rows(self, mdp: MDP) -> tuple[int, ...]:
        return (mdp.n_states,)


@dataclass(frozen=True, slots=True, eq=False)
class LinearSarsa(LinearRule):
    """Expected semi-gradient SARSA: `LinearTD` on pairs, Q = phi w.

    Parameters
    ----------
    phi : (S, A, k) array_like
        Features; those of terminal states and refused pairs do not count.
    step_size : float in (0, inf), function of t, or Geometric
    weights : (S, A) array_like, optional
        How often each pair is updated. The stationary law of pi times pi if omitted.
    w0 : (k,) array_like, optional
        Zeros if omitted.
    pi : (S, A) array_like, optional
        The policy that is evaluated.
    epsilon : float in [0, 1], optional
        Instead of pi: the epsilon-greedy policy of phi w itself.

    Notes
    -----
    With epsilon the recursion is affine while the greedy policy stays; where that changes it jumps,
    and it may chatter between two policies for ever instead of converging.
    """

    pi: Any = None
    epsilon: float | None = None

    def __post_init__(self) -> None:
        LinearRule.__post_init__(self)
        check_target(self.pi, self.epsilon)

    @property
    def name(self) -> str:
        """What a report calls it."""
        greedy = "" if self.epsilon is None else f", epsilon {self.epsilon:g}"
        head = f"expected semi-gradient SARSA, {words_for(self.step_size)}{greedy}"
        return with_options(head, self, "phi", "pi", "epsilon", "step_size")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """pi, or the epsilon-greedy policy of phi w."""
        if self.pi is not None:
            return check_policy(mdp, self.pi)
        return followed(mdp, _pairs(self, mdp, x), None, self.epsilon)

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """sum_a pi phi w, 0 on terminal states."""
        return expect_actions(self.policy(mdp, x), _pairs(self, mdp, x))

    def system(self, mdp: MDP, x: Any) -> Recursion:
        """A and c at the policy of x."""
        return _pair_system(self, mdp, self.policy(mdp, x))

    def _rows(self, mdp: MDP) -> tuple[int, ...]:
        return mdp.n_states, mdp.n_actions


@dataclass(frozen=True, slots=True, eq=False)
class LinearQLearning(LinearRule):
    """Expected semi-gradient Q-learning, Q = phi w: SARSA's step towards the greedy policy of Q.

    Parameters
    ----------
    phi : (S, A, k) array_like
        Features; those of terminal states and refused pairs do not count.
    step_size : float in (0, inf), function of t, or Geometric
    weights : (S, A) array_like
        How often each pair is updated.
    w0 : (k,) array_like, optional
        Zeros if omitted.

    Notes
    -----
    The recursion is affine while the greedy policy (the first of the best actions) stays.
    """

    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"expected semi-gradient Q-learning, {words_for(self.step_size)}"
        return with_options(head, self, "phi", "weights", "step_size")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The greedy policy of phi w."""
        return deterministic_policy(mdp, best_actions(_pairs(self, mdp, x))[0])

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """max_a phi w, 0 on terminal states."""
        return best_actions(_pairs(self, mdp, x))[1]

    def system(self, mdp: MDP, x: Any) -> Recursion:
        """A and c at the greedy policy."""
        if self.weights is None:
            raise ModelError("say weights=, how often each pair is updated, for Q-learning.")
        return _pair_system(self, mdp, self.policy(mdp, x))

    def _rows(self, mdp: MDP) -> tuple[int, ...]:
        return mdp.n_states, mdp.n_actions


def stationary_law(mdp: MDP, pi: FloatSA) -> FloatS:
    """The long-run share of time in each state: with it semi-gradient TD converges.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array

    Returns
    -------
    (S,) array
        Sums to one.

    Raises
    ------
    ModelError
        If there are terminal states, or several recurrent classes.
    """
    if mdp.terminal.any():
        raise ModelError("where episodes end there is no stationary law: say weights=.")
    count = len(recurrent_classes(mdp, pi))
    if count > 1:
        raise ModelError(
            f"the policy has {count} recurrent classes, so the stationary law depends on the "
            f"start: say weights=."
        )
    return evaluate(mdp.with_objective(average=True), pi).visits


def _pairs(rule: LinearRule, mdp: MDP, x: Any) -> FloatSA:
    """phi w, 0 on terminal states, -inf at refused pairs."""
    phi = rule._features(mdp)
    Q = phi @ rule._weights_of(x, phi.shape[-1], "x")
    return np.where(mdp.allowed, np.where(mdp.terminal[:, None], 0.0, Q), -np.inf)


def _pair_system(rule: LinearRule, mdp: MDP, pi: FloatSA) -> Recursion:
    """phi' D (phi - gamma P Pi phi) and phi' D R."""
    counted = mdp.allowed & ~mdp.terminal[:, None]
    phi = np.where(counted[..., None], rule._features(mdp), 0.0)
    d = stationary_law(mdp, pi)[:, None] * pi if rule.weights is None else rule.weights
    d = np.where(counted, check_weights(d, counted.shape), 0.0)
    followed = (pi[..., None] * phi).sum(axis=1)
    ahead = mdp.gamma * kernel.expect_each(mdp.P, followed)
    weighted = phi * d[..., None]
    flat = weighted.reshape(-1, phi.shape[-1])
    A = flat.T @ (phi - ahead).reshape(flat.shape)
    return Recursion(A, flat.T @ np.where(counted, mdp.R, 0.0).reshape(-1))
