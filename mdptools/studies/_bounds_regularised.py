"""Bounds for entropy-regularised objectives: soft sweeps, soft natural gradient, soft ascent.

Takes     a `Trace` with the option ``tau``, and the measure of the gap.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    Cen et al. (2022), "Fast global convergence of natural policy gradient methods with
          entropy regularization"; Mei et al. (2020); Lan (2021).
Not here  plain objectives (`_bounds_gradient`, `_bounds_mirror`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, FloatS
from ..errors import ModelError
from ..evaluation import evaluate
from ._assumptions import CLOSE
from ._bound import Curve, entry
from ._bounds_gradient import before
from ._soft import Soft, soft
from ._trace import Trace, kl
from ._truth import mismatch, ratios

NATURAL = ("regularised_natural_gradient",)
SPI = ("soft_policy_iteration",)
PMD = ("regularised_mirror_descent",)
ASCENT = ("entropy_gradient",)
SWEEPS = ("soft_value_iteration",)
CEN = "Cen et al. (2022)"
MEI = "Mei et al. (2020)"


def _sup(x: FloatArray) -> FloatArray:
    largest: FloatArray = np.abs(x).reshape(len(x), -1).max(axis=1)
    return largest


EVERY = (*NATURAL, *SPI, *PMD, *ASCENT, *SWEEPS)


@entry("G0", "a priori", "max_s V*_tau - V*", f"{CEN}, eq. (12)", EVERY)
def bias(trace: Trace, law: FloatS) -> Curve:
    """V* <= V*_tau <= V* + tau log A / (1-gamma). Attained where all actions are equal."""
    found = soft(trace)
    most = found.tau * np.log(trace.truth.n_choices) / (1 - trace.truth.gamma)
    apart = float((found.V - trace.truth.V).max())
    return found.curve(np.full(len(trace.t), most), np.full(len(trace.t), apart))


@entry(
    "G0l",
    "a posteriori",
    "max_s V* - V of the policy, less V*_tau - V_tau of it",
    f"{CEN}, eq. (12)",
    EVERY,
)
def loss_by_bias(trace: Trace, law: FloatS) -> Curve:
    """V* - V <= tau log A / (1-gamma) + (V*_tau - V_tau) in each state, for each policy."""
    found = soft(trace)
    most = found.tau * np.log(trace.truth.n_choices) / (1 - trace.truth.gamma)
    return found.curve(np.full(len(trace.t), most), (trace.gaps - found.gaps).max(axis=1))


@entry("G1", "a priori", "max |V_k - V*_tau|", "Banach's fixed point theorem", SWEEPS)
def soft_contraction(trace: Trace, law: FloatS) -> Curve:
    """Soft value iteration: |V_k - V*_tau| <= gamma^k |V_0 - V*_tau|."""
    found = soft(trace)
    error = _sup(trace.values - found.V)
    return found.curve(trace.truth.gamma**trace.t * error[0], error)


@entry("G1g", "a posteriori", "max_s V*_tau - V_tau^pi", "standard", SWEEPS)
def soft_greedy_loss(trace: Trace, law: FloatS) -> Curve:
    """The soft-greedy policy of V loses at most 2 gamma / (1-gamma) |V - V*_tau|."""
    found, gamma = soft(trace), trace.truth.gamma
    error = _sup(trace.values - found.V)
    return found.curve(2 * gamma / (1 - gamma) * error, found.gaps.max(axis=1))


@entry("G2", "a priori", "max |Q*_tau - Q_tau|", f"{CEN}, theorem 1 at the largest step", SPI)
def soft_iteration(trace: Trace, law: FloatS) -> Curve:
    """Soft policy iteration: |Q*_tau - Q_t| <= gamma^t |Q*_tau - Q_0|."""
    found = soft(trace)
    error = _sup(found.ahead)
    return found.curve(trace.truth.gamma**trace.t * error[0], error)


@entry("G2v", "a priori", "max |V*_tau - V_tau|", f"{CEN}, theorem 1 at the largest step", SPI)
def soft_iteration_values(trace: Trace, law: FloatS) -> Curve:
    """Soft policy iteration: |V*_tau - V_t| <= gamma^t |V*_tau - V_0|."""
    found = soft(trace)
    error = _sup(found.gaps)
    return found.curve(trace.truth.gamma**trace.t * error[0], error)


def _cen(trace: Trace) -> tuple[Soft, FloatArray, float]:
    """(1 - eta tau)^{t-1} from t = 1 on, and C1."""
    found, gamma = soft(trace), trace.truth.gamma
    if trace.algorithm in SPI:
        eta = (1 - gamma) / found.tau
    else:
        eta = float(trace.step_sizes[0]) if trace.updates else 0.0
        if eta * found.tau > (1 - gamma) * (1 + CLOSE):
            raise ModelError(
                f"G3 does not apply: it assumes eta <= (1 - gamma) / tau; eta is {eta:.4g}, above "
                f"{(1 - gamma) / found.tau:.4g}."
            )
    rate = max(1 - eta * found.tau, 0.0)
    left = 2 * found.tau * max(1 - eta * found.tau / (1 - gamma), 0.0)
    C1 = _sup(found.ahead)[0] + left * _sup(found.apart)[0]
    values = np.full(len(trace.t), np.nan)
    values[1:] = rate ** (trace.t[1:] - 1.0)
    return found, values, float(C1)


G3 = ("interior", "constant step")


@entry("G3", "a priori", "max |Q*_tau - Q_tau|", f"{CEN}, theorem 1", NATURAL, G3)
def soft_natural(trace: Trace, law: FloatS) -> Curve:
    """|Q*_tau - Q_t| <= gamma C1 (1 - eta tau)^{t-1}.

    ``C1 = |Q*_tau - Q_0| + 2 tau (1 - eta tau / (1-gamma)) |log pi*_tau - log pi_0|``.
    """
    found, values, C1 = _cen(trace)
    return found.curve(trace.truth.gamma * C1 * values, _sup(found.ahead), C1=C1)


@entry("G3p", "a priori", "max |log pi*_tau - log pi|", f"{CEN}, theorem 1", NATURAL, G3)
def soft_natural_policy(trace: Trace, law: FloatS) -> Curve:
    """|log pi*_tau - log pi_t| <= (2 C1 / tau) (1 - eta tau)^{t-1}."""
    found, values, C1 = _cen(trace)
    curve = found.curve(2 * C1 / found.tau * values, _sup(found.apart), C1=C1)
    return curve._replace(trivial=np.inf, floor=found.floor / found.tau)


@entry("G3v", "a priori", "max |V*_tau - V_tau|", f"{CEN}, theorem 1", NATURAL, G3)
def soft_natural_values(trace: Trace, law: FloatS) -> Curve:
    """|V*_tau - V_t| <= 3 C1 (1 - eta tau)^{t-1}.

    Loose: 3.4 at best; no model is known that refutes 1 for 3.
    """
    found, values, C1 = _cen(trace)
    return found.curve(3 * C1 * values, _sup(found.gaps), C1=C1)


def _long_run(found: Soft) -> FloatS:
    """The stationary law of pi*_tau, from mu."""
    truth = found.trace.truth
    mdp = truth.mdp.with_objective(average=True)
    logs = np.where(found.there, found.log_pi, -np.inf)
    pi = np.where(truth.live[:, None], np.exp(logs), truth.pi)
    return evaluate(mdp, pi / pi.sum(axis=1, keepdims=True)).d


STATIONARY = "J*_tau - J_tau from the stationary law of pi*_tau"


@entry("G4", "trace-certified", STATIONARY, f"{CEN}, theorem 3", SPI)
def soft_quadratic(trace: Trace, law: FloatS) -> Curve:
    """f_{t+1} <= 4 gamma^2 / ((1-gamma) tau) max(1/nu*) f_t^2 once |log pi*_tau - log pi_t| <= 1.

    Loose: 82 at best, so that no mutation of its constant by less is refuted.
    """
    found, gamma = soft(trace), trace.truth.gamma
    nu = _long_run(found)
    f = found.gaps @ nu
    least = float(nu.min())
    size = 4 * gamma**2 / ((1 - gamma) * found.tau) / least if least > 0 else np.inf
    values = np.full(len(f), np.nan)
    near = _sup(found.apart)[:-1] <= 1
    values[1:] = np.where(near, size * f[:-1] ** 2, np.nan)
    return found.curve(values, f)


@entry(
    "G5",
    "a priori",
    f"{STATIONARY}, and tau / (1-gamma) KL(pi*_tau || pi)",
    "Lan (2021)",
    PMD,
    ("gamma > 0", "interior", "steps"),
)
def soft_mirror(trace: Trace, law: FloatS) -> Curve:
    """1 + eta tau >= 1/gamma: the sum of the two falls by gamma in each step."""
    found, gamma = soft(trace), trace.truth.gamma
    least = float((1 + trace.step_sizes * found.tau).min(initial=np.inf))
    if least < (1 - CLOSE) / gamma:
        raise ModelError(
            f"G5 does not apply: it assumes 1 + eta tau >= 1 / gamma; the least is {least:.4g}, "
            f"below {1 / gamma:.4g}."
        )
    nu = _long_run(found)
    best = np.where(found.there, np.exp(found.log_pi), 0.0)
    apart = kl(best, found.log_pi[None], np.where(found.there, trace.log_pi, 0.0))
    total = found.gaps @ nu + found.tau / (1 - gamma) * (apart @ nu)
    return found.curve(gamma**trace.t * total[0], total)


# -- entropy-regularised gradient ascent ----------------------------------------------------------

SOFT_GAP = "J*_tau - J_tau from the measure"


def _least(trace: Trace) -> FloatArray:
    """min over live states and allowed actions of pi_t, (T+1,)."""
    there = trace.truth.mdp.allowed & trace.truth.live[:, None]
    least: FloatArray = np.where(there, trace.pi, 1.0).min(axis=(1, 2))
    return least


def _soft_d(found: Soft, law: FloatS) -> FloatS:
    truth = found.trace.truth
    pi = np.where(found.there, np.exp(found.log_pi), 0.0)
    pi = np.where(truth.live[:, None], pi, truth.pi)
    return truth.d(pi / pi.sum(axis=1, keepdims=True), law)


@entry(
    "D7a",
    "a posteriori",
    SOFT_GAP,
    f"{MEI}, lemma 15",
    (*ASCENT, *NATURAL, *PMD, *SPI),
    ("positive mu", "interior"),
)
def soft_domination(trace: Trace, law: FloatS) -> Curve:
    """gap_tau <= |grad J_tau|^2 S max(d*_tau / d_t) / (2 tau min mu min(pi_t)^2)."""
    found, truth = soft(trace), trace.truth
    coefficient = ratios(_soft_d(found, law)[None], trace.d).max(axis=1)
    mu = truth.mdp.mu[truth.live].min(initial=np.inf)
    size = truth.n_live * coefficient / (2 * found.tau * mu * _least(trace) ** 2)
    return found.curve(found.gradient_norm**2 * size, found.gaps @ law)


@entry(
    "D7b",
    "trace-certified",
    "J*_tau - J_tau from mu",
    f"{MEI}, theorem 6",
    ASCENT,
    ("positive mu", "soft step"),
)
def soft_ascent(trace: Trace, law: FloatS) -> Curve:
    """gap_t <= gap_0 exp(-C t), from D7a and the descent lemma, C with the least pi_i, i < t.

    ``C = (1-gamma)^4 min mu (min pi)^2 / ((8 R / tau + 4 + 8 log A) S max(d*_tau / mu))``.
    """
    found, truth = soft(trace), trace.truth
    mu = truth.mdp.mu
    kappa = mismatch(_soft_d(found, mu), mu)
    bend = 8 * truth.reward_range / found.tau + 4 + 8 * np.log(truth.n_choices)
    size = (1 - truth.gamma) ** 4 * mu[truth.live].min(initial=np.inf)
    least = np.where(trace.t > 0, before(_least(trace), np.minimum), 0.0)
    C = size * least**2 / (bend * truth.n_live * kappa)
    gap = found.gaps @ mu
    return found.curve(gap[0] * np.exp(-C * trace.t), gap)
