"""Estimators of the user's own: found by name, called as they ask to be, and what is said of them.

Takes     ``py:package.module:function``, a model, a policy; verdicts.
Gives     a function that `check_estimator` can call; verdicts as text and as JSON.
Not here  the verdict itself (verify), the built-in rows (`_verification`).
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..errors import ModelError
from ..interop import find_function
from ..model import MDP
from ..policies import split_policy
from ..verify import TARGETS, Verdict
from ._text import in_flags, labelled, wrap

HANDED = ("mdp", "pi", "family", "theta", "gamma")
"""Parameters that are handed over by name, beside what the style hands over first."""
FIRST = {"batch": 1, "steps": 1, "dicts": 1, "sampler": 2}
"""How many arguments each style hands over first."""
WITNESSES = 3  # trajectories that are shown
ACCEPTED = {
    "unbiased": {"unbiased", "unbiased within tol"},
    "not-biased": {"unbiased", "unbiased within tol", "inconclusive"},
    "inconclusive": {"inconclusive"},
    "biased": {"biased"},
}
"""What each word of ``--require`` accepts."""


class Own(NamedTuple):
    """An estimator and its verdict."""

    name: str
    verdict: Verdict
    required: str | None
    accepted: bool  # whether the outcome is what is required, if anything is


def read_estimator(name: str) -> Callable[..., Any]:
    """The function that ``py:package.module:function`` names; its module is run."""
    prefix, colon, path = name.partition(":")
    if prefix != "py" or not colon:
        raise ModelError(
            f"--estimator is {name!r:.80}; it must be py:package.module:function, such as "
            f"py:mdptools.estimators:reinforce."
        )
    return find_function(path)


def with_names(function: Callable[..., Any], name: str, mdp: MDP, policy: Any, style: str) -> Any:
    """The function, with what else it asks for by the names of its parameters.

    Parameters
    ----------
    function : callable
        Its first parameters (one; two of a sampler) are left to `check_estimator`.
    name : str
        For messages.
    mdp : MDP
    policy : pi, or (family, theta)
    style : str

    Returns
    -------
    callable

    Raises
    ------
    ModelError
        If it needs something that has no name in `HANDED`.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())[FIRST.get(style, 1) :]
    except (TypeError, ValueError):  # a function in C does not tell its parameters
        return function
    pi, family, theta = split_policy(mdp, policy)
    handed = {"mdp": mdp, "pi": pi, "family": family, "theta": theta, "gamma": float(mdp.gamma)}
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    for parameter in parameters:
        needed = parameter.default is parameter.empty and parameter.kind not in open_ended
        if needed and parameter.name not in handed:
            raise ModelError(
                f"{name} needs {parameter.name!r}, which the command line cannot give: besides "
                f"its first argument it is given {', '.join(HANDED)} by name, if it asks for them."
            )
    named = {one.name: handed[one.name] for one in parameters if one.name in handed}
    return functools.partial(function, **named) if named else function


def read_require(words: str | None) -> set[str] | None:
    """The outcomes that are accepted; None if nothing is required."""
    if words is None:
        return None
    accepted: set[str] = set()
    for word in words.split(","):
        if word.strip() not in ACCEPTED:
            raise ModelError(
                f"--require is {words!r:.80}; it must be {', '.join(ACCEPTED)}, or some of them "
                f"with commas."
            )
        accepted |= ACCEPTED[word.strip()]
    return accepted


def check_target(target: str) -> None:
    """Pass if there is a target of that name."""
    if target not in TARGETS:
        raise ModelError(f"--target is {target!r:.80}; there are {', '.join(TARGETS)}.")


def judge(name: str, verdict: Verdict, required: str | None) -> Own:
    """The verdict, and whether it will do."""
    accepted = read_require(required)
    return Own(name, verdict, required, accepted is None or verdict.outcome in accepted)


def lines_of(own: Own, width: int) -> list[str]:
    """A verdict as text: what was found, how, and where a bias shows."""
    lines = labelled("estimator", own.name, width)
    label, listed = "verdict", 0
    for text in str(own.verdict).splitlines():
        if text.startswith("  "):  # a trajectory
            listed += 1
            if listed <= WITNESSES:
                lines += [f"{'':15}{line}" for line in wrap(text.strip(), width - 15, 2)]
        else:
            lines += labelled(label, in_words_of_a_shell(text), width)
        label = ""
    if not own.accepted:
        lines += labelled("required", f"{own.required}, which this is not", width)
    return [*lines, ""]


def in_words_of_a_shell(text: str) -> str:
    """A message about ``check_estimator`` as the command line speaks of it."""
    text = re.sub(r"\b(style|target)='(\w+)'", r"--\1 \2", text)
    return in_flags(text.replace("max_samples=", "--trajectories N"))


def as_json(own: Own) -> dict[str, Any]:
    """The same for machines."""
    verdict, at = own.verdict, own.verdict.witness
    return {
        "estimator": own.name,
        "outcome": verdict.outcome,
        "accepted": own.accepted if own.required else None,
        "claim": verdict.claim,
        "route": verdict.route,
        "bias": verdict.bias.tolist(),
        "largest_bias": float(np.abs(verdict.bias).max(initial=0.0)),
        "mean": verdict.mean.tolist(),
        "target": verdict.target.tolist(),
        "deviation": verdict.deviation,
        "n": verdict.n,
        "steps": verdict.steps,
        "threshold": verdict.threshold,
        "witness": {
            "index": list(at.index),
            "name": at.name,
            "bias": at.bias,
            "mean": at.mean,
            "target": at.target,
        },
        "explanations": [one.name for one in verdict.explanations],
        "alpha": verdict.alpha,
        "beta": verdict.beta,
        "tol": verdict.tol,
        "log_e": verdict.log_e,
        "notes": list(verdict.notes),
    }
