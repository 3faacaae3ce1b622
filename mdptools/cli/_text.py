"""Paragraphs and tables as plain text.

Takes     numbers and words.
Gives     str, or lines of at most the given width. Nothing is printed.
Not here  numbers as words (words), the pictures of grids (`_grid`).
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Collection, Sequence

from ..words import aligned, bounded, count, shorten, upper

__all__ = [
    "aligned",
    "bounded",
    "count",
    "duration",
    "in_flags",
    "labelled",
    "reason",
    "shorten",
    "table",
    "upper",
    "wrap",
]

INDENT = 13  # columns before the text that belongs to a label


def wrap(text: str, width: int, indent: int = 0) -> list[str]:
    """Lines of at most ``width`` columns; all but the first are indented. Long words stay whole."""
    return textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )


def labelled(label: str, text: str, width: int) -> list[str]:
    """A label, and its text in a column of its own."""
    return wrap(f"{label:{INDENT}}{text}", width, INDENT)


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, right: Collection[int] = ()
) -> list[str]:
    """Columns under their names; those that are listed in ``right`` end in one line.

    Where the table is too wide, its longest columns are shortened, but none below 8 characters.
    """
    lengths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    while sum(lengths) + 2 * (len(head) - 1) > width:
        texts = [i for i in range(len(head)) if i not in right]
        longest = max(texts, key=lengths.__getitem__, default=None)
        if longest is None or lengths[longest] <= 8:
            break
        lengths[longest] -= 1
    return [
        "  ".join(
            cell.rjust(n) if i in right else shorten(cell, n).ljust(n)
            for i, (cell, n) in enumerate(zip(row, lengths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]


_PYTHON = re.compile(r"\b(gamma|horizon|tol|method|max_states|max_steps)=('?)([\w.]*)\2")
_PLACEHOLDER = {"gamma": "G", "horizon": "H", "tol": "T", "method": "M"}
_OPTION = {"max_states": "max-states", "max_steps": "steps"}  # what has another name
_PHRASES = {
    "average=True": "--average",
    "max_steps=, truncation='geometric' with gamma < 1, or a model with a horizon": "--steps N or "
    "--horizon H",
    "look at the model under another objective: mdp.with_objective(...)": "name another objective: "
    "--gamma G or --horizon H",
}


def in_flags(text: str) -> str:
    """A message that speaks Python, ``horizon=3``, in the words of a shell, ``--horizon 3``."""
    for python, shell in _PHRASES.items():
        text = text.replace(python, shell)
    return _PYTHON.sub(
        lambda m: f"--{_OPTION.get(m[1], m[1])} {m[3] or _PLACEHOLDER.get(m[1], 'N')}", text
    )


def reason(error: Exception) -> str:
    """What an error says, in the words of a shell, without what only Python can ask for."""
    return in_flags(str(error).partition(" error.solution ")[0])


def duration(seconds: float) -> str:
    """Seconds, or milliseconds where these are easier to read."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
