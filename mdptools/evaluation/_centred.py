"""One step of the moments of a return about a given centre, with the error of that step.

Takes     branches (row, successor, reward, weight), a centre for rows and successors, and moments
          about the centre of the successors.
Gives     `Step`: the moments about the centre of the rows, and how wrong they can be.
Source    formula: with D = G - v(s) and delta = r + gamma v(s') - v(s) it is D = delta + gamma D',
          so B_k(s) = sum_j C(k, j) gamma^j E[delta^(k-j) B_j(s')], B_0 = 1, for any centre v. With
          v the mean it is the variance equation of Sobel (1982), whose terms are all >= 0.
Not here  solving for the moments (`_moments`).

v is a table of floats close to the mean. What it lacks is B_1, a moment like the others: so the
centre itself has no error, and no large number is subtracted from another. delta is evaluated in
twice the precision (Dekker 1971), where r + gamma v(s') and v(s) cancel.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import comb, factorial, gamma, pi, sqrt

import numpy as np

from ..arrays import EPS, TINY, FloatArray, FloatS, IntArray


class Step:
    """One step from rows (states, pairs, or the start) to successors.

    Parameters
    ----------
    row, to : (B,) arrays of int
        Where each branch comes from and goes to.
    weight : (B,) array
        >= 0; one for each row, but for ``defect``.
    paid : (B,) array, reward units
    std : (B,) array or None, reward units
        Standard deviation of Gaussian noise on ``paid``.
    before : (n,) array, reward units
        The centre of the rows.
    after : (S,) array, reward units
        The centre of the successors.
    discount : float
    defect : float
        Relative error of each weight.
    order : int
        The largest moment that will be asked for.
    """

    def __init__(
        self,
        row: IntArray,
        to: IntArray,
        weight: FloatArray,
        paid: FloatArray,
        std: FloatArray | None,
        before: FloatArray,
        after: FloatArray,
        *,
        discount: float,
        defect: float,
        order: int,
    ) -> None:
        self.row, self.to, self.weight = row, to, weight
        self.n_rows, self.discount = len(before), discount
        terms = int(np.bincount(row, minlength=1).max())
        self.terms = terms
        # Roundings of a term: 4 k for its power, k for the sum over j, a few for its factors.
        self.rounding = defect + EPS * (terms / 2 + 6 * (order + 3))
        self.grown = 1 + 2 * self.rounding  # for sums that are themselves computed
        delta, off = _difference(paid, discount, after[to], before[row])
        self.off = off
        self.powers = _powers(delta, std, order)
        self.sizes = _sizes(np.abs(delta) + off, std, order)

    def moment(
        self, k: int, moments: Sequence[FloatS], errors: Sequence[float]
    ) -> tuple[FloatArray, float]:
        """What the moments 0 to k - 1 of the successors add to moment k of the rows.

        Parameters
        ----------
        k : int
        moments : (S,) arrays
            About the centre of the successors; ``moments[0]`` is 1.
        errors : floats
            Of each of these moments, in any state.

        Returns
        -------
        (n,) array, reward units ** k
        float
            A bound on its error.
        """
        total, error = np.zeros(len(self.to)), np.zeros(len(self.to))
        underflow = 0.0
        for j in range(k):
            m = k - j
            factor = comb(k, j) * self.discount**j
            after = moments[j][self.to]
            total += factor * self.powers[m] * after
            after = np.abs(after)
            error += factor * self.sizes[m] * (self.rounding * after + errors[j])
            error += factor * m * self.off * self.sizes[m - 1] * after
            largest = float(self.sizes[m].max(initial=0.0))
            underflow += 0.0 if largest == 0 else (1 + largest) * (1 + float(after.max()))
        underflow *= TINY * self.terms * 4.0**k * factorial(k)
        return self._summed(total), self._worst(error) + underflow

    def carry(self, k: int, moment: FloatS, error: float) -> tuple[FloatArray, float]:
        """What moment k of the successors adds to moment k of the rows, and a bound on its error.

        Parameters
        ----------
        k : int
        moment : (S,) array
        error : float

        Returns
        -------
        (n,) array, float
        """
        factor = self.discount**k
        after = factor * moment[self.to]
        worst = self._worst(self.rounding * np.abs(after))
        underflow = TINY * self.terms if after.any() else 0.0
        return self._summed(after), worst + factor * error * self.grown + underflow

    def _summed(self, of_branches: FloatArray) -> FloatArray:
        return summed(self.row, self.weight * of_branches, self.n_rows)

    def _worst(self, of_branches: FloatArray) -> float:
        return float(self._summed(of_branches).max(initial=0.0)) * self.grown


def summed(row: IntArray, of_branches: FloatArray, n_rows: int) -> FloatArray:
    """The sums over the branches of each row."""
    # Without any branch NumPy would count them, in integers.
    sums: FloatArray = np.bincount(row, of_branches, n_rows).astype(np.float64)
    return sums


def about_the_mean(
    k: int, moments: Sequence[FloatArray], errors: Sequence[float]
) -> tuple[FloatArray, float]:
    """Central moment k from moments 0 to k about a centre: E[(D - B_1)^k], expanded.

    Parameters
    ----------
    k : int
        >= 2.
    moments : arrays
        ``moments[1]``, the mean less the centre, is small.
    errors : floats

    Returns
    -------
    array, float
        The moment and a bound on its error.
    """
    return _expanded(k, -moments[1], errors[1], moments, errors)


def about_zero(
    k: int, mean: FloatArray, central: Sequence[FloatArray], errors: Sequence[float]
) -> tuple[FloatArray, float]:
    """Raw moment k from the mean and the central moments 0 to k, and a bound on its error.

    Parameters
    ----------
    k : int
    mean : array
    central : arrays
        ``central[1]`` is 0.
    errors : floats
        ``errors[1]`` is that of the mean.

    Returns
    -------
    array, float
    """
    exact = [0.0 if j == 1 else error for j, error in enumerate(errors)]
    return _expanded(k, mean, errors[1], central, exact)


def _expanded(
    k: int,
    shift: FloatArray,
    shift_error: float,
    moments: Sequence[FloatArray],
    errors: Sequence[float],
) -> tuple[FloatArray, float]:
    """sum_j C(k, j) shift^(k-j) B_j, and a bound on its error."""
    total, error = np.zeros_like(shift), np.zeros_like(shift)
    size = np.abs(shift)
    for j in range(k + 1):
        factor, m = comb(k, j), k - j
        total += factor * shift**m * moments[j]
        known = np.abs(moments[j])
        error += factor * m * shift_error * (size + shift_error) ** max(m - 1, 0) * known
        error += factor * (size + shift_error) ** m * (errors[j] + EPS * (2 * k + 4) * known)
    largest = max(float(np.abs(moment).max(initial=0.0)) for moment in moments[: k + 1])
    underflow = TINY * 4.0**k * (1 + largest) if error.any() else 0.0
    return total, float(error.max(initial=0.0)) * (1 + EPS * (8 * k + 16)) + underflow


def _difference(
    paid: FloatArray, discount: float, after: FloatArray, before: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """paid + discount after - before, and a bound on the error of each."""
    product, low = two_product(discount, after)
    first, lost = two_sum(paid, product)
    second, gone = two_sum(first, -before)
    delta = second + (gone + (lost + low))
    size = np.abs(paid) + np.abs(product) + np.abs(before)
    off = EPS * np.abs(delta) + 2 * EPS**2 * size + TINY * (size > 0)
    return delta, off


def two_sum(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """x + y rounded, and what the rounding took (Knuth)."""
    total = x + y
    added = total - x
    return total, (x - (total - added)) + (y - added)


def two_product(x: float, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """x y rounded, and what the rounding took (Dekker)."""
    product = x * y
    split = 134217729.0  # 2**27 + 1: halves of 26 bits
    x_high = split * x - (split * x - x)
    y_high = split * y - (split * y - y)
    x_low, y_low = x - x_high, y - y_high
    low = ((x_high * y_high - product) + x_high * y_low + x_low * y_high) + x_low * y_low
    return product, low


def _powers(delta: FloatArray, std: FloatArray | None, order: int) -> list[FloatArray]:
    """E[(delta + std Z)^m] for m = 0 to order, Z standard normal; both terms have one sign."""
    powers = [np.ones_like(delta), delta]
    for m in range(2, order + 1):
        power = delta * powers[m - 1]
        if std is not None:
            power += (m - 1) * std**2 * powers[m - 2]
        powers.append(power)
    return powers


def _sizes(size: FloatArray, std: FloatArray | None, order: int) -> list[FloatArray]:
    """Bounds of E|delta + std Z|^m for m = 0 to order, |delta| <= size."""
    if std is None:
        return [size**m for m in range(order + 1)]
    # E|Z|^i
    of_normal = [2 ** (i / 2) * gamma((i + 1) / 2) / sqrt(pi) for i in range(order + 1)]
    return [
        np.sum([comb(m, i) * of_normal[i] * size ** (m - i) * std**i for i in range(m + 1)], axis=0)
        for m in range(order + 1)
    ]
