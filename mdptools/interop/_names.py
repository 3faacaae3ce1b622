"""Models by name: ``gym:FrozenLake-v1``, ``example:chain@n=6``, ``py:module:function``, a file.

Takes     a name, with options after ``@``, and the objective.
Gives     an `MDP`.
Not here  making the model (`_gymnasium`, problems); commands (cli).
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from .. import problems
from ..errors import ModelError
from ..model import MDP
from ._cassandra import read_cassandra
from ._drn import read_drn
from ._explicit import read_explicit
from ._gymnasium import from_gymnasium
from ._npz import load

_READERS = {
    ".npz": load,
    ".tra": read_explicit,
    ".drn": read_drn,
    ".mdp": read_cassandra,
    ".pomdp": read_cassandra,
}
_FORMS = (
    "A model is named gym:ID (a Gymnasium environment), example:NAME (one of mdptools.problems) or "
    "py:package.module:function (a function that returns an MDP), each with options as in "
    "@n=6,slip=0.2; or it is the path of a file that ends in .npz, .tra, .drn, .MDP or .POMDP."
)
_WORDS = {"true": True, "false": False, "none": None}
_OBJECTIVE = ("gamma", "horizon", "average")
_FOR_FILES = ("reward", "row_tol", "max_bytes")


def load_model(
    name: str,
    gamma: float | None = None,
    horizon: int | str | None = None,
    average: bool = False,
) -> MDP:
    """The model with that name.

    Parameters
    ----------
    name : str
        ``gym:ID``, ``example:NAME`` or ``py:package.module:function``, or the path of a file that
        `load` (.npz), `read_explicit` (.tra), `read_drn` or `read_cassandra` (.MDP, .POMDP) can
        read; then, if there are any, ``@`` and options as in ``map_name=8x8,is_slippery=false``.
        Values are read as int, float, true, false or none where they are that, and as str
        otherwise; nothing is evaluated. Only ``py:`` runs code that is not a part of an installed
        environment: it calls ``function(**options)``.
    gamma, horizon, average
        The objective, as for `MDP`; ``horizon="limit"`` is for ``gym:``. What is not given is the
        model's own, where it has one. Each may stand among the options instead (those of ``py:``
        all go to the function).

    Returns
    -------
    MDP

    Raises
    ------
    ModelError
        If the name has another form (the message lists them), what it names does not exist, or an
        option does not fit.
    MissingExtraError
        If Gymnasium is needed and not installed.

    Examples
    --------
    >>> load_model("example:chain@n=6").n_states
    6
    >>> load_model("gym:FrozenLake-v1@map_name=8x8,is_slippery=false", gamma=0.99).layout
    (8, 8)
    """
    if not isinstance(name, str):
        raise ModelError(f"{name!r:.80} is no name. {_FORMS}")
    subject, at, tail = name.partition("@")
    form, colon, rest = subject.partition(":")
    read = _READERS.get(Path(subject).suffix.lower())
    if read is not None and form not in ("gym", "example", "py"):
        form, rest = "file", subject
    elif not (colon and rest) or form not in ("gym", "example", "py"):
        raise ModelError(f"{name!r:.80} is no name of a model. {_FORMS}")
    options = read_options(tail, name) if at else {}
    objective: dict[str, Any] = {
        key: value
        for key, value in zip(_OBJECTIVE, (gamma, horizon, average or None), strict=True)
        if value is not None
    }
    if form == "gym":
        return _gym(rest, options, objective)
    if form == "file":
        mdp = _file(rest, read, options, objective)
    else:
        mdp = _example(rest, options, objective) if form == "example" else _call(rest, options)
    _check_limit(objective, name)
    return mdp.with_objective(**objective) if objective else mdp


def _gym(env_id: str, options: dict[str, Any], objective: dict[str, Any]) -> MDP:
    if ":" in env_id:
        raise ModelError(
            f"gym:{env_id} would import a module before making the environment; only py: runs code "
            f"of that kind. Write a function that returns from_gymnasium({env_id!r}, ...)."
        )
    _once(options, objective, f"gym:{env_id}")
    return from_gymnasium(env_id, **options)


def _check_limit(objective: dict[str, Any], name: str) -> None:
    """Pass if the horizon is no time limit, which only an environment has."""
    if objective.get("horizon") == "limit":
        raise ModelError(f"horizon='limit' is for gym: models; {name!r:.80} needs a number.")


def _file(path: str, read: Any, options: dict[str, Any], objective: dict[str, Any]) -> MDP:
    """The model in that file; what is left to do about its objective is left in `objective`."""
    known = inspect.signature(read).parameters
    for key in options:
        if key not in _OBJECTIVE and (key not in known or key not in _FOR_FILES):
            raise ModelError(f"{path} takes no option {key!r:.80}.")
    _once(objective, {key: options.pop(key) for key in _OBJECTIVE if key in options}, path)
    if read is load:
        model: MDP = _opened(load, path, options)
        return model
    _check_limit(objective, path)
    given = {key: objective.pop(key) for key in list(objective)}
    mdp: MDP = _opened(read, path, options | given).mdp
    return mdp


def _opened(read: Any, path: str, options: dict[str, Any]) -> Any:
    """What the reader gives; a file that cannot be read is an error about the name."""
    try:
        return read(path, **options)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error


def _example(problem: str, options: dict[str, Any], objective: dict[str, Any]) -> MDP:
    """The problem; what is left to do about its objective is left in `objective`."""
    takes = problems.options(problem)
    for key in _OBJECTIVE:
        if key in takes and key in objective:
            _once(options, {key: objective[key]}, f"example:{problem}")
            if len(objective) == 1:
                del objective[key]  # nothing is left to do
        elif key not in takes and key in options:
            _once(objective, {key: options.pop(key)}, f"example:{problem}")
    return problems.make(problem, **options)


def _once(options: dict[str, Any], more: dict[str, Any], name: str) -> None:
    """Add to the options what is not among them yet."""
    twice = sorted(set(options) & set(more))
    if twice:
        raise ModelError(
            f"{twice[0]} is given twice for {name!r:.80}: as {options[twice[0]]!r} after the @ and "
            f"as {more[twice[0]]!r} besides."
        )
    options.update(more)


def find_function(path: str) -> Callable[..., Any]:
    """The function that ``py:`` and this path name; its module is run, its errors are left."""
    where, colon, function_name = path.partition(":")
    if not (colon and all(part.isidentifier() for part in [*where.split("."), function_name])):
        raise ModelError(f"py:{path} must be py:package.module:function.")
    try:
        module = importlib.import_module(where)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{where}.".startswith(f"{error.name}."):
            raise  # the module is there, and misses another one
        raise ModelError(
            f"py:{path}: there is no module {error.name!r} on Python's path. On the command line "
            f"this directory is part of it: give the name of a file without its .py."
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise ModelError(f"py:{path}: the module {where} has no function {function_name!r}.")
    found: Callable[..., Any] = function
    return found


def _call(path: str, options: dict[str, Any]) -> MDP:
    """function(**options); an error inside it is not ours, and is left as it is."""
    function = find_function(path)
    try:
        with suppress(ValueError):  # a function in C does not tell its parameters
            inspect.signature(function).bind(**options)
    except TypeError as error:
        raise ModelError(f"py:{path} cannot be called with these options: {error}.") from None
    mdp = function(**options)
    if not isinstance(mdp, MDP):
        raise ModelError(
            f"py:{path} returned an object of type {type(mdp).__name__}; it must return an MDP."
        )
    return mdp


def read_options(text: str, name: str) -> dict[str, Any]:
    """``n=6,slip=0.2`` as a dictionary; ``name`` is the whole, for messages."""
    options: dict[str, Any] = {}
    for part in text.split(","):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise ModelError(
                f"the option {part!r:.80} of {name!r:.80} must be key=value; options follow each "
                f"other with commas, as in @n=6,slip=0.2."
            )
        if key in options:
            raise ModelError(f"the option {key} of {name!r:.80} is given twice.")
        options[key] = _value(value.strip())
    return options


def _value(word: str) -> int | float | bool | str | None:
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    for kind in (int, float):
        try:
            return kind(word)
        except ValueError:
            continue
    return word
