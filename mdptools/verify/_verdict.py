"""Verdict: whether an estimator is right, by how much it is not, and where that shows.

Takes     what `_check` computed.
Gives     the nouns, and their text.
Not here  computing (`_check`), reasons (`_explain`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray
from ..markup import Html, Shown, listed, tag
from ..model import MDP
from ..sampling import Trajectories
from ._returned import Layout
from ._rows import describe
from ._targets import Answer
from ._tree import words

Outcome = Literal["unbiased", "biased", "unbiased within tol", "inconclusive"]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """What was asked: enough to compute the exact mean of another estimator in its place."""

    mdp: MDP
    policy: Any
    behaviour: Any
    length: int  # the number of steps of the trajectories
    cut: bool  # whether some were still running then
    target: Any  # as it was handed in
    answer: Answer  # the one that is reported against
    batch: int


@dataclass(frozen=True, slots=True)
class Hypothesis(Shown):
    """A possible reason for a bias, and whether the numbers agree with it.

    Attributes
    ----------
    name : str
        What would have been done: "gamma^t left out".
    predicted : float
        The bias that follows, in the coordinate of the verdict's witness.
    observed : float
        The bias that there is.
    matches : bool
        Whether the two agree in every coordinate, to 1e-9 of the bias.
    """

    name: str
    predicted: float
    observed: float
    matches: bool

    @property
    def doing(self) -> str:
        """The name as the subject of a sentence: "leaving gamma^t out"."""
        what, found, more = self.name.partition(" left out")
        return f"leaving {what} out{more}" if found else f"'{self.name}'"

    def __str__(self) -> str:
        mark = " (matches)" if self.matches else ""
        return (
            f"{self.name}: predicts bias {self.predicted:.4g}, observed {self.observed:.4g}{mark}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Witness(Shown):
    """Where a bias shows most.

    Attributes
    ----------
    index : tuple of int
        The coordinate of the largest |bias|, in the target's shape.
    name : str
        The same in words.
    bias, mean, target : float
        In this coordinate; bias = mean - target.
    trajectories : Trajectories or None
        Up to five that contribute most to this bias, the first most; None where the mean is right,
        and for batch estimators.
    contributions : (k,) array
        P(trajectory) (row - target) of each, in this coordinate. Over all trajectories they sum to
        the bias.
    """

    index: tuple[int, ...]
    name: str
    bias: float
    mean: float
    target: float
    trajectories: Trajectories | None = None
    contributions: FloatArray = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, slots=True, eq=False)
class WealthHistory(Shown):
    """The wealth of the bets at each look: two tests that ran on the same rows.

    Attributes
    ----------
    n : (k,) array of int
        How many rows there were.
    log_e : (k,) array
        Evidence against the mean being right; 0 at the first look, before which nothing is bet.
    log_claim : (k,) array
        Evidence for the mean being within the tolerance: that of the coordinate and side with
        least.
    restarted : (k,) array of bool
        Whether rows left the assumed range there, so that both began anew from 0.
    alarm : float
        Where ``log_e`` stands for "biased": log(1 / alpha).
    enough : float
        Where ``log_claim`` stands for "unbiased within tol": log(1 / beta), or log(k / beta) where
        k answers are honest.
    """

    n: IntArray
    log_e: FloatArray
    log_claim: FloatArray
    restarted: BoolArray
    alarm: float
    enough: float


@dataclass(frozen=True, slots=True, eq=False)
class Evidence(Shown):
    """What a statistical verdict rests on. Arrays have the target's shape.

    Attributes
    ----------
    log_e : float
        The largest evidence against the mean being right, at any look: "biased" from log(1 / alpha)
        on. If the mean is right it gets there with a chance of at most alpha.
    ci : two arrays
        An interval for the bias in each coordinate, by the normal approximation, 95 %. The outcome
        does not rest on it.
    sd : array
        Standard deviation of one row, less control variates.
    direction : array
        In which the mean is off, if it is, for the variance that there is: the direction of the
        last bet, its largest entry 1 or -1. Zeros if nothing was ever bet.
    certified : array
        The tolerances, in the target's units, that "unbiased within tol" speaks of.
    mdb : float
        The smallest bias that so many rows would have shown in any coordinate, about half the time.
    needed : int or None
        About how many rows would decide, if the verdict is "inconclusive".
    assumed : str
        What is assumed of the range of rows; empty if bounds were declared.
    left : float or None
        The share of the variance that control variates leave; None if there were none.
    seed : int
        With it everything can be drawn again.
    history : WealthHistory
        The wealth at each look. ``log_e`` is its largest since it last began.
    """

    log_e: float
    ci: tuple[FloatArray, FloatArray]
    sd: FloatArray
    direction: FloatArray
    certified: FloatArray
    mdb: float
    needed: int | None
    assumed: str
    left: float | None
    seed: int
    history: WealthHistory


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Verdict(Shown):
    """What was found about an estimator's mean.

    It has no truth value: ask for ``outcome``.

    Attributes
    ----------
    outcome : {"unbiased", "biased", "unbiased within tol", "inconclusive"}
    claim : str
        What the mean was found, or was not found, to be.
    route : {"exact", "tape", "sequential"}
        "exact": by enumeration of trajectories, "tape": of what a program can draw; both without
        any probability of error. "sequential": from a sample.
    target, mean, bias : arrays of the target's shape
        ``bias = mean - target`` on exact routes. From a sample: estimates; that of the bias is the
        better one where control variates were used. With ``up_to_scale`` the bias is what of the
        mean is orthogonal to the target.
    covariance : (D, D) array or None
        Of one row; None where D is large, and from a sample.
    variance : (D,) array
        Its diagonal.
    scale : float
        The largest of |target| and of E|row|.
    threshold : float
        Above this a |bias| is more than round-off: 1e-9 scale for float64 rows, 3e-6 scale for
        float32 rows.
    n : int
        Number of trajectories (or of batches of them, or of units) in the mean.
    steps : int
        Their largest possible length; 0 if it is not known.
    mass : float
        Sum of their probabilities; 1 but for round-off.
    witness : Witness
    explanations : tuple of Hypothesis
        Those that match. `explain` gives all.
    alpha, beta, tol : float or None
        Error rates of a statistical verdict; None on exact routes, which have none.
    notes : tuple of str
    case : Case or None
        The question, on the exact route.
    sample : Evidence or None
        What a statistical verdict rests on.
    """

    outcome: Outcome
    claim: str
    route: str
    target: FloatArray
    mean: FloatArray
    bias: FloatArray
    covariance: FloatArray | None
    variance: FloatArray
    scale: float
    threshold: float
    n: int
    steps: int
    mass: float
    witness: Witness
    explanations: tuple[Hypothesis, ...] = ()
    alpha: float | None = None
    beta: float | None = None
    tol: float | None = None
    notes: tuple[str, ...] = ()
    case: Case | None = None
    sample: Evidence | None = None

    @property
    def log_e(self) -> float | None:
        """The evidence against the mean being right, ``sample.log_e``; None on exact routes."""
        return None if self.sample is None else self.sample.log_e

    @property
    def ci(self) -> tuple[FloatArray, FloatArray] | None:
        """An approximate interval for the bias, ``sample.ci``; None on exact routes."""
        return None if self.sample is None else self.sample.ci

    @property
    def mdb(self) -> float | None:
        """The smallest bias that would have shown, ``sample.mdb``; None on exact routes."""
        return None if self.sample is None else self.sample.mdb

    @property
    def seed(self) -> int | None:
        """What the sample was drawn with, ``sample.seed``; None on exact routes."""
        return None if self.sample is None else self.sample.seed

    @property
    def deviation(self) -> float:
        """Standard deviation of one row: the root of the summed variances."""
        return float(np.sqrt(self.variance.sum()))

    def __bool__(self) -> NoReturn:
        raise TypeError("a Verdict is neither true nor false: compare its outcome with a word.")

    def _shown(self) -> Iterator[Html]:
        """For notebooks: the outcome, and what it rests on."""
        yield tag("p", tag("strong", self.outcome), ": ", self.claim)
        yield listed(self._lines()[1:])

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> list[str]:
        if self.sample is not None:
            return self._lines_of_sample(self.sample)
        largest = float(np.abs(self.bias).max(initial=0.0))
        lines = [
            f"{self.outcome}: {self.claim}",
            f"{self.route}: all {words(self.n)} {self._them()}; standard deviation of one row "
            f"{self.deviation:.4g}",
        ]
        if self.outcome == "unbiased":
            lines.append(
                f"largest |bias| {largest:.2g}, round-off (threshold {self.threshold:.2g})"
            )
        else:
            lines.append(f"{self._where()}; threshold {self.threshold:.2g}")
        lines += [f"equals what {one.doing} predicts" for one in self.explanations[:2]]
        found = self.witness.trajectories
        if found is not None:
            lines.append("these contribute most (probability, contribution, trajectory):")
            lines += [
                f"  {weight:.3g}  {part:.2g}  {describe(found, i)}"
                for i, (weight, part) in enumerate(
                    zip(np.asarray(found.weight), self.witness.contributions, strict=True)
                )
            ]
        return lines + [f"note: {note}" for note in self.notes]

    def _them(self) -> str:
        """What was enumerated."""
        if self.route == "tape":
            return "ways in which the numbers can fall"
        batch = self.case.batch if self.case is not None else 1
        them = "trajectories" if batch == 1 else f"batches of {batch} trajectories"
        return f"{them} of up to {self.steps} steps"

    def _where(self) -> str:
        """The witness in a line."""
        at, size = self.witness, float(np.abs(self.target).max(initial=0.0))
        share = f" ({abs(at.bias) / size:.3g} of the largest |target|)" if size else ""
        return f"bias {at.bias:.4g} in {at.name}: mean {at.mean:.4g}, target {at.target:.4g}{share}"

    def _lines_of_sample(self, sample: Evidence) -> list[str]:
        at = self.witness.index
        low, high = (float(side[at]) for side in sample.ci)
        alpha, beta = self.alpha, self.beta
        lines = [
            f"{self.outcome}: {self.claim}",
            f"{self.route}: {self.n:,} rows, seed {sample.seed}; standard deviation of one row "
            f"{self.deviation:.4g}; alpha {alpha:.2g}, beta {beta:.2g}",
            f"{self._where()}; 95 % interval of the bias [{low:.3g}, {high:.3g}]",
            f"evidence log E = {sample.log_e:.1f}, of {-np.log(alpha or 1.0):.1f} for 'biased'",
        ]
        if self.outcome == "unbiased within tol":
            lines.append(f"certified: |bias| below {float(sample.certified.max()):.3g}")
        if self.outcome == "inconclusive":
            lines.append(
                f"a bias of {sample.mdb:.3g} in any one coordinate would have shown; about "
                f"{sample.needed or 0:,} rows are needed to decide (max_samples=)"
            )
        if sample.left is not None:
            lines.append(f"control variates left {sample.left:.2g} of the variance")
        if sample.assumed:
            lines.append(f"assumed: {sample.assumed}")
        return lines + [f"note: {note}" for note in self.notes]


def witness_of(
    bias: FloatArray,
    mean: FloatArray,
    target: FloatArray,
    mdp: MDP | None,
    layout: Layout | None = None,
) -> Witness:
    """The coordinate of the largest bias, with its name."""
    return witness_at(
        int(np.abs(bias).argmax()) if bias.size else 0, bias, mean, target, mdp, layout
    )


def witness_at(
    column: int,
    bias: FloatArray,
    mean: FloatArray,
    target: FloatArray,
    mdp: MDP | None,
    layout: Layout | None = None,
) -> Witness:
    """A coordinate, by its flat index, with its name."""
    at = tuple(int(i) for i in np.unravel_index(column, bias.shape)) if bias.shape else ()
    name = f"coordinate {list(at)}" if at else "the mean"
    if layout is not None:
        name = layout.name(column)
    elif mdp is not None and bias.shape == (mdp.n_states, mdp.n_actions):
        name = f"state {mdp.name_of_state(at[0])}, action {mdp.name_of_action(at[1])}"
    elif mdp is not None and bias.shape == (mdp.n_states,):
        name = f"state {mdp.name_of_state(at[0])}"
    return Witness(at, name, float(bias[at]), float(mean[at]), float(target[at]))
