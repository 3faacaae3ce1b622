"""Chains: trajectories as walks through the cells of a table, whatever the table is about.

Takes     `Trajectories`, and a table of states, of observations or of pairs, perhaps by time.
Gives     the flat index of the cell at each step, and of the one behind the last step.
Not here  what is done to the cells (`_temporal_difference`, `_traces`).

Where the cell behind a truncation is not known (which action would have been next? what would have
been seen?) the chain ends one step earlier, truncated in the last cell that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray, as_floats
from ..errors import ModelError
from ..sampling import Trajectories
from ._bootstrapped import reached, windows
from ._returns import check_discount

StepSize: TypeAlias = float | Callable[[int], float]


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """Cells (N, T+1), rewards (N, T) with 0 behind the end, lengths (N,), terminated (N,)."""

    cells: IntArray
    r: FloatArray
    lengths: IntArray
    terminated: BoolArray

    @property
    def mask(self) -> BoolArray:
        """Which steps there are, (N, T)."""
        steps: BoolArray = np.arange(self.r.shape[1]) < self.lengths[:, None]
        return steps

    def ahead(self, gamma: float, n: int) -> list[list[Any]]:
        """Columns over all steps in order: cell, n rewards, cell reached, done, gamma^steps."""
        mask, n_steps = self.mask, self.r.shape[1]
        reach, runs = reached(self.lengths, self.terminated, n_steps, n)
        here = self.cells[:, :-1]
        # Who is done asks nobody; a cell that is certainly finite stands there.
        after = np.where(runs, np.take_along_axis(self.cells, reach, axis=1), here)
        steps = np.maximum(reach - np.arange(n_steps), 0)
        columns = (
            here,
            windows(self.r, gamma, n),
            after,
            ~runs,
            np.power(float(gamma), steps),
        )
        return [column[mask].tolist() for column in columns]

    def episodes(self) -> Iterator[tuple[IntArray, FloatArray, bool]]:
        """Cells (L+1,), rewards (L,) and whether it terminated, of each that has steps."""
        for i in np.flatnonzero(self.lengths):
            L = int(self.lengths[i])
            yield self.cells[i, : L + 1], self.r[i, :L], bool(self.terminated[i])


def values_chain(trajectories: Trajectories, V0: Any, observed: bool) -> tuple[FloatArray, Chain]:
    """A copy of the table V0, and the walk through its cells, flat."""
    batch, V = trajectories, as_floats(V0, "V0")
    if V.ndim not in (1, 2):
        raise ModelError(f"V0 has shape {V.shape}; it must be (S,), or (time, S).")
    _check_finite(V, "V0")
    if observed:
        return V, _per_step(batch, _timed(V, "V0", _seen(batch, "V0", V.shape[-1]), 1))
    _check_largest(batch.s, "V0", "states", V.shape[-1])
    cells = _timed(V, "V0", batch.s, 1)
    return V, Chain(cells, _rewards(batch.r, batch.mask), batch.lengths, batch.terminated)


def pairs_chain(trajectories: Trajectories, Q0: Any, observed: bool) -> tuple[FloatArray, Chain]:
    """A copy of the table Q0, and the walk through its cells, flat."""
    batch, Q = trajectories, as_floats(Q0, "Q0")
    if Q.ndim not in (2, 3):
        raise ModelError(f"Q0 has shape {Q.shape}; it must be (S, A), or (time, S, A).")
    if np.isnan(Q).any():
        at = tuple(int(i) for i in np.argwhere(np.isnan(Q))[0])
        raise ModelError(f"Q0 is nan at {list(at)}.")
    n_rows, n_actions = Q.shape[-2:]
    _check_largest(batch.a, "Q0", "actions", n_actions)
    if observed:
        rows = _seen(batch, "Q0", n_rows)
    else:
        rows = batch.s[:, :-1]
        _check_largest(batch.s, "Q0", "states", n_rows)
    return Q, _per_step(batch, _timed(Q, "Q0", rows, 2) * n_actions + batch.a)


def step_sizes(step_size: Any, cells: Any) -> list[float]:
    """The step size of each move: the number, or the function of how often its cell was there."""
    cells = np.asarray(cells, dtype=np.int64)
    if not callable(step_size):
        return [_positive(step_size)] * len(cells)
    counts = occurrences(cells)
    table = np.array([_positive(step_size(k)) for k in range(1, int(counts.max(initial=0)) + 1)])
    found: list[float] = table[counts - 1].tolist() if len(counts) else []
    return found


def occurrences(cells: IntArray) -> IntArray:
    """The how-manieth occurrence of its cell each one is, from 1."""
    order = np.argsort(cells, kind="stable")
    ordered = cells[order]
    new = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])) if len(cells) else order
    sizes = np.diff(np.append(new, len(cells)))
    counts = np.empty(len(cells), dtype=np.int64)
    counts[order] = np.arange(len(cells)) - np.repeat(new, sizes) + 1
    return counts


def learned(table: FloatArray, name: str) -> FloatArray:
    """The table, if learning has not run away."""
    bad = np.argwhere(np.isnan(table) | (table == np.inf))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ModelError(
            f"{name} is {table[at]} at {list(at)} after these updates: the step size is too large."
        )
    return table


def check_arguments(gamma: float, **more: float) -> None:
    """Pass if gamma, and whatever else is given, are numbers in [0, 1]."""
    for name, x in {"gamma": gamma, **more}.items():
        check_discount(x, name)


def _positive(step_size: Any) -> float:
    if np.ndim(step_size) != 0 or not 0 < step_size < np.inf:
        raise ModelError(
            f"step_size is {step_size!r:.80}; it must be a number > 0, or a function that gives "
            f"one for the k-th update of the same cell, k = 1, 2, ..."
        )
    return float(step_size)


def _per_step(batch: Trajectories, cells: IntArray) -> Chain:
    """The chain of cells (N, T) that are known at the steps, and not behind the last one."""
    lengths = np.where(batch.terminated, batch.lengths, np.maximum(batch.lengths - 1, 0))
    behind = np.concatenate((cells, cells[:, -1:]), axis=1) if batch.n_steps else None
    if behind is None:
        behind = np.zeros((batch.n, 1), dtype=np.int64)
    kept = np.arange(batch.n_steps) < lengths[:, None]
    return Chain(behind, _rewards(batch.r, kept), lengths, batch.terminated)


def _rewards(r: FloatArray, mask: BoolArray) -> FloatArray:
    return np.where(mask, r, 0.0)


def _timed(table: FloatArray, name: str, rows: Any, axes: int) -> IntArray:
    """Row t * S + s of a table by time; s where the table has no time."""
    if table.ndim == axes:
        return np.asarray(rows, dtype=np.int64)
    n_times = rows.shape[1]
    if len(table) < n_times:
        raise ModelError(
            f"{name} has shape {table.shape}, so its first axis is time; these trajectories need "
            f"at least {n_times} times."
        )
    found: IntArray = np.arange(n_times) * table.shape[1] + rows
    return found


def _seen(batch: Trajectories, name: str, n_rows: int) -> Any:
    if batch.o is None:
        raise ModelError(
            "observed=True, but these trajectories hold no observations: their policy saw states."
        )
    _check_largest(batch.o, name, "observations", n_rows)
    return batch.o


def _check_largest(x: Any, name: str, what: str, size: int) -> None:
    largest = int(x.max(initial=0))
    if largest >= size:
        raise ModelError(f"{name} has {size} {what}; these trajectories use number {largest}.")


def _check_finite(table: FloatArray, name: str) -> None:
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ModelError(f"{name} is {table[at]} at {list(at)}; it must be finite.")
