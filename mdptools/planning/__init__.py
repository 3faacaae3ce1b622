"""Planning: optimal values and policies, with a proof of how close they are.

Takes     an MDP.
Gives     `Solution`: V, Q, pi, every action that could be optimal, and a `Certificate`.
Source    Puterman (1994), chapters 4 and 6 to 9.
Not here  evaluating a given policy (evaluation), learning from samples (estimators).
"""

from ._average_policy_iteration import average_policy_iteration
from ._batch import BatchSolution, solve_batch
from ._finite_horizon import backward_induction
from ._gauss_seidel import gauss_seidel_value_iteration
from ._linear_program import linear_program
from ._lookahead import lookahead
from ._modified_policy_iteration import modified_policy_iteration
from ._policy_iteration import policy_iteration
from ._prioritized_sweeping import prioritized_sweeping
from ._rational import ExactSolution, evaluate_exactly, solve_exactly
from ._reachability import reach_probability, reach_reward
from ._regularised import soft_policy_iteration, soft_value_iteration
from ._relative_value_iteration import relative_value_iteration
from ._solution import Solution
from ._solve import solve
from ._topological import topological_value_iteration
from ._total_reward import total_reward
from ._value_iteration import q_iteration, value_iteration
from ._watch import Step, show_progress

__all__ = [
    "BatchSolution",
    "ExactSolution",
    "Solution",
    "Step",
    "average_policy_iteration",
    "backward_induction",
    "evaluate_exactly",
    "gauss_seidel_value_iteration",
    "linear_program",
    "lookahead",
    "modified_policy_iteration",
    "policy_iteration",
    "prioritized_sweeping",
    "q_iteration",
    "reach_probability",
    "reach_reward",
    "relative_value_iteration",
    "show_progress",
    "soft_policy_iteration",
    "soft_value_iteration",
    "solve",
    "solve_batch",
    "solve_exactly",
    "topological_value_iteration",
    "total_reward",
    "value_iteration",
]
