"""Counts: how often things happened, against how probable they should be.

Takes     counts of outcomes, in groups; the probability of each outcome in its group.
Gives     log E, whose chance of ever reaching log(1 / alpha) is at most alpha if the probabilities
          are right; whether all are within a tolerance.
Source    Ville (1939) for the inequality. Derived: if outcome k of a group has probability p_k
          whatever came before, then q_k / p_k, for a law q fixed beforehand, has mean 1. So the
          product of these factors is a martingale, and so is a mixture of such products over q.
          Mixed over a Dirichlet law with parameters c p it is a ratio of gamma functions.
Not here  playing (`_played`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln, gammaln, logsumexp

from ..arrays import FloatArray, IntArray

CONCENTRATIONS = (
    1.0,
    10.0,
    100.0,
    1000.0,
)  # about so many draws a change is expected to be seen in


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """Outcomes with their probabilities, group after group.

    Attributes
    ----------
    prob : (K,) array
        Above 0; sums to one over each group.
    group : (K,) array of int
        From 0 to ``n_groups - 1``, increasing.
    n_groups : int
    """

    prob: FloatArray
    group: IntArray
    n_groups: int

    def totals(self, counts: FloatArray) -> FloatArray:
        """Sums over each group, (n_groups,): of counts, how often it was drawn from."""
        found: FloatArray = np.bincount(self.group, counts, self.n_groups).astype(np.float64)
        return found

    def log_evidence(self, counts: FloatArray) -> tuple[float, FloatArray]:
        """Log E of all counts together, and of each group alone.

        Parameters
        ----------
        counts : (K,) array

        Returns
        -------
        total : float
        each : (n_groups,) array

        Notes
        -----
        Total E is the mean of two: the mean over groups, which finds one group that is far off, and
        the product over groups, which finds many that are a little off. O(K).

        Examples
        --------
        >>> coin = Groups(np.array([0.5, 0.5]), np.array([0, 0]), 1)
        >>> for heads in (50, 60, 90):
        ...     print(round(coin.log_evidence(np.array([heads, 100.0 - heads]))[0], 1))
        -0.7
        0.3
        33.0
        """
        n, surprise = self.totals(counts), counts * np.log(self.prob)
        mixed = []
        for c in CONCENTRATIONS:
            terms = gammaln(c * self.prob + counts) - gammaln(c * self.prob) - surprise
            mixed.append(self.totals(terms) + gammaln(c) - gammaln(c + n))
        table = np.stack(mixed)
        each: FloatArray = logsumexp(table, axis=0) - np.log(len(table))
        alone = float(logsumexp(each)) - np.log(self.n_groups)
        together = float(logsumexp(table.sum(axis=1))) - np.log(len(table))
        return float(np.logaddexp(alone, together) - np.log(2.0)), each

    def within(self, counts: FloatArray, tol: float, beta: float) -> bool:
        """Whether every outcome comes as often as it should, up to a share of all draws.

        Parameters
        ----------
        counts : (K,) array
        tol : float
            Accepted of each outcome: |q - p| times the share of its group among all draws.
        beta : float

        Returns
        -------
        bool
            If some outcome is off by ``tol`` or more, True comes, at any time, with a chance of at
            most ``beta``.

        Notes
        -----
        An outcome's probabilities p + x and p - x are each refuted by a mixture over a Beta(1/2,
        1/2) law; x is what is accepted in its group. What refutes p + x refutes all that is larger,
        because the likelihood falls away from the share that was seen. All outcomes must be
        inside, so one that is not is a protection by itself.

        Examples
        --------
        >>> coin = Groups(np.array([0.5, 0.5]), np.array([0, 0]), 1)
        >>> [coin.within(np.array([heads, heads]), 0.1, 1e-3) for heads in (9.0, 505.0)]
        [False, True]
        """
        n = self.totals(counts)[self.group]
        share = np.divide(counts, n, out=np.zeros_like(n), where=n > 0)
        accepted = tol * counts.sum() / np.maximum(n, 1e-300)
        mixture = betaln(0.5 + counts, 0.5 + n - counts) - betaln(0.5, 0.5)
        inside = np.ones(len(n), dtype=np.bool_)
        for q in (self.prob + accepted, self.prob - accepted):
            possible = (q > 0) & (q < 1)
            safe = np.where(possible, q, 0.5)
            log_e = mixture - counts * np.log(safe) - (n - counts) * np.log1p(-safe)
            beyond = np.where(q > self.prob, share < q, share > q)
            inside &= ~possible | (beyond & (log_e >= -np.log(beta)))
        return bool(inside.all())
