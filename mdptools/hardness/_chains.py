"""The chain of a policy: when it arrives, where it ends, how soon it forgets.

Takes     an MDP of any objective and a policy (S, A); rewards and discount play no part.
Gives     `Measured`: expected times, probabilities, mixing times.
Source    Levin, Peres and Wilmer (2009), chapters 4, 10 and 12; Kemeny and Snell (1960).
Not here  gain and bias (evaluation), what the best policy does (`_difficulty`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import EPS, FloatArray, readonly
from ..certificates import Certificate
from ..checks import check_model, number_or_nan
from ..errors import ModelError
from ..evaluation import deviation_matrix, evaluate
from ..model import MDP
from ..planning import reach_probability, reach_reward
from ..policies import check_policy
from ..structure import recurrent_classes
from ._measured import Measured, measured

LONGEST = 2**40
"""Steps after which a chain counts as one that does not mix."""


def policy_chain(mdp: MDP, pi: Any) -> MDP:
    """The model with one action, which moves as the policy does; each step pays 1.

    Parameters
    ----------
    mdp : MDP
        Without a horizon, or with one that plays no part.
    pi : (S, A) array_like

    Returns
    -------
    MDP
        Of average reward, with the same states and mu.

    Raises
    ------
    ModelError
        If pi is no policy of the model, or depends on time.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> policy_chain(small(), [[0.5, 0.5], [0.0, 1.0]]).P[:, 0]
    array([[0.25, 0.75],
           [0.1 , 0.9 ]])
    """
    check_model(mdp)
    table = check_policy(mdp, pi)
    if table.ndim == 3:
        raise ModelError("pi is (H, S, A): the chain of a policy that depends on time is not one.")
    P = kernel.of_rows(kernel.mix(mdp.P, table), 1)
    return MDP(P, np.ones(mdp.n_states), average=True, mu=mdp.mu, state_names=mdp.state_names)


def hitting_times(mdp: MDP, pi: Any, targets: Any) -> Measured:
    """The expected number of steps until the targets are entered, from each state.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like
    targets : (S,) array of bool, or indices

    Returns
    -------
    Measured
        ``value`` (S,): 0 at the targets, inf where they may be missed.

    Raises
    ------
    ModelError
        If pi is no policy of the model, or targets are no states of it.
    ConvergenceError
        If float64 can prove no bound.

    Notes
    -----
    `mdptools.reach_reward` with a reward of 1. Time O(S^3) if dense.

    Examples
    --------
    >>> from mdptools.problems import random_walk
    >>> hitting_times(random_walk(3), [[1.0]] * 5, [0, 4]).value.round(9)
    array([0., 3., 4., 3., 0.])
    """
    found = reach_reward(policy_chain(mdp, pi), targets)
    return Measured(found.V, found.certificate)


def absorption_probabilities(mdp: MDP, pi: Any) -> Measured:
    """The probability of ending in each recurrent class, from each state.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like

    Returns
    -------
    Measured
        ``value`` (S, C), the classes in the order of `structure.recurrent_classes`; a terminal
        state is a class of its own.

    Raises
    ------
    ModelError
        If pi is no policy of the model.
    ConvergenceError
        If float64 can prove no bound.

    Notes
    -----
    `mdptools.reach_probability` for each class. Time O(C S^3) if dense.

    Examples
    --------
    >>> from mdptools.problems import random_walk
    >>> absorption_probabilities(random_walk(3), [[1.0]] * 5).value[2].round(9)
    array([0.5, 0.5])
    """
    chain = policy_chain(mdp, pi)
    classes = recurrent_classes(chain, np.ones((mdp.n_states, 1)))
    found = [reach_probability(chain, members) for members in classes]
    bound = max(one.certificate.bound for one in found)
    return measured(np.stack([one.V for one in found], axis=1), bound, found[0].certificate.theorem)


def mixing_time(mdp: MDP, pi: Any, *, distance: float = 0.25) -> Measured:
    """The first step after which the start is forgotten, up to a distance in total variation.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like
        Under which the chain has one recurrent class.
    distance : float in (0, 1)

    Returns
    -------
    Measured
        ``value`` is the smallest t with ``max_s TV(P^t(s, .), w) <= distance``; inf where there is
        none, as the chain is periodic. ``certificate.lower`` and ``upper`` (1,) are the answers
        for a distance that is larger or smaller by the round-off; where they agree, the value is
        proved.

    Raises
    ------
    ModelError
        If the chain has several recurrent classes, or distance is outside (0, 1).

    Notes
    -----
    Squares of P until the distance is reached, then bisection: it falls with t. Entries of a
    computed P^t are off by a factor of ``1 +- t (S + 2) eps``. Time O(S^3 log t), memory
    O(S^2 log t).

    Examples
    --------
    >>> from mdptools import MDP
    >>> lazy = MDP([[[0.9, 0.1]], [[0.1, 0.9]]], [0.0, 0.0], gamma=0.5)
    >>> float(mixing_time(lazy, [[1.0], [1.0]]))  # 0.8**t / 2 <= 1/4
    4.0
    """
    if not 0 < number_or_nan(distance) < 1:
        raise ModelError(f"distance is {distance!r:.80}; it must be in (0, 1).")
    model = policy_chain(mdp, pi)
    only = np.ones((mdp.n_states, 1))
    classes = recurrent_classes(model, only)
    if len(classes) > 1:
        raise ModelError(
            f"the chain has {len(classes)} recurrent classes: where it ends depends on the start, "
            f"and is never forgotten. See absorption_probabilities."
        )
    law = evaluate(model, only)
    w = law.d
    slack = law.visits_certificate.bound / 2
    powers = [kernel.to_dense(kernel.mix(model.P, only))]
    unit = (mdp.n_states + 2) * EPS + 2 * model.facts.row_defect

    def first(limit: float) -> float:
        """The first t with a computed distance of at most limit(t)."""
        t, now = 0, np.eye(mdp.n_states)
        level = 0
        while _distance(powers[level], w) > limit:
            if 2 ** (level + 1) > LONGEST:
                return np.inf
            if level + 1 == len(powers):
                powers.append(powers[level] @ powers[level])
            level += 1
        if _distance(now, w) <= limit:
            return 0.0
        for k in range(level, -1, -1):  # the last t that is too far
            further = now @ powers[k]
            if _distance(further, w) > limit:
                t, now = t + 2**k, further
        return float(t + 1)

    value = first(distance)
    steps = value if np.isfinite(value) else LONGEST
    roundoff = min(steps * unit, 1.0) + slack
    lower, upper = first(distance + roundoff), first(distance - roundoff)
    certificate = Certificate(
        bound=0.0 if lower == upper else max(value - lower, upper - value),
        loss=np.inf,
        residual=roundoff,
        theorem="TV(P^t(s, .), w) falls with t; P^t is computed to a relative t (S + 2) eps",
        lower=readonly(np.array([lower])),
        upper=readonly(np.array([upper])),
    )
    return Measured(value, certificate)


def spectral_gap(mdp: MDP, pi: Any) -> Measured:
    """One minus the second largest |eigenvalue| of the chain.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like

    Returns
    -------
    Measured
        0 where the chain is periodic or has several recurrent classes. ``kind`` is "estimated".

    Raises
    ------
    ModelError
        If pi is no policy of the model.

    Notes
    -----
    LAPACK's eigenvalues of a matrix that need not be normal: their errors are not bounded here.
    Time O(S^3).

    Examples
    --------
    >>> from mdptools import MDP
    >>> lazy = MDP([[[0.9, 0.1]], [[0.1, 0.9]]], [0.0, 0.0], gamma=0.5)
    >>> round(float(spectral_gap(lazy, [[1.0], [1.0]])), 12)
    0.2
    """
    model = policy_chain(mdp, pi)
    only = np.ones((mdp.n_states, 1))
    sizes = np.sort(np.abs(np.linalg.eigvals(kernel.to_dense(kernel.mix(model.P, only)))))
    gap = 1.0 if len(sizes) == 1 else max(0.0, 1.0 - float(sizes[-2]))
    error = 10 * EPS * mdp.n_states
    return measured(gap, error, "eigenvalues by LAPACK", kind="estimated")


def kemeny_constant(mdp: MDP, pi: Any) -> Measured:
    """The expected number of steps to a state that is drawn from the stationary law.

    The same from each start: 0 steps if one is there.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like
        Under which the chain has one recurrent class.

    Returns
    -------
    Measured
        ``kind`` is "estimated".

    Raises
    ------
    ModelError
        If the chain has several recurrent classes.

    Notes
    -----
    The trace of the deviation matrix; Kemeny and Snell (1960) count the first step too, which adds
    1. Time O(S^3). The error is estimated as eps S times the constant.

    Examples
    --------
    >>> from mdptools import MDP
    >>> lazy = MDP([[[0.9, 0.1]], [[0.1, 0.9]]], [0.0, 0.0], gamma=0.5)
    >>> round(float(kemeny_constant(lazy, [[1.0], [1.0]])), 12)  # half of 10 steps
    5.0
    """
    model = policy_chain(mdp, pi)
    only = np.ones((mdp.n_states, 1))
    classes = recurrent_classes(model, only)
    if len(classes) > 1:
        raise ModelError(
            f"the chain has {len(classes)} recurrent classes: there is no one stationary law."
        )
    K = float(np.trace(deviation_matrix(model, only)))
    return measured(
        K, EPS * mdp.n_states * max(K, 1.0) ** 2, "the trace of (I - P)^#", kind="estimated"
    )


def _distance(rows: FloatArray, w: FloatArray) -> float:
    """The largest total variation between a row and w."""
    return float(np.abs(rows - w).sum(axis=1).max()) / 2
