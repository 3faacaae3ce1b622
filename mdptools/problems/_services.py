"""Services: customers come, are let in or served, and go.

Takes     sizes, rates and prices.
Gives     an `MDP`.
Source    Sutton and Barto (2018), examples 4.2 and 10.2.
Not here  replacing, ordering, advertising (`_decisions`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ._arguments import chance, finite


def access_control(
    servers: int = 10, rewards: Any = (1.0, 2.0, 4.0, 8.0), *, free: float = 0.06
) -> MDP:
    """Customers of different worth at the head of a queue that never ends: let in, or turn away.

    A state is the number of free servers and the worth of the customer at the head of the queue.
    "accept" earns that and occupies a server, which the model refuses where none is free; "reject"
    sends the customer away. Then each busy server becomes free with probability ``free``, and the
    next customer is one of the kinds with equal probability.

    Parameters
    ----------
    servers : int
    rewards : (k,) array_like, reward units
        What each kind of customer pays.
    free : float
        Probability that a busy server becomes free in a step.

    Returns
    -------
    MDP
        Of average reward, with ``(servers + 1) * k`` states. At first all servers are free.

    Raises
    ------
    ModelError
        If free is no probability, or rewards is no vector of finite numbers.

    Notes
    -----
    Sutton and Barto (2018), example 10.2, with its numbers. A server that has just been occupied
    can become free in the same step.

    Examples
    --------
    >>> mdp = access_control()
    >>> mdp.n_states, mdp.state_names[-1], mdp.R[-1]
    (44, '10 free, pays 8', array([8., 0.]))
    """
    from scipy.stats import binom

    servers, free = check_count(servers, "servers"), chance(free, "free")
    pays = np.asarray(rewards, dtype=np.float64)
    if pays.ndim != 1 or not len(pays) or not np.isfinite(pays).all():
        raise ModelError(f"rewards is {rewards!r:.80}; it must be a vector of finite numbers.")
    busy = np.arange(servers + 1)
    freed = np.asarray(binom.pmf(busy, busy[:, None], free))  # (busy, of which become free)
    # After the decision `busy` servers are occupied; the law of how many are free next.
    after = np.zeros((servers + 1, servers + 1))
    for b in busy:
        after[b, servers - b : servers + 1] = freed[b, : b + 1] / freed[b, : b + 1].sum()
    kinds = len(pays)
    idle = np.repeat(busy, kinds)
    rejected = np.repeat(after[servers - idle], kinds, axis=1) / kinds
    accepted = np.repeat(after[np.minimum(servers - idle + 1, servers)], kinds, axis=1) / kinds
    allowed = np.stack((idle > 0, np.ones(len(idle), dtype=bool)), axis=1)
    P = np.stack((np.where(idle[:, None] > 0, accepted, 0.0), rejected), axis=1)
    worth = np.tile(pays, servers + 1)
    return MDP(
        P,
        np.stack((np.where(idle > 0, worth, 0.0), np.zeros(len(idle))), axis=1),
        average=True,
        mu=np.where(idle == servers, 1.0 / kinds, 0.0),
        allowed=allowed,
        state_names=tuple(f"{i} free, pays {w:g}" for i, w in zip(idle, worth, strict=True)),
        action_names=("accept", "reject"),
    )


def jacks_car_rental(
    *,
    cars: int = 20,
    most_moved: int = 5,
    requests: tuple[float, float] = (3.0, 4.0),
    returns: tuple[float, float] = (3.0, 2.0),
    price: float = 10.0,
    moving: float = 2.0,
    gamma: float = 0.9,
) -> MDP:
    """Two car rentals, and how many cars to move between them over night.

    A state is the number of cars at each place in the evening. The action moves up to
    ``most_moved`` cars from the first to the second place (or back, if negative), as many as there
    are and as there is room for. Next day each place rents out what is asked for and there; then
    cars come back, and those beyond ``cars`` leave the business.

    Parameters
    ----------
    cars : int
        Room at each place.
    most_moved : int
        Cars that can be moved in one night.
    requests, returns : pair of float
        Means of the Poisson laws at the two places.
    price, moving : float, reward units
        Earned by each car rented out; paid for each car moved.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        ``(cars + 1)**2`` states and ``2 most_moved + 1`` actions; moves that cannot be made are
        refused. ``R`` holds the expected profit of a day. The Poisson laws are not truncated: what
        is beyond the cars there are is one event.

    Raises
    ------
    ModelError
        If a size is no int >= 1 or a mean is not >= 0.

    Notes
    -----
    Sutton and Barto (2018), example 4.2. Time O(A S^2).

    Examples
    --------
    >>> mdp = jacks_car_rental(cars=3, most_moved=1)
    >>> mdp.n_states, mdp.action_names
    (16, ('move -1', 'move 0', 'move 1'))
    """
    cars, most_moved = check_count(cars, "cars"), check_count(most_moved, "most_moved")
    day = [_rental_day(cars, a, b, price) for a, b in zip(requests, returns, strict=True)]
    moves = np.arange(-most_moved, most_moved + 1)
    first, second = np.divmod(np.arange((cars + 1) ** 2), cars + 1)
    there, here = second[:, None] + moves, first[:, None] - moves
    allowed = (here >= 0) & (there >= 0) & (here <= cars) & (there <= cars)
    here, there = np.where(allowed, here, 0), np.where(allowed, there, 0)
    (P_1, income_1), (P_2, income_2) = day
    P = (P_1[here][..., :, None] * P_2[there][..., None, :]).reshape(*here.shape, -1)
    R = income_1[here] + income_2[there] - finite(moving, "moving") * np.abs(moves)
    return MDP(
        np.where(allowed[:, :, None], P, 0.0),
        np.where(allowed, R, 0.0),
        gamma,
        allowed=allowed,
        terminal=(),
        state_names=tuple(f"{i} and {j} cars" for i, j in zip(first, second, strict=True)),
        action_names=tuple(f"move {a}" for a in moves),
        layout=(cars + 1, cars + 1),
    )


def _rental_day(
    cars: int, requests: float, returns: float, price: float
) -> tuple[FloatArray, FloatArray]:
    """One place: the law of the cars in the evening, and the expected income, by those there."""
    from scipy.stats import poisson

    for mean, name in ((requests, "requests"), (returns, "returns")):
        if not 0 <= number_or_nan(mean) < np.inf:
            raise ModelError(f"{name} has the mean {mean!r:.80}; it must be a number >= 0.")
    n = np.arange(cars + 1)

    def at_most(mean: float) -> FloatArray:
        """The law of min(k, demand) in row k."""
        law = np.where(n[:, None] > n, poisson.pmf(n, mean), 0.0)
        law[n, n] = poisson.sf(n - 1, mean)
        return law

    rented, back = at_most(requests), at_most(returns)
    left = np.zeros_like(rented)  # (in the morning, after renting out)
    came = np.zeros_like(back)  # (after renting out, in the evening)
    for k in n:
        left[k, k::-1] = rented[k, : k + 1]
        came[k, k:] = back[cars - k, : cars - k + 1]
    return left @ came, finite(price, "price") * (rented @ n)
