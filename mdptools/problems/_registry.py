"""Problems by name, for those who only have a string: the command line, a table of experiments.

Takes     the name of a function of this room, and its options.
Gives     its `MDP`.
Not here  reading ``example:chain@n=6`` (interop).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from ..errors import ModelError
from ..model import MDP
from ._bandits import bandit, bernoulli_bandit
from ._cartpole import cartpole
from ._classic import chain, line_world, small
from ._counterexamples import baird, tsitsiklis_van_roy
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
from ._services import access_control, jacks_car_rental
from ._structures import (
    bisimilar,
    cancelling_cycle,
    discount_mismatch,
    improper,
    model_fail,
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

_FUNCTIONS: tuple[Callable[..., MDP], ...] = (
    access_control,
    baird,
    bandit,
    bernoulli_bandit,
    bisimilar,
    cancelling_cycle,
    cartpole,
    chain,
    cliff_walking,
    combination_lock,
    deep_sea,
    dirichlet,
    discount_mismatch,
    ergodic,
    fair_walk,
    forest,
    four_rooms,
    frozen_lake,
    gambler,
    garnet,
    grid_world,
    improper,
    inventory,
    jacks_car_rental,
    layered,
    line_world,
    machine_replacement,
    model_fail,
    model_win,
    multichain,
    negative_cost_cycle,
    polytope,
    random_walk,
    recycling_robot,
    ring,
    riverswim,
    russell_norvig,
    slow_reachability,
    small,
    small_gridworld,
    sutton_grid,
    taxicab,
    toymaker,
    tsitsiklis_van_roy,
    two_cycle,
    two_state,
    weakly_communicating,
    windy_gridworld,
    zero_cost_cycle,
)
_PROBLEMS = {function.__name__: function for function in _FUNCTIONS}


def names() -> tuple[str, ...]:
    """The names that `make` knows.

    Returns
    -------
    tuple of str
        Sorted.

    Examples
    --------
    >>> "chain" in names()
    True
    """
    return tuple(sorted(_PROBLEMS))


def options(name: str) -> tuple[str, ...]:
    """What a problem can be asked for.

    Parameters
    ----------
    name : str
        One of `names`.

    Returns
    -------
    tuple of str
        The names of the function's parameters, in its order.

    Raises
    ------
    ModelError
        If there is no such problem.

    Examples
    --------
    >>> options("chain")
    ('n', 'n_actions', 'gamma', 'reward', 'mu')
    """
    return tuple(inspect.signature(_find(name)).parameters)


def make(name: str, /, **options: Any) -> MDP:
    """Make a problem by its name.

    Parameters
    ----------
    name : str
        One of `names`.
    **options
        The parameters of the function with that name, all by keyword.

    Returns
    -------
    MDP

    Raises
    ------
    ModelError
        If there is no such problem, it has no such option, or one that it needs is missing; the
        message lists what exists.

    Examples
    --------
    >>> make("chain", n=6).n_states
    6
    """
    function = _find(name)
    parameters = inspect.signature(function).parameters
    takes = f"It takes {', '.join(parameters)}."
    unknown = sorted(set(options) - set(parameters))
    if unknown:
        raise ModelError(f"the problem {name} has no option {unknown[0]!r}. {takes}")
    missing = [
        key
        for key, parameter in parameters.items()
        if parameter.default is parameter.empty and key not in options
    ]
    if missing:
        raise ModelError(f"the problem {name} needs {' and '.join(missing)}. {takes}")
    return function(**options)


def _find(name: Any) -> Callable[..., MDP]:
    if not isinstance(name, str) or name not in _PROBLEMS:
        raise ModelError(f"there is no problem {name!r}. There are {', '.join(names())}.")
    return _PROBLEMS[name]
