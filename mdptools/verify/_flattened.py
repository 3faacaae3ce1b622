"""Flattened dynamics: what could happen, however seldom, for probing the range of an estimator.

Takes     an MDP and the policy that acts.
Gives     the model in which all that can follow a pair is equally likely; trajectories of it that
          look to an estimator as if the policy had acted.
Source    formula: the support of an estimator's rows depends on which branches and actions are
          possible, not on how likely they are.
Not here  what is concluded from the ranges.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import BoolArray
from ..checks import check_model, check_rng
from ..kernel import table
from ..model import MDP, RewardLaw
from ..policies import Sight, sight, split_policy
from ..sampling import Trajectories, rollout


def flattened(mdp: MDP) -> MDP:
    """The model with the same support, in which nothing that can happen is rare.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    MDP
        All branches (s', r) of a pair have the same probability, and so have all states in which
        episodes start. Horizon, discount, terminal states, ``final``, mask, noise and names stay.

    Notes
    -----
    Two rewards on one successor are two branches. Time and memory O(branches); P is sparse.

    Examples
    --------
    >>> rare = MDP([[[0.999, 0.001]], [[0.0, 1.0]]], [[1.0], [0.0]], mu=[1.0, 0.0], gamma=0.9)
    >>> flattened(rare).branches.prob
    array([0.5, 0.5, 1. ])
    """
    check_model(mdp)
    old = mdp.branches
    possible = np.flatnonzero(old.prob > 0)
    row, follows, reward = old.row[possible], old.next_state[possible], old.reward[possible]
    counts = np.bincount(row, minlength=mdp.R.size)
    prob = 1.0 / counts[row]
    law = RewardLaw(np.concatenate(([0], np.cumsum(counts))), follows, reward, prob)
    starts = mdp.mu > 0
    return replace(
        mdp,
        P=table(row, follows, prob, mdp.R.size, mdp.n_states, dense=False),
        R=law.expected_reward(mdp.n_actions),
        law=law,
        mu=starts / starts.sum(),
    )


def probe(mdp: MDP, acting: Any, n: int, length: int | None, rng: Any) -> Trajectories:
    """Trajectories of the flattened model, with the log-probabilities of the policy that acts.

    Parameters
    ----------
    mdp : MDP
        The model itself, not the flattened one.
    acting : pi, (S, A) or (H, S, A), or (family, theta)
        Who acts when the estimator is at work. Here every action that it takes at all is equally
        likely; where it sees observations, so is each that goes with its action.
    n : int
    length : int or None
        Where trajectories are cut; None if every one ends by itself.
    rng : numpy.random.Generator or int

    Returns
    -------
    Trajectories
        Each has positive probability under ``acting``, and ``logp`` is that of ``acting``.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> batch = probe(mdp, [[0.75, 0.25]], 100, None, 0)
    >>> np.unique(np.exp(batch.logp)), float(batch.a.mean()) > 0.4
    (array([0.25, 0.75]), True)
    """
    pi, family, theta = split_policy(mdp, acting)
    taken = pi > 0
    generator = check_rng(rng)
    spread = taken / taken.sum(axis=-1, keepdims=True)
    batch = rollout(flattened(mdp), spread, n, rng=generator, max_steps=length)
    time, who = np.nonzero(batch.mask.T)
    s, a = batch.s[who, time], batch.a[who, time]
    logp = np.zeros(batch.a.shape)
    seen = sight(family, theta)
    if seen is None:
        logp[who, time] = np.log(pi[time, s, a] if pi.ndim == 3 else pi[s, a])
        return replace(batch, logp=logp)
    o: Any = np.zeros(batch.a.shape, dtype=np.int32)
    o[who, time] = drawn = _any_sight(seen, time, s, a, generator)
    logp[who, time] = np.log(seen.chosen(time, drawn, a))
    return replace(batch, o=o, logp=logp)


def _any_sight(seen: Sight, time: Any, s: Any, a: Any, rng: Any) -> Any:
    """For each step one of the observations under which its action may be taken, all alike."""
    shown: BoolArray = seen.joint[np.minimum(time, len(seen.joint) - 1), s, :, a] > 0
    order = np.where(shown, rng.random(shown.shape), -1.0)
    return seen.seen[s, order.argmax(axis=1)]
