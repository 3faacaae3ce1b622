"""Ratios of sums: exact moments of weighted importance sampling and its relatives.

Takes     the law of (A, B) for one trajectory, as atoms with probabilities; a number of them.
Gives     E[sum A_i / sum B_i] over n independent ones, and its variance.
Source    derived: 1 / b = int exp(-u b) du over u > 0, so that
          E[sum A / sum B] = n int E[A exp(-u B)] (E exp(-u B))^(n-1) du. With u = exp(l) the
          integrand is analytic for |Im l| < pi / 2, and there at most 1 / cos(Im l) times larger
          in the mean: the trapezoid rule of step h errs by 2 exp(-2 pi y / h) / cos(y) relative to
          E[sum |A| / sum B] for each y < pi / 2, which is below 1e-20 for h = 3/16 and y = 1.5.
Not here  the law itself (`enumerate_trajectories` gives it).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import TINY, FloatArray, as_floats
from ..checks import check_count, words_for_sum
from ..errors import ModelError
from ._moments import Moments

_STEP = 3 / 16  # of log u; exact in binary, as its multiples are
_ENDS = 60.0  # what is left out at the ends of the integral is exp(-60) of it
_DECADES = 100  # that B may span
_BLOCK = 2**21  # so many float64 at once: 16 MB


def ratio_moments(a: Any, b: Any, p: Any, n: int) -> Moments:
    """Exact mean and covariance of (A_1 + ... + A_n) / (B_1 + ... + B_n).

    Parameters
    ----------
    a : (K,) or (K, D) array_like
        What stands above, for each atom of the law of one pair (A, B).
    b : (K,) array_like
        What stands below, >= 0; where it is 0, a must be 0 too.
    p : (K,) array_like
        Probabilities of the atoms.
    n : int
        How many independent pairs are summed.

    Returns
    -------
    Moments
        0/0 counts as 0. ``mean`` and ``covariance`` are those of one ratio of n pairs.

    Raises
    ------
    ModelError
        Naming the atom with b < 0, or with b = 0 and a != 0; if p is no distribution.

    Notes
    -----
    The integral is exact to round-off relative to E|A| / E B, also where B spans many decades.
    Time O(1000 K D + K D^2), a little more where B spans many decades; memory O(K D).

    Examples
    --------
    Weighted importance sampling, with weights 1/2 and 3/2 and returns 0 and 1, each with
    probability 1/2: its expectation of 3/4 is met for n to infinity.

    >>> [
    ...     round(float(ratio_moments([0.0, 1.5], [0.5, 1.5], [0.5, 0.5], n).mean[0]), 9)
    ...     for n in (1, 2)
    ... ]
    [0.5, 0.625]
    """
    n = check_count(n, "n")
    above, below, law = _checked(a, b, p)
    sums, squares = _integrals(above, below, law, n)
    mean = n * sums
    covariance = squares - np.outer(mean, mean)
    covariance = (covariance + covariance.T) / 2
    return Moments(mean, np.maximum(np.diag(covariance), 0.0), covariance, mass=float(law.sum()))


def ratio_mean(a: Any, b: Any, p: Any, n: int) -> FloatArray:
    """E[(A_1 + ... + A_n) / (B_1 + ... + B_n)], of the shape of one A.

    Parameters
    ----------
    a, b, p, n
        As for `ratio_moments`.

    Returns
    -------
    () or (D,) array

    Raises
    ------
    ModelError
        As `ratio_moments`.

    Notes
    -----
    Time O(1000 K D).

    Examples
    --------
    The bias of weighted importance sampling shrinks like 1/n:

    >>> for n in (1, 10, 100):
    ...     print(f"{0.75 - ratio_mean([0.0, 1.5], [0.5, 1.5], [0.5, 0.5], n):.6f}")
    0.250000
    0.020229
    0.001889
    """
    n = check_count(n, "n")
    above, below, law = _checked(a, b, p)
    mean: FloatArray = n * _integrals(above, below, law, n, squares=False)[0]
    return mean if np.ndim(a) == 2 else mean[0]


def _checked(a: Any, b: Any, p: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """a (K, D), b (K,) and p (K,), divided by the largest b; atoms of probability 0 left out."""
    above, below, law = as_floats(a, "a"), as_floats(b, "b"), as_floats(p, "p")
    if below.ndim != 1 or law.shape != below.shape or above.shape[:1] != below.shape:
        raise ModelError(
            f"a, b and p have shapes {above.shape}, {below.shape} and {law.shape}; they must be "
            f"(K,) or (K, D), (K,) and (K,)."
        )
    gap = float(law.sum() - 1)
    if not (law >= 0).all() or not abs(gap) <= 1e-9:
        raise ModelError(
            f"p sums to {words_for_sum(gap)}; it must be >= 0 everywhere and sum to 1."
        )
    above = above.reshape(len(below), -1)
    bad = np.flatnonzero(~(below >= 0) | ~np.isfinite(below) | ~np.isfinite(above).all(axis=1))
    if len(bad):
        k = int(bad[0])
        raise ModelError(f"atom {k} has b = {below[k]:.6g} and a = {above[k]}: b must be >= 0.")
    bad = np.flatnonzero((below == 0) & (above != 0).any(axis=1))
    if len(bad):
        k = int(bad[0])
        raise ModelError(
            f"atom {k} has b = 0 and a = {above[k]}: n of them together are a division by zero."
        )
    kept = law > 0
    above, below, law = above[kept], below[kept], law[kept]
    largest = float(below.max(initial=0.0))
    smallest = float(below[below > 0].min(initial=largest))
    if smallest < largest * 10.0**-_DECADES:
        raise ModelError(
            f"b lies between {smallest:.3g} and {largest:.3g}: more than {_DECADES} decades."
        )
    scale = largest or 1.0
    return above / scale, below / scale, law


def _integrals(
    above: FloatArray, below: FloatArray, law: FloatArray, n: int, *, squares: bool = True
) -> tuple[FloatArray, FloatArray]:
    """int E[A e^(-uB)] f^(n-1) du with f = E e^(-uB), and the second moment of the ratio."""
    size = above.shape[1]
    sums, crossed = np.zeros(size), np.zeros((size, size))
    weights = np.zeros(len(law))  # of A A' of each atom
    positive = below[below > 0]
    if not len(positive):
        return sums, crossed
    ends = np.array([-_ENDS - np.log(n), np.log(2 * _ENDS / positive.min())])
    nodes = _STEP * np.arange(*np.ceil(ends / _STEP))
    block = max(1, _BLOCK // len(law))
    for low in range(0, len(nodes), block):
        u = np.exp(nodes[low : low + block])
        exponent = -u[:, None] * below
        here = np.exp(exponent) * law  # p e^(-uB)
        f = np.log(np.maximum(here.sum(axis=1), TINY))
        near_1 = f > -0.5  # there the power asks for the digits of 1 - f
        f[near_1] = np.log1p(np.expm1(exponent[near_1]) @ law)
        first = here @ above  # E[A e^(-uB)]
        width = _STEP * u
        sums += (width * _power(f, n - 1)) @ first
        if squares:
            weights += (n * width * u * _power(f, n - 1)) @ here
            pairs = n * (n - 1) * width * u * (_power(f, n - 2) if n > 1 else 0.0)
            crossed += first.T @ (pairs[:, None] * first)
    return sums, crossed + above.T @ (weights[:, None] * above)


def _power(log_f: FloatArray, k: int) -> FloatArray:
    """f^k; 1 for k = 0, whatever f is."""
    return np.exp(k * log_f) if k else np.ones_like(log_f)
