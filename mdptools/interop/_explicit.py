"""Explicit models of PRISM and Storm: .tra, .sta, .lab, .srew and .trew.

Takes     the path of a .tra file.
Gives     an MDP with its labels.
Source    the PRISM manual, appendix "Explicit model files"; Storm's explicit format, which has a
          line with the type of the model for the counts, and labels between #DECLARATION and #END.
Not here  writing them (`_write_explicit`), Storm's DRN, which has all in one file (`_drn`).
"""

from __future__ import annotations

import os
import re
from itertools import chain as chain_of
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..arrays import BoolS, IntS, readonly
from ..errors import ModelError
from ..model import MDP
from ._branches import check_pairs, check_row_tol, model_of
from ._files import Text

_LABEL = re.compile(r'(\d{1,18})="([^"]*)"', re.ASCII)


class ExplicitModel(NamedTuple):
    """A model from a model checker's file, with what an MDP has no place for.

    Attributes
    ----------
    mdp : MDP
    labels : dict of str to (S,) array of bool
        Which states have each label.
    observations : (S,) array of int, or None
        The observation in each state of a partially observable model.
    """

    mdp: MDP
    labels: dict[str, BoolS]
    observations: IntS | None = None


def read_explicit(
    tra: str | os.PathLike[str],
    gamma: float | None = None,
    *,
    sta: str | os.PathLike[str] | None = None,
    lab: str | os.PathLike[str] | None = None,
    srew: str | os.PathLike[str] | None = None,
    trew: str | os.PathLike[str] | None = None,
    row_tol: float = 1e-6,
    **keywords: Any,
) -> ExplicitModel:
    r"""An explicit model of PRISM or Storm.

    Parameters
    ----------
    tra : path
        Transitions of a DTMC or MDP: PRISM's, with the counts in the first line, or Storm's, with
        the word ``dtmc`` or ``mdp``.
    gamma : float, optional
        As for `MDP`: these files have none.
    sta, lab, srew, trew : path, optional
        States, labels, state rewards, transition rewards. If omitted, the file beside ``tra`` with
        that ending, where there is one.
    row_tol : float
        Rows whose sum is off by up to this (texts are rounded) are divided by it; the model's notes
        say so.
    **keywords
        As for `MDP`.

    Returns
    -------
    ExplicitModel
        Action a is choice number a; actions have names where each number has one label throughout.
        ``mu`` is the state labelled "init".

    Raises
    ------
    ModelError
        Naming the file and the line; if several states are labelled "init" and ``mu`` is not given.
    OSError
        If a file cannot be read.

    Notes
    -----
    The reward of (s, a, s') is that of s and that of the transition. Time and memory O(file).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "walk.tra")
    ...     size = file.write_text("2 3 4\n0 0 0 0.5\n0 0 1 0.5\n0 1 1 1\n1 0 1 1\n")
    ...     size = file.with_suffix(".srew").write_text("2 1\n0 -1\n")
    ...     mdp = read_explicit(file, gamma=1.0).mdp
    >>> mdp.allowed.tolist(), mdp.terminal, mdp.R[0]
    ([[True, True], [True, False]], array([False,  True]), array([-1., -1.]))
    """
    row_tol = check_row_tol(row_tol)
    text = Text(tra, clean=_uncomment)
    header = next(iter(text), None)
    if header is None:
        raise text.error("the file is empty; it must begin with counts, or with dtmc or mdp")
    prism = len(header) > 1
    if prism and len(header) not in (2, 3):
        raise text.error("the first line must be two or three counts, or dtmc or mdp")
    if not prism and header[0].lower() not in ("dtmc", "mdp"):
        raise text.error(f"the type {header[0]!r:.40} is not served; dtmc and mdp are")
    chain = len(header) == 2 if prism else header[0].lower() == "dtmc"
    counts = [text.integer(word, "a count") for word in header] if prism else None
    s, a, t, p, named = _transitions(text, chain, counts)
    n_states, n_actions = max(chain_of(s, t)) + 1, max(a) + 1
    n_states = counts[0] if counts else n_states
    _check_choices(text, s, a, n_states)
    check_pairs(n_states, n_actions, text.name)
    beside = Path(tra)
    files = {"sta": sta, "lab": lab, "srew": srew, "trew": trew}
    paths = {
        end: path if path is not None else _sibling(beside.with_suffix(f".{end}"))
        for end, path in files.items()
    }
    r = np.zeros(len(s))
    if paths["srew"] is not None:
        r += np.array(_state_rewards(Text(paths["srew"], clean=_uncomment), n_states, prism))[s]
    if paths["trew"] is not None:
        place = {key: i for i, key in enumerate(zip(s, a, t, strict=True))}
        for i, value in _transition_rewards(
            Text(paths["trew"], clean=_uncomment), place, chain, prism
        ):
            r[i] += value
    labels = {} if paths["lab"] is None else _labels(Text(paths["lab"]), n_states)
    if paths["sta"] is not None:
        keywords.setdefault("state_names", _state_names(Text(paths["sta"]), n_states))
    keywords.setdefault("action_names", action_names(named, n_actions))
    start(labels, keywords, text.name)
    mdp = model_of((s, a, t, r, p), n_states, n_actions, gamma, row_tol=row_tol, **keywords)
    return ExplicitModel(mdp, labels)


def _uncomment(line: str) -> str:
    return "" if line.lstrip().startswith("#") else line


def _sibling(path: Path) -> Path | None:
    return path if path.exists() else None


def _transitions(text: Text, chain: bool, counts: list[int] | None) -> Any:
    """s, a, s', p of each line, and the labels of choices."""
    s, a, t, p = [], [], [], []
    named: dict[tuple[int, int], str] = {}
    below = counts[0] if counts else None
    width = 3 if chain else 4
    seen = set()
    for words in text:
        if len(words) not in (width, width + 1):
            form = "s s' p" if chain else "s choice s' p"
            raise text.error(f"there are {len(words)} words; a transition is: {form} [action]")
        s.append(text.integer(words[0], "the state", below))
        a.append(0 if chain else text.integer(words[1], "the choice"))
        t.append(text.integer(words[width - 2], "s'", below))
        p.append(text.probability(words[width - 1]))
        key = (s[-1], a[-1], t[-1])
        if key in seen:
            raise text.error(f"the transition {key} is there twice")
        seen.add(key)
        if len(words) > width and named.setdefault(key[:2], words[-1]) != words[-1]:
            raise text.error(f"choice {key[1]} of state {key[0]} has two labels")
    if not s:
        raise text.error("there are no transitions")
    if counts and counts[-1] != len(s):
        raise text.error(f"there are {len(s)} transitions; the first line says {counts[-1]}")
    return s, a, t, p, named


def _check_choices(text: Text, s: list[int], a: list[int], n_states: int) -> None:
    """Pass if each state has choices 0, 1, ... without a gap."""
    choices: dict[int, set[int]] = {}
    for state, choice in zip(s, a, strict=True):
        choices.setdefault(state, set()).add(choice)
    for state, numbers in choices.items():
        if max(numbers) >= len(numbers):
            raise ModelError(
                f"{text.name}: state {state} has choice {max(numbers)} but only {len(numbers)} "
                f"choices; they must be numbered 0, 1, ..."
            )
    if len(choices) != n_states:
        missing = next(state for state in range(n_states) if state not in choices)
        raise ModelError(
            f"{text.name}: state {missing} of {n_states} has no transitions: give it a self-loop."
        )


def _state_rewards(text: Text, n_states: int, prism: bool) -> list[float]:
    rewards = [0.0] * n_states
    lines = iter(text)
    if prism:
        _skip_counts(text, lines, 2, n_states)
    for words in lines:
        if len(words) != 2:
            raise text.error(f"there are {len(words)} words; a state reward is: s r")
        rewards[text.integer(words[0], "the state", n_states)] = text.number(words[1], "the reward")
    return rewards


def _transition_rewards(text: Text, place: dict[Any, int], chain: bool, prism: bool) -> Any:
    """(index of the transition, reward) of each line."""
    lines = iter(text)
    width = 3 if chain else 4
    if prism:
        _skip_counts(text, lines, width - 1, None)
    for words in lines:
        if len(words) != width:
            form = "s s' r" if chain else "s choice s' r"
            raise text.error(f"there are {len(words)} words; a transition reward is: {form}")
        numbers = [text.integer(word, "a state or choice") for word in words[:-1]]
        key = (numbers[0], 0 if chain else numbers[1], numbers[-1])
        if key not in place:
            raise text.error(f"there is no transition {key} to reward")
        yield place[key], text.number(words[-1], "the reward")


def _skip_counts(text: Text, lines: Any, width: int, n_states: int | None) -> None:
    words = next(lines, None)
    if words is None or len(words) != width:
        raise text.error(f"the first line must be {width} counts")
    first = text.integer(words[0], "the number of states")
    if n_states is not None and first != n_states:
        raise text.error(f"the first line says {first} states; the transitions have {n_states}")


def _labels(text: Text, n_states: int) -> dict[str, BoolS]:
    """PRISM's or Storm's labels."""
    lines = iter(text)
    first = next(lines, None)
    if first is None:
        return {}
    names: dict[str, str] = {}
    if first == ["#DECLARATION"]:
        for words in lines:
            if words == ["#END"]:
                break
            names |= {word: word for word in words}
        else:
            raise text.error("#DECLARATION has no #END")
    else:
        line = " ".join(first)
        names = dict(_LABEL.findall(line))
        if _LABEL.sub("", line).strip() or not names:
            raise text.error('the first line must be #DECLARATION, or labels: 0="init" ...')
    if len(names) * n_states > 1 << 28:
        raise text.error(f"{len(names)} labels of {n_states} states are more than can be held")
    marks = {name: np.zeros(n_states, dtype=bool) for name in names.values()}
    for words in lines:
        s = text.integer(words[0].removesuffix(":"), "the state", n_states)
        for word in words[1:]:
            if word not in names:
                raise text.error(f"the label {word!r:.40} is not declared")
            marks[names[word]][s] = True
    return {name: readonly(mark) for name, mark in marks.items()}


def _state_names(text: Text, n_states: int) -> list[str]:
    """The values of the variables, as ``"(x=1,y=2)"``."""
    lines = iter(text)
    first = "".join(next(lines, []))
    if not (first.startswith("(") and first.endswith(")")):
        raise text.error("the first line must be the names of the variables: (x,y)")
    variables = first[1:-1].split(",")
    names: list[str] = []
    for words in lines:
        number, colon, values = "".join(words).partition(":")
        parts = values.removeprefix("(").removesuffix(")").split(",")
        if not colon or len(parts) != len(variables):
            raise text.error(f"a state is: number:(values), with {len(variables)} values")
        if text.integer(number, "the state", n_states) != len(names):
            raise text.error(f"state {number} comes where state {len(names)} should")
        names.append(f"({','.join(f'{x}={v}' for x, v in zip(variables, parts, strict=True))})")
    if len(names) != n_states:
        raise text.error(f"there are {len(names)} states; the transitions have {n_states}")
    return names


def action_names(named: dict[tuple[int, int], str], n_actions: int) -> list[str] | None:
    """The label of each choice number, if it has one throughout and no two have the same."""
    labels: list[set[str]] = [set() for _ in range(n_actions)]
    for (_, choice), label in named.items():
        labels[choice].add(label)
    words = [next(iter(label)) for label in labels if len(label) == 1]
    return words if len(set(words)) == n_actions else None


def start(labels: dict[str, BoolS], keywords: dict[str, Any], name: str) -> None:
    """Add mu, a point mass on the state labelled "init"."""
    first = np.flatnonzero(labels.get("init", ()))
    if keywords.get("mu") is not None or not len(first):
        return
    if len(first) > 1:
        raise ModelError(
            f"{name}: states {first[0]} and {first[1]} are both labelled init; say how episodes "
            f"start with mu=."
        )
    keywords["mu"] = (np.arange(len(labels["init"])) == first[0]).astype(float)
