"""How much J can bend: constants of smoothness, held against the curvature that is there.

Takes     a `Trace` of ascent on softmax logits, or of projected ascent on the policy itself.
Gives     `Curve`: the constant, and the norm of the Hessian at some of the policies.
Source    each entry names its own; beta# is derived in `Truth.smoothness`.
Not here  what follows for the gap (`_bounds_gradient`, `_bounds_projected`).

A Hessian is dear, so it is looked at after 0, 1, 4, 16, ... updates, on models of few pairs.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..arrays import EPS, FloatArray, FloatS
from ..errors import ModelError
from ..gradients import hessian
from ..policies import Softmax
from ._bound import Curve, entry
from ._bounds_gradient import ASCENT, GAP_MU
from ._trace import Trace

BENT = "|Hessian of J| by logits"
SOFTMAX = (*ASCENT, "normalised_gradient", "entropy_gradient", "barrier_gradient")
MOST_PAIRS = 128
"""A Hessian of 128 pairs takes some 50 ms."""


def _looked_at(trace: Trace) -> list[int]:
    """0, 1, 4, 16, ... as far as policies are interior."""
    there = trace.truth.mdp.allowed & trace.truth.live[:, None]
    times = [0] + [4**k for k in range(40) if 4**k <= trace.updates]
    return [t for t in times if (trace.log_pi[t][there] > -np.inf).all()]


@lru_cache(maxsize=8)
def _norms(trace: Trace, entropy: bool) -> FloatArray:
    """Norms of the Hessian of J, or of the discounted entropy; nan where nobody looked, (T+1,)."""
    truth = trace.truth
    mdp, found = truth.mdp, np.full(len(trace.t), np.nan)
    if mdp.R.size > MOST_PAIRS:
        raise ModelError(
            f"this bound does not apply: it assumes a model of at most {MOST_PAIRS} pairs, to "
            f"compute Hessians; there are {mdp.R.size}."
        )
    family = Softmax(mdp)
    for t in _looked_at(trace):
        theta = np.where(mdp.allowed & truth.live[:, None], trace.log_pi[t], 0.0)
        bent = hessian(mdp, family, theta)
        if entropy:
            bent = hessian(mdp, family, theta, tau=1.0) - bent
        found[t] = np.abs(np.linalg.eigvalsh(bent)).max()
    return found


def _floor(trace: Trace, rewards: float) -> float:
    """Round-off of a Hessian: that of values, twice propagated."""
    return float(1000 * EPS * rewards / (1 - trace.truth.gamma) ** 3)


def _constant(trace: Trace, beta: float, entropy: bool = False) -> Curve:
    """The constant where a Hessian was computed."""
    truth = trace.truth
    norms = _norms(trace, entropy)
    rewards = float(np.abs(truth.mdp.R).max())
    floor = _floor(trace, rewards + entropy * (1 + np.log(truth.n_choices)))
    values = np.where(np.isnan(norms), np.nan, beta)
    return Curve(values, norms, {"beta": beta}, np.inf, floor)


@entry("D0", "a priori", BENT, "derived in Truth.smoothness", SOFTMAX)
def sharp_smoothness(trace: Trace, law: FloatS) -> Curve:
    """|Hessian| <= beta# = (R/2)(3/2 - 1/A) / (1-gamma)^2."""
    return _constant(trace, trace.truth.smoothness)


@entry("D0p", "a priori", BENT, "Agarwal et al. (2021), Mei et al. (2020), lemma 7", SOFTMAX)
def published_smoothness(trace: Trace, law: FloatS) -> Curve:
    """|Hessian| <= 8 R / (1-gamma)^3.

    Loose: 40 times at best, thousands in the median, so that no mutation by less is refuted; but
    8 gamma in the place of 8 is false.
    """
    return _constant(trace, trace.truth.smoothness_published)


@entry("D0y", "a priori", BENT, "Yuan, Gower and Lazaric (2022)", SOFTMAX)
def second_smoothness(trace: Trace, law: FloatS) -> Curve:
    """|Hessian| <= max|r| (2 - 1/A) / (1-gamma)^2. Loose: 7 at best."""
    truth = trace.truth
    size = float(np.abs(truth.mdp.R).max())
    return _constant(trace, size * (2 - 1 / truth.n_choices) / (1 - truth.gamma) ** 2)


@entry(
    "D0e",
    "a priori",
    "|Hessian of the discounted entropy|",
    "Mei et al. (2020), lemma 14",
    ("entropy_gradient",),
)
def entropy_smoothness(trace: Trace, law: FloatS) -> Curve:
    """|Hessian| <= (4 + 8 log A) / (1-gamma)^3, for the entropy without its weight tau.

    Loose: 19 at best, so that no mutation by less is refuted.
    """
    truth = trace.truth
    beta = (4 + 8 * float(np.log(truth.n_choices))) / (1 - truth.gamma) ** 3
    return _constant(trace, beta, entropy=True)


@entry("D0k", "a priori", BENT, "Mei et al. (2020), lemma 2", SOFTMAX, ("bandit",))
def bandit_smoothness(trace: Trace, law: FloatS) -> Curve:
    """A bandit: |Hessian| <= 5 R / 2. Loose: 13 at best."""
    return _constant(trace, 2.5 * trace.truth.reward_range)


@entry("D0n", "a posteriori", BENT, "Mei et al. (2021)", SOFTMAX, ("bandit",))
def relative_smoothness(trace: Trace, law: FloatS) -> Curve:
    """A bandit: |Hessian| <= 3 |grad J|, so that flat places are also straight."""
    curve = _constant(trace, 3.0)
    return curve._replace(values=curve.values * trace.gradient_norm, constants={})


def _barrier_norms(trace: Trace) -> FloatArray:
    """Norms of weight / S (diag(pi) - pi pi') over states, (T+1,)."""
    truth = trace.truth
    pi = np.where(truth.live[:, None] & truth.mdp.allowed, trace.pi, 0.0)
    blocks = pi[..., None] * np.eye(pi.shape[-1]) - pi[..., None] * pi[..., None, :]
    largest: FloatArray = np.linalg.eigvalsh(blocks)[..., -1].max(axis=1)
    return float(trace.options["weight"]) / truth.n_live * largest


BARRIER = "|Hessian of the log barrier|"


@entry("D0b", "a priori", BARRIER, "derived", ("barrier_gradient",), ("all allowed",))
def barrier_smoothness(trace: Trace, law: FloatS) -> Curve:
    """|Hessian of weight / (S A) sum log pi| <= weight / (2 S): diag(pi) - pi pi' is at most 1/2.

    Agarwal et al. (2021) have 2 weight / S. Attained with two actions.
    """
    beta = float(trace.options["weight"]) / (2 * trace.truth.n_live)
    norms = _barrier_norms(trace)
    return Curve(np.full(len(norms), beta), norms, {"beta": beta}, np.inf, 100 * EPS * beta)


def _remainders(trace: Trace) -> tuple[FloatArray, FloatArray]:
    """|J' - J - <dJ/dpi, pi' - pi>| and |pi' - pi|^2 of consecutive policies, nan at t = 0."""
    remainder, moved = np.full((2, len(trace.t)), np.nan)
    change = np.diff(trace.pi, axis=0)
    flow = trace.visits[:-1, :, None] * trace.advantage[:-1]
    gap = trace.gap()
    remainder[1:] = np.abs(gap[:-1] - gap[1:] - (flow * change).sum(axis=(1, 2)))
    moved[1:] = (change**2).sum(axis=(1, 2))
    return remainder, moved


@entry(
    "D0d",
    "a posteriori",
    f"how far {GAP_MU} is from linear in the policy, after one step",
    "Agarwal et al. (2021)",
    ("projected_gradient", "any"),
)
def direct_smoothness(trace: Trace, law: FloatS) -> Curve:
    """|J' - J - <dJ/dpi, pi' - pi>| <= gamma A R / (1-gamma)^3 |pi' - pi|^2: half of 2 gamma A R.

    Loose: 10 at best along the steps of the theorem, so that no mutation by less is refuted.
    """
    remainder, moved = _remainders(trace)
    beta = trace.truth.smoothness_direct
    return Curve(beta / 2 * moved, remainder, {"beta": beta})
