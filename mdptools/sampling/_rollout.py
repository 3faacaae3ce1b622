"""Rollouts: many episodes in lockstep.

Takes     an MDP, a policy, a number of episodes and a random generator.
Gives     `Trajectories`.
Source    Sutton and Barto (2018), section 3.1.
Not here  environments without a model.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from ..arrays import FloatArray, FloatSA, IntArray, as_floats
from ..checks import check_count, check_rng, words_for_sum
from ..errors import ModelError
from ..model import MDP
from ..policies import Sight, sight, split_policy
from ..structure import improper_states, reachable
from ._tables import StepTables, step_tables
from ._trajectories import Trajectories

Truncation = Literal["fixed", "geometric"]

_BLOCK = 1 << 14  # steps that are written together: few calls, and all stays in the cache
_LONGEST = 1_000_000  # steps; whoever wants longer episodes says so by max_steps
_LARGEST = 1 << 32  # steps times episodes, likewise: about 100 GB
_NEVER = np.iinfo(np.int64).max


def rollout(
    mdp: MDP,
    policy: Any,
    n: int,
    *,
    rng: Any,
    max_steps: int | None = None,
    truncation: Truncation = "fixed",
    start: Any = None,
) -> Trajectories:
    """Draw n episodes.

    Parameters
    ----------
    mdp : MDP
        Any objective.
    policy : pi, (S, A) or (H, S, A) on a finite horizon; or a pair (family, theta)
    n : int
        Number of episodes.
    rng : numpy.random.Generator or int
        Where the numbers come from, or a seed. The same seed gives the same trajectories.
    max_steps : int, optional
        Cut episodes after this many actions: they are `truncated`.
    truncation : {"fixed", "geometric"}
        "geometric": after each reward that does not end it an episode goes on with probability
        ``mdp.gamma`` and is `truncated` otherwise. Undiscounted sums of its rewards then have the
        expectation of discounted ones.
    start : int, (n,) array_like of int, or (S,) array_like of float, optional
        One state for all, a state for each, or a distribution. ``mdp.mu`` if omitted.

    Returns
    -------
    Trajectories
        ``s`` and ``a`` are int32. T is the horizon of a finite horizon (at most max_steps), else
        the length of the longest episode. Who reaches the horizon is `terminated`, with ``gamma *
        final(s_H)`` in the last reward. An episode that starts in a terminal state has length 0.
        Where the family sees observations, ``o`` holds them and ``logp`` is log pi(a | o).

    Raises
    ------
    ModelError
        If neither the policy nor an argument ends each episode: the message names the states; if
        policy, n, rng or start is wrong.

    Notes
    -----
    One step of all episodes is a few passes over arrays: an alias table for each state joins
    action, successor and reward, so one uniform number is one transition. The seed alone decides
    what is drawn. Time O(transitions + N T), memory 25 N T bytes: all episodes are as wide as the
    longest. Draw many episodes in several batches.

    Examples
    --------
    >>> mdp = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.9)
    >>> batch = rollout(mdp, [[1.0], [1.0]], 1000, rng=0)
    >>> batch
    <Trajectories: 1000 of up to 12 steps, 2116 in all; 1000 terminated, 0 truncated>
    >>> float(batch.r.sum(axis=1).mean())  # J with gamma 1 is 2
    2.116
    """
    n = check_count(n, "n")
    generator = check_rng(rng)
    pi, family, theta = split_policy(mdp, policy)
    limit = _NEVER if max_steps is None else check_count(max_steps, "max_steps")
    if mdp.horizon is not None:
        limit = min(limit, mdp.horizon)
    if truncation not in ("fixed", "geometric"):
        raise ModelError(f"truncation is {truncation!r}; it must be 'fixed' or 'geometric'.")
    geometric = truncation == "geometric" and mdp.gamma < 1
    states = _starts(mdp, start, n, generator)
    if limit == _NEVER and not geometric:
        _check_ends(mdp, pi, states)
    cut = None
    if geometric:
        cut = generator.geometric(1 - mdp.gamma, n)
        if mdp.horizon is not None:
            cut[cut >= mdp.horizon] = _NEVER  # the horizon itself terminates
    tables = step_tables(mdp, pi)
    walk = _Walk(mdp, tables, states, limit, cut)
    walk.run(generator)
    batch, seen = walk.trajectories(generator), sight(family, theta)
    return batch if seen is None else _observed(batch, seen, generator)


class _Walk:
    """Episodes under way. Those that have ended leave; what happened is kept, time by time."""

    def __init__(
        self, mdp: MDP, tables: StepTables, states: IntArray, limit: int, cut: IntArray | None
    ) -> None:
        self.mdp, self.tables, self.limit = mdp, tables, limit
        self.starts = states
        self.time = 0
        # Of each running episode: where its next step is written, time * n + episode; its cells.
        self.place = np.arange(len(states))
        self.cells, self.first = tables.cells[states], tables.first[states]
        self.cut = cut
        self.places: list[IntArray] = []
        self.halves: list[IntArray] = []  # what happened there

    def run(self, rng: Any) -> None:
        """Until all have ended or the limit is reached."""
        self._dismiss()
        while len(self.place) and self.time < self.limit:
            if self.limit == _NEVER:
                self._check_size()
            half = self._step(rng)
            self.places.append(self.place)
            self.halves.append(half)
            self.time += 1
            self.place = self.place + len(self.starts)
            self.cells, self.first = self.tables.next_cells[half], self.tables.next_first[half]
            self._dismiss()

    def _step(self, rng: Any) -> IntArray:
        """The halves that the next transition of each running episode falls into."""
        x = rng.random(len(self.cells))
        x *= self.cells
        whole = np.floor(x)
        x -= whole
        whole += whole
        half: IntArray = whole.astype(np.int64)
        half += self.first
        half += x >= self.tables.keep[half]
        return half

    def _dismiss(self) -> None:
        """Who is in a terminal state, or cut, leaves."""
        stays = self.cells > 0
        if self.cut is not None:
            stays &= self.cut > self.time
        kept = stays.nonzero()[0]
        if len(kept) == len(stays):
            return
        self.place, self.first = self.place.take(kept), self.first.take(kept)
        self.cells = self.cells.take(kept)
        if self.cut is not None:
            self.cut = self.cut.take(kept)

    def _check_size(self) -> None:
        n = len(self.starts)
        if self.time >= _LONGEST or self.time * n >= _LARGEST:
            raise ModelError(
                f"after {self.time} steps {len(self.place)} of {n} episodes are still running: "
                f"this policy ends them, but too seldom. Give max_steps=, or draw fewer at a time."
            )

    def trajectories(self, rng: Any) -> Trajectories:
        """What happened, as padded arrays; the noise of rewards is drawn here."""
        mdp, tables, n = self.mdp, self.tables, len(self.starts)
        n_steps = self.time if mdp.horizon is None else self.limit
        s, a, r, logp, mask = _zeros(n, n_steps)
        s[0] = self.starts
        after = s[1:].reshape(-1)
        for t, (place, half) in enumerate(zip(self.places, self.halves, strict=True)):
            s[t + 1] = s[t]
            after[place] = tables.next_state.take(half)
        s[self.time + 1 :] = s[self.time]
        flat_a, flat_r, flat_mask, flat_logp = (x.reshape(-1) for x in (a, r, mask, logp))
        for place, half in self._pieces():
            flat_a[place] = tables.action.take(half)
            flat_mask[place] = True
            flat_logp[place] = tables.logp.take(half)
            reward = tables.reward.take(half)
            if tables.std is not None:
                reward += tables.std.take(half) * rng.standard_normal(len(half))
            flat_r[place] = reward
        terminated = mdp.terminal[s[-1]]
        if self.time == mdp.horizon:
            last = self.place - self.time * n  # the episodes still running
            terminated[last] = True
            if mdp.final is not None:
                r[-1, last] += mdp.gamma * mdp.final[s[-1, last]]
        return Trajectories(
            s=s.T,
            a=a.T,
            r=r.T,
            mask=mask.T,
            terminated=terminated,
            truncated=~terminated,
            logp=logp.T,
        )

    def _pieces(self) -> Iterator[tuple[IntArray, IntArray]]:
        """Places and halves of all steps in order, in pieces of a good size."""
        large = sum(len(place) >= _BLOCK for place in self.places)  # ever fewer are running
        yield from zip(self.places[:large], self.halves[:large], strict=True)
        if large < len(self.places):
            places, halves = (np.concatenate(x[large:]) for x in (self.places, self.halves))
            for low in range(0, len(places), _BLOCK):
                yield places[low : low + _BLOCK], halves[low : low + _BLOCK]


def _observed(batch: Trajectories, seen: Sight, rng: Any) -> Trajectories:
    """What was seen at each step: given its state and action nothing else depends on it."""
    o: Any = np.zeros(batch.a.shape, dtype=np.int32)
    logp = np.zeros(batch.a.shape)
    time, who = np.nonzero(batch.mask.T)
    s, a = batch.s[who, time], batch.a[who, time]
    drawn = seen.draw(time, s, a, rng)
    o[who, time], logp[who, time] = drawn, np.log(seen.chosen(time, drawn, a))
    return replace(batch, o=o, logp=logp)


def _zeros(n: int, n_steps: int) -> tuple[Any, Any, Any, Any, Any]:
    """s (T+1, n), a, r, logp and mask (T, n): time first, so that a step is one piece of memory.

    They are parts of one allocation: memory comes in large pages then, which takes half the time.
    """
    rest: Any = np.zeros((25 * n_steps + 4) * n, dtype=np.uint8)
    parts = []
    for dtype, rows in (("f8", n_steps), ("f8", n_steps), ("i4", n_steps + 1), ("i4", n_steps)):
        size = int(dtype[1]) * rows * n
        parts.append(rest[:size].view(dtype).reshape(rows, n))
        rest = rest[size:]
    r, logp, s, a = parts
    return s, a, r, logp, rest.view(np.bool_).reshape(n_steps, n)


def _starts(mdp: MDP, start: Any, n: int, rng: Any) -> IntArray:
    """The first state of each episode, (n,)."""
    given = None if start is None else np.asarray(start)
    if given is not None and given.dtype.kind in "iu":
        if given.shape not in ((), (n,)):
            raise ModelError(
                f"start has shape {given.shape}; it must be a state, or one state for each of {n} "
                f"episodes."
            )
        outside = given[(given < 0) | (given >= mdp.n_states)]
        if outside.size:
            raise ModelError(f"start holds state {outside[0]}; there are {mdp.n_states} states.")
        return np.full(n, given, dtype=np.int64)
    law = mdp.mu if given is None else _check_law(given, mdp.n_states)
    possible = np.flatnonzero(law)
    edges = np.cumsum(law[possible])
    drawn = np.searchsorted(edges, edges[-1] * rng.random(n), side="right")
    states: IntArray = possible[np.minimum(drawn, len(possible) - 1)]
    return states


def _check_law(start: Any, n_states: int) -> FloatArray:
    law = as_floats(start, "start")
    if law.shape != (n_states,):
        raise ModelError(
            f"start has shape {law.shape}; a distribution must be (S,) = ({n_states},), states are "
            f"integers."
        )
    gap = float(law.sum() - 1)
    if not ((law >= 0).all() and abs(gap) <= 1e-9):
        raise ModelError(
            f"start sums to {words_for_sum(gap)} and its smallest entry is {law.min():.6g}; a "
            f"distribution has entries >= 0 that sum to 1."
        )
    return law


def _check_ends(mdp: MDP, pi: FloatSA, states: IntArray) -> None:
    """Pass if termination is almost sure from all starts; else raise ModelError naming states."""
    endless = improper_states(mdp, pi)
    if not endless[states].any():
        return
    seen = np.zeros(mdp.n_states, dtype=np.bool_)
    seen[states] = True
    where = np.flatnonzero(endless & reachable(mdp, seen, pi))
    names = ", ".join(mdp.name_of_state(int(s)) for s in where[:5])
    more = f" and {len(where) - 5} more" if len(where) > 5 else ""
    raise ModelError(
        f"this policy need not end an episode that is in one of the states {names}{more}: give "
        f"max_steps=, truncation='geometric' with gamma < 1, or a model with a horizon."
    )
