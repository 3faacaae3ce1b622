"""What holds of the pages as text: links lead somewhere, fences are of the kinds that are run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import mdptools

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
TEXTS = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ROOT / "benchmarks" / "README.md",
    *PAGES,
]

FENCE = re.compile(r"^ *(`{3,}|:{3,})([^\n`]*)\n(.*?)^ *\1 *$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]\n]*(?:\n[^\]\n]+)?\]\(([^)\s]+)\)")
SHOWN_ONLY = {"sh", "text", "toml", "yaml", "json"}


def ids(paths: list[Path]) -> list[str]:
    return [path.relative_to(ROOT).as_posix() for path in paths]


def without_fences(text: str) -> str:
    return FENCE.sub("", text)


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MyST make it."""
    words = re.sub(r"[^\w\s-]", "", heading.strip().lower())
    return re.sub(r"\s", "-", words)


def anchors(path: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_fences(path.read_text("utf-8")), re.MULTILINE)
    return {slug(heading) for heading in headings}


def broken(path: Path, text: str) -> Iterator[str]:
    """The relative links of a text that lead nowhere; links to other sites need a network."""
    for target in LINK.findall(without_fences(text)):
        if re.match(r"[a-z]+:", target):
            continue
        place, _, anchor = target.partition("#")
        there = (path.parent / place).resolve() if place else path
        if not there.is_file():
            yield f"{target}: there is no such file"
        elif anchor and there.suffix == ".md" and anchor not in anchors(there):
            yield f"{target}: there is no such heading"


@pytest.mark.parametrize("path", TEXTS, ids=ids(TEXTS))
def test_relative_links_lead_somewhere(path):
    """Seen failing: with a link to `quantecon.rst` in coming-from/index.md."""
    assert not list(broken(path, path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](no-such-file.md)", "no such file"),
        ("[a](README.md#no-such-heading)", "no such heading"),
        ("[two\nlines](no-such-file.md)", "no such file"),
        ("[a](README.md#try-it) [b](https://example.org/x) [c](LICENSE)", None),
        ("```text\n[a](no-such-file.md)\n```\n", None),
    ],
)
def test_a_broken_link_is_found(text, fault):
    """Seen failing: with anchors not looked at; with links over two lines not seen; with links to
    other sites taken for files; with fences not taken out."""
    found = list(broken(ROOT / "CONTRIBUTING.md", text))
    assert [fault] == [found[0].partition(": there is ")[2]] if fault else found == []


def faults(text: str) -> Iterator[str]:
    """Fences that would not be run, or not be understood."""
    for fence in FENCE.finditer(text):
        kind, body = fence[2].strip(), fence[3]
        if fence[1].startswith(":"):  # grids, cards, notes
            continue
        where = f"line {text.count(chr(10), 0, fence.start()) + 1}"
        shown = ">>> " in body
        if shown and not re.search(r"\n[ ]*\n\Z", body):
            yield f"{where}: no empty line before the end, so doctest takes the fence for output"
        if kind == "python" and not shown:
            yield f"{where}: Python that nobody runs"
        if kind == "{picture}" and ":alt: " not in body:
            yield f"{where}: a picture without :alt:"
        if kind == "console" and not body.startswith("$ "):
            yield f"{where}: a console example that begins with no command"
        if not (kind in {"python", "console", *SHOWN_ONLY} or kind.startswith("{")):
            yield f"{where}: a fence {kind!r}, of which nobody knows what to do with it"


@pytest.mark.parametrize("path", TEXTS, ids=ids(TEXTS))
def test_fences_are_of_the_kinds_that_are_run(path):
    """Seen failing: with `python` in the place of `sh` in installation.md."""
    assert not list(faults(path.read_text("utf-8")))


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("```python\n>>> 1\n1\n```\n", "line 1: no empty line"),
        ("a\n\n```python\nx = 1\n```\n", "line 3: Python that nobody runs"),
        ("```{picture}\n>>> draw()\n\n```\n", "without :alt:"),
        ("```console\nmdptools\n```\n", "begins with no command"),
        ("```shell\nmdptools\n```\n", "a fence 'shell'"),
        ("- a\n\n  ```python\n  >>> 1\n  1\n  ```\n", "no empty line"),
        ("```python\n>>> 1\n1\n\n```\n", None),
        ("- a\n\n  ```python\n  >>> 1\n  1\n\n  ```\n", None),
        ("```{picture}\n:alt: a line\n>>> draw()\n\n```\n", None),
        ("```console\n$ mdptools\n```\n```sh\npip\n```\n", None),
    ],
)
def test_a_bad_fence_is_found(text, fault):
    """Seen failing: with each of the questions of `faults` in turn left out; with fences in lists
    not seen."""
    found = list(faults(text))
    assert len(found) == bool(fault) and (not fault or fault in found[0])


def test_the_citation_names_this_version():
    """Seen failing: with version 0.0.9 in CITATION.cff; without its `title`."""
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    keys = dict(re.findall(r"^([a-z-]+): *(.*)$", text, re.MULTILINE))
    assert {"cff-version", "message", "title", "authors"} <= set(keys)  # all that the format asks
    assert keys["version"] == mdptools.__version__
    assert keys["cff-version"] == "1.2.0" and keys["license"] == "BSD-3-Clause"
