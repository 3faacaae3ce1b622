"""Discounting as a chance that the world ends.

Takes     a discounted MDP.
Gives     a model of total reward and its `Answers`.
Source    formula: P' = gamma P, and 1 - gamma to a terminal state.
Not here  discounts at which the optimum changes (hardness).
"""

from __future__ import annotations

import numpy as np

from ..checks import check_served, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ._answers import STATEMENTS, Answers
from ._rebuild import Steps, build, joined


def discount_as_termination(mdp: MDP, const: float = 0.0) -> tuple[MDP, Answers]:
    """The undiscounted model that ends after each step with probability 1 - gamma.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    const : float, reward units
        Paid when the world ends.

    Returns
    -------
    new : MDP
        Of total reward, with an added last state "end". The reward of a step is paid before the
        world ends, so that it is paid in any case.
    answers : Answers
        With ``const=0`` V, J, advantages, gradient and optimal policies are the same, and visits
        without a discount are those with one. Otherwise each step pays ``(1 - gamma) const`` more.

    Raises
    ------
    ModelError
        If the model is not discounted, or const is not finite.

    Notes
    -----
    The step at t is taken with probability gamma^t, given that the episode would still run.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> new, answers = discount_as_termination(small(gamma=0.75))
    >>> new.objective, new.P[0, 0], new.R[0]
    ('total', array([0.375, 0.375, 0.25 ]), array([ 5., 10.]))
    """
    check_served(mdp, "discount_as_termination", "discounted", instead="with_objective(gamma=...)")
    paid = number_or_nan(const)
    if not np.isfinite(paid):
        raise ModelError(f"const is {const!r:.80}; it must be a finite number.")
    n, n_actions = mdp.n_states, mdp.n_actions
    steps = Steps.of(mdp)
    over = mdp.terminal[steps.row // n_actions]
    goes_on = steps._replace(prob=np.where(over, 1.0, mdp.gamma) * steps.prob)
    live = Steps(*(column[~over] for column in steps))
    ends = live._replace(
        target=np.full(len(live.row), n),
        reward=live.reward + paid,
        prob=(1 - mdp.gamma) * live.prob,
    )
    last = n * n_actions + np.arange(n_actions)
    rests = Steps(last, np.full(n_actions, n), np.zeros(n_actions), np.ones(n_actions))
    names = None if mdp.state_names is None else (*mdp.state_names, _new_name(mdp.state_names))
    noise = mdp.reward_std
    new = build(
        mdp,
        joined(goes_on, ends, rests),
        n + 1,
        n_actions,
        allowed=np.vstack((mdp.allowed, np.ones(n_actions, dtype=bool))),
        gamma=1.0,
        mu=np.append(mdp.mu, 0.0),
        terminal=np.append(mdp.terminal, True),
        reward_std=None if noise is None else np.vstack((noise, np.zeros(n_actions))),
        state_names=names,
    )
    ending = bool(mdp.terminal.any())
    held = set(STATEMENTS)
    if paid and ending:
        held -= {"optimum", "advantage", "gradient"}
    action = np.broadcast_to(np.arange(n_actions), (n + 1, n_actions)).copy()
    action[n] = -1
    return new, Answers(
        state=np.append(np.arange(n), -1),
        action=action,
        share=np.ones((n + 1, n_actions)),
        shape=(n, n_actions),
        rate=(1 - mdp.gamma) * paid,
        steps=None if ending else np.full(n, 1 / (1 - mdp.gamma)),
        preserves=frozenset(held),
    )


def _new_name(names: tuple[str, ...]) -> str:
    name = "end"
    while name in names:
        name += "'"
    return name
