"""Sampling against a loop over a Gymnasium environment, and against a stated rate.

Takes     Gymnasium's FrozenLake 8x8 under the uniform policy; all trajectories are kept.
Gives     entries of the registry. Times are for one transition; padding is none.
Source    gymnasium.envs.toy_text.
Not here  estimators other than GPOMDP's rows.
"""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np

import mdptools
from mdptools import Softmax, policy_gradient
from mdptools.estimators import gpomdp
from mdptools.problems import dirichlet
from mdptools.sampling import rollout

from .common import Competitor, Contest, entry

EPISODES = 50_000
LOOP_STEPS = 20_000
RATE = 20e6  # transitions a second
FASTER = 50  # than the loop
SURE = 5.0  # standard errors
ROWS, CHUNK = 1_000_000, 20_000


def timed(name: str, run: Any, **keywords: Any) -> Competitor:
    """A competitor whose run returns (transitions, answer); its time is that of one transition."""

    def measured() -> tuple[float, Any]:
        start = time.process_time()
        transitions, answer = run()
        return (time.process_time() - start) / transitions, answer

    return Competitor(name, measured, seconds=lambda answer: answer[0], **keywords)


def gymnasium_loop(env: Any) -> Competitor:
    """Reset and step as in Gymnasium's tutorial, without its wrappers; actions drawn in advance."""
    actions = np.random.default_rng(0).integers(0, 4, LOOP_STEPS).tolist()

    def run() -> tuple[int, Any]:
        steps = []
        state, _ = env.reset()
        for action in actions:
            after, reward, terminated, _, _ = env.step(action)
            steps.append((state, action, reward))
            state = env.reset()[0] if terminated else after
        return len(steps), steps

    per_transition = timed(f"Gymnasium loop, {FASTER} times as fast", run)
    return Competitor(
        per_transition.name, per_transition.run, seconds=lambda answer: answer[0] / FASTER
    )


def bare_calls(n: int, n_steps: int, transitions: int) -> Competitor:
    """One uniform number for each transition, and fresh memory for what is kept."""

    def run() -> tuple[int, Any]:
        rng = np.random.default_rng(0)
        for _ in range(0, transitions, 1 << 14):
            rng.random(1 << 14)
        kept = [np.empty((n_steps, n), dtype) for dtype in ("f8", "f8", "i4", "i4", "?")]
        for array in kept:
            array.fill(0)
        return transitions, kept

    return timed("limit", run)


@entry("sample_lake")
def sample_lake() -> Contest:
    """Rollouts on Gymnasium's FrozenLake 8x8, slippery, uniform policy; true error: |z|."""
    if importlib.util.find_spec("gymnasium") is None:
        return Contest([], [], missing=["gymnasium"])
    import gymnasium

    env = gymnasium.make("FrozenLake-v1", map_name="8x8")
    mdp = mdptools.from_gymnasium(env, gamma=1.0)
    pi = mdptools.uniform_policy(mdp)
    exact = mdptools.evaluate(mdp, pi)
    seeds = iter(range(1_000_000))

    def run() -> tuple[int, Any]:
        batch = rollout(mdp, pi, EPISODES, rng=next(seeds))
        return batch.n_transitions, batch

    def error(answer: Any) -> float:
        """How many standard errors the mean length and return are off, the larger of the two."""
        batch = answer[1]
        off = []
        for x, truth in ((batch.lengths, exact.Z), (batch.r.sum(axis=1), exact.J)):
            off.append(abs(x.mean() - truth) / (x.std() / np.sqrt(len(x))))
        return float(max(off))

    mine = timed("rollout", run, error=error, bound=lambda _: SURE)
    first = rollout(mdp, pi, EPISODES, rng=0)
    rate = Competitor(
        f"{RATE / 1e6:.0f} million a second", lambda: None, seconds=lambda _: 1 / RATE
    )
    loop = gymnasium_loop(env.unwrapped)
    return Contest(
        [mine],
        [rate, loop],
        bare_calls(first.n, first.n_steps, first.n_transitions),
        targets={(mine.name, rate.name): 1.0, (mine.name, loop.name): 1.0},
    )


@entry("gpomdp_rows")
def gpomdp_rows() -> Contest:
    """A million trajectories of 20 steps (S=6, A=3), drawn and turned into rows, chunk by chunk.

    Times are for one trajectory; the true error is |z| of the mean.
    """
    mdp = dirichlet(6, 3, gamma=0.9, rng=0).with_objective(horizon=20)
    family = Softmax(mdp)
    theta = np.random.default_rng(1).normal(size=(6, 3))
    exact = policy_gradient(mdp, family, theta).value.reshape(-1)
    seeds = iter(range(1_000_000))

    def run() -> tuple[int, Any]:
        rng = np.random.default_rng(next(seeds))
        total, squares = np.zeros(18), np.zeros(18)
        for _ in range(ROWS // CHUNK):
            batch = rollout(mdp, (family, theta), CHUNK, rng=rng)
            rows = gpomdp(batch, family, theta, mdp.gamma)
            total += rows.sum(axis=0)
            squares += (rows**2).sum(axis=0)
        return ROWS, (total, squares)

    def z(answer: Any) -> float:
        total, squares = answer[1]
        mean = total / ROWS
        error = np.sqrt((squares / ROWS - mean**2) / ROWS)
        return float(np.abs((mean - exact) / error).max())

    limit = Competitor("3 s for a million", lambda: None, seconds=lambda _: 3e-6)
    ours = timed("rollout and gpomdp", run, error=z, bound=lambda _: SURE)
    return Contest([ours], [limit], targets={(ours.name, limit.name): 1.0}, rounds=5)
