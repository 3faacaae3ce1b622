"""The same model with other names, with copies, or with fewer actions.

Takes     an MDP; orders, states, actions.
Gives     a new MDP and its `Answers`.
Source    formula: the probability of coming to a state is divided among its copies.
Not here  merging copies again (hardness: bisimulation).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatS, IntArray, as_numbers
from ..checks import check_count, check_model, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ._answers import STATEMENTS, Answers
from ._rebuild import Steps, build, repeated


def relabel(mdp: MDP, states: Any = None, actions: Any = None) -> tuple[MDP, Answers]:
    """The same model with its states and actions in another order.

    Parameters
    ----------
    mdp : MDP
    states : (S,) array_like of int, optional
        New state i is old state ``states[i]``; as they are if omitted.
    actions : (A,) array_like of int, optional

    Returns
    -------
    new : MDP
        Names, layout, noise and rewards go with their states and actions.
    answers : Answers
        All statements hold.

    Raises
    ------
    ModelError
        If an order is no permutation.

    Notes
    -----
    Time O(nnz log nnz).

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> new, answers = relabel(line_world(), states=[4, 3, 2, 1, 0])
    >>> new.state_names, answers.V([-13.0, -12.0, -11.0, -1.0, 0.0])
    (('5', '4', '3', '2', '1'), array([  0.,  -1., -11., -12., -13.]))
    """
    check_model(mdp)
    state = _order(states, mdp.n_states, "states")
    action = np.broadcast_to(_order(actions, mdp.n_actions, "actions"), mdp.allowed.shape)
    answers = _answers(mdp, state, action, np.ones(mdp.allowed.shape))
    return _copied(mdp, answers, np.ones(mdp.n_states)), answers


def split_state(mdp: MDP, state: int, *, share: float = 0.5) -> tuple[MDP, Answers]:
    """A model in which one state stands there twice.

    Parameters
    ----------
    mdp : MDP
    state : int
    share : float in (0, 1)
        The part of the probability of coming there that goes to the copy, which is the last state.

    Returns
    -------
    new : MDP
        S + 1 states.
    answers : Answers
        All statements hold; visits and gradients of the two are added up.

    Raises
    ------
    ModelError
        If there is no such state, or share is outside (0, 1).

    Examples
    --------
    >>> from mdptools.problems import small
    >>> split_state(small(), 1, share=0.25)[0].P[0, 0]
    array([0.5  , 0.375, 0.125])
    """
    check_model(mdp)
    s = _index(state, mdp.n_states, "state")
    part = _part(share)
    states = np.append(np.arange(mdp.n_states), s)
    weight = np.ones(mdp.n_states + 1)
    weight[s], weight[-1] = 1 - part, part
    action = np.broadcast_to(np.arange(mdp.n_actions), (len(states), mdp.n_actions))
    answers = _answers(mdp, states, action, np.ones(action.shape))
    return _copied(mdp, answers, weight), answers


def split_action(mdp: MDP, action: int, *, share: float = 0.5) -> tuple[MDP, Answers]:
    """A model in which one action stands there twice.

    Parameters
    ----------
    mdp : MDP
    action : int
    share : float in (0, 1)
        The part of its probability that `Answers.policy` gives to the copy, the last action.

    Returns
    -------
    new : MDP
        A + 1 actions.
    answers : Answers
        All statements hold.

    Raises
    ------
    ModelError
        If there is no such action, or share is outside (0, 1).

    Examples
    --------
    >>> from mdptools.problems import small
    >>> new, answers = split_action(small(), 0)
    >>> answers.policy([[0.5, 0.5], [1.0, 0.0]])
    array([[0.25, 0.5 , 0.25],
           [0.5 , 0.  , 0.5 ]])
    """
    check_model(mdp)
    a = _index(action, mdp.n_actions, "action")
    part = _part(share)
    actions = np.append(np.arange(mdp.n_actions), a)
    of_pairs = np.broadcast_to(actions, (mdp.n_states, len(actions)))
    weights = np.ones(of_pairs.shape)
    weights[:, a], weights[:, -1] = 1 - part, part
    answers = _answers(mdp, np.arange(mdp.n_states), of_pairs, weights)
    return _copied(mdp, answers, np.ones(mdp.n_states)), answers


def restrict(mdp: MDP, allowed: Any) -> tuple[MDP, Answers]:
    """The same model with fewer actions.

    Parameters
    ----------
    mdp : MDP
    allowed : (S, A) array_like of bool
        At least one action for each state; what the model refuses stays refused.

    Returns
    -------
    new : MDP
    answers : Answers
        For policies of the actions that are left. The optimum can only fall.

    Raises
    ------
    ModelError
        If a state is left without an action, or the mask has another shape.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> restrict(small(), [[True, False], [True, True]])[0].allowed
    array([[ True, False],
           [ True,  True]])
    """
    check_model(mdp)
    mask = np.asarray(allowed)
    if mask.dtype != np.bool_ or mask.shape != mdp.allowed.shape:
        raise ModelError(
            f"allowed is an array of {mask.dtype} with shape {mask.shape}; it must be a mask of "
            f"bool with shape (S, A) = {mdp.allowed.shape}."
        )
    kept = mask & mdp.allowed
    none = np.flatnonzero(~kept.any(axis=1))
    if len(none):
        raise ModelError(
            f"state {mdp.name_of_state(int(none[0]))} is left without an action ({len(none)} such "
            f"states): allow one of those that the model has there."
        )
    action = np.where(kept, np.arange(mdp.n_actions), -1)
    held = frozenset(STATEMENTS) - {"optimum"}
    answers = _answers(mdp, np.arange(mdp.n_states), action, np.ones(action.shape), preserves=held)
    return _copied(mdp, answers, np.ones(mdp.n_states)), answers


def _answers(
    mdp: MDP,
    state: IntArray,
    action: Any,
    share: Any,
    *,
    preserves: frozenset[str] = frozenset(STATEMENTS),
) -> Answers:
    return Answers(
        state=state, action=action, share=share, shape=mdp.allowed.shape, preserves=preserves
    )


def _copied(mdp: MDP, answers: Answers, weight: FloatS) -> MDP:
    """The model whose states and pairs are those of ``answers``; a copy gets ``weight``."""
    state, action = answers.state, answers.action
    n_states, n_actions = action.shape
    law = mdp.branches
    new_row = np.flatnonzero(action.reshape(-1) >= 0)
    old = state[new_row // n_actions] * mdp.n_actions + action.reshape(-1)[new_row]
    who, branch = repeated(law.offsets[old], np.diff(law.offsets)[old])
    by_old = state.argsort(kind="stable")
    counts = np.bincount(state, minlength=mdp.n_states)
    first = np.cumsum(counts) - counts
    successor = law.next_state[branch]
    again, place = repeated(first[successor], counts[successor])
    target = by_old[place]
    steps = Steps(
        new_row[who[again]],
        target,
        law.reward[branch[again]],
        law.prob[branch[again]] * weight[target],
    )
    # Who has ended stays where he is: not in a copy.
    over = mdp.terminal[state[steps.row // n_actions]]
    steps = Steps(
        steps.row,
        np.where(over, steps.row // n_actions, steps.target),
        steps.reward,
        np.where(over, law.prob[branch[again]], steps.prob),
    )
    steps = _once(steps, over)
    allowed = np.take_along_axis(mdp.allowed[state], np.maximum(action, 0), axis=1) & (action >= 0)
    names = mdp.action_names
    same = (action == action[0]).all() and n_actions == mdp.n_actions and (action >= 0).all()
    return build(
        mdp,
        steps,
        n_states,
        n_actions,
        allowed=allowed,
        mu=mdp.mu[state] * weight,
        final=None if mdp.final is None else mdp.final[state],
        terminal=() if mdp.average else mdp.terminal[state],
        reward_std=_of_pairs(mdp.reward_std, answers, allowed),
        state_names=_names(mdp.state_names, state),
        action_names=(
            None
            if names is None
            else tuple(names[a] for a in action[0])
            if same
            else names
            if n_actions == mdp.n_actions
            else _names(names, action[0])
        ),
        layout=_layout(mdp, state),
    )


def _once(steps: Steps, over: Any) -> Steps:
    """Loops of states that have ended, once for each copy they were made for."""
    where = np.flatnonzero(over)
    _, firsts = np.unique(steps.row[where], return_index=True)
    kept = ~over
    kept[where[firsts]] = True
    prob = np.where(over, 1.0, steps.prob)
    return Steps(steps.row[kept], steps.target[kept], steps.reward[kept], prob[kept])


def _of_pairs(x: Any, answers: Answers, allowed: Any) -> Any:
    if x is None:
        return None
    taken = np.take_along_axis(x[answers.state], np.maximum(answers.action, 0), axis=1)
    return np.where(allowed, taken, 0.0)


def _names(names: tuple[str, ...] | None, of: IntArray) -> tuple[str, ...] | None:
    """Names by old number; a copy gets a prime."""
    if names is None:
        return None
    seen: dict[int, int] = {}
    found = []
    for i in of.tolist():
        found.append(names[i] + "'" * seen.get(i, 0))
        seen[i] = seen.get(i, 0) + 1
    return tuple(found)


def _layout(mdp: MDP, state: IntArray) -> Any:
    """Coordinates go with the states; a (rows, cols) layout only if nothing moved."""
    layout = mdp.layout
    if layout is None or (isinstance(layout, tuple) and np.array_equal(state, range(mdp.n_states))):
        return layout
    if isinstance(layout, tuple):
        rows, cols = np.divmod(state, layout[1])
        return np.stack((rows, cols), axis=1).astype(np.float64)
    return np.asarray(layout)[state]


def _order(order: Any, n: int, name: str) -> IntArray:
    if order is None:
        return np.arange(n)
    numbers = as_numbers(order, name)
    if numbers.dtype.kind not in "iu" or sorted(numbers.reshape(-1).tolist()) != list(range(n)):
        raise ModelError(f"{name} is {order!r:.80}; it must be an order of 0 to {n - 1}.")
    return numbers.astype(np.int64)


def _index(i: Any, n: int, name: str) -> int:
    number = 0 if i == 0 else check_count(i, name)
    if number >= n:
        raise ModelError(f"{name} is {number}; there are 0 to {n - 1}.")
    return number


def _part(share: Any) -> float:
    part = number_or_nan(share)
    if not 0 < part < 1:
        raise ModelError(f"share is {share!r:.80}; it must be in (0, 1).")
    return part
