"""Total reward until termination (stochastic shortest path): policy iteration, bounded both ways.

Takes     an MDP with gamma = 1 and no horizon.
Gives     a `Solution`, or a ModelError that names the states where no finite optimum exists.
Source    Bertsekas and Tsitsiklis (1991) for policy iteration from a proper policy; end
          components: de Alfaro (1997). The upper bound is derived in `_upper_bound`.
Not here  average reward; models in which some states are infinite and others are wanted.

A policy counts if it ends almost surely: in a terminal state, or resting, that is staying for ever
among states where this costs and earns nothing. V* is the best of these policies.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolSA, FloatS, FloatSA, IntArray, IntS, readonly
from ..bellman import backup
from ..certificates import Certificate, backup_roundoff, optimal_actions
from ..checks import check_count, check_served, check_tol
from ..errors import ConvergenceError, ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..structure import (
    almost_surely_reach,
    attractor_policy,
    can_reach,
    end_components,
    recurrent_classes,
)
from ._solution import ASKED, RELATIVE_TOL, Solution, one_hot, within

BRACKET = (
    "V^pi <= V* <= W for every W >= R + P W that is constant and >= 0 where resting is free "
    "(induction over the steps of any policy that ends)"
)


EXACT_BRANCHES = 50_000
"""Nonzeros of P up to which a bound is checked in fractions, where float64 cannot decide."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Where episodes can end: in terminal states, or resting for free."""

    live: BoolSA  # pairs that are allowed in states that are not terminal
    components: tuple[IntArray, ...]  # states among which resting is free
    inside: BoolSA  # the pairs that rest there
    start: IntS  # actions of a policy that ends almost surely


def total_reward(
    mdp: MDP, *, tol: float | None = None, max_iterations: int = 10_000, history: bool = False
) -> Solution:
    """The best expected total reward until termination, bounded from both sides.

    Parameters
    ----------
    mdp : MDP
        gamma = 1 and no horizon.
    tol : float, reward units, optional
        Largest accepted error of V in any state; ``1e-9 max|R|`` times the longest expected time
        to the end under the returned policy if omitted.
    max_iterations : int
        Give up after evaluating this many policies.
    history : bool
        Keep, for each policy, the largest improvement that was possible.

    Returns
    -------
    Solution
        ``certificate.lower`` is proved for the returned policy, ``certificate.upper`` for every
        policy that ends.

    Raises
    ------
    ModelError
        If some states have no policy that ends almost surely, or if a cycle earns more than
        nothing so that the optimum is infinite; the states and the cycle are named.
    ConvergenceError
        If ``tol`` is below what float64 can prove; if it cannot prove any bound (a cycle whose
        rewards cancel, unless the bound holds exactly in fractions) the bound is inf.

    Notes
    -----
    Policy iteration from a policy that ends almost surely and rests where resting is free. Time
    O(S^3 + S^2 A) an iteration if P is dense.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.1, 0.9]], [[0, 1], [0, 1]]], [[-1, -3], [0, 0]], gamma=1)
    >>> solution = total_reward(mdp)
    >>> solution.V.round(6), solution.pi[0], solution.certificate.bound < 1e-12
    (array([-2.,  0.]), array([1., 0.]), True)
    """
    check_served(mdp, "total_reward", "total", instead="solve, or policy_iteration (discounted)")
    wanted = tol = check_tol(tol)
    check_count(max_iterations, "max_iterations")
    ends = find_ends(mdp)
    _, actions, trace, stable = _improve(mdp, mdp.R, ends, ends.start, max_iterations)
    pi = one_hot(actions, mdp.n_actions)
    found = evaluate(mdp, pi)
    V, Q = found.V, found.Q
    below = found.certificate.bound
    upper, cycle = _upper_bound(mdp, ends, V, actions, max_iterations)
    scale = float(np.abs(V).max())
    slack = 4 * EPS * scale
    above = float((upper - V).max())
    bound = max(above, below) + slack
    if wanted is None:
        longest = max(1.0, float(found.Z) if np.isfinite(found.Z) else 1.0, _time(mdp, ends, pi))
        wanted = RELATIVE_TOL * mdp.facts.reward_max * longest
    best = Q.max(axis=1)
    error = bound + 2 * backup_roundoff(mdp, scale)
    solution = Solution(
        V=V,
        Q=Q,
        pi=pi,
        optimal_actions=(
            optimal_actions(Q, best, error) if np.isfinite(bound) else readonly(mdp.allowed.copy())
        ),
        J=float(mdp.mu @ V),
        certificate=Certificate(
            bound=bound,
            loss=max(above, 0.0) + below + slack,
            residual=float((best - V).max()),
            theorem=BRACKET,
            lower=readonly(np.where(mdp.terminal, 0.0, V - below - slack)),
            upper=readonly(np.where(mdp.terminal, 0.0, upper + slack)),
        ),
        method="total_reward",
        reason=ASKED,
        sweeps=len(trace),
        history=readonly(np.array(trace)) if history else None,
    )
    if cycle:
        raise ConvergenceError(
            f"float64 cannot tell whether the optimal total reward is finite: the rewards of the "
            f"cycle {cycle} cancel to within round-off. error.solution holds the best policy that "
            f"was found, its certificate.lower holds. {CURE}",
            solution=solution,
            floor=np.inf,
        )
    return within(
        solution,
        tol,
        wanted,
        floor=bound if stable else None,
        cure=f"max_iterations = {max_iterations} were not enough",
    )


def find_ends(mdp: MDP) -> Ends:
    """Terminal states, free resting places, and a policy that gets to them almost surely."""
    live = mdp.allowed & ~mdp.terminal[:, None]
    components = end_components(mdp, pairs=live & (mdp.R == 0))
    inside = np.zeros_like(live)
    resting = np.zeros(mdp.n_states, dtype=bool)
    for component in components:
        inside[component.pairs[:, 0], component.pairs[:, 1]] = True
        resting[component.states] = True
    goal = mdp.terminal | resting
    sure, _ = almost_surely_reach(mdp, goal, pairs=live)
    if not sure.all():
        raise ModelError(
            f"no policy ends almost surely from {_names(mdp, np.flatnonzero(~sure))}: whatever is "
            f"done there, the episode can go on for ever with rewards, and the total reward is "
            f"infinite or undefined. {CURE}"
        )
    start = attractor_policy(mdp, goal, pairs=live)
    start = np.where(goal, mdp.allowed.argmax(axis=1), start)
    start = np.where(resting, inside.argmax(axis=1), start)
    return Ends(live, tuple(c.states for c in components), inside, start)


CURE = "Use gamma < 1, horizon= or average=True, or add an action that terminates."


def _names(mdp: MDP, states: IntArray) -> str:
    some = ", ".join(mdp.name_of_state(int(s)) for s in states[:10])
    more = f" and {len(states) - 10} more" if len(states) > 10 else ""
    return f"state{'s' if len(states) > 1 else ''} {some}{more}"


def _improve(
    mdp: MDP, R: FloatSA, ends: Ends, actions: IntS, max_iterations: int
) -> tuple[FloatS, IntS, list[float], bool]:
    """Policy iteration with rewards R from a policy that ends, and whether it has come to rest."""
    states = np.arange(mdp.n_states)
    seen: set[bytes] = set()
    trace: list[float] = []
    for iteration in range(1, max_iterations + 1):
        V = _values(mdp, R, ends, actions)
        Q = kernel.expect(mdp.P, V) + R
        Q[~mdp.allowed] = -np.inf
        greedy = Q.argmax(axis=1)
        gain = Q[states, greedy] - Q[states, actions]
        trace.append(float(gain.max()))
        better = gain > 2 * backup_roundoff(mdp, float(np.abs(V).max()))
        improved = np.where(better, greedy, actions)
        seen.add(actions.tobytes())
        stable = not better.any() or improved.tobytes() in seen
        if stable or iteration == max_iterations:
            break
        actions = improved
    return V, actions, trace, stable


def _values(mdp: MDP, R: FloatSA, ends: Ends, actions: IntS) -> FloatS:
    """V of a deterministic policy that ends; ModelError if it has become one that does not."""
    states = np.arange(mdp.n_states)
    pi = one_hot(actions, mdp.n_actions)
    kept = np.ones(mdp.n_states, dtype=bool)
    for members in recurrent_classes(mdp, pi):
        kept[members] = False
        resting = mdp.terminal[members] | ends.inside[members, actions[members]]
        if not resting.all():
            _refuse_cycle(mdp, R, actions, members)
    V = np.zeros(mdp.n_states)
    if kept.any():
        chain = kernel.restrict(kernel.pick(mdp.P, actions), kept)
        try:
            V[kept] = kernel.Resolvent(chain, 1.0).solve(R[states, actions][kept])
        except ArithmeticError:
            V[kept] = np.nan
    if not np.isfinite(V).all():
        raise ConvergenceError(
            f"float64 cannot tell whether the episode ever ends from "
            f"{_names(mdp, np.flatnonzero(~np.isfinite(V) | kept))}: the chance to end is below "
            f"1e-16 a step. {CURE}",
            floor=np.inf,
        )
    return V


class _EndlessCycleError(Exception):
    """With slightly larger rewards a cycle is worth repeating: no upper bound can be proved."""


def _refuse_cycle(mdp: MDP, R: FloatSA, actions: IntS, members: IntArray) -> None:
    """Policy iteration moves into a cycle only if the cycle earns: the optimum is infinite."""
    cycle = ", ".join(
        f"{mdp.name_of_state(int(s))} by action {mdp.name_of_action(int(actions[s]))}"
        for s in members[:10]
    )
    if R is not mdp.R:
        raise _EndlessCycleError(cycle)
    mask = np.zeros(mdp.n_states, dtype=bool)
    mask[members] = True
    affected = np.flatnonzero(can_reach(mdp, mask))
    gain, error = _gain(mdp, actions, members)
    if not gain > error:
        raise ConvergenceError(
            f"float64 cannot tell whether the optimal total reward is finite: the rewards of the "
            f"cycle {cycle} cancel to within round-off. {CURE}",
            floor=np.inf,
        )
    raise ModelError(
        f"the optimal total reward is infinite in {_names(mdp, affected)}: the cycle {cycle} "
        f"earns {gain:.3g} a step and can be repeated for ever. {CURE}"
    )


def _gain(mdp: MDP, actions: IntS, members: IntArray) -> tuple[float, float]:
    """Average reward of the recurrent class ``members``, and its error.

    min(R + P h - h) <= gain <= max(R + P h - h) for any h (Odoni 1969); the h that solves
    R = sum(h) + (I - P) h makes the two ends meet.
    """
    mask = np.zeros(mdp.n_states, dtype=bool)
    mask[members] = True
    chain = kernel.to_dense(kernel.restrict(kernel.pick(mdp.P, actions), mask))
    rewards = mdp.R[members, actions[members]]
    h = np.linalg.solve(np.eye(len(members)) - chain + 1.0, rewards)
    bounds = rewards + chain @ h - h
    low, high = float(bounds.min()), float(bounds.max())
    roundoff = backup_roundoff(mdp, float(np.abs(h).max())) + EPS * float(np.abs(h).max())
    return (low + high) / 2, (high - low) / 2 + roundoff


def _upper_bound(
    mdp: MDP, ends: Ends, V: FloatS, actions: IntS, max_iterations: int
) -> tuple[FloatS, str]:
    """W >= V* in each state, verified; inf where float64 proves nothing, and the cycle if any.

    If W >= R + P W at every pair that does not rest, and W is constant and >= 0 on each resting
    place and 0 on terminal states, then W >= E[rewards of n steps] + E[W(s_n)] under any policy,
    and for a policy that ends the last term tends to something >= 0. W is found as the optimum for
    rewards that are larger by some multiples of the round-off, and then checked.
    """
    unbounded = np.full(mdp.n_states, np.inf)
    pays = ends.live & ~ends.inside
    roundoff = backup_roundoff(mdp, float(np.abs(V).max())) + 2 * EPS * float(np.abs(V).max())
    for factor in (8.0, 64.0, 512.0):
        more = factor * roundoff
        try:
            inflated = np.where(pays, mdp.R + more, mdp.R)
            W, _, _, _ = _improve(mdp, inflated, ends, actions, max_iterations)
        except _EndlessCycleError as endless:
            # Rewards that cancel round a cycle leave no room for round-off; often there is none.
            if _is_exact_bound(mdp, ends, V):
                return V, ""
            return unbounded, str(endless)
        except ConvergenceError:
            return unbounded, ""
        for members in ends.components:
            W[members] = max(float(W[members].max()), 0.0)
        slack = backup_roundoff(mdp, float(np.abs(W).max())) + EPS * float(np.abs(W).max())
        covered = (W[:, None] - backup(mdp, W) >= slack) | ~pays
        if covered.all() and not W[mdp.terminal].any():
            return W, ""
    return unbounded, ""


def _is_exact_bound(mdp: MDP, ends: Ends, W: FloatS) -> bool:
    """Whether W >= R + P W holds exactly, in fractions, as `_upper_bound` needs it."""
    row, successor, prob = kernel.branches(mdp.P)
    if len(row) > EXACT_BRANCHES or (W[mdp.terminal] != 0).any():
        return False
    if not all(np.ptp(W[members]) == 0 and W[members[0]] >= 0 for members in ends.components):
        return False
    pays = (ends.live & ~ends.inside).reshape(-1)
    values = [Fraction(w) for w in W.tolist()]
    worth = [Fraction(r) for r in mdp.R.reshape(-1).tolist()]
    total = [Fraction(0)] * mdp.R.size
    for i, t, p in zip(row.tolist(), successor.tolist(), prob.tolist(), strict=True):
        worth[i] += Fraction(p) * values[t]
        total[i] += Fraction(p)
    return all(
        values[i // mdp.n_actions] >= worth[i] and total[i] == 1
        for i in np.flatnonzero(pays).tolist()
    )


def _time(mdp: MDP, ends: Ends, pi: FloatSA) -> float:
    """The longest expected number of steps before the end or the rest under pi."""
    actions = pi.argmax(axis=1)
    rewards = np.where(ends.live & ~ends.inside, 1.0, 0.0)
    return float(_values(mdp, rewards, ends, actions).max())
