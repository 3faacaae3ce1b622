"""An evaluation as text and as JSON.

Takes     a model, a policy, its `Evaluation` and the moments of its return; how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  evaluating, and writing it out.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import EPS, FloatS, FloatSA
from ..evaluation import Evaluation, ReturnMoments
from ..model import MDP, start
from ..structure import reachable
from ._solution import certificate_json, heading, model_json
from ._states import MANY_STATES, MARGIN, grid, indented, numbers, rows
from ._text import bounded, count, duration, labelled, upper


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """All that `mdptools evaluate` knows."""

    name: str
    mdp: MDP
    policy: str  # in words
    pi: FloatSA
    found: Evaluation
    moments: ReturnMoments | None
    unknown: str | None  # why there are no moments
    missed: str | None  # that a tolerance was not reached
    seconds: float


def page(answer: Answer, width: int) -> list[str]:
    """What `mdptools evaluate` prints."""
    mdp, found = answer.mdp, answer.found
    J = bounded(found.J, found.J_certificate.bound)
    return [
        *heading(answer.name, mdp, width),
        *labelled("policy", answer.policy, width),
        *labelled("J", f"{J}, {start(mdp)}", width),
        *_spread(answer, width),
        *_length(answer, width),
        "",
        *_states(answer, width),
        "",
        *labelled("certificate", _proved(found), width),
        *(labelled("missed", answer.missed, width) if answer.missed else ()),
        *labelled("theorem", found.certificate.theorem, width),
        *labelled("work", f"evaluated in {duration(answer.seconds)}", width),
    ]


def _spread(answer: Answer, width: int) -> list[str]:
    """How much the return varies."""
    if answer.moments is not None:
        text = f"{bounded(*deviation(answer.moments))}: standard deviation of an episode's return"
    elif answer.unknown is not None:
        text = f"no standard deviation: {answer.unknown}"
    else:
        return []
    return labelled("spread", text, width)


def deviation(moments: ReturnMoments) -> tuple[float, float]:
    """The standard deviation of the return from the start, and how wrong it can be."""
    variance, bound = moments.start_variance, moments.J_certificates[2].bound
    root = math.sqrt(variance)
    below = root - math.sqrt(max(variance - bound, 0.0))
    above = math.sqrt(variance + bound) - root  # larger only where the other stops at 0
    return root, max(below, above) + EPS * root


def _length(answer: Answer, width: int) -> list[str]:
    """How long an episode lasts."""
    mdp, found = answer.mdp, answer.found
    if mdp.objective == "average":
        return []
    if not np.isfinite(found.Z):
        return labelled("length", "an episode can go on for ever, without reward", width)
    discounted = "" if mdp.gamma == 1 else ", discounted as rewards are"
    steps = bounded(found.Z, found.visits_certificate.bound)
    return labelled("length", f"{steps}: steps an episode{discounted}", width)


def _states(answer: Answer, width: int) -> list[str]:
    """Values and visits: as grids where the model is one, else as a table."""
    mdp, found = answer.mdp, answer.found
    named = _columns(answer)
    seen = reachable(mdp)
    pictures = []
    for title, x, about in named:
        picture = grid(mdp, x, width - MARGIN, shown=seen, fewest=2)
        if picture is None:
            when = _when(mdp)
            words = when and f"V and deviation are those {when}"
            return [*labelled("states", words, width), *indented(_table(answer, named, width))]
        pictures += [*labelled(title, about, width), *indented(picture), ""]
    only = "" if found.gain is None else _constant(found.gain)
    return [*labelled("gain", only, width), "", *pictures[:-1]] if only else pictures[:-1]


def _columns(answer: Answer) -> list[tuple[str, FloatS, str]]:
    """What is shown of each state: title, numbers, and a few words on them."""
    mdp, found = answer.mdp, answer.found
    V = found.V if mdp.horizon is None else found.V[0]
    visits = found.visits if mdp.horizon is None else found.visits.sum(axis=0)
    if found.gain is not None:
        gain = [] if _constant(found.gain) else [("gain", found.gain, "reward per step, from each")]
        share = ("share", visits, "of all steps that are spent in each state")
        return [*gain, ("bias", V, "reward beyond the gain, from each"), share]
    deviations = []
    if answer.moments is not None:
        std = answer.moments.std if mdp.horizon is None else answer.moments.std[0]
        deviations = [("deviation", std, "standard deviation of the return, from each")]
    how = "discounted visits of an episode" if mdp.gamma < 1 else "visits of an episode"
    return [("values", V, _when(mdp)), *deviations, ("visits", visits, how)]


def _when(mdp: MDP) -> str:
    if mdp.horizon is None or mdp.horizon == 1:
        return ""
    return f"at the first of {count(mdp.horizon, 'step')}"


def _constant(gain: FloatS) -> str:
    """In words that the gain is the same from each state; empty if it is not."""
    if np.ptp(gain) > 1e-9 * max(1.0, float(np.abs(gain).max())):
        return ""
    return f"{gain.mean():.7g} from each state"


def _table(answer: Answer, named: Sequence[tuple[str, FloatS, str]], width: int) -> list[str]:
    heads = {"values": "V", "deviation": "deviation"}
    columns = {
        heads.get(title, title): numbers(x[:MANY_STATES].tolist(), 6) for title, x, _ in named
    }
    return rows(answer.mdp, columns, width - MARGIN, right=[*columns])


def _proved(found: Evaluation) -> str:
    what = "value" if found.gain is None else "bias"
    bound = found.certificate.bound
    if not bound < np.inf:
        return "none: how far the values are from the truth is not known"
    gain = (
        ""
        if found.gain_certificate is None
        else (f", each gain within {upper(found.gain_certificate.bound)}")
    )
    return (
        f"{found.certificate.kind}: each {what} is within {upper(bound)} of the truth{gain}; the "
        f"errors of all visits sum to at most {upper(found.visits_certificate.bound)}"
    )


def as_json(answer: Answer) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1.

    Time is the first axis of the arrays where there is a horizon. A number that is not finite
    becomes a string, "inf" or "-inf".
    """
    found, moments = answer.found, answer.moments
    gain, proof = found.gain, found.gain_certificate
    return {
        "schema": 1,
        "command": "evaluate",
        "model": model_json(answer.name, answer.mdp),
        "policy": answer.policy,
        "reached": answer.missed is None,
        "message": answer.missed,
        "J": found.J,
        "J_certificate": certificate_json(found.J_certificate),
        "length": found.Z,
        "V": found.V.tolist(),
        "Q": found.Q.tolist(),
        "visits": found.visits.tolist(),
        "gain": None if gain is None else gain.tolist(),
        "pi": answer.pi.tolist(),
        "certificate": certificate_json(found.certificate),
        "visits_certificate": certificate_json(found.visits_certificate),
        "gain_certificate": None if proof is None else certificate_json(proof),
        "return_deviation": None if moments is None else moments.start_std,
        "return_deviations": None if moments is None else moments.std.tolist(),
        "return_variance_bound": None if moments is None else moments.J_certificates[2].bound,
        "seconds": answer.seconds,
    }
