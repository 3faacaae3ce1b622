"""The catalogue of bounds, filled.

Takes     the files of entries.
Gives     `bound`, `bounds`, `bound_names` over all of them.
Source    the entries name theirs.
Not here  the entries (`_bounds_*`), the noun (`_bound`).
"""

from . import (
    _bounds_average,
    _bounds_barrier,
    _bounds_finite,
    _bounds_gradient,
    _bounds_mirror,
    _bounds_policies,
    _bounds_projected,
    _bounds_regularised,
    _bounds_smooth,
    _bounds_steps,
    _bounds_td,
    _bounds_values,
)
from ._bound import Bound, bound, bound_names, bounds

ENTRIES = (
    _bounds_values,
    _bounds_policies,
    _bounds_gradient,
    _bounds_smooth,
    _bounds_barrier,
    _bounds_projected,
    _bounds_mirror,
    _bounds_regularised,
    _bounds_steps,
    _bounds_td,
    _bounds_finite,
    _bounds_average,
)
"""The files whose entries fill the catalogue as they are loaded."""

__all__ = ["Bound", "bound", "bound_names", "bounds"]
