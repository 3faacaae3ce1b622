"""From branches to a model: what all readers of lists of transitions share.

Takes     s, a, s', reward and probability of each branch.
Gives     an MDP, with rows that a text file has rounded divided by their sums, and a note of it.
Not here  reading them (the file of each format).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS
from ..checks import number_or_nan
from ..errors import ModelError
from ..model import MDP, law_of

DENSE_LIMIT = 4_000_000
"""Entries of an (S, A, S) array above which P is kept sparse."""

MOST_PAIRS = 1 << 23
"""Pairs (s, a), with those that a file does not have; a short file could ask for any memory."""


def check_pairs(n_states: int, n_actions: int, name: str) -> None:
    """Pass if a table of all pairs fits into memory."""
    if n_states * n_actions > MOST_PAIRS:
        raise ModelError(
            f"{name} has {n_states} states and up to {n_actions} actions in one: their table has "
            f"more than {MOST_PAIRS} places."
        )


def check_row_tol(row_tol: Any) -> float:
    """A number from 0 to 0.1."""
    value = number_or_nan(row_tol)
    if not 0 <= value <= 0.1:
        raise ModelError(f"row_tol is {row_tol!r:.80}; it must be a number from 0 to 0.1.")
    return value


def model_of(
    branches: tuple[Any, Any, Any, Any, Any],
    n_states: int,
    n_actions: int,
    gamma: Any,
    *,
    row_tol: float = 0.0,
    **keywords: Any,
) -> MDP:
    """The model with branches (s, a, s', r, p); pairs without any are refused."""
    s, a, t = (np.array(x, dtype=np.int64) for x in branches[:3])
    r, p = (np.array(x, dtype=np.float64) for x in branches[3:])
    n_rows = n_states * n_actions
    row = s * n_actions + a
    sums = np.bincount(row, weights=p, minlength=n_rows)
    gap = np.where(np.bincount(row, minlength=n_rows) > 0, np.abs(sums - 1), 0.0)
    off = (gap > 4 * EPS * n_states) & (gap <= row_tol)
    if off.any():
        p = p / np.where(off, sums, 1.0)[row]
        note = (
            f"The probabilities of {int(off.sum())} pairs did not sum to one, by up to "
            f"{gap[off].max():.3g}; they were divided by their sums."
        )
        keywords["notes"] = (*keywords.get("notes", ()), note)
    law = law_of(row, t, r, p, n_rows)
    dense = n_rows * n_states <= DENSE_LIMIT
    table = kernel.table(law.row, law.next_state, law.prob, n_rows, n_states, dense=dense)
    keywords.setdefault("allowed", (np.diff(law.offsets) > 0).reshape(n_states, n_actions))
    keywords.setdefault("law", None if law.is_constant() else law)
    return MDP(kernel.of_rows(table, n_actions), law.expected_reward(n_actions), gamma, **keywords)
