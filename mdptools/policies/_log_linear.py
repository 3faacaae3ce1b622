"""The log-linear family: logits are linear in features of state and action.

Takes     phi (S, A, k) and theta (k,).
Gives     pi = softmax(phi @ theta) over the allowed actions of each state, and its scores.
Source    Sutton and Barto (2018), eqs. (13.2) and (13.3); score: phi(s, a) - sum_b pi phi(s, b).
Not here  features of observations: `Observation` makes this family over observations.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, as_floats, readonly
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._derivatives import as_parameters, check_finite
from ._logits import LogitFamily


@dataclass(frozen=True, slots=True, eq=False)
class LogLinear(LogitFamily):
    """pi(a | s) = exp(phi(s, a) . theta) / sum over the allowed actions b of the same.

    Parameters
    ----------
    mdp : MDP
        For its sizes and its mask.
    phi : (S, A, k) array_like
        Features; kept as a read-only copy, with 0 at refused pairs whatever stands there. The
        identity, (S, A, S*A), is the tabular softmax.

    Attributes
    ----------
    shape : (k,)
    size : int
        D = k.

    Raises
    ------
    ModelError
        If phi has another shape, or is not finite at an allowed pair.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP(np.full((2, 2, 2), 0.5), [1.0, 0.0], gamma=0.5)
    >>> family = LogLinear(mdp, [[[0.0], [1.0]], [[0.0], [2.0]]])  # one feature
    >>> family.probs([np.log(3)])
    array([[0.25, 0.75],
           [0.1 , 0.9 ]])
    >>> family.score([np.log(3)])[..., 0]
    array([[-0.75,  0.25],
           [-1.8 ,  0.2 ]])
    """

    mdp: MDP
    phi: FloatArray

    def __post_init__(self) -> None:
        check_model(self.mdp)
        phi = as_floats(self.phi, "phi")
        if phi.ndim != 3 or phi.shape[:2] != self.mdp.allowed.shape or not phi.shape[2]:
            raise ModelError(
                f"phi has shape {phi.shape}; it must be (S, A, k) with (S, A) = "
                f"{self.mdp.allowed.shape} and k >= 1, k numbers for each pair."
            )
        phi[~self.mdp.allowed] = 0.0
        object.__setattr__(self, "phi", readonly(check_finite(phi, "phi")))

    @property
    def shape(self) -> tuple[int]:
        """(k,), the shape of theta."""
        return (self.phi.shape[2],)

    @property
    def pullback_norm(self) -> float:
        """The largest sum_k |phi(s, a, k)|: that of the softmax is 1."""
        return float(np.abs(self.phi).sum(axis=2).max())

    def logits(self, theta: Any) -> FloatSA:
        """Phi @ theta, (S, A).

        Parameters
        ----------
        theta : (k,) array_like
            A complex array passes as it is.

        Returns
        -------
        (S, A) array

        Raises
        ------
        ModelError
            If theta has another shape or is not finite, or a logit overflows.
        """
        weights = as_parameters(theta, "theta")
        if weights.shape != self.shape:
            raise ModelError(
                f"theta has shape {weights.shape}; it must be (k,) = {self.shape}, one number for "
                f"each feature."
            )
        with np.errstate(over="ignore", invalid="ignore"):
            return check_finite(self.phi @ check_finite(weights), "phi @ theta")

    def _push(self, theta: Any, v: FloatArray) -> FloatSA:
        moved: FloatSA = self.phi @ v
        return moved

    def _pull(self, theta: Any, U: FloatArray) -> FloatArray:
        pulled: FloatArray = np.tensordot(U, self.phi, axes=2)
        return pulled
