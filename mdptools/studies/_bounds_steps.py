"""What one step of a policy can do: surrogates against the truth, and certificates without V*.

Takes     a `Trace` of policies, whoever made them.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    Kakade and Langford (2002), Schulman et al. (2015), Achiam et al. (2017), in sharper forms
          where they are derived. With h(s) = sum_a pi'(a | s) A^pi(s, a), the surrogate of a step
          from pi to pi' is L = sum_s visits(s) h(s).
Not here  the same bounds for two policies of your own (gradients: `tv_improvement_bound`, ...).
"""

from __future__ import annotations

import numpy as np

from ..arrays import EPS, FloatArray, FloatS
from ._bound import Curve, entry
from ._bounds_gradient import GAP, GAP_MU, fixed_d
from ._trace import Trace, kl
from ._truth import ratios

POLICIES = (
    "gradient_ascent",
    "entropy_gradient",
    "barrier_gradient",
    "normalised_gradient",
    "natural_gradient",
    "projected_gradient",
    "mirror_descent_kl",
    "mirror_descent_euclid",
    "interpolated_policy_iteration",
    "policy_iteration",
    "frank_wolfe",
    "conservative",
    "other",
    "any",
)
MIXED = ("interpolated_policy_iteration", "conservative")

AHEAD = "|J_t - J_{t-1} - L|, L the surrogate of the step"


def _late(x: FloatArray) -> FloatArray:
    """What is known of each step, at the t after it; nan at t = 0."""
    return np.concatenate([[np.nan], x])


def _h(trace: Trace) -> FloatArray:
    """h(s) of each step, (T, S); 0 in terminal states."""
    total: FloatArray = (trace.pi[1:] * trace.advantage[:-1]).sum(axis=2)
    return total


def _surrogate(trace: Trace) -> FloatArray:
    """L of each step, (T,)."""
    total: FloatArray = (trace.visits[:-1] * _h(trace)).sum(axis=1)
    return total


def _missed(trace: Trace) -> FloatArray:
    """|J' - J - L|, (T+1,)."""
    return _late(np.abs(-np.diff(trace.gap()) - _surrogate(trace)))


def _tv(trace: Trace) -> FloatArray:
    """Total variation between consecutive policies in each state, (T, S)."""
    half: FloatArray = np.abs(np.diff(trace.pi, axis=0)).sum(axis=2) / 2
    return half


def _mean_tv(trace: Trace) -> FloatArray:
    """sum_s visits(s) TV(s), (T,)."""
    total: FloatArray = (trace.visits[:-1] * _tv(trace)).sum(axis=1)
    return total


def _time(trace: Trace) -> float:
    return 1 / (1 - trace.truth.gamma)


@entry("I1", "a posteriori", AHEAD, "Achiam et al. (2017), theorem 1", POLICIES)
def surrogate_error(trace: Trace, law: FloatS) -> Curve:
    """|J' - J - L| <= 2 gamma max|h| / (1-gamma) sum_s visits(s) TV(pi'(.|s), pi(.|s))."""
    size = 2 * trace.truth.gamma * _time(trace) * np.abs(_h(trace)).max(axis=1)
    return Curve(_late(size * _mean_tv(trace)), _missed(trace))


@entry("I1s", "a posteriori", AHEAD, "derived: I1 with the span of h", POLICIES)
def surrogate_error_by_span(trace: Trace, law: FloatS) -> Curve:
    """|J' - J - L| <= gamma sp(h) / (1-gamma) sum_s visits(s) TV: half of I1 at best."""
    size = trace.truth.gamma * _time(trace) * np.ptp(_h(trace), axis=1)
    return Curve(_late(size * _mean_tv(trace)), _missed(trace))


def _largest_advantage(trace: Trace) -> FloatArray:
    largest: FloatArray = np.abs(trace.advantage[:-1]).max(axis=(1, 2))
    return largest


@entry("I2", "a posteriori", AHEAD, "Schulman et al. (2015), theorem 1", POLICIES)
def surrogate_error_by_largest(trace: Trace, law: FloatS) -> Curve:
    """|J' - J - L| <= 4 gamma max|A| / (1-gamma)^2 max_s TV^2."""
    size = 4 * trace.truth.gamma * _time(trace) ** 2 * _largest_advantage(trace)
    return Curve(_late(size * _tv(trace).max(axis=1) ** 2), _missed(trace))


@entry("I2k", "a posteriori", AHEAD, "Schulman et al. (2015), with Pinsker's inequality", POLICIES)
def surrogate_error_by_kl(trace: Trace, law: FloatS) -> Curve:
    """|J' - J - L| <= 2 gamma max|A| / (1-gamma)^2 max_s KL(pi || pi'): half the published C."""
    apart = kl(trace.pi[:-1], trace.log_pi[:-1], trace.log_pi[1:]).max(axis=1)
    size = 2 * trace.truth.gamma * _time(trace) ** 2 * _largest_advantage(trace)
    values = np.where(size > 0, size * apart, 0.0)  # 0 inf = 0
    return Curve(_late(values), _missed(trace))


@entry("I3", "a posteriori", "|d_t - d_{t-1}|_1", "d' - d = gamma d (P' - P) M'", POLICIES)
def visits_moved(trace: Trace, law: FloatS) -> Curve:
    """|d' - d|_1 <= 2 gamma sum_s visits(s) TV, d = (1-gamma) visits."""
    moved = np.abs(np.diff(trace.d, axis=0)).sum(axis=1)
    values = 2 * trace.truth.gamma * _mean_tv(trace)
    return Curve(_late(values), _late(moved), trivial=2.0, floor=100 * EPS * _time(trace))


@entry("I4", "a posteriori", GAP_MU, "Kakade and Langford (2002), theorem 4.1", MIXED, ("steps",))
def mixture(trace: Trace, law: FloatS) -> Curve:
    """(1-w) pi + w pi': gap' <= gap - w / (1-gamma) (AA - 2 w gamma eps / (1 - gamma (1-w))).

    ``AA = sum_s d(s) h(s)`` and ``eps = max|h|`` of pi', which are 1/w of those of the mixture.
    """
    gamma, w, h = trace.truth.gamma, trace.step_sizes, _h(trace)
    eps = np.abs(h).max(axis=1) / w
    penalty = w * _time(trace) * 2 * w * gamma * eps / (1 - gamma * (1 - w))
    return Curve(_late(trace.gap()[:-1] - _surrogate(trace) + penalty), trace.gap())


@entry("I5", "a posteriori", GAP_MU, "derived: I1 with TV <= e/2", POLICIES)
def clipped(trace: Trace, law: FloatS) -> Curve:
    """pi' / pi in [1-e, 1+e] everywhere: gap' <= gap - L + gamma max|h| e / (1-gamma)^2."""
    with np.errstate(invalid="ignore"):
        ratio = ratios(trace.pi[1:], trace.pi[:-1])
        e = np.where(trace.pi[1:] == trace.pi[:-1], 0.0, np.abs(ratio - 1)).max(axis=(1, 2))
    largest = np.abs(_h(trace)).max(axis=1)
    penalty = np.where(largest > 0, trace.truth.gamma * _time(trace) ** 2 * largest * e, 0.0)
    return Curve(_late(trace.gap()[:-1] - _surrogate(trace) + penalty), trace.gap())


def _best_advantage(trace: Trace) -> FloatArray:
    """max_a A(s, a) of each policy, >= 0, (T+1, S)."""
    allowed = trace.truth.mdp.allowed
    best: FloatArray = np.where(allowed, trace.advantage, -np.inf).max(axis=2)
    return np.maximum(best, 0.0)


@entry("I6", "a posteriori", GAP, "the performance-difference lemma", POLICIES)
def certificate(trace: Trace, law: FloatS) -> Curve:
    """gap <= sum_s d*(s) max_a A(s, a) / (1-gamma). Attained."""
    return Curve(_best_advantage(trace) @ fixed_d(trace, law) * _time(trace), trace.gap(law))


@entry("I6m", "a posteriori", "max_s V* - V_t", "the performance-difference lemma", POLICIES)
def certificate_everywhere(trace: Trace, law: FloatS) -> Curve:
    """max_s V* - V <= max_{s,a} A(s, a) / (1-gamma): needs neither V* nor its policy. Attained."""
    return Curve(_best_advantage(trace).max(axis=1) * _time(trace), trace.worst_gap)


@entry("I6l", "a posteriori", "max_{s,a} A_t(s, a)", "T V <= V*", POLICIES)
def certificate_from_below(trace: Trace, law: FloatS) -> Curve:
    """max_{s,a} A(s, a) <= max_s V* - V: no action gains more than there is. Attained."""
    return Curve(trace.worst_gap, _best_advantage(trace).max(axis=1))
