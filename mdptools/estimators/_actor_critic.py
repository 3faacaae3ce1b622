"""Actor-critic gradients that look several steps ahead: n rewards, or all n mixed (GAE).

Takes     `Trajectories`, a family with theta, gamma, a critic v, n or lambda.
Gives     one row (D,) for each trajectory; their mean is the estimate.
Source    Sutton and Barto (2018), section 13.5; Schulman et al. (2016).
Not here  one step (`_gradient`), the advantages alone (`_bootstrapped`), learning v.
"""

from __future__ import annotations

from typing import Any

from ..arrays import FloatArray
from ..policies import Family
from ..sampling import Trajectories
from ._bootstrapped import gae, n_step_return
from ._gradient import score_sum, time_discounts
from ._returns import of_states


def n_step_actor_critic(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    v: Any,
    n: int,
    *,
    time_discount: float | None = None,
) -> FloatArray:
    """sum_t c^t psi_t (r_t + ... + gamma^n v(s_{t+n}) - v(s_t)).

    Estimates dJ/dtheta, with c = gamma. Unbiased if v is V of the policy of theta (at time t + n,
    on a finite horizon), or if every trajectory ends within n steps of each t; any other v biases
    it by ``sum_t c^t gamma^n E[psi_t (v - V)(s_{t+n})]`` over those that have not ended by then. An
    error of v(s_t) itself does no harm.

    Parameters
    ----------
    trajectories : Trajectories
        Acted by the policy of theta.
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic; see `td_errors` for what it is worth at an end.
    n : int >= 1
        Rewards before the critic is asked; 1 is `actor_critic`, T is `gpomdp` with baseline v.
    time_discount : float in [0, 1], optional
        c; gamma if omitted. 1 leaves gamma^t out.

    Returns
    -------
    (N, D) array
        Rows of trajectories of length 0 are 0.

    Raises
    ------
    ModelError
        If v, n, gamma, time_discount or theta do not fit.

    Notes
    -----
    Sutton and Barto (2018), section 13.5, with theta and v held fixed. Time O(N T log n + N D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 0.0)]], last=[0])
    >>> n_step_actor_critic(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, [[1.0], [0.5], [0.0]], 2)
    array([[-0.25,  0.25]])
    """
    batch = trajectories
    ahead = n_step_return(batch, v, gamma, n)
    here = of_states(batch, v, "v", batch.n_steps, batch.s[:, :-1])
    above = (ahead - here) * time_discounts(batch, gamma, time_discount)
    return score_sum(batch, family, theta, above)


def gae_actor_critic(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    v: Any,
    lam: float,
    *,
    time_discount: float | None = None,
) -> FloatArray:
    """sum_t c^t psi_t sum_k (gamma lam)^k delta_{t+k}: scores times `gae`.

    Estimates dJ/dtheta, with c = gamma. Unbiased if v is V of the policy of theta (at each time, on
    a finite horizon); with lam=1 for any v, if every trajectory terminates. For lam < 1 a wrong v
    biases it, by ``sum_t c^t sum_{k >= 1} gamma^k lam^(k-1) (1 - lam) E[psi_t (v - V)(s_{t+k})]``.

    Parameters
    ----------
    trajectories : Trajectories
        Acted by the policy of theta.
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    v : (S,) or (at least T+1, S) array_like, reward units
        The critic; see `td_errors` for what it is worth at an end.
    lam : float in [0, 1]
        0 is `actor_critic`, 1 is `gpomdp` with baseline v.
    time_discount : float in [0, 1], optional
        c; gamma if omitted. 1 leaves gamma^t out, as most code with GAE does.

    Returns
    -------
    (N, D) array
        Rows of trajectories of length 0 are 0.

    Raises
    ------
    ModelError
        If v, gamma, lam, time_discount or theta do not fit.

    Notes
    -----
    Schulman et al. (2016), "High-dimensional continuous control using generalized advantage
    estimation". The bias: GAE is the mixture of the advantages of n steps with weights
    (1 - lam) lam^(n-1), each of which errs by gamma^n (v - V)(s_{t+n}) apart from v(s_t). Time
    O(N T + N D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 0, 0.0)]], last=[0])
    >>> gae_actor_critic(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, [[1.0], [0.5], [0.0]], 0.5)
    array([[-0.375, 0.375]])
    """
    batch = trajectories
    above = gae(batch, v, gamma, lam) * time_discounts(batch, gamma, time_discount)
    return score_sum(batch, family, theta, above)
