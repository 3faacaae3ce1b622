"""Study: the trace of exact optimisers beside the truth and every bound that applies.

Takes     what `run_study` recorded.
Gives     `Study` and its `Run`s: numbers for each step, bounds, rates; as text and as plain data.
Source    the bounds name theirs; a rate is the least-squares slope of log gap at the end.
Not here  running (`_run`), pictures (plots).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatS, plain, readonly
from ..errors import ModelError
from ..markup import Html, Shown, listed, table, tag
from ._catalogue import Bound, bounds
from ._objectives import best_return
from ._tables import DEEPEST
from ._trace import Trace, norm_each
from ._truth import Truth

PROMISES = ("D5", "F0", "F9", "D4", "D4f", "B1", "B1m", "B4")
"""Bounds that promise that no step makes J worse."""


@dataclass(frozen=True, eq=False)
class Run(Shown):
    """One rule on one model, step by step; index t is after t updates.

    Attributes
    ----------
    name : str
        The rule's.
    trace : Trace
    measure : (S,) array
        The law that gaps are measured with.
    values : (T+1, S) array or None, reward units
        What a value rule takes for the values; None for policy rules, whose values are exact.
    seconds : float
    stopped : str
        By what it was stopped before the last step; empty if it was not.
    """

    name: str
    trace: Trace
    measure: FloatS
    values: FloatArray | None
    seconds: float
    stopped: str

    @property
    def updates(self) -> int:
        """How many updates were made."""
        return self.trace.updates

    @property
    def J(self) -> FloatArray:
        """mu . V of each policy, (T+1,)."""
        return self.trace.J

    @cached_property
    def gap(self) -> FloatArray:
        """measure . (V* - V), (T+1,), exact to its last digits however small."""
        return readonly(self.trace.gap(self.measure))

    @cached_property
    def log_gap(self) -> FloatArray:
        """Its logarithm, which goes on below 1e-308; -inf at the optimum."""
        return readonly(self.trace.log_gap(self.measure))

    @property
    def gradient_norm(self) -> FloatArray:
        """|dJ/dtheta|_2 of the tabular softmax at each policy, (T+1,)."""
        return self.trace.gradient_norm

    @cached_property
    def gradient_floor(self) -> FloatArray:
        """Below it float64 need not tell the gradient from 0, (T+1,): |visits|_2 times the floor.

        On the chain of Agarwal et al. (`problems.chain`) with H = 64 the norm is 2e-28, what
        float64 makes of it 5e-14 and this 4e-9. Where optimal actions are likely, norms far below
        it may well be right.
        """
        visits = self.trace.visits
        return readonly(self.trace.floor * norm_each(visits))

    @property
    def step_sizes(self) -> FloatArray:
        """(T,); nan where the rule has none."""
        return self.trace.step_sizes

    @property
    def entropy(self) -> FloatArray:
        """The mean over d of the entropy of pi(. | s), (T+1,), nats."""
        return self.trace.entropy

    @property
    def kl_to_last(self) -> FloatArray:
        """The mean over d_{t-1} of KL(pi_t || pi_{t-1}), (T+1,); nan at t = 0."""
        return self.trace.kl_to_last

    @property
    def least_optimal(self) -> FloatArray:
        """min_s pi_t(a*(s) | s), a* of one fixed optimal policy, (T+1,)."""
        return self.trace.on_fixed

    @cached_property
    def mismatch(self) -> FloatArray:
        """max_s d*(s) / d_t(s), d* from the measure and d_t from mu, (T+1,)."""
        return readonly(self.trace.mismatch(self.measure))

    @cached_property
    def value_error(self) -> FloatArray | None:
        """max_s |values - V*|, or V^pi for rules that evaluate a policy; None for policy rules."""
        if self.values is None:
            return None
        target = self.trace.truth.V[None]
        if self.trace.options.get("evaluates"):
            target = self.trace.truth.V - self.trace.gaps
        worst: FloatArray = np.abs(self.values - target).max(axis=1)
        return readonly(worst)

    @cached_property
    def _held(self) -> tuple[list[Bound], dict[str, str]]:
        return bounds(self.trace, measure=self.measure)

    @property
    def bounds(self) -> list[Bound]:
        """Every bound that applies."""
        return self._held[0]

    @property
    def refused(self) -> dict[str, str]:
        """Bounds about this algorithm that do not apply, and the assumption that fails."""
        return self._held[1]

    def bound(self, name: str) -> Bound:
        """One of the bounds by its name."""
        for held in self.bounds:
            if held.name == name:
                return held
        why = self.refused.get(name, f"it is not about {self.trace.algorithm}")
        raise ModelError(f"{self.name} has no bound {name!r:.80}: {why}")

    @property
    def violated(self) -> list[Bound]:
        """Bounds that some step violates. There should be none."""
        return [held for held in self.bounds if held.first_violation is not None]

    @cached_property
    def falls(self) -> list[int]:
        """Each t whose J is below that of t - 1 by more than round-off."""
        gap = self.trace.gap()
        worse = np.diff(gap) > 1e-9 * gap[:-1] + self.trace.floor
        return [int(t) + 1 for t in np.flatnonzero(worse)]

    @cached_property
    def local_rate(self) -> float:
        """The factor by which the gap shrinks in a step, over the last third of the run.

        0 if the run ended at the optimum itself; nan if it is too short.
        """
        if self.updates and self.log_gap[-1] <= DEEPEST:
            return 0.0
        slope = self._slope(self.trace.t.astype(float))
        return math.exp(slope) if not math.isnan(slope) else slope

    @cached_property
    def local_order(self) -> float:
        """The slope of log gap against log t over the last third: -1 for a gap like 1/t."""
        return self._slope(np.log(np.maximum(self.trace.t, 1)))

    def _slope(self, x: FloatArray) -> float:
        start = max(1, 2 * self.updates // 3)
        y = self.log_gap[start:]
        if len(y) < 3 or not (np.isfinite(y) & (y > DEEPEST)).all():
            return float("nan")
        return float(np.polyfit(x[start:], y, 1)[0])

    def _shown(self) -> Iterator[Html]:
        """For notebooks: what happened, and each bound with how much it leaves."""
        yield tag("p", self.text().partition("\n")[0])
        yield table(
            ["bound", "kind", "on", "median bound / actual", "violated at"],
            [
                [held.name, held.kind, held.quantity, held.median_looseness, held.first_violation]
                for held in self.bounds
            ],
            what="bound",
        )

    def text(self) -> str:
        """A paragraph: what happened, what was promised."""
        last = self.updates
        lines = [
            f"{self.name}: {last:,} updates, gap {self.gap[0]:.4g} -> {self.gap[last]:.4g}, "
            f"rate {self.local_rate:.4g} a step (order {self.local_order:.3g} in t)"
        ]
        if self.stopped:
            lines.append(f"  {self.stopped}")
        if self.falls:
            names = {held.name for held in self.bounds} & set(PROMISES)
            against = f"against {', '.join(sorted(names))}" if names else "no bound here forbids it"
            lines.append(
                f"  J got worse in {len(self.falls)} steps, first at t={self.falls[0]}: {against}"
            )
        lines += [f"  {held}" for held in self.bounds]
        lines += [f"  {why}" for why in self.refused.values()]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and strings."""
        series = {
            "J": self.J,
            "gap": self.gap,
            "log_gap": self.log_gap,
            "gradient_norm": self.gradient_norm,
            "gradient_floor": self.gradient_floor,
            "step_size": self.step_sizes,
            "entropy": self.entropy,
            "kl_to_last": self.kl_to_last,
            "least_optimal": self.least_optimal,
            "mismatch": self.mismatch,
        }
        if self.value_error is not None:
            series["value_error"] = self.value_error
        found: dict[str, Any] = plain(
            {
                "rule": self.name,
                "algorithm": self.trace.algorithm,
                "updates": self.updates,
                "seconds": self.seconds,
                "stopped": self.stopped,
                "local_rate": self.local_rate,
                "local_order": self.local_order,
                "falls": self.falls,
                "series": series,
                "bounds": [_bound_to_json(held) for held in self.bounds],
                "refused": self.refused,
            }
        )
        return found


@dataclass(frozen=True, eq=False)
class Study(Shown):
    """What exact iterations did on one model, and what theorems promised.

    Attributes
    ----------
    truth : Truth
        Of the model.
    measure : (S,) array
        The law that gaps are measured with.
    runs : tuple of Run
        One for each rule, in the order they were given.
    stopped : str
        By what the study was stopped; empty if it was not.
    """

    truth: Truth
    measure: FloatS
    runs: tuple[Run, ...]
    stopped: str = ""

    def __getitem__(self, key: int | str) -> Run:
        """A run by its place, or by the name of its rule."""
        if not isinstance(key, str):
            return self.runs[key]
        for run in self.runs:
            if run.name == key:
                return run
        raise KeyError(f"no rule is named {key!r}; there are {[run.name for run in self.runs]}")

    def __len__(self) -> int:
        return len(self.runs)

    @property
    def violated(self) -> list[tuple[str, Bound]]:
        """Every bound that is violated, with the name of the rule."""
        return [(run.name, held) for run in self.runs for held in run.violated]

    def _shown(self) -> Iterator[Html]:
        """For notebooks: the model in a line, and a row for each rule."""
        yield listed([line for line in (self._head(), self.truth.warning, self.stopped) if line])
        yield table(
            ["rule", "updates", "gap at the start", "at the end", "rate a step", "bounds violated"],
            [
                [
                    run.name,
                    run.updates,
                    float(run.gap[0]),
                    float(run.gap[-1]),
                    run.local_rate,
                    f"{len(run.violated)} of {len(run.bounds)}",
                ]
                for run in self.runs
            ],
            what="rule",
        )

    def _head(self) -> str:
        """The model and its constants, in a line."""
        truth, H = self.truth, self.truth.mdp.horizon
        return (
            f"S={truth.n_live} A={truth.n_choices} {'' if H is None else f'H={H} '}"
            f"gamma={truth.gamma:g} R={truth.reward_range:.4g} beta#={truth.smoothness:.4g}; "
            f"J* {best_return(truth):.6g}, trivial bound {truth.trivial:.4g}, "
            f"floor {truth.floor:.2g}"
        )

    def __str__(self) -> str:
        truth = self.truth
        lines = [self._head()]
        lines += [f"warning: {truth.warning}"] if truth.warning else []
        lines += [self.stopped] if self.stopped else []
        return "\n".join([*lines, *(run.text() for run in self.runs)])

    def to_json(self) -> dict[str, Any]:
        """A dictionary of plain lists, numbers and strings; nan is None, infinities are strings.

        Returns
        -------
        dict
            With a ``schema`` number that grows when an entry changes its meaning.
        """
        truth = self.truth
        found: dict[str, Any] = plain(
            {
                "schema": 1,
                "model": {
                    "n_states": truth.mdp.n_states,
                    "n_live": truth.n_live,
                    "n_actions": truth.n_choices,
                    "objective": truth.mdp.objective,
                    "horizon": truth.mdp.horizon,
                    "gamma": truth.gamma,
                    "reward_range": truth.reward_range,
                    "smoothness": truth.smoothness,
                    "smallest_shortfall": truth.smallest_shortfall,
                    "J": best_return(truth),
                    "warning": truth.warning,
                },
                "measure": self.measure,
                "stopped": self.stopped,
                "runs": [run.to_json() for run in self.runs],
            }
        )
        return found


def _bound_to_json(held: Bound) -> dict[str, Any]:
    return {
        "name": held.name,
        "kind": held.kind,
        "statement": held.statement,
        "source": held.source,
        "quantity": held.quantity,
        "assumptions": list(held.assumptions),
        "constants": dict(held.constants),
        "values": held.values,
        "actual": held.actual,
        "floor": held.floor,
        "first_violation": held.first_violation,
        "median_looseness": held.median_looseness,
        "vacuous_until": held.vacuous_until,
    }
