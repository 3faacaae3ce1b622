"""Reactive policies of a partially observed model: the agent sees observations, not states.

Takes     an MDP, who sees what where, O (S, n_obs), and a family over observations.
Gives     the mixture pi(a | s) = sum_o O(o | s) pi(a | o), its derivatives, and both scores.
Source    Singh, Jaakkola and Jordan (1994) for the policies; the score of the mixture is
          E[grad log pi(a | o) | s, a], by Bayes.
Not here  policies with memory: `transforms.remember` makes a model whose state carries it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, IntArray, readonly
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._channel import allowed_by_observation, by_state, check_observations, stand_in
from ._derivatives import check_steps, count_pairs, summed_over_time
from ._family import Family
from ._softmax import Softmax


@dataclass(frozen=True, slots=True, eq=False)
class Observation:
    """pi(a | s) = sum_o O(o | s) pi(a | o), with any family for pi(a | o).

    Parameters
    ----------
    mdp : MDP
    O : (S,) array_like of int, or (S, n_obs) array_like
        What is seen in each state: its label, or the probability of each observation. States that
        may be taken for one another must allow the same actions.
    make : function MDP -> Family
        Makes the family over observations. It is called with a model whose states are the
        observations, good for its sizes, names and mask: ``Softmax`` (the default),
        ``lambda seen: LogLinear(seen, phi)`` with phi (n_obs, A, k), ...

    Attributes
    ----------
    family : Family
        What ``make`` made; theta is its.
    shape : tuple of int
    size : int
    n_obs : int
    seen : (S, w) array of int
        The observations that each state may give, padded with 0.
    chance : (S, w) array
        Their probabilities; 0 where ``seen`` is padding.

    Raises
    ------
    ModelError
        If O is no such array, or actions are allowed in one state and refused in another that gives
        the same observation.

    Notes
    -----
    There are two scores. An agent that acts on o and is scored by pi(a | o) is what estimators
    meet: `rollout` draws o, `Trajectories.o` records it, and ``accumulate(..., o)`` scores it.
    Without o the mixture is scored: that is the mean of the other given (s, a), so it gives the
    same expectations with less variance. Both have mean zero. Exact moments (`verify`) are those
    of estimators that meet o.

    Examples
    --------
    >>> from mdptools import MDP, policy_gradient
    >>> P = [[[0.0, 1.0], [1.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]]
    >>> mdp = MDP(P, [[1.0, 0.0], [0.0, 1.0]], gamma=0.5)
    >>> family = Observation(mdp, [0, 0])  # the two states look alike
    >>> family.shape, family.probs([[0.0, np.log(3)]])
    ((1, 2), array([[0.25, 0.75],
           [0.25, 0.75]]))
    >>> noisy = Observation(mdp, [[0.8, 0.2], [0.2, 0.8]])
    >>> noisy.probs([[0.0, np.log(3)], [0.0, 0.0]]).round(3)
    array([[0.3 , 0.7 ],
           [0.45, 0.55]])
    """

    mdp: MDP
    O: Any  # noqa: E741 - what it is called in the books
    make: Callable[[MDP], Family] = Softmax
    family: Family = field(init=False)
    seen: IntArray = field(init=False)
    chance: FloatArray = field(init=False)
    n_obs: int = field(init=False)

    def __post_init__(self) -> None:
        check_model(self.mdp)
        O, n_obs = check_observations(self.mdp, self.O)  # noqa: E741
        seen, chance = by_state(O)
        allowed = allowed_by_observation(self.mdp, seen, chance, n_obs)
        fields = {"O": O, "n_obs": n_obs, "seen": seen, "chance": chance}
        fields["family"] = self.make(stand_in(self.mdp, allowed))
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of theta: that of the family over observations."""
        return self.family.shape

    @property
    def size(self) -> int:
        """D, the number of parameters."""
        return self.family.size

    @property
    def pullback_norm(self) -> float:
        """That of the family: what flows back to o is a weighted sum over states."""
        return self.family.pullback_norm

    def joint(self, theta: Any) -> FloatArray:
        """Pr(o, a | s) = O(o | s) pi(a | o), (S, w, A), beside ``seen`` (S, w)."""
        table = self.family.probs(theta)
        if table.shape != (self.n_obs, self.mdp.n_actions):
            raise ModelError(
                f"the family over observations gives a table of shape {table.shape}; it must be "
                f"(n_obs, A) = {(self.n_obs, self.mdp.n_actions)}: make it for the model that "
                f"``make`` is called with, and let Timed stand outside."
            )
        return self.chance[:, :, None] * table[self.seen]

    def probs(self, theta: Any) -> FloatSA:
        """The mixture pi(a | s), (S, A); rows sum to one, 0 at refused pairs.

        Parameters
        ----------
        theta : array_like
            Parameters of the family over observations.

        Returns
        -------
        (S, A) array
            Read-only.

        Raises
        ------
        ModelError
            As the family's own.
        """
        pi = self.joint(theta).sum(axis=1)
        return readonly(pi / pi.sum(axis=1, keepdims=True))  # round-off of many observations

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatArray:
        """dJ/dtheta from dJ/dpi (S, A), or (H, S, A) summed over time.

        Parameters
        ----------
        theta : array_like
        dJ_dpi : (S, A) or (H, S, A) array
            What it holds at refused pairs does not matter.

        Returns
        -------
        array
            In theta's shape: the pullback of ``sum_s O(o | s) G(s, a)`` by the family.

        Raises
        ------
        ModelError
            If dJ_dpi has another shape or is not finite at an allowed pair; or as the family's own.
        """
        return self.family.pullback(theta, self._seen_from_states(dJ_dpi))

    def pushforward(self, theta: Any, v: Any) -> FloatSA:
        """The derivative of the mixture in direction v, (S, A)."""
        moved = self.family.pushforward(theta, v)
        mixed: FloatSA = (self.chance[:, :, None] * moved[self.seen]).sum(axis=1)
        return mixed

    def curvature(self, theta: Any, v: Any, dJ_dpi: FloatSA) -> FloatArray:
        """The derivative of ``pullback(theta, dJ_dpi)`` in direction v, in theta's shape."""
        return self.family.curvature(theta, v, self._seen_from_states(dJ_dpi))

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] grad log pi(a_t | o_t), or of the mixture pi(a_t | s_t) without o.

        Parameters
        ----------
        theta : array
        s, a : (N, T) arrays of int
        w : (N, T) array
            0 where a step does not count.
        o : (N, T) array of int, optional
            What was seen, as `rollout` records it.

        Returns
        -------
        (N, D) array
            Without o time and memory O(N (S + n_obs) A) beside the family's own.

        Raises
        ------
        ModelError
            If the arrays have different shapes, or name states, actions or observations that do not
            exist; or as the family's own.
        """
        if o is not None:
            n_states, n_actions = self.mdp.allowed.shape
            check_steps(w, s=(s, n_states), a=(a, n_actions), o=(o, self.n_obs))
            return self.family.accumulate(theta, o, a, w)
        counted = count_pairs(self.mdp.allowed, s, a, w)
        weights = self._to_observations(counted, self.posterior(theta))
        observation, action = np.indices(weights.shape[1:]).reshape(2, 1, -1)
        shape = (len(weights), observation.size)
        return self.family.accumulate(
            theta,
            np.broadcast_to(observation, shape),
            np.broadcast_to(action, shape),
            weights.reshape(shape),
        )

    def score(self, theta: Any) -> FloatArray:
        """grad log of the mixture pi(a | s): the mean of grad log pi(a | o) given (s, a).

        Parameters
        ----------
        theta : array_like

        Returns
        -------
        (S, A, D) array
            Zero at refused pairs. For small models.

        Raises
        ------
        ModelError
            As the family's own.
        """
        posterior, of_family = self.posterior(theta), self.family.score(theta)
        total = np.zeros((*self.mdp.allowed.shape, self.size), dtype=of_family.dtype)
        for k in range(self.seen.shape[1]):
            total = total + posterior[:, k, :, None] * of_family[self.seen[:, k]]
        return total

    def posterior(self, theta: Any) -> FloatArray:
        """Pr(o | s, a), (S, w, A), beside ``seen`` (S, w): what was seen if a was done in s.

        Where pi(a | s) is 0, O(o | s) stands.
        """
        joint = self.joint(theta)
        pi = joint.sum(axis=1, keepdims=True)
        prior = np.broadcast_to(self.chance[:, :, None], joint.shape).astype(joint.dtype)
        shares: FloatArray = np.divide(joint, pi, out=prior, where=pi != 0)
        return shares

    def _seen_from_states(self, dJ_dpi: FloatSA) -> FloatSA:
        """sum_s O(o | s) G(s, a), (n_obs, A), from G (S, A) or (H, S, A)."""
        G: FloatArray = summed_over_time(self.mdp.allowed, dJ_dpi)
        seen: FloatSA = self._to_observations(G[None], self.chance[:, :, None])[0]
        return seen

    def _to_observations(self, of_pairs: FloatArray, given: FloatArray) -> FloatArray:
        """sum_s given(o | s, a) x(s, a), (N, n_obs, A), from x (N, S, A)."""
        from scipy.sparse import coo_array

        (n_states, n_actions), width = self.mdp.allowed.shape, self.seen.shape[1]
        action = np.arange(n_actions)
        full = (n_states, width, n_actions)
        pair = np.broadcast_to(np.arange(n_states)[:, None, None] * n_actions + action, full)
        target = self.seen[:, :, None] * n_actions + action
        places = (target.reshape(-1), pair.reshape(-1))
        weights = np.broadcast_to(given, full).reshape(-1)
        size = self.n_obs * n_actions
        # A sum over duplicates, and a product: no loop over states or trajectories.
        spread = coo_array((weights, places), shape=(size, n_states * n_actions)).tocsr()
        n = len(of_pairs)
        moved: FloatArray = (spread @ of_pairs.reshape(n, n_states * n_actions).T).T
        return moved.reshape(n, self.n_obs, n_actions)
