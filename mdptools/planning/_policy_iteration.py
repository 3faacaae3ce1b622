"""Policy iteration for discounted models: all states at once (Howard), or one (simplex).

Takes     a discounted MDP.
Gives     a `Solution` whose policy cannot be improved by more than round-off.
Source    Howard (1960); Puterman (1994), section 6.4; for the simplex rule see `_simplex`.
Not here  total reward (`_total_reward`), whose policies may not terminate.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

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
from ..checks import check_count, check_served, check_tol, check_values
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._each_state import in_each_state, is_uneven
from ._simplex import REFACTOR, Tableau
from ._solution import Solution, discounted_tol, within
from ._watch import Callback, Watch

WARM_UP = 10
"""Backups, at most, before the first policy is evaluated: each costs a fraction of a solve."""

RULES = ("howard", "simplex")

UNEVEN = 1e-10
"""Where the bound is more than this share of some value, each state gets bounds of its own."""


def policy_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    rule: Literal["howard", "simplex"] = "howard",
    pi0: Any = None,
    max_iterations: int = 10_000,
) -> Solution:
    """The optimal policy by evaluating and improving until nothing improves.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted error of V in any state; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    V0 : (S,) array_like, reward units, optional
        The first policy is the greedy one after a few backups of this; of 0 if omitted.
    history : bool
        Keep the bound after each evaluation.
    callback : callable, optional
        Called with a `Step` after each policy. If it raises StopIteration, or at Ctrl-C, the answer
        is the greedy policy of the last V, with its bound.
    rule : {"howard", "simplex"}
        Which states take a better action: all that have one, or the one state where some action has
        the largest advantage of all (Dantzig's rule).
    pi0 : (S, A) array_like, optional
        The first policy itself; its most probable actions are taken.
    max_iterations : int
        Give up after evaluating this many policies.

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
    do not make it cycle. Time O(S^3 + S^2 A) an iteration if P is dense. Where the bound is more
    than 1e-10 of the value of some state, ``certificate.lower`` and ``upper`` are made for each
    state, and the policy improved where only its own round-off hides that: one or two LU more, and
    memory as much as P again.

    The simplex rule makes many more, and cheaper, iterations: O(S^2 A) each, because V changes by
    one column of (I - gamma P_pi)^-1, with a new LU every 50 of them and at the end. It is the
    simplex method on the dual linear program, and the first rule proved to be strongly polynomial
    for a fixed gamma: O(S^2 A log(S / (1 - gamma)) / (1 - gamma)) iterations (Ye 2011). In practice
    Howard's is quicker.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = policy_iteration(mdp)
    >>> solution.pi, solution.V.round(3)
    (array([[0., 1.],
           [1., 0.]]), array([42.442, 36.047]))

    Where two states can do better, Howard's rule changes both at once, the simplex rule one by one:

    >>> stay = MDP([[[1, 0], [1, 0]], [[0, 1], [0, 1]]], [[0, 1], [0, 2]], 0.5)
    >>> worst = [[1, 0], [1, 0]]
    >>> [policy_iteration(stay, pi0=worst, rule=rule).sweeps for rule in ("howard", "simplex")]
    [2, 3]
    """
    check_served(
        mdp,
        "policy_iteration",
        "discounted",
        instead="solve, backward_induction (finite) or total_reward (total)",
    )
    check_count(max_iterations, "max_iterations")
    if rule not in RULES:
        raise ModelError(f"rule is {rule!r:.80}; it must be 'howard' or 'simplex'.")
    if pi0 is not None and V0 is not None:
        raise ModelError("pi0 and V0 are both given; policy_iteration starts from one of them.")
    wanted = discounted_tol(mdp, check_tol(tol))
    watch = Watch("policy_iteration", wanted, history, callback)
    V = None if V0 is None else _first_values(mdp, V0)
    policy = None if pi0 is None else _first_policy(mdp, pi0)
    states = kernel.first_rows(*mdp.R.shape)  # plus an action: the row of a pair
    seen: set[bytes] = set()
    tableau: Tableau | None = None

    def search() -> _Reached:
        nonlocal V, tableau
        pairs = _first_pairs(mdp, policy, V, states)
        while True:
            resolvent = kernel.Resolvent(kernel.take(mdp.P, pairs), mdp.gamma)
            V = resolvent.solve(mdp.R.take(pairs))
            if mdp.facts.any_terminal:
                V[mdp.terminal] = 0.0  # pivoting can leave 1e-16 there
            Q = backup(mdp, V)
            greedy = states + Q.argmax(axis=1)
            best = Q.take(greedy)
            same = greedy.tobytes() == pairs.tobytes()
            chosen = best if same else Q.take(pairs)
            found = bracket(mdp, V, best, chosen)
            watch.see(_proved(found) if watch.looks else 0.0)
            stable = same or largest(best - chosen) <= 2 * found.roundoff
            if stable or watch.sweeps >= max_iterations:
                return _Reached(pairs, Q, best, chosen, found, stable)
            seen.add(pairs.tobytes())
            if rule == "howard":
                changed = np.where(best > chosen + 2 * found.roundoff, greedy, pairs)
            else:
                tableau = Tableau(mdp, pairs, V, resolvent)
                most = max_iterations - watch.sweeps
                changed = _pivot(tableau, mdp, best - chosen, greedy, watch, most)
            if changed.tobytes() in seen:  # in exact arithmetic no policy comes back
                return _Reached(pairs, Q, best, chosen, found, True)
            pairs = changed

    def finish(reached: _Reached | None) -> Solution:
        if reached is None:
            last = tableau.V if tableau is not None else V
            reached = _backed_up(mdp, np.zeros(mdp.n_states) if last is None else last)
        solution = _finish(mdp, reached, watch)
        if reached.stable and not watch.stopped and is_uneven(mdp, solution, UNEVEN):
            solution = in_each_state(mdp, solution, watch, wanted, max_iterations)
        return within(
            solution,
            tol,
            wanted,
            floor=solution.certificate.bound if reached.stable else None,
            cure=f"max_iterations = {max_iterations} were not enough",
            stopped=watch.stopped,
        )

    return watch.answer(search, finish)


class _Reached(NamedTuple):
    """The last policy, by the rows of its pairs, and one backup of its values."""

    pairs: IntS
    Q: FloatSA
    best: FloatS  # of Q in each state
    chosen: FloatS  # Q of the policy
    bracket: Bracket
    stable: bool  # whether policy iteration came to rest


def _backed_up(mdp: MDP, V: FloatS) -> _Reached:
    """What a search that was stopped leaves: the greedy policy of its last V."""
    Q = backup(mdp, V)
    pairs = kernel.first_rows(*mdp.R.shape) + Q.argmax(axis=1)
    best = Q.take(pairs)
    return _Reached(pairs, Q, best, best, bracket(mdp, V, best, best), stable=False)


def _first_values(mdp: MDP, V0: Any) -> FloatS:
    V = check_values(V0, "V0", mdp.n_states)
    V[mdp.terminal] = 0.0
    return V


def _first_policy(mdp: MDP, pi0: Any) -> FloatSA:
    policy = check_policy(mdp, pi0)
    if policy.ndim != 2:
        raise ModelError("pi0 depends on time; policy_iteration starts from an (S, A) policy.")
    return policy


def _first_pairs(mdp: MDP, policy: FloatSA | None, V: FloatS | None, states: IntS) -> IntS:
    """The rows of the first policy's pairs; without V from 0, whose backup is R."""
    if policy is not None:
        given: IntS = states + policy.argmax(axis=1)
        return given
    if V is not None:
        Q = backup(mdp, V)
    else:
        Q = mdp.R if mdp.facts.all_allowed else np.where(mdp.allowed, mdp.R, -np.inf)
    pairs: IntS = states + Q.argmax(axis=1)
    for _ in range(WARM_UP):
        Q = backup(mdp, Q.take(pairs))
        before, pairs = pairs, states + Q.argmax(axis=1)
        if pairs.tobytes() == before.tobytes():  # often the optimal policy already
            break
    return pairs


def _pivot(tableau: Tableau, mdp: MDP, gain: FloatS, greedy: IntS, watch: Watch, most: int) -> IntS:
    """Take the pair of the largest advantage, again and again, at most ``most`` times.

    ``gain`` is the largest advantage in each state, ``greedy`` the row of its pair. The watch sees
    each policy but the last one, which is evaluated afresh.
    """
    states = kernel.first_rows(*mdp.R.shape)
    most = min(most, REFACTOR)
    for change in range(1, most + 1):
        s = int(gain.argmax())  # Dantzig's rule
        follows = tableau.change(s, int(greedy[s]), float(gain[s]))
        if change == most or not follows:
            break
        Q = backup(mdp, tableau.V)
        greedy = states + Q.argmax(axis=1)
        best, chosen = Q.take(greedy), Q.take(tableau.pairs)
        found = bracket(mdp, tableau.V, best, chosen)
        gain = best - chosen
        if not float(gain.max()) > 2 * found.roundoff:  # nan must end here as well
            break
        watch.see(_proved(found) if watch.looks else 0.0)
    return tableau.pairs


def _proved(found: Bracket) -> float:
    """The bound of V = TV, which is not shifted to the middle of its bracket; see `_finish`."""
    apart = found.factor * max(found.high, -found.low)
    return max(apart, (1 + found.factor) * (found.high - found.low) / 2) + found.roundoff


def _finish(mdp: MDP, reached: _Reached, watch: Watch) -> Solution:
    pairs, Q, best, chosen, found, _ = reached
    bound, loss, lower, upper = certify(mdp, best, chosen, found)
    residual = found.high - found.low
    # Q* - Q and V* - TV lie both between g low and g high: an optimal action has a Q that is less
    # than TV by g (high - low) at most. That must not be more than 2 gamma times the bound.
    bound = max(bound, (1 + found.factor) * residual / 2 + found.roundoff)
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
            residual=residual,
            theorem=MACQUEEN,
            lower=lower,
            upper=upper,
        ),
        method=watch.method,
        reason=watch.reason,
        sweeps=watch.sweeps,
        history=watch.trace,
    )
