"""Rows: calling somebody's estimator, and asking of its answer what a mean needs.

Takes     a function of `Trajectories`, and batches of them.
Gives     (n, D) arrays of finite numbers, or one clear error.
Not here  reading one answer (`_returned`), estimators in other forms (`_styles`), what the rows
          should average to (`_targets`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import InitVar, dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..sampling import Trajectories
from ._returned import Layout, Reader
from ._tree import Tree

Estimator: TypeAlias = Callable[[Trajectories], Any]

SAMPLE = 8  # so many rows are asked for again, alone
BLOCK = 4096  # so many batches of a batch estimator are added up at once

_ONE_BY_ONE = (
    "A function of one trajectory at a time is served by style='steps' (a list of (s, a, r)) or "
    "style='dicts' (Gymnasium's names); one number for a whole batch by batch=2."
)
_ONE_FOR_ALL = "One estimate x of a whole batch is returned as x[None], one row."


@dataclass(slots=True)
class Caller:
    """Calls an estimator; its first answers are asked for again.

    Parameters
    ----------
    estimator : function Trajectories -> array
    shape : tuple of int, optional
        Of what the rows estimate; any if omitted.
    batch : int
        So many trajectories make one estimate.
    layout : Layout, optional
        The names of the columns, if the target is a dict.
    origin : str
        Where the trajectories come from, for messages: their seed, if they were drawn.
    """

    estimator: Estimator
    shape: tuple[int, ...] | None = None
    batch: int = 1
    layout: InitVar[Layout | None] = None
    origin: str = ""
    trusted: bool = field(default=False, init=False)
    reader: Reader = field(init=False)

    def __post_init__(self, layout: Layout | None) -> None:
        cure = _ONE_BY_ONE if self.batch == 1 else _ONE_FOR_ALL
        self.reader = Reader("the estimator", "trajectories", cure, self.shape, layout)

    @property
    def precision(self) -> float:
        """The coarsest eps of the answers."""
        return self.reader.precision

    def rows(self, trajectories: Trajectories) -> FloatArray:
        """(n, D): one row for each trajectory."""
        rows = self._call(trajectories)
        if not self.trusted:
            self._ask_again(trajectories, rows)
            self.trusted = True
        return rows

    def of_batch(self, trajectories: Trajectories) -> FloatArray:
        """(D,): the mean of the rows that a batch estimator returns for one batch."""
        rows = self._call(trajectories)
        if not self.trusted:
            self._same(rows, self._call(trajectories))
            self.trusted = True
        mean: FloatArray = rows.mean(axis=0)
        return mean

    def _call(self, trajectories: Trajectories) -> FloatArray:
        seed = f"{self.origin}, " if self.origin else ""
        return self.reader.read(
            self.estimator(trajectories),
            trajectories.n,
            lambda i: f"{seed}the trajectory {describe(trajectories, i)}",
            one=self.batch > 1,
        )

    def _ask_again(self, trajectories: Trajectories, rows: FloatArray) -> None:
        """The same data, and a few rows of it: the answers must not change."""
        self._same(rows, self._call(trajectories))
        few = np.linspace(0, len(rows) - 1, min(SAMPLE, len(rows) - 1), dtype=np.int64)[::-1]
        if not len(few):
            return
        alone = self._call(trajectories[few])
        apart = np.abs(alone - rows[few])
        size = np.abs(rows).max(axis=0)
        # Sums over an axis may be taken in another order for another number of rows.
        off = np.argwhere(apart > 1e3 * max(self.precision, 2e-16) * size)
        if len(off):
            i, j = (int(k) for k in off[0])
            raise ModelError(
                f"the row of a trajectory depends on the other rows of its batch: "
                f"{self.reader.column(j)} of row {int(few[i])} is {rows[few[i], j]:.6g} among "
                f"{len(rows)} trajectories and {alone[i, j]:.6g} among {len(few)}. An estimator of "
                f"a whole batch is checked with batch=2: it is then called with two trajectories "
                f"at a time."
            )

    def _same(self, first: FloatArray, second: FloatArray) -> None:
        changed = np.argwhere(first != second)
        if len(changed):
            i, j = (int(k) for k in changed[0])
            raise ModelError(
                f"the estimator gives different answers for the same data: {self.reader.column(j)} "
                f"of row {i} was {first[i, j]:.6g} and then {second[i, j]:.6g}. It draws random "
                f"numbers or remembers earlier calls; an exact mean needs a function of the "
                f"trajectories. One that draws can be sampled: route='sequential'."
            )


def each_batch(
    caller: Caller, tree: Tree, length: int, chunk: int
) -> Iterator[tuple[FloatArray, FloatArray, Trajectories | None]]:
    """Probabilities (n,), rows (n, D), and the trajectories that they belong to.

    With ``caller.batch`` > 1: all tuples of trajectories, their probabilities multiplied, one call
    for each; there are no trajectories then. What is called sees no ``weight``: the tuple has its
    probability already, and each trajectory in it counts the same, as where it was drawn.
    """
    if caller.batch == 1:
        for trajectories in tree.batches(length, chunk):
            yield probabilities(trajectories), caller.rows(trajectories), trajectories
        return
    everything = Trajectories.concatenate(list(tree.batches(length, chunk)))
    chances = probabilities(everything)
    everything = replace(everything, weight=None)
    tuples = itertools.product(range(everything.n), repeat=caller.batch)
    while True:
        chosen = np.array(list(itertools.islice(tuples, BLOCK)), dtype=np.int64)
        if not len(chosen):
            return
        rows = np.stack([caller.of_batch(everything[some]) for some in chosen])
        yield chances[chosen].prod(axis=1), rows, None


def probabilities(trajectories: Trajectories) -> FloatArray:
    """The weights of enumerated trajectories."""
    if trajectories.weight is None:
        raise ModelError("these trajectories have no weight: they were drawn, not enumerated.")
    return trajectories.weight


def describe(trajectories: Trajectories, i: int) -> str:
    """One trajectory as text: states, with (action, reward) between them.

    Returns
    -------
    str
        ``"0 (a1, r -1.2) 2 (a0, r 0.5) 3"``
    """
    steps = int(trajectories.mask[i].sum())
    texts = [f"{trajectories.s[i, 0]}"]
    for t in range(steps):
        a, r, after = trajectories.a[i, t], trajectories.r[i, t], trajectories.s[i, t + 1]
        texts.append(f"(a{a}, r {r:.3g}) {after}")
    if steps > 6:
        texts = [*texts[:3], f"... {steps - 5} steps ...", *texts[-3:]]
    return " ".join(texts)
