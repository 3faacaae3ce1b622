"""The command ``mdptools simulate``: episodes, drawn and counted, beside what they should average.

Takes     the name of a model, the objective, a policy, a seed.
Gives     a page of text or one JSON object, perhaps a file; exit code 1 if ``--alpha`` says so.
Not here  drawing and comparing (`_sample`), what the page looks like (`_sample_page`), files
          (`_records`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import ModelError
from ._options import AsJson, Average, Debug, Gamma, Horizon, Model, load, load_scipy
from ._policy import TimedPolicy, read_policy
from ._terminal import busy, progress, width, write, write_plain

INTERRUPTED = 130
Seed = Annotated[
    int, typer.Option("--seed", metavar="N", min=0, help="Of the episodes, and of --policy random.")
]
Episodes = Annotated[int, typer.Option("--episodes", metavar="N", min=1, help="How many to draw.")]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        min=1,
        show_default=False,
        help="Cut episodes after so many. By default they run to their end; where they need not "
        "have one, to where nothing that counts is left (or 5 million steps in all); with "
        "--average 1,000 steps.",
    ),
]
Show = Annotated[
    int, typer.Option("--show", metavar="N", min=0, help="Print the first N episodes.")
]
Alpha = Annotated[
    float | None,
    typer.Option(
        "--alpha",
        metavar="A",
        show_default=False,
        help="Exit with 1 if the mean return is further from the exact one than chance takes it "
        "with probability A (Chebyshev's inequality, which holds for any law).",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        show_default=False,
        help="Write all episodes: .npz (arrays s, a, r, mask, ...) or .csv (a row for each step).",
    ),
]


def simulate(
    model: Model,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    policy: TimedPolicy = "uniform",
    episodes: Episodes = 1000,
    steps: Steps = None,
    seed: Seed = 0,
    show: Show = 0,
    alpha: Alpha = None,
    output: Output = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Draw episodes under a policy: their returns and lengths, beside the exact mean.

    The same seed gives the same episodes. Ctrl-C shows what has been drawn; the exit code is 130.

    Example: mdptools simulate gym:FrozenLake-v1 --gamma 0.99 --policy greedy:0.1 --show 1
    """
    from ..policies import split_policy
    from . import _json, _records, _sample, _sample_page

    if alpha is not None and not 0 < alpha < 1:
        raise ModelError(f"--alpha is {alpha:g}; it must be a probability above 0 and below 1.")
    if output is not None:
        _records.check_name(output)
    load_scipy()
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    with busy("reading the policy"):
        words, chosen = read_policy(mdp, policy, seed)
        pi, _, _ = split_policy(mdp, chosen)
    with progress(episodes, "episodes") as say:
        drawn = _sample.draw(
            mdp,
            pi,
            episodes,
            steps=steps,
            seed=seed,
            kept=episodes if output is not None else show,
            say=say,
        )
    with busy("computing the exact mean"):
        truth = _sample.exact(mdp, pi, drawn)
    answer = _sample_page.Answer(
        name=model,
        mdp=mdp,
        policy=words,
        seed=seed,
        drawn=drawn,
        truth=truth,
        show=show,
        alpha=alpha,
    )
    if output is not None:
        _records.save(mdp, drawn.kept, output)
    if as_json:
        write_plain(_json.dumps(_sample_page.as_json(answer)))
    else:
        write("\n".join(_sample_page.page(answer, width())))
    if len(drawn.returns) < episodes:
        raise typer.Exit(INTERRUPTED)
    if answer.agrees is False:
        raise typer.Exit(1)
