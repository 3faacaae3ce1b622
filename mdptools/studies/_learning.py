"""Learning: what a training run was, beside the truth.

Takes     the numbers that `learn` recorded.
Gives     `Learning`: returns, gaps, angles, bias and variance, by seed and by iterate.
Source    formula: cos(angle) = <g, estimate> / (|g| |estimate|).
Not here  running (`_learn`), pictures (plots).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, IntArray, readonly
from ..errors import ModelError
from ..estimators import Learner
from ..markup import Html, Shown, listed
from ..model import MDP


@dataclass(frozen=True, eq=False)
class Learning(Shown):
    """A learner's runs, one for each seed: n seeds, T iterations.

    Attributes
    ----------
    mdp : MDP
    learner : Learner
    best : float, reward units
        J of an optimal policy.
    J : (n, T+1) array, reward units
        Exact, of the policy at each iterate; index 0 is the start. nan where a policy may go on for
        ever and its return is not defined.
    gradients : (n, T, D) array, or None
        The exact gradient (natural gradient) at each iterate that a step was taken from; None if
        the learner has no theta.
    estimates : (n, T, D) array, or None
        What the learner took for it.
    moments_at : (K,) array of int
        At which iterates bias and variance were computed.
    bias : (n, K, D) array
        Exact mean of the estimate at that theta, with that critic, less the exact gradient.
    variance : (n, K) array
        The trace of its exact covariance.
    final : tuple of n
        Where each run ended: what the learner remembers.
    why : str
        Why bias or variance are nan; empty if none is.
    seconds : float
    stopped : str
        By whom, if not all iterations were made.
    """

    mdp: MDP
    learner: Learner
    best: float
    J: FloatArray
    gradients: FloatArray | None
    estimates: FloatArray | None
    moments_at: IntArray
    bias: FloatArray
    variance: FloatArray
    final: tuple[Any, ...]
    why: str
    seconds: float
    stopped: str

    @property
    def name(self) -> str:
        """The learner's."""
        return self.learner.name

    @property
    def seeds(self) -> int:
        """n, the number of runs."""
        return len(self.J)

    @property
    def iterations(self) -> int:
        """T, the number of steps that each run made."""
        return int(self.J.shape[1]) - 1

    @property
    def gap(self) -> FloatArray:
        """J* - J, (n, T+1) reward units."""
        return readonly(self.best - self.J)

    @property
    def angle(self) -> FloatArray:
        """Between estimate and exact gradient at each iterate, (n, T) degrees; nan if one is 0.

        Raises
        ------
        ModelError
            If the learner estimates no gradient.
        """
        g, e = self._pair()
        size = np.linalg.norm(g, axis=2) * np.linalg.norm(e, axis=2)
        with np.errstate(invalid="ignore"):
            cosine = np.where(size > 0, (g * e).sum(axis=2) / np.where(size > 0, size, 1.0), np.nan)
            return readonly(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))

    @property
    def gradient_norm(self) -> FloatArray:
        """Of the exact gradient at each iterate, (n, T)."""
        return readonly(np.linalg.norm(self._pair()[0], axis=2))

    @property
    def bias_norm(self) -> FloatArray:
        """Of the exact bias, (n, K)."""
        return readonly(np.linalg.norm(self.bias, axis=2))

    @property
    def deviation(self) -> FloatArray:
        """The square root of the total variance of the estimate, (n, K)."""
        return readonly(np.sqrt(self.variance))

    def policy(self, seed: int) -> FloatSA:
        """The last policy of a run.

        Parameters
        ----------
        seed : int
            Which run, from 0.

        Returns
        -------
        (S, A) or (H, S, A) array
        """
        return self.learner.policy(self.mdp, self.final[seed])

    def reached(self, share: float) -> FloatArray:
        """The first iterate from which on the gap stays below 1 - share of what it was, (n,).

        Parameters
        ----------
        share : float
            0.95 asks for 95 % of the way from the start to J*.

        Returns
        -------
        (n,) array
            inf where it does not.
        """
        short = ~(self.gap <= (1 - share) * self.gap[:, :1] + 1e-12 * abs(self.best))
        last = self.iterations - short[:, ::-1].argmax(axis=1)
        found = np.where(short.any(axis=1), last + 1.0, 0.0)
        return readonly(np.where(short[:, -1], np.inf, found))

    def _pair(self) -> tuple[FloatArray, FloatArray]:
        if self.gradients is None or self.estimates is None:
            raise ModelError(f"{self.name} estimates no gradient.")
        return self.gradients, self.estimates

    def _shown(self) -> Iterator[Html]:
        """For notebooks: what `str` says."""
        yield listed(str(self).splitlines())

    def __str__(self) -> str:
        n, T = self.seeds, self.iterations
        first, last = np.median(self.J[:, 0]), np.median(self.J[:, -1])
        lines = [
            f"{self.name}: {n} seed{'s' * (n != 1)}, {T:,} iterations, {self.seconds:.1f} s",
            f"J {first:.4g} -> {last:.4g} (median), J* {self.best:.4g}",
        ]
        if self.estimates is not None and T:
            lines.append(f"angle to the exact gradient: median {np.nanmedian(self.angle):.0f} deg")
        if self.why:
            lines.append(f"bias or variance not computed: {self.why}")
        if self.stopped:
            lines.append(self.stopped)
        return "\n".join(lines)
