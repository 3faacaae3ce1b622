"""A new model from the branches of an old one.

Takes     what each new state and pair stands for; branches with new successors and rewards.
Gives     an `MDP` of the same kind: dense or sparse, with the law of its rewards.
Not here  what it is for (the other files).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import BoolSA, FloatArray, IntArray
from ..model import MDP, law_of


class Steps(NamedTuple):
    """Branches of a model: which pair, where to, for what, how likely."""

    row: IntArray
    target: IntArray
    reward: FloatArray
    prob: FloatArray

    @classmethod
    def of(cls, mdp: MDP) -> Steps:
        """Those of a model."""
        law = mdp.branches
        return cls(law.row, law.next_state, law.reward, law.prob)


def joined(*parts: Steps) -> Steps:
    """Branches one after the other."""
    return Steps(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def repeated(first: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """For each i the numbers first[i], first[i] + 1, ... (count[i] of them), and i beside them."""
    who = np.repeat(np.arange(len(count)), count)
    return who, np.arange(len(who)) + (first - np.cumsum(count) + count)[who]


def build(
    mdp: MDP, steps: Steps, n_states: int, n_actions: int, *, allowed: BoolSA, **changed: Any
) -> MDP:
    """A model with these branches, and with the objective of ``mdp`` unless it is changed.

    A row whose rewards do not depend on the branch needs no law; where no row needs one, R (S, A)
    says everything.
    """
    law = law_of(steps.row, steps.target, steps.reward, steps.prob, n_states * n_actions)
    row, target, prob = law.row, law.next_state, law.prob
    P: Any
    if mdp.facts.dense:
        P = np.zeros((n_states * n_actions, n_states))
        np.add.at(P, (row, target), prob)
        P = P.reshape(n_states, n_actions, n_states)
    else:
        from scipy.sparse import csr_array

        P = csr_array((prob, (row, target)), shape=(n_states * n_actions, n_states))
    kept: dict[str, Any] = {
        "gamma": mdp.gamma,
        "horizon": mdp.horizon,
        "average": mdp.average,
        "action_names": mdp.action_names if n_actions == mdp.n_actions else None,
    }
    return MDP(
        P,
        law.expected_reward(n_actions),
        allowed=allowed,
        law=None if law.is_constant() else law,
        **(kept | changed),
    )
