"""Values learned from trajectories in order: TD(0), n steps, whole returns, a frozen target.

Takes     `Trajectories`, a table V0 to start from, gamma, a step size.
Gives     a new table of the same shape.
Source    Sutton and Barto (2018), sections 6.1 and 7.1.
Not here  traces (`_traces`), tables of pairs (`_sarsa`), all data at once (`_least_squares`).

V0 is (S,), or by time (at least T+1, S), as the values of a finite horizon are. Its entries at
terminal states are not asked. Everything is `td_update`, one step after another: trajectories in
the order of the batch, their steps in the order of time.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ..sampling import Trajectories
from ._chains import StepSize, check_arguments, learned, step_sizes, values_chain
from ._updates import td_update


def td(
    V0: Any,
    trajectories: Trajectories,
    gamma: float,
    step_size: StepSize,
    *,
    observed: bool = False,
) -> FloatArray:
    """TD(0): V(s_t) += step_size (r_t + gamma V(s_{t+1}) - V(s_t)), step by step.

    Approaches V of the policy that acted. No estimator of an expectation: it is biased by V0 at
    every finite number of steps, and where step sizes stay constant it keeps moving about its
    limit. With the n-th visit's step between 1/n and 1/n^0.5 it converges (sum of the steps
    infinite, of their squares finite).

    Parameters
    ----------
    V0 : (S,) or (at least T+1, S) array_like, reward units
    trajectories : Trajectories
    gamma : float in [0, 1]
    step_size : float > 0, or function int -> float
        A function is asked for the k-th update of the same entry, k = 1, 2, ...
    observed : bool
        Values of observations, V0 (n_obs,), from ``trajectories.o``. In general no observation has
        a value that does not depend on what came before: the limit is then another one.

    Returns
    -------
    array of the shape of V0, reward units
        Per batch.

    Raises
    ------
    ModelError
        If V0, gamma or step_size do not fit, or the values run away.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.2). A step that terminates is not bootstrapped; one at which the
    trajectory was truncated is. Time O(N T) updates of about a microsecond.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)]] * 2, last=[2, 2])
    >>> td([0.0, 0.0, 7.0], batch, 0.5, 0.5)
    array([1. , 1.5, 7. ])
    """
    return n_step_td(V0, trajectories, gamma, 1, step_size, observed=observed)


def n_step_td(
    V0: Any,
    trajectories: Trajectories,
    gamma: float,
    n: int,
    step_size: StepSize,
    *,
    observed: bool = False,
) -> FloatArray:
    """V(s_t) += step_size (r_t + ... + gamma^n V(s_{t+n}) - V(s_t)), in the order of t.

    Approaches V of the policy that acted; see `td`. n = 1 is TD(0); with n >= T nothing is
    bootstrapped but truncations, as in `return_regression`.

    Parameters
    ----------
    V0 : (S,) or (at least T+1, S) array_like, reward units
    trajectories : Trajectories
    gamma : float in [0, 1]
    n : int >= 1
    step_size : float > 0, or function int -> float
        As for `td`.
    observed : bool
        As for `td`.

    Returns
    -------
    array of the shape of V0, reward units
        Per batch.

    Raises
    ------
    ModelError
        If V0, gamma, n or step_size do not fit, or the values run away.

    Notes
    -----
    Sutton and Barto (2018), eqs. (7.1) and (7.2). V(s_{t+n}) is what the table holds once all
    earlier steps have moved it, as in learning online. Time O(N T) updates.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)]], last=[2])
    >>> n_step_td([0.0, 0.0, 7.0], batch, 0.5, 2, 0.5)
    array([1., 1., 7.])
    """
    check_arguments(gamma)
    V, chain = values_chain(trajectories, V0, observed)
    cells, rewards, after, done, factors = chain.ahead(gamma, check_count(n, "n"))
    flat = V.reshape(-1).tolist()
    sweep(flat, cells, rewards, after, done, step_sizes(step_size, cells), factors)
    return learned(np.array(flat).reshape(V.shape), "V")


def return_regression(
    V0: Any,
    trajectories: Trajectories,
    gamma: float,
    step_size: StepSize,
    *,
    observed: bool = False,
) -> FloatArray:
    """TD(1): V(s_t) += step_size (G_t - V(s_t)) with the whole return, at every visit.

    Approaches V of the policy that acted. With the k-th step 1/k it is the every-visit mean of
    `every_visit_values`, and V0 is forgotten; that mean is biased on finite data (see there).

    Parameters
    ----------
    V0 : (S,) or (at least T+1, S) array_like, reward units
    trajectories : Trajectories
    gamma : float in [0, 1]
    step_size : float > 0, or function int -> float
        As for `td`.
    observed : bool
        As for `td`.

    Returns
    -------
    array of the shape of V0, reward units
        Per batch.

    Raises
    ------
    ModelError
        If V0, gamma or step_size do not fit, or the values run away.

    Notes
    -----
    Sutton and Barto (2018), eq. (6.1). The return of a truncated trajectory goes on with V of its
    last state, as the table has it then. Time O(N T) updates.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)], [(0, 0, 4.0)]], last=[2, 2])
    >>> return_regression([0.0, 0.0, 7.0], batch, 0.5, lambda k: 1 / k)
    array([3., 2., 7.])
    """
    whole = max(trajectories.n_steps, 1)
    return n_step_td(V0, trajectories, gamma, whole, step_size, observed=observed)


def target_table_td(
    V0: Any,
    trajectories: Trajectories,
    gamma: float,
    step_size: StepSize,
    *,
    refresh: int,
    unit: Literal["updates", "trajectories"] = "updates",
    observed: bool = False,
) -> FloatArray:
    """V(s_t) += step_size (r_t + gamma W(s_{t+1}) - V(s_t)): TD(0) towards a frozen copy W.

    W is V0, and becomes V after every ``refresh`` updates or trajectories. Approaches V of the
    policy that acted, in backups: between two refreshes V approaches the one-step backup of W.

    Parameters
    ----------
    V0 : (S,) or (at least T+1, S) array_like, reward units
    trajectories : Trajectories
    gamma : float in [0, 1]
    step_size : float > 0, or function int -> float
        As for `td`.
    refresh : int >= 1
        1 update is `td`.
    unit : {"updates", "trajectories"}
        What ``refresh`` counts.
    observed : bool
        As for `td`.

    Returns
    -------
    array of the shape of V0, reward units
        V, not W. Per batch.

    Raises
    ------
    ModelError
        If V0, gamma, step_size, refresh or unit do not fit, or the values run away.

    Notes
    -----
    Mnih et al. (2015) for the frozen copy. Time O(N T) updates and O(S) for each refresh.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)]] * 2, last=[2, 2])
    >>> target_table_td([0.0, 0.0, 7.0], batch, 0.5, 0.5, refresh=3)
    array([0.75, 1.5 , 7.  ])
    """
    check_arguments(gamma)
    K = check_count(refresh, "refresh")
    if unit not in ("updates", "trajectories"):
        raise ModelError(f"unit is {unit!r}; it must be 'updates' or 'trajectories'.")
    V, chain = values_chain(trajectories, V0, observed)
    cells, rewards, after, done, factors = chain.ahead(gamma, 1)
    steps, flat = step_sizes(step_size, cells), V.reshape(-1).tolist()
    ends = np.arange(K, len(cells) + K, K)
    if unit == "trajectories":
        ends = np.append(np.cumsum(chain.lengths)[K - 1 :: K], len(cells))
    low = 0
    for high in ends.tolist():
        part = slice(low, high)
        fixed = [
            r + (0.0 if end else factor * flat[cell])
            for r, end, factor, cell in zip(
                rewards[part], done[part], factors[part], after[part], strict=True
            )
        ]
        all_done = [True] * len(fixed)
        sweep(flat, cells[part], fixed, cells[part], all_done, steps[part], factors[part])
        low = high
    return learned(np.array(flat).reshape(V.shape), "V")


# --- for the other files of this room --------------------------------------------------------


def sweep(
    table: list[float],
    cells: list[int],
    rewards: list[float],
    after: list[int],
    done: list[bool],
    steps: list[float],
    factors: list[float],
) -> None:
    """One update after another, in place; with floats of Python, which take a tenth of the time."""
    for move in zip(cells, rewards, after, done, steps, factors, strict=True):
        td_update(table, *move)
