"""The command ``mdptools solve``: the optimum of a model, with its proof.

Takes     the name of a model, the objective, a tolerance.
Gives     a page of text or one JSON object.
Not here  what the page looks like (`_solution`).
"""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import ConvergenceError
from ._complete import Found, beginning
from ._options import AsJson, Average, Debug, Gamma, Horizon, Model, load, load_scipy
from ._terminal import busy, shows, width, write, write_plain
from ._text import reason

if TYPE_CHECKING:
    from ..planning import Solution, Step

INTERRUPTED = 130
Tol = Annotated[
    float | None,
    typer.Option(
        "--tol",
        metavar="T",
        show_default=False,
        help="Largest accepted error of a value, in reward units. By default 1e-9 of the scale of "
        "the values.",
    ),
]
PLANNERS = (
    "average_policy_iteration",
    "backward_induction",
    "gauss_seidel_value_iteration",
    "linear_program",
    "modified_policy_iteration",
    "policy_iteration",
    "prioritized_sweeping",
    "q_iteration",
    "relative_value_iteration",
    "topological_value_iteration",
    "total_reward",
    "value_iteration",
)


def _methods(incomplete: str) -> Found:
    """For shell completion."""
    return beginning(((name, "") for name in ("auto", *PLANNERS)), incomplete)


Method = Annotated[
    str,
    typer.Option(
        "--method",
        metavar="M",
        autocompletion=_methods,
        help=f"auto, or a planner: {', '.join(PLANNERS)}.",
    ),
]


def solve(
    model: Model,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    tol: Tol = None,
    method: Method = "auto",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Solve a model: its optimal return J, an optimal policy, and a proof of how exact they are.

    Ctrl-C shows the best answer so far with its proof; the exit code is 130 if that misses the
    tolerance.

    Example: mdptools solve gym:FrozenLake-v1 --gamma 0.99
    """
    from ..planning import Solution
    from ..planning import solve as best
    from . import _grid, _json, _solution

    load_scipy()
    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    failure: ConvergenceError | None = None
    wanted = 0.0 if tol is None else tol
    try:
        with busy("solving") as say:

            def look(step: Step) -> None:
                nonlocal wanted
                wanted = step.tol
                say(f"sweep {step.sweep:,}, bound {step.bound:.2g} of {step.tol:.2g}")

            began = perf_counter()
            found = best(mdp, tol=tol, method=method, callback=look)
    except ConvergenceError as error:
        if not isinstance(error.solution, Solution):
            raise
        failure, found = error, error.solution
    seconds = perf_counter() - began
    missed = _interrupted(found, wanted) if failure is None else reason(failure)
    floor = None if failure is None else failure.floor
    if as_json:
        result = _solution.as_json(
            model,
            mdp,
            found,
            seconds=seconds,
            missed=missed,
            floor=floor,
        )
        write_plain(_json.dumps(result))
    else:
        lines = _solution.page(
            model,
            mdp,
            found,
            seconds=seconds,
            missed=missed,
            width=width(),
            plain=not shows(_grid.UNICODE),
        )
        write("\n".join(lines))
    if failure is not None:
        raise failure
    if missed is not None:
        raise typer.Exit(INTERRUPTED)


def _interrupted(found: Solution, wanted: float) -> str | None:
    """What to say of an answer that was stopped too early; None if it is as good as was asked."""
    stopped = found.reason.partition("; stopped by ")[2]
    if not stopped or found.certificate.bound <= wanted:
        return None
    tol = f" = {wanted:.3g}" if wanted else ""
    return f"stopped by {stopped}; the bound is still above tol{tol}"
