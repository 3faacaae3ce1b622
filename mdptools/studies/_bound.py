"""Bound: what a theorem promises for each step of a trace, beside what happened.

Takes     a `Trace`, the name of an entry, perhaps another measure for the gap.
Gives     `Bound`, or a refusal that names the assumption that fails.
Source    each entry names its own.
Not here  the entries (`_bounds_*`), running algorithms (`_run`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray, FloatS, readonly
from ..errors import ModelError
from ..markup import Shown
from ._assumptions import ASSUMPTIONS
from ._trace import Trace

Kind = Literal["a priori", "trace-certified", "a posteriori"]
SLACK = 1e-9  # relative: round-off of the bound itself


@dataclass(frozen=True, slots=True, eq=False)
class Bound(Shown):
    """One inequality, evaluated along a trace: ``actual[t] <= values[t]``.

    Attributes
    ----------
    name : str
        The name of the entry, as "D3".
    statement : str
        The inequality in words and symbols.
    kind : {"a priori", "trace-certified", "a posteriori"}
        Whether it uses the model and the start alone, also the iterates before t, or iterate t too.
    source : str
        Where it is from.
    quantity : str
        What is bounded.
    assumptions : tuple of str
        What was checked before it was written down.
    values : (T+1,) array
        The bound; nan where it says nothing (before its first step), inf where it is infinite.
    actual : (T+1,) array
        What happened.
    floor : float
        Below it float64 does not judge.
    trivial : float
        What the quantity never exceeds on any model of this reward range and discount.
    constants : dict
        The numbers that were put into the theorem.
    """

    name: str
    statement: str
    kind: Kind
    source: str
    quantity: str
    assumptions: tuple[str, ...]
    values: FloatArray
    actual: FloatArray
    floor: float
    trivial: float
    constants: Mapping[str, float]

    @property
    def first_violation(self) -> int | None:
        """The first t with ``actual > values (1 + 1e-9) + floor``; None if there is none."""
        stated = np.isfinite(self.values)
        allowed = np.where(stated, self.values + SLACK * np.abs(self.values) + self.floor, np.inf)
        broken = np.flatnonzero(stated & ~(self.actual <= allowed))
        return int(broken[0]) if len(broken) else None

    @property
    def looseness(self) -> FloatArray:
        """values / actual where both are above the floor, in the order of t; 1 is attained."""
        judged = np.isfinite(self.values) & (self.actual > self.floor) & (self.values > 0)
        return self.values[judged] / self.actual[judged]

    @property
    def median_looseness(self) -> float:
        """nan if there is no step to judge."""
        found = self.looseness
        return float(np.median(found)) if len(found) else float("nan")

    @property
    def tightest(self) -> float:
        """The smallest looseness; nan if there is no step to judge."""
        return float(self.looseness.min(initial=np.inf)) if len(self.looseness) else float("nan")

    @property
    def vacuous_until(self) -> int | None:
        """The first t at which the bound says more than ``trivial``; None if it never does."""
        says = np.flatnonzero(self.values < self.trivial)
        return int(says[0]) if len(says) else None

    def __str__(self) -> str:
        start = self.vacuous_until
        says = "vacuous throughout" if start is None else f"non-vacuous from t={start}"
        broken = self.first_violation
        verdict = "holds" if broken is None else f"VIOLATED at t={broken}"
        return (
            f"{self.name} ({self.kind}): {verdict}; {says}; looseness min {self.tightest:.3g}, "
            f"median {self.median_looseness:.3g}. {self.statement} [{self.source}]"
        )


class Curve(NamedTuple):
    """What an entry computes."""

    values: NDArray[np.floating[Any]]  # (T+1,)
    actual: NDArray[Any]  # (T+1,)
    constants: Mapping[str, float] = {}
    trivial: float | None = None  # R / (1 - gamma) if omitted
    floor: float | None = None  # that of the trace if omitted


class Entry(NamedTuple):
    """A row of the catalogue."""

    name: str
    kind: Kind
    source: str
    quantity: str
    algorithms: tuple[str, ...]  # of the traces it serves; empty for all
    assumptions: tuple[str, ...]  # names in ASSUMPTIONS
    function: Callable[[Trace, FloatS], Curve]

    @property
    def statement(self) -> str:
        """The first paragraph of the function's docstring."""
        return " ".join((self.function.__doc__ or "").split("\n\n")[0].split())


CATALOGUE: dict[str, Entry] = {}


def entry(
    name: str,
    kind: Kind,
    quantity: str,
    source: str,
    algorithms: tuple[str, ...] = (),
    assumptions: tuple[str, ...] = (),
) -> Callable[[Callable[[Trace, FloatS], Curve]], Callable[[Trace, FloatS], Curve]]:
    """Put a function into the catalogue."""

    def put(function: Callable[[Trace, FloatS], Curve]) -> Callable[[Trace, FloatS], Curve]:
        CATALOGUE[name] = Entry(name, kind, source, quantity, algorithms, assumptions, function)
        return function

    return put


def bound(name: str, trace: Trace, *, measure: Any = None) -> Bound:
    """One inequality of the catalogue along a trace.

    Parameters
    ----------
    name : str
        As "A1" or "D3"; `bound_names` lists them.
    trace : Trace
    measure : (S,) array_like, optional
        The law that the gap is measured with, where the theorem leaves it free; mu if omitted.

    Returns
    -------
    Bound

    Raises
    ------
    ModelError
        If an assumption fails; the message names it and what was found.

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.studies import trace, truth
    >>> found = truth(MDP([[[1.0], [1.0]]], [[1.0, 0.0]], gamma=0.5))
    >>> sweeps = trace(found, [[[1, 0]]] * 3, algorithm="value_iteration", x=[[0], [1], [1.5]])
    >>> held = bound("A1", sweeps)
    >>> held.values, held.actual, held.first_violation
    (array([2. , 1. , 0.5]), array([2. , 1. , 0.5]), None)
    """
    row = CATALOGUE.get(name)
    if row is None:
        raise ModelError(f"there is no bound {name!r:.80}; there are {', '.join(CATALOGUE)}.")
    if row.algorithms and trace.algorithm not in row.algorithms:
        raise ModelError(
            f"{name} does not apply: it assumes a trace of {' or '.join(row.algorithms)}; this is "
            f"one of {trace.algorithm}."
        )
    law = trace.truth.check_measure(measure)
    met = []
    for word in row.assumptions:
        assumption = ASSUMPTIONS[word]
        with np.errstate(invalid="ignore"):  # inf - inf: what is nan does not hold
            found = assumption.fails(trace, law)
        if found:
            raise ModelError(f"{name} does not apply: it assumes {assumption.words}; {found}.")
        met.append(assumption.words)
    with np.errstate(all="ignore"):  # 0 * inf and x / 0 have the meanings given in `_truth`
        curve = row.function(trace, law)
    truth = trace.truth
    return Bound(
        name=name,
        statement=row.statement,
        kind=row.kind,
        source=row.source,
        quantity=row.quantity,
        assumptions=tuple(met),
        values=readonly(np.array(curve.values, dtype=float)),
        actual=readonly(np.array(curve.actual, dtype=float)),
        floor=trace.floor if curve.floor is None else curve.floor,
        trivial=truth.trivial if curve.trivial is None else curve.trivial,
        constants=dict(curve.constants),
    )


def bounds(trace: Trace, *, measure: Any = None) -> tuple[list[Bound], dict[str, str]]:
    """Every bound that applies to a trace, and why the others of its algorithm do not.

    Parameters
    ----------
    trace : Trace
    measure : (S,) array_like, optional
        As `bound`.

    Returns
    -------
    applied : list of Bound
    refused : dict of str
        For each entry that is about this algorithm but cannot be used, the assumption that fails.

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.studies import trace, truth
    >>> found = truth(MDP([[[1.0], [1.0]]], [[1.0, 0.0]], gamma=0.5))
    >>> steep = trace(found, [[[0.5, 0.5]]] * 2, algorithm="gradient_ascent", step_sizes=9.0)
    >>> applied, refused = bounds(steep)
    >>> "D4" in {held.name for held in applied}, refused["D4"]
    (False, 'D4 does not apply: it assumes a constant step eta with ...; eta is 9, above 0.5.')
    """
    applied, refused = [], {}
    for name, row in CATALOGUE.items():
        if row.algorithms and trace.algorithm not in row.algorithms:
            continue
        try:
            applied.append(bound(name, trace, measure=measure))
        except ModelError as error:
            refused[name] = str(error)
    return applied, refused


def bound_names() -> tuple[str, ...]:
    """The names of the catalogue, in its order.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> "A1" in bound_names()
    True
    """
    return tuple(CATALOGUE)
