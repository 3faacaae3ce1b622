"""The command ``mdptools sensitivity``: the discounts at which the optimal policy changes.

Takes     the name of a model.
Gives     a page of text or one JSON object.
Not here  what the page looks like (`_breakpoints`), finding them (hardness).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ModelError
from ._options import AsJson, Debug, Model, load, load_scipy
from ._terminal import busy, shows, width, write, write_plain

if TYPE_CHECKING:
    from ..model import MDP

Gamma = Annotated[
    float | None,
    typer.Option(
        "--gamma",
        metavar="G",
        show_default=False,
        help="Say where this discount lies; it also takes a horizon away.",
    ),
]
MaxStates = Annotated[
    int | None,
    typer.Option(
        "--max-states",
        metavar="N",
        min=1,
        show_default=False,
        help="Refuse models with more states that are not terminal; 30 by default. The arithmetic "
        "is exact, and takes seconds at 20 states, minutes at twice as many.",
    ),
]
ANY = 0.9  # a discount for models that have none: it plays no part


def sensitivity(
    model: Model,
    gamma: Gamma = None,
    max_states: MaxStates = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Find the discounts at which the optimal policy changes, exactly, and the policies between.

    Example: mdptools sensitivity example:riverswim
    """
    from ..hardness import discount_sensitivity
    from . import _breakpoints, _grid, _json

    load_scipy()
    with busy(f"reading {model}"):
        mdp = _load(model, gamma)
    with busy("looking between 0 and 1"):
        began = perf_counter()
        if max_states is None:
            found = discount_sensitivity(mdp)
        else:
            found = discount_sensitivity(mdp, max_states=max_states)
        seconds = perf_counter() - began
    if as_json:
        result = _breakpoints.as_json(model, mdp, found, gamma=gamma, seconds=seconds)
        write_plain(_json.dumps(result))
    else:
        lines = _breakpoints.page(
            model,
            mdp,
            found,
            gamma=gamma,
            seconds=seconds,
            width=width(),
            plain=not shows(_grid.UNICODE),
        )
        write("\n".join(lines))


def _load(name: str, gamma: float | None) -> MDP:
    """The model without a horizon, under any discount."""
    if gamma is not None and not 0 <= gamma < 1:
        raise ModelError(f"--gamma is {gamma:g}; a discount is sought in [0, 1).")
    try:
        mdp = load(name, gamma, None)
    except ModelError as error:
        if not str(error).startswith("gamma is missing"):
            raise
        return load(name, ANY, None)
    if mdp.horizon is not None:
        raise ModelError(
            f"{name} has a horizon of {mdp.horizon}, and discounts are compared without one: "
            f"--gamma {ANY} takes it away."
        )
    return mdp
