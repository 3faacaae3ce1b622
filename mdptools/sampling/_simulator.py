"""Single steps: one start, one transition, for who decides action by action.

Takes     an MDP, a state, an action, a random generator.
Gives     the next state, the reward, and whether the episode has ended.
Source    Sutton and Barto (2018), figure 3.1: the environment's half of the circle.
Not here  whole episodes under a fixed policy (`_rollout`), which are drawn many at a time.

Everything is drawn by comparing a scalar ``random()``, and nothing where there is no choice: code
that learns from a simulator can be run once for each thing that can happen.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from ..arrays import as_floats
from ..checks import check_model, check_rng, words_for_sum
from ..errors import ModelError
from ..model import MDP


class Outcomes(NamedTuple):
    """What can follow one pair: bounds between the branches, and (s', r, done) of each."""

    bounds: list[float]
    branches: list[tuple[int, float, bool]]
    std: float


class Simulator:
    """A model as something to act in, one step at a time.

    Parameters
    ----------
    mdp : MDP
        Of any objective. A horizon is not counted here: who acts knows how many steps it made.
    start : (S,) array_like, optional
        The law of the first state; ``mdp.mu`` if omitted.

    Attributes
    ----------
    mdp : MDP
    actions : list of lists of int
        Those that are allowed in each state.

    Raises
    ------
    ModelError
        If ``start`` is no law over states that are not terminal.

    Notes
    -----
    Making one takes O(branches); a step O(log branches of the pair), less than a microsecond.

    Examples
    --------
    >>> world = Simulator(MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.9))
    >>> rng = np.random.default_rng(0)
    >>> s = world.start(rng)
    >>> s, world.step(s, 0, rng), world.step(s, 0, rng)
    (0, (1, 1.0, True), (0, 1.0, False))
    """

    __slots__ = ("_first", "_outcomes", "actions", "mdp")

    def __init__(self, mdp: MDP, *, start: Any = None) -> None:
        check_model(mdp)
        self.mdp = mdp
        self.actions: list[list[int]] = [np.flatnonzero(row).tolist() for row in mdp.allowed]
        law = mdp.mu if start is None else _law(mdp, start)
        states = np.flatnonzero(law).tolist()
        self._first = (_bounds(law[states].tolist()), states)
        self._outcomes = _outcomes(mdp)

    def start(self, rng: Any) -> int:
        """The first state of an episode.

        Parameters
        ----------
        rng : Generator, or an object with its methods

        Returns
        -------
        int
        """
        bounds, states = self._first
        return states[bisect_right(bounds, rng.random())] if bounds else states[0]

    def step(self, s: int, a: int, rng: Any) -> tuple[int, float, bool]:
        """What follows action a in state s.

        Parameters
        ----------
        s, a : int
            Not checked but for their range.
        rng : Generator, or an object with its methods

        Returns
        -------
        s_next : int
        r : float, reward units
        done : bool
            Whether s_next is terminal.

        Raises
        ------
        ModelError
            If a is not allowed in s.
        """
        bounds, branches, std = self._outcomes[s][a]
        if bounds:
            s_next, r, done = branches[bisect_right(bounds, rng.random())]
        elif branches:
            s_next, r, done = branches[0]
        else:
            raise ModelError(
                f"action {self.mdp.name_of_action(a)} is not allowed in state "
                f"{self.mdp.name_of_state(s)}."
            )
        if std:
            r += std * rng.standard_normal()
        return s_next, r, done

    @property
    def first(self) -> tuple[list[float], list[int]]:
        """Where episodes begin: bounds between 0 and 1, and the states that they part."""
        return self._first

    @property
    def outcomes(self) -> list[list[Outcomes]]:
        """By state and action; for loops that cannot afford a call for each step."""
        return self._outcomes


def step(mdp: MDP, s: int, a: int, *, rng: Any) -> tuple[int, float, bool]:
    """One transition; `Simulator` makes many without reading the model anew.

    Parameters
    ----------
    mdp : MDP
    s, a : int
    rng : numpy.random.Generator or int

    Returns
    -------
    s_next : int
    r : float, reward units
    done : bool
        Whether s_next is terminal.

    Raises
    ------
    ModelError
        If s or a does not exist or a is not allowed in s.

    Notes
    -----
    Time O(branches of the model).

    Examples
    --------
    >>> step(MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.9), 0, 0, rng=0)
    (1, 1.0, True)
    """
    world = Simulator(mdp)
    if not (0 <= s < mdp.n_states and 0 <= a < mdp.n_actions):
        raise ModelError(
            f"there is no pair ({s}, {a}): the model has {mdp.n_states} states and "
            f"{mdp.n_actions} actions."
        )
    return world.step(s, a, check_rng(rng))


def _bounds(weights: list[float]) -> list[float]:
    """Where the unit interval is cut between neighbours; empty if there is only one."""
    total = sum(weights)
    return [x / total for x in accumulate(weights)][:-1]


def _outcomes(mdp: MDP) -> list[list[Outcomes]]:
    """What can follow, by state and action."""
    law, n_actions = mdp.branches, mdp.n_actions
    std = np.zeros(mdp.R.size) if mdp.reward_std is None else mdp.reward_std.reshape(-1)
    kept = law.prob > 0
    row, prob = law.row[kept], law.prob[kept].tolist()
    done = mdp.terminal[law.next_state[kept]].tolist()
    follows = list(zip(law.next_state[kept].tolist(), law.reward[kept].tolist(), done, strict=True))
    ends = np.searchsorted(row, np.arange(mdp.R.size + 1)).tolist()
    pairs = [
        Outcomes(_bounds(prob[low:high]), follows[low:high], noise)
        for low, high, noise in zip(ends[:-1], ends[1:], std.tolist(), strict=True)
    ]
    return [pairs[k : k + n_actions] for k in range(0, len(pairs), n_actions)]


def _law(mdp: MDP, start: Any) -> Any:
    """``start``, if episodes can start so."""
    law = as_floats(start, "start")
    if law.shape != (mdp.n_states,) or not (law >= 0).all() or not abs(law.sum() - 1) <= 1e-9:
        raise ModelError(
            f"start must be a law over the {mdp.n_states} states, with entries >= 0 that sum to "
            f"one; got shape {law.shape}, sum {words_for_sum(float(law.sum()) - 1)}."
        )
    ended = np.flatnonzero(mdp.terminal & (law > 0))
    if len(ended):
        raise ModelError(
            f"start gives {law[ended[0]]:g} to state {mdp.name_of_state(int(ended[0]))}, which is "
            f"terminal: nothing is decided there."
        )
    return law
