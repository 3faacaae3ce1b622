"""The best policy within a KL of an old one: linear gains, solved by the dual.

Takes     logits of the old policy, what each action gains, weights of states, a radius.
Gives     logits of the new policy.
Source    derived. Each state maximises ``<p, g> - lam KL``: with KL(p || pi) that is ``p = pi
          exp(g / lam)`` normalised, with KL(pi || p) it is ``p = lam pi / (nu - g)``, nu above
          every g such that p sums to one. The KL falls as lam grows, and as nu does.
Not here  where the gains come from (`_constrained_rules`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, FloatS, FloatSA
from ..model import MDP
from ._tables import DEEPEST, anchored, moved, table_logs

HALVINGS = 110
"""Enough to find the logarithm of a number to the last digit in a bracket of 1e16 times that."""

LOWEST = -1e6
"""Of log lam: what is not best has probability exp(-1e6) then."""

SERIES = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2)
"""Of ``(exp(x) - 1 - x) / x^2``, the highest power first: exact to 1e-17 for |x| <= 0.01."""


class Dual:
    """Policies and their KL as functions of the logarithm of a multiplier.

    Parameters
    ----------
    mdp : MDP
        For its mask.
    logits : (S, A) or (H, S, A) array
        Of the old policy, anchored.
    gap : (S, A) or (H, S, A) array
        What each action gains, less the best of its state: <= 0, with a 0 in each state, < 0
        somewhere.
    kl : {"old||new", "new||old"}
    """

    def __init__(self, mdp: MDP, logits: FloatSA, gap: FloatSA, kl: str) -> None:
        self.mdp, self.logits, self.gap, self.kind = mdp, logits, gap, kl
        self.logs = table_logs(mdp, logits)
        missing = np.where(mdp.allowed, -gap, 1.0)
        bottom = np.full(missing.shape, -np.inf)
        self._log_missing = np.log(missing, where=missing > 0, out=bottom)

    # -- one bound for all states ----------------------------------------------------------------
    def within_mean(self, radius: float, weights: FloatS) -> FloatSA:
        """The best logits with ``sum_s weights(s) KL(s) <= radius``: one multiplier for all."""
        from scipy.optimize import brentq

        def excess(log_lam: float) -> float:
            kl = float((weights * self.divergences(self.new(log_lam))).sum())
            return float(np.log(max(kl, 1e-320)) - np.log(radius))

        low = high = float(np.log(-self.gap.min()))  # the unit of lam
        step = 1.0
        while excess(high) > 0:
            low, high, step = high, high + step, 2 * step
        step = 1.0
        while excess(low) < 0:
            if low < LOWEST:  # the bound is idle: no step is too far
                return self.new(low)
            high, low, step = low, low - step, 2 * step
        found = float(brentq(excess, low, high, xtol=1e-13, rtol=4 * EPS, maxiter=300))
        slack = 1e-14
        while excess(found) > 0:  # end on the side that keeps the bound
            found, slack = found + slack, 2 * slack
        return self.new(found)

    def new(self, log_lam: float) -> FloatSA:
        """The logits that maximise <p, g> - lam KL in each state."""
        if self.kind == "new||old":
            eta = float(np.exp(-log_lam)) if log_lam > -700 else np.inf
            return moved(self.mdp, self.logits, eta, self.gap)
        # p = lam pi / (u - gap), u = nu - max g > 0, in logarithms: sum p = 1 by bisection on log u
        best = self.mdp.allowed & (self.gap == 0)
        low = log_lam + np.where(best, self.logs, -np.inf).max(axis=-1, keepdims=True)
        high = np.full(low.shape, log_lam)
        low = np.minimum(low, high)
        for _ in range(HALVINGS):
            middle = low + (high - low) / 2
            too_much = log_lam + self._log_total(middle) > 0
            low, high = np.where(too_much, middle, low), np.where(too_much, high, middle)
            if (high - low <= 2 * EPS * np.abs(high) + 1e-300).all():
                break
        return self._divided(high)

    # -- a bound for each state ------------------------------------------------------------------
    def within_each(self, radius: float) -> FloatSA:
        """The best logits with ``KL(s) <= radius`` in every state: a multiplier for each."""
        size = -self.gap.min(axis=-1, keepdims=True)
        still = size <= 0  # nothing to gain
        high = np.log(np.where(still, 1.0, size))
        low = high.copy()
        step = 1.0
        while (far := ~still & self._exceeds(high, radius)).any():
            low, high, step = np.where(far, high, low), np.where(far, high + step, high), 2 * step
        step = 1.0
        while (near := ~still & ~self._exceeds(low, radius) & (low >= LOWEST)).any():
            high, low, step = np.where(near, low, high), np.where(near, low - step, low), 2 * step
        idle = ~self._exceeds(low, radius)  # no step is too far
        for _ in range(HALVINGS):
            middle = low + (high - low) / 2
            far = self._exceeds(middle, radius)
            low, high = np.where(far & ~idle, middle, low), np.where(far | idle, high, middle)
            if (still | idle | (high - low <= 4 * EPS * np.abs(high))).all():
                break
        return self._at(np.where(idle, low, high))

    def _exceeds(self, log_multiplier: FloatArray, radius: float) -> Any:
        """Whether the KL of each state is above the radius, (..., S, 1)."""
        return self.divergences(self._at(log_multiplier))[..., None] > radius

    def _at(self, log_multiplier: FloatArray) -> FloatSA:
        """The logits at log lam, or at log u, of each state, (..., S, 1)."""
        if self.kind == "old||new":
            return self._divided(log_multiplier)
        with np.errstate(over="ignore", invalid="ignore"):
            speed = np.exp(-log_multiplier)
            moves = np.where(self.gap < 0, self.gap * speed, 0.0)
        return anchored(self.mdp, np.maximum(self.logits + moves, DEEPEST))

    # -- both ------------------------------------------------------------------------------------
    def _divided(self, log_u: FloatArray) -> FloatSA:
        """Logits of ``pi / (u - gap)``, normalised."""
        p = np.where(self.mdp.allowed, self.logs - np.logaddexp(log_u, self._log_missing), 0.0)
        return anchored(self.mdp, np.maximum(p, DEEPEST))

    def _log_total(self, log_u: FloatArray) -> FloatArray:
        """log of the sum of ``pi / (u - gap)`` over actions, (..., S, 1)."""
        logs = self.logs - np.logaddexp(log_u, self._log_missing)
        logs = np.where(self.mdp.allowed, logs, -np.inf)
        top = logs.max(axis=-1, keepdims=True)
        total: FloatArray = top + np.log(np.exp(logs - top).sum(axis=-1, keepdims=True))
        return total

    def divergences(self, new: FloatSA) -> FloatS:
        """KL of each state, (S,) or (H, S), nats."""
        other = table_logs(self.mdp, new)
        one, two = (self.logs, other) if self.kind == "old||new" else (other, self.logs)
        p = np.where(self.mdp.allowed, np.exp(one), 0.0)
        q = np.where(self.mdp.allowed, np.exp(two), 0.0)
        x = np.where(self.mdp.allowed, two - one, 0.0)
        small = np.where(np.abs(x) <= 0.01, x, 0.0)
        # Each term is >= 0, and next to 0 the series cancels nothing.
        terms = np.where(np.abs(x) <= 0.01, p * small**2 * np.polyval(SERIES, small), q - p - p * x)
        sums: FloatS = np.maximum(terms, 0.0).sum(axis=-1)
        return sums
