"""Off-policy evaluation: J of one policy from trajectories of another.

Takes     `Trajectories` with logp of the behaviour policy b, the policy pi, gamma; a critic.
Gives     one number for each trajectory, in reward units; their mean is the estimate of J.
Source    Precup, Sutton and Singh (2000); Jiang and Li (2016); Sutton and Barto (2018), ch. 5.
Not here  targets for every step (`_corrected`), gradients (`_gradient`).

All need support: b takes each action that pi takes, in each state that pi comes to; what b never
does cannot be weighed up. "Run to their end" includes the horizon of a finite horizon. A trajectory
that was truncated lacks ``gamma^T E[V(s_T)]``, weighted as the rest, unless a critic is there.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..errors import ModelError
from ..sampling import Trajectories
from ._ratios import at_steps, ratios_so_far, table_of
from ._returns import backward, check_discount, discounted_return, goes_on, of_states


def importance_sampling(trajectories: Trajectories, policy: Any, gamma: float) -> FloatArray:
    """rho G_0: the return, weighted by the ratio of the whole trajectory.

    Estimates J of ``policy``. Unbiased if trajectories were run to their end and b takes each
    action that pi takes. Its variance may grow exponentially with the length.

    Parameters
    ----------
    trajectories : Trajectories
        Of the behaviour policy, with logp.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        What is evaluated; it may see observations.
    gamma : float in [0, 1]

    Returns
    -------
    (N,) array, reward units

    Raises
    ------
    ModelError
        If gamma or the policy do not fit, or logp is not known.

    Notes
    -----
    Sutton and Barto (2018), eq. (5.5). Time O(N T).

    Examples
    --------
    >>> steps, half = [[(0, 1, 1.0), (0, 1, 1.0)]], np.log(0.5)
    >>> batch = Trajectories.from_steps(steps, last=[1], logp=[[half, half]])
    >>> importance_sampling(batch, [[0.2, 0.8], [0.5, 0.5]], 0.5)
    array([3.84])
    """
    G = discounted_return(trajectories, gamma)
    return ratios_so_far(trajectories, policy)[:, -1] * G


def per_decision(trajectories: Trajectories, policy: Any, gamma: float) -> FloatArray:
    """sum_t gamma^t rho_{0:t} r_t: each reward weighted by the ratios up to its own action.

    Estimates J of ``policy``. Unbiased under the conditions of `importance_sampling`: later ratios
    have mean 1 given what came before, and leaving them out keeps the mean.

    Parameters
    ----------
    trajectories : Trajectories
        Of the behaviour policy, with logp.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        What is evaluated; it may see observations.
    gamma : float in [0, 1]

    Returns
    -------
    (N,) array, reward units

    Raises
    ------
    ModelError
        If gamma or the policy do not fit, or logp is not known.

    Notes
    -----
    Precup, Sutton and Singh (2000); Sutton and Barto (2018), section 5.9. Time O(N T).

    Examples
    --------
    >>> steps, half = [[(0, 1, 1.0), (0, 1, 1.0)]], np.log(0.5)
    >>> batch = Trajectories.from_steps(steps, last=[1], logp=[[half, half]])
    >>> per_decision(batch, [[0.2, 0.8], [0.5, 0.5]], 0.5)
    array([2.88])
    """
    check_discount(gamma, "gamma")
    weighted = ratios_so_far(trajectories, policy)[:, 1:] * trajectories.r
    return _total(weighted, gamma)


def weighted_importance_sampling(trajectories: Trajectories, policy: Any, gamma: float) -> float:
    """sum_i rho_i G_i / sum_i rho_i: returns averaged with the ratios as weights.

    Estimates J of ``policy``, with a bias of order 1/N that vanishes as N grows; with N = 1 it is J
    of the behaviour policy (given a ratio that is not 0). It never leaves the range of the returns,
    so its variance stays bounded where that of `importance_sampling` does not.

    Parameters
    ----------
    trajectories : Trajectories
        Of the behaviour policy, with logp.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        What is evaluated; it may see observations.
    gamma : float in [0, 1]

    Returns
    -------
    float, reward units
        Per batch: one number for all trajectories. 0 if all ratios are 0.

    Raises
    ------
    ModelError
        If gamma or the policy do not fit, or logp is not known.

    Notes
    -----
    Sutton and Barto (2018), eq. (5.6). Time O(N T).

    Examples
    --------
    >>> steps, half = [[(0, 1, 1.0)], [(0, 0, 3.0)]], np.log(0.5)
    >>> batch = Trajectories.from_steps(steps, last=[1, 1], logp=[[half], [half]])
    >>> round(weighted_importance_sampling(batch, [[0.2, 0.8], [0.5, 0.5]], 1.0), 12)
    1.4
    """
    weights = ratios_so_far(trajectories, policy)[:, -1]
    total = float(weights.sum())
    if total == 0:
        return 0.0
    return float((weights * discounted_return(trajectories, gamma)).sum()) / total


def direct_method(trajectories: Trajectories, policy: Any, Q: Any, *, V: Any = None) -> FloatArray:
    """sum_a pi(a|s_0) Q(s_0, a): what a critic says of the first state.

    Estimates J of ``policy``. Unbiased if V, or the mean of Q over the policy, is that policy's V
    (at time 0); otherwise biased by exactly the mean error of V over the first states, however many
    trajectories there are.

    Parameters
    ----------
    trajectories : Trajectories
        Whoever acted: only the first states are used.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        What is evaluated. A family that sees observations stands for its mixture over them.
    Q : (S, A) or (at least T, S, A) array_like, reward units
        The critic. May be -inf where the policy is 0.
    V : (S,) or (at least T+1, S) array_like, reward units, optional
        In the place of the mean of Q.

    Returns
    -------
    (N,) array, reward units
        0 where the trajectory starts in a terminal state.

    Raises
    ------
    ModelError
        If the policy, Q or V do not fit.

    Notes
    -----
    Time O(N A).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0)], []], last=[1, 1])
    >>> direct_method(batch, [[0.2, 0.8], [0.5, 0.5]], [[1.0, 2.0], [7.0, 7.0]])
    array([1.8, 0. ])
    """
    first = critic_values(trajectories, policy, Q, V)[:, 0]
    over = trajectories.terminated & (trajectories.lengths == 0)
    return np.where(over, 0.0, first)


def doubly_robust(
    trajectories: Trajectories, policy: Any, gamma: float, Q: Any, *, V: Any = None
) -> FloatArray:
    """x_t = V(s_t) + ratio_t (r_t + gamma x_{t+1} - Q(s_t, a_t)): a critic, and its errors weighed.

    Estimates J of ``policy`` by x_0. Unbiased for any Q, if V is the mean of Q over the policy,
    trajectories were run to their end, and b takes each action that pi takes; a V of another kind
    biases it by ``sum_t gamma^t E_pi[V(s_t) - E_pi Q(s_t, .)]``. The better the critic, the
    smaller the variance: with the exact one, what the ratios weigh has mean 0 at every step.

    Parameters
    ----------
    trajectories : Trajectories
        Of the behaviour policy, with logp.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        What is evaluated. With a family that sees observations the mean of Q is that over its
        mixture pi(a|s), the ratios are those of a given o: unbiased as well.
    gamma : float in [0, 1]
    Q : (S, A) or (at least T, S, A) array_like, reward units
        The critic. May be -inf where the policy is 0 and nobody acts so.
    V : (S,) or (at least T+1, S) array_like, reward units, optional
        The mean of Q over the policy if omitted.

    Returns
    -------
    (N,) array, reward units
        Behind a truncation x is V.

    Raises
    ------
    ModelError
        If an argument does not fit, or logp is not known.

    Notes
    -----
    Jiang and Li (2016), "Doubly robust off-policy value evaluation for reinforcement learning".
    Time O(N T A).

    Examples
    --------
    >>> half = np.log(0.5)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0)]], last=[1], logp=[[half]])
    >>> doubly_robust(batch, [[0.2, 0.8], [0.5, 0.5]], 0.5, [[1.0, 2.0], [7.0, 7.0]])
    array([0.2])
    """
    check_discount(gamma, "gamma")
    batch = trajectories
    q, v = critic_at_actions(batch, Q), critic_values(batch, policy, Q, V)
    so_far = ratios_so_far(batch, policy)  # (N, T+1)
    after = gamma * np.where(goes_on(batch), v[:, 1:], 0.0)
    parts = np.where(batch.mask, so_far[:, 1:] * (batch.r + after - q), 0.0)
    first = np.where(batch.terminated & (batch.lengths == 0), 0.0, v[:, 0])
    return first + _total(parts, gamma)


# --- for the other files of this room --------------------------------------------------------


def critic_at_actions(trajectories: Trajectories, Q: Any) -> FloatArray:
    """Q(s_t, a_t), (N, T); 0 behind the end."""
    batch = trajectories
    table = at_steps(_critic(Q), batch, "Q", batch.n_steps)
    q = np.take_along_axis(table, batch.a[:, :, None].astype(np.int64), axis=2)[:, :, 0]
    bad = np.argwhere(batch.mask & ~np.isfinite(q))
    if len(bad):
        i, t = (int(x) for x in bad[0])
        raise ModelError(
            f"Q is {q[i, t]} for state {batch.s[i, t]} and action {batch.a[i, t]}, which "
            f"trajectory {i} takes at step {t}; it must be finite there."
        )
    return np.where(batch.mask, q, 0.0)


def critic_values(trajectories: Trajectories, policy: Any, Q: Any, V: Any = None) -> FloatArray:
    """V(s_t), (N, T+1), or the mean of Q over the policy. Not for asking after an end."""
    batch = trajectories
    if V is not None:
        return of_states(batch, V, "V", batch.n_steps + 1, batch.s)
    pi = at_steps(table_of(policy), batch, "policy", batch.n_steps + 1)
    q = at_steps(_critic(Q), batch, "Q", batch.n_steps + 1)
    v: FloatArray = (pi * np.where(pi > 0, q, 0.0)).sum(axis=-1)
    bad = np.argwhere(~np.isfinite(v))
    if len(bad):
        i, t = (int(x) for x in bad[0])
        raise ModelError(
            f"the mean of Q over the policy is {v[i, t]} in state {batch.s[i, t]}; Q must be "
            f"finite where the policy is above 0."
        )
    return v


def _critic(Q: Any) -> FloatArray:
    table = as_floats(Q, "Q")
    if table.ndim not in (2, 3):
        raise ModelError(f"Q has shape {table.shape}; it must be (S, A), or (time, S, A).")
    return table


def _total(r: FloatArray, gamma: float) -> FloatArray:
    """sum_t gamma^t r[:, t]."""
    return backward(r, gamma)[:, 0] if r.shape[1] else np.zeros(len(r))
