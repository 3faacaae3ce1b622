"""Visits: how often each state was there to decide in.

Takes     `Trajectories`, gamma, the number of states.
Gives     discounted counts, one row (S,) for each trajectory.
Source    formula: visits(s) = sum_t gamma^t Pr(s_t = s, the episode is running).
Not here  their exact values (evaluation), what was paid there (`_monte_carlo`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ..sampling import Trajectories
from ._returns import check_discount


def discounted_visits(trajectories: Trajectories, gamma: float, n_states: int) -> FloatArray:
    """sum_t gamma^t 1{s_t = s} over the steps of each trajectory.

    Estimates the visits of the policy that acted; divided by their sum, the law d to draw states
    from. Unbiased if every trajectory was run to its end; with gamma=1 also if the sampler cut it
    geometrically. Cutting at a fixed step T leaves the visits from T on out. The ratio d is biased
    like 1/N.

    Parameters
    ----------
    trajectories : Trajectories
    gamma : float in [0, 1]
    n_states : int

    Returns
    -------
    (N, S) array, decisions
        0 on terminal states, where nothing is decided.

    Raises
    ------
    ModelError
        If gamma or n_states do not fit.

    Notes
    -----
    Time O(N (T + S)).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (0, 0, 2.0)], []], last=[1, 1])
    >>> discounted_visits(batch, 0.5, 2)
    array([[1.5, 0. ],
           [0. , 0. ]])
    """
    check_discount(gamma, "gamma")
    S, batch = check_count(n_states, "n_states"), trajectories
    largest = int(batch.s.max(initial=0))
    if largest >= S:
        raise ModelError(f"n_states is {S}; these trajectories visit state {largest}.")
    who, time = np.nonzero(batch.mask)
    cells = who * S + batch.s[who, time]
    weights = np.power(float(gamma), time)
    found: Any = np.bincount(cells, weights=weights, minlength=batch.n * S)
    rows: FloatArray = found.reshape(batch.n, S)
    return rows
