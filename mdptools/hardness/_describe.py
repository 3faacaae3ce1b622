"""A model in plain words: what it is, and what follows from that for who works with it.

Takes     an MDP.
Gives     a `Description`: sentences, and the facts behind them.
Source    structure, and the optimum where it is cheap.
Not here  pictures (plots), the command line (cli).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import IntArray
from ..checks import check_model
from ..errors import ConvergenceError, ModelError
from ..evaluation import evaluate
from ..markup import Html, Shown, listed
from ..model import MDP
from ..planning import solve
from ..policies import uniform_policy
from ..structure import (
    end_components,
    every_policy_proper,
    is_communicating,
    is_deterministic,
    period,
    reachable,
    recurrent_classes,
)

SOLVED = 1_000
"""States up to which the optimum is told: it takes less than a second."""

RARE = 1e-6
"""Probabilities that a simulation of ordinary length does not see."""


@dataclass(frozen=True, slots=True, eq=False)
class Description(Shown):
    """A model in words.

    Attributes
    ----------
    sentences : tuple of str
        Each says one thing, and what follows from it.
    facts : dict
        The numbers behind them: str, int, float, bool, None and lists of these, so that JSON can
        hold it.
    """

    sentences: tuple[str, ...]
    facts: dict[str, Any]

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def _shown(self) -> Iterator[Html]:
        """For notebooks: the sentences."""
        yield listed(self.sentences)


def describe(mdp: MDP) -> Description:
    """What a model is, in plain words with the consequences.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    Description

    Raises
    ------
    ModelError
        If ``mdp`` is no model.

    Notes
    -----
    All that is cheap: time O(nnz) and, up to 1,000 states, that of `mdptools.solve`.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> found = describe(line_world())
    >>> print(found.sentences[1])
    The objective is the total reward until a terminal state: 4 ('5').
    >>> found.facts["J_optimal"]
    -9.25
    """
    check_model(mdp)
    facts: dict[str, Any] = {}
    sentences: list[str] = []
    for part in (_size, _objective, _ending, _classes, _start, _rewards, _rare, _blind, _optimum):
        for sentence in part(mdp, facts):
            sentences.append(sentence)
    return Description(tuple(sentences), facts)


def _size(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    facts["n_states"], facts["n_actions"] = mdp.n_states, mdp.n_actions
    facts["deterministic"] = is_deterministic(mdp)
    facts["refused"] = refused = int((~mdp.allowed).sum())
    kind = (
        "every step has one successor: the model is deterministic"
        if facts["deterministic"]
        else f"a step has up to {mdp.facts.terms} successors"
    )
    yield f"{_count(mdp.n_states, 'state')}, {_count(mdp.n_actions, 'action')}; {kind}."
    if refused:
        yield (
            f"{refused} of {mdp.allowed.size} pairs of state and action are refused: Q is -inf "
            f"there and a policy must not take them."
        )


def _objective(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    facts["objective"], facts["gamma"], facts["horizon"] = mdp.objective, mdp.gamma, mdp.horizon
    ends = np.flatnonzero(mdp.terminal)
    facts["terminal"] = ends.tolist()
    where = f"{_plural(ends, 'a terminal state', 'terminal states')}: {_names(mdp, ends)}"
    if mdp.objective == "finite":
        yield (
            f"The objective is the reward of {_count(mdp.horizon or 0, 'step')}"
            + (f", discounted by {mdp.gamma:g}" if mdp.gamma < 1 else "")
            + ": the best policy may depend on the time."
        )
    elif mdp.objective == "discounted":
        steps = math.ceil(math.log(1e-3) / math.log(mdp.gamma)) if mdp.gamma > 0 else 1
        yield (
            f"The objective is discounted by {mdp.gamma:g}: what comes after "
            f"{_count(steps, 'step')} counts for less than a thousandth."
        )
    elif mdp.objective == "average":
        yield "The objective is the reward per step in the long run: what happens once is free."
        return
    else:
        yield (
            f"The objective is the total reward until {where}."
            if len(ends)
            else "The objective is the total reward, and no state is terminal."
        )
        return
    if len(ends):
        yield f"Episodes end in {where}."
    else:
        yield "No state is terminal."


def _ending(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    if mdp.objective == "average" or not mdp.terminal.any():
        return
    facts["every_policy_ends"] = bool(every_policy_proper(mdp))
    if facts["every_policy_ends"]:
        yield "Every policy ends: gamma = 1 is safe for each."
        return
    live = mdp.allowed & ~mdp.terminal[:, None]
    component = end_components(mdp, pairs=live)[0]
    states, first = np.unique(component.pairs[:, 0], return_index=True)
    actions = component.pairs[first, 1]
    facts["can_stay_for_ever"] = states.tolist()
    policy = ", ".join(
        f"action {mdp.name_of_action(int(a))} in state {mdp.name_of_state(int(s))}"
        for s, a in zip(states[:3], actions[:3], strict=True)
    )
    more = f" and so on in {len(states) - 3} more" if len(states) > 3 else ""
    yield (
        f"A policy that takes {policy}{more} never terminates: with gamma = 1 it is refused, "
        f"unless nothing is paid there."
    )


def _classes(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    pi = uniform_policy(mdp)
    classes = recurrent_classes(mdp, pi)
    facts["communicating"] = bool(is_communicating(mdp))
    facts["recurrent_classes"] = len(classes)
    facts["period"] = rhythm = math.lcm(*period(mdp, pi))
    if facts["communicating"] and mdp.n_states > 1:
        yield "Each state can be reached from each other."
    if mdp.objective == "average" and len(classes) > 1:
        yield (
            f"Under the uniform policy the chain settles in one of {len(classes)} classes: the "
            f"gain depends on the start. Use average_policy_iteration."
        )
    if rhythm > 1:
        yield (
            f"The uniform policy goes round with period {rhythm}: the powers of its chain do not "
            f"converge, nor does plain value iteration unless gamma < 1."
        )


def _start(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    starts = np.flatnonzero(mdp.mu)
    facts["starts"] = len(starts)
    if len(starts) == 1:
        yield f"Episodes start in {mdp.name_of_state(int(starts[0]))}."
    unseen = np.flatnonzero(~reachable(mdp))
    facts["unreachable"] = unseen.tolist()
    if len(unseen):
        yield (
            f"No episode comes to {_plural(unseen, 'state', 'states')} {_names(mdp, unseen)}: "
            f"nothing can be learned about {_plural(unseen, 'it', 'them')} from samples, and "
            f"bounds that ask for mu > 0 do not hold."
        )


def _rewards(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    live = mdp.allowed & ~mdp.terminal[:, None]
    paid = mdp.R[live]
    if not paid.size:
        return
    low, high = float(paid.min()), float(paid.max())
    facts["reward_min"], facts["reward_max"] = low, high
    if low == high == 0:
        yield "All rewards are 0: every policy is optimal."
    elif low == high:
        yield (
            f"Each step pays {low:g}: only how long an episode lasts matters, and a return that is "
            f"shifted by one step looks right."
        )
    else:
        yield f"A step pays between {low:g} and {high:g} on average."
    if mdp.reward_std is not None:
        facts["reward_std_max"] = float(mdp.reward_std.max())
        yield f"Rewards are noisy, with a standard deviation of up to {mdp.reward_std.max():g}."
    facts["several_rewards"] = False
    if mdp.law is not None:
        arrivals = np.sort(mdp.law.row * mdp.n_states + mdp.law.next_state)
        facts["several_rewards"] = bool((arrivals[1:] == arrivals[:-1]).any())
    if facts["several_rewards"]:
        yield "A step can pay different rewards on the way to the same state."


def _rare(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    _, _, prob = kernel.branches(mdp.P)
    least = float(prob[prob > 0].min(initial=1.0))
    facts["least_probability"] = least
    if least < RARE:
        yield (
            f"The smallest probability is {least:.2g}: samples hardly ever show it, and what it "
            f"leads to is known from the model alone."
        )


def _blind(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    """Mistakes of estimators that this model cannot show."""
    hidden = []
    if mdp.gamma == 1 and mdp.objective in ("finite", "total"):
        hidden.append("a forgotten discount (gamma is 1)")
    if not mdp.terminal.any():
        hidden.append("bootstrapping through the end (nothing ends)")
    if mdp.n_actions == 1 or (mdp.allowed.sum(axis=1)[~mdp.terminal] == 1).all():
        hidden.append("a wrong score (there is nothing to choose)")
    facts["hides"] = hidden
    if hidden:
        yield f"As a test of an estimator it does not show {'; nor '.join(hidden)}."


def _optimum(mdp: MDP, facts: dict[str, Any]) -> Iterator[str]:
    if mdp.n_states > SOLVED:
        return
    try:
        best = solve(mdp)
    except ModelError as error:
        facts["J_optimal"] = None
        yield f"There is no finite optimum: {error}"
        return
    except ConvergenceError as error:
        facts["J_optimal"] = None
        yield f"float64 cannot prove an optimum: {error}"
        return
    facts["J_optimal"], facts["bound"] = best.J, best.certificate.bound
    text = f"The best policy earns {best.J:.6g} (to within {best.certificate.bound:.1g})"
    try:
        uniform = evaluate(mdp, uniform_policy(mdp)).J
        facts["J_uniform"] = uniform
        text += f"; choosing at random earns {uniform:.6g}"
    except (ModelError, ConvergenceError):
        facts["J_uniform"] = None
        text += "; choosing at random has no finite value"
    yield text + "."
    several = best.optimal_actions.sum(axis=-1) > 1
    tied = several[..., ~mdp.terminal].any(axis=0) if several.ndim == 2 else several & ~mdp.terminal
    facts["ties"] = int(tied.sum())
    if facts["ties"]:
        yield (
            f"In {_count(facts['ties'], 'state')} more than one action is optimal (or cannot be "
            f"told apart): compare policies by their values, not by their actions."
        )


# --- words -----------------------------------------------------------------------------------


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" + ("" if n == 1 else "s")


def _plural(states: IntArray, one: str, several: str) -> str:
    return one if len(states) == 1 else several


def _names(mdp: MDP, states: IntArray) -> str:
    some = ", ".join(mdp.name_of_state(int(s)) for s in states[:5])
    return some + (f" and {len(states) - 5} more" if len(states) > 5 else "")
