"""A task, with the states joined between which one can go round for almost nothing.

Takes     a `Task` that is not discounted, and its values as far as they are known.
Gives     `NearlyJoined`, a `JoinedTask` whose optimum is nowhere below that of the task.
Source    the inequality below; it holds whatever is joined.
Not here  solving it, and the proof in float64 (`_episodes`).

W is an upper bound if W(s) >= R(s, a) + sum_t P[s, a, t] W(t) for all pairs. Let it be constant on
classes, and q > 0 be the probability that a pair leaves the class C of its state. As probabilities
sum to one, the inequality then says the same as

    W(C) >= R / q + sum over t outside C of (P[s, a, t] / q) W(t);

where q = 0 it says 0 >= R. q is a sum, not one minus what stays: nothing cancels. Whoever can keep
away from a hole for 1e30 steps could collect a rounding of 1e-16 in each, but not where all these
steps stay in one class. What that costs is the difference of the values in a class.
"""

from __future__ import annotations

import numpy as np

from .. import kernel
from ..arrays import TINY, FloatS
from ..structure import from_edges, strong_labels
from ._joined_task import JoinedTask, Task


class NearlyJoined(JoinedTask):
    """The task of leaving classes of states whose values differ by little.

    Parameters
    ----------
    task : Task
        With gamma = 1. Its rows count as divided by their sums.
    V : (S,) array, reward units
    apart : float, reward units
        States are joined that lead to each other by steps along which V differs by no more.

    Attributes
    ----------
    earns : bool
        Whether some pair earns and never leaves its class: then there is no W.
    """

    def __init__(self, task: Task, V: FloatS, apart: float) -> None:
        mdp = task.mdp
        row, successor, probability = kernel.branches(mdp.P)
        used = task.pairs.reshape(-1)[row]
        row, successor, probability = row[used], successor[used], probability[used]
        state = row // mdp.n_actions
        near = (np.abs(V[state] - V[successor]) <= apart) & ~task.ended[successor]
        leader = strong_labels(from_edges(state[near], successor[near], mdp.n_states))
        leaves = task.ended[successor] | (leader[successor] != leader[state])
        row, successor, probability = row[leaves], successor[leaves], probability[leaves]
        q = np.bincount(row, probability, task.pairs.size)
        inside = task.pairs & (q == 0).reshape(task.pairs.shape)
        self.earns = bool((inside & (task.R > 0)).any())
        self._arrange(task, leader, inside)
        q = q[self.rows]
        place = np.zeros(task.pairs.size, dtype=np.int64)
        place[self.rows] = np.arange(len(self.rows))
        on = self.label[successor] >= 0
        self.matrix = kernel.table(
            place[row[on]],
            self.label[successor[on]],
            probability[on] / q[place[row[on]]],
            len(self.rows),
            self.n,
            dense=mdp.facts.dense,
        )
        worth = probability * task.worth[successor]
        paid = task.R.reshape(-1)[self.rows]
        self.reward = (paid + np.bincount(row, worth, task.pairs.size)[self.rows]) / q
        sizes = np.bincount(row, np.abs(worth), task.pairs.size)[self.rows]
        self._size = (np.abs(paid) + sizes) / q
        # n u each for q, for entries that add up and for the product; and a few roundings more.
        terms = kernel.row_lengths(mdp.P).reshape(-1)[self.rows]
        self._terms = 2 * terms + 4
        self._least = (task.reward_roundoff + TINY * self._terms) / q
