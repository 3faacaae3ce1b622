"""Estimators: numbers from trajectories, one row for each.

Takes     `Trajectories`, and what they need of the rest as arrays: baselines, critics, theta.
Gives     arrays whose first axis is the trajectory; each docstring says what their mean is.
Source    Sutton and Barto (2018), chapters 5, 6 and 13.
Not here  the truth that they estimate (evaluation, gradients), the comparison (verify).
"""

from ._gradient import actor_critic, batch_mean_baseline, gpomdp, leave_one_out_baseline, reinforce
from ._returns import discounted_return, reward_to_go, td_errors

__all__ = [
    "actor_critic",
    "batch_mean_baseline",
    "discounted_return",
    "gpomdp",
    "leave_one_out_baseline",
    "reinforce",
    "reward_to_go",
    "td_errors",
]
