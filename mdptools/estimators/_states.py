"""The policy gradient theorem by states: a critic Q, and states drawn as often as they are visited.

Takes     `Trajectories`, a family with theta, a critic Q, weights of the steps.
Gives     one row (D,) for each trajectory; the weights that count steps with gamma^t, or without.
Source    Sutton, McAllester, Singh and Mansour (2000): dJ/dtheta is
          ``sum_s visits(s) sum_a dpi(a|s)/dtheta Q(s, a)``; Z is the sum of the visits.
Not here  critics (`_temporal_difference`), returns in the place of Q (`_gradient`).

Two ways to use it. States drawn from d = visits / Z, one step from each: ``rollout(mdp, policy, n,
start=d, max_steps=1)``; the mean of the rows is the gradient divided by Z. Whole trajectories: each
step counts with its weight from `step_weights`, and the mean is the gradient itself.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray, as_floats
from ..checks import check_rng
from ..errors import ModelError
from ..policies import Family, sight
from ..sampling import Trajectories
from ._gradient import score_sum
from ._off_policy import critic_at_actions
from ._ratios import at_steps, table_of
from ._returns import check_discount

Sampling = Literal["weight", "keep", "plain"]


def step_weights(
    trajectories: Trajectories, gamma: float, sampling: Sampling = "weight", *, rng: Any = None
) -> FloatArray:
    """How much each step counts, so that states count as often as d says, or not.

    Estimates visits, if the weights are summed by state. "weight" and "keep" are unbiased for
    ``sum_t gamma^t Pr(s_t = s)`` if the trajectories were run to their end; "plain" is not, unless
    gamma is 1 or the sampler cut the trajectories geometrically: it counts late states too often.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]
    sampling : {"weight", "keep", "plain"}
        gamma^t; 1 with probability gamma^t, else 0; 1.
    rng : Generator or int
        Needed for "keep", which draws; not used otherwise.

    Returns
    -------
    (N, T) array
        0 behind the end.

    Raises
    ------
    ModelError
        If gamma, sampling or rng do not fit.

    Notes
    -----
    The steps that "keep" has kept, all trajectories together, are states whose law is d. Dividing
    by their number instead of N Z is a ratio of means, biased like 1/N.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0)] * 3, [(0, 0, 1.0)]], last=[1, 1])
    >>> step_weights(batch, 0.5)
    array([[1.  , 0.5 , 0.25],
           [1.  , 0.  , 0.  ]])
    """
    check_discount(gamma, "gamma")
    batch = trajectories
    powers: FloatArray = np.power(float(gamma), np.arange(batch.n_steps))
    if sampling == "keep":
        if rng is None:
            raise ModelError("sampling='keep' draws which steps stay: give rng=.")
        kept = check_rng(rng).random(batch.a.shape) < powers
        return np.where(batch.mask & kept, 1.0, 0.0)
    if sampling not in ("weight", "plain"):
        raise ModelError(f"sampling is {sampling!r:.80}; it must be 'weight', 'keep' or 'plain'.")
    return np.where(batch.mask, powers if sampling == "weight" else 1.0, 0.0)


def all_actions_gradient(
    trajectories: Trajectories, family: Family, theta: Any, Q: Any, *, weights: Any = None
) -> FloatArray:
    """sum_t w_t sum_a dpi(a | s_t)/dtheta Q(s_t, a): the actions taken do not matter.

    Estimates dJ/dtheta with the weights of `step_weights`; dJ/dtheta / Z with one step from each of
    N states drawn from d. Unbiased if Q is Q of the policy of theta (at time t, on a finite
    horizon), give or take a number for each state, and the states come from that policy. Any other
    Q biases it by ``sum_s visits(s) sum_a dpi(a|s)/dtheta (Q - Q_pi)(s, a)``; weights that leave
    gamma^t out by the same sum of Q_pi over the visits that they add.

    Parameters
    ----------
    trajectories : Trajectories
    family : Family
    theta : array
        In the family's shape.
    Q : (S, A) or (at least T, S, A) array_like, reward units
        The critic; an advantage does as well. May be -inf where the policy is 0.
    weights : (N, T) array_like, optional
        1 for each step if omitted.

    Returns
    -------
    (N, D) array
        Rows of trajectories of length 0 are 0.

    Raises
    ------
    ModelError
        If Q, theta or weights do not fit.

    Notes
    -----
    Sutton et al. (2000), theorem 1; the sum over the actions leaves no variance but that of the
    states. With a family that sees observations the sum is over the actions of what was seen, if
    the trajectories hold it. Time O(A (N T + N D)).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> one = Trajectories.from_steps([[(0, 0, 0.0)]], last=[0], terminated=False)
    >>> all_actions_gradient(one, Softmax(mdp), [[0.0, 0.0]], [[0.5, 1.5]])  # Z is 2
    array([[-0.25,  0.25]])
    """
    batch = trajectories
    w = _weights(batch, weights)
    chances = _chances(batch, family, theta)
    table = as_floats(Q, "Q")
    if table.ndim not in (2, 3):
        raise ModelError(f"Q has shape {table.shape}; it must be (S, A), or (time, S, A).")
    if table.shape[-1] != chances.shape[-1]:
        raise ModelError(f"Q has {table.shape[-1]} actions; the policy has {chances.shape[-1]}.")
    q = np.where(chances > 0, at_steps(table, batch, "Q", batch.n_steps), 0.0)
    bad = np.argwhere(batch.mask[:, :, None] & ~np.isfinite(q))
    if len(bad):
        i, t, a = (int(x) for x in bad[0])
        raise ModelError(
            f"Q is {q[i, t, a]} for state {batch.s[i, t]} and action {a}, which the policy takes; "
            f"it must be finite there."
        )
    counted = np.where(batch.mask[:, :, None], w[:, :, None] * chances * q, 0.0)
    total = np.zeros((batch.n, family.size))
    for a in range(counted.shape[2]):
        same = np.full(batch.a.shape, a)
        total += family.accumulate(theta, batch.s[:, :-1], same, counted[:, :, a], batch.o)
    return total


def one_action_gradient(
    trajectories: Trajectories, family: Family, theta: Any, Q: Any, *, weights: Any = None
) -> FloatArray:
    """sum_t w_t psi_t Q(s_t, a_t): the action taken stands for all of them.

    Estimates what `all_actions_gradient` estimates, unbiased under the same conditions if the
    actions are those of the policy of theta, with the same bias otherwise and more variance.

    Parameters
    ----------
    trajectories : Trajectories
    family : Family
    theta : array
        In the family's shape.
    Q : (S, A) or (at least T, S, A) array_like, reward units
        The critic; an advantage has less variance.
    weights : (N, T) array_like, optional
        1 for each step if omitted.

    Returns
    -------
    (N, D) array
        Rows of trajectories of length 0 are 0.

    Raises
    ------
    ModelError
        If Q, theta or weights do not fit.

    Notes
    -----
    Sutton et al. (2000). Time O(N T A + N D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> two = Trajectories.from_steps([[(0, 0, 0.0)], [(0, 1, 1.0)]], last=[0, 0], terminated=False)
    >>> one_action_gradient(two, Softmax(mdp), [[0.0, 0.0]], [[0.5, 1.5]])
    array([[ 0.25, -0.25],
           [-0.75,  0.75]])
    """
    batch = trajectories
    above = _weights(batch, weights) * critic_at_actions(batch, Q)
    return score_sum(batch, family, theta, above)


def _weights(batch: Trajectories, weights: Any) -> FloatArray:
    if weights is None:
        return np.ones(batch.a.shape)
    w = as_floats(weights, "weights")
    if w.shape != batch.a.shape or not np.isfinite(w).all():
        raise ModelError(
            f"weights has shape {w.shape}; it must hold one finite number for each step, (N, T) = "
            f"{batch.a.shape}."
        )
    return w


def _chances(batch: Trajectories, family: Family, theta: Any) -> FloatArray:
    """pi(a | s_t), or pi(a | o_t) where it is known what was seen, (N, T, A)."""
    seen = None if batch.o is None else sight(family, theta)
    if seen is None or batch.o is None:
        return at_steps(table_of((family, theta)), batch, "policy", batch.n_steps)
    time = np.minimum(np.arange(batch.n_steps), len(seen.table) - 1)
    found: FloatArray = seen.table[time, batch.o]
    return found
