"""Models on which bootstrapping with linear features diverges, and their features.

Takes     a discount.
Gives     an `MDP`; its features apart.
Source    each function names its own.
Not here  the learners that diverge (studies), models that are hard to explore (`_classic`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatArray, readonly
from ..checks import number_or_nan
from ..errors import ModelError
from ..model import MDP
from ._arguments import discount_below_one


def baird(*, gamma: float = 0.99) -> MDP:
    """Baird's counterexample: seven states, and nothing to be learned.

    "dashed" leads to each of the first six states alike, "solid" to the seventh. All rewards are 0,
    so V is 0 for every policy, and with `baird_features` the weights 0 are right. The
    counterexample evaluates "solid" while dashed is taken in 6 of 7 steps, so that all states are
    updated alike.

    Parameters
    ----------
    gamma : float
        Discount.

    Returns
    -------
    MDP
        No state is terminal. The start is uniform.

    Raises
    ------
    ModelError
        If gamma is outside [0, 1).

    Notes
    -----
    Baird (1995), in the form of Sutton and Barto (2018), section 11.2, with two actions.

    Examples
    --------
    >>> mdp = baird()
    >>> mdp.n_states, mdp.action_names, mdp.gamma
    (7, ('dashed', 'solid'), 0.99)
    """
    discount_below_one(gamma)
    P = np.zeros((7, 2, 7))
    P[:, 0, :6] = 1 / 6
    P[:, 1, 6] = 1
    names = tuple(str(s) for s in range(1, 8))
    return MDP(
        P,
        np.zeros((7, 2)),
        gamma,
        terminal=(),
        state_names=names,
        action_names=("dashed", "solid"),
    )


def baird_features() -> FloatArray:
    """The features of `baird`: values ``2 w_s + w_8`` in six states, ``w_7 + 2 w_8`` in the last.

    Returns
    -------
    (7, 8) array
        Read-only.

    Examples
    --------
    >>> baird_features()[[0, 6]]
    array([[2., 0., 0., 0., 0., 0., 0., 1.],
           [0., 0., 0., 0., 0., 0., 1., 2.]])
    """
    phi = np.zeros((7, 8))
    phi[range(6), range(6)] = 2
    phi[:6, 7] = 1
    phi[6, 6:] = 1, 2
    return readonly(phi)


def tsitsiklis_van_roy(*, epsilon: float = 0.1, gamma: float = 0.99) -> MDP:
    """Tsitsiklis and Van Roy's counterexample: two states, one feature, values w and 2w.

    The first state leads to the second, which stays and ends with probability epsilon. All rewards
    are 0. Where both states are updated alike, w grows if ``gamma > 5 / (6 - 4 epsilon)``.

    Parameters
    ----------
    epsilon : float in (0, 1]
        The chance that the episode ends in a step from the second state.
    gamma : float
        Discount.

    Returns
    -------
    MDP
        Three states, the last one terminal, and one action.

    Raises
    ------
    ModelError
        If epsilon is outside (0, 1], or gamma outside [0, 1].

    Notes
    -----
    Tsitsiklis and Van Roy (1996), as in Sutton and Barto (2018), example 11.1.

    Examples
    --------
    >>> mdp = tsitsiklis_van_roy()
    >>> mdp.P[:, 0]
    array([[0. , 1. , 0. ],
           [0. , 0.9, 0.1],
           [0. , 0. , 1. ]])
    """
    chance = number_or_nan(epsilon)
    if not 0 < chance <= 1:
        raise ModelError(f"epsilon is {epsilon!r:.80}; it must be a probability > 0.")
    P = [[[0.0, 1.0, 0.0]], [[0.0, 1 - chance, chance]], [[0.0, 0.0, 1.0]]]
    return MDP(
        P,
        np.zeros((3, 1)),
        gamma,
        terminal=[2],
        state_names=("w", "2w", "end"),
        layout=(1, 3),
    )


def tsitsiklis_van_roy_features() -> FloatArray:
    """The feature of `tsitsiklis_van_roy`: 1, 2, and 0 at the end.

    Returns
    -------
    (3, 1) array
        Read-only.

    Examples
    --------
    >>> tsitsiklis_van_roy_features().ravel()
    array([1., 2., 0.])
    """
    return readonly(np.array([[1.0], [2.0], [0.0]]))
