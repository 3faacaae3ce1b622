"""Planning and evaluation of small models against quantecon and pymdptoolbox, and import times.

Takes     Garnet models and a frozen lake from fixed seeds; both sides start from a built model.
Gives     entries of the registry.
Source    quantecon.markov.DiscreteDP; mdptoolbox.mdp.
Not here  large and sparse models.

Each peer has the settings that make it right: more than 250 sweeps for quantecon's value iteration,
and the epsilon that brings its true error below 1e-8. pymdptoolbox has no model to build once: its
solvers are made anew, and check their input anew, in each run.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.linalg.lapack import dgetrf, dgetrs

import mdptools
from mdptools import problems

from . import THREADS
from .common import Competitor, Contest, entry, largest_error, true_values

EPSILON = 1e-8  # the accuracy that everybody has to reach


def absent(*modules: str) -> list[str]:
    """Those that are not installed."""
    return [module for module in modules if importlib.util.find_spec(module) is None]


def peer_models(models: list[Any]) -> list[Any]:
    """The same models as quantecon's DiscreteDP; empty where it is not installed."""
    if absent("quantecon"):
        return []
    from quantecon.markov import DiscreteDP

    return [DiscreteDP(np.where(m.allowed, m.R, -np.inf), np.array(m.P), m.gamma) for m in models]


def toolbox(models: list[Any], solver: str, truths: Any, **options: Any) -> list[Competitor]:
    """A solver of pymdptoolbox on the same models; empty where it is not installed."""
    if absent("mdptoolbox"):
        return []
    import mdptoolbox.mdp

    make = getattr(mdptoolbox.mdp, solver)
    tensors = [(np.array(m.P.transpose(1, 0, 2)), np.array(m.R), m.gamma) for m in models]

    def run() -> list[Any]:
        answers = [make(P, R, gamma, **options) for P, R, gamma in tensors]
        for answer in answers:
            answer.run()
        return answers

    error = largest_error(truths, lambda answer: np.array(answer.V))
    return [Competitor(f"pymdptoolbox {solver}", run, error)]


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


def theirs(method: str, models: list[Any], truths: Any, **options: Any) -> Competitor:
    """One of quantecon's methods on all the models."""
    return Competitor(
        f"quantecon {method}",
        lambda: [m.solve(method=method, **options) for m in models],
        error=largest_error(truths, lambda result: result.v),
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
    peers = peer_models(models)
    rivals = []
    if peers:
        rivals = [
            theirs("policy_iteration", peers, truths),
            theirs("modified_policy_iteration", peers, truths, epsilon=EPSILON, max_iter=10_000),
            theirs("value_iteration", peers, truths, epsilon=EPSILON, max_iter=100_000),
        ]
    rivals += toolbox(models, "PolicyIteration", truths)
    rival = "quantecon policy_iteration"
    mine = [
        ours("policy_iteration", models, truths),
        ours("solve", models, truths, against=(rival,)),
    ]
    return Contest(
        mine,
        rivals,
        one_lu_and_one_product(models),
        absent("quantecon", "mdptoolbox"),
        {(one.name, rival): target for one in mine} if target else {},
    )


@entry("plan_10")
def plan_10() -> Contest:
    """S=10, A=4, dense P with 8 successors of each pair, gamma .99."""
    return garnets(10, 8, target=0.6)


@entry("plan_batch")
def plan_batch() -> Contest:
    """2,000 Dirichlet models, S=10, A=4, gamma .99, in one call; the peer in a loop."""
    rng = np.random.default_rng(0)
    P, R = rng.dirichlet(np.ones(10), (2000, 10, 4)), rng.normal(size=(2000, 10, 4))
    few = range(0, 2000, 100)
    truths = [true_values(P[i], R[i], 0.99) for i in few]
    models = [mdptools.MDP(p, r, 0.99) for p, r in zip(P, R, strict=True)]
    peers = peer_models(models)
    rivals = [
        Competitor(
            "quantecon policy_iteration",
            lambda: [m.solve(method="policy_iteration") for m in peers],
            error=lambda results: largest_error(truths, lambda r: r.v)([results[i] for i in few]),
        )
        for _ in peers[:1]
    ]
    mine = Competitor(
        "solve_batch",
        lambda: mdptools.solve_batch(P, R, 0.99),
        error=lambda found: largest_error(truths, lambda V: V)([found.V[i] for i in few]),
        bound=lambda found: float(found.bound.max()),
    )
    targets = {("solve_batch", "quantecon policy_iteration"): 0.1}
    return Contest([mine], rivals, None, absent("quantecon"), targets)


@entry("plan_10_few")
def plan_10_few() -> Contest:
    """The same with 3 successors: more policies have to be tried."""
    return garnets(10, 3)


@entry("plan_100")
def plan_100() -> Contest:
    """S=100, A=4, dense P with 8 successors of each pair, gamma .99."""
    return garnets(100, 8, target=0.8)


@entry("plan_100_full")
def plan_100_full() -> Contest:
    """The same with 100 successors: the best case of the peers, one policy is enough."""
    return garnets(100, 100)


@entry("plan_1000")
def plan_1000() -> Contest:
    """S=1000, A=10, dense P with 20 successors of each pair, gamma .99, to 1e-8."""
    models = [problems.garnet(1000, 10, 20, gamma=0.99, rng=0)]
    truths = [true_values(m.P, m.R, m.gamma) for m in models]
    rivals = [
        theirs(method, peers, truths, **options)
        for peers in [peer_models(models)]
        if peers
        for method, options in (
            ("modified_policy_iteration", {"epsilon": EPSILON, "max_iter": 10_000}),
            ("policy_iteration", {}),
        )
    ]
    mine = [
        ours("modified_policy_iteration", models, truths, tol=EPSILON),
        ours("solve", models, truths, tol=EPSILON),
    ]
    targets = {(mine[0].name, rival.name): 0.7 for rival in rivals}
    return Contest(mine, rivals, missing=absent("quantecon"), targets=targets)


@entry("value_iteration_lake")
def value_iteration_lake() -> Contest:
    """Value iteration to 1e-8 on Gymnasium's FrozenLake 8x8, slippery, gamma .99."""
    if absent("gymnasium"):
        return Contest([], [], missing=["gymnasium"])
    import gymnasium

    lake = gymnasium.make("FrozenLake-v1", map_name="8x8")
    models = [mdptools.from_gymnasium(lake, gamma=0.99)]
    truths = [true_values(m.P, m.R, m.gamma, m.allowed) for m in models]
    peers = peer_models(models)
    rivals = []
    if peers:
        rivals = [
            theirs("value_iteration", peers, truths, epsilon=EPSILON, max_iter=100_000),
            theirs("modified_policy_iteration", peers, truths, epsilon=EPSILON, max_iter=10_000),
            theirs("policy_iteration", peers, truths),
        ]
    rivals += toolbox(models, "ValueIteration", truths, epsilon=EPSILON, max_iter=100_000)
    sweeping = ("quantecon value_iteration", "pymdptoolbox ValueIteration")
    mine = [
        ours("value_iteration", models, truths, against=sweeping, tol=EPSILON),
        ours("solve", models, truths),
    ]
    return Contest(mine, rivals, missing=absent("quantecon", "mdptoolbox"))


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
    peers = peer_models([mdp])
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


def importing(statement: str) -> Callable[[], float]:
    """A run of a fresh interpreter that says how many CPU seconds a statement took."""
    code = (
        f"import time; start = time.process_time(); {statement}; print(time.process_time() - start)"
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
