"""Verification: where the exact wing and the sampled wing meet, and a verdict is given.

Takes     an estimator, an MDP and a policy.
Gives     exact moments, by recursion or by enumeration; targets; `Verdict` and its reasons.
Source    the recursions and the enumeration are derived in their files.
Not here  the estimators themselves, learners and studies.
"""

from ._additive import additive_moments
from ._batches import batch_moments, critic_first_factor, sample_variance_factor
from ._check import check_estimator
from ._enumeration import count_trajectories, enumerate_trajectories, exact_moments
from ._explain import explain
from ._importance import doubly_robust_moments, importance_sampling_moments
from ._lambda_target import lambda_target_moments
from ._ledger import LEDGER
from ._machine import Registers
from ._moments import Moments
from ._n_step import n_step_moments
from ._optimal_baseline import optimal_baseline
from ._perturbation import perturbation_bias
from ._ratio import ratio_mean, ratio_moments
from ._registers import register_estimator, register_moments
from ._report import EstimatorRow, GradientReport, gradient_report
from ._report_words import REPORT_COLUMNS as REPORT_COLUMNS
from ._report_words import REPORT_HEAD as REPORT_HEAD
from ._reward_to_go import reward_to_go_moments
from ._tape import enumerate_program, program_moments
from ._targets import TARGETS
from ._truncation import TruncationBias, truncation_bias
from ._verdict import Evidence, Hypothesis, Verdict, WealthHistory, Witness
from ._visits import visit_moments
from ._whole_return import whole_return_moments

__all__ = [
    "LEDGER",
    "TARGETS",
    "EstimatorRow",
    "Evidence",
    "GradientReport",
    "Hypothesis",
    "Moments",
    "Registers",
    "TruncationBias",
    "Verdict",
    "WealthHistory",
    "Witness",
    "additive_moments",
    "batch_moments",
    "check_estimator",
    "count_trajectories",
    "critic_first_factor",
    "doubly_robust_moments",
    "enumerate_program",
    "enumerate_trajectories",
    "exact_moments",
    "explain",
    "gradient_report",
    "importance_sampling_moments",
    "lambda_target_moments",
    "n_step_moments",
    "optimal_baseline",
    "perturbation_bias",
    "program_moments",
    "ratio_mean",
    "ratio_moments",
    "register_estimator",
    "register_moments",
    "reward_to_go_moments",
    "sample_variance_factor",
    "truncation_bias",
    "visit_moments",
    "whole_return_moments",
]
