"""Bounds for average reward: what one sweep of relative values says about gains.

Takes     a trace of relative value iteration, from `average_trace`.
Gives     `Curve`: the bound and what it bounds, for each number of sweeps.
Source    Odoni (1969); Puterman (1994), section 8.5. They hold in each state, whatever the classes.
Not here  the trace (`_average_trace`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, FloatS
from ._bound import Curve, entry
from ._trace import Trace

SWEEPS = ("relative_value_iteration",)
ODONI = "Odoni (1969); Puterman (1994), section 8.5"


def _span(trace: Trace) -> FloatArray:
    """sp(T h_k - h_k), (T+1,)."""
    return np.asarray(np.ptp(trace.rise, axis=1))


def _gain(trace: Trace) -> FloatS:
    return np.asarray(getattr(trace.truth, "gain"))  # noqa: B009 - of an AverageTruth


@entry("K1", "a posteriori", "max_s g* - g of the greedy policy", ODONI, SWEEPS)
def gain_loss(trace: Trace, law: FloatS) -> Curve:
    """The gain of the policy that is greedy for h is short by at most sp(T h - h)."""
    return Curve(_span(trace), trace.worst_gap)


@entry("K1u", "a posteriori", "max_s g* - min(T h - h)", ODONI, SWEEPS)
def gain_above(trace: Trace, law: FloatS) -> Curve:
    """g* <= max(T h - h) in each state: g* is above min(T h - h) by at most sp(T h - h)."""
    return Curve(_span(trace), float(_gain(trace).max()) - trace.rise.min(axis=1))


@entry("K1l", "a posteriori", "max_s max(T h - h) - g of the greedy policy", ODONI, SWEEPS)
def gain_below(trace: Trace, law: FloatS) -> Curve:
    """g of the greedy policy is at least min(T h - h) in each state."""
    gains = _gain(trace) - trace.gaps
    return Curve(_span(trace), trace.rise.max(axis=1) - gains.min(axis=1))


@entry("K2", "a priori", "sp(T h_k - h_k)", "Puterman (1994), section 8.5", SWEEPS)
def gain_contraction(trace: Trace, law: FloatS) -> Curve:
    """sp(T h_k - h_k) <= delta^k sp(T h_0 - h_0), delta Dobrushin's coefficient. Attained.

    delta is 1 where two rows have no successor in common: then it promises nothing.
    """
    span, delta = _span(trace), trace.truth.dobrushin
    return Curve(delta**trace.t * span[0], span, {"delta": delta})
