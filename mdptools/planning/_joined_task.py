"""A task, with the states joined between which one can go round for nothing.

Takes     a `Task`: pairs that may be used, rewards, and what it is worth to end in which states.
Gives     `JoinedTask`: the pairs that leave each class of states, where they lead, what they pay.
Source    de Alfaro (1997): an end component of zero reward is as good as one state.
Not here  solving it (`_episodes`).

Moves that cost and earn nothing and can be repeated for ever (end components of zero reward) join
their states to one class, whose states all have the same value: who wants to leave it can do so
from wherever that is best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, TINY, BoolS, BoolSA, FloatArray, FloatS, FloatSA, IntArray, IntS
from ..model import MDP
from ..structure import almost_surely_reach, attractor_policy, end_components, fewest_steps

REST = -1
"""In the place of a row: stay in the class for ever."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be maximised: rewards until the end, and what the end is worth.

    From each state with a pair some policy of these pairs must end almost surely, if gamma is 1.
    """

    mdp: MDP
    pairs: BoolSA  # that may be used
    R: FloatSA
    ended: BoolS  # states in which the episode is over
    worth: FloatS  # what that is worth there; 0 in all other states
    rests: bool  # whether going round for ever among free moves ends an episode too, for nothing
    reward_roundoff: float = 0.0  # of R
    gamma: float = 1.0  # the chance to go on after each step; below 1 every policy ends


class JoinedTask:
    """The task between classes: which rows leave each class, where they lead, what they pay."""

    def __init__(self, task: Task) -> None:
        mdp = task.mdp
        leader = np.arange(mdp.n_states)
        inside = np.zeros_like(task.pairs)  # pairs that rest
        free = task.pairs & (task.R == 0) & (task.gamma == 1)  # discounted, going round costs
        for component in end_components(mdp, pairs=free):
            inside[component.pairs[:, 0], component.pairs[:, 1]] = True
            leader[component.states] = component.states[0]
        self._arrange(task, leader, inside)
        self.matrix: Any = kernel.lump(mdp.P, self.rows, self.label, self.n)
        if task.gamma != 1:
            self.matrix *= task.gamma
        ending = task.gamma * kernel.expect(mdp.P, task.worth).reshape(-1)[self.rows]
        paid = task.R.reshape(-1)[self.rows]
        self.reward = paid + ending
        self._size = np.abs(paid) + kernel.expect(mdp.P, np.abs(task.worth)).reshape(-1)[self.rows]
        terms = kernel.row_lengths(mdp.P).reshape(-1)[self.rows]
        self._terms = (terms if inside.any() else terms / 2) + 2
        self._least = task.reward_roundoff + TINY * self._terms

    def _arrange(self, task: Task, leader: IntS, inside: BoolSA) -> None:
        """Number the classes, which have equal leaders, and the rows that are not inside one."""
        mdp = task.mdp
        self.task, self.inside = task, inside
        rows = np.flatnonzero(task.pairs & ~inside)
        # Where nothing leaves a class there is nothing to decide: one can only rest, for nothing.
        open_leaders, owner = np.unique(leader[rows // mdp.n_actions], return_inverse=True)
        self.n = len(open_leaders)
        number = np.full(mdp.n_states, -1)
        number[open_leaders] = np.arange(self.n)
        self.label = np.where(task.ended, -1, number[leader])
        order = owner.argsort(kind="stable")
        self.rows, self.owner = rows[order], owner[order]
        self.first = np.searchsorted(self.owner, np.arange(self.n))
        joined = inside.any(axis=1)
        self.rests = np.zeros(self.n, dtype=bool)
        self.rests[self.label[joined & (self.label >= 0)]] = task.rests

    def onward(self, v: FloatArray) -> FloatArray:
        """The expected value of the next class, for each row; discounted, if the task is."""
        value: FloatArray = self.matrix @ v
        return value

    def slack(self, v: FloatArray) -> FloatArray:
        """How far a computed reward + matrix v can be from the true one, for each row.

        A sum of n terms errs by n u, u = eps / 2, in the product, and again where states are joined
        to classes; rewards and gamma by some roundings more; and twice the defect of the row sums.
        Exactly 0 where all that is added is 0.
        """
        facts = self.task.mdp.facts
        size = self._size + self.onward(np.abs(v))
        return np.where(
            size > 0,
            size * (EPS * self._terms + 2 * facts.row_defect) + self._least,
            0.0,
        )

    def start(self) -> IntArray:
        """For each class the place in `rows` of a row that comes nearer to an end, or REST.

        Of several the one that most probably does: where any action may slip to any side, a policy
        that ends may else end after 1e16 steps. Discounted, all rows do: then of the one that pays
        most.
        """
        task, mdp = self.task, self.task.mdp
        if task.gamma < 1:
            return self.best(self.reward)
        goal = task.ended | (self.label < 0)
        goal |= np.append(self.rests, False)[self.label]
        _, sure = almost_surely_reach(mdp, goal, pairs=task.pairs)
        distance = fewest_steps(mdp, goal, pairs=sure)
        row, successor, prob = kernel.branches(mdp.P)
        far = np.iinfo(np.int64).max
        nearest = np.full(mdp.allowed.size, far)
        reached = sure.reshape(-1)[row] & (distance[successor] >= 0)
        np.minimum.at(nearest, row[reached], distance[successor[reached]])
        # The nearest state outside a class is nearer than all states of the class: no circle.
        goals = np.full(mdp.allowed.size, -1)
        if self.n:
            goals[self.rows] = np.minimum.reduceat(nearest[self.rows], self.first)[self.owner]
        nearer = reached & (distance[successor] == goals[row])
        chance = np.zeros(mdp.allowed.size)
        np.add.at(chance, row[nearer], prob[nearer])
        chosen = self.best(chance[self.rows])
        return np.where(self.rests, REST, chosen)

    def best(self, Q: FloatArray) -> IntArray:
        """The place in `rows` of the first row of each class with the largest Q."""
        top = np.maximum.reduceat(Q, self.first) if self.n else Q
        places = np.flatnonzero(Q == top[self.owner])
        _, firsts = np.unique(self.owner[places], return_index=True)
        return places[firsts]

    def spread(self, v: FloatArray) -> FloatS:
        """Values of classes as values of states."""
        values = np.append(v, 0.0)[self.label]
        return np.where(self.task.ended, self.task.worth, values)

    def actions(self, chosen: IntArray) -> IntS:
        """The chosen rows as actions of states: who has to leave a class goes where it is left."""
        mdp = self.task.mdp
        leaving = self.rows[chosen[chosen != REST]]
        exits, action = np.divmod(leaving, mdp.n_actions)
        towards = attractor_policy(mdp, exits, pairs=self.inside)
        actions = np.where(towards >= 0, towards, self.inside.argmax(axis=1))
        actions[exits] = action
        idle = ~self.task.pairs.any(axis=1)
        return np.where(idle, mdp.allowed.argmax(axis=1), actions)
