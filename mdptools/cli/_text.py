"""Numbers, paragraphs and tables as plain text.

Takes     numbers and words.
Gives     str, or lines of at most the given width. Nothing is printed.
Not here  the pictures of grids (`_grid`).
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Collection, Sequence
from decimal import ROUND_CEILING, Context, Decimal

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


def upper(x: float | Decimal) -> str:
    """A bound with two digits, rounded up so that it stays one."""
    rounded = float(Context(prec=2, rounding=ROUND_CEILING).create_decimal(x))
    return f"{rounded:.0f}" if 100 <= rounded < 1e6 else f"{rounded:.2g}"


def bounded(x: float, bound: float) -> str:
    """A number with the digits that its bound allows: "0.54203, within 0.00011".

    What is lost by writing fewer digits is counted in.
    """
    if not math.isfinite(bound):
        return f"{x:.10g}, with no proved bound"
    shown = repr(x)
    if bound > 0:
        decimals = max(0, 2 - math.floor(math.log10(bound)))
        shown = min(f"{x:.{min(decimals, 300)}f}", shown, key=len)
    if "e" not in shown and "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return f"{shown}, within {upper(Decimal(bound) + abs(Decimal(shown) - Decimal(x)))}"


def aligned(values: Sequence[float], digits: int = 4) -> list[str]:
    """Numbers with the same number of decimals: ``digits`` digits for the largest, if that does.

    Decimals that are zero everywhere are left out; very large and very small numbers are written
    with an exponent.
    """
    largest = max((abs(x) for x in values), default=0.0)
    if not math.isfinite(largest) or 0 < largest < 1e-3 or largest >= 1e7:
        return [f"{x:.{digits - 1}e}" if x else "0" for x in values]
    whole = len(str(int(largest))) if largest >= 1 else 0
    decimals = max(digits - whole, 0)
    while decimals and all(round(x, decimals - 1) == round(x, decimals) for x in values):
        decimals -= 1
    return [f"{x:z.{decimals}f}" for x in values]


def shorten(text: str, width: int) -> str:
    """The text if it fits; else its beginning and three dots."""
    return text if len(text) <= width else text[: max(width - 3, 0)].rstrip() + "..."


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int, *, right: Collection[int] = ()
) -> list[str]:
    """Columns under their names; those that are listed in ``right`` end in one line.

    Where the table is too wide, its longest columns are shortened, but none below 8 characters.
    """
    lengths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    while sum(lengths) + 2 * (len(head) - 1) > width:
        longest = max((i for i in range(len(head)) if i not in right), key=lengths.__getitem__)
        if lengths[longest] <= 8:
            break
        lengths[longest] -= 1
    return [
        "  ".join(
            cell.rjust(n) if i in right else shorten(cell, n).ljust(n)
            for i, (cell, n) in enumerate(zip(row, lengths, strict=True))
        ).rstrip()
        for row in [head, *rows]
    ]


_PYTHON = re.compile(r"\b(gamma|horizon|tol|method)=('?)([\w.]*)\2")
_PLACEHOLDER = {"gamma": "G", "horizon": "H", "tol": "T", "method": "M"}


def in_flags(text: str) -> str:
    """A message that speaks Python, ``horizon=3``, in the words of a shell, ``--horizon 3``."""
    return _PYTHON.sub(lambda m: f"--{m[1]} {m[3] or _PLACEHOLDER[m[1]]}", text)


def reason(error: Exception) -> str:
    """What an error says, in the words of a shell, without what only Python can ask for."""
    return in_flags(str(error).partition(" error.solution ")[0])


def count(n: int, what: str) -> str:
    """How many of what: "1 state", "1,000 states"; an irregular plural stands after a slash."""
    one, _, many = what.partition("/")
    return f"{n:,} {one}" if n == 1 else f"{n:,} {many or one + 's'}"


def duration(seconds: float) -> str:
    """Seconds, or milliseconds where these are easier to read."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{1e3 * seconds:.3g} ms"
