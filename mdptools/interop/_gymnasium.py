"""Gymnasium environments that publish their model, to `MDP`.

Takes     an environment with a table ``P[s][a] = [(p, s', r, terminated), ...]``, or an id.
Gives     an `MDP`; what is not part of it stands in its notes.
Source    Gymnasium's toy-text environments (farama.org); their step() draws from that table.
Not here  the meaning of the outcome lists (model), environments without a table.
"""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..errors import MissingExtraError, ModelError
from ..model import MDP

# Wrappers of Gymnasium that change neither states nor actions, rewards or endings.
# TimeLimit ends episodes, but by truncation; its limit is dealt with by itself.
_HARMLESS = {
    "Autoreset",
    "HumanRendering",
    "OrderEnforcing",
    "PassiveEnvChecker",
    "RecordEpisodeStatistics",
    "RecordVideo",
    "RenderCollection",
    "TimeLimit",
}
_ARROWS = ("LEFT", "DOWN", "RIGHT", "UP")
_TAXI_ACTIONS = ("south", "north", "east", "west", "pickup", "dropoff")
_TAXI_PLACES = "RGYB"


def from_gymnasium(
    env: Any,
    gamma: float | None = None,
    *,
    horizon: int | str | None = None,
    average: bool = False,
    **env_options: Any,
) -> MDP:
    """The model of a Gymnasium environment that publishes it.

    Parameters
    ----------
    env : str or gymnasium.Env
        A registered id such as ``"FrozenLake-v1"``, or an environment. It must have the table
        ``env.unwrapped.P[s][a] = [(p, s', r, terminated), ...]``, as FrozenLake, CliffWalking and
        Taxi have.
    gamma : float, optional
        Discount, as for `MDP`.
    horizon : int or "limit", optional
        Number of actions of a finite-horizon problem; ``"limit"`` takes the environment's time
        limit. Otherwise that limit, which truncates and does not terminate, is not part of the
        model, and the model's notes say so.
    average : bool
        As for `MDP`.
    **env_options
        Passed to ``gymnasium.make``, for an id only: ``map_name="8x8"``, ``is_slippery=False``.

    Returns
    -------
    MDP
        The reward law is kept, and termination is honoured for each transition (see
        `MDP.from_outcomes`). ``mu`` is the environment's initial distribution. Actions are named
        where the environment's module names them (LEFT, DOWN, RIGHT, UP) and for Taxi, whose states
        are named too; there is a layout where the states are the cells of a grid.

    Raises
    ------
    ModelError
        If the id is unknown or out of date, the options do not fit, the environment has no such
        table or one that does not describe it, or a wrapper changes what the agent meets.
    MissingExtraError
        If Gymnasium is not installed and ``env`` is an id.

    Notes
    -----
    An environment that is made here is closed again; one that is handed in is neither stepped nor
    reset. Time O(outcomes).

    Examples
    --------
    >>> mdp = from_gymnasium("FrozenLake-v1", gamma=0.99)
    >>> mdp.n_states, mdp.action_names, mdp.layout
    (16, ('left', 'down', 'right', 'up'), (4, 4))
    >>> print(mdp.notes[0])
    FrozenLake-v1 is registered with a limit of 100 steps; it is not part of this model. \
horizon='limit' puts it in.
    >>> from_gymnasium("FrozenLake-v1", horizon="limit").horizon
    100
    """
    if isinstance(env, str):
        made, notes = _make(env, env_options)
        try:
            return _convert(made, gamma, horizon, average, notes)
        finally:
            made.close()
    if env_options:
        raise ModelError(
            f"the option {sorted(env_options)[0]!r} is for gymnasium.make, but an environment was "
            f"given and not an id: make it with that option."
        )
    return _convert(env, gamma, horizon, average, ())


def _make(env_id: str, options: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """The environment, and what Gymnasium warns of (in notes, so that a good id is silent)."""
    try:
        import gymnasium
    except ImportError as error:
        raise MissingExtraError("gymnasium", "gym") from error
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            env = gymnasium.make(env_id, **options)
        except Exception as error:
            raise _refusal(gymnasium, env_id, options, error) from error
    said = (re.sub(r"\x1b\[\d*m", "", str(warning.message)) for warning in caught)
    return env, tuple(f"Gymnasium: {w[5:].strip()}" for w in said if w.startswith("WARN:"))


def _refusal(gymnasium: Any, env_id: str, options: dict[str, Any], error: Exception) -> ModelError:
    """Why gymnasium.make refused, in one sentence with a cure."""
    reason = f"{error}".strip() or type(error).__name__
    reason += "" if reason[-1] in ".?!" else "."
    version = f"Gymnasium {gymnasium.__version__}"
    newer = re.search(r"use `([^`]+)`", reason)
    if isinstance(error, gymnasium.error.DeprecatedEnv) and newer:
        return ModelError(f"{env_id} is out of date: {version} has {newer[1]} in its place.")
    if isinstance(error, gymnasium.error.UnregisteredEnv | gymnasium.error.DeprecatedEnv):
        return ModelError(
            f"{version} knows no environment {env_id!r}: {reason} gymnasium.pprint_registry() "
            f"lists the ids."
        )
    given = ", ".join(f"{key}={value!r}" for key, value in options.items())
    return ModelError(
        f"gymnasium.make({env_id!r}{', ' + given if given else ''}) failed with "
        f"{type(error).__name__}: {reason}"
    )


def _convert(env: Any, gamma: Any, horizon: Any, average: bool, notes: tuple[str, ...]) -> MDP:
    base = getattr(env, "unwrapped", env)
    layers = list(_layers(env, base))
    spec = getattr(base, "spec", None)
    name = type(base).__name__ if spec is None else str(spec.id)
    rows = _table(base, name)
    _check_layers(layers, name)
    n_states, n_actions = len(rows), _count_actions(rows)
    limit = _limit([env, *layers])
    if isinstance(horizon, str):
        if horizon != "limit":
            raise ModelError(
                f"horizon is {horizon!r}; it must be a number of actions, 'limit' or None."
            )
        if limit is None:
            raise ModelError(
                f"horizon='limit' asks for the time limit of {name}, and it has none: give a "
                f"number of actions."
            )
        horizon = limit
        notes += (f"The horizon is the limit of {limit} steps of {name}.",)
    elif limit is not None:
        has = "is registered with" if limit == _registered_limit(name) else "has"
        notes += (
            f"{name} {has} a limit of {limit} steps; it is not part of this model. "
            f"horizon='limit' puts it in.",
        )
    mu = getattr(base, "initial_state_distrib", getattr(base, "isd", None))
    if mu is None:
        notes += (
            f"{name} does not say where an episode starts: mu is uniform over the states that are "
            f"not terminal.",
        )
    mdp = MDP.from_outcomes(
        rows,
        gamma,
        horizon=horizon,
        average=average,
        mu=mu,
        state_names=_state_names(base, n_states),
        action_names=_action_names(base, n_actions),
        layout=_layout(base, n_states),
        notes=notes,
    )
    _check_spaces(base, (n_states, n_actions), name)
    return mdp


def _layers(env: Any, base: Any) -> Iterator[Any]:
    """The wrappers, from the outermost to the innermost."""
    while env is not base:
        yield env
        if not hasattr(env, "env"):
            raise ModelError(
                f"{type(env).__name__} says that it wraps an environment, but not which: it has no "
                f"attribute env. Pass the environment inside it."
            )
        env = env.env


def _check_layers(layers: list[Any], name: str) -> None:
    """Pass if no wrapper changes what the agent meets."""
    for layer in layers:
        kind = type(layer)
        of_gymnasium = kind.__module__.partition(".")[0] == "gymnasium"
        if not (of_gymnasium and kind.__name__ in _HARMLESS):
            raise ModelError(
                f"{name} is wrapped in {kind.__name__}, which may change its states, actions, "
                f"rewards or endings, and the table P knows nothing of that. If it changes none "
                f"of them, or you want the model without it, pass env.unwrapped."
            )


def _table(base: Any, name: str) -> Any:
    """P, if there is one and it describes the environment."""
    rows = getattr(base, "P", None)
    if rows is None and hasattr(base, "num_envs"):
        raise ModelError(f"{name} is here a vector of environments: pass one of them.")
    if rows is None:
        raise ModelError(
            f"{name} has no table P[s][a] = [(p, s', r, terminated), ...], so its model is not "
            f"known. FrozenLake, CliffWalking and Taxi have one; for others, count transitions "
            f"and use MDP.from_counts."
        )
    if not isinstance(rows, Mapping | Sequence):
        raise ModelError(
            f"P of {name} is of type {type(rows).__name__}; it must be a dictionary or list with "
            f"P[s][a] = [(p, s', r, terminated), ...]. A tensor P[s, a, t] goes to MDP(P, R)."
        )
    if getattr(base, "fickle_passenger", False):
        raise ModelError(
            f"{name} was made with fickle_passenger=True: the passenger changes the destination "
            f"once in an episode, outside of the table P. Make it without."
        )
    return rows


def _check_spaces(base: Any, sizes: tuple[int, int], name: str) -> None:
    """Pass if the spaces number states and actions as the table does."""
    words = (("observation_space", "states"), ("action_space", "actions"))
    for (space_name, what), size in zip(words, sizes, strict=True):
        space = getattr(base, space_name, None)
        n, first = getattr(space, "n", None), getattr(space, "start", 0)
        if space is not None and (n, first) != (size, 0):
            raise ModelError(
                f"the table P of {name} has {size} {what}, but its {space_name} is {space}, not "
                f"Discrete({size}): their numbers may mean different things. If the table is "
                f"right, give it to MDP.from_outcomes."
            )


def _count_actions(rows: Any) -> int:
    """A, or 0 where from_outcomes will say what is wrong."""
    last = -1
    for s in range(len(rows)):
        try:
            actions = rows[s]
            last = max(
                [last, *actions] if isinstance(actions, Mapping) else (last, len(actions) - 1)
            )
        except (KeyError, TypeError):
            return 0
    return int(last) + 1


def _limit(chain: list[Any]) -> int | None:
    """The smallest number of steps after which a TimeLimit truncates."""
    limits = [
        getattr(layer, "_max_episode_steps", None)
        for layer in chain
        if type(layer).__name__ == "TimeLimit"
    ]
    limits += [getattr(getattr(chain[0], "spec", None), "max_episode_steps", None)]
    return min((int(limit) for limit in limits if limit is not None and limit > 0), default=None)


def _registered_limit(name: str) -> int | None:
    """The limit under which Gymnasium, if it is loaded, has registered that id."""
    spec = sys.modules["gymnasium"].envs.registry.get(name) if "gymnasium" in sys.modules else None
    return None if spec is None else spec.max_episode_steps


def _action_names(base: Any, n_actions: int) -> tuple[str, ...] | None:
    """The names that the environment's module has for its actions, or Taxi's."""
    for kind in type(base).__mro__:
        module = sys.modules.get(kind.__module__)
        numbers = [getattr(module, word, None) for word in _ARROWS]
        if n_actions == len(_ARROWS) and all(a in numbers for a in range(n_actions)):
            return tuple(_ARROWS[numbers.index(a)].lower() for a in range(n_actions))
    if _is_taxi(base) and n_actions == len(_TAXI_ACTIONS):
        return _TAXI_ACTIONS
    return None


def _is_taxi(base: Any) -> bool:
    return any(kind.__name__ == "TaxiEnv" for kind in type(base).__mro__)


def _state_names(base: Any, n_states: int) -> tuple[str, ...] | None:
    """What the number of a Taxi state stands for."""
    if not (_is_taxi(base) and n_states == 500):
        return None
    names = []
    for s in range(n_states):
        row, column, passenger, destination = (int(x) for x in base.decode(s))
        where = "passenger in it" if passenger == 4 else f"passenger {_TAXI_PLACES[passenger]}"
        names.append(f"taxi ({row},{column}), {where}, destination {_TAXI_PLACES[destination]}")
    return tuple(names)


def _layout(base: Any, n_states: int) -> tuple[int, int] | None:
    """(rows, cols), where the states are the cells of a grid."""
    for shape in ((getattr(base, "nrow", 0), getattr(base, "ncol", 0)), getattr(base, "shape", ())):
        match shape:
            case (int(rows), int(cols)) if rows * cols == n_states:
                return rows, cols
    return None
