"""The Fisher information of a policy: how fast its actions change with theta.

Takes     an MDP, a family and theta.
Gives     `Fisher`: products with F, and F itself.
Source    Kakade (2001), "A natural policy gradient": ``F = sum_s w(s) sum_a pi psi psi'``, psi
          the scores. Through the family ``F v = pullback(theta, w dpi / pi)``, dpi the pushforward
          of v.
Not here  F^+ times the gradient (`_natural`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatS, FloatSA, readonly
from ..checks import check_model
from ..evaluation import evaluate
from ..markup import Shown
from ..model import MDP
from ..policies import Family, check_policy
from ._direct import check_finite
from ._hessian import check_vector
from ._tangent import ratio


@dataclass(frozen=True, slots=True, eq=False)
class Fisher(Shown):
    """The Fisher information matrix at one theta, as products or as a matrix.

    Attributes
    ----------
    family : Family
    theta : array
    pi : (S, A) or (H, S, A) array
    weights : (S,) or (H, S) array
        w: ``(1 - gamma) visits`` for a discounted model, ``visits`` for any other, d for average
        reward; summed over time for a family that does not depend on it.
    """

    family: Family
    theta: Any
    pi: FloatSA
    weights: FloatS

    def product(self, v: Any) -> FloatArray:
        """F v, in theta's shape, without the matrix.

        Parameters
        ----------
        v : array
            In theta's shape.

        Returns
        -------
        array
            Time as one pushforward and one pullback: O(S A) for a tabular softmax.

        Raises
        ------
        ModelError
            If v has another shape or is not finite.
        """
        dpi = self.family.pushforward(self.theta, check_vector(self.family, v))
        return readonly(
            self.family.pullback(self.theta, self.weights[..., None] * ratio(dpi, self.pi))
        )

    def matrix(self) -> FloatArray:
        """F (D, D), theta in C order; symmetric.

        Returns
        -------
        (D, D) array
            From the scores of all pairs: memory O(S A D), time O(S A D^2). For small models.

        Raises
        ------
        ModelError
            If the family has no scores at this theta.
        """
        scores, weights = weighted_scores(self)
        F: FloatArray = (scores * weights[:, None]).T @ scores
        return readonly((F + F.T) / 2)


def fisher_information(mdp: MDP, family: Family, theta: Any) -> Fisher:
    """The Fisher information of a policy at the states that it visits.

    Parameters
    ----------
    mdp : MDP
        Of any objective.
    family : Family
    theta : array
        In the family's shape.

    Returns
    -------
    Fisher
        ``product(v)`` and ``matrix()``.

    Raises
    ------
    ModelError
        As `evaluate`; if the policy can rest for ever without reward.

    Notes
    -----
    The papers' d counts the time after the end as well and sums to one; terminal states have no
    actions to tell apart, so on live states that is ``(1 - gamma) visits``. It is never
    ``visits / Z``, which would make natural steps depend on how long episodes last.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> found = fisher_information(mdp, Softmax(mdp), [[0.0, 0.0]])
    >>> found.matrix()
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    >>> found.product([[0.0, 4.0]])
    array([[-1.,  1.]])
    """
    check_model(mdp)
    pi = check_policy(mdp, family.probs(theta))
    found = evaluate(mdp, pi)
    check_finite(mdp, found)
    return Fisher(family, theta, pi, state_weights(mdp, pi, found.visits))


def state_weights(mdp: MDP, pi: FloatSA, visits: FloatS) -> FloatS:
    """w beside pi: (1 - gamma) visits or visits, summed over time if pi does not depend on it."""
    weights = (1 - mdp.gamma) * visits if mdp.objective == "discounted" else visits
    return weights.sum(axis=0) if weights.ndim == pi.ndim else weights


def weighted_scores(fisher: Fisher) -> tuple[FloatArray, FloatArray]:
    """The scores of all pairs as rows (n, D), and w pi (n,)."""
    weights = (fisher.weights[..., None] * fisher.pi).reshape(-1)
    scores = fisher.family.score(fisher.theta).reshape(len(weights), -1)
    seen = np.flatnonzero(weights)
    return scores[seen], weights[seen]
