"""Prioritised sweeping: the states that would change most are backed up first.

Takes     a discounted MDP.
Gives     a `Solution` at the middle of the bracket of a fresh backup.
Source    Moore and Atkeson (1993), "Prioritized sweeping: reinforcement learning with less data and
          less time", Machine Learning 13, 103-130, with the model known; priorities are the Bellman
          errors themselves.
Not here  the proof (`_blocks`), learning the model on the way (estimators).

Where little has changed - a warm start, a new reward in one place - most states need no backup.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatS, IntS
from ..bellman import best_actions
from ..certificates import largest, smallest
from ..checks import check_count, check_served, check_tol, check_values, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..structure import predecessors
from ._blocks import backup_at, lower_start
from ._rounds import Backup, rounds
from ._solution import Solution, discounted_tol
from ._sweeps import Patience, affordable
from ._value_iteration import INSTEAD
from ._watch import Callback, Watch

AHEAD = 4
"""Updates of as many states as there are, between two backups of them all: errors are known."""

BATCHES = 32
"""Batches in that time, at most, unless the caller wants small ones: each takes some Python."""

LEAST, FEWEST = 1_000, 200
"""Rounds at least, before one gives up: about a second of small batches; fewer, where the caller
wants more of them in a round."""


def prioritized_sweeping(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    batch: int | None = None,
    fraction: float = 0.1,
    max_sweeps: int | None = None,
) -> Solution:
    """Optimal values by backing up the states with the largest Bellman errors first.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted error of V and Q anywhere; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    V0 : (S,) array_like, reward units, optional
        Where to start. If omitted, the least reward for ever: from there V only rises, and first
        where something better is near.
    history : bool
        Keep the bound of each fresh backup of all the states.
    callback : callable, optional
        Called with a `Step` after each of these. If it raises StopIteration, or at Ctrl-C, the
        answer is what one more backup makes of the last V, with its bound.
    batch : int, optional
        So many states, at most, are updated together: 1 is the textbook's method. As many as
        ``fraction`` says if omitted.
    fraction : float, 0 < fraction <= 1
        States whose error is at least this part of the largest, and of its sign, are updated
        together.
    max_sweeps : int, optional
        Give up after this many fresh backups, between which about 4 S states are updated (S if
        ``batch`` is small). If omitted, after what takes about a second, but not before 1,000 (200
        if ``batch`` is small), or as soon as the pace of the last half of them shows that these
        would not do.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``, unless it was stopped. V is the best Q of each state;
        ``sweeps`` counts the fresh backups of all the states that prove a bound.

    Raises
    ------
    ModelError
        If the model is not discounted or an argument is wrong.
    ConvergenceError
        If ``max_sweeps`` do not reach ``tol``, or float64 cannot; ``error.solution`` is the last
        iterate with its bound.

    Notes
    -----
    When states have changed, their predecessors are backed up to see how far they are off: time
    O(S), for the search of the largest error, and O(branches of the predecessors) for each batch.
    Memory: the predecessors of each state, O(S^2) or O(nnz), as much as P if it is sparse. Where
    nothing is terminal, V is moved before each batch to where the largest error up is that down,
    and states that must rise and states that must fall take turns: errors that go round a cycle
    would follow each other for ever, and so they meet and cancel. What no order helps is a model
    that mixes slowly, where an error spreads to both sides; as for value iteration, the pace shows.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = prioritized_sweeping(mdp, tol=1e-6)
    >>> solution.V.round(3), solution.certificate.bound <= 1e-6
    (array([42.442, 36.047]), True)
    """
    name = "prioritized_sweeping"
    check_served(mdp, name, "discounted", instead=INSTEAD)
    most = mdp.n_states if batch is None else check_count(batch, "batch")
    part = number_or_nan(fraction)
    if not 0 < part <= 1:
        raise ModelError(f"fraction is {fraction!r:.80}; it must be a number > 0 and <= 1.")
    wanted = discounted_tol(mdp, check_tol(tol))
    batches = max(BATCHES, mdp.n_states // most)
    least = max(LEAST * BATCHES // batches, FEWEST)
    usual = affordable(mdp, 1 + AHEAD, calls=2 * batches, least=least)
    patience = Patience(max_sweeps, usual, mdp.n_states)
    V = lower_start(mdp)
    if V0 is not None:
        V = np.where(mdp.terminal, 0.0, check_values(V0, "V0", mdp.n_states))
    return rounds(
        mdp,
        V,
        _Update(mdp, most, batches, part, wanted),
        Watch(name, wanted, history, callback),
        patience,
        tol=tol,
        wanted=wanted,
        instead="policy_iteration needs none",
    )


class _Update:
    """Batches of the most urgent states, until it is time for a look at all of them."""

    def __init__(self, mdp: MDP, most: int, batches: int, fraction: float, wanted: float) -> None:
        self._mdp, self._most, self._batches, self._fraction = mdp, most, batches, fraction
        self._enough = wanted * (1 - mdp.gamma) / 2
        self._before: Any = None
        self._endless = not mdp.facts.any_terminal

    def __call__(self, latest: Backup) -> FloatS:
        mdp, V, TV = self._mdp, latest.V, latest.TV
        if self._before is None:
            self._before = predecessors(mdp)
        error = TV - V
        enough = max(self._enough, 2 * latest.found.roundoff)
        done = 0
        for _ in range(self._batches):
            low, high = smallest(error), largest(error)
            if self._endless:
                shift = (low + high) / 2 / (1 - mdp.gamma)
                V += shift
                TV += mdp.gamma * shift
                error = TV - V
                low, high = smallest(error), largest(error)
            if not max(high, -low) > enough or done >= AHEAD * mdp.n_states:
                break
            urgent = self._urgent(error, high) if high >= -low else self._urgent(-error, -low)
            done += len(urgent)
            V[urgent] = TV[urgent]
            error[urgent] = 0.0
            touched = self._before(urgent)
            _, TV[touched] = best_actions(backup_at(mdp, touched, V))
            error[touched] = TV[touched] - V[touched]
        return V

    def _urgent(self, error: FloatS, most: float) -> IntS:
        """The states with the largest errors, all of one sign: others may cancel them."""
        if self._most == 1:
            return np.array([error.argmax()])
        urgent = np.flatnonzero(error >= self._fraction * most)
        if len(urgent) > self._most:
            urgent = urgent[np.argpartition(error[urgent], -self._most)[-self._most :]]
        return urgent
