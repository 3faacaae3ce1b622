"""Rewards: from a whole number to a reward, and several rewards on one successor.

Takes     numbers that were drawn, and the largest |reward|.
Gives     rewards that shrink to zeros, then to round numbers; a `RewardLaw`.
Not here  which pairs pay what (`_models`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from ...model import RewardLaw
from ._codes import Outcomes

THOUSANDTHS = st.integers(-1000, 1000)
_DECADES = 13  # of extreme rewards: 1 to 1e-12 of the largest


def unit_of(max_reward: float) -> float:
    """What rewards are multiples of, unless they have three digits."""
    return 1.0 if 1 <= max_reward <= 10 else max_reward / 10


def reward_of(thousandths: int, max_reward: float, unit: float, extreme: bool) -> float:
    """The reward, cut to a multiple of the unit if there is one; or one of very different sizes."""
    if extreme:
        size = 10.0 ** -((abs(thousandths) - 1) % _DECADES)
        return float(np.sign(thousandths)) * size * max_reward
    reward = thousandths * max_reward / 1000
    return int(reward / unit) * unit if unit else reward


def within(reward: float, largest: float) -> float:
    """The reward, or the nearest that is small enough."""
    return min(max(reward, -largest), largest)


def law_of(outcomes: Sequence[Outcomes], paid: Sequence[tuple[float, float]]) -> RewardLaw:
    """Half of the first outcome pays less by the spread, half more; each further outcome more."""
    offsets, branches = [0], []
    for row, (reward, spread) in zip(outcomes, paid, strict=True):
        mine: list[tuple[int, float, float]] = []
        for i, (t, p) in enumerate(row):
            if i == 0 and spread > 0:
                mine += [(t, reward - spread, p / 2), (t, reward + spread, p / 2)]
            else:
                mine.append((t, reward + i * spread, p))
        branches += sorted(mine)
        offsets.append(len(branches))
    successors, rewards, probabilities = zip(*branches, strict=True)
    return RewardLaw(
        np.array(offsets), np.array(successors), np.array(rewards), np.array(probabilities)
    )
