"""Trials: one honest answer under test, by alarm and by claim, batch after batch.

Takes     rows x as a source draws them, already measured; bets fixed before.
Gives     `Trial`, which knows what was bet, what came of it, and whether an assumed range held.
Source    `_eprocess`, `_equivalence`, `_support`.
Not here  drawing, looks and decisions (`_statistical`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, IntArray
from ._eprocess import EProcess, Part
from ._equivalence import Equivalence, Sides
from ._support import Assumed, Declared
from ._targets import Answer


@dataclass(frozen=True, slots=True, eq=False)
class Rates:
    """What was asked of the errors.

    Attributes
    ----------
    alpha, beta : float
        Chances of a wrong "biased" and of a wrong "unbiased within tol".
    tol : float
    units : str
    max_samples : int
    """

    alpha: float
    beta: float
    tol: float
    units: str
    max_samples: int


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """How rows x become rows y whose mean should be zero.

    Attributes
    ----------
    target : (D,) array
    along : (D,) array or None
        A unit vector, whose direction is left out of the test.
    """

    target: FloatArray
    along: FloatArray | None

    @classmethod
    def around(cls, answer: Answer, *, up_to_scale: bool) -> Frame:
        """The frame of an answer; ``up_to_scale`` leaves its direction out."""
        flat = answer.value.reshape(-1)
        return cls(flat, flat / np.sqrt((flat * flat).sum()) if up_to_scale else None)

    def of(self, x: FloatArray) -> FloatArray:
        """Rows y."""
        if self.along is None:
            return x - self.target
        left: FloatArray = x - np.einsum("nd,d->n", x, self.along)[:, None] * self.along
        return left


class Trial:
    """One honest answer, under test."""

    def __init__(
        self,
        answer: Answer,
        frame: Frame,
        support: Assumed | Declared,
        rates: Rates,
        floor: FloatArray,
    ) -> None:
        self.answer, self.frame, self.support = answer, frame, support
        self.test = EProcess(support, floor)
        self.claim = Equivalence(rates.tol, rates.units, answer.value.reshape(-1), floor)
        self.resets = 0
        self.looks: list[tuple[int, float, float, bool]] = []  # as in `WealthHistory`
        self.bet = self.test.bet()
        self.sides: Sides | None = None

    def prepare(self, sd: FloatArray) -> None:
        """Bets for the next batch, from all rows so far."""
        self.bet = self.test.bet()
        if self.test.n:
            moments = (self.test.mean, self.test.variance)
            self.sides = self.claim.sides(sd, *moments, self.support)

    def take(self, parts: Sequence[Part], sides: Sequence[FloatArray | None]) -> None:
        """One batch. If it went beyond what was assumed, the wealth so far is given up."""
        again = isinstance(self.support, Assumed) and self._exceeded(parts)
        if again:
            self.resets += 1
            self.test.start_again()
            self.claim.start_again()
            self.test.learn(parts)
        else:
            self.test.take(parts)
            if self.sides is not None:
                self.claim.take(self.sides, [side for side in sides if side is not None])
        least = float(self.claim.log_e.min(initial=np.inf))
        self.looks.append((self.test.n, self.test.log_e, least, again))

    def _exceeded(self, parts: Sequence[Part]) -> bool:
        assumed = self.support
        if not isinstance(assumed, Assumed):
            return False
        low = np.min([part.low for part in parts], axis=0)
        high = np.max([part.high for part in parts], axis=0)
        worst = max(parts, key=lambda part: part.fall)
        # What falls by more than 1/2 was not in the slab; round-off apart.
        if not len(assumed.outside(low, high)) and worst.fall <= 0.5 + 1e-9:
            return False
        assumed.enlarge(low, high, worst.worst)
        return True

    @property
    def unknown(self) -> IntArray:
        """Coordinates whose range nobody knows and whose mean is not what it should be."""
        off = np.abs(self.test.mean) > self.test.floor
        return np.flatnonzero(~self.support.known & off)
