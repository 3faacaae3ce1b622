"""Average reward against pymdptoolbox and mdpsolver.

Takes     Garnet models and a ring from fixed seeds; both sides start from a built model.
Gives     entries of the registry. The errors are those of the gain.
Source    Puterman (1994), theorem 8.5.5: min (TV - V) <= gain <= max (TV - V).
Not here  the peers and their settings (peers).
"""

from __future__ import annotations

from typing import Any

import numpy as np

import mdptools
from mdptools import problems

from .common import Competitor, Contest, entry, largest_error
from .models import ring
from .peers import ENOUGH, EPSILON, absent, mdpsolver, mdpsolver_models, toolbox


def true_gain(P: np.ndarray, R: np.ndarray) -> float:
    """The largest gain of a dense model with one class, sharing no code with the library.

    Howard's policy iteration; the linear systems, with h = 0 in state 0 and the gain in its place,
    are refined with residuals in extended precision, and the answer is checked by its bracket.
    """
    wide_P, wide_R = P.astype(np.longdouble), R.astype(np.longdouble)
    states = np.arange(len(R))
    actions = R.argmax(axis=1)
    while True:
        matrix = np.eye(len(R), dtype=np.longdouble) - wide_P[states, actions]
        matrix[:, 0] = 1
        inverse = np.linalg.inv(matrix.astype(float))
        x = np.zeros(len(R), dtype=np.longdouble)
        for _ in range(6):
            x = x + inverse @ (wide_R[states, actions] - matrix @ x)
        h = np.append(0, x[1:])
        Q = wide_R + wide_P @ h
        if (Q.max(axis=1) - Q[states, actions]).max() <= 1e-14 * max(1.0, float(np.abs(h).max())):
            break
        actions = Q.argmax(axis=1)
    low, high = (Q.max(axis=1) - h).min(), (Q.max(axis=1) - h).max()
    if high - low > EPSILON / 100:
        raise ArithmeticError(f"the reference is not sure of itself: {float(high - low):.2g}")
    return float((low + high) / 2)


def contest(mdp: Any, names: tuple[str, ...], rounds: int) -> Contest:
    """Our planners against each peer, the gain to 1e-8."""
    average = mdp.with_objective(average=True)
    truth = [np.array(true_gain(mdp.P, mdp.R))]

    def gain(answer: Any) -> Any:
        """mdpsolver gives V alone: the middle of the bracket, not timed."""
        V = np.array(answer[0])
        rise = (mdp.R + mdp.P @ V).max(axis=1) - V
        return (rise.min() + rise.max()) / 2

    def planner(name: str) -> Competitor:
        plan = getattr(mdptools, name)
        return Competitor(
            name,
            lambda: [plan(average, tol=EPSILON)],
            largest_error(truth, lambda solution: solution.gain),
            bound=lambda solutions: solutions[0].certificate.bound,
        )

    rivals = [
        *mdpsolver(mdpsolver_models([average]), truth, gain, criterion="average"),
        *toolbox(
            "RelativeValueIteration",
            [average],
            truth,
            lambda answer: answer.average_reward,
            discounted=False,
            epsilon=EPSILON,
            max_iter=ENOUGH,
        ),
    ]
    missing = absent("mdptoolbox", "mdpsolver")
    return Contest([planner(name) for name in names], rivals, missing=missing, rounds=rounds)


@entry("average_100")
def average_100() -> Contest:
    """Average reward, Garnet S=100, A=4, dense P with 8 successors of each pair."""
    mdp = problems.garnet(100, 4, 8, gamma=0.99, rng=0)
    names = ("solve", "relative_value_iteration", "average_policy_iteration")
    return contest(mdp, names, 31)


@entry("average_1000")
def average_1000() -> Contest:
    """Average reward, Garnet S=1000, A=4, dense P with 8 successors of each pair."""
    mdp = problems.garnet(1000, 4, 8, gamma=0.99, rng=0)
    return contest(mdp, ("solve",), 3)


@entry("average_ring")
def average_ring() -> Contest:
    """Average reward, a ring that mixes slowly, S=100, A=10, dense P."""
    return contest(ring(100, 10, 0.99), ("solve",), 5)
