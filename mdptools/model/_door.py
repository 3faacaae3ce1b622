"""The checks at the door: one argument of `MDP` at a time.

Takes     what the user gave.
Gives     the form that is kept, or a ModelError with the place, the number and the cure.
Not here  checks that need the structure (does every policy terminate?): the function that needs
          the answer asks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import kernel
from ..arrays import (
    EPS,
    LARGEST,
    BoolS,
    BoolSA,
    FloatArray,
    FloatS,
    FloatSA,
    IntArray,
    as_floats,
    as_numbers,
    precision,
    readonly,
)
from ..checks import number_or_nan, words_for_sum
from ..errors import ModelError
from ._law import RewardLaw, law_in_order

if TYPE_CHECKING:
    from ..kernel import Kernel

Name = Callable[[int], str]


def check_objective(gamma: Any, horizon: Any, average: Any) -> tuple[float, int | None, bool]:
    """gamma, horizon and average, if together they are one objective."""
    if horizon is not None:
        try:
            n_steps = 0 if isinstance(horizon, bool) else operator.index(horizon)
        except TypeError:
            n_steps = 0
        if n_steps < 1:
            raise ModelError(
                f"horizon is {horizon!r:.80}; it must be a number of actions, an int >= 1, or None."
            )
        horizon = n_steps
    average = check_average(average)
    if average and horizon is not None:
        raise ModelError("average=True and horizon= are two objectives: give one of them.")
    if gamma is None:
        if not average and horizon is None:
            raise ModelError(
                "gamma is missing: give 0 <= gamma < 1 (discounted), gamma=1 (total reward until "
                "termination), horizon= (finite) or average=True."
            )
        gamma = 1.0
    discount = number_or_nan(gamma)
    if not 0 <= discount <= 1:
        raise ModelError(f"gamma is {gamma!r:.80}; it must be a number in [0, 1].")
    if average and discount != 1:
        raise ModelError(f"gamma is {discount:g} with average=True; the average reward has none.")
    return discount, horizon, average


def check_average(average: Any) -> bool:
    """Average as a bool; no other type, whose truth might mean something else."""
    if not isinstance(average, (bool, np.bool_)):
        raise ModelError(f"average is {average!r:.80}; it must be True or False.")
    return bool(average)


def check_allowed(allowed: Any, n_states: int, n_actions: int, name: Name) -> BoolSA:
    """The mask of allowed pairs: at least one for each state."""
    if allowed is None:
        return readonly(np.ones((n_states, n_actions), dtype=bool))
    given = as_numbers(allowed, "allowed")
    mask = given.astype(bool)
    if mask.shape != (n_states, n_actions) or not (given == mask).all():
        raise ModelError(
            f"allowed has shape {given.shape} and type {given.dtype}; it must be a bool array "
            f"(S, A) = {(n_states, n_actions)}: True where the action exists, not its number."
        )
    stuck = np.flatnonzero(~mask.any(axis=1))
    if len(stuck):
        raise ModelError(
            f"state {name(int(stuck[0]))} has no allowed action ({len(stuck)} such states): allow "
            f"one; in a state where the episode is over that is a self-loop with reward 0."
        )
    return readonly(mask)


def check_rows(
    P: Kernel, allowed: BoolSA, came_with: float, state: Name, action: Name
) -> tuple[Kernel, float]:
    """P with its refused rows emptied, and how far a row is from one.

    ``came_with`` is the precision in which P came; what is coarser than float64 is renormalised.
    """
    P = kernel.clear_rows(P, allowed)  # first: what stands in refused rows is not looked at
    kernel.check_entries(P, state, action)
    sums = kernel.row_sums(P)
    gap = np.where(allowed, sums - 1.0, 0.0)
    tol = 4 * came_with * gap.shape[0]
    worst = int(np.abs(gap).argmax())
    s, a = divmod(worst, gap.shape[1])
    if not abs(gap[s, a]) <= tol:
        bad = int((~(np.abs(gap) <= tol)).sum())
        raise ModelError(
            f"P[{s}, {a}] sums to {words_for_sum(gap[s, a])}, not 1 (tolerance {tol:.3g}): the "
            f"outcomes of action {action(a)} in state {state(s)} are wrong or incomplete. {bad} of "
            f"{gap.size} rows are off; this is the worst. If they are counts, divide each row by "
            f"its sum; if the action does not exist there, pass allowed=."
        )
    if came_with > EPS:
        P = kernel.divide_rows(P, sums)
        gap = np.where(allowed, kernel.row_sums(P) - 1.0, 0.0)
    return P, float(np.abs(gap).max())


def check_rewards(
    R: Any, P: Kernel, allowed: BoolSA, state: Name, action: Name
) -> tuple[FloatSA, RewardLaw | None]:
    """Expected rewards (S, A), and the law where the successor decides the reward."""
    n_states, n_actions = allowed.shape
    if kernel.is_sparse(R):
        if R.shape != (n_states * n_actions, n_states):
            raise ModelError(
                f"R is sparse with shape {R.shape}; it must be (S*A, S) = "
                f"{(n_states * n_actions, n_states)}, row s*A + a."
            )
        row, successor, prob = kernel.branches(P)
        paid = as_floats(R.tocsr()[row, successor], "R").reshape(-1)
        return _rewards_of_branches(paid, row, successor, prob, state, action, allowed.shape)
    table = as_floats(R, "R")
    if table.shape == (n_states, n_actions, n_states):
        row, successor, prob = kernel.branches(P)
        paid = table.reshape(-1, n_states)[row, successor]
        return _rewards_of_branches(paid, row, successor, prob, state, action, allowed.shape)
    if table.shape == (n_states,):
        table = np.repeat(table[:, None], n_actions, axis=1)
    if table.shape != (n_states, n_actions):
        raise ModelError(
            f"R has shape {table.shape}; it must be (S,), (S, A) or (S, A, S) with S = {n_states} "
            f"and A = {n_actions}."
        )
    bad = np.argwhere(allowed & ~(np.abs(table) <= LARGEST))
    if len(bad):
        s, a = (int(i) for i in bad[0])
        raise ModelError(
            f"R[{s}, {a}] is {table[s, a]}: the reward of action {action(a)} in state {state(s)} "
            f"must be finite{_or_smaller(table[s, a])} ({len(bad)} are not). To forbid the action "
            f"pass allowed=."
        )
    return readonly(np.where(allowed, table, 0.0)), None


def _rewards_of_branches(
    paid: FloatArray,
    row: IntArray,
    successor: IntArray,
    prob: FloatArray,
    state: Name,
    action: Name,
    shape: tuple[int, int],
) -> tuple[FloatSA, RewardLaw | None]:
    """What `check_rewards` gives, from one reward for each nonzero of P, in row order."""
    bad = np.flatnonzero(~(np.abs(paid) <= LARGEST))
    if len(bad):
        s, a = divmod(int(row[bad[0]]), shape[1])
        t = int(successor[bad[0]])
        raise ModelError(
            f"R[{s}, {a}, {t}] is {paid[bad[0]]} and P[{s}, {a}, {t}] is not 0: the reward of a "
            f"possible step, from state {state(s)} to {state(t)} under action {action(a)}, must be "
            f"finite{_or_smaller(paid[bad[0]])} ({len(bad)} are not)."
        )
    law = law_in_order(row, successor, paid, prob, shape[0] * shape[1])
    R = readonly(law.expected_reward(shape[1]))
    return R, None if law.is_constant() else law


def _or_smaller(x: float) -> str:
    """What to say of a number that is finite, but so large that sums of it overflow."""
    if not np.isfinite(x):
        return ""
    return f", and at most {LARGEST:g} so that sums are finite too: choose a larger unit"


def check_law(law: Any, P: Kernel, R: FloatSA, state: Name, action: Name) -> FloatSA:
    """The expected rewards of a law, if its branches add up to P and its rewards to R."""
    if not isinstance(law, RewardLaw):
        raise ModelError(f"law is {law!r:.80}; it must be a RewardLaw or None.")
    n_states, n_actions = R.shape
    if len(law.offsets) - 1 != R.size:
        raise ModelError(f"law has {len(law.offsets) - 1} pairs; the model has {R.size}.")
    outside = np.flatnonzero((law.next_state < 0) | (law.next_state >= n_states))
    if len(outside):
        i = int(outside[0])
        raise ModelError(
            f"branch {i} of the law goes to state {law.next_state[i]}; states are 0 to "
            f"{n_states - 1}."
        )
    row, successor, prob = kernel.branches(P)
    keys = np.concatenate((law.row * n_states + law.next_state, row * n_states + successor))
    places, index = np.unique(keys, return_inverse=True)
    gap = np.bincount(index.reshape(-1), weights=np.concatenate((law.prob, -prob)))
    worst = int(np.abs(gap).argmax())
    if abs(gap[worst]) > 4 * EPS * n_states:
        pair, t = divmod(int(places[worst]), n_states)
        s, a = divmod(pair, n_actions)
        raise ModelError(
            f"law and P differ by {gap[worst]:.3g} at P[{s}, {a}, {t}] (action {action(a)} in "
            f"state {state(s)}): give law=None with another P."
        )
    expected = law.expected_reward(n_actions)
    terms = int(np.diff(law.offsets).max())
    off = np.abs(expected - R)
    s, a = divmod(int(off.argmax()), n_actions)
    if off[s, a] > 8 * EPS * (terms + 2) * float(np.abs(law.reward).max()):
        raise ModelError(
            f"R[{s}, {a}] is {R[s, a]:.6g}, but the law pays {expected[s, a]:.6g} (action "
            f"{action(a)} in state {state(s)}): give law=None with another R."
        )
    return readonly(expected)


def check_terminal(
    terminal: Any, absorbing: BoolS, average: bool, worth: FloatS | None, name: Name
) -> BoolS:
    """The mask of terminal states: declared and checked, or found."""
    n_states = len(absorbing)
    if terminal is None:
        found = absorbing if worth is None else absorbing & (worth == 0)
        none = average or bool(found.all())
        return readonly(np.zeros(n_states, dtype=bool) if none else found.copy())
    declared = as_numbers(terminal, "terminal")
    mask = np.zeros(n_states, dtype=bool)
    if declared.dtype == bool and declared.shape == (n_states,):
        mask |= declared
    elif declared.ndim == 1 and (declared.size == 0 or declared.dtype.kind in "iu"):
        outside = declared[(declared < 0) | (declared >= n_states)]
        if len(outside):
            raise ModelError(
                f"terminal names state {int(outside[0])}; states are 0 to {n_states - 1}."
            )
        mask[declared.astype(int)] = True
    else:
        raise ModelError(
            f"terminal has shape {declared.shape} and type {declared.dtype}; it must be a bool "
            f"array ({n_states},) or a list of states."
        )
    if average and mask.any():
        raise ModelError(
            f"terminal names state {name(int(mask.argmax()))}, but with average=True nothing ends: "
            f"an absorbing state goes on for ever. Leave terminal out."
        )
    wrong = np.flatnonzero(mask & ~absorbing)
    if len(wrong):
        raise ModelError(
            f"state {name(int(wrong[0]))} is declared terminal, but it is not absorbing with zero "
            f"reward under each allowed action ({len(wrong)} such states). Make each of its rows a "
            f"self-loop with reward 0."
        )
    return readonly(mask)


def check_mu(mu: Any, terminal: BoolS, name: Name = str) -> FloatS:
    """The initial distribution; uniform over the states that are not terminal by default."""
    if mu is None:
        live = ~terminal if not terminal.all() else terminal
        return readonly(live / live.sum())
    given = as_numbers(mu, "mu")
    weights = as_floats(given, "mu")
    if weights.shape != terminal.shape:
        raise ModelError(f"mu has shape {weights.shape}; it must be (S,) = {terminal.shape}.")
    if not (weights >= 0).all():
        s = int((weights >= 0).argmin())
        raise ModelError(
            f"mu[{s}] is {weights[s]:.6g}: the probability of starting in state {name(s)} must be "
            f">= 0."
        )
    tol = 4 * precision(given) * max(len(weights), 2)
    total = float(weights.sum())
    if not abs(total - 1) <= tol:
        raise ModelError(
            f"mu sums to {words_for_sum(total - 1)}, not 1 (tolerance {tol:.3g}): divide it by its "
            f"sum."
        )
    return readonly(weights / total if precision(given) > EPS else weights)


def check_final(final: Any, horizon: int | None, n_states: int, name: Name) -> FloatS | None:
    """The rewards for where a finite horizon ends."""
    if final is None:
        return None
    if horizon is None:
        raise ModelError("final is the reward when a finite horizon ends: it needs horizon=.")
    worth = as_floats(final, "final")
    if worth.shape != (n_states,):
        raise ModelError(f"final has shape {worth.shape}; it must be (S,) = {(n_states,)}.")
    bad = np.flatnonzero(~(np.abs(worth) <= LARGEST))
    if len(bad):
        s = int(bad[0])
        raise ModelError(
            f"final[{s}] is {worth[s]}: what ending in state {name(s)} is worth must be finite"
            f"{_or_smaller(worth[s])} ({len(bad)} are not)."
        )
    return readonly(worth)


def check_std(reward_std: Any, allowed: BoolSA, state: Name, action: Name) -> FloatSA | None:
    """Standard deviations of Gaussian reward noise."""
    if reward_std is None:
        return None
    std = as_floats(reward_std, "reward_std")
    if std.shape != allowed.shape:
        raise ModelError(f"reward_std has shape {std.shape}; it must be (S, A) = {allowed.shape}.")
    bad = np.argwhere(allowed & ~((std >= 0) & (std < np.inf)))
    if len(bad):
        s, a = (int(i) for i in bad[0])
        raise ModelError(
            f"reward_std[{s}, {a}] is {std[s, a]:g} (action {action(a)} in state {state(s)}): a "
            f"standard deviation is finite and >= 0."
        )
    return readonly(np.where(allowed, std, 0.0))


def check_names(names: Any, n: int, what: str) -> tuple[str, ...] | None:
    """Names, one for each and no two alike."""
    if names is None:
        return None
    words = _words(names)
    if words is None:
        raise ModelError(f"{what}_names is {names!r:.80}; it must be a list of {n} names.")
    if len(words) != n:
        raise ModelError(f"{what}_names has {len(words)} names; there are {n} {what}s.")
    if len(set(words)) != n:
        twice = next(word for i, word in enumerate(words) if word in words[:i])
        raise ModelError(f"{what}_names has {twice!r} twice: names must differ.")
    return words


def check_notes(notes: Any) -> tuple[str, ...]:
    """Notes as a tuple; a single string is one note."""
    words = (notes,) if isinstance(notes, str) else _words(notes)
    if words is None:
        raise ModelError(f"notes is {notes!r:.80}; it must be a list of str.")
    return words


def _words(x: Any) -> tuple[str, ...] | None:
    """The items of a list as str; None if it is no list of things."""
    if isinstance(x, (str, bytes)) or not isinstance(x, Iterable) or kernel.is_sparse(x):
        return None
    return tuple(str(item) for item in x)


def check_layout(layout: Any, n_states: int) -> tuple[int, int] | FloatArray | None:
    """(rows, cols) of a grid that is filled row by row, or coordinates (S, 2)."""
    if layout is None:
        return None
    places = as_floats(layout, "layout")
    if places.shape == (2,):
        if (places >= 1).all() and (places % 1 == 0).all() and places.prod() == n_states:
            return int(places[0]), int(places[1])
    elif places.shape == (n_states, 2) and not np.isinf(places).any():
        return readonly(places)
    raise ModelError(
        f"layout must be (rows, cols) with rows * cols = {n_states}, or finite coordinates of "
        f"shape ({n_states}, 2) (nan where a state has no place); got {layout!r:.80}."
    )
