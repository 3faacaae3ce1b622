"""Models at the edge of what is a model: each has one thing that code forgets.

Takes     nothing.
Gives     functions without arguments, by the name of what is degenerate.
Not here  models on which mistakes show (`models`).

All are small, so that every trajectory of a few steps can be listed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..model import MDP

MAKERS: dict[str, Callable[[], MDP]] = {}

_P = np.array(  # three states and a terminal one, two actions
    [
        [[0.2, 0.5, 0.3, 0.0], [0.0, 0.6, 0.0, 0.4]],
        [[0.7, 0.0, 0.3, 0.0], [0.1, 0.3, 0.1, 0.5]],
        [[0.0, 0.5, 0.0, 0.5], [0.25, 0.25, 0.5, 0.0]],
        [[0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]],
    ]
)
_R = np.array([[1.0, -2.0], [0.5, 3.0], [-1.5, 0.25], [0.0, 0.0]])
_MU = [0.5, 0.3, 0.2, 0.0]


def _model(P: Any = _P, R: Any = _R, gamma: float | None = 0.9, **keywords: Any) -> MDP:
    """A plain model, but for what is given."""
    return MDP(P, R, gamma, **({"mu": _MU} | keywords))


def _named(make: Callable[[], MDP]) -> Callable[[], MDP]:
    MAKERS[make.__name__] = make
    return make


@_named
def one_state() -> MDP:
    """One state, and nothing ever changes but the reward."""
    return MDP([[[1.0], [1.0]]], [[1.0, -0.5]], gamma=0.9)


@_named
def one_action() -> MDP:
    """Nothing to choose: every gradient is zero."""
    return _model(_P[:, :1], _R[:, :1])


@_named
def gamma_0() -> MDP:
    """The next reward is everything; gamma^t is 0^0 = 1 at the first step."""
    return _model(gamma=0.0)


@_named
def gamma_1_until_the_end() -> MDP:
    """Nothing is discounted, and every policy ends."""
    return _model(_P / 2 + np.eye(4)[3] / 2, gamma=1.0)


@_named
def gamma_1_for_three_steps() -> MDP:
    """Nothing is discounted, and the horizon ends it."""
    return _model(gamma=1.0, horizon=3)


@_named
def horizon_1() -> MDP:
    """One action, and it is over: no successor counts."""
    return _model(horizon=1)


@_named
def final_reward() -> MDP:
    """Rewards for where a finite horizon ends."""
    return _model(horizon=3, final=[2.0, -1.0, 0.5, 0.0])


@_named
def average_reward() -> MDP:
    """No episodes at all; the reward in the long run."""
    return _model(_P[:3, :, [0, 1, 2]] + _P[:3, :, 3:] / 3, _R[:3], None, average=True, mu=_MU[:3])


@_named
def deterministic() -> MDP:
    """Each action leads to one state: only the policy is random."""
    P = np.zeros((4, 2, 4))
    P[[0, 1, 2, 3], 0, [1, 2, 0, 3]] = P[[0, 1, 2, 3], 1, [3, 0, 3, 3]] = 1.0
    return _model(P)


@_named
def periodic() -> MDP:
    """Two states that follow each other for ever: the law of the state never settles."""
    return MDP([[[0.0, 1.0]] * 2, [[1.0, 0.0]] * 2], [[1.0, 2.0], [-1.0, 0.0]], 0.9, mu=[1.0, 0.0])


@_named
def never_ends() -> MDP:
    """No terminal state, and none is taken for one."""
    P = _P.copy()
    P[3, :] = [0.5, 0.0, 0.0, 0.5]
    return _model(P, terminal=())


@_named
def trap_that_is_not_terminal() -> MDP:
    """An absorbing state that pays: nobody gets out, and it goes on."""
    return _model(R=np.where(np.arange(4)[:, None] == 3, 0.5, _R))


@_named
def starts_where_it_ends() -> MDP:
    """Each episode begins in the terminal state: no step, no reward."""
    return _model(mu=[0.0, 0.0, 0.0, 1.0])


@_named
def some_start_where_it_ends() -> MDP:
    """One episode in five has no step."""
    return _model(mu=[0.4, 0.3, 0.1, 0.2])


@_named
def out_of_reach() -> MDP:
    """A state that no episode comes to, with a reward that would be seen."""
    P = np.zeros((5, 2, 5))
    P[:4, :, :4], P[4, :, 0] = _P, 1.0
    return MDP(P, np.vstack((_R, [[1e6, -1e6]])), 0.9, mu=[*_MU, 0.0])


@_named
def rare() -> MDP:
    """One transition has probability 1e-12."""
    P = _P.copy()
    P[0, 0] = [0.2, 0.5, 0.3 - 1e-12, 1e-12]
    return _model(P)


@_named
def refused_actions() -> MDP:
    """Not every action exists in every state, and one state has a single one."""
    allowed = np.array([[True, False], [True, True], [False, True], [True, True]])
    return _model(np.where(allowed[:, :, None], _P, 0.0), allowed=allowed)


@_named
def reward_noise() -> MDP:
    """Rewards with Gaussian noise, some pairs without."""
    return _model(reward_std=[[0.5, 0.0], [1.0, 2.0], [0.0, 0.25], [0.0, 0.0]])


@_named
def two_rewards_on_one_successor() -> MDP:
    """The successor does not tell the reward."""
    rows = [
        [[(0.3, 0, 1.0, False), (0.3, 0, -1.0, False), (0.4, 1, 2.0, True)], [(1.0, 0, 0.5, 0)]],
        [[(1.0, 1, 0.0, True)]] * 2,
    ]
    return MDP.from_outcomes(rows, gamma=0.9, mu=[1.0, 0.0])


@_named
def equal_rewards() -> MDP:
    """Every step pays 1: the return is the length."""
    return _model(R=np.where(np.arange(4)[:, None] == 3, 0.0, np.ones((4, 2))))


@_named
def zero_rewards() -> MDP:
    """Nothing is ever paid: every return and every target is zero."""
    return _model(R=np.zeros((4, 2)), mu=[0.4, 0.3, 0.2, 0.1])


@_named
def large_rewards() -> MDP:
    """Rewards of 1e9 that nearly cancel."""
    return _model(R=_R + 1e9 * np.array([[1.0, 1.0], [-1.0, -1.0], [1.0, -1.0], [0.0, 0.0]]))


@_named
def twins() -> MDP:
    """Two actions that do the same: every policy is optimal."""
    return _model(_P[:, [0, 0]], _R[:, [0, 0]])


@_named
def sparse() -> MDP:
    """P as a SciPy array of nonzeros."""
    from scipy.sparse import csr_array

    return _model(csr_array(_P.reshape(8, 4)))
