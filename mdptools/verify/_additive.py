"""Exact moments of sums along a trajectory: visits, counts, Fisher matrices, features of rewards.

Takes     an MDP, a policy, a function of one step.
Gives     `Moments` of X = sum_t c^t (prod w) f(s_t, a_t, r_t, s_{t+1}).
Source    derived here. X = w (f + c X'), X' one step later: U = E[X|s] and M = E[X X'|s] follow
          from those of the next step through E f, E f f' and E f U', sums over branches.
Not here  sums of scores times what follows (`_reward_to_go`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS, IntArray, as_floats
from ..errors import ModelError
from ..model import MDP
from ._moments import Moments, from_second
from ._reward_to_go import Detail
from ._seen import seen_apart
from ._tables import Acting, Steps, apply, solve_kept, squared_radius
from ._tree import check_length, noisy_law

StepFunction: TypeAlias = Callable[[IntArray, IntArray, FloatArray, IntArray], Any]

_NUMBERS = 2**22  # so many float64 in the products of some branches: 32 MB


def additive_moments(
    mdp: MDP,
    policy: Any,
    f: Any,
    *,
    behaviour: Any = None,
    horizon: int | None = None,
    discount: float | None = None,
    detail: Detail = "covariance",
) -> Moments:
    """Mean and covariance of a sum of something over the steps of a trajectory.

    Parameters
    ----------
    mdp : MDP
    policy : pi (S, A), or (family, theta)
    f : (S, A, ...) array_like, or function (s, a, r, s') -> (B, ...) array
        What a step contributes; trailing axes are flattened to D. A function is called with arrays
        of all branches at once. Noise on rewards is +-reward_std, half each: exact if f is affine
        in r. The last reward of a finite horizon holds gamma * final(s_H).
    behaviour : (S, A) array_like, optional
        Who acts; each term is then weighted by the ratios up to its step.
    horizon : int, optional
        Stop after so many actions. The model's own if omitted; without one, never.
    discount : float, optional
        c; gamma if omitted.
    detail : {"covariance", "variance", "mean"}

    Returns
    -------
    Moments
        ``variance`` is inf where the squared ratios grow faster than c^2 shrinks them.

    Raises
    ------
    ModelError
        If f has the wrong shape or is not finite; if the behaviour never takes an action that the
        policy takes; if there is no horizon, c is 1 and episodes need not end.

    Notes
    -----
    Time O(T (B D^2 + S^2 D^2)) for B branches, O(S^3 + S^2 D^2 + B D^2) without a horizon; for
    variances and means D instead of D^2.

    Examples
    --------
    The number of steps until a coin shows heads, and how often the model's one state is left:

    >>> coin = MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=1.0)
    >>> found = additive_moments(
    ...     coin,
    ...     [[1.0], [1.0]],
    ...     lambda s, a, r, after: np.stack([np.ones(len(s)), after == 1], axis=1),
    ... )
    >>> found.mean, found.covariance.round(12) + 0.0
    (array([2., 1.]), array([[2., 0.],
           [0., 0.]]))
    """
    c = mdp.gamma if discount is None else float(discount)
    length, n_actions = check_length(mdp, horizon), mdp.n_actions
    table = f if callable(f) else _table(mdp, f)
    mdp, policy, behaviour = seen_apart(mdp, policy, behaviour)
    steps, acting = Steps(mdp), Acting(mdp, policy, behaviour)
    sums = _Sums(mdp, acting, table, c, detail, n_actions)
    K1, K2 = (steps.mixed(steps.go, q) for q in (acting.q1, acting.q2))
    if length is None:
        return _forever(steps, acting, sums, K1, K2)
    U, M = sums.nothing()
    for t in reversed(range(length)):
        sums.pay(final=t + 1 == length == mdp.horizon)
        if detail != "mean":
            M = sums.second(U) + c**2 * apply(K2, M)
        U = sums.first() + c * apply(K1, U)
    return _answer(mdp, U, M, detail)


class _Sums:
    """Sums over the branches of each state, weighted by who acts."""

    def __init__(
        self, mdp: MDP, acting: Acting, f: Any, c: float, detail: Detail, n_actions: int
    ) -> None:
        self.mdp, self.f, self.c, self.detail = mdp, f, c, detail
        law = noisy_law(mdp)
        row = law.row
        self._follow, self._prob, self._reward = law.next_state, law.prob, law.reward
        self._state, action = np.divmod(row, mdp.n_actions)
        self._action = action % n_actions  # without what is seen with it
        self._q1, self._q2 = (q.reshape(-1)[row] for q in (acting.q1, acting.q2))
        self._final = False
        self._f = self._values()
        self.size = self._f.shape[1]

    def nothing(self) -> tuple[FloatArray, FloatArray]:
        """U and M where it is over."""
        n, size = self.mdp.n_states, self.size
        outer = {"covariance": (size, size), "variance": (size,), "mean": (0,)}[self.detail]
        return np.zeros((n, size)), np.zeros((n, *outer))

    def pay(self, *, final: bool) -> None:
        """From now on f of the rewards of the last step, or of any other."""
        if self.mdp.final is not None and final != self._final:
            self._final = final
            self._f = self._values()

    def first(self) -> FloatArray:
        """sum_a q1 E f, (S, D)."""
        return self._summed(self._q1 * self._prob, lambda some: self._f[some])

    def second(self, U: FloatArray) -> FloatArray:
        """sum_a q2 E[f f' + c (f U' + U f')], (S, D, D) or its diagonal (S, D)."""

        def products(some: slice) -> FloatArray:
            f, later = self._f[some], self._f[some] / 2 + self.c * U[self._follow[some]]
            if self.detail == "variance":
                return 2 * f * later
            half = f[:, :, None] * later[:, None, :]
            both: FloatArray = half + half.transpose(0, 2, 1)
            return both

        return self._summed(self._q2 * self._prob, products)

    def _summed(self, weights: FloatS, of_branches: Callable[[slice], FloatArray]) -> FloatArray:
        """Sums over the branches of each state, some branches at a time."""
        n, total = self.mdp.n_states, None
        width = self.size**2 if self.detail == "covariance" else self.size
        step = max(_NUMBERS // max(width, 1), 1)
        for low in range(0, len(weights), step):
            some = slice(low, low + step)
            values = of_branches(some)
            columns = np.arange(len(values))
            chosen = kernel.table(
                self._state[some], columns, weights[some], n, len(values), dense=False
            )
            part = apply(chosen, values)
            total = part if total is None else total + part
        return np.zeros((n, self.size)) if total is None else total

    def _values(self) -> FloatArray:
        """f of every branch, (B, D)."""
        mdp, n = self.mdp, len(self._reward)
        if callable(self.f):
            paid = self._reward
            if self._final and mdp.final is not None:
                paid = paid + mdp.gamma * mdp.final[self._follow]
            found = as_floats(self.f(self._state, self._action, paid, self._follow), "f")
            if found.ndim < 1 or len(found) != n:
                raise ModelError(
                    f"f returned an array of shape {found.shape} for {n} branches; it must have "
                    f"one row for each."
                )
        else:
            found = self.f[self._state, self._action]
        rows: FloatArray = found.reshape(n, -1)
        # Where nobody acts f may be anything.
        rows = np.where((self._q1 > 0)[:, None], rows, 0.0)
        bad = np.argwhere(~np.isfinite(rows))
        if len(bad):
            i, j = (int(k) for k in bad[0])
            raise ModelError(
                f"f is {rows[i, j]} for action {mdp.name_of_action(int(self._action[i]))} in state "
                f"{mdp.name_of_state(int(self._state[i]))}; it must be finite."
            )
        return rows


def _table(mdp: MDP, f: Any) -> FloatArray:
    """f as an array (S, A, ...)."""
    table = as_floats(f, "f")
    if table.shape[:2] != mdp.R.shape:
        raise ModelError(
            f"f has shape {table.shape}; it must be (S, A, ...) = {mdp.R.shape} and more, or a "
            f"function of (s, a, r, s')."
        )
    return table


def _forever(steps: Steps, acting: Acting, sums: _Sums, K1: Any, K2: Any) -> Moments:
    """Without a horizon: U and M are fixed points of one step."""
    mdp, c = steps.mdp, sums.c
    if c > 1 or (c == 1 and not acting.ends):
        raise ModelError(
            f"without a horizon a sum with discount {c:g} needs episodes that end almost surely, "
            f"and under this policy they need not. Give horizon=, or a smaller discount."
        )
    kept = acting.reached & ~mdp.terminal
    one, two = (kernel.to_dense(K)[np.ix_(kept, kept)] for K in (K1, K2))
    U = solve_kept(c, one, kept, sums.first())
    if sums.detail == "mean":
        return _answer(mdp, U, U, "mean")
    if not acting.on_policy:
        radius = c**2 * squared_radius(steps, acting)
        if not radius < 1 - 1e-12:
            mean = mdp.mu @ U
            note = f"the squared weights grow: spectral radius {radius:.6g} is not below 1"
            return Moments(mean, np.full(len(mean), np.inf), note=note)
    return _answer(mdp, U, solve_kept(c**2, two, kept, sums.second(U)), sums.detail)


def _answer(mdp: MDP, U: FloatArray, M: FloatArray, detail: Detail) -> Moments:
    mean = mdp.mu @ U
    if detail == "mean":
        return Moments(mean, None)
    return from_second(mean, np.tensordot(mdp.mu, M, axes=1))
