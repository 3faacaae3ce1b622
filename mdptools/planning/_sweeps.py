"""Sweeping: one operator again and again, until MacQueen's bracket is narrow enough.

Takes     an operator on V that is monotone and adds gamma c to its result where V is c more.
Gives     the `Solution` that the operator makes of its last backup.
Source    value iteration: Puterman (1994), section 6.3; the bracket: see certificates.
Not here  the operators (`_value_iteration`, `_regularised`).
"""

from __future__ import annotations

import math
from typing import Protocol

from .. import kernel
from ..arrays import FloatS, FloatSA
from ..bellman import backup
from ..certificates import Bracket
from ..checks import check_count
from ..model import MDP
from ._solution import Solution, within
from ._watch import Watch

WORK = 4e8
"""Numbers of P that are read in about a second."""

OVERHEAD = 4_000
"""What a sweep costs besides, in such numbers."""

LEAST = 20_000


class Operator(Protocol):
    """What makes V of a backup Q, and an answer of both."""

    @property
    def mdp(self) -> MDP:
        """The model."""

    def fold(self, Q: FloatSA) -> FloatS:
        """TV of the backup of V, (S,)."""

    def bracket(self, V: FloatS, Q: FloatSA, TV: FloatS) -> Bracket:
        """MacQueen's numbers, with the round-off of `fold`."""

    def answer(self, Q: FloatSA, TV: FloatS, found: Bracket, watch: Watch) -> Solution:
        """The middle of the bracket."""


def widened(found: Bracket, more: float) -> Bracket:
    """The bracket with the round-off of a `fold` added."""
    return found._replace(
        low=found.low - more, high=found.high + more, roundoff=found.roundoff + more
    )


def one_backup(operator: Operator, V: FloatS, watch: Watch) -> Solution:
    """What one backup of any V proves, wherever V is from."""
    Q = backup(operator.mdp, V)
    TV = operator.fold(Q)
    return operator.answer(Q, TV, operator.bracket(V, Q, TV), watch)


def affordable(mdp: MDP, price: int = 1, *, calls: int = 0, least: int = LEAST) -> int:
    """How many sweeps take about a second, or are few: 20,000 do at gamma 0.999 for any model.

    ``price`` is what a sweep costs, in those of value iteration; ``calls`` how many steps in Python
    it takes besides.
    """
    return max(int(WORK / ((kernel.size(mdp.P) + OVERHEAD) * price + OVERHEAD * calls)), least)


class Patience:
    """How many sweeps are worth waiting for.

    A number that the caller gives is kept. Without one it is ``usual``, and fewer once the pace
    shows that these would not do: each time that their number has doubled, the sweeps of the last
    half tell how many more it takes. The first look comes when a reward has had the time to reach
    every state along a path. It is no proof: a better action may be waiting to be discovered.

    Parameters
    ----------
    max_sweeps : int or None
    usual : int
    n_states : int

    Raises
    ------
    ModelError
        If ``max_sweeps`` is not an int >= 1.
    """

    def __init__(self, max_sweeps: int | None, usual: int, n_states: int) -> None:
        given = max_sweeps is not None
        self.limit = check_count(max_sweeps, "max_sweeps") if given else usual
        self._look: float = math.inf if given else min(max(1024, n_states), usual) // 2
        self._width = math.inf
        self._gave_up = 0

    def ends(self, sweep: int, width: float, target: float) -> bool:
        """Whether to give up after this many sweeps, with this bound and not the target."""
        if sweep == self.limit:
            return True
        if sweep < self._look:
            return False
        # Bounds shrink by a factor a sweep: their logarithms say how far it is.
        gained = math.log(self._width) - math.log(width)
        missing = math.log(width) - math.log(target) if target > 0 else 0.0
        if missing * (sweep - sweep // 2) > gained * (self.limit - sweep):
            self._gave_up = sweep
            return True
        self._look, self._width = 2 * sweep, width
        return False

    def cure(self, instead: str) -> str:
        """What to say if it was in vain."""
        if self._gave_up:
            return (
                f"{self._gave_up:,} sweeps were made, and at this pace max_sweeps = "
                f"{self.limit} would not do (give it as an argument to go on all the same); "
                f"{instead}"
            )
        return f"max_sweeps = {self.limit} were not enough; {instead}"


def sweep_until(
    operator: Operator,
    V: FloatS,
    watch: Watch,
    patience: Patience,
    *,
    tol: float | None,
    wanted: float,
    instead: str,
) -> Solution:
    """Sweep until the middle of the bracket is within ``wanted``.

    Parameters
    ----------
    operator : Operator
    V : (S,) array, reward units
        Where to start; 0 on terminal states.
    watch : Watch
    patience : Patience
    tol, wanted : float, reward units
        As in `within`.
    instead : str
        What needs no patience.

    Returns
    -------
    Solution

    Raises
    ------
    ConvergenceError
        If patience ends, or float64 cannot.
    """
    mdp = operator.mdp

    def search() -> tuple[Solution, float | None]:
        nonlocal V
        while True:
            Q = backup(mdp, V)
            TV = operator.fold(Q)
            found = operator.bracket(V, Q, TV)
            width, floor = found.width, found.floor
            watch.see(width)
            at_floor = width <= 2 * floor
            last = at_floor or patience.ends(watch.sweeps, width, max(wanted, 2 * floor))
            if width <= wanted or last:
                solution = operator.answer(Q, TV, found, watch)
                if solution.certificate.bound <= wanted or last:
                    return solution, floor if at_floor else None
            V = TV

    def finish(reached: tuple[Solution, float | None] | None) -> Solution:
        if reached is None or watch.stopped:
            reached = one_backup(operator, V, watch), None
        solution, floor = reached
        cure = patience.cure(instead)
        return within(solution, tol, wanted, floor=floor, cure=cure, stopped=watch.stopped)

    return watch.answer(search, finish)
