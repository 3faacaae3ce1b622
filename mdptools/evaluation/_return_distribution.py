"""The law of the return of a policy on small models, atom by atom.

Takes     an MDP and a policy.
Gives     `ReturnDistribution`.
Source    dynamic programming over (state, what was paid so far), in `_paths`.
Not here  moments, which need no atoms (`_moments`); laws from samples (sampling).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatSA
from ..checks import check_count, check_served, check_tol
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ..structure import reachable
from ._distribution import ReturnDistribution
from ._moment_equations import leaving
from ._occupancy import started
from ._paths import Paths


def return_distribution(
    mdp: MDP,
    pi: Any,
    *,
    start: Any = None,
    steps: int | None = None,
    tol: float | None = None,
    max_atoms: int = 100_000,
) -> ReturnDistribution:
    """The law of the return of a policy: every value it can have, with its probability.

    Parameters
    ----------
    mdp : MDP
        Discounted, finite, or total reward; small, without ``reward_std``.
    pi : (S, A) array_like, or (H, S, A) if the model has a horizon
    start : int or (S,) array_like, optional
        A state or a distribution to start from; ``mdp.mu`` if omitted.
    steps : int, optional
        Cut episodes after so many decisions. If omitted they are followed to their end; where they
        need not end, until the cut matters less than round-off, or as far as ``max_atoms`` and
        10,000 decisions reach.
    tol : float, reward units, optional
        Largest accepted bound of the certificate, a Wasserstein distance. Where there are more than
        1,000 atoms, sums are then rounded to a grid as coarse as that allows, so that many more
        models are small enough.
    max_atoms : int
        The most pairs (state, paid so far) that are kept at a time.

    Returns
    -------
    ReturnDistribution
        Without ``tol`` exact but for round-off if ``running`` is 0. Otherwise each atom has an
        interval, so that the distribution function, quantiles and CVaR are bracketed.

    Raises
    ------
    ModelError
        If pi is no policy of the model; for average reward; if a reward is Gaussian; if the total
        reward is undefined because an episode can stay for ever among states with rewards.
    ConvergenceError
        If there are more than ``max_atoms`` before ``steps``, ``tol`` or the end of all episodes;
        ``error.solution`` is the law cut where that happened. If ``tol`` is missed; always, where
        the returns of long episodes have no bound.

    Notes
    -----
    Equal sums in one state are merged. So are sums whose neighbours differ by at most 8 eps of the
    largest one, which round-off makes of equal ones; the intervals say how far that moved them. The
    rounding of sums is measured, not bounded: it is 0 where all of them are floats, as sums of
    integers are. Time O(T n b log(n b)) for n atoms at a time and b branches of each.

    Examples
    --------
    Toss a coin twice; heads pay 1:

    >>> rows = [[[(0.5, 0, 1.0, False), (0.5, 0, 0.0, False)]]]
    >>> law = return_distribution(MDP.from_outcomes(rows, gamma=1.0, horizon=2), [[1.0]])
    >>> law.values, law.probabilities
    (array([0., 1., 2.]), array([0.25, 0.5 , 0.25]))
    >>> law.cdf(1.0), law.quantile(0.5), law.cvar(0.5)
    (0.75, 1.0, 0.5)

    For ever, at a discount of 1/2: uniform on [0, 2].

    >>> law = return_distribution(MDP.from_outcomes(rows, gamma=0.5), [[1.0]], steps=10)
    >>> low, high = law.cdf_bounds(0.5)
    >>> round(low, 6), round(high, 6), law.running, law.certificate.bound < 1e-3
    (0.249023, 0.250977, 1.0, True)
    """
    check_served(
        mdp,
        "return_distribution",
        "discounted",
        "finite",
        "total",
        instead="evaluate for the gain; the sum of all rewards has no law there",
    )
    policy = check_policy(mdp, pi)
    cut = None if steps is None else check_count(steps, "steps")
    wanted, most = check_tol(tol), check_count(max_atoms, "max_atoms")
    if start is not None:
        mdp = started(mdp, start)
    _check_discrete(mdp, policy)
    if mdp.objective == "total":
        leaving(mdp, policy, mdp.branches)
    return Paths(mdp, policy).follow(cut, wanted, most)


def _check_discrete(mdp: MDP, pi: FloatSA) -> None:
    """No Gaussian reward where the policy goes."""
    if mdp.reward_std is None:
        return
    taken = pi.reshape(-1, *mdp.R.shape).max(axis=0) > 0
    entered = reachable(mdp, pi=taken / taken.sum(axis=1, keepdims=True))
    noisy = np.argwhere(taken & entered[:, None] & (mdp.reward_std > 0))
    if len(noisy):
        s, a = (int(i) for i in noisy[0])
        raise ModelError(
            f"the reward of action {mdp.name_of_action(a)} in state {mdp.name_of_state(s)} is "
            f"Gaussian (reward_std {mdp.reward_std[s, a]:.3g}): the return has no atoms. Use "
            f"return_moments, or a model without reward_std."
        )
