"""PPO's clipped surrogate on a batch of somebody else's trajectories.

Takes     `Trajectories` with logp of the old policy, the new one (family, theta), advantages.
Gives     its value and its gradient, one row for each trajectory.
Source    Schulman et al. (2017), "Proximal policy optimization algorithms", eq. (7).
Not here  the exact surrogate (gradients), steps along it (learners).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolArray, FloatArray
from ..checks import number_or_nan
from ..errors import ModelError
from ..policies import Family
from ..sampling import Trajectories
from ._compatible import step_numbers
from ._gradient import score_sum, time_discounts
from ._ratios import importance_ratios


def clipped_surrogate(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    A: Any,
    epsilon: float,
    *,
    time_discount: float | None = None,
) -> FloatArray:
    """sum_t c^t min(w_t A_t, clip(w_t, 1 - epsilon, 1 + epsilon) A_t), w_t = pi(a|s) / exp(logp).

    Estimates ``surrogate(mdp, old).clipped(new, epsilon)``, with c = gamma: how much better the new
    policy is, in reward units, as far as it may be trusted. Unbiased if A_t is the old policy's
    advantage at (s_t, a_t) (at time t, on a finite horizon) and the old policy acted to the end. An
    estimate A_t with the right mean is not enough where the ratio is clipped: min is not linear in
    A, and errors of A lower it. Where a policy saw observations ratios are those given o; what is
    clipped is then not what the mixture's ratio would clip.

    Parameters
    ----------
    trajectories : Trajectories
        Of the old policy, with its logp.
    family : Family
    theta : array
        The new policy's parameters, in the family's shape.
    gamma : float in [0, 1]
    A : (N, T) array_like, reward units
        Advantages of the old policy: `gae`, or a table at ``[s, a]``.
    epsilon : float > 0
        How far w may leave 1 and still pay.
    time_discount : float in [0, 1], optional
        c; gamma if omitted. 1 leaves gamma^t out, as most code does.

    Returns
    -------
    (N,) array, reward units

    Raises
    ------
    ModelError
        If an argument does not fit, or logp is not known.

    Notes
    -----
    The paper takes the mean over steps: that is the sum over trajectories divided by the number of
    steps, a ratio of means. Time O(N T).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> half = np.log(0.5)
    >>> steps = [[(0, 1, 1.0)], [(0, 0, 0.0)]]
    >>> batch = Trajectories.from_steps(steps, last=[0, 0], logp=[[half], [half]])
    >>> new = [[0.0, np.log(3)]]
    >>> clipped_surrogate(batch, Softmax(mdp), new, 1.0, batch.r - 0.5, 0.2)
    array([ 0.6, -0.4])
    """
    batch = trajectories
    ratio, above = _ratios(batch, family, theta, A, epsilon)
    held = np.minimum(ratio * above, np.clip(ratio, 1 - epsilon, 1 + epsilon) * above)
    rows: FloatArray = held @ time_discounts(batch, gamma, time_discount)
    return rows


def clipped_surrogate_gradient(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    A: Any,
    epsilon: float,
    *,
    time_discount: float | None = None,
) -> FloatArray:
    """sum_t c^t w_t A_t psi_t over the steps that are not clipped: the gradient of the surrogate.

    Estimates ``surrogate(mdp, old).clipped_gradient(family, theta, epsilon)``, with c = gamma; at
    the old policy's own theta that is dJ/dtheta. Unbiased if A_t is the old policy's advantage and
    the old policy acted to the end; at its own theta, where nothing is clipped, also if A_t only
    has the right mean.

    Parameters
    ----------
    trajectories : Trajectories
        Of the old policy, with its logp.
    family : Family
    theta : array
        The new policy's parameters, in the family's shape.
    gamma : float in [0, 1]
    A : (N, T) array_like, reward units
    epsilon : float > 0
    time_discount : float in [0, 1], optional
        c; gamma if omitted.

    Returns
    -------
    (N, D) array

    Raises
    ------
    ModelError
        If an argument does not fit, or logp is not known.

    Notes
    -----
    A step is clipped if w > 1 + epsilon and A > 0, or w < 1 - epsilon and A < 0. On the edge the
    derivative is that from inside. Time O(N T + N D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> half = np.log(0.5)
    >>> steps = [[(0, 1, 1.0)], [(0, 0, 0.0)]]
    >>> batch = Trajectories.from_steps(steps, last=[0, 0], logp=[[half], [half]])
    >>> A = batch.r - 0.5
    >>> clipped_surrogate_gradient(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, A, 0.2)
    array([[-0.25,  0.25],
           [-0.25,  0.25]])
    >>> bool(clipped_surrogate_gradient(batch, Softmax(mdp), [[0.0, 1.0]], 1.0, A, 0.2).any())
    False
    """
    batch = trajectories
    ratio, above = _ratios(batch, family, theta, A, epsilon)
    clipped = _clipped(ratio, above, epsilon)
    w = np.where(clipped, 0.0, ratio * above) * time_discounts(batch, gamma, time_discount)
    return score_sum(batch, family, theta, w)


def _ratios(
    batch: Trajectories, family: Family, theta: Any, A: Any, epsilon: Any
) -> tuple[FloatArray, FloatArray]:
    """Ratios and advantages of the steps, checked."""
    if not 0 < number_or_nan(epsilon) < np.inf:
        raise ModelError(f"epsilon is {epsilon!r:.80}; it must be a number > 0.")
    return importance_ratios(batch, (family, theta)), step_numbers(batch, A, "A")


def _clipped(ratio: FloatArray, A: FloatArray, epsilon: float) -> BoolArray:
    found: BoolArray = ((ratio > 1 + epsilon) & (A > 0)) | ((ratio < 1 - epsilon) & (A < 0))
    return found
