"""Bounds for TD, SARSA and Q-learning as deterministic expected recursions: no noise is meant.

Takes     a `Trace` whose x are the values, with the options of the rule.
Gives     `Curve`: the bound and what it bounds, for each number of updates.
Source    Banach's fixed point theorem, row by row; Bhandari, Russo and Singal (2018) and Tsitsiklis
          and Van Roy (1997) for linear features.
Not here  learners that draw; Boltzmann backups, which are no contraction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolArray, FloatArray, FloatS, FloatSA
from ..bellman import backup, expect_actions
from ..errors import ModelError
from ..policies import epsilon_greedy
from ._bound import Curve, entry
from ._trace import Trace

TD = ("td",)
Q_LEARNING = ("q_learning",)
ASYNC_Q = ("asynchronous_q_learning",)
SARSA = ("sarsa",)
LINEAR = ("linear_td",)
ROWS = "each row of the recursion is a mixture of old value and contraction"
SINGAL = "Bhandari, Russo and Singal (2018)"


def _sup(x: FloatArray) -> FloatArray:
    largest: FloatArray = np.abs(x).reshape(len(x), -1).max(axis=1)
    return largest


def _products(trace: Trace, name: str, rate: float, weights: FloatArray) -> FloatArray:
    """prod_{k<n} (1 - a_k w_min (1 - rate)), for steps with a_k w_max <= 1."""
    steps = trace.step_sizes
    most, least = float(weights.max(initial=0.0)), float(weights.min(initial=np.inf))
    if not ((steps >= 0) & (steps * most <= 1 + 1e-12)).all():
        raise ModelError(
            f"{name} does not apply: it assumes steps with 0 <= a max(w) <= 1; the largest product "
            f"is {float(np.max(steps * most)):.4g}."
        )
    return np.concatenate([[1.0], np.cumprod(1 - steps * least * (1 - rate))])


def _of_policy(trace: Trace) -> FloatArray:
    """V_k - V^pi, (T+1, S)."""
    error: FloatArray = trace.values - (trace.truth.V - trace.gaps[0])
    return error


def _lam(trace: Trace) -> float:
    return float(trace.options.get("lam", 0.0))


def _weights(trace: Trace, shape: BoolArray) -> FloatArray:
    """The weights at the places that count; ones if there are none."""
    w = trace.options.get("weights")
    full = np.ones(shape.shape) if w is None else np.asarray(w, dtype=float)
    counted: FloatArray = full[shape]
    return counted


def _kappa(gamma: float, lam: float) -> float:
    """The sup norm of TD(lam)'s operator: gamma (1 - lam) / (1 - gamma lam)."""
    return gamma * (1 - lam) / (1 - gamma * lam)


@entry("H1", "a priori", "max |V_k - V^pi|", ROWS, TD)
def td(trace: Trace, law: FloatS) -> Curve:
    """Expected TD(lam), all states at once: |e_n| <= prod_k (1 - a_k (1 - kappa)) |e_0|.

    ``kappa = gamma (1-lam) / (1 - gamma lam)``, which is gamma for TD(0). With weights w(s) the
    factor is ``1 - a_k min(w) (1 - kappa)``. Attained.
    """
    rate = _kappa(trace.truth.gamma, _lam(trace))
    error = _sup(_of_policy(trace))
    values = _products(trace, "H1", rate, _weights(trace, trace.truth.live)) * error[0]
    return Curve(values, error, {"kappa": rate})


def _pairs(trace: Trace) -> BoolArray:
    mask: BoolArray = trace.truth.mdp.allowed & trace.truth.live[:, None]
    return mask


def _q_error(trace: Trace, target: FloatSA) -> FloatArray:
    there = _pairs(trace)
    return _sup(
        np.where(
            there, np.where(there, trace.action_values, 0.0) - np.where(there, target, 0.0), 0.0
        )
    )


@entry("H6", "a priori", "max |Q_k - Q*|", ROWS, (*Q_LEARNING, *ASYNC_Q))
def q_learning(trace: Trace, law: FloatS) -> Curve:
    """Expected Q-learning: |Q_n - Q*| <= prod_{k<n} (1 - a_k min(w) (1-gamma)) |Q_0 - Q*|.

    With ``a_k = 1/(1 + (1-gamma) k)`` the product is ``gamma / (1 + (1-gamma)(n-1))``; with
    ``1/(k+1)`` it falls like ``n^{-(1-gamma)} / Gamma(gamma)``, which is why 1/n steps are so slow
    (Even-Dar and Mansour 2003). Attained.
    """
    error = _q_error(trace, trace.truth.Q)
    w = _weights(trace, _pairs(trace))
    return Curve(_products(trace, "H6", trace.truth.gamma, w) * error[0], error)


def _followed(trace: Trace) -> FloatSA:
    """Q of the policy that is evaluated, or the fixed point of the epsilon-greedy backup."""
    truth = trace.truth
    epsilon = trace.options.get("epsilon")
    if epsilon is None:
        return backup(truth.mdp, truth.V - trace.gaps[0])
    # The epsilon-greedy mixtures are the actions of another model: its policy iteration.
    Q = np.array(truth.Q)
    for _ in range(1000):
        pi = epsilon_greedy(truth.mdp, np.where(truth.mdp.allowed, Q, 0.0), epsilon)
        chain = kernel.Resolvent(kernel.mix(truth.mdp.P, pi), truth.gamma)
        V = chain.solve(expect_actions(pi, truth.mdp.R))
        after = backup(truth.mdp, np.where(truth.live, V, 0.0))
        there = truth.mdp.allowed
        if np.abs(after[there] - Q[there]).max() <= truth.floor:
            break
        Q = after
    return after


@entry("H8", "a priori", "max |Q_k - Q|, Q the fixed point", ROWS, SARSA)
def sarsa(trace: Trace, law: FloatS) -> Curve:
    """Expected SARSA: |e_n| <= prod_k (1 - a_k min(w) (1-gamma)) |e_0|.

    For a fixed policy, and for one that is epsilon-greedy for Q (e is then the distance to the
    fixed point of that backup). A Boltzmann backup is no contraction and has no bound (Asadi and
    Littman 2017).
    """
    error = _q_error(trace, _followed(trace))
    w = _weights(trace, _pairs(trace))
    return Curve(_products(trace, "H8", trace.truth.gamma, w) * error[0], error)


# -- linear features ------------------------------------------------------------------------------


class System(NamedTuple):
    """TD(lam) with features under the stationary law: ``A w = b`` at its fixed point."""

    phi: FloatArray
    D: FloatS
    chain: FloatArray  # P_pi
    V: FloatS  # V^pi
    A: FloatArray  # phi' D (I - gamma lam P)^-1 (I - gamma P) phi
    best: FloatS  # w*
    kappa: float  # gamma (1-lam) / (1 - gamma lam)


def _system(trace: Trace) -> System:
    truth = trace.truth
    phi, D = (np.asarray(trace.options[key], dtype=float) for key in ("phi", "weights"))
    chain = kernel.to_dense(kernel.mix(truth.mdp.P, trace.pi[0]))
    if truth.mdp.terminal.any() or np.abs(D @ chain - D).max() > 1e-9 or abs(D.sum() - 1) > 1e-9:
        raise ModelError(
            "this bound does not apply: it assumes weights that are the stationary law of the "
            "policy; with others TD may diverge."
        )
    V = truth.V - trace.gaps[0]
    lam, eye = _lam(trace), np.eye(len(D))
    traced = D[:, None] * np.linalg.inv(eye - truth.gamma * lam * chain)
    A = phi.T @ traced @ (phi - truth.gamma * chain @ phi)
    b = phi.T @ (traced @ expect_actions(trace.pi[0], truth.mdp.R))
    if np.linalg.matrix_rank(A) < len(A):
        raise ModelError("this bound does not apply: it assumes features that are independent.")
    return System(phi, D, chain, V, A, np.linalg.solve(A, b), _kappa(truth.gamma, lam))


def _norm(D: FloatS, x: FloatArray) -> FloatArray:
    """sqrt(sum_s D x^2), over the last axis."""
    return np.asarray(np.sqrt((D * x**2).sum(axis=-1)))


def _small_features(trace: Trace, phi: FloatArray) -> float:
    """The step (1 - gamma) / 4, with features of norm at most 1."""
    if _lam(trace):
        raise ModelError(f"H3 does not apply: it assumes TD(0); lam is {_lam(trace):g}.")
    longest = float(np.sqrt((phi**2).sum(axis=1)).max())
    wanted = (1 - trace.truth.gamma) / 4
    steps = trace.step_sizes
    if longest > 1 + 1e-12:
        raise ModelError(
            f"H3 does not apply: it assumes features of norm <= 1; one has {longest:.4g}."
        )
    if not np.allclose(steps, wanted, rtol=1e-9):
        raise ModelError(f"H3 does not apply: it assumes the step (1 - gamma) / 4 = {wanted:.4g}.")
    return wanted


@entry("H3", "a priori", "|w_T - w*|^2", f"{SINGAL}, mean path", LINEAR)
def linear_td(trace: Trace, law: FloatS) -> Curve:
    """Step (1-gamma)/4, |phi| <= 1: |w_T - w*|^2 <= exp(-(1-gamma)^2 omega T / 4) |w_0 - w*|^2.

    omega is the smallest eigenvalue of ``phi' D phi``.
    """
    phi, D, _, _, _, best, _ = _system(trace)
    _small_features(trace, phi)
    assert trace.x is not None
    omega = float(np.linalg.eigvalsh(phi.T @ (D[:, None] * phi))[0])
    error = ((trace.x - best) ** 2).sum(axis=1)
    rate = (1 - trace.truth.gamma) ** 2 * omega / 4
    size = float(np.abs(best).max() ** 2)
    return Curve(np.exp(-rate * trace.t) * error[0], error, {"omega": omega}, np.inf, 1e-9 * size)


@entry(
    "H3a",
    "a priori",
    "|V of the mean of w_0 .. w_{T-1} - V_{w*}|_D^2",
    f"{SINGAL}, mean path",
    LINEAR,
)
def linear_td_mean(trace: Trace, law: FloatS) -> Curve:
    """Step (1-gamma)/4, |phi| <= 1: |V_{w*} - V_mean|_D^2 <= 4 |w_0 - w*|^2 / (T (1-gamma)^2)."""
    phi, D, _, _, _, best, _ = _system(trace)
    _small_features(trace, phi)
    assert trace.x is not None
    error = np.full(len(trace.t), np.nan)
    means = np.cumsum(trace.x, axis=0)[:-1] / trace.t[1:, None]
    error[1:] = _norm(D, (means - best) @ phi.T) ** 2
    size = 4 * float(((trace.x[0] - best) ** 2).sum()) / (1 - trace.truth.gamma) ** 2
    values = np.where(trace.t > 0, size / trace.t, np.nan)
    return Curve(values, error, {}, np.inf, 1e-9 * float(np.abs(best).max() ** 2))


def _nearest(found: System) -> FloatS:
    """Pi V: the nearest to V^pi that the features can say, in the norm of D."""
    root = np.sqrt(found.D)[:, None]
    solved = np.linalg.lstsq(root * found.phi, root[:, 0] * found.V, rcond=None)[0]
    values: FloatS = found.phi @ solved
    return values


def _settled(trace: Trace, found: System, most: float, actual: float, **constants: float) -> Curve:
    """Two numbers of the fixed point, the same at each step."""
    count = len(trace.t)
    root = np.sqrt(found.D)[:, None]
    condition = float(np.linalg.cond(root * found.phi)) ** 2 / (1 - trace.truth.gamma)
    floor = trace.floor + 10 * EPS * condition * float(np.abs(found.V).max())
    return Curve(np.full(count, most), np.full(count, actual), constants, floor=floor)


FIXED = "|V_{w*} - V^pi|_D"
STATIONARY = "|P_pi|_D <= 1 under the stationary law"


def _fixed_point(trace: Trace, found: System, factor: float) -> Curve:
    left = float(_norm(found.D, _nearest(found) - found.V))
    error = float(_norm(found.D, found.phi @ found.best - found.V))
    return _settled(trace, found, factor * left, error, projection=left, kappa=found.kappa)


@entry("H4", "a priori", FIXED, "Tsitsiklis and Van Roy (1997), sharpened", LINEAR)
def linear_fixed_point(trace: Trace, law: FloatS) -> Curve:
    """The fixed point of TD(lam): |phi w* - V|_D <= |Pi V - V|_D / sqrt(1 - kappa^2). Attained.

    ``kappa = gamma (1-lam) / (1 - gamma lam)``, which is gamma for TD(0); lam = 1 has no bias.
    """
    found = _system(trace)
    return _fixed_point(trace, found, float(1 / np.sqrt(1 - found.kappa**2)))


@entry("H4t", "a priori", FIXED, "Tsitsiklis and Van Roy (1997)", LINEAR)
def linear_fixed_point_published(trace: Trace, law: FloatS) -> Curve:
    """The fixed point of TD(lam): |phi w* - V|_D <= |Pi V - V|_D (1 - lam gamma) / (1-gamma)."""
    found, gamma = _system(trace), trace.truth.gamma
    return _fixed_point(trace, found, (1 - _lam(trace) * gamma) / (1 - gamma))


@entry("H4p", "a priori", "|V_{w*} - Pi V|_D", STATIONARY, LINEAR)
def linear_fixed_point_projected(trace: Trace, law: FloatS) -> Curve:
    """|V_{w*} - Pi V|_D <= kappa |V_{w*} - V|_D: what makes the triangle of H4 a right one."""
    found = _system(trace)
    values = found.phi @ found.best
    most = found.kappa * float(_norm(found.D, values - found.V))
    return _settled(trace, found, most, float(_norm(found.D, values - _nearest(found))))


@entry("H4e", "a priori", "(1 - kappa) omega", STATIONARY, LINEAR)
def linear_definite(trace: Trace, law: FloatS) -> Curve:
    """(1 - kappa) omega is at most the smallest eigenvalue of (A + A') / 2: TD(lam) is stable.

    omega is the smallest eigenvalue of ``phi' D phi``, ``A = phi' D (I - gamma lam P)^-1 (I - gamma
    P) phi``.
    """
    found = _system(trace)
    omega = float(np.linalg.eigvalsh(found.phi.T @ (found.D[:, None] * found.phi))[0])
    least = float(np.linalg.eigvalsh(found.A + found.A.T)[0]) / 2
    curve = _settled(trace, found, least, (1 - found.kappa) * omega, omega=omega)
    return curve._replace(trivial=np.inf, floor=100 * EPS * float(np.abs(found.A).max()))


@entry("H4b", "a priori", "|V_w - V^pi|_D, w of the least Bellman residual", STATIONARY, LINEAR)
def linear_least_residual(trace: Trace, law: FloatS) -> Curve:
    """The w of least residual: |V_w - V|_D <= (1+gamma) / (1-gamma) |Pi V - V|_D."""
    found, gamma = _system(trace), trace.truth.gamma
    root = np.sqrt(found.D)[:, None]
    rewards = expect_actions(trace.pi[0], trace.truth.mdp.R)
    slopes = root * (found.phi - gamma * found.chain @ found.phi)
    w = np.linalg.lstsq(slopes, root[:, 0] * rewards, rcond=None)[0]
    most = (1 + gamma) / (1 - gamma) * float(_norm(found.D, _nearest(found) - found.V))
    curve = _settled(trace, found, most, float(_norm(found.D, found.phi @ w - found.V)))
    assert curve.floor is not None
    return curve._replace(floor=curve.floor / (1 - gamma) ** 2)  # its condition is that much worse


@entry("H4r", "a posteriori", "|V_w - V^pi|_D", STATIONARY, LINEAR)
def linear_residual(trace: Trace, law: FloatS) -> Curve:
    """|V_w - V^pi|_D <= |R_pi + gamma P_pi V_w - V_w|_D / (1-gamma)."""
    found = _system(trace)
    assert trace.x is not None
    values = trace.x @ found.phi.T
    rewards = expect_actions(trace.pi[0], trace.truth.mdp.R)
    left = rewards + trace.truth.gamma * values @ found.chain.T - values
    return Curve(_norm(found.D, left) / (1 - trace.truth.gamma), _norm(found.D, values - found.V))
