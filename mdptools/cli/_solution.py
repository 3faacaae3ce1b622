"""A solution as text and as JSON.

Takes     a model, its name, its `Solution`, and how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  solving, and writing it out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolSA, FloatS, IntArray
from ..model import MDP
from ..planning import Solution
from ..structure import reachable
from . import _grid
from ._text import (
    aligned,
    bounded,
    count,
    duration,
    in_flags,
    labelled,
    table,
    upper,
)

MANY_STATES = 20  # rows of the table
MARGIN = 2  # columns before tables and pictures
TALLEST = 50  # rows of a picture

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
        *labelled("model", model_line(name, mdp), width),
        *(line for note in mdp.notes for line in labelled("note", in_flags(note), width)),
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


def model_line(name: str, mdp: MDP) -> str:
    """Name, sizes and objective in one line."""
    objective = {
        "discounted": f"discounted, gamma {mdp.gamma:.12g}",
        "finite": f"horizon {mdp.horizon}" + f", gamma {mdp.gamma:.12g}" * (mdp.gamma < 1),
        "total": "total reward, gamma 1",
        "average": "average reward",
    }[mdp.objective]
    sizes = f"{count(mdp.n_states, 'state')}, {count(mdp.n_actions, 'action')}"
    return f"{name}: {sizes}; {objective}"


def start(mdp: MDP) -> str:
    """Where an episode starts."""
    starts = np.flatnonzero(mdp.mu)
    if len(starts) == 1:
        return f"from state {mdp.name_of_state(int(starts[0]))}"
    same = np.ptp(mdp.mu[starts]) < 1e-12
    return f"the {'' if same else 'weighted '}mean over {len(starts):,} start states"


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
        return [*labelled("policy", when, width), *_indented(lines)]
    values = _values(mdp, V, visited, room)
    lines = [*labelled("policy", when, width), *_indented(picture)]
    return lines if values is None else [*lines, "", "values", *_indented(values)]


def _values(mdp: MDP, V: FloatS, visited: BoolSA, width: int) -> list[str] | None:
    where = _grid.cells(mdp.layout, mdp.n_states)
    if where is None:
        return None
    shown = np.where(visited, V, 0.0)
    for digits in (4, 3):
        texts = aligned(shown.tolist(), digits)
        for s in np.flatnonzero(mdp.terminal):
            texts[s] = "0"
        for s in np.flatnonzero(~visited):
            texts[s] = _grid.NEVER
        drawn = _grid.draw(where, texts, width)
        if drawn is not None:
            return drawn
    return None


def _table(mdp: MDP, V: FloatS, best: BoolSA, width: int) -> list[str]:
    shown = min(mdp.n_states, MANY_STATES)
    values = aligned(V[:shown].tolist(), 7)
    head = ["state", "best action", "V"]
    rows = [[f"{s}", _actions(mdp, best, s), values[s]] for s in range(shown)]
    if mdp.state_names is not None:
        for row, state_name in zip([head, *rows], ["name", *mdp.state_names], strict=False):
            row.insert(1, state_name)
    lines = table(head, rows, width, right={0, len(head) - 1})
    if shown < mdp.n_states:
        lines += ["", f"and {count(mdp.n_states - shown, 'more state')}; --json has them all"]
    return lines


def _actions(mdp: MDP, best: BoolSA, s: int) -> str:
    if mdp.terminal[s]:
        return "(terminal)"
    actions = np.flatnonzero(best[s])
    n_allowed = int(mdp.allowed[s].sum())
    if len(actions) == n_allowed > 2:
        return f"any of the {n_allowed}"
    words = [f"{a}" if mdp.action_names is None else mdp.action_names[a] for a in actions]
    return " or ".join(words)


def _indented(lines: list[str]) -> list[str]:
    return [" " * MARGIN + line if line else "" for line in lines]


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
        "certificate": {
            "bound": certificate.bound,
            "loss": certificate.loss,
            "residual": certificate.residual,
            "theorem": certificate.theorem,
            "kind": certificate.kind,
            "lower": None if certificate.lower is None else certificate.lower.tolist(),
            "upper": None if certificate.upper is None else certificate.upper.tolist(),
        },
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
