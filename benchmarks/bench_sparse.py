"""Sparse models against the peers: random, with a goal, in layers; one policy; memory.

Takes     models of 40,000 to a million states from fixed seeds; both sides start from a built
          model.
Gives     entries of the registry. Those that begin with "large_" take gigabytes and minutes.
Not here  dense models (bench_planning), other objectives (bench_episodes, bench_average).

`limit` is the part of our time that it takes to read P and R from memory as often as the answer
says that all states were backed up: sweeps of one policy and all arithmetic would be free.

mdpsolver keeps each row of P in vectors of its own, which it is handed as Python lists. It is timed
at 100,000 states, except on the grid, where it takes 45 seconds at 40,000; a million states would
take minutes to hand over, and more to solve.
"""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import mdptools
from mdptools import problems

from .common import Competitor, Contest, checked_values, entry, largest_error
from .models import grid, layers
from .peers import EPSILON, absent, mdpsolver, mdpsolver_models, quantecon, quantecon_models

GIB = 2**30


def size(mdp: Any) -> int:
    """Bytes of P and R: what one backup reads."""
    parts = (mdp.P.data, mdp.P.indices, mdp.P.indptr, mdp.R)
    return sum(part.nbytes for part in parts)


def planner(name: str, mdp: Any, truth: np.ndarray, against: Sequence[str] = ()) -> Competitor:
    """One of our planners on one model."""
    plan = getattr(mdptools, name)
    return Competitor(
        name,
        lambda: plan(mdp, tol=EPSILON),
        error=lambda solution: float(np.abs(solution.V - truth).max()),
        bound=lambda solution: solution.certificate.bound,
        read=lambda solution: solution.sweeps * size(mdp),
        against=against,
    )


def contest(
    mdp: Any,
    names: Sequence[str],
    inner: Sequence[int],
    target: float,
    *,
    reference: str,
    small: bool = False,
    **keywords: Any,
) -> Contest:
    """Our planners against quantecon's with so many inner sweeps, to 1e-8.

    The target is for each of ours against each of quantecon's. ``reference`` is the planner
    whose answer, refined and checked, is the truth; ``small`` models go to mdpsolver as well.
    """
    plan = getattr(mdptools, reference)
    truth, doubt = checked_values(mdp, plan(mdp, tol=EPSILON).V, EPSILON, plan)
    for rival in quantecon("modified_policy_iteration", quantecon_models([grid(3, 0.9)]), None):
        rival.run()  # compiles: the entries of one round have no other run before it
    built = quantecon_models([mdp])
    theirs = [
        rival for k in inner for rival in quantecon("modified_policy_iteration", built, [truth], k)
    ]
    others = mdpsolver(mdpsolver_models([mdp]), [truth]) if small else []
    return Contest(
        [planner(name, mdp, truth) for name in names],
        [*theirs, *others],
        missing=absent("quantecon", *(["mdpsolver"] if small else [])),
        targets={(name, rival.name): target for name in names for rival in theirs},
        doubt=doubt,
        **keywords,
    )


@entry("sparse_garnet")
def sparse_garnet() -> Contest:
    """Garnet, S=100,000, A=4, 5 successors, gamma .99, to 1e-8."""
    mdp = problems.garnet(100_000, 4, 5, gamma=0.99, rng=0, sparse=True)
    names = ("solve", "modified_policy_iteration")
    return contest(mdp, names, (10, 20), 0.75, reference=names[1], small=True, rounds=5)


@entry("sparse_grid")
def sparse_grid() -> Contest:
    """Grid 200 x 200, slip .1, gamma .999, a goal that ends it, to 1e-8."""
    mdp = grid(200, 0.999)
    names = ("solve", "gauss_seidel_value_iteration")
    return contest(mdp, names, (20, 100), 0.45, reference=names[1], rounds=3)


@entry("sparse_layers")
def sparse_layers() -> Contest:
    """100 layers of 1,000 states, A=4, 5 successors, gamma .99, to 1e-8."""
    mdp = layers(100, 1000, 4, 0.99)
    names = ("solve", "topological_value_iteration")
    return contest(mdp, names, (20, 100), 0.2, reference=names[1], small=True, rounds=3)


@entry("sparse_evaluate")
def sparse_evaluate() -> Contest:
    """V, Q, J, visits of one policy with certificates, Garnet S=100,000; the loop gives V alone."""
    return evaluation(100_000, rounds=3)


@entry("large_garnet")
def large_garnet() -> Contest:
    """Garnet, S=1,000,000, A=4, 5 successors, gamma .99, to 1e-8, one thread, CPU time."""
    names = ("solve", "modified_policy_iteration")
    return contest(million(), names, (10, 20), 0.75, reference=names[1], rounds=3)


@entry("large_garnet_wall")
def large_garnet_wall() -> Contest:
    """The same on two threads, by the clock on the wall; quantecon has no threads for it."""
    names = ("solve", "modified_policy_iteration")
    return contest(million(), names, (10, 20), 0.45, reference=names[1], rounds=3, threads=2)


@entry("large_grid")
def large_grid() -> Contest:
    """Grid 1000 x 1000, slip .1, gamma .999, a goal that ends it, to 1e-8."""
    names = ("solve", "gauss_seidel_value_iteration")
    return contest(grid(1000, 0.999), names, (20,), 0.45, reference=names[1], rounds=1)


@entry("large_layers")
def large_layers() -> Contest:
    """1,000 layers of 1,000 states, A=4, 5 successors, gamma .99, to 1e-8."""
    names = ("solve", "topological_value_iteration")
    return contest(layers(1000, 1000, 4, 0.99), names, (20, 100), 0.2, reference=names[1], rounds=1)


@entry("large_evaluate")
def large_evaluate() -> Contest:
    """The same with S=1,000,000."""
    return evaluation(1_000_000, rounds=1)


def million() -> Any:
    return problems.garnet(1_000_000, 4, 5, gamma=0.99, rng=0, sparse=True)


def evaluation(n_states: int, **keywords: Any) -> Contest:
    """One deterministic policy, against the loop that anybody would write."""
    mdp = problems.garnet(n_states, 4, 5, gamma=0.99, rng=0, sparse=True)
    actions = mdp.R.argmax(axis=1)
    pi = mdptools.deterministic_policy(mdp, actions)
    rows = np.arange(n_states) * mdp.n_actions + actions
    chain, rewards = mdp.P[rows], mdp.R.ravel()[rows]

    def loop() -> np.ndarray:
        V: np.ndarray = rewards
        while True:
            before, V = V, rewards + mdp.gamma * (chain @ V)
            if np.abs(V - before).max() * mdp.gamma <= EPSILON * (1 - mdp.gamma):
                return V

    first = mdptools.evaluate(mdp, pi).V
    alone = mdptools.MDP(chain, rewards, mdp.gamma, terminal=())
    truth, doubt = checked_values(alone, first, EPSILON, mdptools.modified_policy_iteration)
    mine = Competitor(
        "evaluate",
        lambda: mdptools.evaluate(mdp, pi),
        error=lambda found: float(np.abs(found.V - truth).max()),
        bound=lambda found: found.certificate.bound,
    )
    peer = Competitor(
        "loop V <- R_pi + gamma P_pi V", lambda: [loop()], largest_error([truth], lambda V: V)
    )
    return Contest([mine], [peer], doubt=doubt, **keywords)


# -- memory --------------------------------------------------------------------------------------
# A fresh interpreter builds, solves and certifies. Linux forgets the peak when "5" is written into
# clear_refs: so the peak of solving alone is known, above what stood there before.
MEMORY = """
import resource, sys
from pathlib import Path
def resident(what):
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) * 1024
from mdptools import evaluate, problems, solve
from mdptools.policies import deterministic_policy
empty = resident("VmRSS")
mdp = problems.garnet(int(sys.argv[1]), 4, 5, gamma=0.99, rng=0, sparse=True)
building = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
Path("/proc/self/clear_refs").write_text("5")
if sys.argv[2] == "solve":
    bound = solve(mdp, tol=1e-8).certificate.bound
else:
    bound = evaluate(mdp, deterministic_policy(mdp, mdp.R.argmax(axis=1))).certificate.bound
model = sum(x.nbytes for x in (mdp.P.data, mdp.P.indices, mdp.P.indptr, mdp.R, mdp.allowed))
working = resident("VmHWM")
print(max(building, working), working - empty, model, 8 * mdp.R.size, bound)
"""


@functools.cache
def measured(n_states: int, what: str) -> tuple[float, ...]:
    """Peak of the process, that of the work alone, bytes of the model and of S*A, the bound."""
    command = [sys.executable, "-c", MEMORY, str(n_states), what]
    answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return tuple(float(number) for number in answer.split())


def memory(what: str) -> Contest:
    """Bytes instead of seconds; rows are fractions of what is allowed."""
    if not sys.platform.startswith("linux"):
        return Contest([], [], missing=["/proc"])

    def taking(name: str, of: Callable[[tuple[float, ...]], float], **keywords: Any) -> Competitor:
        return Competitor(
            name, lambda: measured(1_000_000, what), seconds=of, bound=lambda m: m[4], **keywords
        )

    limits = [
        taking("4 GiB", lambda _: 4 * GIB),
        taking("1.3 models + 12 S*A", lambda m: 1.3 * m[2] + 12 * m[3]),
    ]
    mine = [
        taking(f"building and {what}", lambda m: m[0], against=(limits[0].name,)),
        taking(f"model and {what}", lambda m: m[1], against=(limits[1].name,)),
    ]
    targets = {(one.name, limit.name): 1.0 for one, limit in zip(mine, limits, strict=True)}
    return Contest(mine, limits, targets=targets, rounds=1)


@entry("large_memory_solve")
def large_memory_solve() -> Contest:
    """Bytes at the peak of building, solving and certifying Garnet, S=1,000,000, to 1e-8."""
    return memory("solve")


@entry("large_memory_evaluate")
def large_memory_evaluate() -> Contest:
    """The same for one policy: V, Q, J and visits."""
    return memory("evaluate")
