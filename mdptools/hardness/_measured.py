"""A number that says how hard a model is, and how wrong it can be.

Takes     what the other files compute.
Gives     the noun of this room.
Not here  the formulas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from ..arrays import readonly
from ..certificates import Certificate
from ..markup import Shown


@dataclass(frozen=True, slots=True, eq=False)
class Measured(Shown):
    """A number or an array, with its certificate.

    Attributes
    ----------
    value : float or array
        inf where the quantity is infinite.
    certificate : Certificate
        ``bound`` is the largest error of a finite entry. ``kind`` is "estimated" where nothing is
        proved, as for eigenvalues.
    """

    value: Any
    certificate: Certificate

    def __float__(self) -> float:
        """The number; TypeError if it is an array."""
        return float(self.value)


def measured(
    value: Any, bound: float, theorem: str, *, kind: Literal["proved", "estimated"] = "proved"
) -> Measured:
    """A `Measured` whose certificate has nothing but a bound."""
    if isinstance(value, np.ndarray):
        value = readonly(value)
    certificate = Certificate(
        bound=float(bound), loss=np.inf, residual=0.0, theorem=theorem, kind=kind
    )
    return Measured(value, certificate)
