"""Numbers and names as words, for terminals, notebooks and reports alike.

Takes     numbers, names, anything that a result holds.
Gives     short text.
Not here  lines and tables of a terminal (cli), HTML (markup).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_CEILING, Context, Decimal
from numbers import Real
from typing import Any

FEW = 8
"""Entries that are written out where a result is shown in a line."""


def number(x: float, digits: int = 6) -> str:
    """A number in a few digits: "0.542026", "1.5e-12", "12,345".

    Parameters
    ----------
    x : float
    digits : int

    Returns
    -------
    str

    Examples
    --------
    >>> number(1 / 3), number(12345.0), number(float("-inf")), number(3)
    ('0.333333', '12,345', '-inf', '3')
    """
    whole = abs(x) < 1e15 and x == int(x)  # infinities and nan are not below
    return f"{int(x):,}" if whole else f"{x:.{digits}g}"


def upper(x: float | Decimal) -> str:
    """A bound with two digits, rounded up so that it stays one.

    Parameters
    ----------
    x : float >= 0

    Returns
    -------
    str

    Examples
    --------
    >>> upper(1.01e-9), upper(500.0)
    ('1.1e-09', '500')
    """
    rounded = float(Context(prec=2, rounding=ROUND_CEILING).create_decimal(x))
    return f"{rounded:.0f}" if 100 <= rounded < 1e6 else f"{rounded:.2g}"


def bounded(x: float, bound: float) -> str:
    """A number with the digits that its bound allows: "0.54203, within 0.00011".

    What is lost by writing fewer digits is counted in.

    Parameters
    ----------
    x, bound : float

    Returns
    -------
    str

    Examples
    --------
    >>> bounded(0.542025932, 1e-3), bounded(2.0, float("inf"))
    ('0.54203, within 0.0011', '2, with no proved bound')
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

    Parameters
    ----------
    values : sequence of float
    digits : int

    Returns
    -------
    list of str

    Examples
    --------
    >>> aligned([0.5, 12.25]), aligned([1e-9, 0.0])
    (['0.50', '12.25'], ['1.000e-09', '0'])
    """
    largest = max((abs(x) for x in values), default=0.0)
    if not math.isfinite(largest) or 0 < largest < 1e-3 or largest >= 1e7:
        return [f"{x:.{digits - 1}e}" if x else "0" for x in values]
    whole = len(str(int(largest))) if largest >= 1 else 0
    decimals = max(digits - whole, 0)
    while decimals and all(round(x, decimals - 1) == round(x, decimals) for x in values):
        decimals -= 1
    return [f"{x:z.{decimals}f}" for x in values]


def count(n: int, what: str) -> str:
    """How many of what.

    Parameters
    ----------
    n : int
    what : str
        One of them; an irregular plural stands after a slash.

    Returns
    -------
    str

    Examples
    --------
    >>> count(1, "state"), count(1000, "state"), count(2, "trajectory/trajectories")
    ('1 state', '1,000 states', '2 trajectories')
    """
    one, _, many = what.partition("/")
    return f"{n:,} {one}" if n == 1 else f"{n:,} {many or one + 's'}"


def shorten(text: str, width: int) -> str:
    """The text if it fits; else its beginning and three dots.

    Parameters
    ----------
    text : str
    width : int
        Characters.

    Returns
    -------
    str

    Examples
    --------
    >>> shorten("a long name", 8)
    'a lon...'
    """
    return text if len(text) <= width else text[: max(width - 3, 0)].rstrip() + "..."


def brief(x: Any) -> str:
    """Anything that a result holds, in a line: what fits is written out, the rest is described.

    Parameters
    ----------
    x : number, str, array, certificate, or a sequence or dict of these

    Returns
    -------
    str
        Empty for None and for what is empty.

    Examples
    --------
    >>> brief([0.5, 1]), brief(True), brief({"kappa": 2.0}), brief(None)
    ('0.5, 1', 'yes', 'kappa = 2', '')
    """
    if x is None or isinstance(x, str):
        return x or ""
    if isinstance(x, bool):
        return "yes" if x else "no"
    if hasattr(x, "ndim") and not isinstance(x, Real):
        return _array(x)
    if isinstance(x, float):
        return number(x)
    if isinstance(x, Real):  # whole numbers as they are, fractions as such
        return str(x)
    if isinstance(x, dict):
        return ", ".join(f"{key} = {brief(item)}" for key, item in x.items())
    if isinstance(x, tuple | list | frozenset):
        some = sorted(x) if isinstance(x, frozenset) else [*x]
        if len(some) <= FEW and all(isinstance(item, Real | str) for item in some):
            return ", ".join(brief(item) for item in some)
        return f"{len(some):,} of type {type(some[0]).__name__}"
    words = getattr(x, "in_words", None)  # what certificates say of themselves
    return words if isinstance(words, str) else type(x).__name__


def _array(x: Any) -> str:
    """A few numbers; else the shape, and from where to where the entries go."""
    if x.dtype.kind not in "biuf":
        return f"{x.shape} of {x.dtype}"
    if x.ndim <= 1 and x.size <= FEW:
        return ", ".join(brief(item) for item in x.reshape(-1).tolist())
    shape = " x ".join(f"{n:,}" for n in x.shape)
    if x.size == 0:
        return f"{shape}: nothing"
    if x.dtype.kind == "b":
        return f"{shape}: {int(x.sum()):,} of {x.size:,} are true"
    finite = x[(x > -math.inf) & (x < math.inf)]
    if not finite.size:
        return f"{shape}: no finite number"
    span = f"{number(float(finite.min()))} to {number(float(finite.max()))}"
    return f"{shape}: {span}" + (", some not finite" if finite.size < x.size else "")
