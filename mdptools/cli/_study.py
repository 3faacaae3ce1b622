"""The command ``mdptools study``: exact iterations beside the truth and every theorem.

Takes     the name of an experiment, or of a model and rules; a number of steps.
Gives     a page of text, one JSON object, a picture; exit code 1 if a bound is violated.
Not here  the rules and the bounds (studies), what the page looks like (`_study_page`).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ModelError
from ._complete import Found, model_names
from ._experiments import Experiment, experiment_names, experiments, run_experiment
from ._named import rule_names
from ._options import AsJson, Average, Debug, Gamma, Horizon, load
from ._picture import Plot, check_plot, save
from ._terminal import Say, busy, progress, width, write, write_plain

if TYPE_CHECKING:
    from ..model import MDP
    from ..studies import Study, StudyStep

INTERRUPTED = 130
STEPS = 100


def _subjects(incomplete: str) -> Found:
    """For shell completion: experiments, then models."""
    return [*experiment_names(incomplete), *model_names(incomplete)]


Subject = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME|MODEL]",
        show_default=False,
        autocompletion=_subjects,
        help="An experiment, perhaps with options (sweeps@steps=30), or a model, named as for the "
        "other commands. Without it, or with --list: what there is.",
    ),
]
On = Annotated[
    str | None,
    typer.Option(
        "--on", metavar="MODEL", show_default=False, help="The model of an experiment, if not its."
    ),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "--rule",
        metavar="RULE",
        show_default=False,
        autocompletion=rule_names,
        help="npg@step_size=0.5, value_iteration, ...; may be given several times.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        min=1,
        show_default=False,
        help=f"Updates of each rule; {STEPS} if omitted, or what the experiment makes.",
    ),
]
Bounds = Annotated[
    str,
    typer.Option(
        "--bounds",
        metavar="WORD",
        help="Which to show: gap (those on the gap), all, none, or a name. All are checked.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of pi=random.")]
List = Annotated[bool, typer.Option("--list", help="List the experiments and the rules.")]


def study(
    subject: Subject = None,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    rule: Rules = None,
    on: On = None,
    steps: Steps = None,
    bounds: Bounds = "gap",
    plot: Plot = None,
    seed: Seed = 0,
    listed: List = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Iterate rules exactly, and hold what they do against every theorem that speaks of them.

    Ctrl-C shows what there is so far; the exit code is 130 then. It is 1 if a bound is violated.

    Example: mdptools study example:small --rule npg@step_size=0.5 --rule vi --steps 50
    """
    from . import _json, _study_page

    if listed or subject is None:
        if as_json:
            write_plain(_json.dumps(_study_page.list_json()))
        else:
            write("\n".join(_study_page.list_page(width())))
        return
    check_plot(plot)
    began = perf_counter()
    name, _, tail = subject.partition("@")
    known = experiments()
    if name in known:
        if rule:
            raise ModelError(f"{name} has rules of its own: --rule goes with a model.")
        chosen = known[name]
        if plot is not None and not chosen.drawn:
            raise ModelError(f"--plot: {name} gives numbers only, there is nothing to draw.")
        model = on or chosen.model
        mdp = _read(model, gamma, horizon, average) if model else None
        with busy(name):
            numbers, studies = run_experiment(chosen, mdp, subject, tail, steps)
    else:
        if on:
            raise ModelError(f"--on goes with an experiment; there are {', '.join(known)}.")
        _check_subject(subject, known)
        model, name, numbers = subject, "", {}
        mdp = _read(model, gamma, horizon, average)
        studies = [_run(mdp, rule or [], STEPS if steps is None else steps, seed)]
    seconds = perf_counter() - began
    with busy("holding the bounds against it"):
        held = not any(one.violated for one in studies)
        stopped = next((one.stopped for one in studies if one.stopped), "")
        parts = (model, mdp, name, studies, numbers)
        if as_json:
            text = _json.dumps(_study_page.as_json(*parts, seconds=seconds, plot=plot))
        else:
            lines = _study_page.page(*parts, seconds=seconds, width=width(), bounds=bounds)
            text = "\n".join(lines)
        if plot is not None:
            all_or_none = {"gap": True, "all": True, "none": False}
            save(plot, studies, "study", bounds=all_or_none.get(bounds, bounds))
    (write_plain if as_json else write)(text)
    if stopped:
        raise typer.Exit(INTERRUPTED)
    if not held:
        raise typer.Exit(1)


def _check_subject(subject: str, known: dict[str, Experiment]) -> None:
    """Pass if this may be a model: a word alone is a mistyped experiment."""
    if subject.partition("@")[0].isidentifier():
        raise ModelError(
            f"{subject!r:.80} is neither an experiment nor a model. The experiments are "
            f"{', '.join(known)}; a model is named as in example:small or model.npz."
        )


def _read(model: str, gamma: float | None, horizon: str | None, average: bool) -> MDP:
    with busy(f"reading {model}"):
        return load(model, gamma, horizon, average)


def _run(mdp: MDP, words: list[str], steps: int, seed: int) -> Study:
    """The rules that the words name, on the model."""
    from ..studies import run_study
    from . import _named

    if not words:
        raise ModelError(
            "a study of a model needs rules, as --rule npg@step_size=0.5 or --rule "
            "value_iteration; mdptools study --list names them."
        )
    known = _named.rules()
    rules = [_named.make(word, "rule", known, mdp, seed) for word in words]
    with progress(steps * len(rules), "updates") as say:
        say(rules[0].name, 0)
        return run_study(mdp, rules, steps, callback=_Teller(say))


class _Teller:
    """Tells a bar of all rules together what `run_study` tells of each."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._before = 0  # updates of the rules that are done

    def __call__(self, step: StudyStep) -> None:
        self._say(step.rule, self._before + step.t)
        if step.done:
            self._before += step.steps
