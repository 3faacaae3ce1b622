"""Modified policy iteration for discounted models, stopped by MacQueen's bracket.

Takes     a discounted MDP.
Gives     a `Solution` at the middle of the bracket.
Source    Puterman and Shin (1978); Puterman (1994), section 6.5; the bracket: MacQueen (1966), see
          certificates.
Not here  exact evaluation of each policy (`_policy_iteration`).

A backup reads the rows of all actions, a sweep of the greedy policy's chain those of one. So a few
such sweeps after each backup bring V on at a fraction of the price. Where sweeps hardly help
because the chain mixes slowly, linear solves take their place: that is Howard's policy iteration.

Actions that the bracket rules out (MacQueen 1967) are backed up all the same. At gamma = 0.99 it
rules out next to nothing until the policy has settled; then sweeps do the work, backups are few,
and the last has to be a full one: Q is part of the answer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatS
from ..bellman import best_actions, improve
from ..certificates import bracket, largest, smallest
from ..checks import check_count, check_served, check_tol, check_values
from ..model import MDP
from ._rounds import Backup, Solves, rounds
from ._solution import Solution, discounted_tol
from ._sweeps import Patience, affordable
from ._watch import Callback, Watch

FEWEST, MOST = 4, 20
"""Sweeps of a policy between backups: as many as there are actions, which cost as much as one
backup, but not fewer and not more than this."""

SETTLED, LONGER, LONGEST = 3e-4, 3, 100
"""Where no more than this part of the states change their action, the policy is swept three times
as long as the one before, up to 100 sweeps."""

GLANCE = 2
"""After so many sweeps of a policy one looks whether it has been swept enough."""

LARGE_DENSE, LARGE_SPARSE = 5_000, 1_000
"""States up to which a linear solve is cheap enough: seconds at most, also where an LU fills in."""


def modified_policy_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    inner: int | None = None,
    max_sweeps: int | None = None,
) -> Solution:
    """Optimal values by backups with cheap sweeps of the greedy policy between them.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted error of V and Q anywhere; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    V0 : (S,) array_like, reward units, optional
        Where to start. Zeros if omitted; the first backup is then R itself and costs nothing.
    history : bool
        Keep the bound of each backup.
    callback : callable, optional
        Called with a `Step` after each backup. If it raises StopIteration, or at Ctrl-C, the answer
        is what one more backup makes of the last, with its bound.
    inner : int, optional
        Sweeps ``V <- R_pi + gamma P_pi V`` of the greedy policy after each backup; A if omitted,
        which is the price of one backup, but 4 to 20. Three times as many as before each time that
        hardly an action changes, fewer where its own bracket is narrow enough for ``tol``.
    max_sweeps : int, optional
        Give up after this many backups of all the states. If omitted, after what takes seconds, but
        not before 20,000, or as soon as the pace of the last half shows that these would not do.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``, unless it was stopped. V is the best Q of each state;
        ``sweeps`` counts backups.

    Raises
    ------
    ModelError
        If the model is not discounted or an argument is wrong.
    ConvergenceError
        If ``max_sweeps`` do not reach ``tol``, or float64 cannot; ``error.solution`` is the last
        iterate with its bound.

    Notes
    -----
    Time O(S^2 (A + inner)) a backup if P is dense, O(nnz (1 + inner / A)) if sparse or if it is
    dense with at most S / 16 successors of each pair, when its zeros are left out; memory O(S A)
    besides P and one chain of it, O(S^2) or O(nnz / A). Products with large sparse P run on several
    threads, at most ``OMP_NUM_THREADS`` if that is set; their number does not change the answer.
    It converges from any start and for any number of sweeps in between (Puterman 1994, section
    6.5). Once a backup with its sweeps leaves more than 0.7 of the bracket, each further policy is
    evaluated by one linear solve, O(S^3), in models of at most 5,000 states (1,000 if P is sparse).

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = modified_policy_iteration(mdp, tol=1e-6)
    >>> solution.V.round(3), solution.certificate.bound <= 1e-6
    (array([42.442, 36.047]), True)
    """
    check_served(
        mdp,
        "modified_policy_iteration",
        "discounted",
        instead="solve, backward_induction (finite) or total_reward (total)",
    )
    usual = min(max(mdp.n_actions, FEWEST), MOST)
    inner = usual if inner is None else check_count(inner, "inner")
    patience = Patience(max_sweeps, affordable(mdp, 2), mdp.n_states)
    wanted = discounted_tol(mdp, check_tol(tol))
    V = np.zeros(mdp.n_states)
    if V0 is not None:
        V = np.where(mdp.terminal, 0.0, check_values(V0, "V0", mdp.n_states))
    update = _Update(mdp, inner, wanted, free=V0 is None)
    return rounds(
        mdp,
        V,
        update,
        Watch("modified_policy_iteration", wanted, history, callback),
        patience,
        tol=tol,
        wanted=wanted,
        instead="policy_iteration needs none",
        back_up=update.back_up,
    )


class _Update:
    """Some sweeps of the greedy policy; or a linear solve."""

    def __init__(self, mdp: MDP, inner: int, wanted: float, *, free: bool) -> None:
        self._mdp, self._inner, self._wanted = mdp, inner, wanted
        self._P = kernel.compact(mdp.P, mdp.facts.terms)
        self._chain = kernel.Follower(self._P)
        self._solves = Solves(mdp, LARGE_DENSE, LARGE_SPARSE)
        self._free = free
        self._Q = np.where(mdp.allowed, mdp.R, -np.inf) if free else np.empty(mdp.R.shape)
        self._before = np.full(mdp.n_states, -1)
        self._sweeps = inner

    def back_up(self, V: FloatS) -> Backup:
        """The backup of V, written over the one before; that of a start at 0 is R, for nothing."""
        mdp, Q = self._mdp, self._Q
        actions, TV = best_actions(Q) if self._free else improve(mdp, V, Q, self._P)
        self._free = False
        return Backup(V, Q, actions, TV, bracket(mdp, V, TV, TV))

    def __call__(self, latest: Backup) -> FloatS:
        mdp, actions = self._mdp, latest.actions
        solved = self._solves.evaluate(latest)
        if solved is None:
            settled = np.count_nonzero(actions != self._before) <= SETTLED * mdp.n_states
            most = max(LONGEST, self._inner)
            self._sweeps = min(LONGER * self._sweeps, most) if settled else self._inner
            solved = self._sweep(latest)
        self._before = actions
        return solved

    def _sweep(self, latest: Backup) -> FloatS:
        """V after some sweeps of one policy, fewer if its differences spread little more."""
        mdp, V = self._mdp, latest.TV
        rows = kernel.first_rows(*mdp.R.shape) + latest.actions
        rewards = mdp.R.take(rows)
        # A quarter of the tolerance: the rest is for what the next backup finds.
        enough = max(self._wanted * (1 - mdp.gamma) / 2, 4 * latest.found.roundoff)
        self._chain.follow(rows)
        for sweep in range(1, self._sweeps + 1):
            before, V = V, self._chain.expect(V)
            V *= mdp.gamma
            V += rewards
            if sweep % GLANCE == 0:
                rise = V - before
                if largest(rise) - smallest(rise) <= enough:
                    break
        return V
