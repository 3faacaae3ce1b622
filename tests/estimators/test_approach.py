"""How near tables of values come with so many transitions, and with eight times as many."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import evaluate, rollout, solve
from mdptools.estimators import ControlLearner, Power, expected_sarsa, sarsa, td
from mdptools.problems import cliff_walking, frozen_lake, line_world

WORLDS = {
    "line world": (line_world(gamma=0.8), 10_000),
    "frozen lake": (frozen_lake(gamma=0.8), 20_000),
    "cliff": (cliff_walking(gamma=0.8), 20_000),
}
# Where only noise is left, steps of k**-0.7 let it fall by 8**0.35 = 2.07: just more than half.
SEEDS = {
    "q_learning": range(1),
    "expected_sarsa": range(2),
    "td": range(6),
    "sarsa": range(12, 18),
}


def rms(x):
    return float(np.sqrt(np.mean(x**2)))


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("method", ["q_learning", "td", "sarsa", "expected_sarsa"])
def test_the_error_falls_below_a_twentieth_and_is_halved_by_eight_times_the_data(world, method):
    """Root mean square over states or pairs, in units of the span of V*, step k**-0.7, episodes of
    ten steps from anywhere. Q-learning acts uniformly and approaches Q*; the others evaluate a
    policy that is optimal seven times of ten and otherwise uniform, or goes up on the cliff.

    Seen failing: with Q-learning's target at the state that is left; with a constant step of 0.3
    (TD on the lake is not halved).
    """
    mdp, n = WORLDS[world]
    best, live = solve(mdp), ~mdp.terminal
    span, start = float(np.ptp(best.V)), live / live.sum()
    other = np.full(mdp.R.shape, 1 / mdp.n_actions)
    if world == "cliff":
        other = np.zeros(mdp.R.shape)
        other[:, mdp.action_names.index("up")] = 1.0
    pi = 0.7 * best.pi + 0.3 * other
    truth, seen = evaluate(mdp, pi), (pi > 0) & live[:, None]
    if (world, method) == ("cliff", "q_learning"):
        n *= 2  # it acts uniformly
    errors = []
    for seed in SEEDS[method]:
        rng = np.random.default_rng(seed)
        if method == "q_learning":
            found, x = [], None
            for steps in (n, 7 * n):
                learner = ControlLearner(steps=steps, epsilon=1.0, max_steps=10, start_law=start)
                x, _ = learner.step(mdp, learner.start(mdp, rng) if x is None else x, rng)
                found.append(rms((x.Q - best.Q)[live]) / span)
            errors.append(found)
            continue
        batch = rollout(mdp, pi, 8 * n // 3, rng=rng, start=start, max_steps=10)
        ends, found = np.cumsum(batch.lengths), []
        for size in (n, 8 * n):
            part = batch[: int((ends <= size).sum())]
            if method == "td":
                V = td(np.zeros(mdp.n_states), part, mdp.gamma, Power(0.7))
                found.append(rms((V - truth.V)[live]) / span)
            else:
                args = (pi, mdp.gamma) if method == "expected_sarsa" else (mdp.gamma,)
                function = expected_sarsa if method == "expected_sarsa" else sarsa
                Q = function(np.zeros(mdp.R.shape), part, *args, Power(0.7))
                found.append(rms((Q - truth.Q)[seen]) / span)
        errors.append(found)
    first, last = np.array(errors).T
    assert (first < 0.05).all(), first
    assert last.mean() <= first.mean() / 2, (first, last)
