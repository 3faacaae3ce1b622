"""Exact moments of off-policy evaluation: importance sampling and doubly robust estimates.

Takes     an MDP, the policy that is evaluated, the one that acts.
Gives     `Moments` of one number for each trajectory.
Source    derived here. With ratios w, the moments E_b[(prod w)^k G^i | s] of the weighted return,
          of x = w (r + gamma x') (per decision) and of x = V + w (r + gamma x' - Q) (doubly robust)
          follow from those of the next step, weighted by q_k(s, a) = b w^k.
Not here  weighted importance sampling: it is a ratio of sums over a batch.
"""

from __future__ import annotations

from math import comb
from typing import Any, Literal

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA, as_floats
from ..errors import ModelError
from ..model import MDP
from ..policies import split_policy
from ._moments import Moments, from_second
from ._seen import seen_apart, tiled
from ._tables import (
    Acting,
    Rewards,
    Steps,
    over_actions,
    solve_kept,
    squared_radius,
    stationary,
    timed,
)
from ._tree import check_length

Kind = Literal["trajectory", "per_decision", "weight"]


def importance_sampling_moments(
    mdp: MDP,
    policy: Any,
    behaviour: Any = None,
    *,
    kind: Kind = "trajectory",
    horizon: int | None = None,
) -> Moments:
    """Mean and variance of a return that is weighted by ratios.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
        Which is evaluated.
    behaviour : (S, A) array_like, optional
        Who acts. Without it the policy itself, and this is plain Monte Carlo.
    kind : {"trajectory", "per_decision", "weight"}
        The return times the ratio of the whole trajectory; each reward times the ratios up to it;
        the ratio of the whole trajectory alone, whose mean is 1 and whose second moment says how
        many trajectories are worth one of the policy's own.
    horizon : int, optional
        Stop after so many actions. The model's own if omitted; without one, at termination.

    Returns
    -------
    Moments
        Of shape (1,). ``variance`` is inf where the squared ratios grow without bound.

    Raises
    ------
    ModelError
        If the behaviour never takes an action that the policy takes. If there is no horizon and
        episodes need not end: the ratio of a whole trajectory does not exist then.

    Notes
    -----
    Time O(T S^2), O(S^3) without a horizon. Precup, Sutton and Singh (2000) for the estimators.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> found = importance_sampling_moments(mdp, [[0.0, 1.0]], [[0.5, 0.5]])
    >>> found.mean, found.variance  # 8 with probability 1/4
    (array([2.]), array([12.]))
    >>> importance_sampling_moments(mdp, [[0.0, 1.0]], [[0.5, 0.5]], kind="per_decision").variance
    array([6.])
    """
    if kind not in ("trajectory", "per_decision", "weight"):
        raise ModelError(f"kind is {kind!r}; it must be 'trajectory', 'per_decision' or 'weight'.")
    mdp, policy, behaviour = seen_apart(mdp, policy, behaviour)
    steps, acting = Steps(mdp), Acting(mdp, policy, behaviour)
    length = check_length(mdp, horizon)
    if kind == "per_decision":
        nothing = np.zeros(mdp.R.shape)
        return _corrected(steps, acting, length, nothing, np.zeros(mdp.n_states))
    if length is None and not acting.ends:
        raise ModelError(
            "without a horizon the ratio of a whole trajectory needs episodes that end almost "
            "surely, and under this policy they need not. Give horizon=, or kind='per_decision'."
        )
    power = 0 if kind == "weight" else 1
    mean = mdp.mu @ _powers(steps, acting, acting.q1, length)[power]
    if length is None and not _squares_exist(steps, acting, 1.0):
        return _infinite(mean, steps, acting, 1.0)
    second = mdp.mu @ _powers(steps, acting, acting.q2, length)[2 * power]
    return _moments(mean, second)


def doubly_robust_moments(
    mdp: MDP,
    policy: Any,
    behaviour: Any = None,
    *,
    Q: Any,
    V: Any = None,
    horizon: int | None = None,
) -> Moments:
    """Mean and variance of the doubly robust estimate of J.

    The estimate is x_0 with x_t = V(s_t) + w_t (r_t + gamma x_{t+1} - Q(s_t, a_t)).

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
        Which is evaluated.
    behaviour : (S, A) array_like, optional
        Who acts; the policy itself if omitted.
    Q : (S, A), (T, S, A) or (T+1, S, A) array_like, reward units
        The critic; not asked at refused pairs.
    V : (S,) or (T+1, S) array_like, reward units, optional
        The mean of Q over the policy if omitted: then the estimate is unbiased. Any other V biases
        it, and the mean says by how much. 0 on terminal states and where the model's own horizon
        ends; where ``horizon`` only cuts, x is V (at time T, its last row).
    horizon : int, optional
        Stop after so many actions. The model's own if omitted; without one, never.

    Returns
    -------
    Moments
        Of shape (1,). ``variance`` is inf where the squared ratios grow faster than gamma^2 shrinks
        them.

    Raises
    ------
    ModelError
        If the behaviour never takes an action that the policy takes; if Q or V does not fit; if
        there is no horizon, gamma is 1 and episodes need not end.

    Notes
    -----
    Time O(T S^2 A), O(S^3) without a horizon. Jiang and Li (2016) for the estimator.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> exact = [[[1.0, 2.0]], [[0.0, 1.0]]]
    >>> found = doubly_robust_moments(mdp, [[0.0, 1.0]], [[0.5, 0.5]], Q=exact)
    >>> found.mean, found.variance
    (array([2.]), array([0.]))
    """
    length = check_length(mdp, horizon)
    q = as_floats(Q, "Q")
    timed_shapes = [] if length is None else [(T, *mdp.R.shape) for T in (length, length + 1)]
    if q.shape not in (mdp.R.shape, *timed_shapes):
        times = "".join(f" or {shape}" for shape in timed_shapes)
        raise ModelError(f"Q has shape {q.shape}; it must be (S, A) = {mdp.R.shape}{times}.")
    q = np.where(mdp.allowed, q, 0.0)
    if V is None:
        pi = split_policy(mdp, policy)[0]
        v = np.einsum("sa,...sa->...s", pi, q)
        if (
            v.ndim == 2 and len(v) == length
        ):  # what a cut leaves over is worth what the last critic says
            v = np.concatenate((v, v[-1:]))
    else:
        v = as_floats(V, "V")
    wide, policy, behaviour = seen_apart(mdp, policy, behaviour)
    q = tiled(mdp, wide, q if q.ndim == 2 else q[:length], axis=q.ndim - 1)
    return _corrected(Steps(wide), Acting(wide, policy, behaviour), length, q, v)


def _corrected(
    steps: Steps, acting: Acting, length: int | None, q: FloatArray, v: FloatArray
) -> Moments:
    """Of x = v + w (r + gamma x' - q); all zeros make it the per-decision estimate."""
    mdp = steps.mdp
    if length is None:
        return _corrected_forever(
            steps, acting, q.reshape(-1), stationary(v, mdp, "V") * steps.live
        )
    values = timed(v, mdp, length + 1, "V") * steps.live
    critic = np.broadcast_to(q, (length, *mdp.R.shape)).reshape(length, -1)
    x = np.zeros(mdp.n_states) if length == mdp.horizon else values[length]
    square = x**2
    for t in reversed(range(length)):
        rewards = steps.rewards_at(t, length)
        e1, e2 = _errors(steps, rewards, x, square, critic[t])
        corrections = over_actions(acting.q1, e1)
        square = values[t] ** 2 + 2 * values[t] * corrections + over_actions(acting.q2, e2)
        x = values[t] + corrections
    return _moments(mdp.mu @ x, mdp.mu @ square)


def _errors(
    steps: Steps, rewards: Rewards, x: FloatS, square: FloatS, q: FloatS
) -> tuple[FloatS, FloatS]:
    """First and second moments of r + gamma x' - q given the pair, (S*A,)."""
    gamma = steps.mdp.gamma
    target = rewards.mean + gamma * (steps.P @ x)
    e2 = rewards.second + 2 * gamma * (rewards.first @ x) + gamma**2 * (steps.P @ square)
    return target - q, e2 - 2 * q * target + q**2


def _corrected_forever(steps: Steps, acting: Acting, q: FloatS, v: FloatS) -> Moments:
    mdp, gamma = steps.mdp, steps.mdp.gamma
    if gamma == 1 and not acting.ends:
        raise ModelError(
            "without a horizon and without a discount episodes must end almost surely, and under "
            "this policy they need not. Give horizon=."
        )
    kept = acting.reached & ~mdp.terminal
    K1, K2 = (
        kernel.to_dense(steps.mixed(steps.go, weights))[np.ix_(kept, kept)]
        for weights in (acting.q1, acting.q2)
    )
    rewards, nothing = steps.rewards(), np.zeros(mdp.n_states)
    right = v + over_actions(acting.q1, rewards.mean - q)
    x = solve_kept(gamma, K1, kept, right)
    if not _squares_exist(steps, acting, gamma):
        return _infinite(mdp.mu @ x, steps, acting, gamma)
    _, e2 = _errors(steps, rewards, x, nothing, q)
    right = v**2 + 2 * v * (x - v) + over_actions(acting.q2, e2)
    return _moments(mdp.mu @ x, mdp.mu @ solve_kept(gamma**2, K2, kept, right))


def _powers(steps: Steps, acting: Acting, q: FloatSA, length: int | None) -> list[FloatS]:
    """E[(prod w)^k G^i | s] for i = 0, 1, 2, with weights q = b w^k."""
    mdp = steps.mdp
    ended = [1.0 * mdp.terminal, np.zeros(mdp.n_states), np.zeros(mdp.n_states)]
    if length is not None:
        m = [np.ones(mdp.n_states), *ended[1:]]
        for t in reversed(range(length)):
            rewards = steps.rewards_at(t, length)
            m = [over_actions(q, _power(steps, rewards, m, i)) + ended[i] for i in range(3)]
        return m
    kept = acting.reached & ~mdp.terminal
    chain = kernel.to_dense(steps.mixed(steps.go, q))[np.ix_(kept, kept)]
    rewards, m = steps.rewards(), ended
    for i in range(3):
        # With m_i still 0 on the live states, one step is the right-hand side.
        right = over_actions(q, _power(steps, rewards, m, i))
        m[i] = m[i] + solve_kept(mdp.gamma**i, chain, kept, right)
    return m


def _power(steps: Steps, rewards: Rewards, m: list[FloatS], i: int) -> FloatS:
    """E[(r + gamma G')^i | s, a] expanded, (S*A,)."""
    by_pair = (steps.P, rewards.first, rewards.square)
    terms = [comb(i, j) * steps.mdp.gamma**j * (by_pair[i - j] @ m[j]) for j in range(i + 1)]
    total: FloatS = np.sum(terms, axis=0)
    return total


def _squares_exist(steps: Steps, acting: Acting, factor: float) -> bool:
    """Whether the weighted squares of all steps have a finite sum."""
    if acting.on_policy:  # weights of 1: the means exist, so do the squares
        return True
    return factor**2 * squared_radius(steps, acting) < 1 - 1e-12


def _infinite(mean: float, steps: Steps, acting: Acting, factor: float) -> Moments:
    radius = factor**2 * squared_radius(steps, acting)
    note = f"the squared weights grow: spectral radius {radius:.6g} is not below 1"
    return Moments(np.array([mean]), np.array([np.inf]), note=note)


def _moments(mean: Any, second: Any) -> Moments:
    return from_second(np.array([mean]), np.array([[second]]))
