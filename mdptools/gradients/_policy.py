"""The policy gradient: dJ/dtheta by pulling dJ/dpi back through the family.

Takes     an MDP, a family and theta.
Gives     a `Gradient` in theta's shape.
Source    Sutton et al. (2000), theorem 1 and, for the baseline, section 2; the bound is derived
          in `policy_gradient`.
Not here  second derivatives (`_hessian`), natural directions (`_natural`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import EPS, FloatS, FloatSA, as_floats, readonly
from ..certificates import Certificate
from ..checks import check_model
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import Direct, Family, Softmax, SoftmaxAt, Timed, check_policy
from ._average import check_one_class
from ._direct import check_finite, product_bound
from ._gradient import Gradient

THEOREM = (
    "|g - g^|_1 <= n (|visits - v|_1 max|Q - b| + (|v|_1 + |visits - v|_1) max|Q - q|) and "
    "round-off, n = max |pullback(G)|_1 / sum_s max_a |G|"
)


def policy_gradient(mdp: MDP, family: Family, theta: Any, *, baseline: Any = "V") -> Gradient:
    """dJ/dtheta, exact but for round-off.

    Parameters
    ----------
    mdp : MDP
        Of any objective.
    family : Family
        `Softmax`, or anything with ``probs`` and ``pullback``.
    theta : array
        In the family's shape.
    baseline : "V", None, (S,) or (H, S) array_like, reward units
        What is subtracted from Q before the pullback. "V" is the advantage form, None the Q form.
        None of them changes the gradient, because the probabilities of a state sum to one; "V"
        keeps the numbers small.

    Returns
    -------
    Gradient
        ``value`` in theta's shape, reward units for each unit of theta.

    Raises
    ------
    ModelError
        As `direct_gradient`; if theta or the baseline do not fit.

    Notes
    -----
    ``pullback(theta, visits (Q - b))``, summed over time for a family that does not depend on it.
    Lectures that leave out the factor Z = sum(visits) average over d instead. Average reward: the
    same formula with the stationary law and the differential Q and V. The bound is on the
    sum of absolute errors; with softmax probabilities a pullback is a mean deviation, which is at
    most the largest entry, divided by the temperature. Time: one LU factorisation, O(S^3).

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> gradient = policy_gradient(mdp, Softmax(mdp), [[0.0, 0.0]])
    >>> gradient.value, gradient.J, gradient.certificate.bound < 1e-14
    (array([[-0.25,  0.25]]), 0.5, True)
    """
    check_model(mdp)
    pi = check_policy(mdp, family.probs(theta))
    check_one_class(mdp, pi)
    found = evaluate(mdp, pi)
    check_finite(mdp, found)
    b = _baseline(found, baseline)
    Q = np.where(mdp.allowed, found.Q, 0.0)
    value = family.pullback(theta, found.visits[..., None] * (Q - b[..., None]))
    bound = bound_of(family, pi, found, b, Q)
    return Gradient(readonly(value), Certificate(bound, np.inf, 0.0, THEOREM), found)


def bound_of(family: Family, pi: FloatSA, found: Evaluation, baseline: FloatS, Q: FloatSA) -> float:
    """A bound on the sum of the errors of ``pullback(theta, visits (Q - baseline))``.

    Parameters
    ----------
    family : Family
    pi : (S, A) or (H, S, A) array
    found : Evaluation
        For visits, and the bounds of visits and Q.
    baseline : (S,) or (H, S) array
    Q : (S, A) or (H, S, A) array
        0 at refused pairs.

    Returns
    -------
    float
        inf for a family of which no ``pullback_norm`` is known.
    """
    bound = product_bound(found, baseline, Q)
    # Rows of pi that do not sum to one exactly let a trace of the baseline through.
    defect = float(np.abs(pi.sum(axis=-1) - 1).max())
    leak = 2 * defect * float((found.visits * np.abs(Q).max(axis=-1)).sum())
    total = bound + leak
    inner = family.family if isinstance(family, Timed) else family
    if family.shape != pi.shape or not isinstance(inner, (Softmax, SoftmaxAt, Direct)):
        # Parameters are shared: their terms are added up.
        total += EPS * pi.size * float((found.visits * np.abs(Q).max(axis=-1)).sum())
        total += EPS * pi.size * float((found.visits * np.abs(baseline)).sum())
    return family.pullback_norm * total if total else 0.0


def _baseline(found: Evaluation, baseline: Any) -> FloatS:
    """The baseline as an array beside visits."""
    if isinstance(baseline, str):
        if baseline != "V":
            raise ModelError(f"baseline is {baseline!r}; it must be 'V', None or an array.")
        return found.V if found.V.shape == found.visits.shape else found.V[:-1]
    if baseline is None:
        return np.zeros_like(found.visits)
    b = as_floats(baseline, "baseline")
    if b.shape not in ((found.visits.shape[-1],), found.visits.shape) or not np.isfinite(b).all():
        raise ModelError(
            f"baseline has shape {b.shape}; it must be (S,) or that of visits, "
            f"{found.visits.shape}, and finite."
        )
    return np.broadcast_to(b, found.visits.shape)
