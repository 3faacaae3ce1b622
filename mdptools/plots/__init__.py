"""Pictures of results, for screen and print; matplotlib is imported when one is drawn.

Takes     what other rooms return, and perhaps matplotlib axes to draw on.
Gives     the axes, with labels, units and a legend; colours that colour-blind readers tell apart.
Source    colours: Okabe and Ito (2008), "Color universal design".
Not here  any number that is not already in what is drawn; whole pages (report).
"""

from ._discounts import discounts
from ._estimators import estimators
from ._grid_world import grid_world
from ._learning import learning
from ._polytope import polytope
from ._simplex import simplex
from ._study import study
from ._table import table
from ._transition_graph import transition_graph
from ._vector_field import vector_field
from ._wealth import wealth

__all__ = [
    "discounts",
    "estimators",
    "grid_world",
    "learning",
    "polytope",
    "simplex",
    "study",
    "table",
    "transition_graph",
    "vector_field",
    "wealth",
]
