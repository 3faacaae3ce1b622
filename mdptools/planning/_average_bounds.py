"""Average reward: upper bounds on the optimal gain, and which actions an optimum can take.

Takes     an MDP, its maximal end components, and a function h (S,) from a planner.
Gives     g~ (S,) with g* <= g~, verified; the pairs that some optimal policy may take.
Source    Odoni (1969) inside an end component; across them Puterman (1994), section 9.1. Derived
          below.
Not here  finding h (`_average_policy_iteration`, `_relative_value_iteration`).

Upper bound. A policy is in the long run in an end component, and there, for any h, it earns at most
u = max (R + P h - h) over its pairs a step. Let g~ >= u on each maximal end component, be constant
there, and g~ >= P g~ at all pairs that are in none. Then g~ along a path is a supermartingale, and
the gain of any policy is at most the mean of g~ where it ends up, hence at most g~ where it starts.

Actions. If P g~ < (a lower bound of g*) at a pair, no optimal policy takes it. In an end component
with gain g let loss = g + h - R - P h, |g* - g| <= e, loss >= -e at all its pairs and <= e at one
of each state. Let N be its pairs with loss <= L, and T the longest mean time, over the policies of
N, to one state z. The best policy of N has an h' with sp(h' - h) <= 4 e T: h' is the largest sum of
R - gain up to z, and a sum is h, minus the losses, plus the difference of the gains. Pairs outside
N lose more than L - e - 4 e T against h'. If that is >= 0, a policy that takes one of them again
and again has less than the gain of N's best. Where N has no end component, T is the longest time in
N: a class would lose L once in T + 1 steps and win 2 e a step at most. So N holds all that an
optimal policy does again and again; what it does on the way there must keep the gain, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolS, BoolSA, FloatS, FloatSA, IntArray, IntS, readonly
from ..bellman import backup
from ..certificates import backup_roundoff
from ..errors import ModelError
from ..model import MDP
from ..structure import can_reach, end_components

SWITCHES = 1_000
"""Improvements of an auxiliary policy after which it is given up; a handful is usual."""

ASKED_STATES, ASKED_NUMBERS = 200, 20_000_000
"""States, at most, of which it is asked whether they need not be visited again, and numbers of P
that are read for it; of the others every action that may be taken once is marked."""


@dataclass(frozen=True, slots=True)
class Components:
    """The maximal end components: where a policy can be in the long run."""

    states: tuple[IntArray, ...]
    label: IntS  # (S,) which one a state is in; states in none have numbers of their own
    inside: BoolSA  # pairs that keep to their component
    outside: BoolSA  # all other allowed pairs

    @property
    def gain_is_constant(self) -> bool:
        """Whether the structure alone says that g* is the same in each state."""
        return len(self.states) == 1


def find_components(mdp: MDP) -> Components:
    """Collapse the maximal end components.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    Components
    """
    found = end_components(mdp, pairs=mdp.allowed)
    label = np.full(mdp.n_states, -1)
    inside = np.zeros_like(mdp.allowed)
    for c, component in enumerate(found):
        label[component.states] = c
        inside[component.pairs[:, 0], component.pairs[:, 1]] = True
    alone = np.flatnonzero(label < 0)
    label[alone] = len(found) + np.arange(len(alone))
    return Components(tuple(c.states for c in found), label, inside, mdp.allowed & ~inside)


def upper_gain(mdp: MDP, parts: Components, h: FloatS) -> FloatS:
    """g~ >= g* in each state, verified with round-off included.

    Parameters
    ----------
    mdp : MDP
        Of average reward.
    parts : Components
    h : (S,) array, reward units

    Returns
    -------
    (S,) array
        Time of a few linear solves among the components and the states in none.
    """
    rise = np.where(parts.inside, backup(mdp, h) - h[:, None], -np.inf).max(axis=1)
    scale = float(np.abs(h).max())
    roundoff = backup_roundoff(mdp, scale) + 2 * EPS * scale
    n_parts, n_nodes = len(parts.states), int(parts.label.max()) + 1
    stop = np.full(n_nodes, -np.inf)
    np.maximum.at(stop, parts.label, rise)  # in no component: -inf
    stop[:n_parts] += roundoff + EPS * (np.abs(stop[:n_parts]) + scale)
    low, high = float(stop[:n_parts].min()), float(stop[:n_parts].max())
    constant = np.full(mdp.n_states, high)
    if low == high or parts.gain_is_constant:
        return constant
    # Of rows that sum to one only the differences count: round-off is that of high - low.
    size = 2 * (high - low)
    small = size * (EPS * (mdp.facts.terms / 2 + 4) + 2 * mdp.facts.row_defect)
    small += 2 * EPS * max(abs(low), abs(high))
    for factor in (4.0, 32.0, 256.0):
        v = _stopped(mdp, parts, stop - low, factor * small)
        if v is None:
            continue
        g = v[parts.label]
        ahead = np.where(parts.outside, kernel.expect(mdp.P, g), -np.inf).max(axis=1)
        if (g >= ahead + small).all() and (v >= stop - low).all() and v.max() <= size:
            return np.minimum(low + g + small, high + small)
    return constant


def _stopped(mdp: MDP, parts: Components, stop: FloatS, bonus: float) -> FloatS | None:
    """What the nodes are worth: stop there, or go on and earn a bonus with each step outside.

    Policy iteration from stopping everywhere. A policy takes pairs outside of components only
    finitely often, so that each one stops.
    """
    n_nodes = len(stop)
    stopped = np.isfinite(stop)
    row = np.full(n_nodes, -1)
    first = np.flatnonzero(parts.label >= len(parts.states))
    row[parts.label[first]] = first * mdp.n_actions + mdp.allowed[first].argmax(axis=1)
    v = np.where(stopped, stop, 0.0)
    for _ in range(SWITCHES):
        going = np.flatnonzero(~stopped)
        if len(going):
            steps = kernel.to_dense(kernel.take(mdp.P, row[going]))
            chain = np.zeros((len(going), n_nodes))
            np.add.at(chain.T, parts.label, steps.T)
            ends = chain[:, stopped] @ stop[stopped] + bonus
            try:
                v = np.where(stopped, stop, 0.0)
                v[going] = kernel.Resolvent(chain[:, going].copy(), 1.0).solve(ends)
            except ArithmeticError:
                return None
        ahead = kernel.expect(mdp.P, v[parts.label]) + bonus
        ahead = np.where(parts.outside, ahead, -np.inf)
        best = ahead.argmax(axis=1)
        top = ahead[np.arange(mdp.n_states), best]
        order = np.argsort(top, kind="stable")  # of the states of a node the best is written last
        state = np.empty(n_nodes, dtype=np.int64)
        state[parts.label[order]] = order
        better = top[state] > v + bonus / 4
        if not better.any():
            return v
        row = np.where(better, state * mdp.n_actions + best[state], row)
        stopped &= ~better
    return None


def refuse_several(mdp: MDP, parts: Components, function: str) -> None:
    """Pass if g* is the same in each state; else raise ModelError naming the end components.

    Parameters
    ----------
    mdp : MDP
    parts : Components
    function : str
        Who asks.
    """
    if parts.gain_is_constant:
        return
    some = "; ".join(
        "{" + ", ".join(mdp.name_of_state(int(s)) for s in states[:5])
        + (f" and {len(states) - 5} more" if len(states) > 5 else "") + "}"
        for states in parts.states[:5]
    )  # fmt: skip
    more = f" and {len(parts.states) - 5} more" if len(parts.states) > 5 else ""
    raise ModelError(
        f"{function} serves models in which the best gain is the same from each state; in this one "
        f"an episode can settle in {len(parts.states)} sets of states that do not lead to each "
        f"other for sure, {some}{more}, and the gain may differ. Use average_policy_iteration."
    )


def optimal_pairs(
    mdp: MDP,
    parts: Components,
    *,
    gain: FloatS,
    lower: FloatS,
    upper: FloatS,
    h: FloatS,
    anchors: IntS,
) -> BoolSA:
    """Every pair that a deterministic policy of the largest gain may take.

    Parameters
    ----------
    mdp : MDP
    parts : Components
    gain, lower, upper : (S,) arrays, reward units
        Of g*; ``upper`` as from `upper_gain`.
    h : (S,) array, reward units
    anchors : array of int
        One state in each recurrent class of the policy that was found.

    Returns
    -------
    (S, A) array of bool
        A superset always. Time of a few linear solves.
    """
    scale = float(np.abs(h).max())
    size = float(np.abs(upper - upper.min()).max())
    slack = size * (EPS * (mdp.facts.terms / 2 + 4) + 2 * mdp.facts.row_defect)
    slack += 4 * EPS * float(np.abs(upper).max())
    keeps = kernel.expect(mdp.P, upper - upper.min()) + upper.min() + slack >= lower[:, None]
    keeps &= mdp.allowed
    of_node = np.full(int(parts.label.max()) + 1, -np.inf)
    np.maximum.at(of_node, parts.label, gain)
    gain = of_node[parts.label]  # one for each component
    loss = (gain + h)[:, None] - backup(mdp, h)
    roundoff = backup_roundoff(mdp, scale) + 2 * EPS * (scale + float(np.abs(gain).max()))
    inside = parts.inside & keeps
    least = np.where(inside, loss, np.inf).min(axis=1)
    settled: BoolS = np.isin(parts.label, parts.label[anchors])
    error = float(max((upper - gain).max(), (gain - lower).max()))
    error = max(error, float(-least.min()), float(least[settled].max())) + roundoff
    # One anchor for a component: from the anchor of another class in it N can stay away.
    _, first = np.unique(parts.label[anchors], return_index=True)
    near = _nearly_best(mdp, inside, loss, error, anchors[first], settled)
    if near is None:
        return readonly(keeps)
    return readonly(near | _on_the_way(mdp, keeps, near))


def _nearly_best(
    mdp: MDP, inside: BoolSA, loss: FloatSA, error: float, anchors: IntS, settled: BoolS
) -> BoolSA | None:
    """N, see the head of this file; None if no such set is found."""
    limit = 2 * error
    for _ in range(5):
        near = inside & (loss <= limit)
        time = _longest_way(mdp, near, anchors)
        there: BoolS = np.asarray(near.any(axis=1))
        if not time < np.inf or not there[settled].all():
            return None
        if limit >= 2 * error + 4 * error * time:
            return near
        limit = 2 * error + 8 * error * time
    return None


def _longest_way(mdp: MDP, near: BoolSA, anchors: IntS) -> float:
    """The longest mean time to an anchor of any policy of these pairs, verified; inf if unknown."""
    goal = np.zeros(mdp.n_states, dtype=bool)
    goal[anchors] = True
    there = near.any(axis=1)
    pairs = near & ~goal[:, None]
    if end_components(mdp, pairs=pairs):
        return np.inf  # one can stay away from all anchors
    kept = there & ~goal
    if not kept.any():
        return 1.0
    actions = pairs.argmax(axis=1)
    for _ in range(SWITCHES):
        w = np.zeros(mdp.n_states)
        chain = kernel.restrict(kernel.pick(mdp.P, actions), kept)
        try:
            w[kept] = kernel.Resolvent(chain, 1.0).solve(np.ones(int(kept.sum())))
        except ArithmeticError:
            return np.inf
        w = np.maximum(w, 0.0)
        top = float(w.max())
        if not top < np.inf:
            return np.inf
        roundoff = top * (EPS * (mdp.facts.terms + 4) + 4 * mdp.facts.row_defect)
        if not roundoff < 0.5:
            return np.inf
        ahead = np.where(pairs, kernel.expect(mdp.P, w) + 1.0, -np.inf)
        excess = ahead.max(axis=1) - w
        better = kept & (excess > 1e-6 + 2 * roundoff)  # less may come and go for ever
        if not better.any():
            wrong = float(excess[kept].max()) + roundoff
            return top / (1 - wrong) if wrong < 0.5 else np.inf
        actions = np.where(better, ahead.argmax(axis=1), actions)
    return np.inf


def _on_the_way(mdp: MDP, keeps: BoolSA, near: BoolSA) -> BoolSA:
    """Pairs of states that need not be visited again: an optimal policy may take them once.

    It then goes on to an end component of N without that state. Where the state's own component
    leaves no choice, that has to be another component.
    """
    settled = end_components(mdp, pairs=near)
    home = np.full(mdp.n_states, -1)
    alone = np.zeros(mdp.n_states, dtype=bool)
    for c, component in enumerate(settled):
        home[component.states] = c
        alone[component.states] = len(component.pairs) == len(component.states)
    once = keeps & ~kernel.stays(mdp.P) & ~alone[:, None]
    asked = np.flatnonzero((home >= 0) & (once & ~near).any(axis=1))
    if len(settled) > 1:  # there is always another one
        asked = asked[:0]
    for s in asked[: max(1, min(ASKED_STATES, ASKED_NUMBERS // kernel.size(mdp.P)))]:
        others = near.copy()
        others[s] = False
        once[s] &= bool(end_components(mdp, pairs=others))
    for c, component in enumerate(settled):
        if not alone[component.states[0]] or len(settled) == 1:
            continue
        elsewhere = can_reach(mdp, (home >= 0) & (home != c), pairs=keeps)
        leads = kernel.expect(mdp.P, elsewhere.astype(float)) > 0
        once |= keeps & leads & (home == c)[:, None]
    return once
