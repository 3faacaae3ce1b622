"""Names of learners and rules: what they are called, and what tells two of them apart.

Takes     a frozen dataclass and the words that it goes by; a number, a schedule, an object.
Gives     a name for reports and legends.
Not here  what each is called (the learners, rules of studies).
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any

import numpy as np

from ..checks import number_or_nan

KEPT_SHORT = 40
"""Characters that an object's own words may have."""


def with_options(head: str, thing: Any, *said: str) -> str:
    """A name: the head, then each option that it does not say and that is not its default.

    Parameters
    ----------
    head : str
    thing : dataclass instance
    *said : str
        Fields that the head speaks for, or that no name could tell apart.

    Returns
    -------
    str
        Options go by their own names, those that take keywords alone come last.
    """
    told = [
        f"{one.name} {in_few(getattr(thing, one.name))}"
        for one in sorted(fields(thing), key=lambda one: bool(one.kw_only))
        if one.name not in said and not _same(getattr(thing, one.name), one.default)
    ]
    return ", ".join([head, *told])


def in_few(x: Any) -> str:
    """An option in a few characters: a number, a word, a schedule, what a function is called.

    Tables are "given". An object goes by its own ``__str__`` if it has one that is short, otherwise
    by its class.
    """
    if isinstance(x, str):
        return x
    if not callable(x) and not np.isnan(number_or_nan(x)):
        return f"{number_or_nan(x):g}"
    if _is_table(x):
        return "given"
    if hasattr(x, "__name__"):
        return "function" if x.__name__ == "<lambda>" else str(x.__name__)
    kind: Any = type(x)
    own = str(x) if kind.__str__ is not object.__str__ else ""
    return own if 0 < len(own) <= KEPT_SHORT else str(kind.__name__)


def _same(x: Any, default: Any) -> bool:
    """Whether an option is as it would be if it were omitted; tables never are."""
    if x is default:
        return True
    return not (default is MISSING or default is None or _is_table(x)) and bool(x == default)


def _is_table(x: Any) -> bool:
    """Whether it is a list or an array: of these equality is no single answer."""
    return isinstance(x, (list, tuple)) or bool(getattr(x, "ndim", 0))
