"""Outcome lists, as Gymnasium's toy environments write them, to tensors.

Takes     rows[s][a] = [(p, s', r, terminated), ...].
Gives     keywords for `MDP`: P, the reward law, and termination honoured for each transition.
Source    the meaning of ``terminated``: no reward follows the transition, whatever the rows of s'
          say.
Not here  asking an environment for its rows (interop).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from typing import Any

import numpy as np

from ..arrays import EPS, BoolS, FloatArray, IntArray, as_floats, as_numbers, precision, readonly
from ..errors import ModelError
from ..kernel import is_sparse
from . import _door
from ._law import law_of

DENSE_LIMIT = 4_000_000
"""Entries of an (S, A, S) array above which P is kept sparse."""


def read(rows: Any, *, mu: Any = None, layout: Any = None, **keywords: Any) -> dict[str, Any]:
    """Turn outcome lists into keywords for `MDP`."""
    if not isinstance(rows, Sized) or isinstance(rows, (str, bytes)) or is_sparse(rows):
        raise ModelError(f"rows is {rows!r:.80}; it must be a list or dictionary of states.")
    for name in ("P", "R", "allowed", "law"):
        if name in keywords:
            raise ModelError(
                f"{name}= does not go with outcome lists: they say it themselves (an action that "
                f"rows[s] does not list is refused there)."
            )
    n_states = len(rows)
    s, a, p, t, r, done, tried, came_with = _flatten(rows, n_states)
    n_actions = tried.shape[1]
    if came_with > EPS:
        p = _renormalised(p, s * n_actions + a, 4 * came_with * n_states)
    starts = None if mu is None else as_floats(mu, "mu") > 0
    if starts is not None and starts.shape != (n_states,):
        raise ModelError(f"mu has shape {starts.shape}; it must be (S,) = {(n_states,)}.")
    _door.check_layout(layout, n_states)
    over = _only_entered_by_ending(s, p, t, done, starts, n_states)
    quiet = np.ones(n_states, dtype=bool)  # absorbing with zero reward: as good as the end
    quiet[s[(p > 0) & ((t != s) | (r != 0))]] = False
    if quiet.all():  # then no state is found to be terminal
        quiet[:] = False

    live = ~over[s]
    s, a, p, t, r, done = (x[live] for x in (s, a, p, t, r, done))
    to_end = done & ~over[t] & ~quiet[t] & (p > 0)
    add_end = bool(to_end.any())
    total = n_states + add_end
    t = np.where(to_end, n_states, t)
    closed = np.concatenate((np.flatnonzero(over), np.arange(n_states, total)))
    tried = np.concatenate((tried, np.zeros((total - n_states, n_actions), dtype=bool)))
    tried[closed] = True
    loop_s = np.repeat(closed, n_actions)
    loop_a = np.tile(np.arange(n_actions), len(closed))
    row = np.concatenate((s * n_actions + a, loop_s * n_actions + loop_a))
    next_state = np.concatenate((t, loop_s))
    reward = np.concatenate((r, np.zeros(len(loop_s))))
    prob = np.concatenate((p, np.ones(len(loop_s))))
    law = law_of(row, next_state, reward, prob, total * n_actions)
    parts = {
        "P": _tensor(law.row, law.next_state, law.prob, total, n_actions),
        "R": law.expected_reward(n_actions),
        "law": None if law.is_constant() else law,
        "allowed": tried,
        "mu": mu,
        "layout": layout,
        **_nothing_after_the_end(keywords, over),
    }
    return _with_end(parts, n_states) if add_end else parts


def _listed(x: Any, place: str) -> Iterable[tuple[Any, Any]]:
    """The entries of a list or dictionary with their numbers."""
    try:
        return x.items() if isinstance(x, Mapping) else enumerate(x)
    except TypeError:
        raise ModelError(
            f"{place} is {x!r:.80}; rows[s][a] must be a list of outcomes (probability, next "
            f"state, reward, terminated)."
        ) from None


def _flatten(rows: Any, n_states: int) -> tuple[Any, ...]:
    """The outcomes as arrays s, a, p, s', r, terminated; which pairs have any; p's precision."""
    if n_states == 0:
        raise ModelError("rows is empty: a model has at least one state.")
    found: list[tuple[int, int, float, int, float, bool]] = []
    pairs: set[tuple[int, int]] = set()
    came_with = EPS
    for s in range(n_states):
        try:
            actions = rows[s]
        except (KeyError, IndexError, TypeError):
            raise ModelError(
                f"rows has {n_states} states but none called {s}: states are 0 to S - 1."
            ) from None
        for a, outcomes in _listed(actions, f"rows[{s}]"):
            for i, outcome in _listed(outcomes, f"rows[{s}][{a}]"):
                try:
                    p, t, r, ended = outcome
                    entry = (s, int(a), float(p), int(t), float(r), bool(ended))
                    if entry[1] != a or entry[3] != t:
                        raise ValueError("a state or an action is not an integer")
                except (TypeError, ValueError, OverflowError):
                    raise ModelError(
                        f"rows[{s}][{a}][{i}] is {outcome!r:.80}; an outcome is "
                        f"(probability, next state, reward, terminated)."
                    ) from None
                if not (0 <= entry[2] < np.inf and abs(entry[4]) < np.inf):
                    raise ModelError(
                        f"rows[{s}][{a}][{i}] has probability {p} and reward {r}: the one must be "
                        f">= 0, both must be finite."
                    )
                if not (0 <= entry[3] < n_states and entry[1] >= 0):
                    raise ModelError(
                        f"rows[{s}][{a}][{i}] goes to state {t}; states are 0 to {n_states - 1}, "
                        f"actions are >= 0."
                    )
                found.append(entry)
                pairs.add(entry[:2])
                if isinstance(p, np.floating):
                    came_with = max(came_with, precision(p))
    if not found:
        raise ModelError("rows has no outcome at all.")
    s_, a_, p_, t_, r_, done = (np.array(column) for column in zip(*found, strict=True))
    tried = np.zeros((n_states, int(a_.max()) + 1), dtype=bool)
    where = np.array(sorted(pairs))
    tried[where[:, 0], where[:, 1]] = True
    return s_, a_, p_, t_, r_, done, tried, came_with


def _renormalised(p: FloatArray, pair: IntArray, tol: float) -> FloatArray:
    """Probabilities that came as float32, of pairs whose sum is one but for that: divided by it."""
    sums = np.bincount(pair, p)[pair]
    return np.where(np.abs(sums - 1) <= tol, p / np.where(sums > 0, sums, 1.0), p)


def _only_entered_by_ending(
    s: IntArray, p: FloatArray, t: IntArray, done: BoolS, starts: BoolS | None, n_states: int
) -> BoolS:
    """States in which no action is ever taken: the others lead into them, and only by ending.

    A state into which no other leads is not among them: its rows can only be meant for episodes
    that start there.
    """
    ends, goes_on = (p > 0) & done, (p > 0) & ~done
    over = np.zeros(n_states, dtype=bool)
    over[t[ends]] = True
    if starts is not None:
        over &= ~starts
    while True:
        live = ~over[s]
        led_into = np.zeros(n_states, dtype=bool)
        led_into[t[ends & live]] = True
        led_into[t[goes_on & live]] = False
        if not (over & ~led_into).any():
            return over
        over &= led_into


def _nothing_after_the_end(keywords: dict[str, Any], over: BoolS) -> dict[str, Any]:
    """The keywords, with no noise and no final reward where episodes are over."""
    if keywords.get("reward_std") is not None:
        std = as_floats(keywords["reward_std"], "reward_std")
        if std.ndim == 2 and len(std) == len(over):
            std[over] = 0.0
        keywords = {**keywords, "reward_std": std}
    if keywords.get("final") is not None:
        worth = as_floats(keywords["final"], "final")
        if worth.shape == over.shape and (over & (worth != 0)).any():
            s = int((over & (worth != 0)).argmax())
            raise ModelError(
                f"final[{s}] is {worth[s]:g}, but an episode is over when it enters state {s}: "
                f"what has ended is worth 0. Pay the reward on entering it."
            )
    return keywords


def _tensor(row: IntArray, col: IntArray, prob: FloatArray, n_states: int, n_actions: int) -> Any:
    if n_states * n_states * n_actions > DENSE_LIMIT:
        from scipy.sparse import csr_array

        return csr_array((prob, (row, col)), shape=(n_states * n_actions, n_states))
    P = np.zeros((n_states, n_actions, n_states))
    np.add.at(P.reshape(-1, n_states), (row, col), prob)
    return readonly(P)


def _with_end(parts: dict[str, Any], n_states: int) -> dict[str, Any]:
    """Make what the user said about n_states states speak of the added state as well."""
    if parts["mu"] is not None:
        parts["mu"] = np.append(as_floats(parts["mu"], "mu"), 0.0)
    if parts.get("final") is not None:
        parts["final"] = np.append(as_floats(parts["final"], "final"), 0.0)
    if parts.get("reward_std") is not None:
        std = as_floats(parts["reward_std"], "reward_std")
        if std.ndim == 2:  # what has another shape is refused at the door
            std = np.concatenate((std, np.zeros((1, std.shape[1]))))
        parts["reward_std"] = std
    if parts.get("terminal") is not None:
        declared = as_numbers(parts["terminal"], "terminal")
        mask = declared.dtype == bool and declared.shape == (n_states,)
        if declared.ndim == 1:
            parts["terminal"] = np.append(declared, True) if mask else [*declared, n_states]
    given = _door.check_names(parts.get("state_names"), n_states, "state")
    names = [str(s) for s in range(n_states)] if given is None else [*given]
    parts["state_names"] = [*names, "end" if "end" not in names else "the end"]
    if parts["layout"] is not None:
        places = as_floats(parts["layout"], "layout")
        if places.shape == (2,):
            index = np.arange(n_states)
            places = np.stack((index // places[1], index % places[1]), axis=1)
        parts["layout"] = np.concatenate((places, np.full((1, 2), np.nan)))
    note = (
        "Some states are entered both with termination and without: terminating transitions lead "
        "to the added state 'end'."
    )
    parts["notes"] = (*_door.check_notes(parts.get("notes", ())), note)
    return parts
