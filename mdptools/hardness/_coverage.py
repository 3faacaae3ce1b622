"""How well a law covers a policy: mismatch and concentrability.

Takes     an MDP, a law over states or pairs, a policy or all of them.
Gives     `Measured` ratios.
Source    Kakade and Langford (2002) for the mismatch, Munos (2003) for concentrability; formulas in
          the docstrings.
Not here  bounds that contain them (studies).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, as_floats
from ..checks import check_served
from ..errors import ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..planning import solve
from ._measured import Measured, measured


def mismatch(mdp: MDP, pi: Any, measure: Any = None) -> Measured:
    """max_s d(s) / measure(s): how rarely a law visits what a policy visits.

    Parameters
    ----------
    mdp : MDP
        Discounted, total or finite.
    pi : (S, A) array_like
        d is the law of its states, ``visits / Z`` from mdp.mu.
    measure : (S,) array_like, optional
        mdp.mu if omitted.

    Returns
    -------
    Measured
        At least 1 if measure sums to one; inf where the policy visits what the measure does not.

    Raises
    ------
    ModelError
        If measure is no law over the states.

    Notes
    -----
    The distribution mismatch coefficient of policy gradient bounds, for pi optimal.

    Examples
    --------
    >>> from mdptools.problems import two_cycle
    >>> mdp = two_cycle(gamma=0.5)
    >>> round(float(mismatch(mdp, [[1.0], [1.0]], [0.25, 0.75])), 9)
    2.0
    """
    instead = "with_objective(gamma=...)"
    check_served(mdp, "mismatch", "discounted", "total", "finite", instead=instead)
    law = _law(mdp.mu if measure is None else measure, mdp, (mdp.n_states,))
    found = evaluate(mdp, pi)
    visits = found.visits.sum(axis=0) if found.visits.ndim == 2 else found.visits
    Z, error = float(visits.sum()), found.visits_certificate.bound
    if Z == 0:
        raise ModelError("no state is visited: all starts are terminal.")
    d = visits / Z
    return _ratio(d, law, 2 * error / max(Z - error, EPS) + 4 * EPS)


def concentrability(mdp: MDP, law: Any, pi: Any = None) -> Measured:
    """max d(s, a) / law(s, a): how far data drawn from a law can be from what a policy sees.

    Parameters
    ----------
    mdp : MDP
        Discounted; total if every policy ends.
    law : (S, A) array_like
        Of the data; sums to one.
    pi : (S, A) array_like, optional
        One policy; the worst of all if omitted.

    Returns
    -------
    Measured
        d is the law of the pairs of an episode, ``visits / Z`` times pi. Of all policies: with the
        (1 - gamma) normalisation, as Z depends on the policy.

    Raises
    ------
    ModelError
        If law is no law over the pairs; if the worst policy is asked for and gamma is 1.

    Notes
    -----
    Over all policies the largest d(s, a) is the optimum for the reward 1 - gamma of that pair:
    S A solves.

    Examples
    --------
    >>> from mdptools.problems import two_cycle
    >>> mdp = two_cycle(gamma=0.5)
    >>> round(float(concentrability(mdp, [[0.25], [0.75]])), 9)
    2.0
    """
    instead = "with_objective(gamma=...)"
    check_served(mdp, "concentrability", "discounted", "total", instead=instead)
    table = _law(law, mdp, (mdp.n_states, mdp.n_actions))
    if pi is not None:
        seen = evaluate(mdp, pi)
        Z, error = seen.Z, seen.visits_certificate.bound
        if Z == 0:
            raise ModelError("no state is visited: all starts are terminal.")
        d_sa = seen.visits[:, None] * np.asarray(pi, dtype=np.float64) / Z
        return _ratio(d_sa, table, 2 * error / max(Z - error, EPS) + 4 * EPS)
    if mdp.gamma == 1:
        raise ModelError(
            "concentrability over all policies needs gamma < 1: the length of an episode depends "
            "on the policy. Hand in pi, or mdp.with_objective(gamma=...)."
        )
    worst, error = np.zeros(mdp.allowed.shape), 0.0
    for s, a in np.argwhere(mdp.allowed & ~mdp.terminal[:, None]):
        reward = np.zeros(mdp.allowed.shape)
        reward[s, a] = 1 - mdp.gamma
        found = solve(
            MDP(mdp.P, reward, mdp.gamma, mu=mdp.mu, allowed=mdp.allowed, terminal=mdp.terminal)
        )
        worst[s, a] = found.J
        error = max(error, found.certificate.bound)
    return _ratio(worst, table, error + 4 * EPS)


def _ratio(d: FloatArray, law: FloatArray, error: float) -> Measured:
    """The largest d / law with 0/0 = 0; each d is off by ``error`` at most."""
    ratio = np.where(d > 0, np.inf, 0.0)
    np.divide(d, law, out=ratio, where=law > 0)
    value = float(ratio.max(initial=0.0))
    if value == np.inf:
        return measured(value, 0.0, "a state that is visited has no weight")
    visited = law[law > 0]
    bound = error / float(visited.min()) if len(visited) else 0.0
    return measured(value, bound + 4 * EPS * value, "the error of the visits over the least weight")


def _law(x: Any, mdp: MDP, shape: tuple[int, ...]) -> FloatArray:
    law = as_floats(x, "the law")
    if law.shape != shape or not (law >= 0).all() or not abs(law.sum() - 1) <= 1e-9:
        raise ModelError(
            f"the law has shape {law.shape} and sums to {float(np.sum(law)):.6g}; it must be "
            f"{shape}, >= 0, and sum to 1."
        )
    return law
