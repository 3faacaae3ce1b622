"""ReturnDistribution: the law of a return as atoms, each with an interval that surely holds it.

Takes     atoms and their intervals, as `_return_distribution` found them.
Gives     distribution function, quantiles, mean, variance, conditional value at risk; and what
          each of them is between.
Source    derived here. Move each atom to the lower end of its interval, or to the upper one: the
          true law lies between these two in stochastic order, but for ``mass_error``, which can
          have been anywhere; so does each number that grows with the law.
Not here  finding the atoms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import EPS, FloatArray, FloatS
from ..certificates import Certificate
from ..checks import number_or_nan
from ..errors import ModelError
from ..markup import Shown


@dataclass(frozen=True, slots=True, eq=False)
class ReturnDistribution(Shown):
    """The law of the return: atoms in ascending order, and how far each can be off.

    Attributes
    ----------
    values : (n,) array, reward units
        The atoms. Where episodes were cut, what was paid so far and the mean of what remains.
    probabilities : (n,) array
        Their sum is 1 but for ``mass_error``.
    lower, upper : (n,) array, reward units
        The return is in this interval on the event of the atom; +-inf where nothing bounds it.
    mass_error : float
        The sum of the errors of all probabilities, and of sums of them.
    running : float
        Probability that the episode was still running when it was cut; 0 if the law is complete.
    steps : int
        How many decisions were followed.
    certificate : Certificate
        ``bound`` is on the first Wasserstein distance between these atoms and the true law, and so
        on the error of the mean.
    """

    values: FloatS
    probabilities: FloatS
    lower: FloatS
    upper: FloatS
    mass_error: float
    running: float
    steps: int
    certificate: Certificate

    # -- moments -----------------------------------------------------------------------------
    @property
    def mean(self) -> float:
        """The expected return; ``certificate.bound`` bounds its error."""
        return float(self.probabilities @ self.values) / float(self.probabilities.sum())

    @property
    def variance(self) -> float:
        """The variance of the atoms. `return_moments` has the one of the return, with a bound."""
        share = self.probabilities / self.probabilities.sum()
        return float(share @ (self.values - self.mean) ** 2)

    @property
    def std(self) -> float:
        """The root of the variance."""
        return float(np.sqrt(self.variance))

    # -- distribution function, quantiles ----------------------------------------------------
    def cdf(self, x: float) -> float:
        """Pr(G <= x) by the atoms.

        Parameters
        ----------
        x : float, reward units

        Returns
        -------
        float
        """
        x = _number(x, "x")
        return min(float(self.probabilities[self.values <= x].sum()), 1.0)

    def cdf_bounds(self, x: float) -> tuple[float, float]:
        """What Pr(G <= x) is between, proved.

        Parameters
        ----------
        x : float, reward units

        Returns
        -------
        low, high : float
            They differ by the mass of the atoms whose interval holds x.
        """
        x = _number(x, "x")
        low = float(self.probabilities[self.upper <= x].sum()) - self.mass_error
        high = float(self.probabilities[self.lower <= x].sum()) + self.mass_error
        return max(low, 0.0), min(high, 1.0)

    def quantile(self, q: float) -> float:
        """The smallest x with Pr(G <= x) >= q, by the atoms.

        Parameters
        ----------
        q : float
            0 < q <= 1.

        Returns
        -------
        float, reward units
            Probabilities that miss q by no more than ``mass_error`` reach it.
        """
        return _quantile(self.values, self.probabilities, _share(q, "q") - self.mass_error)

    def quantile_bounds(self, q: float) -> tuple[float, float]:
        """What the q-quantile of the return is between, proved.

        Parameters
        ----------
        q : float
            0 < q <= 1.

        Returns
        -------
        low, high : float, reward units
        """
        q = _share(q, "q")
        low = _quantile(*_sorted(self.lower, self.probabilities), q - self.mass_error)
        high = _quantile(*_sorted(self.upper, self.probabilities), q + self.mass_error)
        return low, high

    def cvar(self, alpha: float) -> float:
        """Conditional value at risk: the mean of the worst share alpha of all returns.

        Parameters
        ----------
        alpha : float
            0 < alpha <= 1; 1 gives the mean.

        Returns
        -------
        float, reward units
            ``1 / alpha`` times the integral of the quantiles from 0 to alpha: the lower tail, since
            returns are rewards. Rockafellar and Uryasev (2002) define it for losses, the upper one.
        """
        alpha = _share(alpha, "alpha")
        return _tail(self.values, self.probabilities, 0.0, alpha) / alpha

    def cvar_bounds(self, alpha: float) -> tuple[float, float]:
        """What `cvar` of the return is between, proved.

        Parameters
        ----------
        alpha : float
            0 < alpha <= 1.

        Returns
        -------
        low, high : float, reward units
        """
        alpha = _share(alpha, "alpha")
        error = self.mass_error
        low = _tail(*_sorted(self.lower, self.probabilities), -error, alpha - error)
        high = _tail(*_sorted(self.upper, self.probabilities), error, alpha + error)
        ends = np.abs(np.concatenate((self.lower, self.upper)))
        roundoff = EPS * (len(ends) + 4) * float(ends.max(initial=0.0, where=np.isfinite(ends)))
        return low / alpha - roundoff, high / alpha + roundoff


def _number(x: object, name: str) -> float:
    value = number_or_nan(x)
    if np.isnan(value):
        raise ModelError(f"{name} is {x!r:.80}; it must be a number.")
    return value


def _share(q: object, name: str) -> float:
    value = number_or_nan(q)
    if not 0 < value <= 1:
        raise ModelError(f"{name} is {q!r:.80}; it must be a probability, 0 < {name} <= 1.")
    return value


def _sorted(values: FloatArray, probabilities: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(values, kind="stable")
    return values[order], probabilities[order]


def _quantile(values: FloatArray, probabilities: FloatArray, q: float) -> float:
    """The first value at which the probabilities add up to q; the last if they do not."""
    reached = int(np.searchsorted(np.cumsum(probabilities), q))
    return float(values[min(reached, len(values) - 1)])


def _tail(values: FloatArray, probabilities: FloatArray, begin: float, end: float) -> float:
    """The integral of the quantiles from begin to end; beyond 0 and 1 the ends of the values."""
    reached = np.cumsum(probabilities)
    edges = np.concatenate(([min(begin, 0.0)], reached[:-1], [max(end, float(reached[-1]))]))
    share = np.diff(np.clip(edges, begin, end))
    counted = share > 0
    return float(share[counted] @ values[counted])
