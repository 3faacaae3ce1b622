"""Studies as text and as JSON.

Takes     a model, the name of an experiment, its studies and numbers, and how wide the page is.
Gives     lines of text; a dictionary that JSON can hold; the list of what can be asked for.
Not here  running them (`_study`), and writing it out.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from ..errors import ModelError
from ..model import MDP
from ..studies import Bound, Run, Study
from . import _named
from ._experiments import experiments
from ._solution import heading, model_json
from ._states import MARGIN, indented
from ._text import count, duration, labelled, table, wrap

MANY = 12  # numbers of an experiment that are shown
KINDS = {"a priori": "a priori", "trace-certified": "certified", "a posteriori": "a posteriori"}
COLUMNS = (
    "says = the first step at which the bound is below the trivial one; loose = how many times "
    "what happened, median over the steps (1 is attained); a priori bounds know the model and the "
    "start, certified ones the iterates before, a posteriori ones the iterate itself"
)


def page(
    model: str,
    mdp: MDP | None,
    name: str,
    studies: list[Study],
    numbers: dict[str, Any],
    *,
    seconds: float,
    width: int,
    bounds: str,
) -> list[str]:
    """What `mdptools study` prints."""
    _check_bounds(bounds, studies)
    lines = [] if mdp is None else heading(model, mdp, width)
    lines += labelled("study", _what(name), width) if name else []
    for key, value in numbers.items():
        lines += _number_lines(key, value, width)
    if studies:
        truth = studies[0].truth
        about = f"{_best(studies[0]):.6g}; a gap is J* - J, known to {truth.floor:.2g}"
        lines += labelled("J*", about, width)
        lines += [*(labelled("warning", truth.warning, width) if truth.warning else ()), ""]
    for one in studies:
        lines += _study_lines(one, width, bounds)
    if any(_wanted(held, bounds) for one in studies for run in one.runs for held in run.bounds):
        lines += labelled("columns", COLUMNS, width)
    for one in studies:
        lines += labelled("stopped", one.stopped, width) if one.stopped else []
    violated = [held for one in studies for held in one.violated]
    for run, held in violated:
        lines += labelled("violated", f"{run}: {held}", width)
    runs = [run for one in studies for run in one.runs]
    done = ""
    if runs:
        n = sum(len(run.bounds) for run in runs)
        updates = sum(run.updates for run in runs)
        done = f"{count(updates, 'update')}, {count(n, 'bound')} checked, in "
    return [*lines, *labelled("work", f"{done}{duration(seconds)}", width)]


def _what(name: str) -> str:
    """An experiment in a sentence or two: the beginning of its docstring."""
    paragraphs = (inspect.getdoc(experiments()[name].function) or "").split("\n\n")
    shown = paragraphs[: 1 + (len(paragraphs) > 1 and not paragraphs[1].startswith("Parameters"))]
    return f"{name}: {' '.join(' '.join(shown).split())}".replace("`", "")


def _study_lines(study: Study, width: int, bounds: str) -> list[str]:
    """One study: its rules, then what was promised of each."""
    room = width - MARGIN
    head = ["rule", "gap at t = 0", "at the end", "a step", "V off by", "bounds"]
    claims = any(run.values is not None for run in study.runs)  # rules that hold values
    rows = [row for run in study.runs for row in _rule_rows(run, room - (62 if claims else 52))]
    if not claims:
        head, rows = _without_errors(head), [_without_errors(row) for row in rows]
    lines = [*indented(table(head, rows, room, right={*range(1, len(head) - 1)})), ""]
    for run in study.runs:
        shown = [held for held in run.bounds if _wanted(held, bounds)]
        if shown:
            cells = [_bound_cells(held) for held in shown]
            names = ["bound", "kind", "says", "at the end", "loose", "", "source"]
            lines += [
                *wrap(f"{run.name}", width),
                *indented(table(names, cells, room, right={2, 3, 4})),
                "",
            ]
    return lines


def _best(study: Study) -> float:
    """J of an optimal policy, as the gaps are measured."""
    run = study.runs[0]
    known = np.flatnonzero(np.isfinite(run.trace.gap()))  # where a policy never ends it is not
    return float(run.J[known[0]] + run.trace.gap()[known[0]]) if len(known) else np.nan


def _rule_rows(run: Run, width: int) -> list[list[str]]:
    """A rule in as many rows as its name takes."""
    first, *more = wrap(run.name, max(width, 16), 2)
    return [[first, *_rule_cells(run)], *([piece, *[""] * 5] for piece in more)]


def _without_errors(row: list[str]) -> list[str]:
    """Without the last column but one."""
    return [*row[:-2], row[-1]]


def _rule_cells(run: Run) -> list[str]:
    broken = len(run.violated)
    rate = run.local_rate
    error = run.value_error
    return [
        f"{run.gap[0]:.4g}",
        f"{run.gap[-1]:.4g}",
        "-" if math.isnan(rate) else f"x {rate:.4f}" if rate >= 1e-3 else f"x {rate:.1g}",
        "-" if error is None else f"{error[-1]:.3g}",
        f"{broken} violated!" if broken else f"{len(run.bounds)} hold" if run.bounds else "none",
    ]


def _bound_cells(held: Bound) -> list[str]:
    says, loose, broken = held.vacuous_until, held.median_looseness, held.first_violation
    last = float(held.values[-1])
    return [
        held.name,
        KINDS[held.kind],
        "never" if says is None else f"{says:,}",
        "-" if math.isnan(last) else f"{last:.3g}",
        "-" if math.isnan(loose) else f"{loose:.3g}",
        "holds" if broken is None else f"violated at {broken}",
        held.source,
    ]


def _wanted(held: Bound, bounds: str) -> bool:
    """Whether to show a bound; one that is violated always."""
    if held.first_violation is not None or bounds == "all":
        return True
    if bounds == "gap":
        return held.quantity.startswith(("J* - J", "max_s V* - V")) and held.kind != "a posteriori"
    return held.name == bounds


def _check_bounds(bounds: str, studies: list[Study]) -> None:
    names = {held.name for one in studies for run in one.runs for held in run.bounds}
    if bounds not in ("gap", "all", "none", *names):
        raise ModelError(
            f"--bounds is {bounds!r:.80}; it must be gap, all, none, or one of those that apply: "
            f"{', '.join(sorted(names))}."
        )


def _number_lines(key: str, value: Any, width: int) -> list[str]:
    """A field of an experiment; what is longer than a line or two is left to JSON."""
    array = _as_array(value)
    if array is None or array.size > MANY * MANY or array.shape[-1:] > (MANY,):
        return []
    rows = np.atleast_2d(array)
    texts = [
        ", ".join(f"{x:,}" if array.dtype.kind == "i" else f"{x:.4g}" for x in row) for row in rows
    ]
    label = key.replace("_", " ")
    first = wrap(f"{label:20} {texts[0]}", width, 21)
    return [*first, *(line for text in texts[1:] for line in wrap(f"{'':20} {text}", width, 21))]


def _as_array(value: Any) -> Any:
    """A field as one array; None if its parts differ in length."""
    try:
        return np.array(value)
    except ValueError:
        return None


def as_json(
    model: str,
    mdp: MDP | None,
    name: str,
    studies: list[Study],
    numbers: dict[str, Any],
    *,
    seconds: float,
    plot: str | None,
) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1."""
    return {
        "schema": 1,
        "command": "study",
        "model": None if mdp is None else model_json(model, mdp),
        "experiment": name or None,
        "holds": not any(one.violated for one in studies),
        "stopped": next((one.stopped for one in studies if one.stopped), None),
        "violated": [
            {"rule": rule, "bound": held.name, "at": held.first_violation}
            for one in studies
            for rule, held in one.violated
        ],
        "numbers": numbers,
        "studies": [one.to_json() for one in studies],
        "plot": plot,
        "seconds": seconds,
    }


def list_page(width: int) -> list[str]:
    """The experiments and the rules."""
    lines = ["experiments  mdptools study NAME", ""]
    for name, one in experiments().items():
        first = (inspect.getdoc(one.function) or "").partition("\n")[0]
        lines.append(f"  {name}")
        lines += [f"      {line}" for line in wrap(first, max(width - 6, 20))]
    lines += ["", "rules        mdptools study MODEL --rule NAME@OPTION=VALUE,...", ""]
    for rule in _named.rules().values():
        short = f" ({rule.short})" if rule.short else ""
        takes = ", ".join(_takes(rule)) or "nothing"
        lines += wrap(f"  {rule.name}{short}  {takes}", width, 6)
    return [
        *lines,
        "",
        *wrap(
            "What has no value here is needed. Steps are numbers, or 1/k, 0.5/k^0.7, and for some "
            "rules line_search, geometric:FIRST, adaptive:ERROR; pi is a word as of --policy; phi "
            "a number of features, powers of the state's number.",
            width,
        ),
    ]


def _takes(named: _named.Named) -> list[str]:
    """Options as they are written."""
    _, at, options = named.line.partition("@")
    return options.split(",") if at else []


def list_json() -> dict[str, Any]:
    """The same for machines."""
    return {
        "schema": 1,
        "command": "study",
        "experiments": [
            {"name": name, "model": one.model or None} for name, one in experiments().items()
        ],
        "rules": [
            {"name": one.name, "short": one.short, "takes": _takes(one)}
            for one in _named.rules().values()
        ],
    }
