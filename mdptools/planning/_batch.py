"""Many small discounted models at once: Howard's policy iteration on stacked arrays.

Takes     P (N, S, A, S), R, gamma.
Gives     a `BatchSolution`: the optimum of each model, and the bound of each.
Source    Howard (1960); the bracket of MacQueen (1966), as in certificates.
Not here  terminal states by name, reward laws, other objectives: one `MDP` for each of these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatArray, IntArray, as_floats, readonly
from ..checks import check_count, check_tol
from ..errors import ConvergenceError, ModelError
from ..markup import Shown
from ._solution import RELATIVE_TOL

CHUNK = 2**19  # numbers of P that are worked on together: they stay in the cache
WARM_UP = 2  # backups before the first policy is evaluated


@dataclass(frozen=True, slots=True, eq=False)
class BatchSolution(Shown):
    """The optima of N models.

    Attributes
    ----------
    V : (N, S) array, reward units
    Q : (N, S, A) array, reward units
    actions : (N, S) array of int
        An optimal policy of each model.
    bound : (N,) array, reward units
        The largest error of V in any state of each model, round-off included.
    sweeps : (N,) array of int
        How many policies were evaluated.
    """

    V: FloatArray
    Q: FloatArray
    actions: IntArray
    bound: FloatArray
    sweeps: IntArray


def solve_batch(
    P: Any, R: Any, gamma: Any, *, tol: float | None = None, max_iterations: int = 1_000
) -> BatchSolution:
    """The optima of many small discounted models, each with its bound, in stacked calls.

    Parameters
    ----------
    P : (N, S, A, S) array_like
        Transition probabilities of each model.
    R : (N, S, A) or (N, S) array_like, reward units
        Expected rewards of each model.
    gamma : float or (N,) array_like, 0 <= gamma < 1
    tol : float, reward units, optional
        Largest accepted error of V in any state of any model; 1e-9 max |R| / (1 - gamma) of each
        model, or its round-off where that is larger, if omitted.
    max_iterations : int
        Give up after evaluating this many policies of a model.

    Returns
    -------
    BatchSolution

    Raises
    ------
    ModelError
        Naming the model, the state and the action that are wrong.
    ConvergenceError
        If some bound is above ``tol``; ``error.solution`` holds all answers with their bounds.

    Notes
    -----
    Models that are done are dropped. Time O(N (S^3 + S^2 A)) for each policy that is evaluated,
    and no Python for a single model.

    Examples
    --------
    >>> P = np.full((2, 2, 1, 2), 0.5)
    >>> solve_batch(P, [[1.0, 0.0], [2.0, 0.0]], gamma=0.5).V
    array([[1.5, 0.5],
           [3. , 1. ]])
    """
    tensors, rewards, discount, defect = _checked(P, R, gamma)
    wanted = check_tol(tol)
    check_count(max_iterations, "max_iterations")
    n, n_states, n_actions, _ = tensors.shape
    V, Q = np.zeros((n, n_states)), np.zeros((n, n_states, n_actions))
    actions, sweeps = np.zeros((n, n_states), dtype=np.int64), np.zeros(n, dtype=np.int64)
    bound = np.zeros(n)
    at_once = max(1, CHUNK // (n_states * n_actions * n_states))
    for first in range(0, n, at_once):
        some = slice(first, first + at_once)
        V[some], Q[some], actions[some], bound[some], sweeps[some] = _solve_chunk(
            tensors[some], rewards[some], discount[some], defect[some], max_iterations
        )
    solution = BatchSolution(
        readonly(V), readonly(Q), readonly(actions), readonly(bound), readonly(sweeps)
    )
    scale = RELATIVE_TOL * np.abs(rewards).max(axis=(1, 2)) / (1 - discount)
    missed = bound > scale if wanted is None else bound > wanted
    stopped = sweeps >= max_iterations
    failed = np.flatnonzero(missed & (stopped | ~np.isfinite(bound) | (wanted is not None)))
    if len(failed):
        worst = int(failed[bound[failed].argmax()])
        raise ConvergenceError(
            f"model {worst} has a bound of {bound[worst]:.3g}, above the tolerance ({len(failed)} "
            f"of {n} models have): that is the round-off of float64 unless max_iterations were "
            f"used up. error.solution holds all answers with their bounds.",
            solution=solution,
            floor=None if stopped[worst] else float(bound[worst]),
        )
    return solution


def _checked(P: Any, R: Any, gamma: Any) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """The tensors, rewards (N, S, A), discounts (N,), and how far rows are from one (N,)."""
    given = P  # taken without a copy where that is possible: it is only read
    ready = isinstance(given, np.ndarray) and given.dtype == np.float64
    tensors = given if ready else as_floats(given, "P")
    if tensors.ndim != 4 or tensors.shape[1] != tensors.shape[3] or 0 in tensors.shape:
        raise ModelError(
            f"P has shape {tensors.shape}; it must be (N, S, A, S), one model after the other."
        )
    n, n_states, n_actions, _ = tensors.shape
    if not tensors.min() >= 0:
        i, s, a, t = (int(k) for k in np.argwhere(~(tensors >= 0))[0])
        raise ModelError(
            f"P[{i}, {s}, {a}, {t}] is {tensors[i, s, a, t]:.6g}: a probability must be >= 0."
        )
    gap = np.abs(tensors @ np.ones(n_states) - 1)
    tol = 4 * EPS * n_states
    if not gap.max() <= tol:
        i, s, a = (int(k) for k in np.unravel_index(int(gap.argmax()), gap.shape))
        raise ModelError(
            f"P[{i}, {s}, {a}] is off one by {gap[i, s, a]:.3g} (tolerance {tol:.3g}): the "
            f"outcomes of action {a} in state {s} of model {i} are wrong or incomplete. If they "
            f"are counts, divide each row by its sum."
        )
    rewards = as_floats(R, "R")
    if rewards.shape == (n, n_states):
        rewards = np.repeat(rewards[:, :, None], n_actions, axis=2)
    if rewards.shape != (n, n_states, n_actions) or not np.isfinite(rewards).all():
        raise ModelError(
            f"R has shape {rewards.shape}; it must be (N, S, A) = {(n, n_states, n_actions)} or "
            f"(N, S), and finite."
        )
    discount = np.broadcast_to(as_floats(gamma, "gamma"), (n,)) if np.ndim(gamma) < 2 else None
    if discount is None or not ((discount >= 0) & (discount < 1)).all():
        raise ModelError(f"gamma is {gamma!r:.80}; it must be one number in [0, 1), or N of them.")
    defect = gap.reshape(n, -1).max(axis=1) + n_states * EPS / 2
    return tensors, rewards, discount, defect


def _solve_chunk(
    tensors: FloatArray, R: FloatArray, gamma: FloatArray, defect: FloatArray, max_iterations: int
) -> tuple[FloatArray, FloatArray, IntArray, FloatArray, IntArray]:
    """Policy iteration of a stack of models; those that are done are taken out."""
    n, n_states, n_actions, _ = tensors.shape
    flat = tensors.reshape(n, n_states * n_actions, n_states)
    rows = tensors.reshape(-1, n_states)
    first = kernel.first_rows(n * n_states, n_actions).reshape(n, n_states)  # plus an action
    out_V, out_Q = np.zeros((n, n_states)), np.zeros(R.shape)
    out_actions, sweeps = np.zeros((n, n_states), dtype=np.int64), np.zeros(n, dtype=np.int64)
    bound, size = np.zeros(n), np.abs(R).reshape(n, -1).max(axis=1)
    left = np.arange(n)
    actions = _first_actions(flat, R, gamma)
    for iteration in range(1, max_iterations + 1):
        pairs = first[left] + actions
        chain = rows[pairs]
        chain *= -gamma[left, None, None]
        chain.reshape(len(left), -1)[:, :: n_states + 1] += 1  # the diagonals
        V = np.linalg.solve(chain, R.take(pairs)[:, :, None])[:, :, 0]
        active = flat if len(left) == n else flat[left]
        Q = np.matmul(active, V[:, :, None])[:, :, 0].reshape(len(left), n_states, n_actions)
        Q *= gamma[left, None, None]
        Q += R[left]
        greedy = Q.argmax(axis=2)
        best, chosen = (Q.take(first[: len(left)] + taken) for taken in (greedy, actions))
        roundoff, proved = _bound(V, best, chosen, size[left], gamma[left], defect[left])
        better = best > chosen + 2 * roundoff[:, None]
        done = ~better.any(axis=1) | (iteration == max_iterations)
        here = left[done]
        out_V[here], out_Q[here] = best[done], Q[done]
        out_actions[here], bound[here], sweeps[here] = actions[done], proved[done], iteration
        left, actions = left[~done], np.where(better, greedy, actions)[~done]
        if not len(left):
            break
    return out_V, out_Q, out_actions, bound, sweeps


def _first_actions(flat: FloatArray, R: FloatArray, gamma: FloatArray) -> IntArray:
    """Greedy after a few backups of 0, each of which costs less than a policy's evaluation."""
    n, n_states, n_actions = R.shape
    first = kernel.first_rows(n * n_states, n_actions).reshape(n, n_states)
    Q = R
    for _ in range(WARM_UP):
        best = Q.take(first + Q.argmax(axis=2))  # for few actions much quicker than max
        Q = np.matmul(flat, best[:, :, None]).reshape(R.shape)
        Q *= gamma[:, None, None]
        Q += R
    actions: IntArray = Q.argmax(axis=2)
    return actions


def _bound(
    V: FloatArray,
    best: FloatArray,
    chosen: FloatArray,
    size: FloatArray,
    gamma: FloatArray,
    defect: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Round-off of a backup, and MacQueen's bound for TV, of each model: as in certificates."""
    low, high = (chosen - V).min(axis=1), (best - V).max(axis=1)
    scale, ends = np.abs(V).max(axis=1), np.maximum(np.abs(low), np.abs(high))
    rate = 1 - gamma * (1 + 2 * defect)
    time = np.divide(1 + 4 * EPS, rate, out=np.full(len(rate), np.inf), where=rate > 0)
    roundoff = gamma * scale * (EPS * (V.shape[1] / 2 + 2) + 2 * defect)
    roundoff += EPS * (size + scale + np.abs(low) + np.abs(high))
    reach = np.where(np.isfinite(time), scale + np.where(rate > 0, time, 0) * ends, np.inf)
    roundoff += 2 * gamma * defect * reach
    factor = gamma / (1 - gamma)
    slack = 2 * EPS * (scale + (1 + factor) * (ends + roundoff))
    above = roundoff + factor * (high + roundoff) + slack
    below = roundoff - factor * (low - roundoff) + slack + (best - chosen).max(axis=1)
    return roundoff, np.maximum(np.maximum(above, below), 0) + slack
