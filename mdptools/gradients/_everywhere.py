"""The gradient of V at every state: one row for each place to start from.

Takes     an MDP, a family and theta.
Gives     dV/dtheta, (S, *theta.shape); at time 0 on a finite horizon.
Source    the policy gradient theorem with a start in s: ``dV(s)/dtheta = pullback(theta, visits_s
          Q)``, visits_s the row s of (I - gamma P_pi)^-1.
Not here  the gradient of J (`_policy`), which is mu times this.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, readonly
from ..checks import check_served
from ..errors import ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..policies import Family, check_policy
from ._direct import check_finite
from ._tangent import factored, moving


def values_jacobian(mdp: MDP, family: Family, theta: Any) -> FloatArray:
    """dV(s)/dtheta for every state s.

    Parameters
    ----------
    mdp : MDP
        Discounted, finite or total.
    family : Family
    theta : array
        In the family's shape.

    Returns
    -------
    (S, *theta.shape) array, reward units
        ``mu @`` it is the gradient of J. On a finite horizon of V at time 0. 0 on terminal states.

    Raises
    ------
    ModelError
        As `policy_gradient`; also if the policy rests for ever in a state that is not terminal and
        that mu never leads to, while theta can lead away from it.

    Notes
    -----
    One factorisation and S solves, O(S^3) if dense (O(H S^3 A) with a horizon), and S pullbacks. No
    bound is proved; measured as accurate as `policy_gradient` from each start.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> values_jacobian(mdp, Softmax(mdp), [[0.0, 0.0]])
    array([[[-0.5,  0.5]]])
    """
    check_served(mdp, "values_jacobian", "discounted", "finite", "total", instead="policy_gradient")
    pi = check_policy(mdp, family.probs(theta))
    found = evaluate(mdp, pi)
    check_finite(mdp, found)
    G = np.where(mdp.allowed, found.A, 0.0)
    resting = ~moving(mdp, pi) & ~mdp.terminal
    if np.any(family.pullback(theta, np.where(resting[:, None], G, 0.0))):
        s = int(np.flatnonzero(resting & G.any(axis=-1))[0])
        raise ModelError(
            f"V has no derivative in state {mdp.name_of_state(s)}: there the policy rests for "
            f"ever, and theta can lead away. Use gamma < 1 or horizon=."
        )
    starts = _in_time(mdp, pi, len(G)) if mdp.horizon else _stationary(mdp, pi)
    # A pullback is as large as theta, so this loop costs no more than to write its answer down.
    rows = [family.pullback(theta, starts[..., s, None] * G) for s in range(mdp.n_states)]
    return readonly(np.stack(rows))


def _stationary(mdp: MDP, pi: FloatArray) -> FloatArray:
    """visits[t, s] from a start in s."""
    kept = moving(mdp, pi)
    visits = np.zeros((mdp.n_states, mdp.n_states))
    if kept.any():
        found = factored(mdp, pi, kept).solve_adjoint(np.eye(int(kept.sum())))
        visits[np.ix_(kept, kept)] = found
    return visits


def _in_time(mdp: MDP, pi: FloatArray, horizon: int) -> FloatArray:
    """visits[t, u, s]: how likely one is in u at time t, discounted, from a start in s."""
    timed = np.broadcast_to(pi, (horizon, *mdp.allowed.shape))
    visits = np.zeros((horizon, mdp.n_states, mdp.n_states))
    law = np.eye(mdp.n_states)  # of terminal states as well: A is 0 there
    for t in range(horizon):
        visits[t] = law
        law = mdp.gamma * kernel.push_each(mdp.P, law[:, None] * timed[t][..., None])
    return visits
