"""A policy that one cannot quite follow: the model in which actions go astray.

Takes     an MDP, another policy, and how often it acts instead.
Gives     a new MDP and its `Answers`.
Source    formula: P'(s, a) = (1 - epsilon) P(s, a) + epsilon sum_b pi(b | s) P(s, b); R' alike.
Not here  policies themselves (policies).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import check_model, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy
from ._answers import STATEMENTS, Answers
from ._rebuild import Steps, build, joined, repeated


def mix_actions(mdp: MDP, pi: Any, epsilon: float) -> tuple[MDP, Answers]:
    """A model in which the action is taken by another policy now and then.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array_like
        Who acts instead.
    epsilon : float in [0, 1)
        How often.

    Returns
    -------
    new : MDP
    answers : Answers
        A policy of the new model acts as ``(1 - epsilon)`` times itself plus ``epsilon pi`` acted
        in the old one: `Answers.acts_as`. V, J, visits and the gradient are those of that. The
        optimum is the best of such policies only.

    Raises
    ------
    ModelError
        If pi is no policy of the model, or epsilon outside [0, 1); if rewards have Gaussian noise,
        whose mixture is not Gaussian.

    Notes
    -----
    The reward goes with the action that was taken in the end, so the law of rewards is a mixture.

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> mix_actions(line_world(), [[0.5, 0.5]] * 5, 0.5)[0].P[1, 0]
    array([0.75, 0.  , 0.25, 0.  , 0.  ])
    """
    check_model(mdp)
    part = number_or_nan(epsilon)
    if not 0 <= part < 1:
        raise ModelError(f"epsilon is {epsilon!r:.80}; it must be in [0, 1).")
    if mdp.reward_std is not None:
        raise ModelError("a mixture of Gaussian rewards is not Gaussian: drop reward_std first.")
    table = check_policy(mdp, pi)
    if table.ndim == 3:
        raise ModelError("pi is (H, S, A); who acts instead must not depend on time.")
    own = Steps.of(mdp)
    law, n_actions = mdp.branches, mdp.n_actions
    own = own._replace(prob=(1 - part) * own.prob)
    s, a = np.nonzero(mdp.allowed & ~mdp.terminal[:, None])
    # For each pair the branches of all the actions that the other policy might take there.
    who, other = repeated(s * n_actions, np.full(len(s), n_actions))
    again, branch = repeated(law.offsets[other], np.diff(law.offsets)[other])
    others = Steps(
        (s * n_actions + a)[who[again]],
        law.next_state[branch],
        law.reward[branch],
        part * table.reshape(-1)[other[again]] * law.prob[branch],
    )
    over = mdp.terminal[own.row // n_actions]
    own = own._replace(prob=np.where(over, law.prob, own.prob))
    new = build(
        mdp,
        joined(own, others),
        mdp.n_states,
        n_actions,
        allowed=mdp.allowed,
        mu=mdp.mu,
        final=mdp.final,
        terminal=() if mdp.average else mdp.terminal,
        state_names=mdp.state_names,
        layout=mdp.layout,
    )
    shape = mdp.allowed.shape
    return new, Answers(
        state=np.arange(shape[0]),
        action=np.broadcast_to(np.arange(n_actions), shape),
        share=np.ones(shape),
        shape=shape,
        keep=1 - part,
        mixed_in=table,
        preserves=frozenset(STATEMENTS) - {"optimum", "advantage"},
    )
