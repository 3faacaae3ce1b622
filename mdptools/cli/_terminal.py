"""The terminal: how wide it is, what it can show, and writing to it.

Takes     finished text.
Gives     what the user sees. Labels are bold on a terminal; in a pipe text stays plain.
Not here  what the text says.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ._text import wrap

PIPE_CLOSED = 141  # what a shell reports for SIGPIPE
NARROW, WIDE = 40, 100  # columns
READ = 0.25  # seconds that a line stands before it changes
LABEL = r"(?m)^[a-zA-Z]+(?=  |$)"  # what starts a line and stands apart


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


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], object]]:
    """A bar on a terminal, nothing in a pipe; the function that is given tells what comes next."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    with Progress(
        TextColumn("{task.description:28}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
    ) as bar:
        task = bar.add_task("", total=steps)
        done = -1

        def say(what: str) -> None:
            nonlocal done
            done += 1
            bar.update(task, description=what, completed=done)

        yield say
