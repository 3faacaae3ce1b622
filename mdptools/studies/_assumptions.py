"""Assumptions of theorems, each with a check that says what was found where it fails.

Takes     a `Trace` and the measure of the gap.
Gives     words for the assumption, and for what is there instead.
Source    the theorems that name them (`_bounds_*`).
Not here  the theorems.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..arrays import FloatS
from ._trace import Trace

CLOSE = 1e-9  # relative: two ways to compute the same step


class Assumption(NamedTuple):
    """What a theorem asks for."""

    words: str
    fails: Callable[[Trace, FloatS], str]  # what was found instead; "" if it holds


def _positive(trace: Trace, law: FloatS, name: str) -> str:
    truth = trace.truth
    missing = np.flatnonzero(truth.live & ~(law > 0))
    if not len(missing):
        return ""
    return f"{name} is 0 in state {truth.mdp.name_of_state(int(missing[0]))}"


def _positive_mu(trace: Trace, law: FloatS) -> str:
    return _positive(trace, trace.truth.mdp.mu, "mu")


def _positive_measure(trace: Trace, law: FloatS) -> str:
    return _positive(trace, law, "the measure")


def _positive_gamma(trace: Trace, law: FloatS) -> str:
    return "" if trace.truth.gamma > 0 else "gamma is 0"


def _interior(trace: Trace, law: FloatS) -> str:
    if trace.algorithm == "mirror_descent_euclid":  # its distances are finite everywhere
        return ""
    there = trace.truth.mdp.allowed & trace.truth.live[:, None]
    inside = bool((trace.log_pi[0][..., there] > -np.inf).all())
    return "" if inside else "the first policy never takes some allowed action"


def _uniform_start(trace: Trace, law: FloatS) -> str:
    allowed = trace.truth.mdp.allowed
    uniform = allowed / allowed.sum(axis=1, keepdims=True)
    there = trace.truth.live[:, None] & allowed
    apart = float(np.abs(np.where(there, trace.pi[0] - uniform, 0.0)).max())
    return "" if apart < CLOSE else f"the first policy is off the uniform one by {apart:.3g}"


def _constant_step(trace: Trace, law: FloatS) -> str:
    steps = trace.step_sizes
    if not (steps > 0).all():
        return "the trace has no positive step sizes"
    if not np.isfinite(steps).all():
        return "steps are infinite"
    if len(steps) and not np.ptp(steps) <= CLOSE * steps[0]:
        return f"steps go from {steps.min():.3g} to {steps.max():.3g}"
    return ""


def _steps(trace: Trace, law: FloatS) -> str:
    return "" if (trace.step_sizes > 0).all() else "the trace has no positive step sizes"


def _at_most(trace: Trace, law: FloatS, most: float) -> str:
    found = _constant_step(trace, law)
    if found or not len(trace.step_sizes):
        return found
    eta = float(trace.step_sizes[0])
    return "" if eta <= most * (1 + CLOSE) else f"eta is {eta:.3g}, above {most:.3g}"


def _near(trace: Trace, law: FloatS, wanted: float) -> str:
    found = _constant_step(trace, law)
    if found or not len(trace.step_sizes):
        return found
    eta = float(trace.step_sizes[0])
    if np.isinf(wanted):
        return "all rewards are equal, so that every policy is optimal"
    return "" if abs(eta - wanted) <= CLOSE * wanted else f"eta is {eta:.6g}, not {wanted:.6g}"


def _over(numerator: float, beta: float) -> float:
    """numerator / beta; any step is small enough where rewards are all equal."""
    return numerator / beta if beta > 0 else np.inf


def _certified_step(trace: Trace, law: FloatS) -> str:
    return _at_most(trace, law, _over(1.0, trace.truth.smoothness))


def _published_step(trace: Trace, law: FloatS) -> str:
    return _near(trace, law, _over(1.0, trace.truth.smoothness_published))


def _direct_step(trace: Trace, law: FloatS) -> str:
    return _near(trace, law, _over(1.0, trace.truth.smoothness_direct))


def nearest_mismatch(trace: Trace, law: FloatS) -> float:
    """max_s d*(s) / law(s) / (1 - gamma), at least 1 / (1 - gamma).

    d* is that of the optimal policy nearest to the first one, the same as in `_bounds_mirror`.
    """
    truth = trace.truth
    live = truth.live
    d = truth.d(truth.nearest_optimal(trace.log_pi[0]), law)
    return float((d[live] / law[live]).max(initial=1.0)) / (1 - truth.gamma)


def _growing(trace: Trace, law: FloatS) -> str:
    steps = trace.step_sizes
    if not (steps > 0).all():
        return "the trace has no positive step sizes"
    theta = nearest_mismatch(trace, law)
    if not np.isfinite(theta):
        return "theta is infinite"
    enough = steps[1:] * (theta - 1) * (1 + CLOSE) >= steps[:-1] * theta
    if enough.all():
        return ""
    t = int((~enough).argmax())
    return f"step {t + 1} is {steps[t + 1]:.3g} after {steps[t]:.3g}"


def _exactly_growing(trace: Trace, law: FloatS) -> str:
    steps = trace.step_sizes
    if not (steps > 0).all():
        return "the trace has no positive step sizes"
    same = np.abs(steps[1:] * trace.truth.gamma - steps[:-1]) <= CLOSE * steps[:-1]
    return "" if same.all() else "steps do not grow by 1 / gamma exactly"


def _greedy(trace: Trace, law: FloatS) -> str:
    Q = np.where(trace.truth.mdp.allowed, trace.backups, 0.0)
    best = np.where(trace.truth.mdp.allowed, trace.backups, -np.inf).max(axis=2)
    short = best - (trace.pi * Q).sum(axis=2)
    size = max(float(np.abs(best).max()), 1e-300)
    worst = float(short.max())
    return "" if worst <= 1e-12 * size else f"policies fall short of greedy by {worst:.3g}"


def _low_start(trace: Trace, law: FloatS) -> str:
    rise = float(trace.rise[0].min())
    size = float(np.abs(trace.values[0]).max()) + float(np.abs(trace.truth.mdp.R).max())
    return "" if rise >= -1e-13 * size else f"some state falls by {-rise:.3g}"


def _zero_start(trace: Trace, law: FloatS) -> str:
    return "" if not trace.values[0].any() else "V_0 is not 0"


def _bandit(trace: Trace, law: FloatS) -> str:
    truth = trace.truth
    if truth.n_live != 1 or truth.gamma != 0:
        return f"there are {truth.n_live} states that are not terminal, and gamma is {truth.gamma}"
    return ""


def _bandit_step(trace: Trace, law: FloatS) -> str:
    return _near(trace, law, _over(0.4, trace.truth.reward_range))


def _soft_step(trace: Trace, law: FloatS) -> str:
    truth, tau = trace.truth, float(trace.options.get("tau", 0.0))
    beta = 8 * truth.reward_range + tau * (4 + 8 * float(np.log(truth.n_choices)))
    return _near(trace, law, _over((1 - truth.gamma) ** 3, beta))


def _sixth(trace: Trace, law: FloatS) -> str:
    return _near(trace, law, 1 / 6)


def _unit_step(trace: Trace, law: FloatS) -> str:
    return _at_most(trace, law, _over(1.0, trace.truth.reward_range))


def _finite_step(trace: Trace, law: FloatS) -> str:
    return _at_most(trace, law, _over(1.0, trace.truth.smoothness))


def _no_final(trace: Trace, law: FloatS) -> str:
    final = trace.truth.mdp.final
    return "" if final is None or not np.any(final) else "some state pays at the end"


def _choice(trace: Trace, law: FloatS) -> str:
    return "" if trace.truth.suboptimal.any() else "every policy is optimal"


def _all_allowed(trace: Trace, law: FloatS) -> str:
    missing = np.argwhere(~trace.truth.mdp.allowed & trace.truth.live[:, None])
    return f"{len(missing)} pairs are refused" if len(missing) else ""


ASSUMPTIONS = {
    "positive mu": Assumption("mu > 0 in every state that is not terminal", _positive_mu),
    "positive measure": Assumption("a measure > 0 in every live state", _positive_measure),
    "gamma > 0": Assumption("gamma > 0", _positive_gamma),
    "interior": Assumption("a start with all probabilities > 0", _interior),
    "uniform start": Assumption("a uniform start, theta_0 = 0", _uniform_start),
    "steps": Assumption("steps > 0", _steps),
    "constant step": Assumption("a constant step eta > 0", _constant_step),
    "certified step": Assumption(
        "a constant step eta with eta <= 1 / beta#, beta# = (R/2)(3/2 - 1/A) / (1 - gamma)^2",
        _certified_step,
    ),
    "published step": Assumption("the step eta = (1 - gamma)^3 / (8 R)", _published_step),
    "direct step": Assumption("the step eta = (1 - gamma)^3 / (2 gamma A R)", _direct_step),
    "growing steps": Assumption(
        "steps with eta_{k+1} (theta - 1) >= eta_k theta, theta = max(d* / measure) / (1 - gamma), "
        "as eta_{k+1} >= eta_k / gamma have",
        _growing,
    ),
    "geometric steps": Assumption("steps eta_k = eta_0 / gamma^k", _exactly_growing),
    "greedy": Assumption("policies that are greedy for the values", _greedy),
    "low start": Assumption("a start with T V_0 >= V_0", _low_start),
    "zero start": Assumption("V_0 = 0", _zero_start),
    "bandit": Assumption("a bandit: one state and gamma = 0", _bandit),
    "bandit step": Assumption("the step eta = 2 / (5 R)", _bandit_step),
    "soft step": Assumption("the step eta = (1 - gamma)^3 / (8 R + tau (4 + 8 log A))", _soft_step),
    "sixth step": Assumption("the step eta = 1/6", _sixth),
    "unit step": Assumption("a constant step eta with eta <= 1 / R", _unit_step),
    "finite step": Assumption(
        "a constant step eta with eta <= 1 / beta, beta = (R/2)(3/2 - 1/A) H (H+1) / 2",
        _finite_step,
    ),
    "no final reward": Assumption("no reward for where the horizon ends", _no_final),
    "a choice": Assumption("some action that is not optimal", _choice),
    "all allowed": Assumption("that every action is allowed in live states", _all_allowed),
}
"""By the name that entries use."""
