"""The policy that TRPO's problem asks for: the largest surrogate under a bound on the mean KL.

Takes     a table of logits, a bound on the KL.
Gives     the rule `ConstrainedSurrogate`.
Source    derived from the dual. Each state maximises ``<p, A> - lam KL``: with KL(p || pi) that is
          ``p = pi exp(A / lam)`` normalised, with KL(pi || p) it is ``p = lam pi / (nu - A)``, nu
          above every A such that p sums to one. The mean KL falls as lam grows.
Not here  the natural direction that approximates it (`_trust_region_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, FloatS, FloatSA
from ..evaluation import Evaluation
from ..model import MDP
from ._rule import PolicyRule, evaluated
from ._steps import check_size, scale_of
from ._tables import (
    DEEPEST,
    anchored,
    check_table,
    gaps,
    moved,
    start_table,
    table_logs,
    table_policy,
    told_apart,
)
from ._trust_region_rules import check_kl

HALVINGS = 110
"""Enough to find the logarithm of a number to the last digit in a bracket of 1e16 times that."""

LOWEST = -1e6
"""Of log lam: what is not best has probability exp(-1e6) then."""

SERIES = (1 / 5040, 1 / 720, 1 / 120, 1 / 24, 1 / 6, 1 / 2)
"""Of ``(exp(x) - 1 - x) / x^2``, the highest power first: exact to 1e-17 for |x| <= 0.01."""


@dataclass(frozen=True, slots=True, eq=False)
class ConstrainedSurrogate(PolicyRule):
    """argmax over tables p of sum_s visits(s) <p, A>, subject to mean KL <= radius.

    Parameters
    ----------
    radius : float > 0
        delta, in nats.
    kl : {"old||new", "new||old"}
        KL(old || new), as TRPO has it, or KL(new || old), with which it is relative-entropy policy
        search on the model.
    logits0 : (S, A) or (H, S, A) array_like, optional
        Zeros if omitted.

    Notes
    -----
    x is log pi, up to a constant in each state. The mean is over ``(1 - gamma) visits`` if
    discounted and over visits otherwise; all states share one multiplier, also those that are never
    visited. The mean KL meets the radius to a relative 1e-6. With "new||old" the bound may be idle:
    then the next policy is that of policy iteration. With "old||new" no action is given up, and an
    action whose probability has underflowed to 0 may come back.
    """

    radius: float = 0.01
    kl: str = "old||new"
    logits0: Any = None

    def __post_init__(self) -> None:
        check_size(self.radius, "radius")
        check_kl(self.kl)

    @property
    def name(self) -> str:
        """What a report calls it."""
        return f"constrained surrogate, radius {self.radius:g} of KL({self.kl})"

    def start(self, mdp: MDP) -> FloatArray:
        """The first logits."""
        return start_table(mdp, self.logits0, "logits0")

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """The policy of the logits x."""
        return table_policy(mdp, check_table(mdp, x))

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next logits.

        Parameters
        ----------
        mdp : MDP
        x : (S, A) or (H, S, A) array
        t : int
        found : Evaluation, optional
            Of the policy at x.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `evaluate`.
        """
        logits = check_table(mdp, x)
        found = evaluated(mdp, table_policy(mdp, logits), found)
        gap = told_apart(gaps(mdp, found.Q), found.certificate.bound)
        weights = scale_of(mdp) * found.visits
        if not (gap[weights > 0] < 0).any():
            return logits  # nothing to gain where the policy goes
        dual = _Dual(mdp, logits, gap, weights, self.kl)
        return dual.solved(self.radius)


class _Dual:
    """Policies and their mean KL as functions of log lam."""

    def __init__(self, mdp: MDP, logits: FloatSA, gap: FloatSA, weights: FloatS, kl: str) -> None:
        self.mdp, self.logits, self.gap, self.weights, self.kind = mdp, logits, gap, weights, kl
        self.logs = table_logs(mdp, logits)
        self.size = float(-gap.min())  # the unit of lam

    def solved(self, radius: float) -> FloatSA:
        from scipy.optimize import brentq

        def excess(log_lam: float) -> float:
            kl = self.mean_kl(self.new(log_lam))
            return float(np.log(max(kl, 1e-320)) - np.log(radius))

        low = high = np.log(self.size)
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
        """The logits that maximise <p, A> - lam KL in each state."""
        if self.kind == "new||old":
            eta = float(np.exp(-log_lam)) if log_lam > -700 else np.inf
            return moved(self.mdp, self.logits, eta, self.gap)
        # p = lam pi / (u - gap), u = nu - max A > 0, in logarithms: sum p = 1 by bisection on log u
        allowed = self.mdp.allowed
        missing = np.where(allowed, -self.gap, 1.0)
        log_missing = np.log(missing, where=missing > 0, out=np.full(missing.shape, -np.inf))
        best = allowed & (self.gap == 0)
        low = log_lam + np.where(best, self.logs, -np.inf).max(axis=-1, keepdims=True)
        high = np.full(low.shape, log_lam)
        low = np.minimum(low, high)
        for _ in range(HALVINGS):
            middle = low + (high - low) / 2
            too_much = self._log_sum(log_lam, middle, log_missing) > 0
            low, high = np.where(too_much, middle, low), np.where(too_much, high, middle)
            if (high - low <= 2 * EPS * np.abs(high) + 1e-300).all():
                break
        p = np.where(allowed, self.logs + log_lam - np.logaddexp(high, log_missing), 0.0)
        return anchored(self.mdp, np.maximum(p, DEEPEST))

    def _log_sum(self, log_lam: float, log_u: FloatArray, log_missing: FloatArray) -> FloatArray:
        logs = self.logs + log_lam - np.logaddexp(log_u, log_missing)
        logs = np.where(self.mdp.allowed, logs, -np.inf)
        top = logs.max(axis=-1, keepdims=True)
        total: FloatArray = top + np.log(np.exp(logs - top).sum(axis=-1, keepdims=True))
        return total

    def mean_kl(self, new: FloatSA) -> float:
        """sum_s weights(s) KL, nats."""
        other = table_logs(self.mdp, new)
        one, two = (self.logs, other) if self.kind == "old||new" else (other, self.logs)
        p = np.where(self.mdp.allowed, np.exp(one), 0.0)
        q = np.where(self.mdp.allowed, np.exp(two), 0.0)
        x = np.where(self.mdp.allowed, two - one, 0.0)
        small = np.where(np.abs(x) <= 0.01, x, 0.0)
        # Each term is >= 0, and next to 0 the series cancels nothing.
        terms = np.where(np.abs(x) <= 0.01, p * small**2 * np.polyval(SERIES, small), q - p - p * x)
        return float((self.weights * np.maximum(terms, 0.0).sum(axis=-1)).sum())
