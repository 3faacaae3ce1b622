"""The baseline that makes the variance of GPOMDP smallest.

Takes     an MDP, a policy, who acts.
Gives     b_t(s), (T, S).
Source    derived here. The summed variance of X = sum_t gamma^t (prod w) psi_t (G_t - b_t(s_t)) is
          quadratic in b with a diagonal Hessian, because E[psi_t | s_t, past] = 0: so each b_t(s)
          is a ratio, of E[X . rho psi_t 1{s_t = s}] without a baseline to E[|rho psi_t|^2
          1{s_t = s}], rho the product of the ratios up to t.
Not here  the variance that is left (`_reward_to_go`), baselines from samples (estimators).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, readonly
from ..errors import ModelError
from ..model import MDP
from ._seen import seen_apart
from ._tables import Acting, Steps, apply, over_actions
from ._tree import check_length


def optimal_baseline(
    mdp: MDP, policy: Any, *, behaviour: Any = None, horizon: int | None = None
) -> FloatArray:
    """The (time, state) baseline with the smallest summed variance of GPOMDP.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
        Whose gradient is estimated.
    behaviour : (S, A) array_like, optional
        Who acts; GPOMDP then weights each decision by the ratios so far.
    horizon : int, optional
        Stop after so many actions. The model's own if omitted.

    Returns
    -------
    (T, S) array, reward units
        Read-only; 0 where a state cannot be reached at its time, and where all scores are 0. For
        ``baseline=`` of `reward_to_go_moments` and of `gpomdp`.

    Raises
    ------
    ModelError
        If there is no horizon; if the behaviour never takes an action that the policy takes.

    Notes
    -----
    b_t(s) is the sum over the actions of q (|psi|^2 Q_t + gamma psi . P U_{t+1} + Q_t psi . z_t(s))
    over that of q |psi|^2, with q = b (pi / b)^2, U_{t+1} the rest of the gradient from t + 1 on
    and z_t(s) the scores before, on average, given s. The well-known E[|psi|^2 Q] / E[|psi|^2]
    leaves out the last two terms: scores of different steps go with the same rewards. Time
    O(T S^2 A D), less if P is sparse; memory O(T S (A + D)).

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> optimal_baseline(mdp, [[0.5, 0.5]])
    array([[0.5]])
    """
    mdp, policy, behaviour = seen_apart(mdp, policy, behaviour)
    steps, acting = Steps(mdp), Acting(mdp, policy, behaviour)
    length = check_length(mdp, horizon)
    if length is None:
        raise ModelError(
            "this model has no horizon; the optimal baseline depends on time. Give horizon=: after "
            "how many actions trajectories are cut."
        )
    Q, U = _backward(steps, acting, length)
    q2, at = acting.q2, acting.columns
    psi = acting.local.reshape(mdp.R.size, -1)
    square = (psi**2).sum(axis=1)
    below = over_actions(q2, square)
    chain = steps.mixed(steps.go, q2)
    weighted = q2.reshape(-1, 1) * acting.score.reshape(mdp.R.size, -1)
    d, z = mdp.mu, np.zeros((mdp.n_states, acting.size))
    found = np.zeros((length, mdp.n_states))
    for t in range(length):
        later = (psi * steps.local(steps.go, U[t + 1], at)).sum(axis=1)
        above = d * over_actions(q2, square * Q[t] + mdp.gamma * later)
        above += (z * acting.scored(q2.reshape(-1) * Q[t])).sum(axis=1)
        np.divide(above, d * below, out=found[t], where=d * below > 0)
        z = apply(chain.T, z) + apply(steps.P.T, np.repeat(d, mdp.n_actions)[:, None] * weighted)
        d = chain.T @ d
    return readonly(found)


def _backward(steps: Steps, acting: Acting, length: int) -> tuple[FloatArray, FloatArray]:
    """Q_t (T, S*A) of the policy, and what of the gradient follows from t on, U_t (T+1, S, D)."""
    mdp, gamma = steps.mdp, steps.mdp.gamma
    Q = np.zeros((length, mdp.R.size))
    U = np.zeros((length + 1, mdp.n_states, acting.size))
    V = np.zeros(mdp.n_states)
    chain = steps.mixed(steps.go, acting.q1)
    for t in reversed(range(length)):
        Q[t] = steps.rewards_at(t, length).mean + gamma * (steps.P @ V)
        U[t] = acting.scored(acting.q1.reshape(-1) * Q[t]) + gamma * apply(chain, U[t + 1])
        V = over_actions(acting.q1, Q[t])
    return Q, U
