"""The terminal: how wide it is, what it can show, and writing to it.

Takes     finished text.
Gives     what the user sees. Labels are bold on a terminal; in a pipe text stays plain.
Not here  what the text says.
"""

from __future__ import annotations

import math
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ._text import shorten, wrap

PIPE_CLOSED = 141  # what a shell reports for SIGPIPE
NARROW, WIDE = 40, 100  # columns
READ = 0.25  # seconds that a line stands before it changes
REDRAW = 0.1  # seconds between two looks of a bar
LONGEST = 28  # columns for what is being done
LABEL = r"(?m)^[a-zA-Z]+\*?(?=  |$)"  # what starts a line and stands apart


def width() -> int:
    """Columns to write in: 80 in a pipe."""
    return min(max(shutil.get_terminal_size((80, 24)).columns, NARROW), WIDE)


def shows(text: str) -> bool:
    """Whether standard output can write these characters."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def write(text: str) -> None:
    """Text to standard output, and out of the door: what follows may fail."""
    console = Console(highlight=False, soft_wrap=True)
    if console.is_terminal:
        styled = Text(text)
        styled.highlight_regex(LABEL, "bold")
        with console.capture() as capture:
            console.print(styled)
        text = capture.get().removesuffix("\n")
    write_plain(text)


def write_plain(text: str) -> None:
    """The same without styles; a character that cannot be shown becomes a question mark."""
    encoding = sys.stdout.encoding or "ascii"
    try:
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # `mdptools ... | head` has seen enough
        # as Python's documentation of SIGPIPE has it: the flush at exit must not fail as well
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(PIPE_CLOSED) from None


def complain(text: str) -> None:
    """One paragraph to standard error."""
    encoding = sys.stderr.encoding or "ascii"
    lines = "\n".join(wrap(f"mdptools: {text}", width()))
    sys.stderr.write(lines.encode(encoding, "replace").decode(encoding) + "\n")


@contextmanager
def busy(what: str) -> Iterator[Callable[[str], object]]:
    """Show on a terminal that something goes on; the function that is given tells how far it is.

    Nothing in a pipe.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with console.status(f"{what} ...") as status:
        said = monotonic()

        def say(how_far: str) -> None:
            nonlocal said
            if monotonic() - said >= READ:
                said = monotonic()
                status.update(f"{what}: {how_far} ...")

        yield say


class Say(Protocol):
    """Tells a bar what is being done, and how far it is."""

    def __call__(self, what: str, done: float | None = None, /) -> object:
        """One more step, or so many as are done by now."""


@contextmanager
def progress(total: float | None, unit: str = "") -> Iterator[Say]:
    """A bar on a terminal, with an estimate of the time that is left; nothing in a pipe.

    Parameters
    ----------
    total : float or None
        How much there is to do; None if nobody knows.
    unit : str
        What is counted, in the plural, so that the bar shows a rate: "updates".

    Yields
    ------
    function
        Called with a few words, and perhaps with what is done by now; each call without is one step
        further than the one before, the first is the beginning.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda what, done=None: None
        return
    with Progress(
        TextColumn(f"{{task.description:{LONGEST}}}", markup=False),
        BarColumn(bar_width=None if unit else 40),
        TaskProgressColumn(),
        *([_Rate(unit)] if unit else []),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        expand=True,
    ) as bar:
        task = bar.add_task("", total=total)
        count, shown = -1.0, -math.inf
        said = ""

        def say(what: str, done: float | None = None) -> None:
            nonlocal count, shown, said
            count = count + 1 if done is None else done
            if what != said or monotonic() - shown >= REDRAW:
                shown, said = monotonic(), what
                bar.update(task, description=shorten(what, LONGEST), completed=count)

        yield say


class _Rate(ProgressColumn):
    """So many of what is counted in a second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        """Nothing until there is something to go by."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.{int(speed < 10)}f} {self._unit}/s")
