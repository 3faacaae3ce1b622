"""What a batch does to the moments of one trajectory.

Takes     `Moments` of one trajectory, the number of trajectories.
Gives     `Moments` of their mean; the factors by which common habits scale an expectation.
Source    formulas, derived in the docstrings.
Not here  batches whose trajectories depend on each other in another way: enumerate them with
          ``exact_moments(batch=N)``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from ..checks import check_count
from ..errors import ModelError
from ._moments import Moments

Baseline = Literal["none", "batch_mean", "leave_one_out"]


def batch_moments(moments: Moments, n: int, *, baseline: Baseline = "none") -> Moments:
    """Moments of the mean over a batch of independent trajectories.

    Parameters
    ----------
    moments : Moments
        Of one trajectory; with a batch baseline, of the estimator without it.
    n : int
        N, the number of trajectories.
    baseline : {"none", "batch_mean", "leave_one_out"}
        What of the batch itself is subtracted from returns.

    Returns
    -------
    Moments
        Without a baseline the covariance is that of one divided by N. With "batch_mean" the mean is
        1 - 1/N times that of one, with "leave_one_out" it is the same; second moments then depend
        on more than those of one trajectory and are None.

    Raises
    ------
    ModelError
        If n is no count, n is 1 with "leave_one_out", or there is no such baseline.

    Notes
    -----
    The scores of trajectory i have mean 0 given the returns of another; so what the subtracted mean
    changes is its own share, 1/N of the expectation. That holds where each own return is in every
    subtracted mean with weight 1/N: the mean of the whole returns for REINFORCE, the mean over all
    N at each t, ended ones as 0, for GPOMDP; not for means over those that are still running.

    Examples
    --------
    >>> import numpy as np
    >>> one = Moments(np.array([2.0]), np.array([3.0]))
    >>> batch_moments(one, 3).variance, batch_moments(one, 4, baseline="batch_mean").mean
    (array([1.]), array([1.5]))
    """
    n = check_count(n, "n")
    if baseline == "none":
        variance = None if moments.variance is None else moments.variance / n
        covariance = None if moments.covariance is None else moments.covariance / n
        return replace(moments, variance=variance, covariance=covariance)
    if baseline not in ("batch_mean", "leave_one_out"):
        raise ModelError(
            f"baseline is {baseline!r}; it must be 'none', 'batch_mean' or 'leave_one_out'."
        )
    if baseline == "leave_one_out" and n == 1:
        raise ModelError("a leave-one-out baseline needs at least 2 trajectories; n is 1.")
    factor = 1 - 1 / n if baseline == "batch_mean" else 1.0
    return Moments(factor * moments.mean, None, note=f"of a batch of {n}, baseline {baseline}")


def critic_first_factor(step_size: float) -> float:
    """By what a gradient shrinks if the critic is moved towards the same return beforehand.

    Parameters
    ----------
    step_size : float in [0, 1]

    Returns
    -------
    float
        1 - step_size.

    Raises
    ------
    ModelError
        If step_size lies outside [0, 1].

    Notes
    -----
    With v + step_size (G - v) as the baseline, G less the baseline is (1 - step_size) (G - v). That
    holds where each step starts from the old v; in a sweep over a trajectory that visits a state
    twice the second one does not.

    Examples
    --------
    >>> critic_first_factor(0.1)
    0.9
    """
    if not 0 <= step_size <= 1:
        raise ModelError(f"step_size is {step_size!r}; it must be a number in [0, 1].")
    return 1 - step_size


def sample_variance_factor(n: int, ddof: int = 0) -> float:
    """The expectation of the sample variance of n independent rows, over the variance of one.

    Parameters
    ----------
    n : int
    ddof : int
        What is subtracted from n in the divisor: 0 in `numpy.var`, 1 for an unbiased estimate.

    Returns
    -------
    float
        (n - 1) / (n - ddof).

    Raises
    ------
    ModelError
        If n is no count, or the divisor is not positive.

    Notes
    -----
    The summed squared distances from their mean are (n - 1) variances on average. The square root
    of an unbiased variance is no unbiased standard deviation.

    Examples
    --------
    >>> sample_variance_factor(2), sample_variance_factor(2, ddof=1)
    (0.5, 1.0)
    """
    n = check_count(n, "n")
    if not ddof < n:
        raise ModelError(f"ddof is {ddof!r}, and n is {n}: the divisor n - ddof must be above 0.")
    return (n - 1) / (n - ddof)
