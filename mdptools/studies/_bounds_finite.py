"""Bounds for models with a horizon, gamma up to 1.

Takes     a trace of policies (H, S, A), from `finite_trace`.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    derived: the proofs with a discount, summed over time; visits are not normalised.
Not here  the trace (`_finite_trace`); discounted models.
"""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import numpy as np

from ..arrays import EPS, FloatArray, FloatS
from ..errors import ModelError
from ..gradients import hessian
from ..policies import Softmax, Timed
from ._bound import Curve, entry
from ._bounds_gradient import GAP, GAP_MU
from ._bounds_smooth import BENT, MOST_PAIRS
from ._finite_trace import FiniteTrace, FiniteTruth
from ._trace import Trace, kl, log_of

NPG = ("finite_natural_gradient",)
ASCENT = ("finite_gradient_ascent",)
PROOF = "derived as Agarwal et al. (2021), theorem 5.3, with a horizon"


def _truth(trace: Trace) -> FiniteTruth:
    return cast(FiniteTruth, trace.truth)


def _first(trace: Trace) -> float:
    return float(trace.step_sizes[0]) if trace.updates else np.inf


@entry("F2f", "a priori", GAP, PROOF, NPG, ("interior", "constant step"))
def natural_finite(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= sum_{h,s} D*_h(s) (KL(pi*_h || pi_0h)(s) / eta + V*_h(s) - V_0h(s)) / (t + 1).

    theta_h += eta A_h; D* are the visits of the optimal policy nearest to the start, not
    normalised.
    """
    truth, eta = _truth(trace), _first(trace)
    pi = truth.nearest_optimal(trace.log_pi[0])
    D = truth.d(pi, law)
    apart = kl(pi, log_of(pi), trace.log_pi[0])
    KL0 = float(np.where(D > 0, D * np.where(D > 0, apart, 0.0), 0.0).sum())
    behind = float((D * cast(FiniteTrace, trace).timed_gaps[0, :-1]).sum())
    size = KL0 / eta + behind
    return Curve(size / (trace.t + 1.0), trace.gap(law), {"eta": eta, "KL_0": KL0})


@entry("F1f", "a priori", GAP, PROOF, NPG, ("uniform start", "constant step", "no final reward"))
def natural_finite_crude(trace: Trace, law: FloatS) -> Curve:
    """From theta_0 = 0: gap_t <= (H log A / eta + R H (H+1) / 2) / (t + 1)."""
    truth, eta = _truth(trace), _first(trace)
    H = truth.horizon
    size = H * np.log(truth.n_choices) / eta + truth.reward_range * H * (H + 1) / 2
    return Curve(size / (trace.t + 1.0), trace.gap(law), {"eta": eta})


@entry(
    "D4f",
    "trace-certified",
    GAP_MU,
    "the descent lemma",
    ASCENT,
    ("finite step", "no final reward"),
)
def descent_finite(trace: Trace, law: FloatS) -> Curve:
    """eta <= 1 / beta, beta = (R/2)(3/2 - 1/A) H(H+1)/2: gap_{t+1} <= gap_t - eta / 2 |grad|^2."""
    values = np.full(len(trace.t), np.nan)
    values[1:] = (trace.gap() - _first(trace) / 2 * trace.gradient_norm**2)[:-1]
    return Curve(values, trace.gap(), {"beta": trace.truth.smoothness})


@lru_cache(maxsize=4)
def _norms(trace: Trace) -> FloatArray:
    """Norms of the Hessian after 0, 1, 4, 16, ... updates, nan elsewhere, (T+1,)."""
    mdp, tied = trace.truth.mdp, bool(trace.options.get("tied"))
    pairs = mdp.R.size if tied else trace.log_pi[0].size
    if pairs > MOST_PAIRS:
        raise ModelError(
            f"this bound does not apply: it assumes a model of at most {MOST_PAIRS} logits, to "
            f"compute Hessians; there are {pairs}."
        )
    there = mdp.allowed & trace.truth.live[:, None]
    family = Softmax(mdp) if tied else Timed(mdp, Softmax(mdp))
    found = np.full(len(trace.t), np.nan)
    for t in [0] + [4**k for k in range(40) if 4**k <= trace.updates]:
        logs = trace.log_pi[t][0] if tied else trace.log_pi[t]
        if (logs[..., there] > -np.inf).all():
            bent = hessian(mdp, family, np.where(there, logs, 0.0))
            found[t] = np.abs(np.linalg.eigvalsh(bent)).max()
    return found


@entry("D0f", "a priori", BENT, "derived as beta#, with a horizon", ASCENT, ("no final reward",))
def finite_smoothness(trace: Trace, law: FloatS) -> Curve:
    """|Hessian| <= (R/2)(3/2 - 1/A) H (H+1) / 2, by logits of each time or tied ones."""
    truth = _truth(trace)
    norms = _norms(trace)
    floor = 1000 * EPS * truth.horizon**3 * float(np.abs(truth.mdp.R).max())
    values = np.where(np.isnan(norms), np.nan, truth.smoothness)
    return Curve(values, norms, {"beta": truth.smoothness}, np.inf, floor)
