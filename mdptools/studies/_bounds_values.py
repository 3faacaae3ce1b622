"""Bounds for sweeps of values: value iteration, Q-iteration, modified policy iteration.

Takes     a `Trace` whose x are the values, and the measure of the gap.
Gives     `Curve`: the bound and what it bounds, for each number of sweeps.
Source    each entry names its own; D = TV - V, sp(v) = max v - min v, delta is Dobrushin's
          coefficient.
Not here  policy iteration (`_bounds_policies`), TD (`_bounds_td`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, FloatS
from ..bellman import backup
from ._bound import Curve, entry
from ._trace import Trace

VI = ("value_iteration",)
SWEEPS = ("value_iteration", "gauss_seidel_value_iteration", "modified_policy_iteration")
MPI = ("modified_policy_iteration",)
Q_ITERATION = ("q_iteration",)

BANACH = "Banach's fixed point theorem; Puterman (1994), section 6.3"
MACQUEEN = "MacQueen (1966), Porteus (1971); Puterman (1994), section 6.6"
ERROR = "max |V_k - V*|"
LOSS = "max_s V* - V^pi, pi greedy for V_k"


def _sup(x: FloatArray) -> FloatArray:
    """Largest |x| over all axes but the first."""
    largest: FloatArray = np.abs(x).reshape(len(x), -1).max(axis=1)
    return largest


def _span(x: FloatArray) -> FloatArray:
    return np.asarray(np.ptp(x, axis=1))


def _error(trace: Trace) -> FloatArray:
    return _sup(trace.values - trace.truth.V)


def _factor(trace: Trace) -> float:
    """gamma / (1 - gamma)."""
    return trace.truth.gamma / (1 - trace.truth.gamma)


def _mixing(trace: Trace) -> float:
    """gamma delta: how much one sweep contracts spans."""
    return trace.truth.gamma * trace.truth.dobrushin


def _contracted(trace: Trace) -> Curve:
    error = _error(trace)
    return Curve(trace.truth.gamma**trace.t * error[0], error, {"error at 0": float(error[0])})


@entry("A1", "a priori", ERROR, BANACH, VI)
def contraction(trace: Trace, law: FloatS) -> Curve:
    """|V_k - V*| <= gamma^k |V_0 - V*|, sup norms. Attained."""
    return _contracted(trace)


@entry("A1s", "a priori", "sp(V_k - V*)", "Puterman (1994), section 6.6", VI)
def span_contraction(trace: Trace, law: FloatS) -> Curve:
    """sp(V_k - V*) <= (gamma delta)^k sp(V_0 - V*). Attained; median looseness above 100."""
    span = _span(trace.values - trace.truth.V)
    rate = _mixing(trace)
    return Curve(rate**trace.t * span[0], span, {"gamma delta": rate})


@entry("A1d", "a priori", "sp(TV_k - V_k)", "Puterman (1994), section 6.6", VI)
def span_of_residual(trace: Trace, law: FloatS) -> Curve:
    """sp(D_k) <= (gamma delta)^k sp(D_0), D = TV - V. Attained; median looseness above 100."""
    span = _span(trace.rise)
    rate = _mixing(trace)
    return Curve(rate**trace.t * span[0], span, {"gamma delta": rate})


@entry("A2", "trace-certified", ERROR, BANACH, VI)
def from_first_sweep(trace: Trace, law: FloatS) -> Curve:
    """|V_k - V*| <= gamma^k / (1 - gamma) |V_1 - V_0|. Attained."""
    first = float(np.abs(trace.rise[0]).max())
    values = trace.truth.gamma**trace.t * first / (1 - trace.truth.gamma)
    return Curve(values, _error(trace), {"first residual": first})


@entry("A2r", "a posteriori", "max |TV_k - V*|", BANACH, SWEEPS)
def from_residual(trace: Trace, law: FloatS) -> Curve:
    """|TV - V*| <= gamma / (1 - gamma) |TV - V|: about the new iterate TV. Attained."""
    new = trace.backups.max(axis=2) - trace.truth.V
    return Curve(_factor(trace) * _sup(trace.rise), _sup(new))


@entry("A3", "a posteriori", "max_s V* - TV_k", MACQUEEN, SWEEPS)
def bracket_above(trace: Trace, law: FloatS) -> Curve:
    """V* <= TV + gamma / (1 - gamma) max(TV - V) in each state."""
    new = trace.truth.V - trace.backups.max(axis=2)
    return Curve(_factor(trace) * trace.rise.max(axis=1), new.max(axis=1))


@entry("A3l", "a posteriori", "max_s TV_k - V^pi, pi greedy for V_k", MACQUEEN, SWEEPS, ("greedy",))
def bracket_below(trace: Trace, law: FloatS) -> Curve:
    """V^pi >= TV + gamma / (1 - gamma) min(TV - V) in each state, pi greedy for V."""
    new = trace.backups.max(axis=2) - (trace.truth.V - trace.gaps)
    return Curve(-_factor(trace) * trace.rise.min(axis=1), new.max(axis=1))


@entry("A3w", "a posteriori", LOSS, MACQUEEN, SWEEPS, ("greedy",))
def bracket_width(trace: Trace, law: FloatS) -> Curve:
    """max(V* - V^pi) <= gamma / (1 - gamma) sp(TV - V), pi greedy for V."""
    return Curve(_factor(trace) * _span(trace.rise), trace.worst_gap)


def _midpoint_error(trace: Trace) -> FloatArray:
    rise = trace.rise
    middle = _factor(trace) * (rise.min(axis=1) + rise.max(axis=1)) / 2
    inside = trace.truth.live
    apart = trace.backups.max(axis=2) + middle[:, None] - trace.truth.V
    return _sup(np.where(inside, apart, 0.0))


MIDPOINT = "max |TV_k + shift - V*|, in the middle of the bracket"


@entry("A3m", "a posteriori", MIDPOINT, MACQUEEN, SWEEPS)
def midpoint(trace: Trace, law: FloatS) -> Curve:
    """The middle of MacQueen's bracket errs by at most gamma / (1 - gamma) sp(TV - V) / 2."""
    return Curve(_factor(trace) * _span(trace.rise) / 2, _midpoint_error(trace))


@entry("A3p", "a priori", MIDPOINT, MACQUEEN, VI)
def midpoint_ahead(trace: Trace, law: FloatS) -> Curve:
    """The middle errs by at most (gamma delta)^k gamma / (1 - gamma) sp(D_0) / 2 after k sweeps."""
    first = float(np.ptp(trace.rise[0]))
    values = _mixing(trace) ** trace.t * _factor(trace) * first / 2
    return Curve(values, _midpoint_error(trace), {"gamma delta": _mixing(trace)})


@entry("A5", "a posteriori", LOSS, "Singh and Yee (1994)", SWEEPS, ("greedy",))
def greedy_loss(trace: Trace, law: FloatS) -> Curve:
    """The loss of the greedy policy is at most 2 gamma / (1 - gamma) |V - V*|."""
    return Curve(2 * _factor(trace) * _error(trace), trace.worst_gap)


@entry("A5s", "a posteriori", LOSS, "derived from MacQueen's bracket", SWEEPS, ("greedy",))
def greedy_loss_by_span(trace: Trace, law: FloatS) -> Curve:
    """The loss of the greedy policy is at most gamma delta / (1 - gamma) sp(V - V*)."""
    span = _span(trace.values - trace.truth.V)
    return Curve(_mixing(trace) / (1 - trace.truth.gamma) * span, trace.worst_gap)


@entry("A5r", "a posteriori", LOSS, "follows from MacQueen's bracket", SWEEPS, ("greedy",))
def greedy_loss_by_residual(trace: Trace, law: FloatS) -> Curve:
    """The loss of the greedy policy is at most 2 gamma / (1 - gamma) |TV - V|."""
    return Curve(2 * _factor(trace) * _sup(trace.rise), trace.worst_gap)


@entry("A5k", "a priori", LOSS, "A1 and Singh and Yee (1994)", VI, ("greedy",))
def greedy_loss_ahead(trace: Trace, law: FloatS) -> Curve:
    """After k sweeps the greedy policy loses at most 2 gamma^{k+1} / (1 - gamma) |V_0 - V*|."""
    return Curve(
        2 * _factor(trace) * trace.truth.gamma**trace.t * _error(trace)[0], trace.worst_gap
    )


def _action_error(trace: Trace) -> FloatArray:
    allowed = trace.truth.mdp.allowed
    error: FloatArray = np.where(allowed, trace.action_values, 0.0) - np.where(
        allowed, trace.truth.Q, 0.0
    )
    return error


@entry("A6", "a priori", "max |Q_k - Q*|", BANACH, Q_ITERATION)
def q_contraction(trace: Trace, law: FloatS) -> Curve:
    """|Q_k - Q*| <= gamma^k |Q_0 - Q*|, sup norms. Attained."""
    error = _sup(_action_error(trace))
    return Curve(trace.truth.gamma**trace.t * error[0], error)


Q_LOSS = "max_s V* - V^pi, pi greedy for Q_k"
Q_RULES = ("q_iteration", "q_learning", "asynchronous_q_learning")


@entry("A6g", "a posteriori", Q_LOSS, "Singh and Yee (1994)", Q_RULES)
def greedy_loss_of_q(trace: Trace, law: FloatS) -> Curve:
    """The policy that is greedy for Q loses at most 2 / (1 - gamma) |Q - Q*|: no gamma here."""
    error = _sup(_action_error(trace))
    return Curve(2 / (1 - trace.truth.gamma) * error, trace.worst_gap)


@entry("A6s", "a posteriori", Q_LOSS, "derived like Singh and Yee (1994)", Q_RULES)
def greedy_loss_of_q_by_span(trace: Trace, law: FloatS) -> Curve:
    """The greedy policy of Q loses at most max_s sp_a(Q - Q*)(s, .) / (1 - gamma)."""
    error = _action_error(trace)
    allowed = trace.truth.mdp.allowed
    top = np.where(allowed, error, -np.inf).max(axis=2)
    span = (top - np.where(allowed, error, np.inf).min(axis=2)).max(axis=1)
    return Curve(span / (1 - trace.truth.gamma), trace.worst_gap)


def _optimal_from(trace: Trace, threatened: FloatArray) -> Curve:
    """No state takes a suboptimal action where ``threatened`` is below the smallest shortfall."""
    certain = threatened < trace.truth.smallest_shortfall - trace.floor
    wrong = (trace.pi * trace.truth.suboptimal > 0).any(axis=2).sum(axis=1)
    return Curve(np.where(certain, 0.0, np.nan), wrong, trivial=trace.truth.n_live, floor=0.5)


WRONG = "the number of states in which the greedy policy is not optimal"


@entry("A7", "a posteriori", WRONG, "derived", SWEEPS, ("greedy",))
def optimal_once_close(trace: Trace, law: FloatS) -> Curve:
    """The greedy policy is optimal once 2 gamma |V - V*| is below the smallest shortfall."""
    return _optimal_from(trace, 2 * trace.truth.gamma * _error(trace))


@entry("A7s", "a posteriori", WRONG, "derived", SWEEPS, ("greedy",))
def optimal_once_flat(trace: Trace, law: FloatS) -> Curve:
    """The greedy policy is optimal once gamma sp(V - V*) is below the smallest shortfall."""
    span = _span(trace.values - trace.truth.V)
    return _optimal_from(trace, trace.truth.gamma * span)


@entry("A7e", "a posteriori", "the number of optimal actions that are ruled out", MACQUEEN, SWEEPS)
def elimination(trace: Trace, law: FloatS) -> Curve:
    """An action is not optimal in s if R + gamma P U < L(s), (L, U) MacQueen's bracket of V*."""
    truth = trace.truth
    new = trace.backups.max(axis=2)
    rise, g = trace.rise, _factor(trace)
    lower = new + g * rise.min(axis=1)[:, None]
    # R + gamma P U, U = TV + g max D: the bracket moves by a constant, its backup by gamma of it.
    upper = np.stack([backup(truth.mdp, U) for U in new + (g * rise.max(axis=1))[:, None]])
    out = (upper < lower[:, :, None] - trace.floor) & truth.optimal & truth.live[:, None]
    return Curve(np.zeros(len(new)), out.sum(axis=(1, 2)), trivial=truth.mdp.R.size, floor=0.5)


@entry("A8", "a priori", ERROR, BANACH, ("gauss_seidel_value_iteration",))
def gauss_seidel(trace: Trace, law: FloatS) -> Curve:
    """Sweeps that use new values at once, in any order: |V_k - V*| <= gamma^k |V_0 - V*|."""
    return _contracted(trace)


@entry("A9", "a priori", ERROR, "Puterman (1994), section 6.5", MPI, ("low start",))
def modified(trace: Trace, law: FloatS) -> Curve:
    """Modified policy iteration from TV_0 >= V_0: |V_k - V*| <= gamma^k |V_0 - V*|."""
    return _contracted(trace)


@entry(
    "A9m", "a priori", "max_s V_{k-1} - V_k", "Puterman (1994), section 6.5", MPI, ("low start",)
)
def modified_monotone(trace: Trace, law: FloatS) -> Curve:
    """Modified policy iteration from TV_0 >= V_0 rises towards V*: V_k <= V_{k+1} in each state."""
    falls = np.full(len(trace.t), np.nan)
    falls[1:] = -np.diff(trace.values, axis=0).min(axis=1)
    return Curve(np.where(trace.t > 0, 0.0, np.nan), falls)


@entry("A9u", "a priori", "max_s V_k - V*", "Puterman (1994), section 6.5", MPI, ("low start",))
def modified_below(trace: Trace, law: FloatS) -> Curve:
    """Modified policy iteration from TV_0 >= V_0 never passes V*: V_k <= V* in each state."""
    return Curve(np.zeros(len(trace.t)), (trace.values - trace.truth.V).max(axis=1))


@entry("A9g", "a priori", ERROR, "derived by a shift of V_0", MPI)
def modified_from_anywhere(trace: Trace, law: FloatS) -> Curve:
    """Modified policy iteration: |V_k - V*| <= gamma^k (|V_0 - c - V*| + c).

    ``c = max(0, -min(TV_0 - V_0)) / (1 - gamma)``.
    """
    truth = trace.truth
    c = max(0.0, -float(trace.rise[0].min())) / (1 - truth.gamma)
    size = float(np.abs(trace.values[0] - c - truth.V).max()) + c
    return Curve(truth.gamma**trace.t * size, _error(trace), {"c": c})


@entry("C1", "a priori", ERROR, BANACH, VI, ("zero start",))
def horizon(trace: Trace, law: FloatS) -> Curve:
    """The value of the first H steps alone: |T^H 0 - V*| <= gamma^H |V*|. Attained."""
    size = float(np.abs(trace.truth.V).max())
    return Curve(trace.truth.gamma**trace.t * size, _error(trace), {"size of V*": size})


@entry("C2", "a priori", "the loss of lookahead of H = k + 1 steps", "A5s and A1s", VI, ("greedy",))
def lookahead_loss(trace: Trace, law: FloatS) -> Curve:
    """The loss of lookahead is at most gamma / (1-gamma) (gamma delta)^{H-1} sp(V_0 - V*).

    The sharper form; the usual one, 2 gamma^H / (1 - gamma) |V_0 - V*|, is A5k with H = k + 1.
    """
    span = float(np.ptp(trace.values[0] - trace.truth.V))
    return Curve(_factor(trace) * _mixing(trace) ** trace.t * span, trace.worst_gap)
