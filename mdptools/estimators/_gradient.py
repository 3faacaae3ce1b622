"""Policy gradient estimators: scores times what follows them.

Takes     `Trajectories`, a family with theta, gamma, and baselines or critics as arrays.
Gives     one row (D,) for each trajectory; their mean is the estimate.
Source    Williams (1992); Sutton and Barto (2018), chapter 13; Baxter and Bartlett (2001).
Not here  critics that look several steps ahead (`_actor_critic`), states drawn one by one
          (`_states`), the gradient itself (gradients), exact moments of these (verify).

psi_t is the score, grad log pi(a_t | s_t). "Run to their end" includes the horizon of a finite
horizon. gamma is the model's; with trajectories that were cut geometrically it has to be 1, because
the cut discounts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..policies import Family
from ..sampling import Trajectories
from ._ratios import ratios_so_far
from ._returns import (
    backward,
    check_discount,
    discounted_return,
    of_states,
    reward_to_go,
    td_errors,
)


def reinforce(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    *,
    baseline: Any = 0.0,
    off_policy: bool = False,
) -> FloatArray:
    """(G_0 - baseline) sum_t psi_t: every score times the whole return.

    Estimates dJ/dtheta. Unbiased if the trajectories were run to their end under the policy of
    theta (or, with ``off_policy``, under one that takes each of its actions) and the baseline does
    not depend on the trajectory. The rewards before a_t do not bias it: they only add variance.

    Parameters
    ----------
    trajectories : Trajectories
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    baseline : float, "batch_mean" or "leave_one_out"
        The words stand for column 0 of `batch_mean_baseline`, which scales the expectation by
        1 - 1/N, and of `leave_one_out_baseline`, which does not.
    off_policy : bool
        Weigh each trajectory by the product of all its ratios pi(a_t | s_t) / exp(logp).

    Returns
    -------
    (N, D) array
        Rows of trajectories of length 0 are 0. With a batch baseline rows depend on each other.

    Raises
    ------
    ModelError
        If baseline, gamma or theta do not fit, or ratios are asked for and logp is not known.

    Notes
    -----
    Williams (1992), eq. (11), for episodes; Sutton and Barto (2018), section 13.3. Time O(N T + N
    D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 0.0)], [(0, 1, 1.0)]], last=[0, 0])
    >>> reinforce(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, baseline=0.5)
    array([[ 0.  ,  0.  ],
           [-0.25,  0.25]])
    """
    if isinstance(baseline, str):
        subtracted: Any = _named(baseline)(trajectories, gamma)[:, :1].sum(axis=1)
    else:
        subtracted = _one_number(baseline)
    factor = discounted_return(trajectories, gamma) - subtracted
    if off_policy:
        factor = factor * ratios_so_far(trajectories, (family, theta))[:, -1]
    return score_sum(trajectories, family, theta, factor[:, None])


def gpomdp(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    *,
    baseline: Any = None,
    time_discount: float | None = None,
    off_policy: bool = False,
) -> FloatArray:
    """sum_t c^t psi_t (G_t - baseline(s_t)): every score times the reward to go.

    Estimates dJ/dtheta, with c = gamma. Unbiased if the trajectories were run to their end under
    the policy of theta (or, with ``off_policy``, under one that takes each of its actions) and the
    baseline depends on s_t and t alone. ``time_discount=1`` leaves gamma^t out, as much code does:
    then the mean is another vector, unless gamma is 1, and not the gradient of any function (Nota
    and Thomas 2020).

    Parameters
    ----------
    trajectories : Trajectories
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    baseline : None, float, (S,) or (at least T, S) array_like, "batch_mean" or "leave_one_out"
        The words stand for `batch_mean_baseline`, which scales the expectation by 1 - 1/N, and for
        `leave_one_out_baseline`, which does not. What has one row for each trajectory is refused.
    time_discount : float in [0, 1], optional
        c; gamma if omitted.
    off_policy : bool
        Weigh each reward by the product of the ratios pi(a | s) / exp(logp) up to its step, and
        the baseline at t by that up to t (per decision).

    Returns
    -------
    (N, D) array
        Rows of trajectories of length 0 are 0. With a batch baseline rows depend on each other.

    Raises
    ------
    ModelError
        If baseline, gamma, time_discount or theta do not fit, or ratios are asked for and logp is
        not known.

    Notes
    -----
    Baxter and Bartlett (2001) for the name; Sutton and Barto (2018), section 13.4, for the baseline
    and gamma^t; Precup, Sutton and Singh (2000) for per-decision weights. Time O(N T + N D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 0.0)], [(0, 1, 1.0)]], last=[0, 0])
    >>> gpomdp(batch, Softmax(mdp), [[0.0, 0.0]], 1.0)
    array([[-0.5,  0.5],
           [-0.5,  0.5]])
    """
    batch = trajectories
    check_discount(gamma, "gamma")

    b: Any
    if isinstance(baseline, str):
        b = _named(baseline)(batch, gamma)
    elif baseline is None or np.ndim(baseline) == 0:
        b = 0.0 if baseline is None else _one_number(baseline)
    else:
        b = state_baseline(batch, family, theta, baseline)
    if off_policy:
        so_far = ratios_so_far(batch, (family, theta))[:, 1:]
        above = backward(so_far * batch.r, gamma) - so_far * b
    else:
        above = reward_to_go(batch, gamma) - b
    return score_sum(batch, family, theta, above * time_discounts(batch, gamma, time_discount))


def actor_critic(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    v: Any,
    *,
    time_discount: float | None = None,
    off_policy: bool = False,
) -> FloatArray:
    """sum_t c^t psi_t delta_t: every score times the temporal difference of a critic.

    Estimates dJ/dtheta, with c = gamma. Unbiased if v is V of the policy of theta (at time t, on a
    finite horizon) and the trajectories were run to their end; wherever else v(s') is wrong for a
    successor, it is biased, by ``sum_t c^t E[psi_t gamma (v - V)(s_{t+1})]``. An error of v(s_t)
    itself does no harm.

    Parameters
    ----------
    trajectories : Trajectories
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic; see `td_errors` for what it is worth at an end.
    time_discount : float in [0, 1], optional
        c; gamma if omitted. 1 leaves gamma^t out.
    off_policy : bool
        Weigh the term at t by the product of the ratios pi(a | s) / exp(logp) up to t.

    Returns
    -------
    (N, D) array
        Rows of trajectories of length 0 are 0.

    Raises
    ------
    ModelError
        If v, gamma, time_discount or theta do not fit, or ratios are asked for and logp is not
        known.

    Notes
    -----
    Sutton and Barto (2018), section 13.5, with theta and v held fixed. Time O(N T + N D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 0.0)]], last=[0])
    >>> actor_critic(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, v=[[1.0], [0.5], [0.0]])
    array([[-0.5,  0.5]])
    """
    batch = trajectories
    above = td_errors(batch, v, gamma) * time_discounts(batch, gamma, time_discount)
    if off_policy:
        above = above * ratios_so_far(batch, (family, theta))[:, 1:]
    return score_sum(batch, family, theta, above)


# --- baselines from the batch itself ---------------------------------------------------------


def batch_mean_baseline(trajectories: Trajectories, gamma: float) -> FloatArray:
    """At each t the mean reward to go of all N trajectories; one that has ended counts as 0.

    Each own return is in it with weight 1/N: as the baseline of `gpomdp`, or its first column as
    that of `reinforce`, it makes the expectation exactly ``(1 - 1/N)`` times the gradient. Means
    over those that are still running, over all steps, or of G_0 at every t do not even keep its
    direction.

    Parameters
    ----------
    trajectories : Trajectories
        Independent and identically distributed.
    gamma : float in [0, 1]

    Returns
    -------
    (N, T) array, reward units
        The same row N times. Per batch: a row depends on all trajectories.

    Raises
    ------
    ModelError
        If gamma lies outside [0, 1].

    Notes
    -----
    For i /= j the scores of i are independent of the return of j and have mean 0, so what is left
    of the subtracted mean is E[psi G_t] / N.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], [(0, 0, 4.0)]], last=[1, 1])
    >>> batch_mean_baseline(batch, 0.5)
    array([[3., 1.],
           [3., 1.]])
    """
    G = reward_to_go(trajectories, gamma)
    return np.broadcast_to(G.mean(axis=0), G.shape)


def leave_one_out_baseline(trajectories: Trajectories, gamma: float) -> FloatArray:
    """At each t the mean reward to go of the other N - 1 trajectories; ended ones count as 0.

    It does not depend on the trajectory whose baseline it is: `gpomdp` and `reinforce` stay
    unbiased.

    Parameters
    ----------
    trajectories : Trajectories
        Independent; at least two.
    gamma : float in [0, 1]

    Returns
    -------
    (N, T) array, reward units
        Per batch: a row depends on all other trajectories.

    Raises
    ------
    ModelError
        If there is only one trajectory, or gamma lies outside [0, 1].

    Notes
    -----
    Kool, van Hoof and Welling (2019), "Buy 4 REINFORCE samples, get a baseline for free!".

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], [(0, 0, 4.0)]], last=[1, 1])
    >>> leave_one_out_baseline(batch, 0.5)
    array([[4., 0.],
           [2., 2.]])
    """
    if trajectories.n < 2:
        raise ModelError(
            f"a leave-one-out baseline needs at least 2 trajectories; this batch has "
            f"{trajectories.n}."
        )
    G = reward_to_go(trajectories, gamma)
    others: FloatArray = (G.sum(axis=0) - G) / (trajectories.n - 1)
    return others


_FROM_BATCH = {"batch_mean": batch_mean_baseline, "leave_one_out": leave_one_out_baseline}
_BY_NAME = (
    " One that differs from trajectory to trajectory has a name: 'batch_mean' or 'leave_one_out'."
)


def _named(baseline: str) -> Callable[[Trajectories, float], FloatArray]:
    if baseline not in _FROM_BATCH:
        raise ModelError(
            f"baseline is {baseline!r}; those with a name are "
            f"{' and '.join(map(repr, _FROM_BATCH))}."
        )
    return _FROM_BATCH[baseline]


def _one_number(baseline: Any) -> float:
    if np.ndim(baseline) != 0 or not np.isfinite(baseline):
        raise ModelError(f"baseline is {baseline!r:.80}; it must be one finite number, or a name.")
    return float(baseline)


# --- for the other files of this room --------------------------------------------------------


def state_baseline(
    trajectories: Trajectories, family: Family, theta: Any, baseline: Any
) -> FloatArray:
    """baseline(s_t), (N, T), from (S,) or (at least T, S), with S that of the family."""
    batch = trajectories
    b = of_states(batch, baseline, "baseline", batch.n_steps, batch.s[:, :-1], _BY_NAME)
    n_states, shape = family.probs(theta).shape[-2], np.shape(baseline)
    if shape[-1] != n_states:
        raise ModelError(
            f"baseline has shape {shape}; it must be (S,), or (time, S), for the S = {n_states} "
            f"states of the policy.{_BY_NAME}"
        )
    return b


def time_discounts(
    trajectories: Trajectories, gamma: float, time_discount: float | None
) -> FloatArray:
    """c^t, (T,)."""
    c = gamma if time_discount is None else time_discount
    check_discount(c, "time_discount")
    powers: FloatArray = np.power(float(c), np.arange(trajectories.n_steps))
    return powers


def score_sum(trajectories: Trajectories, family: Family, theta: Any, w: FloatArray) -> FloatArray:
    """sum_t w_t psi_t over the steps that there are, (N, D)."""
    batch = trajectories
    return family.accumulate(theta, batch.s[:, :-1], batch.a, np.where(batch.mask, w, 0.0), batch.o)
