"""Planning: optimal values and policies, with a proof of how close they are.

Takes     an MDP.
Gives     `Solution`: V, Q, pi, every action that could be optimal, and a `Certificate`.
Source    Puterman (1994), chapters 4, 6 and 7.
Not here  evaluating a given policy (evaluation), learning from samples (estimators).
"""

from ._batch import BatchSolution, solve_batch
from ._finite_horizon import backward_induction
from ._linear_program import linear_program
from ._modified_policy_iteration import modified_policy_iteration
from ._policy_iteration import policy_iteration
from ._regularised import soft_policy_iteration, soft_value_iteration
from ._solution import Solution
from ._solve import solve
from ._total_reward import total_reward
from ._value_iteration import q_iteration, value_iteration

__all__ = [
    "BatchSolution",
    "Solution",
    "backward_induction",
    "linear_program",
    "modified_policy_iteration",
    "policy_iteration",
    "q_iteration",
    "soft_policy_iteration",
    "soft_value_iteration",
    "solve",
    "solve_batch",
    "total_reward",
    "value_iteration",
]
