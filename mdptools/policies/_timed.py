"""A family for each time of a finite horizon.

Takes     a family and theta (H, ...), its parameters for each time.
Gives     pi (H, S, A), and derivatives time by time.
Source    formula: log pi_t depends on theta[t] alone.
Not here  parameters that several times share: one feature for each time in `LogLinear`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, IntArray, readonly
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._derivatives import as_parameters, check_direction
from ._family import Family


@dataclass(frozen=True, slots=True, eq=False)
class Timed:
    """A family repeated: theta[t] are the parameters of time t, and nothing is shared.

    Parameters
    ----------
    mdp : MDP
        With a horizon.
    family : Family
        Any that gives one table pi (S, A): ``Timed(mdp, Softmax(mdp))`` is the time-dependent
        softmax.

    Attributes
    ----------
    shape : (H, ...)
        H in front of the shape of the family's own theta.
    size : int
        D = H times that of the family.

    Raises
    ------
    ModelError
        If the model has no horizon.

    Notes
    -----
    Each method asks the family H times.

    Examples
    --------
    >>> from mdptools import MDP, Softmax, policy_gradient
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5, horizon=2)
    >>> family = Timed(mdp, Softmax(mdp))
    >>> policy_gradient(mdp, family, np.zeros((2, 1, 2))).value
    array([[[-0.25 ,  0.25 ]],
    <BLANKLINE>
           [[-0.125,  0.125]]])
    """

    mdp: MDP
    family: Family

    def __post_init__(self) -> None:
        check_model(self.mdp)
        if self.mdp.horizon is None:
            raise ModelError(
                "a policy that depends on time needs a model with a horizon: "
                "mdp.with_objective(horizon=...)."
            )

    @property
    def _times(self) -> int:
        return int(self.mdp.horizon or 0)

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, ...), the shape of theta."""
        return (self._times, *self.family.shape)

    @property
    def size(self) -> int:
        """D, the number of parameters."""
        return math.prod(self.shape)

    @property
    def pullback_norm(self) -> float:
        """That of the family: sums over s become sums over t and s."""
        return self.family.pullback_norm

    def probs(self, theta: Any) -> FloatSA:
        """pi_t(a | s), (H, S, A).

        Parameters
        ----------
        theta : (H, ...) array_like

        Returns
        -------
        (H, S, A) array
            Read-only.

        Raises
        ------
        ModelError
            If theta has another shape; or as the family's own.
        """
        return readonly(np.stack([self.family.probs(x) for x in self._check(theta)]))

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatArray:
        """dJ/dtheta (H, ...) from dJ/dpi (H, S, A), time by time."""
        pairs = zip(self._check(theta), self._by_time(dJ_dpi), strict=True)
        return np.stack([self.family.pullback(x, G) for x, G in pairs])

    def pushforward(self, theta: Any, v: Any) -> FloatSA:
        """The derivative of pi in direction v (H, ...), (H, S, A)."""
        pairs = zip(self._check(theta), check_direction(v, self.shape), strict=True)
        return np.stack([self.family.pushforward(x, dx) for x, dx in pairs])

    def curvature(self, theta: Any, v: Any, dJ_dpi: FloatSA) -> FloatArray:
        """The derivative of ``pullback(theta, dJ_dpi)`` in direction v, (H, ...)."""
        moves = check_direction(v, self.shape)
        each = zip(self._check(theta), moves, self._by_time(dJ_dpi), strict=True)
        return np.stack([self.family.curvature(x, dx, G) for x, dx, G in each])

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] grad log pi_t(a_t | s_t): column t of s, a, w and o is time t.

        Parameters
        ----------
        theta : (H, ...) array
        s, a : (N, T) arrays of int
            T <= H.
        w : (N, T) array
        o : (N, T) array of int, optional
            Where the family sees observations.

        Returns
        -------
        (N, D) array

        Raises
        ------
        ModelError
            If there are more steps than times; or as the family's own.
        """
        parameters = self._check(theta)
        steps = [None if x is None else np.asarray(x) for x in (s, a, w, o)]
        if any(x is not None and x.ndim != 2 for x in steps):
            raise ModelError("s, a, w and o must be (N, T), one row for each trajectory.")
        n, n_steps = np.shape(a)
        if n_steps > self._times:
            raise ModelError(f"there are {n_steps} steps; the horizon is {self._times}.")
        total = np.zeros((n, self._times, self.family.size), dtype=parameters.dtype)
        for t in range(n_steps):
            now: Any = [None if x is None else x[:, t : t + 1] for x in steps]
            total[:, t] = self.family.accumulate(parameters[t], *now)
        return total.reshape(n, self.size)

    def score(self, theta: Any) -> FloatArray:
        """grad log pi_t(a | s), (H, S, A, D); for small models."""
        scores = np.stack([self.family.score(x) for x in self._check(theta)])
        n, size = self._times, self.family.size
        dense = np.zeros((*scores.shape[:-1], n, size), dtype=scores.dtype)
        dense[np.arange(n), ..., np.arange(n), :] = scores
        return dense.reshape(*scores.shape[:-1], self.size)

    def _check(self, theta: Any) -> FloatArray:
        parameters = as_parameters(theta, "theta")
        if parameters.shape != self.shape:
            raise ModelError(
                f"theta has shape {parameters.shape}; it must be {self.shape}: the family's own "
                f"{self.family.shape} for each of {self._times} times."
            )
        return parameters

    def _by_time(self, dJ_dpi: FloatSA) -> FloatArray:
        G = np.asarray(dJ_dpi)
        wanted = (self._times, self.mdp.n_states, self.mdp.n_actions)
        if G.shape != wanted:
            raise ModelError(f"dJ_dpi has shape {G.shape}; it must be (H, S, A) = {wanted}.")
        return G
