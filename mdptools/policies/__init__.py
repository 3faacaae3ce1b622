"""Policies: tables of probabilities, and families that make them from parameters.

Takes     an MDP (for its sizes and its mask of allowed actions), actions, values or logits.
Gives     pi, an (S, A) array, or (H, S, A) on a finite horizon, with 0 at refused pairs.
Source    softmax: Sutton and Barto (2018), eq. (13.2), with a temperature.
Not here  choosing a good policy (planning), derivatives of J (gradients).
"""

from ._family import Family
from ._given import split_policy
from ._softmax import Softmax, SoftmaxAt
from ._tabular import (
    check_policy,
    deterministic_policy,
    epsilon_greedy,
    uniform_policy,
)

__all__ = [
    "Family",
    "Softmax",
    "SoftmaxAt",
    "check_policy",
    "deterministic_policy",
    "epsilon_greedy",
    "split_policy",
    "uniform_policy",
]
