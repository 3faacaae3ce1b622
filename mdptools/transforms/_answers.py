"""Answers: how the numbers of a model and of its transform belong together.

Takes     arrays of the old or of the new model.
Gives     `Answers`, which carries policies to the new model, and values, visits and gradients
          between the two; and says which statements hold.
Not here  making the new model (the other files), computing any of the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatS, IntArray, IntS, readonly
from ..errors import ModelError
from ..markup import Shown

STATEMENTS = ("V", "J", "visits", "gradient", "advantage", "optimum")
"""What can be preserved, each in the sense of the method of that name; "optimum": `Answers.V` maps
V* to V* as well, and optimal policies to optimal policies."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers(Shown):
    """What a transform does to answers. S, A are the old sizes, S', A' the new ones.

    A policy pi of the old model is ``policy(pi)`` in the new one, and acts as the old policy
    ``acts_as(pi)``: that is pi itself, unless the transform mixes something into every policy. Each
    statement compares the two: ``V(V of acts_as(pi)) = V of policy(pi)``.

    Attributes
    ----------
    state : (S',) array of int
        The old state that a new one stands for; -1 for one that was added.
    action : (S', A') array of int
        The old action of each new pair; -1 for none.
    share : (S', A') array
        The part of the old action's probability that each new pair takes.
    shape : (int, int)
        S and A.
    time : (S',) array of int, or None
        The step of a finite horizon that a new state stands for.
    scale : float
        Of values.
    shift : (S',) array, reward units
        Added to values: V' = scale V + shift + rate T.
    rate : float, reward units
        For each (discounted) step that is expected, T of them.
    steps : array or None
        T in each old state, where the structure alone gives it; None where it is the policy's.
    keep : float
        The part of a policy that is its own; the rest is ``mixed_in``.
    mixed_in : (S, A) array or None
    gauge : (S,) array or None
        Average reward: the mean of it under the law that a start tends to is added to the bias.
    preserves : frozenset of str
        Some of `STATEMENTS`.
    """

    state: IntS
    action: IntArray
    share: FloatArray
    shape: tuple[int, int]
    time: IntS | None = None
    scale: float = 1.0
    shift: FloatS | None = None
    rate: float = 0.0
    steps: FloatArray | None = None
    keep: float = 1.0
    mixed_in: FloatArray | None = None
    gauge: FloatArray | None = None
    preserves: frozenset[str] = field(default_factory=lambda: frozenset(STATEMENTS))

    def __post_init__(self) -> None:
        for name in ("state", "action", "share"):
            object.__setattr__(self, name, readonly(np.asarray(getattr(self, name))))

    def policy(self, pi: Any) -> FloatArray:
        """A policy of the old model in the new one.

        Parameters
        ----------
        pi : (S, A) or (H, S, A) array_like
            (H, S, A) where the transform puts time into the state.

        Returns
        -------
        (S', A') array, or (H, S', A')
            Added states take their first action.
        """
        table = np.asarray(pi, dtype=np.float64)
        old = np.maximum(self.state, 0)[:, None], np.maximum(self.action, 0)
        if self.time is not None and table.ndim == 3:
            new = table[np.minimum(self.time, len(table) - 1)[:, None], old[0], old[1]]
        else:
            new = table[..., old[0], old[1]]
        new = np.where(self.action >= 0, self.share * new, 0.0)
        first = np.zeros(self.action.shape)
        first[:, 0] = 1.0
        return np.where((self.state < 0)[:, None], first, new)

    def acts_as(self, pi: Any) -> FloatArray:
        """The old policy that ``policy(pi)`` amounts to.

        Parameters
        ----------
        pi : (S, A) or (H, S, A) array_like

        Returns
        -------
        array of that shape
        """
        table: FloatArray = np.asarray(pi, dtype=np.float64)
        return (
            table if self.mixed_in is None else self.keep * table + (1 - self.keep) * self.mixed_in
        )

    def V(self, V: Any, *, steps: Any = None, law: Any = None) -> FloatArray:
        """Values of the old model as those of the new one.

        Parameters
        ----------
        V : (S,) or (H+1, S) array_like, reward units
        steps : array_like, optional
            T, the expected (discounted) number of steps in each old state: V of the same policy
            for the reward 1 (and nothing at the end). Needed where ``rate`` is not 0 and ``steps``
            of this object is None.
        law : (S,) or (S, S) array_like, optional
            The stationary law of the policy, where there is a ``gauge``; where the chain has
            several recurrent classes, a row for each start: the law that it tends to.

        Returns
        -------
        (S',) or (H+1, S') array, reward units

        Raises
        ------
        ModelError
            If steps or law are needed and missing.
        """
        values = self._spread(np.asarray(V, dtype=np.float64) * self.scale)
        if self.rate:
            values = values + self.rate * self._spread(self._steps(steps))
        if self.shift is not None:
            values = values + self.shift
        if self.gauge is not None:
            if law is None:
                raise ModelError(
                    "the bias is shifted by a mean under the stationary law: pass law=."
                )
            values = values + np.asarray(law) @ self.gauge
        return values

    def J(self, J: float, mu: Any, *, steps: Any = None, new_mu: Any = None) -> float:
        """The return of the old model as that of the new one.

        Parameters
        ----------
        J : float, reward units
        mu : (S,) array_like
            Of the old model.
        steps : array_like, optional
            As for `V`.
        new_mu : (S',) array_like, optional
            Of the new model; needed where ``shift`` is not None.

        Returns
        -------
        float
            For average reward ``rate`` is added once: it is paid each step.
        """
        value = self.scale * float(J)
        if self.gauge is not None:
            return value
        if self.rate:
            T = self._steps(steps)
            start = np.asarray(mu)
            at = start > 0  # elsewhere T may be infinite
            value += self.rate * float(start[at] @ (T[0] if T.ndim == 2 else T)[at])
        if self.shift is not None:
            value += float(np.asarray(new_mu) @ self.shift)
        return value

    def collect(self, x: Any) -> FloatArray:
        """Visits of the new model as those of the old one: the sum over what stands for a state.

        Parameters
        ----------
        x : (S',) or (H, S') array_like

        Returns
        -------
        (S,) array, or (H, S) where time is an axis of the old model
        """
        new = np.asarray(x, dtype=np.float64)
        there = self.state >= 0
        if self.time is not None:
            total = np.zeros((int(self.time.max()), self.shape[0]))
            there = there & (self.time < len(total))
            np.add.at(total, (self.time[there], self.state[there]), new[there])
            return total
        total = np.zeros((*new.shape[:-1], self.shape[0]))
        where: Any = (..., self.state[there])
        np.add.at(total, where, new[..., there])
        return total

    def gradient(self, dJ_dpi: Any) -> FloatArray:
        """dJ/dpi of the new model as that of the old one, at ``acts_as(pi)``.

        Up to a number for each state where there is a ``shift`` or something ``mixed_in``: then
        all of Q(s, .) is shifted alike, and the derivative along the simplex is the same.

        Parameters
        ----------
        dJ_dpi : (S', A') or (H, S', A') array_like, reward units

        Returns
        -------
        (S, A) or (H, S, A) array
        """
        new = np.asarray(dJ_dpi, dtype=np.float64)
        there = (self.action >= 0) & (self.state >= 0)[:, None]
        s, a = np.nonzero(there)
        weighted = new[..., s, a] * self.share[s, a] / (self.scale * self.keep)
        if self.time is not None:
            total = np.zeros((int(self.time.max()), *self.shape))
            live = self.time[s] < len(total)
            where: Any = (self.time[s][live], self.state[s][live], self.action[s, a][live])
            np.add.at(total, where, weighted[live])
            return total
        total = np.zeros((*new.shape[:-2], *self.shape))
        where = (..., self.state[s], self.action[s, a])
        np.add.at(total, where, weighted)
        return total

    def pairs(self, x: Any) -> FloatArray:
        """Advantages (S, A) or (H, S, A) of the old model as those of the new one, times ``scale``.

        Parameters
        ----------
        x : array_like

        Returns
        -------
        (S', A') or (H, S', A') array
            0 in added states.
        """
        old = np.asarray(x, dtype=np.float64)
        s, a = np.maximum(self.state, 0)[:, None], np.maximum(self.action, 0)
        if self.time is not None:
            new = old[np.minimum(self.time, len(old) - 1)[:, None], s, a]
            over = self.time >= len(old)
        else:
            new, over = old[..., s, a], np.zeros(len(self.state), dtype=bool)
        new = np.where(np.isfinite(new), self.scale * new, -np.inf)
        new = np.where(self.action >= 0, new, -np.inf)
        return np.where(((self.state < 0) | over)[:, None], 0.0, new)

    def _spread(self, x: FloatArray) -> FloatArray:
        """A number of each old state at each new one; 0 at added ones."""
        old = np.maximum(self.state, 0)
        if self.time is not None:
            last = np.minimum(self.time, len(x) - 1)
            new = x[last, old] if x.ndim == 2 else x[old]
        else:
            new = x[..., old]
        return np.where(self.state >= 0, new, 0.0)

    def _steps(self, steps: Any) -> FloatArray:
        T = self.steps if steps is None else steps
        if T is None:
            raise ModelError(
                "values are shifted by a reward for each step, and how many steps there are "
                "depends on the policy: pass steps=, its V for the reward 1."
            )
        return np.asarray(T, dtype=np.float64)
