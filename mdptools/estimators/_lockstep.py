"""Many learners of action values at once, step by step side by side.

Takes     a model, a `ControlLearner`, how many, a random generator.
Gives     a table for each.
Source    as `_interaction`; here the seeds are an axis of arrays.
Not here  one learner that can be stopped and continued (`_table_learners`).

A step of all learners is some forty passes over arrays of their number, so from a dozen learners on
this is quicker than one after the other, and a thousand cost little more than a dozen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import BoolArray, FloatArray, IntArray, readonly
from ..checks import check_count, check_rng
from ..model import MDP
from ._chains import learned
from ._schedules import Table
from ._table_learners import ControlLearner

_BLOCK = 1 << 18  # random numbers that are drawn together
_LOW = float(np.finfo(float).min)  # below all values but those of refused actions


class Lockstep(NamedTuple):
    """Where n learners have come.

    Attributes
    ----------
    Q : (n, S, A) array, or (n, 2, S, A) for double Q-learning; reward units
        -inf at refused actions.
    visits : array of int of the same shape
        How often each pair was updated.
    """

    Q: FloatArray
    visits: IntArray


def learn_many(mdp: MDP, learner: ControlLearner, n: int, *, steps: int, rng: Any) -> Lockstep:
    """n independent runs of a learner of action values, side by side.

    Approaches what the learner approaches; the runs are independent given the model.

    Parameters
    ----------
    mdp : MDP
        Discounted or total reward.
    learner : ControlLearner
        Its own ``steps`` is not looked at.
    n : int
        How many.
    steps : int
        Transitions of each.
    rng : numpy.random.Generator or int
        One for all.

    Returns
    -------
    Lockstep

    Raises
    ------
    ModelError
        As the learner, or if an argument does not fit.

    Notes
    -----
    The next action is chosen by the values that the update looks at; only where a step stays in its
    state are they older by that update than those of a single learner of Q-learning, double
    Q-learning or expected SARSA. Time O(n (A + B)) for each step, B the branches of a pair, and
    some 30 microseconds; memory O(n S A + S A B).

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> found = learn_many(line_world(), ControlLearner(epsilon=0.5), 8, steps=3000, rng=0)
    >>> found.Q[:, :4].max(axis=2).round(1).min(axis=0)
    array([-13., -12., -11.,  -1.])
    """
    n, steps = check_count(n, "n"), check_count(steps, "steps")
    start = learner.start(mdp, None)
    walk = _Walk(mdp, learner, start.Q, n, check_rng(rng))
    epsilons = Table(learner.epsilon, "epsilon", most=1.0).up_to(steps + 1)
    sizes = Table(learner.step_size, "step_size", most=np.inf).up_to(steps)
    walk.run(steps, np.array(epsilons), np.array(sizes[: steps + 1]))
    shape = (n, *start.Q.shape)
    Q, visits = (np.moveaxis(x.reshape(-1, n, *mdp.R.shape), 0, 1) for x in (walk.Q, walk.visits))
    return Lockstep(
        readonly(learned(Q.reshape(shape).copy(), "Q")), readonly(visits.reshape(shape).copy())
    )


class _Walk:
    """n learners under way. Row ``k n S + i S + s`` of Q is state s of learner i, table k."""

    def __init__(self, mdp: MDP, learner: ControlLearner, Q0: FloatArray, n: int, rng: Any) -> None:
        S, A = mdp.R.shape
        self.n, self.S, self.A, self.rng = n, S, A, rng
        self.method, self.limit = learner.method, learner.max_steps
        tables = Q0.reshape(-1, 1, S, A)
        self.Q = np.broadcast_to(tables, (len(tables), n, S, A)).reshape(-1, A).copy()
        self.visits = np.zeros(self.Q.size, dtype=np.int64)
        self.base = np.arange(n) * S
        self.who = np.arange(n)
        self.each = 1 / mdp.allowed.sum(axis=1)
        world = learner.start(mdp, None).world
        first = np.zeros(S)
        bounds, states = world.first
        np.add.at(first, states, np.diff([0.0, *bounds, 1.0]))
        self.first = np.cumsum(first)[:-1]
        self._tables(mdp)

    def _tables(self, mdp: MDP) -> None:
        """What can follow each pair, padded to the same number B of branches."""
        law = mdp.branches
        kept = law.prob > 0
        row = law.row[kept]
        count = np.bincount(row, minlength=mdp.R.size)
        self.B = B = int(count.max())
        place = row * B + np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        prob = np.zeros(mdp.R.size * B)
        prob[place] = law.prob[kept]
        above = np.cumsum(prob.reshape(-1, B), axis=1)
        last = np.arange(B) >= count[:, None] - 1
        self.bounds = np.where(last, 2.0, above)[:, : B - 1]
        self.next = np.zeros(len(prob), dtype=np.int64)
        self.reward, self.live = np.zeros(len(prob)), np.zeros(len(prob))
        self.ends = np.zeros(len(prob), dtype=bool)
        self.next[place], self.reward[place] = law.next_state[kept], law.reward[kept]
        self.ends[place] = mdp.terminal[law.next_state[kept]]
        self.live[place] = np.where(self.ends[place], 0.0, mdp.gamma)
        self.std = None if mdp.reward_std is None else mdp.reward_std.reshape(-1)
        self.ever_ends = bool(self.ends.any())

    def run(self, steps: int, epsilons: FloatArray, sizes: FloatArray) -> None:
        """So many steps from the beginning of an episode."""
        rng, n, A, B = self.rng, self.n, self.A, self.B
        base, Q = self.base, self.Q
        flat, double = Q.reshape(-1), self.method == "double_q_learning"
        shift, half = base * A, n * self.S
        at = base + self._starts(n)
        a = self._chosen(at, rng.random(n) < epsilons[1], 1 - rng.random((n, A)))
        age = np.zeros(n, dtype=np.int64)
        block = max(1, min(steps, _BLOCK // (n * A)))
        for t in range(1, steps + 1):
            j = (t - 1) % block
            if j == 0:  # many random numbers for one call
                branches = rng.random((block, n, 1)) if B > 1 else None
                noise = 1 - rng.random((block, n, A))  # never 0
                explores = rng.random((block, n))
                heads = rng.integers(2, size=(block, n)) * half if double else None
            cell = at * A + a
            row = cell - shift
            branch = row
            if branches is not None:
                branch = row * B + (branches[j] >= self.bounds.take(row, axis=0)).sum(axis=1)
            r = self.reward.take(branch)
            if self.std is not None:
                r = r + self.std[row] * rng.standard_normal(n)
            after = base + self.next.take(branch)
            explore = explores[j] < epsilons[t + 1]
            values = Q.take(after, axis=0)
            if heads is None:
                best = values.max(axis=1)
                following = _pick(values, best, explore, noise[j])
                boot = self._boot(after, values, best, following, epsilons[t + 1])
            else:
                second = Q.take(after + half, axis=0)
                total = values + second
                following = _pick(total, total.max(axis=1), explore, noise[j])
                first = (heads[j] > 0)[:, None]
                chooses = np.where(first, second, values).argmax(axis=1)
                boot = np.where(first, values, second)[self.who, chooses]
                cell = cell + heads[j] * A
            k = self.visits.take(cell) + 1
            self.visits[cell] = k
            old = flat.take(cell)
            flat[cell] = old + sizes.take(k) * (r + self.live.take(branch) * boot - old)
            at, a = after, following
            if self.limit is not None:
                age += 1
            again = self._again(branch, age)
            if again is not None and len(again):
                age[again] = 0
                at[again] = base[again] + self._starts(len(again))
                bold = rng.random(len(again)) < epsilons[t + 1]
                fresh = 1 - rng.random((len(again), A))
                a[again] = self._chosen(at[again], bold, fresh)

    def _again(self, branch: IntArray, age: IntArray) -> IntArray | None:
        """Who begins a new episode."""
        over: Any = self.ends.take(branch) if self.ever_ends else None
        if self.limit is not None:
            cut = age >= self.limit
            over = cut if over is None else over | cut
        return None if over is None else over.nonzero()[0]

    def _boot(
        self,
        after: IntArray,
        values: FloatArray,
        best: FloatArray,
        following: IntArray,
        epsilon: float,
    ) -> FloatArray:
        """What the next state is taken to be worth."""
        if self.method == "sarsa":
            worth: FloatArray = values[self.who, following]
            return worth
        if self.method == "expected_sarsa":
            sums = np.where(values == -np.inf, 0.0, values).sum(axis=1)
            mean = sums * self.each[after - self.base]
            mixed: FloatArray = (1 - epsilon) * best + epsilon * mean
            return mixed
        return best

    def _chosen(self, at: IntArray, explore: BoolArray, noise: FloatArray) -> IntArray:
        """Epsilon-greedy actions where episodes begin."""
        values = self.Q.take(at, axis=0)
        if len(self.Q) > self.n * self.S:
            values = values + self.Q.take(at + self.n * self.S, axis=0)
        return _pick(values, values.max(axis=1), explore, noise)

    def _starts(self, n: int) -> IntArray:
        found: IntArray = np.searchsorted(self.first, self.rng.random(n), side="right")
        return found


def _pick(values: FloatArray, best: FloatArray, explore: BoolArray, noise: FloatArray) -> IntArray:
    """One of the best, or of all allowed actions, each with the same probability."""
    enough = np.where(explore, _LOW, best)
    found: IntArray = ((values >= enough[:, None]) * noise).argmax(axis=1)
    return found
