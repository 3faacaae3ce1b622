"""Reaching a goal: probabilities and expected steps, against the model checker Storm.

Takes     grids and a gambler, of 10,000 states, in which an episode ends under every good policy.
Gives     entries of the registry.
Source    Dubins and Savage (1965), "How to gamble if you must": a gambler whose chance is at most a
          half does best to stake all, or what is missing (bold play).
Not here  discounted models (bench_sparse), the peers and their settings (peers).

The true values come from elsewhere: where each step breaks down with a probability, the model is a
discounted one; the gambler's from bold play; steps are proved by the residual of unit costs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import mdptools

from .common import Competitor, Contest, checked_values, entry
from .models import gambler, grid, trapped_grid
from .peers import EPSILON, STORM_METHODS, absent, storm

MAX_REACH, MIN_STEPS = 'Pmax=? [F "goal"]', 'Rmin=? [F "goal"]'


def contest(
    mine: Competitor,
    query: str,
    mdp: Any,
    goal: int,
    truth: np.ndarray,
    methods: Sequence[str] = tuple(STORM_METHODS),
    *,
    doubt: float,
) -> Contest:
    """One of ours against methods of Storm."""
    rivals = [rival for how in methods for rival in storm(query, mdp, [goal], truth, how)]
    return Contest([mine], rivals, missing=absent("stormpy"), rounds=5, doubt=doubt)


def ours(name: str, mdp: Any, goal: int, truth: np.ndarray, **options: Any) -> Competitor:
    """`reach_probability` or `reach_reward`."""
    plan = getattr(mdptools, name)
    return Competitor(
        name,
        lambda: plan(mdp, [goal], tol=EPSILON, **options),
        error=lambda solution: float(np.abs(solution.V - truth).max()),
        bound=lambda solution: solution.certificate.bound,
    )


@entry("reach_grid")
def reach_grid() -> Contest:
    """Largest probability of a goal, grid 100 x 100, slips, holes; 1 in 1,000 steps breaks down."""
    mdp, discounted, stop = trapped_grid(100, slip=0.2, breakdown=1e-3)
    goal = len(stop) - 1
    plan = mdptools.gauss_seidel_value_iteration
    cells, doubt = checked_values(discounted, plan(discounted, tol=EPSILON).V, EPSILON, plan)
    truth = np.append(cells, 0.0)
    truth[goal] = 1.0
    mine = ours("reach_probability", mdp, goal, truth)
    return contest(mine, MAX_REACH, mdp, goal, truth, doubt=doubt)


@entry("reach_gambler")
def reach_gambler() -> Contest:
    """Largest probability of 10,000 with chance .45 and stakes of 1, 2, 4, ...: A=14.

    Not against interval iteration, which takes 20 seconds.
    """
    mdp = gambler(10_000, 0.45, 14)
    truth = bold_play(10_000, 0.45)
    mine = ours("reach_probability", mdp, 10_000, truth)
    return contest(mine, MAX_REACH, mdp, 10_000, truth, ["as it chooses"], doubt=1e-15)


@entry("reach_steps")
def reach_steps() -> Contest:
    """Smallest expected number of steps to a goal, grid 100 x 100 with slips .1."""
    mdp = grid(100, 1.0, step=1.0)
    goal = mdp.n_states - 1
    truth, doubt = checked_steps(mdp, mdptools.solve(grid(100, 1.0)).V)
    mine = ours("reach_reward", mdp, goal, truth, sense="min")
    return contest(mine, MIN_STEPS, mdp, goal, truth, doubt=doubt)


def bold_play(goal: int, chance: float) -> np.ndarray:
    """The probability of coming to the goal by staking all, or what is missing."""
    money = np.arange(goal + 1)
    low = 2 * money <= goal
    after = np.where(low, 2 * money, 2 * money - goal)
    V = np.zeros(goal + 1, dtype=np.longdouble)
    V[goal] = 1
    for _ in range(200):  # each leaves at most 0.55 of the error
        V[1:-1] = np.where(low, chance * V[after], chance + (1 - chance) * V[after])[1:-1]
    return V.astype(float)


def checked_steps(mdp: Any, V: np.ndarray) -> tuple[np.ndarray, float]:
    """-V, expected steps to the terminal states, refined in extended precision; its proved error.

    With T the backup and ``|TU - U| <= d < 1`` where a step costs 1, ``U / (1 - d)`` is at least
    what its greedy policy costs, and ``U / (1 + d)`` at most what any policy costs: the error of U
    is at most ``U d / (1 - d)``.
    """
    P, U = mdp.P.astype(np.longdouble), -V.astype(np.longdouble)
    going = ~mdp.terminal
    for _ in range(100):
        TU = going * (1 + (P @ U).reshape(mdp.R.shape).min(axis=1))
        defect = float(np.abs(TU - U).max())
        doubt = float(U.max()) * defect / (1 - defect)
        if doubt <= EPSILON / 1000:
            break
        U = TU
    if not 0 <= doubt <= EPSILON / 10:
        raise ArithmeticError(f"the reference is not sure of itself: {doubt:.2g}")
    return U.astype(float), doubt + 2 * float(np.spacing(float(U.max())))
