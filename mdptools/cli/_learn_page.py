"""Training runs as text and as JSON.

Takes     a model, the name of an experiment, the runs of learners, and how wide the page is.
Gives     lines of text; a dictionary that JSON can hold; the list of what can be asked for.
Not here  running them (`_learn`), and writing it out.
"""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np

from ..model import MDP, start
from ..studies import Learning
from . import _named
from ._solution import heading, model_json
from ._states import MARGIN, indented
from ._text import aligned, count, duration, labelled, table, wrap

LOOKS = 8  # rows of a table
WORLD = "example:grid_world@text=S../.#./..G,gamma=0.9,step_reward=-0.05"
SHARES = (0.1, 0.5, 0.9)


def learners_of_experiment() -> list[str]:
    """REINFORCE with the steps of `studies.learning_steps`, as words."""
    from .. import studies

    sizes = inspect.signature(studies.learning_steps).parameters["step_sizes"].default
    return [f"reinforce@step_size={size:g},batch=8,max_steps=50" for size in sizes]


def page(
    model: str,
    mdp: MDP,
    name: str,
    runs: list[Learning],
    *,
    seed: int,
    seconds: float,
    width: int,
) -> list[str]:
    """What `mdptools learn` prints."""
    lines = heading(model, mdp, width)
    if name:
        lines += labelled("experiment", _what(name), width)
    lines += [*labelled("J*", f"{runs[0].best:.6g}, {start(mdp)}", width), ""]
    for run in runs:
        lines += [*wrap(run.name, width), *_table(run, width), ""]
    stopped = [run.stopped for run in runs if run.stopped]
    n = sum(run.iterations * run.seeds for run in runs)
    words = f"{count(n, 'iteration')} from {count(runs[0].seeds, 'seed')} (--seed {seed}), in "
    columns = (
        "J is exact, that of each policy; its mean and quantiles are over the seeds; reached = the "
        "mean's share of the way from the first policy to J*"
    )
    return [
        *lines,
        *labelled("columns", columns, width),
        *(line for text in stopped for line in labelled("stopped", text, width)),
        *labelled("work", f"{words}{duration(seconds)}", width),
    ]


def _what(name: str) -> str:
    from .. import studies

    first, shown = (inspect.getdoc(getattr(studies, name)) or "").split("\n\n")[:2]
    return " ".join(f"{name}: {first} {shown}".split())


def _table(run: Learning, width: int) -> list[str]:
    """A row for each of a few iterations."""
    at = looks(run.iterations)
    found = [summary(run, t) for t in at]
    columns = [
        aligned([one[key] for one in found], 5) if _finite(found, key) else _texts(found, key)
        for key in ("mean", "q10", "median", "q90")
    ]
    reached = ["-" if math.isnan(one["reached"]) else f"{one['reached']:.0%}" for one in found]
    head = ["iteration", "mean J", "10 %", "median", "90 %", "reached"]
    if run.seeds == 1:
        columns, head = columns[:1], ["iteration", "J", "reached"]
    rows = [[f"{t:,}", *cells] for t, *cells in zip(at, *columns, reached, strict=True)]
    return indented(table(head, rows, width - MARGIN, right={*range(len(head))}))


def _finite(found: list[dict[str, float]], key: str) -> bool:
    return all(math.isfinite(one[key]) for one in found)


def _texts(found: list[dict[str, float]], key: str) -> list[str]:
    """Numbers of which some are not defined: a policy may go on for ever."""
    return [f"{one[key]:.5g}" if math.isfinite(one[key]) else "-" for one in found]


def looks(iterations: int) -> list[int]:
    """The start, and iterations each twice as late as the one before, up to the last.

    Parameters
    ----------
    iterations : int

    Returns
    -------
    list of int

    Examples
    --------
    >>> looks(100), looks(3), looks(0)
    ([0, 2, 3, 6, 12, 25, 50, 100], [0, 1, 3], [0])
    """
    found = {math.ceil(iterations / 2**k - 0.5) for k in range(LOOKS - 1)}
    return sorted(found | {0})


def summary(run: Learning, t: int) -> dict[str, float]:
    """Mean and quantiles of J over the seeds at an iteration; nan if any J is."""
    J = run.J[:, t]
    low, middle, high = (float(x) for x in np.quantile(J, SHARES))
    begun = float(run.J[:, 0].mean())
    way = run.best - begun
    mean = float(J.mean())
    reached = (mean - begun) / way if way > 0 else math.nan
    return {"mean": mean, "q10": low, "median": middle, "q90": high, "reached": reached}


def as_json(
    model: str,
    mdp: MDP,
    name: str,
    runs: list[Learning],
    *,
    seed: int,
    seconds: float,
    plot: str | None,
) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1; J of every seed at every iterate."""
    return {
        "schema": 1,
        "command": "learn",
        "model": model_json(model, mdp),
        "experiment": name or None,
        "best": runs[0].best,
        "seed": seed,
        "stopped": runs[-1].stopped or None,
        "learners": [
            {
                "learner": run.name,
                "iterations": run.iterations,
                "seeds": run.seeds,
                "checkpoints": [{"iteration": t, **summary(run, t)} for t in looks(run.iterations)],
                "J": run.J.tolist(),
                "seconds": run.seconds,
            }
            for run in runs
        ],
        "plot": plot,
        "seconds": seconds,
    }


def list_page(experiment: str, width: int) -> list[str]:
    """The learners and the experiment."""
    lines = ["learners     mdptools learn MODEL --learner NAME@OPTION=VALUE,...", ""]
    for one in _named.learners().values():
        lines += wrap(f"  {one.name}  {', '.join(_takes(one))}", width, 6)
    lines += ["", f"experiments  mdptools learn {experiment}", ""]
    lines += [f"  {line}" for line in wrap(_what(experiment), width - MARGIN)]
    return [
        *lines,
        "",
        *wrap(
            "Steps and epsilon are numbers, or 1/k, 0.5/k^0.7; a baseline is a number, fitted, "
            "batch_mean or leave_one_out; v_max, if omitted, is the largest reward for ever.",
            width,
        ),
    ]


def _takes(named: _named.Named) -> list[str]:
    """Options as they are written; v_max of R-max is known from the rewards."""
    return named.line.partition("@")[2].split(",")


def list_json(experiment: str) -> dict[str, Any]:
    """The same for machines."""
    learners = [{"name": one.name, "takes": _takes(one)} for one in _named.learners().values()]
    return {
        "schema": 1,
        "command": "learn",
        "experiments": [{"name": experiment, "model": WORLD}],
        "learners": learners,
    }
