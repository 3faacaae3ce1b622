"""Exact moments of the n-step actor-critic.

Takes     an MDP, a policy, a critic, n.
Gives     `Moments` of X = sum_t c^t psi_t A_t, A_t the sum of the next n discounted TD errors.
Source    derived here. With A^m the sum of m TD errors, A^m = delta + gamma A'^(m-1), A^0 = 0, and
          X = psi A^n + c X', primes one step later, the conditional moments a_m = E[A^m|s],
          k_ij = E[A^i A^j|s], C_m = E[A^m X|s], U = E[X|s] and M = E[X X'|s] follow from those of
          the next step.
Not here  sums without an end, GAE (`_reward_to_go`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray
from ..checks import check_count
from ..model import MDP
from ._moments import Moments, from_second
from ._reward_to_go import Detail, Recursion
from ._seen import seen_apart
from ._tables import (
    Acting,
    Rewards,
    Steps,
    apply,
    over_actions,
    solve_kept,
    stationary,
    timed,
)
from ._tree import check_length


def n_step_moments(
    mdp: MDP,
    policy: Any,
    n: int,
    *,
    critic: Any,
    horizon: int | None = None,
    time_discount: float | None = None,
    detail: Detail = "covariance",
) -> Moments:
    """Mean and covariance of the n-step actor-critic, on-policy.

    The estimator is sum_t c^t psi_t (r_t + ... + gamma^(n-1) r_{t+n-1} + gamma^n v(s_{t+n})
    - v(s_t)); where the episode ends before, its sum is shorter and v is 0.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
    n : int
        Rewards before the critic is asked; 1 is `reward_to_go_moments` with a critic.
    critic : (S,) or (T+1, S) array_like, reward units
        v; 0 on terminal states and where the model's own horizon ends. Where ``horizon`` only cuts,
        v of the state there is bootstrapped.
    horizon : int, optional
        Stop after so many actions. The model's own if omitted; without one, never.
    time_discount : float, optional
        c; gamma if omitted. 1 leaves gamma^t out.
    detail : {"covariance", "variance", "mean"}

    Returns
    -------
    Moments

    Raises
    ------
    ModelError
        If n or the critic does not fit; if episodes do not end and a discount is 1.

    Notes
    -----
    Time O(T (n^2 S^2 A + n S^2 A D + S^2 D^2)) for a covariance, less if P is sparse; without a
    horizon O(S^3 + n^2 S^2 A + n S^2 A D + S^2 D^2). Memory O(n^2 S + n S D + S D^2).

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> moments = n_step_moments(mdp, [[0.5, 0.5]], 2, critic=0.0)
    >>> moments.mean, moments.variance
    (array([-0.5,  0.5]), array([0.375, 0.375]))
    """
    n = check_count(n, "n")
    mdp, policy, _ = seen_apart(mdp, policy, None)
    steps, acting = Steps(mdp), Acting(mdp, policy, None)
    c = mdp.gamma if time_discount is None else time_discount
    K = steps.mixed(steps.go, acting.q1)
    recursion = Recursion(steps, acting, mdp.gamma, c, detail, K, K)
    length = check_length(mdp, horizon)
    if length is None:
        return _forever(recursion, n, stationary(critic, mdp, "critic"))
    zeros = np.zeros(mdp.R.size)
    values, tails = timed(critic, mdp, length + 1, "critic"), _Tails.nothing(recursion, n)
    for t in reversed(range(length)):
        rewards = steps.rewards_at(t, length, values)
        now = _sums(recursion, rewards, tails)
        U = _scores(recursion, now.A[:, -1]) + c * apply(K, tails.U)
        if detail == "mean":
            tails = replace(tails, a=now.a, U=U)
            continue
        C = _with_sums(recursion, rewards, now, tails)
        M = recursion.products(now.k2[:, -1, -1], tails.U, tails.C[:, n - 1], rewards, zeros)
        tails = _Tails(now.a, now.k, U, C, M + c**2 * apply(K, tails.M))
    return _answer(recursion, tails)


@dataclass(frozen=True, slots=True)
class _Tails:
    """Conditional moments of what follows, for each state."""

    a: FloatArray  # (S, n+1): E[A^m], 0 for m = 0
    k: FloatArray  # (S, n+1, n+1): E[A^i A^j]
    U: FloatArray  # (S, D): E[X]
    C: FloatArray  # (S, n+1, D): E[A^m X]
    M: FloatArray  # (S, D, D): E[X X'], or its diagonal (S, D)

    @classmethod
    def nothing(cls, recursion: Recursion, n: int) -> _Tails:
        """What follows an end."""
        n_states, size = recursion.steps.mdp.n_states, recursion.acting.size
        outer = (size, size) if recursion.detail == "covariance" else (size,)
        return cls(
            np.zeros((n_states, n + 1)),
            np.zeros((n_states, n + 1, n + 1)),
            np.zeros((n_states, size)),
            np.zeros((n_states, n + 1, size)),
            np.zeros((n_states, *outer)),
        )


@dataclass(frozen=True, slots=True)
class _Sums:
    """Moments of the sums A^m of one step, given the state; and A, k2 given the action too."""

    a: FloatArray
    k: FloatArray
    A: FloatArray  # (S*A, n): E[A^m], m = 1, ..., n
    k2: FloatArray  # (S*A, n, n)


def _sums(recursion: Recursion, rewards: Rewards, after: _Tails) -> _Sums:
    steps, q, gamma = recursion.steps, recursion.acting.q1, recursion.kappa
    shorter = after.a[:, :-1]
    A = rewards.mean[:, None] + gamma * apply(steps.P, shorter)
    cross = gamma * apply(rewards.first, shorter)
    k2 = cross[:, :, None] + cross[:, None, :] + rewards.second[:, None, None]
    k2 += gamma**2 * apply(steps.P, after.k[:, :-1, :-1])
    a, k = np.zeros_like(after.a), np.zeros_like(after.k)
    a[:, 1:], k[:, 1:, 1:] = over_actions(q, A), over_actions(q, k2)
    return _Sums(a, k, A, k2)


def _scores(recursion: Recursion, of_pairs: FloatArray) -> FloatArray:
    """sum_a pi psi f, (S, D), from f (S*A,)."""
    return recursion.acting.scored(recursion.acting.q1.reshape(-1) * of_pairs)


def _with_sums(recursion: Recursion, rewards: Rewards, now: _Sums, after: _Tails) -> FloatArray:
    """C_m = sum_a pi (psi k_mn + c (P(delta U') + gamma P C'_{m-1})), (S, n+1, D)."""
    steps, q = recursion.steps, recursion.acting.q1
    C = np.zeros_like(after.C)
    paid = apply(steps.mixed(rewards.paid, q), after.U)
    for m in range(1, C.shape[1]):
        later = paid + recursion.kappa * apply(recursion.K1, after.C[:, m - 1])
        C[:, m] = _scores(recursion, now.k2[:, m - 1, -1]) + recursion.c * later
    return C


def _forever(recursion: Recursion, n: int, critic: FloatArray) -> Moments:
    """Without a horizon: A^m needs n steps, U and M are fixed points of one."""
    steps, acting, c = recursion.steps, recursion.acting, recursion.c
    recursion.check_ends()
    kept = acting.reached & ~steps.mdp.terminal
    chain = kernel.to_dense(recursion.K1)[np.ix_(kept, kept)]
    rewards = steps.rewards(steps.critic(critic, critic))
    tails = _Tails.nothing(recursion, n)
    for _ in range(n):  # sums of m terms are right after m steps
        now = _sums(recursion, rewards, tails)
        tails = replace(tails, a=now.a, k=now.k)
    U = solve_kept(c, chain, kept, _scores(recursion, now.A[:, -1]))
    tails = replace(tails, U=U)
    if recursion.detail == "mean":
        return _answer(recursion, tails)
    for _ in range(n - 1):
        tails = replace(tails, C=_with_sums(recursion, rewards, now, tails))
    right = recursion.products(
        now.k2[:, -1, -1], U, tails.C[:, n - 1], rewards, np.zeros(len(now.A))
    )
    return _answer(recursion, replace(tails, M=solve_kept(c**2, chain, kept, right)))


def _answer(recursion: Recursion, tails: _Tails) -> Moments:
    mu = recursion.steps.mdp.mu
    mean = mu @ tails.U
    if recursion.detail == "mean":
        return Moments(mean, None)
    return from_second(mean, np.tensordot(mu, tails.M, axes=1))
