"""Decision problems of operations research: what to replace, order and advertise.

Takes     a discount, and sizes where the problem has them.
Gives     an `MDP`.
Source    Howard (1960); Puterman (1994), chapter 3; each function names its own.
Not here  services (`_services`), examples made for reinforcement learning (`_classic`, `_walks`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import check_count
from ..errors import ModelError
from ..model import MDP
from ._arguments import at_least, chance, finite, law


def two_state(*, gamma: float = 0.95) -> MDP:
    """Puterman's first example: stay and share a reward, or take it and be stuck.

    In "s1" the action "a11" pays 5 and moves with probability 1/2, "a12" pays 10 and moves for
    sure; "s2" has only one action, which stays and costs 1.

    Parameters
    ----------
    gamma : float
        Discount.

    Returns
    -------
    MDP
        The second action is refused in "s2". At the default discount V* is -60/7, -20.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    Puterman (1994), section 3.1.

    Examples
    --------
    >>> mdp = two_state()
    >>> mdp.R[0], mdp.allowed[1]
    (array([ 5., 10.]), array([ True, False]))
    """
    return MDP(
        [[[0.5, 0.5], [0.0, 1.0]], [[0.0, 1.0], [0.0, 0.0]]],
        [[5.0, 10.0], [-1.0, 0.0]],
        gamma,
        allowed=[[True, True], [True, False]],
        terminal=(),
        state_names=("s1", "s2"),
        action_names=("first", "second"),
    )


_POLYTOPES: dict[str, tuple[list[float], list[float]]] = {
    # Rewards, and the probability of state 0, of the pairs (0, 0), (0, 1), ..., (1, 0), ...
    "a": ([0.06, 0.38, -0.13, 0.64], [0.01, 0.92, 0.08, 0.70]),
    "b": ([0.88, -0.02, -0.98, 0.42], [0.96, 0.19, 0.43, 0.72]),
    "c": ([-0.93, -0.49, 0.63, 0.78, 0.14, 0.41], [0.52, 0.50, 0.99, 0.85, 0.11, 0.10]),
    "d": ([-0.45, -0.10, 0.50, 0.50], [0.70, 0.99, 0.20, 0.99]),
}


def polytope(which: str = "d", *, gamma: float = 0.9) -> MDP:
    """Two states whose set of value functions is worth a picture.

    The values of all policies of a model fill a (mostly not convex) polytope; with two states it
    can be drawn. These are the four of the paper's first pictures.

    Parameters
    ----------
    which : {"a", "b", "c", "d"}
        The panel; "c" has three actions, the others two.
    gamma : float
        Discount.

    Returns
    -------
    MDP

    Raises
    ------
    ModelError
        If there is no such panel, or gamma is outside [0, 1).

    Notes
    -----
    Dadashi, Taiga, Le Roux, Schuurmans and Bellemare (2019), "The value function polytope in
    reinforcement learning", figure 2 and appendix.

    Examples
    --------
    >>> polytope("c").n_actions, polytope().R
    (3, array([[-0.45, -0.1 ],
           [ 0.5 ,  0.5 ]]))
    """
    if which not in _POLYTOPES:
        raise ModelError(f"which is {which!r:.80}; there are {', '.join(_POLYTOPES)}.")
    rewards, first = _POLYTOPES[which]
    p = np.array(first).reshape(2, -1)
    return MDP(np.stack((p, 1 - p), axis=2), np.array(rewards).reshape(2, -1), gamma, terminal=())


def forest(
    n: int = 3, *, fire: float = 0.1, wait: float = 4.0, cut: float = 2.0, gamma: float = 0.96
) -> MDP:
    """A forest that grows, burns, and can be cut.

    State s is the age of the forest. "wait" lets it grow by one (the oldest stays), but with
    probability ``fire`` it burns down to age 0; "cut" brings it to age 0.

    Parameters
    ----------
    n : int
        Number of ages, at least 2.
    fire : float
        Probability of a fire in a year of waiting.
    wait, cut : float, reward units
        What waiting and cutting pay in the oldest forest. Cutting a younger one pays 1, and nothing
        at age 0.
    gamma : float
        Discount.

    Returns
    -------
    MDP

    Raises
    ------
    ModelError
        If n is smaller than 2, or fire is no probability.

    Notes
    -----
    ``mdptoolbox.example.forest``, with its defaults.

    Examples
    --------
    >>> forest().R
    array([[0., 0.],
           [0., 1.],
           [4., 2.]])
    """
    n, fire = at_least(n, "n", 2), chance(fire, "fire")
    age = np.arange(n)
    P = np.zeros((n, 2, n))
    P[:, 0, 0] = fire
    P[age, 0, np.minimum(age + 1, n - 1)] += 1 - fire
    P[:, 1, 0] = 1.0
    R = np.zeros((n, 2))
    R[1:-1, 1] = 1.0
    R[-1] = finite(wait, "wait"), finite(cut, "cut")
    return MDP(
        P,
        R,
        gamma,
        terminal=(),
        state_names=tuple(f"age {s}" for s in range(n)),
        action_names=("wait", "cut"),
    )


def machine_replacement(
    n: int = 10,
    *,
    wear: float = 0.5,
    running: float = 1.0,
    price: float = 5.0,
    gamma: float = 0.95,
) -> MDP:
    """A machine that wears out and can be replaced.

    State s is the wear. "keep" costs ``running * s`` and adds one to the wear with probability
    ``wear`` (the last state stays); "replace" costs ``price`` and the machine is new at the next
    step.

    Parameters
    ----------
    n : int
        Number of levels of wear, at least 2.
    wear : float
        Probability that a kept machine wears.
    running, price : float, reward units
    gamma : float
        Discount.

    Returns
    -------
    MDP
        Rewards are the costs negated. An optimal policy replaces from some level of wear on
        (Derman 1963), if running and price are >= 0.

    Raises
    ------
    ModelError
        If n is smaller than 2, or wear is no probability.

    Notes
    -----
    The equipment replacement model of Puterman (1994), section 4.7.5, with linear costs and a wear
    of at most one level a step.

    Examples
    --------
    >>> machine_replacement(3).R
    array([[ 0., -5.],
           [-1., -5.],
           [-2., -5.]])
    """
    n, wear = at_least(n, "n", 2), chance(wear, "wear")
    level = np.arange(n)
    P = np.zeros((n, 2, n))
    P[level, 0, level] = 1 - wear
    P[level, 0, np.minimum(level + 1, n - 1)] += wear
    P[:, 1, 0] = 1.0
    cost = np.stack(
        (finite(running, "running") * level, np.full(n, finite(price, "price"))), axis=1
    )
    return MDP.from_costs(
        P,
        cost,
        gamma,
        terminal=(),
        mu=level == 0,
        state_names=tuple(f"wear {s}" for s in range(n)),
        action_names=("keep", "replace"),
    )


def inventory(
    capacity: int = 3,
    demand: Any = (0.25, 0.5, 0.25),
    *,
    price: float = 8.0,
    fixed_cost: float = 4.0,
    unit_cost: float = 2.0,
    holding: float = 1.0,
    horizon: int | None = 3,
    gamma: float = 1.0,
) -> MDP:
    """A store that orders at the beginning of a month and sells what is asked for.

    State s is the stock; action a orders a units, at most up to the capacity. Then the demand
    comes; what cannot be served is lost.

    Parameters
    ----------
    capacity : int
        Largest stock.
    demand : (k,) array_like
        Probability that 0, 1, ... k-1 units are asked for.
    price : float, reward units
        Of each unit sold.
    fixed_cost, unit_cost : float, reward units
        Of an order, and of each unit in it.
    holding : float, reward units
        Of each unit that is there after the order, for the month.
    horizon : int or None
        Number of months; None for a discounted model, which needs ``gamma < 1``.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        Orders beyond the capacity are refused. ``R`` holds the expected profit of a month. At the
        defaults V* of the first month is 67/16, 129/16, 194/16, 227/16.

    Raises
    ------
    ModelError
        If the demand is no distribution.

    Notes
    -----
    Puterman (1994), sections 3.2 and 4.6.1, with its numbers.

    Examples
    --------
    >>> inventory().R[0]
    array([ 0., -1., -2., -5.])
    """
    capacity = check_count(capacity, "capacity")
    p = law(demand, "demand")
    stock, asked = np.arange(capacity + 1), np.arange(len(p))
    price, unit_cost = finite(price, "price"), finite(unit_cost, "unit_cost")
    fixed_cost, holding = finite(fixed_cost, "fixed_cost"), finite(holding, "holding")
    sold = np.minimum(stock[:, None], asked)  # (stock after the order, demand)
    left = np.zeros((capacity + 1, capacity + 1))
    np.add.at(left, (stock[:, None], stock[:, None] - sold), np.broadcast_to(p, sold.shape))
    income = price * (sold @ p) - holding * stock
    after = stock[:, None] + stock  # (s, a)
    allowed = after <= capacity
    after = np.where(allowed, after, 0)
    order = np.where(stock > 0, fixed_cost + unit_cost * stock, 0.0)
    return MDP(
        np.where(allowed[:, :, None], left[after], 0.0),
        np.where(allowed, income[after] - order, 0.0),
        gamma,
        horizon=horizon,
        allowed=allowed,
        terminal=(),
        state_names=tuple(f"stock {s}" for s in stock),
        action_names=tuple(f"order {a}" for a in stock),
    )


def taxicab(*, gamma: float = 1.0) -> MDP:
    """Howard's taxicab driver: three towns, and how to look for the next fare.

    In each town the driver can "cruise", drive to the nearest "stand", or pull over and wait for a
    "radio" call; town B has no radio.

    Parameters
    ----------
    gamma : float
        Discount; 1, the default, maximises the reward per step.

    Returns
    -------
    MDP
        Average reward where gamma is 1, and discounted otherwise. The best gain is 13.345 a trip,
        with "stand" everywhere; the greedy policy, cruising everywhere, gets 9.2.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    Howard (1960), "Dynamic programming and Markov processes", chapter 4.

    Examples
    --------
    >>> taxicab().R
    array([[ 8.  ,  2.75,  4.25],
           [16.  , 15.  ,  0.  ],
           [ 7.  ,  4.  ,  4.5 ]])
    """
    P = np.array(
        [
            [[8, 4, 4], [1, 12, 3], [4, 2, 10]],
            [[8, 0, 8], [1, 14, 1], [0, 0, 0]],
            [[4, 4, 8], [2, 12, 2], [12, 1, 3]],
        ]
    )
    R = [
        [[10, 4, 8], [8, 2, 4], [4, 6, 4]],
        [[14, 0, 18], [8, 16, 8], [0, 0, 0]],
        [[10, 2, 8], [6, 4, 2], [4, 0, 8]],
    ]
    return MDP(
        P / 16,
        R,
        average=gamma == 1,
        gamma=gamma,
        allowed=P.any(axis=2),
        terminal=(),
        state_names=("A", "B", "C"),
        action_names=("cruise", "stand", "radio"),
    )


def toymaker(*, gamma: float = 1.0) -> MDP:
    """Howard's toymaker: a toy is in favour or not; advertise, and look for a better one.

    Parameters
    ----------
    gamma : float
        Discount; 1, the default, maximises the reward per week.

    Returns
    -------
    MDP
        Average reward where gamma is 1, and discounted otherwise. The best gain is 2, with "spend"
        in both states; without it is 1.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    Howard (1960), "Dynamic programming and Markov processes", chapters 2 to 4.

    Examples
    --------
    >>> toymaker().R
    array([[ 6.,  4.],
           [-3., -5.]])
    """
    return MDP(
        [[[0.5, 0.5], [0.8, 0.2]], [[0.4, 0.6], [0.7, 0.3]]],
        [[[9, 3], [4, 4]], [[3, -7], [1, -19]]],
        average=gamma == 1,
        gamma=gamma,
        terminal=(),
        state_names=("in favour", "out of favour"),
        action_names=("save", "spend"),
    )


def recycling_robot(
    *,
    alpha: float = 0.9,
    beta: float = 0.4,
    search: float = 2.0,
    wait: float = 1.0,
    rescue: float = -3.0,
    gamma: float = 0.9,
) -> MDP:
    """A robot that collects cans, and should not run out of energy.

    With "high" energy a search leaves it high with probability alpha; with "low" energy it stays
    low with probability beta, and otherwise the robot has to be rescued, which leaves it high.
    Waiting changes nothing; recharging, which is refused where energy is high, takes a step.

    Parameters
    ----------
    alpha, beta : float
        Probabilities.
    search, wait, rescue : float, reward units
        Expected cans of a step, and the reward of a rescue.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        Two states, three actions. A search with low energy pays ``search`` or ``rescue``: the two
        are in the law of rewards.

    Raises
    ------
    ModelError
        If alpha or beta is no probability.

    Notes
    -----
    Sutton and Barto (2018), example 3.3, which leaves the numbers open; with these the robot
    searches as long as it can, and then recharges.

    Examples
    --------
    >>> recycling_robot().R
    array([[ 2.,  1.,  0.],
           [-1.,  1.,  0.]])
    """
    stays, lasts = chance(alpha, "alpha"), chance(beta, "beta")
    found, idle, saved = finite(search, "search"), finite(wait, "wait"), finite(rescue, "rescue")
    high = {
        0: [(stays, 0, found, False), (1 - stays, 1, found, False)],
        1: [(1.0, 0, idle, False)],
    }
    low = {
        0: [(lasts, 1, found, False), (1 - lasts, 0, saved, False)],
        1: [(1.0, 1, idle, False)],
        2: [(1.0, 0, 0.0, False)],
    }
    return MDP.from_outcomes(
        [high, low],
        gamma,
        terminal=(),
        state_names=("high", "low"),
        action_names=("search", "wait", "recharge"),
    )
