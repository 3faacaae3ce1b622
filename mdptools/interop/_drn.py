"""Storm's DRN: an explicit model in one file.

Takes     the path of a .drn file of a DTMC, MDP or POMDP.
Gives     an MDP with its labels and observations.
Source    stormchecker.org, "The DRN format".
Not here  continuous time, intervals and parameters: such a file is refused by the line.
"""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np

from ..arrays import readonly
from ..errors import ModelError
from ._branches import check_pairs, check_row_tol, model_of
from ._explicit import ExplicitModel, action_names, start
from ._files import Text

_STATE = re.compile(
    r"state (\d{1,18})(?: !(\S+))?(?: \{(\d{1,18})\})?(?: \[([^\]]*)\])?((?: \S+)*)", re.ASCII
)
_ACTION = re.compile(r"action (\S+)(?: \[([^\]]*)\])?", re.ASCII)
_TYPES = ("DTMC", "MDP", "POMDP")


def read_drn(
    path: str | os.PathLike[str],
    gamma: float | None = None,
    *,
    reward: str | None = None,
    row_tol: float = 1e-6,
    **keywords: Any,
) -> ExplicitModel:
    r"""A model in Storm's DRN format.

    Parameters
    ----------
    path : path
        Of a DTMC, MDP or POMDP.
    gamma : float, optional
        As for `MDP`: the file has none.
    reward : str, optional
        Which reward model; needed if there are several.
    row_tol : float
        Rows whose sum is off by up to this (texts are rounded) are divided by it; the model's notes
        say so.
    **keywords
        As for `MDP`.

    Returns
    -------
    ExplicitModel
        Action a is choice number a; actions have names where each number has one throughout.
        ``mu`` is the state labelled "init"; ``observations`` those of a POMDP.

    Raises
    ------
    ModelError
        Naming the file and the line.
    OSError
        If the file cannot be read.

    Notes
    -----
    The reward of (s, a) is that of s and that of the choice. Time and memory O(file).

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> text = "@type: MDP\n@reward_models\nsteps\n@nr_states\n2\n@model\nstate 0 [1] init\n"
    >>> text += "\taction go [2]\n\t\t1 : 1\nstate 1 [0] goal\n\taction go [0]\n\t\t1 : 1\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     size = Path(folder, "walk.drn").write_text(text)
    ...     model = read_drn(f"{folder}/walk.drn", gamma=1.0)
    >>> model.mdp.R[0], model.mdp.action_names, model.labels["goal"]
    (array([3.]), ('go',), array([False,  True]))
    """
    row_tol = check_row_tol(row_tol)
    text = Text(path, clean=lambda line: line.partition("//")[0])
    lines = iter(text)
    says = _header(text, lines)
    models = says["reward_models"]
    if reward is None and len(models) > 1:
        raise ModelError(f"{text.name} has reward models {models}: say which with reward=.")
    if reward is not None and reward not in models:
        raise ModelError(f"{text.name} has reward models {models}; {reward!r:.80} is none of them.")
    which = None if not models else models.index(reward) if reward else 0
    branches, labels, observed, named = _body(text, lines, says, which)
    s, a = branches[0], branches[1]
    n_states, n_actions = len(observed), max(a, default=0) + 1
    declared = says["nr_states"]
    if declared is not None and declared != n_states:
        raise ModelError(f"{text.name} has {n_states} states; @nr_states says {declared}.")
    if not s or len(set(s)) != n_states:
        silent = next((i for i in range(n_states) if i not in set(s)), 0)
        raise ModelError(f"{text.name}: state {silent} has no transitions: give it a self-loop.")
    check_pairs(n_states, n_actions, text.name)
    if len(labels) * n_states > 1 << 28:
        raise ModelError(f"{text.name} has {len(labels)} labels: more than can be held.")
    marks = {}
    for name, states in labels.items():
        mark = np.zeros(n_states, dtype=bool)
        mark[states] = True
        marks[name] = readonly(mark)
    start(marks, keywords, text.name)
    keywords.setdefault("action_names", action_names(named, n_actions))
    mdp = model_of(branches, n_states, n_actions, gamma, row_tol=row_tol, **keywords)
    if says["type"] != "POMDP":
        return ExplicitModel(mdp, marks)
    if None in observed:
        raise ModelError(f"{text.name}: state {observed.index(None)} has no observation.")
    return ExplicitModel(mdp, marks, readonly(np.array(observed, dtype=np.int64)))


def _header(text: Text, lines: Any) -> dict[str, Any]:
    """The sections before the model."""
    says: dict[str, Any] = {"type": None, "reward_models": [], "nr_states": None, "names": {}}
    section = ""
    for words in lines:
        if words[0].startswith("@"):
            section = words[0].removesuffix(":")
            if section == "@type":
                says["type"] = words[-1].upper()
                if says["type"] not in _TYPES:
                    raise text.error(f"the type {words[-1]!r:.40} is not served; {_TYPES} are")
            if section == "@model":
                if says["type"] is None:
                    raise text.error("@type is missing before @model")
                return says
        elif section == "@reward_models":
            says["reward_models"] += words
        elif section == "@nr_states":
            says["nr_states"] = text.integer(words[0], "the number of states")
        elif section == "@parameters":
            raise text.error(f"the model has parameters ({' '.join(words)[:40]}); give them values")
        elif section == "@placeholders":
            name, colon, value = "".join(words).partition(":")
            if not (colon and name.startswith("$")):
                raise text.error("a placeholder is: $name : number")
            says["names"][name] = value
        elif section != "@nr_choices":
            raise text.error(f"{words[0]!r:.40} belongs to no section")
    raise text.error("there is no @model")


def _body(text: Text, lines: Any, says: dict[str, Any], which: int | None) -> Any:
    """Branches (s, a, s', r, p), states of each label, observations, labels of choices."""
    s, a, t, r, p = [], [], [], [], []
    labels: dict[str, list[int]] = {}
    observed: list[int | None] = []
    named: dict[tuple[int, int], str] = {}
    choice, of_state, of_choice = -1, 0.0, 0.0
    seen: set[int] = set()

    def paid(given: str | None) -> float:
        """The reward that is asked for, of those in brackets."""
        if which is None or given is None:
            return 0.0
        values = given.split(",")
        if len(values) != len(says["reward_models"]):
            raise text.error(f"there are {len(values)} rewards, of {says['reward_models']}")
        return text.number(values[which].strip(), "the reward")

    for words in lines:
        line = " ".join(words)
        if words[0] == "state":
            match = _STATE.fullmatch(line)
            if match is None or match[2] is not None:
                raise text.error("a state is: state number {observation} [rewards] labels")
            if int(match[1]) != len(observed):
                raise text.error(f"state {match[1]} comes where state {len(observed)} should")
            of_state, choice = paid(match[4]), -1
            for label in match[5].split():
                labels.setdefault(label, []).append(len(observed))
            observed.append(None if match[3] is None else int(match[3]))
        elif words[0] == "action":
            match = _ACTION.fullmatch(line)
            if match is None or not observed:
                raise text.error("an action is: action name [rewards], after a state")
            choice, of_choice, seen = choice + 1, paid(match[2]), set()
            if match[1] != "__NOLABEL__" and match[1] != str(choice):
                named[len(observed) - 1, choice] = match[1]
        else:
            target, colon, value = line.replace(" ", "").partition(":")
            if not colon or choice < 0:
                raise text.error("a transition is: state : probability, after an action")
            below = says["nr_states"]
            s.append(len(observed) - 1)
            a.append(choice)
            t.append(text.integer(target, "the successor", below))
            p.append(text.probability(says["names"].get(value, value)))
            r.append(of_state + of_choice)
            if t[-1] in seen:
                raise text.error(f"the successor {t[-1]} is there twice")
            seen.add(t[-1])
    if t and max(t) >= len(observed):
        raise ModelError(f"{text.name}: state {max(t)} is a successor, but is not described.")
    return (s, a, t, r, p), labels, observed, named
