"""The gradient by the policy itself: dJ/dpi(s, a) = visits(s) Q(s, a).

Takes     an MDP and pi.
Gives     (S, A), or (H, S, A) on a finite horizon; 0 at refused pairs.
Source    differentiate J = sum_t gamma^t mu P_pi^t R_pi by pi(s, a): each visit of s counts with
          what follows the action. Average reward: `_average`.
Not here  families (`_policy`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, FloatS, FloatSA, readonly
from ..certificates import Certificate
from ..checks import check_model
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import check_policy
from ._average import check_one_class
from ._gradient import Gradient

THEOREM = (
    "|visits Q - v q| <= |visits - v| max|q| + visits max|Q - q|, summed over states with the "
    "certificates of visits and V; and 4 eps |v q|"
)


def direct_gradient(mdp: MDP, pi: Any) -> Gradient:
    """dJ/dpi, as if each pi(a | s) were a free number.

    Parameters
    ----------
    mdp : MDP
        Of any objective.
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon

    Returns
    -------
    Gradient
        ``value`` (S, A); on a finite horizon (H, S, A), also for a policy that does not depend on
        time: its gradient is the sum over time. Average reward: ``d(s) Q(s, a)`` with the
        differential Q; what it holds along a constant of each row means nothing there, for rows
        that do not sum to one have no gain.

    Raises
    ------
    ModelError
        As `evaluate`; if the policy can rest for ever without reward, for then one visit more or
        less has no finite effect; average reward: if the policy has several recurrent classes,
        which are named.

    Notes
    -----
    Time as `evaluate`: one LU factorisation if the model has no horizon.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0, 1], [0, 1]]], [[1, 3], [0, 0]], gamma=1.0)
    >>> direct_gradient(mdp, [[1.0, 0.0], [0.5, 0.5]]).value
    array([[4., 6.],
           [0., 0.]])
    """
    check_model(mdp)
    policy = check_policy(mdp, pi)
    check_one_class(mdp, policy)
    found = evaluate(mdp, policy)
    check_finite(mdp, found)
    Q = np.where(mdp.allowed, found.Q, 0.0)
    value = found.visits[..., None] * Q
    bound = product_bound(found, np.zeros_like(found.visits), Q)
    return Gradient(readonly(value), Certificate(bound, np.inf, 0.0, THEOREM), found)


def check_finite(mdp: MDP, found: Evaluation) -> None:
    """Pass if every number of the gradient is finite."""
    stays = np.flatnonzero(np.isinf(found.visits))
    unknown = stays if len(stays) else np.flatnonzero(~np.isfinite(found.V))
    if len(unknown):
        names = ", ".join(mdp.name_of_state(int(s)) for s in unknown[:10])
        raise ModelError(
            f"the gradient does not exist: under this policy episodes go on for ever in state "
            f"{names} ({len(unknown)} such states). Use gamma < 1 or horizon=, or a policy that "
            f"terminates."
        )


def product_bound(found: Evaluation, baseline: FloatS, Q: FloatSA) -> float:
    """A bound on sum_s max_a |visits(s) (Q(s, a) - b(s)) - the computed one|, and round-off.

    Parameters
    ----------
    found : Evaluation
    baseline : (S,) or (H, S) array
    Q : (S, A) or (H, S, A) array
        0 at refused pairs.

    Returns
    -------
    float
    """
    v, ev = found.visits, found.visits_certificate.bound
    above: FloatArray = np.abs(Q - baseline[..., None]).max(axis=-1)
    size = float(v.sum())
    roundoff: float = EPS * (Q.shape[-1] + 4) * float((v * (above + np.abs(baseline))).sum())
    errors = ev * float(above.max(initial=0.0)) + (size + ev) * found.certificate.bound
    return errors + roundoff
