"""Policies: tables of probabilities, and families that make them from parameters.

Takes     an MDP (for its sizes and its mask of allowed actions), actions, values or parameters.
Gives     pi, an (S, A) array, or (H, S, A) on a finite horizon, with 0 at refused pairs.
Source    softmax: Sutton and Barto (2018), eq. (13.2), with a temperature.
Not here  choosing a good policy (planning), derivatives of J (gradients).
"""

from ._callable import Callable
from ._direct import Direct
from ._family import Family
from ._given import split_policy
from ._log_linear import LogLinear
from ._networks import from_jax, from_torch
from ._observation import Observation
from ._sight import Sight, sight
from ._softmax import Softmax, SoftmaxAt
from ._tabular import (
    check_policy,
    deterministic_policy,
    epsilon_greedy,
    uniform_policy,
)
from ._timed import Timed

__all__ = [
    "Callable",
    "Direct",
    "Family",
    "LogLinear",
    "Observation",
    "Sight",
    "Softmax",
    "SoftmaxAt",
    "Timed",
    "check_policy",
    "deterministic_policy",
    "epsilon_greedy",
    "from_jax",
    "from_torch",
    "sight",
    "split_policy",
    "uniform_policy",
]
