"""The model on a page: in words, pair by pair, and its structure.

Takes     an MDP and its `Description`.
Gives     sections of HTML.
Not here  what is optimal (`_optimum`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import kernel, plots
from ..arrays import IntArray
from ..hardness import Description
from ..markup import Html, facts, listed, table, tag
from ..model import MDP, pairs
from ..policies import uniform_policy
from ..structure import communicating_classes, recurrent_classes, transient_states
from ..words import count
from ._pictures import figure

PAIRS = 100
"""Rows of the table of pairs."""
DRAWN, EDGES = 12, 40
"""States and transitions of the largest graph that can be read."""
CLASSES = 10
"""Rows of the table of classes."""
NAMES = 6
"""States of a class that are named."""


def model_section(mdp: MDP, description: Description) -> Iterator[Html]:
    """What the model is."""
    yield listed(description.sentences)
    for note in mdp.notes:
        yield tag("p", tag("strong", "Note. "), note)
    n = int(mdp.allowed.sum())
    yield tag(
        "details",
        tag("summary", f"Transitions and rewards, {count(n, 'pair')}"),
        pairs(mdp, PAIRS),
    )


def structure_section(mdp: MDP, description: Description, *, pictures: bool) -> Iterator[Html]:
    """Which states lead where, whatever the rewards are."""
    known = description.facts
    ends, n_transitions = int(mdp.terminal.sum()), int(kernel.row_lengths(mdp.P).sum())
    properties = facts(
        [
            (
                "states",
                f"{mdp.n_states:,}, of which {ends:,} are terminal" if ends else mdp.n_states,
            ),
            ("pairs", f"{int(mdp.allowed.sum()):,} allowed, {known['refused']:,} refused"),
            ("transitions", f"{n_transitions:,} of probability above 0"),
            ("successors of a step", "one" if known["deterministic"] else f"up to {_most(mdp)}"),
            ("smallest probability", known["least_probability"]),
            ("each state can be reached from each", known["communicating"]),
            ("every policy ends", known.get("every_policy_ends")),
            ("communicating classes", len(communicating_classes(mdp))),
            ("period under the uniform policy", known["period"]),
            ("never visited", _names(mdp, np.array(known["unreachable"], dtype=int))),
        ]
    )
    ending = tag("div", tag("h3", "Where the uniform policy ends up"), _classes(mdp))
    yield tag("div", properties, ending, class_="beside")
    if not pictures:
        return
    if mdp.n_states <= DRAWN and n_transitions <= EDGES:
        yield figure(
            lambda: plots.transition_graph(mdp),
            alt=f"Transition graph of {count(mdp.n_states, 'state')} and their actions, with the "
            f"probabilities on the edges.",
            caption="States are large, actions small; numbers are probabilities.",
        )
    else:
        yield tag(
            "p",
            f"The transition graph is left out: it is drawn for up to {DRAWN} states and {EDGES} "
            f"transitions.",
            class_="quiet",
        )


def _most(mdp: MDP) -> int:
    return int(kernel.row_lengths(mdp.P).max())


def _classes(mdp: MDP) -> Html:
    """A row for each recurrent class of the uniform policy, one for the rest."""
    pi = uniform_policy(mdp)
    found = recurrent_classes(mdp, pi)
    left = np.flatnonzero(transient_states(mdp, pi))
    rows: list[list[object]] = [
        ["terminal" if mdp.terminal[some].all() else "recurrent", len(some), _names(mdp, some)]
        for some in found[:CLASSES]
    ]
    if len(left):
        rows.insert(0, ["transient", len(left), _names(mdp, left)])
    extra = int(len(left) > 0)
    return table(
        ["class", "size", "states"],
        rows,
        most=CLASSES + extra,
        total=len(found) + extra,
        what="class/classes",
    )


def _names(mdp: MDP, states: IntArray) -> str:
    """The first few by name."""
    some = ", ".join(mdp.name_of_state(int(s)) for s in states[:NAMES])
    more = len(states) - NAMES
    return some + (f" and {more:,} more" if more > 0 else "")
