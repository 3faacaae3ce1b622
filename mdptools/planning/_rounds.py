"""Rounds: update V in whatever way, back it up afresh, and see what that proves.

Takes     a discounted MDP, V, and a function that makes a better V of a backup.
Gives     `rounds`, the loop of several planners, whose bounds do not depend on how V was found.
Source    the bracket: MacQueen (1966), see certificates.
Not here  the updates (the planners); operators that are applied again and again (`_sweeps`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatS, FloatSA, IntS, readonly
from ..bellman import improve
from ..certificates import MACQUEEN, Bracket, Certificate, bracket, certify, optimal_actions
from ..model import MDP
from ._solution import Solution, one_hot, within
from ._sweeps import Patience
from ._watch import Watch

SLOW = 0.7
"""A bracket that keeps more than this part of its width in a round calls for linear solves."""

MACQUEEN_Q = MACQUEEN + "; for Q* in the same way, around R + gamma P V"


class Backup(NamedTuple):
    """One fresh backup of all the states, and what it proves."""

    V: FloatS  # what was backed up
    Q: FloatSA
    actions: IntS  # greedy
    TV: FloatS  # their Q
    found: Bracket

    @property
    def width(self) -> float:
        """A bound on the error of the middle of the bracket, of V* and of Q*.

        For V* half the bracket would do; Q differs from Q* as V does from V*, and V is farther
        away than TV by half of the spread of their differences.
        """
        found = self.found
        return (1 + found.factor) * (found.high - found.low) / 2 + found.roundoff

    @property
    def floor(self) -> float:
        """The width that would be left if TV were V."""
        return self.found.roundoff * (2 * self.found.factor + 3)


def backed_up(mdp: MDP, V: FloatS) -> Backup:
    """What one backup of V proves, wherever V is from."""
    Q = np.empty(mdp.R.shape)
    actions, TV = improve(mdp, V, Q)
    return Backup(V, Q, actions, TV, bracket(mdp, V, TV, TV))


def rounds(
    mdp: MDP,
    V: FloatS,
    update: Callable[[Backup], FloatS],
    watch: Watch,
    patience: Patience,
    *,
    tol: float | None,
    wanted: float,
    instead: str,
    back_up: Callable[[FloatS], Backup] | None = None,
) -> Solution:
    """Update V until a fresh backup of it proves what is wanted.

    Parameters
    ----------
    mdp : MDP
    V : (S,) array, reward units
        Where to start, 0 on terminal states. Changed in place.
    update : function of a Backup -> (S,) array
        A better V, made of the backed-up one, which it may change in place.
    watch : Watch
    patience : Patience
    tol, wanted : float, reward units
        As in `within`.
    instead : str
        What needs no patience.
    back_up : function of V -> Backup, optional
        `backed_up`, if the planner has a quicker one; it may write over the last it gave.

    Returns
    -------
    Solution

    Raises
    ------
    ConvergenceError
        If patience ends, or float64 cannot.
    """

    def search() -> tuple[Solution, float | None]:
        nonlocal V
        while True:
            latest = back_up(V) if back_up else backed_up(mdp, V)
            width, floor = latest.width, latest.floor
            watch.see(width)
            at_floor = width <= 2 * floor
            last = at_floor or patience.ends(watch.sweeps, width, max(wanted, 2 * floor))
            if width <= wanted or last:
                solution = _finish(mdp, latest, watch)
                if solution.certificate.bound <= wanted or last:
                    return solution, floor if at_floor else None
            V = update(latest)

    def finish(reached: tuple[Solution, float | None] | None) -> Solution:
        if reached is None or watch.stopped:
            reached = _finish(mdp, backed_up(mdp, V), watch), None  # V may be half updated
        solution, floor = reached
        cure = patience.cure(instead)
        return within(solution, tol, wanted, floor=floor, cure=cure, stopped=watch.stopped)

    return watch.answer(search, finish)


def _finish(mdp: MDP, latest: Backup, watch: Watch) -> Solution:
    """Shift V and Q to the middle of their bracket."""
    _, Q, actions, TV, found = latest
    shift = np.where(mdp.terminal, 0.0, found.shift) if mdp.facts.any_terminal else found.shift
    bound, loss, lower, upper = certify(mdp, TV, TV, found, found.shift)
    # Q may be far below TV, and its sum with the shift is rounded.
    most = mdp.facts.reward_max + mdp.gamma * found.scale + abs(found.shift)
    bound += (found.high - found.low) / 2 + 2 * EPS * most
    V = TV + shift
    return Solution(
        V=readonly(V),
        Q=readonly(Q + np.reshape(shift, (-1, 1))),
        pi=one_hot(actions, mdp.n_actions),
        # Before the shift: it moves all actions of a state alike, but for a rounding.
        optimal_actions=optimal_actions(Q, TV, mdp.gamma * bound + 2 * found.roundoff),
        J=float(mdp.mu @ V),
        certificate=Certificate(
            bound=bound,
            loss=loss,
            residual=found.high - found.low,
            theorem=MACQUEEN_Q,
            lower=lower,
            upper=upper,
        ),
        method=watch.method,
        reason=watch.reason,
        sweeps=watch.sweeps,
        history=watch.trace,
    )


class Solves:
    """Linear solves in the place of sweeps, once these are seen to be slow: Howard's policies.

    Parameters
    ----------
    mdp : MDP
    dense, sparse : int
        States up to which a solve is cheap enough: seconds at most, also where an LU fills in.
    """

    def __init__(self, mdp: MDP, dense: int, sparse: int) -> None:
        self._mdp = mdp
        self._cheap = mdp.n_states <= (dense if mdp.facts.dense else sparse)
        self._slow = False
        self._width = np.inf
        self._seen = set[bytes]()  # ties may bring a policy back

    def evaluate(self, latest: Backup) -> FloatS | None:
        """V of the greedy policy; None where sweeps will do, or float64 cannot."""
        mdp, actions = self._mdp, latest.actions
        before, self._width = self._width, latest.width
        self._slow = self._cheap and (self._slow or latest.width > SLOW * before)
        if not self._slow or actions.tobytes() in self._seen:
            return None
        self._seen.add(actions.tobytes())
        rows = kernel.first_rows(*mdp.R.shape) + actions
        try:
            V = kernel.Resolvent(kernel.take(mdp.P, rows), mdp.gamma).solve(mdp.R.take(rows))
        except ArithmeticError:
            return None
        V[mdp.terminal] = 0.0  # pivoting can leave 1e-16 there
        return V if np.isfinite(V).all() else None
