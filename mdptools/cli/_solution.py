"""A solution as text and as JSON.

Takes     a model, its name, its `Solution`, and how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  solving, and writing it out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolSA, FloatS, IntArray
from ..certificates import Certificate
from ..model import MDP, in_words, sizes, start
from ..planning import Solution
from ..structure import reachable
from . import _grid
from ._states import MANY_STATES, MARGIN, TALLEST, grid, indented, numbers, rows
from ._text import bounded, count, duration, in_flags, labelled, upper

_EVALUATED = "policy evaluated/policies evaluated"
_SWEEPS = dict.fromkeys(
    ("average_policy_iteration", "policy_iteration", "total_reward"), _EVALUATED
)


def page(
    name: str,
    mdp: MDP,
    solution: Solution,
    *,
    seconds: float,
    missed: str | None,
    width: int,
    plain: bool,
) -> list[str]:
    """What `mdptools solve` prints; ``missed`` says that a tolerance was not reached."""
    certificate = solution.certificate
    proved = (
        f"{certificate.kind}: each {'value' if solution.gain is None else 'gain'} is within "
        f"{upper(certificate.bound)} of the optimum, and "
        f"the policy loses at most {upper(certificate.loss)}"
        if certificate.bound < np.inf
        else "none: how far the values are from the optimum is not known"
    )
    work = count(solution.sweeps, _SWEEPS.get(solution.method, "sweep"))
    return [
        *heading(name, mdp, width),
        *labelled("J", f"{bounded(solution.J, certificate.bound)}, {start(mdp)}", width),
        "",
        *policy(mdp, solution, width=width, plain=plain),
        "",
        *labelled("certificate", proved, width),
        *(labelled("missed", missed, width) if missed else ()),
        *labelled("theorem", certificate.theorem, width),
        *labelled("method", f"{solution.method}, because {solution.reason}", width),
        *labelled("work", f"{work} in {duration(seconds)}", width),
    ]


def heading(name: str, mdp: MDP, width: int) -> list[str]:
    """The first lines of a page: the model, and its notes."""
    notes = (line for note in mdp.notes for line in labelled("note", in_flags(note), width))
    return [*labelled("model", model_line(name, mdp), width), *notes]


def model_line(name: str, mdp: MDP) -> str:
    """Name, sizes and objective in one line."""
    return f"{name}: {sizes(mdp)}"


def policy(mdp: MDP, solution: Solution, *, width: int, plain: bool) -> list[str]:
    """The policy and its values: as grids where there is a picture, else as a table."""
    V, best = solution.V, solution.optimal_actions
    when = ""
    if mdp.horizon is not None:
        V, best = V[0], best[0]
        when = f"at the first of {count(mdp.horizon, 'step')}" if mdp.horizon > 1 else ""
    room = width - MARGIN
    visited = reachable(mdp)
    picture = _grid.policy_picture(
        mdp, best, set(np.flatnonzero(visited).tolist()), width=room, plain=plain
    )
    if picture is None or len(picture) > TALLEST:
        lines = _table(mdp, V, best, room)
        return [*labelled("policy", when, width), *indented(lines)]
    values = grid(mdp, V, room, shown=visited)
    lines = [*labelled("policy", when, width), *indented(picture)]
    return lines if values is None else [*lines, "", "values", *indented(values)]


def _table(mdp: MDP, V: FloatS, best: BoolSA, width: int) -> list[str]:
    shown = range(min(mdp.n_states, MANY_STATES))
    columns = {
        "best action": [in_words(mdp, best, s) for s in shown],
        "V": numbers(V[: len(shown)].tolist(), 7),
    }
    return rows(mdp, columns, width, right={"V"})


def as_json(
    name: str,
    mdp: MDP,
    solution: Solution,
    *,
    seconds: float,
    missed: str | None,
    floor: float | None,
) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1.

    Actions are numbers; time is the first axis where there is a horizon. A number that is not
    finite becomes a string, "inf" or "-inf".
    """
    certificate = solution.certificate
    return {
        "schema": 1,
        "command": "solve",
        "model": model_json(name, mdp),
        "reached": missed is None,
        "message": missed,
        "floor": floor,
        "J": solution.J,
        "V": solution.V.tolist(),
        "gain": None if solution.gain is None else solution.gain.tolist(),
        "pi": solution.pi.argmax(axis=-1).tolist(),
        "optimal_actions": _listed(solution.optimal_actions),
        "certificate": {**certificate_json(certificate), "loss": certificate.loss},
        "method": solution.method,
        "reason": solution.reason,
        "sweeps": solution.sweeps,
        "seconds": seconds,
    }


def _listed(mask: BoolSA | IntArray) -> list[Any]:
    """The numbers of the marked actions, for each state (and time)."""
    if mask.ndim == 1:
        return np.flatnonzero(mask).tolist()
    return [_listed(part) for part in mask]


def certificate_json(certificate: Certificate) -> dict[str, Any]:
    """What a JSON object says about an error."""
    return {
        "bound": certificate.bound,
        "residual": certificate.residual,
        "theorem": certificate.theorem,
        "kind": certificate.kind,
        "lower": None if certificate.lower is None else certificate.lower.tolist(),
        "upper": None if certificate.upper is None else certificate.upper.tolist(),
    }


def model_json(name: str, mdp: MDP) -> dict[str, Any]:
    """What a JSON object says about the model."""
    return {
        "name": name,
        "n_states": mdp.n_states,
        "n_actions": mdp.n_actions,
        "objective": mdp.objective,
        "gamma": mdp.gamma,
        "horizon": mdp.horizon,
        "terminal": np.flatnonzero(mdp.terminal).tolist(),
        "state_names": mdp.state_names,
        "action_names": mdp.action_names,
        "notes": mdp.notes,
    }
