"""Where the text goes: a terminal, a pipe, a pipe that knows ASCII only."""

from __future__ import annotations

import io
import sys

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
