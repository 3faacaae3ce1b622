"""The tree of trajectories: what can follow what, how many paths there are, one level more.

Takes     an MDP, who acts, and a number of steps.
Gives     branches (s, a, s', r, p) for each step; counts of paths; batches of all paths.
Source    formula: P(trajectory) = mu(s_0) prod_t b(a_t | s_t) P(s_{t+1}, r_t | s_t, a_t).
Not here  doors and limits (`_enumeration`), what is done with the paths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatS, FloatSA, IntArray
from ..errors import ModelError
from ..model import MDP, RewardLaw
from ..policies import Sight, sight, split_policy
from ..sampling import Trajectories

LONGEST = 1000  # a cap that nobody asked for is not longer


@dataclass(frozen=True, slots=True)
class Branches:
    """All that can happen in one step, state after state.

    A terminal state has one branch, to itself, in which nothing is done and nothing is paid: paths
    that have ended go on along it, so that all paths of a level are equally long.
    """

    offsets: IntArray  # (S+1,) the branches of state s are offsets[s] to offsets[s+1]
    state: IntArray  # (B,)
    action: IntArray
    next_state: IntArray
    reward: FloatArray
    prob: FloatArray  # b(a | s) P(s', r | s, a)
    logp: FloatArray  # log b(a | s), or log b(a | o)
    seen: IntArray | None = None  # what was seen, where b sees observations


def noisy_law(mdp: MDP) -> RewardLaw:
    """The branches of a model, with Gaussian noise replaced by +-reward_std, half each."""
    law = mdp.branches
    if mdp.reward_std is None:
        return law
    row = law.row
    std = mdp.reward_std.reshape(-1)[row]
    twice = np.repeat(np.arange(len(row)), np.where(std > 0, 2, 1))
    sign = np.ones(len(twice))
    sign[1:][twice[1:] == twice[:-1]] = -1
    reward = law.reward[twice] + sign * std[twice]
    prob = law.prob[twice] * np.where(std[twice] > 0, 0.5, 1.0)
    offsets = np.concatenate(([0], np.cumsum(np.bincount(row[twice], minlength=mdp.R.size))))
    return RewardLaw(offsets, law.next_state[twice], reward, prob)


def branches_of(
    mdp: MDP,
    pi: FloatSA,
    law: RewardLaw,
    final: FloatS | None,
    seen: Sight | None = None,
    t: int = 0,
) -> Branches:
    """Branches of positive probability, those equal in (o, a, s', r) merged."""
    row, prob = law.row, law.prob
    state, action = np.divmod(row, mdp.n_actions)
    prob = prob * pi[state, action]
    reward = law.reward if final is None else law.reward + mdp.gamma * final[law.next_state]
    kept = np.flatnonzero((prob > 0) & ~mdp.terminal[state])
    kept = kept[np.lexsort((reward[kept], law.next_state[kept], row[kept]))]
    row, follow, reward, prob = row[kept], law.next_state[kept], reward[kept], prob[kept]
    new = np.ones(len(row), dtype=bool)
    new[1:] = (np.diff(row) != 0) | (np.diff(follow) != 0) | (np.diff(reward) != 0)
    if not new.all():
        starts = np.flatnonzero(new)
        prob = np.add.reduceat(prob, starts)
        row, follow, reward = row[starts], follow[starts], reward[starts]
    state, action = np.divmod(row, mdp.n_actions)
    logp, shown = np.log(pi[state, action]), np.zeros(len(row), dtype=np.int64)
    if seen is not None:  # one branch for each observation
        given = seen.given(t, state, action)
        which, k = np.nonzero(given)
        row, follow, reward = row[which], follow[which], reward[which]
        prob, shown = prob[which] * given[which, k], seen.seen[state[which], k]
        state, action = state[which], action[which]
        logp = np.log(seen.chosen(t, shown, action))
    ended = np.flatnonzero(mdp.terminal)
    order = np.argsort(np.concatenate((state, ended)), kind="stable")

    def joined(live: Any, over: Any) -> Any:
        return np.concatenate((live, np.broadcast_to(over, len(ended))))[order]

    states = joined(state, ended)
    return Branches(
        offsets=np.searchsorted(states, np.arange(mdp.n_states + 1)),
        state=states,
        action=joined(action, 0),
        next_state=joined(follow, ended),
        reward=joined(reward, 0.0),
        prob=joined(prob, 1.0),
        logp=joined(logp, 0.0),
        seen=None if seen is None else joined(shown, 0),
    )


class Tree:
    """All trajectories of a model under one policy, not yet walked.

    Parameters
    ----------
    mdp : MDP
    policy : pi, (S, A) or (H, S, A), or (family, theta)
        Who acts.
    """

    def __init__(self, mdp: MDP, policy: Any) -> None:
        self.mdp = mdp
        self.pi: FloatSA
        self.pi, family, theta = split_policy(mdp, policy)
        self._sight = sight(family, theta)
        self._law = noisy_law(mdp)
        self._made: dict[tuple[int, bool], Branches] = {}

    def step(self, t: int) -> Branches:
        """What can happen at step t; the last step of a finite horizon pays ``final`` too."""
        last = self.mdp.final is not None and t + 1 == self.mdp.horizon
        key = (t if self.pi.ndim == 3 else 0, last)
        if key not in self._made:
            pi = self.pi[t] if self.pi.ndim == 3 else self.pi
            final = self.mdp.final if last else None
            self._made[key] = branches_of(self.mdp, pi, self._law, final, self._sight, t)
        return self._made[key]

    def sizes(self) -> Iterator[tuple[int, bool]]:
        """For t = 0, 1, ...: how many paths of t steps there are; whether some are running.

        Counts are exact below 2**53 and right to 15 digits above.
        """
        counts = (self.mdp.mu > 0).astype(float)
        shift, t = 0, 0
        while True:
            total = float(counts.sum())
            yield int(total) << shift, bool(counts[~self.mdp.terminal].any())
            if total > 2.0**900:
                counts, shift = counts * 2.0**-800, shift + 800
            step = self.step(t)
            counts = np.bincount(step.next_state, counts[step.state], self.mdp.n_states)
            t += 1

    def count(self, length: int) -> int:
        """How many trajectories there are, each at most ``length`` steps long."""
        levels = enumerate(self.sizes())
        return next(total for t, (total, running) in levels if t == length or not running)

    def is_cut(self, length: int) -> bool:
        """Whether some trajectory is still running after ``length`` steps."""
        levels = enumerate(self.sizes())
        return next(running for t, (_, running) in levels if t == length or not running)

    def depth(self, limit: int) -> int | None:
        """The number of steps after which every path has ended; None if some never do.

        A path of S steps visits a state twice; if it may do so and live, it may do so for ever.
        Paths beyond ``limit`` are not followed.
        """
        longest = self.mdp.n_states
        levels = enumerate(self.sizes())
        return next(
            None if running else max(t, 1)
            for t, (total, running) in levels
            if not running or t >= longest or total > limit
        )

    def cap(self, limit: int) -> int:
        """The largest number of steps with at most ``limit`` trajectories; 0 if there is none."""
        levels = enumerate(self.sizes())
        return next(
            t if total <= limit else max(t - 1, 0)
            for t, (total, _) in levels
            if total > limit or t == LONGEST
        )

    def batches(self, length: int, chunk: int) -> Iterator[Trajectories]:
        """All paths of ``length`` steps, depth first, in batches of at most about ``chunk``.

        Memory O(chunk length), whatever the number of paths.
        """
        start = np.flatnonzero(self.mdp.mu)
        waiting = [_Level(0, start, self.mdp.mu[start], None, start, start)]
        while waiting:
            level = waiting.pop()
            while level.t < length:
                step = self.step(level.t)
                counts = step.offsets[level.last + 1] - step.offsets[level.last]
                if len(level.last) > 1 and int(counts.sum()) > chunk:
                    half = len(level.last) // 2
                    waiting.append(level.part(slice(half, None)))
                    level = level.part(slice(None, half))
                    continue
                level = _expand(level, step, counts)
            yield self._trajectories(level, length)

    def _trajectories(self, level: _Level, length: int) -> Trajectories:
        """Walk back from the leaves and write the paths down, time first in memory."""
        n = len(level.last)
        s = np.empty((length + 1, n), dtype=np.int64)
        a = np.empty((length, n), dtype=np.int64)
        r, logp = np.empty((length, n)), np.empty((length, n))
        o = None if self._sight is None else np.zeros((length, n), dtype=np.int64)
        s[length] = level.last
        at: IntArray | slice = slice(None)
        node = level
        while node.before is not None:
            t = node.t - 1
            step = self.step(t)
            branch = node.branch[at]
            s[t], a[t] = step.state[branch], step.action[branch]
            r[t], logp[t] = step.reward[branch], step.logp[branch]
            if o is not None and step.seen is not None:
                o[t] = step.seen[branch]
            at = node.parent[at]
            node = node.before
        mask = ~self.mdp.terminal[s[:length]]
        ended = self.mdp.terminal[level.last]
        if length == self.mdp.horizon:
            ended = np.ones(n, dtype=bool)
        return Trajectories(
            s=s.T,
            a=a.T,
            r=r.T,
            o=None if o is None else o.T,
            mask=mask.T,
            terminated=ended,
            truncated=~ended,
            logp=logp.T,
            weight=level.prob,
        )


@dataclass(frozen=True, slots=True)
class _Level:
    """Paths of t steps, as branches taken from the paths of the level before."""

    t: int
    last: IntArray  # the state that each path is in
    prob: FloatArray
    before: _Level | None
    parent: IntArray  # which path of the level before
    branch: IntArray  # which branch of step t - 1

    def part(self, chosen: slice) -> _Level:
        arrays = (self.last[chosen], self.prob[chosen])
        return _Level(self.t, *arrays, self.before, self.parent[chosen], self.branch[chosen])


def _expand(level: _Level, step: Branches, counts: IntArray) -> _Level:
    """One step more for every path."""
    parent = np.repeat(np.arange(len(counts)), counts)
    shift = step.offsets[level.last] - (np.cumsum(counts) - counts)
    branch = np.arange(len(parent)) + shift[parent]
    prob = level.prob[parent] * step.prob[branch]
    return _Level(level.t + 1, step.next_state[branch], prob, level, parent, branch)


def check_length(mdp: MDP, horizon: Any) -> int | None:
    """The number of steps of a finite horizon, or a cap; None if neither is known."""
    if horizon is None:
        return mdp.horizon
    if isinstance(horizon, bool) or not isinstance(horizon, (int, np.integer)) or horizon < 1:
        raise ModelError(f"horizon is {horizon!r}; it must be an int >= 1: a number of actions.")
    if mdp.horizon is not None and horizon > mdp.horizon:
        raise ModelError(
            f"horizon is {horizon}, but the model ends after {mdp.horizon} actions. For another "
            f"horizon: mdp.with_objective(horizon={horizon})."
        )
    return int(horizon)


def words(count: int) -> str:
    """A count in digits, or in powers of ten where nobody would read them.

    Examples
    --------
    >>> words(12345), words(10**400)
    ('12,345', '1.0e+400')
    """
    if count < 10**9:
        return f"{count:,}"
    power = len(hex(count)) - 3  # the largest p with 16**p <= count
    shift = max(0, 4 * power - 60)
    exponent = np.log10(count >> shift) + shift * np.log10(2.0)
    return f"{10 ** (exponent % 1):.1f}e+{int(exponent)}"
