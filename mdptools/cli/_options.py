"""Arguments and options that commands share, and the model that they name.

Takes     words of the command line.
Gives     types for the signatures of commands, and `load`.
Not here  what a model's name means (interop).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ModelError
from ._complete import model_names

if TYPE_CHECKING:
    from ..model import MDP

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        show_default=False,
        autocompletion=model_names,
        help="gym:ID (a Gymnasium environment), example:NAME (a model of mdptools), "
        "py:package.module:function or a file (.npz, .tra, .drn, .MDP, .POMDP); options follow as "
        "in gym:FrozenLake-v1@map_name=8x8.",
    ),
]
Gamma = Annotated[
    float | None,
    typer.Option(
        "--gamma",
        metavar="G",
        show_default=False,
        help="Discount, 0 to 1. With 1 and no horizon: total reward until termination.",
    ),
]
Horizon = Annotated[
    str | None,
    typer.Option(
        "--horizon",
        metavar="H",
        show_default=False,
        help="Number of actions; 'limit' for the time limit of a Gymnasium environment.",
    ),
]
Average = Annotated[
    bool, typer.Option("--average", help="Maximise the reward per step in the long run.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of text.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]


def load_scipy() -> None:
    """Load SciPy now, so that seconds that are told later are those of the work."""
    import scipy.linalg
    import scipy.sparse.csgraph
    import scipy.sparse.linalg  # noqa: F401


def load(name: str, gamma: float | None, horizon: str | None, average: bool = False) -> MDP:
    """The model that the command line names, under the objective that it asks for."""
    from ..interop import load_model

    try:
        return load_model(name, gamma=gamma, horizon=_steps(horizon), average=average)
    except ModelError as error:
        if not str(error).startswith("gamma is missing"):
            raise
        raise ModelError(
            f"gamma is missing: {name} has no discount of its own. Give --gamma G with "
            f"0 <= G < 1 (discounted), --gamma 1 (total reward until termination) or --horizon H "
            f"(a number of actions)."
        ) from error


def _steps(horizon: str | None) -> int | str | None:
    if horizon is None or horizon == "limit":
        return horizon
    try:
        return int(horizon)
    except ValueError:
        raise ModelError(
            f"--horizon is {horizon!r}; it must be a number of actions, or limit."
        ) from None
