"""Watching a planner: the trace of its bounds, a callback, and being stopped.

Takes     what a planner proves after each sweep.
Gives     `Step` for the callback, the trace for ``Solution.history``, words for its ``reason``;
          `show_progress`, a callback that is ready to use.
Not here  the answer of a planner that was stopped: each makes it from the last V it had, by one
          fresh backup, so that it does not matter where in a sweep the interruption fell.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np

from ..arrays import FloatArray, readonly
from ..errors import ModelError
from ._solution import ASKED, Solution

T = TypeVar("T")

REDRAW = 0.25  # seconds between two looks of the line; faster is not read


class Step(NamedTuple):
    """What a planner tells its callback after each sweep.

    Attributes
    ----------
    method : str
        The planner.
    sweep : int
        How many there were so far: backups of all states, or policies.
    bound : float, reward units
        What is proved now; that of the answer, if the callback raises StopIteration.
    tol : float, reward units
        What is wanted.
    seconds : float
        Since the planner began.

    Examples
    --------
    >>> from mdptools import MDP, solve
    >>> def enough(step):
    ...     if step.bound < 0.1:
    ...         raise StopIteration
    >>> mdp = MDP([[[0.5, 0.5]], [[0.1, 0.9]]], [[1.0], [0.0]], gamma=0.9)
    >>> solution = solve(mdp, method="value_iteration", callback=enough)
    >>> solution.certificate.bound < 0.1, solution.reason
    (True, 'the caller asked for it; stopped by the callback after 5 sweeps')
    """

    method: str
    sweep: int
    bound: float
    tol: float
    seconds: float

    @property
    def done(self) -> bool:
        """Whether the planner is there."""
        return self.bound <= self.tol

    @property
    def text(self) -> str:
        """For the line of `show_progress`."""
        return (
            f"{self.method}: sweep {self.sweep:,}, bound {self.bound:.2g} (tol {self.tol:.2g}), "
            f"{self.seconds:.1f} s"
        )


class Progress(Protocol):
    """What `show_progress` looks at: a `Step`, or a step of studies."""

    @property
    def sweep(self) -> int:
        """How many there were so far; 1 begins a new line."""

    @property
    def seconds(self) -> float:
        """Since the work began."""

    @property
    def done(self) -> bool:
        """Whether this is the last one."""

    @property
    def text(self) -> str:
        """What the line says."""


Callback = Callable[[Step], object]


class Watch:
    """Beside a planner from its first sweep to its last.

    Parameters
    ----------
    method : str
        The planner.
    tol : float, reward units
    history : bool
        Whether to keep the bounds.
    callback : callable or None

    Attributes
    ----------
    method : str
    sweeps : int
        How many were seen.
    stopped : str
        By what, in words; empty if nothing stopped the planner.

    Raises
    ------
    ModelError
        If the callback is not callable.

    Notes
    -----
    Takes half a microsecond, and a tenth for each sweep, where nobody looks: planners solve tiny
    models in some tens. How a planner uses it::

        watch = Watch("value_iteration", wanted, history, callback)

        def search():
            for _ in range(max_sweeps):
                ...
                watch.see(width)
            return the last backup

        def finish(reached):
            if reached is None:
                ...  # from the last V by one fresh backup, wherever the search was left
            solution = Solution(..., reason=watch.reason, sweeps=watch.sweeps, history=watch.trace)
            return within(solution, tol, wanted, floor=..., cure=..., stopped=watch.stopped)

        return watch.answer(search, finish)

    What comes before the ``return`` is what every answer needs: there Ctrl-C ends the planner.
    """

    __slots__ = ("_began", "_callback", "_kept", "_tol", "method", "stopped", "sweeps")

    def __init__(self, method: str, tol: float, history: bool, callback: Any) -> None:
        if callback is not None and not callable(callback):
            raise ModelError(
                f"callback is {callback!r:.80}; it must be a function of one argument, a Step."
            )
        self.method, self._tol, self._callback = method, tol, callback
        self._kept: list[float] | None = [] if history else None
        self._began = 0.0 if callback is None else perf_counter()
        self.sweeps = 0
        self.stopped = ""

    @property
    def looks(self) -> bool:
        """Whether anybody wants the bound of each sweep."""
        return self._kept is not None or self._callback is not None

    def see(self, bound: float, left: float | None = None) -> None:
        """One more sweep is done and proves ``bound``. What the callback raises passes through.

        Where no bound is proved on the way, ``left`` is what can still be gained: it is kept
        instead.
        """
        if self._kept is not None:
            self._kept.append(bound if left is None else left)
        self.sweeps += 1
        if self._callback is not None:
            seconds = perf_counter() - self._began
            self._callback(Step(self.method, self.sweeps, float(bound), self._tol, seconds))

    def answer(self, search: Callable[[], T], finish: Callable[[T | None], Solution]) -> Solution:
        """What ``finish`` makes of what the search gives; of None, if the search was stopped.

        Ctrl-C stops the search, or else ``finish``, which then begins afresh. A second one passes
        through.
        """
        reached = None
        try:
            try:
                reached = search()
            except StopIteration as signal:
                self.stopped_by(signal)
            return finish(reached)
        except KeyboardInterrupt as signal:
            self.stopped_by(signal)
        return finish(reached)

    def stopped_by(self, signal: BaseException) -> str:
        """Note who stopped the planner; in words."""
        who = "Ctrl-C" if isinstance(signal, KeyboardInterrupt) else "the callback"
        self.stopped = f"stopped by {who} after {self.sweeps:,} sweep{'s' * (self.sweeps != 1)}"
        return self.stopped

    @property
    def reason(self) -> str:
        """For ``Solution.reason``; `solve` puts its own words in the place of `ASKED`."""
        return f"{ASKED}; {self.stopped}" if self.stopped else ASKED

    @property
    def trace(self) -> FloatArray | None:
        """The bounds seen, (sweeps,), read-only; None if they were not wanted."""
        # An interruption between keeping and counting leaves one that was not counted.
        return None if self._kept is None else readonly(np.array(self._kept[: self.sweeps]))


class _Line:
    """The line on the terminal: when in the course of a solve it was drawn last."""

    drawn: float | None = None


_LINE = _Line()


def show_progress(step: Progress) -> None:
    """Show on a terminal how far a planner or a study has come; nothing in a pipe or a notebook.

    Parameters
    ----------
    step : Step or StudyStep

    Notes
    -----
    To be handed over as it is: ``solve(mdp, callback=show_progress)``; `run_study` takes it too.
    One line on standard error, rewritten four times a second; work of less than that shows nothing.
    The cursor always waits below the line, so that whatever ends the work, what is printed next
    stands on its own.

    Examples
    --------
    >>> from mdptools import MDP, solve
    >>> mdp = MDP([[[0.5, 0.5]], [[0.1, 0.9]]], [[1.0], [0.0]], gamma=0.9)
    >>> solve(mdp, callback=show_progress).V.round(3)
    array([2.969, 1.406])
    """
    if step.sweep == 1:  # other work, another line
        _LINE.drawn = None
    before = _LINE.drawn
    done = step.done and before is not None
    if not done and step.seconds < (before or 0.0) + REDRAW:
        return
    _LINE.drawn = step.seconds
    terminal = sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
    if not terminal:
        return
    up = "" if before is None else "\x1b[1A\r\x1b[K"  # to the line above, and wipe it
    columns = shutil.get_terminal_size().columns - 1  # a line that is wrapped would be two
    sys.stderr.write(f"{up}{step.text[:columns]}\n")
    sys.stderr.flush()
