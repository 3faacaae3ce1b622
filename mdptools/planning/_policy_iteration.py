"""Howard's policy iteration for discounted models.

Takes     a discounted MDP.
Gives     a `Solution` whose policy cannot be improved by more than round-off.
Source    Howard (1960); Puterman (1994), section 6.4.
Not here  total reward (`_total_reward`), whose policies may not terminate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatS, FloatSA, IntS, readonly
from ..bellman import backup
from ..certificates import (
    MACQUEEN,
    Bracket,
    Certificate,
    bracket,
    certify,
    largest,
    optimal_actions,
)
from ..checks import check_count, check_served, check_tol
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._solution import ASKED, Solution, discounted_tol, within

WARM_UP = 10
"""Backups, at most, before the first policy is evaluated: each costs a fraction of a solve."""


def policy_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    max_iterations: int = 10_000,
    pi0: Any = None,
    history: bool = False,
) -> Solution:
    """The optimal policy by evaluating and improving until nothing improves.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted error of V in any state; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    max_iterations : int
        Give up after evaluating this many policies.
    pi0 : (S, A) array_like, optional
        The first policy; its most probable actions are taken. If omitted, the greedy policy after
        a few backups of 0.
    history : bool
        Keep the bound after each evaluation.

    Returns
    -------
    Solution
        ``sweeps`` counts the policies that were evaluated.

    Raises
    ------
    ModelError
        If the model is not discounted or an argument is wrong.
    ConvergenceError
        If ``tol`` is below what float64 can prove, or ``max_iterations`` are used up;
        ``error.solution`` holds the best policy and its bound.

    Notes
    -----
    An action is changed only if another is better by more than the round-off of a backup, so ties
    do not make it cycle. Time O(S^3 + S^2 A) an iteration if P is dense.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = policy_iteration(mdp)
    >>> solution.pi, solution.V.round(3)
    (array([[0., 1.],
           [1., 0.]]), array([42.442, 36.047]))
    """
    check_served(
        mdp,
        "policy_iteration",
        "discounted",
        instead="solve, backward_induction (finite) or total_reward (total)",
    )
    check_count(max_iterations, "max_iterations")
    wanted = discounted_tol(mdp, check_tol(tol))
    states = kernel.first_rows(*mdp.R.shape)  # plus an action: the row of a pair
    pairs = _first_pairs(mdp, pi0, states)
    seen: set[bytes] = set()
    trace: list[float] = []
    for iteration in range(1, max_iterations + 1):
        V = kernel.Resolvent(kernel.take(mdp.P, pairs), mdp.gamma).solve(mdp.R.take(pairs))
        if mdp.facts.any_terminal:
            V[mdp.terminal] = 0.0  # pivoting can leave 1e-16 there
        Q = backup(mdp, V)
        greedy = states + Q.argmax(axis=1)
        best = Q.take(greedy)
        same = greedy.tobytes() == pairs.tobytes()
        chosen = best if same else Q.take(pairs)
        found = bracket(mdp, V, best, chosen)
        if history:
            trace.append(found.width)
        stable = same or largest(best - chosen) <= 2 * found.roundoff
        if stable or iteration == max_iterations:
            break
        seen.add(pairs.tobytes())
        improved = np.where(best > chosen + 2 * found.roundoff, greedy, pairs)
        if improved.tobytes() in seen:  # in exact arithmetic no policy comes back
            stable = True
            break
        pairs = improved
    solution = _finish(mdp, pairs, Q, best, chosen, found, iteration, trace)
    return within(
        solution,
        tol,
        wanted,
        floor=solution.certificate.bound if stable else None,
        cure=f"max_iterations = {max_iterations} were not enough",
    )


def _first_pairs(mdp: MDP, pi0: Any, states: IntS) -> IntS:
    """The rows of the first policy's pairs."""
    if pi0 is not None:
        policy = check_policy(mdp, pi0)
        if policy.ndim != 2:
            raise ModelError("pi0 depends on time; policy_iteration starts from an (S, A) policy.")
        given: IntS = states + policy.argmax(axis=1)
        return given
    Q = mdp.R if mdp.facts.all_allowed else np.where(mdp.allowed, mdp.R, -np.inf)
    pairs: IntS = states + Q.argmax(axis=1)
    for _ in range(WARM_UP):
        Q = backup(mdp, Q.take(pairs))
        before, pairs = pairs, states + Q.argmax(axis=1)
        if pairs.tobytes() == before.tobytes():  # often the optimal policy already
            break
    return pairs


def _finish(
    mdp: MDP,
    pairs: IntS,
    Q: FloatSA,
    best: FloatS,
    chosen: FloatS,
    found: Bracket,
    iterations: int,
    trace: list[float],
) -> Solution:
    bound, loss, lower, upper = certify(mdp, best, chosen, found)
    pi = np.zeros(mdp.R.shape)
    pi.put(pairs, 1.0)
    return Solution(
        V=readonly(best),
        Q=readonly(Q),
        pi=readonly(pi),
        optimal_actions=optimal_actions(Q, best, mdp.gamma * bound + 2 * found.roundoff),
        J=float(mdp.mu.dot(best)),
        certificate=Certificate(
            bound=bound,
            loss=loss,
            residual=found.high - found.low,
            theorem=MACQUEEN,
            lower=lower,
            upper=upper,
        ),
        method="policy_iteration",
        reason=ASKED,
        sweeps=iterations,
        history=readonly(np.array(trace)) if trace else None,
    )
