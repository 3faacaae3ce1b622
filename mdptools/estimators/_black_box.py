"""The derivative of an expectation without that of the function: f(x) times the score of x.

Takes     any function f, a distribution to draw its argument from.
Gives     rows whose mean is the gradient of E f(x) by the distribution's parameters.
Source    E f = sum_x p(x) f(x), so dE f = E[f(x) grad log p(x)]: Williams (1992).
Not here  policies in a model (`_gradient`), differences of f (`_perturbation`).

Nothing is asked of f: it may jump, be drawn at random, or be a program. Only p is differentiated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..checks import check_count, check_rng, number_or_nan
from ..errors import ModelError


def categorical_score_gradient(
    f: Callable[[Any], Any], logits: Any, n: int, *, rng: Any, baseline: float = 0.0
) -> FloatArray:
    """(f(x) - baseline) (1{x} - p), x drawn from p = softmax(logits).

    Estimates d/dlogits sum_x p(x) f(x), which is ``p (f - p . f)``. Unbiased for any f with a mean;
    f may draw noise of its own if it is independent of x.

    Parameters
    ----------
    f : function of an (n,) array of int, to (n,) numbers
        Called once, with all x.
    logits : (k,) array_like
        -inf for what cannot happen.
    n : int
        Number of draws.
    rng : Generator or int
    baseline : float
        Any number that does not depend on the draws; the mean of f leaves little variance.

    Returns
    -------
    (n, k) array

    Raises
    ------
    ModelError
        If logits are no vector, or f does not return n finite numbers.

    Notes
    -----
    Williams (1992), section 4. Time O(n k) and that of f.

    Examples
    --------
    >>> rows = categorical_score_gradient(lambda x: x == 1, [0.0, 0.0], 10**4, rng=0)
    >>> rows.mean(axis=0).round(2), rows.shape
    (array([-0.25,  0.25]), (10000, 2))
    """
    z = as_floats(logits, "logits")
    if z.ndim != 1 or not np.isfinite(z.max(initial=-np.inf)):
        raise ModelError(
            f"logits is {logits!r:.80}; it must be (k,), with a finite largest number and no nan."
        )
    weights = np.exp(z - z.max())
    p = weights / weights.sum()
    x = check_rng(rng).choice(len(p), size=check_count(n, "n"), p=p)
    above = _called(f, x) - _number(baseline)
    rows: FloatArray = above[:, None] * (np.eye(len(p))[x] - p)
    return rows


def gaussian_score_gradient(
    f: Callable[[Any], Any],
    mean: Any,
    log_std: Any,
    n: int,
    *,
    rng: Any,
    baseline: float = 0.0,
) -> FloatArray:
    """(f(x) - baseline) times (z / std, z^2 - 1), x = mean + std z, z standard normal.

    Estimates the gradient of E f(x) by mean and by log std, for independent coordinates. Unbiased
    for any f with a second moment, smooth or not; f may draw noise of its own.

    Parameters
    ----------
    f : function of an (n, d) array, to (n,) numbers
        Called once, with all x.
    mean, log_std : (d,) array_like
    n : int
        Number of draws.
    rng : Generator or int
    baseline : float
        Any number that does not depend on the draws.

    Returns
    -------
    (n, 2, d) array
        ``[:, 0]`` by the mean, ``[:, 1]`` by log std.

    Raises
    ------
    ModelError
        If mean and log_std are no vectors of one length, or f does not return n finite numbers.

    Notes
    -----
    Williams (1992), section 6. The variance grows like 1 / std^2 as std shrinks, where that of the
    derivative of f, if it has one, does not. Time O(n d) and that of f.

    Examples
    --------
    A step has no slope, yet its expectation has, the density at the step:

    >>> rows = gaussian_score_gradient(lambda x: x[:, 0] > 0, [0.0], [0.0], 10**5, rng=0)
    >>> rows.mean(axis=0).round(2)[0]  # 1 / sqrt(2 pi)
    array([0.4])
    """
    centre, scale = as_floats(mean, "mean"), as_floats(log_std, "log_std")
    if centre.ndim != 1 or centre.shape != scale.shape:
        raise ModelError(
            f"mean and log_std have shapes {centre.shape} and {scale.shape}; both must be (d,)."
        )
    if not (np.isfinite(centre).all() and np.isfinite(scale).all()):
        raise ModelError(f"mean is {mean!r:.80} and log_std {log_std!r:.80}; both must be finite.")
    std = np.exp(scale)
    z = check_rng(rng).standard_normal((check_count(n, "n"), len(centre)))
    above = _called(f, centre + std * z) - _number(baseline)
    rows: FloatArray = above[:, None, None] * np.stack((z / std, z**2 - 1), axis=1)
    return rows


def _called(f: Callable[[Any], Any], x: Any) -> FloatArray:
    """f(x), if that is one finite number for each x."""
    values = as_floats(f(x), "f(x)")
    if values.shape != (len(x),):
        raise ModelError(f"f returns shape {values.shape}; it must be ({len(x)},): one for each x.")
    bad = np.flatnonzero(~np.isfinite(values))
    if len(bad):
        raise ModelError(f"f(x) is {values[bad[0]]} for x = {x[bad[0]]!r:.80}; it must be finite.")
    return values


def _number(baseline: Any) -> float:
    value = number_or_nan(baseline)
    if not np.isfinite(value):
        raise ModelError(f"baseline is {baseline!r:.80}; it must be one finite number.")
    return value
