"""Learners of values: how near they come with how many transitions, and how long these take.

    python -m benchmarks.bench_learning [--seeds N] [worlds...]

Takes     the line world, frozen lake, the cliff, Gymnasium's taxi.
Gives     one line for each world and method: the error after n transitions and after 8 n, as root
          mean square over states or pairs in units of the span of V*; one line for the speed of
          twenty learners side by side.
Source    exact values by mdptools; step sizes k**-0.7, with which noise falls like n**-0.35, so
          that 8 n transitions leave 0.48 of it.
Not here  optimality from one start (studies.learn).
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from mdptools import MDP, ModelError, evaluate, from_gymnasium, problems, rollout, solve
from mdptools.estimators import ControlLearner, Power, expected_sarsa, learn_many, sarsa, td

GAMMA = 0.8


def taxi() -> MDP:
    """Gymnasium's, in the version that is installed."""
    try:
        return from_gymnasium("Taxi-v4", GAMMA)
    except ModelError:
        return from_gymnasium("Taxi-v3", GAMMA)


WORLDS = {
    "line world": (lambda: problems.line_world(gamma=GAMMA), 10_000),
    "frozen lake": (lambda: problems.frozen_lake(gamma=GAMMA), 40_000),
    "cliff": (lambda: problems.cliff_walking(gamma=GAMMA), 40_000),
    "taxi": (taxi, 200_000),
}
METHODS = ("Q-learning", "TD(0)", "SARSA", "expected SARSA")
EPISODE = 10  # steps, from anywhere


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.mean(x**2)))


def errors(mdp: MDP, method: str, n: int, seed: int) -> tuple[float, float]:
    """After n transitions and after 8 n."""
    best, live = solve(mdp), ~mdp.terminal
    span, start = float(np.ptp(best.V[live])), live / live.sum()
    rng = np.random.default_rng(seed)
    if method == "Q-learning":  # acts uniformly, approaches Q*
        found, x = [], None
        for steps in (n, 7 * n):
            learner = ControlLearner(steps=steps, epsilon=1.0, max_steps=EPISODE, start_law=start)
            x, _ = learner.step(mdp, learner.start(mdp, rng) if x is None else x, rng)
            found.append(rms((x.Q - best.Q)[live]) / span)
        return found[0], found[1]
    pi = 0.7 * best.pi + 0.3 * mdp.allowed / mdp.allowed.sum(axis=1, keepdims=True)
    truth, seen = evaluate(mdp, pi), mdp.allowed & live[:, None]
    batch = rollout(mdp, pi, 8 * n // 2, rng=rng, start=start, max_steps=EPISODE)
    ends, found = np.cumsum(batch.lengths), []
    for size in (n, 8 * n):
        part = batch[: int((ends <= size).sum())]
        if method == "TD(0)":
            V = td(np.zeros(mdp.n_states), part, mdp.gamma, Power(0.7))
            found.append(rms((V - truth.V)[live]) / span)
            continue
        Q0 = np.where(mdp.allowed, 0.0, -np.inf)
        if method == "SARSA":
            Q = sarsa(Q0, part, mdp.gamma, Power(0.7))
        else:
            Q = expected_sarsa(Q0, part, pi, mdp.gamma, Power(0.7))
        found.append(rms((Q - truth.Q)[seen]) / span)
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("worlds", nargs="*", default=list(WORLDS))
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    print(f"{'world':12} {'method':15} {'n':>9} {'error(n)':>9} {'error(8n)':>10} {'CPU s':>7}")
    for world in asked.worlds:
        make, n = WORLDS[world]
        mdp = make()
        for method in METHODS:
            began = time.process_time()
            found = np.array([errors(mdp, method, n, seed) for seed in range(asked.seeds)])
            first, last = found.mean(axis=0)
            seconds = time.process_time() - began
            print(f"{world:12} {method:15} {n:9,} {first:9.4f} {last:10.4f} {seconds:7.1f}")
    mdp = problems.frozen_lake(gamma=GAMMA)
    for n in (20, 1000):
        began = time.process_time()
        learn_many(mdp, ControlLearner(), n, steps=10_000, rng=0)
        seconds = time.process_time() - began
        print(
            f"{n} Q-learners on the lake: {seconds / 10_000 * 1e6:.0f} microseconds a step of all"
        )


if __name__ == "__main__":
    main()
