"""The tabular softmax family: one logit for each pair.

Takes     theta (S, A), and a temperature.
Gives     pi = softmax(theta / temperature) over the allowed actions of each state, and its scores.
Source    Sutton and Barto (2018), eq. (13.2); the score by differentiating its logarithm.
Not here  logits that change with time (`_timed`) or come from features (`_log_linear`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import TINY, FloatArray, FloatSA, IntArray
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._derivatives import (
    accumulate_scores,
    as_parameters,
    centred,
    check_direction,
    check_finite,
    curve,
    dense_scores,
    pull_back,
)
from ._logits import LogitFamily


@dataclass(frozen=True, slots=True, eq=False)
class Softmax(LogitFamily):
    """pi(a | s) = exp(theta[s, a] / temperature) / sum over the allowed actions b of the same.

    Parameters
    ----------
    mdp : MDP
        For its sizes and its mask; refused actions have probability 0 and score 0 whatever their
        logits.
    temperature : float > 0
        Logits are divided by it.

    Attributes
    ----------
    shape : (S, A)
    size : int
        D = S * A; theta is flattened in C order.

    Raises
    ------
    ModelError
        If the temperature is not a number > 0.

    Notes
    -----
    Where logits are complex, derivatives by a complex step pass through.

    Examples
    --------
    >>> from mdptools import MDP
    >>> family = Softmax(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5))
    >>> family.probs([[0.0, np.log(3)]])
    array([[0.25, 0.75]])
    >>> family.score([[0.0, np.log(3)]])[0]
    array([[ 0.75, -0.75],
           [-0.25,  0.25]])
    """

    mdp: MDP
    temperature: float = 1.0

    def __post_init__(self) -> None:
        check_model(self.mdp)
        tau: Any = self.temperature
        if not (isinstance(tau, (int, float, np.number)) and TINY <= tau < np.inf):
            raise ModelError(
                f"temperature is {tau!r:.80}; it must be a number > 0 (at least {TINY:.3g})."
            )

    @property
    def shape(self) -> tuple[int, int]:
        """(S, A), the shape of theta."""
        return self.mdp.n_states, self.mdp.n_actions

    @property
    def pullback_norm(self) -> float:
        """1 / temperature: a mean absolute deviation is at most half the range."""
        return 1.0 / self.temperature

    def logits(self, theta: Any) -> FloatSA:
        """``theta`` as an array, if it has the right shape and is finite at allowed pairs.

        Parameters
        ----------
        theta : (S, A) array_like
            Logits; a complex array passes as it is.

        Returns
        -------
        (S, A) array

        Raises
        ------
        ModelError
            Naming the state and the action whose logit is not finite, or the shape.
        """
        logits = as_parameters(theta, "theta")
        if logits.shape != self.shape:
            raise ModelError(
                f"theta has shape {logits.shape}; it must be (S, A) = {self.shape}, one logit for "
                f"each pair."
            )
        bad = np.argwhere(self.mdp.allowed & ~np.isfinite(logits))
        if len(bad):
            s, a = (int(i) for i in bad[0])
            raise ModelError(
                f"theta[{s}, {a}] is {logits[s, a]}: the logit of action "
                f"{self.mdp.name_of_action(a)} in state {self.mdp.name_of_state(s)} must be finite "
                f"({len(bad)} are not)."
            )
        return logits

    def _push(self, theta: Any, v: FloatArray) -> FloatSA:
        return v

    def _pull(self, theta: Any, U: FloatArray) -> FloatArray:
        return U


@dataclass(frozen=True, slots=True, eq=False)
class SoftmaxAt:
    """The tabular softmax at theta = log pi, written by pi itself: it may hold zeros.

    Parameters
    ----------
    mdp : MDP

    Notes
    -----
    ``theta`` is pi in every method; derivatives are with respect to log pi.

    Examples
    --------
    >>> from mdptools import MDP
    >>> family = SoftmaxAt(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5))
    >>> family.score([[1.0, 0.0]])[0]
    array([[ 0.,  0.],
           [-1.,  1.]])
    """

    mdp: MDP

    @property
    def shape(self) -> tuple[int, int]:
        """(S, A)."""
        return self.mdp.n_states, self.mdp.n_actions

    @property
    def size(self) -> int:
        """D = S * A."""
        return self.mdp.n_states * self.mdp.n_actions

    @property
    def pullback_norm(self) -> float:
        """1: a mean absolute deviation is at most half the range."""
        return 1.0

    def probs(self, theta: Any) -> FloatSA:
        """Pi itself."""
        pi: FloatSA = np.asarray(theta)
        if pi.shape != self.shape:
            raise ModelError(
                f"pi has shape {pi.shape}; it must be one table (S, A) = {self.shape}. For one at "
                f"each time: Timed(mdp, SoftmaxAt(mdp))."
            )
        return pi

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatSA:
        """dJ/dlog pi, (S, A), from dJ/dpi (S, A) or (H, S, A)."""
        return pull_back(self.probs(theta), dJ_dpi)

    def pushforward(self, theta: Any, v: Any) -> FloatSA:
        """pi (v - sum_b pi v), (S, A): how pi moves if the logits move by v."""
        return centred(self.probs(theta), self._direction(v))

    def curvature(self, theta: Any, v: Any, dJ_dpi: FloatSA) -> FloatSA:
        """How ``pullback(theta, dJ_dpi)`` moves if the logits move by v, (S, A)."""
        return curve(self.probs(theta), self._direction(v), dJ_dpi)

    def _direction(self, v: Any) -> FloatSA:
        moved = check_direction(v, self.shape)
        return check_finite(np.where(self.mdp.allowed, moved, 0.0), "v")

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] (1{a_t} - pi(. | s_t)), (N, S*A)."""
        return accumulate_scores(self.probs(theta), s, a, w)

    def score(self, theta: Any) -> FloatArray:
        """1{a = b} - pi(b | s) in the block of s, (S, A, D); zero at refused pairs."""
        return dense_scores(self.probs(theta), self.mdp.allowed)
