"""Hardness: what makes a model hard, and what a different discount would change.

Takes     an MDP, for some functions a policy or a law as well.
Gives     `Measured` numbers with certificates; classes of states that are alike; breakpoints in
          gamma; a description in words.
Source    each function names its own.
Not here  learners that find it hard (studies), pictures (plots).
"""

from ._bisimulation import Quotient, bisimulation
from ._chains import (
    absorption_probabilities,
    hitting_times,
    kemeny_constant,
    mixing_time,
    policy_chain,
    spectral_gap,
)
from ._coverage import concentrability, mismatch
from ._describe import Description, describe
from ._difficulty import (
    action_gaps,
    bias_span,
    diameter,
    effective_horizon,
    sum_of_inverse_gaps,
    truncation_horizon,
)
from ._discount import DiscountSensitivity, discount_sensitivity
from ._measured import Measured
from ._polytope import ValuePolytope, value_polytope

__all__ = [
    "Description",
    "DiscountSensitivity",
    "Measured",
    "Quotient",
    "ValuePolytope",
    "absorption_probabilities",
    "action_gaps",
    "bias_span",
    "bisimulation",
    "concentrability",
    "describe",
    "diameter",
    "discount_sensitivity",
    "effective_horizon",
    "hitting_times",
    "kemeny_constant",
    "mismatch",
    "mixing_time",
    "policy_chain",
    "spectral_gap",
    "sum_of_inverse_gaps",
    "truncation_horizon",
    "value_polytope",
]
