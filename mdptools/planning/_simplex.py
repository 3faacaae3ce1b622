"""A policy that changes in one state at a time, and its V by updates of rank one.

Takes     a policy of a discounted model, its V, and the LU that V came from.
Gives     `Tableau`: the policy and its V after each change.
Source    Sherman and Morrison (1950), in the product form that simplex codes use.
Not here  which state changes, and what is proved (`_policy_iteration`).

Let M = (I - gamma P_pi)^-1, c = M e_s its column of a state s, d the row of the new action of s
minus the row of the old one, and A the advantage of the new one. Then for the changed policy

    M' x = M x + c gamma (d . M x) / (1 - gamma d . c),    V' = V + c A / (1 - gamma d . c).

The denominator is M[s, s] / M'[s, s] and lies between 1 - gamma and 1 / (1 - gamma).
"""

from __future__ import annotations

import numpy as np

from .. import kernel
from ..arrays import FloatS, IntS
from ..model import MDP

REFACTOR = 50
"""Changes after which a policy is evaluated afresh: each makes the later ones dearer by O(S)."""


class Tableau:
    """A policy that changes in one state at a time, with its V.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    pairs : (S,) array of int
        The rows of the policy's pairs. It is not changed.
    V : (S,) array, reward units
    resolvent : Resolvent
        Of this policy.
    """

    __slots__ = ("V", "_changes", "_mdp", "_resolvent", "pairs")

    def __init__(self, mdp: MDP, pairs: IntS, V: FloatS, resolvent: kernel.Resolvent) -> None:
        self._mdp, self._resolvent = mdp, resolvent
        self.pairs, self.V = pairs.copy(), V
        self._changes: list[tuple[FloatS, FloatS]] = []

    def _column(self, s: int) -> FloatS:
        """M e_s of the policy as it is now."""
        unit = np.zeros(self._mdp.n_states)
        unit[s] = 1.0
        x = self._resolvent.solve(unit)
        for column, difference in self._changes:
            x = x + column * difference.dot(x)
        return x

    def change(self, s: int, row: int, advantage: float) -> bool:
        """Take in state s the pair of this row, which is better by ``advantage``; O(S^2).

        False if V could not follow: gamma is so close to 1 that float64 loses the denominator.
        """
        table = kernel.take(self._mdp.P, np.array([row, int(self.pairs[s])]))
        new, old = kernel.to_dense(table)
        difference = self._mdp.gamma * (new - old)
        column = self._column(s)
        denominator = 1 - float(difference.dot(column))
        self.pairs[s] = row
        if not denominator > 0:
            return False
        column /= denominator
        self._changes.append((column, difference))
        self.V = self.V + column * advantage
        self.V[self._mdp.terminal] = 0.0
        return True
