"""Defensive mixture: trajectories of several policies that stand for those of one.

Takes     an MDP and policies, the behaviour policy first.
Gives     trajectories drawn from the mixture, and the weights W that undo it: E_mixture[W x] is
          E_b[x] for every x.
Source    Owen and Zhou (2000), "Safe and effective importance sampling", for the bound. Derived:
          mu, P and the rewards are the same in all components and drop out of
          W = P_b / sum_k w_k P_k = 1 / sum_k w_k prod_t pi_k(a_t | s_t) / b(a_t | s_t) <= 1 / w_b.
Not here  weights for each decision; what is done with W.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, as_floats
from ..bellman import expect_actions
from ..checks import check_count, check_rng
from ..errors import ModelError
from ..kernel import expect, mix, to_dense
from ..model import MDP
from ..policies import Sight, sight, split_policy
from ..sampling import Trajectories, rollout
from ..structure import reachable

HEAVY = 10.0
"""The second moment of an importance weight above which a mixture is worth its price."""


class Mixture:
    """Trajectories of a random policy out of several, each with its weight.

    Parameters
    ----------
    mdp : MDP
    policies : sequence of pi, (S, A) or (H, S, A), or (family, theta)
        The first is b, the behaviour policy for which the others stand in. The second, if there is
        one, is the policy that is estimated: b must be able to do all that it does. Others, such
        as an optimal policy that finds rare rewards, need not be covered.
    weights : sequence of float, optional
        How often each is drawn; equally often if omitted.

    Raises
    ------
    ModelError
        If the second policy takes an action that b never takes in a state that is reached: the
        mixture would hide that b cannot stand for it. If the weights are no distribution, or that
        of b is 0.

    Notes
    -----
    Where b sees observations, trajectories carry them, whoever acted: a policy that sees states is
    given the observations that b would have had at the same state and action.

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    >>> mixture = Mixture(mdp, [[[0.9, 0.1]], [[0.1, 0.9]]])
    >>> batch, W = mixture.draw(10_000, None, 0)
    >>> bool(W.max() <= 2), round(float((W * batch.r[:, 0]).mean()), 2)  # b pays 0.1
    (True, 0.1)
    """

    def __init__(
        self, mdp: MDP, policies: Sequence[Any], weights: Sequence[float] | None = None
    ) -> None:
        if not len(policies):
            raise ModelError("a mixture needs at least one policy: that which acts.")
        self.mdp = mdp
        self._parts = [_Part(mdp, policy) for policy in policies]
        n = len(self._parts)
        w = np.full(n, 1 / n) if weights is None else as_floats(weights, "weights")
        if w.shape != (n,) or not (w >= 0).all() or not abs(w.sum() - 1) <= 1e-12 or w[0] == 0:
            raise ModelError(
                f"weights are {w.tolist()!r:.80}; they must be a distribution over the {n} "
                f"policies, with more than 0 on the first: it is the one that acts."
            )
        self.shares: FloatArray = w / w.sum()
        if n > 1:
            check_covers(mdp, self._parts[0].pi, self._parts[1].pi)

    @property
    def largest(self) -> float:
        """No weight is larger: 1 / (the share of b)."""
        return float(1 / self.shares[0])

    def draw(self, n: int, length: int | None, rng: Any) -> tuple[Trajectories, FloatArray]:
        """Independent trajectories of the mixture, and their weights.

        Parameters
        ----------
        n : int
        length : int or None
            Where trajectories are cut; None if every one ends by itself under each policy.
        rng : numpy.random.Generator or int

        Returns
        -------
        batch : Trajectories
            ``logp`` is that of b; -inf at an action that b never takes.
        W : (n,) array
            From 0 to `largest`; 0 where b could not have done it.
        """
        generator = check_rng(rng)
        who = generator.choice(len(self._parts), size=check_count(n, "n"), p=self.shares)
        found = []
        for k, part in enumerate(self._parts):
            count = int(np.count_nonzero(who == k))
            if count:
                batch = rollout(self.mdp, part.pi, count, rng=generator, max_steps=length)
                found.append(self._observed(batch, part, generator))
        # Rows of component k go to the places at which k was drawn: all rows are alike.
        place = np.argsort(np.argsort(who, kind="stable"), kind="stable")
        batch = Trajectories.concatenate(found)[place]
        return self.relabelled(batch), self.weights(batch)

    def weights(self, trajectories: Trajectories) -> FloatArray:
        """W of trajectories, (N,), whoever drew them. Time O(N T) for each policy."""
        log_prob = np.stack([self._log_prob(part, trajectories) for part in self._parts])
        top = log_prob.max(axis=0)
        top = np.where(np.isfinite(top), top, 0.0)
        shares = np.exp(log_prob - top)  # those of b are 0 where it could not have done it
        W: FloatArray = np.zeros(trajectories.n)
        np.divide(shares[0], self.shares @ shares, out=W, where=shares[0] > 0)
        return np.minimum(W, self.largest)  # round-off apart it is so

    def relabelled(self, trajectories: Trajectories) -> Trajectories:
        """The same trajectories with ``logp`` of b: what an estimator would have seen."""
        batch, b = trajectories, self._parts[0]
        time, who = np.nonzero(batch.mask.T)
        logp = np.zeros(batch.a.shape)
        with np.errstate(divide="ignore"):
            logp[who, time] = np.log(b.chosen(batch, time, who))
        return replace(batch, logp=logp)

    def _observed(self, batch: Trajectories, part: _Part, rng: Any) -> Trajectories:
        """What was seen on the way, if b sees observations."""
        if self._parts[0].seen is None:
            return batch
        seen = part.seen or self._parts[0].seen
        time, who = np.nonzero(batch.mask.T)
        o: Any = np.zeros(batch.a.shape, dtype=np.int32)
        o[who, time] = seen.draw(time, batch.s[who, time], batch.a[who, time], rng)
        return replace(batch, o=o)

    def _log_prob(self, part: _Part, batch: Trajectories) -> FloatArray:
        """log of what the policy contributes to P(trajectory), (N,)."""
        b = self._parts[0]
        time, who = np.nonzero(batch.mask.T)
        chance = part.joint(batch, time, who)
        if part.seen is None and b.seen is not None:  # it is shown what b would have seen
            mine, of_state = b.joint(batch, time, who), b.of_state(batch, time, who)
            chance = chance * np.divide(mine, of_state, out=np.ones_like(mine), where=of_state > 0)
        with np.errstate(divide="ignore"):
            steps = np.log(chance)
        total = np.zeros(batch.n)
        np.add.at(total, who, steps)
        return total


class _Part:
    """One policy: its table, and what it sees."""

    def __init__(self, mdp: MDP, policy: Any) -> None:
        self.pi: FloatSA
        self.pi, family, theta = split_policy(mdp, policy)
        self.seen: Sight | None = sight(family, theta)

    def of_state(self, batch: Trajectories, time: Any, who: Any) -> FloatArray:
        """pi(a | s) of each step."""
        s, a = batch.s[who, time], batch.a[who, time]
        chosen: FloatArray = self.pi[time, s, a] if self.pi.ndim == 3 else self.pi[s, a]
        return chosen

    def joint(self, batch: Trajectories, time: Any, who: Any) -> FloatArray:
        """Pr(o, a | s) of each step; pi(a | s) where nothing is seen but s."""
        if self.seen is None or batch.o is None:
            return self.of_state(batch, time, who)
        s, a, o = batch.s[who, time], batch.a[who, time], batch.o[who, time]
        return self.seen.prob(time, s, o, a)

    def chosen(self, batch: Trajectories, time: Any, who: Any) -> FloatArray:
        """pi(a | o) of each step, or pi(a | s)."""
        if self.seen is None or batch.o is None:
            return self.of_state(batch, time, who)
        return self.seen.chosen(time, batch.o[who, time], batch.a[who, time])


def check_covers(mdp: MDP, b: FloatSA, pi: FloatSA) -> None:
    """Pass if b, where it gets to, takes every action of pi; else raise naming state and action."""
    timed = b.ndim == 3 or pi.ndim == 3
    times = max(len(x) for x in (b, pi) if x.ndim == 3) if timed else 1
    reached = mdp.mu > 0 if timed else reachable(mdp, pi=b)
    for t in range(times):
        b_t, pi_t = (x[t] if x.ndim == 3 else x for x in (b, pi))
        here = reached & ~mdp.terminal
        missing = np.argwhere(here[:, None] & (pi_t > 0) & (b_t == 0))
        if len(missing):
            s, a = (int(i) for i in missing[0])
            when = f" at step {t}" if timed else ""
            raise ModelError(
                f"behaviour never takes action {mdp.name_of_action(a)} in state "
                f"{mdp.name_of_state(s)}{when}, which the policy takes with {pi_t[s, a]:.3g}: no "
                f"importance weight can make up for that. Give it some probability."
            )
        if timed:
            reached = reachable_in_one(mdp, reached & ~mdp.terminal, b_t)


def reachable_in_one(mdp: MDP, states: Any, pi: FloatSA) -> Any:
    """The states that one step under pi (S, A) may lead to from any of these."""
    law = mdp.branches
    taken = (pi > 0) & states[:, None]
    found = np.zeros(mdp.n_states, dtype=np.bool_)
    found[law.next_state[taken.reshape(-1)[law.row] & (law.prob > 0)]] = True
    return found


def needed(mdp: MDP, pi: Any, b: Any, length: int | None) -> bool:
    """Whether importance weights of whole trajectories vary so much that a mixture is worth it.

    Parameters
    ----------
    mdp : MDP
    pi, b : tables, or (family, theta)
        Whose values are estimated; who acts.
    length : int or None
        Where trajectories are cut.

    Returns
    -------
    bool
        E_b[(prod_t ratio_t)^2] > 10.

    Notes
    -----
    `squared_weight`: O(T S^2 A).

    Examples
    --------
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=4)
    >>> needed(mdp, [[1.0, 0.0]], [[0.5, 0.5]], None), needed(mdp, [[0.6, 0.4]], [[0.5, 0.5]], None)
    (True, False)
    """
    return squared_weight(mdp, pi, b, length) > HEAVY


def squared_weight(mdp: MDP, pi: Any, b: Any, length: int | None) -> float:
    """E_b[(prod_t pi(a_t | s_t) / b(a_t | s_t))^2], inf where it does not exist.

    By m(s) = sum_a pi^2 / b P m', with m = 1 where the trajectory ends. Where both see
    observations the ratios are those of pi(a | o), and the mean is taken over o as well.
    """
    q = _squared_ratios(mdp, pi, b)
    if length is None:
        length = mdp.horizon
    if length is not None:
        m = np.ones(mdp.n_states)
        for t in reversed(range(length)):
            q_t = q[t] if q.ndim == 3 else q
            m = np.where(mdp.terminal, 1.0, expect_actions(q_t, expect(mdp.P, m)))
        return float(mdp.mu @ m)
    kept = reachable(mdp, pi=split_policy(mdp, b)[0]) & ~mdp.terminal
    chain = to_dense(mix(mdp.P, q))
    inside = chain[np.ix_(kept, kept)]
    if not np.abs(np.linalg.eigvals(inside)).max(initial=0.0) < 1 - 1e-12:
        return np.inf
    m = 1.0 * mdp.terminal
    m[kept] = np.linalg.solve(np.eye(len(inside)) - inside, chain[kept] @ m)
    return float(mdp.mu @ m)


def _squared_ratios(mdp: MDP, pi: Any, b: Any) -> FloatSA:
    """b (pi / b)^2, (S, A) or (H, S, A), with the mean over what is seen taken."""
    one, two = _Part(mdp, pi), _Part(mdp, b)
    if one.seen is None or two.seen is None:
        return _squared(one.pi, two.pi, two.pi)
    shown = two.seen.seen
    by_sight = _squared(one.seen.table[:, shown], two.seen.table[:, shown], two.seen.joint)
    summed: FloatSA = by_sight.sum(axis=2)  # over observations
    return summed if len(summed) > 1 else summed[0]


def _squared(pi: FloatArray, b: FloatArray, chance: FloatArray) -> FloatArray:
    """chance (pi / b)^2; 0 where b is."""
    pi, b, chance = np.broadcast_arrays(pi, b, chance)
    ratio = np.divide(pi, b, out=np.zeros(b.shape), where=b > 0)
    product: FloatArray = chance * ratio**2
    return product
