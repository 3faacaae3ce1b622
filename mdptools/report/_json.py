"""Results as JSON: one object with a schema number, its type, and what it holds.

Takes     a result: a frozen dataclass or named tuple of mdptools.
Gives     a dictionary that JSON can hold; text.
Not here  what commands print under ``--json`` (cli), a format for models that is read back
          (interop).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import json_text, plain
from ..checks import check_count
from ..errors import ModelError
from ..model import MDP
from ..studies import Run, Study
from ._contents import CONTENTS, SIZES

SCHEMA = 1
"""It grows when an entry changes its meaning or goes; new entries may come without."""
LIMIT = 1_000_000
"""Numbers in all arrays together, unless ``limit`` says otherwise: some 20 MB of text."""


def to_json(result: Any, *, limit: int = LIMIT) -> dict[str, Any]:
    """A result as a dictionary that JSON can hold.

    Parameters
    ----------
    result : MDP, Solution, Evaluation, Verdict, Study, ...
        Any result of mdptools; a dataclass or a named tuple.
    limit : int
        Numbers that all arrays together may hold.

    Returns
    -------
    dict
        ``{"schema": 1, "type": "Solution", ...}`` and what `CONTENTS` says of the type. Arrays
        are nested lists; infinities are "inf" and "-inf", nan is None, fractions are strings
        such as "1/3". Functions and policies in parameters are told by their type.

    Raises
    ------
    ModelError
        If it is no result of mdptools, or holds more than ``limit`` numbers.

    Notes
    -----
    ``schema`` grows when an entry changes its meaning or goes. Time and memory O(numbers).

    Examples
    --------
    >>> from mdptools import MDP, solve
    >>> found = to_json(solve(MDP([[[1.0]]], [[1.0]], gamma=0.5)))
    >>> found["schema"], found["type"], found["V"], found["certificate"]["kind"]
    (1, 'Solution', [2.0], 'proved')
    """
    if not _is_result(result):
        raise ModelError(
            f"{_said(result)} is no result of mdptools; to_json takes what its functions return: a "
            f"model, Solution, Evaluation, Verdict, Study and the like."
        )
    writer = _Writer(check_count(limit, "limit"))
    return {"schema": SCHEMA, **writer.result(result, outermost=True)}


def dumps(result: Any, *, limit: int = LIMIT) -> str:
    """The same as text, which every reader of JSON accepts.

    Parameters
    ----------
    result, limit
        As for `to_json`.

    Returns
    -------
    str
        One object, each of its entries on a line of its own.

    Raises
    ------
    ModelError
        As `to_json`.

    Examples
    --------
    >>> from mdptools import Certificate
    >>> print(dumps(Certificate(0.5, float("inf"), 0.1, "by hand")))
    {
      "schema": 1,
      "type": "Certificate",
      "bound": 0.5,
      "loss": "inf",
      "residual": 0.1,
      "theorem": "by hand",
      "kind": "proved",
      "lower": null,
      "upper": null
    }
    """
    return json_text(to_json(result, limit=limit))


class _Writer:
    """Writes one result, and counts the numbers that it has written."""

    def __init__(self, limit: int) -> None:
        self.limit = self.left = limit

    def result(self, x: Any, *, outermost: bool = False) -> dict[str, Any]:
        """A dataclass or named tuple with its type."""
        name = type(x).__name__
        if isinstance(x, Study | Run):  # which know how to say it themselves
            found = x.to_json()
            self.count(found, name)
            return {"type": name, **{key: found[key] for key in found if key != "schema"}}
        if isinstance(x, MDP):
            return {"type": name, **(self.model(x) if outermost else _sizes(x))}
        found = {key: getattr(x, key) for key in CONTENTS.get(name, _public(x))}
        return {"type": name} | {key: self.value(y, f"{name}.{key}") for key, y in found.items()}

    def value(self, x: Any, where: str) -> Any:
        """Whatever a result holds."""
        if isinstance(x, np.ndarray):
            self.spend(x.size, where)
            return plain(x)
        if _is_result(x):
            return self.result(x)
        if isinstance(x, Mapping):
            return {str(key): self.value(y, f"{where}[{key!r}]") for key, y in x.items()}
        if isinstance(x, tuple | list):
            return [self.value(y, where) for y in x]
        known = plain(x)
        if known is None or isinstance(known, str | bool | int | float | list):
            self.spend(1, where)
            return known
        return {"type": type(x).__name__}

    def model(self, mdp: MDP) -> dict[str, Any]:
        """A whole model."""
        law_size = int(kernel.row_lengths(mdp.P).sum()) if mdp.law is None else len(mdp.law.prob)
        self.spend(5 * law_size, "MDP.branches")
        law = mdp.branches
        state, action = np.divmod(law.row, mdp.n_actions)
        branches = {
            "state": plain(state),
            "action": plain(action),
            "next_state": plain(law.next_state),
            "reward": plain(law.reward),
            "probability": plain(law.prob),
        }
        told = {
            **_sizes(mdp),
            "branches": branches,
            "terminal": np.flatnonzero(mdp.terminal),
            "allowed": None if mdp.facts.all_allowed else mdp.allowed,
        }
        return {
            key: told[key]
            if key in (*SIZES, "branches")
            else self.value(told.get(key, getattr(mdp, key)), f"MDP.{key}")
            for key in CONTENTS["MDP"]
        }

    def count(self, x: Any, where: str) -> None:
        """Spend what nested lists hold."""
        if isinstance(x, dict):
            for key, y in x.items():
                self.count(y, f"{where}[{key!r}]")
        elif isinstance(x, list):
            if x and not isinstance(x[0], dict | list):
                self.spend(len(x), where)
            else:
                for y in x:
                    self.count(y, where)

    def spend(self, n: int, where: str) -> None:
        """Count n numbers; refuse what is too many."""
        self.left -= n
        if self.left < 0:
            raise ModelError(
                f"{where} has {n:,} numbers, and to_json writes up to {self.limit:,} in all. Pass "
                f"limit= for more, or keep arrays with numpy.savez and models with mdptools.save."
            )


def _is_result(x: Any) -> bool:
    """Whether mdptools made it: a dataclass or a named tuple."""
    home = type(x).__module__.partition(".")[0] == __name__.partition(".")[0]
    return home and (is_dataclass(x) or hasattr(x, "_fields"))


def _public(x: Any) -> tuple[str, ...]:
    """The names of the fields of a type that `CONTENTS` does not list."""
    names = x._fields if hasattr(x, "_fields") else [f.name for f in fields(x)]
    return tuple(name for name in names if not name.startswith("_"))


def _sizes(mdp: MDP) -> dict[str, Any]:
    """What is said of a model inside another result."""
    return {key: plain(getattr(mdp, key)) for key in SIZES}


def _said(x: Any) -> str:
    """A thing by its type."""
    return f"an object of type {type(x).__name__}"
