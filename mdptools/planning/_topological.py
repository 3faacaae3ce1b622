"""Topological value iteration: each strong component once, after all that it leads to.

Takes     a discounted MDP.
Gives     a `Solution` at the middle of the bracket of a fresh backup.
Source    Dai and Goldsmith (2007), "Topological value iteration algorithm for Markov decision
          processes", IJCAI.
Not here  the components and their order (structure), sweeps of blocks and the proof (`_blocks`).

What a component leads to is known when its turn comes, so that a state that is a component alone
takes one backup. The components of a level do not lead to each other, and are solved together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatS, FloatSA, IntS
from ..bellman import best_actions
from ..certificates import backup_roundoff, largest, magnitude, smallest
from ..checks import check_served, check_tol, check_values
from ..model import MDP
from ..structure import backward_levels, topological_levels
from ._blocks import States, Sweeper, backup_at, self_loops
from ._rounds import Backup, rounds
from ._solution import Solution, discounted_tol
from ._sweeps import Patience, affordable
from ._value_iteration import INSTEAD
from ._watch import Callback, Watch

SMALL_DENSE, SMALL_SPARSE = 2_000, 2_000
"""States of a level (if P is sparse: of its largest component, in whose square an LU can fill in)
up to which its policies are evaluated by linear solves."""

POLICIES = 50
"""Policies of a level, at most, in one pass: in practice there are about five."""

INNER, SWEEPS = 10, 1_000
"""Sweeps of one policy after each sweep of all actions, and how many of these in one pass."""

LEAST = 10
"""Passes at least, before one gives up: one is enough where the components are solved."""

NARROWER = 0.9
"""Where nothing leaves, V is moved to the middle of the bracket when that is narrower by this."""

BLOCK = 1024
"""States of a block where a component has no way out from which to order its states."""


def topological_value_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    max_sweeps: int | None = None,
) -> Solution:
    """Optimal values component by component, each after those that it leads to.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted error of V and Q anywhere; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    V0 : (S,) array_like, reward units, optional
        Where to start. Zeros if omitted. States that are a component alone have no use for it.
    history : bool
        Keep the bound of the start and of each pass.
    callback : callable, optional
        Called with a `Step` before the first pass and after each. If it raises StopIteration, or at
        Ctrl-C, the answer is what one more backup makes of the last V, with its bound.
    max_sweeps : int, optional
        Give up after this many passes, the look at the start included. If omitted, after what takes
        seconds, but not before 10. One pass is enough as a rule.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``, unless it was stopped. V is the best Q of each state;
        ``sweeps`` counts the fresh backups that prove a bound: one of the start, one a pass.

    Raises
    ------
    ModelError
        If the model is not discounted or an argument is wrong.
    ConvergenceError
        If ``max_sweeps`` do not reach ``tol``, or float64 cannot; ``error.solution`` is the last
        iterate with its bound.

    Notes
    -----
    Components that are one state take one backup, solved for the own state where it may stay; all
    of a level are backed up at once. Larger ones are solved by policy iteration with linear solves,
    if the largest of a level has at most 2,000 states (if P is dense: the level), and else by
    Gauss-Seidel sweeps of blocks, backwards from where they are left. Time O(branches) if all
    components are single states, and some 25 microseconds for each level; memory O(S A), and twice
    that of P for a moment to find the components.

    Examples
    --------
    >>> mdp = MDP([[[0, 1, 0]], [[0, 0.5, 0.5]], [[0, 0, 1]]], [[1], [2], [0]], gamma=0.5)
    >>> solution = topological_value_iteration(mdp)
    >>> solution.V.round(3), solution.sweeps
    (array([2.333, 2.667, 0.   ]), 2)
    """
    name = "topological_value_iteration"
    check_served(mdp, name, "discounted", instead=INSTEAD)
    wanted = discounted_tol(mdp, check_tol(tol))
    usual = affordable(mdp, SWEEPS * (1 + INNER), least=LEAST)
    patience = Patience(max_sweeps, usual, mdp.n_states)
    V = np.zeros(mdp.n_states)
    if V0 is not None:
        V = np.where(mdp.terminal, 0.0, check_values(V0, "V0", mdp.n_states))
    return rounds(
        mdp,
        V,
        _Pass(mdp, wanted),
        Watch(name, wanted, history, callback),
        patience,
        tol=tol,
        wanted=wanted,
        instead="policy_iteration needs no patience",
    )


class _Pass:
    """All levels once, from the last ones of an episode to the first."""

    def __init__(self, mdp: MDP, wanted: float) -> None:
        self._mdp = mdp
        # Half of what a width of `wanted` allows each state to rise: the rest is for round-off.
        self._enough = wanted * (1 - mdp.gamma) / 2
        self._topology: Any = None

    def __call__(self, latest: Backup) -> FloatS:
        mdp, V = self._mdp, latest.V
        if self._topology is None:  # a start that is good enough does not come here
            self._topology = topological_levels(mdp)
            self._speed = self_loops(mdp)
        states, *levels = self._topology
        for begin, middle, end, size in zip(*(x.tolist() for x in levels), strict=True):
            if begin < middle:
                self._back_up(V, states[begin:middle])
            if middle < end:
                self._settle(V, states[middle:end], size)
        self._enough /= 2  # should one pass not do
        return V

    def _back_up(self, V: FloatS, states: IntS) -> None:
        """States that lead to solved ones and to themselves only: their V is final.

        Terminal ones get exactly 0: they lead to themselves, and nothing is paid.
        """
        mdp, where = self._mdp, _as_slice(states)
        V[where] = 0.0
        Q = backup_at(mdp, where, V)
        if self._speed is not None:
            Q *= self._speed[where]
        if len(states) == 1:
            V[where] = Q.max()
        else:
            _, V[where] = best_actions(Q)

    def _settle(self, V: FloatS, states: IntS, size: int) -> None:
        """Components of several states: until hardly any state of them rises."""
        mdp = self._mdp
        small = len(states) <= SMALL_DENSE if mdp.facts.dense else size <= SMALL_SPARSE
        if small and self._policies(V, states):
            return
        sweeper, spread = None, np.inf
        inside = np.zeros(mdp.n_states)
        inside[states] = 1.0
        closed = bool(kernel.expect_at(mdp.P, states, 1.0 - inside).max() <= 0)
        for _ in range(SWEEPS):
            Q = backup_at(mdp, states, V)
            _, TV = best_actions(Q)
            rise = TV - V[states]
            V[states] = TV
            roundoff = backup_roundoff(mdp, magnitude(TV)) + EPS * magnitude(TV)
            enough = max(self._enough, 2 * roundoff)
            low, high = smallest(rise), largest(rise)
            flat = closed and high - low <= enough
            if closed and (flat or high - low < NARROWER * spread):
                # A model of its own: to the middle of its bracket. Not each time, see `Centre`.
                spread = high - low
                V[states] += mdp.gamma / (1 - mdp.gamma) * (low + high) / 2
            if flat or max(high, -low) <= enough:
                break
            if sweeper is None:
                sweeper = Sweeper(mdp, self._blocks(states, inside > 0, closed), self._speed)
            sweeper.improve(V)
            sweeper.follow(V, INNER, enough / 2)

    def _blocks(self, states: IntS, inside: Any, closed: bool) -> list[States]:
        """Levels of a search backwards from what the components lead to."""
        if closed:
            return [states[i : i + BLOCK] for i in range(0, len(states), BLOCK)]
        level = backward_levels(self._mdp, ~inside)[states]
        order = level.argsort(kind="stable")
        cuts = np.flatnonzero(np.diff(level[order])) + 1
        return list(np.split(states[order], cuts))

    def _policies(self, V: FloatS, states: IntS) -> bool:
        """Policy iteration among these states; whether it came to its end."""
        mdp = self._mdp
        part = kernel.among(mdp.P, states)
        V[states] = 0.0
        base = backup_at(mdp, states, V)  # rewards, and what the ways out are worth
        index = kernel.first_rows(*base.shape)
        pairs = index + base.argmax(axis=1)
        for _ in range(POLICIES):
            try:
                found = kernel.Resolvent(kernel.take(part, pairs), mdp.gamma).solve(
                    base.take(pairs)
                )
            except ArithmeticError:
                break
            if not np.isfinite(found).all():
                break
            Q = _backed_up(part, base, found, mdp.gamma)
            greedy, best = best_actions(Q)
            V[states] = best
            better = best > Q.take(pairs) + 4 * backup_roundoff(mdp, magnitude(V))
            if not better.any():
                return True
            pairs = np.where(better, index + greedy, pairs)
        return False


def _backed_up(part: kernel.Kernel, base: FloatSA, V: FloatS, gamma: float) -> FloatSA:
    Q = kernel.expect(part, V)
    Q *= gamma
    Q += base
    return Q


def _as_slice(states: IntS) -> States:
    """The same states without a copy of their rows, where they follow one on another."""
    first, last = int(states[0]), int(states[-1])
    return slice(first, last + 1) if last - first == len(states) - 1 else states
