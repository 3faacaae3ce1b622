"""Returns: what follows a step, from samples.

Takes     `Trajectories`, gamma, and a critic v where one is meant.
Gives     returns (N,), rewards to go and temporal differences (N, T), in reward units.
Source    Sutton and Barto (2018), eqs. (3.8), (3.9) and (6.5).
Not here  their means (evaluation).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolArray, FloatArray, as_floats
from ..checks import check_count, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..sampling import Trajectories, rollout
from ..words import count


def discounted_return(trajectories: Trajectories, gamma: float) -> FloatArray:
    """G_0 = sum_t gamma^t r_t of each trajectory.

    Estimates J. Unbiased if every trajectory was run to its end, started from mu and acted by the
    policy meant; with gamma=1 also if the sampler cut it geometrically. Cutting at a fixed step T
    adds ``-gamma^T E[V(s_T)]``.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]

    Returns
    -------
    (N,) array, reward units
        0 for a trajectory of length 0.

    Raises
    ------
    ModelError
        If gamma lies outside [0, 1].

    Notes
    -----
    Sutton and Barto (2018), eq. (3.8), with r_t for their R_{t+1}. Time O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], []], last=[1, 1])
    >>> discounted_return(batch, 0.5)
    array([2., 0.])
    """
    check_discount(gamma, "gamma")
    G = np.zeros(trajectories.n)
    for reward in trajectories.r.T[::-1]:  # by steps: the last digits do not depend on the batch
        G = reward + gamma * G
    return G


def reward_to_go(trajectories: Trajectories, gamma: float) -> FloatArray:
    """G_t = r_t + gamma G_{t+1}: the discounted rewards from each step on.

    Estimates Q(s_t, a_t), and V(s_t) over the actions. Unbiased if every trajectory was run to its
    end; with gamma=1 also if it was cut geometrically. On a finite horizon the values are those at
    time t.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]

    Returns
    -------
    (N, T) array, reward units
        0 behind the end.

    Raises
    ------
    ModelError
        If gamma lies outside [0, 1].

    Notes
    -----
    Sutton and Barto (2018), eq. (3.9). Time and memory O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], [(0, 0, 4.0)]], last=[1, 1])
    >>> reward_to_go(batch, 0.5)
    array([[2., 2.],
           [4., 0.]])
    """
    check_discount(gamma, "gamma")
    return backward(trajectories.r, gamma)


def td_errors(trajectories: Trajectories, v: Any, gamma: float) -> FloatArray:
    """delta_t = r_t + gamma v(s_{t+1}) - v(s_t).

    Estimates the advantage A(s_t, a_t), given s_t and a_t. Unbiased if v is V of the policy that
    acted, discounted with gamma (then its mean over the actions is 0); any other v biases it by
    ``gamma E[v(s') - V(s')] - (v(s) - V(s))``.

    Parameters
    ----------
    trajectories : Trajectories
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic; with two axes the first is time, as in ``evaluate(...).V`` of a finite horizon.
    gamma : float in [0, 1]

    Returns
    -------
    (N, T) array, reward units
        0 behind the end.

    Raises
    ------
    ModelError
        If v does not fit or is not finite, or gamma lies outside [0, 1].

    Notes
    -----
    Sutton and Barto (2018), eq. (6.5). A termination is worth 0, whatever v says of the last state:
    the critic is not asked after a terminal state or the horizon. A truncation is not the end: v of
    the state in which it happened is bootstrapped. Time and memory O(N T).

    Examples
    --------
    >>> episodes = [[(0, 0, 1.0)], [(0, 0, 1.0)]]
    >>> batch = Trajectories.from_steps(episodes, last=[1, 1], terminated=[True, False])
    >>> td_errors(batch, [10.0, 20.0], 0.5)
    array([[-9.],
           [ 1.]])
    """
    check_discount(gamma, "gamma")
    values = of_states(trajectories, v, "v", trajectories.n_steps + 1, trajectories.s)
    after = np.where(goes_on(trajectories), values[:, 1:], 0.0)
    delta: FloatArray = trajectories.r + gamma * after - values[:, :-1]
    return np.where(trajectories.mask, delta, 0.0)


def rollout_utility(
    mdp: MDP, policy: Any, depth: int, rng: Any, *, n: int = 1, start: Any = None
) -> float:
    """The discounted return of a rollout of ``depth`` steps; the mean of n of them.

    Estimates J of the model that stops after ``depth`` steps (V of a state, with ``start``).
    Unbiased for that; what is missing of the model without such a stop is ``gamma^depth
    E[V(s_depth)]``.

    Parameters
    ----------
    mdp : MDP
        Any objective.
    policy : pi, (S, A) or (H, S, A) on a finite horizon; or a pair (family, theta)
    depth : int >= 1
    rng : numpy.random.Generator or int
    n : int
        Number of rollouts.
    start : int, (n,) array_like of int, or (S,) array_like of float, optional
        As for `rollout`. ``mdp.mu`` if omitted.

    Returns
    -------
    float, reward units
        For one row of each rollout: ``discounted_return(rollout(...), gamma)``.

    Raises
    ------
    ModelError
        If an argument is wrong.

    Notes
    -----
    What a Monte Carlo lookahead puts at its leaves; Kochenderfer, Wheeler and Wray (2022). Time O(n
    depth).

    Examples
    --------
    >>> mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    >>> rollout_utility(mdp, [[1.0]], 3, rng=0)
    1.75
    """
    batch = rollout(mdp, policy, n, rng=rng, max_steps=check_count(depth, "depth"), start=start)
    return float(discounted_return(batch, mdp.gamma).mean())


# --- for the other files of this room --------------------------------------------------------


def check_discount(x: Any, name: str) -> None:
    """Pass if ``x`` is a number in [0, 1]."""
    if not 0 <= number_or_nan(x) <= 1:
        raise ModelError(f"{name} is {x!r:.80}; it must be a number in [0, 1].")


def goes_on(trajectories: Trajectories) -> BoolArray:
    """Which steps (N, T) have a state worth something behind them: no termination, no padding."""
    alive = trajectories.mask.copy()
    ended = np.flatnonzero(trajectories.terminated & (trajectories.lengths > 0))
    alive[ended, trajectories.lengths[ended] - 1] = False
    return alive


def backward(r: FloatArray, factor: float) -> FloatArray:
    """G[:, t] = r[:, t] + factor G[:, t+1], (N, T)."""
    G = np.zeros(r.shape[::-1])  # time first, as samplers write it
    so_far = np.zeros(r.shape[0])
    for t in reversed(range(r.shape[1])):
        so_far = r[:, t] + factor * so_far
        G[t] = so_far
    return G.T


def of_states(
    trajectories: Trajectories, x: Any, name: str, n_times: int, states: Any, cure: str = ""
) -> FloatArray:
    """x(s_t), from x (S,) or (time, S), at ``states`` (N, n_times).

    What has a row for each trajectory is refused, with ``cure``: it would be read by time.
    """
    table = as_floats(x, name)
    if table.ndim not in (1, 2) or (table.ndim == 2 and len(table) < n_times):
        raise ModelError(
            f"{name} has shape {table.shape}; it must be (S,), or (time, S) with at least "
            f"{count(n_times, 'time')}.{cure}"
        )
    n, n_steps = trajectories.n, trajectories.n_steps
    # (T, S) and (T+1, S) are what a horizon has; a longer one that looks like this is not used
    if table.ndim == 2 and len(table) == n > n_steps + 1 and table.shape[1] in (n_steps, n_times):
        raise ModelError(
            f"{name} has shape {table.shape}, one row for each of the {n} trajectories of "
            f"{count(n_steps, 'step')}; it must be (S,), or (time, S) with at least "
            f"{count(n_times, 'time')}.{cure} If its rows are times: {name}[:{n_times}]."
        )
    largest = int(trajectories.s.max(initial=0))
    if largest >= table.shape[-1]:
        raise ModelError(
            f"{name} has {table.shape[-1]} states; these trajectories visit state {largest}."
        )
    if not np.isfinite(table).all():
        *at, s = (int(i) for i in np.argwhere(~np.isfinite(table))[0])
        raise ModelError(f"{name} is {table[(*at, s)]} in state {s}; it must be finite.")
    values: FloatArray = table[np.arange(n_times), states] if table.ndim == 2 else table[states]
    return values
