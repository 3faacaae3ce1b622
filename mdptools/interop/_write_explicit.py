"""Explicit models for PRISM and Storm: .tra, .lab, and .srew or .trew.

Takes     an MDP and a path.
Gives     those files, or a ModelError with what they cannot say.
Source    the PRISM manual, appendix "Explicit model files"; Storm's explicit format.
Not here  reading them (`_explicit`).
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from .. import kernel
from ..checks import check_model
from ..errors import ModelError
from ..model import MDP
from ._files import decimal
from ._losses import all_allowed, check_losses, rewards_of_successors

_WORD = re.compile(r"[A-Za-z_]\w*", re.ASCII)


def write_explicit(
    mdp: MDP,
    stem: str | os.PathLike[str],
    *,
    labels: dict[str, Any] | None = None,
    dialect: str = "prism",
    drop: Any = (),
) -> list[Path]:
    """Write a model as PRISM or Storm reads it: .tra, .lab, and .srew or .trew if anything pays.

    Parameters
    ----------
    mdp : MDP
    stem : path
        Where to write, without the ending.
    labels : dict of str to (S,) array of bool, optional
        Written besides "init" (where mu is a point mass) and "terminal" (where anything is).
    dialect : {"prism", "storm"}
    drop : sequence of str
        What to leave out because these files cannot say it: a ``"horizon"``, ``"state_names"``,
        ``"mu"`` that is no point mass, ``"allowed"`` where refused actions come before allowed ones
        (they become copies of the first allowed one), ``"action_names"`` that are no words, ...

    Returns
    -------
    list of Path
        The files that were written. Files of the other endings are removed, so that they are not
        taken to belong to this model.

    Raises
    ------
    ModelError
        Listing what these files cannot say of this model and ``drop`` does not name.

    Notes
    -----
    Numbers are written so that the same floats are read. gamma is given to whoever reads.

    Examples
    --------
    >>> import tempfile
    >>> from mdptools.interop import read_explicit
    >>> from mdptools.problems import small
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_explicit(small(), f"{folder}/small")
    ...     print([file.suffix for file in files])
    ...     print(files[0].read_text())
    ...     read_explicit(files[0], gamma=small().gamma).mdp.equals(small())
    ['.tra', '.lab', '.trew']
    2 4 7
    0 0 0 0.5
    0 0 1 0.5
    0 1 1 1
    1 0 0 0.8
    1 0 1 0.2
    1 1 0 0.1
    1 1 1 0.9
    <BLANKLINE>
    True
    """
    check_model(mdp)
    if dialect not in ("prism", "storm"):
        raise ModelError(f"dialect is {dialect!r:.80}; it must be 'prism' or 'storm'.")
    dropped = _check_said(mdp, dialect, drop)
    if "allowed" in dropped:
        mdp = all_allowed(mdp)
    texts = {".tra": _tra(mdp, dialect, "action_names" not in dropped)}
    texts[".lab"] = _lab(mdp, labels or {}, dialect, "mu" not in dropped)
    texts |= _rewards(mdp, dialect)
    paths = {end: Path(f"{os.fspath(stem)}{end}") for end in (".tra", ".lab", ".srew", ".trew")}
    for end, path in paths.items():
        if end in texts:
            path.write_text(texts[end], encoding="utf-8")
        else:
            path.unlink(missing_ok=True)
    return [paths[end] for end in texts]


def _check_said(mdp: MDP, dialect: str, drop: Any) -> tuple[str, ...]:
    """The names to drop, if nothing else is lost."""
    cannot, says = [], {"mu", "allowed", "law"}
    if dialect == "prism":
        says.add("action_names")
    default = np.flatnonzero(~mdp.terminal if not mdp.terminal.all() else mdp.terminal)
    uniform = np.zeros(mdp.n_states)
    uniform[default] = 1 / len(default)
    if not (mdp.mu == 1).any() and not np.array_equal(mdp.mu, uniform):
        cannot.append("mu")
    if (mdp.allowed[:, 1:] & ~mdp.allowed[:, :-1]).any() or not mdp.allowed[:, -1].any():
        cannot.append("allowed")
    if rewards_of_successors(mdp) is None:
        cannot.append("law")
    names = mdp.action_names if dialect == "prism" else None
    if names is not None and not all(map(_WORD.fullmatch, names)):
        cannot.append("action_names")
    return check_losses(mdp, "write_explicit", drop, says=says, cannot=cannot)


def _tra(mdp: MDP, dialect: str, with_names: bool) -> str:
    row, t, p = kernel.branches(mdp.P)
    s, a = np.divmod(row, mdp.n_actions)
    names = mdp.action_names if dialect == "prism" and with_names else None
    ends = [""] * mdp.n_actions if names is None else [f" {name}" for name in names]
    lines = [f"{mdp.n_states} {int(mdp.allowed.sum())} {len(row)}" if dialect == "prism" else "mdp"]
    columns = (x.tolist() for x in (s, a, t, p))
    lines += [f"{i} {j} {k} {decimal(x)}{ends[j]}" for i, j, k, x in zip(*columns, strict=True)]
    return "\n".join([*lines, ""])


def _lab(mdp: MDP, extra: dict[str, Any], dialect: str, with_mu: bool) -> str:
    marks: dict[str, Any] = {}
    if with_mu and (mdp.mu == 1).any():
        marks["init"] = mdp.mu == 1
    if mdp.terminal.any():
        marks["terminal"] = mdp.terminal
    for name, given in extra.items():
        mark = np.asarray(given)
        if not _WORD.fullmatch(str(name)) or name in marks:
            raise ModelError(
                f"labels has {name!r:.80}; a label is a word, and not init or terminal."
            )
        if mark.shape != (mdp.n_states,) or mark.dtype != bool:
            raise ModelError(f"labels[{name!r:.80}] must be a bool array ({mdp.n_states},).")
        marks[name] = mark
    if dialect == "prism":
        lines = [" ".join(f'{i}="{name}"' for i, name in enumerate(marks))] if marks else []
        words, colon = [str(i) for i in range(len(marks))], ":"
    else:
        lines, words, colon = ["#DECLARATION", " ".join(marks), "#END"], list(marks), ""
    for s in range(mdp.n_states):
        mine = [word for word, mark in zip(words, marks.values(), strict=True) if mark[s]]
        if mine:
            lines.append(f"{s}{colon} {' '.join(mine)}")
    return "\n".join([*lines, ""])


def _rewards(mdp: MDP, dialect: str) -> dict[str, str]:
    """The file of rewards: of states where that says it all, of transitions otherwise."""
    if mdp.law is None and not mdp.R.any():
        return {}
    first = np.take_along_axis(mdp.R, np.argmax(mdp.allowed, axis=1)[:, None], axis=1)
    if mdp.law is None and (mdp.R == first)[mdp.allowed].all():
        paying = np.flatnonzero(first[:, 0])
        lines = [f"{mdp.n_states} {len(paying)}"] if dialect == "prism" else []
        lines += [f"{s} {decimal(first[s, 0])}" for s in paying]
        return {".srew": "\n".join([*lines, ""])}
    paid = rewards_of_successors(mdp)
    row, t, _ = kernel.branches(mdp.P)
    if paid is None:
        paid = mdp.R.reshape(-1)[row]
    s, a = np.divmod(row, mdp.n_actions)
    kept = np.flatnonzero(paid)
    lines = [f"{mdp.n_states} {int(mdp.allowed.sum())} {len(kept)}"] if dialect == "prism" else []
    lines += [f"{s[i]} {a[i]} {t[i]} {decimal(paid[i])}" for i in kept]
    return {".trew": "\n".join([*lines, ""])}
