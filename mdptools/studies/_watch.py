"""Watching a study: what a callback is told, and who stopped it.

Takes     what a rule has done after each step.
Gives     `StudyStep`; words for who stopped a study.
Not here  the loops (`_run`, `_stacked`); the line on the terminal (planning).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..arrays import FloatSA
from ..errors import ModelError

STOPPED = (StopIteration, KeyboardInterrupt)
"""What ends a study early, with what there is: a callback that has seen enough, or Ctrl-C."""


class StudyStep(NamedTuple):
    """What a study tells its callback after each step.

    Attributes
    ----------
    rule : str
        The rule's name.
    t : int
        How many updates it has made.
    steps : int
        How many it is to make.
    pi : (S, A) array
        Its policy now; (N, S, A) in a stack, (H, S, A) with a horizon.
    seconds : float
        Since this rule began.
    """

    rule: str
    t: int
    steps: int
    pi: FloatSA
    seconds: float

    @property
    def sweep(self) -> int:
        """t, for `show_progress`."""
        return self.t

    @property
    def done(self) -> bool:
        """Whether this was the rule's last update."""
        return self.t == self.steps

    @property
    def text(self) -> str:
        """For the line of `show_progress`."""
        return f"{self.rule}: update {self.t:,} of {self.steps:,}, {self.seconds:.1f} s"


def check_callback(callback: Any) -> None:
    """Pass if it is None or can be called."""
    if callback is not None and not callable(callback):
        raise ModelError(
            f"callback is {callback!r:.80}; it must be a function of one argument, a StudyStep."
        )


def who_stopped(signal: BaseException, rule: str, done: int, steps: int) -> str:
    """A sentence without its full stop."""
    who = "Ctrl-C" if isinstance(signal, KeyboardInterrupt) else "the callback"
    return f"{rule} was stopped by {who} after {done:,} of {steps:,} updates"
