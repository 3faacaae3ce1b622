"""Exact moments of Monte Carlo values: returns from the first visit, or from all of them.

Takes     an MDP, a policy, a state; how many episodes are pooled.
Gives     `Moments` of the mean of the returns that follow visits.
Source    derived here. With N the visits of an episode and Y the sum of the returns from them,
          Y = sum_t r_t E_t with E_t = gamma E_{t-1} + 1{s_t = state}: on a horizon the moments of
          (E, Y) on {N = n, s_t = s} are carried forward. Without one an episode renews itself at
          each visit (`_renewal`). The mean of Y / N is sum_n E[Y 1{N = n}] / n.
Not here  the estimators; weighted importance sampling, which is a ratio as well.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ..model import MDP
from ._moments import Moments, from_second
from ._renewal import Counted, renewed
from ._tables import Acting, Steps
from ._tree import check_length


def visit_moments(
    mdp: MDP,
    policy: Any,
    state: int,
    *,
    kind: Literal["first", "every"] = "every",
    episodes: int = 1,
    horizon: int | None = None,
    given_visit: bool = False,
) -> Moments:
    """Mean and variance of first-visit or every-visit Monte Carlo in one state.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
        Who acts.
    state : int
    kind : {"first", "every"}
        The return from the first visit of each episode; or the returns from all visits.
    episodes : int
        Pooled: the returns of all their visits, divided by the number of all visits.
    horizon : int, optional
        Stop after so many actions, where returns stop as well. The model's own if omitted; without
        one, at termination.
    given_visit : bool
        Given that there is a visit. Otherwise the estimate without one is 0.

    Returns
    -------
    Moments
        Of shape (1,).

    Raises
    ------
    ModelError
        If there is no such state; if ``given_visit`` and it is never visited; if there is no
        horizon and episodes need not end.

    Notes
    -----
    First-visit is unbiased for V(state) given a visit, except under a fixed horizon, where later
    visits see less of the rewards. Every-visit is biased: how often an episode comes back, and what
    it earns, depend on each other. Time O(T^2 S^2 + (T k)^2 log k) for k episodes; without a
    horizon O(S^3 + (L k)^2 log k), L the visits that occur with probability above 1e-20.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=1.0, mu=[1.0, 0.0])
    >>> visit_moments(mdp, [[1.0], [1.0]], 0, kind="first").mean  # V is 2
    array([2.])
    >>> visit_moments(mdp, [[1.0], [1.0]], 0).mean
    array([1.5])
    """
    if kind not in ("first", "every"):
        raise ModelError(f"kind is {kind!r}; it must be 'first' or 'every'.")
    n_states = mdp.n_states
    if isinstance(state, bool) or not isinstance(state, (int, np.integer)):
        raise ModelError(f"state is {state!r:.80}; it must be an int from 0 to {n_states - 1}.")
    if not 0 <= state < n_states:
        raise ModelError(f"state is {state}; states are 0 to {n_states - 1}.")
    k = check_count(episodes, "episodes")
    steps, acting = Steps(mdp), Acting(mdp, policy, None)
    length, first = check_length(mdp, horizon), kind == "first"
    if length is None:
        one = renewed(steps, acting, int(state), first=first)
    else:
        one = _counted(steps, acting, int(state), length, first=first)
    mean, second, seen = pooled(one, k)
    if given_visit:
        if not seen > 0:
            raise ModelError(f"state {mdp.name_of_state(int(state))} is never visited.")
        mean, second = mean / seen, second / seen
    return from_second(np.array([mean]), np.array([[second]]))


@dataclass(frozen=True, slots=True)
class _Registers:
    """Means on {N = n, s_t = s}, (L, S) each: of 1, E, Y, E^2, E Y, Y^2."""

    p: FloatArray
    e: FloatArray
    y: FloatArray
    ee: FloatArray
    ey: FloatArray
    yy: FloatArray

    def visited(self, state: int, gamma: float, *, first: bool) -> _Registers:
        """E <- gamma E, and in ``state`` E <- E + 1 and N <- N + 1: at each visit, or the first."""
        e, ee, ey = gamma * self.e, gamma**2 * self.ee, gamma * self.ey
        old = (self.p, e, self.y, ee, ey, self.yy)
        p, e, y, ee, ey, yy = (x.copy() for x in old)
        here = [x[:, state] for x in old]
        came = [*here]
        came[1] = here[1] + here[0]
        came[3] = here[3] + 2 * here[1] + here[0]
        came[4] = here[4] + here[2]
        for x, was, now in zip((p, e, y, ee, ey, yy), here, came, strict=True):
            if first:  # only N = 0 counts, and becomes 1
                x[1, state] = was[1] + now[0]
                x[0, state] = 0.0
            else:
                x[1:, state] = now[:-1]
                x[0, state] = 0.0
        return _Registers(p, e, y, ee, ey, yy)

    def paid(self, K: Any, K_r: Any, K_rr: Any) -> _Registers:
        """Y <- Y + r E, and on to the next state. K, K_r, K_rr: sum_a pi P of 1, r and r^2."""
        return _Registers(
            self.p @ K,
            self.e @ K,
            self.y @ K + self.e @ K_r,
            self.ee @ K,
            self.ey @ K + self.ee @ K_r,
            self.yy @ K + 2 * (self.ey @ K_r) + self.ee @ K_rr,
        )


def _counted(steps: Steps, acting: Acting, state: int, length: int, *, first: bool) -> Counted:
    """Forward over the steps; what has ended is set aside."""
    mdp, q = steps.mdp, acting.q1
    most = 1 if first else length
    nothing = np.zeros((most + 1, mdp.n_states))
    now = _Registers(*(nothing for _ in range(6)))
    now = replace(now, p=np.concatenate((mdp.mu[None], nothing[1:])))
    over = np.zeros((3, most + 1))
    for t in range(length):
        over += _leave(now, mdp.terminal)
        rewards = steps.rewards_at(t, length)
        chains = [steps.mixed(w, q) for w in (steps.go, rewards.paid, rewards.squared)]
        now = now.visited(state, mdp.gamma, first=first).paid(*chains)
    over += _leave(now, np.ones(mdp.n_states, dtype=np.bool_))
    return Counted(*over)


def _leave(now: _Registers, where: Any) -> FloatArray:
    """Pr(N = n), E[Y 1{N = n}] and E[Y^2 1{N = n}] of the episodes that are there, (3, L)."""
    return np.stack([x[:, where].sum(axis=1) for x in (now.p, now.y, now.yy)])


def pooled(one: Counted, k: int) -> tuple[float, float, float]:
    """E of the pooled mean of k episodes, E of its square, and the probability of a visit.

    The number of all visits is n = n_1 + ... + n_k: sums over all ways are convolutions.
    """
    rest = _power(one.p, k - 1)
    y, yy = k * np.convolve(one.y, rest), k * np.convolve(one.yy, rest)
    if k > 1:
        yy = yy + k * (k - 1) * np.convolve(np.convolve(one.y, one.y), _power(one.p, k - 2))
    n = np.maximum(np.arange(len(y)), 1)
    y[0] = yy[0] = 0.0
    seen = 1 - (1 - one.p[1:].sum()) ** k  # p[0] may be 1 but for round-off
    return float((y / n).sum()), float((yy / n**2).sum()), float(seen)


def _power(p: FloatArray, k: int) -> FloatArray:
    """The law of the sum of k independent numbers with law p, by squaring."""
    law = np.ones(1)
    while k:
        if k % 2:
            law = np.convolve(law, p)
        p, k = np.convolve(p, p), k // 2
    return law
