"""The command ``mdptools gradient``: the exact policy gradient, with its proof.

Takes     the name of a model, the objective, a policy.
Gives     a page of text or one JSON object.
Not here  what the page looks like (`_slopes`), estimators of the gradient (`_verify`).
"""

from __future__ import annotations

from time import perf_counter
from typing import Annotated

import typer

from ..errors import ModelError
from ._options import AsJson, Average, Debug, Gamma, Horizon, Model, load, load_scipy
from ._policy import PolicySeed, TimedPolicy, read_policy
from ._terminal import busy, width, write, write_plain

Natural = Annotated[
    bool, typer.Option("--natural", help="The natural gradient as well: F^+ times the gradient.")
]
Tau = Annotated[
    float,
    typer.Option(
        "--tau",
        metavar="T",
        help="Weight of the policy's entropy, paid at each step, in reward units.",
    ),
]
Show = Annotated[int, typer.Option("--show", metavar="N", min=0, help="How many components.")]


def gradient(
    model: Model,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    policy: TimedPolicy = "uniform",
    seed: PolicySeed = 0,
    natural: Natural = False,
    tau: Tau = 0.0,
    show: Show = 10,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Differentiate J by the logits of a softmax policy: the exact gradient, with a proved bound.

    Each probability pi(a|s) stands for the softmax of the logits log pi(a|s).

    Example: mdptools gradient gym:FrozenLake-v1 --gamma 0.99 --policy random --natural
    """
    from ..gradients import natural_gradient, policy_gradient, regularised_gradient
    from ..policies import split_policy
    from . import _json, _slopes

    if natural and tau:
        raise ModelError("--natural is the direction for J without entropy: leave --tau out.")
    load_scipy()
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    with busy("reading the policy"):
        words, chosen = read_policy(mdp, policy, seed)
        pi, family, theta = split_policy(mdp, chosen)
    with busy("differentiating"):
        began = perf_counter()
        if tau:
            found, direction = regularised_gradient(mdp, family, theta, tau), None
        elif natural:
            direction = natural_gradient(mdp, family, theta)
            found = direction.gradient
        else:
            found, direction = policy_gradient(mdp, family, theta), None
        seconds = perf_counter() - began
    answer = _slopes.Answer(
        name=model,
        mdp=mdp,
        policy=words,
        pi=pi,
        found=found,
        direction=direction,
        tau=tau,
        seconds=seconds,
    )
    if as_json:
        write_plain(_json.dumps(_slopes.as_json(answer)))
    else:
        write("\n".join(_slopes.page(answer, show, width())))
