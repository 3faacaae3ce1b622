"""Problems: models that are ready to use, each with its source.

Takes     sizes, a discount, a text map, a random generator.
Gives     an `MDP`, for two of them features as well; `make` finds a problem by its name, for those
          who only have a string.
Source    each function names its own.
Not here  models from other libraries (interop), changes of a model (transforms).
"""

from __future__ import annotations

from ._bandits import bandit, bernoulli_bandit
from ._classic import chain, line_world, small
from ._counterexamples import (
    baird,
    baird_features,
    tsitsiklis_van_roy,
    tsitsiklis_van_roy_features,
)
from ._grids import grid_world
from ._random import dirichlet, garnet
from ._registry import make, names, options

__all__ = [
    "baird",
    "baird_features",
    "bandit",
    "bernoulli_bandit",
    "chain",
    "dirichlet",
    "garnet",
    "grid_world",
    "line_world",
    "make",
    "names",
    "options",
    "small",
    "tsitsiklis_van_roy",
    "tsitsiklis_van_roy_features",
]
