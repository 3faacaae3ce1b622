"""Ledger: what the verdicts of this process have risked.

Takes     verdicts, as they are given.
Gives     `LEDGER`: how many there were, and the sum of their error rates.
Source    formula: the chance that any of several claims is wrong is at most the sum of theirs.
Not here  what becomes of it (testing's plugin for pytest).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Protocol, TypeVar

KEPT = 1000  # so many verdicts are remembered in words until somebody asks; all are counted


class Judgement(Protocol):
    """A verdict of any kind. Error rates are None where nothing was left to chance."""

    @property
    def outcome(self) -> Any:
        """What was found: "unbiased", "biased", "unbiased within tol" or "inconclusive"."""

    @property
    def claim(self) -> str:
        """In a sentence."""

    @property
    def alpha(self) -> float | None:
        """The chance of a wrong "biased"."""

    @property
    def beta(self) -> float | None:
        """The chance of a wrong "unbiased within tol"."""


GivenVerdict = TypeVar("GivenVerdict", bound=Judgement)


@dataclass(slots=True)
class Spent:
    """What some verdicts have risked together.

    Attributes
    ----------
    checks : int
        Verdicts.
    samples : int
        Those of them that rest on a sample; the others have no error rates.
    alpha, beta : float
        Sums over the samples: chances at most of any wrong "biased", and of any wrong "unbiased
        within tol".
    said : list of (outcome, claim)
        The first thousand, in order.
    """

    checks: int = 0
    samples: int = 0
    alpha: float = 0.0
    beta: float = 0.0
    said: list[tuple[str, str]] = field(default_factory=list)

    def add(self, other: Spent) -> None:
        """The verdicts of another account."""
        self.checks += other.checks
        self.samples += other.samples
        self.alpha += other.alpha
        self.beta += other.beta
        self.said += other.said[: max(KEPT - len(self.said), 0)]


class Ledger:
    """An account of all verdicts since it was last settled.

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.verify import LEDGER, check_estimator
    >>> before = LEDGER.take()
    >>> coin = MDP([[[1.0]]], [[1.0]], gamma=0.5, horizon=2)
    >>> for route in ("exact", "sequential"):
    ...     verdict = check_estimator(lambda b: b.r[:, 0], coin, [[1.0]], target="J", route=route)
    >>> spent = LEDGER.take()
    >>> spent.checks, spent.samples, spent.alpha
    (2, 1, 1e-06)
    """

    def __init__(self) -> None:
        self._spent, self._lock = Spent(), Lock()

    def note(self, verdict: GivenVerdict) -> GivenVerdict:
        """Write a verdict down, and hand it on."""
        alpha, beta = verdict.alpha or 0.0, verdict.beta or 0.0
        said = [(str(verdict.outcome), verdict.claim)]
        one = Spent(1, int(verdict.alpha is not None), float(alpha), float(beta), said)
        with self._lock:
            self._spent.add(one)
        return verdict

    def take(self) -> Spent:
        """Everything since the last time, and start anew."""
        with self._lock:
            spent, self._spent = self._spent, Spent()
        return spent


LEDGER = Ledger()
"""The account of this process."""
