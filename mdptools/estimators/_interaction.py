"""Interaction: a table of action values that acts, sees what follows, and learns from it.

Takes     a `Simulator`, a table, schedules, a random generator.
Gives     `Experience`: the table and all that is needed to go on.
Source    Sutton and Barto (2018), the boxes of sections 6.4, 6.5 and 6.7.
Not here  the same updates for recorded transitions (`_control`).

The tables are lists of lists and the formulas are written out: a step takes about a microsecond,
through arrays it would take ten. That they are those of `_updates` is tested. All is drawn by
scalar ``random()``, compared or rounded down, so that a few steps can be run once for each thing
that can happen.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, IntArray, readonly
from ..errors import ModelError
from ..sampling import Simulator
from ._schedules import Table


class Experience(NamedTuple):
    """What a learner of action values has, between two steps.

    Attributes
    ----------
    Q : (S, A) array, or (2, S, A) for double Q-learning; reward units
        -inf at refused actions.
    visits : array of int of the same shape
        How often each pair was updated.
    t : int
        Steps made.
    s : int
        The state it is in; -1 where the next episode is still to begin.
    a : int
        The action that it has chosen there already (SARSA), or -1.
    age : int
        Steps made in this episode.
    world : Simulator
    """

    Q: FloatArray
    visits: IntArray
    t: int
    s: int
    a: int
    age: int
    world: Simulator


def begin(world: Simulator, Q0: Any, tables: int) -> Experience:
    """Before the first step: the table Q0, or the number Q0 everywhere."""
    mdp = world.mdp
    try:
        Q = np.broadcast_to(np.asarray(Q0, dtype=float), mdp.R.shape)
    except ValueError:
        raise ModelError(
            f"Q0 has shape {np.shape(Q0)}; it must be a number, or (S, A) = {mdp.R.shape}."
        ) from None
    Q = np.where(mdp.allowed, Q, -np.inf)
    bad = np.argwhere(mdp.allowed & ~np.isfinite(Q))
    if len(bad):
        s, a = (int(i) for i in bad[0])
        raise ModelError(
            f"Q0 is {Q[s, a]} for action {mdp.name_of_action(a)} in state {mdp.name_of_state(s)}; "
            f"it must be finite."
        )
    if tables == 2:
        Q = np.stack((Q, Q))
    return Experience(readonly(Q), readonly(np.zeros(Q.shape, np.int64)), 0, -1, -1, 0, world)


def interact(
    x: Experience,
    method: str,
    steps: int,
    *,
    gamma: float,
    step_sizes: Table,
    epsilons: Table,
    max_steps: float,
    rng: Any,
) -> Experience:
    """So many steps more."""
    world, random = x.world, rng.random
    outcomes, allowed = world.outcomes, world.actions
    double, on_policy = method == "double_q_learning", method == "sarsa"
    expected = method == "expected_sarsa"
    tables, counts = x.Q.tolist(), x.visits.tolist()
    Q, count = (tables[0], counts[0]) if double else (tables, counts)
    other = tables[1] if double else Q
    s, a, age = x.s, x.a, x.age
    epsilon_at = epsilons.up_to(x.t + steps + 1)
    sizes = step_sizes.up_to(1)

    def choose(s: int, epsilon: float) -> int:
        """Epsilon-greedy; equals are drawn from."""
        if epsilon and (epsilon >= 1 or random() < epsilon):
            actions = allowed[s]
            return actions[int(random() * len(actions))] if len(actions) > 1 else actions[0]
        values = (
            [p + q for p, q in zip(*(one[s] for one in tables), strict=True)] if double else Q[s]
        )
        best = max(values)
        if values.count(best) == 1:
            return values.index(best)
        equal = [b for b, value in enumerate(values) if value == best]
        return equal[int(random() * len(equal))]

    for t in range(x.t + 1, x.t + steps + 1):
        if s < 0:
            s, a, age = world.start(rng), -1, 0
        if a < 0:
            a = choose(s, epsilon_at[t])
        bounds, branches, std = outcomes[s][a]
        after, r, done = branches[bisect_right(bounds, random())] if bounds else branches[0]
        if std:
            r += std * rng.standard_normal()
        if double and random() < 0.5:
            Q, other, count = other, Q, counts[1 if count is counts[0] else 0]
        following = -1
        if done:
            target = r
        else:
            row = Q[after]
            if on_policy:
                following = choose(after, epsilon_at[t + 1])
                target = r + gamma * row[following]
            elif expected:
                epsilon, actions = epsilon_at[t + 1], allowed[after]
                mean = sum([row[b] for b in actions]) / len(actions)
                target = r + gamma * ((1 - epsilon) * max(row) + epsilon * mean)
            elif double:
                target = r + gamma * other[after][row.index(max(row))]
            else:
                target = r + gamma * max(row)
        visits = count[s]
        visits[a] += 1
        k = visits[a]
        if k >= len(sizes):
            sizes = step_sizes.up_to(k)
        here = Q[s]
        here[a] += sizes[k] * (target - here[a])
        age += 1
        if done or age >= max_steps:
            s, a = -1, -1
        else:
            s, a = after, following
    return Experience(
        readonly(_learned(tables)),
        readonly(np.array(counts, dtype=np.int64)),
        x.t + steps,
        s,
        a,
        age,
        world,
    )


def _learned(tables: Any) -> FloatArray:
    """The tables as an array, if learning has not run away."""
    Q = np.array(tables, dtype=float)
    bad = np.argwhere(np.isnan(Q) | (Q == np.inf))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ModelError(
            f"Q is {Q[at]} at {list(at)} after these steps: the step size is too large."
        )
    return Q
