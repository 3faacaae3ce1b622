"""Calibration of the sequential test: how often it is wrong where nothing is.

    python -m benchmarks.bench_calibration [--runs N] [--rows N] [labs...]

Takes     laws of rows with finitely many values, known to the last digit: estimators on models
          whose trajectories are all enumerated, and importance weights of many steps.
Gives     one line for each law: false alarms at several levels, the mean of the final E, and how
          often "unbiased within tol" is said of a mean that is off by exactly tol.
Source    mdptools.verify; the laws by enumeration.
Not here  power (the tests), speed but for one entry of the registry.

A batch of n rows is drawn as a multinomial number of rows of each value: what is tested are the
bets and the wealth, on sums that are those of n independent rows.

The mean of E is 1, but much of it sits in values that no sample of null runs meets: their average
is 0.7 where the mean is 1. So half of the runs are drawn from the law P E, in which a bet that was
chosen beforehand tilts the rows by its own factors; under half P and half P E, 2 E / (1 + E) has
the mean that E has under P, and lies between 0 and 2.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdptools import MDP, check_estimator
from mdptools.estimators import gpomdp, reinforce
from mdptools.policies import Softmax
from mdptools.verify import enumerate_trajectories
from mdptools.verify._bets import Bet
from mdptools.verify._eprocess import EProcess, Part, first_look, looks
from mdptools.verify._equivalence import Equivalence, Sides
from mdptools.verify._support import Declared

from .common import Competitor, Contest, entry

LEVELS = (1e-2, 1e-3, 1e-6)
BETA = 1e-3
SHIFT = 0.05  # the tolerance, and the bias, of the second question, in standard deviations


@dataclass(frozen=True)
class Law:
    """Rows (k, D) and their probabilities (k,), with mean zero; and the box that they are in."""

    rows: np.ndarray
    prob: np.ndarray

    @property
    def width(self) -> int:
        return self.rows.shape[1]

    def support(self) -> Declared:
        box = self.rows.min(axis=0), self.rows.max(axis=0)
        return Declared(box, np.inf, np.zeros(self.width))

    def sd(self) -> np.ndarray:
        return np.sqrt(self.prob @ self.rows**2)


def centred(rows: np.ndarray, prob: np.ndarray) -> Law:
    """Equal rows merged, the mean taken away, what cannot happen left out."""
    rows, prob = rows.reshape(len(rows), -1), prob / prob.sum()
    rows, which = np.unique(rows.round(12), axis=0, return_inverse=True)
    prob = np.bincount(which.reshape(-1), prob, len(rows))
    varies = np.ptp(rows, axis=0) > 0
    rows = rows[:, varies]
    return Law(rows - prob @ rows, prob)


def of_estimator(
    mdp: MDP, estimate: Callable[..., np.ndarray], policy: tuple[Softmax, np.ndarray]
) -> Law:
    parts = list(enumerate_trajectories(mdp, policy))
    rows = np.concatenate([estimate(batch, *policy, mdp.gamma) for batch in parts])
    return centred(rows, np.concatenate([np.asarray(batch.weight) for batch in parts]))


def model(n_states: int, horizon: int, seed: int) -> tuple[MDP, tuple[Softmax, np.ndarray]]:
    """Two successors of each pair, rewards of both signs."""
    rng = np.random.default_rng(seed)
    P = np.zeros((n_states, 2, n_states))
    for s in range(n_states):
        for a in range(2):
            P[s, a, rng.permutation(n_states)[:2]] = rng.dirichlet([1.0, 1.0])
    mdp = MDP(P, rng.normal(size=(n_states, 2)), gamma=0.9, horizon=horizon)
    return mdp, (Softmax(mdp), rng.normal(size=(n_states, 2)) / 2)


def rare() -> tuple[MDP, tuple[Softmax, np.ndarray]]:
    """A reward of 10 that one episode in a thousand finds."""
    P = np.zeros((4, 2, 4))
    P[:, 0, 0], P[3, :, 3] = 1.0, 1.0
    P[3, 0, 0] = 0.0
    for s in range(3):
        P[s, 1, [0, s + 1]] = 0.8, 0.2
    R = np.zeros((4, 2, 4))
    R[2, 1, 3] = 10.0
    mdp = MDP(P, R, gamma=0.9, horizon=6, mu=[1.0, 0.0, 0.0, 0.0])
    return mdp, (Softmax(mdp), np.zeros((4, 2)))


def weights(steps: int, pi: float, b: float) -> Law:
    """The product of ``steps`` ratios, times a return: how often the first action was taken."""
    k = np.arange(steps + 1)
    choose = np.concatenate(([1.0], np.cumprod((steps - k[1:] + 1) / k[1:])))
    prob = choose * b**k * (1 - b) ** (steps - k)
    ratio = (pi / b) ** k * ((1 - pi) / (1 - b)) ** (steps - k)
    return centred((ratio * k / steps)[:, None], prob)


LABS: dict[str, Callable[[], Law]] = {
    "REINFORCE, D=6": lambda: of_estimator(*_with(model(3, 5, 0), reinforce)),
    "GPOMDP, D=12": lambda: of_estimator(*_with(model(6, 5, 1), gpomdp)),
    "sparse reward, D=6": lambda: of_estimator(*_with(rare(), gpomdp)),
    "ratios, mild": lambda: weights(5, 0.6, 0.5),
    "ratios, heavy": lambda: weights(20, 0.8, 0.5),
    "ratios, extreme": lambda: weights(50, 0.9, 0.4),
}


def _with(made: Any, estimate: Any) -> Any:
    mdp, policy = made
    return mdp, estimate, policy


def counted(
    law: Law, n: int, rng: np.random.Generator, shift: float = 0.0, tilt: Any = None
) -> Any:
    """n independent rows, as the values that occurred and how often."""
    counts = rng.multinomial(n, law.prob if tilt is None else tilt)
    seen = np.flatnonzero(counts)
    return law.rows[seen] + shift * law.sd(), counts[seen]


def part(y: np.ndarray, counts: np.ndarray, bet: Bet) -> Part:
    """What `measure` would say of these rows, in any order; nothing of their order."""
    along = y @ bet.direction * bet.share
    worst = int(along.argmin())
    return Part(
        n=int(counts.sum()),
        total=counts @ y,
        square=counts @ y**2,
        matrix=(y * counts[:, None]).T @ y,
        low=y.min(axis=0),
        high=y.max(axis=0),
        growth=float(counts @ np.log1p(along)),
        each=counts @ np.log1p(y * bet.each),
        worst=y[worst],
        fall=-float(along[worst]),
        lagged=0.0,
        spread=0.0,
        peak=0.0,
    )


def null_run(
    law: Law, rows: int, seed: tuple[int, int], *, tilted: bool = False
) -> tuple[float, float]:
    """The largest log E over all looks, and the last; rows are drawn from P, or from P E."""
    rng = np.random.default_rng(seed)
    test = EProcess(law.support(), np.zeros(law.width), guard=False)
    ends = list(looks(first_look(law.width), rows))
    column = rng.integers(law.width) if rng.random() < 0.5 else None  # of the bet that tilts
    shares = [1 / (j * (j + 1)) for j in range(1, len(ends))]
    start = rng.choice(len(ends), p=[*shares, 1 - sum(shares)]) + 1 if tilted else len(ends)
    for j, n in enumerate(ends):
        bet, tilt = test.bet(), None
        if j >= start:
            along = law.rows @ bet.direction * bet.share
            tilt = law.prob * (
                1 + (along if column is None else law.rows[:, column] * bet.each[column])
            )
            if not (tilt >= 0).all() or abs(tilt.sum() - 1) > 1e-9:
                raise AssertionError("a factor is negative, or its mean is not 1")
            tilt = tilt / tilt.sum()
        y, counts = counted(law, n - test.n, rng, tilt=tilt)
        test.take([part(y, counts, bet)])
    return test.largest, test.log_e


def edge_run(law: Law, rows: int, seed: tuple[int, int]) -> bool:
    """Whether a mean that is off by exactly tol is ever called right."""
    rng = np.random.default_rng(seed)
    sd, support = law.sd(), law.support()
    support = Declared(
        (support.box[0] + SHIFT * sd, support.box[1] + SHIFT * sd), np.inf, np.zeros(law.width)
    )
    test = EProcess(support, np.zeros(law.width), guard=False)
    claim = Equivalence(SHIFT, "sd", np.zeros(law.width), np.zeros(law.width))
    for n in looks(first_look(law.width), rows):
        y, counts = counted(law, n - test.n, rng, SHIFT)
        if test.n:
            # The true deviation as the unit, so that the bias is at the edge and nowhere else.
            sides = claim.sides(sd, test.mean, test.variance, support)
            claim.take(sides, [_logs(sides, y, counts)])
            if claim.holds(BETA):
                return True
        test.learn([part(y, counts, Bet(np.zeros(law.width), 0.0, np.zeros(law.width)))])
    return False


def _logs(sides: Sides, y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    above = counts @ np.log1p(sides.upper * (sides.tol - y))
    return np.stack((above, counts @ np.log1p(sides.lower * (sides.tol + y))))


def calibrate(name: str, runs: int, rows: int) -> str:
    """One line of the table."""
    law = LABS[name]()
    lab = list(LABS).index(name)
    found = np.array([null_run(law, rows, (lab, k)) for k in range(runs)])
    tilted = range(max(runs // 10, 100))
    drawn = [null_run(law, rows, (lab, 2 * 10**9 + k), tilted=True)[1] for k in tilted]
    halves = [2 / (1 + np.exp(-x)) for x in (found[:, 1], np.array(drawn))]  # 2 E / (1 + E)
    mean = sum(x.mean() for x in halves) / 2
    error = np.sqrt(sum(x.var() / len(x) for x in halves)) / 2
    alarms = [f"{(found[:, 0] >= -np.log(level)).mean():.2g}" for level in LEVELS]
    wrong = sum(edge_run(law, rows, (lab, 10**9 + k)) for k in range(runs))
    cells = [name, *alarms, f"{found[:, 0].max():.1f}", f"{mean:.3f} +- {error:.3f}"]
    return "| " + " | ".join([*cells, f"{wrong / runs:.2g}"]) + " |"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bench_calibration")
    parser.add_argument("labs", nargs="*", help="parts of names; all if omitted")
    parser.add_argument("--runs", type=int, default=1000, help="null runs for each law")
    parser.add_argument("--rows", type=int, default=20_000, help="rows of one run")
    chosen = parser.parse_args(arguments)
    names = [n for n in LABS if not chosen.labs or any(part in n for part in chosen.labs)]
    print(f"{chosen.runs:,} runs of up to {chosen.rows:,} rows\n")
    levels = [f"{level:g}" for level in LEVELS]
    print("| law | " + " | ".join([*levels, "largest log E", "mean of E", "false claims"]) + " |")
    print("| --- " * (len(levels) + 4) + "|")
    for name in names:
        print(calibrate(name, chosen.runs, chosen.rows), flush=True)
    return 0


@entry("check_sampled")
def check_sampled() -> Contest:
    """One verdict on a correct tabular REINFORCE from a sample, S=10, A=3, 20 steps."""
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet(np.ones(10), (10, 3)), rng.normal(size=(10, 3))
    mdp = MDP(P, R, gamma=0.9, horizon=20)
    family, theta = Softmax(mdp), rng.normal(size=(10, 3)) / 2

    def verdict() -> Any:
        start = time.process_time()
        found = check_estimator(
            lambda batch: reinforce(batch, family, theta, 0.9), mdp, (family, theta)
        )
        if found.outcome != "unbiased within tol":
            raise AssertionError(f"a correct estimator is {found.outcome}")
        return time.process_time() - start

    return Contest([Competitor("check_estimator", verdict, seconds=float)], [], rounds=5)


if __name__ == "__main__":
    sys.exit(main())
