"""Files from strangers: opened with care, read with a limit.

Takes     a path.
Gives     an open file, or its lines without comments, or a ModelError.
Not here  what stands in them (the reader of each format).
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ModelError

LARGEST_TEXT = 1 << 28
"""Bytes of text that are read unless the caller says more."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_RATIO = re.compile(r"([+-]?\d{1,400})/(\d{1,400})", re.ASCII)
_INFINITE = re.compile(r"[+-]?(inf|infinity)", re.IGNORECASE)


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """An open regular file: a pipe or a device could block for ever, or never end."""
    place = Path(path)
    if "\0" in os.fspath(place):
        raise ModelError(f"path is {os.fspath(place)!r:.200}; it holds a zero character.")
    if not stat.S_ISREG(place.stat().st_mode):
        raise ModelError(f"{place} is no regular file.")
    return place.open("rb")


class Text:
    """The lines of a text file that say something, each split into words, with their numbers."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        max_bytes: int = LARGEST_TEXT,
        clean: Callable[[str], str] = str,
    ) -> None:
        self.name = os.fspath(Path(path))
        with open_file(path) as file:
            size = os.fstat(file.fileno()).st_size
            raw = file.read(min(size, max_bytes + 1))  # what is asked for is allocated at once
        if len(raw) > max_bytes:
            raise ModelError(
                f"{self.name} is larger than max_bytes = {max_bytes}: allow more if you trust it."
            )
        self.line = 0
        try:
            text = raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            self.line = raw.count(b"\n", 0, error.start) + 1
            raise self.error(f"byte {raw[error.start]:#x} is no UTF-8 text") from None
        self._lines = text.split("\n")
        self._clean = clean

    def __iter__(self) -> Iterator[list[str]]:
        """The words of each line; `line` is the number of the current one."""
        while self.line < len(self._lines):
            words = self._clean(self._lines[self.line]).split()
            self.line += 1
            if words:
                yield words

    def error(self, what: str) -> ModelError:
        """A ModelError about the current line."""
        return ModelError(f"{self.name}, line {self.line}: {what}.")

    def integer(self, word: str, what: str, below: int | None = None) -> int:
        """A count or an index >= 0."""
        if not (word.isascii() and word.isdigit() and len(word) < 19):
            raise self.error(f"{what} is {word!r:.40}; it must be an integer >= 0")
        value = int(word)
        if below is not None and value >= below:
            raise self.error(f"{what} is {value}; it must be below {below}")
        return value

    def number(self, word: str, what: str) -> float:
        """A finite number: decimal, or a ratio of integers."""
        ratio = _RATIO.fullmatch(word)
        if ratio and int(ratio[2]):
            try:
                value = float(Fraction(int(ratio[1]), int(ratio[2])))
            except OverflowError:
                value = math.inf
        elif _NUMBER.fullmatch(word):
            value = float(word)
        else:
            value = math.inf if _INFINITE.fullmatch(word) else math.nan
        if not math.isfinite(value):
            raise self.error(f"{what} is {word!r:.40}; it must be a finite number")
        return value

    def probability(self, word: str, what: str = "the probability") -> float:
        """A number >= 0 (its row is checked by the model)."""
        value = self.number(word, what)
        if value < 0:
            raise self.error(f"{what} is {word!r:.40}; it must be >= 0")
        return value


def decimal(x: Any) -> str:
    """A number as text from which the same float is read; integers without a point."""
    value = float(x)
    return f"{int(value)}" if value.is_integer() and abs(value) < 1e15 else repr(value)
