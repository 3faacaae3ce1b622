"""Euclidean steps on policies, and the projection onto the simplex of each state.

Takes     pi (S, A) or (H, S, A), a step and what it multiplies.
Gives     the nearest policy.
Not here  the projection of one table (`Direct.project` in policies).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatSA, readonly
from ..model import MDP
from ..policies import Direct
from ._tables import greedy_set

FARTHEST = -1e300
"""Differences below it stay apart from 0 and from one another's sums."""


def projected_step(mdp: MDP, pi: FloatSA, eta: float, gap: FloatSA) -> FloatSA:
    """The policy nearest to pi + eta gap, for any eta in (0, inf].

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array
    eta : float
    gap : array
        In the shape of pi, <= 0 with a 0 in each state.

    Returns
    -------
    (S, A) or (H, S, A) array
        Read-only. eta = inf: the nearest policy among those that take actions with gap 0 alone.
    """
    if np.isinf(eta):
        moved = np.where(greedy_set(mdp, gap), pi, FARTHEST)
    else:
        with np.errstate(over="ignore"):
            moved = np.maximum(pi + eta * gap, FARTHEST)
    project = Direct(mdp).project
    if moved.ndim == 2:
        return project(moved)
    return readonly(np.stack([project(rows) for rows in moved]))
