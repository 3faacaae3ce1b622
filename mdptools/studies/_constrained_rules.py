"""The policy that TRPO's problem asks for: the largest surrogate, or J, under a bound on the KL.

Takes     a table of logits, a bound on the mean or on the largest KL.
Gives     the rule `ConstrainedSurrogate`.
Source    the problem: Schulman et al. (2015), section 4; its solution: `_dual`. J by conditional
          gradients (Frank and Wolfe 1956): policies within a KL are a convex set.
Not here  the natural direction that approximates it (`_trust_region_rules`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatS, FloatSA
from ..checks import check_count
from ..errors import ModelError
from ..estimators import with_options
from ..evaluation import Evaluation
from ..model import MDP
from ._dual import Dual
from ._line_search import stationary_step
from ._rule import evaluated
from ._steps import check_size, scale_of
from ._table_rule import TableRule
from ._tables import DEEPEST, anchored, check_table, gaps, table_logs, table_policy, told_apart
from ._trust_region_rules import check_kl

LEFT = 1e-9
"""Of the first linear gain: where less can be gained, the search for a larger J ends."""


@dataclass(frozen=True, slots=True, eq=False)
class ConstrainedSurrogate(TableRule):
    """argmax over tables p of the surrogate sum_s visits(s) <p, A>, or of J, within a KL.

    Parameters
    ----------
    radius : float > 0
        delta, in nats.
    kl : {"old||new", "new||old"}
        KL(old || new), as TRPO has it, or KL(new || old), with which it is relative-entropy policy
        search on the model.
    logits0 : (S, A) or (H, S, A) array_like, optional
        Zeros if omitted.
    constraint : {"mean", "max"}
        Whether the mean KL over ``(1 - gamma) visits`` (over visits, if not discounted) or the KL
        of every state is at most the radius.
    objective : {"surrogate", "J"}
        What is maximised. The surrogate's maximiser is exact. J is not concave: what is found for
        it is a local maximiser, see Notes.
    rounds : int
        With "J": how many linear problems are solved at most.

    Notes
    -----
    x is log pi, up to a constant in each state. With "mean" all states share one multiplier, also
    those that are never visited, and the bound is met to a relative 1e-6. With "max" the problem
    falls apart into one for each state, each with its own multiplier, visited or not. With
    "new||old" the bound may be idle: then the next policy is that of policy iteration. With
    "old||new" no action is given up, and an action whose probability has underflowed to 0 may come
    back.

    With "J": from the old policy on, J is linearised at the current one, the linear problem is
    solved like the surrogate's (its first solution is the surrogate's maximiser), and J is
    maximised on the line to it, which keeps the bound because the bound is convex. So the policy
    keeps the bound, and its J is, to round-off, at least that of the old policy and that of the
    surrogate's maximiser. It ends where the linear problem gains 1e-9 of what the first one did,
    a stationary point, or after ``rounds``; no more than that is promised.
    """

    radius: float = 0.01
    kl: str = "old||new"
    logits0: Any = None
    constraint: str = "mean"
    objective: str = "surrogate"
    rounds: int = 100

    def __post_init__(self) -> None:
        check_size(self.radius, "radius")
        check_kl(self.kl)
        check_count(self.rounds, "rounds")
        for name, choices in (("constraint", ("mean", "max")), ("objective", ("surrogate", "J"))):
            given = getattr(self, name)
            if given not in choices:
                raise ModelError(f"{name} is {given!r:.80}; it must be {' or '.join(choices)}.")

    @property
    def name(self) -> str:
        """What a report calls it."""
        what = "surrogate" if self.objective == "surrogate" else "J"
        most = "" if self.constraint == "mean" else "the largest "
        head = f"constrained {what}, radius {self.radius:g} of {most}KL({self.kl})"
        return with_options(head, self, "radius", "kl", "constraint", "objective")

    def step(self, mdp: MDP, x: Any, t: int = 0, *, found: Evaluation | None = None) -> FloatArray:
        """The next logits.

        Parameters
        ----------
        mdp : MDP
        x : (S, A) or (H, S, A) array
        t : int
        found : Evaluation, optional
            Of the policy at x.

        Returns
        -------
        array

        Raises
        ------
        ModelError
            As `evaluate`.
        """
        logits = check_table(mdp, x)
        found = evaluated(mdp, table_policy(mdp, logits), found)
        weights = scale_of(mdp) * found.visits
        if self.objective == "surrogate":
            return self._best(mdp, logits, found, weights)
        return self._climbed(mdp, logits, found, weights)

    def _best(self, mdp: MDP, logits: FloatSA, here: Evaluation, weights: FloatS) -> FloatSA:
        """What maximises J to first order around ``here``, within the radius of the logits."""
        gap = told_apart(gaps(mdp, here.Q), here.certificate.bound)
        visits = scale_of(mdp) * here.visits
        if not (gap[visits > 0] < 0).any():
            return logits  # nothing to gain where the policy goes
        if self.constraint == "max":
            return Dual(mdp, logits, gap, self.kl).within_each(self.radius)
        # The mean KL weighs states as the old policy visits them, the gain as the current one does.
        ratio = np.divide(visits, weights, out=np.ones(visits.shape), where=weights > 0)
        return Dual(mdp, logits, gap * ratio[..., None], self.kl).within_mean(self.radius, weights)

    def _climbed(self, mdp: MDP, old: FloatSA, found: Evaluation, weights: FloatS) -> FloatSA:
        """Conditional gradients: towards the best of each linear problem, as far as J rises."""
        here, first = old, 0.0
        for _ in range(self.rounds):
            there = self._best(mdp, old, found, weights)
            move = table_policy(mdp, there) - table_policy(mdp, here)
            gain = _slope(mdp, found, move)
            first = max(first, gain)
            if not gain > LEFT * first:
                break
            line = _Line(mdp, here, there, move)
            reached = stationary_step(line.along, 1.0, 1.0)
            if reached == 0:
                break
            here, found = line.met[reached]
        return here


class _Line:
    """J between two tables of logits, mixed as policies."""

    def __init__(self, mdp: MDP, here: FloatSA, there: FloatSA, move: FloatSA) -> None:
        self.mdp, self.ends, self.move = mdp, (here, there), move
        self.met: dict[float, tuple[FloatSA, Evaluation]] = {}

    def along(self, share: float) -> tuple[float, float]:
        """J and its slope, a share of the way."""
        logits = self._mixed(share)
        found = evaluated(self.mdp, table_policy(self.mdp, logits))
        self.met[share] = logits, found
        return found.J, _slope(self.mdp, found, self.move)

    def _mixed(self, share: float) -> FloatSA:
        if share in (0.0, 1.0):
            return self.ends[int(share)]
        here, there = (table_logs(self.mdp, end) for end in self.ends)
        mixed = np.logaddexp(np.log1p(-share) + here, np.log(share) + there)
        mixed = np.where(self.mdp.allowed, np.maximum(mixed, DEEPEST), 0.0)
        return anchored(self.mdp, mixed)


def _slope(mdp: MDP, found: Evaluation, move: FloatSA) -> float:
    """sum_s visits(s) <move, A>: how J changes along a move of the policy."""
    A = np.where(mdp.allowed, found.A, 0.0)
    return float((found.visits * (move * A).sum(axis=-1)).sum())
