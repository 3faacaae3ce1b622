"""How values and visits move when pi moves: the linearised evaluation, factored once.

Takes     an MDP, pi, its visits, its advantage G, and directions dpi, stacked last, whose rows sum
          to 0.
Gives     `Tangent`: the derivatives of V and of visits G = dJ/dpi in these directions.
Source    differentiate ``V = sum_a pi Q`` and ``visits = mu + gamma P_pi' visits``:
          ``(I - gamma P_pi) dV = sum_a dpi G``, ``(I - gamma P_pi)' dvisits = gamma P' (visits
          dpi)``, ``dG = gamma P dV``, up to a constant in each state, which pulls back to 0.
Not here  the families that make dpi from theta (`_hessian`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import BoolS, FloatArray, FloatS, FloatSA
from ..errors import ConvergenceError, ModelError
from ..model import MDP
from ..structure import recurrent_classes


@dataclass(frozen=True, slots=True, eq=False)
class Tangent:
    """The linear map from directions dpi to what they do, at one policy.

    Attributes
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array
    visits : (S,) or (H, S) array, decisions
    G : (S, A) or (H, S, A) array, reward units
        The advantage, or what stands for it in a regularised objective; 0 at refused pairs.
    tau : float, reward units
        Weight of the entropy in G.
    resolvent : Resolvent or None
        Of the chain among ``kept``; None on a finite horizon, or if nothing is kept.
    kept : (S,) array of bool
        Where values and visits are solved for; average reward: all states but one.
    """

    mdp: MDP
    pi: FloatSA
    visits: FloatS
    G: FloatSA
    tau: float
    resolvent: Any
    kept: BoolS

    def values(self, dpi: FloatArray) -> FloatArray:
        """DV in each direction.

        Parameters
        ----------
        dpi : (S, A, K) or (H, S, A, K) array

        Returns
        -------
        (S, K) or (H+1, S, K) array, reward units
            Average reward: of the bias, up to a constant. One solve for all directions.
        """
        if self.mdp.objective == "finite":
            return self._values_back(dpi)
        earned = (dpi * self.G[..., None]).sum(axis=1)
        if self.mdp.objective == "average":
            earned = earned - self.visits @ earned
        dV: FloatArray = np.zeros(earned.shape)
        resting = ~self.kept & ~self.mdp.terminal
        if self.mdp.objective != "average" and earned[resting].any():
            s = int(np.flatnonzero(resting & earned.any(axis=1))[0])
            raise ModelError(
                f"V has no derivative in state {self.mdp.name_of_state(s)}: there the policy rests "
                f"for ever, and the direction leads away. Use gamma < 1 or horizon=."
            )
        if self.resolvent is not None:
            dV[self.kept] = self.resolvent.solve(earned[self.kept])
        return dV

    def gradient(self, dpi: FloatArray) -> FloatArray:
        """The derivative of dJ/dpi = visits G in each direction.

        Parameters
        ----------
        dpi : (S, A, K) or (H, S, A, K) array

        Returns
        -------
        (S, A, K) or (H, S, A, K) array
            Two solves for all directions. Time O(S^2 (A + 1) K) if dense, H times that on a
            horizon.
        """
        dV = self.values(dpi)
        if self.mdp.objective == "finite":
            return self._gradient_in_time(dpi, dV)
        dG = self._slopes(self.pi, dpi, dV)
        pushed = self.mdp.gamma * kernel.push_each(self.mdp.P, self.visits[:, None, None] * dpi)
        dvisits = np.zeros_like(pushed)
        if self.resolvent is not None:
            dvisits[self.kept] = self.resolvent.solve_adjoint(pushed[self.kept])
        if self.mdp.objective == "average":  # the law keeps its sum
            dvisits -= self.visits[:, None] * dvisits.sum(axis=0)
        moved: FloatArray = dvisits[:, None] * self.G[..., None] + self.visits[:, None, None] * dG
        return moved

    def _slopes(self, pi: FloatSA, dpi: FloatArray, dV: FloatArray) -> FloatArray:
        """DG (S, A, K) from dV after the step."""
        dG = self.mdp.gamma * kernel.expect_each(self.mdp.P, dV)
        if self.tau:
            dG -= self.tau * ratio(dpi, pi[..., None])
        slopes: FloatArray = np.where(self.mdp.allowed[..., None], dG, 0.0)
        return slopes

    def _values_back(self, dpi: FloatArray) -> FloatArray:
        horizon, count = len(self.visits), dpi.shape[-1]
        dpi = np.broadcast_to(dpi, (horizon, *dpi.shape[-3:]))
        pi = np.broadcast_to(self.pi, self.G.shape)
        dV = np.zeros((horizon + 1, self.mdp.n_states, count))
        for t in range(horizon - 1, -1, -1):
            later = self.mdp.gamma * kernel.expect_each(self.mdp.P, dV[t + 1])
            terms = dpi[t] * self.G[t][..., None] + pi[t][..., None] * later
            dV[t] = terms.sum(axis=1)  # 0 on terminal states, because G is
        return dV

    def _gradient_in_time(self, dpi: FloatArray, dV: FloatArray) -> FloatArray:
        horizon = len(self.visits)
        dpi = np.broadcast_to(dpi, (horizon, *dpi.shape[-3:]))
        pi = np.broadcast_to(self.pi, self.G.shape)
        moved = np.zeros(dpi.shape)
        dlaw = np.zeros_like(dV[0])
        for t in range(horizon):
            v = self.visits[t][:, None, None]
            dG = self._slopes(pi[t], dpi[t], dV[t + 1])
            moved[t] = dlaw[:, None] * self.G[t][..., None] + v * dG
            flow = dlaw[:, None] * pi[t][..., None] + v * dpi[t]
            dlaw = self.mdp.gamma * kernel.push_each(self.mdp.P, flow)
        return moved


def tangent(mdp: MDP, pi: FloatSA, visits: FloatS, G: FloatSA, tau: float = 0.0) -> Tangent:
    """Factor the chain of a policy once, for any number of directions.

    Parameters
    ----------
    mdp : MDP
    pi, visits, G, tau
        As in `Tangent`.

    Returns
    -------
    Tangent
        Time O(S^3 + S^2 A) if dense; nothing to do on a finite horizon.

    Raises
    ------
    ConvergenceError
        If float64 cannot tell the chain from a singular one.
    """
    kept = moving(mdp, pi)
    if mdp.objective == "average":
        kept[:] = True
        kept[int(visits.argmax())] = False
    if mdp.objective == "finite" or not kept.any():
        return Tangent(mdp, pi, visits, G, tau, None, kept)
    return Tangent(mdp, pi, visits, G, tau, factored(mdp, pi, kept), kept)


def moving(mdp: MDP, pi: FloatSA) -> BoolS:
    """The states that are not terminal and, for total reward, those that are left for good."""
    kept: BoolS = ~mdp.terminal
    if mdp.objective == "total":
        for members in recurrent_classes(mdp, pi):
            kept[members] = False
    return kept


def factored(mdp: MDP, pi: FloatSA, kept: BoolS) -> kernel.Resolvent:
    """The resolvent of the chain of pi among some states."""
    try:
        return kernel.Resolvent(kernel.restrict(kernel.mix(mdp.P, pi), kept), mdp.gamma)
    except ArithmeticError:
        raise ConvergenceError(
            "float64 cannot tell the chain of this policy from one that never settles: some chance "
            "to move on is below 1e-16 a step. Leave such small probabilities out of the model.",
            floor=np.inf,
        ) from None


def ratio(x: FloatArray, y: FloatArray) -> FloatArray:
    """X / y, and 0 where y is 0."""
    quotient = np.zeros(np.broadcast_shapes(x.shape, y.shape))
    np.divide(x, y, out=quotient, where=y != 0)
    return quotient
