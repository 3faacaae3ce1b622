"""Updates: what one transition does to a table of values. One formula each.

Takes     a table, V (S,) or Q (S, A), which is changed; a transition, or a minibatch of them.
Gives     the temporal difference that moved it.
Source    Sutton and Barto (2018), eqs. (6.2), (6.7), (6.8), (6.9) and (6.10).
Not here  which transitions come, in which order (`_temporal_difference`, `_sarsa`, learners).

All are ``table[here] += step_size (target - table[here])``; they differ in the target. ``done``
says that the episode has ended by itself there: what the table says of the last state is then not
asked. A truncation is not done: its last state is bootstrapped as any other. These are the
innermost lines of learners, so nothing is checked but the type of the table.

A minibatch is arrays (n,) in the place of numbers. Every target is made from the table as it was;
transitions of the same pair then add up.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatS, FloatSA
from ..errors import ModelError


def td_update(
    V: FloatS | list[float],
    s: Any,
    r: Any,
    s_next: Any,
    done: Any,
    step_size: Any,
    gamma: float,
) -> Any:
    """V(s) += step_size (r + gamma V(s') - V(s)), in place: TD(0).

    If s, then a from pi, then s' from P are drawn, its mean is a step of ``step_size Pr(s) (T_pi V
    - V)(s)``; V_pi alone does not move on the average.

    Parameters
    ----------
    V : (S,) array, or list of S floats (several times as fast for single transitions)
        Changed.
    s, s_next : int, or (n,) arrays of int
    r : float, or (n,) array, reward units
    done : bool, or (n,) array of bool
        Terminated, not truncated.
    step_size : float, or (n,) array
    gamma : float in [0, 1]

    Returns
    -------
    float, or (n,) array
        The temporal difference, before the move.

    Raises
    ------
    ModelError
        If V does not hold floats.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.2). Time O(1), or O(n).

    Examples
    --------
    >>> V = np.array([0.0, 4.0])
    >>> float(td_update(V, 0, 1.0, 1, False, 0.5, 0.9)), V
    (4.6, array([2.3, 4. ]))
    """
    delta = r + gamma * (1 - done) * V[s_next] - V[s]
    return _move(V, s, step_size, delta)


def sarsa_update(
    Q: FloatSA,
    s: Any,
    a: Any,
    r: Any,
    s_next: Any,
    a_next: Any,
    done: Any,
    step_size: Any,
    gamma: float,
) -> Any:
    """Q(s, a) += step_size (r + gamma Q(s', a') - Q(s, a)), in place.

    a' is what the policy does in s': given (s, a) its mean is that of `expected_sarsa_update`, its
    variance larger.

    Parameters
    ----------
    Q : (S, A) array, reward units
        Changed.
    s, a, s_next, a_next : int, or (n,) arrays of int
        Where it is done, a_next may be any action.
    r : float, or (n,) array, reward units
    done : bool, or (n,) array of bool
        Terminated, not truncated.
    step_size : float, or (n,) array
    gamma : float in [0, 1]

    Returns
    -------
    float, or (n,) array
        The temporal difference, before the move.

    Raises
    ------
    ModelError
        If Q does not hold floats.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.7). Time O(1), or O(n).

    Examples
    --------
    >>> Q = np.array([[0.0, 1.0], [2.0, 3.0]])
    >>> float(sarsa_update(Q, 0, 1, 1.0, 1, 0, False, 0.5, 1.0)), Q[0]
    (2.0, array([0., 2.]))
    """
    delta = r + gamma * (1 - done) * Q[s_next, a_next] - Q[s, a]
    return _move(Q, (s, a), step_size, delta)


def expected_sarsa_update(
    Q: FloatSA,
    s: Any,
    a: Any,
    r: Any,
    s_next: Any,
    pi_next: Any,
    done: Any,
    step_size: Any,
    gamma: float,
) -> Any:
    """Q(s, a) += step_size (r + gamma sum_b pi(b|s') Q(s', b) - Q(s, a)), in place.

    Given (s, a) its mean is a step of ``step_size (T_pi Q - Q)(s, a)``, whoever acted.

    Parameters
    ----------
    Q : (S, A) array, reward units
        Changed. What it holds where ``pi_next`` is 0 is not asked, and may be -inf.
    s, a, s_next : int, or (n,) arrays of int
    r : float, or (n,) array, reward units
    pi_next : (A,) or (n, A) array
        The policy in s_next.
    done : bool, or (n,) array of bool
        Terminated, not truncated.
    step_size : float, or (n,) array
    gamma : float in [0, 1]

    Returns
    -------
    float, or (n,) array
        The temporal difference, before the move.

    Raises
    ------
    ModelError
        If Q does not hold floats.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.9). Time O(A), or O(n A).

    Examples
    --------
    >>> Q = np.array([[0.0, 1.0], [2.0, 4.0]])
    >>> pi_next = np.array([0.25, 0.75])
    >>> float(expected_sarsa_update(Q, 0, 0, 1.0, 1, pi_next, False, 0.5, 1.0)), Q[0]
    (4.5, array([2.25, 1.  ]))
    """
    after = (pi_next * np.where(pi_next > 0, Q[s_next], 0.0)).sum(axis=-1)
    delta = r + gamma * (1 - done) * after - Q[s, a]
    return _move(Q, (s, a), step_size, delta)


def q_learning_update(
    Q: FloatSA, s: Any, a: Any, r: Any, s_next: Any, done: Any, step_size: Any, gamma: float
) -> Any:
    """Q(s, a) += step_size (r + gamma max_b Q(s', b) - Q(s, a)), in place.

    Given (s, a) its mean is a step of ``step_size (T* Q - Q)(s, a)``, whoever acted. Repeated, it
    overestimates: the largest of several noisy values is not noisy about the largest.

    Parameters
    ----------
    Q : (S, A) array, reward units
        Changed. Hold -inf at refused actions: they are never the largest.
    s, a, s_next : int, or (n,) arrays of int
    r : float, or (n,) array, reward units
    done : bool, or (n,) array of bool
        Terminated, not truncated.
    step_size : float, or (n,) array
    gamma : float in [0, 1]

    Returns
    -------
    float, or (n,) array
        The temporal difference, before the move.

    Raises
    ------
    ModelError
        If Q does not hold floats.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.8); Watkins and Dayan (1992). Time O(A), or O(n A).

    Examples
    --------
    >>> Q = np.array([[0.0, 1.0], [2.0, 4.0]])
    >>> float(q_learning_update(Q, 0, 0, 1.0, 1, False, 0.5, 1.0)), Q[0]
    (5.0, array([2.5, 1. ]))
    """
    delta = r + gamma * (1 - done) * Q[s_next].max(axis=-1) - Q[s, a]
    return _move(Q, (s, a), step_size, delta)


def double_q_update(
    Q: FloatSA,
    other: FloatSA,
    s: Any,
    a: Any,
    r: Any,
    s_next: Any,
    done: Any,
    step_size: Any,
    gamma: float,
) -> Any:
    """Q(s, a) += step_size (r + gamma other(s', argmax_b Q(s', b)) - Q(s, a)), in place.

    One table chooses, the other says what it is worth: a value is not chosen by its own noise. It
    underestimates instead. Who calls tosses a coin for which table is ``Q``.

    Parameters
    ----------
    Q : (S, A) array, reward units
        Changed. Hold -inf at refused actions: they are never chosen.
    other : (S, A) array, reward units
        Not changed.
    s, a, s_next : int, or (n,) arrays of int
    r : float, or (n,) array, reward units
    done : bool, or (n,) array of bool
        Terminated, not truncated.
    step_size : float, or (n,) array
    gamma : float in [0, 1]

    Returns
    -------
    float, or (n,) array
        The temporal difference, before the move.

    Raises
    ------
    ModelError
        If Q does not hold floats.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.10); van Hasselt (2010). Among equals the first action is
    chosen. Time O(A), or O(n A).

    Examples
    --------
    >>> Q, other = np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([[0.0, 0.0], [7.0, 5.0]])
    >>> float(double_q_update(Q, other, 0, 0, 1.0, 1, False, 0.5, 1.0)), Q[0]
    (6.0, array([3., 1.]))
    """
    best = Q[s_next].argmax(axis=-1)
    delta = r + gamma * (1 - done) * other[s_next, best] - Q[s, a]
    return _move(Q, (s, a), step_size, delta)


def _move(table: Any, here: Any, step_size: Any, delta: Any) -> Any:
    """table[here] += step_size delta; pairs that occur several times move several times."""
    if isinstance(table, np.ndarray) and table.dtype.kind != "f":
        raise ModelError(
            f"the table holds {table.dtype}, which would cut each step to a whole number; it must "
            f"hold floats."
        )
    if isinstance(delta, np.ndarray) and delta.ndim:
        np.add.at(table, here, step_size * delta)
    else:
        table[here] += step_size * delta
    return delta
