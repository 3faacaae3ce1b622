"""Learner: what a training run iterates.

Takes     a model to act in, what the learner remembers, a random generator.
Gives     the protocol.
Not here  the learners (`_table_learners`, `_gradient_learners`), watching them (studies).
"""

from __future__ import annotations

from typing import Any, Protocol

from ..arrays import FloatArray, FloatSA
from ..model import MDP


class Learner(Protocol):
    """An algorithm that learns from samples: a small frozen object; all that changes is x."""

    @property
    def name(self) -> str:
        """What a report calls it, with its step size."""

    def start(self, mdp: MDP, rng: Any) -> Any:
        """The first x.

        Parameters
        ----------
        mdp : MDP
            What it will act in.
        rng : Generator, or an object with its methods

        Returns
        -------
        x
            Whatever the learner remembers; it is never changed in place.
        """

    def step(self, mdp: MDP, x: Any, rng: Any) -> tuple[Any, FloatArray | None]:
        """The next x, and what was estimated on the way to it.

        Parameters
        ----------
        mdp : MDP
            It is acted in; its numbers are not read.
        x
        rng : Generator, or an object with its methods

        Returns
        -------
        x
        estimate : array in theta's shape, or None
            Of the gradient at the old x (or of what else the learner follows).
        """

    def policy(self, mdp: MDP, x: Any) -> FloatSA:
        """What it would do if it stopped learning.

        Parameters
        ----------
        mdp : MDP
        x

        Returns
        -------
        (S, A) or (H, S, A) array
        """
