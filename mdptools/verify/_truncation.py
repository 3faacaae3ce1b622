"""What cutting trajectories of an endless model costs: the bias of values and gradients.

Takes     an MDP without a horizon, a policy, the number of steps after which one stops.
Gives     `TruncationBias`: both biases, exactly, and a bound on that of the gradient.
Source    the value: V minus its first H terms is gamma^H P_pi^H V. The gradient: the difference of
          two runs of the recursion. The bound is derived here: the reward at k meets the scores up
          to k, which are martingale differences, so that E|psi_0 + ... + psi_k|^2 <= (k+1) B with
          B = max_s E|psi|^2, and E[r_k | past] <= max|R|; for the tabular softmax B <= 1 - 1/A.
Not here  stopping at random with probability 1 - gamma, which has no bias:
          ``reward_to_go_moments(truncation="geometric")``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, readonly
from ..checks import check_count, check_served
from ..evaluation import evaluate
from ..markup import Shown
from ..model import MDP
from ..policies import split_policy
from ._reward_to_go import reward_to_go_moments
from ._tables import Acting, over_actions

_LONGEST = 10**6  # so many terms of a series are added; what follows is bounded


@dataclass(frozen=True, slots=True, eq=False)
class TruncationBias(Shown):
    """How far estimates from cut trajectories are from the endless model, on average.

    Attributes
    ----------
    value : float, reward units
        E of the return of H steps, minus J.
    gradient : (D,) array
        E of GPOMDP or REINFORCE of H steps, minus dJ/dtheta.
    gradient_bound : float
        The Euclidean length of ``gradient`` is at most that, whatever the transitions are; inf if
        gamma is 1.
    """

    value: float
    gradient: FloatArray
    gradient_bound: float


def truncation_bias(mdp: MDP, policy: Any, horizon: int) -> TruncationBias:
    """The biases of estimators that stop after ``horizon`` steps where the model does not.

    Parameters
    ----------
    mdp : MDP
        Discounted or total reward.
    policy : pi (S, A), or (family, theta)
    horizon : int
        H: the number of actions after which trajectories are cut, with nothing in place of what
        would have followed.

    Returns
    -------
    TruncationBias

    Raises
    ------
    ModelError
        If the model has a horizon, or the policy no values.

    Notes
    -----
    The bound is max|R| sqrt(B) sum_{k >= H} gamma^k sqrt(k + 1). Time O(H S^2 D + S^3).

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> found = truncation_bias(mdp, [[0.5, 0.5]], 3)
    >>> found.value, found.gradient, found.gradient_bound > 0.177
    (-0.125, array([ 0.0625, -0.0625]), True)
    """
    check_served(
        mdp,
        "truncation_bias",
        "discounted",
        "total",
        instead="mdp.with_objective() takes a horizon away",
    )
    horizon = check_count(horizon, "horizon")
    pi = split_policy(mdp, policy)[0]
    V = evaluate(mdp, pi).V
    law = mdp.mu
    for _ in range(horizon):
        law = kernel.push(mdp.P, law[:, None] * pi)
    value = -(mdp.gamma**horizon) * float(law @ np.where(law > 0, V, 0.0))
    short = reward_to_go_moments(mdp, policy, horizon=horizon, detail="mean").mean
    whole = reward_to_go_moments(mdp, policy, detail="mean").mean
    acting = Acting(mdp, policy, None)
    largest = over_actions(acting.q1, (acting.local**2).sum(axis=2).reshape(-1)).max(initial=0.0)
    size = float(np.abs(np.where(acting.q1 > 0, mdp.R, 0.0)).max())
    bound = size * float(np.sqrt(largest)) * _tail(mdp.gamma, horizon) if size > 0 else 0.0
    return TruncationBias(value, readonly(short - whole), bound)


def _tail(gamma: float, horizon: int) -> float:
    """sum_{k >= H} gamma^k sqrt(k + 1), from above."""
    if gamma == 1:
        return np.inf
    # Beyond k = 2 / (1 - gamma) each term is smaller than the one before by at least a fixed
    # factor; beyond 40 / (1 - gamma) next to nothing is left.
    count = int(min(40 / (1 - gamma) + 1, _LONGEST))
    k = horizon + np.arange(count)
    terms = gamma ** k.astype(float) * np.sqrt(k + 1.0)
    last = horizon + count
    factor = gamma * np.sqrt((last + 2.0) / (last + 1.0))
    if not factor < 1:
        return np.inf
    rest = gamma ** float(last) * np.sqrt(last + 1.0) / (1 - factor)
    return float(terms.sum() + rest) * (1 + 1e-9)  # the round-off of a million terms
