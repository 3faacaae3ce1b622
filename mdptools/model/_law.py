"""The reward law: for each pair a finite list of branches (successor, reward, probability).

Takes     branches in any order, or one reward for each (s, a, s').
Gives     a `RewardLaw` in row order, and its expectations.
Source    formula: R(s, a) = sum over the branches of p r.
Not here  drawing from the law (sampling), Gymnasium's way of writing it (`_outcomes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..arrays import (
    EPS,
    LARGEST,
    TINY,
    BoolArray,
    FloatArray,
    FloatSA,
    IntArray,
    as_floats,
    as_numbers,
    readonly,
)
from ..errors import ModelError
from ..markup import Shown


@dataclass(frozen=True, slots=True, eq=False)
class RewardLaw(Shown):
    """What can follow each pair (s, a): branches (s', r, p), pair after pair.

    Two branches may share a successor and differ in the reward.

    Attributes
    ----------
    offsets : (S*A + 1,) array of int
        The branches of pair (s, a) are ``offsets[s*A + a]`` to ``offsets[s*A + a + 1]``.
    next_state : (B,) array of int
    reward : (B,) array, reward units
    prob : (B,) array
        Sums to one over the branches of an allowed pair; refused pairs have no branches.

    Raises
    ------
    ModelError
        If the arrays do not fit together, or a number is not finite.

    Examples
    --------
    >>> from mdptools import MDP
    >>> coin = MDP.from_outcomes([[[(0.5, 0, 1.0, True), (0.5, 0, -1.0, True)]]], gamma=1.0)
    >>> coin.R[0], coin.branches.reward[:2]
    (array([0.]), array([-1.,  1.]))
    """

    offsets: IntArray
    next_state: IntArray
    reward: FloatArray
    prob: FloatArray

    def __post_init__(self) -> None:
        for name in ("offsets", "next_state"):
            numbers = as_numbers(getattr(self, name), f"law.{name}")
            if numbers.size and numbers.dtype.kind not in "iu":
                raise ModelError(f"law.{name} is of type {numbers.dtype}; it must hold integers.")
            object.__setattr__(self, name, readonly(np.array(numbers, dtype=np.int64)))
        for name in ("reward", "prob"):
            object.__setattr__(self, name, readonly(as_floats(getattr(self, name), f"law.{name}")))
        shapes = {self.next_state.shape, self.reward.shape, self.prob.shape}
        if shapes != {(self.next_state.size,)}:
            raise ModelError(
                f"next_state, reward and prob of a law must have one number for each branch; their "
                f"shapes are {self.next_state.shape}, {self.reward.shape} and {self.prob.shape}."
            )
        steps = np.diff(self.offsets, prepend=0, append=self.next_state.size)
        if self.offsets.ndim != 1 or steps[0] != 0 or steps[-1] != 0 or (steps < 0).any():
            raise ModelError(
                f"law.offsets must begin with 0, never decrease and end with the number of "
                f"branches, {self.next_state.size}; got {self.offsets.tolist()!r:.80}."
            )
        fits = np.abs(self.reward) <= LARGEST
        bad = np.flatnonzero(~(fits & (self.prob >= 0) & (self.prob < np.inf)))
        if len(bad):
            i = int(bad[0])
            raise ModelError(
                f"branch {i} of the law has reward {self.reward[i]:g} and probability "
                f"{self.prob[i]:g}: both must be finite, the probability >= 0 and the reward at "
                f"most {LARGEST:g}."
            )

    @property
    def row(self) -> IntArray:
        """The pair ``s*A + a`` of each branch, (B,)."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def expected_reward(self, n_actions: int) -> FloatSA:
        """R(s, a), the mean reward of each pair, (S, A) in reward units.

        A pair whose branches all pay the same gets exactly that number.
        """
        n_rows = len(self.offsets) - 1
        mean = np.bincount(self.row, weights=self.prob * self.reward, minlength=n_rows)
        first, same = self._constant()
        return np.where(same, first, mean).reshape(-1, n_actions)

    def is_constant(self) -> bool:
        """Whether no pair has two different rewards: then R(s, a) says everything."""
        return bool(self._constant()[1].all())

    def roundoff(self) -> float:
        """A bound on the round-off in `expected_reward`, reward units."""
        n_rows = len(self.offsets) - 1
        size = np.bincount(self.row, weights=self.prob * np.abs(self.reward), minlength=n_rows)
        _, same = self._constant()
        terms = np.diff(self.offsets) + 2
        return float(np.max(np.where(same, 0.0, terms * (EPS * size + TINY)), initial=0.0))

    def _constant(self) -> tuple[FloatArray, BoolArray]:
        """The first reward of each pair, and whether all the others equal it."""
        n_rows = len(self.offsets) - 1
        filled = np.diff(self.offsets) > 0
        first = np.zeros(n_rows)
        first[filled] = self.reward[self.offsets[:-1][filled]]
        row = self.row
        differs = np.bincount(row[self.reward != first[row]], minlength=n_rows)
        return first, differs == 0

    def same(self, other: RewardLaw) -> bool:
        """Whether two laws hold the same branches in the same order."""
        return all(
            np.array_equal(getattr(self, name), getattr(other, name))
            for name in ("offsets", "next_state", "reward", "prob")
        )


def law_of(
    row: IntArray, next_state: IntArray, reward: FloatArray, prob: FloatArray, n_rows: int
) -> RewardLaw:
    """Sort branches by pair, successor and reward, and merge those that are equal in all three.

    Parameters
    ----------
    row, next_state : (B,) arrays of int
    reward, prob : (B,) arrays
        Branches of probability zero are dropped.
    n_rows : int
        S * A.

    Returns
    -------
    RewardLaw
    """
    kept = np.flatnonzero(prob > 0)
    order = kept[np.lexsort((reward[kept], next_state[kept], row[kept]))]
    row, next_state, reward, prob = row[order], next_state[order], reward[order], prob[order]
    if len(row):
        new = np.ones(len(row), dtype=bool)
        new[1:] = (np.diff(row) != 0) | (np.diff(next_state) != 0) | (np.diff(reward) != 0)
        starts = np.flatnonzero(new)
        prob = np.add.reduceat(prob, starts)
        row, next_state, reward = row[starts], next_state[starts], reward[starts]
    return law_in_order(row, next_state, reward, prob, n_rows)


def law_in_order(
    row: IntArray, next_state: IntArray, reward: FloatArray, prob: FloatArray, n_rows: int
) -> RewardLaw:
    """The law of branches that stand in row order already, none of them twice.

    Parameters
    ----------
    row, next_state : (B,) arrays of int
    reward, prob : (B,) arrays
    n_rows : int
        S * A.

    Returns
    -------
    RewardLaw
    """
    counts = np.bincount(row, minlength=n_rows)
    return RewardLaw(np.concatenate(([0], np.cumsum(counts))), next_state, reward, prob)
