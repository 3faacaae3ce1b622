"""Any differentiable function as a family.

Takes     a function theta -> logits or probabilities, its Jacobian, and, for second derivatives,
          products with its Hessian.
Gives     a `Family`.
Source    chain rule; probabilities p are the softmax of log p, whose Jacobian is that of p over p.
Not here  functions made from networks of torch and JAX (`_networks`).
"""

from __future__ import annotations

from collections.abc import Callable as Function
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray, FloatSA, precision
from ..checks import check_model, words_for_sum
from ..errors import ModelError
from ..model import MDP
from ._derivatives import as_parameters, check_finite
from ._logits import LogitFamily


@dataclass(frozen=True, slots=True, eq=False)
class Callable(LogitFamily):
    """pi = softmax of ``function(theta)``, or ``function(theta)`` itself.

    Parameters
    ----------
    mdp : MDP
        For its sizes and its mask.
    function : function theta -> (S, A) array
        Logits, or probabilities. What stands at refused pairs does not matter.
    jacobian : function theta -> (S, A, *shape) array
        The derivative of ``function`` by theta.
    shape : tuple of int
        The shape of theta.
    gives : {"logits", "probs"}
        Probabilities must be > 0 at allowed pairs and sum to one there.
    hessian_product : function (theta, v, U) -> array, optional
        The derivative of ``sum(U * jacobian)`` (a sum over pairs, in theta's shape) in direction v.
        `curvature`, and so all second derivatives, need it.

    Attributes
    ----------
    size : int
        D; theta is flattened in C order.
    pullback_norm : float
        inf: what bounds the Jacobian everywhere is not known, so gradients have no proved bound.

    Raises
    ------
    ModelError
        If a function is none, or ``gives`` is another word. When theta is used: if what a function
        returns has another shape or is not finite.

    Notes
    -----
    The functions are called anew by each method, and must always give the same answer. Memory
    O(S A D) for the Jacobian.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP(np.full((2, 2, 2), 0.5), [1.0, 0.0], gamma=0.5)
    >>> def logits(theta):  # one number: how much action 1 is preferred in both states
    ...     return np.array([[0.0, 1.0], [0.0, 1.0]]) * theta**2
    >>> def jacobian(theta):
    ...     return np.array([[[0.0], [1.0]], [[0.0], [1.0]]]) * 2 * theta
    >>> family = Callable(mdp, logits, jacobian, shape=(1,))
    >>> family.pullback([0.0], np.eye(2)), family.pullback([1.0], np.eye(2)).round(6)
    (array([0.]), array([0.]))
    >>> family.pushforward([1.0], [1.0]).round(3)
    array([[-0.393,  0.393],
           [-0.393,  0.393]])
    """

    mdp: MDP
    function: Function[[Any], Any]
    jacobian: Function[[Any], Any]
    shape: tuple[int, ...]
    gives: Literal["logits", "probs"] = "logits"
    hessian_product: Function[[Any, Any, Any], Any] | None = None

    def __post_init__(self) -> None:
        check_model(self.mdp)
        for name in ("function", "jacobian", "hessian_product"):
            given = getattr(self, name)
            if not callable(given) and (given is not None or name != "hessian_product"):
                raise ModelError(f"{name} is {given!r:.80}; it must be a function of theta.")
        if self.gives not in ("logits", "probs"):
            raise ModelError(f"gives is {self.gives!r:.80}; it must be 'logits' or 'probs'.")
        try:
            shape = tuple(int(n) for n in self.shape)
        except (TypeError, ValueError):
            shape = (0,)
        if not all(n > 0 for n in shape):
            raise ModelError(f"shape is {self.shape!r:.80}; it must be that of theta: ints > 0.")
        object.__setattr__(self, "shape", shape)

    @property
    def pullback_norm(self) -> float:
        """inf: nothing is known of the Jacobian elsewhere."""
        return np.inf

    def logits(self, theta: Any) -> FloatSA:
        """What the function returns, (S, A), or its logarithm if it gives probabilities.

        Parameters
        ----------
        theta : array_like
            A complex array is handed on as it is.

        Returns
        -------
        (S, A) array
            0 at refused pairs.

        Raises
        ------
        ModelError
            If theta has another shape or is not finite; if what comes back has another shape, is
            not finite or, of probabilities, not a distribution.
        """
        parameters = as_parameters(theta, "theta")
        if parameters.shape != self.shape:
            raise ModelError(f"theta has shape {parameters.shape}; it must be {self.shape}.")
        table = self._table(check_finite(parameters))
        return np.log(table) if self.gives == "probs" else table

    def _table(self, theta: FloatArray) -> FloatSA:
        """What the function returns; at refused pairs 0, or 1 for a probability, whose log is 0."""
        allowed, probs = self.mdp.allowed, self.gives == "probs"
        raw = self.function(theta)
        returned = as_parameters(raw, "function(theta)")
        if returned.shape != allowed.shape:
            raise ModelError(
                f"function(theta) has shape {returned.shape}; it must be (S, A) = {allowed.shape}."
            )
        table = check_finite(np.where(allowed, returned, float(probs)), "function(theta)")
        if not probs:
            return table
        if not (table.real > 0).all():
            s, a = (int(i) for i in np.argwhere(~(table.real > 0))[0])
            raise ModelError(
                f"function(theta)[{s}, {a}] is {table[s, a]:.6g}; a probability must be > 0 where "
                f"the action is allowed, or it has no score. Refused actions need no 0."
            )
        gap = np.where(allowed, table.real, 0.0).sum(axis=1) - 1
        s = int(np.abs(gap).argmax())
        tol = 64 * precision(np.asarray(raw).real) * max(allowed.shape[1], 2)
        if abs(gap[s]) > tol:
            raise ModelError(
                f"function(theta) sums to {words_for_sum(gap[s])} in state "
                f"{self.mdp.name_of_state(s)}, not 1; for logits: gives='logits'."
            )
        return table

    def _slopes(self, theta: Any) -> tuple[FloatArray, FloatArray | float]:
        """The Jacobian of the logits (S, A, *shape), and by what it was divided."""
        parameters = as_parameters(theta, "theta")
        slopes = as_parameters(self.jacobian(parameters), "jacobian(theta)")
        wanted = (*self.mdp.allowed.shape, *self.shape)
        if slopes.shape != wanted:
            raise ModelError(
                f"jacobian(theta) has shape {slopes.shape}; it must be (S, A, *shape) = {wanted}."
            )
        slopes = np.where(_beside(self.mdp.allowed, slopes), slopes, 0.0)
        check_finite(slopes, "jacobian(theta)")
        if self.gives == "logits":
            return slopes, 1.0
        table = self._table(parameters)
        return slopes / _beside(table, slopes), table

    def _push(self, theta: Any, v: FloatArray) -> FloatSA:
        moved: FloatSA = np.tensordot(self._slopes(theta)[0], v, axes=v.ndim)
        return moved

    def _pull(self, theta: Any, U: FloatArray) -> FloatArray:
        pulled: FloatArray = np.tensordot(U, self._slopes(theta)[0], axes=2)
        return pulled

    def _bend(self, theta: Any, v: FloatArray, U: FloatSA) -> FloatArray:
        if self.hessian_product is None:
            raise ModelError(
                "this family knows no second derivatives: give Callable(..., hessian_product=), a "
                "function (theta, v, U) -> the derivative of sum(U * jacobian) in direction v, in "
                "theta's shape."
            )
        slopes, table = self._slopes(theta)
        weights = U / table
        bent = np.asarray(self.hessian_product(as_parameters(theta, "theta"), v, weights))
        if bent.shape != self.shape:
            raise ModelError(
                f"hessian_product returns shape {bent.shape}; it must be theta's, {self.shape}."
            )
        if self.gives == "logits":
            return bent
        # The derivative of J/p is J'/p - J p'/p^2, and J/p are the slopes.
        curved: FloatArray = bent - np.tensordot(
            U * np.tensordot(slopes, v, axes=v.ndim), slopes, axes=2
        )
        return curved


def _beside(table: FloatArray, slopes: FloatArray) -> FloatArray:
    """(S, A) with axes of 1 added, so that it stands beside (S, A, *shape)."""
    return table.reshape(*table.shape, *([1] * (slopes.ndim - 2)))
