"""What all benchmarks share: the registry, the clock, the true answer, the machine.

Takes     competitors, each a function to time and a way to measure the error of what it returned.
Gives     rows: ratios of times, round by round, beside bounds and true errors.
Not here  the models and the peers (bench_<room>), the table (run).

The clock counts the CPU time of this process, so that other work on the machine disturbs less. In
every round each competitor runs for about as long as the others, in a random order; a ratio is
taken within a round, and the median over rounds is what counts.
"""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg.lapack import dgetrf

ROUNDS = 31
SLICE = 0.004  # seconds of CPU that one competitor has in one round, at least one run


@dataclass(frozen=True)
class Competitor:
    """A function to time; ``error`` and ``bound`` look at what its last timed run returned."""

    name: str
    run: Callable[[], Any]
    error: Callable[[Any], float] | None = None  # the largest true error
    bound: Callable[[Any], float] | None = None  # the largest error that it admits
    seconds: Callable[[Any], float] | None = None  # what it measured itself, instead of the clock
    against: Sequence[str] = ()  # for one of ours: the peers it is compared with; () for all


@dataclass(frozen=True)
class Contest:
    """One entry: our functions against each peer, and the bare calls that nobody can do without."""

    ours: Sequence[Competitor]
    peers: Sequence[Competitor]
    limit: Competitor | None = None
    missing: Sequence[str] = ()
    targets: dict[tuple[str, str], float] = field(default_factory=dict)  # (ours, peer) -> ratio


@dataclass(frozen=True)
class Row:
    """One line of the table. Times are medians of CPU seconds for one run."""

    entry: str
    ours: str
    peer: str
    ratio: float | None = None  # median over the rounds of our time by the peer's
    best: float | None = None  # the smallest such ratio
    target: float | None = None
    seconds: float | None = None
    limit: float | None = None  # median of (time of the bare calls) by our time
    bound: float | None = None
    error: float | None = None
    peer_error: float | None = None


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
def interleave(competitors: Sequence[Competitor], rounds: int) -> tuple[np.ndarray, list[Any]]:
    """Times (competitors, rounds) of one run, and what the last timed run of each returned."""
    answers = [competitor.run() for competitor in competitors]  # compiles and warms the caches
    repeats = [_repeats(competitor) for competitor in competitors]
    times = np.empty((len(competitors), rounds))
    rng = np.random.default_rng(0)
    for r in range(rounds):
        for i in rng.permutation(len(competitors)):
            run = competitors[i].run
            if repeats[i] > 1:
                run()  # what ran before has filled the caches
            start = time.process_time()
            for _ in range(repeats[i]):
                answers[i] = run()
            times[i, r] = (time.process_time() - start) / repeats[i]
            own = competitors[i].seconds
            if own is not None:
                times[i, r] = own(answers[i])
    return times, answers


def _repeats(competitor: Competitor) -> int:
    start = time.process_time()
    competitor.run()
    once = time.process_time() - start
    return 1 if competitor.seconds else max(1, round(SLICE / max(once, 1e-6)))


def compete(name: str, contest: Contest, rounds: int = ROUNDS) -> list[Row]:
    """Run a contest: one row for each of ours against each peer."""
    if not contest.ours:
        return [Row(name, "", f"{library}: not installed") for library in contest.missing]
    field_ = [*contest.ours, *contest.peers, *([contest.limit] if contest.limit else [])]
    times, answers = interleave(field_, rounds)
    rows = []
    for i, mine in enumerate(contest.ours):
        about_us: dict[str, Any] = {
            "entry": name,
            "ours": mine.name,
            "seconds": float(np.median(times[i])),
            "limit": float(np.median(times[-1] / times[i])) if contest.limit else None,
            "bound": mine.bound(answers[i]) if mine.bound else None,
            "error": mine.error(answers[i]) if mine.error else None,
        }
        for j, peer in enumerate(contest.peers, start=len(contest.ours)):
            if mine.against and peer.name not in mine.against:
                continue
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
        for name in ("mdptools", "numpy", "scipy", "quantecon", "pymdptoolbox")
        if _installed(name)
    ]
    return {
        "processor": _processor(),
        "versions": f"Python {platform.python_version()}, " + ", ".join(versions),
        "memory": f"{bandwidth() / 1e9:.1f} GB/s read by one thread",
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


def _best(run: Callable[[], Any], rounds: int, repeats: int = 1) -> float:
    run()
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        for _ in range(repeats):
            run()
        seconds.append((time.process_time() - start) / repeats)
    return min(seconds)


def bandwidth() -> float:
    """Bytes that one thread reads from memory in a second, by a dot product of 2 x 128 MB."""
    x = np.ones(1 << 24)
    y = np.ones(1 << 24)
    return 2 * x.nbytes / _best(lambda: x.dot(y), 5)


def lu_rate(n: int) -> float:
    """Flops of LAPACK's LU in a second, one thread."""
    matrix = np.asfortranarray(np.random.default_rng(0).random((n, n)) + n * np.eye(n))
    return 2 / 3 * n**3 / _best(lambda: dgetrf(matrix), 7, max(1, 100_000 // n**2))
