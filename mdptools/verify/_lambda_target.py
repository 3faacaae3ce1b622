"""Exact bias and variance of the target of TD(lambda).

Takes     an MDP, a policy, a critic, lambda.
Gives     `Moments` of the lambda-return, for each state that it may start from.
Source    derived here. The lambda-return is v(s) + G with G = delta + gamma lam G', delta the TD
          error of the critic: V = E[G|s] and W = E[G^2|s] follow from those of the next step.
Not here  what is done with targets (estimators), the true values (evaluation).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS
from ..checks import number_or_nan
from ..errors import ModelError
from ..model import MDP
from ._moments import Moments
from ._tables import Acting, Rewards, Steps, over_actions, solve_kept, stationary, timed
from ._tree import check_length


def lambda_target_moments(
    mdp: MDP, policy: Any, lam: float, *, critic: Any, horizon: int | None = None
) -> Moments:
    """Mean and variance, from each state, of what TD(lambda) moves the critic to.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
    lam : float in [0, 1]
        0: r + gamma v(s'); 1: the whole return.
    critic : (S,) or (T+1, S) array_like, reward units
        v; 0 on terminal states and where the model's own horizon ends. Where ``horizon`` only cuts,
        v of the state there is bootstrapped with weight lam^(T-1).
    horizon : int, optional
        Stop after so many actions. The model's own if omitted; without one, never.

    Returns
    -------
    Moments
        ``mean`` and ``variance`` (S,): entry s is for a trajectory that starts in s; 0 on terminal
        states. The bias is ``mean - V``, with V of the endless model where ``horizon`` only cuts.

    Raises
    ------
    ModelError
        If lam or the critic does not fit; if there is no horizon, gamma * lam is 1 and some state
        need not lead to an end.

    Notes
    -----
    Sutton and Barto (2018), section 12.1, for the target. Time O(T S^2 A), O(S^3) without a
    horizon.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.5)
    >>> found = lambda_target_moments(mdp, [[1.0], [1.0]], 0.0, critic=[2.0, 7.0])
    >>> found.mean, found.variance  # 1 + 0.5 * (2 or 0)
    (array([1.5, 0. ]), array([0.25, 0.  ]))
    """
    if not 0 <= number_or_nan(lam) <= 1:
        raise ModelError(f"lam is {lam!r:.80}; it must be a number in [0, 1].")
    steps, acting = Steps(mdp), Acting(mdp, policy, None)
    kappa = mdp.gamma * lam
    length = check_length(mdp, horizon)
    if length is None:
        v = stationary(critic, mdp, "critic") * steps.live
        G, square = _forever(steps, acting, kappa, v)
    else:
        values = timed(critic, mdp, length + 1, "critic")
        G, square = np.zeros(mdp.n_states), np.zeros(mdp.n_states)
        for t in reversed(range(length)):
            first, second = _step(steps, steps.rewards_at(t, length, values), kappa, G, square)
            G, square = over_actions(acting.q1, first), over_actions(acting.q1, second)
        v = values[0] * steps.live
    return Moments(v + G, np.maximum(square - G**2, 0.0))


def _step(
    steps: Steps, rewards: Rewards, kappa: float, G: FloatS, square: FloatS
) -> tuple[FloatArray, FloatArray]:
    """E[delta + kappa G'] and E[(delta + kappa G')^2] given the pair, (S*A,)."""
    second = rewards.second + 2 * kappa * (rewards.first @ G) + kappa**2 * (steps.P @ square)
    return rewards.mean + kappa * (steps.P @ G), second


def _forever(steps: Steps, acting: Acting, kappa: float, v: FloatS) -> tuple[FloatS, FloatS]:
    """The fixed points, from every state."""
    if kappa == 1 and not acting.ends_everywhere:
        raise ModelError(
            "without a horizon and with gamma * lam = 1 the target needs episodes that end almost "
            "surely from every state, and under this policy they need not. Give horizon=."
        )
    kept = steps.live
    chain = kernel.to_dense(steps.mixed(steps.go, acting.q1))[np.ix_(kept, kept)]
    rewards, nothing = steps.rewards(steps.critic(v, v)), np.zeros(len(v))
    G = solve_kept(kappa, chain, kept, over_actions(acting.q1, rewards.mean))
    _, second = _step(steps, rewards, kappa, G, nothing)
    return G, solve_kept(kappa**2, chain, kept, over_actions(acting.q1, second))
