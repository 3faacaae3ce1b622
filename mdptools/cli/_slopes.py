"""A policy gradient as text and as JSON.

Takes     a model, a policy, its `Gradient`, perhaps its `NaturalGradient`; how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  differentiating, and writing it out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatSA, IntArray
from ..gradients import Gradient, NaturalGradient
from ..model import MDP, start
from ._solution import certificate_json, heading, model_json
from ._states import MARGIN, indented
from ._text import aligned, bounded, count, duration, labelled, table, upper


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """All that `mdptools gradient` knows."""

    name: str
    mdp: MDP
    policy: str  # in words
    pi: FloatSA
    found: Gradient
    direction: NaturalGradient | None
    tau: float
    seconds: float

    @property
    def norm(self) -> float:
        """|g|, Euclidean."""
        return float(np.linalg.norm(self.found.value))


def page(answer: Answer, most: int, width: int) -> list[str]:
    """What `mdptools gradient` prints; ``most`` components of the gradient."""
    mdp, found = answer.mdp, answer.found
    J = bounded(found.J, found.evaluation.J_certificate.bound)
    entropy = f"; {answer.tau:g} times the entropy counts in it" if answer.tau else ""
    bound = found.certificate.bound
    proved = (
        f"{found.certificate.kind}: the errors of all {count(found.value.size, 'component')} sum "
        f"to at most {upper(bound)}"
    )
    flat = bool((answer.pi.max(axis=-1) == 1).all())
    doubt = (
        "each probability is 0 or 1, where a softmax is flat"
        if flat
        else "the bound does not prove that the gradient is not 0"
    )
    return [
        *heading(answer.name, mdp, width),
        *labelled("policy", answer.policy, width),
        *labelled("J", f"{J}, {start(mdp)}{entropy}", width),
        *labelled("gradient", f"|g| = {bounded(answer.norm, bound)}", width),
        *_natural(answer, width),
        "",
        *_components(answer, most, width),
        *labelled("certificate", proved, width),
        *(() if found.is_nonzero else labelled("note", doubt, width)),
        *labelled("theorem", found.certificate.theorem, width),
        *labelled("work", f"differentiated in {duration(answer.seconds)}", width),
    ]


def _natural(answer: Answer, width: int) -> list[str]:
    direction = answer.direction
    if direction is None:
        return []
    how = {
        "advantage": "the advantages less their mean in each state",
        "regression": "a regression of the advantages on the scores",
        "pinv": "the pseudo-inverse of F times g",
    }[direction.method]
    return labelled(
        "natural",
        f"|F^+ g| = {np.linalg.norm(direction.value):.7g}: {how}, with no bound of its own",
        width,
    )


def _components(answer: Answer, most: int, width: int) -> list[str]:
    """The largest components, with the names of their states and actions."""
    ranked = answer.found.value if answer.direction is None else answer.direction.value
    sizes = np.abs(ranked).reshape(-1)
    total = int(np.count_nonzero(sizes))
    n = min(most, total)
    if not n:
        return []
    order = np.argsort(-sizes, kind="stable")[:n]
    columns = _columns(answer, order)
    words = sum(head in ("state", "action", "time") for head in columns)
    lines = table(
        [*columns],
        [list(row) for row in zip(*columns.values(), strict=True)],
        width - MARGIN,
        right=set(range(words, len(columns))),
    )
    of = "natural gradient" if answer.direction is not None else "gradient"
    more = f", of {total:,} that are not 0" if total > n else ""
    product = "; the gradient is visits times pi times A" if "A" in columns else ""
    title = f"of the {of}, the largest first{more}{product}"
    return [*labelled("components", title, width), *indented(lines), ""]


def _columns(answer: Answer, order: IntArray) -> dict[str, list[str]]:
    """Places, gradient and probabilities of the components in this order."""
    mdp, g = answer.mdp, answer.found.value
    *times, states, actions = (x.tolist() for x in np.unravel_index(order, g.shape))
    pi = answer.pi if answer.pi.shape == g.shape else np.broadcast_to(answer.pi, g.shape)
    columns: dict[str, list[str]] = {}
    if times:
        columns["time"] = [f"{t}" for t in times[0]]
    columns["state"] = [mdp.name_of_state(s) for s in states]
    columns["action"] = [mdp.name_of_action(a) for a in actions]
    columns["gradient"] = aligned(g.reshape(-1)[order].tolist(), 5)
    if answer.direction is not None:
        columns["natural"] = aligned(answer.direction.value.reshape(-1)[order].tolist(), 5)
    columns["pi"] = aligned(pi.reshape(-1)[order].tolist())
    found = answer.found.evaluation
    if found.visits.shape == g.shape[:-1]:  # else a sum over time
        visits = np.broadcast_to(found.visits[..., None], g.shape).reshape(-1)
        columns["visits"] = aligned(visits[order].tolist())
        if not answer.tau:
            columns["A"] = aligned(found.A.reshape(-1)[order].tolist())
    return columns


def as_json(answer: Answer) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1.

    Time is the first axis of the gradient where the policy depends on it.
    """
    found, direction = answer.found, answer.direction
    return {
        "schema": 1,
        "command": "gradient",
        "model": model_json(answer.name, answer.mdp),
        "policy": answer.policy,
        "tau": answer.tau,
        "J": found.J,
        "J_certificate": certificate_json(found.evaluation.J_certificate),
        "gradient": found.value.tolist(),
        "norm": answer.norm,
        "certificate": certificate_json(found.certificate),
        "is_nonzero": found.is_nonzero,
        "natural": None if direction is None else direction.value.tolist(),
        "natural_method": None if direction is None else direction.method,
        "natural_residual": None if direction is None else direction.residual,
        "pi": answer.pi.tolist(),
        "seconds": answer.seconds,
    }
