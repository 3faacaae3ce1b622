"""Gradients: the exact derivative of J by a policy or by its parameters, with error bounds.

Takes     an MDP, and pi or a family with theta.
Gives     `Gradient`: the array, J and a certificate.
Source    the policy gradient theorem, Sutton et al. (2000), theorem 1; for the direct form
          dJ/dpi(s, a) = visits(s) Q(s, a).
Not here  estimates from samples (estimators), steps along the gradient.
"""

from ._direct import direct_gradient
from ._gradient import Gradient
from ._policy import policy_gradient

__all__ = ["Gradient", "direct_gradient", "policy_gradient"]
