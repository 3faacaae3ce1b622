"""Explain a verdict: the known mistakes that have exactly the bias that was found.

Takes     a `Verdict` that says "biased".
Gives     hypotheses, each with the bias that it predicts beside the one that was observed.
Source    each prediction is an exact mean (`_mistakes`).
Not here  the verdict (`_check`).

A prediction that holds to nine digits in every coordinate of a random model is no coincidence; one
that leaves a number open (a factor, an entropy bonus) is looked for only where a vector of that
direction would be a coincidence as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ._mistakes import biases_up_to_numbers, enumerated_means, factors, means
from ._verdict import Hypothesis, Verdict

PRECISION = 1e-9


def explain(verdict: Verdict, *, enumerate: bool = True) -> tuple[Hypothesis, ...]:
    """Named hypotheses about a bias, with the number that each predicts.

    Parameters
    ----------
    verdict : Verdict
        Of `check_estimator`.
    enumerate : bool
        Also try mistakes whose mean needs all trajectories to be enumerated once more.

    Returns
    -------
    tuple of Hypothesis
        Those that match first. Empty for an estimator that is unbiased.

    Notes
    -----
    The predictions are exact means, so they hold for every estimator that makes the mistake,
    whatever its variance: with another baseline, with the whole return for the reward to go.
    Two mistakes at once match nothing.

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.verify import check_estimator
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5, horizon=2)
    >>> verdict = check_estimator(lambda batch: batch.r.sum(axis=1), mdp, [[0.5, 0.5]], target="J")
    >>> print(explain(verdict)[0])
    nothing discounted: predicts bias 0.25, observed 0.25 (matches)
    """
    case = verdict.case
    if verdict.outcome != "biased" or case is None:
        return ()
    judge = _Judge(verdict)
    found: list[Hypothesis] = []
    for name, mean in means(case):
        try:
            found.append(judge.mean(name, mean()))
        except ModelError:  # such a model, or such a number, does not exist here
            continue
    if enumerate and case.batch == 1:
        for name, value in enumerated_means(case).items():
            found += judge.up_to_a_factor(name, value) if "{" in name else [judge.mean(name, value)]
    found += judge.factors(factors(case))
    for name, columns in biases_up_to_numbers(case):
        found += judge.up_to_numbers(name, columns)
    return tuple(sorted(found, key=lambda one: not one.matches))


@dataclass(frozen=True, slots=True)
class _Judge:
    """Compares predictions with what was observed."""

    verdict: Verdict

    def mean(self, name: str, mean: Any) -> Hypothesis:
        """A mistake whose mean is known."""
        target = self.verdict.target.reshape(-1)
        return self._bias(name, np.asarray(mean, dtype=float).reshape(-1) - target)

    def up_to_a_factor(self, name: str, mean: FloatArray) -> list[Hypothesis]:
        """A mistake whose mean is known but for a factor, ``{}`` in the name.

        It is only mentioned if it matches: with numbers left open something always comes close. A
        mean of zero is every mistake times zero, and tells nothing.
        """
        size = float(mean @ mean)
        observed = self.verdict.mean.reshape(-1)
        nothing = np.abs(observed).max(initial=0.0) <= self.verdict.threshold
        if size == 0 or nothing or self._freedom() < 2:
            return []
        x = float(observed @ mean) / size
        one = self.mean(name.format(f"{x:.6g}"), x * mean)
        return [one] if one.matches else []

    def up_to_numbers(self, name: str, columns: FloatArray) -> list[Hypothesis]:
        """A mistake whose bias is known but for k numbers: columns (D, k); if it matches."""
        if np.linalg.matrix_rank(columns) < columns.shape[1] or columns.shape[1] >= self._freedom():
            return []
        numbers = np.linalg.lstsq(columns, self.verdict.bias.reshape(-1), rcond=None)[0]
        one = self._bias(name.format(", ".join(f"{x:.4g}" for x in numbers)), columns @ numbers)
        return [one] if one.matches else []

    def factors(self, named: Iterable[tuple[str, float]]) -> list[Hypothesis]:
        """The mean is the target times a number, which may have a name."""
        target = self.verdict.target.reshape(-1)
        found = [self.mean(name, x * target) for name, x in named]
        if not any(one.matches for one in found):
            found += self.up_to_a_factor("a constant factor {}", target)
        return found

    def _bias(self, name: str, bias: FloatArray) -> Hypothesis:
        observed = self.verdict.bias.reshape(-1)
        at = int(np.abs(observed).argmax())
        tolerance = PRECISION * abs(float(observed[at])) + 0.01 * self.verdict.threshold
        matches = bool(np.abs(bias - observed).max() <= tolerance)
        return Hypothesis(name, float(bias[at]), float(observed[at]), matches)

    def _freedom(self) -> int:
        """The dimension of the space that the rows span."""
        covariance = self.verdict.covariance
        if covariance is None:
            return int(np.count_nonzero(self.verdict.bias))
        return int(np.linalg.matrix_rank(covariance, tol=1e-9 * float(np.trace(covariance))))
