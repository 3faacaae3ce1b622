"""Verification: where the exact wing and the sampled wing meet, and a verdict is given.

Takes     an estimator, an MDP and a policy.
Gives     exact moments, by recursion or by enumeration; targets; `Verdict` and its reasons.
Source    the recursions and the enumeration are derived in their files.
Not here  the estimators themselves, learners and studies.
"""

from ._check import check_estimator
from ._enumeration import count_trajectories, enumerate_trajectories, exact_moments
from ._explain import explain
from ._moments import Moments
from ._report import EstimatorRow, GradientReport, gradient_report
from ._reward_to_go import reward_to_go_moments
from ._targets import TARGETS
from ._verdict import Hypothesis, Verdict, Witness
from ._whole_return import whole_return_moments

__all__ = [
    "TARGETS",
    "EstimatorRow",
    "GradientReport",
    "Hypothesis",
    "Moments",
    "Verdict",
    "Witness",
    "check_estimator",
    "count_trajectories",
    "enumerate_trajectories",
    "exact_moments",
    "explain",
    "gradient_report",
    "reward_to_go_moments",
    "whole_return_moments",
]
