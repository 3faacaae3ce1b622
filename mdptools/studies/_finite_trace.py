"""Traces with a horizon: policies that depend on time, gaps without cancellation, gamma up to 1.

Takes     a model with a horizon.
Gives     `FiniteTruth`, `FiniteTrace`: a `Trace` whose policies are (H, S, A) each.
Source    ``V*_h - V_h = sum_a pi_h (V*_h - Q*_h) + gamma P_pi_h (V*_{h+1} - V_{h+1})``, a sum of
          terms >= 0: the performance-difference lemma with time.
Not here  running a rule (`_run`), the bounds (`_bounds_finite`), discounted models (`_trace`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolSA, FloatArray, FloatS, FloatSA, readonly
from ..model import MDP
from ..planning import backward_induction
from ._trace import Trace
from ._truth import Truth


@dataclass(frozen=True, eq=False)
class FiniteTruth(Truth):
    """The optimum of a model with a horizon; V is (H+1, S), everything else (H, S, A)."""

    @property
    def horizon(self) -> int:
        """H, the number of actions."""
        assert self.mdp.horizon is not None
        return self.mdp.horizon

    @cached_property
    def trivial(self) -> float:
        """R sum_h gamma^h, and the range of the reward at the end: what no gap exceeds."""
        steps = float((self.gamma ** np.arange(self.horizon)).sum())
        return self.reward_range * steps + self.gamma**self.horizon * float(np.ptp(self.V[-1]))

    @cached_property
    def floor(self) -> float:
        """Below it float64 does not judge a bound: 100 eps H max(|V*|, H |R|)."""
        size = max(float(np.abs(self.V).max()), self.horizon * float(np.abs(self.mdp.R).max()))
        return 100 * EPS * self.horizon * size

    @cached_property
    def suboptimal(self) -> BoolSA:
        """Allowed pairs of live states outside the optimal set, for each time."""
        mask: BoolSA = self.mdp.allowed & ~self.optimal & self.live[:, None]
        return mask

    @cached_property
    def smoothness(self) -> float:
        """``(R/2)(3/2 - 1/A) H (H+1) / 2``: as with a discount, sum_t (t + 1) for (1-gamma)^-2."""
        H = self.horizon
        return self.reward_range / 2 * (1.5 - 1 / self.n_choices) * H * (H + 1) / 2

    def nearest_optimal(self, log_pi: FloatSA) -> FloatSA:
        """The optimal policy of least KL from pi, (H, S, A)."""
        kept = np.where(self.optimal, log_pi, -np.inf)
        top = kept.max(axis=-1, keepdims=True)
        met = np.isfinite(top)
        weights = np.where(met, np.exp(kept - np.where(met, top, 0.0)), self.pi)
        pi: FloatSA = weights / weights.sum(axis=-1, keepdims=True)
        return readonly(pi)

    def d(self, pi: FloatSA, measure: FloatS) -> FloatS:
        """Visits of pi from ``measure``, gamma^h counted, 0 on terminal states, (H, S)."""
        found: FloatS = finite_visits(self.mdp, pi[None], measure)[0]
        return found


@dataclass(frozen=True, eq=False)
class FiniteTrace(Trace):
    """A trace of policies (H, S, A): `gaps` are those at time 0, `visits` (T+1, H, S)."""

    @cached_property
    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        size, scaled = self._over_time
        return size, scaled[:, 0]

    @cached_property
    def _over_time(self) -> tuple[FloatArray, FloatArray]:
        """Logarithms of sizes (T+1,), and gaps divided by these sizes, (T+1, H+1, S)."""
        mdp, short = self.truth.mdp, self.truth.shortfall
        terms = self.log_pi + np.log(short, out=np.full(short.shape, -np.inf), where=short > 0)
        top = terms.max(axis=(1, 2, 3))
        size = np.where(np.isfinite(top), top, 0.0)
        lost = np.exp(terms - size[:, None, None, None]).sum(axis=3)  # (T+1, H, S)
        count, H, n_states = lost.shape
        found = np.zeros((count, H + 1, n_states))
        for h in reversed(range(H)):
            chains = kernel.mix_each(mdp.P, self.pi[:, h])
            after = np.einsum("tij,tj->ti", chains, found[:, h + 1])
            found[:, h] = lost[:, h] + mdp.gamma * after
        return size, found

    @cached_property
    def timed_gaps(self) -> FloatArray:
        """V*_h - V_h of each policy, (T+1, H+1, S), reward units."""
        size, scaled = self._over_time
        return readonly(np.exp(size)[:, None, None] * scaled)

    @cached_property
    def J(self) -> FloatArray:
        """mu . V_0 of each policy, (T+1,)."""
        return readonly(float(self.truth.mdp.mu @ self.truth.V[0]) - self.gap())

    @cached_property
    def visits(self) -> FloatArray:
        """gamma^h Pr(s_h = s, running) from mu, (T+1, H, S)."""
        return readonly(finite_visits(self.truth.mdp, self.pi, self.truth.mdp.mu))

    @cached_property
    def advantage(self) -> FloatArray:
        """Q_h - V_h of each policy, (T+1, H, S, A)."""
        truth, gaps = self.truth, self.timed_gaps
        count, H, n_states = gaps.shape[0], gaps.shape[1] - 1, gaps.shape[2]
        flat = np.ascontiguousarray(gaps[:, 1:].reshape(count * H, n_states).T)
        ahead = np.moveaxis(kernel.expect_each(truth.mdp.P, flat), 2, 0)
        ahead = ahead.reshape(count, H, n_states, -1)
        A = gaps[:, :-1, :, None] - truth.gamma * ahead - truth.shortfall
        return readonly(np.where(truth.mdp.allowed & truth.live[:, None], A, 0.0))

    @cached_property
    def gradient(self) -> FloatArray:
        """dJ/dtheta of the softmax, visits pi A: of each time, or their sum where pi is tied."""
        pull = self.visits[..., None] * self.pi * self.advantage
        return readonly(pull.sum(axis=1) if self.options.get("tied") else pull)

    @cached_property
    def floor(self) -> float:
        """That of the truth."""
        return self.truth.floor


def finite_truth(mdp: MDP) -> FiniteTruth:
    """Backward induction, and how much each action falls short at each time."""
    found = backward_induction(mdp)
    V, Q = np.asarray(found.V), np.asarray(found.Q)
    assert mdp.horizon is not None
    size = max(float(np.abs(V).max()), float(np.abs(mdp.R).max()))
    tol = 100 * EPS * mdp.horizon * size
    there = mdp.allowed & ~mdp.terminal[:, None]
    best = np.where(mdp.allowed, Q, -np.inf).max(axis=2, keepdims=True)
    shortfall = np.where(there, best - np.where(there, Q, 0.0), 0.0)
    optimal = mdp.allowed & (shortfall <= tol)
    shortfall[shortfall <= tol] = 0.0
    chosen = optimal.argmax(axis=2)
    return FiniteTruth(
        mdp=mdp,
        V=V,
        Q=Q,
        shortfall=readonly(shortfall),
        optimal=readonly(optimal),
        pi=readonly(np.eye(mdp.n_actions)[chosen]),
        tol=tol,
        warning="",
    )


def finite_visits(mdp: MDP, pi: FloatArray, measure: FloatS) -> FloatArray:
    """gamma^h Pr(s_h = s, running) of many policies (T, H, S, A) from one law, (T, H, S)."""
    live = ~mdp.terminal
    found = np.zeros(pi.shape[:3])
    now = np.where(live, np.broadcast_to(measure, (len(pi), mdp.n_states)), 0.0)
    for h in range(pi.shape[1]):
        found[:, h] = now
        after = np.einsum("ti,tij->tj", now, kernel.mix_each(mdp.P, pi[:, h]))
        now = np.where(live, mdp.gamma * after, 0.0)
    return found
