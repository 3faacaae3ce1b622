"""Problems: models that are ready to use, each with its source.

Takes     sizes, a discount, a text map, a random generator.
Gives     an `MDP`, for some of them features or observations as well; `make` finds a problem by its
          name, for those who only have a string.
Source    each function names its own.
Not here  models from other libraries (interop), changes of a model (transforms).
"""

from __future__ import annotations

from ._bandits import bandit, bernoulli_bandit
from ._cartpole import cartpole
from ._classic import chain, line_world, small
from ._counterexamples import baird, baird_features, tsitsiklis_van_roy, tsitsiklis_van_roy_features
from ._decisions import (
    forest,
    inventory,
    machine_replacement,
    polytope,
    recycling_robot,
    taxicab,
    toymaker,
    two_state,
)
from ._grids import grid_world
from ._random import dirichlet, garnet
from ._random_families import ergodic, layered, ring
from ._registry import make, names, options
from ._services import access_control, jacks_car_rental
from ._structures import (
    bisimilar,
    cancelling_cycle,
    discount_mismatch,
    improper,
    model_fail,
    model_fail_observations,
    model_win,
    multichain,
    negative_cost_cycle,
    two_cycle,
    weakly_communicating,
    zero_cost_cycle,
)
from ._walks import (
    combination_lock,
    deep_sea,
    fair_walk,
    gambler,
    random_walk,
    riverswim,
    slow_reachability,
)
from ._worlds import (
    cliff_walking,
    four_rooms,
    frozen_lake,
    russell_norvig,
    small_gridworld,
    sutton_grid,
    windy_gridworld,
)

__all__ = [
    "access_control",
    "baird",
    "baird_features",
    "bandit",
    "bernoulli_bandit",
    "bisimilar",
    "cancelling_cycle",
    "cartpole",
    "chain",
    "cliff_walking",
    "combination_lock",
    "deep_sea",
    "dirichlet",
    "discount_mismatch",
    "ergodic",
    "fair_walk",
    "forest",
    "four_rooms",
    "frozen_lake",
    "gambler",
    "garnet",
    "grid_world",
    "improper",
    "inventory",
    "jacks_car_rental",
    "layered",
    "line_world",
    "machine_replacement",
    "make",
    "model_fail",
    "model_fail_observations",
    "model_win",
    "multichain",
    "names",
    "negative_cost_cycle",
    "options",
    "polytope",
    "random_walk",
    "recycling_robot",
    "ring",
    "riverswim",
    "russell_norvig",
    "slow_reachability",
    "small",
    "small_gridworld",
    "sutton_grid",
    "taxicab",
    "toymaker",
    "tsitsiklis_van_roy",
    "tsitsiklis_van_roy_features",
    "two_cycle",
    "two_state",
    "weakly_communicating",
    "windy_gridworld",
    "zero_cost_cycle",
]
