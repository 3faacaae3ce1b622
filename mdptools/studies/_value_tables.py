"""Tables of values: one step of them, where they start, and what is asked of them.

Takes     V (S,) or Q (S, A), weights, policies.
Gives     errors of TD, steps towards a backup, checked tables.
Not here  the rules (`_value_rules`, `_linear_rules`, `_sweep_rules`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA, as_floats, readonly
from ..bellman import backup, expect_actions
from ..checks import check_served, check_values, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy, epsilon_greedy

OTHERWISE = "transforms.add_time for a horizon, relative_value_iteration for average reward"
"""What serves the objectives that rules of values do not."""


def td_error(mdp: MDP, pi: FloatSA, V: FloatS, lam: float) -> FloatS:
    """T_lam V - V, 0 on terminal states.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array
    V : (S,) array, reward units
    lam : float in [0, 1]

    Returns
    -------
    (S,) array, reward units
    """
    live = ~mdp.terminal
    error = np.where(live, expect_actions(pi, backup(mdp, V)) - V, 0.0)
    if lam and live.any():
        error[live] = resolvent_of(mdp, pi, lam).solve(error[live])
    return error


def resolvent_of(mdp: MDP, pi: FloatSA, lam: float) -> kernel.Resolvent:
    """(I - gamma lam P_pi)^-1 on the live states."""
    try:
        return kernel.Resolvent(
            kernel.restrict(kernel.mix(mdp.P, pi), ~mdp.terminal), mdp.gamma * lam
        )
    except ArithmeticError:
        raise ModelError(
            "lam = 1 without discounting needs a policy that ends every episode."
        ) from None


def towards(mdp: MDP, Q: FloatSA, goal: FloatSA, eta: float, weights: Any, name: str) -> FloatSA:
    """Q + eta w (goal - Q) at allowed pairs, -inf at the others."""
    w = check_weights(weights, Q.shape)
    gap = np.subtract(goal, Q, where=mdp.allowed, out=np.zeros(Q.shape))
    moved = kept_finite(np.where(mdp.allowed, Q, 0.0) + eta * w * gap, name)
    return readonly(np.where(mdp.allowed, moved, -np.inf))


def followed(mdp: MDP, Q: FloatSA, pi: Any, epsilon: float | None) -> FloatSA:
    """pi if there is one, otherwise the epsilon-greedy policy of Q."""
    if pi is not None:
        return check_policy(mdp, pi)
    return epsilon_greedy(mdp, Q, epsilon or 0.0)


def start_values(mdp: MDP, V0: Any, function: str) -> FloatS:
    """V0 or zeros, 0 on terminal states."""
    check_served(mdp, function, "discounted", "total", instead=OTHERWISE)
    V = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
    return readonly(np.where(mdp.terminal, 0.0, V))


def start_pairs(mdp: MDP, Q0: Any, function: str) -> FloatSA:
    """Q0 or zeros, 0 on terminal states, -inf at refused pairs."""
    check_served(mdp, function, "discounted", "total", instead=OTHERWISE)
    Q = np.zeros(mdp.allowed.shape) if Q0 is None else as_floats(Q0, "Q0")
    if Q.shape == mdp.allowed.shape:
        Q = np.where(mdp.allowed, np.where(mdp.terminal[:, None], 0.0, Q), -np.inf)
    return readonly(check_pairs(mdp, Q, "Q0"))


def check_pairs(mdp: MDP, x: Any, name: str = "x") -> FloatSA:
    """A table (S, A), finite at allowed pairs."""
    Q = as_floats(x, name)
    if Q.shape != mdp.allowed.shape:
        raise ModelError(f"{name} has shape {Q.shape}; it must be (S, A) = {mdp.allowed.shape}.")
    bad = np.argwhere(mdp.allowed & ~np.isfinite(Q))
    if len(bad):
        s, a = (int(i) for i in bad[0])
        raise ModelError(f"{name}[{s}, {a}] is {Q[s, a]}; it must be finite at allowed pairs.")
    return np.where(mdp.allowed, Q, -np.inf)


def check_weights(weights: Any, shape: tuple[int, ...]) -> FloatArray:
    """Weights >= 0 of that shape, ones if omitted."""
    if weights is None:
        return np.ones(shape)
    w = as_floats(weights, "weights")
    if w.shape != shape or not ((w >= 0) & (w < np.inf)).all():
        raise ModelError(f"weights must be finite numbers >= 0 of shape {shape}, not {w.shape}.")
    return w


def check_lam(lam: Any) -> None:
    """Pass if it is a number in [0, 1]."""
    if not 0 <= number_or_nan(lam) <= 1:
        raise ModelError(f"lam is {lam!r:.80}; it must be a number in [0, 1].")


def check_target(pi: Any, epsilon: Any) -> None:
    """Pass if one of the two is given, and epsilon is in [0, 1]."""
    if (pi is None) == (epsilon is None):
        raise ModelError("say which policy is followed: pi=, or epsilon= for one that follows Q.")
    if epsilon is not None and not 0 <= number_or_nan(epsilon) <= 1:
        raise ModelError(f"epsilon is {epsilon!r:.80}; it must be a number in [0, 1].")


def kept_finite(x: FloatArray, name: str) -> FloatArray:
    """The next table, if every number of it is finite."""
    if not np.isfinite(x).all():
        raise ModelError(f"{name}: the table left float64: it diverges. Take smaller steps.")
    return readonly(x)
