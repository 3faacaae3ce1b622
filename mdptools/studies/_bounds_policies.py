"""Bounds for policy iteration: Howard's, the simplex rule, and steps part of the way.

Takes     a `Trace` of policies, and the measure of the gap.
Gives     `Curve`: the bound and what it bounds, for each number of improvements.
Source    each entry names its own.
Not here  sweeps of values (`_bounds_values`), mirror descent (`_bounds_mirror`).
"""

from __future__ import annotations

import math

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS
from ._bound import Curve, entry
from ._trace import Trace
from ._truth import mismatch

HOWARD = ("policy_iteration",)
SIMPLEX = ("simplex_policy_iteration",)
PARTIAL = ("interpolated_policy_iteration",)
SEARCH = ("frank_wolfe",)
WORST = "max_s V* - V_k"
CHANGES = "the number of changes of the policy so far"


def _at_rate(trace: Trace, rate: float) -> Curve:
    worst = trace.worst_gap
    return Curve(rate**trace.t * worst[0], worst, {"rate": rate})


def optimal_mismatch(trace: Trace, law: FloatS) -> float:
    """max_s d*(s) / law(s) / (1 - gamma), d* of the fixed optimal policy: at least 1 / (1 - g)."""
    truth = trace.truth
    return mismatch(truth.d(truth.pi, law), np.where(truth.live, law, 0.0)) / (1 - truth.gamma)


@entry("B1", "a priori", WORST, "Puterman (1994), section 6.4", HOWARD)
def howard(trace: Trace, law: FloatS) -> Curve:
    """|V* - V_k| <= gamma^k |V* - V_0|, because V_{k+1} >= T V_k. Attained."""
    return _at_rate(trace, trace.truth.gamma)


@entry("B1m", "a priori", "max_s T V_{k-1} - V_k", "Puterman (1994), section 6.4", HOWARD)
def howard_monotone(trace: Trace, law: FloatS) -> Curve:
    """V_{k+1} >= T V_k >= V_k in each state: an improvement gains what a sweep gains, or more."""
    allowed = trace.truth.mdp.allowed
    best = np.where(allowed, trace.advantage, -np.inf).max(axis=2)  # T V - V
    short = np.full(len(trace.t), np.nan)
    gained = (trace.gaps[1:] - trace.gaps[:-1] + best[:-1])[:, trace.truth.live]
    short[1:] = gained.max(axis=1, initial=-np.inf)
    return Curve(np.where(trace.t > 0, 0.0, np.nan), short)


@entry("B1x", "a priori", "J* - J_k from the measure", "Xiao (2022), section 4.4", HOWARD)
def howard_from_measure(trace: Trace, law: FloatS) -> Curve:
    """gap_k <= (1 - 1/theta)^k gap_0, theta = max d*(s) / measure(s) / (1 - gamma). Attained."""
    theta = optimal_mismatch(trace, law)
    gap = trace.gap(law)
    return Curve((1 - 1 / theta) ** trace.t * gap[0], gap, {"theta": theta})


def _changes(trace: Trace) -> FloatArray:
    live = trace.truth.live
    moved = np.abs(np.diff(trace.pi[:, live], axis=0)).max(axis=(1, 2), initial=0.0) > 0
    return np.concatenate([[0.0], np.cumsum(moved)])


def _counted(trace: Trace, most: float) -> Curve:
    truth = trace.truth
    policies = float(np.prod(truth.mdp.allowed[truth.live].sum(axis=1).astype(float)))
    values = np.full(len(trace.t), most)
    return Curve(values, _changes(trace), {"most": most}, trivial=policies, floor=0.5)


def _pairs(trace: Trace) -> int:
    """m - n: allowed pairs of live states, less one for each state."""
    truth = trace.truth
    return int(truth.mdp.allowed[truth.live].sum()) - truth.n_live


@entry(
    "B2", "a priori", CHANGES, "Scherrer (2013), after Ye (2011) and Hansen et al. (2013)", HOWARD
)
def howard_count(trace: Trace, law: FloatS) -> Curve:
    """At most (m - n) ceil(log(1/(1-gamma)) / (1-gamma)) changes, m pairs and n states.

    So loose (24 in the median) that no model of the suite refutes half of it.
    """
    gamma = trace.truth.gamma
    blocks = max(1, math.ceil(math.log(1 / (1 - gamma)) / (1 - gamma)))
    return _counted(trace, float(_pairs(trace) * blocks))


@entry("B2s", "a priori", CHANGES, "derived: each block of sweeps ends one suboptimal pair", HOWARD)
def howard_count_sharp(trace: Trace, law: FloatS) -> Curve:
    """At most N (floor(log(1-gamma) / log(gamma)) + 1) changes, N suboptimal pairs. Attained."""
    gamma = trace.truth.gamma
    block = math.floor(math.log(1 - gamma) / math.log(gamma)) + 1 if gamma > 0 else 1
    return _counted(trace, float(int(trace.truth.suboptimal.sum()) * block))


@entry("B2x", "a priori", "sum_s V* - V_k", "Ye (2011)", SIMPLEX)
def simplex(trace: Trace, law: FloatS) -> Curve:
    """One switch of the largest advantage: 1.(V* - V_k) <= (1 - (1-gamma)/n)^k 1.(V* - V_0)."""
    n, gamma = trace.truth.n_live, trace.truth.gamma
    total = trace.gaps.sum(axis=1)
    rate = 1 - (1 - gamma) / max(n, 1)
    return Curve(rate**trace.t * total[0], total, {"rate": rate}, trivial=n * trace.truth.trivial)


@entry("B2n", "a priori", CHANGES, "Ye (2011)", SIMPLEX)
def simplex_count(trace: Trace, law: FloatS) -> Curve:
    """At most (m - n) ceil(n / (1-gamma) log(n / (1-gamma))) switches. Loose: 80 in the median."""
    n, gamma = max(trace.truth.n_live, 1), trace.truth.gamma
    blocks = max(1, math.ceil(n / (1 - gamma) * math.log(n / (1 - gamma))))
    return _counted(trace, float(_pairs(trace) * blocks))


@entry("B2y", "a priori", CHANGES, "Scherrer (2013)", SIMPLEX)
def simplex_count_second(trace: Trace, law: FloatS) -> Curve:
    """At most n (m - n) (1 + 2 / (1-gamma) log(1 / (1-gamma))) switches.

    Loose: 85 in the median.
    """
    n, gamma = trace.truth.n_live, trace.truth.gamma
    most = n * _pairs(trace) * (1 + 2 / (1 - gamma) * math.log(1 / (1 - gamma)))
    return _counted(trace, most)


@entry("B3", "a posteriori", WORST, "Puterman (1994), section 6.4, sharpened", HOWARD)
def newton(trace: Trace, law: FloatS) -> Curve:
    """|V* - V_{k+1}| <= gamma / (1-gamma) max_s TV(P*_s, P_{k+1,s}) sp(V* - V_k).

    Superlinear: policies that agree with an optimal one in all rows have no error left.
    """
    truth = trace.truth
    chains = kernel.mix_each(truth.mdp.P, np.concatenate([truth.pi[None], trace.pi]))
    apart = np.abs(chains[1:] - chains[0]).sum(axis=2).max(axis=1) / 2
    values = np.full(len(trace.t), np.nan)
    span = np.ptp(trace.gaps, axis=1)
    values[1:] = truth.gamma / (1 - truth.gamma) * apart[1:] * span[:-1]
    return Curve(values, trace.worst_gap)


@entry(
    "B4", "a priori", WORST, "V_{k+1} >= (1 - alpha) V_k + alpha T V_k", PARTIAL, ("constant step",)
)
def interpolated(trace: Trace, law: FloatS) -> Curve:
    """pi+ = (1 - alpha) pi + alpha greedy: |V* - V_k| <= (1 - alpha (1-gamma))^k |V* - V_0|."""
    alpha = float(trace.step_sizes[0]) if trace.updates else 1.0
    return _at_rate(trace, 1 - alpha * (1 - trace.truth.gamma))


@entry("F7", "a priori", "J* - J_k from mu", "Bhandari and Russo (2021)", SEARCH)
def exact_search(trace: Trace, law: FloatS) -> Curve:
    """Exact line search on J towards the greedy policy: gap_k <= (1 - 1/theta)^k gap_0.

    ``theta = max_s d*(s) / mu(s) / (1 - gamma)``, from mu. The published rate, with
    ``(1 - gamma) min mu`` for 1/theta, is weaker.
    """
    theta = optimal_mismatch(trace, trace.truth.mdp.mu)
    gap = trace.gap()
    return Curve((1 - 1 / theta) ** trace.t * gap[0], gap, {"theta": theta})
