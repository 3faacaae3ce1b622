"""Control variates: functions of a trajectory whose mean is exactly zero.

Takes     an MDP, a policy, and the number of steps after which trajectories are cut.
Gives     features (n, K) with mean zero, and the coefficients with which they explain rows best:
          rows - features @ coefficients has the same mean and a smaller variance.
Source    derived here. E[psi_t | past, s_t] = 0, E[delta_t | past, a_t] = 0 for the innovation
          delta_t = r_t + gamma V_{t+1} - Q_t, E[A_t | past, s_t] = 0, with V, Q and A exact for
          the model that is cut; sums of such terms, times what the past decides, have mean zero.
          They and the visits of states, whose mean is known, span estimators of rewards to go:
          with z_k = sum_{t <= k} psi_t, sum_t gamma^t psi_t G_t is
          sum_t gamma^t psi_t Q_t + sum_k gamma^k delta_k z_k + sum_k gamma^k A_k z_{k-1}.
Not here  sampling (`_mixture`), the test that uses them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..policies import sight, split_policy
from ..sampling import Trajectories
from ._mixture import check_covers

RIDGE = 1e-6
"""Added to the second moments of standardised features: they may depend on each other linearly."""

SCORED, PLAIN = 7, 3
"""How many features there are for each parameter; how many besides, and one for each state."""


class ControlVariates:
    """Features of trajectories with mean exactly zero.

    Parameters
    ----------
    mdp : MDP
        Of any objective but average reward.
    policy : pi, (S, A) or (H, S, A), or (family, theta)
        Whose scores and values are in the features. Who acts as well, or, with ``off_policy``, who
        is estimated.
    length : int or None
        Where trajectories are cut; None if every one ends by itself.
    off_policy : bool
        Trajectories are acted by somebody else, who can do all that the policy does. The term at
        t of each feature is then weighted by the ratios of the steps up to t.

    Raises
    ------
    ModelError
        If the policy has no finite values.

    Notes
    -----
    With D parameters there are 7 D + S + 3 features: sum psi_t; sum gamma^t psi_t; the scores so
    far times gamma^t delta_t; the scores before times gamma^t A_t; psi_t gamma^t delta_t;
    gamma^t (psi_t Q_t - its mean given s_t); psi_t times the rewards before; discounted visits of
    each state less their mean; the sums of gamma^t delta_t and of gamma^t A_t; V(s_0) - J.

    They serve trajectories of a `Mixture` too, multiplied by its weights W. Noise on rewards enters
    linearly and does no harm. On a model with 10 states, 3 actions, 20 steps they leave 1e-5 of the
    variance of GPOMDP and of REINFORCE, 0.15 where gamma^t is left out, 0.05 of GAE(0.9).

    Examples
    --------
    >>> from mdptools.estimators import reinforce
    >>> from mdptools.policies import Softmax
    >>> from mdptools.sampling import rollout
    >>> mdp = MDP([[[0.5, 0.5]] * 2] * 2, [[0.0, 1.0], [2.0, 3.0]], horizon=5)
    >>> family, theta = Softmax(mdp), np.zeros((2, 2))
    >>> variates = ControlVariates(mdp, (family, theta), None)
    >>> rows, features = [], []
    >>> for seed in range(2):
    ...     batch = rollout(mdp, (family, theta), 4000, rng=seed)
    ...     rows.append(reinforce(batch, family, theta, 1.0))
    ...     features.append(variates.features(batch))
    >>> coefficients = variates.fit(rows[0], features[0])
    >>> left = rows[1] - features[1] @ coefficients
    >>> bool((left.var(axis=0) < 0.05 * rows[1].var(axis=0)).all())
    True
    """

    def __init__(
        self, mdp: MDP, policy: Any, length: int | None, *, off_policy: bool = False
    ) -> None:
        pi, self._family, self._theta = split_policy(mdp, policy)
        self._seen = sight(self._family, self._theta)
        self.mdp, self.length, self.off_policy = mdp, length, off_policy
        self.pi: FloatSA = pi
        found = _values(mdp, pi, length)
        self._J = found.J
        self._timed = found.V.ndim == 2
        # By time where the model has a horizon; what follows its last step is in the last reward.
        self._Q: FloatArray = np.where(mdp.allowed, found.Q, 0.0)
        self._V: FloatArray = np.array(found.V)
        if self._timed:
            self._V[-1] = 0.0
        self._visits: FloatArray = (
            found.visits if found.visits.ndim == 1 else found.visits.sum(axis=0)
        )
        self.size = SCORED * self._family.size + mdp.n_states + PLAIN

    @staticmethod
    def serves(mdp: MDP, policy: Any, behaviour: Any = None, *, length: int | None = None) -> bool:
        """Whether the means are known to be zero for trajectories of ``behaviour``.

        They are not where behaviour cannot do what the policy does, where a value is infinite, or
        where there are no episodes.
        """
        try:
            pi = split_policy(mdp, policy)[0]
            if behaviour is not None:
                check_covers(mdp, split_policy(mdp, behaviour)[0], pi)
            _values(mdp, pi, length)
        except ModelError:
            return False
        return True

    def features(self, trajectories: Trajectories) -> FloatArray:
        """The features of each trajectory, (N, K).

        Parameters
        ----------
        trajectories : Trajectories
            Cut after ``length`` steps, and nowhere else.

        Returns
        -------
        (N, K) array
            Time O(A N T + N K).

        Raises
        ------
        ModelError
            If trajectories are longer than ``length``, or cut before.
        """
        self._check_cut(trajectories)
        batch, gamma = trajectories, self.mdp.gamma
        time, s, mask = np.arange(batch.n_steps), batch.s[:, :-1], batch.mask
        power = gamma**time
        Q_s = self._at(self._Q, time, s)  # (N, T, A)
        Q = np.where(mask, np.take_along_axis(Q_s, batch.a[..., None], axis=2)[..., 0], 0.0)
        V = np.where(mask, self._at(self._V, time, s), 0.0)
        after = self._at(self._V, time + 1, batch.s[:, 1:])
        before, ratios = self._ratios(batch)
        delta = np.where(mask, ratios * power * (batch.r + gamma * after - Q), 0.0)
        A = power * (ratios * Q - before * V)
        earned = np.cumsum(power * batch.r, axis=1)
        scored = (
            ratios * np.ones_like(V),
            ratios * power,
            _from_here(delta),
            _from_here(A) - A,
            delta,
            ratios * (earned - power * batch.r),
            ratios * power * Q,
        )
        columns = [self._score(batch, w, batch.a) for w in scored]
        columns[-1] -= self._mean_of_products(batch, before * power, Q_s)
        columns.append(self._counted(batch, before * power) - self._visits)
        V_0 = self._V[0] if self._timed else self._V
        start = V_0[batch.s[:, 0]] - self._J
        plain = np.stack((delta.sum(axis=1), A.sum(axis=1), start), axis=1)
        return np.concatenate((*columns, plain), axis=1)

    def fit(self, rows: FloatArray, features: FloatArray) -> FloatArray:
        """How much of each feature is to be subtracted.

        Parameters
        ----------
        rows : (n, D) array
            Of a pilot sample that is used for nothing else: then the mean stays what it is.
        features : (n, K) array

        Returns
        -------
        (K, D) array
            Ridge regression on standardised features; 0 for a feature that did not vary. Time
            O(n K (K + D) + K^3).
        """
        return regression(rows, features)

    def _at(self, table: FloatArray, time: Any, s: Any) -> Any:
        """table[t, s_t], or table[s_t] where it does not depend on time."""
        return table[time, s] if self._timed else table[s]

    def _check_cut(self, batch: Trajectories) -> None:
        """Pass if the trajectories were cut where V thinks they were."""
        last = len(self._Q) if self._timed else None
        longest = int(batch.lengths.max(initial=0))
        if last is not None and longest > last:
            raise ModelError(
                f"a trajectory has {longest} steps; the control variates were made for {last}."
            )
        early = np.flatnonzero(batch.truncated & (batch.lengths != (-1 if last is None else last)))
        if len(early):
            raise ModelError(
                f"trajectory {int(early[0])} was cut after {int(batch.lengths[early[0]])} steps; "
                f"the control variates were made for trajectories that are "
                f"{'never cut' if last is None else f'cut after {last}'}: give length=."
            )

    def _counted(self, batch: Trajectories, w: FloatArray) -> FloatArray:
        """sum_t w_t 1{s_t = s}, (N, S)."""
        n, n_states = batch.n, self.mdp.n_states
        cell = np.arange(n)[:, None] * n_states + batch.s[:, :-1]
        weights: Any = np.where(batch.mask, w, 0.0).reshape(-1)
        counted: Any = np.bincount(cell.reshape(-1), weights, n * n_states)
        table: FloatArray = counted.reshape(n, n_states)
        return table

    def _score(self, batch: Trajectories, w: FloatArray, a: Any) -> FloatArray:
        """sum_t w_t psi(s_t, a_t)."""
        weights = np.where(batch.mask, w, 0.0)
        return self._family.accumulate(self._theta, batch.s[:, :-1], a, weights, batch.o)

    def _mean_of_products(self, batch: Trajectories, w: FloatArray, Q_s: Any) -> FloatArray:
        """sum_t w_t E[psi_t Q_t | s_t], given what was seen as well."""
        total = np.zeros((batch.n, self._family.size))
        for a in range(self.mdp.n_actions):
            action = np.full_like(batch.a, a)
            total += self._score(batch, w * self._chosen(batch, action) * Q_s[:, :, a], action)
        return total

    def _chosen(self, batch: Trajectories, a: Any) -> FloatArray:
        """pi(a_t | s_t), or pi(a_t | o_t) where that is what the policy sees, (N, T)."""
        time = np.arange(batch.n_steps)
        if self._seen is not None and batch.o is not None:
            return self._seen.chosen(time, batch.o, a)
        s = batch.s[:, :-1]
        chosen: FloatArray = self.pi[time, s, a] if self.pi.ndim == 3 else self.pi[s, a]
        return chosen

    def _ratios(self, batch: Trajectories) -> tuple[FloatArray, FloatArray]:
        """prod_{k < t} and prod_{k <= t} of pi / b, (N, T) each; ones if the policy acts itself."""
        if not self.off_policy:
            ones = np.ones(batch.a.shape)
            return ones, ones
        acted = np.where(batch.mask, np.exp(batch.logp), 1.0)
        chosen = self._chosen(batch, batch.a)
        # Where b never acts like that a mixture gives the trajectory the weight 0.
        ratio = np.divide(chosen, acted, out=np.zeros_like(acted), where=acted > 0)
        kept: FloatArray = np.where(batch.mask, ratio, 1.0)
        so_far: Any = np.cumprod(kept, axis=1)
        return np.concatenate((np.ones((batch.n, 1)), so_far[:, :-1]), axis=1), so_far


def cut(mdp: MDP, length: int | None) -> MDP:
    """The model that stops after ``length`` steps; ``final`` is paid at its own horizon only."""
    if length is None or (mdp.horizon is not None and length >= mdp.horizon):
        return mdp
    nothing = None if mdp.horizon is None else np.zeros(mdp.n_states)
    return mdp.with_objective(horizon=length, final=nothing)


def _values(mdp: MDP, pi: FloatSA, length: int | None) -> Evaluation:
    """What is known of the policy in the model that is cut; all of it finite."""
    if mdp.objective == "average":
        raise ModelError(
            "a model of average reward has no episodes, hence no control variates of episodes: "
            "look at it under another objective, mdp.with_objective(horizon=...)."
        )
    model = cut(mdp, length)
    found = evaluate(model, pi[: model.horizon] if pi.ndim == 3 else pi)
    infinite = np.argwhere(~np.isfinite(found.V))
    if len(infinite):
        s = int(infinite[0][-1])
        raise ModelError(
            f"V is infinite in state {mdp.name_of_state(s)}: the control variates of this policy "
            f"do not exist. Cut trajectories, length=."
        )
    return found


def regression(rows: FloatArray, features: FloatArray) -> FloatArray:
    """Ridge coefficients (K, D) of rows on features whose mean is known to be zero."""
    n = len(rows)
    size = np.sqrt((features**2).mean(axis=0))
    moves = size > 1e-12 * size.max(initial=0.0)
    coefficients = np.zeros((features.shape[1], rows.shape[1]))
    if not moves.any():
        return coefficients
    x = features[:, moves] / size[moves]
    square = x.T @ x / n
    square[np.diag_indices_from(square)] += RIDGE
    # Not the mean rows: it is what is asked for, and the features explain nothing of it.
    cross = x.T @ (rows - rows.mean(axis=0)) / n
    coefficients[moves] = np.linalg.solve(square, cross) / size[moves, None]
    return coefficients


def _from_here(x: FloatArray) -> FloatArray:
    """sum_{k >= t} x_k, (N, T)."""
    summed: FloatArray = np.cumsum(x[:, ::-1], axis=1)[:, ::-1]
    return summed
