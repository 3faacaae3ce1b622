"""Where the text goes: a terminal, a pipe, a pipe that knows ASCII only."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import sys
import time
from types import SimpleNamespace

import pytest

from mdptools.cli import _terminal


class Output(io.TextIOWrapper):
    """Standard output with an encoding, and a terminal behind it or not."""

    def __init__(self, encoding: str, terminal: bool = False) -> None:
        super().__init__(io.BytesIO(), encoding=encoding, newline="")
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    @property
    def text(self) -> str:
        self.flush()
        return self.buffer.getvalue().decode(self.encoding)


@pytest.fixture
def output(monkeypatch):
    def make(encoding: str, terminal: bool = False) -> Output:
        found = Output(encoding, terminal)
        monkeypatch.setattr(sys, "stdout", found)
        return found

    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return make


def test_labels_are_bold_on_a_terminal_alone(output):
    """Seen failing: with styles in a pipe; with the page read as rich's markup."""
    page = "model        small [bold]x[/bold] 12\npolicy\n  ← G\nnot a label: 3"
    terminal = output("utf-8", terminal=True)
    _terminal.write(page)
    assert terminal.text == (
        "\x1b[1mmodel\x1b[0m        small [bold]x[/bold] 12\n\x1b[1mpolicy\x1b[0m\n  ← G\n"
        "not a label: 3\n"
    )
    pipe = output("utf-8")
    _terminal.write(page)
    assert pipe.text == page + "\n"


def test_a_dumb_pipe_gets_what_it_can_show(output, mdptools):
    """Seen failing: with Unicode arrows always; without "replace"."""
    pipe = output("ascii")
    assert not _terminal.shows("←") and _terminal.shows("<")
    from mdptools.cli import main

    assert main(["solve", "example:line_world"]) == 0
    assert "\n  > > > > G\n" in pipe.text
    _terminal.write("état")
    assert pipe.text.endswith("?tat\n")


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("10", 40), ("300", 100)])
def test_the_width_has_limits(monkeypatch, columns, width):
    """Seen failing: with min for max."""
    monkeypatch.setenv("COLUMNS", columns)
    assert _terminal.width() == width


def test_nothing_moves_in_a_pipe(capsys):
    """Seen failing: with a console that is always a terminal."""
    with _terminal.busy("solving"):
        pass
    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_told_how_far_it_is(monkeypatch):
    """But not at every word: nobody reads that fast.

    Seen failing: with `say` that does nothing; with READ = 0.
    """
    shown = Output("utf-8", terminal=True)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm-256color")
    clock = iter(range(1000))
    monkeypatch.setattr(_terminal, "monotonic", lambda: 0.2 * next(clock))
    with _terminal.busy("solving") as say:
        for sweep in range(1, 10):
            say(f"sweep {sweep}")
    assert "solving: sweep 8 ..." in shown.text


def test_a_bar_shows_how_far_it_is(monkeypatch):
    """What is done, its share, and the words of the last step; nothing of it stays.

    Seen failing: with each call one step further, whatever it says is done.
    """
    shown = Output("utf-8", terminal=True)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm-256color")
    with _terminal.progress(40, "updates") as say:
        say("the first rule", 0)
        say("a rule with a name that is longer than the room there is", 20)
    last = re.findall(r"a rule with a name.*", shown.text)[-1]
    assert last.startswith("a rule with a name that i...") and " 50%" in last


def test_steps_without_a_number_count_themselves(monkeypatch):
    """The first is the beginning, at which nothing is done yet.

    Seen failing: with the first counted.
    """
    shown = Output("utf-8", terminal=True)
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("TERM", "xterm-256color")
    with _terminal.progress(4) as say:
        for word in ("one", "two", "three"):
            say(word)
    assert " 50%" in re.findall(r"three.*", shown.text)[-1]


@pytest.mark.parametrize(
    ("speed", "text"), [(None, ""), (0.25, "0.2 rows/s"), (1234.5, "1,234 rows/s")]
)
def test_a_rate_has_a_unit(speed, text):
    """Seen failing: with decimals for large ones."""
    task = SimpleNamespace(finished_speed=None, speed=speed)
    assert _terminal._Rate("rows").render(task).plain == text


def test_no_bar_in_a_pipe(capsys):
    """Seen failing: with a console that is always a terminal."""
    with _terminal.progress(3, "rows") as say:
        say("one")
        say("two", 2)
    assert capsys.readouterr() == ("", "")


def test_a_bar_and_control_c_in_a_terminal():
    """A rate and the time that is left, and after Ctrl-C a whole page.

    Seen failing: without the columns of the bar; with the interrupted run thrown away.
    """
    pid, fd = pty.fork()
    if pid == 0:  # pragma: no cover
        os.environ |= {"TERM": "xterm-256color", "COLUMNS": "80"}
        os.environ.pop("NO_COLOR", None)
        words = ["learn", "example:frozen_lake", "--steps", "100000", "--seeds", "2"]
        os.execv(sys.executable, [sys.executable, "-m", "mdptools", *words])
    seen, sent, until = b"", False, time.monotonic() + 60
    while time.monotonic() < until:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                more = os.read(fd, 65536)
            except OSError:  # how a terminal ends on Linux
                break
            if not more:
                break
            seen += more
        if not sent and re.search(rb"\d iterations/s.*\d:\d\d:\d\d", seen):
            os.write(fd, b"\x03")
            sent = True
    os.close(fd)
    assert sent and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 130
    page = re.sub(rb"\x1b\[[\d;?]*[a-zA-Z]", b"", seen).decode()
    assert "q learning, step 1/k^0.7 was stopped by Ctrl-C after" in page
    assert re.search(r"(?m)^ +iteration +mean J", page)
    assert page.rstrip().endswith("mdptools: interrupted.")
