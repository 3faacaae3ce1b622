"""Small random models on which moment recursions are compared with walking every trajectory.

Takes     a seed.
Gives     a model with everything that recursions trip over; all its trajectories; comparisons.
Not here  the walk itself (`oracles`).
"""

from dataclasses import replace

import numpy as np

import oracles
from mdptools import MDP

HORIZON = 3
MODELS = 30


def random_model(seed, hurry=0.0):
    """Random rewards, several on one successor; a terminal state, also to start in; final.

    hurry: the probability to end at each step, on top.
    """
    rng = np.random.default_rng(seed)
    n_states, n_actions, end = 4, 2, 3
    rows = []
    for _ in range(end):
        actions = []
        for _ in range(n_actions):
            i, j = (int(k) for k in rng.choice(n_states, 2, replace=False))
            p, r = (1 - hurry) * rng.dirichlet(np.ones(3)), 2 * rng.normal(size=4)
            outcomes = [(p[0], i, r[0]), (p[1], i, r[1]), (p[2], j, r[2]), (hurry, end, r[3])]
            actions.append([(*outcome, outcome[1] == end) for outcome in outcomes])
        rows.append(actions)
    rows.append([[(1.0, end, 0.0, True)]] * n_actions)
    mdp = MDP.from_outcomes(rows, [0.5, 0.9, 1.0][seed % 3], horizon=HORIZON)
    final = rng.normal(size=n_states) * ~mdp.terminal if seed % 2 else None
    mdp = replace(mdp, mu=rng.dirichlet(np.ones(n_states)), final=final)
    pi = rng.dirichlet(np.ones(n_actions), n_states)
    b = rng.dirichlet(np.ones(n_actions), n_states)
    return mdp, pi, b, rng.normal(size=n_states), rng.normal(size=(HORIZON, n_states))


def walked(mdp, acting, n_steps=HORIZON):
    """Probabilities and steps of all trajectories."""
    paths = list(oracles.walks(mdp, acting, n_steps))
    return np.array([p for p, _ in paths]), [steps for _, steps in paths]


def moments_of(paths, row):
    """Mean and covariance of ``row(steps)`` over all of them."""
    chances, steps = paths
    X = np.array([np.atleast_1d(row(one)) for one in steps])
    mean = chances @ X
    away = X - mean
    return mean, (chances[:, None] * away).T @ away


def assert_moments(found, mean, covariance, rel=1e-12):
    """Mean, variance and, where there is one, covariance."""
    scale = max(1.0, np.abs(covariance).max(), np.abs(mean).max() ** 2)
    assert np.abs(found.mean - mean).max() <= rel * scale
    assert np.abs(found.variance - np.diag(covariance)).max() <= rel * scale
    if found.covariance is not None:
        assert np.abs(found.covariance - covariance).max() <= rel * scale


def assert_same(found, other, rel=1e-10):
    """Two answers of the package: a limit and a long horizon."""
    assert_moments(found, other.mean, other.covariance, rel)
