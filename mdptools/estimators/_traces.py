"""TD(lambda): each step moves all entries that led to it.

Takes     `Trajectories`, a table V0 to start from, gamma, lambda, a step size.
Gives     a new table of the same shape.
Source    Sutton and Barto (2018), sections 12.1 and 12.2; (1998), chapter 7, for offline updates.
Not here  lambda-returns for a critic that is held fixed (`_bootstrapped`).
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..sampling import Trajectories
from ._bootstrapped import mixed_returns
from ._chains import Chain, StepSize, check_arguments, learned, step_sizes, values_chain

View: TypeAlias = Literal["forward", "backward", "online"]
Trace: TypeAlias = Literal["accumulating", "replacing"]


def td_lambda(
    V0: Any,
    trajectories: Trajectories,
    gamma: float,
    lam: float,
    step_size: StepSize,
    *,
    view: View = "backward",
    trace: Trace = "accumulating",
    observed: bool = False,
) -> FloatArray:
    """TD(lambda) in three views, of which two are the same.

    "forward": V(s_t) += step_size (G_t - V(s_t)) with lambda-returns G; "backward": every temporal
    difference moves what was visited before by a trace that decays by gamma lambda at each step.
    Both collect their moves over a trajectory and make them at its end, and are equal to round-off.
    "online" is the backward view with every move made at once.

    Approaches V of the policy that acted; with lam=0 and "online" it is `td`. With lam=1 the
    offline views regress on whole returns: every-visit Monte Carlo, V held fixed in a trajectory.

    Parameters
    ----------
    V0 : (S,) or (at least T+1, S) array_like, reward units
    trajectories : Trajectories
    gamma, lam : float in [0, 1]
    step_size : float > 0, or function int -> float
        As for `td`; a visit enters the trace with its own step size.
    view : {"forward", "backward", "online"}
    trace : {"accumulating", "replacing"}
        What a second visit does to its trace. "replacing" has no forward view.
    observed : bool
        As for `td`.

    Returns
    -------
    array of the shape of V0, reward units
        Per batch.

    Raises
    ------
    ModelError
        If V0, gamma, lam, step_size, view or trace do not fit, or the values run away.

    Notes
    -----
    Sutton and Barto (2018), eqs. (12.2) to (12.7). Equality of the offline views: sum_t (G_t -
    V(s_t)) 1{s_t = s} = sum_k delta_k sum_{t <= k} (gamma lam)^(k-t) 1{s_t = s}. A termination is
    worth 0, a truncation V of its state, in all views. Time O(L) for each of the L steps of a
    trajectory with traces, O(1) with lambda-returns.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0), (1, 0, 2.0)]], last=[2])
    >>> for view in ("forward", "backward", "online"):
    ...     td_lambda([0.0, 4.0, 7.0], batch, 0.5, 0.5, 0.5, view=view)
    array([1.25, 3.  , 7.  ])
    array([1.25, 3.  , 7.  ])
    array([1.25, 3.  , 7.  ])
    """
    V, chain = values_chain(trajectories, V0, observed)
    run_traces(V.reshape(-1), chain, gamma, lam, step_size, view, trace)
    return learned(V, "V")


def run_traces(
    flat: FloatArray,
    chain: Chain,
    gamma: float,
    lam: float,
    step_size: StepSize,
    view: str,
    trace: str,
) -> None:
    """Move the flat table along the chain, in place."""
    check_arguments(gamma, lam=lam)
    _check_words(view, trace)
    steps = np.array(step_sizes(step_size, chain.cells[:, :-1][chain.mask]))
    low = 0
    with np.errstate(over="ignore", invalid="ignore"):  # `learned` says so
        for cells, r, terminated in chain.episodes():
            own = steps[low : low + len(r)]
            low += len(r)
            here, at = np.unique(cells, return_inverse=True)  # traces of these alone
            local = flat[here]
            if view == "forward":
                _forward(local, at, r, terminated, own, gamma, lam)
            else:
                online, replacing = view == "online", trace == "replacing"
                _backward(
                    local, at, r, terminated, own, gamma, lam, online=online, replacing=replacing
                )
            flat[here] = local


def _forward(
    V: FloatArray,
    cells: Any,
    r: FloatArray,
    terminated: bool,
    steps: FloatArray,
    gamma: float,
    lam: float,
) -> None:
    """All moves towards the lambda-returns of one trajectory."""
    now, after = V[cells[:-1]], V[cells[1:]]
    if terminated:
        after[-1] = 0.0
    mask = np.ones((1, len(r)), dtype=np.bool_)
    G = mixed_returns(r[None], after[None], mask, gamma, lam)[0]
    np.add.at(V, cells[:-1], steps * (G - now))


def _backward(
    V: FloatArray,
    cells: Any,
    r: FloatArray,
    terminated: bool,
    steps: FloatArray,
    gamma: float,
    lam: float,
    *,
    online: bool,
    replacing: bool,
) -> None:
    """The moves of one trajectory by traces; at its end, or at once."""
    trace, moves = np.zeros(len(V)), np.zeros(len(V))
    walk = cells.tolist()
    for t, reward in enumerate(r.tolist()):
        cell, after = walk[t], walk[t + 1]
        done = terminated and t == len(r) - 1
        trace *= gamma * lam
        trace[cell] = steps[t] + (0.0 if replacing else trace[cell])
        delta = reward + (0.0 if done else gamma * V[after]) - V[cell]
        if online:
            V += delta * trace
        else:
            moves += delta * trace
    V += moves


def _check_words(view: str, trace: str) -> None:
    if view not in ("forward", "backward", "online"):
        raise ModelError(f"view is {view!r}; it must be 'forward', 'backward' or 'online'.")
    if trace not in ("accumulating", "replacing"):
        raise ModelError(f"trace is {trace!r}; it must be 'accumulating' or 'replacing'.")
    if view == "forward" and trace == "replacing":
        raise ModelError(
            "trace is 'replacing', which has no forward view: take view='backward' or 'online'."
        )
