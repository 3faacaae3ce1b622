"""Time in the state, models that change with time, and plans of several steps.

Takes     an MDP with a horizon; P and R for each step; a number of steps.
Gives     a new MDP and its `Answers`.
Source    formula: state (t, s) leads to (t + 1, s').
Not here  the finite horizon itself (MDP).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count, check_served
from ..errors import ModelError
from ..model import MDP
from ._answers import STATEMENTS, Answers
from ._rebuild import Steps, build, joined

MOST = 1_000_000
"""Branches of a new model, above which it is refused."""


def add_time(mdp: MDP) -> tuple[MDP, Answers]:
    """A model with a horizon as one without: the time is part of the state.

    Parameters
    ----------
    mdp : MDP
        With a horizon H.

    Returns
    -------
    new : MDP
        State ``t S + s`` is s at time t, for t < H; the last state, terminal, is the end. Total
        reward if gamma is 1, discounted otherwise. Final rewards are paid on arrival, discounted
        once, as the last reward of an episode contains them.
    answers : Answers
        V' at (t, s) is V[t, s]; policies may depend on time.

    Raises
    ------
    ModelError
        If the model has no horizon, or the new one would have more than a million branches.

    Examples
    --------
    >>> from mdptools.problems import inventory
    >>> new, answers = add_time(inventory())
    >>> new.n_states, new.objective
    (13, 'total')
    """
    check_served(mdp, "add_time", "finite", instead="with_objective(horizon=...)")
    H = mdp.horizon or 0
    final = np.zeros(mdp.n_states) if mdp.final is None else np.asarray(mdp.final)
    new = _over_time([mdp] * H, mdp, final)
    return new, _with_time(mdp, H)


def unroll(
    P: Sequence[Any], R: Sequence[Any], gamma: float = 1.0, **keywords: Any
) -> tuple[MDP, Answers]:
    """A model whose P and R change with time, as one model with time in its state.

    Parameters
    ----------
    P : sequence of H kernels
        As for `MDP`: what holds at step 0, 1, ... H - 1. An episode ends after the last.
    R : sequence of H rewards
        As for `MDP`.
    gamma : float
    **keywords
        ``mu``, ``final``, ``allowed``, ``terminal``, names: as for `MDP`, the same for each step.

    Returns
    -------
    new : MDP
        As `add_time` makes it.
    answers : Answers
        ``policy`` takes pi (H, S, A).

    Raises
    ------
    ModelError
        If P and R are not as many, or a step is no model.

    Examples
    --------
    >>> stay, go = [[[1.0, 0.0]], [[0.0, 1.0]]], [[[0.0, 1.0]], [[1.0, 0.0]]]
    >>> new, answers = unroll([stay, go], [[1.0, 0.0], [0.0, 5.0]], mu=[1.0, 0.0])
    >>> new.n_states, new.mu
    (5, array([1., 0., 0., 0., 0.]))
    """
    if len(P) != len(R) or not len(P):
        raise ModelError(
            f"P has {len(P)} steps and R has {len(R)}; there must be as many, and at least one."
        )
    models = [
        MDP(p, r, gamma, horizon=len(P), **({"terminal": ()} | keywords))
        for p, r in zip(P, R, strict=True)
    ]
    first = models[0]
    for t, model in enumerate(models):
        if model.allowed.shape != first.allowed.shape:
            raise ModelError(
                f"P[{t}] is for {model.n_states} states and {model.n_actions} actions, and P[0] "
                f"for {first.n_states} and {first.n_actions}: they must be the same at each step."
            )
    final = np.zeros(first.n_states) if first.final is None else np.asarray(first.final)
    return _over_time(models, first, final), _with_time(first, len(P))


def k_step(mdp: MDP, k: int) -> tuple[MDP, Answers]:
    """A model whose actions are plans of k actions, carried out without looking.

    Parameters
    ----------
    mdp : MDP
        Discounted or total, without refused actions.
    k : int

    Returns
    -------
    new : MDP
        ``A**k`` actions: action ``i`` is the plan whose digits in base A, the first one leading,
        are i. The discount is gamma**k; a plan's reward is the discounted sum. A plan stops where
        an episode ends.
    answers : Answers
        What does not look loses: V*' is at most V*, and equal to it where the model is
        deterministic; nothing else is preserved.

    Raises
    ------
    ModelError
        If the model has another objective, refuses actions, or the new one would have more than a
        million branches.

    Notes
    -----
    Rewards are expectations over the way: a new model has no law of rewards. Time and memory
    O(S**2 A**k) if dense.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> new, answers = k_step(line_world(), 2)
    >>> new.action_names, new.R[0]
    (('left, left', 'left, right', 'right, left', 'right, right'), array([-2., -2., -2., -2.]))
    """
    check_served(mdp, "k_step", "discounted", "total", instead="with_objective(gamma=...)")
    count = check_count(k, "k")
    if not mdp.facts.all_allowed:
        raise ModelError(
            "k_step serves models without refused actions: a plan could not avoid them."
        )
    n, n_actions = mdp.n_states, mdp.n_actions
    if n * n * n_actions**count > 64 * MOST:
        raise ModelError(f"k is {count}: {n_actions}**{count} plans are too many.")
    steps = Steps.of(mdp)
    flat = np.zeros((n * n_actions, n))
    np.add.at(flat, (steps.row, steps.target), steps.prob)
    one: FloatArray = flat.reshape(n, n_actions, n)
    P, R = one, np.asarray(mdp.R)
    for _ in range(count - 1):  # plans whose first action is put in front
        later = np.einsum("sat,tbu->sabu", one, P)
        R = (mdp.R[:, :, None] + mdp.gamma * np.einsum("sat,tb->sab", one, R)).reshape(n, -1)
        P = later.reshape(n, -1, n)
    names = mdp.action_names
    new = MDP(
        P / P.sum(axis=2, keepdims=True),
        R,
        mdp.gamma**count,
        mu=mdp.mu,
        terminal=mdp.terminal,
        state_names=mdp.state_names,
        action_names=None
        if names is None
        else tuple(", ".join(plan) for plan in itertools.product(names, repeat=count)),
        layout=mdp.layout,
    )
    action = np.full((n, n_actions**count), -1)
    deterministic = mdp.facts.terms == 1
    return new, Answers(
        state=np.arange(n),
        action=action,
        share=np.ones(action.shape),
        shape=(n, n_actions),
        preserves=frozenset({"optimum"}) if deterministic else frozenset(),
    )


def _over_time(models: list[MDP], first: MDP, final: FloatArray) -> MDP:
    """State t S + s, and one end."""
    n, n_actions, H = first.n_states, first.n_actions, len(models)
    end = H * n
    size = sum(len(m.branches.row) for m in models)
    if size > MOST:
        raise ModelError(
            f"the model with time in its state has {size:,} branches, more than {MOST:,}."
        )
    parts = []
    for t, model in enumerate(models):
        steps = Steps.of(model)
        live = ~model.terminal[steps.row // n_actions]
        steps = Steps(*(column[live] for column in steps))
        ends = model.terminal[steps.target] | (t == H - 1)
        extra = model.gamma * final[steps.target] if t == H - 1 else 0.0
        parts.append(
            Steps(
                steps.row + t * n * n_actions,
                np.where(ends, end, (t + 1) * n + steps.target),
                steps.reward + extra,
                steps.prob,
            )
        )
        over = np.flatnonzero(np.repeat(model.terminal, n_actions) & model.allowed.reshape(-1))
        row = over + t * n * n_actions
        parts.append(Steps(row, row // n_actions, np.zeros(len(row)), np.ones(len(row))))
    last = end * n_actions + np.arange(n_actions)
    parts.append(Steps(last, np.full(n_actions, end), np.zeros(n_actions), np.ones(n_actions)))
    names = first.state_names
    noise = [m.reward_std for m in models]
    zero = np.zeros((1, n_actions))
    return build(
        first,
        joined(*parts),
        end + 1,
        n_actions,
        allowed=np.vstack([*(m.allowed for m in models), np.ones((1, n_actions), dtype=bool)]),
        horizon=None,
        mu=np.concatenate((first.mu, np.zeros(end + 1 - n))),
        terminal=np.append(np.tile(first.terminal, H), True),
        reward_std=None if noise[0] is None else np.vstack([*noise, zero]),
        state_names=None
        if names is None
        else (*(f"{name} at {t}" for t in range(H) for name in names), "end"),
    )


def _with_time(mdp: MDP, H: int) -> Answers:
    n, n_actions = mdp.allowed.shape
    action = np.broadcast_to(np.arange(n_actions), (H * n + 1, n_actions)).copy()
    action[-1] = -1
    return Answers(
        state=np.append(np.tile(np.arange(n), H), -1),
        action=action,
        share=np.ones(action.shape),
        shape=(n, n_actions),
        time=np.append(np.repeat(np.arange(H), n), H),
        preserves=frozenset(STATEMENTS),
    )
