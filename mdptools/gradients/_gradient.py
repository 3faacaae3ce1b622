"""Gradient: a derivative of J, and how wrong it can be.

Takes     what this room computes.
Gives     the noun.
Not here  the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..arrays import FloatArray
from ..certificates import Certificate
from ..evaluation import Evaluation


@dataclass(frozen=True, slots=True, eq=False)
class Gradient:
    """A derivative of J.

    Attributes
    ----------
    value : array
        In the shape of what J is differentiated by; reward units for each unit of it.
    certificate : Certificate
        ``bound`` is on the sum of all absolute errors.
    evaluation : Evaluation
        V, Q, J and visits of the policy, with their own certificates.
    J : float, reward units
    """

    value: FloatArray
    certificate: Certificate
    evaluation: Evaluation

    @property
    def J(self) -> float:
        """The return that is differentiated, reward units."""
        return self.evaluation.J
