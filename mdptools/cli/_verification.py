"""A gradient report as text and as JSON.

Takes     a model, its name, a policy in words, its `GradientReport`, and how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  computing the report, and writing it out.
"""

from __future__ import annotations

from typing import Any

from ..model import MDP, start
from ..verify import REPORT_COLUMNS, REPORT_HEAD, GradientReport
from ._solution import heading, model_json
from ._states import MARGIN
from ._text import bounded, count, duration, labelled, table

STEPS = 11  # what `gradient_report` says, at most


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
    lines = table(REPORT_HEAD, report.cells(), width - MARGIN, right={1, 2, 3, 4, 5})
    J = bounded(gradient.J, gradient.evaluation.J_certificate.bound)
    norm = bounded(report.norm, gradient.certificate.bound)
    return [
        *heading(name, mdp, width),
        *labelled("policy", policy, width),
        *labelled("J", f"{J}, {start(mdp)}", width),
        *labelled("gradient", f"|g| = {norm}", width),
        "",
        *(" " * MARGIN + line for line in lines),
        "",
        *labelled("columns", REPORT_COLUMNS, width),
        *labelled("critics", f"wrong V is that of {report.wrong_critic}", width),
        *(line for text in report.notes for line in labelled("note", text, width)),
        *labelled(
            "work",
            f"{count(report.n, 'trajectory/trajectories')} of "
            f"{count(report.n_transitions, 'transition')}, seed {seed}, in {duration(seconds)}",
            width,
        ),
    ]


def page_without_table(name: str, mdp: MDP, policy: str, width: int) -> list[str]:
    """What stands above verdicts where the built-in estimators are left out."""
    return [*heading(name, mdp, width), *labelled("policy", policy, width), ""]


def as_json_without_table(name: str, mdp: MDP, policy: str) -> dict[str, Any]:
    """What a JSON object says first where the built-in estimators are left out."""
    return {
        "schema": 1,
        "command": "verify",
        "model": model_json(name, mdp),
        "policy": policy,
        "rows": [],
    }


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
