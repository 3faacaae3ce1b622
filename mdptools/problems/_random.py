"""Random models, to try a method on many of them.

Takes     sizes, a discount and a random generator.
Gives     an `MDP`; the same seed gives the same model.
Source    Archibald, McKinnon and Thomas (1995); Bhatnagar, Sutton, Ghavamzadeh and Lee (2009).
Not here  models with a chosen structure (testing), problems with a meaning (`_classic`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray, as_floats, readonly
from ..checks import check_count, check_rng
from ..errors import ModelError
from ..model import MDP
from . import _tensors

_AT_ONCE = 1 << 22  # random numbers held at a time where a row needs n_states of them


def garnet(
    n_states: int,
    n_actions: int,
    branching: int,
    *,
    gamma: float,
    rng: Any,
    sparse: bool = False,
    reward_std: float | None = None,
) -> MDP:
    """A Garnet: each pair has ``branching`` successors, drawn at random.

    The successors of a pair are different and uniformly drawn; their probabilities are the lengths
    of the pieces into which ``branching - 1`` uniform points cut the unit interval; the expected
    reward of a pair is standard normal. Nothing is terminal.

    Parameters
    ----------
    n_states, n_actions : int
    branching : int
        Number of successors of each pair, 1 to n_states.
    gamma : float
        Discount.
    rng : numpy.random.Generator or int
        Where the numbers come from, or a seed.
    sparse : bool
        Keep P as a sparse array: needed for large n_states.
    reward_std : float, reward units, optional
        Standard deviation of Gaussian noise on each reward; none if omitted.

    Returns
    -------
    MDP
        The same for both values of ``sparse`` but for how P is kept.

    Raises
    ------
    ModelError
        If a size is no int >= 1, branching exceeds n_states, or a dense P would not fit.

    Notes
    -----
    Archibald, McKinnon and Thomas (1995), "On the generation of Markov decision processes", J.
    Oper. Res. Soc. 46, 354-361; name, rewards and noise as in Bhatnagar, Sutton, Ghavamzadeh and
    Lee (2009), "Natural actor-critic algorithms". Others draw the rewards otherwise.
    The successors come from Floyd's algorithm (Bentley and Floyd 1987), all pairs at a time.
    Time O(S A branching^2), or O(S^2 A) where that is less; memory O(S A branching) besides a
    dense P.

    Examples
    --------
    >>> mdp = garnet(10, 3, 4, gamma=0.9, rng=0)
    >>> mdp.P.shape, bool(((mdp.P > 0).sum(axis=2) == 4).all())
    ((10, 3, 10), True)
    """
    n_states = check_count(n_states, "n_states")
    n_actions = check_count(n_actions, "n_actions")
    branching = check_count(branching, "branching")
    if branching > n_states:
        raise ModelError(
            f"branching is {branching} and n_states {n_states}: a pair cannot have more different "
            f"successors than there are states."
        )
    if not isinstance(sparse, bool | np.bool_):
        raise ModelError(f"sparse is {sparse!r}; it must be True or False.")
    if not sparse:
        _tensors.check_fits(n_states, n_actions, "pass sparse=True")
    rng = check_rng(rng)
    n_pairs = n_states * n_actions
    successors = _distinct(rng, n_pairs, n_states, branching)
    # The lengths of the pieces are exchangeable, so it does not matter that `successors` is sorted.
    cuts = np.sort(rng.random((n_pairs, branching - 1)), axis=1)
    probs = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
    R = rng.standard_normal((n_states, n_actions))
    write = _tensors.sparse if sparse else _tensors.dense
    noise = None
    if reward_std is not None:
        noise = np.broadcast_to(as_floats(reward_std, "reward_std"), (n_states, n_actions))
    return MDP(write(successors, probs, n_states), R, gamma, terminal=(), reward_std=noise)


def dirichlet(
    n_states: int, n_actions: int, *, concentration: float = 1.0, gamma: float, rng: Any
) -> MDP:
    """A dense model: each row of P is Dirichlet, each reward uniform on [0, 1).

    Parameters
    ----------
    n_states, n_actions : int
    concentration : float
        The parameter of the symmetric Dirichlet law, > 0: 1 is uniform over all distributions,
        near 0 a row is almost one successor, large is almost uniform over the states.
    gamma : float
        Discount.
    rng : numpy.random.Generator or int
        Where the numbers come from, or a seed.

    Returns
    -------
    MDP
        Nothing is terminal.

    Raises
    ------
    ModelError
        If a size is no int >= 1, or the concentration is not > 0 and finite.

    Notes
    -----
    The prior over models of Bayesian reinforcement learning: Strens (2000), "A Bayesian framework
    for reinforcement learning". Time and memory O(S^2 A).

    Examples
    --------
    >>> mdp = dirichlet(4, 2, gamma=0.9, rng=0)
    >>> mdp.P.shape, bool((mdp.P > 0).all()), bool(mdp.R.min() >= 0)
    ((4, 2, 4), True, True)
    """
    n_states = check_count(n_states, "n_states")
    n_actions = check_count(n_actions, "n_actions")
    weight = as_floats(concentration, "concentration")
    if weight.shape != () or not 0 < weight < np.inf:
        raise ModelError(f"concentration is {concentration!r}; it must be a number > 0.")
    _tensors.check_fits(n_states, n_actions, "use garnet with sparse=True")
    rng = check_rng(rng)
    P = rng.dirichlet(np.full(n_states, float(weight)), size=(n_states, n_actions))
    R = rng.random((n_states, n_actions))
    return MDP(readonly(P), R, gamma, terminal=())


def _distinct(rng: Any, n_rows: int, n: int, k: int) -> IntArray:
    """In each of n_rows rows k different numbers below n, all sets equally likely; sorted."""
    if k == n:
        return np.tile(np.arange(n), (n_rows, 1))
    if k * k <= 16 * n:
        return _floyd(rng, n_rows, n, k)
    step = max(1, _AT_ONCE // n)
    parts = [_first_ranks(rng, min(step, n_rows - i), n, k) for i in range(0, n_rows, step)]
    return np.concatenate(parts)


def _floyd(rng: Any, n_rows: int, n: int, k: int) -> IntArray:
    """Floyd's algorithm on all rows at a time: O(k^2) for each row, whatever n is."""
    chosen = np.empty((k, n_rows), dtype=np.int64)
    for i, j in enumerate(range(n - k, n)):
        drawn = rng.integers(0, j + 1, size=n_rows)
        taken = (chosen[:i] == drawn).any(axis=0)
        chosen[i] = np.where(taken, j, drawn)
    return np.sort(chosen.T, axis=1)


def _first_ranks(rng: Any, n_rows: int, n: int, k: int) -> IntArray:
    """The places of the k smallest of n random numbers: O(n) for each row, whatever k is."""
    keys: FloatArray = rng.random((n_rows, n))
    return np.sort(np.argpartition(keys, k - 1, axis=1)[:, :k], axis=1)
