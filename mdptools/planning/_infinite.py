"""Where the optimal total reward is infinite, and where it has no value.

Takes     an MDP with gamma = 1 and no horizon.
Gives     `Sorts`: each state is finite, inf, -inf or undefined; and the words for an error.
Source    end components: de Alfaro (1997); Baier and Katoen (2008), section 10.6. The sign of what
          an end component pays in the long run decides, as follows.
Not here  the finite values (`_episodes`).

What a policy does for ever it does, almost surely, inside an end component. A component that pays
more than nothing in the long run is worth inf, one that pays less -inf; one whose best policy pays
nothing on average is worth 0 where each reward is 0, and otherwise its sums never settle. A state
is inf if some policy almost surely comes to where this is decided, and with positive probability
to inf; it is finite if it is not inf and some policy almost surely ends or rests; it is -inf if no
policy avoids -inf or has a chance of inf; in all others inf and -inf meet, or sums do not settle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolS, BoolSA, FloatSA, IntArray, IntS
from ..certificates import backup_roundoff
from ..errors import ConvergenceError, ModelError
from ..model import MDP
from ..structure import (
    EndComponent,
    almost_surely_reach,
    attractor_policy,
    can_reach,
    end_components,
    recurrent_classes,
)
from ._average_policy_iteration import average_policy_iteration
from ._episodes import CURE, EndlessCycleError, cycle_words, state_words
from ._relative_value_iteration import relative_value_iteration
from ._solution import one_hot

FEW = 500
"""States of a component up to which policies are evaluated, and not iterated on, for its gain."""


@dataclass(frozen=True, slots=True)
class Sorts:
    """Each state is in one of four sets."""

    finite: BoolS
    plus: BoolS  # the optimum is inf
    minus: BoolS  # it is -inf
    undefined: BoolS  # no policy has a value
    undecided: BoolS  # among these, those where float64 cannot tell the sign of a gain
    pairs: BoolSA  # of finite states: those that certainly lead to finite states
    actions: IntS  # of a policy that is worth inf where that can be had; -1 elsewhere


def sort_states(mdp: MDP) -> Sorts:
    """Sort the states of a total-reward model.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    Sorts
        Time that of `end_components`, and an average-reward problem for each component with
        rewards of both signs.
    """
    live = mdp.allowed & ~mdp.terminal[:, None]
    components = end_components(mdp)
    positive, level, inside = earning(mdp, mdp.R, components)
    resting = np.zeros(mdp.n_states, dtype=bool)
    for component in end_components(mdp, pairs=live & (mdp.R == 0)):
        resting[component.states] = True
    bounded, pairs = almost_surely_reach(mdp, mdp.terminal | positive | level | resting, live)
    plus = (can_reach(mdp, positive, pairs) & bounded) if positive.any() else positive
    pairs = pairs & bounded[:, None] & ~plus[:, None]
    finite, staying = almost_surely_reach(mdp, (mdp.terminal | resting) & ~plus, pairs)
    finite = finite & ~plus
    minus = ~bounded & ~can_reach(mdp, positive, live)
    undefined = ~(finite | plus | minus)
    return Sorts(
        finite=finite,
        plus=plus,
        minus=minus,
        undefined=undefined,
        undecided=undefined & can_reach(mdp, level, live) if level.any() else level,
        pairs=staying & pairs & finite[:, None],
        actions=np.where(positive, inside, attractor_policy(mdp, positive, pairs=live)),
    )


@dataclass(frozen=True, slots=True)
class Ends:
    """Where one can rest for free, and a policy that ends or rests almost surely."""

    components: tuple[IntArray, ...]
    start: IntS


def find_ends(mdp: MDP) -> Ends:
    """The ends of a model whose optimum is finite, if that can be had.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    Ends

    Raises
    ------
    ModelError
        If no policy ends almost surely from some state.
    """
    live = mdp.allowed & ~mdp.terminal[:, None]
    inside = np.zeros_like(live)
    components = end_components(mdp, pairs=live & (mdp.R == 0))
    for component in components:
        inside[component.pairs[:, 0], component.pairs[:, 1]] = True
    resting = inside.any(axis=1)
    goal = mdp.terminal | resting
    sure, _ = almost_surely_reach(mdp, goal, pairs=live)
    if not sure.all():
        refuse(mdp, sort_states(mdp))
    start = attractor_policy(mdp, goal, pairs=live)
    start = np.where(resting, inside.argmax(axis=1), start)
    return Ends(
        tuple(c.states for c in components), np.where(start < 0, mdp.allowed.argmax(axis=1), start)
    )


def earning(
    mdp: MDP, R: FloatSA, components: tuple[EndComponent, ...]
) -> tuple[BoolS, BoolS, IntS]:
    """The end components that pay more than nothing in the long run.

    Parameters
    ----------
    mdp : MDP
    R : (S, A) array, reward units
    components : tuple of EndComponent
        Of this model.

    Returns
    -------
    positive : (S,) array of bool
        The states of components whose largest gain is positive.
    level : (S,) array of bool
        Those where float64 does not tell its sign.
    actions : (S,) array of int
        Stay and earn in a positive component; -1 or arbitrary elsewhere.
    """
    positive = np.zeros(mdp.n_states, dtype=bool)
    level = np.zeros(mdp.n_states, dtype=bool)
    actions = np.full(mdp.n_states, -1)
    kept = np.zeros_like(mdp.allowed)
    best = np.full(mdp.n_states, -1)
    for component in components:
        state, action = component.pairs.T
        rewards = R[state, action]
        if rewards.max() <= 0:
            continue
        if rewards.min() >= 0:  # whoever comes back to the largest reward again and again earns
            positive[component.states] = True
            kept[state, action] = True
            i = int(rewards.argmax())
            best[state[i]] = action[i]
            continue
        sign, chosen = _gain_of_component(mdp, R, component)
        positive[component.states] = sign > 0
        level[component.states] = sign == 0
        actions[component.states] = chosen
    if kept.any():
        towards = attractor_policy(mdp, np.flatnonzero(best >= 0), pairs=kept)
        actions = np.where(best >= 0, best, np.where(towards >= 0, towards, actions))
    return positive, level, actions


def _gain_of_component(mdp: MDP, R: FloatSA, component: EndComponent) -> tuple[int, IntS]:
    """The sign of the largest gain, 0 where float64 does not tell; actions that attain it."""
    states = component.states
    allowed = np.zeros((len(states), mdp.n_actions), dtype=bool)
    allowed[np.searchsorted(states, component.pairs[:, 0]), component.pairs[:, 1]] = True
    inner = MDP(kernel.among(mdp.P, states), R[states], average=True, allowed=allowed)
    planner = average_policy_iteration if len(states) <= FEW else relative_value_iteration
    try:
        solution = planner(inner)
    except ConvergenceError as error:
        if error.solution is None:
            return 0, allowed.argmax(axis=1)
        solution = error.solution
    gain, bound = solution.gain, solution.certificate.bound
    largest = float(np.max(gain)) if gain is not None else 0.0
    sign = int(largest - bound > 0) - int(largest + bound < 0)
    actions: IntS = solution.pi.argmax(axis=1)
    return sign, actions


def refuse(mdp: MDP, sorts: Sorts) -> None:
    """Raise the error that names the states without a finite optimum, and a cycle.

    Parameters
    ----------
    mdp : MDP
    sorts : Sorts

    Raises
    ------
    ModelError
    """
    first = np.where(sorts.actions >= 0, sorts.actions, mdp.allowed.argmax(axis=1))
    classes = recurrent_classes(mdp, one_hot(first, mdp.n_actions))

    def cycle(states: BoolS) -> tuple[str, str]:
        members = next(m for m in classes if states[m[0]])
        return cycle_words(mdp, first, members), _a_step(mdp, first, members)

    plus, minus = (state_words(mdp, np.flatnonzero(s)) for s in (sorts.plus, sorts.minus))
    if sorts.undefined.any():
        words, pays = cycle(~sorts.finite)
        what = "infinite or undefined" if sorts.undecided.any() else "undefined"
        raise ModelError(
            f"no policy ends almost surely from "
            f"{state_words(mdp, np.flatnonzero(sorts.undefined))}: whatever is done there, the "
            f"episode can go on for ever with rewards, as round the cycle {words}{pays}. Sums may "
            f"not settle, or inf may meet -inf: the total reward is {what}. {CURE}"
        )
    if sorts.plus.any():
        words, pays = cycle(sorts.plus)
        raise ModelError(
            f"the optimal total reward is infinite in {plus}: the cycle {words}{pays} can "
            f"be repeated for ever. {KEEP} {CURE}"
        )
    words, pays = cycle(sorts.minus)
    raise ModelError(
        f"no policy ends almost surely from {minus}: whatever is done there, the episode can go on "
        f"for ever with rewards, as round the cycle {words}{pays}; the total reward is minus "
        f"infinity. {KEEP} {CURE}"
    )


KEEP = "With infinite='keep' the other states are solved."


def refuse_cycle(mdp: MDP, endless: EndlessCycleError) -> NoReturn:
    """Raise the error of a cycle that only policy iteration has found to earn.

    Parameters
    ----------
    mdp : MDP
    endless : EndlessCycleError

    Raises
    ------
    ConvergenceError
        Its gain is 0 to within round-off.
    """
    raise ConvergenceError(
        f"float64 cannot tell whether the optimal total reward is finite: the rewards of the "
        f"cycle {endless.words(mdp)} cancel to within round-off. {CURE}",
        floor=np.inf,
    )


def _a_step(mdp: MDP, actions: IntS, members: IntArray) -> str:
    """The average reward of a recurrent class, in words; none where it is not easily had.

    min(R + P h - h) <= gain <= max(R + P h - h) for any h (Odoni 1969); the h that solves
    R = sum(h) + (I - P) h makes the two ends meet.
    """
    if len(members) > FEW:
        return ""
    mask = np.zeros(mdp.n_states, dtype=bool)
    mask[members] = True
    chain = kernel.to_dense(kernel.restrict(kernel.pick(mdp.P, actions), mask))
    rewards = mdp.R[members, actions[members]]
    try:
        h = np.linalg.solve(np.eye(len(members)) - chain + 1.0, rewards)
    except np.linalg.LinAlgError:
        return ""
    bounds = rewards + chain @ h - h
    size = float(np.abs(h).max())
    if bounds.max() - bounds.min() > backup_roundoff(mdp, size) + 8 * EPS * size:
        return ""
    return f" ({(bounds.min() + bounds.max()) / 2:.3g} a step)"
