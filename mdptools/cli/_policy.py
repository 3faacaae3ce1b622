"""The option ``--policy``, which all commands share, and the policy that it names.

Takes     a word of the command line, a model, a seed.
Gives     types for the signatures of commands, and `read_policy`.
Not here  families of policies (policies).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError
from ._complete import policies

if TYPE_CHECKING:
    from ..arrays import FloatSA
    from ..model import MDP

_WORDS = (
    "uniform, random (softmax of seeded logits), optimal, greedy:EPS (the optimal policy mixed "
    "with EPS of the uniform one), or a .npy file with probabilities (S, A)"
)
Policy = Annotated[
    str, typer.Option("--policy", metavar="P", autocompletion=policies, help=f"{_WORDS}.")
]
TimedPolicy = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="P",
        autocompletion=policies,
        help=f"{_WORDS} or, with a horizon, (H, S, A).",
    ),
]
PolicySeed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of --policy random.")]
FILE_LIMIT = 2**30  # bytes


def read_policy(mdp: MDP, name: str, seed: int, *, timed: bool = True) -> tuple[str, Any]:
    """What the word after ``--policy`` means: a description, and the policy.

    Parameters
    ----------
    mdp : MDP
    name : str
    seed : int
        Of the logits of a random policy.
    timed : bool
        Whether the command takes policies (H, S, A), which depend on time.

    Returns
    -------
    str, and pi or (family, theta)

    Raises
    ------
    ModelError
        If the word has no meaning, or the policy does not fit the model or the command.
    """
    import numpy as np

    from ..policies import Softmax, check_policy, uniform_policy

    if name == "random":
        logits = np.random.default_rng(seed).standard_normal((mdp.n_states, mdp.n_actions))
        return f"softmax of random logits, seed {seed}", (Softmax(mdp), logits)
    if name == "uniform":
        return "uniform", uniform_policy(mdp)
    if name == "optimal":
        return "the optimal policy", _optimal(mdp, name, timed)
    if name.startswith("greedy:"):
        epsilon = _epsilon(name.removeprefix("greedy:"))
        best = _optimal(mdp, "greedy:EPS", timed)
        mixed = (1 - epsilon) * best + epsilon * uniform_policy(mdp)
        return f"the optimal policy mixed with {epsilon:g} of uniform", mixed
    if name.endswith(".npy"):
        pi = check_policy(mdp, _read_file(Path(name)))
        if pi.ndim == 3 and not timed:
            raise ModelError(_one_table(name))
        return f"probabilities from {name}", pi
    raise ModelError(
        f"--policy is {name!r:.80}; it must be random, uniform, optimal, greedy:EPS (such as "
        f"greedy:0.1) or a file that ends in .npy."
    )


def _optimal(mdp: MDP, name: str, timed: bool) -> FloatSA:
    from ..planning import solve

    pi = solve(mdp).pi
    if pi.ndim == 3 and not timed:
        raise ModelError(_one_table(name))
    return pi


def _one_table(name: str) -> str:
    return (
        f"--policy {name} is a policy that depends on time where the model has a horizon, and a "
        f"softmax of one table cannot be that. Use --policy random, or --gamma without --horizon."
    )


def _epsilon(text: str) -> float:
    try:
        epsilon = float(text)
    except ValueError:
        epsilon = -1.0
    if not 0 <= epsilon <= 1:
        raise ModelError(f"--policy greedy:{text} has no EPS between 0 and 1.")
    return epsilon


def _read_file(path: Path) -> Any:
    """An array from a .npy file; nothing in it is executed."""
    import numpy as np

    try:
        if path.stat().st_size > FILE_LIMIT:
            raise ModelError(f"{path} is larger than {FILE_LIMIT} bytes: no policy of a table.")
        with path.open("rb") as file:  # not np.load, which takes what is no .npy for a pickle
            return np.lib.format.read_array(file, allow_pickle=False)
    except (OSError, ValueError, MemoryError) as error:
        words = str(error).rstrip(".")
        raise ModelError(f"{path} cannot be read as a .npy array: {words}.") from error
