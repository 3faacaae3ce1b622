"""A model with finite states and one real action, and a Gaussian policy.

Takes     functions of arrays of states and actions; a mean and a log std for each state.
Gives     `ContinuousMDP`, `GaussianPolicy`.
Source    formula: a = mean(s) + std(s) z, z standard normal; the score by differentiating log p.
Not here  integrals over actions (`_exact`), draws (`_sampled`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import BoolS, FloatArray, FloatS, IntArray, as_floats, as_numbers, readonly
from ..checks import check_count, number_or_nan
from ..errors import ModelError

_ROWS = 1e-9  # how far a law may be from summing to one


@dataclass(frozen=True, slots=True, eq=False)
class ContinuousMDP:
    """Finite states; an action is a real number.

    Parameters
    ----------
    reward : function (s, a) -> array
        Expected reward for a in s; s an array of int, a one of float, both of one shape.
    transition : function (s, a) -> array
        Pr(. | s, a), of the shape of s with (S,) behind it.
    n_states : int
    gamma : float in [0, 1]
        1 needs a horizon.
    horizon : int, optional
        Number of actions after which it is over.
    mu : (S,) array_like, optional
        Where episodes start; uniform over the states that are not terminal if omitted.
    terminal : sequence of int, or (S,) array of bool
        States in which it is over; neither function is asked there. Kept as bools.

    Raises
    ------
    ModelError
        If an argument is no such thing; the functions are asked at a = 0 in every state.

    Examples
    --------
    Pushing a cart: the harder, the likelier it leaves; a push costs its square.

    >>> def transition(s, a):
    ...     leaves = 1 / (1 + np.exp(-a))
    ...     return np.stack((1 - leaves, leaves), axis=-1)
    >>> cart = ContinuousMDP(lambda s, a: -1 - a**2, transition, 2, 0.9, mu=[1, 0], terminal=[1])
    >>> cart.law(np.array([0]), np.array([0.0]))
    array([[0.5, 0.5]])
    """

    reward: Callable[[Any, Any], Any]
    transition: Callable[[Any, Any], Any]
    n_states: int
    gamma: float
    horizon: int | None = None
    mu: Any = None
    terminal: Any = ()

    def __post_init__(self) -> None:
        n_states = check_count(self.n_states, "n_states")
        horizon = None if self.horizon is None else check_count(self.horizon, "horizon")
        gamma = number_or_nan(self.gamma)
        if not (0 <= gamma <= 1 and (gamma < 1 or horizon is not None)):
            raise ModelError(
                f"gamma is {self.gamma!r:.80}; it must be in [0, 1), or 1 with a horizon: with "
                f"Gaussian actions nothing else says that episodes end."
            )
        over = np.zeros(n_states, dtype=np.bool_)
        listed = as_numbers(self.terminal, "terminal")
        if listed.dtype == np.bool_ and listed.shape == (n_states,):
            listed = np.flatnonzero(listed)
        listed = listed if listed.size else np.zeros(0, dtype=np.int64)
        wrong = listed.dtype.kind not in "iu" or ((listed < 0) | (listed >= n_states)).any()
        if wrong or listed.ndim != 1:
            raise ModelError(
                f"terminal is {self.terminal!r:.80}; it must list states, ints from 0 to "
                f"{n_states - 1}."
            )
        over[listed] = True
        if self.mu is None and over.all():
            raise ModelError("all states are terminal: there is nothing to decide.")
        mu = (~over) / (~over).sum() if self.mu is None else as_floats(self.mu, "mu")
        if mu.shape != (n_states,) or not ((mu >= 0).all() and abs(mu.sum() - 1) <= _ROWS):
            raise ModelError(f"mu is {self.mu!r:.80}; it must be a distribution over the states.")
        object.__setattr__(self, "gamma", gamma)
        object.__setattr__(self, "mu", readonly(mu / mu.sum()))
        object.__setattr__(self, "terminal", readonly(over))
        live = np.flatnonzero(~over)
        self.paid(live, np.zeros(len(live)))
        self.law(live, np.zeros(len(live)))

    @property
    def live(self) -> BoolS:
        """The states in which something is decided, (S,)."""
        return ~np.asarray(self.terminal, dtype=np.bool_)

    def paid(self, s: IntArray, a: FloatArray) -> FloatArray:
        """The rewards of a in s, checked.

        Parameters
        ----------
        s, a : arrays of one shape
            No terminal states.

        Returns
        -------
        array of that shape, reward units

        Raises
        ------
        ModelError
            If the function returns another shape, or numbers that are not finite.
        """
        r = as_floats(self.reward(s, a), "reward(s, a)")
        if r.shape != np.shape(s):
            raise ModelError(
                f"reward(s, a) has shape {r.shape}; it must be {np.shape(s)}, that of s and a."
            )
        bad = np.argwhere(~np.isfinite(r))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            raise ModelError(
                f"reward(s, a) is {r[at]} for s = {s[at]} and a = {a[at]:.6g}; it must be finite."
            )
        return r

    def law(self, s: IntArray, a: FloatArray) -> FloatArray:
        """Pr(. | s, a), checked; each row divided by its sum.

        Parameters
        ----------
        s, a : arrays of one shape
            No terminal states.

        Returns
        -------
        array of that shape with (S,) behind it

        Raises
        ------
        ModelError
            If the function returns another shape, or rows that are no distributions.
        """
        p = as_floats(self.transition(s, a), "transition(s, a)")
        if p.shape != (*np.shape(s), self.n_states):
            raise ModelError(
                f"transition(s, a) has shape {p.shape}; it must be {(*np.shape(s), self.n_states)}:"
                f" that of s and a, with the states behind it."
            )
        total = p.sum(axis=-1)
        bad = np.argwhere(~((p >= 0).all(axis=-1) & (np.abs(total - 1) <= _ROWS)))
        if len(bad):
            at = tuple(int(i) for i in bad[0])
            raise ModelError(
                f"transition(s, a) for s = {s[at]} and a = {a[at]:.6g} sums to {total[at]:.6g} and "
                f"its smallest entry is {p[at].min():.6g}; it must be a distribution for every a."
            )
        normal: FloatArray = p / total[..., None]
        return normal


@dataclass(frozen=True, slots=True, eq=False)
class GaussianPolicy:
    """a = mean[s] + exp(log_std[s]) z, z standard normal.

    Parameters
    ----------
    mean, log_std : (S,) array_like
        Together theta, (2, S).

    Raises
    ------
    ModelError
        If they are no finite vectors of one length.

    Examples
    --------
    >>> policy = GaussianPolicy([0.0, 1.0], [0.0, 0.0])
    >>> policy.score(np.array([1]), np.array([3.0]))
    array([[2., 3.]])
    """

    mean: Any
    log_std: Any

    def __post_init__(self) -> None:
        mean, log_std = as_floats(self.mean, "mean"), as_floats(self.log_std, "log_std")
        if mean.ndim != 1 or mean.shape != log_std.shape:
            raise ModelError(
                f"mean and log_std have shapes {mean.shape} and {log_std.shape}; both must be (S,)."
            )
        if not (np.isfinite(mean).all() and (np.abs(log_std) < 300).all()):
            raise ModelError("mean must be finite, and log_std between -300 and 300.")
        object.__setattr__(self, "mean", readonly(mean))
        object.__setattr__(self, "log_std", readonly(log_std))

    @property
    def std(self) -> FloatS:
        """exp(log_std), (S,)."""
        found: FloatS = np.exp(self.log_std)
        return found

    def standardised(self, s: IntArray, a: FloatArray) -> FloatArray:
        """z = (a - mean[s]) / std[s].

        Parameters
        ----------
        s, a : arrays of one shape

        Returns
        -------
        array of that shape
        """
        z: FloatArray = (a - self.mean[s]) / self.std[s]
        return z

    def score(self, s: IntArray, a: FloatArray) -> FloatArray:
        """The derivatives of log p(a | s) by mean[s] and log_std[s]: z / std and z^2 - 1.

        Parameters
        ----------
        s, a : arrays of one shape

        Returns
        -------
        array of that shape with (2,) behind it
        """
        z = self.standardised(s, a)
        return np.stack((z / self.std[s], z**2 - 1), axis=-1)


def check_policy(mdp: ContinuousMDP, policy: Any) -> None:
    """Pass if the policy is Gaussian and has the model's states."""
    if not isinstance(policy, GaussianPolicy):
        raise ModelError(
            f"policy is of type {type(policy).__name__}; it must be a GaussianPolicy(mean, "
            f"log_std)."
        )
    if len(policy.mean) != mdp.n_states:
        raise ModelError(f"policy has {len(policy.mean)} states; the model has {mdp.n_states}.")
