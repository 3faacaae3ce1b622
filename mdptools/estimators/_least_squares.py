"""Values by least squares: all data at once, linear in features.

Takes     `Trajectories`, features phi (S, k) of the states, gamma.
Gives     weights w (k,) and values phi w (S,), with the condition of the system that was solved.
Source    Bradtke and Barto (1996) for LSTD; Boyan (2002) for LSTD(lambda); Ernst, Geurts and
          Wehenkel (2005) for fitted iteration.
Not here  learning step by step (`_temporal_difference`).

With a feature for each state these know what the data know of the model, and no more: lam=0 is the
value of the model made from counts, lam=1 the every-visit mean.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, FloatS, as_floats, readonly
from ..checks import check_count, number_or_nan
from ..errors import ModelError
from ..sampling import Trajectories
from ._chains import check_arguments
from ._returns import goes_on


@dataclass(frozen=True, slots=True, eq=False)
class LeastSquares:
    """What was fitted.

    Attributes
    ----------
    w : (k,) array
        Weights of the features.
    V : (S,) array, reward units
        phi w.
    condition : float
        Of the matrix that was solved with, in the 2-norm: w loses so many times the relative error
        of the data, and log10 of it in digits to round-off.
    residual : float
        The last change of V in any state, for fitted iteration; 0 for LSTD, which solves at once.
    """

    w: FloatArray
    V: FloatS
    condition: float
    residual: float = 0.0


def lstd(
    trajectories: Trajectories,
    phi: Any,
    gamma: float,
    *,
    lam: float = 0.0,
    ridge: float = 0.0,
    weights: Any = None,
) -> LeastSquares:
    """LSTD(lambda): the fixed point of TD(lambda) on all the data at once.

    Solves ``sum_t z_t (phi(s_t) - gamma phi(s_{t+1}))' w = sum_t z_t r_t`` with the trace ``z_t =
    gamma lam z_{t-1} + phi(s_t)``. Approaches V of the policy that acted if phi can tell it,
    otherwise the projected fixed point, which depends on lam and on which states were visited. A
    ratio of means: biased like 1/N.

    Parameters
    ----------
    trajectories : Trajectories
    phi : (S, k) array_like
        Features; those of terminal states are not asked.
    gamma, lam : float in [0, 1]
    ridge : float >= 0
        Times the identity, added to the matrix divided by the number of steps. It moves w towards
        0, and makes a singular system solvable.
    weights : (N,) array_like, optional
        Of the trajectories: probabilities or importance weights. 1 if omitted.

    Returns
    -------
    LeastSquares
        Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, or the matrix is singular to round-off: the condition is named.

    Notes
    -----
    Bradtke and Barto (1996); Boyan (2002). A step that terminates has no next features; one at
    which the trajectory was truncated has those of the state it was in. Time O(N T k^2 + k^3).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)], [(0, 0, 4.0)]], last=[2, 2])
    >>> found = lstd(batch, np.eye(3)[:, :2], 0.5)
    >>> found.V.round(12), round(found.condition, 3)
    (array([3., 2., 0.]), 2.163)
    """
    check_arguments(gamma, lam=lam)
    batch, table = trajectories, _features(trajectories, phi)
    penalty = number_or_nan(ridge)
    if not 0 <= penalty < np.inf:
        raise ModelError(f"ridge is {ridge!r:.80}; it must be a number >= 0.")
    share, k = _weights(batch, weights), table.shape[1]
    matrix, vector = np.zeros((k, k)), np.zeros(k)
    z, alive, mask = np.zeros((batch.n, k)), goes_on(batch), batch.mask
    for t in range(batch.n_steps):
        now = table[batch.s[:, t]]
        z = np.where(mask[:, t, None], gamma * lam * z + now, 0.0)
        after = np.where(alive[:, t, None], table[batch.s[:, t + 1]], 0.0)
        weighted = share[:, None] * z
        matrix += weighted.T @ (now - gamma * after)
        vector += weighted.T @ batch.r[:, t]
    size = max(float((share @ mask).sum()), 1e-300)
    w, condition = _solve(matrix / size + penalty * np.eye(k), vector / size, "ridge=")
    return LeastSquares(readonly(w), readonly(table @ w), condition)


def fitted_value_iteration(
    trajectories: Trajectories,
    phi: Any,
    gamma: float,
    iterations: int,
    *,
    w0: Any = None,
    ridge: float = 0.0,
) -> LeastSquares:
    """w <- the least-squares fit of r_t + gamma phi(s_{t+1}) w to phi(s_t) w', over and over.

    Backups of the policy that acted, from samples: each fit is a regression on targets that the
    last one made. With a feature for each state it approaches what `lstd` gives, by a factor gamma
    in each iteration; with other features fits may lie further apart than what they fit, and the
    values run away (``residual`` grows).

    Parameters
    ----------
    trajectories : Trajectories
    phi : (S, k) array_like
        Features; those of terminal states are not asked.
    gamma : float in [0, 1]
    iterations : int >= 1
    w0 : (k,) array_like, optional
        Zeros if omitted.
    ridge : float >= 0
        Times the identity, added to the matrix of second moments of the features.

    Returns
    -------
    LeastSquares
        ``residual``: the largest change of V at a visited state in the last iteration. Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, the matrix is singular to round-off (the condition is named),
        or the values run away to infinity.

    Notes
    -----
    Ernst, Geurts and Wehenkel (2005), for a fixed policy. A termination is worth 0, a truncation
    the value of its state. Time O(N T k^2 + iterations N T k).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)], [(0, 0, 4.0)]], last=[2, 2])
    >>> found = fitted_value_iteration(batch, np.eye(3)[:, :2], 0.5, 2)
    >>> found.V.round(12), round(found.residual, 12)
    (array([3., 2., 0.]), 0.5)
    """
    check_arguments(gamma)
    batch, table = trajectories, _features(trajectories, phi)
    penalty = number_or_nan(ridge)
    if not 0 <= penalty < np.inf:
        raise ModelError(f"ridge is {ridge!r:.80}; it must be a number >= 0.")
    mask, k = batch.mask, table.shape[1]
    now, size = table[batch.s[:, :-1][mask]], max(batch.n_transitions, 1)
    after = np.where(goes_on(batch)[mask][:, None], table[batch.s[:, 1:][mask]], 0.0)
    gram = now.T @ now / size + penalty * np.eye(k)
    r = batch.r[mask]
    w = np.zeros(k) if w0 is None else as_floats(w0, "w0")
    if w.shape != (k,) or not np.isfinite(w).all():
        raise ModelError(f"w0 has shape {w.shape}; it must be ({k},), of finite numbers.")
    inverse, condition = _solve(gram, np.eye(k), "ridge=")
    residual = 0.0
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(check_count(iterations, "iterations")):
            target = r + gamma * (after @ w)
            fitted = inverse @ (now.T @ target / size)
            residual = float(np.abs(now @ (fitted - w)).max(initial=0.0))
            w = fitted
    if not np.isfinite(w).all():
        raise ModelError(
            f"the values run away: after {iterations} iterations w is not finite. Fits of these "
            f"features expand; take fewer iterations, lstd, or other features."
        )
    return LeastSquares(readonly(w), readonly(table @ w), condition, residual)


def _features(batch: Trajectories, phi: Any) -> FloatArray:
    table = as_floats(phi, "phi")
    if table.ndim != 2 or not table.shape[1]:
        raise ModelError(f"phi has shape {table.shape}; it must be (S, k), a row for each state.")
    largest = int(batch.s.max(initial=0))
    if largest >= len(table):
        raise ModelError(f"phi has {len(table)} rows; these trajectories visit state {largest}.")
    if not np.isfinite(table).all():
        s, j = (int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ModelError(f"phi[{s}, {j}] is {table[s, j]}; it must be finite.")
    return table


def _weights(batch: Trajectories, weights: Any) -> FloatArray:
    if weights is None:
        return np.ones(batch.n)
    share = as_floats(weights, "weights")
    if share.shape != (batch.n,) or not (share >= 0).all() or not np.isfinite(share).all():
        raise ModelError(
            f"weights has shape {share.shape}; it must be ({batch.n},): a number >= 0 for each "
            f"trajectory."
        )
    return share


def _solve(matrix: FloatArray, right: FloatArray, cure: str) -> tuple[FloatArray, float]:
    """The solution and the condition, or a ModelError that names it."""
    condition = float(np.linalg.cond(matrix)) if np.isfinite(matrix).all() else np.inf
    if not condition < 1 / (8 * len(matrix) * EPS):
        raise ModelError(
            f"the features' matrix is singular to round-off (condition {condition:.3g}, "
            f"{len(matrix)} features): some feature is 0 in all visited states, or a sum of "
            f"others. Leave it out, collect more data, or give {cure}1e-6."
        )
    solution: FloatArray = np.linalg.solve(matrix, right).astype(np.float64, copy=False)
    return solution, condition
