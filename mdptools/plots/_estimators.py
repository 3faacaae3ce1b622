"""Estimators side by side as a picture: how far off each is on average, and how far it scatters.

Takes     a `GradientReport`, or verdicts with names.
Gives     axes: a row for each estimator, |bias| and standard deviation on a logarithmic axis.
Source    the numbers are those of the report and of the verdicts.
Not here  computing them (verify).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..errors import ModelError
from ..verify import EstimatorRow, GradientReport, Verdict
from ._marks import legend_below
from ._style import GREY, SMALL, TEXT, THIN, colour, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, ROOM = 0.34, 1.4  # inches: of a row, and of what stands around them
DARKER = "#8A5F00"
"""The orange of standard deviations, for text."""


class Drawn(NamedTuple):
    """One row of the picture. Sizes are Euclidean norms; nan is not drawn."""

    name: str
    deviation: float
    bias: float = np.nan  # exact
    estimate: float = np.nan  # of the bias, if there certainly is one
    error: float = np.nan  # of the mean of a sample
    below: float = np.nan  # what the bias was found to be within
    word: str = ""  # in the place of a bias


def estimators(report: Any, *, ax: Any = None) -> Axes:
    """Bias and standard deviation of estimators, one below the other.

    Parameters
    ----------
    report : GradientReport, or a list of (name, Verdict), or a dict of them
        As `verify.gradient_report` and `check_estimator` return them.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as high as its rows, if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If it is none of these, or empty.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    An exact bias that is no more than round-off is not drawn but called "unbiased". Standard
    deviations are those of one row: the root of the summed variances. The error of a sample mean
    shrinks with the sample, a bias stays. From a sample, "unbiased within tol" says that each
    coordinate of the bias is below its tolerance, and the norm of these is drawn.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> from mdptools.verify import gradient_report
    >>> report = gradient_report(line_world(gamma=0.9), [[0.5, 0.5]] * 5, n=1000)
    >>> ax = estimators(report)
    >>> [text.get_text() for text in ax.texts].count("unbiased"), ax.get_xscale()
    (5, 'log')
    """
    rows, norm = _rows(report)
    axes = new_axes(ax, size=(6.4, ROOM + ROW * len(rows)))
    theirs = isinstance(report, GradientReport)
    word = "gradient" if theirs else "target"
    y = np.arange(len(rows))
    series = [
        ("standard deviation of one row", [row.deviation for row in rows], "s", 1, True),
        ("error of the sample mean", [row.error for row in rows], "D", 2, False),
        ("|bias|", [row.bias for row in rows], "o", 0, True),
        ("|bias|, estimated", [row.estimate for row in rows], "o", 0, False),
        ("|bias| is less", [row.below for row in rows], "<", 0, False),
    ]
    for label, sizes, mark, i, full in series:
        shown = np.where(np.isfinite(sizes) & (np.array(sizes) > 0), sizes, np.nan)
        if not np.isnan(shown).all():
            axes.plot(
                shown, y, linestyle="none", marker=mark, markersize=6 if full else 7,
                color=colour(i), markerfacecolor=colour(i) if full else "none",
                markeredgewidth=1.4, label=label, zorder=4 if full else 3,
            )  # fmt: skip
    if norm > 0:
        axes.axvline(norm, color=GREY, linewidth=THIN, zorder=1, label=f"|{word}|")
    axes.set_xscale("log")
    _make_room(axes, rows, norm)
    _write_words(axes, rows)
    title = f"sample: {report.n:,} trajectories" if theirs else ""
    finish(axes, x=f"Euclidean norm [units of the {word}]", y="", title=title)
    axes.set_yticks(y, [row.name.replace("gamma^t", r"$\gamma^t$") for row in rows], fontsize=TEXT)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", which="minor", labelsize=SMALL)
    legend_below(axes)
    return axes


def _rows(report: Any) -> tuple[list[Drawn], float]:
    """What is drawn, and the norm of what is estimated; nan if there are several."""
    if isinstance(report, GradientReport):
        return [_of_row(row, report.n) for row in report.rows], report.norm
    pairs = list(report.items() if isinstance(report, Mapping) else _listed(report))
    if not pairs or not all(_is_pair(pair) for pair in pairs):
        raise ModelError(
            f"report is of type {type(report).__name__}; it must be what gradient_report returns, "
            f"or a list of (name, Verdict), one at least."
        )
    targets = [verdict.target for _, verdict in pairs]
    same = all(np.array_equal(targets[0], one) for one in targets)
    norm = float(np.linalg.norm(targets[0])) if same else np.nan
    return [_of_verdict(name, verdict) for name, verdict in pairs], norm


def _listed(report: Any) -> list[Any]:
    """As a list, if it is one."""
    return list(report) if isinstance(report, (list, tuple)) else []


def _is_pair(pair: Any) -> bool:
    """Whether it is a name and a verdict."""
    match pair:
        case (str(), Verdict()):
            return True
    return False


def _of_row(row: EstimatorRow, n: int) -> Drawn:
    """A row of a report."""
    if row.outcome == "unbiased":
        drawn = Drawn(row.name, row.deviation, word="unbiased")
    else:
        drawn = Drawn(row.name, row.deviation, bias=row.bias)
    if row.sampled is None:
        return drawn
    return drawn._replace(error=row.sampled * row.deviation / float(np.sqrt(n)))


def _of_verdict(name: str, verdict: Verdict) -> Drawn:
    """A verdict as a row."""
    bias = float(np.linalg.norm(verdict.bias))
    drawn = Drawn(name, verdict.deviation, word=verdict.outcome)
    match verdict.outcome:
        case "biased":
            drawn = drawn._replace(word="")
            exact = verdict.sample is None
            return drawn._replace(bias=bias) if exact else drawn._replace(estimate=bias)
        case "unbiased within tol" if verdict.sample is not None:
            below = float(np.linalg.norm(verdict.sample.certified))
            return drawn._replace(error=bias, below=below)
        case "inconclusive":
            return drawn._replace(error=bias)
    return drawn


def _make_room(axes: Axes, rows: list[Drawn], norm: float) -> None:
    """Limits that leave room on the left for words, on the right for what is infinite."""
    sizes = np.array([[*row[1:-1], norm] for row in rows], dtype=float)
    some = sizes[np.isfinite(sizes) & (sizes > 0)]
    low, high = (float(some.min()), float(some.max())) if len(some) else (0.1, 1.0)
    span = max(np.log10(high / low), 1.0)
    left = 0.04 + 0.017 * max(len(row.word) for row in rows)
    right = 0.35 if any(row.deviation == np.inf for row in rows) else 0.06
    axes.set_xlim(low * 10 ** (-left * span), high * 10 ** (right * span))


def _write_words(axes: Axes, rows: list[Drawn]) -> None:
    """In the place of a bias that is none, and of a standard deviation that is infinite."""
    place: Any = {"xycoords": axes.get_yaxis_transform(), "fontsize": SMALL, "va": "center"}
    for i, row in enumerate(rows):
        if row.word:
            axes.annotate(row.word, (0.012, i), color=colour(0), **place)
        if row.deviation == np.inf:
            axes.annotate("infinite →", (0.99, i), color=DARKER, ha="right", **place)
