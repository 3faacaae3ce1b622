"""Gradient: a derivative of J, and how wrong it can be.

Takes     what this room computes.
Gives     the noun.
Not here  the formulas.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray
from ..certificates import Certificate
from ..evaluation import Evaluation
from ..markup import Html, Shown, facts, table
from ..words import bounded


@dataclass(frozen=True, slots=True, eq=False)
class Gradient(Shown):
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
    is_nonzero : bool
        Whether the bound proves that the derivative is not 0: float64 cannot tell where False.
    """

    value: FloatArray
    certificate: Certificate
    evaluation: Evaluation

    def _shown(self) -> Iterator[Html]:
        """For notebooks: J and the derivative, with what bounds the errors."""
        known = self.evaluation.J_certificate
        yield facts(
            [
                ("J", bounded(self.J, known.bound)),
                ("sum of errors", self.certificate),
                ("proved not to be 0", self.is_nonzero),
                ("value", None if self.value.ndim == 2 else self.value),
            ]
        )
        if self.value.ndim == 2:
            yield table(
                ["state", *(f"action {a}" for a in range(self.value.shape[1]))],
                ([s, *row.tolist()] for s, row in enumerate(self.value)),
                total=len(self.value),
            )

    @property
    def J(self) -> float:
        """The return that is differentiated, reward units."""
        return self.evaluation.J

    @property
    def is_nonzero(self) -> bool:
        """Whether sum |value| exceeds the bound on its error.

        Where gradients vanish float64 cannot tell: on Agarwal et al.'s chain (`problems.chain`)
        with H = 128 the truth is 6e-57 and the bound 1e-8. The digits happen to be right there;
        with 0.1 added to each reward, which changes no gradient, they are round-off, 4e-15.
        """
        return float(np.abs(self.value).sum()) > self.certificate.bound
