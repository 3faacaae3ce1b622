"""Tables of logits: policies whose probabilities may be 1e-300, and steps of any size on them.

Takes     logits (S, A) or (H, S, A), finite, and what they move by.
Gives     logits whose largest is 0 in each state, and policies.
Source    log pi = z - log sum exp z with the largest z taken out first.
Not here  families (policies): these tables may depend on time, and are never pulled back.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolSA, FloatSA, as_floats, readonly
from ..errors import ModelError
from ..model import MDP

DEEPEST = -1e300
"""The lowest logit that is kept: exp of it is 0, and sums of a few of them are finite."""


def start_table(mdp: MDP, given: Any, name: str) -> FloatSA:
    """Zeros, (S, A) or (H, S, A), or the logits that were given, anchored.

    Parameters
    ----------
    mdp : MDP
    given : (S, A) or (H, S, A) array_like or None
    name : str

    Returns
    -------
    (S, A) array, or (H, S, A) if the model has a horizon

    Raises
    ------
    ModelError
        If they have another shape, or are not finite at an allowed pair.
    """
    full = table_shape(mdp)
    if given is None:
        return readonly(np.zeros(full))
    return check_table(mdp, np.broadcast_to(_fitting(mdp, as_floats(given, name), name), full))


def table_shape(mdp: MDP) -> tuple[int, ...]:
    """(S, A), or (H, S, A) if the model has a horizon."""
    shape = (mdp.n_states, mdp.n_actions)
    return shape if mdp.horizon is None else (mdp.horizon, *shape)


def _fitting(mdp: MDP, x: FloatSA, name: str) -> FloatSA:
    if x.shape not in (table_shape(mdp), mdp.allowed.shape):
        raise ModelError(f"{name} has shape {x.shape}; it must be {table_shape(mdp)}.")
    return x


def check_table(mdp: MDP, x: Any, name: str = "x") -> FloatSA:
    """Logits as an array, the largest of each state 0, 0 at refused pairs.

    Parameters
    ----------
    mdp : MDP
    x : (S, A) or (H, S, A) array_like
    name : str

    Returns
    -------
    (S, A) or (H, S, A) array
        Read-only.

    Raises
    ------
    ModelError
        Naming the state and the action whose logit is not finite, or the shape.
    """
    logits = _fitting(mdp, as_floats(x, name), name)
    bad = np.argwhere(mdp.allowed & ~np.isfinite(logits))
    if len(bad):
        *at, s, a = (int(i) for i in bad[0])
        raise ModelError(
            f"{name} is {logits[(*at, s, a)]} for action {mdp.name_of_action(a)} in state "
            f"{mdp.name_of_state(s)}: a logit must be finite ({len(bad)} are not)."
        )
    return anchored(mdp, logits)


def anchored(mdp: MDP, logits: FloatSA) -> FloatSA:
    """The same policy with largest logit 0 in each state; nothing below ``DEEPEST``."""
    halves = logits / 2  # so that the gap does not overflow
    top = np.where(mdp.allowed, halves, -np.inf).max(axis=-1, keepdims=True)
    gap: FloatSA = 2.0 * np.maximum(
        halves - top, DEEPEST / 2, where=mdp.allowed, out=np.zeros(logits.shape)
    )
    return readonly(gap)


def table_policy(mdp: MDP, logits: FloatSA) -> FloatSA:
    """pi (S, A) or (H, S, A) of anchored logits; rows sum to one, 0 at refused pairs."""
    weights = np.where(mdp.allowed, np.exp(logits), 0.0)
    return readonly(weights / weights.sum(axis=-1, keepdims=True))


def table_logs(mdp: MDP, logits: FloatSA) -> FloatSA:
    """log pi of anchored logits, finite; 0 at refused pairs."""
    weights = np.where(mdp.allowed, np.exp(logits), 0.0)
    return np.where(mdp.allowed, logits - np.log(weights.sum(axis=-1, keepdims=True)), 0.0)


def gaps(mdp: MDP, Q: FloatSA) -> FloatSA:
    """Q less the largest Q of the state: <= 0, and 0 at refused pairs."""
    best = np.where(mdp.allowed, Q, -np.inf).max(axis=-1, keepdims=True)
    gap: FloatSA = np.subtract(Q, best, where=mdp.allowed, out=np.zeros(Q.shape))
    return gap


def told_apart(gap: FloatSA, bound: float, eta: float = np.inf) -> FloatSA:
    """The gaps, 0 for those within round-off where a step of eta would blow it up to order one.

    Parameters
    ----------
    gap : (S, A) or (H, S, A) array, reward units
        <= 0.
    bound : float, reward units
        On the error of Q, so gaps are known to twice the bound.
    eta : float
        What the gaps will be multiplied by, 1 / reward units.

    Returns
    -------
    array
    """
    blur = 2 * bound
    return np.where(gap >= -blur, 0.0, gap) if eta * blur > 1 else gap


def moved(mdp: MDP, logits: FloatSA, eta: float, gap: FloatSA) -> FloatSA:
    """Logits of ``pi exp(eta gap)``, anchored.

    Parameters
    ----------
    mdp : MDP
    logits : (S, A) or (H, S, A) array
        Anchored.
    eta : float in (0, inf]
        Infinite: pi on the actions whose gap is 0, in proportion.
    gap : (S, A) or (H, S, A) array
        <= 0, with a 0 in each state.

    Returns
    -------
    (S, A) or (H, S, A) array
    """
    if np.isinf(eta):
        kept = np.where(greedy_set(mdp, gap), logits, -np.inf)
    else:
        with np.errstate(over="ignore"):  # to -inf, which is what such a step means
            kept = np.where(mdp.allowed, logits + eta * gap, -np.inf)
    top = kept.max(axis=-1, keepdims=True)
    return readonly(np.where(mdp.allowed, np.maximum(kept - top, DEEPEST), 0.0))


def greedy_set(mdp: MDP, gap: FloatSA) -> BoolSA:
    """The allowed actions whose gap is 0."""
    best: BoolSA = mdp.allowed & (gap == 0)
    return best
