"""Experiments with learners: the same one with several step sizes, on one model.

Takes     a small model, a learner of policies, step sizes.
Gives     one `Learning` for each.
Source    Mei et al. (2021), "Understanding the effect of stochasticity in policy optimization", for
          steps so large that a policy commits to what it happened to draw.
Not here  exact iterations (`_experiments`), pictures (plots).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..estimators import GradientLearner
from ..model import MDP
from ._learn import learn
from ._learning import Learning

TOO_SMALL_TO_TOO_LARGE = (0.05, 2.0, 20.0)
"""For REINFORCE with batches of eight on a grid world of a dozen cells where steps cost little."""


def learning_steps(
    mdp: MDP,
    learner: GradientLearner,
    step_sizes: Sequence[Any] = TOO_SMALL_TO_TOO_LARGE,
    *,
    iterations: int = 100,
    seeds: int = 10,
    rng: Any,
) -> tuple[Learning, ...]:
    """One learner with several step sizes, from the same seeds.

    A step that is too small gets nowhere in the time there is. One that is too large makes the
    policy certain of what its first batches happened to show: from there on it draws nothing else,
    its estimates are near 0, and it stays where the exact gradient would have led it away.

    Parameters
    ----------
    mdp : MDP
    learner : GradientLearner
        Or one of its kin; its own step size is replaced.
    step_sizes : sequence of floats or schedules
    iterations, seeds : int
    rng : numpy.random.Generator or int
        With an int all step sizes have the same seeds.

    Returns
    -------
    tuple of Learning
        In the order of the step sizes. `plots.learning` draws them together.

    Raises
    ------
    ModelError
        As `learn`.

    Examples
    --------
    >>> from mdptools.problems import grid_world
    >>> mdp = grid_world("S../.#./..G", gamma=0.9, step_reward=-0.05)
    >>> learner = GradientLearner("reinforce", batch=8, max_steps=50)
    >>> found = learning_steps(mdp, learner, iterations=40, seeds=3, rng=0)
    >>> [one.name for one in found][0]
    'REINFORCE, step 0.05, batch 8, max_steps 50'
    """
    several = [replace(learner, step_size=size) for size in step_sizes]
    return tuple(learn(mdp, one, iterations, rng=rng, seeds=seeds) for one in several)
