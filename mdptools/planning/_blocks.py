"""Blocks of states: V improved in place, block after block.

Takes     a discounted MDP, V, and blocks of its states.
Gives     `Sweeper`, which updates V with what earlier blocks have just found; where to start, and
          when to move V to the middle of its bracket.
Source    Gauss-Seidel and self-loops: Puterman (1994), section 6.3.3; sweeps of one policy:
          section 6.5.
Not here  which blocks (the planners), and what a V proves (`_rounds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatS, FloatSA, IntS
from ..bellman import best_actions
from ..certificates import magnitude
from ..model import MDP
from ._rounds import Backup

States = IntS | slice


def lower_start(mdp: MDP) -> FloatS:
    """A V below V*, from which the iterates only rise: the least reward for ever."""
    least = float(mdp.R[mdp.allowed].min())
    if mdp.facts.any_terminal:
        least = min(least, 0.0)
    V = np.full(mdp.n_states, max(least / (1 - mdp.gamma), -np.finfo(float).max))
    V[mdp.terminal] = 0.0
    return V


class Centre:
    """How far to move V to the middle of its bracket, where nothing is terminal.

    Updates in place bring V nearer to V* whatever its differences do, so that the middle may be
    farther away. It is gone to only where the bracket is narrower than it was at the last time.
    """

    NARROWER = 0.9

    def __init__(self, mdp: MDP) -> None:
        self._width = 0.0 if mdp.facts.any_terminal else np.inf
        self._time: float = 1 / (1 - mdp.gamma)

    def shift(self, latest: Backup) -> float:
        """What to add to V; TV rises by gamma times that."""
        if not latest.width < self.NARROWER * self._width:
            return 0.0
        self._width = latest.width
        return float(latest.found.low + latest.found.high) / 2 * self._time


class Sweeper:
    """Updates of the states of some blocks, in place and in order; all other states stay.

    Parameters
    ----------
    mdp : MDP
    blocks : sequence of (n,) arrays of int, or of slices with begin and end
        Disjoint and without terminal states. The states of a block are updated together. Of
        slices no rows are copied.
    speed : (S, A) array or None
        See `self_loops`.

    Notes
    -----
    What a pair pays is solved for its own state: ``V(s) = r + gamma (p V(s) + rest)`` gives
    ``V(s) = (r + gamma rest) / (1 - gamma p)``, which is the old V(s) plus ``1 / (1 - gamma p)``
    times what a backup adds to it.
    """

    def __init__(self, mdp: MDP, blocks: Sequence[States], speed: FloatSA | None) -> None:
        self._mdp, self._blocks, self._speed = mdp, blocks, speed
        sizes = [b.stop - b.start if isinstance(b, slice) else len(b) for b in blocks]
        self._bounds: list[int] = np.cumsum([0, *sizes]).tolist()
        every = np.arange(mdp.n_states)
        self.states: IntS = np.concatenate([every[b] for b in blocks])
        self._actions = np.empty(len(self.states), dtype=np.int64)

    def improve(self, V: FloatS) -> None:
        """Back up each block with the V of now, and keep the best actions."""
        mdp, speed = self._mdp, self._speed
        for block, i, j in zip(self._blocks, self._bounds, self._bounds[1:], strict=False):
            Q = backup_at(mdp, block, V)
            if speed is not None:
                Q = _solved(Q, V[block][:, None], speed[block])
            self._actions[i:j], V[block] = best_actions(Q)

    def follow(self, V: FloatS, sweeps: int, enough: float) -> None:
        """Sweep the policy that `improve` found, until V changes by no more than ``enough``."""
        mdp = self._mdp
        rows = self.states * mdp.n_actions + self._actions
        pieces = kernel.split(kernel.take(mdp.P, rows), self._bounds)
        rewards = self._cut(mdp.R.take(rows))
        speeds = [None] * len(pieces) if self._speed is None else self._cut(self._speed.take(rows))
        parts: list[Any] = list(zip(self._blocks, pieces, rewards, speeds, strict=True))
        discount = mdp.facts.discount
        for _ in range(sweeps):
            before = V.copy()
            for block, chain, reward, speed in parts:
                after = chain.dot(V)
                after *= discount
                after += reward
                if speed is not None:
                    after = _solved(after, V[block], speed)
                V[block] = after
            before -= V
            if magnitude(before) <= enough:
                break

    def _cut(self, x: FloatS) -> list[FloatS]:
        return [x[i:j] for i, j in pairwise(self._bounds)]


def self_loops(mdp: MDP) -> FloatSA | None:
    """1 / (1 - gamma P[s, a, s]), how much farther an update goes that solves for its own state.

    None where no state that is not terminal has a loop.
    """
    chances = kernel.loops(mdp.P)
    chances[mdp.terminal] = 0.0
    if not chances.any():
        return None
    chances *= -mdp.gamma
    chances += 1.0
    return np.divide(1.0, chances, out=chances)


def backup_at(mdp: MDP, states: States, V: FloatS) -> FloatSA:
    """The rows of `bellman.backup` for some states, (n, A)."""
    Q = kernel.expect_at(mdp.P, states, V)
    Q *= mdp.facts.discount
    Q += mdp.R[states]
    if not mdp.facts.all_allowed:
        Q[~mdp.allowed[states]] = -np.inf
    return Q


def _solved(after: FloatSA, before: FloatS, speed: FloatSA) -> FloatSA:
    """From a backup to the solution for the own state."""
    after -= before
    after *= speed
    after += before
    return after
