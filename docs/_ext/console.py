"""The console examples of a page: what a reader would type, run, and what it prints, compared.

Takes     a page of Markdown: ``console`` fences, and ``code-block`` fences whose caption is a
          file's name.
Gives     a sentence about the first command that does not do what the page shows, or None.
Not here  Python examples: they are doctests, which pytest finds by itself.

Everything happens in one folder, from top to bottom. ``mdptools`` runs in this process, 80 columns
wide and without colour; other commands run in one of their own.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FENCE = re.compile(
    r"^(?P<indent> *)(?P<mark>`{3,})(?P<kind>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=mark) *$",
    re.MULTILINE | re.DOTALL,
)
CAPTION = re.compile(r"\A(?:[ \t]*:[a-z-]+:.*\n)*?[ \t]*:caption: *(?P<name>[\w./-]+) *\n")
OPTIONS = re.compile(r"\A(?:[ \t]*:[a-z-]+:.*\n)+\n?")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
QUIET = ("FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS", "LINES", "PYTEST_ADDOPTS")


@dataclass(frozen=True, slots=True)
class File:
    """A file that the page shows: its name and its text."""

    line: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """A line after ``$``, and what the page says it prints."""

    line: int
    words: str
    shown: str


@dataclass(frozen=True, slots=True)
class Done:
    """What a command did."""

    code: int
    out: str
    err: str = ""

    @property
    def printed(self) -> str:
        """Both streams, as far as a reader of the page is concerned."""
        return self.out + self.err


def steps(page: str) -> Iterator[File | Command]:
    """The files and commands of a page, from top to bottom."""
    for fence in FENCE.finditer(page):
        line = page.count("\n", 0, fence.start()) + 1
        kind, body = fence["kind"].strip(), dedent(fence["body"], len(fence["indent"]))
        if kind == "console":
            yield from commands(body, line + 1)
        elif kind.startswith("{code-block}") and (caption := CAPTION.match(body)):
            yield File(line, caption["name"], OPTIONS.sub("", body))


def dedent(body: str, width: int) -> str:
    """The text of an indented fence as it stands in one that is not."""
    return "".join(line[min(width, len(line) - 1) :] for line in body.splitlines(keepends=True))


def commands(body: str, line: int) -> Iterator[Command]:
    """The commands of one fence; a backslash at the end of a line continues it."""
    current: list[str] = []
    start, shown = line, list[str]()
    for number, text in enumerate(body.splitlines(), line):
        if text.startswith("$ "):
            if current:
                yield Command(start, " ".join(current), "\n".join(shown))
            current, start, shown = [text[2:].rstrip("\\").strip()], number, []
            open_end = text.endswith("\\")
        elif not current:
            raise ValueError(f"line {number}: a console example begins with '$ ', not {text!r}")
        elif open_end:
            current.append(text.removeprefix("> ").rstrip("\\").strip())
            open_end = text.endswith("\\")
        else:
            shown.append(text)
    if current:
        yield Command(start, " ".join(current), "\n".join(shown))


def fault(page: str, folder: Path) -> str | None:
    """Do all that the page shows in this folder; what was otherwise, or None."""
    before, code, printed = None, 0, ""
    for step in steps(page):
        if isinstance(step, File):
            place = folder / step.name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(step.text, "utf-8")
            continue
        asked = step.words == "echo $?"
        if code and not asked:
            break
        done = Done(0, f"{code}\n") if asked else run(step.words, folder)
        before, code, printed = step, done.code, done.printed
        same = doctest.OutputChecker().check_output(step.shown + "\n", printed + "\n", FLAGS)
        if step.shown.strip() and not same:
            return (
                f"line {step.line}: `{step.words}` should print\n{step.shown}\n"
                f"and prints\n{printed}"
            )
    if code:
        return (
            f"line {before.line}: `{before.words}` ends with code {code}, no `echo $?` says so; "
            f"it prints\n{printed}"
        )
    return None


def run(line: str, folder: Path) -> Done:
    """One command; `` > FILE`` at its end takes what it prints."""
    line, _, into = (part.strip() for part in line.partition(" > "))
    words = shlex.split(line, comments=True)
    given = {}
    while "=" in words[0]:  # PYTHONPATH=. mdptools ...
        name, _, given[name] = words.pop(0).partition("=")
    with environment(given):
        inside = words[0] == "mdptools"
        done = in_process(words[1:], folder) if inside else outside(words, folder)
    if into:
        (folder / into).write_text(done.out, "utf-8")
        return Done(done.code, "", done.err)
    return done


def in_process(words: list[str], folder: Path) -> Done:
    """The command ``mdptools`` without the time that a new interpreter takes."""
    from mdptools.cli import main

    path, loaded = [*sys.path], set(sys.modules)
    given = os.environ.get("PYTHONPATH", "")
    sys.path[1:1] = [str(folder / part) for part in given.split(os.pathsep) if part]
    importlib.invalidate_caches()  # files that were written a moment ago
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    sys.path[:] = path
    for name in set(sys.modules) - loaded:  # the page's own modules: the next page may have others
        where = getattr(sys.modules[name], "__file__", None)
        if where and Path(where).is_relative_to(folder):
            del sys.modules[name]
    return Done(int(code or 0), out.getvalue(), err.getvalue())


@contextlib.contextmanager
def environment(given: dict[str, str]) -> Iterator[None]:
    """A pipe of 80 columns, on every machine, and what stands before the command."""
    kept = dict(os.environ)
    for name in QUIET:
        os.environ.pop(name, None)
    os.environ.update(COLUMNS="80", NO_COLOR="1", MPLBACKEND="agg", **given)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def outside(words: list[str], folder: Path) -> Done:
    """Python, pytest, and the two that only look."""
    first, *rest = words
    if first == "cat":
        return Done(0, "".join((folder / name).read_text("utf-8") for name in rest))
    if first == "ls":
        return Done(0, "  ".join(sorted(path.name for path in folder.iterdir())))
    if first == "pytest":
        rest = ["-m", "pytest", "-p", "no:cacheprovider", *rest]
    elif first != "python":
        raise ValueError(f"`{first}` is no command that examples are run with; use a sh fence")
    done = subprocess.run(
        [sys.executable, *rest],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)
