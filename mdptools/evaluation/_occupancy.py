"""The occupancy d: where a policy spends its (discounted) time.

Takes     an MDP, a policy, and where to start.
Gives     d, a law over states; with its terminal mass if asked.
Source    formula: d = visits / sum(visits); the literature's (1 - gamma) sum_t gamma^t Pr(s_t = s).
Not here  values (`evaluate`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import FloatS, as_numbers, readonly
from ..checks import check_model, check_served
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._evaluate import evaluate
from ._stationary import solve


def occupancy(mdp: MDP, pi: Any, *, start: Any = None, absorbing: bool = False) -> FloatS:
    """The law of the state at a (discounted) random time.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon
    start : int or (S,) array_like, optional
        A state or a distribution to start from; ``mdp.mu`` if omitted.
    absorbing : bool
        Count the time after the end too: ``(1 - gamma) sum_t gamma^t Pr(s_t = s)``, terminal
        states included. Discounted models only.

    Returns
    -------
    (S,) or (H, S) array
        Sums to one. Without ``absorbing`` it is ``visits / Z``: 0 on terminal states. Average
        reward: the share of time in each state in the long run.

    Raises
    ------
    ModelError
        If there is no such law: an episode that starts in a terminal state takes no time, one that
        never ends takes for ever. If start is neither a state nor a distribution.

    Notes
    -----
    O(S^3) if dense. The error is that of the visits: `evaluate` tells it.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.8)
    >>> occupancy(mdp, [[1.0], [1.0]])
    array([1., 0.])
    >>> occupancy(mdp, [[1.0], [1.0]], absorbing=True).round(3)
    array([0.333, 0.667])
    """
    if start is not None:
        mdp = started(mdp, start)
    if not absorbing:
        return evaluate(mdp, pi).d
    check_served(mdp, "occupancy with absorbing=True", "discounted", instead="absorbing=False")
    policy = check_policy(mdp, pi)
    everywhere = np.ones(mdp.n_states, dtype=bool)
    visits = solve(mdp, policy, everywhere, mdp.mu).visits
    return readonly(visits / visits.sum())


def started(mdp: MDP, start: Any) -> MDP:
    """The model with another initial distribution: a state, or a law over states."""
    check_model(mdp)
    given = as_numbers(start, "start")
    if given.ndim == 0:
        if given.dtype.kind not in "iu" or not 0 <= given < mdp.n_states:
            raise ModelError(
                f"start is {start!r:.80}; it must be a state, 0 to {mdp.n_states - 1}, or a "
                f"distribution over the states."
            )
        given = np.eye(mdp.n_states)[int(given)]
    try:
        return replace(mdp, mu=given)
    except ModelError as error:
        raise ModelError(f"start is no initial distribution mu: {error}") from None
