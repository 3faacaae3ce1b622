"""Transforms: a new model, the map of answers between the two, and what is preserved.

Takes     an MDP.
Gives     another MDP, and an object that carries arrays from one to the other.
Not here  the same P and R under another objective (`MDP.with_objective`).
"""

from ._answers import STATEMENTS, Answers
from ._copies import relabel, restrict, split_action, split_state
from ._discounting import discount_as_termination
from ._memory import Memory, remember
from ._policies import mix_actions
from ._rewards import affine_rewards, costs, shape_rewards
from ._time import add_time, k_step, unroll

__all__ = [
    "STATEMENTS",
    "Answers",
    "Memory",
    "add_time",
    "affine_rewards",
    "costs",
    "discount_as_termination",
    "k_step",
    "mix_actions",
    "relabel",
    "remember",
    "restrict",
    "shape_rewards",
    "split_action",
    "split_state",
    "unroll",
]
