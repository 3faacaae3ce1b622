"""Played: episodes of random play, and how often each thing happened that a model speaks of.

Takes     an environment with Gymnasium's reset() and step(), and an MDP.
Gives     `Book`, the counts beside their probabilities; `Play`, which fills it.
Source    the meaning of terminated and truncated is Gymnasium's.
Not here  the verdict (`environment`), error rates (`_counts`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..model import MDP
from ..structure import reachable
from ._counts import Groups

CLOSE = 1e-6  # rewards are equal up to so many times the largest
MOST = 5  # differences that are listed
EMPTY = 2000  # so many more episodes than steps, and none of them goes anywhere
START = -1  # in the place of a pair (s, a): where episodes start

StateOf = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Difference:
    """One outcome that the environment and the model disagree about.

    Attributes
    ----------
    state, action : int or None
        Where it follows; None for the start of an episode.
    outcome : str
        In words: "to state 5 with reward 0".
    expected, observed : float
        Its probability in the model, and its share of what was seen.
    count, tried : int
        How often it was seen, in how many trials.
    place : str
        State and action by name.
    """

    state: int | None
    action: int | None
    outcome: str
    expected: float
    observed: float
    count: int
    tried: int
    place: str

    def __str__(self) -> str:
        odds = "impossible" if self.expected == 0 else f"probability {self.expected:.4g}"
        return (
            f"{self.place}: {self.outcome}: {odds} in the model, seen {self.count:,} of "
            f"{self.tried:,} times ({self.observed:.4g})"
        )


class Book:
    """What the model says can happen, and how often it did.

    Outcomes of a pair are (successor, reward), those of the start are states. Groups of outcomes
    are the start, then the pairs that the model can reach.
    """

    def __init__(self, mdp: MDP, *, compare_rewards: bool) -> None:
        self.mdp = mdp
        self.law = law = mdp.branches
        self.offsets, n_actions = law.offsets.tolist(), mdp.n_actions
        noisy = np.zeros((mdp.n_states, n_actions)) if mdp.reward_std is None else mdp.reward_std
        self.paying = np.ravel(noisy == 0) & compare_rewards
        self.noisy = bool(compare_rewards and not self.paying.all())
        self.close = CLOSE * float(np.abs(law.reward).max(initial=0.0))
        self.end = _added_end(mdp)
        live = reachable(mdp) & ~mdp.terminal
        pairs = np.flatnonzero(live[:, None] & mdp.allowed).tolist()
        self.columns: dict[tuple[int, int, float], int] = {}
        probs: list[float] = []
        group: list[int] = []

        def add(key: tuple[int, int, float], p: float, g: int) -> None:
            if p > 0 and key not in self.columns:
                self.columns[key] = len(probs)
                probs.append(p)
                group.append(g)
            elif p > 0:
                probs[self.columns[key]] += p

        for s in np.flatnonzero(mdp.mu).tolist():
            add((START, s, 0.0), float(mdp.mu[s]), 0)
        for g, pair in enumerate(pairs):
            for i in range(self.offsets[pair], self.offsets[pair + 1]):
                paid = float(law.reward[i]) if self.paying[pair] else 0.0
                add((pair, int(law.next_state[i]), paid), float(law.prob[i]), g + 1)
        self.keys = list(self.columns)
        prob, index = np.array(probs), np.array(group)
        prob /= np.bincount(index, prob)[index]
        self.groups = Groups(prob, index, len(pairs) + 1)
        self.counts = [0] * len(probs)
        self.others: dict[tuple[int, str], int] = {}  # (pair, what happened) that cannot be
        self.known: dict[tuple[int, int, float, bool, bool], int] = {}

    def impossible(self, pair: int, words: str) -> None:
        """Something happened that the model says cannot."""
        self.others[pair, words] = self.others.get((pair, words), 0) + 1

    def start(self, s: int) -> None:
        """An episode began."""
        column = self.columns.get((START, s, 0.0))
        if column is None:
            self.impossible(START, f"in state {_name(self.mdp, s)}")
        else:
            self.counts[column] += 1

    def step(self, pair: int, t: int, r: float, ended: bool, last: bool) -> bool:
        """A transition; whether the model says that the episode is over."""
        key = (pair, t, r, ended, last)
        column = self.known.get(key)
        if column is None:
            column = self.known[key] = self._column(*key)
        if column >= 0:
            self.counts[column] += 1
        else:
            self.impossible(pair, self._words(t, r, ended=ended, last=last))
            return True
        return bool(self.mdp.terminal[self.keys[column][1]])

    def _column(self, pair: int, t: int, r: float, ended: bool, last: bool) -> int:
        """The column of an outcome; -1 if there is none."""
        places = [t]
        if ended and self.end is not None:
            places.append(self.end)
        for place in places:
            if not 0 <= place < self.mdp.n_states:
                continue
            if not last and self.mdp.terminal[place] != ended:
                continue
            column = self._paid(pair, place, r, last=last)
            if column >= 0:
                return column
        return -1

    def _paid(self, pair: int, t: int, r: float, *, last: bool) -> int:
        """The column of a transition to t with a reward as good as r."""
        if not self.paying[pair]:
            return self.columns.get((pair, t, 0.0), -1)
        if last and self.mdp.final is not None:
            r -= self.mdp.gamma * float(self.mdp.final[t])
        for i in range(self.offsets[pair], self.offsets[pair + 1]):
            paid = float(self.law.reward[i])
            if int(self.law.next_state[i]) == t and abs(paid - r) <= self.close:
                return self.columns.get((pair, t, paid), -1)
        return -1

    def _words(self, t: int, r: float, *, ended: bool, last: bool) -> str:
        words = f"to state {_name(self.mdp, t)} with reward {r:.6g}"
        if last or not 0 <= t < self.mdp.n_states or self.mdp.terminal[t] == ended:
            return words
        if ended:
            return f"{words}, terminated, where the model goes on"
        return f"{words}, not terminated, where the model's episodes are over"

    def evidence(self) -> tuple[float, FloatArray]:
        """Log E against the model, of everything and of each group."""
        total, each = self.groups.log_evidence(np.array(self.counts, dtype=float))
        return (np.inf if self.others else total), each

    def within(self, tol: float, beta: float) -> bool:
        """Whether all outcomes come as often as they should."""
        return self.groups.within(np.array(self.counts, dtype=float), tol, beta)

    def tried(self) -> FloatArray:
        """How often each pair was tried."""
        return self.groups.totals(np.array(self.counts, dtype=float))[1:]

    def differences(self) -> Iterator[Difference]:
        """The worst ones."""
        counts = np.array(self.counts, dtype=float)
        totals = self.groups.totals(counts)
        group_of = {self.keys[k][0]: int(g) for k, g in enumerate(self.groups.group)}
        more: dict[int, int] = {}
        for (pair, _), count in self.others.items():
            more[pair] = more.get(pair, 0) + count
        listed = sorted(self.others.items(), key=lambda one: -one[1])[:MOST]
        for (pair, words), count in listed:
            g = group_of.get(pair)
            tried = more[pair] + (0 if g is None else int(totals[g]))
            yield self._difference(pair, words, 0.0, count, tried)
        if listed:
            return
        expected = totals[self.groups.group] * self.groups.prob
        off = np.abs(counts - expected) / np.sqrt(np.maximum(expected, 1e-300))
        _, each = self.evidence()
        for g in np.argsort(-each, kind="stable")[:MOST].tolist():
            if g != int(each.argmax()) and each[g] <= 0:
                return
            inside = np.flatnonzero(self.groups.group == g)
            k = int(inside[off[inside].argmax()])
            pair, t, r = self.keys[k]
            words = f"in state {_name(self.mdp, t)}" if pair == START else ""
            words = words or f"to state {_name(self.mdp, t)}"
            if pair != START and self.paying[pair]:
                words += f" with reward {r:.6g}"
            chance, tried = float(self.groups.prob[k]), int(totals[g])
            yield self._difference(pair, words, chance, int(counts[k]), tried)

    def _difference(
        self, pair: int, words: str, expected: float, count: int, tried: int
    ) -> Difference:
        share = count / max(tried, 1)
        if pair == START:
            return Difference(None, None, words, expected, share, count, tried, "start")
        s, a = divmod(pair, self.mdp.n_actions)
        place = f"state {_name(self.mdp, s)}, action {self.mdp.name_of_action(a)}"
        return Difference(s, a, words, expected, share, count, tried, place)

    def notes(self, play: Play) -> Iterator[str]:
        """What a reader must know."""
        if self.noisy:
            yield "rewards with Gaussian noise were not compared"
        if play.cut:
            low, high = min(play.cut), max(play.cut)
            steps = f"{low}" if low == high else f"{low} to {high}"
            yield (
                f"{sum(play.cut.values()):,} episodes were truncated after {steps} steps, which is "
                f"no part of a model"
            )


class Play:
    """Episodes of random play."""

    def __init__(
        self,
        env: Any,
        mdp: MDP,
        book: Book,
        rng: Any,
        state_of: StateOf | None,
        actions: Sequence[Any] | None,
    ) -> None:
        self.env, self.mdp, self.book, self.rng = env, mdp, book, rng
        self.state_of = operator.index if state_of is None else state_of
        self.actions = range(mdp.n_actions) if actions is None else actions
        self.choices = [np.flatnonzero(row).tolist() for row in mdp.allowed]
        self.steps = self.episodes = self.age = 0
        self.cut: dict[int, int] = {}  # truncated episodes by length
        self.s = -1  # the state; -1 between episodes

    def until(self, steps: int) -> None:
        """Play on until so many steps have been made in all."""
        draws = self.rng.random(max(steps - self.steps, 0)).tolist()
        while self.steps < steps:
            if self.s < 0:
                self._reset()
            if self.s >= 0:
                self._step(draws.pop())

    def _reset(self) -> None:
        seed = {} if self.episodes else {"seed": int(self.rng.integers(2**31))}
        answer = self._ask("reset()", lambda: self.env.reset(**seed))
        if not (isinstance(answer, tuple) and len(answer) == 2):
            raise ModelError(
                f"reset() returned {answer!r:.80}; it must return (observation, info), as "
                f"Gymnasium's environments do."
            )
        s = self._state(answer[0])
        self.episodes, self.age = self.episodes + 1, 0
        self.book.start(s)
        if 0 <= s < self.mdp.n_states and not self.mdp.terminal[s]:
            self.s = s
        elif self.episodes > self.steps + EMPTY:
            raise ModelError(
                f"episodes start in state {s}, where none of the model's goes on: {self.episodes} "
                f"resets, and {self.steps} steps."
            )

    def _step(self, draw: float) -> None:
        s, mdp = self.s, self.mdp
        allowed = self.choices[s]
        a = allowed[int(draw * len(allowed))]
        answer = self._ask(f"step({self.actions[a]})", lambda: self.env.step(self.actions[a]))
        if not (isinstance(answer, tuple) and len(answer) == 5):
            raise ModelError(
                f"step() returned {answer!r:.80}; it must return (observation, reward, terminated, "
                f"truncated, info), as Gymnasium's environments do."
            )
        seen, reward, terminated, truncated, _ = answer
        self.steps, self.age = self.steps + 1, self.age + 1
        pair, last = s * mdp.n_actions + a, self.age == mdp.horizon
        t, ended = self._state(seen), bool(terminated)
        over = self.book.step(pair, t, float(reward), ended, last)
        if last and not (ended or truncated or over):
            self.book.impossible(pair, f"the episode went on after {mdp.horizon} steps")
        if truncated and not ended and not last:
            self.cut[self.age] = self.cut.get(self.age, 0) + 1
        self.s = -1 if over or ended or truncated or last else t

    def _ask(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except Exception as error:
            error.add_note(
                f"mdptools called {what} of this environment after {self.steps} steps in "
                f"{self.episodes} episodes, in state {self.s}; until then log E = "
                f"{self.book.evidence()[0]:.2f}"
            )
            raise

    def _state(self, seen: Any) -> int:
        try:
            return operator.index(self.state_of(seen))
        except TypeError as error:
            raise ModelError(
                f"the observation {seen!r:.80} is not the number of a state ({error}); state_of= "
                f"is a function that turns it into one."
            ) from error


def _added_end(mdp: MDP) -> int | None:
    """The last state, if it is where transitions lead that terminate."""
    s = mdp.n_states - 1
    named = mdp.state_names is not None and mdp.state_names[s] in ("end", "the end")
    return s if named and mdp.terminal[s] else None


def _name(mdp: MDP, s: int) -> str:
    """A state by number, and by name where it has one."""
    return mdp.name_of_state(s) if 0 <= s < mdp.n_states else f"{s}, which the model has not,"
