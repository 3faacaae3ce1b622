"""A gradient report in words: the cells of its table, and what else a reader should know.

Takes     a `GradientReport`.
Gives     str.
Not here  computing the report (`_report`), pages of any kind (cli, report).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ..words import upper

if TYPE_CHECKING:
    from ._report import EstimatorRow, GradientReport

REPORT_HEAD = ("estimator", "bias", "of |g|", "sd", "for 10 %", "sample", "verdict")
REPORT_COLUMNS = (
    "bias, its share of |g|, and the standard deviation of one trajectory are exact; then "
    "trajectories for an error of 10 %; how far the mean of the sample is from g, in standard "
    "errors (about 1 where there is no bias)"
)
"""What they hold."""


def cells(row: EstimatorRow) -> list[str]:
    """What stands in the line of one estimator, under `REPORT_HEAD`."""
    needed = "-" if row.needed is None else _number(row.needed)
    if row.needed == np.inf and row.deviation < np.inf:
        needed = "never"
    return [
        row.name,
        "0" if row.outcome == "unbiased" else _number(row.bias),
        "0" if row.outcome == "unbiased" else _share(row.relative_bias),
        _number(row.deviation),
        needed,
        "-" if row.sampled is None else f"{row.sampled:.1f}",
        row.outcome if row.holds else f"{row.outcome} !",
    ]


def notes(report: GradientReport) -> Iterator[str]:
    """What the table does not say: where episodes are cut, and what does not hold."""
    if report.cap_bias is not None:
        yield (
            f"episodes are cut after {report.cap} steps, and {100 * report.cut:.2g} % of the "
            f"weight with them. The cut itself biases the gradient by {_number(report.cap_bias)}."
        )
    cut = [row.name for row in report.rows if row.cap is not None]
    if len(cut) == len(report.rows):
        yield (
            "the exact columns are those of the cut estimators, beside the gradient of as many "
            "steps."
        )
    elif cut:
        yield (
            f"{' and '.join(cut)}: late steps count as much as early ones, so the exact columns "
            f"are those of episodes cut after {report.cap} steps, as in the sample."
        )
    apart = [row.name for row in report.rows if row.sampled is None and 0 < row.deviation < np.inf]
    if apart:
        yield (
            f"{', '.join(apart)}: the exact columns are those of whole episodes; those sampled "
            f"were cut after {report.cap} steps and say nothing of them."
        )
    for row in report.rows:
        if row.note:
            yield f"{row.name}: sd is inf, {row.note}."
    for row in report.rows:
        if row.outcome != row.promise:
            yield f"! {row.name}: theory promises {row.promise}, the recursion says {row.outcome}."
    for row in report.rows:
        if not row.agrees:
            yield (
                f"! {row.name}: the mean of the sample is more than 10 standard errors from the "
                f"exact mean."
            )
    known = report.gradient.certificate.bound
    if report.norm <= known:
        yield f"|g| is below its certificate ({upper(known)}): shares of it mean nothing here."


def _number(x: float) -> str:
    """Three digits; thousands written out."""
    if x == np.inf:
        return "inf"
    return f"{x:,.0f}" if 1000 <= x < 1e7 else f"{x:.3g}"


def _share(x: float | None) -> str:
    """Percent, or how many times as much."""
    if x is None:
        return "-"
    return f"{100 * x:.3g} %" if x < 10 else f"{_number(x)} x"
