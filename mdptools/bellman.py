"""Bellman operators: one application each; no loops, no stopping rules.

Takes     an MDP and plain arrays V (S,), Q (S, A), pi (S, A).
Gives     new arrays of the same shapes, in reward units. Arguments are never changed.
Source    Sutton and Barto (2018), eqs. (4.3) to (4.10).
Not here  iterating (planning), error bounds (certificates), backups from samples (estimators).
"""

from __future__ import annotations

import numpy as np

from . import kernel
from .arrays import FloatS, FloatSA, IntS
from .model import MDP

SHORT, NARROW = 1_000, 16
"""Beyond so many states, with at most so many actions, they are compared action by action:
``argmax`` along rows of a few numbers is slow."""


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


def improve(mdp: MDP, V: FloatS, Q: FloatSA, P: kernel.Kernel | None = None) -> tuple[IntS, FloatS]:
    """Write the backup of V into Q, and find the best action of each state on the way.

    Parameters
    ----------
    mdp : MDP
    V : (S,) array, reward units
    Q : (S, A) array
        Its old content is lost.
    P : kernel, optional
        mdp.P in a form of which products are quicker.

    Returns
    -------
    actions : (S,) array of int
        The first of the best actions.
    TV : (S,) array, reward units
        Its Q: max_a Q.

    Notes
    -----
    Time and reads as `backup`. Large sparse models come in blocks of states, on several threads:
    while a block is in the cache, the search for the best action costs a fraction of the product.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [2, 2]], gamma=0.5)
    >>> Q = np.empty((2, 2))
    >>> improve(mdp, np.array([4.0, 8.0]), Q)
    (array([0, 0]), array([4., 6.]))
    >>> Q
    array([[4., 4.],
           [6., 6.]])
    """
    actions = np.empty(mdp.n_states, dtype=np.int64)
    TV = np.empty(mdp.n_states)

    def finish(begin: int, end: int, ahead: FloatSA) -> None:
        part = slice(begin, end)
        np.multiply(ahead, mdp.facts.discount, out=ahead)
        values = np.add(ahead, mdp.R[part], out=Q[part])
        if not mdp.facts.all_allowed:
            values[~mdp.allowed[part]] = -np.inf
        actions[part], TV[part] = best_actions(values)

    kernel.expect_in_blocks(mdp.P if P is None else P, V, finish)
    return actions, TV


def best_actions(Q: FloatSA) -> tuple[IntS, FloatS]:
    """The first best action of each state, and its Q.

    Parameters
    ----------
    Q : (S, A) array, any unit

    Returns
    -------
    actions : (S,) array of int
    best : (S,) array
        In the unit of Q.

    Examples
    --------
    >>> best_actions(np.array([[1.0, 3.0, 3.0]]))
    (array([1]), array([3.]))
    """
    n_states, n_actions = Q.shape
    if n_states <= SHORT or n_actions > NARROW:
        actions = Q.argmax(axis=1)
        return actions, Q.take(kernel.first_rows(n_states, n_actions) + actions)
    best = Q[:, 0].copy()
    for a in range(1, n_actions):
        np.maximum(best, Q[:, a], out=best)
    actions = np.zeros(n_states, dtype=np.int64)
    worse = np.ones(n_states, dtype=bool)  # so far
    for a in range(n_actions - 1):
        worse &= Q[:, a] != best
        actions += worse
    return actions, best


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


def soft_maximum(Q: FloatSA, tau: float, prior: FloatSA | None = None) -> FloatS:
    """tau log sum_a prior(a | s) exp(Q(s, a) / tau): between the mean and the maximum.

    Parameters
    ----------
    Q : (S, A) or (H, S, A) array, reward units
        -inf at refused pairs.
    tau : float > 0, reward units
    prior : (S, A) array, optional
        Weights; one for each action if omitted (then it exceeds the maximum by up to tau log A).

    Returns
    -------
    (S,) or (H, S) array, reward units
        The largest Q is taken out first, so that nothing overflows however small tau is.

    Examples
    --------
    >>> soft_maximum(np.array([[0.0, 0.0]]), 1.0) / np.log(2)
    array([1.])
    """
    weights = np.isfinite(Q) * 1.0 if prior is None else np.where(np.isfinite(Q), prior, 0.0)
    top = np.where(weights > 0, Q, -np.inf).max(axis=-1, keepdims=True)
    shifted = np.where(weights > 0, Q - top, 0.0)
    total = (weights * np.exp(shifted / tau)).sum(axis=-1)
    soft: FloatS = top[..., 0] + tau * np.log(total)
    return soft


def mellowmax(Q: FloatSA, omega: float) -> FloatS:
    """log(mean_a exp(omega Q(s, a))) / omega over the allowed actions: a softmax that contracts.

    Parameters
    ----------
    Q : (S, A) array, reward units
        -inf at refused pairs.
    omega : float > 0, 1 / reward units
        The mean as omega tends to 0, the maximum as it grows.

    Returns
    -------
    (S,) array, reward units
        The operator of Asadi and Littman (2017): `soft_maximum` with a uniform prior.

    Examples
    --------
    >>> mellowmax(np.array([[0.0, 1.0]]), 1.0).round(6)
    array([0.620115])
    """
    allowed = np.isfinite(Q)
    return soft_maximum(Q, 1 / omega, allowed / allowed.sum(axis=-1, keepdims=True))
