"""Solution: what a planner found, and how wrong it can be.

Takes     what the planners of this room found.
Gives     the noun, and the last step that they share: is the bound small enough?
Not here  the planners.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .. import kernel
from ..arrays import BoolSA, FloatArray, FloatS, FloatSA, IntArray, readonly
from ..certificates import Certificate
from ..errors import ConvergenceError
from ..markup import Html, Shown, facts, table
from ..model import MDP
from ..words import bounded


@dataclass(frozen=True, slots=True, eq=False)
class Solution(Shown):
    """The optimum of a model. On a finite horizon, time is the first axis of everything.

    For average reward the optimum is the gain: ``certificate``, ``J = mu @ gain`` and
    ``optimal_actions`` speak of it (of two actions that keep the gain, Q tells which pays more on
    the way). V is the bias of pi, Q is ``R - gain + P V``; `evaluate` certifies them.

    Attributes
    ----------
    V : (S,) or (H+1, S) array, reward units
        Optimal values, within ``certificate.bound`` in each state.
    Q : (S, A) or (H, S, A) array, reward units
        Optimal action values, within the same bound; -inf at refused pairs.
    pi : (S, A) or (H, S, A) array
        A deterministic policy that loses at most ``certificate.loss`` in any state.
    optimal_actions : (S, A) or (H, S, A) array of bool
        Every action that could be optimal: a superset of the optimal set always, and the set
        itself where all other actions are worse by more than ``4 gamma bound`` and round-off.
    J : float, reward units
        ``mu @ V``: the optimal return, within ``certificate.bound`` and the round-off of a mean.
    certificate : Certificate
    method : str
        The planner.
    reason : str
        Why it was chosen; and by what it was stopped, if it was, before it reached ``tol``.
    sweeps : int
        Backups of all states; for policy iteration, policies that were evaluated.
    history : (sweeps,) array or None, reward units
        If it was asked for: the proved bound after each sweep; for total reward the largest
        improvement that was left.
    gain : (S,) array or None, reward units
        Average reward: the largest reward per step in the long run from each state.
    """

    V: FloatS
    Q: FloatSA
    pi: FloatSA
    optimal_actions: BoolSA
    J: float
    certificate: Certificate
    method: str
    reason: str
    sweeps: int
    history: FloatArray | None = None
    gain: FloatS | None = None

    def _shown(self) -> Iterator[Html]:
        """For notebooks: J with its proof, and each state with its optimal actions."""
        yield facts(
            [
                ("J", bounded(self.J, self.certificate.bound)),
                ("certificate", self.certificate),
                ("theorem", self.certificate.theorem),
                ("method", f"{self.method}, because {self.reason}"),
                ("gain", self.gain),
            ]
        )
        V, best, timed = self.V, self.optimal_actions, self.optimal_actions.ndim == 3
        if timed:
            V, best = V[0], best[0]
        yield table(
            ["state", "optimal actions", "V"],
            ([s, np.flatnonzero(best[s]), float(V[s])] for s in range(len(V))),
            caption="at the first step" if timed else "",
            total=len(V),
            what="state",
        )


RELATIVE_TOL = 1e-9
"""``tol=None`` asks for this times max |R| times the largest expected (discounted) time."""

ASKED = "the caller asked for it"


def discounted_tol(mdp: MDP, tol: float | None) -> float:
    """The tolerance of a discounted planner in reward units.

    Parameters
    ----------
    mdp : MDP
    tol : float or None

    Returns
    -------
    float
    """
    return RELATIVE_TOL * mdp.facts.reward_max * mdp.facts.time if tol is None else tol


def one_hot(actions: IntArray, n_actions: int) -> FloatSA:
    """The deterministic policy of ``actions``, (S, A) or (H, S, A)."""
    pi = np.zeros((*actions.shape, n_actions))
    pi.put(kernel.first_rows(actions.size, n_actions) + actions.reshape(-1), 1.0)
    return readonly(pi)


def within(
    solution: Solution,
    tol: float | None,
    wanted: float,
    *,
    floor: float | None,
    cure: str,
    stopped: str = "",
) -> Solution:
    """The solution if its bound is small enough; else raise ConvergenceError with it.

    Parameters
    ----------
    solution : Solution
    tol : float or None, reward units
        What the caller asked for. None takes the round-off of float64, if that is the reason.
    wanted : float, reward units
        What that means for this model.
    floor : float or None, reward units
        The smallest provable bound, where round-off is the reason.
    cure : str
        What to do where it is not.
    stopped : str
        By what the planner was stopped, if it was: then the answer is what the caller wants,
        whatever its bound.

    Returns
    -------
    Solution
    """
    bound = solution.certificate.bound
    if stopped or (bound < np.inf and (bound <= wanted or (tol is None and floor is not None))):
        return solution
    if floor is not None:
        cure = f"float64 proves no bound below {floor:.3g} for this model; ask for a larger tol"
        if floor == np.inf:
            cure = (
                "float64 proves no bound at all for this model: gamma, or the chance to go on, is "
                "too close to 1; use a smaller gamma, or horizon="
            )
    raise ConvergenceError(
        f"{solution.method} reached a bound of {bound:.3g}, not tol = {wanted:.3g}: {cure}. "
        f"error.solution holds the answer with its bound.",
        solution=solution,
        floor=floor,
    )
