"""Evaluation: what is known exactly about one policy.

Takes     what the solvers of this room found.
Gives     the noun, and the arrays that follow from it.
Not here  finding the numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatS, FloatSA, readonly
from ..bellman import advantage
from ..certificates import Certificate
from ..errors import ModelError
from ..markup import Html, Shown, facts, table
from ..words import bounded


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation(Shown):
    """Values and visits of one policy, and how wrong each can be.

    On a finite horizon, time is the first axis of everything. For average reward V is the bias, the
    sum of what the steps pay beyond the gain, whose mean is 0 in each recurrent class; Q is
    ``R - gain + P V``; visits are the long-run share of time in each state, from mu on: d itself.

    Attributes
    ----------
    V : (S,) or (H+1, S) array, reward units
        Expected return from each state; ``V[H]`` is ``final``. +-inf where the total reward is.
    Q : (S, A) or (H, S, A) array, reward units
        -inf at refused pairs.
    J : float, reward units
        ``mu @ V``, or ``mu @ V[0]``; average reward: ``mu @ gain``.
    visits : (S,) or (H, S) array, decisions
        ``sum_t gamma^t Pr(s_t = s)`` while the episode is running; 0 on terminal states, inf where
        a policy stays for ever without reward.
    certificate : Certificate
        Of V. Its bound holds for Q as well, and speaks of the finite entries.
    J_certificate : Certificate
    visits_certificate : Certificate
        Its bound is on the sum of all absolute errors.
    gain : (S,) array or None, reward units
        Average reward: the reward per step in the long run from each state.
    gain_certificate : Certificate or None
        Of the gain, with bounds from both sides.
    A : array
        The advantage Q - V.
    Z : float, decisions
        ``visits.sum()``, the expected (discounted) length of an episode.
    d : array
        ``visits / Z``, the law to draw states from.
    """

    V: FloatS
    Q: FloatSA
    J: float
    visits: FloatS
    certificate: Certificate
    J_certificate: Certificate
    visits_certificate: Certificate
    gain: FloatS | None = None
    gain_certificate: Certificate | None = None

    def _shown(self) -> Iterator[Html]:
        """For notebooks: J with its proof, and each state with its value and its visits."""
        yield facts(
            [
                ("J", bounded(self.J, self.J_certificate.bound)),
                ("V", self.certificate),
                ("theorem", self.certificate.theorem),
                ("visits", self.visits_certificate),
                ("gain", self.gain),
            ]
        )
        timed = self.Q.ndim == 3
        V, visits = (self.V[0], self.visits.sum(axis=0)) if timed else (self.V, self.visits)
        yield table(
            ["state", "V", "visits"],
            ([s, float(V[s]), float(visits[s])] for s in range(len(V))),
            caption="V at the first step, visits in all" if timed else "",
            total=len(V),
            what="state",
        )

    @property
    def A(self) -> FloatSA:
        """The advantage Q - V; -inf at refused pairs."""
        V = self.V if self.Q.ndim == 2 else self.V[:-1]
        infinite = np.flatnonzero(~np.isfinite(V))
        if len(infinite):
            raise ModelError(
                f"A does not exist where V is infinite: states {infinite.tolist()[:10]}. Use "
                f"gamma < 1 or horizon=, or leave these states out of the model."
            )
        return readonly(advantage(self.Q, V))

    @property
    def Z(self) -> float:
        """The expected (discounted) number of decisions."""
        return float(self.visits.sum())

    @property
    def d(self) -> FloatS:
        """``visits / Z``; sums to one."""
        Z = self.Z
        if not 0 < Z < np.inf:
            stays = np.flatnonzero(np.isinf(self.visits))
            raise ModelError(
                f"d does not exist: episodes last {Z} decisions"
                + (f" (they stay for ever in states {stays.tolist()[:10]})." if Z else ".")
            )
        return readonly(self.visits / Z)
