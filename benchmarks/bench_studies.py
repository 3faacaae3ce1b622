"""Exact optimisers against the evaluations that they cannot do without, and against loops.

Takes     Garnet models.
Gives     entries of the registry: 1,000 iterations of one rule; many models in one call.
Source    a bare evaluation is P_pi by einsum and V by one LU of LAPACK: no visits, Q or checks.
Not here  a single gradient or Hessian (`bench_gradients`).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from mdptools import problems
from mdptools.studies import GradientAscent, NaturalPolicyGradient, run_stacked, run_study

from .common import Competitor, Contest, entry

ITERATIONS = 1_000
TIMES = 1.5  # of so many bare evaluations
MODELS, STEPS = 1_000, 200
LOOPED = 20  # models of a loop that are run; the time of all is in proportion
FASTER = 20  # than the loop


@entry("npg_100")
def npg_100() -> Contest:
    """1,000 NPG iterations, S=100, A=4, dense P, gamma .99, against as many evaluations."""
    mdp = problems.garnet(100, 4, 8, gamma=0.99, rng=0)
    rule = NaturalPolicyGradient(step_size=1e-3)
    pi = np.full((100, 4), 0.25)
    identity = np.eye(100)

    def bare() -> None:
        for _ in range(ITERATIONS):
            chain = np.einsum("sa,sat->st", pi, mdp.P)
            np.linalg.solve(identity - mdp.gamma * chain, (pi * mdp.R).sum(axis=1))

    def loop() -> Any:
        x = rule.start(mdp)
        for t in range(ITERATIONS):
            x = rule.step(mdp, x, t)
        return rule.policy(mdp, x)

    last = loop()
    runs: list[tuple[str, Callable[[], Any], Callable[[Any], Any]]] = [
        ("run_stacked, one model", lambda: run_stacked(mdp, rule, ITERATIONS), lambda r: r.pi[0]),
        ("run_study", lambda: run_study(mdp, rule, ITERATIONS), lambda r: r[0].trace.pi[-1]),
        ("rule.step in a loop", loop, lambda pi: pi),
    ]
    mine = [
        Competitor(name, run, error=lambda r, of=of: float(np.abs(of(r) - last).max()))
        for name, run, of in runs
    ]
    peer = Competitor("1,000 bare evaluations", bare)
    targets = {(one.name, peer.name): TIMES for one in mine[:2]}
    return Contest(mine, [peer], targets=targets, rounds=11)


@entry("stacked_5")
def stacked_5() -> Contest:
    """200 softmax PG steps on 1,000 models, S=5, A=2, in one call, against loops over models."""
    models = [problems.garnet(5, 2, 3, gamma=0.9, rng=i) for i in range(MODELS)]
    rule = GradientAscent(step_size=0.1)

    def steps(mdp: Any) -> Any:
        x = rule.start(mdp)
        for t in range(STEPS):
            x = rule.step(mdp, x, t)
        return x

    def timed(each: Callable[[Any], Any]) -> Callable[[], Any]:
        def run() -> tuple[float, Any]:
            start = time.process_time()
            found = [each(mdp) for mdp in models[:LOOPED]]
            return (time.process_time() - start) * MODELS / LOOPED, found

        return run

    ends = np.stack([steps(mdp) for mdp in models[:LOOPED]])
    mine = Competitor(
        "run_stacked",
        lambda: run_stacked(models, rule, STEPS),
        error=lambda runs: float(np.abs(runs.x[:LOOPED] - ends).max()),
    )
    peers = [
        Competitor("loop over rule.step", timed(steps), seconds=lambda answer: answer[0]),
        Competitor(
            "loop over run_study, with J and gaps",
            timed(lambda mdp: run_study(mdp, rule, STEPS)[0].gap),
            seconds=lambda answer: answer[0],
        ),
    ]
    targets = {(mine.name, peer.name): 1 / FASTER for peer in peers}
    return Contest([mine], peers, targets=targets, rounds=5)
