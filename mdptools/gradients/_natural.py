"""The natural gradient F^+ dJ/dtheta, in three ways that must agree.

Takes     an MDP, a family and theta.
Gives     `NaturalGradient`: the direction, and how well it fits the advantage.
Source    Kakade (2001), theorem 1, for the regression on compatible features; Agarwal, Kakade, Lee
          and Mahajan (2021), section 5.3, for the advantage as the direction of the softmax.
Not here  F itself (`_fisher`), steps along the direction (studies).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, readonly
from ..checks import number_or_nan
from ..errors import ModelError
from ..markup import Shown
from ..model import MDP
from ..policies import Family, Softmax, SoftmaxAt, Timed
from ._fisher import Fisher, state_weights, weighted_scores
from ._gradient import Gradient
from ._policy import policy_gradient
from ._tangent import ratio

METHODS = ("advantage", "regression", "pinv")


@dataclass(frozen=True, slots=True, eq=False)
class NaturalGradient(Shown):
    """The direction F^+ dJ/dtheta.

    Attributes
    ----------
    value : array
        In theta's shape.
    method : str
        "advantage", "regression" or "pinv".
    residual : float, reward units
        ``sqrt(sum_s w(s) sum_a pi (A - psi . x)^2)``, x the direction times 1 - gamma (discounted)
        or 1: how far the scores are from spelling the advantage. About 0 for a tabular softmax.
    gradient : Gradient
        dJ/dtheta.
    fisher : Fisher
    """

    value: FloatArray
    method: str
    residual: float
    gradient: Gradient
    fisher: Fisher


def natural_gradient(
    mdp: MDP, family: Family, theta: Any, *, method: str = "auto", rcond: float = 1e-12
) -> NaturalGradient:
    """F^+ dJ/dtheta: the direction that does not depend on how theta writes the policy.

    Parameters
    ----------
    mdp : MDP
        Of any objective; average reward with one recurrent class.
    family : Family
    theta : array
        In the family's shape.
    method : {"auto", "advantage", "regression", "pinv"}
        "advantage": for a tabular softmax ``temperature A / (1 - gamma)`` if discounted, otherwise
        ``temperature A``, less its mean over the actions of a state. No matrix is made.
        "regression": the least-norm x that fits ``psi . x`` to A in the mean of w pi, divided by
        1 - gamma if discounted. "pinv": the pseudo-inverse of F times the gradient. "auto" takes
        the first that serves the family.
    rcond : float in [0, 1)
        Eigenvalues of F below rcond times the largest count as 0 (singular values of the regression
        below its square root). Too large a value cuts off states that are seldom visited.

    Returns
    -------
    NaturalGradient

    Raises
    ------
    ModelError
        As `policy_gradient`; if "advantage" is asked for a family that is no tabular softmax.

    Notes
    -----
    On a finite horizon a softmax that does not depend on time gets the mean of A_t by the visits of
    each time. In states that are never visited F^+ is 0, while "advantage" gives the advantage
    there as well, which is what natural policy gradient uses. Regression costs O(S A D^2) and is
    accurate to eps sqrt(cond F), "pinv" O(D^3) besides and to eps cond F. Through the scores both
    need memory O(S A D).

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> for method in ("advantage", "regression", "pinv"):
    ...     print(natural_gradient(mdp, Softmax(mdp), [[0.0, 1.0]], method=method).value.round(9))
    [[-1.  1.]]
    [[-1.  1.]]
    [[-1.  1.]]
    """
    cut = number_or_nan(rcond)
    if not 0 <= cut < 1:
        raise ModelError(f"rcond is {rcond!r:.80}; it must be a number in [0, 1).")
    gradient = policy_gradient(mdp, family, theta)
    pi, visits = family.probs(theta), gradient.evaluation.visits
    fisher = Fisher(family, theta, pi, state_weights(mdp, pi, visits))
    scale = 1 - mdp.gamma if mdp.objective == "discounted" else 1.0
    A = np.where(mdp.allowed, gradient.evaluation.A, 0.0)
    mean = A if A.ndim == pi.ndim else _mean_over_time(A, visits)
    name = method if method != "auto" else METHODS[0 if _is_tabular(family) else 1]
    if name == "advantage":
        x = _centred(mdp, mean) * _temperature(family, pi)
    elif name == "regression":
        x = _fitted(fisher, mean, cut)
    elif name == "pinv":
        x = scale * _pseudo_inverse(fisher.matrix(), cut) @ gradient.value.reshape(-1)
    else:
        raise ModelError(f"method is {method!r:.80}; it must be 'auto' or one of {METHODS}.")
    x = x.reshape(family.shape)
    slopes = ratio(family.pushforward(theta, x), pi)
    misses = visits[..., None] * pi * (A - slopes) ** 2
    residual = float(np.sqrt(scale * misses.sum()))
    return NaturalGradient(readonly(x / scale), name, residual, gradient, fisher)


def _is_tabular(family: Family) -> bool:
    inner = family.family if isinstance(family, Timed) else family
    return isinstance(inner, (Softmax, SoftmaxAt))


def _temperature(family: Any, pi: FloatSA) -> float:
    if not _is_tabular(family):
        raise ModelError(
            f"the advantage is the natural direction of a tabular softmax; {type(family).__name__} "
            f"is none. Use method='regression'."
        )
    inner = family.family if isinstance(family, Timed) else family
    return float(getattr(inner, "temperature", 1.0))


def _mean_over_time(A: FloatSA, visits: FloatArray) -> FloatSA:
    """The mean of A (H, S, A) by the visits (H, S) of each time; 0 where there are none."""
    total = visits.sum(axis=0)[:, None]
    return ratio((visits[..., None] * A).sum(axis=0), total)


def _centred(mdp: MDP, A: FloatSA) -> FloatSA:
    """A less its plain mean over the allowed actions; 0 at refused pairs."""
    mean = A.sum(axis=-1, keepdims=True) / mdp.allowed.sum(axis=1, keepdims=True)
    return np.where(mdp.allowed, A - mean, 0.0)


def _fitted(fisher: Fisher, A: FloatSA, rcond: float) -> FloatArray:
    """The least-norm x of the least squares fit of psi . x to A, weighted by w pi."""
    weights = (fisher.weights[..., None] * fisher.pi).reshape(-1)
    targets = A.reshape(-1)[weights != 0]
    scores, kept = weighted_scores(fisher)
    root = np.sqrt(kept)
    if not len(root):
        return np.zeros(fisher.family.size)
    x: FloatArray = np.linalg.lstsq(scores * root[:, None], targets * root, rcond=rcond**0.5)[0]
    return x


def _pseudo_inverse(F: FloatArray, rcond: float) -> FloatArray:
    """F^+ of a symmetric F >= 0, with eigenvalues below rcond times the largest taken as 0."""
    values, vectors = np.linalg.eigh(F)
    kept = values > rcond * values[-1]
    inverse: FloatArray = (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    return inverse
