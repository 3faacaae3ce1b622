"""The exact policy gradient against one LU factorisation of the same size, and the Hessian.

Takes     a Garnet model and softmax logits.
Gives     entries of the registry: the gradient with its certificate; the whole Hessian.
Source    visits and V need one factorisation and two solves with it; all else is O(S^2 A).
Not here  estimates of the gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mdptools import Softmax, policy_gradient, problems
from mdptools.gradients import hessian

from .common import Competitor, Contest, entry, true_values

TIMES = 1.4  # of one LU
HESSIAN_SECONDS = 2.0


@entry("gradient_1000")
def gradient_1000() -> Contest:
    """dJ/dtheta of a softmax policy with its certificate, S=1000, A=4, dense P, gamma .99."""
    from scipy.linalg.lapack import dgetrf

    mdp = problems.garnet(1000, 4, 20, gamma=0.99, rng=0)
    family = Softmax(mdp)
    theta = np.random.default_rng(0).standard_normal(family.shape)
    pi = family.probs(theta)
    chain = np.einsum("sa,sat->st", pi, mdp.P)
    matrix = np.asfortranarray(np.eye(len(chain)) - mdp.gamma * chain)
    reference = refined_gradient(mdp, pi, chain)
    mine = Competitor(
        "policy_gradient",
        lambda: policy_gradient(mdp, family, theta),
        error=lambda found: float(np.abs(found.value - reference).sum()),
        bound=lambda found: found.certificate.bound,
    )
    peer = Competitor("one LU factorisation (dgetrf)", lambda: dgetrf(matrix))
    return Contest([mine], [peer], targets={("policy_gradient", peer.name): TIMES})


@entry("hessian_400")
def hessian_400() -> Contest:
    """The Hessian of J by 400 softmax logits, S=100, A=4, dense P, gamma .99."""
    mdp = problems.garnet(100, 4, 20, gamma=0.99, rng=0)
    family = Softmax(mdp)
    theta = np.random.default_rng(0).standard_normal(family.shape)
    step = 1e-4
    direction = np.random.default_rng(1).standard_normal(family.shape)
    ahead, behind = (
        policy_gradient(mdp, family, theta + sign * step * direction).value for sign in (1, -1)
    )
    slope = (ahead - behind) / (2 * step)  # to about step^2
    mine = Competitor(
        "hessian",
        lambda: hessian(mdp, family, theta),
        error=lambda H: float(np.abs(_times(H, direction) - slope).max() / np.abs(slope).max()),
    )
    limit = Competitor(
        f"{HESSIAN_SECONDS:g} seconds", lambda: None, seconds=lambda _: HESSIAN_SECONDS
    )
    return Contest([mine], [limit], targets={(mine.name, limit.name): 1.0}, rounds=5)


def _times(H: Any, direction: np.ndarray) -> np.ndarray:
    """H times a direction, in theta's shape."""
    return (np.asarray(H).reshape(direction.size, -1) @ direction.reshape(-1)).reshape(
        direction.shape
    )


def refined_gradient(mdp: Any, pi: np.ndarray, chain: np.ndarray) -> np.ndarray:
    """The gradient from V and visits that are refined in extended precision."""
    rewards = (pi * mdp.R).sum(axis=1)
    V = true_values(chain[:, None, :], rewards[:, None], mdp.gamma).astype(np.longdouble)
    visits = np.linalg.solve(np.eye(len(pi)) - mdp.gamma * chain.T, mdp.mu).astype(np.longdouble)
    wide = chain.astype(np.longdouble)
    for _ in range(3):
        left = mdp.mu + mdp.gamma * (visits @ wide) - visits
        visits = visits + np.linalg.solve(np.eye(len(pi)) - mdp.gamma * chain.T, left.astype(float))
    Q = mdp.R + mdp.gamma * np.stack([mdp.P[:, a].astype(np.longdouble) @ V for a in range(4)], 1)
    mean = (pi * Q).sum(axis=1, keepdims=True)
    return (visits[:, None] * pi * (Q - mean)).astype(float)
