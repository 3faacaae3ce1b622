"""Random models with a chosen structure: layers without a way back, ergodic, a sparse ring.

Takes     sizes, a discount and a random generator.
Gives     an `MDP`; the same seed gives the same model.
Source    the structures are those on which methods differ: acyclic models are solved in one pass,
          rings mix slowly, ergodic models have one gain.
Not here  Garnet and Dirichlet models (`_random`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import check_count, check_rng
from ..errors import ModelError
from ..model import MDP
from . import _tensors
from ._arguments import at_least, chance
from ._random import _distinct


def layered(
    n_layers: int, width: int, n_actions: int, branching: int, *, gamma: float = 1.0, rng: Any
) -> MDP:
    """Layers of states; each step leads to ``branching`` states of the next layer.

    Parameters
    ----------
    n_layers, width : int
        Number of layers, and of states in each; behind the last there is one terminal state.
    n_actions : int
    branching : int
        Number of successors of each pair, 1 to width.
    gamma : float
        Discount.
    rng : numpy.random.Generator or int

    Returns
    -------
    MDP
        Acyclic, sparse, with ``n_layers * width + 1`` states; it starts in the first layer.
        Probabilities are the lengths of the pieces of the unit interval, rewards standard normal.

    Raises
    ------
    ModelError
        If a size is no int >= 1, or branching exceeds width.

    Notes
    -----
    Time and memory O(S A branching).

    Examples
    --------
    >>> mdp = layered(3, 4, 2, 2, rng=0)
    >>> mdp.n_states, mdp.objective
    (13, 'total')
    """
    n_layers, width = check_count(n_layers, "n_layers"), check_count(width, "width")
    n_actions, branching = check_count(n_actions, "n_actions"), check_count(branching, "branching")
    if branching > width:
        raise ModelError(
            f"branching is {branching} and width {width}: a pair cannot have more different "
            f"successors than the next layer has states."
        )
    rng = check_rng(rng)
    from scipy.sparse import csr_array

    inner = (n_layers - 1) * width * n_actions  # pairs with a next layer
    successors = _distinct(rng, inner, width, branching)
    layer = np.arange(inner) // (width * n_actions) + 1
    cuts = np.sort(rng.random((inner, branching - 1)), axis=1)
    probs = np.diff(cuts, axis=1, prepend=0.0, append=1.0)
    n = n_layers * width + 1
    last = (width + 1) * n_actions  # pairs of the last layer and of the end, all to the end
    indices = np.concatenate(
        ((successors + layer[:, None] * width).reshape(-1), np.full(last, n - 1))
    )
    data = np.concatenate((probs.reshape(-1), np.ones(last)))
    counts = np.concatenate((np.full(inner, branching), np.ones(last, dtype=np.int64)))
    offsets = np.concatenate(([0], np.cumsum(counts)))
    R = rng.standard_normal((n, n_actions))
    R[-1] = 0.0
    mu = (np.arange(n) < width) / width
    P = csr_array((data, indices, offsets), shape=(n * n_actions, n))
    return MDP(P, R, gamma, mu=mu, terminal=[n - 1])


def ergodic(
    n_states: int, n_actions: int, *, mixing: float = 0.1, average: bool = True,
    gamma: float | None = None, rng: Any
) -> MDP:  # fmt: skip
    """A dense model in which each state leads to each other under each action.

    Parameters
    ----------
    n_states, n_actions : int
    mixing : float in (0, 1]
        Each row of P is ``mixing`` times uniform plus the rest times a Dirichlet row, so that two
        episodes can be coupled within ``1 / mixing`` expected steps.
    average : bool
        Average reward; otherwise give gamma.
    gamma : float, optional
        Discount.
    rng : numpy.random.Generator or int

    Returns
    -------
    MDP
        Every policy has one recurrent class, aperiodic, with all states in it; the span of a bias
        is at most ``span(R) / mixing``.

    Raises
    ------
    ModelError
        If a size is no int >= 1, or mixing is not in (0, 1].

    Notes
    -----
    The bound on the span: Dobrushin's coefficient of every row pair is at most ``1 - mixing``.

    Examples
    --------
    >>> bool((ergodic(4, 2, rng=0).P >= 0.1 / 4).all())
    True
    """
    n_states, n_actions = check_count(n_states, "n_states"), check_count(n_actions, "n_actions")
    mixing = chance(mixing, "mixing")
    if mixing == 0:
        raise ModelError("mixing is 0; it must be > 0: a model that need not mix is `dirichlet`.")
    _tensors.check_fits(n_states, n_actions, "use garnet with sparse=True")
    rng = check_rng(rng)
    P = rng.dirichlet(np.ones(n_states), size=(n_states, n_actions))
    P = mixing / n_states + (1 - mixing) * P
    R = rng.random((n_states, n_actions))
    return MDP(P, R, gamma, average=average and gamma is None, terminal=())


def ring(
    n_states: int, n_actions: int = 2, *, slip: float = 0.1, gamma: float = 0.99, rng: Any
) -> MDP:
    """A ring on which each action is a drift: it mixes in about ``n_states**2`` steps.

    Action a goes to the right with probability ``slip / 2 + (1 - slip) * a / (n_actions - 1)`` and
    to the left otherwise.

    Parameters
    ----------
    n_states : int
        At least 3.
    n_actions : int
        At least 2.
    slip : float
        How much of each move is left to chance.
    gamma : float
        Discount.
    rng : numpy.random.Generator or int
        Rewards are standard normal.

    Returns
    -------
    MDP
        Sparse where that is smaller. Sweeps that need mixing get on slowly here.

    Raises
    ------
    ModelError
        If a size is too small, or slip is no probability.

    Examples
    --------
    >>> ring(5, rng=0).P[1, 0]
    array([0.95, 0.  , 0.05, 0.  , 0.  ])
    """
    n, n_actions = at_least(n_states, "n_states", 3), at_least(n_actions, "n_actions", 2)
    slip = chance(slip, "slip")
    rng = check_rng(rng)
    right = slip / 2 + (1 - slip) * np.arange(n_actions) / (n_actions - 1)
    here = np.repeat(np.arange(n), n_actions)
    successors = np.stack(((here - 1) % n, (here + 1) % n), axis=1)
    probs = np.tile(np.stack((1 - right, right), axis=1), (n, 1))
    order = successors.argsort(axis=1)
    successors = np.take_along_axis(successors, order, axis=1)
    probs = np.take_along_axis(probs, order, axis=1)
    large = n * n * n_actions > _tensors.DENSE_LIMIT
    write = _tensors.sparse if large else _tensors.dense
    return MDP(write(successors, probs, n), rng.standard_normal((n, n_actions)), gamma, terminal=())
