"""Schedules: numbers that change while something is learned, step sizes and exploration.

Takes     k = 1, 2, ...: how often a pair was updated, or how many steps there were.
Gives     a float.
Source    Robbins and Monro (1951) for what step sizes must do; Even-Dar and Mansour (2003) for
          powers between 1/2 and 1 in Q-learning, where 1/k is very slow.
Not here  what is done with them (`_control`, learners).

Wherever a step size or an exploration is asked for, a plain float is one that stays constant, and
any function of k will do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..checks import check_count, number_or_nan
from ..errors import ModelError

Schedule: TypeAlias = float | Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Power:
    """``scale / k**exponent``.

    Parameters
    ----------
    exponent : float >= 0
        As a step size it converges for exponents above 1/2 and up to 1 (the sum of the steps is
        infinite, that of their squares finite).
    scale : float > 0

    Raises
    ------
    ModelError
        If a parameter lies outside.

    Examples
    --------
    >>> schedule = Power(0.5)
    >>> schedule(1), schedule(4)
    (1.0, 0.5)
    """

    exponent: float = 0.7
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_number("exponent", self.exponent, at_least=0.0)
        _check_number("scale", self.scale, above=0.0)

    def __call__(self, k: int) -> float:
        """The k-th number, k = 1, 2, ..."""
        return float(self.scale / k**self.exponent)

    def __str__(self) -> str:
        return f"{self.scale:g}/k^{self.exponent:g}"


@dataclass(frozen=True, slots=True)
class Linear:
    """From ``start`` to ``end`` in ``steps`` equal steps, and ``end`` from then on.

    Parameters
    ----------
    start, end : float >= 0
    steps : int >= 1

    Raises
    ------
    ModelError
        If a parameter lies outside.

    Examples
    --------
    >>> schedule = Linear(1.0, 0.5, steps=2)
    >>> schedule(1), schedule(2), schedule(3), schedule(9)
    (1.0, 0.75, 0.5, 0.5)
    """

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        _check_number("start", self.start, at_least=0.0)
        _check_number("end", self.end, at_least=0.0)
        check_count(self.steps, "steps")

    def __call__(self, k: int) -> float:
        """The k-th number, k = 1, 2, ..."""
        done = min((k - 1) / self.steps, 1.0)
        return float(self.start + (self.end - self.start) * done)

    def __str__(self) -> str:
        return f"{self.start:g} to {self.end:g} in {self.steps}"


@dataclass(frozen=True, slots=True)
class Exponential:
    """``start * rate**(k - 1)``, but never below ``end``.

    Parameters
    ----------
    start : float >= 0
    rate : float in (0, 1]
    end : float >= 0

    Raises
    ------
    ModelError
        If a parameter lies outside.

    Examples
    --------
    >>> schedule = Exponential(1.0, 0.5, end=0.2)
    >>> schedule(1), schedule(2), schedule(9)
    (1.0, 0.5, 0.2)
    """

    start: float
    rate: float
    end: float = 0.0

    def __post_init__(self) -> None:
        _check_number("start", self.start, at_least=0.0)
        _check_number("rate", self.rate, above=0.0, at_most=1.0)
        _check_number("end", self.end, at_least=0.0)

    def __call__(self, k: int) -> float:
        """The k-th number, k = 1, 2, ..."""
        return float(max(self.start * self.rate ** (k - 1), self.end))

    def __str__(self) -> str:
        lowest = f" >= {self.end:g}" if self.end else ""
        return f"{self.start:g} * {self.rate:g}^(k-1){lowest}"


# --- for the other files of this room --------------------------------------------------------


class Table:
    """A schedule as a list that grows with what is asked: element k is its k-th number."""

    def __init__(self, schedule: Any, name: str, *, most: float) -> None:
        self._schedule, self._name, self._most = schedule, name, most
        self._constant = None if callable(schedule) else self._checked(schedule)
        self.numbers: list[float] = [np.nan]

    def up_to(self, k: int) -> list[float]:
        """At least the numbers 1 to k, at their places."""
        known = len(self.numbers)
        if known <= k:
            more = max(k, 2 * known) + 1
            if self._constant is not None:
                self.numbers.extend([self._constant] * (more - known))
            else:
                self.numbers.extend(self._checked(self._schedule(j)) for j in range(known, more))
        return self.numbers

    def _checked(self, x: Any) -> float:
        value = number_or_nan(x)
        if not 0 <= value <= self._most or value == np.inf:
            most = "" if self._most == np.inf else f" and at most {self._most:g}"
            raise ModelError(
                f"{self._name} is {x!r:.80}; it must be a number >= 0{most}, or a function that "
                f"gives one for k = 1, 2, ..."
            )
        return value


def number_at(schedule: Any, k: int, name: str, *, most: float = np.inf) -> float:
    """The k-th number of a schedule."""
    number = schedule(k) if callable(schedule) else schedule
    return Table(number, name, most=most).up_to(1)[1]


def _check_number(
    name: str, x: Any, *, above: float | None = None, at_least: float = 0.0, at_most: float = np.inf
) -> None:
    """Pass if x is a finite number in the range."""
    value = number_or_nan(x)
    inside = at_least <= value <= at_most and value < np.inf
    if not inside or (above is not None and value <= above):
        low = f"> {above:g}" if above is not None else f">= {at_least:g}"
        high = "" if at_most == np.inf else f" and at most {at_most:g}"
        raise ModelError(f"{name} is {x!r:.80}; it must be a number {low}{high}.")


BY_VISITS = Power(0.7)
"""The step size of a pair's k-th update where nothing else is said."""
