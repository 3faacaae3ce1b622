"""Reachability: where one can come, where one surely comes, and whether episodes end.

Takes     an MDP, targets as a mask (S,) or indices, and pi (S, A) or pairs (S, A).
Gives     masks (S,) and (S, A), actions and numbers of steps (S,).
Source    Baier and Katoen (2008), section 10.6; de Alfaro (1997), chapter 3; Bertsekas and
          Tsitsiklis (1991) for proper policies.
Not here  the probability of reaching and the time it takes (planning, hardness).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolS, BoolSA, FloatSA, IntS, readonly
from ._components import Remainder, end_components
from ._graphs import chain_graph, chosen_pairs, edges, levels, reverse, state_mask, step_graph

if TYPE_CHECKING:
    from ..model import MDP


def reachable(mdp: MDP, start: ArrayLike | None = None, pi: FloatSA | None = None) -> BoolS:
    """The states in which one can be at some time, the start included.

    Parameters
    ----------
    mdp : MDP
    start : (S,) array of bool, or indices, optional
        Where one starts. The states with ``mu > 0`` if omitted.
    pi : (S, A) array, optional
        How one acts. With all allowed actions if omitted.

    Returns
    -------
    (S,) array of bool

    Raises
    ------
    ModelError
        If start has the wrong shape or an index is out of range, or pi is no policy of this model.

    Notes
    -----
    Time O(number of branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0, 1, 0]], [[0, 1, 0]], [[1, 0, 0]]], [[1], [0], [1]], gamma=0.9)
    >>> reachable(mdp, start=0)
    array([ True,  True, False])
    """
    forward = step_graph(mdp, chosen_pairs(mdp, pi, None))
    starts = mdp.mu > 0 if start is None else state_mask(mdp, start, "start")
    return readonly(levels(forward, starts) >= 0)


def can_reach(mdp: MDP, targets: ArrayLike, pairs: BoolSA | None = None) -> BoolS:
    """The states from which some policy reaches the targets with positive probability.

    Parameters
    ----------
    mdp : MDP
    targets : (S,) array of bool, or indices
    pairs : (S, A) array of bool, optional
        The pairs that may be used. All allowed ones if omitted.

    Returns
    -------
    (S,) array of bool
        The targets included.

    Raises
    ------
    ModelError
        If targets or pairs has the wrong shape, or an index is out of range.

    Notes
    -----
    Time O(number of branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5, 0]], [[0, 1, 0]], [[0, 0, 1]]], [[1], [0], [0]], gamma=0.9)
    >>> can_reach(mdp, [1])
    array([ True,  True, False])
    """
    goal = state_mask(mdp, targets, "targets")
    backward = reverse(step_graph(mdp, chosen_pairs(mdp, None, pairs)))
    return readonly(levels(backward, goal) >= 0)


def fewest_steps(mdp: MDP, targets: ArrayLike, pairs: BoolSA | None = None) -> IntS:
    """The fewest steps in which the targets can be reached from each state, with some luck.

    Parameters
    ----------
    mdp : MDP
    targets : (S,) array of bool, or indices
    pairs : (S, A) array of bool, optional
        The pairs that may be used. All allowed ones if omitted.

    Returns
    -------
    (S,) array of int
        0 on the targets; -1 where they cannot be reached.

    Raises
    ------
    ModelError
        If targets or pairs has the wrong shape, or an index is out of range.

    Notes
    -----
    Breadth-first search along the edges, backwards. Time O(number of branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5, 0]], [[0, 1, 0]], [[0, 0, 1]]], [[1], [0], [0]], gamma=0.9)
    >>> fewest_steps(mdp, [1])
    array([ 1,  0, -1])
    """
    goal = state_mask(mdp, targets, "targets")
    return readonly(levels(reverse(step_graph(mdp, chosen_pairs(mdp, None, pairs))), goal))


def almost_surely_reach(
    mdp: MDP, targets: ArrayLike, pairs: BoolSA | None = None
) -> tuple[BoolS, BoolSA]:
    """The states from which some policy reaches the targets with probability one.

    Parameters
    ----------
    mdp : MDP
    targets : (S,) array of bool, or indices
    pairs : (S, A) array of bool, optional
        The pairs that may be used. All allowed ones if omitted.

    Returns
    -------
    states : (S,) array of bool
        The targets included.
    pairs : (S, A) array of bool
        The pairs of those states that certainly stay among them. Whoever gives each of them a
        positive probability reaches the targets with probability one. At a target too only pairs
        that stay are marked, perhaps none; no other of those states is without one.

    Raises
    ------
    ModelError
        If targets or pairs has the wrong shape, or an index is out of range.

    Notes
    -----
    A greatest fixpoint of least ones (Baier and Katoen 2008, section 10.6): lose the states that
    cannot reach the targets, and the pairs that can lead to lost states; repeat until no state is
    lost. Time O(number of branches) for each repetition; in practice there are few (see
    `end_components`).

    Examples
    --------
    Action 0 may fall into the trap 1, action 1 goes on trying:

    >>> from mdptools import MDP
    >>> P = [[[0, 0.1, 0.9], [0.5, 0, 0.5]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]]
    >>> states, pairs = almost_surely_reach(MDP(P, [1, 0, 0], gamma=1), targets=2)
    >>> states
    array([ True, False,  True])
    >>> pairs[0]
    array([False,  True])
    """
    goal = state_mask(mdp, targets, "targets")
    given = chosen_pairs(mdp, None, pairs)
    rest = Remainder(mdp, given & ~goal[:, None])  # what is done at a target does not matter
    while True:
        new = (levels(reverse(rest.graph()), goal) < 0) & ~rest.lost
        if not new.any():
            break
        rest.lose(np.flatnonzero(new))

    row, target = edges(mdp, given)
    staying = given.copy()  # of lost states too: each of their pairs can lead to a lost state
    staying.reshape(-1)[row[rest.lost[target]]] = False
    return readonly(~rest.lost), readonly(staying)


def attractor_policy(mdp: MDP, targets: ArrayLike, pairs: BoolSA | None = None) -> IntS:
    """One action for each state, with which the targets are reached almost surely.

    Parameters
    ----------
    mdp : MDP
    targets : (S,) array of bool, or indices
    pairs : (S, A) array of bool, optional
        The pairs that may be used. All allowed ones if omitted.

    Returns
    -------
    (S,) array of int
        From each state of `almost_surely_reach` these actions reach the targets with probability
        one. -1 on the targets and in all other states.

    Raises
    ------
    ModelError
        If targets or pairs has the wrong shape, or an index is out of range.

    Notes
    -----
    The first action, among those that certainly stay in the set, that can come one step nearer.
    Each state then has a way to the targets and none out of the set: in a finite chain the targets
    are then reached with probability one. The cost of `almost_surely_reach`.

    Examples
    --------
    >>> from mdptools import MDP
    >>> P = [[[0, 0.1, 0.9], [0.5, 0, 0.5]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]]
    >>> attractor_policy(MDP(P, [1, 0, 0], gamma=1), targets=2)
    array([ 1, -1, -1])
    """
    goal = state_mask(mdp, targets, "targets")
    states, staying = almost_surely_reach(mdp, goal, pairs)
    staying = staying & ~goal[:, None]
    level = fewest_steps(mdp, goal, staying)
    row, target = edges(mdp, staying)
    nearer = np.zeros(staying.size, dtype=np.bool_)
    nearer[row[level[target] < level[row // mdp.n_actions]]] = True
    actions = nearer.reshape(staying.shape).argmax(axis=1)
    return readonly(np.where(states & ~goal, actions, -1))


def improper_states(mdp: MDP, pi: FloatSA) -> BoolS:
    """The states from which a policy does not end the episode with probability one.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array

    Returns
    -------
    (S,) array of bool
        True where the chain can come to a state from which it cannot reach a terminal one.

    Raises
    ------
    ModelError
        If pi has the wrong shape or is no policy of this model.

    Notes
    -----
    Time O(number of branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 1], [0, 0]], gamma=1)
    >>> improper_states(mdp, [[1, 0], [1, 0]]), improper_states(mdp, [[0.9, 0.1], [1, 0]])
    (array([ True, False]), array([False, False]))
    """
    backward = reverse(chain_graph(mdp, pi))
    endless = levels(backward, mdp.terminal) < 0
    return readonly(levels(backward, endless) >= 0)


def is_proper(mdp: MDP, pi: FloatSA) -> bool:
    """Whether a policy ends the episode with probability one, from each state.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array

    Returns
    -------
    bool
        For the states that matter only, see `improper_states` and `reachable`.

    Raises
    ------
    ModelError
        If pi has the wrong shape or is no policy of this model.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 1], [0, 0]], gamma=1)
    >>> is_proper(mdp, [[1, 0], [1, 0]]), is_proper(mdp, [[0.9, 0.1], [1, 0]])
    (False, True)
    """
    return not improper_states(mdp, pi).any()


def every_policy_proper(mdp: MDP) -> bool:
    """Whether each policy ends the episode with probability one, from each state.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    bool
        True if the live states have no end component. It holds for policies with memory too.

    Notes
    -----
    The cost of `end_components`.

    Examples
    --------
    >>> from mdptools import MDP
    >>> every_policy_proper(MDP([[[0.5, 0.5]], [[0, 1]]], [[1], [0]], gamma=1))
    True
    >>> every_policy_proper(MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 1], [0, 0]], gamma=1))
    False
    """
    return not end_components(mdp)
