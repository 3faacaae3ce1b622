"""Exact moments of score times what follows: one recursion for a family of estimators.

Takes     an MDP, a policy, and which estimator: baseline, critic, discounts.
Gives     `Moments` of X = sum_t c^t (prod w) psi_t (G_t - baseline) for one trajectory.
Source    derived here. With one step written backward, G = w (r + kappa G') and
          X = psi (G - w baseline) + c w X', primes one step later, the conditional moments
          V = E[G|s], W = E[G^2|s], U = E[X|s], C = E[G X|s], M = E[X X'|s] follow from those of
          the next step; G, X and the score share a step only through its action, successor and
          reward. For an infinite horizon each line is a linear equation.
Not here  the whole return (`_whole_return`): it multiplies all scores with one number.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS
from ..errors import ModelError
from ..model import MDP
from ._moments import Moments, from_second
from ._seen import seen_apart
from ._tables import (
    Acting,
    Rewards,
    Steps,
    apply,
    over_actions,
    solve_kept,
    squared_radius,
    stationary,
    timed,
)

Detail = Literal["covariance", "variance", "mean"]


@dataclass(frozen=True, slots=True)
class Tails:
    """Conditional moments of what follows, for each state: V, W (S,), U, C (S, D), M (S, D, D)."""

    V: FloatS
    W: FloatS
    U: FloatArray
    C: FloatArray
    M: FloatArray  # (S, D, D), or (S, D): its diagonal, or (S, 0)


def reward_to_go_moments(
    mdp: MDP,
    policy: Any,
    *,
    behaviour: Any = None,
    horizon: int | None = None,
    baseline: Any = None,
    critic: Any = None,
    return_discount: float | None = None,
    time_discount: float | None = None,
    truncation: Literal["fixed", "geometric"] = "fixed",
    detail: Detail = "covariance",
) -> Moments:
    """Mean and covariance of the reward-to-go (GPOMDP) and actor-critic estimators.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
        Whose gradient is estimated.
    behaviour : (S, A) array_like, optional
        Who acts; the estimator then weights each decision by the ratios so far.
    horizon : int, optional
        Stop after so many actions. The model's own if omitted; without one, never.
    baseline : float, (S,) or (T, S) array_like, reward units, optional
        Subtracted from what follows.
    critic : (S,) or (T+1, S) array_like, reward units, optional
        With a critic v, rewards are r + gamma v(s') - v(s): v is 0 on terminal states and where a
        finite horizon ends; where ``horizon`` only cuts, v(s') is kept (bootstrapped).
    return_discount : float, optional
        kappa; gamma if omitted, without a critic; 0 (one-step actor-critic) with one.
        gamma * lambda gives GAE(lambda).
    time_discount : float, optional
        c; gamma if omitted. 1 leaves gamma^t out.
    truncation : {"fixed", "geometric"}
        "geometric": after each reward the trajectory goes on with probability gamma only. The
        discounts kappa and c are then 1 if omitted: survival discounts already.
    detail : {"covariance", "variance", "mean"}

    Returns
    -------
    Moments

    Raises
    ------
    ModelError
        If the behaviour never takes an action that the policy takes; if episodes do not end and a
        discount is 1.

    Notes
    -----
    Time O(T (S^2 D^2 + S^2 A D)) for a covariance and O(T S^2 D) for variances, less if P is
    sparse; without a horizon O(S^3 + S^2 D^2), or O(S^3 + S^2 D). Memory O(S D^2), or O(S A D).
    Without a horizon the second moments exist if and only if max(c, kappa)^2 K_2 has a spectral
    radius below 1 on the states that are reached, K_2 the chain weighted by the squared ratios.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> moments = reward_to_go_moments(mdp, [[0.5, 0.5]])
    >>> moments.mean, moments.covariance
    (array([-0.25,  0.25]), array([[ 0.0625, -0.0625],
           [-0.0625,  0.0625]]))
    """
    if truncation not in ("fixed", "geometric"):
        raise ModelError(f"truncation is {truncation!r}; it must be 'fixed' or 'geometric'.")
    survives = truncation == "geometric"
    mdp, policy, behaviour = seen_apart(mdp, policy, behaviour)
    steps = Steps(mdp, survival=mdp.gamma if survives else 1.0)
    acting = Acting(mdp, policy, behaviour)
    discount = 1.0 if survives else mdp.gamma
    c = discount if time_discount is None else time_discount
    kappa = return_discount
    if kappa is None:
        kappa = discount if critic is None else 0.0
    length = mdp.horizon if horizon is None else horizon
    K1, K2 = (steps.mixed(steps.go, q) for q in (acting.q1, acting.q2))
    recursion = Recursion(steps, acting, kappa, c, detail, K1, K2)
    if length is None:
        values = None if critic is None else stationary(critic, mdp, "critic")
        return recursion.forever(stationary(baseline, mdp, "baseline"), values)
    at_time = timed(baseline, mdp, length, "baseline")
    values = None if critic is None else timed(critic, mdp, length + 1, "critic")
    return recursion.backward(length, at_time, values)


@dataclass(frozen=True, slots=True)
class Recursion:
    """The lines of one step, for this family."""

    steps: Steps
    acting: Acting
    kappa: float
    c: float
    detail: Detail
    K1: Any  # sum_a q1 P, (S, S)
    K2: Any  # sum_a q2 P, (S, S)

    def backward(self, length: int, baseline: FloatArray, critic: FloatArray | None) -> Moments:
        """From the end of the horizon to time 0."""
        mdp = self.steps.mdp
        n, size = mdp.n_states, self.acting.size
        outer = {"covariance": (size, size), "variance": (size,), "mean": (0,)}[self.detail]
        tails = Tails(
            np.zeros(n),
            np.zeros(n),
            np.zeros((n, size)),
            np.zeros((n, size)),
            np.zeros((n, *outer)),
        )
        for t in range(length - 1, -1, -1):
            rewards = self.steps.rewards_at(t, length, critic)
            tails = self._one_step(tails, rewards, baseline[t])
        return self._answer(tails)

    def _one_step(self, after: Tails, rewards: Rewards, bl: FloatS) -> Tails:
        steps, acting, kappa, c = self.steps, self.acting, self.kappa, self.c
        q1, q2, P = acting.q1, acting.q2, steps.P
        base = np.repeat(bl, q1.shape[1])
        e1 = rewards.mean + kappa * (P @ after.V)
        V = over_actions(q1, e1)
        U = acting.scored(q1.reshape(-1) * (e1 - base)) + c * apply(self.K1, after.U)
        if self.detail == "mean":
            return replace(after, V=V, U=U)
        e2 = rewards.second + 2 * kappa * (rewards.first @ after.V) + kappa**2 * (P @ after.W)
        W = over_actions(q2, e2)
        C = acting.scored(q2.reshape(-1) * (e2 - base * e1)) + c * kappa * apply(self.K2, after.C)
        C += c * apply(steps.mixed(rewards.paid, q2), after.U)
        M = self.products(e2 - 2 * base * e1 + base**2, after.U, after.C, rewards, base)
        return Tails(V, W, U, C, M + c**2 * apply(self.K2, after.M))

    def products(
        self, square: FloatS, U: FloatArray, C: FloatArray, rewards: Rewards, base: FloatS
    ) -> FloatArray:
        """sum_a q2 (psi psi' square + c (psi x' + x psi')), or its diagonal.

        x = E[(G / w - baseline) X' | s, a] = P(r U') + kappa P C' - baseline P U'.
        """
        steps, acting, kappa = self.steps, self.acting, self.kappa
        n_states, n_actions = acting.q2.shape
        square = square.reshape(n_states, n_actions, 1)
        if self.detail == "variance":  # x is wanted only where the score is not 0
            at, psi = acting.columns, acting.local
            x = steps.local(rewards.paid, U, at) + kappa * steps.local(steps.go, C, at)
            x -= base[:, None] * steps.local(steps.go, U, at)
            half = psi * square / 2 + self.c * x.reshape(psi.shape)
            return acting.spread(2 * (acting.q2[:, :, None] * psi * half).sum(axis=1))
        psi = acting.score
        x = apply(rewards.first, U) + kappa * apply(steps.P, C) - base[:, None] * apply(steps.P, U)
        half = psi * square / 2 + self.c * x.reshape(psi.shape)
        weighted = acting.q2[:, :, None] * psi
        product: FloatArray = np.matmul(weighted.transpose(0, 2, 1), half)
        return product + product.transpose(0, 2, 1)

    def _answer(self, tails: Tails) -> Moments:
        mu = self.steps.mdp.mu
        mean = mu @ tails.U
        if self.detail == "mean":
            return Moments(mean, None)
        return from_second(mean, np.tensordot(mu, tails.M, axes=1))

    def forever(self, bl: FloatS, critic: FloatS | None) -> Moments:
        """Without a horizon: the fixed point of one step, line by line."""
        steps, acting, kappa, c = self.steps, self.acting, self.kappa, self.c
        mdp = steps.mdp
        q1, q2, P = acting.q1, acting.q2, steps.P
        kept = acting.reached & ~mdp.terminal
        self.check_ends()
        rewards = steps.rewards(None if critic is None else steps.critic(critic, critic))
        base = np.repeat(bl, mdp.n_actions)

        def solve(factor: float, matrix: Any, right: FloatArray) -> FloatArray:
            return solve_kept(factor, kernel.to_dense(matrix)[np.ix_(kept, kept)], kept, right)

        V = solve(kappa, self.K1, over_actions(q1, rewards.mean))
        e1 = rewards.mean + kappa * (P @ V)
        U = solve(c, self.K1, acting.scored(q1.reshape(-1) * (e1 - base)))
        if self.detail == "mean":
            return self._answer(Tails(V, V, U, U, np.zeros((mdp.n_states, 0))))
        if not acting.on_policy:
            radius = max(c, kappa) ** 2 * squared_radius(steps, acting)
            if not radius < 1 - 1e-12:
                mean = mdp.mu @ U
                infinite = np.full(len(mean), np.inf)
                note = f"the squared weights grow: spectral radius {radius:.6g} is not below 1"
                return Moments(mean, infinite, note=note)
        rV = rewards.first @ V
        W = solve(kappa**2, self.K2, over_actions(q2, rewards.second + 2 * kappa * rV))
        e2 = rewards.second + 2 * kappa * rV + kappa**2 * (P @ W)
        right = acting.scored(q2.reshape(-1) * (e2 - base * e1))
        C = solve(c * kappa, self.K2, right + c * apply(steps.mixed(rewards.paid, q2), U))
        M = self.products(e2 - 2 * base * e1 + base**2, U, C, rewards, base)
        return self._answer(Tails(V, W, U, C, solve(c**2, self.K2, M)))

    def check_ends(self) -> None:
        """Every series must converge: its factor below 1, or episodes that end almost surely."""
        factor = max(self.kappa, self.c)
        ends = self.acting.ends or self.steps.survival < 1
        if factor > 1 or (factor == 1 and not ends):
            raise ModelError(
                "without a horizon this estimator needs episodes that end almost surely: its "
                "scores are not discounted, and under this policy they never stop. Give horizon=."
            )
