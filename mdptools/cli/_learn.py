"""The command ``mdptools learn``: learners that draw, beside what is exactly true of them.

Takes     the name of a model and of learners, or of an experiment; how many steps and seeds.
Gives     a page of text, one JSON object, a picture.
Not here  the learners (estimators), running them (studies), the page (`_learn_page`).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError
from ._complete import Found, beginning, model_names
from ._named import learner_names
from ._options import AsJson, Average, Debug, Gamma, Horizon, load
from ._picture import Plot, check_plot, save
from ._terminal import busy, progress, width, write, write_plain

if TYPE_CHECKING:
    from ..model import MDP
    from ..studies import Learning, LearnStep

INTERRUPTED = 130
STEPS = 100
EXPERIMENT = "learning_steps"


def _subjects(incomplete: str) -> Found:
    """For shell completion: the experiment, then models."""
    return [*beginning([(EXPERIMENT, "")], incomplete), *model_names(incomplete)]


Subject = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME|MODEL]",
        show_default=False,
        autocompletion=_subjects,
        help="A model, named as for the other commands, or the experiment learning_steps. Without "
        "it, or with --list: what there is.",
    ),
]
Learners = Annotated[
    list[str] | None,
    typer.Option(
        "--learner",
        metavar="LEARNER",
        show_default=False,
        autocompletion=learner_names,
        help="q_learning@step_size=0.1, reinforce@batch=8, ...; may be given several times. "
        "Q-learning if omitted.",
    ),
]
Steps = Annotated[
    int,
    typer.Option(
        "--steps",
        metavar="N",
        min=1,
        help="Iterations: 1,000 transitions each for learners of values (steps=), one batch of "
        "trajectories for learners of policies (batch=).",
    ),
]
Seeds = Annotated[int, typer.Option("--seeds", metavar="N", min=1, help="Independent runs.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of all that is drawn.")]
List = Annotated[bool, typer.Option("--list", help="List the learners and the experiments.")]


def learn(
    subject: Subject = None,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    learner: Learners = None,
    steps: Steps = STEPS,
    seeds: Seeds = 10,
    seed: Seed = 0,
    plot: Plot = None,
    listed: List = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train learners from several seeds, and show the exact return J of their policies beside J*.

    Ctrl-C shows what there is so far; the exit code is 130 then.

    Example: mdptools learn example:frozen_lake --learner q_learning@epsilon=0.3 --steps 20
    """
    from . import _json, _learn_page

    if listed or subject is None:
        if as_json:
            write_plain(_json.dumps(_learn_page.list_json(EXPERIMENT)))
        else:
            write("\n".join(_learn_page.list_page(EXPERIMENT, width())))
        return
    check_plot(plot)
    name = ""
    if subject == EXPERIMENT:
        if learner:
            raise ModelError(f"{EXPERIMENT} has learners of its own: --learner goes with a model.")
        name, model, learner = EXPERIMENT, _learn_page.WORLD, _learn_page.learners_of_experiment()
    else:
        model = subject
    if model.partition("@")[0].isidentifier():
        raise ModelError(
            f"{subject!r:.80} is neither an experiment nor a model. The experiment is "
            f"{EXPERIMENT}; a model is named as in example:small or model.npz."
        )
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    began = perf_counter()
    runs = _run(mdp, learner or ["q_learning"], steps, seeds, seed)
    seconds = perf_counter() - began
    if plot is not None:
        save(plot, [runs], "learning")
    parts: dict[str, Any] = {"seed": seed, "seconds": seconds}
    if as_json:
        write_plain(_json.dumps(_learn_page.as_json(model, mdp, name, runs, plot=plot, **parts)))
    else:
        write("\n".join(_learn_page.page(model, mdp, name, runs, width=width(), **parts)))
    if runs[-1].stopped:
        raise typer.Exit(INTERRUPTED)


def _run(mdp: MDP, words: list[str], steps: int, seeds: int, seed: int) -> list[Learning]:
    """Each learner in turn, from the same seeds, until one is stopped."""
    from .. import studies
    from . import _named

    known = _named.learners()
    several: list[Any] = [_named.make(word, "learner", known, mdp, seed) for word in words]
    runs: list[Learning] = []
    with progress(steps * len(several) * seeds, "iterations") as say:
        for k, one in enumerate(several):

            def tell(step: LearnStep, before: int = k * steps) -> None:
                say(step.learner, (before + step.t) * seeds)

            say(one.name, k * steps * seeds)
            runs.append(studies.learn(mdp, one, steps, rng=seed, seeds=seeds, callback=tell))
            if runs[-1].stopped:
                break
    return runs
