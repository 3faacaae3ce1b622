"""The least and the largest return of any path from a state, whatever its probability.

Takes     an MDP, the branches a policy can take, and the states after which nothing is paid.
Gives     low and high: (H+1, S), or (1, S) without a horizon; +-inf where nothing bounds them.
Source    Bellman (1958): U(s) = max over the branches of r + gamma U(s'). Each U >= max (r + gamma
          U') bounds the return of every path that ends, or that is discounted.
Not here  probabilities (`_paths`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..arrays import EPS, BoolS, FloatArray, FloatS, IntArray, IntS
from ..model import MDP
from ._centred import two_sum

SWEEPS = 1000
"""Decisions that are looked ahead; what takes longer is bounded more coarsely."""


class Branches(NamedTuple):
    """What can happen in each state under a policy, state after state."""

    first: IntS  # where the branches of a state begin
    counts: IntS
    to: IntArray
    reward: FloatArray
    prob: FloatArray

    def most(self, of_branches: FloatArray, over: BoolS) -> FloatS:
        """The largest number among the branches of each state; 0 where all is over."""
        found = np.zeros(len(self.first))
        there = self.counts > 0
        found[there] = np.maximum.reduceat(of_branches, self.first[there])
        found[over] = 0.0
        return found


def ranges(
    mdp: MDP, over: BoolS, branches: Callable[[int], Branches]
) -> tuple[FloatArray, FloatArray]:
    """Low and high, round-off included.

    Parameters
    ----------
    mdp : MDP
    over : (S,) array of bool
        Where nothing is paid any more. Without a horizon and discount an episode must get there.
    branches : function int -> Branches
        By time.

    Returns
    -------
    low, high : (H+1, S) or (1, S) arrays, reward units
    """
    if mdp.horizon is not None:
        worth = np.zeros(mdp.n_states) if mdp.final is None else np.array(mdp.final)
        return -_backward(mdp, over, branches, -1.0, -worth), _backward(
            mdp, over, branches, 1.0, worth
        )
    largest = _discounted if mdp.gamma < 1 else _undiscounted
    return -largest(mdp, over, branches(0), -1.0)[None], largest(mdp, over, branches(0), 1.0)[None]


def _backward(
    mdp: MDP, over: BoolS, branches: Callable[[int], Branches], sign: float, worth: FloatS
) -> FloatArray:
    """With a horizon: exact but for round-off."""
    horizon = mdp.horizon or 0
    U = np.zeros((horizon + 1, mdp.n_states))
    U[horizon] = np.where(over, 0.0, worth)
    size = 0.0
    for t in range(horizon - 1, -1, -1):
        at = branches(t)
        gains = sign * at.reward + mdp.gamma * U[t + 1][at.to]
        U[t] = at.most(gains, over)
        size = max(size, float(np.abs(U).max()) + float(np.abs(at.reward).max()))
    return np.where(over, U, U + 2 * (horizon + 1) * EPS * size)


def _discounted(mdp: MDP, over: BoolS, at: Branches, sign: float) -> FloatS:
    """From what nobody exceeds, max r / (1 - gamma), downwards; where all is over r is 0."""
    reward = sign * at.reward
    top = float(reward.max()) / (1 - mdp.gamma)
    size = abs(top) + float(np.abs(reward).max())
    U = np.where(over, 0.0, top)
    sweeps = min(mdp.n_states, SWEEPS)
    for _ in range(sweeps):  # along a path without a circle that is exact
        U = np.minimum(U, at.most(reward + mdp.gamma * U[at.to], over))
    size += float(np.abs(U).max())
    return np.where(over, 0.0, U + 2 * (sweeps + 4) * EPS * size)


def _undiscounted(mdp: MDP, over: BoolS, at: Branches, sign: float) -> FloatS:
    """Longest paths, from below; what still grows after S decisions has a circle that gains.

    Sums are rounded up, so that what does not grow is a bound, to the last bit.
    """
    U = np.where(over, 0.0, -np.inf)
    grows = ~over
    for _ in range(min(mdp.n_states, SWEEPS) + 1):
        with np.errstate(invalid="ignore"):  # what is lost of -inf is no number
            total, gone = two_sum(sign * at.reward, U[at.to])
        total = np.where(gone > 0, np.nextafter(total, np.inf), total)
        following = at.most(total, over)
        grows = following > U
        if not grows.any():
            break
        U = np.maximum(following, U)
    U[grows | (U == -np.inf)] = np.inf  # or the end is further away than that
    while True:
        caught = at.most(np.where(np.isinf(U[at.to]), np.inf, 0.0), over) > 0
        if not (caught & ~np.isinf(U)).any():
            return U
        U[caught] = np.inf
