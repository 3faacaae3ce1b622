"""Gradients: exact derivatives of J by a policy or by its parameters, and what is made of them.

Takes     an MDP, and pi or a family with theta.
Gives     `Gradient`: the array, J and a certificate; Hessians, the Fisher information and natural
          gradients; `Objective` for scipy.optimize; surrogates of J and bounds on improvement.
Source    the policy gradient theorem, Sutton et al. (2000), theorem 1; for the direct form
          dJ/dpi(s, a) = visits(s) Q(s, a).
Not here  estimates from samples (estimators), steps along the gradient (studies).
"""

from ._barrier import LogBarrier, log_barrier
from ._direct import direct_gradient
from ._dynamics import VectorField, vector_field
from ._everywhere import values_jacobian
from ._fisher import Fisher, fisher_information
from ._gradient import Gradient
from ._hessian import hessian, hessian_vector_product
from ._improvement import (
    ImprovementBound,
    PerformanceDifference,
    clipped_bound,
    max_divergence_bound,
    mixture_bound,
    performance_difference,
    tv_improvement_bound,
)
from ._natural import NaturalGradient, natural_gradient
from ._objective import Objective, objective
from ._policy import policy_gradient
from ._regularised import regularised_evaluation, regularised_gradient
from ._surrogate import Surrogate, surrogate

__all__ = [
    "Fisher",
    "Gradient",
    "ImprovementBound",
    "LogBarrier",
    "NaturalGradient",
    "Objective",
    "PerformanceDifference",
    "Surrogate",
    "VectorField",
    "clipped_bound",
    "direct_gradient",
    "fisher_information",
    "hessian",
    "hessian_vector_product",
    "log_barrier",
    "max_divergence_bound",
    "mixture_bound",
    "natural_gradient",
    "objective",
    "performance_difference",
    "policy_gradient",
    "regularised_evaluation",
    "regularised_gradient",
    "surrogate",
    "tv_improvement_bound",
    "values_jacobian",
    "vector_field",
]
