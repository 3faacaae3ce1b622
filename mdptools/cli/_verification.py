"""A gradient report as text and as JSON.

Takes     a model, its name, a policy in words, its `GradientReport`, and how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  computing the report, and writing it out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model import MDP
from ..verify import EstimatorRow, GradientReport
from ._solution import MARGIN, model_json, model_line, start
from ._text import bounded, count, duration, in_flags, labelled, table, upper

STEPS = 11  # what `gradient_report` says, at most
HEAD = ("estimator", "bias", "of |g|", "sd", "for 10 %", "sample", "verdict")


def page(
    name: str,
    mdp: MDP,
    policy: str,
    report: GradientReport,
    *,
    seed: int,
    seconds: float,
    width: int,
) -> list[str]:
    """What `mdptools verify` prints."""
    gradient = report.gradient
    rows = [_cells(row) for row in report.rows]
    lines = table(HEAD, rows, width - MARGIN, right={1, 2, 3, 4, 5})
    J = bounded(gradient.J, gradient.evaluation.J_certificate.bound)
    norm = bounded(report.norm, gradient.certificate.bound)
    return [
        *labelled("model", model_line(name, mdp), width),
        *(line for note in mdp.notes for line in labelled("note", in_flags(note), width)),
        *labelled("policy", policy, width),
        *labelled("J", f"{J}, {start(mdp)}", width),
        *labelled("gradient", f"|g| = {norm}", width),
        "",
        *(" " * MARGIN + line for line in lines),
        "",
        *labelled("columns", COLUMNS, width),
        *labelled("critics", f"wrong V is that of {report.wrong_critic}", width),
        *(line for text in _notes(report) for line in labelled("note", text, width)),
        *labelled(
            "work",
            f"{count(report.n, 'trajectory/trajectories')} of "
            f"{count(report.n_transitions, 'transition')}, seed {seed}, in {duration(seconds)}",
            width,
        ),
    ]


COLUMNS = (
    "bias, its share of |g|, and the standard deviation of one trajectory are exact; then "
    "trajectories for an error of 10 %; how far the mean of the sample is from g, in standard "
    "errors (about 1 where there is no bias)"
)


def _cells(row: EstimatorRow) -> list[str]:
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


def _number(x: float) -> str:
    if x == np.inf:
        return "inf"
    return f"{x:,.0f}" if 1000 <= x < 1e7 else f"{x:.3g}"


def _share(x: float | None) -> str:
    if x is None:
        return "-"
    return f"{100 * x:.3g} %" if x < 10 else f"{_number(x)} x"


def _notes(report: GradientReport) -> list[str]:
    notes = []
    if report.cap_bias is not None:
        notes.append(
            f"episodes are cut after {report.cap} steps, and {100 * report.cut:.2g} % of the "
            f"weight with them. The cut itself biases the gradient by {_number(report.cap_bias)}."
        )
    cut = [row.name for row in report.rows if row.cap is not None]
    if len(cut) == len(report.rows):
        notes.append(
            "the exact columns are those of the cut estimators, beside the gradient of as many "
            "steps."
        )
    elif cut:
        notes.append(
            f"{' and '.join(cut)}: late steps count as much as early ones, so the exact columns "
            f"are those of episodes cut after {report.cap} steps, as in the sample."
        )
    apart = [row.name for row in report.rows if row.sampled is None and 0 < row.deviation < np.inf]
    if apart:
        notes.append(
            f"{', '.join(apart)}: the exact columns are those of whole episodes; those sampled "
            f"were cut after {report.cap} steps and say nothing of them."
        )
    notes += [f"{row.name}: sd is inf, {row.note}." for row in report.rows if row.note]
    notes += [
        f"! {row.name}: theory promises {row.promise}, the recursion says {row.outcome}."
        for row in report.rows
        if row.outcome != row.promise
    ]
    notes += [
        f"! {row.name}: the mean of the sample is more than 10 standard errors from the exact mean."
        for row in report.rows
        if not row.agrees
    ]
    known = report.gradient.certificate.bound
    if report.norm <= known:
        notes.append(
            f"|g| is below its certificate ({upper(known)}): shares of it mean nothing here."
        )
    return notes


def as_json(
    name: str,
    mdp: MDP,
    policy: str,
    report: GradientReport,
    *,
    seed: int,
    seconds: float,
) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1."""
    gradient = report.gradient
    return {
        "schema": 1,
        "command": "verify",
        "model": model_json(name, mdp),
        "policy": policy,
        "holds": report.holds,
        "J": gradient.J,
        "J_bound": gradient.evaluation.J_certificate.bound,
        "gradient": gradient.value.tolist(),
        "gradient_norm": report.norm,
        "gradient_bound": gradient.certificate.bound,
        "cap": report.cap,
        "cut": report.cut,
        "cap_bias": report.cap_bias,
        "wrong_critic": report.wrong_critic,
        "trajectories": report.n,
        "transitions": report.n_transitions,
        "seed": seed,
        "seconds": seconds,
        "rows": [
            {
                "estimator": row.name,
                "promise": row.promise,
                "outcome": row.outcome,
                "holds": row.holds,
                "bias": row.bias,
                "relative_bias": row.relative_bias,
                "deviation": row.deviation,
                "needed": row.needed,
                "sampled": row.sampled,
                "agrees": row.agrees,
                "cap": row.cap,
                "note": row.note,
            }
            for row in report.rows
        ],
    }
