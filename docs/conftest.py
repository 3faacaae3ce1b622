"""Every example on every page: ``pytest --doctest-glob='*.md' docs``.

Python is found as doctest by pytest itself; console examples are run here, one item for each page.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

import console

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ["MPLBACKEND"] = "agg"


class Console(pytest.Item):
    """The console examples of one page."""

    def runtest(self) -> None:
        """Run them in a folder of their own."""
        folder = self.config._tmp_path_factory.mktemp("page")
        if said := console.fault(self.path.read_text("utf-8"), folder):
            raise AssertionError(said)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: str = "") -> str:
        """What the page shows and what was printed instead; a traceback for anything else."""
        if excinfo.errisinstance(AssertionError):
            return f"{self.path.name}, {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where and what."""
        return self.path, 0, f"{self.path.name}: console"


class Page(pytest.File):
    """A page that has console examples."""

    def collect(self) -> Iterator[Console]:
        """One item: a page is one session at a terminal."""
        yield Console.from_parent(self, name="console")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Page | None:
    """Pages with console examples."""
    if file_path.suffix == ".md" and "```console" in file_path.read_text("utf-8"):
        return Page.from_parent(parent, path=file_path)
    return None


@pytest.fixture(autouse=True)
def folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an example writes is not left here; what it draws is closed."""
    monkeypatch.chdir(tmp_path)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
