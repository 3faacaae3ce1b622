"""The direct family: theta is the policy itself.

Takes     theta = pi (S, A).
Gives     pi, derivatives along the simplex, and the projection onto it.
Source    Agarwal et al. (2021) for the family; the projection by sorting is Held,
          Wolfe and Crowder (1974), "Validation of subgradient optimization".
Not here  dJ/dpi with each entry as a free number (`direct_gradient`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import TINY, FloatArray, FloatSA, IntArray, as_floats, readonly
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._derivatives import (
    as_parameters,
    check_direction,
    check_finite,
    count_pairs,
    summed_over_time,
)
from ._tabular import check_policy


@dataclass(frozen=True, slots=True, eq=False)
class Direct:
    """pi(a | s) = theta[s, a].

    Parameters
    ----------
    mdp : MDP
        For its sizes and its mask.

    Attributes
    ----------
    shape : (S, A)
    size : int
        D = S * A; theta is flattened in C order.

    Notes
    -----
    The rows of theta sum to one, so theta moves in the plane of rows that sum to zero, and
    derivatives are projected onto it: in each state the mean over the allowed actions is
    subtracted. So a baseline changes nothing, scores have mean zero, and `project` of a step along
    the gradient is what it is with dJ/dpi itself, because `project` does not see what is added to
    all actions of a state.

    Examples
    --------
    >>> from mdptools import MDP, policy_gradient
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> family = Direct(mdp)
    >>> gradient = policy_gradient(mdp, family, [[0.75, 0.25]])
    >>> gradient.value
    array([[-1.,  1.]])
    >>> family.project([[0.75, 0.25]] + 0.5 * gradient.value)
    array([[0.25, 0.75]])
    """

    mdp: MDP

    def __post_init__(self) -> None:
        check_model(self.mdp)

    @property
    def shape(self) -> tuple[int, int]:
        """(S, A), the shape of theta."""
        return self.mdp.n_states, self.mdp.n_actions

    @property
    def size(self) -> int:
        """D = S * A."""
        return self.mdp.n_states * self.mdp.n_actions

    @property
    def pullback_norm(self) -> float:
        """The largest number of allowed actions: half of them at 1, the others at -1."""
        return float(self.mdp.allowed.sum(axis=1).max())

    def probs(self, theta: Any) -> FloatSA:
        """Theta, if it is a policy.

        Parameters
        ----------
        theta : (S, A) array_like
            A complex array passes as it is, for complex steps.

        Returns
        -------
        (S, A) array
            Read-only.

        Raises
        ------
        ModelError
            If theta has another shape, a row does not sum to one, or an entry is negative or, at a
            refused pair, not 0.
        """
        pi = as_parameters(theta, "theta")
        if pi.shape != self.shape:
            raise ModelError(f"theta has shape {pi.shape}; it must be (S, A) = {self.shape}.")
        return pi if pi.dtype.kind == "c" else check_policy(self.mdp, theta)

    def project(self, x: Any) -> FloatSA:
        """The policy that is nearest to x: each row onto the simplex of its allowed actions.

        Parameters
        ----------
        x : (S, A) array_like
            Finite at allowed pairs; what stands at refused pairs does not matter.

        Returns
        -------
        (S, A) array
            ``max(x - c(s), 0)`` with c(s) such that the row sums to one; 0 at refused pairs.
            Read-only.

        Raises
        ------
        ModelError
            If x has another shape or is not finite.

        Notes
        -----
        Only entries within 1 of the largest can stay positive, so the rest are cut off first and
        nothing overflows. Time O(S A log A).

        Examples
        --------
        >>> from mdptools import MDP
        >>> Direct(MDP([[[1.0]] * 3], [[0.0, 1.0, 2.0]], gamma=0.5)).project([[0.1, 0.9, 1.2]])
        array([[0.  , 0.35, 0.65]])
        """
        rows = as_floats(x, "x")
        if rows.shape != self.shape:
            raise ModelError(f"x has shape {rows.shape}; it must be (S, A) = {self.shape}.")
        allowed = self.mdp.allowed
        rows = check_finite(np.where(allowed, rows, 0.0), "x") / 2  # so that gaps do not overflow
        top = np.where(allowed, rows, -np.inf).max(axis=1, keepdims=True)
        gap = np.where(allowed, np.maximum(2 * np.maximum(rows - top, -1.0), -1.0), -1.0)
        falling = -np.sort(-gap, axis=1)
        # With the k largest kept, c is (their sum - 1) / k; k is the last for which they all stay.
        c = (np.cumsum(falling, axis=1) - 1) / np.arange(1, gap.shape[1] + 1)
        kept = np.count_nonzero(falling > c, axis=1)[:, None]
        c = np.take_along_axis(c, kept - 1, axis=1)
        # Long sums err: one step of Newton's method on sum(max(gap - c, 0)) = 1 puts c right.
        c += (np.maximum(gap - c, 0.0).sum(axis=1, keepdims=True) - 1) / kept
        pi = np.where(allowed, np.maximum(gap - c, 0.0), 0.0)
        return readonly(pi / pi.sum(axis=1, keepdims=True))

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatSA:
        """dJ/dtheta (S, A) from dJ/dpi (S, A), or (H, S, A) summed over time.

        Parameters
        ----------
        theta : (S, A) array_like
        dJ_dpi : (S, A) or (H, S, A) array
            What it holds at refused pairs does not matter.

        Returns
        -------
        (S, A) array
            dJ_dpi less its mean over the allowed actions of the state; 0 at refused pairs.

        Raises
        ------
        ModelError
            If dJ_dpi has another shape or is not finite at an allowed pair; or as for `probs`.
        """
        self.probs(theta)
        return self._along(summed_over_time(self.mdp.allowed, dJ_dpi))

    def pushforward(self, theta: Any, v: Any) -> FloatSA:
        """v less its mean over the allowed actions of the state, (S, A)."""
        self.probs(theta)
        moved = np.where(self.mdp.allowed, check_direction(v, self.shape), 0.0)
        return self._along(check_finite(moved, "v"))

    def curvature(self, theta: Any, v: Any, dJ_dpi: FloatSA) -> FloatSA:
        """Zeros, (S, A): `pullback` does not depend on theta."""
        return 0.0 * (self.pullback(theta, dJ_dpi) + self.pushforward(theta, v))

    def _along(self, x: FloatArray) -> FloatArray:
        """x (..., S, A), 0 at refused pairs, less its mean over the allowed actions."""
        allowed = self.mdp.allowed
        mean = x.sum(axis=-1, keepdims=True) / allowed.sum(axis=1, keepdims=True)
        return np.where(allowed, x - mean, 0.0)

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] grad log pi(a_t | s_t): one row for each trajectory.

        Parameters
        ----------
        theta : (S, A) array
        s, a : (N, T) arrays of int
        w : (N, T) array
            0 where a step does not count.
        o : None
            Observations; this family sees states.

        Returns
        -------
        (N, S*A) array
            Time and memory O(N T + N S A).

        Raises
        ------
        ModelError
            As `score`; if s, a and w have different shapes, or name states or actions that do not
            exist.
        """
        inverse = self._inverse(theta)
        return self._along(count_pairs(inverse, s, a, w) * inverse).reshape(-1, self.size)

    def score(self, theta: Any) -> FloatArray:
        """grad log pi(a | s); zero at refused pairs.

        Parameters
        ----------
        theta : (S, A) array_like
            > 0 at allowed pairs.

        Returns
        -------
        (S, A, S*A) array
            ``(1{a = b} - 1/m) / pi(a|s)`` in the block of s, m the number of allowed actions.

        Raises
        ------
        ModelError
            If pi is 0 at an allowed pair: its score is infinite, and without it the scores of the
            state do not have mean zero. (`pullback` is defined there.) Or as for `probs`.
        """
        inverse = self._inverse(theta)
        dense = np.diag(inverse.reshape(-1)).reshape(*self.shape, *self.shape)
        return self._along(dense).reshape(*self.shape, self.size)

    def _inverse(self, theta: Any) -> FloatSA:
        """1 / pi at allowed pairs, 0 at refused ones."""
        pi, allowed = self.probs(theta), self.mdp.allowed
        bad = np.argwhere(allowed & ~(np.abs(pi) >= TINY))
        if len(bad):
            s, a = (int(i) for i in bad[0])
            raise ModelError(
                f"pi is {pi[s, a]:.3g} for action {self.mdp.name_of_action(a)} in state "
                f"{self.mdp.name_of_state(s)}: the scores of the direct family are 1/pi, so it "
                f"must be > 0 where the action is allowed. A table with zeros has the scores of "
                f"SoftmaxAt."
            )
        return np.divide(1.0, pi, out=np.zeros_like(pi), where=allowed)
