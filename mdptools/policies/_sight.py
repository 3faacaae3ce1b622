"""What an agent saw: the law of observations beside states and actions.

Takes     a family and theta.
Gives     Pr(o, a | s) where the family sees observations, by time where it depends on it.
Source    Bayes: Pr(o | s, a) = O(o | s) pi(a | o) / pi(a | s). Given s_t and a_t nothing else
          depends on o_t, so it may be drawn after the trajectory.
Not here  families themselves.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray
from ._family import Family
from ._observation import Observation
from ._timed import Timed

_BLOCK = 1 << 16  # steps that are looked at together


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """The observations of a policy that sees nothing else.

    Attributes
    ----------
    seen : (S, w) array of int
        What each state may show, padded with 0.
    joint : (1, S, w, A) or (H, S, w, A) array
        Pr(o, a | s), by time; 0 at padding.
    table : (1, n_obs, A) or (H, n_obs, A) array
        pi(a | o), by time.
    """

    seen: IntArray
    joint: FloatArray
    table: FloatArray

    def chosen(self, t: Any, o: IntArray, a: IntArray) -> FloatArray:
        """pi_t(a | o)."""
        found: FloatArray = self.table[np.minimum(t, len(self.table) - 1), o, a]
        return found

    def prob(self, t: Any, s: IntArray, o: IntArray, a: IntArray) -> FloatArray:
        """Pr(o, a | s) at times t; all arguments (n,)."""
        here = self._here(t, s, a)
        found: FloatArray = np.where(self.seen[s] == o[:, None], here, 0.0).sum(axis=1)
        return found

    def given(self, t: int, s: IntArray, a: IntArray) -> FloatArray:
        """Pr(o | s, a) at time t, (n, w) beside ``seen[s]``."""
        here = self._here(t, s, a)
        shares: FloatArray = here / here.sum(axis=1, keepdims=True)
        return shares

    def draw(self, t: IntArray, s: IntArray, a: IntArray, rng: Any) -> IntArray:
        """One observation for each step (n,), given that a was done in s at time t."""
        drawn = np.empty(len(s), dtype=np.int64)
        for low in range(0, len(s), _BLOCK):
            part = slice(low, low + _BLOCK)
            edges = np.cumsum(self._here(t[part], s[part], a[part]), axis=1)
            x = rng.random(len(edges)) * edges[:, -1]
            # The first edge above x; round-off puts x on the last one at most.
            k = np.minimum((edges <= x[:, None]).sum(axis=1), (edges < edges[:, -1:]).sum(axis=1))
            drawn[part] = self.seen[s[part], k]
        return drawn

    def _here(self, t: Any, s: IntArray, a: IntArray) -> FloatArray:
        return self.joint[np.minimum(t, len(self.joint) - 1), s, :, a]


def sight(family: Family, theta: Any) -> Sight | None:
    """What the agent sees, or None if it sees the states.

    Parameters
    ----------
    family : Family
    theta : array
        In the family's shape.

    Returns
    -------
    Sight or None

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5]] * 2] * 2, [1.0, 0.0], gamma=0.5)
    >>> found = sight(Observation(mdp, [[0.5, 0.5], [0.0, 1.0]]), np.zeros((2, 2)))
    >>> found.given(0, np.array([0, 1]), np.array([1, 1]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    if isinstance(family, Observation):
        table, joint = family.family.probs(theta), family.joint(theta)
        return Sight(family.seen, joint[None], table[None])
    if not isinstance(family, Timed):
        return None
    parts = [sight(family.family, x) for x in np.asarray(theta)]
    found = [part for part in parts if part is not None]
    if not found:
        return None
    joint, table = (np.concatenate([getattr(x, n) for x in found]) for n in ("joint", "table"))
    return Sight(found[0].seen, joint, table)
