"""Enumeration of all trajectories, with an estimator and its moments, against a stated rate.

Takes     small dense random models; GPOMDP as a vectorised estimator.
Gives     entries of the registry. Times are for one trajectory; true errors are distances of mean
          and covariance from the recursion, which shares no code with the enumeration.
Source    mdptools.verify.
Not here  the estimators' own speed (bench_sampling).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mdptools import MDP
from mdptools.estimators import gpomdp
from mdptools.policies import Softmax
from mdptools.verify import (
    check_estimator,
    count_trajectories,
    enumerate_trajectories,
    exact_moments,
    program_moments,
    reward_to_go_moments,
)

from .common import Competitor, Contest, entry

RATE = 1e6  # trajectories a second
SURE = 1e-12
SIZES = {"S=2 A=2 H=10": (2, 2, 10), "S=3 A=2 H=7": (3, 2, 7)}


def dense(n_states: int, n_actions: int, horizon: int) -> tuple[MDP, Softmax, np.ndarray]:
    """Every state follows every pair; episodes start in state 0."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(n_states), (n_states, n_actions))
    R = rng.normal(size=(n_states, n_actions))
    mdp = MDP(P, R, gamma=0.9, horizon=horizon, mu=np.eye(n_states)[0])
    return mdp, Softmax(mdp), rng.normal(size=R.shape)


def per_trajectory(
    name: str, count: int, run: Callable[[], Any], error: Callable[[Any], float] | None = None
) -> Competitor:
    """A competitor whose time is that of one trajectory."""

    def measured() -> tuple[float, Any]:
        start = time.process_time()
        answer = run()
        return (time.process_time() - start) / count, answer

    return Competitor(
        name,
        measured,
        seconds=lambda answer: answer[0],
        error=None if error is None else lambda answer: error(answer[1]),
        bound=None if error is None else lambda _: SURE,
    )


def loop(mdp: MDP, family: Softmax, theta: np.ndarray, visited: int) -> Callable[[], float]:
    """The same by recursion in plain Python, for the first ``visited`` trajectories."""
    pi, P, R = family.probs(theta).tolist(), mdp.P.tolist(), mdp.R.tolist()
    score, horizon = family.score(theta), mdp.horizon or 0

    def run() -> float:
        left = visited
        total = np.zeros(family.size)

        def walk(s: int, t: int, p: float, steps: list[tuple[int, int, float]]) -> None:
            nonlocal left, total
            if left == 0:
                return
            if t == horizon:
                left -= 1
                G, row = 0.0, np.zeros(family.size)
                for k in reversed(range(horizon)):
                    state, action, reward = steps[k]
                    G = reward + mdp.gamma * G
                    row = row + mdp.gamma**k * G * score[state, action]
                total = total + p * row
                return
            for a, chance in enumerate(pi[s]):
                for after, follows in enumerate(P[s][a]):
                    walk(after, t + 1, p * chance * follows, [*steps, (s, a, R[s][a])])

        walk(0, 0, 1.0, [])
        return float(total.sum())

    return run


@entry("enumerate_gpomdp")
def enumerate_gpomdp() -> Contest:
    """Enumeration with GPOMDP, its mean and full covariance, D = 4 and 6."""
    ours, targets = [], {}
    rate = Competitor("1 million a second", lambda: None, seconds=lambda _: 1 / RATE)
    for size, (n_states, n_actions, horizon) in SIZES.items():
        mdp, family, theta = dense(n_states, n_actions, horizon)
        count = count_trajectories(mdp, (family, theta))
        truth = reward_to_go_moments(mdp, (family, theta))

        def moments(mdp: MDP = mdp, family: Softmax = family, theta: np.ndarray = theta) -> Any:
            return exact_moments(
                lambda batch: gpomdp(batch, family, theta, mdp.gamma), mdp, (family, theta)
            )

        def error(found: Any, truth: Any = truth) -> float:
            apart = (
                np.abs(found.covariance - truth.covariance).max() / np.abs(truth.covariance).max()
            )
            return float(max(apart, np.abs(found.mean - truth.mean).max()))

        ours.append(per_trajectory(f"exact_moments {size}", count, moments, error))
        targets[ours[-1].name, rate.name] = 1.0
    mdp, family, theta = dense(*SIZES["S=3 A=2 H=7"])
    plain = per_trajectory("Python loop", 2000, loop(mdp, family, theta, 2000))
    bare = per_trajectory(
        "limit",
        count_trajectories(mdp, (family, theta)),
        lambda: sum(batch.n for batch in enumerate_trajectories(mdp, (family, theta))),
    )
    return Contest(ours, [rate, plain], bare, targets=targets)


@entry("check_estimator")
def check() -> Contest:
    """One whole verdict on 280,000 trajectories: unbiased, and biased with its reasons."""
    mdp, family, theta = dense(*SIZES["S=3 A=2 H=7"])
    policy = (family, theta)
    count = count_trajectories(mdp, policy)
    rate = Competitor("1 million a second", lambda: None, seconds=lambda _: 1 / RATE)

    def verdict(time_discount: float) -> Callable[[], Any]:
        return lambda: check_estimator(
            lambda batch: gpomdp(batch, family, theta, mdp.gamma, time_discount=time_discount),
            mdp,
            policy,
        )

    truth = reward_to_go_moments(mdp, policy, time_discount=1.0).mean
    right = per_trajectory(
        "unbiased", count, verdict(mdp.gamma), lambda found: float(np.abs(found.bias).max())
    )
    wrong = per_trajectory(
        "biased, with witness",
        count,
        verdict(1.0),
        lambda found: float(np.abs(found.mean.reshape(-1) - truth).max()),
    )
    return Contest([right, wrong], [rate], targets={(right.name, rate.name): 1.0})


@entry("choice_tape")
def choice_tape() -> Contest:
    """Five steps of Q-learning with exploration, for each path, against the same code drawing."""
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet([1.0, 1.0], (2, 2)), rng.normal(size=(2, 2))
    epsilon, paths = 0.2, 6**5

    def update(Q: np.ndarray, s: int, a: int, after: int) -> np.ndarray:
        Q = Q.copy()
        Q[s, a] += 0.5 * (R[s, a] + 0.9 * Q[after].max() - Q[s, a])
        return Q

    def learn(rng: Any) -> np.ndarray:
        s, Q = 0, np.zeros((2, 2))
        for _ in range(5):
            a = int(rng.integers(2) if rng.random() < epsilon else Q[s].argmax())
            after = int(rng.choice(2, p=P[s, a]))
            Q, s = update(Q, s, a, after), after
        return Q

    def mean(s: int, Q: np.ndarray, left: int) -> np.ndarray:
        """The truth: over actions and successors, without a generator."""
        if left == 0:
            return Q
        total = np.zeros((2, 2))
        for a in range(2):
            chance = epsilon / 2 + (1 - epsilon) * (a == Q[s].argmax())
            for after in range(2):
                total += chance * P[s, a, after] * mean(after, update(Q, s, a, after), left - 1)
        return total

    truth = mean(0, np.zeros((2, 2)), 5).reshape(-1)
    tape = per_trajectory(
        "program_moments",
        paths,
        lambda: program_moments(learn),
        lambda found: float(np.abs(found.mean - truth).max()),
    )
    draws = np.random.default_rng(0)
    drawn = per_trajectory("NumPy's generator", 2000, lambda: [learn(draws) for _ in range(2000)])
    return Contest([tape], [drawn])
