"""Policy iteration for average reward, with any number of recurrent classes.

Takes     an MDP of average reward.
Gives     a `Solution`: the largest gain from each state, bounded from both sides.
Source    Howard (1960); Puterman (1994), section 9.2. The bounds: `_average_bounds`.
Not here  evaluating a policy (evaluation), sweeps (`_relative_value_iteration`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatS, IntS, readonly
from ..bellman import backup
from ..certificates import Certificate, backup_roundoff
from ..checks import check_count, check_served, check_tol, check_values
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import check_policy
from ..structure import recurrent_classes
from ._average_bounds import Components, find_components, optimal_pairs, upper_gain
from ._solution import RELATIVE_TOL, Solution, one_hot, within
from ._watch import Callback, Watch

BRACKET = (
    "g^pi <= g* <= g~ for every g~ >= P g~ that is constant and >= max (R + P h - h) on each end "
    "component; Odoni (1969), Puterman (1994), section 9.1"
)


def average_policy_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    max_iterations: int = 10_000,
    pi0: Any = None,
) -> Solution:
    """The largest reward per step in the long run, from each state, whatever the classes.

    Parameters
    ----------
    mdp : MDP
        Of average reward.
    tol : float, reward units
        Largest accepted error of the gain in any state; ``1e-9 max|R|`` if omitted.
    V0 : (S,) array_like, reward units, optional
        A guess of the bias: the first policy takes the largest R + P V0. Zeros if omitted.
    history : bool
        Keep the bound after each policy that was evaluated.
    callback : callable, optional
        Called with a `Step` after each policy. If it raises StopIteration, or at Ctrl-C, the
        answer is the last policy that was evaluated, with its bound.
    max_iterations : int
        Give up after evaluating this many policies.
    pi0 : (S, A) array_like, optional
        The first policy, in the place of V0; its most probable actions are taken.

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
    watch = Watch("average_policy_iteration", wanted, history, callback)
    actions = _first_actions(mdp, V0, pi0)
    parts = find_components(mdp)
    seen: set[bytes] = set()
    last: tuple[IntS, Evaluation] | None = None  # a policy and its own values, never one without

    def search() -> bool:
        nonlocal actions, last
        while True:
            found = evaluate(mdp, one_hot(actions, mdp.n_actions))
            last = actions, found
            watch.see(_bounds(mdp, parts, found).bound if watch.looks else 0.0)
            seen.add(actions.tobytes())
            improved = _improved(mdp, actions, found)
            stable = improved.tobytes() in seen  # the same again, or one of before: round-off
            if stable or watch.sweeps >= max_iterations:
                return stable
            actions = improved

    def finish(stable: bool | None) -> Solution:
        # Stopped before there was anything, the first policy is evaluated.
        found = last or (actions, evaluate(mdp, one_hot(actions, mdp.n_actions)))
        solution = _finish(mdp, parts, *found, watch)
        return within(
            solution,
            tol,
            wanted,
            floor=solution.certificate.bound if stable else None,
            cure=f"max_iterations = {max_iterations} were not enough",
            stopped=watch.stopped,
        )

    return watch.answer(search, finish)


def _first_actions(mdp: MDP, V0: Any, pi0: Any) -> IntS:
    if pi0 is None:
        h = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
        best: IntS = backup(mdp, h).argmax(axis=1)
        return best
    if V0 is not None:
        raise ModelError("V0 and pi0 are both given; the first policy follows from one of them.")
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


class _Bounds(NamedTuple):
    """What is proved of the gain."""

    error: float  # of the policy's own gain
    upper: FloatS  # of the largest gain, (S,)
    above: float  # how far that is above the policy's gain at most
    bound: float


def _bounds(mdp: MDP, parts: Components, found: Evaluation) -> _Bounds:
    """From both sides, by one backup of the policy's bias."""
    error, gain = _errors(found)
    upper = upper_gain(mdp, parts, found.V)
    slack = 2 * EPS * float(np.abs(gain).max())
    above = float((upper - gain).max()) + slack
    return _Bounds(error, upper, above, max(above, error) + slack)


def _finish(
    mdp: MDP, parts: Components, actions: IntS, found: Evaluation, watch: Watch
) -> Solution:
    """The policy with its bounds, and the pairs that an optimal policy may take."""
    error, upper, above, bound = _bounds(mdp, parts, found)
    gain = _errors(found)[1]
    lower = gain - error
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
        reason=watch.reason,
        sweeps=watch.sweeps,
        history=watch.trace,
        gain=gain,
    )
