"""Policy iteration for average reward, with any number of recurrent classes.

Takes     an MDP of average reward.
Gives     a `Solution`: the largest gain from each state, bounded from both sides.
Source    Howard (1960); Puterman (1994), section 9.2. The bounds: `_average_bounds`.
Not here  evaluating a policy (evaluation), sweeps (`_relative_value_iteration`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatS, IntS, readonly
from ..bellman import backup
from ..certificates import Certificate, backup_roundoff
from ..checks import check_count, check_served, check_tol
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import check_policy
from ..structure import recurrent_classes
from ._average_bounds import find_components, optimal_pairs, upper_gain
from ._solution import ASKED, RELATIVE_TOL, Solution, one_hot, within

BRACKET = (
    "g^pi <= g* <= g~ for every g~ >= P g~ that is constant and >= max (R + P h - h) on each end "
    "component; Odoni (1969), Puterman (1994), section 9.1"
)


def average_policy_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    max_iterations: int = 10_000,
    pi0: Any = None,
    history: bool = False,
) -> Solution:
    """The largest reward per step in the long run, from each state, whatever the classes.

    Parameters
    ----------
    mdp : MDP
        Of average reward.
    tol : float, reward units
        Largest accepted error of the gain in any state; ``1e-9 max|R|`` if omitted.
    max_iterations : int
        Give up after evaluating this many policies.
    pi0 : (S, A) array_like, optional
        The first policy; its most probable actions are taken. If omitted, the largest R.
    history : bool
        Keep the error of the gain of each policy that was evaluated.

    Returns
    -------
    Solution
        ``gain`` and ``V``, the bias, of the returned policy. The certificate speaks of the gain:
        ``lower`` is proved for this policy, ``upper`` for every policy.

    Raises
    ------
    ModelError
        If the model is not of average reward or an argument is wrong.
    ConvergenceError
        If ``tol`` is below what float64 can prove, or ``max_iterations`` are used up;
        ``error.solution`` holds the best policy and its bound.

    Notes
    -----
    First the actions that lead to a larger gain; where there are none, the larger R + P V among
    those that keep the gain. An action is changed only if another is better by more than
    round-off. Time O(S^3 + S^2 A) an iteration.

    Examples
    --------
    Stay, or move for nothing; staying pays 1 in one state and 2 in the other:

    >>> P = [[[1, 0], [0, 1]], [[0, 1], [1, 0]]]
    >>> solution = average_policy_iteration(MDP(P, [[1, 0], [2, 0]], average=True))
    >>> solution.gain, solution.V, solution.pi.argmax(axis=1)
    (array([2., 2.]), array([-2.,  0.]), array([1, 0]))
    """
    check_served(mdp, "average_policy_iteration", "average", instead="solve")
    wanted = tol = check_tol(tol)
    if wanted is None:
        wanted = RELATIVE_TOL * mdp.facts.reward_max
    check_count(max_iterations, "max_iterations")
    actions = _first_actions(mdp, pi0)
    seen: set[bytes] = set()
    trace: list[float] = []
    stable = False
    for iteration in range(1, max_iterations + 1):
        found = evaluate(mdp, one_hot(actions, mdp.n_actions))
        trace.append(_errors(found)[0])
        seen.add(actions.tobytes())
        improved = _improved(mdp, actions, found)
        stable = improved.tobytes() in seen  # the same policy again, or one of before: round-off
        if stable or iteration == max_iterations:
            break
        actions = improved
    solution = _finish(mdp, actions, found, iteration, trace if history else [])
    return within(
        solution,
        tol,
        wanted,
        floor=solution.certificate.bound if stable else None,
        cure=f"max_iterations = {max_iterations} were not enough",
    )


def _first_actions(mdp: MDP, pi0: Any) -> IntS:
    if pi0 is None:
        largest: IntS = np.where(mdp.allowed, mdp.R, -np.inf).argmax(axis=1)
        return largest
    policy = check_policy(mdp, pi0)
    given: IntS = policy.argmax(axis=1)
    return given


def _errors(found: Evaluation) -> tuple[float, FloatS]:
    """The bound on the gain of a policy, and its gain."""
    certificate, gain = found.gain_certificate, found.gain
    if certificate is None or gain is None:
        raise ModelError("this evaluation is not one of average reward: it has no gain.")
    return certificate.bound, gain


def _improved(mdp: MDP, actions: IntS, found: Evaluation) -> IntS:
    """Puterman's two steps; the incumbent stays unless another is better by more than round-off."""
    states = np.arange(mdp.n_states)
    error, gain = _errors(found)
    low = float(gain.min())
    ahead = np.where(mdp.allowed, kernel.expect(mdp.P, gain - low), -np.inf)
    size = float(gain.max()) - low
    slack = 2 * size * (EPS * (mdp.facts.terms + 4) + 2 * mdp.facts.row_defect)
    slack += 2 * error if size else 0.0
    own = ahead[states, actions]
    better = ahead.max(axis=1) > own + slack
    if better.any():
        return np.where(better, ahead.argmax(axis=1), actions)
    Q = np.where(ahead >= own[:, None] - slack, backup(mdp, found.V), -np.inf)
    scale = float(np.abs(found.V).max())
    better = Q.max(axis=1) > Q[states, actions] + 2 * backup_roundoff(mdp, scale)
    return np.where(better, Q.argmax(axis=1), actions)


def _finish(
    mdp: MDP, actions: IntS, found: Evaluation, iterations: int, trace: list[float]
) -> Solution:
    """Bounds from both sides, and the pairs that an optimal policy may take."""
    error, gain = _errors(found)
    parts = find_components(mdp)
    lower = gain - error
    upper = upper_gain(mdp, parts, found.V)
    slack = 2 * EPS * float(np.abs(gain).max())
    above = float((upper - gain).max()) + slack
    bound = max(above, error) + slack
    pi = one_hot(actions, mdp.n_actions)
    anchors = np.array([c[found.visits[c].argmax()] for c in recurrent_classes(mdp, pi)])
    return Solution(
        V=found.V,
        Q=found.Q,
        pi=pi,
        optimal_actions=optimal_pairs(
            mdp, parts, gain=gain, lower=lower, upper=upper, h=found.V, anchors=anchors
        ),
        J=float(mdp.mu @ gain),
        certificate=Certificate(
            bound=bound,
            loss=max(above + error, 0.0),
            residual=found.certificate.residual,
            theorem=BRACKET,
            lower=readonly(lower),
            upper=readonly(upper),
        ),
        method="average_policy_iteration",
        reason=ASKED,
        sweeps=iterations,
        history=readonly(np.array(trace)) if trace else None,
        gain=gain,
    )
