"""Returns that a critic completes: n steps of rewards, and mixtures of all n.

Takes     `Trajectories`, a critic v, gamma, n or lambda; for a flat buffer plain arrays.
Gives     targets for v and advantages, (N, T), in reward units.
Source    Sutton and Barto (2018), sections 7.1 and 12.1; Schulman et al. (2016) for GAE.
Not here  one-step differences (`_returns`), learning v (`_temporal_difference`, `_traces`).

At a termination nothing follows, whatever v says of the last state. At a truncation v of the state
in which it happened stands for what would have followed, after however few steps.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolArray, FloatArray, as_floats
from ..checks import check_count
from ..errors import ModelError
from ..sampling import Trajectories
from ._returns import backward, check_discount, goes_on, of_states, td_errors


def n_step_return(trajectories: Trajectories, v: Any, gamma: float, n: int) -> FloatArray:
    """r_t + ... + gamma^(n-1) r_{t+n-1} + gamma^n v(s_{t+n}).

    Estimates V(s_t), and Q(s_t, a_t) given a_t. Unbiased if v is V of the policy that acted (at
    time t + n, on a finite horizon), or if every trajectory terminates within n steps of t; any
    other v biases it by ``gamma^n E[v(s_{t+n}) - V(s_{t+n})]``.

    Parameters
    ----------
    trajectories : Trajectories
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic.
    gamma : float in [0, 1]
    n : int >= 1
        Number of rewards; fewer where the episode ends before.

    Returns
    -------
    (N, T) array, reward units
        0 behind the end.

    Raises
    ------
    ModelError
        If v does not fit or is not finite, gamma lies outside [0, 1], or n < 1.

    Notes
    -----
    Sutton and Barto (2018), eq. (7.1). Sums over n rewards are made of sums over powers of two:
    time O(N T log n), memory O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps(
    ...     [[(0, 0, 1.0)] * 3] * 2, last=[0, 0], terminated=[True, False]
    ... )
    >>> n_step_return(batch, [8.0], 0.5, 2)
    array([[3.5, 1.5, 1. ],
           [3.5, 3.5, 5. ]])
    """
    check_discount(gamma, "gamma")
    batch, n = trajectories, check_count(n, "n")
    values = of_states(batch, v, "v", batch.n_steps + 1, batch.s)
    reach, runs = reached(batch.lengths, batch.terminated, batch.n_steps, n)
    ahead = np.where(runs, np.take_along_axis(values, reach, axis=1), 0.0)
    rewards = windows(batch.r, gamma, n)
    steps = np.maximum(reach - np.arange(batch.n_steps), 0)
    G: FloatArray = rewards + np.power(float(gamma), steps) * ahead
    return np.where(batch.mask, G, 0.0)


def lambda_return(trajectories: Trajectories, v: Any, gamma: float, lam: float) -> FloatArray:
    """G_t = r_t + gamma ((1 - lam) v(s_{t+1}) + lam G_{t+1}): all n-step returns, mixed.

    Estimates V(s_t), and Q(s_t, a_t) given a_t. Unbiased if v is V of the policy that acted, or if
    lam is 1 and every trajectory terminates. Otherwise biased, by ``E[sum_k (gamma lam)^k delta_k]
    + v(s_t) - V(s_t)``. With lam=0 it is the one-step target, with lam=1 the whole return.

    Parameters
    ----------
    trajectories : Trajectories
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic.
    gamma, lam : float in [0, 1]

    Returns
    -------
    (N, T) array, reward units
        0 behind the end. Behind a truncation G is v.

    Raises
    ------
    ModelError
        If v does not fit or is not finite, or gamma or lam lies outside [0, 1].

    Notes
    -----
    Sutton and Barto (2018), eqs. (12.2) and (12.3). All weight beyond the last step is with the
    longest return: ``lam^(L-t-1)``; who forgets it scales the target down. Time and memory O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps(
    ...     [[(0, 0, 1.0)] * 2] * 2, last=[0, 0], terminated=[True, False]
    ... )
    >>> lambda_return(batch, [8.0], 0.5, 0.5)
    array([[3.25, 1.  ],
           [4.25, 5.  ]])
    """
    check_discount(gamma, "gamma")
    check_discount(lam, "lam")
    batch = trajectories
    values = of_states(batch, v, "v", batch.n_steps + 1, batch.s)
    after = np.where(goes_on(batch), values[:, 1:], 0.0)
    return mixed_returns(batch.r, after, batch.mask, gamma, lam)


def gae(trajectories: Trajectories, v: Any, gamma: float, lam: float) -> FloatArray:
    """sum_k (gamma lam)^k delta_{t+k}: generalised advantage estimation.

    `lambda_return` less v(s_t). Estimates the advantage A(s_t, a_t). Unbiased if v is V of the
    policy that acted; with lam=1, where every trajectory terminates, it is ``G_t - v(s_t)``, which
    any v leaves unbiased for the gradient. For lam < 1 a wrong v biases both.

    Parameters
    ----------
    trajectories : Trajectories
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic.
    gamma, lam : float in [0, 1]

    Returns
    -------
    (N, T) array, reward units
        0 behind the end.

    Raises
    ------
    ModelError
        If v does not fit or is not finite, or gamma or lam lies outside [0, 1].

    Notes
    -----
    Schulman et al. (2016), "High-dimensional continuous control using generalized advantage
    estimation". Time and memory O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0)] * 2], last=[0], terminated=False)
    >>> gae(batch, [8.0], 0.5, 0.5)
    array([[-3.75, -3.  ]])
    """
    check_discount(lam, "lam")
    return backward(td_errors(trajectories, v, gamma), gamma * lam)


def gae_flat(
    rewards: Any,
    values: Any,
    next_values: Any,
    terminated: Any,
    truncated: Any,
    gamma: float,
    lam: float,
) -> FloatArray:
    """`gae` on a buffer in which one episode follows another; reset where one ends.

    A buffer that is not reset adds ``(gamma lam)^k`` times the advantage of the next episode, k
    steps before an end; one that takes a truncation for a termination loses v of the last state.

    Parameters
    ----------
    rewards : (T,) or (T, n) array_like, reward units
        Step by step; the second axis, if any, counts environments side by side.
    values : array_like of the same shape
        v of the state in which each action was taken.
    next_values : array_like of the same shape
        v of the state that followed. Where an episode was truncated that is its own last state,
        never the first of the next episode. Not asked where it terminated.
    terminated, truncated : arrays_like of bool of the same shape
        Whether the step ended its episode by itself, or a limit cut it there. The end of the buffer
        cuts by itself.
    gamma, lam : float in [0, 1]

    Returns
    -------
    array of the same shape, reward units
        Not one row for each trajectory: one number for each step.

    Raises
    ------
    ModelError
        If shapes differ, a number is not finite, or gamma or lam lies outside [0, 1].

    Notes
    -----
    Schulman et al. (2016). Time and memory O(T n).

    Examples
    --------
    >>> ends, nothing = [False, True, False], [False] * 3
    >>> gae_flat([1.0, 1.0, 1.0], [8.0] * 3, [8.0] * 3, ends, nothing, 0.5, 0.5)
    array([-4.75, -7.  , -3.  ])
    >>> gae_flat([1.0, 1.0, 1.0], [8.0] * 3, [8.0] * 3, nothing, ends, 0.5, 0.5)
    array([-3.75, -3.  , -3.  ])
    """
    check_discount(gamma, "gamma")
    check_discount(lam, "lam")
    r = as_floats(rewards, "rewards")
    if r.ndim not in (1, 2):
        raise ModelError(f"rewards has shape {r.shape}; it must be (T,) or (T, n).")
    ended, cut = _flags(terminated, "terminated", r), _flags(truncated, "truncated", r)
    v, ahead = as_floats(values, "values"), as_floats(next_values, "next_values")
    for name, x in (("values", v), ("next_values", ahead), ("rewards", r)):
        if x.shape != r.shape:
            raise ModelError(f"{name} has shape {x.shape}; it must be {r.shape}, as rewards is.")
        bad = np.argwhere(~(np.isfinite(x) | (ended if x is ahead else False)))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            raise ModelError(f"{name} is {x[at]} at {list(at)}; it must be finite.")
    delta: FloatArray = r + gamma * np.where(ended, 0.0, ahead) - v
    stops = ended | cut
    found, so_far = np.zeros(r.shape), np.zeros(r.shape[1:])
    for t in reversed(range(len(r))):
        so_far = delta[t] + gamma * lam * np.where(stops[t], 0.0, so_far)
        found[t] = so_far
    return found


# --- for the other files of this room --------------------------------------------------------


def mixed_returns(
    r: FloatArray, after: FloatArray, mask: BoolArray, gamma: float, lam: float
) -> FloatArray:
    """lambda-returns (N, T) from the worth ``after`` of what follows each step."""
    G, so_far = np.zeros(r.shape[::-1]), np.zeros(len(r))
    runs = np.zeros(len(r), dtype=np.bool_)  # whether step t + 1 exists
    for t in reversed(range(r.shape[1])):
        beyond = np.where(runs, so_far, after[:, t])
        so_far = r[:, t] + gamma * ((1 - lam) * after[:, t] + lam * beyond)
        runs = mask[:, t]
        G[t] = np.where(runs, so_far, 0.0)
    return G.T


def windows(r: FloatArray, gamma: float, n: int) -> FloatArray:
    """sum_{k < n} gamma^k r[:, t+k], (N, T); nothing behind the last column."""
    total, block, size = np.zeros(r.shape), r, 1
    left = min(n, r.shape[1])
    while left:
        if left & 1:  # a block, and behind it what is there already
            total = block + gamma**size * _shifted(total, size)
        left >>= 1
        if left:
            block = block + gamma**size * _shifted(block, size)
            size *= 2
    return total


def reached(lengths: Any, terminated: Any, n_steps: int, n: int) -> tuple[Any, BoolArray]:
    """The time n steps after each t, at most the length; whether what follows is worth asking."""
    ahead = np.arange(n_steps) + n
    end = lengths[:, None]
    return np.minimum(ahead, end), (ahead < end) | ~terminated[:, None]


def _shifted(x: FloatArray, k: int) -> FloatArray:
    """x[:, t + k]; 0 behind the end."""
    found = np.zeros(x.shape)
    found[:, : x.shape[1] - k] = x[:, k:]
    return found


def _flags(x: Any, name: str, r: FloatArray) -> BoolArray:
    """``x`` as bools, in the shape of the rewards."""
    flags = np.asarray(x)
    if flags.dtype != np.bool_ or flags.shape != r.shape:
        raise ModelError(
            f"{name} has shape {flags.shape} and type {flags.dtype}; it must hold bools in the "
            f"shape {r.shape} of the rewards."
        )
    return flags
