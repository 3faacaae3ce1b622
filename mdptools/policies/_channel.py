"""Who sees what where: O, checked, and what follows from it.

Takes     O, labels (S,) or probabilities (S, n_obs).
Gives     the observations of each state, what each observation allows, a model of observations.
Not here  policies of observations (`_observation`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray, as_floats, as_numbers, precision, readonly
from ..checks import words_for_sum
from ..errors import ModelError
from ..model import MDP


def check_observations(mdp: MDP, O: Any) -> tuple[Any, int]:  # noqa: E741
    """O as read-only labels (S,) or probabilities (S, n_obs), and n_obs."""
    raw = as_numbers(O, "O")
    n_states = mdp.n_states
    if raw.shape == (n_states,) and raw.dtype.kind in "iu":
        if raw.min() < 0:
            s = int(raw.argmin())
            raise ModelError(f"O is {raw[s]} in state {mdp.name_of_state(s)}; labels are >= 0.")
        return readonly(raw.astype(np.int64)), int(raw.max()) + 1
    if raw.ndim != 2 or len(raw) != n_states or not raw.shape[1]:
        raise ModelError(
            f"O has shape {raw.shape} and type {raw.dtype}; it must be labels, ints (S,) = "
            f"({n_states},), or probabilities (S, n_obs), one row for each state."
        )
    table = as_floats(raw, "O")
    if not (table >= 0).all():
        s, o = (int(i) for i in np.argwhere(~(table >= 0))[0])
        raise ModelError(
            f"O[{s}, {o}] is {table[s, o]:.6g} in state {mdp.name_of_state(s)}: a probability must "
            f"be >= 0."
        )
    gap = table.sum(axis=1) - 1
    s = int(np.abs(gap).argmax())
    tol = 4 * precision(raw) * max(table.shape[1], 2)
    if not abs(gap[s]) <= tol:
        raise ModelError(
            f"O sums to {words_for_sum(gap[s])} in state {mdp.name_of_state(s)}, not 1: divide "
            f"each row by its sum."
        )
    return readonly(table / table.sum(axis=1, keepdims=True)), table.shape[1]


def by_state(O: Any) -> tuple[IntArray, FloatArray]:  # noqa: E741
    """The observations of each state and their probabilities, (S, w), padded with 0."""
    if O.ndim == 1:
        return readonly(O[:, None].copy()), readonly(np.ones((len(O), 1)))
    width = int(np.count_nonzero(O, axis=1).max())
    seen = np.argsort(O == 0, axis=1, kind="stable")[:, :width]
    chance = np.take_along_axis(O, seen, axis=1)
    return readonly(np.where(chance > 0, seen, 0)), readonly(chance)


def allowed_by_observation(mdp: MDP, seen: IntArray, chance: FloatArray, n_obs: int) -> BoolArray:
    """(n_obs, A): what is allowed in the states that give o; everything if none does."""
    state, k = np.nonzero(chance)
    observation = seen[state, k]
    first = np.full(n_obs, -1)
    first[observation[::-1]] = state[::-1]  # the first state that gives o is written last
    differs = (mdp.allowed[state] != mdp.allowed[first[observation]]).any(axis=1)
    if differs.any():
        i = int(differs.argmax())
        s, o = int(state[i]), int(observation[i])
        a = int((mdp.allowed[s] != mdp.allowed[first[o]]).argmax())
        names = [mdp.name_of_state(int(x)) for x in (first[o], s)]
        if not mdp.allowed[first[o], a]:
            names.reverse()
        raise ModelError(
            f"observation {o} is seen in states {names[0]} and {names[1]}, but action "
            f"{mdp.name_of_action(a)} is allowed only in the first of them: who sees {o} cannot "
            f"know. Give them different observations, or allow the same actions."
        )
    return np.where((first >= 0)[:, None], mdp.allowed[first], True)


def stand_in(mdp: MDP, allowed: BoolArray) -> MDP:
    """A model whose states are the observations; nothing but its mask and names has a meaning."""
    from scipy.sparse import csr_array

    n_obs, n_actions = allowed.shape
    pair = np.flatnonzero(allowed)
    P = csr_array((np.ones(len(pair)), (pair, pair // n_actions)), shape=(allowed.size, n_obs))
    return MDP(
        P,
        np.zeros(allowed.shape),
        0.0,
        allowed=allowed,
        terminal=(),
        state_names=tuple(f"observation {o}" for o in range(n_obs)),
        action_names=mdp.action_names,
    )
