"""The smallest models with a structure that trips solvers and estimators up.

Takes     what can vary: a discount, a probability, an error.
Gives     an `MDP` of a few states.
Source    each function names its own; where none is named the example is folklore, and its answer
          is worked out in its docstring.
Not here  models on which learning diverges (`_counterexamples`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, readonly
from ..model import MDP
from ._arguments import at_least, chance, finite
from ._tensors import one_successor


def two_cycle(*, gamma: float = 1.0) -> MDP:
    """Two states that lead to each other; one pays 1.

    Parameters
    ----------
    gamma : float
        Discount; 1, the default, asks for the average reward.

    Returns
    -------
    MDP
        The gain is 1/2 and the bias 1/4, -1/4. The powers of P do not converge: value iteration for
        the average reward has to be made aperiodic, and needs many sweeps for gamma near 1.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Examples
    --------
    >>> two_cycle().objective
    'average'
    """
    return MDP(
        one_successor(np.array([[1], [0]])),
        [[1.0], [0.0]],
        average=gamma == 1,
        gamma=gamma,
        terminal=(),
    )


def multichain(*, gamma: float = 1.0) -> MDP:
    """A choice between two loops that do not lead to each other: two gains in one model.

    State 0 leads to state 1 or to state 2, each of which stays: 1 pays 1 a step, 2 pays 2. A third
    action of state 0 stays and pays 1.5.

    Parameters
    ----------
    gamma : float
        Discount; 1, the default, asks for the average reward.

    Returns
    -------
    MDP
        The best gain is 2, 1, 2.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Examples
    --------
    >>> multichain().n_states
    3
    """
    return MDP(
        one_successor(np.array([[0, 1, 2], [1, 1, 1], [2, 2, 2]])),
        [[1.5, 0.0, 0.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]],
        average=gamma == 1,
        gamma=gamma,
        terminal=(),
    )


def weakly_communicating(*, gamma: float = 1.0) -> MDP:
    """Two states that can reach each other, and one that leads there and is never seen again.

    In both a step may stay or go over; staying in 1 pays 1, staying in 0 pays nothing, going over
    costs 1. State 2 leads to either with probability 1/2.

    Parameters
    ----------
    gamma : float
        Discount; 1, the default, asks for the average reward.

    Returns
    -------
    MDP
        The best gain is 1 in each state although the policy that stays has two recurrent classes.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1].

    Notes
    -----
    Puterman (1994), section 8.3.1, defines the class.

    Examples
    --------
    >>> weakly_communicating().n_states
    3
    """
    P = np.zeros((3, 2, 3))
    P[[0, 1], 0, [0, 1]] = P[[0, 1], 1, [1, 0]] = 1.0
    P[2, :, :2] = 0.5
    return MDP(
        P,
        [[0.0, -1.0], [1.0, -1.0], [0.0, 0.0]],
        average=gamma == 1,
        gamma=gamma,
        terminal=(),
        action_names=("stay", "go"),
    )


def improper(*, leave: float = 1.0) -> MDP:
    """A stochastic shortest path on which a policy can avoid the goal for ever.

    From each of two states one can go on to the other, which costs 1, or leave for the goal, which
    costs 10 and succeeds with probability ``leave``.

    Parameters
    ----------
    leave : float
        Probability that leaving succeeds; otherwise one stays.

    Returns
    -------
    MDP
        V* is ``-10 / leave`` in both states. Going round is worth -inf: policy iteration must not
        start with it, and its equations are singular.

    Raises
    ------
    ModelError
        If leave is no probability.

    Notes
    -----
    Bertsekas and Tsitsiklis (1991), "An analysis of stochastic shortest path problems", for proper
    and improper policies.

    Examples
    --------
    >>> improper().terminal
    array([False, False,  True])
    """
    leave = chance(leave, "leave")
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[1, 0, 0] = 1.0
    P[:2, 1, 2] = leave
    P[[0, 1], 1, [0, 1]] += 1 - leave
    P[2, :, 2] = 1.0
    return MDP(
        P,
        [[-1.0, -10.0], [-1.0, -10.0], [0.0, 0.0]],
        1.0,
        terminal=[2],
        action_names=("on", "leave"),
    )


def zero_cost_cycle(*, prize: float = 1.0) -> MDP:
    """One can wait for nothing, or leave for a prize: the optimality equation has many solutions.

    Parameters
    ----------
    prize : float, reward units
        Paid for leaving; negative for a fine.

    Returns
    -------
    MDP
        Two states that lead to each other for nothing, and a terminal one. V* is ``max(prize, 0)``
        in both: waiting for ever is worth 0. Any larger constant solves the equations too, so value
        iteration from above is stuck there.

    Raises
    ------
    ModelError
        If prize is not finite.

    Examples
    --------
    >>> zero_cost_cycle().R
    array([[0., 1.],
           [0., 1.],
           [0., 0.]])
    """
    prize = finite(prize, "prize")
    return MDP(
        one_successor(np.array([[1, 2], [0, 2], [2, 2]])),
        [[0.0, prize], [0.0, prize], [0.0, 0.0]],
        1.0,
        terminal=[2],
        action_names=("wait", "leave"),
    )


def negative_cost_cycle(*, gain: float = 1.0) -> MDP:
    """A cycle that earns something each time round: the total reward is infinite.

    Parameters
    ----------
    gain : float, reward units
        Earned by one round; 0 or negative for a model with a finite answer.

    Returns
    -------
    MDP
        Going over pays 2 and going back costs ``2 - gain``; leaving, from the first state, pays
        nothing. V* is infinite in the first two states if gain is positive.

    Raises
    ------
    ModelError
        If gain is not finite.

    Examples
    --------
    >>> negative_cost_cycle().R
    array([[ 2.,  0.],
           [-1., -1.],
           [ 0.,  0.]])
    """
    back = finite(gain, "gain") - 2.0
    return MDP(
        one_successor(np.array([[1, 2], [0, 0], [2, 2]])),
        [[2.0, 0.0], [back, back], [0.0, 0.0]],
        1.0,
        terminal=[2],
        action_names=("round", "leave"),
    )


def cancelling_cycle(*, prize: float = 5.0) -> MDP:
    """A round trip whose reward and cost cancel, and a prize for leaving.

    Going over costs 1, coming back earns 1; leaving, from the first state, pays the prize.

    Parameters
    ----------
    prize : float, reward units

    Returns
    -------
    MDP
        V* is ``prize``, ``prize + 1``, 0 if the prize is positive: in the second state there is no
        choice but to come back.

    Raises
    ------
    ModelError
        If prize is not finite.

    Notes
    -----
    As costs of one sign and the other, this is a case on which iteration from 0 stops too early:
    Storm 2.0 answers 3.5 instead of 6 for the second state.

    Examples
    --------
    >>> cancelling_cycle().R
    array([[-1.,  5.],
           [ 1.,  1.],
           [ 0.,  0.]])
    """
    prize = finite(prize, "prize")
    return MDP(
        one_successor(np.array([[1, 2], [0, 0], [2, 2]])),
        [[-1.0, prize], [1.0, 1.0], [0.0, 0.0]],
        1.0,
        terminal=[2],
        action_names=("round", "leave"),
    )


def bisimilar(copies: int = 3, *, gamma: float = 0.9) -> MDP:
    """A model of two states in which the second stands there several times.

    State 0 leads to the copies with different probabilities, "evenly" or "mostly to the first";
    each copy pays 1 and goes back. The copies differ in their names only.

    Parameters
    ----------
    copies : int
        How often the second state is there.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        The coarsest bisimulation has two classes, and the two actions of state 0 have the same
        value: ``gamma / (1 - gamma**2)``.

    Raises
    ------
    ModelError
        If copies is smaller than 1.

    Notes
    -----
    Givan, Dean and Greig (2003), "Equivalence notions and model minimization in Markov decision
    processes".

    Examples
    --------
    >>> bisimilar().P[0]
    array([[0.  , 0.33, 0.33, 0.33],
           [0.  , 0.67, 0.17, 0.17]])
    """
    copies = at_least(copies, "copies", 1)
    weights = np.ones((2, copies))
    weights[1, 0] = 2.0 * max(copies - 1, 1)
    P = np.zeros((copies + 1, 2, copies + 1))
    P[0, :, 1:] = weights / weights.sum(axis=1, keepdims=True)
    P[1:, :, 0] = 1.0
    R = np.ones((copies + 1, 2))
    R[0] = 0.0
    return MDP(P, R, gamma, mu=np.arange(copies + 1) == 0, terminal=())


def discount_mismatch(n: int = 10, *, gamma: float = 0.9, small: float = 1.0) -> MDP:
    """A small reward at once or a large one later: the discount decides.

    In the first state "near" pays ``small`` and ends; "far" starts a walk of n steps, the last of
    which pays 10 times as much.

    Parameters
    ----------
    n : int
        Steps of the long way, the first one included.
    gamma : float
        Discount.
    small : float, reward units

    Returns
    -------
    MDP
        "far" is better if and only if ``gamma > 10**(-1 / (n - 1))``: 0.774 at the default n.

    Raises
    ------
    ModelError
        If n is smaller than 2, or small not finite.

    Examples
    --------
    >>> discount_mismatch(3).P.argmax(axis=2)
    array([[3, 1],
           [2, 2],
           [3, 3],
           [3, 3]])
    """
    n, small = at_least(n, "n", 2), finite(small, "small")
    successors = np.minimum(np.arange(n + 1)[:, None] + [1, 1], n)
    successors[0, 0] = n
    R = np.zeros((n + 1, 2))
    R[0, 0], R[n - 1] = small, 10 * small
    return MDP(
        one_successor(successors),
        R,
        gamma,
        mu=np.arange(n + 1) == 0,
        terminal=[n],
        action_names=("near", "far"),
    )


def model_win(*, horizon: int = 20) -> MDP:
    """Off-policy evaluation: three states, on which a learned model beats importance weights.

    From the first state action 0 goes to the second with probability 0.4 and to the third with 0.6,
    action 1 the other way round; both go back whatever is done. Arriving in the second pays 1, in
    the third -1.

    Parameters
    ----------
    horizon : int
        Number of actions.

    Returns
    -------
    MDP
        The actions in the second and third state do nothing, but importance weights pay for them.

    Raises
    ------
    ModelError
        If horizon is no int >= 1.

    Notes
    -----
    After Thomas and Brunskill (2016), "Data-efficient off-policy policy evaluation for
    reinforcement learning", ModelWin.

    Examples
    --------
    >>> model_win().R
    array([[-0.2,  0.2],
           [ 0. ,  0. ],
           [ 0. ,  0. ]])
    """
    P = np.zeros((3, 2, 3))
    P[0, 0, 1:] = 0.4, 0.6
    P[0, 1, 1:] = 0.6, 0.4
    P[1:, :, 0] = 1.0
    paid = np.zeros_like(P)
    paid[0, :, 1:] = 1.0, -1.0
    return MDP(P, paid, horizon=horizon, mu=[1.0, 0.0, 0.0], terminal=())


def model_fail() -> MDP:
    """Off-policy evaluation: the states of a model that one observation hides.

    From the start, the "upper" action leads to the upper and the "lower" to the lower state; from
    there the episode ends, and pays 1 after the upper and -1 after the lower one. With
    `model_fail_observations` the states before the end look alike, so that a model learned from
    observations says that the reward at the end does not depend on the action.

    Returns
    -------
    MDP
        Four states, the last one terminal; two steps. J is ``2 pi(upper) - 1``.

    Notes
    -----
    After Thomas and Brunskill (2016), "Data-efficient off-policy policy evaluation for
    reinforcement learning", ModelFail.

    Examples
    --------
    >>> model_fail().R[:, 0]
    array([ 0.,  1., -1.,  0.])
    """
    return MDP(
        one_successor(np.array([[1, 2], [3, 3], [3, 3], [3, 3]])),
        [0.0, 1.0, -1.0, 0.0],
        1.0,
        mu=[1.0, 0.0, 0.0, 0.0],
        terminal=[3],
        state_names=("start", "upper", "lower", "end"),
        action_names=("upper", "lower"),
    )


def model_fail_observations() -> FloatArray:
    """What is seen of `model_fail`: the end, or not the end.

    Returns
    -------
    (4, 2) array
        O(o | s); 0 is "not the end".

    Examples
    --------
    >>> model_fail_observations().argmax(axis=1)
    array([0, 0, 0, 1])
    """
    seen = np.zeros((4, 2))
    seen[:3, 0] = seen[3, 1] = 1.0
    return readonly(seen)
