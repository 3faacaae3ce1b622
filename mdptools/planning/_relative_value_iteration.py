"""Relative value iteration for average reward, made aperiodic, stopped by Odoni's bounds.

Takes     an MDP of average reward whose best gain is the same from each state.
Gives     a `Solution` in the middle of the bounds.
Source    Odoni (1969); White (1963); the lazy step: Puterman (1994), section 8.5.4.
Not here  models in which the gain depends on the start (`_average_policy_iteration`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatS, FloatSA, IntS, readonly
from ..bellman import backup
from ..certificates import Certificate, backup_roundoff, largest, magnitude, smallest
from ..checks import check_served, check_tol, check_values
from ..model import MDP
from ..structure import recurrent_classes
from ._average_bounds import Components, find_components, optimal_pairs, refuse_several
from ._solution import RELATIVE_TOL, Solution, one_hot, within
from ._sweeps import Patience, affordable
from ._watch import Callback, Watch

ODONI = "min (Th - h) <= g^pi <= g* <= max (Th - h), Th = max_a (R + P h); Odoni (1969)"

LAZY = 0.75
"""The share of a step that is taken. 1 never settles on a cycle; 1/2 is slowest where P mixes."""

DENSE = 1_000
"""States up to which it is asked which other actions can be optimal: that takes linear solves."""


def relative_value_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    max_sweeps: int | None = None,
) -> Solution:
    """The largest reward per step in the long run, by backups, with proved bounds.

    Parameters
    ----------
    mdp : MDP
        Of average reward, with one maximal end component. Every unichain and every communicating
        model has one.
    tol : float, reward units
        Largest accepted error of the gain; ``1e-9 max|R|`` if omitted.
    V0 : (S,) array_like, reward units, optional
        Where to start. Zeros if omitted.
    history : bool
        Keep the bound of each sweep.
    callback : callable, optional
        Called with a `Step` after each sweep. If it raises StopIteration, or at Ctrl-C, the answer
        is what was found so far, with its bound.
    max_sweeps : int, optional
        Give up after this many backups of all the states. If omitted, after as many as take
        about a second, but not before 20,000, unless the pace of the last half of them shows that
        these would not do.

    Returns
    -------
    Solution
        ``gain`` is the same in each state. ``V`` are relative values, 0 in the first state of the
        policy's first recurrent class: the bias but for a constant and what the sweeps left. The
        certificate speaks of the gain.

    Raises
    ------
    ModelError
        If the gain may depend on where one starts (the sets of states are named), if the model is
        not of average reward or an argument is wrong.
    ConvergenceError
        If ``max_sweeps`` do not reach ``tol``, or float64 cannot; ``error.solution`` is the last
        iterate with its bound.

    Notes
    -----
    h <- h + 3/4 (Th - h): the chains of I / 4 + 3/4 P have the same gains and no period. Time
    O(S^2 A) a sweep if P is dense, O(nnz) if sparse. Above 1,000 states ``optimal_actions`` is
    every allowed action (to tell them apart takes linear solves).

    Examples
    --------
    >>> mdp = MDP([[[0, 1]], [[1, 0]]], [[1], [0]], average=True)
    >>> solution = relative_value_iteration(mdp, tol=1e-6)
    >>> solution.gain.round(6), solution.certificate.bound <= 1e-6
    (array([0.5, 0.5]), True)
    """
    check_served(mdp, "relative_value_iteration", "average", instead="solve")
    wanted = tol = check_tol(tol)
    if wanted is None:
        wanted = RELATIVE_TOL * mdp.facts.reward_max
    # A lazy step takes a while longer along a path.
    patience = Patience(max_sweeps, affordable(mdp), 2 * mdp.n_states)
    watch = Watch("relative_value_iteration", wanted, history, callback)
    h = np.zeros(mdp.n_states) if V0 is None else check_values(V0, "V0", mdp.n_states)
    parts = find_components(mdp)
    refuse_several(mdp, parts, "relative_value_iteration")

    def search() -> _Odoni:
        nonlocal h
        while True:
            h -= h[0]  # only differences count, and small numbers round less
            found = _look(mdp, h)
            watch.see(found.width)
            target = max(wanted / (1 + 8 * EPS), 2 * found.roundoff)
            if found.width <= target or patience.ends(watch.sweeps, found.width, target):
                return found
            h = h + LAZY * found.rise

    def finish(reached: _Odoni | None) -> Solution:
        found = reached or _look(mdp, h)
        solution = _finish(mdp, parts, h, found, watch)
        return within(
            solution,
            tol,
            wanted,
            floor=solution.certificate.bound if found.width <= 2 * found.roundoff else None,
            cure=patience.cure("average_policy_iteration needs none"),
            stopped=watch.stopped,
        )

    return watch.answer(search, finish)


def _finish(mdp: MDP, parts: Components, h: FloatS, found: _Odoni, watch: Watch) -> Solution:
    """The middle of the bounds, and the pairs that an optimal policy may take."""
    low, high, roundoff = found.low, found.high, found.roundoff
    pi = one_hot(found.actions, mdp.n_actions)
    classes = recurrent_classes(mdp, pi)
    gain = np.full(mdp.n_states, (low + high) / 2)
    h = h - h[classes[0][0]]
    bound = found.width + 2 * EPS * max(abs(low), abs(high))
    lower, upper = (np.full(mdp.n_states, x) for x in (low - roundoff, high + roundoff))
    return Solution(
        V=readonly(h),
        Q=readonly(backup(mdp, h) - gain[:, None]),
        pi=pi,
        optimal_actions=(
            optimal_pairs(
                mdp,
                parts,
                gain=gain,
                lower=lower,
                upper=upper,
                h=h,
                anchors=np.array([members[0] for members in classes]),
            )
            if mdp.n_states <= DENSE
            else readonly(mdp.allowed.copy())
        ),
        J=float(mdp.mu @ gain),
        certificate=Certificate(
            bound=bound,
            loss=2 * found.width,
            residual=high - low,
            theorem=ODONI,
            lower=readonly(lower),
            upper=readonly(upper),
        ),
        method="relative_value_iteration",
        reason=watch.reason,
        sweeps=watch.sweeps,
        history=watch.trace,
        gain=readonly(gain),
    )


class _Odoni(NamedTuple):
    """What one backup of h shows."""

    rise: FloatS  # Th - h
    actions: IntS  # the best ones
    low: float
    high: float
    roundoff: float

    @property
    def width(self) -> float:
        """Half of the interval's length: the bound for its midpoint."""
        return (self.high - self.low) / 2 + self.roundoff


def _look(mdp: MDP, h: FloatS) -> _Odoni:
    """One backup of any h, and the bounds that follow."""
    Q: FloatSA = backup(mdp, h)
    actions = Q.argmax(axis=1)
    rise = Q.take(kernel.first_rows(*mdp.R.shape) + actions) - h
    low, high, scale = smallest(rise), largest(rise), magnitude(h)
    roundoff = backup_roundoff(mdp, scale) + EPS * (scale + max(abs(low), abs(high)))
    return _Odoni(rise, actions, low, high, roundoff)
