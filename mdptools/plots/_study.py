"""A study as a picture: what happened, beside what every theorem promised.

Takes     a `Study`, or one of its runs.
Gives     axes: the gap against the number of updates, bounds dashed by kind.
Source    the numbers are those of the study; gaps are exact to their last digits, so that a
          straight line goes on far below 1e-16.
Not here  running (studies), learners that draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..studies import Bound, Run, Study, Trace, Truth
from ._style import (
    ALARM,
    DASHES,
    GREY,
    LINE,
    SMALL,
    THIN,
    colour,
    finish,
    marker,
    name_lines,
    new_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEAST = 1e-300
"""Smaller gaps are not drawn: float64 has no full digits for them."""
ABOVE = 100.0
"""How far above the trivial bound, and above what happened, the picture goes."""
SAME = 1e-9  # relative: two ways to compute the same number


class Drawn(NamedTuple):
    """One run as it is drawn."""

    run: Run
    y: FloatArray
    bounds: list[Bound]


def study(
    study: Study | Run | Trace,
    *,
    bounds: bool | Iterable[str] = True,
    quantity: str = "gap",
    scale: str = "auto",
    ax: Any = None,
) -> Axes:
    """What rules did, step by step, beside every bound on it.

    Parameters
    ----------
    study : Study, Run or Trace
        As `run_study` returns it, `finite_trace` or `average_trace`. All runs share the axes.
    bounds : bool, str or list of str
        Which bounds to draw: all that are about the quantity, none, or those with these names.
    quantity : str
        "gap", the measure's mean of V* - V; "error", the largest error of the values that a value
        rule holds; or the ``quantity`` of some bound, word for word.
    scale : {"auto", "loglog", "semilog"}
        A gap like 1/t is a straight line on the first, a linear rate on the second; "auto" takes
        the one on which the runs are straighter.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If no run has this quantity or this bound, or an argument is none of those named.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    A bound is beside the gap if it bounds the gap itself, or that of the worst state, which is no
    smaller. Its name stands where its line ends, in the colour of its run. Numbers from 1e-300 on
    are drawn; a triangle marks where the gap becomes 0. Bounds that are never below the trivial one
    are called vacuous; the axes end before they would make the rest flat. A violation, where there
    should be none, is marked.

    Examples
    --------
    >>> from mdptools.problems import garnet
    >>> from mdptools.studies import NaturalPolicyGradient, run_study
    >>> made = run_study(garnet(4, 2, 2, gamma=0.9, rng=0), NaturalPolicyGradient(0.5), 30)
    >>> ax = study(made, bounds=["F2"])  # ax.figure.savefig("study.pdf") keeps it
    >>> ax.get_yscale(), [text.get_text() for text in ax.texts]
    ('log', ['F2'])
    """
    runs = _runs(study)
    if scale not in ("auto", "loglog", "semilog"):
        raise ModelError(f"scale is {scale!r:.80}; it must be 'auto', 'loglog' or 'semilog'.")
    drawn = _chosen(runs, quantity, bounds)
    axes = new_axes(ax)
    loglog = scale == "loglog" or (scale == "auto" and _straighter_on_logs(drawn))
    for i, one in enumerate(drawn):
        _draw(axes, one, i, shift=1 if loglog else 0)
    truth = runs[0].trace.truth
    plain = quantity in ("gap", "error") and np.isfinite(truth.trivial)
    for kind, dash in DASHES.items():
        if any(held.kind == kind for one in drawn for held in one.bounds):
            axes.plot([], [], color=GREY, linewidth=THIN, linestyle=dash, label=f"bound, {kind}")
    if plain:
        discounted = truth.mdp.objective == "discounted"
        label = r"trivial: $R\,/\,(1-\gamma)$" if discounted else "trivial"
        axes.axhline(truth.trivial, color=GREY, linewidth=THIN, zorder=0, label=label)
    axes.set_yscale("log")
    axes.set_xscale("log" if loglog else "linear")
    _limit(axes, drawn, truth.trivial if plain else 0.0)
    name_lines(axes, list(_ends(drawn)))
    return finish(
        axes,
        x="updates t, shown at t + 1" if loglog else "updates t",
        y=_words(drawn[0].run, quantity),
        title=_model(truth),
    )


def _model(truth: Truth) -> str:
    """The model in a few letters."""
    sizes = rf"S={truth.n_live},\ A={truth.n_choices}"
    if truth.mdp.objective == "average":
        return f"${sizes}$, average reward"
    horizon = "" if truth.mdp.horizon is None else rf",\ H={truth.mdp.horizon}"
    return rf"${sizes},\ \gamma={truth.gamma:g}{horizon}$"


def _runs(study: object) -> tuple[Run, ...]:
    """All runs of a study; the run of a trace, with gaps from mu."""
    match study:
        case Study():
            return study.runs
        case Run():
            return (study,)
        case Trace():
            name = study.algorithm.replace("_", " ")
            return (Run(name, study, np.asarray(study.truth.mdp.mu), None, 0.0, ""),)
    raise ModelError(f"study is {study!r:.80}; it must be a Study, a Run of one, or a Trace.")


def _words(run: Run, quantity: str) -> str:
    """What the vertical axis shows; bounds are also about counts, divergences, parameters."""
    if quantity == "gap":
        same = np.array_equal(run.measure, run.trace.truth.mdp.mu)
        return f"$J^* - J${'' if same else ' from the measure'} [reward units]"
    if quantity == "error":
        followed = run.trace.options.get("evaluates")
        target = r"\pi" if followed else "*"
        return rf"largest $|V_t - V^{target}|$ [reward units]"
    return quantity


def _chosen(runs: Iterable[Run], quantity: str, bounds: bool | Iterable[str]) -> list[Drawn]:
    """The runs that have the quantity, with the bounds that are asked for."""
    found = [(run, _series(run, quantity)) for run in runs]
    every = [Drawn(run, *series) for run, series in found if series is not None]
    if not every:
        there = sorted({held.quantity for run in runs for held in run.bounds})
        raise ModelError(f"no run has the quantity {quantity!r:.80}; there are 'gap' and {there}.")
    if isinstance(bounds, bool):
        return every if bounds else [one._replace(bounds=[]) for one in every]
    names = {bounds} if isinstance(bounds, str) else set(bounds)
    missing = names - {held.name for one in every for held in one.bounds}
    if missing:
        known = sorted({held.name for one in every for held in one.bounds})
        raise ModelError(
            f"no run has a bound {sorted(missing)[0]!r:.80} on {quantity!r:.80}; there are {known}."
        )
    return [
        one._replace(bounds=[held for held in one.bounds if held.name in names]) for one in every
    ]


def _series(run: Run, quantity: str) -> tuple[FloatArray, list[Bound]] | None:
    """The numbers of a run, and the bounds on them or on something that is no smaller."""
    if quantity == "gap":
        worst = run.trace.worst_gap
        about = [
            held for held in run.bounds if _same(held.actual, run.gap) or _same(held.actual, worst)
        ]
        return run.gap, about
    if quantity == "error":
        error = run.value_error
        if error is None:
            return None
        about = [held for held in run.bounds if held.quantity.startswith(("max |V_k", "max |Q_k"))]
        return error, about
    about = [held for held in run.bounds if held.quantity == quantity]
    return (about[0].actual, about) if about else None


def _same(x: FloatArray, y: FloatArray) -> bool:
    """Whether two series are one, where the first is known at all."""
    known = ~np.isnan(x)
    return bool(known.any()) and bool((np.abs(x - y)[known] <= SAME * np.abs(y[known])).all())


def _straighter_on_logs(drawn: list[Drawn]) -> bool:
    """Whether log y is nearer to a line in log t than in t, after the first quarter."""
    left = np.zeros(2)
    for one in drawn:
        t = np.arange(len(one.y))
        kept = (t >= max(1, len(t) // 4)) & (one.y >= LEAST)
        if kept.sum() < 4:
            continue
        y = np.log10(one.y[kept])
        size = float(((y - y.mean()) ** 2).sum())
        for k, x in enumerate((t[kept].astype(float), np.log10(t[kept]))):
            error = np.polyval(np.polyfit(x, y, 1), x) - y
            left[k] += float((error**2).sum()) / size if size > 0 else 0.0
    return bool(left[1] < left[0])


def _shown(y: FloatArray) -> FloatArray:
    """What a logarithmic axis can show, nan elsewhere."""
    return np.where((y >= LEAST) & (y < np.inf), y, np.nan)


def _ends(drawn: list[Drawn]) -> Iterator[tuple[str, float, str]]:
    """The names of bounds, with the last number of each."""
    for i, one in enumerate(drawn):
        for held in one.bounds:
            known = held.values[~np.isnan(held.values)]
            if len(known):
                empty = " (vacuous)" if held.vacuous_until is None else ""
                y = min(max(float(known[-1]), LEAST), 1 / LEAST)
                yield held.name + empty, y, colour(i)


def _draw(ax: Axes, one: Drawn, i: int, *, shift: int) -> None:
    """A run as a full line, its bounds dashed by kind, violations and the optimum marked."""
    x, y = np.arange(len(one.y)) + shift, _shown(one.y)
    last = len(x) - 1
    if shift:  # evenly on the logarithmic axis
        marked = sorted({int(k) for k in np.geomspace(1, last + 1, 8)} - {0})
        marks: Any = [k - 1 for k in marked]
    else:
        every = max(1, len(x) // 8)
        marks = (i % every, every)
    ax.plot(
        x,
        y,
        color=colour(i),
        linewidth=LINE,
        marker=marker(i),
        markersize=4,
        markevery=marks,
        label=one.run.name + (": 0 throughout" if not np.any(one.y) else ""),
        zorder=3,
    )
    ended = np.flatnonzero((one.y == 0) & (np.arange(len(x)) > 0))
    if len(ended) and not np.isnan(y[ended[0] - 1]):
        last = int(ended[0]) - 1  # the last that is not 0
        ax.plot(x[last], y[last], marker="v", markersize=7, color=colour(i), linestyle="none")
        ax.annotate(
            "then 0",
            (x[last], y[last]),
            (5, -9),
            textcoords="offset points",
            fontsize=SMALL,
            color=colour(i),
        )
    for held in one.bounds:
        ax.plot(
            x,
            _shown(held.values),
            color=colour(i),
            linewidth=THIN,
            linestyle=DASHES[held.kind],
            zorder=2,
        )
        broken = held.first_violation
        if broken is not None:
            ax.plot(
                x[broken],
                max(float(held.actual[broken]), LEAST),
                color=ALARM,
                marker="X",
                markersize=10,
                linestyle="none",
                label=f"{held.name} VIOLATED at t={broken}",
                zorder=4,
            )


def _limit(ax: Axes, drawn: list[Drawn], trivial: float) -> None:
    """From the least to far above the largest of what happened; not up to what is vacuous."""
    happened = np.concatenate([_shown(one.y) for one in drawn])
    promised = [_shown(held.values) for one in drawn for held in one.bounds]
    if np.isnan(happened).all():
        return
    everything = np.concatenate([happened, *promised])
    largest = max(float(np.nanmax(happened)), trivial)
    top = min(float(np.nanmax(everything)) * 2, largest * ABOVE)
    ax.set_ylim(max(float(np.nanmin(happened)) / 3, LEAST / 10), max(top, largest * 2))
