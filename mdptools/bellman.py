"""Bellman operators: one application each; no loops, no stopping rules.

Takes     an MDP and plain arrays V (S,), Q (S, A), pi (S, A).
Gives     new arrays of the same shapes, in reward units. Arguments are never changed.
Source    Sutton and Barto (2018), eqs. (4.3) to (4.10).
Not here  iterating (planning), error bounds (certificates), backups from samples (estimators).
"""

from __future__ import annotations

import numpy as np

from . import kernel
from .arrays import FloatS, FloatSA
from .model import MDP


def backup(mdp: MDP, V: FloatS) -> FloatSA:
    """Q(s, a) = R(s, a) + gamma sum_t P[s, a, t] V(t), and -inf at refused pairs.

    Parameters
    ----------
    mdp : MDP
    V : (S,) array, reward units
        Values after the step.

    Returns
    -------
    (S, A) array, reward units
        Time O(S^2 A) if P is dense, O(nnz) if sparse.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [2.0]], gamma=0.5)
    >>> backup(mdp, np.array([4.0, 8.0]))
    array([[4.],
           [6.]])
    """
    Q = kernel.expect(mdp.P, V)
    if mdp.gamma != 1:
        Q *= mdp.facts.discount
    Q += mdp.R
    if not mdp.facts.all_allowed:
        Q[~mdp.allowed] = -np.inf
    return Q


def expect_actions(pi: FloatSA, Q: FloatSA) -> FloatS:
    """sum_a pi(a | s) Q(s, a), skipping actions that are never taken (where Q may be -inf).

    Parameters
    ----------
    pi, Q : (S, A) or (H, S, A) arrays

    Returns
    -------
    (S,) or (H, S) array
        In the unit of Q.

    Examples
    --------
    >>> expect_actions(np.array([[0.5, 0.5, 0.0]]), np.array([[1.0, 3.0, -np.inf]]))
    array([2.])
    """
    terms = np.zeros(np.broadcast_shapes(pi.shape, Q.shape), dtype=np.result_type(pi, Q))
    np.multiply(pi, Q, out=terms, where=pi != 0)
    total: FloatS = terms.sum(axis=-1)
    return total


def advantage(Q: FloatSA, V: FloatS) -> FloatSA:
    """A = Q - V, and -inf at refused pairs.

    Parameters
    ----------
    Q : (S, A) or (H, S, A) array, reward units
    V : (S,) or (H, S) array, reward units

    Returns
    -------
    (S, A) or (H, S, A) array

    Examples
    --------
    >>> advantage(np.array([[1.0, -np.inf]]), np.array([3.0]))
    array([[ -2., -inf]])
    """
    difference: FloatSA = Q - V[..., None]
    return difference
