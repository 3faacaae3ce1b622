"""Bounds for gradient ascent on L = J + weight times the log barrier.

Takes     a `Trace` of gradient ascent on softmax logits with the option ``weight``.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    Agarwal, Kakade, Lee and Mahajan (2021), section 5.2; sharper forms are derived.
Not here  the barrier itself (gradients).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, FloatS
from ..errors import ModelError
from ._bound import Curve, entry
from ._bounds_gradient import GAP, before, fixed_d
from ._trace import Trace, norm_each
from ._truth import mismatch

BARRIER = ("barrier_gradient",)
AGARWAL = "Agarwal et al. (2021)"
NEEDS = ("positive mu", "all allowed")


def _weight(trace: Trace) -> float:
    return float(trace.options["weight"])


def _gradient_norm(trace: Trace) -> FloatArray:
    """|grad L|: the barrier adds weight / S (1/A - pi)."""
    truth = trace.truth
    there = truth.live[:, None] & truth.mdp.allowed
    slope = _weight(trace) / truth.n_live * (1 / truth.n_choices - trace.pi)
    total = trace.gradient + np.where(there, slope, 0.0)
    return norm_each(total)


def _beta(trace: Trace) -> float:
    return trace.truth.smoothness + _weight(trace) / (2 * trace.truth.n_live)


def _start(trace: Trace) -> float:
    """J* - L(theta_0)."""
    truth = trace.truth
    there = truth.live[:, None] & truth.mdp.allowed
    logs = np.where(there, trace.log_pi[0] + np.log(truth.n_choices), 0.0)
    mean = float(logs.sum()) / (truth.n_live * truth.n_choices)
    return float(trace.gap()[0]) - _weight(trace) * mean


@entry("D6", "a posteriori", GAP, f"{AGARWAL}, theorem 5.2", BARRIER, NEEDS)
def stationary_point(trace: Trace, law: FloatS) -> Curve:
    """|grad L| <= weight / (2 S A) implies gap <= 2 weight / (1-gamma) max(d* / mu)."""
    truth = trace.truth
    small = _gradient_norm(trace) <= _weight(trace) / (2 * truth.n_live * truth.n_choices)
    kappa = mismatch(fixed_d(trace, law), truth.mdp.mu)
    size = 2 * _weight(trace) / (1 - truth.gamma) * kappa
    return Curve(np.where(small, size, np.nan), trace.gap(law), {"mismatch": kappa})


def _check_step(trace: Trace, name: str, most: float) -> None:
    eta = float(trace.step_sizes[0]) if trace.updates else 0.0
    if abs(eta - most) > 1e-9 * most:
        raise ModelError(f"{name} does not apply: it assumes eta = {most:.6g}; eta is {eta:.6g}.")


@entry(
    "D6g",
    "a priori",
    "min over i < t of |grad L|^2",
    "the descent lemma",
    BARRIER,
    ("constant step", *NEEDS),
)
def smallest_gradient(trace: Trace, law: FloatS) -> Curve:
    """eta = 1/beta: min_{i<t} |grad L|^2 <= 2 beta (J* - L_0) / t, beta = beta# + weight/(2 S)."""
    beta = _beta(trace)
    _check_step(trace, "D6g", 1 / beta)
    values = np.where(trace.t > 0, 2 * beta * _start(trace) / trace.t, np.nan)
    return Curve(values, before(_gradient_norm(trace) ** 2, np.minimum), {"beta": beta}, np.inf)


@entry(
    "D6s", "a priori", "min over i < t of the gap", "D6 and D6g", BARRIER, ("constant step", *NEEDS)
)
def best_iterate(trace: Trace, law: FloatS) -> Curve:
    """min_{i<t} gap <= 2 weight max(d*/mu) / (1-gamma) once t >= long.

    ``long = 8 beta (S A / weight)^2 (J* - L(theta_0))``.
    """
    truth, beta, weight = trace.truth, _beta(trace), _weight(trace)
    _check_step(trace, "D6s", 1 / beta)
    long = 8 * beta * (truth.n_live * truth.n_choices / weight) ** 2 * _start(trace)
    kappa = mismatch(fixed_d(trace, law), truth.mdp.mu)
    size = 2 * weight * kappa / (1 - truth.gamma)
    values = np.where(trace.t >= np.maximum(long, 1), size, np.nan)
    return Curve(values, before(trace.gap(law), np.minimum), {"beta": beta, "from": long})


@entry(
    "D6c",
    "a priori",
    "min over i < t of the gap",
    f"{AGARWAL}, corollary 5.1, corrected",
    BARRIER,
    ("uniform start", "constant step", *NEEDS),
)
def published_barrier(trace: Trace, law: FloatS) -> Curve:
    """min_{i<t} gap <= eps once t >= 320 (R S A kappa)^2 / ((1-gamma)^6 eps^2).

    With ``eta = 1/(8 R/(1-gamma)^3 + 2 weight/S)`` from theta_0 = 0;
    ``eps = 2 weight kappa / (1-gamma) <= R / (1-gamma)``. The printed smoothness has 8 gamma for
    8, which is false for small gamma; "any theta_0" there needs J* - L(theta_0) <= R / (1-gamma).
    Vacuous but for the smallest models: there 5 times loose at best.
    """
    truth, weight = trace.truth, _weight(trace)
    _check_step(trace, "D6c", 1 / (truth.smoothness_published + 2 * weight / truth.n_live))
    kappa = mismatch(fixed_d(trace, law), truth.mdp.mu)
    eps = 2 * weight * kappa / (1 - truth.gamma)
    if eps > truth.trivial:
        raise ModelError(
            f"D6c does not apply: it assumes eps = 2 weight kappa / (1-gamma) <= R / (1-gamma); "
            f"eps is {eps:.4g}, above {truth.trivial:.4g}."
        )
    size = truth.reward_range * truth.n_live * truth.n_choices * kappa / (1 - truth.gamma) ** 3
    long = 320 * (size / eps) ** 2
    values = np.where(trace.t >= long, eps, np.nan)
    return Curve(values, before(trace.gap(law), np.minimum), {"from": long, "eps": eps})
