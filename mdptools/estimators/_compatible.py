"""Scores squared and fitted, from samples: Fisher information, natural gradient, best baseline.

Takes     `Trajectories` acted by the policy of theta, and estimates of what followed each step.
Gives     rows of outer products; for a whole batch, a direction and a baseline.
Source    Kakade (2001), theorem 1; Peters and Schaal (2008), "Natural actor-critic". The baseline
          is derived in its docstring.
Not here  the exact ones (gradients, verify).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..checks import check_count, number_or_nan
from ..errors import ModelError
from ..policies import Family
from ..sampling import Trajectories
from ._gradient import gpomdp, time_discounts


def sampled_fisher(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    *,
    time_discount: float | None = None,
    observed: bool = False,
) -> FloatArray:
    """sum_t c^t psi_t psi_t': the Fisher information along each trajectory.

    Estimates sum_s visits(s) sum_a pi psi psi', with c = gamma; that times 1 - gamma is what the
    papers have for a discounted model. Unbiased if the trajectories were run to their end under the
    policy of theta. With ``time_discount=1`` the visits are undiscounted: it is then also the
    covariance of sum_t psi_t.

    Parameters
    ----------
    trajectories : Trajectories
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    time_discount : float in [0, 1], optional
        c; gamma if omitted.
    observed : bool
        With a family that sees observations: scores of pi(a | o), what was seen, in the place of
        the mixture's. That information is larger: what was seen tells more than the state.

    Returns
    -------
    (N, D, D) array

    Raises
    ------
    ModelError
        If an argument does not fit, or ``observed`` and the trajectories hold no observations.

    Notes
    -----
    Kakade (2001). Time O(N T D^2), memory O(N D (T + D)).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0)] * 2], last=[0], terminated=False)
    >>> sampled_fisher(batch, Softmax(mdp), [[0.0, 0.0]], 0.5)
    array([[[ 0.375, -0.375],
            [-0.375,  0.375]]])
    """
    batch = trajectories
    powers = time_discounts(batch, gamma, time_discount)
    psi = np.zeros((batch.n, batch.n_steps, family.size))
    for t, here in _scores(batch, family, theta, observed):
        psi[:, t] = here
    rows: FloatArray = (psi * powers[:, None]).transpose(0, 2, 1) @ psi
    return rows


def sampled_natural_gradient(
    trajectories: Trajectories,
    family: Family,
    theta: Any,
    gamma: float,
    A: Any,
    *,
    time_discount: float | None = None,
    observed: bool = False,
    rcond: float = 1e-8,
) -> FloatArray:
    """The x that best fits psi_t . x to the advantages A_t: compatible regression.

    Estimates F^+ dJ/dtheta, F = sum_s visits(s) sum_a pi psi psi', from a whole batch: the natural
    gradient of total reward and of a finite horizon, and 1 - gamma times that of a discounted
    model. A ratio of means, so biased like 1/N; it converges if A_t estimates the advantage without
    bias given s_t and a_t, give or take a number for each state.

    Parameters
    ----------
    trajectories : Trajectories
        Run to their end under the policy of theta. Their ``weight``, if any, is used.
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    A : (N, T) array_like, reward units
        `gae`, or a return less a baseline. Behind the end it is not asked.
    time_discount : float in [0, 1], optional
        c: the square at t counts c^t times. gamma if omitted.
    observed : bool
        As for `sampled_fisher`.
    rcond : float in [0, 1)
        Eigenvalues of the sampled F below rcond times the largest count as 0. Round-off alone makes
        some 1e-15 of them.

    Returns
    -------
    array in theta's shape
        The smallest such x. Per batch: not one row for each trajectory.

    Raises
    ------
    ModelError
        If an argument does not fit.

    Notes
    -----
    Kakade (2001), theorem 1: the least squares fit solves F x = E[sum_t c^t psi_t A_t], which is
    the gradient. Time O(N T D^2 + D^3).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0)], [(0, 0, 0.0)]], last=[0, 0])
    >>> sampled_natural_gradient(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, batch.r - 0.5)
    array([[-0.5,  0.5]])
    """
    batch = trajectories
    above = step_numbers(batch, A, "A")
    cut = number_or_nan(rcond)
    if not 0 <= cut < 1:
        raise ModelError(f"rcond is {rcond!r:.80}; it must be a number in [0, 1).")
    powers = time_discounts(batch, gamma, time_discount)
    share = np.full(batch.n, 1 / max(batch.n, 1)) if batch.weight is None else batch.weight
    F, g = np.zeros((family.size, family.size)), np.zeros(family.size)
    for t, psi in _scores(batch, family, theta, observed):
        weighted = (powers[t] * share)[:, None] * psi
        F += psi.T @ weighted
        g += above[:, t] @ weighted
    values, vectors = np.linalg.eigh((F + F.T) / 2)
    kept = values > cut * max(values[-1], 0.0)
    x: FloatArray = (vectors[:, kept] / values[kept]) @ (vectors[:, kept].T @ g)
    return x.reshape(family.shape)


def fitted_optimal_baseline(
    trajectories: Trajectories, family: Family, theta: Any, gamma: float, n_states: int
) -> FloatArray:
    """The baseline b_t(s) with which `gpomdp` has the smallest summed variance, from a batch.

    Estimates the optimal (time, state) baseline. A ratio of means, so biased like 1/N. Use it on
    other trajectories than those that it was fitted on: there it leaves `gpomdp` unbiased.

    Parameters
    ----------
    trajectories : Trajectories
        Run to their end under the policy of theta. Their ``weight``, if any, is used.
    family : Family
    theta : array
        In the family's shape.
    gamma : float in [0, 1]
    n_states : int

    Returns
    -------
    (T, S) array, reward units
        0 where a state was not seen at its time. Per batch: not one row for each trajectory.

    Raises
    ------
    ModelError
        If theta, gamma or n_states do not fit.

    Notes
    -----
    With X the row of `gpomdp` without a baseline, E|X - sum_k gamma^k b_k psi_k|^2 has derivative 0
    by b_t(s) where ``b_t(s) gamma^t E[|psi_t|^2 1{s_t = s}] = E[X . psi_t 1{s_t = s}]``,
    because scores of different steps are uncorrelated given the earlier state. Time O(N T D).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.policies import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=1)
    >>> batch = Trajectories.from_steps([[(0, 1, 1.0)], [(0, 0, 0.0)]], last=[0, 0])
    >>> fitted_optimal_baseline(batch, Softmax(mdp), [[0.0, 0.0]], 1.0, 1)
    array([[0.5]])
    """
    batch, size = trajectories, check_count(n_states, "n_states")
    largest = int(batch.s.max(initial=0))
    if largest >= size:
        raise ModelError(f"n_states is {size}; these trajectories visit state {largest}.")
    rows = gpomdp(batch, family, theta, gamma)
    share = np.ones(batch.n) if batch.weight is None else batch.weight
    powers = time_discounts(batch, gamma, None)
    found = np.zeros((batch.n_steps, size))
    for t, psi in _scores(batch, family, theta, batch.o is not None):
        s = batch.s[:, t]
        above: Any = np.bincount(s, share * (rows * psi).sum(axis=1), minlength=size)
        below: Any = np.bincount(s, share * (psi**2).sum(axis=1), minlength=size) * powers[t]
        np.divide(above, below, out=found[t], where=below > 0)
    return found


# --- for the other files of this room --------------------------------------------------------


def step_numbers(trajectories: Trajectories, x: Any, name: str) -> FloatArray:
    """``x`` as one finite number for each step (N, T), 0 behind the end."""
    numbers, batch = as_floats(x, name), trajectories
    if numbers.shape != batch.a.shape:
        raise ModelError(
            f"{name} has shape {numbers.shape}; it must be (N, T) = {batch.a.shape}: one number "
            f"for each step."
        )
    bad = np.argwhere(batch.mask & ~np.isfinite(numbers))
    if len(bad):
        i, t = (int(k) for k in bad[0])
        raise ModelError(
            f"{name} is {numbers[i, t]} at step {t} of trajectory {i}; it must be finite."
        )
    return np.where(batch.mask, numbers, 0.0)


def _scores(
    batch: Trajectories, family: Family, theta: Any, observed: bool
) -> Iterator[tuple[int, FloatArray]]:
    """(t, psi_t (N, D)) for each step; 0 behind the end."""
    if observed and batch.o is None:
        raise ModelError(
            "these trajectories hold no observations: draw them with a family that sees some, or "
            "leave observed= away."
        )
    timed = family.probs(theta).ndim == 3  # then column t is time t
    for t in range(batch.n_steps):
        columns = slice(0 if timed else t, t + 1)
        w = np.zeros((batch.n, t + 1 if timed else 1))
        w[:, -1] = batch.mask[:, t]
        seen = batch.o[:, columns] if observed and batch.o is not None else None
        yield t, family.accumulate(theta, batch.s[:, columns], batch.a[:, columns], w, seen)
