"""Importance ratios: how much likelier each action was under another policy.

Takes     `Trajectories` with logp of who acted, and a policy: pi, or a family with theta.
Gives     ratios pi(a|s) / b(a|s) of the steps, and their products.
Source    Precup, Sutton and Singh (2000); Sutton and Barto (2018), eq. (5.3).
Not here  what they weigh (`_off_policy`, `_gradient`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..errors import ModelError
from ..policies import sight
from ..sampling import Trajectories


def importance_ratios(trajectories: Trajectories, policy: Any) -> FloatArray:
    """pi(a_t | s_t) / b(a_t | s_t), with b who acted.

    Given s_t its mean under b is 1, if b takes each action that pi takes.

    Parameters
    ----------
    trajectories : Trajectories
        With logp.
    policy : pi, (S, A) or (H, S, A); or a pair (family, theta)
        pi. If its family sees observations and the trajectories hold them, the ratio is pi(a|o) /
        b(a|o): the probability of what was seen is in both, and cancels.

    Returns
    -------
    (N, T) array
        1 behind the end.

    Raises
    ------
    ModelError
        If the policy does not fit, or logp is not known.

    Notes
    -----
    Time O(N T).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0)]], last=[0], logp=[[np.log(0.5)]])
    >>> importance_ratios(batch, [[0.2, 0.8]])
    array([[1.6]])
    """
    batch = trajectories
    unknown = np.argwhere(batch.mask & ~np.isfinite(batch.logp))
    if len(unknown):
        i, t = (int(x) for x in unknown[0])
        raise ModelError(
            f"logp is {batch.logp[i, t]} at step {t} of trajectory {i} ({len(unknown)} steps are "
            f"so): without the probabilities under which it acted there are no ratios. Give "
            f"from_steps logp=."
        )
    acted = np.where(batch.mask, np.exp(batch.logp), 1.0)
    return np.where(batch.mask, _chosen(batch, policy) / acted, 1.0)


# --- for the other files of this room --------------------------------------------------------


def ratios_so_far(trajectories: Trajectories, policy: Any) -> FloatArray:
    """prod_{k < t} of the ratios, (N, T+1); padding does not change it."""
    ratios = importance_ratios(trajectories, policy)
    with_one: Any = np.concatenate((np.ones((trajectories.n, 1)), ratios), axis=1)
    with np.errstate(over="ignore", invalid="ignore"):
        products: FloatArray = np.cumprod(with_one, axis=1)
    over = np.argwhere(~np.isfinite(products))
    if len(over):
        i, t = (int(x) for x in over[0])
        raise ModelError(
            f"the product of the first {t} ratios of trajectory {i} is above 1e308: a mean of such "
            f"numbers says nothing. Take shorter trajectories, or a behaviour nearer to the policy."
        )
    return products


def table_of(policy: Any) -> FloatArray:
    """pi (S, A) or (H, S, A) of a policy that was given as such, or as (family, theta)."""
    if _is_family(policy):
        family, theta = policy
        pi: FloatArray = family.probs(theta)
        return pi
    pi = as_floats(policy, "policy")
    if pi.ndim not in (2, 3):
        raise ModelError(
            f"policy has shape {pi.shape}; it must be (S, A), (H, S, A), or (family, theta)."
        )
    gap = np.abs(pi.sum(axis=-1) - 1)
    if not ((pi >= 0).all() and gap.max(initial=0.0) <= 1e-9):
        *at, s = (int(i) for i in np.unravel_index(int(gap.argmax()), gap.shape))
        raise ModelError(
            f"policy sums to {pi.sum(axis=-1)[(*at, s)]:.6g} in state {s} and its smallest entry "
            f"is {pi.min():.6g}; rows must be distributions."
        )
    return pi


def at_steps(table: FloatArray, trajectories: Trajectories, name: str, n_times: int) -> FloatArray:
    """table[s_t] or table[t, s_t], (N, n_times, A), of a table (S, A) or (H, S, A).

    The last time of a table stands for later ones: at the horizon nobody asks.
    """
    check_fits(table, trajectories, name)
    s = trajectories.s[:, :n_times]
    time = np.minimum(np.arange(n_times), len(table) - 1)
    found: FloatArray = table[s] if table.ndim == 2 else table[time, s]
    return found


def check_fits(table: FloatArray, trajectories: Trajectories, name: str) -> None:
    """Pass if the table (S, A) or (H, S, A) has what these trajectories use."""
    batch = trajectories
    n_states, n_actions = table.shape[-2:]
    largest = int(batch.s.max(initial=0)), int(batch.a.max(initial=0))
    if largest[0] >= n_states or largest[1] >= n_actions:
        raise ModelError(
            f"{name} has {n_states} states and {n_actions} actions; these trajectories use state "
            f"{largest[0]} and action {largest[1]}."
        )
    if table.ndim == 3 and len(table) < batch.n_steps:
        raise ModelError(f"{name} has {len(table)} times; these trajectories {batch.n_steps}.")


def _chosen(batch: Trajectories, policy: Any) -> FloatArray:
    """pi of the action taken at each step, (N, T)."""
    if _is_family(policy) and batch.o is not None:
        seen = sight(*policy)
        if seen is not None:
            return seen.chosen(np.arange(batch.n_steps), batch.o, batch.a)
    pi = table_of(policy)
    check_fits(pi, batch, "policy")
    s, time = batch.s[:, :-1], np.arange(batch.n_steps)
    chosen: FloatArray = pi[s, batch.a] if pi.ndim == 2 else pi[time, s, batch.a]
    return chosen


def _is_family(policy: Any) -> bool:
    return isinstance(policy, tuple) and len(policy) == 2 and hasattr(policy[0], "pullback")
