"""What all benchmarks share: the registry, the clock, the true answer, the machine.

Takes     competitors, each a function to time and a way to measure the error of what it returned.
Gives     rows: ratios of times, round by round, beside bounds and true errors.
Not here  the models and the peers (bench_<room>), the table (run).

The clock counts the CPU time of this process, so that other work on the machine disturbs less; a
contest of several threads is timed by the clock on the wall. In every round each competitor runs
for about as long as the others, in a random order; a ratio is taken within a round, and the median
over rounds is what counts.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg.lapack import dgetrf

import mdptools

ROUNDS = 31
SLICE = 0.004  # seconds of CPU that one competitor has in one round, at least one run
CORRECTIONS = 10  # of a reference, at most
LONG = 0.5  # a first run that takes more seconds than this says how long the others will take


@dataclass(frozen=True)
class Competitor:
    """A function to time; ``error`` and ``bound`` look at what its last timed run returned."""

    name: str
    run: Callable[[], Any]
    error: Callable[[Any], float] | None = None  # the largest true error
    bound: Callable[[Any], float] | None = None  # the largest error that it admits
    seconds: Callable[[Any], float] | None = None  # what it measured itself, instead of the clock
    against: Sequence[str] = ()  # for one of ours: the peers it is compared with; () for all
    read: Callable[[Any], float] | None = None  # bytes that it could not do without reading


@dataclass(frozen=True)
class Contest:
    """One entry: our functions against each peer, and the bare calls that nobody can do without."""

    ours: Sequence[Competitor]
    peers: Sequence[Competitor]
    limit: Competitor | None = None
    missing: Sequence[str] = ()
    targets: dict[tuple[str, str], float] = field(default_factory=dict)  # (ours, peer) -> ratio
    rounds: int = ROUNDS  # at most
    doubt: float = 0.0  # how far the reference itself can be off
    threads: int = 1  # with more than one, the clock is that on the wall


@dataclass(frozen=True)
class Row:
    """One line of the table. Times are medians of seconds for one run."""

    entry: str
    ours: str
    peer: str
    ratio: float | None = None  # median over the rounds of our time by the peer's
    best: float | None = None  # the smallest such ratio
    target: float | None = None
    seconds: float | None = None
    limit: float | None = None  # median of (time of the bare calls, or of reading) by our time
    bound: float | None = None
    error: float | None = None
    peer_error: float | None = None
    doubt: float = 0.0  # of what the errors are measured against


ENTRIES: dict[str, Callable[[], Contest]] = {}


def entry(name: str) -> Callable[[Callable[[], Contest]], Callable[[], Contest]]:
    """Register the function below, which prepares a contest, under a name."""

    def register(prepare: Callable[[], Contest]) -> Callable[[], Contest]:
        if name in ENTRIES:
            raise ValueError(f"two benchmarks are named {name!r}")
        ENTRIES[name] = prepare
        return prepare

    return register


# -- the clock -----------------------------------------------------------------------------------
def interleave(
    competitors: Sequence[Competitor], rounds: int, clock: Callable[[], float]
) -> tuple[np.ndarray, list[Any]]:
    """Times (competitors, rounds) of one run, and what the last timed run of each returned."""
    answers, repeats, once = map(list, zip(*(_first(c, clock) for c in competitors), strict=True))
    times = np.empty((len(competitors), rounds))
    rng = np.random.default_rng(0)
    for r in range(rounds):
        for i in rng.permutation(len(competitors)):
            if rounds == 1 and once[i] > LONG:  # too long to be run for nothing
                times[i, r] = once[i]
                continue
            run = competitors[i].run
            if repeats[i] > 1:
                run()  # what ran before has filled the caches
            answers[i] = None  # a large one is let go before the next is made
            start = clock()
            for _ in range(repeats[i]):
                answers[i] = run()
            times[i, r] = (clock() - start) / repeats[i]
            own = competitors[i].seconds
            if own is not None:
                times[i, r] = own(answers[i])
    return times, answers


def _first(competitor: Competitor, clock: Callable[[], float]) -> tuple[Any, int, float]:
    """A run that compiles and warms the caches, how often to run in each round, and its time."""
    once = np.inf
    for _ in range(2):
        start = clock()
        answer = competitor.run()
        once = min(once, clock() - start)
        if competitor.seconds:
            return answer, 1, 0.0
        if once > LONG:
            return answer, 1, once
    return answer, max(1, round(SLICE / max(once, 1e-6))), once


@contextmanager
def using(threads: int) -> Iterator[None]:
    """Let the library work on so many threads: it looks at the environment in each call."""
    before = os.environ.get("OMP_NUM_THREADS", "1")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        yield
    finally:
        os.environ["OMP_NUM_THREADS"] = before


def compete(name: str, contest: Contest, rounds: int = ROUNDS) -> list[Row]:
    """Run a contest: one row for each of ours against each peer."""
    if not contest.ours:
        return [Row(name, "", f"{library}: not installed") for library in contest.missing]
    field_ = [*contest.ours, *contest.peers, *([contest.limit] if contest.limit else [])]
    clock = time.process_time if contest.threads == 1 else time.perf_counter
    with using(contest.threads):
        times, answers = interleave(field_, min(rounds, contest.rounds), clock)
    rows = []
    for i, mine in enumerate(contest.ours):
        limit = float(np.median(times[-1] / times[i])) if contest.limit else None
        if mine.read is not None:
            reading = mine.read(answers[i]) / bandwidth(contest.threads)
            limit = float(np.median(reading / times[i]))
        about_us: dict[str, Any] = {
            "entry": name,
            "ours": mine.name,
            "seconds": float(np.median(times[i])),
            "limit": limit,
            "bound": mine.bound(answers[i]) if mine.bound else None,
            "error": mine.error(answers[i]) if mine.error else None,
            "doubt": contest.doubt,
        }
        alone = True
        for j, peer in enumerate(contest.peers, start=len(contest.ours)):
            if mine.against and peer.name not in mine.against:
                continue
            alone = False
            ratios = times[i] / times[j]
            rows.append(
                Row(
                    **about_us,
                    peer=peer.name,
                    ratio=float(np.median(ratios)),
                    best=float(ratios.min()),
                    target=contest.targets.get((mine.name, peer.name)),
                    peer_error=peer.error(answers[j]) if peer.error else None,
                )
            )
        rows += [Row(**about_us, peer=f"{peer}: not installed") for peer in contest.missing]
        if alone and not contest.missing:
            rows.append(Row(**about_us, peer=""))
    return rows


# -- the truth -----------------------------------------------------------------------------------
def true_values(
    P: np.ndarray, R: np.ndarray, gamma: float, allowed: np.ndarray | None = None
) -> np.ndarray:
    """V* of a dense model (S, A, S) in extended precision, sharing no code with the library.

    Policy iteration whose linear systems are refined with residuals in long double; what comes
    back is checked by its own Bellman residual.
    """
    P, R = P.astype(np.longdouble), np.array(R, dtype=np.longdouble)
    if allowed is not None:
        R[~allowed] = -np.inf
    states = np.arange(len(P))
    actions = R.argmax(axis=1)
    while True:
        matrix = np.eye(len(P), dtype=np.longdouble) - gamma * P[states, actions]
        inverse = np.linalg.inv(matrix.astype(float))
        V = np.zeros(len(P), dtype=np.longdouble)
        for _ in range(6):  # each gains about ten digits
            V = V + inverse @ (R[states, actions] - matrix @ V)
        Q = R + gamma * (P @ V)
        gain = Q.max(axis=1) - Q[states, actions]
        if gain.max() <= 1e-15 * np.abs(V).max():
            break
        actions = np.where(gain > 0, Q.argmax(axis=1), actions)
    doubt = np.abs(Q.max(axis=1) - V).max() / (1 - gamma)
    if doubt > 1e-12 * max(1.0, float(np.abs(V).max())):
        raise ArithmeticError(f"the reference is not sure of itself: {doubt:.2g}")
    return V


def checked_values(
    mdp: Any, V: np.ndarray, accuracy: float, planner: Callable[..., Any]
) -> tuple[np.ndarray, float]:
    """V* of a large sparse model from a near V, and how far it can be off.

    Whoever found V, ``|V - V*| <= max |TV - V| / (1 - gamma)``, here in extended precision. The
    planner only makes V better: with TV - V for rewards, the greedy policy's values are the
    correction. One more than a tenth of the accuracy off proves nothing.
    """
    P, R, V = (x.astype(np.longdouble) for x in (mdp.P, mdp.R, V))
    first = np.arange(mdp.n_states) * mdp.n_actions
    doubt = np.inf
    for _ in range(CORRECTIONS):
        Q = R + mdp.gamma * (P @ V).reshape(R.shape)
        residual = Q.max(axis=1) - V
        largest = np.abs(residual).max()
        before, doubt = doubt, float(largest) / (1 - mdp.gamma)
        if doubt <= accuracy / 1000 or doubt > before / 2:
            break
        rows, rewards = first + Q.argmax(axis=1), (residual / largest).astype(float)
        chain = mdptools.MDP(mdp.P[rows], rewards, mdp.gamma, terminal=mdp.terminal)
        V = V + largest * planner(chain, tol=1e-3 / (1 - mdp.gamma)).V
    if doubt > accuracy / 10:
        raise ArithmeticError(f"the reference is not sure of itself: {doubt:.2g}")
    return V.astype(float), doubt + 2 * float(np.spacing(float(np.abs(V).max())))


def largest_error(truths: Sequence[np.ndarray], values: Callable[[Any], Any]) -> Any:
    """A function of a list of answers: the largest distance of ``values(answer)`` to its truth."""
    return lambda answers: max(
        float(np.abs(values(answer) - truth).max())
        for answer, truth in zip(answers, truths, strict=True)
    )


# -- the machine ---------------------------------------------------------------------------------
def machine() -> dict[str, str]:
    """Processor, versions, and what one thread of it can do; no name of any host."""
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in (
            "mdptools",
            "numpy",
            "scipy",
            "quantecon",
            "pymdptoolbox",
            "mdpsolver",
            "stormpy",
        )
        if _installed(name)
    ]
    return {
        "processor": _processor(),
        "versions": f"Python {platform.python_version()}, " + ", ".join(versions),
        "memory": f"{bandwidth() / 1e9:.1f} GB/s read by one thread, "
        f"{bandwidth(2) / 1e9:.1f} GB/s by two",
        "LU": ", ".join(f"{lu_rate(n) / 1e9:.1f} Gflop/s at n={n}" for n in (10, 100, 1000)),
    }


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _best(
    run: Callable[[], Any],
    rounds: int,
    repeats: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> float:
    run()
    seconds = []
    for _ in range(rounds):
        start = clock()
        for _ in range(repeats):
            run()
        seconds.append((clock() - start) / repeats)
    return min(seconds)


@functools.cache
def bandwidth(threads: int = 1) -> float:
    """Bytes that so many threads read from memory in a second, by dot products of 2 x 128 MB."""
    x = np.ones(1 << 24)
    y = np.ones(1 << 24)
    if threads == 1:
        return 2 * x.nbytes / _best(lambda: x.dot(y), 5)
    parts = list(zip(np.array_split(x, threads), np.array_split(y, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:
        read = functools.partial(pool.map, lambda part: part[0].dot(part[1]))
        return 2 * x.nbytes / _best(lambda: list(read(parts)), 5, clock=time.perf_counter)


def lu_rate(n: int) -> float:
    """Flops of LAPACK's LU in a second, one thread."""
    matrix = np.asfortranarray(np.random.default_rng(0).random((n, n)) + n * np.eye(n))
    return 2 / 3 * n**3 / _best(lambda: dgetrf(matrix), 7, max(1, 100_000 // n**2))
