"""Semi-gradient TD, SARSA and Q-learning with linear features, in expectation.

Takes     features, a step size, weights of states or pairs (how often each is updated).
Gives     rules `LinearTD`, `LinearSarsa`, `LinearQLearning`, and the affine recursion that each is:
          `expected_recursion`, `spectral_radius`.
Source    Sutton and Barto (2018), sections 9.3, 10.1, 11.1 and 11.2; Tsitsiklis and Van Roy (1997).
Not here  tables (`_value_rules`); gradient-TD methods.
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
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import check_policy, deterministic_policy
from ..structure import recurrent_classes
from ._steps import StepSize, check_step, step_at, words_for
from ._value_tables import check_weights, kept_finite


class Recursion(NamedTuple):
    """``w_next = M @ w + b``."""

    M: FloatArray  # (k, k)
    b: FloatArray  # (k,)


@dataclass(frozen=True, slots=True, eq=False)
class _Linear(ABC):
    """w + step sum_x weight(x) error(x) phi(x), x states or pairs."""

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
        check_served(mdp, self.name, "discounted", "total", instead="a model without a horizon")
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
class LinearTD(_Linear):
    """w + step phi' D (R_pi + gamma P_pi phi w - phi w), D = diag(d): semi-gradient TD(0).

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

    Examples
    --------
    >>> from mdptools import problems
    >>> mdp = problems.tsitsiklis_van_roy()
    >>> rule = LinearTD(problems.tsitsiklis_van_roy_features(), 0.1, [0.5, 0.5, 0], pi=[[1.0]] * 3)
    >>> spectral_radius(rule, mdp) > 1
    True
    """

    pi: Any = None

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"expected semi-gradient TD, {words_for(self.step_size)}"

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy that is evaluated."""
        return check_policy(mdp, self.pi)

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """phi w, 0 on terminal states."""
        phi = self._features(mdp)
        w = self._weights_of(x, phi.shape[-1], "x")
        return readonly(np.where(mdp.terminal, 0.0, phi @ w))

    def system(self, mdp: MDP, x: Any) -> Recursion:
        """A = phi' D (phi - gamma P_pi phi) and c = phi' D R_pi."""
        pi = self.policy(mdp, x)
        phi = np.where(mdp.terminal[:, None], 0.0, self._features(mdp))
        d = stationary_law(mdp, pi) if self.weights is None else self.weights
        d = np.where(mdp.terminal, 0.0, check_weights(d, (mdp.n_states,)))
        ahead = mdp.gamma * (kernel.mix(mdp.P, pi) @ phi)
        weighted = phi * d[:, None]
        return Recursion(weighted.T @ (phi - ahead), weighted.T @ expect_actions(pi, mdp.R))

    def _rows(self, mdp: MDP) -> tuple[int, ...]:
        return (mdp.n_states,)


@dataclass(frozen=True, slots=True, eq=False)
class LinearSarsa(_Linear):
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
    pi : (S, A) array_like
        The policy that is evaluated.
    """

    pi: Any = None

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"expected semi-gradient SARSA, {words_for(self.step_size)}"

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy that is evaluated."""
        return check_policy(mdp, self.pi)

    def values(self, mdp: MDP, x: Any) -> FloatS:
        """sum_a pi phi w, 0 on terminal states."""
        return expect_actions(self.policy(mdp, x), _pairs(self, mdp, x))

    def system(self, mdp: MDP, x: Any) -> Recursion:
        """A and c at pi."""
        return _pair_system(self, mdp, self.policy(mdp, x))

    def _rows(self, mdp: MDP) -> tuple[int, ...]:
        return mdp.n_states, mdp.n_actions


@dataclass(frozen=True, slots=True, eq=False)
class LinearQLearning(_Linear):
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
        return f"expected semi-gradient Q-learning, {words_for(self.step_size)}"

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


def expected_recursion(rule: Any, mdp: MDP, x: Any = None, t: int = 0) -> Recursion:
    """M and b with which the next w of a linear rule is ``M @ w + b``.

    Parameters
    ----------
    rule : LinearTD, LinearSarsa or LinearQLearning
    mdp : MDP
    x : (k,) array_like, optional
        Where; only Q-learning's recursion depends on it. The start if omitted.
    t : int
        For steps that change.

    Returns
    -------
    Recursion
        ``M`` (k, k) and ``b`` (k,).

    Raises
    ------
    ModelError
        As the rule's ``step``; if the rule has no linear features.

    Examples
    --------
    >>> mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    >>> expected_recursion(LinearTD([[2.0]], 0.1, [1.0], pi=[[1.0]]), mdp)
    Recursion(M=array([[0.8]]), b=array([0.2]))
    """
    if not isinstance(rule, _Linear):
        raise ModelError(
            f"{type(rule).__name__} has no linear features; there are LinearTD, LinearSarsa and "
            f"LinearQLearning."
        )
    A, c = rule.system(mdp, rule.start(mdp) if x is None else x)
    eta = step_at(rule.step_size, mdp, t)
    return Recursion(readonly(np.eye(len(c)) - eta * A), readonly(eta * c))


def spectral_radius(rule: Any, mdp: MDP, x: Any = None, t: int = 0) -> float:
    """The largest absolute eigenvalue of the expected recursion: it diverges above 1.

    Parameters
    ----------
    rule, mdp, x, t
        As `expected_recursion`.

    Returns
    -------
    float
        To a few eps times the condition of the eigenvalue. Above 1, w grows without bound from
        almost every start; at 1 some direction of w is not seen by the features, or never updated.

    Raises
    ------
    ModelError
        As `expected_recursion`.

    Examples
    --------
    >>> from mdptools import problems
    >>> mdp, phi = problems.baird(), problems.baird_features()
    >>> solid = [[0.0, 1.0]] * 7
    >>> off = LinearTD(phi, 0.01, [1 / 7] * 7, pi=solid)
    >>> on = LinearTD(phi, 0.01, [0.0] * 6 + [1.0], pi=solid)
    >>> round(spectral_radius(off, mdp), 6), round(spectral_radius(on, mdp), 6)
    (1.002393, 1.0)
    """
    return float(np.abs(np.linalg.eigvals(expected_recursion(rule, mdp, x, t).M)).max())


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


def _pairs(rule: _Linear, mdp: MDP, x: Any) -> FloatSA:
    """phi w, 0 on terminal states, -inf at refused pairs."""
    phi = rule._features(mdp)
    Q = phi @ rule._weights_of(x, phi.shape[-1], "x")
    return np.where(mdp.allowed, np.where(mdp.terminal[:, None], 0.0, Q), -np.inf)


def _pair_system(rule: _Linear, mdp: MDP, pi: FloatSA) -> Recursion:
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
