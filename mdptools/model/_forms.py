"""Other people's layouts: each function says which one it means.

Takes     matrices for each action, feasible pairs, costs, counts.
Gives     keywords for `MDP`, in its own layout (S, A, S).
Not here  file formats and other libraries' classes (interop).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import as_floats, as_numbers, readonly
from ..checks import check_count
from ..errors import ModelError
from ..kernel import is_sparse


def from_action_matrices(P: Any, R: Any) -> dict[str, Any]:
    """(A, S, S) to (S, A, S)."""
    try:
        given = [*P]
    except TypeError:
        raise ModelError(
            f"P is {P!r:.80}; it must hold one (S, S) matrix for each action."
        ) from None
    matrices = [m if is_sparse(m) else as_numbers(m, f"P[{a}]") for a, m in enumerate(given)]
    if not matrices:
        raise ModelError("P is empty; it must hold one (S, S) matrix for each action.")
    shapes = {m.shape for m in matrices}
    shape = next(iter(shapes))
    if len(shapes) > 1 or len(shape) != 2 or shape[0] != shape[1]:
        raise ModelError(
            f"P must hold one (S, S) matrix for each action, all of one shape; got {len(matrices)} "
            f"of shapes {sorted(shapes)}."
        )
    n_states, n_actions = shape[0], len(matrices)
    rewards: Any = R if is_sparse(R) else as_floats(R, "R")
    if rewards.ndim == 3:
        if rewards.shape != (n_actions, n_states, n_states):
            raise ModelError(
                f"R has shape {rewards.shape}; beside {n_actions} matrices it must be (S,), (S, A) "
                f"or (A, S, S) = {(n_actions, n_states, n_states)}."
            )
        rewards = rewards.transpose(1, 0, 2)
    if any(is_sparse(m) for m in matrices):
        from scipy.sparse import csr_array, vstack

        stacked = vstack([csr_array(m) for m in matrices], format="csr")
        order = np.arange(n_actions * n_states).reshape(n_actions, n_states).T.reshape(-1)
        return {"P": stacked[order], "R": rewards}
    return {"P": readonly(np.stack(matrices, axis=1)), "R": rewards}


def from_pairs(states: Any, actions: Any, P: Any, R: Any, n_actions: int | None) -> dict[str, Any]:
    """Feasible pairs to the full table, the others refused."""
    s, a = as_numbers(states, "states"), as_numbers(actions, "actions")
    if s.ndim != 1 or s.shape != a.shape or s.dtype.kind not in "iu" or a.dtype.kind not in "iu":
        raise ModelError(
            f"states and actions must be integer arrays of one length; got shapes {s.shape} and "
            f"{a.shape}, types {s.dtype} and {a.dtype}."
        )
    s, a = s.astype(np.int64), a.astype(np.int64)  # small integers would overflow below
    rows: Any = P if is_sparse(P) else as_numbers(P, "P")
    rewards = as_floats(R, "R")
    if rows.ndim != 2 or rows.shape[0] != len(s) or rewards.shape != s.shape:
        raise ModelError(
            f"P must have one row, and R one number, for each of the {len(s)} pairs; got shapes "
            f"{rows.shape} and {rewards.shape}."
        )
    n_states = rows.shape[1]
    most = int(a.max(initial=0)) + 1
    n_actions = most if n_actions is None else check_count(n_actions, "n_actions")
    outside = np.flatnonzero((s < 0) | (s >= n_states) | (a < 0) | (a >= n_actions))
    if len(outside):
        i = int(outside[0])
        raise ModelError(f"pair {i} is ({s[i]}, {a[i]}), outside S = {n_states}, A = {n_actions}.")
    place = s * n_actions + a
    counts = np.bincount(place, minlength=n_states * n_actions)
    if (counts > 1).any():
        i = int(np.argmax(counts > 1))
        raise ModelError(f"the pair {divmod(i, n_actions)} is named {counts[i]} times.")
    table = np.zeros(n_states * n_actions)
    table[place] = rewards
    allowed = (counts == 1).reshape(n_states, n_actions)
    if is_sparse(rows):
        from scipy.sparse import csr_array

        coo = rows.tocoo()
        full: Any = csr_array(
            (coo.data, (place[coo.row], coo.col)), shape=(n_states * n_actions, n_states)
        )
    else:
        full = np.zeros((n_states, n_actions, n_states), dtype=rows.dtype)
        full[s, a] = rows
        readonly(full)
    return {"P": full, "R": table.reshape(n_states, n_actions), "allowed": allowed}


def from_costs(cost: Any, keywords: dict[str, Any]) -> dict[str, Any]:
    """Costs to rewards; 0.0 stays 0.0 and does not become -0.0."""
    rewards = -cost if is_sparse(cost) else 0.0 - as_floats(cost, "cost")
    final = keywords.pop("final", None)
    if final is not None:
        keywords["final"] = 0.0 - as_floats(final, "final")
    return {"R": rewards, **keywords}


def from_counts(N: Any, R_sum: Any, unvisited: Any) -> dict[str, Any]:
    """Counts to frequencies."""
    if not (isinstance(unvisited, str) and unvisited in ("error", "refuse", "stay", "uniform")):
        raise ModelError(
            f"unvisited is {unvisited!r:.80}; it must be 'error', 'refuse', 'stay' or 'uniform'."
        )
    counts, sums = as_floats(N, "N"), as_floats(R_sum, "R_sum")
    if counts.ndim != 3 or counts.shape[0] != counts.shape[2] or sums.shape != counts.shape[:2]:
        raise ModelError(
            f"N must be (S, A, S) and R_sum (S, A); got shapes {counts.shape} and {sums.shape}."
        )
    bad = np.argwhere(~((counts >= 0) & (counts < np.inf)))
    if len(bad):
        s, a, t = (int(i) for i in bad[0])
        raise ModelError(f"N[{s}, {a}, {t}] is {counts[s, a, t]:g}: a count is >= 0 and finite.")
    visits = counts.sum(axis=2)
    never = visits == 0
    if never.any() and unvisited == "error":
        first = np.argwhere(never)[0]
        raise ModelError(
            f"action {first[1]} was never tried in state {first[0]} ({int(never.sum())} "
            f"such pairs): say what to do with unvisited='refuse', 'stay' or 'uniform'."
        )
    P = counts / np.where(never, 1.0, visits)[:, :, None]
    if unvisited == "stay":
        state, action = np.nonzero(never)
        P[state, action, state] = 1.0
    elif unvisited == "uniform":
        P[never] = 1.0 / counts.shape[0]
    R = sums / np.where(never, 1.0, visits)
    parts: dict[str, Any] = {"P": readonly(P), "R": np.where(never, 0.0, R)}
    if unvisited == "refuse":
        parts["allowed"] = ~never
    return parts
