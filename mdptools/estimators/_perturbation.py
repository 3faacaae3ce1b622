"""Gradients from values alone: J at perturbed parameters, with the same random numbers.

Takes     a function (theta, rng) -> an estimate of J, theta, directions.
Gives     estimates of dJ/dtheta, one for each repetition.
Source    Spall (2003), "Introduction to stochastic search and optimization", chapters 6 and 14;
          Peters and Schaal (2008) for the regression.
Not here  the exact bias of the differences (verify), scores (`_gradient`, `_black_box`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray, as_floats
from ..checks import check_count, check_rng, number_or_nan
from ..errors import ModelError

Kind = Literal["central", "forward"]


def perturbation_gradient(
    J: Callable[[Any, Any], Any],
    theta: Any,
    directions: Any,
    n: int = 1,
    *,
    rng: Any,
    kind: Kind = "central",
    common: bool = True,
) -> FloatArray:
    """The g that best fits u_i . g to the differences of J along the directions u_i.

    Estimates dJ/dtheta. Biased: the mean is the same fit to differences of the exact J, so its
    error is O(step) with forward differences and O(step^2) with central ones (exactly:
    `verify.perturbation_bias`). Whether random numbers are common does not touch the mean.

    Parameters
    ----------
    J : function (theta, rng) -> float
        An unbiased estimate of J, drawn with ``rng``: the mean return of some rollouts, say.
    theta : array_like
    directions : float > 0, or (m, D) array_like
        A step for each coordinate by itself (finite differences); or the u_i, for instance
        ``scale * rng.standard_normal((m, D))``. Fewer than D of them see only their span.
    n : int
        Repetitions.
    rng : Generator or int
    kind : {"central", "forward"}
        (J(theta + u) - J(theta - u)) / 2, or J(theta + u) - J(theta).
    common : bool
        Both ends of a difference get a generator of the same seed, another one in each repetition;
        otherwise all draw one after the other.

    Returns
    -------
    (n, *shape of theta) array
        The least-norm fit, by the pseudo-inverse of the directions.

    Raises
    ------
    ModelError
        If an argument does not fit, or J is not one finite number.

    Notes
    -----
    Common numbers make most of the noise cancel, as long as the same numbers drive the same events:
    where a trajectory takes another action all that follows is its own. The variance of a
    difference that stays uncorrelated grows like 1 / step^2. Time: 2 m calls of J for a repetition,
    m + 1 with forward differences, and one pseudo-inverse.

    Examples
    --------
    >>> noisy = lambda x, rng: (x**2).sum() + rng.normal()
    >>> perturbation_gradient(noisy, [1.0, 2.0], 0.5, rng=0)
    array([[2., 4.]])
    >>> perturbation_gradient(noisy, [1.0, 2.0], 0.5, rng=0, kind="forward")
    array([[2.5, 4.5]])
    """
    centre = as_floats(theta, "theta")
    U = direction_rows(directions, centre.size)
    if kind not in ("central", "forward"):
        raise ModelError(f"kind is {kind!r:.80}; it must be 'central' or 'forward'.")
    generator, inverse = check_rng(rng), np.linalg.pinv(U)
    rows = np.empty((check_count(n, "n"), centre.size))
    for row in rows:
        seed = int(generator.integers(2**63)) if common else None
        row[:] = inverse @ _differences(J, centre, U, kind, generator, seed)
    return rows.reshape(-1, *centre.shape)


def direction_rows(directions: Any, size: int) -> FloatArray:
    """The directions as rows (m, D).

    Parameters
    ----------
    directions : float > 0, or (m, D) array_like
        A step along each coordinate, or the rows themselves.
    size : int
        D.

    Returns
    -------
    (m, D) array

    Raises
    ------
    ModelError
        If it is neither.

    Examples
    --------
    >>> direction_rows(0.5, 2)
    array([[0.5, 0. ],
           [0. , 0.5]])
    """
    if np.ndim(directions) == 0:
        step = number_or_nan(directions)
        if not 0 < step < np.inf:
            raise ModelError(f"directions is {directions!r:.80}; a step must be a number > 0.")
        return step * np.eye(size)
    U = as_floats(directions, "directions")
    if U.ndim != 2 or U.shape[1] != size or not len(U) or not np.isfinite(U).all():
        raise ModelError(
            f"directions has shape {U.shape}; it must hold finite rows, (m, D) with D = {size}, or "
            f"be a step."
        )
    return U


def _differences(
    J: Callable[[Any, Any], Any],
    theta: FloatArray,
    U: FloatArray,
    kind: str,
    rng: Any,
    seed: int | None,
) -> FloatArray:
    """Differences of J along the rows of U, (m,)."""

    def at(point: FloatArray) -> float:
        value = number_or_nan(J(point, rng if seed is None else np.random.default_rng(seed)))
        if not np.isfinite(value):
            raise ModelError(
                f"J(theta, rng) is {value} at theta = {point!r:.80}; it must be one finite number."
            )
        return value

    moves = U.reshape(-1, *theta.shape)
    if kind == "central":
        return np.array([(at(theta + u) - at(theta - u)) / 2 for u in moves])
    here = at(theta)
    return np.array([at(theta + u) - here for u in moves])
