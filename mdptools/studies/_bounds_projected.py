"""Bounds for projected gradient ascent on the policy itself.

Takes     a `Trace` of policies, and the measure of the gap.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    Agarwal, Kakade, Lee and Mahajan (2021); Xiao (2022), "On the convergence rates of policy
          gradient methods".
Not here  the softmax (`_bounds_gradient`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, FloatS
from ._bound import Curve, entry
from ._bounds_gradient import GAP, GAP_MU, fixed_d
from ._trace import Trace
from ._truth import mismatch, ratios

PROJECTED = ("projected_gradient",)
ANY = (*PROJECTED, "gradient_ascent", "natural_gradient", "any")
AGARWAL = "Agarwal et al. (2021)"
STEP = ("positive mu", "gamma > 0", "direct step")


def stationarity(trace: Trace) -> FloatArray:
    """max over pi' of <pi' - pi_t, dJ/dpi>: sum_s visits(s) max_a A(s, a), (T+1,)."""
    allowed = trace.truth.mdp.allowed
    best = np.where(allowed, trace.advantage, -np.inf).max(axis=2)
    found: FloatArray = (trace.visits * np.maximum(best, 0.0)).sum(axis=1)
    return found


@entry("E1", "a posteriori", GAP, f"{AGARWAL}, lemma 4.1", ANY, ("positive mu",))
def domination_direct(trace: Trace, law: FloatS) -> Curve:
    """gap <= max(d* / d_t) max over pi' of <pi' - pi, dJ/dpi>. Attained."""
    coefficient = ratios(fixed_d(trace, law)[None], trace.d).max(axis=1)
    return Curve(coefficient * stationarity(trace), trace.gap(law))


@entry("E1m", "a posteriori", GAP, f"{AGARWAL}, lemma 4.1", ANY, ("positive mu",))
def domination_direct_by_mu(trace: Trace, law: FloatS) -> Curve:
    """gap <= max(d* / mu) / (1-gamma) max over pi' of <pi' - pi, dJ/dpi>."""
    kappa = mismatch(fixed_d(trace, law), trace.truth.mdp.mu) / (1 - trace.truth.gamma)
    return Curve(kappa * stationarity(trace), trace.gap(law), {"mismatch": kappa})


@entry(
    "E3", "a priori", "min over 1 <= i <= t of the gap", f"{AGARWAL}, theorem 4.1", PROJECTED, STEP
)
def best_iterate(trace: Trace, law: FloatS) -> Curve:
    """min_{1<=i<=t} gap_i <= R max(d*/mu) sqrt(64 gamma S A / ((1-gamma)^6 t)).

    So loose (12 at best, 550 in the median) that no mutation of its constant by less is refuted.
    """
    truth = trace.truth
    kappa = mismatch(fixed_d(trace, law), truth.mdp.mu)
    size = 64 * truth.gamma * truth.n_live * truth.n_choices / (1 - truth.gamma) ** 6
    values = truth.reward_range * kappa * np.sqrt(size / trace.t)
    least = np.full(len(trace.t), np.nan)
    least[1:] = np.minimum.accumulate(trace.gap(law)[1:])
    return Curve(np.where(trace.t > 0, values, np.nan), least, {"mismatch": kappa})


@entry("E4", "a priori", GAP_MU, "Xiao (2022), theorem 2", PROJECTED, STEP)
def last_iterate(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= 128 R gamma S A max(d*/mu)^2 / ((1-gamma)^5 t).

    So loose (290 at best) that no mutation of its constant by less is refuted; it is
    4 / (omega eta t) of E5, which is tight.
    """
    truth = trace.truth
    kappa = mismatch(fixed_d(trace, truth.mdp.mu), truth.mdp.mu)
    size = 128 * truth.reward_range * truth.gamma * truth.n_live * truth.n_choices * kappa**2
    values = np.where(trace.t > 0, size / (1 - truth.gamma) ** 5 / trace.t, np.nan)
    return Curve(values, trace.gap(), {"mismatch": kappa})


@entry("E5", "trace-certified", GAP_MU, "Xiao (2022), theorem 4 and lemma 5", PROJECTED, STEP)
def recursion(trace: Trace, law: FloatS) -> Curve:
    """gap_{t+1} + omega eta gap_{t+1}^2 <= gap_t, omega = (1-gamma)^2 / (16 S max(d*/mu)^2)."""
    truth = trace.truth
    kappa = mismatch(fixed_d(trace, truth.mdp.mu), truth.mdp.mu)
    omega = (1 - truth.gamma) ** 2 / (16 * truth.n_live * kappa**2)
    c = omega / truth.smoothness_direct
    gap = trace.gap()
    values = np.full(len(gap), np.nan)
    values[1:] = (2 * gap / (1 + np.sqrt(1 + 4 * c * gap)))[:-1]
    return Curve(values, gap, {"omega / L": c})
