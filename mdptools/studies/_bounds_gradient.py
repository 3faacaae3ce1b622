"""Bounds for gradient ascent on softmax logits.

Takes     a `Trace` of policies, all of them > 0 at the start, and the measure of the gap.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    Mei et al. (2020), "On the global convergence rates of softmax policy gradient methods";
          Agarwal, Kakade, Lee and Mahajan (2021); sharper forms are derived where they stand.
Not here  the log barrier (`_bounds_barrier`), entropy (`_bounds_regularised`).

Letters of the sources: S live states, A actions, O_s the optimal set of s, m_s = pi(O_s | s), a*
the action of one fixed optimal policy, d* its (1 - gamma) visits, beta a bound on the Hessian of J.
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, FloatS
from ._bound import Curve, entry
from ._trace import Trace, norm_each
from ._truth import mismatch, ratios, visits_each

ASCENT = ("gradient_ascent",)
SOFTMAX = (*ASCENT, "natural_gradient", "mirror_descent_kl", "normalised_gradient", "any")
NORMALISED = ("normalised_gradient",)

MEI = "Mei et al. (2020)"
GAP = "J* - J_t from the measure"
GAP_MU = "J* - J_t from mu"


def fixed_d(trace: Trace, law: FloatS) -> FloatS:
    """d* of the one fixed optimal policy."""
    return trace.truth.d(trace.truth.pi, law)


def before(x: FloatArray, running: np.ufunc) -> FloatArray:
    """What ``running`` (minimum.accumulate, ...) makes of x_0 .. x_{t-1}, nan at t = 0, (T+1,)."""
    found = np.full(len(x), np.nan)
    found[1:] = running.accumulate(x[:-1])
    return found


def certainty(trace: Trace) -> FloatArray:
    """c_t = min over i < t of min_s pi_i(a* | s), nan at t = 0."""
    return before(trace.on_fixed, np.minimum)


def difficulty(trace: Trace, law: FloatS) -> FloatArray:
    """|d°(s) sqrt(|O_s| (1 - |O_s| / A_s)) / (d_t(s) m_s)|_2 for each t, (T+1,).

    d° is that of pi° in proportion to pi_t on the optimal set, from ``law``. By the
    performance-difference lemma gap = sum_s d° <pi° - pi, A> / (1 - gamma), and Cauchy and Schwarz;
    the gradient sums to zero in each state, so the indicator of O_s may be projected.
    """
    truth = trace.truth
    nearest = np.stack([truth.nearest_optimal(one) for one in trace.log_pi])
    d_best = (1 - truth.gamma) * visits_each(truth.mdp, nearest, law)
    size = truth.optimal.sum(axis=1)
    weight = np.sqrt(size * (1 - size / np.maximum(truth.mdp.allowed.sum(axis=1), 1)))
    terms = ratios(d_best * weight, trace.d * trace.on_optimal)
    return norm_each(np.where(truth.live, terms, 0.0))


@entry("D1", "a posteriori", GAP, f"{MEI}, lemma 8", SOFTMAX, ("positive mu",))
def domination(trace: Trace, law: FloatS) -> Curve:
    """gap <= |grad J|_2 sqrt(S) max(d* / d_t) / min_s pi_t(a* | s)."""
    truth = trace.truth
    coefficient = ratios(fixed_d(trace, law)[None], trace.d).max(axis=1)
    values = trace.gradient_norm * np.sqrt(truth.n_live) * coefficient / trace.on_fixed
    return Curve(values, trace.gap(law))


@entry("D1b", "a posteriori", GAP, f"{MEI}, the second claim of lemma 8", SOFTMAX, ("positive mu",))
def domination_by_best(trace: Trace, law: FloatS) -> Curve:
    """gap <= |grad J|_2 sqrt(S A) max(d* / d_t) / min_s pi_t(argmax Q^{pi_t} | s)."""
    truth = trace.truth
    A = np.where(truth.mdp.allowed, trace.advantage, -np.inf)
    best = np.where(A == A.max(axis=2, keepdims=True), trace.pi, 0.0).sum(axis=2)
    least = np.where(truth.live, best, 1.0).min(axis=1)
    coefficient = ratios(fixed_d(trace, law)[None], trace.d).max(axis=1)
    size = np.sqrt(truth.n_live * truth.n_choices)
    return Curve(trace.gradient_norm * size * coefficient / least, trace.gap(law))


@entry("D1t", "a posteriori", GAP, "derived: Cauchy-Schwarz", SOFTMAX, ("positive mu",))
def domination_with_ties(trace: Trace, law: FloatS) -> Curve:
    """gap <= |grad J|_2 |d° sqrt(|O| (1 - |O|/A)) / (d_t m)|_2: sharper, and right with ties."""
    hard = difficulty(trace, law)
    return Curve(np.where(hard > 0, trace.gradient_norm * hard, 0.0), trace.gap(law))


@entry("D2", "trace-certified", GAP, f"{MEI}, theorem 4", ASCENT, ("positive mu", "published step"))
def published(trace: Trace, law: FloatS) -> Curve:
    """gap <= 16 S R / (c^2 (1-gamma)^6 t) max(d*_mu/mu)^2 max(1/mu), c the least pi_i(a*), i < t.

    So loose (12 at best, 8e5 in the median) that no mutation of its constant by less is refuted.
    """
    truth = trace.truth
    mu = truth.mdp.mu
    kappa = mismatch(fixed_d(trace, mu), mu)
    size = 16 * truth.n_live * truth.reward_range * kappa**2 / (1 - truth.gamma) ** 6
    values = size / mu[truth.live].min(initial=np.inf) / (certainty(trace) ** 2 * trace.t)
    return Curve(values, trace.gap(law), {"mismatch": kappa})


def _telescoped(trace: Trace, rate: FloatArray) -> FloatArray:
    """1 / (1/gap_0 + sum over i < t of rate_i): from gap_{i+1} <= gap_i - rate_i gap_i^2."""
    total = np.concatenate([[0.0], np.cumsum(rate[:-1])])
    bound: FloatArray = 1 / (1 / trace.gap()[0] + total)
    return bound


def _beta(trace: Trace) -> float:
    """1 / eta, which is a bound on the Hessian."""
    return 1 / float(trace.step_sizes[0]) if trace.updates else trace.truth.smoothness


STEP = ("positive mu", "certified step")


@entry("D3", "trace-certified", GAP_MU, "descent lemma and D1t", ASCENT, STEP)
def certified(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= 1 / (1/gap_0 + sum_{i<t} eta / (2 |d° sqrt(|O| (1-|O|/A)) / (d_i m_i)|^2))."""
    rate = 1 / (2 * _beta(trace) * difficulty(trace, trace.truth.mdp.mu) ** 2)
    return Curve(_telescoped(trace, rate), trace.gap(), {"beta": _beta(trace)})


@entry("D3m", "trace-certified", GAP_MU, f"descent lemma and {MEI}, lemma 8", ASCENT, STEP)
def certified_by_fixed(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= 1 / (1/gap_0 + sum_{i<t} eta min_s pi_i(a*|s)^2 / (2 S max(d*/d_i)^2))."""
    coefficient = ratios(fixed_d(trace, trace.truth.mdp.mu)[None], trace.d).max(axis=1)
    rate = trace.on_fixed**2 / (2 * _beta(trace) * trace.truth.n_live * coefficient**2)
    return Curve(_telescoped(trace, rate), trace.gap(), {"beta": _beta(trace)})


def _uniform_rate(trace: Trace) -> FloatArray:
    """1 / (1/gap_0 + t g) with g = c_t^2 (1-gamma)^2 / (2 beta S kappa^2)."""
    truth = trace.truth
    kappa = mismatch(fixed_d(trace, truth.mdp.mu), truth.mdp.mu)
    size = (1 - truth.gamma) ** 2 / (2 * _beta(trace) * truth.n_live * kappa**2)
    bound: FloatArray = 1 / (1 / trace.gap()[0] + trace.t * certainty(trace) ** 2 * size)
    return bound


@entry("D3u", "trace-certified", GAP_MU, "D3 with one constant", ASCENT, STEP)
def certified_uniform(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= 1 / (1/gap_0 + t eta c_t^2 (1-gamma)^2 / (2 S max(d*/mu)^2))."""
    return Curve(_uniform_rate(trace), trace.gap(), {"beta": _beta(trace)})


@entry("D3r", "trace-certified", GAP, "D3; gaps are >= 0 in each state", ASCENT, STEP)
def certified_from_measure(trace: Trace, law: FloatS) -> Curve:
    """gap_t from the measure <= max(measure / mu) times the bound D3."""
    truth = trace.truth
    moved = mismatch(np.where(truth.live, law, 0.0), truth.mdp.mu)
    rate = 1 / (2 * _beta(trace) * difficulty(trace, truth.mdp.mu) ** 2)
    return Curve(moved * _telescoped(trace, rate), trace.gap(law), {"measure / mu": moved})


@entry("D4", "trace-certified", GAP_MU, "the descent lemma", ASCENT, ("certified step",))
def descent(trace: Trace, law: FloatS) -> Curve:
    """gap_{t+1} <= gap_t - eta / 2 |grad J|^2."""
    values = np.full(len(trace.t), np.nan)
    values[1:] = (trace.gap() - trace.gradient_norm**2 / (2 * _beta(trace)))[:-1]
    return Curve(values, trace.gap(), {"beta": _beta(trace)})


def falls(trace: Trace) -> FloatArray:
    """max_s V_{t-1} - V_t, nan at t = 0, (T+1,)."""
    found = np.full(len(trace.t), np.nan)
    found[1:] = np.diff(trace.gaps, axis=0)[:, trace.truth.live].max(axis=1, initial=-np.inf)
    return found


@entry("D5", "a priori", "max_s V_{t-1} - V_t", "derived, state by state", ASCENT, ("steps",))
def monotone(trace: Trace, law: FloatS) -> Curve:
    """No state ever gets worse: V_{t+1} >= V_t, for steps of any size.

    The next policy is pi exp(c pi A) / Z with some c >= 0 in each state, and each term of
    ``sum_a pi A exp(c pi A)`` is at least that of ``sum_a pi A = 0``: so T_{pi'} V >= V.
    """
    values = np.where(trace.t > 0, 0.0, np.nan)
    return Curve(values, falls(trace))


LARGE = 1000
"""From here on D9 is stated: it holds for large t, and nobody knows how large."""
SLOW = "1 / (J* - J_t from mu)"


def _at_least(trace: Trace, least: float) -> Curve:
    """gap_t >= least / t for large t, the other way up."""
    values = np.where(trace.t >= LARGE, trace.t / least, np.nan)
    return Curve(values, 1 / trace.gap(), {"from": float(LARGE)}, np.inf, floor=0.0)


@entry("D9", "a priori", SLOW, f"{MEI}, lower bound", ASCENT, ("a choice", "unit step"))
def no_faster(trace: Trace, law: FloatS) -> Curve:
    """No faster than 1/t: gap_t >= (1-gamma)^5 (smallest shortfall)^2 / (12 R t) for large t.

    No threshold is known; it is stated from t = 1000 on. Not a curve to plot: `gradient_limit` is
    where the gap goes. Loose: 6 at best, in bandits, and far more elsewhere.
    """
    truth = trace.truth
    size = (1 - truth.gamma) ** 5 * truth.smallest_shortfall**2
    return _at_least(trace, size / (12 * truth.reward_range))


@entry("D9b", "a priori", SLOW, f"{MEI}, lower bound", ASCENT, ("bandit", "a choice", "unit step"))
def bandit_no_faster(trace: Trace, law: FloatS) -> Curve:
    """A bandit: gap_t >= (smallest shortfall)^2 / (6 R t) for large t, stated from 1000 on."""
    truth = trace.truth
    return _at_least(trace, truth.smallest_shortfall**2 / (6 * truth.reward_range))


# -- bandits --------------------------------------------------------------------------------------


@entry("D8", "a priori", GAP_MU, MEI, ASCENT, ("bandit", "uniform start", "bandit step"))
def bandit(trace: Trace, law: FloatS) -> Curve:
    """A bandit with K arms, eta = 2 / (5 R), from uniform: gap_t <= 5 R K^2 / (t + 1).

    Loose: 12 at best, 36 in the median.
    """
    truth = trace.truth
    return Curve(5 * truth.reward_range * truth.n_choices**2 / (trace.t + 1.0), trace.gap())


@entry("D8c", "a posteriori", GAP_MU, MEI, ASCENT, ("bandit", "bandit step"))
def bandit_certified(trace: Trace, law: FloatS) -> Curve:
    """A bandit, eta = 2 / (5 R): gap_t <= 5 R / (c^2 (t + 1)), c the least pi_i(a*), i <= t."""
    c = np.minimum.accumulate(trace.on_fixed)
    return Curve(5 * trace.truth.reward_range / (c**2 * (trace.t + 1.0)), trace.gap())


@entry("D8g", "a posteriori", GAP_MU, MEI, SOFTMAX, ("bandit",))
def bandit_domination(trace: Trace, law: FloatS) -> Curve:
    """A bandit: pi(a*) gap <= |grad J|."""
    return Curve(trace.gradient_norm / trace.on_fixed, trace.gap())


@entry("D12", "trace-certified", GAP_MU, "Mei et al. (2021)", NORMALISED, ("bandit", "sixth step"))
def normalised_bandit(trace: Trace, law: FloatS) -> Curve:
    """A bandit, theta += grad / (6 |grad|): gap_t <= gap_0 exp(-c t / 12).

    c is the least pi_i(a*), i < t. Attained at the start, loose by 1e4 in the median.
    """
    c = np.where(trace.t > 0, certainty(trace), 0.0)
    return Curve(trace.gap()[0] * np.exp(-c * trace.t / 12), trace.gap())
