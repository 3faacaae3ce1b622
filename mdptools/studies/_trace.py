"""Trace: what an exact algorithm did, step by step, and what follows from it without round-off.

Takes     the `Truth` of a model and the policies an algorithm passed through, as logarithms.
Gives     gaps that stay exact far below 1e-16, visits, advantages, gradients, of all steps at once.
Source    V* - V^pi = (I - gamma P_pi)^-1 sum_a pi (V* - Q*), whose terms are all >= 0; with
          g = V* - V^pi the advantage is ``g(s) - gamma (P g)(s, a) - (V* - Q*)(s, a)``.
Not here  running the algorithm (`_run`), bounds (`_bounds_*`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatArray, FloatS, FloatSA, IntArray, as_floats, readonly
from ..bellman import backup
from ..checks import check_served
from ..errors import ModelError
from ._steps import scale_of
from ._truth import Truth, ratios, solve_each, visits_each


@dataclass(frozen=True, eq=False)
class Trace:
    """The policies of an algorithm on one model, and the numbers that bounds are held against.

    Index 0 is the start, index t what there is after t updates.

    Attributes
    ----------
    truth : Truth
    algorithm : str
        What made it: bounds ask for this. "any" for a sequence of policies of unknown origin.
    log_pi : (T+1, S, A) array
        Logarithms of the policies; -inf where they are 0.
    x : (T+1, ...) array or None
        What the algorithm iterates: values, parameters.
    step_sizes : (T,) array
        nan where the algorithm has none.
    options : mapping
        What bounds need to know besides: tau, lam, alpha, ...
    """

    truth: Truth
    algorithm: str
    log_pi: FloatArray
    x: FloatArray | None
    step_sizes: FloatArray
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def updates(self) -> int:
        """T, how many updates were made."""
        return len(self.log_pi) - 1

    @cached_property
    def t(self) -> IntArray:
        """0, 1, ..., T."""
        return readonly(np.arange(len(self.log_pi)))

    @cached_property
    def pi(self) -> FloatArray:
        """The policies, (T+1, S, A)."""
        return readonly(np.exp(self.log_pi))

    @cached_property
    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        """Logarithms of sizes (T+1,), and the gaps divided by these sizes, (T+1, S)."""
        short = self.truth.shortfall
        logs = np.log(short, out=np.full(short.shape, -np.inf), where=short > 0)
        terms = self.log_pi + logs
        top = terms.max(axis=(1, 2))
        size = np.where(np.isfinite(top), top, 0.0)
        mean = np.exp(terms - size[:, None, None]).sum(axis=2)
        return size, solve_each(self.truth.mdp, self.pi, mean, adjoint=False)

    @cached_property
    def gaps(self) -> FloatArray:
        """V* - V^pi in each state, (T+1, S), reward units; small relative errors."""
        size, scaled = self._scaled
        return readonly(np.exp(size)[:, None] * scaled)

    def _mean(self, x: FloatArray, measure: FloatS | None) -> FloatArray:
        """measure . x of each row; what is infinite or unknown counts where it is started."""
        weights = self.truth.mdp.mu if measure is None else measure
        return np.where(weights > 0, x, 0.0) @ weights

    def gap(self, measure: FloatS | None = None) -> FloatArray:
        """measure . (V* - V^pi), (T+1,); from mu if no measure is given."""
        return self._mean(self.gaps, measure)

    def log_gap(self, measure: FloatS | None = None) -> FloatArray:
        """Its logarithm, also where the gap is below 1e-308; -inf at the optimum."""
        size, scaled = self._scaled
        part = self._mean(scaled, measure)
        return np.log(part, out=np.full(len(part), -np.inf), where=part > 0) + size

    @cached_property
    def worst_gap(self) -> FloatArray:
        """max_s V* - V^pi, (T+1,)."""
        worst: FloatArray = self.gaps.max(axis=1)
        return readonly(worst)

    @cached_property
    def J(self) -> FloatArray:
        """mu . V^pi, (T+1,)."""
        return readonly(float(self.truth.mdp.mu @ self.truth.V) - self.gap())

    @cached_property
    def visits(self) -> FloatArray:
        """Visits from mu, (T+1, S)."""
        return readonly(visits_each(self.truth.mdp, self.pi, self.truth.mdp.mu))

    @cached_property
    def d(self) -> FloatArray:
        """(1 - gamma) visits, (T+1, S); the visits themselves if not discounted."""
        return readonly(scale_of(self.truth.mdp) * self.visits)

    @cached_property
    def advantage(self) -> FloatArray:
        """Q^pi - V^pi, (T+1, S, A); 0 at refused pairs and in terminal states."""
        truth = self.truth
        ahead = kernel.expect_each(truth.mdp.P, np.ascontiguousarray(self.gaps.T))
        A = self.gaps[:, :, None] - truth.gamma * np.moveaxis(ahead, 2, 0) - truth.shortfall
        return readonly(np.where(truth.mdp.allowed & truth.live[:, None], A, 0.0))

    @cached_property
    def gradient(self) -> FloatArray:
        """dJ/dtheta of the tabular softmax, visits pi A, (T+1, S, A).

        The advantage of an action that is almost certain is a difference of equal numbers; what it
        has is what the others lack, because each state's sum is 0.
        """
        pull = self.visits[:, :, None] * self.pi * self.advantage
        likeliest = self.pi.argmax(axis=2)[:, :, None]
        np.put_along_axis(pull, likeliest, 0.0, axis=2)
        np.put_along_axis(pull, likeliest, -pull.sum(axis=2, keepdims=True), axis=2)
        return readonly(pull)

    @cached_property
    def gradient_norm(self) -> FloatArray:
        """Its Euclidean norm, (T+1,)."""
        return readonly(norm_each(self.gradient))

    @cached_property
    def on_optimal(self) -> FloatArray:
        """m_s = pi(optimal set | s), (T+1, S); 1 in terminal states."""
        m = np.where(self.truth.optimal, self.pi, 0.0).sum(axis=-1)
        return readonly(np.where(self.truth.live, m, 1.0))

    @cached_property
    def on_fixed(self) -> FloatArray:
        """min_s pi(a*(s) | s) over live states, a* of one fixed optimal policy, (T+1,)."""
        chosen = (self.truth.pi * self.pi).sum(axis=-1)
        live = np.where(self.truth.live, chosen, 1.0)
        return readonly(live.reshape(len(live), -1).min(axis=1))

    @cached_property
    def entropy(self) -> FloatArray:
        """The mean over d of the entropy of pi(. | s), (T+1,), nats."""
        logs = np.where(self.pi > 0, self.log_pi, 0.0)
        return readonly(_mean(self.d, -(self.pi * logs).sum(axis=-1)))

    @cached_property
    def kl_to_last(self) -> FloatArray:
        """The mean over d_{t-1} of KL(pi_t || pi_{t-1}), (T+1,); nan at t = 0."""
        found = np.full(len(self.t), np.nan)
        found[1:] = _mean(self.d[:-1], kl(self.pi[1:], self.log_pi[1:], self.log_pi[:-1]))
        return readonly(found)

    def mismatch(self, measure: FloatS) -> FloatArray:
        """max_s d*(s) / d_t(s), d* from the measure and d_t from mu, (T+1,)."""
        quotient = ratios(self.truth.d(self.truth.pi, measure)[None], self.d)
        return readonly(quotient.reshape(len(quotient), -1).max(axis=1, initial=0.0))

    @property
    def values(self) -> FloatArray:
        """The iterate x as values V_k of states, (T+1, S)."""
        shape = (len(self.log_pi), self.truth.mdp.n_states)
        if self.x is None or self.x.shape != shape:
            raise ModelError(
                f"the trace of {self.algorithm} holds no values of states; this asks for x of "
                f"shape {shape}."
            )
        return self.x

    @property
    def action_values(self) -> FloatArray:
        """The iterate x as values Q_k of pairs, (T+1, S, A)."""
        if self.x is None or self.x.shape != self.log_pi.shape:
            raise ModelError(
                f"the trace of {self.algorithm} holds no values of pairs; this asks for x of shape "
                f"{self.log_pi.shape}."
            )
        return self.x

    @cached_property
    def floor(self) -> float:
        """Below it float64 does not judge: that of the truth, and of the values at the start."""
        shapes = (self.truth.mdp.R.shape, self.truth.mdp.R.shape[:1])
        start = 0.0
        if self.x is not None and self.x.shape[1:] in shapes:
            start = float(np.abs(np.where(np.isfinite(self.x[0]), self.x[0], 0.0)).max())
        return self.truth.floor + 100 * EPS * start / (1 - self.truth.gamma)

    @cached_property
    def backups(self) -> FloatArray:
        """R + gamma P V_k of the value iterates, (T+1, S, A); -inf at refused pairs."""
        return readonly(np.stack([backup(self.truth.mdp, V) for V in self.values]))

    @cached_property
    def rise(self) -> FloatArray:
        """D_k = TV_k - V_k, (T+1, S)."""
        return readonly(self.backups.max(axis=2) - self.values)


def trace(
    truth: Truth,
    policies: Any,
    *,
    algorithm: str = "any",
    x: Any = None,
    step_sizes: Any = None,
    **options: Any,
) -> Trace:
    """A trace from policies that some program, perhaps your own, went through.

    Parameters
    ----------
    truth : Truth
        Of a discounted model.
    policies : (T+1, S, A) array_like
        Index 0 is the start.
    algorithm : str
        Which algorithm made them; bounds of other algorithms refuse the trace.
    x : (T+1, ...) array_like, optional
        The iterates themselves: values, parameters.
    step_sizes : float or (T,) array_like, optional
    **options
        What bounds of the algorithm need besides, such as ``tau``.

    Returns
    -------
    Trace

    Raises
    ------
    ModelError
        If the model is not discounted, the shape is another, or rows are no distributions over
        allowed actions.

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.studies import truth
    >>> found = truth(MDP([[[1.0], [1.0]]], [[1.0, 0.0]], gamma=0.5))
    >>> trace(found, [[[1.0, 0.0]], [[1.0, 1e-200]]]).gap()
    array([0.e+000, 2.e-200])
    """
    check_served(truth.mdp, "trace", "discounted", instead="run_study with a rule of your own")
    pi = as_floats(policies, "policies")
    shape = truth.mdp.R.shape
    if pi.ndim != 3 or pi.shape[1:] != shape or not len(pi):
        raise ModelError(f"policies has shape {pi.shape}; it must be (T+1, S, A), {shape} each.")
    sums = np.abs(pi.sum(axis=2) - 1)
    if not ((pi >= 0).all() and (sums <= 1e-9).all()) or pi[:, ~truth.mdp.allowed].any():
        t = int(np.abs(np.where(np.isnan(sums), np.inf, sums)).max(axis=1).argmax())
        raise ModelError(
            f"policies[{t}] is no policy of this model: rows must be >= 0, sum to one and be 0 at "
            f"refused actions."
        )
    steps = np.full(len(pi) - 1, np.nan) if step_sizes is None else as_floats(step_sizes, "steps")
    logs = np.log(pi, out=np.full(pi.shape, -np.inf), where=pi > 0)
    return Trace(
        truth=truth,
        algorithm=algorithm,
        log_pi=readonly(logs),
        x=None if x is None else readonly(np.array(x, dtype=float)),
        step_sizes=readonly(np.broadcast_to(steps, (len(pi) - 1,)).copy()),
        options=dict(options),
    )


def _mean(d: FloatArray, x: FloatArray) -> FloatArray:
    """The mean of x over d, one for each t, whatever d sums to; states outside d do not count."""
    d, x = d.reshape(len(d), -1), x.reshape(len(x), -1)
    weight = d / np.maximum(d.sum(axis=1, keepdims=True), 1e-300)
    mean: FloatArray = np.where(weight > 0, weight * np.where(weight > 0, x, 0.0), 0.0).sum(axis=1)
    return mean


def kl(p: FloatSA, log_p: FloatSA, log_q: FloatSA) -> FloatS:
    """KL(p || q) in each state from logarithms, (S,) or (T, S); >= 0, inf where q misses p."""
    difference = np.zeros(np.broadcast_shapes(log_p.shape, log_q.shape))
    np.subtract(log_p, log_q, out=difference, where=np.broadcast_to(p > 0, difference.shape))
    total: FloatS = np.maximum((p * np.where(p > 0, difference, 0.0)).sum(axis=-1), 0.0)
    return total


def norm_each(x: FloatArray) -> FloatArray:
    """Euclidean norms over all axes but the first; squares neither underflow nor overflow."""
    flat = np.abs(x.reshape(len(x), -1))
    size = flat.max(axis=1, initial=0.0)
    scale = np.where((size > 0) & (size < np.inf), size, 1.0)
    norm: FloatArray = scale * np.sqrt(((flat / scale[:, None]) ** 2).sum(axis=1))
    return norm


def log_of(p: FloatArray) -> FloatArray:
    """log p, -inf where p is 0, without a warning."""
    return np.log(p, out=np.full(p.shape, -np.inf), where=p > 0)
