"""Tabular policies: made, and checked.

Takes     an MDP and arrays.
Gives     pi, read-only (S, A) or (H, S, A); rows sum to one, 0 at refused pairs.
Not here  parameters (`_softmax`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import EPS, FloatSA, as_floats, as_numbers, is_frozen, precision, readonly
from ..checks import check_model, number_or_nan, words_for_sum
from ..errors import ModelError
from ..model import MDP


def check_policy(mdp: MDP, pi: Any) -> FloatSA:
    """``pi`` as a float64 array, if it is a policy of this model.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon
        Rows sum to one within ``4 eps A`` of their precision; no weight on refused pairs.

    Returns
    -------
    (S, A) or (H, S, A) array
        Read-only. An array that is read-only float64 already is returned as it is.

    Raises
    ------
    ModelError
        Naming the state and the action, the number and the cure.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> check_policy(mdp, [[0.25, 0.75]])
    array([[0.25, 0.75]])
    >>> check_policy(mdp, [[0.25, 0.5]])
    Traceback (most recent call last):
    ...
    mdptools.errors.ModelError: pi sums to 0.75 in state 0, not 1: divide each row by its sum.
    """
    check_model(mdp)
    raw = as_numbers(pi, "pi")
    table = raw if raw.dtype == np.float64 and is_frozen(raw) else as_floats(raw, "pi")
    shape = (mdp.n_states, mdp.n_actions)
    timed = table.ndim == 3 and mdp.horizon is not None
    if table.shape != ((mdp.horizon, *shape) if timed else shape):
        one_per_time = "" if mdp.horizon is None else f" or (H, S, A) = {(mdp.horizon, *shape)}"
        raise ModelError(
            f"pi has shape {table.shape}; it must be (S, A) = {shape}{one_per_time}. "
            f"For one action in each state: deterministic_policy(mdp, actions)."
        )
    if not (table >= 0).all():
        *at, s, a = (int(i) for i in np.argwhere(~(table >= 0))[0])
        raise ModelError(
            f"pi is {table[(*at, s, a)]:.6g} for action {mdp.name_of_action(a)} in state "
            f"{mdp.name_of_state(s)}{_when(at)}: a probability must be >= 0."
        )
    if not mdp.facts.all_allowed and table[..., ~mdp.allowed].any():
        *at, s, a = (int(i) for i in np.argwhere((table > 0) & ~mdp.allowed)[0])
        raise ModelError(
            f"pi gives {table[(*at, s, a)]:.6g} to action {mdp.name_of_action(a)} in state "
            f"{mdp.name_of_state(s)}{_when(at)}, which is not allowed there: give it 0."
        )
    gap = table.sum(axis=-1) - 1
    tol = 4 * precision(raw) * max(mdp.n_actions, 2)
    if not (np.abs(gap) <= tol).all():
        *at, s = (int(i) for i in np.unravel_index(int(np.abs(gap).argmax()), gap.shape))
        raise ModelError(
            f"pi sums to {words_for_sum(gap[(*at, s)])} in state "
            f"{mdp.name_of_state(s)}{_when(at)}, not 1: divide each row by its sum."
        )
    if precision(raw) > EPS:
        table = table / table.sum(axis=-1, keepdims=True)
    return readonly(table)


def _when(at: list[int]) -> str:
    return f" at step {at[0]}" if at else ""


def uniform_policy(mdp: MDP) -> FloatSA:
    """Every allowed action with the same probability.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    (S, A) array

    Examples
    --------
    >>> from mdptools import MDP
    >>> uniform_policy(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5))
    array([[0.5, 0.5]])
    """
    check_model(mdp)
    return readonly(mdp.allowed / mdp.allowed.sum(axis=1, keepdims=True))


def deterministic_policy(mdp: MDP, actions: Any) -> FloatSA:
    """The policy that takes one action in each state.

    Parameters
    ----------
    mdp : MDP
    actions : (S,) array_like of int, or (H, S) if the model has a horizon

    Returns
    -------
    (S, A) or (H, S, A) array

    Raises
    ------
    ModelError
        If an action does not exist or is not allowed.

    Examples
    --------
    >>> from mdptools import MDP
    >>> deterministic_policy(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5), [1])
    array([[0., 1.]])
    """
    check_model(mdp)
    chosen = as_numbers(actions, "actions")
    shape: tuple[int, ...] = (mdp.n_states,)
    if chosen.ndim == 2 and mdp.horizon is not None:
        shape = (mdp.horizon, *shape)
    if chosen.shape != shape or chosen.dtype.kind not in "iu":
        raise ModelError(
            f"actions has shape {chosen.shape} and type {chosen.dtype}; it must hold one action, "
            f"an int, for each state: shape {shape}."
        )
    outside = (chosen < 0) | (chosen >= mdp.n_actions)
    if outside.any():
        *at, s = (int(i) for i in np.argwhere(outside)[0])
        raise ModelError(
            f"actions names {chosen[(*at, s)]} in state {mdp.name_of_state(s)}{_when(at)}; actions "
            f"are 0 to {mdp.n_actions - 1}."
        )
    pi = np.zeros((*shape, mdp.n_actions))
    np.put_along_axis(pi, chosen[..., None].astype(np.int64), 1.0, axis=-1)
    return check_policy(mdp, readonly(pi))


def epsilon_greedy(mdp: MDP, Q: Any, epsilon: float) -> FloatSA:
    """The best action by ``Q``, mixed with ``epsilon`` of the uniform policy.

    Parameters
    ----------
    mdp : MDP
    Q : (S, A) array_like, or (H, S, A) if the model has a horizon; reward units
        Refused pairs are not looked at. Ties go to the first action.
    epsilon : float in [0, 1]

    Returns
    -------
    (S, A) or (H, S, A) array
        ``(1 - epsilon) greedy + epsilon uniform``.

    Raises
    ------
    ModelError
        If epsilon lies outside, Q has another shape, or Q is nan somewhere.

    Examples
    --------
    >>> from mdptools import MDP
    >>> epsilon_greedy(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5), [[0.0, 1.0]], 0.2)
    array([[0.1, 0.9]])
    """
    check_model(mdp)
    weight = number_or_nan(epsilon)
    if not 0 <= weight <= 1:
        raise ModelError(f"epsilon is {epsilon!r:.80}; it must be a number in [0, 1].")
    values = as_floats(Q, "Q")
    shape: tuple[int, ...] = mdp.allowed.shape
    if values.ndim == 3 and mdp.horizon is not None:
        shape = (mdp.horizon, *shape)
    if values.shape != shape:
        raise ModelError(f"Q has shape {values.shape}; it must be (S, A) = {mdp.allowed.shape}.")
    bad = np.argwhere(mdp.allowed & np.isnan(values))
    if len(bad):
        *at, s, a = (int(i) for i in bad[0])
        raise ModelError(
            f"Q is nan for action {mdp.name_of_action(a)} in state {mdp.name_of_state(s)}"
            f"{_when(at)}; it must be a number."
        )
    ranked = np.where(mdp.allowed, values, -np.inf)
    ranked = np.where(mdp.allowed & (ranked == -np.inf), np.finfo(float).min, ranked)
    mixed = np.broadcast_to(weight * uniform_policy(mdp), shape).copy()
    best = ranked.argmax(axis=-1, keepdims=True)
    np.put_along_axis(mixed, best, np.take_along_axis(mixed, best, axis=-1) + 1 - weight, axis=-1)
    return readonly(mixed)
