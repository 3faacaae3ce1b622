"""The command ``mdptools report``: a model, and perhaps a verification, as one HTML file.

Takes     the name of a model, the objective, the path of a file, whether to verify estimators.
Gives     the file; what was written, as text or as one JSON object; exit code 1 if a row of the
          verification is not what theory promises.
Not here  what stands on the page (report).
"""

from __future__ import annotations

import shlex
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError
from ._options import AsJson, Average, Debug, Gamma, Horizon, Model, load
from ._policy import Policy, read_policy
from ._terminal import busy, width, write, write_plain
from ._text import duration, labelled

if TYPE_CHECKING:
    from ..verify import GradientReport

INTERRUPTED = 130
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        show_default=False,
        help="Where to write; the name must end in .html.",
    ),
]
Title = Annotated[
    str | None,
    typer.Option(
        "--title", metavar="TEXT", show_default=False, help="The heading. The model's name if left."
    ),
]
Verify = Annotated[
    bool,
    typer.Option("--verify", help="Also compare gradient estimators with the exact gradient."),
]
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Of logits and samples, with --verify.")
]
Trajectories = Annotated[
    int | None,
    typer.Option(
        "--trajectories",
        metavar="N",
        min=1,
        show_default=False,
        help="How many to sample, with --verify. By default as many as take a few seconds.",
    ),
]
Pictures = Annotated[
    bool, typer.Option("--pictures/--no-pictures", help="Pictures need matplotlib.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


def report(
    model: Model,
    output: Output,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    verify: Verify = False,
    policy: Policy = "random",
    seed: Seed = 0,
    trajectories: Trajectories = None,
    title: Title = None,
    pictures: Pictures = True,
    force: Force = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write a page about a model: what it is, its structure, its optimum, proofs and pictures.

    One HTML file that loads nothing and runs no script. The same command writes the same file.

    Example: mdptools report gym:FrozenLake-v1 --gamma 0.99 -o lake.html
    """
    from ..report import page, save
    from . import _json
    from ._solution import model_json, model_line

    _check_output(output, force)
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    began = perf_counter()
    found: GradientReport | None = None
    words = ""
    if verify:
        from ..verify import gradient_report

        words, chosen = read_policy(mdp, policy, seed, timed=False)
        with busy("estimators") as say:
            found = gradient_report(mdp, chosen, n=trajectories, rng=seed, progress=say)
    options = {"--gamma": gamma, "--horizon": horizon, "--average": average, "--verify": verify}
    if verify:
        options |= {"--policy": policy, "--seed": seed, "--trajectories": trajectories}
    options |= {"--title": title, "--no-pictures": not pictures}
    with busy("writing the page") as say:
        text = page(
            mdp,
            title=title or model,
            verification=found,
            policy=words,
            seed=seed if verify else None,
            call=_call(model, output, options),
            pictures=pictures,
            progress=say,
        )
        save(output, text, overwrite=force)
    seconds = perf_counter() - began
    holds = None if found is None else found.holds
    if as_json:
        result: dict[str, Any] = {
            "schema": 1,
            "command": "report",
            "model": model_json(model, mdp),
            "file": str(output),
            "bytes": output.stat().st_size,
            "policy": words or None,
            "seed": seed if verify else None,
            "holds": holds,
            "seconds": seconds,
        }
        write_plain(_json.dumps(result))
    else:
        written = f"{output}, {output.stat().st_size:,} bytes, in {duration(seconds)}"
        lines = [
            *labelled("model", model_line(model, mdp), width()),
            *labelled("written", written, width()),
        ]
        if holds is not None:
            said = "every row is" if holds else "a row is not"
            lines += labelled("verified", f"{said} as theory promises", width())
        write("\n".join(lines))
    if found is not None and found.stopped:
        raise typer.Exit(INTERRUPTED)
    if holds is False:
        raise typer.Exit(1)


def _check_output(output: Path, force: bool) -> None:
    """Refuse a name that is taken or of another kind, before any work is done."""
    if output.suffix != ".html":
        raise ModelError(f"--output is {str(output)!r:.200}; it must end in .html.")
    if not force and output.exists():
        raise ModelError(f"{output} is there already: name another file, or give --force.")
    if not output.parent.is_dir():
        raise ModelError(f"{output.parent} is no folder: make it, or name another file.")


def _call(model: str, output: Path, options: dict[str, Any]) -> str:
    """The command as it can be given again; options that were left out stay out."""
    words = ["mdptools", "report", model]
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words += [name, str(value)]
    return shlex.join([*words, "-o", str(output)])
