"""From logits to probabilities: what all families that write logits have in common.

Takes     logits (S, A) as a function of theta, and its derivatives.
Gives     pi = softmax(logits / temperature) over the allowed actions of each state, and everything
          that `Family` asks for.
Source    Sutton and Barto (2018), eq. (13.2); the derivatives of softmax are in `_derivatives`.
Not here  where the logits come from (`_softmax`, `_log_linear`, `_callable`).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, IntArray, readonly
from ..model import MDP
from ._derivatives import (
    accumulate_scores,
    centred,
    check_direction,
    check_finite,
    curve,
    dense_scores,
    pull_back,
)


class LogitFamily(ABC):
    """A family whose probabilities are a softmax of logits.

    Whoever inherits says what the logits are and how they move with theta; all else is here, once.
    Nothing overflows, however large the logits are, and where theta is complex a complex step
    passes through.
    """

    __slots__ = ()

    mdp: MDP
    temperature: float = 1.0

    # -- what a family says about itself -------------------------------------------------------
    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """The shape of theta."""

    @property
    @abstractmethod
    def pullback_norm(self) -> float:
        """n with ``|pullback(theta, G)|_1 <= n sum_s max_a |G(s, a)|``."""

    @abstractmethod
    def logits(self, theta: Any) -> FloatSA:
        """The logits, (S, A), before the temperature; finite at allowed pairs."""

    @abstractmethod
    def _push(self, theta: Any, v: FloatArray) -> FloatSA:
        """The derivative of the logits in direction v, (S, A)."""

    @abstractmethod
    def _pull(self, theta: Any, U: FloatArray) -> FloatArray:
        """d<logits, U>/dtheta, (..., *shape), for U (..., S, A) with 0 at refused pairs."""

    def _bend(self, theta: Any, v: FloatArray, U: FloatSA) -> FloatArray | float:
        """The derivative of ``_pull(theta, U)`` in direction v: 0 if logits are linear."""
        return 0.0

    # -- what follows --------------------------------------------------------------------------
    @property
    def size(self) -> int:
        """D, the number of parameters; theta is flattened in C order."""
        return math.prod(self.shape)

    def log_probs(self, theta: Any) -> FloatSA:
        """log pi(a | s), (S, A); -inf at refused pairs.

        Parameters
        ----------
        theta : array_like

        Returns
        -------
        (S, A) array
            Exact to a few eps relative to the spread of the logits, however large they are: the
            largest logit is subtracted first.

        Raises
        ------
        ModelError
            As for `logits`.
        """
        shifted, weights = self._weights(theta)
        logs = shifted - np.log(weights.sum(axis=1, keepdims=True))
        return readonly(np.where(self.mdp.allowed, logs, -np.inf))

    def probs(self, theta: Any) -> FloatSA:
        """pi(a | s), (S, A); rows sum to one, 0 at refused pairs.

        Parameters
        ----------
        theta : array_like

        Returns
        -------
        (S, A) array
            Read-only.

        Raises
        ------
        ModelError
            As for `logits`.
        """
        _, weights = self._weights(theta)
        return readonly(weights / weights.sum(axis=1, keepdims=True))

    def _weights(self, theta: Any) -> tuple[FloatSA, FloatSA]:
        """(logit - largest logit of the state) / temperature, and its exponential; refused: 0."""
        logits, allowed = self.logits(theta), self.mdp.allowed
        top = np.where(allowed, logits.real, -np.inf).max(axis=1, keepdims=True)
        bottom = np.maximum(top, 0.0) - np.finfo(float).max  # so that the gap does not overflow
        logits = np.where(allowed & (logits.real > bottom), logits, np.where(allowed, bottom, top))
        gap = logits - top  # before the division: exact for near logits
        lowest = np.finfo(float).min * min(self.temperature, 1.0)  # what can be divided
        shifted = np.where(gap.real < lowest, lowest, gap) / self.temperature
        return shifted, np.where(allowed, np.exp(shifted), 0.0)

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatArray:
        """dJ/dtheta, in theta's shape, from dJ/dpi (S, A), or (H, S, A) summed over time.

        Parameters
        ----------
        theta : array_like
        dJ_dpi : (S, A) or (H, S, A) array
            What it holds at refused pairs does not matter.

        Returns
        -------
        array
            The derivative of the logits, transposed, times
            ``pi(a|s) (G(s, a) - sum_b pi(b|s) G(s, b)) / temperature`` with G = dJ_dpi.

        Raises
        ------
        ModelError
            If dJ_dpi has another shape, or is not finite where pi > 0; or as for `logits`.
        """
        return self._pull(theta, pull_back(self.probs(theta), dJ_dpi) / self.temperature)

    def pushforward(self, theta: Any, v: Any) -> FloatSA:
        """The derivative of pi in direction v.

        Parameters
        ----------
        theta : array_like
        v : array_like, theta's shape

        Returns
        -------
        (S, A) array
            ``pi (dz - sum_b pi dz)``, dz the derivative of logits / temperature. Its rows sum to
            zero.

        Raises
        ------
        ModelError
            If v has another shape or is not finite; or as for `logits`.
        """
        return centred(self.probs(theta), self._direction(theta, v))

    def curvature(self, theta: Any, v: Any, dJ_dpi: FloatSA) -> FloatArray:
        """The derivative of ``pullback(theta, dJ_dpi)`` in direction v, dJ_dpi held fixed.

        Parameters
        ----------
        theta : array_like
        v : array_like, theta's shape
        dJ_dpi : (S, A) or (H, S, A) array

        Returns
        -------
        array
            In theta's shape.

        Raises
        ------
        ModelError
            As for `pullback` and `pushforward`.
        """
        pi = self.probs(theta)
        bent = curve(pi, self._direction(theta, v), dJ_dpi) / self.temperature
        straight = pull_back(pi, dJ_dpi) / self.temperature
        total: FloatArray = self._pull(theta, bent) + self._bend(theta, np.asarray(v), straight)
        return total

    def _direction(self, theta: Any, v: Any) -> FloatSA:
        """The derivative of logits / temperature in direction v; 0 at refused pairs."""
        moved = self._push(theta, check_direction(v, self.shape))
        return check_finite(np.where(self.mdp.allowed, moved, 0.0), "v") / self.temperature

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] grad log pi(a_t | s_t): one row for each trajectory.

        Parameters
        ----------
        theta : array
        s, a : (N, T) arrays of int
        w : (N, T) array
            0 where a step does not count.
        o : None
            Observations; this family sees states.

        Returns
        -------
        (N, D) array
            Time and memory O(N T + N S A), and O(N S A D) time unless theta is a table.

        Raises
        ------
        ModelError
            If s, a and w have different shapes, or name states or actions that do not exist; or as
            for `logits`.
        """
        total = accumulate_scores(self.probs(theta), s, a, w) / self.temperature
        n = len(total)
        return self._pull(theta, total.reshape(n, *self.mdp.allowed.shape)).reshape(n, self.size)

    def score(self, theta: Any) -> FloatArray:
        """grad log pi(a | s); zero at refused pairs.

        Parameters
        ----------
        theta : array_like

        Returns
        -------
        (S, A, D) array
            Memory O(S^2 A^2 + S A D): for small models. `accumulate` needs none of it.

        Raises
        ------
        ModelError
            As for `logits`.
        """
        shape = self.mdp.allowed.shape
        dense = dense_scores(self.probs(theta), self.mdp.allowed) / self.temperature
        return self._pull(theta, dense.reshape(*shape, *shape)).reshape(*shape, self.size)
