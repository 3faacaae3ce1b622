"""Sampling: trajectories, drawn many at a time, and the probability of each.

Takes     an MDP, a policy (pi, or a family with its parameters), a random generator.
Gives     `Trajectories`, the logarithm of their probabilities, and its gradient; `Simulator`, for
          who acts step by step.
Source    Sutton and Barto (2018), section 3.1: s_0, a_0, r_0, s_1, ...; r[t] belongs to a[t].
Not here  what is estimated from them (estimators), all trajectories with their weights (verify).
"""

from ._log_prob import trajectory_log_prob, trajectory_log_prob_gradient
from ._rollout import rollout
from ._simulator import Simulator, step
from ._trajectories import Trajectories

__all__ = [
    "Simulator",
    "Trajectories",
    "rollout",
    "step",
    "trajectory_log_prob",
    "trajectory_log_prob_gradient",
]
