"""The regularised optimum, and a trace seen from it.

Takes     a `Trace` with the option ``tau``.
Gives     `Soft`: V*_tau, Q*_tau, and soft gaps without cancellation.
Source    ``V*_tau - V_tau^pi = (I - gamma P_pi)^-1 tau KL(pi || pi*_tau)``: Mei et al. (2020),
          lemma 26. V_tau counts the entropy of the state itself.
Not here  the bounds (`_bounds_regularised`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolSA, FloatArray, FloatS, FloatSA
from ..bellman import backup, soft_maximum
from ..errors import ModelError
from ..gradients import regularised_evaluation
from ._bound import Curve
from ._trace import Trace, kl, norm_each
from ._truth import Truth, solve_each

ENOUGH = 10_000  # soft policy iterations: each gains a factor gamma at least


@dataclass(frozen=True, eq=False)
class Soft:
    """The regularised optimum, and a trace seen from it."""

    trace: Trace
    tau: float
    V: FloatS
    Q: FloatSA
    log_pi: FloatSA  # of the optimum; 0 at refused pairs

    @property
    def there(self) -> BoolSA:
        """Allowed pairs of live states."""
        truth = self.trace.truth
        mask: BoolSA = truth.mdp.allowed & truth.live[:, None]
        return mask

    @cached_property
    def apart(self) -> FloatArray:
        """log pi*_tau - log pi_t, (T+1, S, A); 0 where there is no choice."""
        difference = np.zeros(self.trace.log_pi.shape)
        where = np.broadcast_to(self.there, difference.shape)
        np.subtract(self.log_pi[None], self.trace.log_pi, out=difference, where=where)
        return difference

    @cached_property
    def gaps(self) -> FloatArray:
        """V*_tau - V_tau of each policy, (T+1, S)."""
        trace = self.trace
        price = kl(trace.pi, np.where(self.there, trace.log_pi, 0.0), self.log_pi[None])
        price = np.where(trace.truth.live, self.tau * price, 0.0)
        return solve_each(trace.truth.mdp, trace.pi, price, adjoint=False)

    @cached_property
    def ahead(self) -> FloatArray:
        """Q*_tau - Q_tau of each policy, (T+1, S, A)."""
        mdp = self.trace.truth.mdp
        found = kernel.expect_each(mdp.P, np.ascontiguousarray(self.gaps.T))
        moved: FloatArray = np.where(self.there, mdp.gamma * np.moveaxis(found, 2, 0), 0.0)
        return moved

    @cached_property
    def gradient_norm(self) -> FloatArray:
        """|dJ_tau / dtheta|_2 of the softmax: visits pi (Q_tau - tau log pi - V_tau), (T+1,)."""
        A = self.tau * self.apart + self.gaps[:, :, None] - self.ahead
        terms = np.where(self.there, self.trace.visits[:, :, None] * self.trace.pi * A, 0.0)
        return norm_each(terms)

    @property
    def trivial(self) -> float:
        """(R + tau log A) / (1 - gamma)."""
        truth = self.trace.truth
        most = truth.reward_range + self.tau * np.log(truth.n_choices)
        return float(most / (1 - truth.gamma))

    @property
    def floor(self) -> float:
        """That of the trace, with tau log A among the rewards."""
        truth = self.trace.truth
        bonus = self.tau * (1 + np.log(truth.n_choices)) / (1 - truth.gamma)
        return float(self.trace.floor + 100 * EPS * bonus / (1 - truth.gamma))

    def curve(self, values: FloatArray, actual: FloatArray, **constants: float) -> Curve:
        """A curve in the units of the regularised objective."""
        return Curve(values, actual, constants, self.trivial, self.floor)


@lru_cache(maxsize=16)
def _optimum(truth: Truth, tau: float) -> tuple[FloatS, FloatSA, FloatSA]:
    mdp = truth.mdp
    there = mdp.allowed & truth.live[:, None]
    V, Q = truth.V, truth.Q
    for _ in range(ENOUGH):
        soft_V = np.where(truth.live, soft_maximum(Q, tau), 0.0)
        logs = np.where(there, (np.where(there, Q, 0.0) - soft_V[:, None]) / tau, 0.0)
        pi = np.where(there, np.exp(logs), truth.pi)
        pi = pi / pi.sum(axis=1, keepdims=True)
        after = regularised_evaluation(mdp, pi, tau).V
        rise = float((after - V).max())
        V, Q = after, backup(mdp, after)
        if rise <= 8 * EPS * float(np.abs(V).max()):  # no V falls, so this is the end
            break
    soft_V = np.where(truth.live, soft_maximum(Q, tau), 0.0)
    logs = np.where(there, (np.where(there, Q, 0.0) - soft_V[:, None]) / tau, 0.0)
    return soft_V, Q, logs


@lru_cache(maxsize=4)
def soft(trace: Trace) -> Soft:
    """The trace beside the regularised optimum of its ``tau``."""
    tau = float(trace.options.get("tau", 0.0))
    if not tau > 0:
        raise ModelError(f"{trace.algorithm} has no tau > 0 among the options of its trace.")
    return Soft(trace, tau, *_optimum(trace.truth, tau))
