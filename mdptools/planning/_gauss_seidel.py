"""Gauss-Seidel value iteration: each block of states uses what the blocks before it have found.

Takes     a discounted MDP.
Gives     a `Solution` at the middle of the bracket of a fresh backup.
Source    Puterman (1994), sections 6.3.3 and 6.5; the order: backwards from the goal, as in
          Dijkstra's algorithm.
Not here  the updates of a block, and the proof (`_blocks`).

Value iteration carries the news of a reward one step back in a sweep. Where the blocks are the
levels of a search backwards from the terminal states, one sweep carries them to every state; what
is left are the ways that lead back and forth.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from ..arrays import FloatS, IntS, as_numbers
from ..checks import check_count, check_served, check_tol, check_values
from ..errors import ModelError
from ..model import MDP
from ..structure import backward_levels
from ._blocks import Centre, States, Sweeper, lower_start, self_loops
from ._rounds import Backup, Solves, rounds
from ._solution import Solution, discounted_tol
from ._sweeps import Patience, affordable
from ._value_iteration import INSTEAD
from ._watch import Callback, Watch

LARGE_DENSE, LARGE_SPARSE = 5_000, 10_000
"""States up to which linear solves take over where sweeps are slow."""

BLOCKS, LARGEST = 32, 1024
"""Without levels: so many blocks, but not with more states each than this."""


def gauss_seidel_value_iteration(
    mdp: MDP,
    *,
    tol: float | None = None,
    V0: Any = None,
    history: bool = False,
    callback: Callback | None = None,
    order: Any = None,
    block_size: int | None = None,
    inner: int = 10,
    max_sweeps: int | None = None,
) -> Solution:
    """Optimal values by backups of one block of states after the other, in place.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    tol : float, reward units, optional
        Largest accepted error of V and Q anywhere; ``1e-9 max|R| / (1 - gamma)`` if omitted.
    V0 : (S,) array_like, reward units, optional
        Where to start. If omitted, the least reward for ever, from where V only rises.
    history : bool
        Keep the bound of each sweep.
    callback : callable, optional
        Called with a `Step` after each sweep. If it raises StopIteration, or at Ctrl-C, the answer
        is what one more backup makes of the last V, with its bound.
    order : (S,) array_like of int, optional
        Every state once, in the order in which they are updated. If omitted, by their steps back
        from the terminal states, all of a level as one block; by their numbers if there are none.
    block_size : int, optional
        States that are updated together; 1 is the textbook's method. Levels, or a 32nd of the
        states and at most 1,024, if omitted.
    inner : int
        Sweeps of the greedy policy, block after block in the same way, after each sweep of all
        actions; fewer where they change little. With 0 this is Gauss-Seidel value iteration and
        nothing else.
    max_sweeps : int, optional
        Give up after this many sweeps of all actions. If omitted, after what takes seconds, or as
        soon as the pace of the last half of them shows that these would not do.

    Returns
    -------
    Solution
        ``certificate.bound <= tol``, unless it was stopped. V is the best Q of each state;
        ``sweeps`` counts sweeps of all actions, each with the fresh backup that proves a bound.

    Raises
    ------
    ModelError
        If the model is not discounted or an argument is wrong.
    ConvergenceError
        If ``max_sweeps`` do not reach ``tol``, or float64 cannot; ``error.solution`` is the last
        iterate with its bound.

    Notes
    -----
    A pair that may stay where it is is solved for its own state. Any order contracts the error at
    least by gamma (Puterman 1994, section 6.3.3). Time of a sweep as of value iteration, and some
    ten microseconds for each block: O(S) Python steps if ``block_size`` is 1. Memory O(S A) besides
    P and one chain of it, O(S^2) or O(nnz / A); finding the levels takes as much as P for a moment.
    Where nothing is terminal, V is moved to the middle of the bracket as that narrows. Once a
    sweep leaves more than 0.7 of the bracket, each further policy is evaluated by one linear solve,
    O(S^3), in models of at most 5,000 states (10,000 if P is sparse); but not if ``inner`` is 0.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5], [0.0, 1.0]], [[0.8, 0.2], [0.1, 0.9]]], [[5, 10], [-1, 2]], 0.9)
    >>> solution = gauss_seidel_value_iteration(mdp, tol=1e-6)
    >>> solution.V.round(3), solution.certificate.bound <= 1e-6
    (array([42.442, 36.047]), True)
    """
    name = "gauss_seidel_value_iteration"
    check_served(mdp, name, "discounted", instead=INSTEAD)
    inner = _check_inner(inner)
    blocks = _blocks(mdp, order, block_size)
    wanted = discounted_tol(mdp, check_tol(tol))
    patience = Patience(max_sweeps, affordable(mdp, 1 + inner), mdp.n_states)
    V = lower_start(mdp)
    if V0 is not None:
        V = np.where(mdp.terminal, 0.0, check_values(V0, "V0", mdp.n_states))
    return rounds(
        mdp,
        V,
        _Update(mdp, blocks, inner, wanted),
        Watch(name, wanted, history, callback),
        patience,
        tol=tol,
        wanted=wanted,
        instead="policy_iteration needs none",
    )


class _Update:
    """One sweep of all actions and some of the greedy policy; or a linear solve."""

    def __init__(self, mdp: MDP, blocks: list[States], inner: int, wanted: float) -> None:
        self._mdp, self._inner, self._wanted = mdp, inner, wanted
        self._sweeper = Sweeper(mdp, blocks, self_loops(mdp)) if blocks else None
        self._solves = Solves(mdp, LARGE_DENSE, LARGE_SPARSE) if inner else None
        self._centre = Centre(mdp)

    def __call__(self, latest: Backup) -> FloatS:
        mdp = self._mdp
        solved = self._solves.evaluate(latest) if self._solves else None
        if solved is not None:
            return solved
        V = latest.TV
        V += mdp.gamma * self._centre.shift(latest)
        if self._sweeper is not None:
            self._sweeper.improve(V)
            if self._inner:
                enough = max(self._wanted * (1 - mdp.gamma) / 4, 2 * latest.found.roundoff)
                self._sweeper.follow(V, self._inner, enough)
        return V


def _check_inner(inner: Any) -> int:
    try:
        count = -1 if isinstance(inner, bool) else operator.index(inner)
    except TypeError:
        count = -1
    if count < 0:
        raise ModelError(f"inner is {inner!r:.80}; it must be an int >= 0.")
    return count


def _blocks(mdp: MDP, order: Any, block_size: Any) -> list[States]:
    """The blocks of states that are not terminal, in the order of their updates."""
    size = min(max(mdp.n_states // BLOCKS, 1), LARGEST)
    if block_size is not None:
        size = check_count(block_size, "block_size")
    if order is not None:
        return _pieces(_check_order(order, mdp), size)
    if not mdp.facts.any_terminal:
        return [slice(i, min(i + size, mdp.n_states)) for i in range(0, mdp.n_states, size)]
    level = backward_levels(mdp, mdp.terminal)
    # What cannot reach an end leads only to such states: first those, and then the levels.
    states = level.argsort(kind="stable")
    lost, over = np.searchsorted(level[states], [0, 1])
    if block_size is not None:
        return _pieces(np.concatenate((states[:lost], states[over:])), size)
    cuts = np.flatnonzero(np.diff(level[states[over:]])) + 1
    found: list[States] = [b for b in np.split(states[over:], cuts) if len(b)]
    return [*_pieces(states[:lost], size), *found]


def _pieces(states: IntS, size: int) -> list[States]:
    return [states[i : i + size] for i in range(0, len(states), size)]


def _check_order(order: Any, mdp: MDP) -> IntS:
    given = as_numbers(order, "order")
    n_states = mdp.n_states
    if given.shape != (n_states,) or given.dtype.kind not in "iu":
        raise ModelError(
            f"order is an array of {given.dtype} with shape {given.shape}; it must be of int with "
            f"shape (S,) = ({n_states},): every state once, the first to be updated first."
        )
    missing = np.setdiff1d(np.arange(n_states), given)
    if len(missing):
        raise ModelError(
            f"order leaves out state {mdp.name_of_state(int(missing[0]))} and {len(missing) - 1} "
            f"others, or has states that are none; it must have every state once."
        )
    states: IntS = given.astype(np.int64)
    alive: IntS = states[~mdp.terminal[states]]
    return alive
