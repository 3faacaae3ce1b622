"""The command ``mdptools describe``: a model in plain words, and the numbers behind them.

Takes     the name of a model, the objective.
Gives     a page of text or one JSON object.
Not here  what is said (hardness).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._options import AsJson, Average, Debug, Gamma, Horizon, Model, load
from ._terminal import busy, width, write, write_plain
from ._text import bounded, count, in_flags, labelled, wrap

if TYPE_CHECKING:
    from ..hardness import Description
    from ..model import MDP


def describe(
    model: Model,
    gamma: Gamma = None,
    horizon: Horizon = None,
    average: Average = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say in plain words what a model is, and what follows for who works with it.

    Example: mdptools describe example:improper
    """
    from ..hardness import describe as in_words
    from . import _json, _solution

    with busy(f"reading {model}"):
        mdp = load(model, gamma, horizon, average)
    with busy("looking"):
        found = in_words(mdp)
    if as_json:
        result = {
            "schema": 1,
            "command": "describe",
            "model": _solution.model_json(model, mdp),
            "sentences": list(found.sentences),
            "facts": found.facts,
        }
        write_plain(_json.dumps(result))
    else:
        lines = [*_solution.heading(model, mdp, width()), "", *_page(mdp, found, width())]
        write("\n".join(lines))


def _page(mdp: MDP, found: Description, width: int) -> list[str]:
    """A paragraph for each sentence, then the numbers."""
    from ._states import MARGIN, indented

    room = width - MARGIN
    lines = [line for text in found.sentences for line in wrap(f"- {in_flags(text)}", room, 2)]
    numbers = [line for row in _facts(mdp, found.facts) for line in labelled(*row, width)]
    return [*indented(lines), "", *numbers]


def _facts(mdp: MDP, facts: dict[str, Any]) -> list[tuple[str, str]]:
    """A label and a text for each number that is known."""
    rows = [("terminal", count(len(facts["terminal"]), "state"))]
    if "every_policy_ends" in facts:
        staying = facts.get("can_stay_for_ever", [])
        where = f"not in {count(len(staying), 'state')}, where a policy can stay for ever"
        rows.append(("proper", "every policy ends" if facts["every_policy_ends"] else where))
    classes = count(facts["recurrent_classes"], "recurrent class/recurrent classes")
    joined = "communicating; " if facts["communicating"] else ""
    rows.append(("chain", f"{joined}{classes} of the uniform policy, period {facts['period']}"))
    unseen = len(facts["unreachable"])
    rows.append(
        ("start", f"{count(facts['starts'], 'state')}; {mdp.n_states - unseen:,} can be reached")
    )
    if "reward_min" in facts:
        rows.append(("rewards", f"{facts['reward_min']:g} to {facts['reward_max']:g} a step"))
    rows.append(("probability", f"{facts['least_probability']:.3g} or more, of each transition"))
    if facts.get("J_optimal") is not None:
        rows.append(("optimum", f"J = {bounded(facts['J_optimal'], facts['bound'])}"))
        uniform = facts.get("J_uniform")
        rows.append(("uniform", "no finite J" if uniform is None else f"J = {uniform:.10g}"))
        rows.append(("ties", f"in {count(facts['ties'], 'state')}"))
    return rows
