"""Tasks: a sample in pieces, each with a seed of its own, so that it is the same however it is run.

Takes     a root seed, a number of rows, a function of a task, anything that maps.
Gives     results in the order of the tasks.
Source    numpy.random.SeedSequence: its ``spawn_key`` names a stream.
Not here  what a task does (`_statistical`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from ..checks import check_rng
from ..errors import ModelError

ROWS = 2**13  # rows of one task, at most
_NUMBERS = 2**22  # so many float64 in the arrays of one task: 32 MB each

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Task:
    """So many rows from a stream of their own.

    Attributes
    ----------
    root : int
    key : tuple of int
        The number of the task; a second number for rows that are not part of the test.
    rows : int
    first : int
        Rows in the tasks before it.
    """

    root: int
    key: tuple[int, ...]
    rows: int
    first: int

    def generator(self) -> np.random.Generator:
        """The stream of this task."""
        return np.random.default_rng(np.random.SeedSequence(self.root, spawn_key=self.key))


def root_of(rng: Any) -> int:
    """The seed of everything: an int as it is, or one number drawn from a generator.

    Examples
    --------
    >>> root_of(7), root_of(np.random.default_rng(0))
    (7, 5874934615388537135)
    """
    generator = check_rng(rng)
    if generator is not rng:
        return operator.index(rng)
    return int(generator.integers(2**63))


def chunk_for(width: int, units: int) -> int:
    """Rows of one task, if each needs ``units`` trajectories with ``width`` numbers."""
    return max(min(ROWS, _NUMBERS // max(width, 1)) // max(units, 1), 1)


class Schedule:
    """Cuts rows into tasks and runs them.

    Parameters
    ----------
    root : int
    chunk : int
        Rows of one task, at most.
    map : function (function, tasks) -> results in order
    stream : tuple of int
        What the keys of these tasks end in: () for the rows of the test.
    """

    def __init__(self, root: int, chunk: int, map: Any, stream: tuple[int, ...] = ()) -> None:
        self.root, self.chunk, self.stream = root, chunk, stream
        self._map = map
        self._k = 0
        self.rows = 0

    def run(self, work: Callable[[Task], Result], rows: int) -> Sequence[Result]:
        """Results of the next ``rows`` rows, one for each task, in order."""
        tasks = []
        while rows > 0:
            n = min(rows, self.chunk)
            tasks.append(Task(self.root, (self._k, *self.stream), n, self.rows))
            self._k += 1
            self.rows += n
            rows -= n
        found: Iterable[Result] = self._map(work, tasks)
        results = list(found)
        if len(results) != len(tasks):
            raise ModelError(
                f"map= returned {len(results)} results for {len(tasks)} tasks; it must behave as "
                f"the built-in map does."
            )
        return results
