"""A sample of episodes as text and as JSON.

Takes     a model, a policy, what was drawn, what its mean should be; how wide the page is.
Gives     lines of text; a dictionary that JSON can hold.
Not here  drawing, and writing it out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import EPS
from ..model import MDP, start
from ._records import told
from ._sample import Drawn, Truth
from ._solution import heading, model_json
from ._text import bounded, count, duration, labelled

QUANTILES = (0.0, 0.05, 0.5, 0.95, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """All that `mdptools simulate` knows."""

    name: str
    mdp: MDP
    policy: str  # in words
    seed: int
    drawn: Drawn
    truth: Truth
    show: int  # episodes to print
    alpha: float | None

    @property
    def standard_error(self) -> float | None:
        """Of the mean return: from the exact deviation, else from the sample's; None if unknown."""
        deviation = self.truth.deviation
        if deviation is None:
            deviation = self.drawn.deviation
        return None if math.isnan(deviation) else deviation / math.sqrt(len(self.drawn.returns))

    @property
    def allowed(self) -> float | None:
        """How far the mean may be from the exact one, by Chebyshev; None if that is not known."""
        truth, returns = self.truth, self.drawn.returns
        if self.alpha is None or truth.mean is None or truth.deviation is None:
            return None
        terms = int(self.drawn.lengths.max()) + len(returns)
        roundoff = EPS * terms * float(np.abs(returns).max())
        chance = truth.deviation / math.sqrt(self.alpha * len(returns))
        return chance + truth.mean_bound + roundoff

    @property
    def agrees(self) -> bool | None:
        """Whether the mean is as near as that; None if nobody asked, or it is not known."""
        if self.allowed is None or self.truth.mean is None:
            return None
        return abs(self.drawn.mean - self.truth.mean) <= self.allowed


def page(answer: Answer, width: int) -> list[str]:
    """What `mdptools simulate` prints."""
    mdp, drawn = answer.mdp, answer.drawn
    rows = [
        ("policy", answer.policy),
        ("episodes", _ends(answer)),
        ("length", _lengths(drawn)),
        ("return", _mean(answer)),
        ("spread", _spread(answer)),
        *_exact(answer),
        *_test(answer),
        ("work", f"drawn in {duration(drawn.seconds)}, seed {answer.seed}"),
    ]
    lines = heading(answer.name, mdp, width)
    for label, text in rows:
        lines += labelled(label, text, width)
    kept = drawn.kept
    for i in range(0 if kept is None else min(answer.show, kept.n)):
        assert kept is not None
        lines += ["", *told(mdp, kept, i, width)]
    return lines


def _ends(answer: Answer) -> str:
    drawn, n = answer.drawn, len(answer.drawn.returns)
    cut = n - drawn.n_terminated
    stopped = "; stopped by Ctrl-C" if drawn.stopped else ""
    if not cut:
        return f"{count(n, 'episode')}, all to their end{stopped}"
    why = ", when what follows counts for nothing" if drawn.worthless else ""
    ended = f"{drawn.n_terminated:,} to their end, " if drawn.n_terminated else ""
    return f"{count(n, 'episode')}: {ended}{cut:,} cut after {drawn.steps:,} steps{why}{stopped}"


def _lengths(drawn: Drawn) -> str:
    low, high = int(drawn.lengths.min()), int(drawn.lengths.max())
    if low == high:
        return f"{count(low, 'step')} each"
    return f"{drawn.lengths.mean():.6g} steps on average, {low:,} to {high:,}"


def _mean(answer: Answer) -> str:
    mdp, drawn = answer.mdp, answer.drawn
    what = "mean reward of a step" if mdp.objective == "average" else "mean"
    error = answer.standard_error
    if error is None:
        return f"{drawn.mean:.6g}"
    return f"{drawn.mean:.6g}, {what} of {len(drawn.returns):,}; standard error {error:.2g}"


def _spread(answer: Answer) -> str:
    returns = answer.drawn.returns
    points = [f"{x:.4g}" for x in np.quantile(returns, QUANTILES).tolist()]
    if points[0] == points[-1]:
        return f"none: each return is {points[0]}"
    return (
        f"{points[0]} to {points[-1]}, median {points[2]}, nine in ten from {points[1]} to "
        f"{points[3]}; standard deviation {answer.drawn.deviation:.4g}"
    )


def _exact(answer: Answer) -> list[tuple[str, str]]:
    """J, and the mean of cut episodes where that is another number."""
    truth, drawn = answer.truth, answer.drawn
    rows = []
    if truth.J is not None:
        rows.append(("J", f"{bounded(truth.J, truth.J_bound)}, {start(answer.mdp)}"))
    if truth.why:
        rows.append(("note", truth.why))
    if truth.mean is None:
        return rows
    apart = drawn.mean - truth.mean
    error = answer.standard_error
    far = f"{apart:+.2g}" if not error else f"{apart / error:+.2f} standard errors"
    if drawn.steps is not None and not drawn.worthless:
        shown = bounded(truth.mean, truth.mean_bound)
        rows.append(("exact", f"{shown}: the mean of episodes of up to {drawn.steps:,} steps"))
        rows.append(("difference", f"{far} from that"))
    else:
        rows.append(("difference", f"{far} from J"))
    return rows


def _test(answer: Answer) -> list[tuple[str, str]]:
    if answer.alpha is None:
        return []
    if answer.allowed is None:
        return [("test", "none: the exact mean or the exact standard deviation is not known")]
    odds = f"more than {answer.allowed:.3g} off has a probability of at most {answer.alpha:g}"
    return [("test", f"{'holds' if answer.agrees else 'fails'}: {odds}")]


def as_json(answer: Answer) -> dict[str, Any]:
    """The same for machines: a stable object, "schema": 1.

    ``deviation`` in "exact" is an upper bound. The episodes are those of ``--show``.
    """
    drawn, truth, kept = answer.drawn, answer.truth, answer.drawn.kept
    shown = 0 if kept is None else min(answer.show, kept.n)
    episodes = []
    for i in range(shown):
        assert kept is not None
        n = int(kept.lengths[i])
        episodes.append(
            {
                "s": kept.s[i, : n + 1].tolist(),
                "a": kept.a[i, :n].tolist(),
                "r": kept.r[i, :n].tolist(),
                "terminated": bool(kept.terminated[i]),
            }
        )
    return {
        "schema": 1,
        "command": "simulate",
        "model": model_json(answer.name, answer.mdp),
        "policy": answer.policy,
        "seed": answer.seed,
        "episodes": len(drawn.returns),
        "terminated": drawn.n_terminated,
        "truncated": len(drawn.returns) - drawn.n_terminated,
        "steps": drawn.steps,
        "stopped": drawn.stopped,
        "mean": drawn.mean,
        "deviation": drawn.deviation,
        "standard_error": answer.standard_error,
        "J": truth.J,
        "J_bound": truth.J_bound,
        "exact": {"mean": truth.mean, "bound": truth.mean_bound, "deviation": truth.deviation},
        "note": truth.why or None,
        "alpha": answer.alpha,
        "allowed": answer.allowed,
        "agrees": answer.agrees,
        "returns": drawn.returns.tolist(),
        "lengths": drawn.lengths.tolist(),
        "shown": episodes,
        "seconds": drawn.seconds,
    }
