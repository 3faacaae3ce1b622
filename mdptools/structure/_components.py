"""End components: where a policy can stay for ever, if it wants to.

Takes     an MDP and the pairs (S, A) that may be used.
Gives     maximal end components: sets of states, each with the pairs that keep to it.
Source    de Alfaro (1997), chapter 3; Baier and Katoen (2008), section 10.6.
Not here  what it pays to stay there (planning), the classes of one policy (classes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..arrays import BoolSA, IntArray, IntS
from ..markup import Shown
from ._graphs import chosen_pairs, edges, from_edges, groups, strong_labels

if TYPE_CHECKING:
    from ..model import MDP
    from ._graphs import Graph


@dataclass(frozen=True, slots=True, eq=False)  # eq=False: `==` on arrays has no single answer
class EndComponent(Shown):
    """States, and pairs of them that never leave them and join each to each other.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 1], [0, 0]], gamma=1)
    >>> end_components(mdp)
    (EndComponent(states=array([0]), pairs=array([[0, 0]])),)
    """

    states: IntArray  # (n,) sorted
    pairs: IntArray  # (k, 2) state and action, sorted; each state has at least one


def end_components(mdp: MDP, pairs: BoolSA | None = None) -> tuple[EndComponent, ...]:
    """The maximal end components: whoever takes all their pairs visits all their states for ever.

    Parameters
    ----------
    mdp : MDP
    pairs : (S, A) array of bool, optional
        The pairs that may be used. The allowed pairs of all states but terminal ones if omitted.

    Returns
    -------
    tuple of EndComponent
        Disjoint, ordered by their smallest states. Whatever the policy, the pairs that it takes
        infinitely often, if any, almost surely lie inside one of them (de Alfaro 1997).

    Raises
    ------
    ModelError
        If pairs has the wrong shape.

    Notes
    -----
    Strong components; drop the pairs that can leave theirs; repeat until none can (de Alfaro 1997).
    What falls away in consequence is followed backwards step by step, and only where it falls, so
    that a line with slips takes one search and not one for each of its states. Time O(branches)
    for each search. Their number is small in practice; it grows with S in a corridor of several
    lanes along which a policy can slip but not steer.

    Examples
    --------
    Two states between which one can go to and fro, and a way out:

    >>> from mdptools import MDP
    >>> P = [[[0, 1, 0], [0, 1, 0]], [[1, 0, 0], [0.5, 0, 0.5]], [[0, 0, 1], [0, 0, 1]]]
    >>> mdp = MDP(P, [[1, 1], [1, 1], [0, 0]], gamma=1)
    >>> for component in end_components(mdp):
    ...     component.states.tolist(), component.pairs.tolist()
    ([0, 1], [[0, 0], [0, 1], [1, 0]])
    """
    given = chosen_pairs(mdp, None, pairs)
    if pairs is None:
        given = given & ~mdp.terminal[:, None]
    rest = Remainder(mdp, given)
    rest.lose(np.flatnonzero(rest.n_moves == 0))
    while True:
        labels = strong_labels(rest.graph())
        row, source, target = rest.edges()
        leaving = row[labels[source] != labels[target]]
        if leaving.size == 0:
            break
        rest.lose(rest.drop(leaving))

    kept = np.flatnonzero(rest.pairs())
    label = labels[kept // mdp.n_actions]
    found = groups(label, np.column_stack(np.divmod(kept, mdp.n_actions)))
    lively = np.unique(kept // mdp.n_actions)
    members = groups(labels[lively], lively)
    return tuple(EndComponent(s, p) for s, p in zip(members, found, strict=True))


class Remainder:
    """The pairs that are left while states are lost: a lost state takes with it what leads there.

    A pair *moves* if it has a successor besides its own state. A state without a moving pair is
    *stuck*: it may stay where it is, yet no other state can count on coming back from it, nor can
    it come to anywhere. Losing states is followed backwards, at the cost of the edges touched.
    """

    def __init__(self, mdp: MDP, pairs: BoolSA) -> None:
        self.n_states, self.n_actions = mdp.n_states, mdp.n_actions
        row, target = edges(mdp, pairs)
        move = target != row // mdp.n_actions
        self.moves = np.zeros(pairs.size, dtype=np.bool_)  # pairs that are left and move
        self.moves[row[move]] = True
        self.stays = pairs.reshape(-1) & ~self.moves
        move = self.moves[row]
        self._row, self._target = row[move], target[move]
        self.n_moves = self.moves.reshape(pairs.shape).sum(axis=1)
        self.lost = np.zeros(mdp.n_states, dtype=np.bool_)
        # The rows that lead to each state: the same edges in the order of their targets.
        order = np.argsort(self._target, kind="stable")
        self._row_into = self._row[order]
        self._into = np.concatenate(([0], np.bincount(self._target, minlength=mdp.n_states)))
        np.cumsum(self._into, out=self._into)
        self._stamp = np.zeros(pairs.size, dtype=np.int64)

    def edges(self) -> tuple[IntArray, IntArray, IntArray]:
        """Row, source and target of each edge of the moving pairs that are left."""
        left = self.moves[self._row]
        self._row, self._target = self._row[left], self._target[left]
        return self._row, self._row // self.n_actions, self._target

    def graph(self) -> Graph:
        """The graph of the moving pairs that are left."""
        _, source, target = self.edges()
        return from_edges(source, target, self.n_states)

    def pairs(self) -> BoolSA:
        """The pairs that are left, those that stay included."""
        return (self.moves | self.stays).reshape(self.n_states, self.n_actions)

    def drop(self, rows: IntArray) -> IntS:
        """Take these pairs out; give the states that are stuck by that."""
        rows = self._once(rows[self.moves[rows]])
        self.moves[rows] = False
        states = rows // self.n_actions
        np.subtract.at(self.n_moves, states, 1)
        return self._once(states[self.n_moves[states] == 0])

    def lose(self, states: IntS) -> None:
        """Mark these states as lost, drop what leads to them, and so on with those then stuck."""
        while states.size:
            self.lost[states] = True
            stuck = self.drop(self._rows_to(states))
            states = stuck[~self.lost[stuck]]

    def _once(self, numbers: IntArray) -> IntArray:
        """Each of them once: of equal ones the last to stamp; np.unique would sort."""
        index = np.arange(len(numbers))
        self._stamp[numbers] = index
        once: IntArray = numbers[self._stamp[numbers] == index]
        return once

    def _rows_to(self, states: IntS) -> IntArray:
        start = self._into[states]
        length = self._into[states + 1] - start
        end = np.cumsum(length)
        shift = np.repeat(start - end + length, length)
        rows: IntArray = self._row_into[shift + np.arange(len(shift))]
        return rows
