"""Rows: calling somebody's estimator, and asking of its answer what a mean needs.

Takes     a function of `Trajectories`, and batches of them.
Gives     (n, D) arrays of finite numbers, or one clear error.
Not here  what the rows should average to (`_targets`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..sampling import Trajectories
from ._tree import Tree

Estimator: TypeAlias = Callable[[Trajectories], Any]

SAMPLE = 8  # so many rows are asked for again, alone
BLOCK = 4096  # so many batches of a batch estimator are added up at once


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
    """

    estimator: Estimator
    shape: tuple[int, ...] | None = None
    batch: int = 1
    precision: float = field(default=0.0, init=False)  # the coarsest eps of the answers
    trusted: bool = field(default=False, init=False)

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
        answer = np.asarray(self.estimator(trajectories))
        n = trajectories.n
        if self.batch > 1 and answer.ndim == 0:
            answer = answer.reshape(1)
        if answer.dtype.kind not in "biuf":
            raise ModelError(
                f"the estimator returned {answer.dtype} instead of real numbers; it must return an "
                f"array with one row for each trajectory."
            )
        if answer.ndim == 0 or (len(answer) != n and not (self.batch > 1 and len(answer) == 1)):
            got = "one number" if answer.ndim == 0 else f"{len(answer)} rows"
            either = f"1 row or {n}" if self.batch > 1 else f"one row for each: {n}"
            raise ModelError(
                f"the estimator returned {got} (shape {answer.shape}) for {n} trajectories; it "
                f"must return {either}."
            )
        self._check_shape(answer)
        if answer.dtype.kind == "f":
            self.precision = max(self.precision, float(np.finfo(answer.dtype).eps))
        rows = answer.reshape(len(answer), -1).astype(np.float64, copy=False)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            i = int(bad[0])
            j = int(np.flatnonzero(~np.isfinite(rows[i]))[0])
            raise ModelError(
                f"{len(bad)} of the {len(rows)} rows that the estimator returned are not finite; "
                f"the first is row {i}, with {rows[i, j]} in column {j}, for the trajectory "
                f"{describe(trajectories, i)}. Such an estimator has no mean."
            )
        return rows

    def _check_shape(self, answer: Any) -> None:
        if self.shape is None:
            return
        size = int(np.prod(self.shape, dtype=np.int64))
        served = {self.shape, (size,)} | ({(), (1,)} if size == 1 else set())
        if answer.shape[1:] not in served:
            raise ModelError(
                f"the estimator's rows have shape {answer.shape[1:]}, the target has shape "
                f"{self.shape}: they must be the same, or the rows flat, ({size},)."
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
                f"the row of a trajectory depends on the other rows of its batch: column {j} of "
                f"row {int(few[i])} is {rows[few[i], j]:.6g} among {len(rows)} trajectories and "
                f"{alone[i, j]:.6g} among {len(few)}. An estimator of a whole batch is checked "
                f"with batch=2: it is then called with two trajectories at a time."
            )

    def _same(self, first: FloatArray, second: FloatArray) -> None:
        changed = np.argwhere(first != second)
        if len(changed):
            i, j = (int(k) for k in changed[0])
            raise ModelError(
                f"the estimator gives different answers for the same data: column {j} of row {i} "
                f"was {first[i, j]:.6g} and then {second[i, j]:.6g}. It draws random numbers or "
                f"remembers earlier calls; an exact mean needs a function of the trajectories."
            )


def each_batch(
    caller: Caller, tree: Tree, length: int, chunk: int
) -> Iterator[tuple[FloatArray, FloatArray, Trajectories | None]]:
    """Probabilities (n,), rows (n, D), and the trajectories that they belong to.

    With ``caller.batch`` > 1: all tuples of trajectories, their probabilities multiplied, one call
    for each; there are no trajectories then.
    """
    if caller.batch == 1:
        for trajectories in tree.batches(length, chunk):
            yield probabilities(trajectories), caller.rows(trajectories), trajectories
        return
    everything = Trajectories.concatenate(list(tree.batches(length, chunk)))
    chances = probabilities(everything)
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
