"""Estimators: numbers from trajectories, one row for each; learners that are made of them.

Takes     `Trajectories`, and what they need of the rest as arrays: baselines, critics, theta.
Gives     arrays whose first axis is the trajectory; each docstring says what their mean is.
Source    Sutton and Barto (2018), chapters 5, 6 and 13.
Not here  the truth that they estimate (evaluation, gradients), the comparison (verify).
"""

from ._actor_critic import gae_actor_critic, n_step_actor_critic
from ._black_box import categorical_score_gradient, gaussian_score_gradient
from ._bootstrapped import gae, gae_flat, lambda_return, n_step_return
from ._clipped import clipped_surrogate, clipped_surrogate_gradient
from ._compatible import fitted_optimal_baseline, sampled_fisher, sampled_natural_gradient
from ._control import double_q_learning, q_learning, replay
from ._corrected import retrace, vtrace
from ._exploration import certainty_equivalence, count_transitions, optimistic_model
from ._gradient import actor_critic, batch_mean_baseline, gpomdp, leave_one_out_baseline, reinforce
from ._gradient_learners import Actor, GradientLearner, NaturalGradientLearner, ProximalLearner
from ._interaction import Experience
from ._learner import Learner
from ._least_squares import LeastSquares, fitted_value_iteration, lstd
from ._lockstep import Lockstep, learn_many
from ._monte_carlo import every_visit, every_visit_values, first_visit, first_visit_values
from ._names import in_few as in_few
from ._names import with_options as with_options
from ._off_policy import (
    direct_method,
    doubly_robust,
    importance_sampling,
    per_decision,
    weighted_importance_sampling,
)
from ._perturbation import perturbation_gradient
from ._ratios import importance_ratios
from ._returns import discounted_return, reward_to_go, rollout_utility, td_errors
from ._sarsa import expected_sarsa, n_step_sarsa, sarsa
from ._schedules import Exponential, Linear, Power
from ._states import all_actions_gradient, one_action_gradient, step_weights
from ._table_learners import ControlLearner, Knowledge, RMaxLearner
from ._temporal_difference import n_step_td, return_regression, target_table_td, td
from ._traces import td_lambda
from ._updates import (
    double_q_update,
    expected_sarsa_update,
    q_learning_update,
    sarsa_update,
    td_update,
)
from ._visits import discounted_visits

__all__ = [
    "Actor",
    "ControlLearner",
    "Experience",
    "Exponential",
    "GradientLearner",
    "Knowledge",
    "Learner",
    "LeastSquares",
    "Linear",
    "Lockstep",
    "NaturalGradientLearner",
    "Power",
    "ProximalLearner",
    "RMaxLearner",
    "actor_critic",
    "all_actions_gradient",
    "batch_mean_baseline",
    "categorical_score_gradient",
    "certainty_equivalence",
    "clipped_surrogate",
    "clipped_surrogate_gradient",
    "count_transitions",
    "direct_method",
    "discounted_return",
    "discounted_visits",
    "double_q_learning",
    "double_q_update",
    "doubly_robust",
    "every_visit",
    "every_visit_values",
    "expected_sarsa",
    "expected_sarsa_update",
    "first_visit",
    "first_visit_values",
    "fitted_optimal_baseline",
    "fitted_value_iteration",
    "gae",
    "gae_actor_critic",
    "gae_flat",
    "gaussian_score_gradient",
    "gpomdp",
    "importance_ratios",
    "importance_sampling",
    "lambda_return",
    "learn_many",
    "leave_one_out_baseline",
    "lstd",
    "n_step_actor_critic",
    "n_step_return",
    "n_step_sarsa",
    "n_step_td",
    "one_action_gradient",
    "optimistic_model",
    "per_decision",
    "perturbation_gradient",
    "q_learning",
    "q_learning_update",
    "reinforce",
    "replay",
    "retrace",
    "return_regression",
    "reward_to_go",
    "rollout_utility",
    "sampled_fisher",
    "sampled_natural_gradient",
    "sarsa",
    "sarsa_update",
    "step_weights",
    "target_table_td",
    "td",
    "td_errors",
    "td_lambda",
    "td_update",
    "vtrace",
    "weighted_importance_sampling",
]
