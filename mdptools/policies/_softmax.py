"""The tabular softmax family: one logit for each pair.

Takes     theta (S, A), and a temperature.
Gives     pi = softmax(theta / temperature) over the allowed actions of each state, and its scores.
Source    Sutton and Barto (2018), eq. (13.2); the score by differentiating its logarithm.
Not here  logits that change with time or come from features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import TINY, BoolSA, FloatArray, FloatSA, IntArray, as_floats, readonly
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
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
    def size(self) -> int:
        """D = S * A."""
        return self.mdp.n_states * self.mdp.n_actions

    @property
    def pullback_norm(self) -> float:
        """1 / temperature: a mean absolute deviation is at most half the range."""
        return 1.0 / self.temperature

    def check(self, theta: Any) -> FloatSA:
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
        complex_step = isinstance(theta, np.ndarray) and theta.dtype.kind == "c"
        logits: Any = theta if complex_step else as_floats(theta, "theta")
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
        checked: FloatSA = logits
        return checked

    def log_probs(self, theta: Any) -> FloatSA:
        """log pi(a | s), (S, A); -inf at refused pairs.

        Parameters
        ----------
        theta : (S, A) array_like

        Returns
        -------
        (S, A) array
            Exact to a few eps relative to the spread of the logits, however large they are: the
            largest logit is subtracted first.

        Raises
        ------
        ModelError
            As for `check`.
        """
        shifted, weights = self._weights(theta)
        logs = shifted - np.log(weights.sum(axis=1, keepdims=True))
        return readonly(np.where(self.mdp.allowed, logs, -np.inf))

    def probs(self, theta: Any) -> FloatSA:
        """pi(a | s), (S, A); rows sum to one, 0 at refused pairs.

        Parameters
        ----------
        theta : (S, A) array_like

        Returns
        -------
        (S, A) array
            Read-only.

        Raises
        ------
        ModelError
            As for `check`.
        """
        _, weights = self._weights(theta)
        return readonly(weights / weights.sum(axis=1, keepdims=True))

    def _weights(self, theta: Any) -> tuple[FloatSA, FloatSA]:
        """(logit - largest logit of the state) / temperature, and its exponential; refused: 0."""
        logits, allowed = self.check(theta), self.mdp.allowed
        top = np.where(allowed, logits.real, -np.inf).max(axis=1, keepdims=True)
        bottom = np.maximum(top, 0.0) - np.finfo(float).max  # so that the gap does not overflow
        logits = np.where(allowed & (logits.real > bottom), logits, np.where(allowed, bottom, top))
        gap = logits - top  # before the division: exact for near logits
        lowest = np.finfo(float).min * min(self.temperature, 1.0)  # what can be divided
        shifted = np.where(gap.real < lowest, lowest, gap) / self.temperature
        return shifted, np.where(allowed, np.exp(shifted), 0.0)

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatSA:
        """dJ/dtheta (S, A) from dJ/dpi (S, A), or (H, S, A) summed over time.

        Parameters
        ----------
        theta : (S, A) array_like
        dJ_dpi : (S, A) or (H, S, A) array
            What it holds at refused pairs does not matter.

        Returns
        -------
        (S, A) array
            ``pi(a|s) (G(s, a) - sum_b pi(b|s) G(s, b)) / temperature`` with G = dJ_dpi.

        Raises
        ------
        ModelError
            If dJ_dpi has another shape, or is not finite where pi > 0; or as for `check`.
        """
        return pull_back(self.probs(theta), dJ_dpi) / self.temperature

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] grad log pi(a_t | s_t): one row for each trajectory.

        Parameters
        ----------
        theta : (S, A) array
        s, a : (N, T) arrays of int
        w : (N, T) array
            0 where a step does not count.
        o : None
            Observations; a tabular family has none.

        Returns
        -------
        (N, S*A) array
            Time and memory O(N T + N S A).

        Raises
        ------
        ModelError
            If s, a and w have different shapes, or name states or actions that do not exist; or as
            for `check`.
        """
        return accumulate_scores(self.probs(theta), s, a, w) / self.temperature

    def score(self, theta: Any) -> FloatArray:
        """grad log pi(a | s); zero at refused pairs.

        Parameters
        ----------
        theta : (S, A) array_like

        Returns
        -------
        (S, A, S*A) array
            Time and memory O(S^2 A^2): for small models. `accumulate` needs none of it.

        Raises
        ------
        ModelError
            As for `check`.
        """
        return dense_scores(self.probs(theta), self.mdp.allowed) / self.temperature


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
                f"pi has shape {pi.shape}; scores need one table (S, A) = {self.shape}: a policy "
                f"that depends on time has none."
            )
        return pi

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatSA:
        """dJ/dlog pi, (S, A), from dJ/dpi (S, A) or (H, S, A)."""
        return pull_back(self.probs(theta), dJ_dpi)

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] (1{a_t} - pi(. | s_t)), (N, S*A)."""
        return accumulate_scores(self.probs(theta), s, a, w)

    def score(self, theta: Any) -> FloatArray:
        """1{a = b} - pi(b | s) in the block of s, (S, A, D); zero at refused pairs."""
        return dense_scores(self.probs(theta), self.mdp.allowed)


def pull_back(pi: FloatSA, dJ_dpi: FloatSA) -> FloatSA:
    """pi (G - sum_b pi G), with G summed over time where it has a time axis."""
    G = np.asarray(dJ_dpi)
    if G.shape[-2:] != pi.shape or G.ndim not in (2, 3):
        raise ModelError(
            f"dJ_dpi has shape {G.shape}; it must be (S, A) = {pi.shape} or (H, S, A)."
        )
    if G.ndim == 3:
        G = G.sum(axis=0)
    G = np.where(pi == 0, 0.0, G)  # nothing flows back there, and at refused pairs Q is -inf
    bad = np.argwhere(~np.isfinite(G))
    if len(bad):
        s, a = (int(i) for i in bad[0])
        raise ModelError(f"dJ_dpi is {G[s, a]} at [{s}, {a}]; it must be finite where pi > 0.")
    gradient: FloatSA = pi * (G - (pi * G).sum(axis=1, keepdims=True))
    return gradient


def accumulate_scores(pi: FloatSA, s: IntArray, a: IntArray, w: FloatArray) -> FloatArray:
    """sum_t w[:, t] (1{a_t} - pi(. | s_t)): counts of pairs less counts of states times pi."""
    n_states, n_actions = pi.shape
    s, a, w = np.asarray(s), np.asarray(a), np.asarray(w)
    if s.ndim != 2 or s.shape != a.shape or s.shape != w.shape:
        raise ModelError(
            f"s, a and w have shapes {s.shape}, {a.shape} and {w.shape}; they must be (N, T), one "
            f"row for each trajectory."
        )
    for name, x, size in (("s", s, n_states), ("a", a, n_actions)):
        if x.size and not (x.dtype.kind in "iu" and x.min() >= 0 and x.max() < size):
            raise ModelError(
                f"{name} holds {x.dtype} from {x.min()} to {x.max()}; it must hold ints from 0 to "
                f"{size - 1}, also where w is 0."
            )
    s, a = s.astype(np.int64), a.astype(np.int64)  # small integers would overflow below
    n, size = len(s), n_states * n_actions
    of_row = np.arange(n)[:, None]
    weights = w.reshape(-1)
    taken = np.bincount(
        (of_row * size + s * n_actions + a).reshape(-1), weights, minlength=n * size
    )
    seen = np.bincount((of_row * n_states + s).reshape(-1), weights, minlength=n * n_states)
    total = taken.reshape(n, n_states, n_actions) - seen.reshape(n, n_states, 1) * pi
    return total.reshape(n, size)


def dense_scores(pi: FloatSA, allowed: BoolSA) -> FloatArray:
    """(S, A, S*A): 1{a = b} - pi(b | s) in the block of s, zero at refused pairs."""
    n_states, n_actions = pi.shape
    block = np.where(allowed[:, :, None], np.eye(n_actions) - pi[:, None, :], 0.0)
    dense = np.zeros((n_states, n_actions, n_states, n_actions), dtype=block.dtype)
    dense[np.arange(n_states), :, np.arange(n_states)] = block
    return dense.reshape(n_states, n_actions, n_states * n_actions)
