"""A policy as it is handed in: a table pi, or a family with its parameters.

Takes     pi, or (family, theta).
Gives     the table, and a family that can score it.
Source    at theta = log pi the softmax score is 1{a = b} - pi(b | s): it needs pi only, and is
          defined where pi = 0 as well.
Not here  the families.
"""

from __future__ import annotations

from typing import Any

from ..arrays import FloatSA
from ..errors import ModelError
from ..model import MDP
from ._family import Family
from ._softmax import SoftmaxAt
from ._tabular import check_policy
from ._timed import Timed


def split_policy(mdp: MDP, policy: Any) -> tuple[FloatSA, Family, Any]:
    """The table of a policy, its family, and theta.

    Parameters
    ----------
    mdp : MDP
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        A bare pi stands for the tabular softmax at theta = log pi, one for each time if pi has
        several.

    Returns
    -------
    pi : (S, A) or (H, S, A) array
    family : Family
    theta : array
        In the family's shape.

    Raises
    ------
    ModelError
        If it is neither.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> pi, family, theta = split_policy(mdp, [[1.0, 0.0]])
    >>> family.score(theta)[0]
    array([[ 0.,  0.],
           [-1.,  1.]])
    """
    if isinstance(policy, tuple) and len(policy) == 2 and hasattr(policy[0], "pullback"):
        family, theta = policy
        return check_policy(mdp, family.probs(theta)), family, theta
    if isinstance(policy, tuple) and len(policy) == 2 and hasattr(policy[1], "pullback"):
        raise ModelError("policy is (theta, family); it must be (family, theta).")
    pi = check_policy(mdp, policy)
    family = SoftmaxAt(mdp)
    return pi, family if pi.ndim == 2 else Timed(mdp, family), pi
