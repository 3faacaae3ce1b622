"""Verdict: whether an estimator is right, by how much it is not, and where that shows.

Takes     what `_check` computed.
Gives     the nouns, and their text.
Not here  computing (`_check`), reasons (`_explain`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn

import numpy as np

from ..arrays import FloatArray
from ..model import MDP
from ..sampling import Trajectories
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
class Hypothesis:
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
class Witness:
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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Verdict:
    """What was found about an estimator's mean.

    It has no truth value: ask for ``outcome``.

    Attributes
    ----------
    outcome : {"unbiased", "biased", "unbiased within tol", "inconclusive"}
    claim : str
        What the mean was found, or was not found, to be.
    route : str
        "exact": by enumeration, without any probability of error.
    target, mean, bias : arrays of the target's shape
        ``bias = mean - target``.
    covariance : (D, D) array or None
        Of one row; None where D is large.
    variance : (D,) array
        Its diagonal.
    scale : float
        The largest of |target| and of E|row|.
    threshold : float
        Above this a |bias| is more than round-off: 1e-9 scale for float64 rows, 3e-6 scale for
        float32 rows.
    n : int
        Number of trajectories (or of batches of them) in the mean.
    steps : int
        Their largest possible length.
    mass : float
        Sum of their probabilities; 1 but for round-off.
    witness : Witness
    explanations : tuple of Hypothesis
        Those that match. `explain` gives all.
    alpha, beta, tol : float or None
        Error rates of a statistical verdict; None on exact routes, which have none.
    notes : tuple of str
    case : Case or None
        The question.
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

    @property
    def deviation(self) -> float:
        """Standard deviation of one row: the root of the summed variances."""
        return float(np.sqrt(self.variance.sum()))

    def __bool__(self) -> NoReturn:
        raise TypeError("a Verdict is neither true nor false: compare its outcome with a word.")

    def __str__(self) -> str:
        return "\n".join(self._lines())

    __repr__ = __str__

    def _lines(self) -> list[str]:
        batch = self.case.batch if self.case is not None else 1
        them = "trajectories" if batch == 1 else f"batches of {batch} trajectories"
        largest = float(np.abs(self.bias).max(initial=0.0))
        size = float(np.abs(self.target).max(initial=0.0))
        lines = [
            f"{self.outcome}: {self.claim}",
            f"{self.route}: all {words(self.n)} {them} of up to {self.steps} steps; standard "
            f"deviation of one row {self.deviation:.4g}",
        ]
        if self.outcome == "unbiased":
            lines.append(
                f"largest |bias| {largest:.2g}, round-off (threshold {self.threshold:.2g})"
            )
        else:
            at = self.witness
            share = f" ({largest / size:.3g} of the largest |target|)" if size else ""
            lines.append(
                f"bias {at.bias:.4g} in {at.name}: mean {at.mean:.4g}, target {at.target:.4g}"
                f"{share}; threshold {self.threshold:.2g}"
            )
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
