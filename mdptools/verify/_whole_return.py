"""Exact moments of REINFORCE on the whole return: X = (G_0 - baseline) sum_t psi_t.

Takes     an MDP, a policy, a baseline.
Gives     `Moments` for one trajectory, and the best constant baseline.
Source    derived here. G = r + kappa G' and Z = psi + Z' give closed recursions for
          m_i = E[G^i], z_i = E[G^i Z], Z_i = E[G^i Z Z'], i = 0, 1, 2, under weights q; off-policy
          the mean takes q with the ratios, the second moment with their squares.
Not here  reward-to-go (`_reward_to_go`).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, FloatSA
from ..errors import ModelError
from ..model import MDP
from ._moments import Moments, from_second
from ._reward_to_go import Detail
from ._seen import seen_apart
from ._tables import (
    Acting,
    Rewards,
    Steps,
    apply,
    over_actions,
    solve_kept,
    squared_radius,
)


def whole_return_moments(
    mdp: MDP,
    policy: Any,
    *,
    behaviour: Any = None,
    horizon: int | None = None,
    baseline: float = 0.0,
    detail: Detail = "covariance",
) -> Moments:
    """Mean and covariance of whole-return REINFORCE with a constant baseline.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
    behaviour : (S, A) array_like, optional
        Who acts; the estimator is then weighted by the ratio of the whole trajectory.
    horizon : int, optional
        Stop after so many actions. The model's own if omitted; without one, at termination.
    baseline : float, reward units
    detail : {"covariance", "variance", "mean"}

    Returns
    -------
    Moments

    Raises
    ------
    ModelError
        If there is no horizon and episodes do not end almost surely: the scores, which are not
        discounted, then never stop.

    Notes
    -----
    Time O(T S^2 D^2) for a covariance, O(T S^2 D) for variances, memory O(S D^2).

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> whole_return_moments(mdp, [[0.5, 0.5]], baseline=0.5).variance
    array([0., 0.])
    """
    mdp, policy, behaviour = seen_apart(mdp, policy, behaviour)
    steps, acting = Steps(mdp), Acting(mdp, policy, behaviour)
    length = mdp.horizon if horizon is None else horizon
    if length is None and not acting.ends:
        raise ModelError(
            "without a horizon whole-return REINFORCE needs episodes that end almost surely: its "
            "scores are not discounted, and under this policy they never stop. Give horizon=."
        )
    # On-policy the weights are 1, and one run gives the mean as well.
    means = _Powers(steps, acting, acting.q1, detail if acting.on_policy else "mean").run(length)
    mu = mdp.mu
    mean = mu @ means.z[1] - baseline * (mu @ means.z[0])
    if detail == "mean":
        return Moments(mean, None)
    squares = means
    if not acting.on_policy:
        if length is None and not squared_radius(steps, acting) < 1 - 1e-12:
            note = "the squared importance weights of whole trajectories grow without bound"
            return Moments(mean, np.full(len(mean), np.inf), note=note)
        squares = _Powers(steps, acting, acting.q2, detail).run(length)
    Z = [np.tensordot(mu, squares.Z[i], axes=1) for i in range(3)]
    return from_second(mean, Z[2] - 2 * baseline * Z[1] + baseline**2 * Z[0])


@dataclass(slots=True)
class _Joint:
    """m_i (S,), z_i (S, D), Z_i (S, D, D) or its diagonal (S, D), for i = 0, 1, 2."""

    m: list[FloatS]
    z: list[FloatArray]
    Z: list[FloatArray]


@dataclass(frozen=True, slots=True)
class _Powers:
    steps: Steps
    acting: Acting
    q: FloatSA
    detail: Detail

    def run(self, length: int | None) -> _Joint:
        """The joint moments at time 0."""
        return self._forever() if length is None else self._backward(length)

    def _empty(self) -> _Joint:
        n, size = len(self.q), self.acting.size
        outer = {"covariance": (size, size), "variance": (size,), "mean": (0,)}[self.detail]
        return _Joint(
            [np.zeros(n) for _ in range(3)],
            [np.zeros((n, size)) for _ in range(3)],
            [np.zeros((n, *outer)) for _ in range(3)],
        )

    def _backward(self, length: int) -> _Joint:
        mdp = self.steps.mdp
        after = self._empty()
        after.m[0][:] = 1.0
        for t in range(length - 1, -1, -1):
            rewards = self.steps.rewards_at(t, length)
            before = self._empty()
            for i in range(3):
                self._line(i, rewards, after, before)
            before.m[0] += mdp.terminal
            after = before
        return after

    def _line(self, i: int, rewards: Rewards, after: _Joint, out: _Joint) -> None:
        """Line i one step earlier: G^i = (r + kappa G')^i, expanded."""
        steps, acting, q = self.steps, self.acting, self.q
        terms = [(comb(i, j) * steps.mdp.gamma**j, i - j, j) for j in range(i + 1)]
        by_pair = (steps.P, rewards.first, rewards.square)
        weights = (steps.go, rewards.paid, rewards.squared)
        chains = [factor * steps.mixed(weights[d], q) for factor, d, _ in terms]
        A = np.sum([factor * (by_pair[d] @ after.m[j]) for factor, d, j in terms], axis=0)
        out.m[i] = over_actions(q, A)
        out.z[i] = acting.scored(q.reshape(-1) * A)
        for chain, (*_, j) in zip(chains, terms, strict=True):
            out.z[i] += apply(chain, after.z[j])
        if self.detail == "mean":
            return
        A = A.reshape(*q.shape, 1)
        if self.detail == "variance":  # what follows is wanted only where the score is not 0
            at, psi = acting.columns, acting.local
            parts = [f * steps.local(weights[d], after.z[j], at) for f, d, j in terms]
            half = psi * A / 2 + np.sum(parts, axis=0).reshape(psi.shape)
            out.Z[i] = acting.spread(2 * (q[:, :, None] * psi * half).sum(axis=1))
        else:
            psi = acting.score
            parts = [f * apply(by_pair[d], after.z[j]) for f, d, j in terms]
            half = psi * A / 2 + np.sum(parts, axis=0).reshape(psi.shape)
            product = np.matmul((q[:, :, None] * psi).transpose(0, 2, 1), half)
            out.Z[i] = product + product.transpose(0, 2, 1)
        for chain, (*_, j) in zip(chains, terms, strict=True):
            out.Z[i] += apply(chain, after.Z[j])

    def _forever(self) -> _Joint:
        """Line by line: (I - kappa^i K) x_i = what lower powers and the scores contribute."""
        mdp = self.steps.mdp
        kept = self.acting.reached & ~mdp.terminal
        K = kernel.to_dense(self.steps.mixed(self.steps.go, self.q))[np.ix_(kept, kept)]
        rewards = self.steps.rewards()
        found = self._empty()
        found.m[0] += mdp.terminal
        for i in range(3):
            for part in ("m", "z", "Z"):
                trial = self._empty()
                self._line(i, rewards, found, trial)
                known = getattr(found, part)
                # With x_i still 0 on the live states, the trial line is the right-hand side.
                right = getattr(trial, part)[i]
                known[i] = known[i] + solve_kept(mdp.gamma**i, K, kept, right)
                if self.detail == "mean" and part == "z":
                    break
        return found
