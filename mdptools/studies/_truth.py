"""Truth: what bounds are computed from, once for each model.

Takes     a discounted MDP.
Gives     V*, Q*, how much each action falls short, the optimal set, visits, mismatch coefficients,
          smoothness constants, Dobrushin's coefficient, and gaps without cancellation.
Source    ``J* - J = sum_s visits(s) sum_a pi(a | s) (V* - Q*)(s, a)``, the performance-difference
          lemma of Kakade and Langford (2002): a sum of terms >= 0, each known to its last digits.
Not here  the bounds (`_bounds_*`), the trace of an algorithm (`_trace`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolS, BoolSA, FloatArray, FloatS, FloatSA, readonly
from ..bellman import backup, best_actions
from ..checks import check_served
from ..errors import ModelError
from ..model import MDP
from ..planning import policy_iteration
from ..policies import deterministic_policy

POLISHED = 100  # policies that the last digits of V* may take
AT_ONCE = 1 << 22  # numbers held at a time where many policies are solved together


@dataclass(frozen=True, eq=False)
class Truth:
    """The optimum of a discounted model, and the constants of it that theorems speak of.

    Attributes
    ----------
    mdp : MDP
    V : (S,) array, reward units
        V*.
    Q : (S, A) array, reward units
        Q*, -inf at refused pairs.
    shortfall : (S, A) array, reward units
        V*(s) - Q*(s, a), exactly 0 on the optimal set, and at refused pairs and in terminal states.
    optimal : (S, A) array of bool
        The optimal set: actions that fall short by no more than ``tol``.
    pi : (S, A) array
        One optimal policy: the first optimal action of each state.
    tol : float, reward units
        Below it a shortfall is round-off: ``100 eps max(|V*|, |R|) / (1 - gamma)``.
    warning : str
        Not empty if some shortfall lies between ``tol`` and ``1e4 tol``: it may be a tie.
    """

    mdp: MDP
    V: FloatS
    Q: FloatSA
    shortfall: FloatSA
    optimal: BoolSA
    pi: FloatSA
    tol: float
    warning: str

    @property
    def gamma(self) -> float:
        """The discount."""
        return float(self.mdp.gamma)

    @property
    def live(self) -> BoolS:
        """The states that are not terminal, (S,)."""
        alive: BoolS = ~self.mdp.terminal
        return alive

    @cached_property
    def n_live(self) -> int:
        """The S of the bounds: the number of states that are not terminal."""
        return int(self.live.sum())

    @cached_property
    def n_choices(self) -> int:
        """The largest number of allowed actions in a live state: what formulas call A."""
        return int(self.mdp.allowed[self.live].sum(axis=1).max(initial=1))

    @cached_property
    def reward_range(self) -> float:
        """max R - min R over allowed pairs; the rest after the end pays 0 and counts."""
        rewards = self.mdp.R[self.mdp.allowed]
        return float(rewards.max() - rewards.min())

    @cached_property
    def trivial(self) -> float:
        """(max R - min R) / (1 - gamma): what no gap exceeds, reward units."""
        return self.reward_range / (1 - self.gamma)

    @cached_property
    def floor(self) -> float:
        """Below it float64 does not judge a bound: 100 eps max(|V*|, |R| / (1-g)) / (1-g)."""
        size = float(np.abs(self.mdp.R).max())
        largest = max(float(np.abs(self.V).max()), size / (1 - self.gamma))
        return 100 * EPS * largest / (1 - self.gamma)

    @cached_property
    def smallest_shortfall(self) -> float:
        """The smallest shortfall of an action that is not optimal; inf if all are, reward units."""
        return float(self.shortfall[self.suboptimal].min(initial=np.inf))

    @cached_property
    def suboptimal(self) -> BoolSA:
        """Allowed pairs of live states outside the optimal set."""
        mask: BoolSA = self.mdp.allowed & ~self.optimal & self.live[:, None]
        return mask

    # -- smoothness ------------------------------------------------------------------------------
    @cached_property
    def smoothness(self) -> float:
        """A bound on the norm of the Hessian of J by softmax logits, reward units.

        ``(R/2)(3/2 - 1/A) / (1 - gamma)^2``, R the range of rewards: the Hessian is
        ``E sum_t gamma^t r_t [(sum of scores)(.)' + sum of Hessians of log pi]``, with
        ``E|sum of scores|^2 <= (t+1)(1 - 1/A)`` and each Hessian at most 1/2; r shifted to +-R/2.
        """
        return self.reward_range / 2 * (1.5 - 1 / self.n_choices) / (1 - self.gamma) ** 2

    @cached_property
    def smoothness_published(self) -> float:
        """``8 R / (1 - gamma)^3``: Agarwal et al. (2021) and Mei et al. (2020), for softmax."""
        return 8 * self.reward_range / (1 - self.gamma) ** 3

    @cached_property
    def smoothness_direct(self) -> float:
        """``2 gamma A R / (1 - gamma)^3``: Agarwal et al. (2021), for J as a function of pi."""
        return 2 * self.gamma * self.n_choices * self.reward_range / (1 - self.gamma) ** 3

    @cached_property
    def dobrushin(self) -> float:
        """The largest total variation between two rows of P, 0 to 1. Time O((S A)^2 S)."""
        rows = kernel.branches(self.mdp.P)
        n_states, n_pairs = self.mdp.n_states, self.mdp.R.size
        dense = kernel.table(*rows, n_pairs, n_states, dense=True)[self.mdp.allowed.reshape(-1)]
        apart = (
            float(np.abs(dense[i + 1 :] - dense[i]).sum(axis=1).max(initial=0.0)) / 2
            for i in range(len(dense))
        )
        return min(1.0, max(apart))

    # -- policies and where they go --------------------------------------------------------------
    def nearest_optimal(self, log_pi: FloatSA) -> FloatSA:
        """The optimal policy of least KL from pi: pi itself on the optimal set, scaled, (S, A)."""
        kept = np.where(self.optimal, log_pi, -np.inf)
        top = kept.max(axis=1, keepdims=True)
        met = np.isfinite(top)  # False where pi has left the optimal set: take the fixed policy
        weights = np.where(met, np.exp(kept - np.where(met, top, 0.0)), self.pi)
        pi: FloatSA = weights / weights.sum(axis=1, keepdims=True)
        return readonly(pi)

    def d(self, pi: FloatSA, measure: FloatS) -> FloatS:
        """(1 - gamma) visits of pi from ``measure``, 0 on terminal states, (S,)."""
        law: FloatS = (1 - self.gamma) * visits_each(self.mdp, pi[None], measure)[0]
        return law

    def check_measure(self, measure: Any) -> FloatS:
        """``measure`` as a law over states; that of the model if it is None."""
        if measure is None:
            return np.asarray(self.mdp.mu)
        law: FloatS = np.asarray(measure, dtype=float)
        if law.shape != (self.mdp.n_states,) or not (law >= 0).all() or abs(law.sum() - 1) > 1e-9:
            raise ModelError(
                f"measure must be a law over the {self.mdp.n_states} states, with entries >= 0 "
                f"that sum to one; got shape {law.shape}, sum {law.sum():.6g}."
            )
        return law


def truth(mdp: MDP) -> Truth:
    """Solve a model as exactly as float64 can, and keep what theorems ask for.

    Parameters
    ----------
    mdp : MDP
        Discounted.

    Returns
    -------
    Truth

    Raises
    ------
    ModelError
        If the model is not discounted.

    Notes
    -----
    Policy iteration, then policies are changed until no action is better by more than
    ``4 eps max |V*|``. Time O(S^3 + S^2 A) an iteration if P is dense.

    Examples
    --------
    >>> found = truth(MDP([[[1.0], [1.0], [1.0]]], [[1.0, 0.5, 1.0]], gamma=0.5))
    >>> found.V, found.shortfall, found.smallest_shortfall
    (array([2.]), array([[0. , 0.5, 0. ]]), 0.5)
    """
    check_served(mdp, "truth", "discounted", instead="a model with gamma < 1")
    start = policy_iteration(mdp, tol=np.inf)
    actions = np.asarray(start.Q).argmax(axis=1)
    for _ in range(POLISHED):
        V = _values(mdp, actions)
        Q = backup(mdp, V)
        best_action, best = best_actions(Q)
        chosen = Q[np.arange(len(Q)), actions]
        better = best > chosen + 4 * EPS * float(np.abs(V).max())
        if not better.any():
            break
        actions = np.where(better, best_action, actions)
    size = max(float(np.abs(V).max()), float(np.abs(mdp.R).max()))
    tol = 100 * EPS * size / (1 - mdp.gamma)
    there = mdp.allowed & ~mdp.terminal[:, None]
    shortfall = shortfalls(best, Q, there, tol)
    optimal = mdp.allowed & (shortfall == 0)
    doubtful = np.argwhere((shortfall > 0) & (shortfall < 1e4 * tol))
    warning = ""
    if len(doubtful):
        s, a = (int(i) for i in doubtful[0])
        warning = (
            f"action {mdp.name_of_action(a)} in state {mdp.name_of_state(s)} falls short by "
            f"{shortfall[s, a]:.3g}, near the round-off {tol:.3g}: it may be a tie "
            f"({len(doubtful)} such pairs)"
        )
    return Truth(
        mdp=mdp,
        V=readonly(np.where(mdp.terminal, 0.0, best)),
        Q=readonly(Q),
        shortfall=readonly(shortfall),
        optimal=readonly(optimal),
        pi=deterministic_policy(mdp, optimal.argmax(axis=1)),
        tol=tol,
        warning=warning,
    )


def _values(mdp: MDP, actions: Any) -> FloatS:
    """V of a deterministic policy, with one step of refinement."""
    chain = kernel.pick(mdp.P, actions)
    rewards = mdp.R[np.arange(mdp.n_states), actions]
    resolvent = kernel.Resolvent(chain, mdp.gamma)
    V = resolvent.solve(rewards)
    V = V + resolvent.solve(rewards + mdp.gamma * kernel.step(chain, V) - V)
    V[mdp.terminal] = 0.0
    return V


def shortfalls(best: FloatArray, Q: FloatArray, there: BoolSA, tol: Any) -> FloatArray:
    """best - Q where ``there`` is true, 0 where that is at most ``tol``; (..., S, A)."""
    short = np.where(there, best[..., None] - np.where(there, Q, 0.0), 0.0)
    return np.where(short <= tol, 0.0, short)


def mismatch(d: FloatS, e: FloatS) -> float:
    """max_s d(s) / e(s), with 0/0 = 0 and x/0 = inf: the mismatch coefficient of two laws."""
    return float(ratios(d, e).max(initial=0.0))


def ratios(d: FloatArray, e: FloatArray) -> FloatArray:
    """d / e with 0/0 = 0 and x/0 = inf."""
    d, e = np.broadcast_arrays(d, e)
    quotient = np.where(d > 0, np.inf, 0.0)
    np.divide(d, e, out=quotient, where=e > 0)
    return quotient


def visits_each(mdp: MDP, pi: FloatArray, measure: FloatS) -> FloatArray:
    """Visits of many policies (T, S, A) from one law, (T, S); 0 on terminal states.

    ``(I - gamma P_pi)'`` is column dominant with entries <= 0 off the diagonal: elimination neither
    pivots nor cancels, so that small visits are as exact, relatively, as large ones.
    """
    return solve_each(mdp, pi, np.broadcast_to(measure, pi.shape[:2]), adjoint=True)


def solve_each(mdp: MDP, pi: FloatArray, b: FloatArray, *, adjoint: bool) -> FloatArray:
    """(I - gamma P_pi)^-1 b[t] for each policy on live states, (T, S), 0 on terminal states.

    With ``adjoint`` its transpose. Where b >= 0 each entry has a small relative error.
    """
    live = ~mdp.terminal
    n, count = int(live.sum()), len(pi)
    found = np.zeros((count, mdp.n_states))
    if n == 0:
        return found
    step = max(1, AT_ONCE // max(mdp.n_states**2, 1))
    for begin in range(0, count, step):
        part = slice(begin, min(begin + step, count))
        chains = kernel.mix_each(mdp.P, pi[part])[:, live][:, :, live]
        transposed = np.eye(n) - mdp.gamma * np.swapaxes(chains, 1, 2)
        right = b[part][:, live]
        if adjoint:
            found[part, live] = np.linalg.solve(transposed, right[..., None])[..., 0]
        else:  # by the inverse of the transpose, which is free of cancellation as well
            inverse = np.linalg.inv(transposed)
            found[part, live] = np.einsum("tji,tj->ti", inverse, right)
    return found
