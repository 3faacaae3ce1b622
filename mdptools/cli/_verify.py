"""The command ``mdptools verify``: gradient estimators beside the exact gradient.

Takes     the name of a model, a policy, a seed.
Gives     a table or one JSON object; exit code 1 if a row is not what theory promises.
Not here  what the table looks like (`_verification`), the numbers (verify).
"""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import ModelError
from ._options import AsJson, Debug, Gamma, Horizon, Model, load
from ._terminal import busy, progress, width, write, write_plain

if TYPE_CHECKING:
    from ..model import MDP

Policy = Annotated[
    str,
    typer.Option(
        "--policy",
        metavar="P",
        help="random (softmax of seeded logits), uniform, greedy:EPS (the optimal policy mixed "
        "with EPS of the uniform one), or a .npy file with probabilities (S, A).",
    ),
]
Seed = Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Of logits and samples.")]
Trajectories = Annotated[
    int | None,
    typer.Option(
        "--trajectories",
        metavar="N",
        min=1,
        show_default=False,
        help="How many to sample. By default as many as take a few seconds.",
    ),
]
FILE_LIMIT = 2**30  # bytes


def verify(
    model: Model,
    gamma: Gamma = None,
    horizon: Horizon = None,
    policy: Policy = "random",
    seed: Seed = 0,
    trajectories: Trajectories = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Compare gradient estimators with the exact policy gradient: their bias and their spread.

    Example: mdptools verify gym:FrozenLake-v1 --gamma 0.99
    """
    from ..verify import gradient_report
    from . import _json, _verification

    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon)
    began = perf_counter()
    words, chosen = read_policy(mdp, policy, seed)
    with progress(_verification.STEPS) as say:
        report = gradient_report(mdp, chosen, n=trajectories, rng=seed, progress=say)
    seconds = perf_counter() - began
    if as_json:
        result = _verification.as_json(model, mdp, words, report, seed=seed, seconds=seconds)
        write_plain(_json.dumps(result))
    else:
        lines = _verification.page(
            model, mdp, words, report, seed=seed, seconds=seconds, width=width()
        )
        write("\n".join(lines))
    if not report.holds:
        raise typer.Exit(1)


def read_policy(mdp: MDP, name: str, seed: int) -> tuple[str, Any]:
    """What the words after ``--policy`` mean: a description, and the policy."""
    import numpy as np

    from ..planning import solve
    from ..policies import Softmax, check_policy, uniform_policy

    if name == "random":
        logits = np.random.default_rng(seed).standard_normal((mdp.n_states, mdp.n_actions))
        return f"softmax of random logits, seed {seed}", (Softmax(mdp), logits)
    if name == "uniform":
        return "uniform", uniform_policy(mdp)
    if name.startswith("greedy:"):
        epsilon = _epsilon(name.removeprefix("greedy:"))
        best = solve(mdp).pi
        if best.ndim == 3:
            raise ModelError(
                "--policy greedy:EPS is a policy that depends on time where the model has a "
                "horizon, and a softmax of one table cannot be that. Use --policy random, or "
                "--gamma without --horizon."
            )
        mixed = (1 - epsilon) * best + epsilon * uniform_policy(mdp)
        return f"the optimal policy mixed with {epsilon:g} of uniform", mixed
    if name.endswith(".npy"):
        return f"probabilities from {name}", check_policy(mdp, _read_file(Path(name)))
    raise ModelError(
        f"--policy is {name!r}; it must be random, uniform, greedy:EPS (such as greedy:0.1) or a "
        f"file that ends in .npy."
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
