"""Surrogates of J around a policy: what TRPO and PPO maximise, as exact expectations.

Takes     an MDP, a policy pi, new policies or a family with theta.
Gives     `Surrogate`: L, PPO's clipped L, KL divergences, and their gradients.
Source    Kakade and Langford (2002) and Schulman et al. (2015) for L; Schulman et al. (2017) for
          the clipped form. Here L is ``sum_s visits(s) sum_a pi'(a|s) A(s, a)``: visits count, they
          are not normalised, so that L is in the unit of J.
Not here  how far J can be from L (`_improvement`); steps (studies).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatS, FloatSA, readonly
from ..bellman import expect_actions
from ..checks import check_model, number_or_nan
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..markup import Shown
from ..model import MDP
from ..policies import Family, check_policy
from ._average import check_one_class
from ._direct import check_finite
from ._divergence import divergences
from ._fisher import Fisher, state_weights

KINDS = ("old||new", "new||old")


@dataclass(frozen=True, slots=True, eq=False)
class Surrogate(Shown):
    """What is known around a policy without evaluating another one.

    New policies are (S, A), or (H, S, A) if the model has a horizon. ``kind`` of a divergence is
    "old||new", KL(pi || new), as TRPO has it, or "new||old", KL(new || pi).

    Attributes
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array
    evaluation : Evaluation
        Of pi.
    weights : (S,) or (H, S) array
        The Fisher weights, over which mean divergences are taken: ``(1 - gamma) visits`` if
        discounted (terminal mass counts, with divergence 0), ``visits`` otherwise.
    """

    mdp: MDP
    pi: FloatSA
    evaluation: Evaluation
    weights: FloatS

    def gain(self, new: Any) -> float:
        """L(new) = sum_s visits(s) sum_a new(a|s) A(s, a), reward units: J(new) - J to first order.

        Parameters
        ----------
        new : policy

        Returns
        -------
        float
            0 at pi.

        Raises
        ------
        ModelError
            If ``new`` is no policy of the model.
        """
        policy = check_policy(self.mdp, new)
        return float((self.evaluation.visits * expect_actions(policy, self._advantage)).sum())

    def gain_gradient(self, family: Family, theta: Any) -> FloatArray:
        """dL/dtheta where family and theta make the new policy, in theta's shape.

        Parameters
        ----------
        family : Family
        theta : array

        Returns
        -------
        array
            ``pullback(theta, visits A)``; at the theta of pi it is dJ/dtheta.
        """
        return readonly(family.pullback(theta, self._flow))

    def clipped(self, new: Any, epsilon: float) -> float:
        """PPO's objective: sum_s visits(s) sum_a pi min(w A, clip(w, 1 - epsilon, 1 + epsilon) A).

        Parameters
        ----------
        new : policy
        epsilon : float > 0
            w = new / pi may leave 1 by that much and still pay.

        Returns
        -------
        float, reward units
            At most L(new). Pairs that pi never takes do not count, as they do not in samples.

        Raises
        ------
        ModelError
            If epsilon is not > 0; if ``new`` is no policy of the model.
        """
        width = _check_epsilon(epsilon)
        policy = check_policy(self.mdp, new)
        low, high = (1 - width) * self.pi, (1 + width) * self.pi
        held = np.minimum(policy * self._advantage, np.clip(policy, low, high) * self._advantage)
        return float((self.evaluation.visits[..., None] * held)[self._taken(held)].sum())

    def clipped_gradient(self, family: Family, theta: Any, epsilon: float) -> FloatArray:
        """A subgradient of `clipped` by theta, in theta's shape.

        Parameters
        ----------
        family : Family
        theta : array
        epsilon : float > 0

        Returns
        -------
        array
            ``pullback(theta, visits A)`` with 0 at the pairs that are clipped: w > 1 + epsilon with
            A > 0, or w < 1 - epsilon with A < 0. On the edge itself the derivative is that from
            inside, as in PyTorch and JAX; at the theta of pi it is dJ/dtheta.

        Raises
        ------
        ModelError
            If epsilon is not > 0.
        """
        width = _check_epsilon(epsilon)
        policy = check_policy(self.mdp, family.probs(theta))
        above = (policy > (1 + width) * self.pi) & (self._advantage > 0)
        below = (policy < (1 - width) * self.pi) & (self._advantage < 0)
        G = np.where(above | below, 0.0, self._flow)
        return readonly(family.pullback(theta, np.where(self._taken(G), G, 0.0)))

    def mean_kl(self, new: Any, kind: str = "old||new") -> float:
        """sum_s weights(s) KL at s, in nats; inf where one policy takes what the other never does.

        Parameters
        ----------
        new : policy
        kind : {"old||new", "new||old"}

        Returns
        -------
        float

        Raises
        ------
        ModelError
            If the kind is another one, or ``new`` is no policy of the model.
        """
        divergence = self._kl(check_policy(self.mdp, new), kind)
        weights = np.broadcast_to(self.weights, divergence.shape)
        return float((weights * divergence)[weights > 0].sum())

    def max_kl(self, new: Any, kind: str = "old||new") -> float:
        """max over the live states of KL, visited or not, in nats.

        Parameters
        ----------
        new : policy
        kind : {"old||new", "new||old"}

        Returns
        -------
        float

        Raises
        ------
        ModelError
            As `mean_kl`.
        """
        divergence = self._kl(check_policy(self.mdp, new), kind)
        return float(divergence[..., ~self.mdp.terminal].max(initial=0.0))

    def kl_gradient(self, family: Family, theta: Any, kind: str = "old||new") -> FloatArray:
        """The gradient of the mean KL by theta, which makes the new policy.

        Parameters
        ----------
        family : Family
        theta : array
        kind : {"old||new", "new||old"}

        Returns
        -------
        array
            In theta's shape; 0 at the theta of pi. ``pullback(theta, -weights pi / new)``, or
            ``weights log(new / pi)``.

        Raises
        ------
        ModelError
            If the KL is infinite there, or the kind another one.
        """
        _check_kind(kind)
        new = check_policy(self.mdp, family.probs(theta))
        return readonly(family.pullback(theta, self._slope(new, kind, self.weights)))

    def max_kl_gradient(self, family: Family, theta: Any, kind: str = "old||new") -> FloatArray:
        """A subgradient of the largest KL by theta: that of the first state that attains it.

        Parameters
        ----------
        family : Family
        theta : array
        kind : {"old||new", "new||old"}

        Returns
        -------
        array
            In theta's shape.

        Raises
        ------
        ModelError
            As `kl_gradient`.
        """
        _check_kind(kind)
        new = check_policy(self.mdp, family.probs(theta))
        divergence = np.where(self.mdp.terminal, -1.0, self._kl(new, kind))
        one = np.zeros(divergence.shape)
        one[np.unravel_index(int(divergence.argmax()), one.shape)] = 1.0
        return readonly(family.pullback(theta, self._slope(new, kind, one)))

    def kl_product(self, family: Family, theta: Any, v: Any) -> FloatArray:
        """The Hessian of the mean KL at the theta of pi, times v: of both kinds the Fisher matrix.

        Parameters
        ----------
        family : Family
        theta : array
            With ``family.probs(theta)`` equal to pi.
        v : array
            In theta's shape.

        Returns
        -------
        array
            In theta's shape.

        Raises
        ------
        ModelError
            If theta makes another policy than pi.
        """
        pi = check_policy(self.mdp, family.probs(theta))
        if pi.shape != self.pi.shape or np.abs(pi - self.pi).max() > 1e-12:
            raise ModelError(
                "the Hessian of the mean KL is known at pi itself; this theta makes another policy."
            )
        return Fisher(family, theta, self.pi, self.weights).product(v)

    @property
    def _advantage(self) -> FloatSA:
        """The advantage, 0 at refused pairs."""
        return np.where(self.mdp.allowed, self.evaluation.A, 0.0)

    @property
    def _flow(self) -> FloatSA:
        return self.evaluation.visits[..., None] * self._advantage

    def _taken(self, like: FloatArray) -> Any:
        return np.broadcast_to(self.pi > 0, like.shape)

    def _kl(self, new: FloatSA, kind: str) -> FloatS:
        """KL at each state, (S,) or (H, S)."""
        _check_kind(kind)
        p, q = (self.pi, new) if kind == "old||new" else (new, self.pi)
        return divergences(p, q)

    def _slope(self, new: FloatSA, kind: str, weights: FloatS) -> FloatSA:
        """The derivative by the new policy of sum_s weights KL."""
        pi = np.broadcast_to(self.pi, np.broadcast_shapes(self.pi.shape, new.shape))
        seen = np.broadcast_to(weights[..., None] > 0, pi.shape)
        other, this = (pi, new) if kind == "old||new" else (new, pi)
        infinite = np.argwhere(seen & (other > 0) & ~(this > 0))
        if len(infinite):
            *_, s, a = (int(i) for i in infinite[0])
            raise ModelError(
                f"KL is infinite in state {self.mdp.name_of_state(s)}: one policy takes action "
                f"{self.mdp.name_of_action(a)} there, the other never does."
            )
        both = seen & (pi > 0) & (new > 0)
        one = np.where(both, new, 1.0)
        two = np.where(both, pi, 1.0)
        change = -(two / one) if kind == "old||new" else np.log(one / two)
        return np.where(both, weights[..., None] * change, 0.0)


def surrogate(mdp: MDP, pi: Any) -> Surrogate:
    """Evaluate a policy, and stand there to look around.

    Parameters
    ----------
    mdp : MDP
        Of any objective; average reward with one recurrent class.
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon

    Returns
    -------
    Surrogate

    Raises
    ------
    ModelError
        As `direct_gradient`.

    Notes
    -----
    One evaluation, O(S^3) if dense; then each of its functions O(S A). Nothing is sampled. Where
    TRPO's papers divide visits by Z or multiply them by 1 - gamma, L is that times smaller.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> here = surrogate(mdp, [[0.5, 0.5]])
    >>> here.gain([[0.25, 0.75]]), here.clipped([[0.25, 0.75]], 0.2)
    (0.5, 0.1)
    >>> here.mean_kl([[0.25, 0.75]]) == here.max_kl([[0.25, 0.75]])
    True
    """
    check_model(mdp)
    policy = check_policy(mdp, pi)
    check_one_class(mdp, policy)
    found = evaluate(mdp, policy)
    check_finite(mdp, found)
    return Surrogate(mdp, policy, found, state_weights(mdp, policy, found.visits))


def _check_kind(kind: Any) -> None:
    if kind not in KINDS:
        raise ModelError(f"kind is {kind!r:.80}; it must be 'old||new' or 'new||old'.")


def _check_epsilon(epsilon: Any) -> float:
    width = number_or_nan(epsilon)
    if not 0 < width < np.inf:
        raise ModelError(f"epsilon is {epsilon!r:.80}; it must be a number > 0.")
    return width
