"""Restricted gradient: the best step of a given length, in a given metric.

Takes     a gradient g, a metric W >= 0, a radius.
Gives     `restricted_step`, the maximiser of g.x over x'Wx / 2 <= radius, and the rule
          `RestrictedGradient`.
Source    Lagrange: ``g = lambda W x``, so ``x = sqrt(2 radius / g'W^+ g) W^+ g``; W the identity
          is normalised ascent, W the Fisher matrix a step of fixed KL.
Not here  constraints on KL itself (`_trust_region_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats, readonly
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..gradients import natural_gradient
from ..model import MDP
from ._family_rule import FamilyRule, finite_or_refused, gradient_at
from ._steps import check_size

CUT = 1e-12
"""Eigenvalues of W below CUT times the largest count as 0."""

OFF_RANGE = 1e-8
"""How much of g, relative, may lie where W is 0."""


def restricted_step(g: Any, W: Any, radius: float) -> FloatArray:
    """The maximiser of g.x subject to x'Wx / 2 <= radius.

    Parameters
    ----------
    g : array_like
        A gradient, of any shape, D numbers.
    W : (D, D) array_like, or None
        Symmetric, with no negative eigenvalue; the identity if None.
    radius : float > 0

    Returns
    -------
    array
        In the shape of g: ``sqrt(2 radius / g'W^+ g) W^+ g``, which does not change if g is scaled;
        0 if g is 0. Among several maximisers the shortest.

    Raises
    ------
    ModelError
        If g is not in the range of W: along the rest of it g.x grows without bound at no cost; if W
        is no such matrix.

    Examples
    --------
    >>> restricted_step([3.0, 4.0], None, 0.5)
    array([0.6, 0.8])
    >>> restricted_step([1.0, 0.0], [[4.0, 0.0], [0.0, 0.0]], 0.5)
    array([0.5, 0. ])
    """
    gradient = as_floats(g, "g")
    length = check_size(radius, "radius")
    if not np.isfinite(gradient).all():
        raise ModelError("g holds a number that is not finite.")
    size = float(np.abs(gradient).max(initial=0.0))
    if size == 0:
        return readonly(np.zeros(gradient.shape))
    unit = gradient.reshape(-1) / size
    direction = unit if W is None else _solved(_metric(W, len(unit)), unit)
    return readonly(scaled(unit, direction, length).reshape(gradient.shape))


def scaled(g: FloatArray, direction: FloatArray, radius: float) -> FloatArray:
    """``sqrt(2 radius / g.direction) direction``, without under- or overflow; 0 if g is 0."""
    of_g, of_d = float(np.abs(g).max(initial=0.0)), float(np.abs(direction).max(initial=0.0))
    if of_g == 0 or of_d == 0:
        return np.zeros(direction.shape)
    unit = direction / of_d
    slope = float(((g / of_g) * unit).sum())
    if not slope > 0:
        return np.zeros(direction.shape)
    length = float(np.sqrt(2 * radius / slope) * np.sqrt(of_d) / np.sqrt(of_g))
    return length * unit


def _metric(W: Any, size: int) -> FloatArray:
    metric = as_floats(W, "W")
    if metric.shape != (size, size) or not np.isfinite(metric).all():
        raise ModelError(f"W has shape {metric.shape}; it must be {(size, size)}, and finite.")
    skew = float(np.abs(metric - metric.T).max())
    if skew > 1e-10 * float(np.abs(metric).max()):
        raise ModelError(f"W is not symmetric: W - W' reaches {skew:.3g}. Use (W + W') / 2.")
    return (metric + metric.T) / 2


def _solved(W: FloatArray, g: FloatArray) -> FloatArray:
    """W^+ g, if g is in the range of W."""
    values, vectors = np.linalg.eigh(W)
    if values[0] < -1e-10 * max(abs(values[0]), abs(values[-1])):
        raise ModelError(f"W has the eigenvalue {values[0]:.3g}; it must have none below 0.")
    kept = values > CUT * values[-1]
    along = vectors[:, kept].T @ g
    off = float(np.linalg.norm(g - vectors[:, kept] @ along) / np.linalg.norm(g))
    if off > OFF_RANGE:
        raise ModelError(
            f"g.x is unbounded: {off:.3g} of g, relative, lies where W is 0, and costs nothing "
            f"there. Add a multiple of the identity to W."
        )
    solution: FloatArray = vectors[:, kept] @ (along / values[kept])
    return solution


@dataclass(frozen=True, slots=True, eq=False)
class RestrictedGradient(FamilyRule):
    """theta + x, x the maximiser of dJ/dtheta . x subject to x'Wx / 2 <= radius.

    Parameters
    ----------
    radius : float > 0
        epsilon in the lectures: half the squared length of each step.
    metric : "identity", "fisher", (D, D) array_like or function theta -> (D, D) array
        W.
    family : Family, or function MDP -> Family, optional
        The tabular softmax if omitted, one for each time if the model has a horizon.
    theta0 : array, optional
        Zeros if omitted.

    Notes
    -----
    Steps have one length, so they do not settle at a maximum but go round it. With "fisher" the
    gradient is in the range of W in theory, so what round-off leaves outside is dropped, and
    states that are never visited may move at no cost: for a tabular softmax they move by the
    advantage, as with `NaturalPolicyGradient`.
    """

    radius: float = 0.01
    metric: Any = "identity"

    def __post_init__(self) -> None:
        check_size(self.radius, "radius")
        if isinstance(self.metric, str) and self.metric not in ("identity", "fisher"):
            raise ModelError(
                f"metric is {self.metric!r:.80}; it must be 'identity', 'fisher', a matrix, or a "
                f"function of theta that gives one."
            )

    @property
    def name(self) -> str:
        """What a report calls it."""
        metric = self.metric if isinstance(self.metric, str) else "given"
        head = f"restricted gradient, metric {metric}, radius {self.radius:g}"
        return with_options(head, self, "metric", "radius")

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next theta.

        Parameters
        ----------
        mdp : MDP
        x : array
        t : int
        found : Evaluation, optional
            Of the policy at x. Not used with "fisher".

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `restricted_step` and `policy_gradient`.
        """
        family = self.family_of(mdp)
        if isinstance(self.metric, str) and self.metric == "fisher":
            natural = natural_gradient(mdp, family, x)
            moved = scaled(natural.gradient.value, natural.value, self.radius)
        else:
            g, _ = gradient_at(mdp, family, x, found)
            W = self.metric(x) if callable(self.metric) else self.metric
            moved = restricted_step(g, None if isinstance(W, str) else W, self.radius)
        return finite_or_refused(x + moved, self.name)
