"""Run the command line in this process: what it prints, what it complains of, its exit code."""

from __future__ import annotations

import itertools
import os
import re
import textwrap
from collections.abc import Callable
from typing import NamedTuple

import pytest

from mdptools.cli import main


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def complaint(self) -> str:
        """Standard error as one line, so that a test need not know where it is wrapped."""
        return re.sub(r"\s+", " ", self.err).strip()

    def value(self, label: str) -> str:
        """The text beside a label, unwrapped."""
        at = next(i for i, line in enumerate(self.lines) if line.startswith(f"{label}  "))
        found = [self.lines[at].removeprefix(label)]
        for line in self.lines[at + 1 :]:
            if not line.startswith(" " * 13):
                break
            found.append(line)
        return re.sub(r"\s+", " ", " ".join(found)).strip()

    def section(self, label: str) -> list[str]:
        """The indented lines below a label, up to the next label."""
        at = next(i for i, line in enumerate(self.lines) if re.match(rf"{label}( |$)", line)) + 1
        below = itertools.takewhile(lambda line: line[:1] in ("", " "), self.lines[at:])
        return textwrap.dedent("\n".join(below)).strip("\n").splitlines()


Run = Callable[..., Done]


@pytest.fixture
def mdptools(monkeypatch, capsys) -> Run:
    """``mdptools("solve", "example:small")``, in a pipe, 80 columns wide."""
    for name in [*os.environ]:
        if name in {"FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "NO_COLOR", "LINES"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "80")

    def run(*words: str) -> Done:
        capsys.readouterr()
        code = main(words)
        return Done(code, *capsys.readouterr())

    return run
