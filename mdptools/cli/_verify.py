"""The command ``mdptools verify``: gradient estimators beside the exact gradient.

Takes     the name of a model, a policy, a seed; perhaps estimators of the user's own.
Gives     a table, verdicts, or one JSON object; exit code 1 if a row is not what theory promises,
          or an outcome not what is required.
Not here  what the table looks like (`_verification`), verdicts on estimators of the user's own
          (`_estimators`), the numbers (verify).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import MdptoolsError, ModelError
from ._complete import outcomes, styles, targets
from ._options import AsJson, Debug, Gamma, Horizon, Model, load
from ._policy import Policy, read_policy
from ._terminal import Say, busy, progress, width, write, write_plain
from ._text import labelled

if TYPE_CHECKING:
    from ..model import MDP
    from ..verify import Verdict
    from ._estimators import Own

INTERRUPTED = 130
MOST = 2**20  # rows that are drawn for a verdict
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of logits and samples.")]
Trajectories = Annotated[
    int | None,
    typer.Option(
        "--trajectories",
        metavar="N",
        min=1,
        show_default=False,
        help="How many to sample. By default as many as take a few seconds; for a verdict on an "
        "estimator as many as decide, at most a million.",
    ),
]
Estimators = Annotated[
    list[str] | None,
    typer.Option(
        "--estimator",
        metavar="F",
        show_default=False,
        help="An estimator of your own, py:package.module:function; may be given several times. "
        "It is called with Trajectories (see --style), and with those of mdp, pi, family, theta "
        "and gamma that its parameters name; it returns one row for each trajectory, in the shape "
        "of the target.",
    ),
]
Table = Annotated[
    bool, typer.Option("--table", help="The built-in estimators too, where --estimator is given.")
]
Require = Annotated[
    str | None,
    typer.Option(
        "--require",
        metavar="WORDS",
        show_default=False,
        autocompletion=outcomes,
        help="Exit code 1 unless the verdict on each --estimator is this: unbiased (exactly, or "
        "within tol), not-biased, biased, inconclusive, or some of them with commas.",
    ),
]
Target = Annotated[
    str,
    typer.Option(
        "--target",
        metavar="NAME",
        autocompletion=targets,
        help="What --estimator estimates: policy_gradient, J, V, Q, visits, fisher, ...",
    ),
]
Style = Annotated[
    str,
    typer.Option(
        "--style",
        metavar="WORD",
        autocompletion=styles,
        help="What --estimator is called with: batch (many Trajectories), steps (one trajectory, a "
        "list of (s, a, r)), dicts (one, a dict of arrays), sampler (n, rng: it draws n rows).",
    ),
]
Alpha = Annotated[
    float,
    typer.Option(
        "--alpha", metavar="A", help="Chance of a wrong 'biased', where a sample must do."
    ),
]
Tol = Annotated[
    float,
    typer.Option(
        "--tol",
        metavar="T",
        help="The bias that does not matter where a sample must do, in standard deviations of one "
        "row.",
    ),
]


def verify(
    model: Model,
    gamma: Gamma = None,
    horizon: Horizon = None,
    policy: Policy = "random",
    estimator: Estimators = None,
    require: Require = None,
    target: Target = "policy_gradient",
    style: Style = "batch",
    alpha: Alpha = 1e-6,
    tol: Tol = 0.01,
    table: Table = False,
    seed: Seed = 0,
    trajectories: Trajectories = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare gradient estimators with the exact policy gradient: their bias and their spread.

    With --estimator: whether the mean of a function of your own is what it should be. Exact, with a
    witness, where there are few enough trajectories; from a sample with error rates otherwise.
    Ctrl-C shows the verdicts there are; the exit code is 130 then.

    Example: mdptools verify gym:FrozenLake-v1 --gamma 0.99
    """
    from ..verify import gradient_report
    from . import _estimators, _json, _verification

    names = estimator or []
    if require is not None and not names:
        raise ModelError("--require is about estimators of your own: it goes with --estimator.")
    _estimators.read_require(require)
    _estimators.check_target(target)
    functions = {name: _estimators.read_estimator(name) for name in names}
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon)
    began = perf_counter()
    words, chosen = read_policy(mdp, policy, seed, timed=False)
    report = None
    if table or not names:
        with progress(_verification.STEPS) as say:
            report = gradient_report(mdp, chosen, n=trajectories, rng=seed, progress=say)
    stopped = "" if report is None else report.stopped
    found: list[Own] = []
    if not stopped:
        options = {"target": target, "style": style, "alpha": alpha, "tol": tol, "rng": seed}
        options["max_samples"] = trajectories or MOST
        verdicts, stopped = _verdicts(functions, mdp, chosen, options)
        found = [_estimators.judge(name, one, require) for name, one in verdicts.items()]
    seconds = perf_counter() - began
    parts: dict[str, Any] = {"seed": seed, "seconds": seconds}
    holds = (report is None or report.holds) and all(own.accepted for own in found)
    holds = holds and not (stopped and require)
    if as_json:
        result = (
            {**_verification.as_json_without_table(model, mdp, words), **parts}
            if report is None
            else _verification.as_json(model, mdp, words, report, **parts)
        )
        result |= {"holds": holds, "required": require, "stopped": stopped or None}
        result["estimators"] = [_estimators.as_json(own) for own in found]
        write_plain(_json.dumps(result))
    else:
        lines = (
            _verification.page_without_table(model, mdp, words, width())
            if report is None
            else [*_verification.page(model, mdp, words, report, width=width(), **parts), ""]
        )
        own_lines = [line for own in found for line in _estimators.lines_of(own, width())]
        last = labelled("stopped", stopped, width()) if stopped else []
        write("\n".join([*lines, *own_lines, *last]).rstrip("\n"))
    if stopped:
        raise typer.Exit(INTERRUPTED)
    if not holds:
        raise typer.Exit(1)


def _verdicts(
    functions: dict[str, Callable[..., Any]], mdp: MDP, policy: Any, options: dict[str, Any]
) -> tuple[dict[str, Verdict], str]:
    """The verdict on each estimator, until one is interrupted; by what it was, in words."""
    from . import _estimators

    found: dict[str, Verdict] = {}
    for name, function in functions.items():
        ready = _estimators.with_names(function, name, mdp, policy, options["style"])
        try:
            with progress(options["max_samples"], "rows") as say:
                say(name, 0)
                found[name] = _ask(name, ready, mdp, policy, say, options)
        except KeyboardInterrupt:
            return found, f"{name} was stopped by Ctrl-C before its verdict"
    return found, ""


def _ask(
    name: str, function: Any, mdp: MDP, policy: Any, say: Say, options: dict[str, Any]
) -> Verdict:
    """The verdict; an error inside the function is told in one paragraph."""
    from ..verify import check_estimator
    from ._estimators import in_words_of_a_shell

    try:
        return check_estimator(function, mdp, policy, map=_watched(name, say), **options)
    except MdptoolsError:
        raise
    except Exception as error:
        said = f"{type(error).__name__}: {error}. {' '.join(getattr(error, '__notes__', []))}"
        raise ModelError(f"{name} failed: {in_words_of_a_shell(said)}") from error


def _watched(name: str, say: Say) -> Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]:
    """The built-in `map`, which tells how many rows have been drawn."""
    drawn = 0

    def run(work: Callable[[Any], Any], tasks: Iterable[Any]) -> Iterator[Any]:
        nonlocal drawn
        for task in tasks:
            yield work(task)
            drawn += task.rows
            say(name, drawn)

    return run
