"""The statistical route: a verdict from a sample, with error rates that hold at every look.

Takes     a source of rows, the honest answers, error rates, what is known of the rows' range.
Gives     a `Verdict`: "biased", "unbiased within tol" or "inconclusive".
Source    `_eprocess` for the alarm, `_equivalence` for the claim, `_support` for ranges.
Not here  which route is taken (`_check`), enumeration (`_exact`).

Before the test some rows are drawn that are used for nothing else: to fit control variates, and, if
no bounds were declared, to see how far rows go. The latter come from the sampler itself, from
flattened dynamics, in which nothing that can happen is rare, and, where somebody else acts, from
the policy: it takes the actions whose importance ratios are large.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, readonly
from ..errors import ModelError
from ._bets import Bet
from ._draws import Drawn, Episodes, Source, Way
from ._enumeration import Compensated, pairwise
from ._eprocess import Part, first_look, looks, measure
from ._equivalence import Sides
from ._support import Assumed, Declared, check_inside
from ._targets import Answer
from ._tasks import Schedule, Task
from ._trial import Frame, Rates, Trial
from ._verdict import Outcome, WealthHistory

PROBE = 4  # so many first looks of rows are drawn to see their range, twice
PILOT, PILOT_BATCHES = 6000, 2000  # rows that control variates are fitted to
WORTH = 0.95  # control variates that leave more of the variance are not used


@dataclass(frozen=True, slots=True, eq=False)
class Range:
    """What is known of the rows' range.

    Attributes
    ----------
    declared : (box, radius) or None
        By the user.
    flattened : bool
        Whether what is assumed was seen under flattened dynamics as well.
    """

    declared: tuple[tuple[FloatArray, FloatArray], float] | None
    flattened: bool

    @property
    def trusted(self) -> bool:
        """Whether a bias may be claimed at all."""
        return self.declared is not None or self.flattened


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What one task does: draw rows, and measure them with the bets that were fixed before."""

    source: Source
    coefficients: FloatArray | None
    declared: tuple[tuple[FloatArray, FloatArray], float] | None
    origin: FloatArray  # raw rows are measured from there
    frames: tuple[Frame, ...]
    bets: tuple[Bet, ...]
    sides: tuple[Sides | None, ...]
    matrix: tuple[bool, ...]

    def __call__(self, task: Task) -> Measured:
        """Draw and measure."""
        drawn = self.source.draw(task.rows, task.generator(), task.first)
        if self.declared is not None:
            where = f"of rows {task.first} to {task.first + task.rows - 1}"
            check_inside(drawn.x, *self.declared, f"{where} (seed {task.root}, key {task.key})")
        z = drawn.less(self.coefficients)
        parts, sides = [], []
        for k, frame in enumerate(self.frames):
            y = frame.of(z)
            side = self.sides[k]
            sides.append(None if side is None else side.measure(y))
            parts.append(measure(y, self.bets[k], matrix=self.matrix[k]))
        raw = drawn.x - self.origin
        return Measured(parts, sides, pairwise(raw), np.einsum("nd,nd->d", raw, raw))


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What a task hands back: sums, and no rows."""

    parts: list[Part]
    sides: list[FloatArray | None]
    total: FloatArray
    square: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Everything that a verdict is written from.

    Attributes
    ----------
    outcome : str
    trial : Trial
        Of the answer that is reported against.
    n : int
    mean, sd : (D,) arrays
        Of the rows x themselves, without control variates.
    left : float or None
        The share of the variance that control variates left; None if there are none.
    size : float
        The largest mean of |x|.
    history : WealthHistory
        Of the trial.
    """

    outcome: Outcome
    trial: Trial
    n: int
    mean: FloatArray
    sd: FloatArray
    left: float | None
    size: float
    history: WealthHistory


@dataclass(frozen=True, slots=True, eq=False)
class Pilot:
    """What was learned before the test.

    Attributes
    ----------
    coefficients : (K, D) array or None
    left : float or None
        The share of the variance that control variates leave.
    rows : (n, D) array
        That show the range, less control variates.
    size : float
        The mean of the largest mean |row|: the scale of round-off.
    """

    coefficients: FloatArray | None
    left: float | None
    rows: FloatArray
    size: float


def run(
    source: Source,
    honest: Sequence[Answer],
    rates: Rates,
    known: Range,
    *,
    root: int,
    chunk: int,
    relative: float,
    absolute: float,
    up_to_scale: bool,
    map: Any,
) -> Sample:
    """Draw rows until a verdict is reached, or ``max_samples``.

    Parameters
    ----------
    source : Source
    honest : sequence of Answer
        The mean may be any one of them.
    rates : Rates
    known : Range
    root : int
        The seed.
    chunk : int
        Rows of one task, at most.
    relative, absolute : float
        Round-off of rows: relative to their size, and besides.
    up_to_scale : bool
        Test only what is orthogonal to the target.
    map : function

    Returns
    -------
    Sample
    """
    width = honest[0].value.size
    start = first_look(width)
    pilot = _pilot(source, known, start, root, chunk, map)
    largest = max(float(np.abs(answer.value).max(initial=0.0)) for answer in honest)
    floor = np.full(width, relative * (max(largest, pilot.size) or 1.0) + absolute)
    trials = []
    for answer in honest:
        frame = Frame.around(answer, up_to_scale=up_to_scale)
        support: Assumed | Declared
        if known.declared is not None:
            support = Declared(*known.declared, frame.target, frame.along)
        else:
            support = Assumed(frame.of(pilot.rows), floor)
        trials.append(Trial(answer, frame, support, rates, floor))
    return _Loop(source, pilot, trials, rates, known, Schedule(root, chunk, map)).run(start)


@dataclass(frozen=True, slots=True, eq=False)
class _Draw:
    """A task that only draws."""

    source: Source
    way: Way

    def __call__(self, task: Task) -> Drawn:
        return self.source.draw(task.rows, task.generator(), task.first, way=self.way)


def _pilot(source: Source, known: Range, start: int, root: int, chunk: int, map: Any) -> Pilot:
    """Rows that are used for nothing else, in streams of their own."""

    def drawn(n: int, stream: int, way: Way = "test") -> Drawn:
        schedule = Schedule(root, chunk, map, (stream,))
        return Drawn.concatenate(schedule.run(_Draw(source, way), n))

    coefficients, left = None, None
    if isinstance(source, Episodes) and source.controls is not None:
        one = drawn(PILOT if source.trajectories_each == 1 else PILOT_BATCHES, 1)
        if one.features is not None:
            coefficients = source.controls.fit(one.x, one.features)
    plain = drawn(PROBE * start, 2)
    rows = plain.less(coefficients)
    if coefficients is not None:
        before, after = float(plain.x.var(axis=0).sum()), float(rows.var(axis=0).sum())
        left = after / before if before > 0 else 1.0
        if left > WORTH:
            coefficients, left, rows = None, None, plain.x
    if known.declared is None and known.flattened:
        seen = [drawn(PROBE * start, 3, "flattened")]
        if isinstance(source, Episodes) and source.others is not None:
            seen.append(drawn(PROBE * start, 5, "policy"))
        rows = np.concatenate([rows, *(one.less(coefficients) for one in seen)])
    return Pilot(coefficients, left, rows, float(np.abs(plain.x).mean(axis=0).max(initial=0.0)))


class _Loop:
    """Looks, one after the other."""

    def __init__(
        self,
        source: Source,
        pilot: Pilot,
        trials: list[Trial],
        rates: Rates,
        known: Range,
        schedule: Schedule,
    ) -> None:
        if isinstance(source, Episodes) and pilot.coefficients is None:
            source = source.with_controls(None)
        self.source, self.pilot, self.trials = source, pilot, trials
        self.rates, self.known, self.schedule = rates, known, schedule
        self.n = 0
        self.origin = trials[0].answer.value.reshape(-1)
        self._total, self._square = Compensated(), Compensated()

    def run(self, start: int) -> Sample:
        """Until something is decided, or there are no more rows to draw, or the user stops it."""
        for n in looks(start, self.rates.max_samples):
            try:
                self._batch(n - self.n)
            except KeyboardInterrupt:
                if not self.n:
                    raise
                break
            except ModelError as error:
                error.add_note(self._so_far())
                raise
            decided = self._decided()
            if decided is not None:
                return self._sample(*decided)
        closest = min(self.trials, key=lambda trial: trial.test.largest)
        return self._sample("inconclusive", closest)

    def _so_far(self) -> str:
        """What was found before an error, so that it is not lost."""
        test = self.trials[0].test
        if not self.n:
            return "this was in the first batch of rows: nothing had been tested yet"
        return (
            f"before that: {self.n} rows, log E = {test.log_e:.2f}; estimated bias "
            f"{np.array2string(test.mean, precision=4, threshold=20)}"
        )

    def _batch(self, rows: int) -> None:
        for trial in self.trials:
            trial.prepare(self._sd())
        work = Work(
            self.source,
            self.pilot.coefficients,
            self.known.declared,
            self.origin,
            frames=tuple(trial.frame for trial in self.trials),
            bets=tuple(trial.bet for trial in self.trials),
            sides=tuple(trial.sides for trial in self.trials),
            matrix=tuple(trial.test.wants_matrix for trial in self.trials),
        )
        found = self.schedule.run(work, rows)
        for k, trial in enumerate(self.trials):
            trial.take([one.parts[k] for one in found], [one.sides[k] for one in found])
        for one in found:
            self._total.add(one.total)
            self._square.add(one.square)
        self.n += rows

    @property
    def _beta(self) -> float:
        """Each answer is a claim of its own."""
        return self.rates.beta / len(self.trials)

    def _decided(self) -> tuple[Outcome, Trial] | None:
        alarm = -np.log(self.rates.alpha)
        if all(trial.test.largest >= alarm for trial in self.trials):
            return ("biased" if self.known.trusted else "inconclusive"), self.trials[0]
        for trial in self.trials:
            if trial.claim.holds(self._beta) and not len(trial.unknown):
                return "unbiased within tol", trial
        return None

    def _sd(self) -> FloatArray:
        """Standard deviations of rows x so far, before control variates."""
        if not self.n:
            return np.zeros_like(self.origin)
        mean = self._total.total / self.n
        return np.sqrt(np.maximum(self._square.total / self.n - mean**2, 0.0))

    def _sample(self, outcome: Outcome, decided: Trial) -> Sample:
        mean = self.origin + self._total.total / self.n
        left = self.pilot.left
        size, history = self.pilot.size, self._history(decided)
        return Sample(outcome, decided, self.n, mean, self._sd(), left, size, history)

    def _history(self, trial: Trial) -> WealthHistory:
        """What a trial was worth at each look, and what it would have taken."""
        columns = [readonly(np.array(column)) for column in zip(*trial.looks, strict=True)]
        n, log_e, log_claim, restarted = columns
        alarm, enough = (float(-np.log(rate)) for rate in (self.rates.alpha, self._beta))
        return WealthHistory(n, log_e, log_claim, restarted, alarm, enough)
