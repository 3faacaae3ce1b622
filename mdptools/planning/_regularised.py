"""Entropy- and KL-regularised planning: soft value iteration and soft policy iteration.

Takes     a discounted MDP, or one with a horizon; a temperature tau; a prior policy, perhaps.
Gives     a `Solution` of J_tau = E[sum_t gamma^t (r_t - tau log(pi(a_t | s_t) / prior))].
Source    the soft Bellman operator: Cen et al. (2022); MacQueen's bracket holds for it as well,
          because it is monotone and a constant c in V adds gamma c.
Not here  gradients of regularised objectives; total and average reward.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolSA, FloatArray, FloatS, FloatSA, readonly
from ..bellman import backup, soft_maximum
from ..certificates import (
    MACQUEEN,
    Bracket,
    Certificate,
    bracket,
    certify,
    largest,
    mixing_roundoff,
)
from ..checks import check_count, check_served, check_tol, check_values
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._finite_horizon import Swept, sweep_back
from ._solution import RELATIVE_TOL, Solution, within
from ._sweeps import Patience, affordable, one_backup, sweep_until, widened
from ._watch import Callback, Watch

THEOREM = f"{MACQUEEN}; T the soft operator, pi its maximiser"
INSTEAD = "a model with gamma < 1 or horizon="


def soft_value_iteration(
    mdp: MDP,
    tau: float,
    *,
    prior: Any = None,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    max_sweeps: int | None = None,
) -> Solution:
    """The optimum with a bonus for entropy, or a price on leaving a prior policy.

    Parameters
    ----------
    mdp : MDP
        Discounted or finite.
    tau : float > 0, reward units
        Weight of the entropy, or of KL(pi || prior), at each decision. As tau tends to 0 the
        answers tend to those of `solve`.
    prior : (S, A) array_like, optional
        With a prior the price is KL(pi || prior): actions it never takes are never taken. Without
        one the bonus is the entropy, as with a prior of weight one for each action.
    tol : float, reward units, optional
        Largest accepted error of V; 1e-9 of its scale if omitted.
    V0 : (S,) array_like, reward units, optional
        Where to start (discounted). Zeros if omitted.
    history, callback
        As `value_iteration`; with a horizon as `backward_induction`.
    max_sweeps : int, optional
        As `value_iteration` (discounted).

    Returns
    -------
    Solution
        V and Q are regularised values, ``pi = prior exp((Q - V) / tau)`` is the policy that attains
        them, ``certificate.loss`` what it loses of the regularised return, and ``optimal_actions``
        those that it takes. With a horizon, time is the first axis.

    Raises
    ------
    ModelError
        If tau is not > 0; if the objective is not served.
    ConvergenceError
        If ``tol`` is not reached; ``error.solution`` is what was.

    Notes
    -----
    ``V <- tau log sum_a prior exp((R + gamma P V) / tau)``. Time O(S^2 A) a sweep if dense.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 0.0]], gamma=0.5)
    >>> soft_value_iteration(mdp, tau=1.0).V / np.log(2)
    array([2.])
    """
    check_served(mdp, "soft_value_iteration", "discounted", "finite", instead=INSTEAD)
    soft = _Soft(mdp, tau, prior)
    if mdp.horizon is not None:
        return _backward(soft, check_tol(tol), history, callback)
    V = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
    V[mdp.terminal] = 0.0
    wanted = soft.tolerance(check_tol(tol), mdp.facts.time)
    return sweep_until(
        soft,
        V,
        Watch("soft_value_iteration", wanted, history, callback),
        Patience(max_sweeps, affordable(mdp, price=4), mdp.n_states),
        tol=tol,
        wanted=wanted,
        instead="soft_policy_iteration needs few",
    )


def soft_policy_iteration(
    mdp: MDP,
    tau: float,
    *,
    prior: Any = None,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    max_iterations: int = 1_000,
) -> Solution:
    """The same optimum by evaluating a policy exactly and taking the softmax of its Q.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tau, prior, tol
        As `soft_value_iteration`.
    V0 : (S,) array_like, reward units, optional
        The first policy is that of the backup of V0. Zeros if omitted.
    history : bool
        Keep the bound after each evaluation.
    callback : callable, optional
        Called with a `Step` after each evaluation; see `value_iteration`.
    max_iterations : int
        Give up after evaluating so many policies.

    Returns
    -------
    Solution
        As `soft_value_iteration`; ``sweeps`` counts the policies that were evaluated.

    Raises
    ------
    ModelError, ConvergenceError
        As `soft_value_iteration`.

    Notes
    -----
    ``pi <- prior exp((Q_tau^pi - V) / tau)``: each iteration contracts by gamma at least, and
    quadratically near the end. Time O(S^3) an iteration if dense.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 0.0]], gamma=0.5)
    >>> soft_policy_iteration(mdp, tau=1.0).V / np.log(2)
    array([2.])
    """
    check_served(mdp, "soft_policy_iteration", "discounted", instead="soft_value_iteration")
    soft = _Soft(mdp, tau, prior)
    check_count(max_iterations, "max_iterations")
    V = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
    V[mdp.terminal] = 0.0
    wanted = soft.tolerance(check_tol(tol), mdp.facts.time)
    watch = Watch("soft_policy_iteration", wanted, history, callback)

    def search() -> tuple[Solution, bool]:
        nonlocal V
        Q = backup(mdp, V)
        while True:
            before, V = V, soft.value(soft.policy(Q, soft.fold(Q)))
            Q = backup(mdp, V)
            TV = soft.fold(Q)
            found = soft.bracket(V, Q, TV)
            watch.see(found.width)
            # In exact arithmetic V rises until it is optimal; its bracket may widen on the way.
            rises = watch.sweeps == 1 or largest(V - before) > found.roundoff
            stuck = found.width <= 2 * found.floor or not rises
            last = stuck or watch.sweeps >= max_iterations
            if found.width <= wanted or last:
                solution = soft.answer(Q, TV, found, watch)
                if solution.certificate.bound <= wanted or last:
                    return solution, stuck

    def finish(reached: tuple[Solution, bool] | None) -> Solution:
        if reached is None or watch.stopped:
            reached = one_backup(soft, V, watch), False
        solution, stuck = reached
        return within(
            solution,
            tol,
            wanted,
            floor=solution.certificate.bound if stuck else None,
            cure=f"max_iterations = {max_iterations} were not enough",
            stopped=watch.stopped,
        )

    return watch.answer(search, finish)


class _Soft:
    """The soft operator of a model, its round-off, and the policies that go with it."""

    def __init__(self, mdp: MDP, tau: float, prior: Any) -> None:
        if not 0 < tau < np.inf:
            raise ModelError(f"tau is {tau!r}; it must be a number > 0. For 0 use solve.")
        self.mdp, self.tau = mdp, float(tau)
        self.prior: FloatSA | None = None if prior is None else check_policy(mdp, prior)
        if self.prior is not None and self.prior.ndim != 2:
            raise ModelError("prior must be an (S, A) policy that does not depend on time.")
        taken = mdp.allowed if self.prior is None else self.prior > 0
        self.taken = taken & ~mdp.terminal[:, None]

    def fold(self, Q: FloatSA) -> FloatS:
        """tau log sum_a prior exp(Q / tau); 0 on terminal states."""
        V = soft_maximum(Q, self.tau, self.prior)
        V[..., self.mdp.terminal] = 0.0
        return V

    def policy(self, Q: FloatSA, V: FloatS) -> FloatSA:
        """prior exp((Q - V) / tau), the maximiser; rows sum to one."""
        mdp = self.mdp
        weights = mdp.allowed * 1.0 if self.prior is None else self.prior
        log_pi = np.full(Q.shape, -np.inf)
        np.subtract(Q, V[..., None], out=log_pi, where=weights > 0)
        log_pi = log_pi / self.tau + np.log(weights, out=np.zeros_like(weights), where=weights > 0)
        pi: FloatSA = np.exp(np.minimum(log_pi, 0.0))
        pi[..., mdp.terminal, :] = weights[mdp.terminal]
        pi /= pi.sum(axis=-1, keepdims=True)
        return pi

    def value(self, pi: FloatSA) -> FloatS:
        """V_tau^pi by one linear solve: rewards less tau log(pi / prior)."""
        mdp = self.mdp
        used = (pi > 0) & self.taken
        price = np.log(pi, out=np.zeros_like(pi), where=used)
        if self.prior is not None:
            price -= np.log(self.prior, out=np.zeros_like(pi), where=used)
        rewards = (pi * np.where(self.taken, mdp.R - self.tau * price, 0.0)).sum(axis=1)
        V: FloatS = kernel.Resolvent(kernel.mix(mdp.P, pi), mdp.gamma).solve(rewards)
        V[mdp.terminal] = 0.0
        return V

    def roundoff(self, Q: FloatSA) -> float:
        """Round-off of `fold` and of the policy's own mean, beside that of the backup."""
        finite = np.where(np.isfinite(Q), np.abs(Q), 0.0)
        n_actions = self.mdp.n_actions
        return EPS * (8 * float(finite.max()) + 4 * self.tau * (n_actions + 1))

    def bracket(self, V: FloatS, Q: FloatSA, TV: FloatS) -> Bracket:
        """MacQueen's numbers, with the round-off of the soft maximum."""
        return widened(bracket(self.mdp, V, TV, TV), self.roundoff(TV[:, None]))

    def tolerance(self, tol: float | None, time: float) -> float:
        """tol, or 1e-9 of the largest values that rewards and bonuses can add up to."""
        if tol is not None:
            return tol
        # A KL price only takes away, and leaves values between the prior's and the best.
        bonus = self.tau * float(np.log(self.mdp.n_actions)) if self.prior is None else 0.0
        return RELATIVE_TOL * (self.mdp.facts.reward_max + bonus) * time

    def answer(self, Q: FloatSA, TV: FloatS, found: Bracket, watch: Watch) -> Solution:
        """Shift to the middle of the bracket; back up once more so that V and Q fit together."""
        mdp = self.mdp
        bound, loss, lower, upper = certify(mdp, TV, TV, found, found.shift)
        middle = TV + found.shift
        middle[mdp.terminal] = 0.0
        pi = self.policy(Q, TV)
        fitting = backup(mdp, middle)
        V = self.fold(fitting)
        # The rows of pi sum to one up to round-off, which its loss feels as well.
        loss += 2 * mdp.facts.time * mixing_roundoff(mdp, pi, V, fitting)
        return Solution(
            V=readonly(V),
            Q=readonly(fitting),
            pi=readonly(pi),
            optimal_actions=self.played(Q),
            J=float(mdp.mu @ V),
            certificate=Certificate(
                bound=max(bound, mdp.gamma * bound + 2 * found.roundoff),
                loss=loss,
                residual=found.high - found.low,
                theorem=THEOREM,
                lower=lower,
                upper=upper,
            ),
            method=watch.method,
            reason=watch.reason,
            sweeps=watch.sweeps,
            history=watch.trace,
        )

    def played(self, Q: FloatSA) -> BoolSA:
        """The actions that the optimum takes, for each time of Q."""
        taken = self.taken | (self.mdp.terminal[:, None] & self.mdp.allowed)
        return readonly(np.broadcast_to(taken, Q.shape).copy())


def _backward(soft: _Soft, tol: float | None, history: bool, callback: Any) -> Solution:
    """Finite horizon: one soft backup for each step, exact but for round-off."""
    mdp, horizon = soft.mdp, soft.mdp.horizon or 0
    final = 0.0 if mdp.final is None else float(np.abs(mdp.final).max())
    wanted = soft.tolerance(tol, horizon) + (RELATIVE_TOL * final if tol is None else 0.0)
    watch = Watch("soft_value_iteration", wanted, history, callback)

    def finish(found: Swept) -> Solution:
        V, Q = found.V, found.Q
        pi: FloatArray = soft.policy(Q, V[:-1])
        mixing = sum(mixing_roundoff(mdp, pi[t], V[t + 1], Q[t]) for t in range(horizon))
        solution = Solution(
            V=readonly(V),
            Q=readonly(Q),
            pi=readonly(pi),
            optimal_actions=soft.played(Q),
            J=float(mdp.mu @ V[0]),
            certificate=found.certificate(loss=2 * found.bound + 2 * mixing),
            method=watch.method,
            reason=watch.reason,
            sweeps=watch.sweeps,
            history=watch.trace,
        )
        return within(solution, tol, wanted, floor=found.bound, cure="", stopped=watch.stopped)

    return sweep_back(mdp, soft.fold, soft.roundoff, watch, finish)
