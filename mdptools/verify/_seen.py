"""Observations as parts of actions: one recursion serves policies that see states or less.

Takes     an MDP, who is scored and who acts, one of them by observations.
Gives     the model whose actions are pairs (o, a), and both policies on it.
Source    formula: Pr(o, a | s) = O(o | s) b(a | o). An estimator that is handed observations scores
          and weighs pi(a | o), not the mixture pi(a | s): its mean is the same, its variance not.
Not here  time-dependent policies: enumeration serves them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA
from ..errors import ModelError
from ..kernel import table
from ..model import MDP, RewardLaw
from ..policies import sight, split_policy


@dataclass(frozen=True, slots=True)
class Scored:
    """Probabilities and scores of the pairs (o, a), where a family is asked for."""

    pi: FloatSA  # (S, W*A)
    scores: FloatArray  # (S, W*A, D)

    def probs(self, theta: Any) -> FloatSA:
        """Pr(o, a | s)."""
        return self.pi

    def score(self, theta: Any) -> FloatArray:
        """grad log pi(a | o)."""
        return self.scores

    def pullback(self, theta: Any, dJ_dpi: Any) -> FloatArray:
        """No gradient is asked of it; families are told by having this."""
        raise ModelError("scores of observations have no gradient of their own.")


def seen_apart(mdp: MDP, policy: Any, behaviour: Any) -> tuple[MDP, Any, Any]:
    """The model, the policy and the behaviour with actions (o, a), o first.

    What it is given where the one who acts sees states, or depends on time.
    """
    acting = policy if behaviour is None else behaviour
    _, family, theta = split_policy(mdp, acting)
    seen = sight(family, theta)
    if seen is None or len(seen.joint) > 1:
        return mdp, policy, behaviour
    joint = seen.joint[0]  # (S, W, A)
    n_states, n_seen, n_actions = joint.shape
    pi, family, theta = split_policy(mdp, policy)
    own = sight(family, theta)
    if pi.ndim == 3:
        return mdp, policy, behaviour
    if own is None:
        chosen, scores = pi[:, None], family.score(theta)[:, None]
    else:
        chosen = own.table[0][seen.seen]
        scores = family.family.score(theta)[seen.seen]  # type: ignore[attr-defined]
    shape = n_states, n_seen * n_actions
    together = joint.sum(axis=2, keepdims=True) * chosen
    size = scores.shape[-1]
    scores = np.broadcast_to(scores, (*joint.shape, size)).reshape(*shape, size)
    scored = Scored(together.reshape(shape), scores), None
    wide = _wider(mdp, n_seen)
    return wide, scored, None if behaviour is None else joint.reshape(shape)


def tiled(mdp: MDP, wide: MDP, of_pairs: FloatArray, axis: int = 1) -> FloatArray:
    """(..., S, A, ...) with each action's numbers at all its pairs (o, a)."""
    action = np.arange(wide.n_actions) % mdp.n_actions
    found: FloatArray = of_pairs.take(action, axis=axis)
    return found


def _wider(mdp: MDP, n_seen: int) -> MDP:
    """Each action n_seen times, whatever is seen with it."""
    law = mdp.branches
    counts = np.diff(law.offsets).reshape(mdp.R.shape)
    starts = law.offsets[:-1].reshape(mdp.R.shape)
    counts, starts = (np.tile(x, (1, n_seen)).reshape(-1) for x in (counts, starts))
    offsets = np.concatenate(([0], np.cumsum(counts)))
    row = np.repeat(np.arange(len(counts)), counts)
    branch = starts[row] + np.arange(len(row)) - offsets[row]
    follows, prob = law.next_state[branch], law.prob[branch]
    new = RewardLaw(offsets, follows, law.reward[branch], prob)
    std = None if mdp.reward_std is None else np.tile(mdp.reward_std, (1, n_seen))
    return replace(
        mdp,
        P=table(row, follows, prob, len(counts), mdp.n_states, dense=False),
        R=np.tile(mdp.R, (1, n_seen)),
        law=new,
        allowed=np.tile(mdp.allowed, (1, n_seen)),
        reward_std=std,
        action_names=tuple(
            f"{a} at sight {w}" for w in range(n_seen) for a in range(mdp.n_actions)
        ),
    )
