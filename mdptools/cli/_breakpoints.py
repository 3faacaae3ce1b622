"""Discount sensitivity as text and as JSON.

Takes     a model, its name, its `DiscountSensitivity`, and how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  finding the breakpoints, and writing it out.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from ..arrays import BoolSA, FloatArray
from ..hardness import DiscountSensitivity
from ..model import MDP, in_words, sizes
from ..structure import reachable
from . import _grid
from ._solution import model_json
from ._states import MARGIN, TALLEST, indented, rows
from ._text import count, duration, in_flags, labelled, upper, wrap

MANY_PIECES = 20  # policies that are shown
MANY_CHANGES = 6  # states that are named where a policy changes
NEAR = 1e-9  # breakpoints that are told apart by round-off alone
SPLIT = (
    "breakpoints that all but meet, or all but reach 0, are the work of numbers such as 1/3, which "
    "floats round: what was meant as a tie is none"
)
LIMIT = " horizon='limit' puts it in."  # not here
PROVED = (
    "exact: each breakpoint is the root of a polynomial with integer coefficients, known to within "
)


def page(
    name: str,
    mdp: MDP,
    found: DiscountSensitivity,
    *,
    gamma: float | None,
    seconds: float,
    width: int,
    plain: bool,
) -> list[str]:
    """What `mdptools sensitivity` prints."""
    n = len(found.breakpoints)
    changes = f"at {count(n, 'discount')}" if n else "nowhere: one policy is optimal for each gamma"
    notes = [in_flags(note.replace(LIMIT, "")) for note in mdp.notes]
    lines = [
        *labelled("model", f"{name}: {sizes(mdp).partition(';')[0]}", width),
        *(line for note in notes for line in labelled("note", note, width)),
        *labelled("changes", changes, width),
    ]
    if gamma is not None:
        lines += labelled("gamma", _where(found, gamma), width)
    ends = np.concatenate(([0.0], found.breakpoints, [1.0]))
    if np.diff(ends).min() < NEAR:
        lines += labelled("note", SPLIT, width)
    legend: list[str] = []
    for i in range(min(n + 1, MANY_PIECES)):
        lines += ["", *labelled("policy", _interval(ends, i), width)]
        if i:
            lines += indented(wrap(f"now {_changes(mdp, found, i)}", width - MARGIN, 4))
        picture = _picture(mdp, found.optimal_actions[i], width - MARGIN, plain)
        if picture is not None:
            drawn, said = picture
            lines += indented(drawn if said == legend else [*drawn, *said])
            legend = said
        elif not i:
            words = [in_words(mdp, found.optimal_actions[0], s) for s in range(mdp.n_states)]
            table = rows(mdp, {"best action": words}, width - MARGIN, most=mdp.n_states)
            lines += indented(table)
    if n + 1 > MANY_PIECES:
        rest = count(n + 1 - MANY_PIECES, "more policy/more policies")
        lines += ["", f"and {rest}; --json has them all"]
    widest = max((float(high - low) for low, high in found.brackets), default=0.0)
    proof = f"{PROVED}{upper(widest)}" if n else "exact: no advantage changes its sign in (0, 1)"
    return [
        *lines,
        "",
        *labelled("blackwell", "the last policy is optimal for each gamma near enough to 1", width),
        *labelled("certificate", proof, width),
        *labelled("work", f"found in {duration(seconds)}", width),
    ]


def _where(found: DiscountSensitivity, gamma: float) -> str:
    """On which interval a discount lies."""
    i = found.interval(gamma)
    if any(low <= Fraction(gamma) <= high for low, high in found.brackets):
        return f"{gamma:g} is a breakpoint, as near as can be told"
    return f"{gamma:g} lies where the {_ordinal(i, len(found.policies))} policy is optimal"


def _ordinal(i: int, n: int) -> str:
    if n == 1:
        return "only"
    return "first" if i == 0 else "last" if i == n - 1 else f"{i + 1}."


def _interval(ends: FloatArray, i: int) -> str:
    """Between two ends, with the digits that tell each from its neighbours."""
    short = [f"{x:.10g}" for x in ends.tolist()]
    low, high = (
        short[k] if short.count(short[k]) == 1 else repr(float(ends[k])) for k in (i, i + 1)
    )
    return f"{low} {'<' if i else '<='} gamma < {high}"


def _changes(mdp: MDP, found: DiscountSensitivity, i: int) -> str:
    """In which states other actions are optimal than on the interval before."""
    before, after = found.optimal_actions[i - 1], found.optimal_actions[i]
    states = np.flatnonzero((before != after).any(axis=1))
    told = [
        f"in state {mdp.name_of_state(int(s))}: {in_words(mdp, after, s)}, "
        f"was {in_words(mdp, before, s)}"
        for s in states[:MANY_CHANGES]
    ]
    more = len(states) - len(told)
    return "; ".join(told) + (f"; and {count(more, 'more state')}" if more else "")


def _picture(mdp: MDP, best: BoolSA, width: int, plain: bool) -> tuple[list[str], list[str]] | None:
    """A policy as arrows, and what the signs mean; None if the model is no grid."""
    seen = set(np.flatnonzero(reachable(mdp)).tolist())
    lines = _grid.policy_picture(mdp, best, seen, width=width, plain=plain)
    if lines is None or len(lines) > TALLEST:
        return None
    end = lines.index("") if "" in lines else len(lines)
    return lines[:end], lines[end:]


def as_json(
    name: str,
    mdp: MDP,
    found: DiscountSensitivity,
    *,
    gamma: float | None,
    seconds: float,
) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1.

    Fractions are strings such as "1/3".
    """
    ends: FloatArray = np.concatenate(([0.0], found.breakpoints, [1.0]))
    return {
        "schema": 1,
        "command": "sensitivity",
        "model": model_json(name, mdp),
        "breakpoints": found.breakpoints.tolist(),
        "brackets": [[str(low), str(high)] for low, high in found.brackets],
        "intervals": [
            {
                "low": float(ends[i]),
                "high": float(ends[i + 1]),
                "policy": found.policies[i].tolist(),
                "optimal_actions": [np.flatnonzero(row).tolist() for row in best],
            }
            for i, best in enumerate(found.optimal_actions)
        ],
        "blackwell": found.blackwell.tolist(),
        "gamma": gamma,
        "interval": None if gamma is None else found.interval(gamma),
        "seconds": seconds,
    }
