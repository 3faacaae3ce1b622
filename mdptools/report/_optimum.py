"""The optimum on a page: J, its proof, values and actions of each state, and other discounts.

Takes     an MDP and its `Solution`.
Gives     sections of HTML.
Not here  solving (planning), proofs in full (`_proofs`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from .. import plots
from ..arrays import BoolArray, BoolSA, FloatS, readonly
from ..errors import ConvergenceError, ModelError
from ..evaluation import evaluate
from ..hardness import DiscountSensitivity, discount_sensitivity
from ..markup import Html, facts, table, tag
from ..model import MDP, cells, in_words, start
from ..planning import Solution
from ..words import aligned, bounded, count, number
from ._pictures import figure

STATES = 100
"""Rows of the table of states."""
BESIDE = 30
"""With so many states their table stands beside the picture, where there is room."""
CELLS = 600
"""Cells of the largest grid that can be read."""
TABLE = (30, 12)
"""States and actions of the largest table that is drawn."""
CHANGES = 4
"""Times at which an action changes that are written out."""
SHORTEST = 1e-6
"""Intervals of discounts that are shorter are counted, and not shown."""
DISCOUNTS = 12
"""Live states of the largest model whose discounts take less than a second or two."""


def optimum_section(mdp: MDP, found: Solution, missed: str, *, pictures: bool) -> Iterator[Html]:
    """J, its proof, and what is optimal where."""
    if missed:
        yield tag("p", tag("strong", "Not as exact as was asked. ", class_="bad"), missed)
    yield facts(
        [
            ("J", f"{bounded(found.J, found.certificate.bound)}, {start(mdp)}"),
            ("certificate", found.certificate),
            ("method", f"{found.method}, because {found.reason}"),
            ("sweeps", found.sweeps),
        ]
    )
    V, best, when = found.V, found.optimal_actions, ""
    if mdp.horizon is not None:
        V, best = V[0], best[0]
        when = f" at the first of {count(mdp.horizon, 'step')}" if mdp.horizon > 1 else ""
    picture = _picture(mdp, found, V, best, when) if pictures else Html("")
    states = tag("div", tag("h3", f"Each state{when}"), *_states(mdp, found, V))
    short = mdp.n_states <= BESIDE and mdp.horizon is None
    yield tag("div", picture, states, class_="beside" if short and pictures else None)


def _picture(mdp: MDP, found: Solution, V: FloatS, best: BoolSA, when: str) -> Html:
    """The grid with arrows, or the table of Q, or a line that says why there is neither."""
    label = "bias" if mdp.objective == "average" else "V"
    where = cells(mdp.layout, mdp.n_states)
    if where is not None and where.size <= CELLS:
        return figure(
            lambda: plots.grid_world(mdp, V, policy=best, label=label),
            alt=f"Grid of {count(where.shape[0], 'row')} and {count(where.shape[1], 'column')}: "
            f"the optimal {label} of each state as its colour, the optimal actions as arrows.",
            caption=f"Optimal {label} and optimal actions{when}; of tied actions all are shown.",
        )
    if mdp.n_states <= TABLE[0] and mdp.n_actions <= TABLE[1]:
        Q = found.Q if mdp.horizon is None else found.Q[0]
        return figure(
            lambda: plots.table(mdp, Q, optimal=best, label="Q"),
            alt=f"Table of {count(mdp.n_states, 'state')} and {count(mdp.n_actions, 'action')}: "
            f"Q of each pair as its colour and as a number, optimal actions framed.",
            caption=f"Q of each state and action{when}; the optimal ones are framed, refused ones "
            f"hatched.",
        )
    return tag(
        "p",
        f"No picture: grids are drawn for up to {CELLS} cells, tables for up to {TABLE[0]} states "
        f"and {TABLE[1]} actions.",
        class_="quiet",
    )


def _states(mdp: MDP, found: Solution, V: FloatS) -> Iterator[Html]:
    """A row for each state: name, optimal actions, values, visits."""
    shown = min(mdp.n_states, STATES)
    head = ["state", "optimal actions"]
    columns = [
        [mdp.name_of_state(s) for s in range(shown)],
        [_best(mdp, found.optimal_actions, s) for s in range(shown)],
    ]
    if found.gain is not None:
        head.append("gain")
        columns.append(_numbers(found.gain[:shown]))
    head.append("bias" if found.gain is not None else "V")
    columns.append(_numbers(V[:shown]))
    visits = _visits(mdp, found)
    if visits is not None:
        head.append("share of time" if mdp.objective == "average" else "visits")
        columns.append(_numbers(visits[:shown]))
    yield table(
        head,
        [list(row) for row in zip(*columns, strict=True)],
        most=shown,
        total=mdp.n_states,
        what="state",
        right=set(head[2:]),
    )
    if visits is not None:
        words = f"expected number of decisions there{', discounted,' if mdp.gamma < 1 else ''}"
        if mdp.objective == "average":
            words = "share of time spent there in the long run"
        yield tag("p", f"The last column is the {words} under the optimal policy.", class_="quiet")


def _best(mdp: MDP, optimal: BoolArray, s: int) -> str:
    """The optimal actions of a state; on a finite horizon, and when they change."""
    if mdp.horizon is None or mdp.terminal[s]:
        return in_words(mdp, optimal if mdp.horizon is None else optimal[0], s)
    changes = [0, *(np.flatnonzero((optimal[1:, s] != optimal[:-1, s]).any(axis=1)) + 1).tolist()]
    if len(changes) == 1:
        return in_words(mdp, optimal[0], s)
    later = [f"from step {t} on: {in_words(mdp, optimal[t], s)}" for t in changes[1 : CHANGES + 1]]
    more = len(changes) - 1 - len(later)
    words = "; ".join([in_words(mdp, optimal[0], s), *later])
    return words + (f"; and {count(more, 'more change')}" if more else "")


def _numbers(x: FloatS) -> list[str]:
    """Numbers that end in one line."""
    finite = np.where(np.isfinite(x), x, 0.0)
    written = aligned(finite.tolist(), 7)
    return [
        text if np.isfinite(value) else number(float(value))
        for text, value in zip(written, x, strict=True)
    ]


def _visits(mdp: MDP, found: Solution) -> FloatS | None:
    """Decisions in each state under the optimal policy, None if they are not to be had."""
    try:
        visits = evaluate(mdp, found.pi).visits
    except (ModelError, ConvergenceError):
        return None
    return visits if mdp.horizon is None else visits.sum(axis=0)


def discounts_section(mdp: MDP, *, pictures: bool) -> Iterator[Html]:
    """At which discounts the optimal policy changes."""
    live = int((~mdp.terminal).sum())
    if live > DISCOUNTS:
        yield tag(
            "p",
            f"Left out: exact breakpoints are part of a page for up to {DISCOUNTS} states that "
            f"are not terminal, and this model has {live:,}. discount_sensitivity finds them.",
            class_="quiet",
        )
        return
    found = discount_sensitivity(mdp)
    n = len(found.breakpoints)
    own = f" This model's own is {mdp.gamma:g}." if mdp.objective == "discounted" else ""
    if n == 0:
        yield tag("p", f"The optimal policy is the same for each discount below 1.{own}")
        return
    yield tag(
        "p",
        f"The set of optimal actions changes at {count(n, 'discount')}.{own} The last row is "
        f"Blackwell optimal: it holds for each discount near enough to 1.",
    )
    told = _without_slivers(found)
    yield _intervals(mdp, told)
    short = len(found.policies) - len(told.policies)
    if short:
        yield tag(
            "p",
            f"{count(short, 'interval')} shorter than {SHORTEST:g} or like a neighbour left out: "
            f"the rounding of probabilities such as 1/3 often makes such.",
            class_="quiet",
        )
    if pictures:
        yield figure(
            lambda: plots.discounts(told, mdp=mdp),
            alt=f"Strips over the discount from 0 to 1, one for each state: which action is "
            f"optimal. They change at {count(len(told.breakpoints), 'discount')}.",
            caption="The optimal action of each state over the discount.",
        )


def _without_slivers(found: DiscountSensitivity) -> DiscountSensitivity:
    """The same without its shortest intervals: each other one reaches down to the one before."""
    ends = np.array([0.0, *found.breakpoints, 1.0])
    kept: list[int] = []
    for i in np.flatnonzero(np.diff(ends) > SHORTEST).tolist():
        best = found.optimal_actions
        if not kept or (best[i] != best[kept[-1]]).any():
            kept.append(i)
    return replace(
        found,
        breakpoints=readonly(ends[kept[1:]]),
        brackets=tuple(found.brackets[i - 1] for i in kept[1:]),
        policies=readonly(found.policies[kept]),
        optimal_actions=readonly(found.optimal_actions[kept]),
    )


def _intervals(mdp: MDP, found: DiscountSensitivity) -> Html:
    """What changes from one interval of discounts to the next."""
    ends = [0.0, *found.breakpoints.tolist(), 1.0]
    rows = []
    for i, marked in enumerate(found.optimal_actions):
        changed = ~mdp.terminal
        if i:
            changed = (marked != found.optimal_actions[i - 1]).any(axis=1)
        words = "; ".join(
            f"{mdp.name_of_state(int(s))}: {in_words(mdp, marked, int(s))}"
            for s in np.flatnonzero(changed)
        )
        rows.append([number(ends[i]), number(ends[i + 1]), f"now {words}" if i else words])
    return table(["from", "to", "optimal actions"], rows, what="interval", right={"from", "to"})
