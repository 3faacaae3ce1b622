"""The command ``mdptools evaluate``: what a policy is worth, with its proof.

Takes     the name of a model, the objective, a policy.
Gives     a page of text or one JSON object.
Not here  what the page looks like (`_evaluation`).
"""

from __future__ import annotations

from time import perf_counter
from typing import Annotated

import typer

from ..errors import ConvergenceError, ModelError
from ._options import AsJson, Average, Debug, Gamma, Horizon, Model, load, load_scipy
from ._policy import PolicySeed, TimedPolicy, read_policy
from ._terminal import busy, width, write, write_plain
from ._text import reason

Tol = Annotated[
    float | None,
    typer.Option(
        "--tol",
        metavar="T",
        show_default=False,
        help="Largest accepted error of a value, in reward units; exit code 1 if float64 cannot "
        "prove it. By default whatever it can.",
    ),
]


def evaluate(
    model: Model,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    policy: TimedPolicy = "uniform",
    seed: PolicySeed = 0,
    tol: Tol = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Evaluate a policy: its return J, the values and visits of states, each with a proved bound.

    Beside them stands the standard deviation of the return, from one episode to the next.

    Example: mdptools evaluate gym:FrozenLake-v1 --gamma 0.99 --policy greedy:0.1
    """
    from ..evaluation import Evaluation, ReturnMoments, return_moments
    from ..evaluation import evaluate as exactly
    from ..policies import split_policy
    from . import _evaluation, _json

    load_scipy()
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    with busy("reading the policy"):
        words, chosen = read_policy(mdp, policy, seed)
        pi, _, _ = split_policy(mdp, chosen)
    failure: ConvergenceError | None = None
    moments: ReturnMoments | None = None
    unknown: str | None = None
    with busy("evaluating"):
        began = perf_counter()
        try:
            found = exactly(mdp, pi, tol=tol)
        except ConvergenceError as error:
            if not isinstance(error.solution, Evaluation):
                raise
            failure, found = error, error.solution
        if mdp.objective != "average":
            try:
                moments = return_moments(mdp, pi)
            except (ModelError, ConvergenceError) as error:
                unknown = reason(error)
        seconds = perf_counter() - began
    answer = _evaluation.Answer(
        name=model,
        mdp=mdp,
        policy=words,
        pi=pi,
        found=found,
        moments=moments,
        unknown=unknown,
        missed=None if failure is None else reason(failure),
        seconds=seconds,
    )
    if as_json:
        write_plain(_json.dumps(_evaluation.as_json(answer)))
    else:
        write("\n".join(_evaluation.page(answer, width())))
    if failure is not None:
        raise failure
