"""Draws with Gaussian actions, and two estimators of one gradient.

Takes     a `ContinuousMDP` to draw from; a `GaussianPolicy`; a critic A(s, a), or its slope dA/da.
Gives     `Trajectories` with real actions beside them; one row (2, S) for each trajectory.
Source    Williams (1992) for scores; Kingma and Welling (2014) and Heess et al. (2015) for
          a = mean + std z, differentiated.
Not here  integrals (`_exact`).

States, rewards and ends are ordinary `Trajectories` (their a is 0), so returns, GAE and all else in
`estimators` that asks no actions works on them: ``A=reward_to_go(batch, gamma)``, for instance.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from ..arrays import FloatArray, IntArray, as_floats
from ..checks import check_count, check_rng, number_or_nan
from ..errors import ModelError
from ..sampling import Trajectories
from ._model import ContinuousMDP, GaussianPolicy, check_policy

Critic: TypeAlias = Callable[[Any, Any], Any]

_LONGEST = 100_000  # steps


def sample(
    mdp: ContinuousMDP,
    policy: GaussianPolicy,
    n: int,
    *,
    rng: Any,
    max_steps: int | None = None,
) -> tuple[Trajectories, FloatArray]:
    """Draw n episodes.

    Parameters
    ----------
    mdp : ContinuousMDP
    policy : GaussianPolicy
    n : int
    rng : Generator or int
    max_steps : int, optional
        Cut episodes after so many actions: they are truncated.

    Returns
    -------
    trajectories : Trajectories
        ``a`` is 0; ``logp`` is the logarithm of the density of the action.
    actions : (N, T) array
        0 behind the end.

    Raises
    ------
    ModelError
        If nothing ends episodes, or an argument does not fit.

    Notes
    -----
    All episodes in lockstep; time O(S) for a transition, and a call of each function for a step.

    Examples
    --------
    >>> mdp = ContinuousMDP(lambda s, a: a, lambda s, a: np.ones((*s.shape, 1)), 1, 0.5, horizon=2)
    >>> batch, actions = sample(mdp, GaussianPolicy([3.0], [-9.0]), 4, rng=0)
    >>> batch
    <Trajectories: 4 of up to 2 steps, 8 in all; 4 terminated, 0 truncated>
    >>> bool(np.allclose(actions, 3.0, atol=1e-3)), bool((batch.r == actions).all())
    (True, True)
    """
    check_policy(mdp, policy)
    count, generator = check_count(n, "n"), check_rng(rng)
    limits = [mdp.horizon, None if max_steps is None else check_count(max_steps, "max_steps")]
    limit = min((x for x in limits if x is not None), default=_LONGEST)
    if limits == [None, None] and mdp.live.all():
        raise ModelError("nothing ends an episode: no state is terminal. Give max_steps=.")
    now: IntArray = generator.choice(mdp.n_states, size=count, p=mdp.mu)
    states, columns = [now], []
    for _ in range(limit):
        who = np.flatnonzero(mdp.live[now])
        if not len(who) and mdp.horizon is None:
            break
        column = _step(mdp, policy, now, who, generator)
        now = column[3]
        states.append(now)
        columns.append(column)
    running = mdp.live[now]
    if running.any() and limits == [None, None]:
        raise ModelError(
            f"after {limit} steps {running.sum()} episodes are still running: give max_steps=."
        )
    terminated = ~running | (len(columns) == mdp.horizon)
    s = np.stack(states, axis=1)
    a, r, logp = (np.reshape([c[k] for c in columns], (-1, count)).T for k in range(3))
    batch = Trajectories(
        s=s,
        a=np.zeros(a.shape, dtype=np.int64),
        r=r,
        mask=mdp.live[s[:, :-1]],
        terminated=terminated,
        truncated=~terminated,
        logp=logp,
    )
    return batch, a


def _step(
    mdp: ContinuousMDP, policy: GaussianPolicy, s: IntArray, who: IntArray, rng: Any
) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
    """Action, reward, logp and next state of each episode; those that are over stay."""
    a, r, logp, after = np.zeros(len(s)), np.zeros(len(s)), np.zeros(len(s)), s.copy()
    here = s[who]
    z = rng.standard_normal(len(who))
    a[who] = policy.mean[here] + policy.std[here] * z
    r[who] = mdp.paid(here, a[who])
    logp[who] = -0.5 * z**2 - policy.log_std[here] - 0.5 * np.log(2 * np.pi)
    edges = np.cumsum(mdp.law(here, a[who]), axis=1)
    x = rng.random(len(who)) * edges[:, -1]
    # The first edge above x; round-off puts x on the last one at most.
    k = np.minimum((edges <= x[:, None]).sum(axis=1), (edges < edges[:, -1:]).sum(axis=1))
    after[who] = k
    return a, r, logp, after


def score_gradient(
    trajectories: Trajectories,
    actions: Any,
    policy: GaussianPolicy,
    gamma: float,
    A: Critic | Any,
) -> FloatArray:
    """sum_t gamma^t psi_t A(s_t, a_t): scores times a critic, or times what followed.

    Estimates dJ by the means and by log std. Unbiased if A is the advantage or Q of the policy,
    give or take a number for each state, and the trajectories were run to their end; any other A
    biases it by ``sum_s visits(s) d/dtheta E[(A - A_pi)(s, a)]``. A need not be continuous.

    Parameters
    ----------
    trajectories : Trajectories
        Acted by the policy.
    actions : (N, T) array_like
    policy : GaussianPolicy
    gamma : float in [0, 1]
    A : function (s, a) -> array, or (N, T) array_like, reward units
        The critic, asked with arrays (n,) of all steps; or one number for each step: returns, GAE,
        a critic that depends on time.

    Returns
    -------
    (N, 2, S) array
        ``[:, 0]`` by the means, ``[:, 1]`` by log std.

    Raises
    ------
    ModelError
        If an argument does not fit, or A is not finite.

    Notes
    -----
    Williams (1992). Time O(N (T + S)). As std shrinks the variance grows like 1 / std^2.

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0)]], last=[0])
    >>> policy = GaussianPolicy([1.0], [0.0])
    >>> score_gradient(batch, [[3.0]], policy, 0.9, lambda s, a: a**2)
    array([[[18.],
            [27.]]])
    """
    where = _Steps(trajectories, actions, policy, gamma)
    psi = policy.score(where.s, where.a)
    return where.summed(psi * where.numbers(A, "A")[:, None])


def reparameterised_gradient(
    trajectories: Trajectories,
    actions: Any,
    policy: GaussianPolicy,
    gamma: float,
    slope: Critic | Any,
) -> FloatArray:
    """sum_t gamma^t dA/da(s_t, a_t) (1, a_t - mean): the critic's slope along the action's own.

    Estimates dJ by the means and by log std. Unbiased if ``slope`` is dA/da of the policy's
    advantage (or dQ/da), A has no jumps, and the trajectories were run to their end. The slope of
    another A without jumps biases it exactly as that A biases `score_gradient`; what jumps
    contribute, which has no slope, is missing.

    Parameters
    ----------
    trajectories : Trajectories
        Acted by the policy.
    actions : (N, T) array_like
    policy : GaussianPolicy
    gamma : float in [0, 1]
    slope : function (s, a) -> array, or (N, T) array_like
        dA/da, asked with arrays (n,) of all steps; or one number for each step.

    Returns
    -------
    (N, 2, S) array
        ``[:, 0]`` by the means, ``[:, 1]`` by log std.

    Raises
    ------
    ModelError
        If an argument does not fit, or the slope is not finite.

    Notes
    -----
    a = mean + std z, so da/dmean = 1 and da/dlog std = a - mean; integration by parts makes of
    E[A psi] the mean of this. Heess et al. (2015). Time O(N (T + S)).

    Examples
    --------
    >>> batch = Trajectories.from_steps([[(0, 0, 1.0)]], last=[0])
    >>> policy = GaussianPolicy([1.0], [0.0])
    >>> reparameterised_gradient(batch, [[3.0]], policy, 0.9, lambda s, a: 2 * a)
    array([[[ 6.],
            [12.]]])
    """
    where = _Steps(trajectories, actions, policy, gamma)
    along = np.stack((np.ones(len(where.a)), where.a - policy.mean[where.s]), axis=-1)
    return where.summed(along * where.numbers(slope, "slope")[:, None])


class _Steps:
    """All steps that there are, one after the other, and the way back to rows."""

    def __init__(
        self, batch: Trajectories, actions: Any, policy: GaussianPolicy, gamma: Any
    ) -> None:
        if not 0 <= number_or_nan(gamma) <= 1:
            raise ModelError(f"gamma is {gamma!r:.80}; it must be a number in [0, 1].")
        largest, n_states = int(batch.s.max(initial=0)), len(policy.mean)
        if largest >= n_states:
            raise ModelError(
                f"policy has {n_states} states; these trajectories visit state {largest}."
            )
        self._batch, self._n_states = batch, n_states
        self.who, time = np.nonzero(batch.mask)
        self.s = batch.s[self.who, time]
        self.a = self._each(actions, "actions")
        self._discount = np.power(float(gamma), time)

    def numbers(self, x: Any, name: str) -> FloatArray:
        """A critic at the steps, (n,)."""
        if not callable(x):
            return self._each(x, name)
        values = as_floats(x(self.s, self.a), f"{name}(s, a)")
        if values.shape != self.s.shape:
            raise ModelError(
                f"{name}(s, a) has shape {values.shape}; it must be {self.s.shape}, that of s."
            )
        return self._finite(values, f"{name}(s, a)")

    def summed(self, terms: FloatArray) -> FloatArray:
        """Rows (N, 2, S) of sum_t gamma^t terms, (n, 2)."""
        cells = self.who * self._n_states + self.s
        size = self._batch.n * self._n_states
        parts: list[Any] = [
            np.bincount(cells, weights=self._discount * term, minlength=size) for term in terms.T
        ]
        return np.stack([x.reshape(self._batch.n, self._n_states) for x in parts], axis=1)

    def _each(self, x: Any, name: str) -> FloatArray:
        numbers = as_floats(x, name)
        if numbers.shape != self._batch.a.shape:
            raise ModelError(
                f"{name} has shape {numbers.shape}; it must be (N, T) = {self._batch.a.shape}."
            )
        return self._finite(numbers[self._batch.mask], name)

    def _finite(self, values: FloatArray, name: str) -> FloatArray:
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            raise ModelError(
                f"{name} is {values[bad[0]]} in state {self.s[bad[0]]} of trajectory "
                f"{self.who[bad[0]]}; it must be finite."
            )
        return values
