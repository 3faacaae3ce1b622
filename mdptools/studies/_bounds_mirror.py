"""Bounds for natural policy gradient and policy mirror descent.

Takes     a `Trace` of policies, and the measure of the gap.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    Agarwal, Kakade, Lee and Mahajan (2021); Xiao (2022); Lan (2021); Johnson, Pike-Burke and
          Rebeschini (2023); sharper forms are derived where they stand.
Not here  entropy regularisation (`_bounds_regularised`).

Two units of a step: natural gradient is theta += eta / (1-gamma) A, mirror descent
argmax eta <Q, p> - D(p, pi). One is the other with eta / (1 - gamma). Bounds of mirror descent
serve both; those of natural gradient, F1 and F2, only the first.
"""

from __future__ import annotations

import numpy as np

from ..arrays import EPS, FloatArray, FloatS, FloatSA
from ..errors import ModelError
from ..evaluation import evaluate
from ._assumptions import CLOSE, nearest_mismatch
from ._bound import Curve, entry
from ._bounds_gradient import GAP, falls
from ._trace import Trace, kl, log_of

NPG = ("natural_gradient",)
KL = ("mirror_descent_kl", "natural_gradient")
EUCLID = ("mirror_descent_euclid",)
MIRROR = (*KL, *EUCLID)

AGARWAL = "Agarwal et al. (2021), theorem 5.3"
XIAO = "Xiao (2022)"
JOHNSON = "Johnson et al. (2023), theorem 4.1"


def policy_steps(trace: Trace) -> FloatArray:
    """The steps in the unit of mirror descent, (T,)."""
    scale = 1 - trace.truth.gamma if trace.algorithm == "natural_gradient" else 1.0
    return trace.step_sizes / scale


def _first(steps: FloatArray) -> float:
    return float(steps[0]) if len(steps) else np.inf


def _target(trace: Trace) -> tuple[FloatSA, FloatSA]:
    """The optimal policy nearest to the start, and its logarithm."""
    pi = trace.truth.nearest_optimal(trace.log_pi[0])
    return pi, log_of(pi)


def _apart(trace: Trace, t: int, weight: FloatS) -> float:
    """sum_s weight D(pi*, pi_t): KL, or half the squared distance."""
    pi, logs = _target(trace)
    if trace.algorithm in EUCLID:
        D = ((pi - trace.pi[t]) ** 2).sum(axis=1) / 2
    else:
        D = kl(pi, logs, trace.log_pi[t])
    live = trace.truth.live & (weight > 0)
    return float((weight[live] * D[live]).sum())


def _d(trace: Trace, law: FloatS) -> FloatS:
    return trace.truth.d(_target(trace)[0], law)


START = ("interior", "constant step")


@entry("F1", "a priori", GAP, AGARWAL, NPG, ("uniform start", "constant step"))
def natural_published(trace: Trace, law: FloatS) -> Curve:
    """From theta_0 = 0: gap_t <= (log A / eta + R / (1-gamma)^2) / (t + 1), from any measure."""
    truth, eta = trace.truth, _first(trace.step_sizes)
    size = np.log(truth.n_choices) / eta + truth.reward_range / (1 - truth.gamma) ** 2
    return Curve(size / (trace.t + 1.0), trace.gap(law), {"eta": eta})


@entry("F2", "a priori", GAP, f"the proof of {AGARWAL}", NPG, START)
def natural_sharp(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= (KL_0 / eta + d*.(V* - V_0) / (1-gamma)) / (t + 1), KL_0 = d*.KL(pi* || pi_0)."""
    truth, eta = trace.truth, _first(trace.step_sizes)
    d = _d(trace, law)
    KL0 = _apart(trace, 0, d)
    size = KL0 / eta + float(d @ trace.gaps[0]) / (1 - truth.gamma)
    return Curve(size / (trace.t + 1.0), trace.gap(law), {"eta": eta, "KL_0": KL0})


@entry("F2p", "a posteriori", GAP, f"the proof of {AGARWAL}", NPG, START)
def natural_after(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= ((KL_0 - KL_t) / eta + d*.(V_t - V_0) / (1-gamma)) / t. Attained."""
    truth, eta = trace.truth, _first(trace.step_sizes)
    d = _d(trace, law)
    pi, logs = _target(trace)
    where = truth.live & (d > 0)
    apart = kl(pi, logs, trace.log_pi)[:, where] @ d[where]
    gained = (trace.gaps[0] - trace.gaps) @ d
    values = ((apart[0] - apart) / eta + gained / (1 - truth.gamma)) / trace.t
    floor = trace.floor + 100 * EPS * (1 + float(apart[0])) / eta  # a difference of divergences
    return Curve(np.where(trace.t > 0, values, np.nan), trace.gap(law), {"eta": eta}, floor=floor)


RISE = "max_s V_{t-1} + (1-gamma)/eta log Z_{t-1} - V_t"


@entry("F9", "trace-certified", RISE, "Agarwal et al. (2021), lemma 5.2", NPG, ("constant step",))
def natural_monotone(trace: Trace, law: FloatS) -> Curve:
    """V_{t+1} >= V_t + (1-gamma)/eta log Z_t in each state, Z = sum_a pi exp(eta A / (1-gamma))."""
    truth, eta = trace.truth, _first(trace.step_sizes)
    scale = eta / (1 - truth.gamma)
    terms = np.where(trace.pi > 0, trace.log_pi + scale * trace.advantage, -np.inf)
    top = terms.max(axis=2, keepdims=True)
    log_z = top[..., 0] + np.log(np.exp(terms - top).sum(axis=2))
    actual = np.full(len(trace.t), np.nan)
    gained = np.diff(trace.gaps, axis=0) + log_z[:-1] / scale
    actual[1:] = gained[:, truth.live].max(axis=1, initial=-np.inf)
    floor = trace.floor + 100 * EPS / scale  # round-off of log Z where no reward differs
    return Curve(np.where(trace.t > 0, 0.0, np.nan), actual, {"eta": eta}, floor=floor)


@entry("F3", "a priori", GAP, f"{XIAO}, theorem 8", MIRROR, START)
def mirror_published(trace: Trace, law: FloatS) -> Curve:
    """gap_k <= (D_0 / (eta (1-gamma)) + R / (1-gamma)^2) / (k + 1), D_0 = sum d* D(pi*, pi_0)."""
    truth, eta = trace.truth, _first(policy_steps(trace))
    D0 = _apart(trace, 0, _d(trace, law))
    size = D0 / (eta * (1 - truth.gamma)) + truth.reward_range / (1 - truth.gamma) ** 2
    return Curve(size / (trace.t + 1.0), trace.gap(law), {"eta": eta, "D_0": D0})


@entry("F3s", "a priori", GAP, f"derived from the proof of {XIAO}, theorem 8", MIRROR, START)
def mirror_sharp(trace: Trace, law: FloatS) -> Curve:
    """gap_k <= (D_0 / (eta (1-gamma)) + d*.(V* - V_0) / (1-gamma)) / k."""
    truth, eta = trace.truth, _first(policy_steps(trace))
    d = _d(trace, law)
    D0 = _apart(trace, 0, d)
    size = (D0 / eta + float(d @ trace.gaps[0])) / (1 - truth.gamma)
    return Curve(np.where(trace.t > 0, size / trace.t, np.nan), trace.gap(law), {"D_0": D0})


GROWING = ("gamma > 0", "interior", "positive measure", "growing steps")


@entry("F4", "a priori", GAP, f"{XIAO}, theorem 10", MIRROR, GROWING)
def mirror_linear(trace: Trace, law: FloatS) -> Curve:
    """Growing steps: gap_k <= (1 - 1/theta)^k (R / (1-gamma) + D_0 / (eta_0 gamma)).

    ``theta = max(d* / measure) / (1 - gamma)``; it is enough that eta_{k+1} (theta - 1) >= eta_k
    theta, which eta_{k+1} >= eta_k / gamma implies.
    """
    truth, eta = trace.truth, _first(policy_steps(trace))
    d = _d(trace, law)
    theta = nearest_mismatch(trace, law)
    size = truth.trivial + _apart(trace, 0, d) / (eta * truth.gamma)
    return Curve((1 - 1 / theta) ** trace.t * size, trace.gap(law), {"theta": theta})


@entry("F4s", "a priori", GAP, f"the proof of {XIAO}, theorem 10", MIRROR, GROWING)
def mirror_linear_sharp(trace: Trace, law: FloatS) -> Curve:
    """The same with gap_0 + D_0 / (eta_0 (1-gamma) (theta - 1)) in the place of the bracket."""
    truth, eta = trace.truth, _first(policy_steps(trace))
    d = _d(trace, law)
    theta = nearest_mismatch(trace, law)
    gap = trace.gap(law)
    size = gap[0] + _apart(trace, 0, d) / (eta * (1 - truth.gamma) * (theta - 1))
    return Curve((1 - 1 / theta) ** trace.t * size, gap, {"theta": theta})


def _stationary(trace: Trace) -> FloatS:
    """nu*: where the optimal policy nearest to the start is in the long run, from mu."""
    mdp = trace.truth.mdp.with_objective(average=True)
    return evaluate(mdp, _target(trace)[0]).d


STATIONARY = "J* - J_k from the stationary law of pi*"


@entry("F5", "a priori", STATIONARY, "Lan (2021)", MIRROR, ("gamma > 0", *START))
def stationary(trace: Trace, law: FloatS) -> Curve:
    """nu*.(V* - V_k) <= (eta gamma f_0 + D_0) / (eta (1-gamma) k), f_0 = nu*.(V* - V_0)."""
    truth, eta = trace.truth, _first(policy_steps(trace))
    nu = _stationary(trace)
    gap = trace.gap(nu)
    size = (truth.gamma * gap[0] + _apart(trace, 0, nu) / eta) / (1 - truth.gamma)
    return Curve(np.where(trace.t > 0, size / trace.t, np.nan), gap)


@entry(
    "F5g",
    "a priori",
    STATIONARY,
    "Lan (2021)",
    MIRROR,
    ("gamma > 0", "interior", "geometric steps"),
)
def stationary_geometric(trace: Trace, law: FloatS) -> Curve:
    """eta_k = eta_0 / gamma^k: nu*.(V* - V_k) <= gamma^k (f_0 + D_0 / (eta_0 gamma))."""
    gamma, eta = trace.truth.gamma, _first(policy_steps(trace))
    nu = _stationary(trace)
    gap = trace.gap(nu)
    size = gap[0] + _apart(trace, 0, nu) / (eta * gamma)
    return Curve(gamma**trace.t * size, gap)


def greedy_distance(trace: Trace) -> FloatArray:
    """max_s min over greedy p of D(p, pi_k), (T+1,): -log pi_k(greedy set), or half of |.|^2."""
    allowed, live = trace.truth.mdp.allowed, trace.truth.live
    A = np.where(allowed, trace.advantage, -np.inf)
    greedy = A == A.max(axis=2, keepdims=True)
    if trace.algorithm in EUCLID:
        # The nearest greedy policy spreads what pi has elsewhere evenly over the greedy set.
        rest = np.where(greedy, 0.0, trace.pi).sum(axis=2)
        outside = np.where(greedy, 0.0, trace.pi**2).sum(axis=2)
        apart = (outside + rest**2 / greedy.sum(axis=2)) / 2
    else:
        kept = np.where(greedy, trace.log_pi, -np.inf)
        apart = -np.logaddexp.reduce(kept, axis=2)
    found: FloatArray = np.maximum(np.where(live, apart, 0.0), 0.0).max(axis=1)
    return found


def _recursion(trace: Trace, added: FloatArray) -> FloatArray:
    """b_0 = |V* - V_0|, b_{k+1} = gamma b_k + added_k."""
    b = [float(trace.worst_gap[0])]
    for extra in added:
        b.append(trace.truth.gamma * b[-1] + float(extra))
    return np.array(b)


WORST = "max_s V* - V_k"


@entry("F6", "a priori", WORST, JOHNSON, MIRROR, ("interior", "steps"))
def dimension_free(trace: Trace, law: FloatS) -> Curve:
    """eta_k >= max_s min_{greedy p} D(p, pi_k) / c_k: |V* - V_{k+1}| <= gamma |V* - V_k| + c_k.

    The tolerances c_k are ``trace.options["tolerances"]``.
    """
    if "tolerances" not in trace.options:
        raise ModelError("F6 does not apply: it assumes chosen tolerances c_k; there are none.")
    c = np.broadcast_to(np.asarray(trace.options["tolerances"], dtype=float), (trace.updates,))
    short = policy_steps(trace) * c * (1 + CLOSE) < greedy_distance(trace)[:-1]
    if short.any():
        raise ModelError(
            f"F6 does not apply: it assumes steps eta_k >= max_s min_p D(p, pi_k) / c_k; the step "
            f"at k = {int(short.argmax())} is smaller."
        )
    return Curve(_recursion(trace, c), trace.worst_gap)


@entry("F6K", "trace-certified", WORST, f"{JOHNSON}, read backwards", MIRROR, ("interior", "steps"))
def dimension_free_any(trace: Trace, law: FloatS) -> Curve:
    """|V* - V_{k+1}| <= gamma |V* - V_k| + max_s min_{greedy p} D(p, pi_k) / eta_k, any steps."""
    added = greedy_distance(trace)[:-1] / policy_steps(trace)
    return Curve(_recursion(trace, added), trace.worst_gap)


@entry("F0", "a priori", "max_s V_{t-1} - V_t", f"{XIAO}, section 4", MIRROR, ("steps",))
def mirror_monotone(trace: Trace, law: FloatS) -> Curve:
    """No step of mirror descent makes any state worse: V_{k+1} >= V_k."""
    return Curve(np.where(trace.t > 0, 0.0, np.nan), falls(trace))
