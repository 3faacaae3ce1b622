"""The vector field of learning: J and its gradient on a grid of two parameters.

Takes     an MDP, a family, a plane in theta, and the numbers of a grid on it.
Gives     `VectorField`: J and the two components of the (natural) gradient at each point.
Source    the gradient on the plane ``theta = origin + x u + y v`` is (<g, u>, <g, v>); the natural
          one solves with the Fisher matrix of the plane, (2, 2).
Not here  pictures (plots), paths (studies).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, as_floats, readonly
from ..checks import check_model
from ..errors import ModelError
from ..markup import Shown
from ..model import MDP
from ..policies import Family, check_policy
from ._policy import policy_gradient
from ._tangent import ratio

AT_ONCE = 2**21
"""Numbers of chains that are solved together."""


@dataclass(frozen=True, slots=True, eq=False)
class VectorField(Shown):
    """J and a gradient at the points of a grid; rows go along y, columns along x, as in pictures.

    Attributes
    ----------
    x : (m,) array
    y : (n,) array
    J : (n, m) array, reward units
    dx, dy : (n, m) arrays
        The components of the field.
    natural : bool
        Whether it is the natural gradient.
    plane : (origin, u, v) or None
        ``theta = origin + x u + y v``; None if x and y are the parameters themselves.
    """

    x: FloatArray
    y: FloatArray
    J: FloatArray
    dx: FloatArray
    dy: FloatArray
    natural: bool
    plane: tuple[FloatArray, FloatArray, FloatArray] | None = None


def vector_field(
    mdp: MDP,
    family: Family,
    x: Any,
    y: Any,
    *,
    plane: Any = None,
    natural: bool = False,
    rcond: float = 1e-12,
) -> VectorField:
    """J and dJ/dtheta wherever (x, y) on a grid stand for theta.

    Parameters
    ----------
    mdp : MDP
        Of any objective.
    family : Family
    x : (m,) array_like
    y : (n,) array_like
    plane : (origin, u, v) in theta's shape, optional
        ``theta = origin + x u + y v``. A family of two parameters needs none: x and y are these.
    natural : bool
        The natural gradient of the two parameters: the Fisher matrix of the plane, (2, 2), is
        inverted.
    rcond : float
        Its eigenvalues below rcond times the largest count as 0.

    Returns
    -------
    VectorField

    Raises
    ------
    ModelError
        If the family has more than two parameters and no plane is given; as `policy_gradient` at
        any point.

    Notes
    -----
    Discounted and finite models are solved for many points in one stacked call, with their chains
    as dense matrices; others point by point. The family is asked three times for each point. No
    bound is proved: the numbers are those of `policy_gradient` but for round-off.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> field = vector_field(mdp, Softmax(mdp), [0.0, 1.0, 2.0], [0.0])
    >>> field.J.round(3), field.dy.round(3)
    (array([[1.   , 0.538, 0.238]]), array([[0.5  , 0.393, 0.21 ]]))
    """
    check_model(mdp)
    origin, u, v = _plane(family, plane)
    across, up = (_line(values, name) for values, name in ((x, "x"), (y, "y")))
    points = [origin + i * u + j * v for j in up for i in across]
    pi = np.stack([check_policy(mdp, family.probs(theta)) for theta in points])
    moves = np.stack(
        [[family.pushforward(theta, w) for w in (u, v)] for theta in points]
    )  # (N, 2, S, A) or (N, 2, H, S, A)
    if mdp.objective in ("discounted", "finite"):
        J, dJ_dpi, visits = _stacked(mdp, pi)
        if dJ_dpi.ndim > pi.ndim:  # pi does not depend on time
            dJ_dpi = dJ_dpi.sum(axis=1)
        slopes = np.matmul(_flat(moves), dJ_dpi.reshape(len(pi), -1, 1))[..., 0]
    else:
        J, slopes, visits = _one_by_one(mdp, family, points, u, v)
    if natural:
        slopes = _naturally(mdp, pi, visits, moves, slopes, rcond)
    shape = (len(up), len(across))
    parts = (J, slopes[:, 0], slopes[:, 1])
    J, dx, dy = (readonly(np.ascontiguousarray(part).reshape(shape)) for part in parts)
    given = None if plane is None else (readonly(origin), readonly(u), readonly(v))
    return VectorField(readonly(across), readonly(up), J, dx, dy, natural, given)


def _plane(family: Family, plane: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Origin and two directions, in theta's shape."""
    if plane is None:
        if family.size != 2:
            raise ModelError(
                f"the family has {family.size} parameters and a picture has two: hand in "
                f"plane=(origin, u, v), each of shape {family.shape}."
            )
        units = np.eye(2)
        shape = family.shape
        return np.zeros(shape), units[0].reshape(shape), units[1].reshape(shape)
    if not (isinstance(plane, (tuple, list)) and len(plane) == 3):
        raise ModelError("plane must be (origin, u, v), each in theta's shape.")
    three = [as_floats(part, "plane") for part in plane]
    for part, name in zip(three, ("origin", "u", "v"), strict=True):
        if part.shape != family.shape or not np.isfinite(part).all():
            raise ModelError(
                f"{name} of the plane has shape {part.shape}; it must be finite and in theta's "
                f"shape, {family.shape}."
            )
    return three[0], three[1], three[2]


def _line(values: Any, name: str) -> FloatArray:
    line = as_floats(values, name)
    if line.ndim != 1 or not len(line) or not np.isfinite(line).all():
        raise ModelError(f"{name} has shape {line.shape}; it must be a line of finite numbers.")
    return line


def _flat(x: FloatArray) -> FloatArray:
    """(N, k, ...) as (N, k, n)."""
    return x.reshape(*x.shape[:2], -1)


def _stacked(mdp: MDP, pi: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """J (N,), dJ/dpi and visits of many policies."""
    many = max(1, AT_ONCE // mdp.n_states**2)
    solve = _in_time if mdp.horizon else _discounted
    parts = [solve(mdp, pi[first : first + many]) for first in range(0, len(pi), many)]
    J, flow, visits = (np.concatenate(part) for part in zip(*parts, strict=True))
    return J, flow, visits


def _discounted(mdp: MDP, pi: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    live = ~mdp.terminal
    system = np.eye(mdp.n_states) - mdp.gamma * kernel.mix_each(mdp.P, pi) * live[:, None] * live
    V = np.linalg.solve(system, (pi * mdp.R).sum(axis=-1)[..., None])[..., 0]
    start = np.broadcast_to((mdp.mu * live)[:, None], (*V.shape, 1))
    visits = np.linalg.solve(system.transpose(0, 2, 1), start)[..., 0]
    return V @ mdp.mu, visits[..., None] * _advantage(mdp, V, V), visits


def _advantage(mdp: MDP, before: FloatArray, after: FloatArray) -> FloatArray:
    """A (N, S, A) from values (N, S) before and after a step; 0 at refused pairs."""
    ahead = np.moveaxis(kernel.expect_each(mdp.P, after.T), 2, 0)
    return np.where(mdp.allowed, mdp.R + mdp.gamma * ahead - before[..., None], 0.0)


def _in_time(mdp: MDP, pi: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    n, horizon, live = len(pi), mdp.horizon or 0, ~mdp.terminal
    timed = pi if pi.ndim == 4 else np.broadcast_to(pi[:, None], (n, horizon, *pi.shape[1:]))
    V = np.zeros((n, horizon + 1, mdp.n_states))
    if mdp.final is not None:
        V[:, horizon] = mdp.final
    Q = np.zeros(timed.shape)
    for t in range(horizon - 1, -1, -1):
        Q[:, t] = _advantage(mdp, np.zeros((n, mdp.n_states)), V[:, t + 1])
        V[:, t] = (timed[:, t] * Q[:, t]).sum(axis=-1) * live
    visits = np.zeros((n, horizon, mdp.n_states))
    law = np.broadcast_to(mdp.mu * live, (n, mdp.n_states))
    for t in range(horizon):
        visits[:, t] = law
        flow = np.moveaxis(law[..., None] * timed[:, t], 0, 2)
        law = mdp.gamma * kernel.push_each(mdp.P, flow).T * live
    A = np.where(mdp.allowed, Q - V[:, :-1, :, None], 0.0)
    return V[:, 0] @ mdp.mu, visits[..., None] * A, visits


def _one_by_one(
    mdp: MDP, family: Family, points: list[FloatArray], u: FloatArray, v: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """J, slopes (N, 2) and visits where structure has a say at each point."""
    J, slopes, visits = np.zeros(len(points)), np.zeros((len(points), 2)), []
    for i, theta in enumerate(points):
        found = policy_gradient(mdp, family, theta)
        J[i] = found.J
        slopes[i] = [(found.value * w).sum() for w in (u, v)]
        visits.append(found.evaluation.visits)
    return J, slopes, np.stack(visits)


def _naturally(
    mdp: MDP,
    pi: FloatArray,
    visits: FloatArray,
    moves: FloatArray,
    slopes: FloatArray,
    rcond: float,
) -> FloatArray:
    """F^+ slopes at each point, F (N, 2, 2) the Fisher matrices of the plane."""
    weights = (1 - mdp.gamma) * visits if mdp.objective == "discounted" else visits
    if weights.ndim == pi.ndim:  # a policy that does not depend on time
        weights = weights.sum(axis=1)
    scores = _flat(ratio(moves, pi[:, None]))
    F = np.matmul(scores * _flat((weights[..., None] * pi)[:, None]), scores.transpose(0, 2, 1))
    inverse = np.linalg.pinv(F, rcond=rcond, hermitian=True)
    direction: FloatArray = np.einsum("nij,nj->ni", inverse, slopes)
    return direction
