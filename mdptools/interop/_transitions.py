"""From what was seen to a model: transitions or trajectories, counted.

Takes     steps (s, a, r, s'), or trajectories with masks.
Gives     the maximum-likelihood model, with its counts.
Source    `MDP.from_counts`, which this wraps.
Not here  learning while acting (studies), confidence in the counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray, readonly
from ..checks import check_count
from ..errors import ModelError
from ..model import MDP
from ._branches import MOST_PAIRS


class CountedModel(NamedTuple):
    """A model with the counts that it was made of.

    Attributes
    ----------
    mdp : MDP
    N : (S, A, S) array of int
        How often (s, a) was followed by s'.
    R_sum : (S, A) array, reward units
        Sum of the rewards seen at (s, a).
    """

    mdp: MDP
    N: IntArray
    R_sum: FloatArray


def from_transitions(
    transitions: Any,
    gamma: float | None = None,
    *,
    n_states: int | None = None,
    n_actions: int | None = None,
    terminal: Any = None,
    unvisited: str = "error",
    **keywords: Any,
) -> CountedModel:
    """The maximum-likelihood model of observed transitions.

    Parameters
    ----------
    transitions : Trajectories, or sequence of (s, a, r, s') or (s, a, r, s', terminated)
    gamma, **keywords
        As for `MDP`.
    n_states, n_actions : int, optional
        One more than the largest that was seen, if omitted.
    terminal : list of states, optional
        Those in which an episode is over; if omitted, those that were entered with ``terminated``.
    unvisited : {"error", "refuse", "stay", "uniform"}
        What to do with a pair that was never tried in a state that is not terminal: an error, not
        allowed, a self-loop with reward 0, or a uniform successor with reward 0.

    Returns
    -------
    CountedModel
        ``N`` and ``R_sum`` hold what was seen and nothing that was assumed.

    Raises
    ------
    ModelError
        Naming the transition that is wrong; if a pair was never tried and ``unvisited`` is "error";
        if an action was taken in a state that is terminal: where a time limit ended the episode,
        say ``terminal=`` (``()`` for none).

    Notes
    -----
    Memory O(S^2 A).

    Examples
    --------
    >>> seen = [(0, 0, 1.0, 0, False), (0, 0, 1.0, 1, True), (0, 1, 0.0, 0, False)]
    >>> model = from_transitions(seen, gamma=0.9)
    >>> model.mdp.P[0].tolist(), model.mdp.terminal, model.N[0].tolist()
    ([[0.5, 0.5], [1.0, 0.0]], array([False,  True]), [[1, 1], [1, 0]])
    """
    s, a, r, t, over = _columns(transitions)
    n_states = _size(n_states, "n_states", np.concatenate((s, t)))
    n_actions = _size(n_actions, "n_actions", a)
    if n_states * n_states * n_actions > MOST_PAIRS:
        raise ModelError(
            f"{n_states} states and {n_actions} actions make a table of more than {MOST_PAIRS} "
            f"counts."
        )
    ended = np.zeros(n_states, dtype=bool)
    if terminal is None:
        ended[t[over]] = True
    else:
        given = np.asarray(terminal)
        states = np.flatnonzero(given) if given.dtype == bool else given.astype(np.int64)
        if states.ndim != 1 or ((states < 0) | (states >= n_states)).any():
            raise ModelError(f"terminal is {terminal!r:.80}; states are 0 to {n_states - 1}.")
        ended[states] = True
    acted = np.flatnonzero(ended[s])
    if len(acted):
        i = int(acted[0])
        raise ModelError(
            f"transition {i} leaves state {s[i]}, which is terminal: an episode was over when it "
            f"entered it. If a time limit ended that one, say which states are terminal: terminal=."
        )
    N = np.zeros((n_states, n_actions, n_states), dtype=np.int64)
    np.add.at(N, (s, a, t), 1)
    R_sum = np.zeros((n_states, n_actions))
    np.add.at(R_sum, (s, a), r)
    filled = N.astype(np.float64)
    filled[ended, :, ended] = 1.0
    if not keywords.get("average"):
        keywords["terminal"] = np.flatnonzero(ended)
    mdp = MDP.from_counts(filled, R_sum, gamma, unvisited=unvisited, **keywords)  # type: ignore[arg-type]
    return CountedModel(mdp, readonly(N), readonly(R_sum))


def _columns(transitions: Any) -> tuple[Any, ...]:
    """s, a, r, s' and terminated of each transition."""
    if hasattr(transitions, "mask") and hasattr(transitions, "terminated"):
        batch = transitions
        who, time = np.nonzero(batch.mask)
        last = time == batch.mask.sum(axis=1)[who] - 1
        over = last & np.asarray(batch.terminated)[who]
        return (
            batch.s[who, time],
            batch.a[who, time],
            batch.r[who, time],
            batch.s[who, time + 1],
            over,
        )
    rows: list[tuple[int, int, float, int, bool]] = []
    for i, given in enumerate(transitions):
        try:
            s, a, r, t, *rest = given
            over = bool(rest[0]) if rest else False
            row = (int(s), int(a), float(r), int(t), over)
            if len(rest) > 1 or row[0] != s or row[1] != a or row[3] != t:
                raise ValueError("not five numbers, or a state is no integer")
        except (TypeError, ValueError, OverflowError):
            row = (-1, -1, 0.0, -1, False)
        if min(row[0], row[1], row[3]) < 0 or max(row[0], row[1], row[3]) >= MOST_PAIRS:
            raise ModelError(
                f"transition {i} is {given!r:.80}; it must be (s, a, r, s') or (s, a, r, s', "
                f"terminated), with states and actions from 0 to {MOST_PAIRS - 1}."
            )
        if not np.isfinite(row[2]):
            raise ModelError(f"transition {i} has reward {row[2]}; it must be finite.")
        rows.append(row)
    if not rows:
        raise ModelError("there are no transitions to count.")
    s, a, r, t, over = zip(*rows, strict=True)
    return np.array(s), np.array(a), np.array(r), np.array(t), np.array(over)


def _size(given: int | None, name: str, seen: Any) -> int:
    """How many there are; at least as many as were seen."""
    most = int(seen.max(initial=0)) + 1
    n = most if given is None else check_count(given, name)
    if n < most:
        raise ModelError(f"{name} is {n}, but number {most - 1} was seen.")
    return n
