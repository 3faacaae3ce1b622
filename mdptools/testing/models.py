"""Models on which mistakes show: small, random, and with something for every mistake to trip over.

Takes     a seed.
Gives     a model of a few hundred trajectories; a policy, another one that acts, a wrong critic;
          and, beside it, models at the edge of what is a model.
Source    a bias is a rational function of P, pi, mu, R and gamma: if it is not zero everywhere it
          is not zero at almost all random numbers. What hides mistakes is structure: gamma = 1, no
          termination, equal rewards, a uniform policy.
Not here  random models of any size (problems), strategies for Hypothesis (`strategies`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import FloatS, FloatSA, readonly
from ..model import MDP
from ..policies import Softmax
from ._degenerate import MAKERS

__all__ = [
    "Lab",
    "behaviour_for",
    "critic_for",
    "degenerate_mdps",
    "discriminating_mdp",
    "lab",
    "policy_for",
]

_END = 3


def discriminating_mdp(seed: int = 0) -> MDP:
    """A model that hides no common mistake of an estimator.

    Parameters
    ----------
    seed : int >= 0
        Another seed, another model with the same properties.

    Returns
    -------
    MDP
        4 states, 2 actions, horizon 4, gamma 0.9. State 3 is terminal: each other state has one
        action that may enter it, so that episodes end early, late or not at all; some begin there.
        Rewards have both signs and sizes on both sides of 1; one successor carries two rewards.
        Each start has another probability. Below a thousand trajectories.

    Notes
    -----
    What other models hide, of the mistakes that are made most:

    ====================  =====================================================================
    gamma = 1             gamma^t left out, or applied twice; a return that is not discounted;
                          geometric stopping and discounting at once; visits that are not
                          discounted
    no terminal state     padding that is not masked; episodes divided by their length; returns that
                          run on into the next episode, or through termination
    all rewards 1         clipped rewards; a return without the reward of the action itself
    a uniform policy      an entropy bonus
    ====================  =====================================================================

    Examples
    --------
    >>> from mdptools.verify import count_trajectories
    >>> mdp = discriminating_mdp()
    >>> mdp.terminal, mdp.gamma, mdp.horizon, count_trajectories(mdp, policy_for(mdp))
    (array([False, False, False,  True]), 0.9, 4, 480)
    """
    rng = np.random.default_rng((seed, 0))
    sizes = np.where(np.arange(16) % 2, rng.uniform(1.2, 2.5, 16), rng.uniform(0.2, 0.8, 16))
    rewards = iter(rng.permutation(sizes * np.where(np.arange(16) % 4 < 2, 1, -1)))
    rows: list[list[list[tuple[float, int, float, bool]]]] = []
    for s in range(_END):
        actions = []
        ending = int(rng.integers(2))
        for a in range(2):
            p = float(rng.uniform(0.3, 0.7))
            first, second = (int(k) for k in rng.permutation(_END)[:2])
            if a == ending:
                second = _END
            outcomes = [
                (p, first, float(next(rewards)), False),
                (1 - p, second, float(next(rewards)), second == _END),
            ]
            if s == 0 and a != ending:
                outcomes[0] = (p / 3, *outcomes[0][1:])
                outcomes.append((2 * p / 3, first, float(next(rewards)), False))
            actions.append(outcomes)
        rows.append(actions)
    rows.append([[(1.0, _END, 0.0, True)]] * 2)
    mdp = MDP.from_outcomes(rows, gamma=0.9, horizon=4)
    mu = np.append(rng.permutation([0.15, 0.3, 0.5]), 0.05)
    return replace(mdp, mu=mu)


def policy_for(mdp: MDP, seed: int = 0) -> tuple[Softmax, FloatSA]:
    """A policy that prefers some action in each state: the softmax of random logits.

    Parameters
    ----------
    mdp : MDP
    seed : int >= 0

    Returns
    -------
    family : Softmax
    theta : (S, A) array
        In each state evenly spread over [-0.6, 0.6], in random order, each moved by up to 0.2.

    Examples
    --------
    >>> family, theta = policy_for(discriminating_mdp())
    >>> family.probs(theta).shape
    (4, 2)
    """
    rng = np.random.default_rng((seed, 1))
    spread = np.tile(np.linspace(-0.6, 0.6, mdp.n_actions), (mdp.n_states, 1))
    theta = rng.permuted(spread, axis=1) + rng.uniform(-0.2, 0.2, spread.shape)
    return Softmax(mdp), readonly(theta)


def behaviour_for(mdp: MDP, seed: int = 0) -> FloatSA:
    """A policy other than `policy_for` that takes every allowed action: who acts, off-policy.

    Parameters
    ----------
    mdp : MDP
    seed : int >= 0

    Returns
    -------
    (S, A) array

    Examples
    --------
    >>> mdp = discriminating_mdp()
    >>> bool((behaviour_for(mdp) > 0.05).all())
    True
    """
    rng = np.random.default_rng((seed, 2))
    weights = np.where(mdp.allowed, rng.uniform(0.2, 1.0, mdp.allowed.shape), 0.0)
    return readonly(weights / weights.sum(axis=1, keepdims=True))


def critic_for(mdp: MDP, seed: int = 0) -> FloatS:
    """Values that have nothing to do with the model, and are not 0 on terminal states.

    Parameters
    ----------
    mdp : MDP
    seed : int >= 0

    Returns
    -------
    (S,) array, reward units
        Between 0.5 and 2, of both signs.

    Examples
    --------
    >>> mdp = discriminating_mdp()
    >>> bool(critic_for(mdp)[mdp.terminal].all())
    True
    """
    rng = np.random.default_rng((seed, 3))
    values: Any = rng.uniform(0.5, 2.0, mdp.n_states) * rng.permutation(
        np.where(np.arange(mdp.n_states) % 2, 1, -1)
    )
    return readonly(values)


@dataclass(frozen=True, slots=True, eq=False)
class Lab:
    """A discriminating model with everything that is done to it.

    Attributes
    ----------
    mdp : MDP
    family : Softmax
    theta : (S, A) array
    behaviour : (S, A) array
        Another policy.
    critic : (S,) array
        Values that are wrong.
    """

    mdp: MDP
    family: Softmax
    theta: FloatSA
    behaviour: FloatSA
    critic: FloatS

    @property
    def policy(self) -> tuple[Softmax, FloatSA]:
        """Family and theta."""
        return self.family, self.theta

    @property
    def pi(self) -> FloatSA:
        """What they mean, (S, A)."""
        return self.family.probs(self.theta)


def lab(seed: int = 0) -> Lab:
    """`discriminating_mdp` with `policy_for`, `behaviour_for` and `critic_for`.

    Parameters
    ----------
    seed : int >= 0

    Returns
    -------
    Lab

    Examples
    --------
    >>> from mdptools.testing.assertions import assert_unbiased
    >>> one = lab()
    >>> assert_unbiased(lambda batch: one.mdp.gamma**batch.lengths, one.mdp, one.pi, target=0.0)
    Traceback (most recent call last):
    ...
    AssertionError: biased: the mean of a row is not the given target
    ...
    """
    mdp = discriminating_mdp(seed)
    return Lab(mdp, *policy_for(mdp, seed), behaviour_for(mdp, seed), critic_for(mdp, seed))


def degenerate_mdps() -> dict[str, MDP]:
    """Models at the edge of what is a model, each with one thing that code forgets.

    Returns
    -------
    dict of name to MDP
        New models at each call; names say what is degenerate. Objectives are mixed: discounted,
        finite, total and average.

    Notes
    -----
    They are no test of an estimator by themselves: where nothing is discounted, or every reward is
    equal, mistakes are invisible (see `discriminating_mdp`). They are for what falls over: a
    division by a standard deviation of zero, 0^0, an episode without a step, an action that does
    not exist, a state that is never reached.

    Examples
    --------
    >>> models = degenerate_mdps()
    >>> list(models)[:5]
    ['one_state', 'one_action', 'gamma_0', 'gamma_1_until_the_end', 'gamma_1_for_three_steps']
    >>> models["starts_where_it_ends"].mu
    array([0., 0., 0., 1.])
    """
    return {name: make() for name, make in MAKERS.items()}
