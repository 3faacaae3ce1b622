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
from ._classic import chain, line_world, small
from ._counterexamples import baird, tsitsiklis_van_roy
from ._grids import grid_world
from ._random import dirichlet, garnet

_FUNCTIONS: tuple[Callable[..., MDP], ...] = (
    baird,
    bandit,
    bernoulli_bandit,
    chain,
    dirichlet,
    garnet,
    grid_world,
    line_world,
    small,
    tsitsiklis_van_roy,
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
