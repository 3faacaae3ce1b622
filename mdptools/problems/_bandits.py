"""Bandits: models of one state.

Takes     the mean, the spread or the probability of each arm.
Gives     an `MDP` with one state that each arm returns to; the objective says how often it is
          played.
Source    Sutton and Barto (2018), chapter 2; Lattimore and Szepesvari (2020), chapter 4.
Not here  learners that play them (estimators).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..errors import ModelError
from ..model import MDP


def bandit(means: Any, std: Any = None, *, horizon: int = 1) -> MDP:
    """A bandit whose arms pay Gaussian rewards.

    Parameters
    ----------
    means : (A,) array_like, reward units
        The expected reward of each arm.
    std : float or (A,) array_like, reward units, optional
        The standard deviation of each arm; no noise if omitted.
    horizon : int
        Number of pulls in an episode.

    Returns
    -------
    MDP
        One state, to which each arm returns, and a horizon: an episode ends after that many pulls,
        and not by a terminal state. So the same model under another objective is another
        classical problem: ``with_objective(gamma=0)`` is one pull without a time axis (V has shape
        (1,), not (2, 1)), ``with_objective(gamma=0.9)`` and ``with_objective(average=True)`` are
        repeated play.

    Raises
    ------
    ModelError
        If means is no vector of finite numbers, or std does not fit it.

    Notes
    -----
    Sutton and Barto (2018), section 2.1; the ten-armed testbed of section 2.3 is
    ``bandit(rng.standard_normal(10), 1.0)``.

    Examples
    --------
    >>> mdp = bandit([0.1, 0.5, 0.3], std=1.0)
    >>> mdp.n_states, mdp.n_actions, mdp.horizon, mdp.R, mdp.reward_std
    (1, 3, 1, array([[0.1, 0.5, 0.3]]), array([[1., 1., 1.]]))
    """
    R = _vector(means, "means", "mean reward")
    reward_std = None
    if std is not None:
        spread = as_floats(std, "std")
        if spread.shape not in ((), R.shape):
            raise ModelError(
                f"std has shape {spread.shape}; it must be one number, or one for each of the "
                f"{len(R)} arms."
            )
        reward_std = np.broadcast_to(spread, R.shape)[None, :]
    return MDP(
        np.ones((1, len(R), 1)),
        R[None, :],
        horizon=horizon,
        reward_std=reward_std,
        action_names=_arms(len(R)),
    )


def bernoulli_bandit(probs: Any, *, horizon: int = 1) -> MDP:
    """A bandit whose arms pay 1 or nothing.

    Parameters
    ----------
    probs : (A,) array_like
        The probability that an arm pays 1.
    horizon : int
        Number of pulls in an episode.

    Returns
    -------
    MDP
        One state and a horizon, as `bandit`. The rewards 0 and 1 are in the model's law, so they
        are drawn and enumerated as they are; ``R`` holds their means.

    Raises
    ------
    ModelError
        If probs is no vector of numbers in [0, 1].

    Notes
    -----
    Lattimore and Szepesvari (2020), chapter 4.

    Examples
    --------
    >>> mdp = bernoulli_bandit([0.25, 0.75])
    >>> mdp.R, mdp.branches.reward, mdp.branches.prob
    (array([[0.25, 0.75]]), array([0., 1., 0., 1.]), array([0.75, 0.25, 0.25, 0.75]))
    """
    p = _vector(probs, "probs", "probability")
    bad = np.flatnonzero(~((p >= 0) & (p <= 1)))
    if len(bad):
        raise ModelError(f"probs[{bad[0]}] is {p[bad[0]]:g}; a probability lies in [0, 1].")
    arms = [[(1 - x, 0, 0.0, False), (x, 0, 1.0, False)] for x in p.tolist()]
    return MDP.from_outcomes([arms], horizon=horizon, action_names=_arms(len(p)))


def _vector(x: Any, name: str, what: str) -> FloatArray:
    """One finite number for each arm."""
    numbers = as_floats(x, name)
    if numbers.ndim != 1 or len(numbers) == 0:
        raise ModelError(
            f"{name} has shape {numbers.shape}; it must be (A,), the {what} of each arm."
        )
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise ModelError(f"{name}[{bad[0]}] is {numbers[bad[0]]}; it must be finite.")
    return numbers


def _arms(n_actions: int) -> tuple[str, ...]:
    return tuple(f"arm {a}" for a in range(n_actions))
