"""Planning and evaluation of dense models against the peers, and import times.

Takes     Garnet models, a ring and a frozen lake from fixed seeds; both sides start from a built
          model.
Gives     entries of the registry.
Not here  sparse models (bench_sparse), other objectives (bench_episodes, bench_average), the peers
          and their settings (peers).
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

import mdptools
from mdptools import problems

from . import THREADS
from .common import Competitor, Contest, entry, largest_error, true_values
from .models import ring
from .peers import (
    EPSILON,
    absent,
    from_arrays,
    mdpsolver,
    mdpsolver_models,
    quantecon,
    quantecon_models,
    toolbox,
)

PEERS = ("quantecon", "mdptoolbox", "mdpsolver")


def ours(
    name: str, models: list[Any], truths: Any, against: tuple[str, ...] = (), **options: Any
) -> Competitor:
    """One of our planners on all the models."""
    plan = functools.partial(getattr(mdptools, name), **options)
    return Competitor(
        name,
        lambda: [plan(m) for m in models],
        error=largest_error(truths, lambda solution: solution.V),
        bound=lambda solutions: max(s.certificate.bound for s in solutions),
        against=against,
    )


def one_lu_and_one_product(models: list[Any]) -> Competitor:
    """What certified policy iteration cannot do without: an LU, a solve and a product P V."""
    n_states, n_actions = models[0].R.shape
    flat = models[0].P.reshape(-1, n_states)
    matrix = np.asfortranarray(np.eye(n_states) - models[0].gamma * models[0].P[:, 0])
    b = models[0].R[:, 0]

    def run() -> None:
        for _ in models:
            lu, pivots, _ = dgetrf(matrix)
            x, _ = dgetrs(lu, pivots, b)
            flat.dot(x).reshape(n_states, n_actions).argmax(axis=1)

    return Competitor("limit", run)


def garnets(n_states: int, branching: int, target: float | None = None) -> Contest:
    """Random models, all solved in one run: 20 where S = 10, 8 where S = 100."""
    seeds = range(20 if n_states < 100 else 8)
    models = [problems.garnet(n_states, 4, branching, gamma=0.99, rng=seed) for seed in seeds]
    truths = [true_values(m.P, m.R, m.gamma) for m in models]
    peers = quantecon_models(models)
    rivals = [
        *quantecon("policy_iteration", peers, truths),
        *quantecon("modified_policy_iteration", peers, truths),
        *quantecon("value_iteration", peers, truths),
        *mdpsolver(mdpsolver_models(models), truths),
        *toolbox("PolicyIteration", models, truths),
    ]
    rival = "quantecon policy_iteration"
    mine = [
        ours("policy_iteration", models, truths),
        ours("solve", models, truths, against=(rival, "mdpsolver mpi")),
    ]
    return Contest(
        mine,
        rivals,
        one_lu_and_one_product(models),
        absent(*PEERS),
        {(one.name, rival): target for one in mine} if target else {},
    )


@entry("plan_10")
def plan_10() -> Contest:
    """S=10, A=4, dense P with 8 successors of each pair, gamma .99."""
    return garnets(10, 8, target=0.5)


@entry("plan_10_few")
def plan_10_few() -> Contest:
    """The same with 3 successors: more policies have to be tried."""
    return garnets(10, 3)


@entry("plan_100")
def plan_100() -> Contest:
    """S=100, A=4, dense P with 8 successors of each pair, gamma .99."""
    return garnets(100, 8, target=0.7)


@entry("plan_100_full")
def plan_100_full() -> Contest:
    """The same with 100 successors: the best case of the peers, one policy is enough."""
    return garnets(100, 100)


@entry("plan_batch")
def plan_batch() -> Contest:
    """10,000 Dirichlet models, S=10, A=4, gamma .99: from arrays in one call; the peers in a loop.

    The peers are timed from models that are built, and where it says "from arrays" with the time
    of building them, as ours is.
    """
    n = 10_000
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet(np.ones(10), (n, 10, 4)), rng.normal(size=(n, 10, 4))
    few = range(0, n, n // 20)
    truths = [true_values(P[i], R[i], 0.99) for i in few]
    models = [mdptools.MDP(p, r, 0.99) for p, r in zip(P, R, strict=True)]
    built = [
        *quantecon("policy_iteration", quantecon_models(models), truths),
        *mdpsolver(mdpsolver_models(models), truths),
    ]
    rivals = [replace(rival, error=at(few, rival.error)) for rival in built]
    rivals += [replace(rival, error=at(few, rival.error)) for rival in from_arrays(P, R, truths)]
    mine = Competitor(
        "solve_batch",
        lambda: mdptools.solve_batch(P, R, 0.99),
        error=lambda found: largest_error(truths, lambda V: V)([found.V[i] for i in few]),
        bound=lambda found: float(found.bound.max()),
    )
    targets = {(mine.name, rival.name): 0.1 for rival in rivals}
    return Contest([mine], rivals, None, absent(*PEERS[::2]), targets, rounds=5)


def at(few: range, error: Any) -> Callable[[Any], float]:
    """The error of some of the answers, for which the truth is known."""
    return lambda answers: error([answers[i] for i in few])


def large_dense(mdp: Any, target: float, rounds: int) -> Contest:
    """One model of a thousand states or more, to 1e-8."""
    models = [mdp]
    truths = [true_values(mdp.P, mdp.R, mdp.gamma)]
    peers = quantecon_models(models)
    theirs = [
        *quantecon("modified_policy_iteration", peers, truths, k=20),
        *quantecon("modified_policy_iteration", peers, truths, k=100),
        *quantecon("policy_iteration", peers, truths),
    ]
    mine = [
        ours("solve", models, truths, tol=EPSILON),
        ours("policy_iteration", models, truths, against=(theirs[-1].name,) if theirs else ()),
    ]
    targets = {(mine[0].name, rival.name): target for rival in theirs}
    rivals = [*theirs, *mdpsolver(mdpsolver_models(models), truths)]
    return Contest(mine, rivals, None, absent(*PEERS[::2]), targets, rounds=rounds)


@entry("plan_1000")
def plan_1000() -> Contest:
    """S=1000, A=10, dense P with 20 successors of each pair, gamma .99, to 1e-8."""
    return large_dense(problems.garnet(1000, 10, 20, gamma=0.99, rng=0), 0.7, 11)


@entry("plan_1000_full")
def plan_1000_full() -> Contest:
    """S=1000, A=20, dense P with 1,000 successors of each pair, gamma .99, to 1e-8."""
    return large_dense(problems.garnet(1000, 20, 1000, gamma=0.99, rng=0), 0.7, 7)


@entry("plan_2000")
def plan_2000() -> Contest:
    """S=2000, A=10, dense P with 20 successors of each pair, gamma .99, to 1e-8."""
    return large_dense(problems.garnet(2000, 10, 20, gamma=0.99, rng=0), 0.7, 5)


@entry("plan_ring")
def plan_ring() -> Contest:
    """A ring that mixes slowly, S=1000, A=10, dense P, gamma .99, to 1e-8."""
    return large_dense(ring(1000, 10, 0.99), 0.9, 7)


@entry("value_iteration_lake")
def value_iteration_lake() -> Contest:
    """Value iteration to 1e-8 on Gymnasium's FrozenLake 8x8, slippery, gamma .99."""
    if absent("gymnasium"):
        return Contest([], [], missing=["gymnasium"])
    import gymnasium

    lake = gymnasium.make("FrozenLake-v1", map_name="8x8")
    models = [mdptools.from_gymnasium(lake, gamma=0.99)]
    truths = [true_values(m.P, m.R, m.gamma, m.allowed) for m in models]
    peers = quantecon_models(models)
    rivals = [
        *quantecon("value_iteration", peers, truths),
        *quantecon("modified_policy_iteration", peers, truths),
        *quantecon("policy_iteration", peers, truths),
        *mdpsolver(mdpsolver_models(models), truths),
        *toolbox("ValueIteration", models, truths, epsilon=EPSILON, max_iter=100_000),
    ]
    sweeping = ("quantecon value_iteration", "pymdptoolbox ValueIteration")
    mine = [
        ours("value_iteration", models, truths, against=sweeping, tol=EPSILON),
        ours("solve", models, truths),
    ]
    return Contest(mine, rivals, missing=absent(*PEERS))


@entry("evaluate_1000")
def evaluate_1000() -> Contest:
    """V, Q, J and visits with certificates of one deterministic policy, S=1000, A=4."""
    mdp = problems.garnet(1000, 4, 20, gamma=0.99, rng=0)
    actions = mdp.R.argmax(axis=1)
    pi = mdptools.deterministic_policy(mdp, actions)
    states = np.arange(len(actions))
    truths = [
        true_values(mdp.P[states, actions][:, None, :], mdp.R[states, actions][:, None], mdp.gamma)
    ]
    peers = quantecon_models([mdp])
    rivals = [
        Competitor(
            "quantecon evaluate_policy (V alone)",
            lambda: [peers[0].evaluate_policy(actions)],
            error=largest_error(truths, lambda V: V),
        )
        for _ in peers
    ]
    rivals.append(
        Competitor(
            "numpy.linalg.solve (V alone)",
            lambda: [
                np.linalg.solve(
                    np.eye(len(states)) - mdp.gamma * mdp.P[states, actions],
                    mdp.R[states, actions],
                )
            ],
            error=largest_error(truths, lambda V: V),
        )
    )
    mine = Competitor(
        "evaluate",
        lambda: [mdptools.evaluate(mdp, pi)],
        error=largest_error(truths, lambda evaluation: evaluation.V),
        bound=lambda evaluations: evaluations[0].certificate.bound,
    )
    return Contest([mine], rivals, one_lu_and_one_product([mdp]), absent("quantecon"))


def importing(statement: str, before: str = "time") -> Callable[[], float]:
    """A run of a fresh interpreter that says how many CPU seconds a statement took."""
    code = (
        f"import time, {before}; start = time.process_time(); {statement}; "
        f"print(time.process_time() - start)"
    )
    command = [sys.executable, "-c", code]
    # As a user has it: NumPy starts the threads of its linear algebra.
    env = {name: value for name, value in os.environ.items() if name not in THREADS}
    return lambda: float(subprocess.run(command, check=True, capture_output=True, env=env).stdout)


@entry("import")
def imports() -> Contest:
    """CPU time of importing, in fresh interpreters, against NumPy's."""
    package, model, numpy = (
        Competitor(statement, importing(statement), seconds=float)
        for statement in ("import mdptools", "from mdptools import MDP", "import numpy")
    )
    return Contest([package, model], [numpy], targets={(model.name, numpy.name): 1.3})


@entry("import_plugin")
def plugin() -> Contest:
    """What pytest loads where mdptools is installed and not used, against 10 ms."""
    mine = Competitor(
        "import mdptools.testing.plugin",
        importing("import mdptools.testing.plugin", before="pytest"),
        seconds=float,
    )
    limit = Competitor("10 milliseconds", lambda: 0.01, seconds=float)
    return Contest([mine], [limit], targets={(mine.name, limit.name): 1.0})
