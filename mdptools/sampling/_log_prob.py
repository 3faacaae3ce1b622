"""Probabilities of trajectories, and the score: their gradient.

Takes     trajectories, and the model and policy that they are looked at under.
Gives     log P(tau), (N,); grad log P(tau), (N, D).
Source    Sutton and Barto (2018), section 13.3; Williams (1992) for the score.
Not here  the probability of being cut by a sampler.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, IntArray
from ..errors import ModelError
from ..model import MDP
from ..policies import Family, Sight, sight, split_policy
from ._trajectories import Trajectories


def trajectory_log_prob(mdp: MDP, policy: Any, trajectories: Trajectories) -> FloatArray:
    """log mu(s_0) + sum_t (log pi(a_t | s_t) + log P(s_{t+1}, r_t | s_t, a_t)).

    Parameters
    ----------
    mdp : MDP
    policy : pi, (S, A) or (H, S, A) on a finite horizon; or a pair (family, theta)
        Need not be the policy that acted.
    trajectories : Trajectories

    Returns
    -------
    (N,) array
        -inf where a trajectory is impossible. Where rewards are noisy (``reward_std``), their part
        is a density, for each unit of reward. Complex if theta is complex: derivatives by a complex
        step pass through. Where the trajectories hold observations and the policy sees nothing
        else, the probability of o is part of it.

    Raises
    ------
    ModelError
        If a state, an action or the number of steps is none of the model's.

    Notes
    -----
    Branches with the same successor and reward are added. A reward counts as a branch's if they
    differ by round-off only. Where a finite horizon ends, ``gamma * final(s_H)`` is expected in the
    last reward. How the sampler cuts trajectories is not part of it: the
    probabilities of all continuations of a cut trajectory add up to its own. Time O(N T log B).

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.9)
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 1.0)], [(0, 0, 2.0)]], last=[1, 1])
    >>> np.exp(trajectory_log_prob(mdp, [[1.0], [1.0]], batch))
    array([0.25, 0.  ])
    """
    pi, seen = _acting(mdp, policy)
    _check_fits(mdp, trajectories)
    time, who = np.nonzero(trajectories.mask.T)
    s, a = trajectories.s[who, time], trajectories.a[who, time]
    chosen = pi[time, s, a] if pi.ndim == 3 else pi[s, a]
    if seen is not None and trajectories.o is not None:
        chosen = seen.prob(time, s, trajectories.o[who, time], a)
    follows = _of_branches(mdp, trajectories, time, who)
    with np.errstate(divide="ignore"):
        steps = np.log(chosen) + np.log(follows)
        total = np.log(mdp.mu[trajectories.s[:, 0]]).astype(steps.dtype)
    np.add.at(total, who, steps)
    result: FloatArray = total
    return result


def trajectory_log_prob_gradient(
    family: Family, theta: Any, trajectories: Trajectories
) -> FloatArray:
    """The score of each trajectory, sum_t grad log pi(a_t | s_t): the model drops out.

    Parameters
    ----------
    family : Family
    theta : array
        In the family's shape.
    trajectories : Trajectories

    Returns
    -------
    (N, D) array
        The gradient of `trajectory_log_prob` with respect to theta. Its mean over trajectories of
        the same policy is 0. Rows of trajectories of length 0 are 0.

    Notes
    -----
    mu and P do not depend on theta, so their logarithms leave no trace: nothing of the model is
    asked for. Time O(N T + N D).

    Examples
    --------
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (0, 1, 1.0)]], last=[0])
    >>> trajectory_log_prob_gradient(Softmax(mdp), [[0.0, 0.0]], batch)
    array([[-1.,  1.]])
    """
    batch = trajectories
    return family.accumulate(theta, batch.s[:, :-1], batch.a, batch.mask.astype(float), batch.o)


def _acting(mdp: MDP, policy: Any) -> tuple[Any, Sight | None]:
    """pi, (S, A) or (H, S, A), and what it sees; complex if theta is."""
    if isinstance(policy, tuple) and len(policy) == 2 and np.iscomplexobj(policy[1]):
        family, theta = policy
        split_policy(mdp, (family, np.real(theta)))  # for its checks
        return family.probs(theta), sight(family, theta)
    pi, family, theta = split_policy(mdp, policy)
    return pi, sight(family, theta)


def _check_fits(mdp: MDP, trajectories: Trajectories) -> None:
    largest = int(trajectories.s.max(initial=0)), int(trajectories.a.max(initial=0))
    if largest[0] >= mdp.n_states or largest[1] >= mdp.n_actions:
        raise ModelError(
            f"these trajectories use states up to {largest[0]} and actions up to {largest[1]}; the "
            f"model has {mdp.n_states} states and {mdp.n_actions} actions."
        )
    longest = int(trajectories.lengths.max(initial=0))
    if mdp.horizon is not None and longest > mdp.horizon:
        raise ModelError(f"a trajectory has {longest} steps; the model's horizon is {mdp.horizon}.")


def _of_branches(mdp: MDP, trajectories: Trajectories, time: IntArray, who: IntArray) -> FloatArray:
    """P(s', r | s, a) of each step, a density where the reward is noisy."""
    law = mdp.branches
    s, a = trajectories.s[who, time].astype(np.int64), trajectories.a[who, time]
    follower, paid = trajectories.s[who, time + 1], trajectories.r[who, time]
    row = s * mdp.n_actions + a
    bonus = np.zeros(len(row))
    if mdp.final is not None and mdp.horizon is not None:
        at_the_end = time == mdp.horizon - 1
        bonus[at_the_end] = mdp.gamma * mdp.final[follower[at_the_end]]
    std = np.zeros(len(row)) if mdp.reward_std is None else mdp.reward_std.reshape(-1)[row]

    # Branches sorted by pair and successor: those of one step are neighbours.
    key = law.row * mdp.n_states + law.next_state
    order = np.argsort(key, kind="stable")
    wanted = row * mdp.n_states + follower
    low = np.searchsorted(key[order], wanted, side="left")
    high = np.searchsorted(key[order], wanted, side="right")
    prob, live = np.zeros(len(row)), ~mdp.terminal[s]  # nothing follows a terminal state
    for k in range(int((high - low).max(initial=0))):
        at = np.flatnonzero((low + k < high) & live)
        branch = order[low[at] + k]
        expected, noise = law.reward[branch] + bonus[at], std[at]
        gap = paid[at] - expected
        equal = np.abs(gap) <= 8 * EPS * (np.abs(paid[at]) + np.abs(law.reward[branch]))
        z = np.divide(gap, noise, out=np.zeros(len(at)), where=noise > 0)
        density = np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * np.where(noise > 0, noise, 1.0))
        prob[at] += law.prob[branch] * np.where(noise > 0, density, equal)
    return prob
