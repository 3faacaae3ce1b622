"""Control from recorded transitions: tables of action values that approach the optimum.

Takes     `Trajectories`, a table Q0 to start from, gamma, a step size.
Gives     a new table of the same shape; two of them for double Q-learning.
Source    Sutton and Barto (2018), sections 6.5 and 6.7; Lin (1992) for replay.
Not here  who acts while learning (learners), SARSA along trajectories as they were (`_sarsa`).

Whoever acted, in whatever order: Q-learning does not ask. It approaches Q* if every allowed pair
goes on being tried. Q0 is -inf at refused actions. What it says of terminal states is not asked,
and a truncation is no end. Everything is done by the single updates of `_updates`.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from ..arrays import FloatArray, FloatSA, IntArray
from ..checks import check_count, check_rng
from ..errors import ModelError
from ..sampling import Trajectories
from ._chains import StepSize, check_arguments, learned, pairs_chain, step_sizes
from ._ratios import table_of
from ._returns import goes_on
from ._schedules import Schedule, number_at
from ._updates import double_q_update, expected_sarsa_update, q_learning_update, sarsa_update

Method: TypeAlias = Literal["q_learning", "double_q_learning", "sarsa", "expected_sarsa"]
METHODS = ("q_learning", "double_q_learning", "sarsa", "expected_sarsa")


def q_learning(Q0: Any, trajectories: Trajectories, gamma: float, step_size: StepSize) -> FloatSA:
    """Q(s_t, a_t) += step_size (r_t + gamma max_b Q(s_{t+1}, b) - Q(s_t, a_t)), step by step.

    Approaches Q*, whoever acted, as long as each allowed pair goes on occurring; with step sizes
    ``k**-0.7`` for the k-th update of a pair. On finite data it is biased, by Q0 and upwards by the
    maximum over noisy values.

    Parameters
    ----------
    Q0 : (S, A) array_like, reward units
        -inf at refused actions.
    trajectories : Trajectories
    gamma : float in [0, 1]
    step_size : float > 0, or function int -> float
        A function is asked for the k-th update of the same pair, k = 1, 2, ...

    Returns
    -------
    (S, A) array, reward units
        Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, or the values run away.

    Notes
    -----
    Watkins and Dayan (1992); Sutton and Barto (2018), eq. (6.8). Trajectories in the order of the
    batch, their steps in the order of time. Time O(A) for each step, some microseconds.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0), (1, 0, 2.0)]] * 2, last=[2, 2])
    >>> q_learning(np.zeros((3, 2)), batch, 0.5, 0.5)
    array([[0. , 1. ],
           [1.5, 0. ],
           [0. , 0. ]])
    """
    Q = _table(Q0, trajectories, gamma)
    s, a, r, s_next, done, _ = _columns(trajectories)
    steps = step_sizes(step_size, s * Q.shape[1] + a)
    s, a, r, s_next, done = (x.tolist() for x in (s, a, r, s_next, done))
    with np.errstate(over="ignore", invalid="ignore"):  # `learned` says so
        for i, step in enumerate(steps):
            q_learning_update(Q, s[i], a[i], r[i], s_next[i], done[i], step, gamma)
    return learned(Q, "Q")


def double_q_learning(
    Q0: Any, trajectories: Trajectories, gamma: float, step_size: StepSize, *, rng: Any
) -> FloatArray:
    """Two tables of Q-learning, of which one chooses and the other says what that is worth.

    At each step a coin says which of the two learns. Their mean approaches Q* under the conditions
    of `q_learning`; on finite data it tends to be too low.

    Parameters
    ----------
    Q0 : (S, A) array_like, or (2, S, A); reward units
        -inf at refused actions. One table is taken for both.
    trajectories : Trajectories
    gamma : float in [0, 1]
    step_size : float > 0, or function int -> float
        A function is asked for the k-th update of the same pair in the same table, k = 1, 2, ...
    rng : numpy.random.Generator or int
        For the coin.

    Returns
    -------
    (2, S, A) array, reward units
        Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, or the values run away.

    Notes
    -----
    Van Hasselt (2010); Sutton and Barto (2018), eq. (6.10). Time O(A) for each step.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0)]] * 3, last=[1, 1, 1])
    >>> double_q_learning(np.zeros((2, 1)), batch, 0.5, 0.5, rng=0)[:, 0, 0]
    array([0.   , 0.875])
    """
    tables = _two_tables(Q0, trajectories, gamma)
    s, a, r, s_next, done, _ = _columns(trajectories)
    coin = check_rng(rng)
    chosen = np.array([int(coin.integers(2)) for _ in range(len(s))], dtype=np.int64)
    steps = step_sizes(step_size, (chosen * len(tables[0]) + s) * tables.shape[2] + a)
    s, a, r, s_next, done = (x.tolist() for x in (s, a, r, s_next, done))
    with np.errstate(over="ignore", invalid="ignore"):
        for i, (k, step) in enumerate(zip(chosen.tolist(), steps, strict=True)):
            pair = tables[k], tables[1 - k]
            double_q_update(*pair, s[i], a[i], r[i], s_next[i], done[i], step, gamma)
    return learned(tables, "Q")


def replay(
    Q0: Any,
    trajectories: Trajectories,
    gamma: float,
    step_size: Schedule,
    *,
    updates: int,
    rng: Any,
    batch: int = 32,
    method: Method = "q_learning",
    policy: Any = None,
) -> FloatArray:
    """Learn from minibatches of recorded transitions, drawn with replacement.

    Each minibatch moves the table by the mean of its single updates, all made from the table as it
    was. Given the table, the mean of a move is ``step_size w (T Q - Q)`` for the empirical model,
    with w the share of each pair among the transitions: it approaches the fixed point of the
    empirical model, and Q* or Q of the policy only as far as the data go.

    Parameters
    ----------
    Q0 : (S, A) array_like, or (2, S, A) for double Q-learning; reward units
        -inf at refused actions.
    trajectories : Trajectories
    gamma : float in [0, 1]
    step_size : float, or function int -> float
        A function is asked for the k-th minibatch, k = 1, 2, ...
    updates : int
        How many minibatches.
    rng : numpy.random.Generator or int
    batch : int
        Transitions in each.
    method : {"q_learning", "double_q_learning", "sarsa", "expected_sarsa"}
        "sarsa" takes the next action from the record, so the last step of a truncated trajectory,
        whose next action nobody knows, is left out.
    policy : pi, (S, A); or a pair (family, theta)
        What expected SARSA evaluates.

    Returns
    -------
    (S, A) array, or (2, S, A) for double Q-learning; reward units
        Per batch.

    Raises
    ------
    ModelError
        If an argument does not fit, there is no transition, or the values run away.

    Notes
    -----
    Lin (1992). Time O(updates batch A).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)]], last=[2])
    >>> replay(np.zeros((3, 1)), batch, 0.5, 0.5, updates=300, rng=0).round(6)
    array([[2.],
           [2.],
           [0.]])
    """
    if method not in METHODS:
        raise ModelError(f"method is {method!r:.80}; it must be one of {', '.join(METHODS)}.")
    double = method == "double_q_learning"
    table = (_two_tables if double else _table)(Q0, trajectories, gamma)
    columns = _columns(trajectories)
    if method == "sarsa":
        kept = columns[4] | (columns[5] >= 0)
        columns = tuple(column[kept] for column in columns)
    s, a, r, s_next, done, a_next = columns
    if not len(s):
        raise ModelError("there is no transition to learn from: all trajectories have length 0.")
    pi = _policy(policy, table.shape) if method == "expected_sarsa" else None
    generator, size = check_rng(rng), check_count(batch, "batch")
    for k in range(1, check_count(updates, "updates") + 1):
        step = number_at(step_size, k, "step_size") / size
        i = generator.integers(len(s), size=size)
        if pi is not None:
            to = pi[s_next[i]]
            expected_sarsa_update(table, s[i], a[i], r[i], s_next[i], to, done[i], step, gamma)
        elif method == "sarsa":
            to = np.maximum(a_next[i], 0)
            sarsa_update(table, s[i], a[i], r[i], s_next[i], to, done[i], step, gamma)
        elif double:
            first = int(generator.integers(2))
            pair = table[first], table[1 - first]
            double_q_update(*pair, s[i], a[i], r[i], s_next[i], done[i], step, gamma)
        else:
            q_learning_update(table, s[i], a[i], r[i], s_next[i], done[i], step, gamma)
    return learned(table, "Q")


# --- what all share ------------------------------------------------------------------------------


def _table(Q0: Any, batch: Trajectories, gamma: float) -> FloatSA:
    """A copy of Q0, if it fits the trajectories."""
    check_arguments(gamma)
    Q, _ = pairs_chain(batch, Q0, observed=False)
    if Q.ndim != 2:
        raise ModelError(f"Q0 has shape {Q.shape}; it must be (S, A).")
    refused = np.isneginf(Q)
    empty = np.flatnonzero(refused.all(axis=1))
    if len(empty):
        raise ModelError(f"Q0 is -inf for all actions in state {empty[0]}: none could be best.")
    who, time = np.nonzero(batch.mask)
    taken = np.flatnonzero(refused[batch.s[who, time], batch.a[who, time]])
    if len(taken):
        i, t = int(who[taken[0]]), int(time[taken[0]])
        raise ModelError(
            f"Q0 is -inf at state {batch.s[i, t]}, action {batch.a[i, t]}, which trajectory {i} "
            f"took at step {t}: -inf says that it is refused."
        )
    return Q


def _two_tables(Q0: Any, batch: Trajectories, gamma: float) -> FloatArray:
    """Copies of the two tables, or of the one, if they fit."""
    pair = Q0 if np.ndim(Q0) == 3 else (Q0, Q0)
    if len(pair) != 2:
        raise ModelError(f"Q0 has shape {np.shape(Q0)}; it must be (S, A) or (2, S, A).")
    return np.stack([_table(one, batch, gamma) for one in pair])


def _columns(batch: Trajectories) -> tuple[Any, ...]:
    """s, a, r, s', done and a' (-1 where nobody knows it) of all transitions, in order."""
    mask = batch.mask
    following = np.full(batch.a.shape, -1, dtype=np.int64)
    following[:, :-1] = np.where(mask[:, 1:], batch.a[:, 1:], -1)
    arrays = (batch.s[:, :-1], batch.a, batch.r, batch.s[:, 1:], ~goes_on(batch), following)
    s, a, r, s_next, done, a_next = (x[mask] for x in arrays)
    whole: list[IntArray] = [x.astype(np.int64) for x in (s, a, s_next)]
    return whole[0], whole[1], r, whole[2], done, a_next


def _policy(policy: Any, shape: tuple[int, ...]) -> FloatSA:
    """pi (S, A), for expected SARSA."""
    if policy is None:
        raise ModelError("expected_sarsa evaluates a policy: give policy=.")
    pi = table_of(policy)
    if pi.shape != shape:
        raise ModelError(f"policy has shape {pi.shape}; it must be (S, A) = {shape}.")
    return pi
