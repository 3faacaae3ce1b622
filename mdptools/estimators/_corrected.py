"""Off-policy targets for every step: Retrace and V-trace.

Takes     `Trajectories` with logp of the behaviour policy, the policy pi, gamma, a critic.
Gives     targets (N, T) for Q(s_t, a_t) or V(s_t), in reward units.
Source    Munos et al. (2016); Espeholt et al. (2018).
Not here  J from whole trajectories (`_off_policy`).

Both are the critic plus temporal differences further on, each weighted by the ratios on the way,
cut off at 1 so that their product cannot explode. What is cut costs no bias in Retrace, whose
differences have mean 0 at Q_pi whatever their weights; V-trace also cuts the ratio of the
difference itself, and so evaluates another policy.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import number_or_nan
from ..errors import ModelError
from ..sampling import Trajectories
from ._off_policy import critic_at_actions, critic_values
from ._ratios import importance_ratios
from ._returns import check_discount, goes_on, of_states, td_errors


def retrace(
    trajectories: Trajectories, policy: Any, gamma: float, Q: Any, *, lam: float = 1.0
) -> FloatArray:
    """Q(s_t, a_t) + sum_{k >= t} gamma^(k-t) c_{t+1} ... c_k delta_k, c = lam min(1, ratio).

    delta_k = r_k + gamma E_pi Q(s_{k+1}, .) - Q(s_k, a_k). Estimates Q_pi(s_t, a_t), given s_t and
    a_t. Unbiased if Q is Q_pi (at time t, on a finite horizon), whoever acts. For another Q its
    mean is a contraction towards Q_pi: the error is at most gamma times the largest of Q. On-policy
    with lam=1, where every trajectory terminates, it is unbiased for any Q.

    Parameters
    ----------
    trajectories : Trajectories
        Of the behaviour policy, with logp.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        What is evaluated. With a family that sees observations the mean of Q is that over its
        mixture; the ratios are those given o.
    gamma, lam : float in [0, 1]
    Q : (S, A) or (at least T, S, A) array_like, reward units
        The critic. May be -inf where the policy is 0 and nobody acts so.

    Returns
    -------
    (N, T) array, reward units
        0 behind the end.

    Raises
    ------
    ModelError
        If an argument does not fit, or logp is not known.

    Notes
    -----
    Munos, Stepleton, Harutyunyan and Bellemare (2016), "Safe and efficient off-policy reinforcement
    learning". A termination is worth 0; at a truncation E_pi Q of that state is. Time O(N T A).

    Examples
    --------
    >>> half = np.log(0.5)
    >>> steps = [[(0, 1, 1.0), (0, 0, 1.0)]]
    >>> batch = Trajectories.from_steps(steps, last=[1], logp=[[half, half]])
    >>> retrace(batch, [[0.2, 0.8], [0.5, 0.5]], 0.5, [[1.0, 2.0], [7.0, 7.0]])
    array([[1.9, 1. ]])
    """
    check_discount(gamma, "gamma")
    check_discount(lam, "lam")
    batch = trajectories
    q, v = critic_at_actions(batch, Q), critic_values(batch, policy, Q)
    delta = batch.r + gamma * np.where(goes_on(batch), v[:, 1:], 0.0) - q
    c = lam * np.minimum(importance_ratios(batch, policy), 1.0)
    following = np.concatenate((c[:, 1:], np.zeros((batch.n, 1))), axis=1)[:, : batch.n_steps]
    return q + _summed(np.where(batch.mask, delta, 0.0), following, gamma)


def vtrace(
    trajectories: Trajectories,
    policy: Any,
    gamma: float,
    v: Any,
    *,
    rho_max: float = 1.0,
    c_max: float = 1.0,
    lam: float = 1.0,
) -> FloatArray:
    """v(s_t) + sum_{k >= t} gamma^(k-t) c_t ... c_{k-1} rho_k delta_k.

    delta_k = r_k + gamma v(s_{k+1}) - v(s_k), rho = min(rho_max, ratio), c = lam min(c_max, ratio).
    Estimates V(s_t) of the policy that does a with weight ``min(rho_max b(a|s), pi(a|s))``, divided
    by their sum: pi itself if no ratio is above rho_max. Unbiased if v is that policy's V; for
    another v its mean is a contraction towards it. c_max moves no fixed point, only the variance.

    Parameters
    ----------
    trajectories : Trajectories
        Of the behaviour policy, with logp.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        It may see observations.
    gamma, lam : float in [0, 1]
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic; see `td_errors` for what it is worth at an end.
    rho_max, c_max : float > 0
        May be inf; rho_max >= c_max.

    Returns
    -------
    (N, T) array, reward units
        0 behind the end.

    Raises
    ------
    ModelError
        If an argument does not fit, or logp is not known.

    Notes
    -----
    Espeholt et al. (2018), "IMPALA: Scalable distributed deep-RL with importance weighted
    actor-learner architectures". On-policy, with both limits at least 1, it is `lambda_return`.
    Time O(N T).

    Examples
    --------
    >>> half = np.log(0.5)
    >>> steps = [[(0, 0, 1.0), (0, 1, 1.0)]]
    >>> batch = Trajectories.from_steps(steps, last=[1], logp=[[half, half]])
    >>> vtrace(batch, [[0.2, 0.8], [0.5, 0.5]], 0.5, [1.0, 7.0])
    array([[1.2, 1. ]])
    """
    check_discount(lam, "lam")
    batch = trajectories
    limits = [number_or_nan(rho_max), number_or_nan(c_max)]
    if not (limits[0] >= limits[1] > 0):
        raise ModelError(
            f"rho_max is {rho_max!r:.80} and c_max is {c_max!r:.80}; they must be numbers with "
            f"rho_max >= c_max > 0."
        )
    delta, ratio = td_errors(batch, v, gamma), importance_ratios(batch, policy)
    rho, c = np.minimum(ratio, limits[0]), lam * np.minimum(ratio, limits[1])
    here = of_states(batch, v, "v", batch.n_steps, batch.s[:, :-1])
    return np.where(batch.mask, here + _summed(rho * delta, c, gamma), 0.0)


def _summed(delta: FloatArray, link: FloatArray, gamma: float) -> FloatArray:
    """x_t = delta_t + gamma link_t x_{t+1}, (N, T)."""
    found, so_far = np.zeros(delta.shape[::-1]), np.zeros(len(delta))
    for t in reversed(range(delta.shape[1])):
        so_far = delta[:, t] + gamma * link[:, t] * so_far
        found[t] = so_far
    return found.T
