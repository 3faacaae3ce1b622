"""The equations of the moments: linear systems, or backward in time, with the error of each.

Takes     an MDP, a checked policy and an order n.
Gives     `Answer`: moments of states, of pairs and of the start, bounds on their errors.
Source    `_centred`. The moments about a centre v close to the mean solve
          (I - gamma^k P_pi) B_k = b_k, where b_k holds the moments below k; the k-th error is at
          most L_k max |residual|, L_k >= |(I - gamma^k P_pi)^-1|, the errors below k included.
Not here  what a user sees of it (`_moments`).

Nothing is computed as E[G^2] - E[G]^2.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolS, FloatArray, FloatS, FloatSA
from ..errors import ConvergenceError, ModelError
from ..model import MDP, RewardLaw
from ..structure import recurrent_classes
from ._centred import Step, about_the_mean, about_zero, summed
from ._finite import evaluate_finite
from ._stationary import solve

BLOCK = 1_000_000
"""Branches that are looked at together where it is about all pairs, so that memory is bounded."""


class Answer(NamedTuple):
    """Lists are indexed by the order; time is in front, of length one where there is none."""

    V: FloatArray  # (T, S)
    Q: list[FloatSA]  # T of (S, A)
    J: float
    central: list[FloatArray]  # (T, S) each
    Q_central: list[list[FloatSA]]  # T lists
    J_central: tuple[float, ...]
    raw: list[FloatArray]
    bounds: list[float]
    J_bounds: list[float]
    raw_bounds: list[float]


class MomentEquations:
    """The moments of one policy: time in front of everything, one time where there is no horizon.

    ``centre`` is (T, S); ``moments[t][k]`` (S,) are about it, ``errors[t][k]`` bounds their errors.
    """

    def __init__(self, mdp: MDP, pi: FloatSA, order: int) -> None:
        self.mdp, self.pi, self.order = mdp, pi, order
        self.law = mdp.branches
        self.row = self.law.row
        self.state = self.row // mdp.n_actions
        sums = np.bincount(self.row, self.law.prob, mdp.R.size)[mdp.allowed.reshape(-1)]
        terms = int(np.diff(self.law.offsets).max())
        self.row_defect = 2 * float(np.abs(sums - 1).max()) + EPS * terms
        self.live = ~mdp.terminal

    def _forever(self) -> tuple[FloatArray, list[list[FloatS]], list[list[float]]]:
        """Discounted and total reward: one linear system for each order."""
        mdp, kept = self.mdp, self.live.copy()
        if mdp.objective == "total":
            kept = leaving(mdp, self.pi, self.law)
        solved = solve(mdp, self.pi, kept, mdp.mu)
        moments, errors = [np.ones(mdp.n_states)], [0.0]
        if not kept.any():
            moments += [np.zeros(mdp.n_states)] * self.order
            return solved.V[None], [moments], [[0.0] * (self.order + 1)]
        step = self._step(self.pi, kept, solved.V, solved.V)
        resolvent = kernel.Resolvent(solved.chain, mdp.gamma)
        time = _time(step, kept, resolvent) if mdp.gamma == 1 else np.inf
        if mdp.gamma == 1 and time == np.inf:
            raise ConvergenceError(
                "float64 cannot tell this policy from one that never terminates: no bound on the "
                "length of an episode can be proved. Use gamma < 1 or horizon=.",
                floor=np.inf,
            )
        for k in range(1, self.order + 1):
            if mdp.gamma < 1:
                if k > 1:
                    resolvent = kernel.Resolvent(solved.chain, mdp.gamma**k)
                powers = sum(mdp.gamma**j for j in range(k))
                time = (1 + EPS * (2 * k + 4)) / ((1 - mdp.gamma) * powers)
            right, right_error = step.moment(k, moments, errors)
            right[~kept] = 0.0
            moment = np.zeros(mdp.n_states)
            moment[kept] = resolvent.solve(right[kept])
            if k % 2 == 0:
                moment = np.maximum(moment, 0.0)
            carried, carried_error = step.carry(k, moment, 0.0)
            gap = float(np.abs(right + carried - moment)[kept].max())
            size = float(np.abs(right).max() + np.abs(carried).max() + np.abs(moment).max())
            error = time * (gap + EPS * size + right_error + carried_error)
            moments.append(moment)
            errors.append(error if error > 0 else 0.0)
            self._check(k, moment, error)
        return solved.V[None], [moments], [errors]

    def _backward(self) -> tuple[FloatArray, list[list[FloatS]], list[list[float]]]:
        """Finite horizon: from its end to time 0."""
        mdp, horizon = self.mdp, self.mdp.horizon or 0
        centre = evaluate_finite(mdp, self.pi).V
        timed = np.broadcast_to(self.pi, (horizon, mdp.n_states, mdp.n_actions))
        end = [np.ones(mdp.n_states)] + [np.zeros(mdp.n_states)] * self.order
        moments, errors = [end], [[0.0] * (self.order + 1)]
        for t in range(horizon - 1, -1, -1):
            step = self._step(timed[t], self.live, centre[t], centre[t + 1])
            before, before_errors = _through(step, self.order, moments[0], errors[0])
            for k in range(1, self.order + 1):
                self._check(k, before[k], before_errors[k])
            moments.insert(0, before)
            errors.insert(0, before_errors)
        return centre, moments, errors

    def _step(self, pi: FloatSA, kept: BoolS, before: FloatS, after: FloatS) -> Step:
        """From states to states, under a policy."""
        weight = pi.reshape(-1)[self.row] * self.law.prob
        chosen = np.flatnonzero((pi.reshape(-1)[self.row] > 0) & kept[self.state])
        pi_defect = float(np.abs(pi.sum(axis=-1) - 1).max()) + EPS * self.mdp.n_actions
        defect = self.row_defect + 2 * pi_defect
        return self._of(self.state[chosen], chosen, weight[chosen], before, after, defect)

    def _of(
        self,
        row: Any,
        chosen: Any,
        weight: FloatArray,
        before: FloatArray,
        after: FloatS,
        defect: float,
    ) -> Step:
        std = self.mdp.reward_std
        return Step(
            row,
            self.law.next_state[chosen],
            weight,
            self.law.reward[chosen],
            None if std is None else std.reshape(-1)[self.row[chosen]],
            before,
            after,
            discount=self.mdp.gamma,
            defect=defect,
            order=self.order,
        )

    def _check(self, k: int, moment: FloatArray, error: float) -> None:
        if not (np.isfinite(moment).all() and error < np.inf):
            largest = float(np.abs(self.law.reward).max(initial=0.0))
            raise ModelError(
                f"moment {k} of the return, or the bound on its error, exceeds float64: rewards go "
                f"to {largest:.3g}, and the order is {self.order}. Scale the rewards, or ask for a "
                f"smaller order."
            )

    # -- from moments about the centre to the answer ---------------------------------------------
    def answer(self) -> Answer:
        """Central moments of states, of pairs and of the start."""
        mdp, n = self.mdp, self.order
        centre, moments, errors = self._backward() if mdp.horizon else self._forever()
        V, central, bounds = self._central(centre, moments, errors)
        pairs = [self._pairs(centre, moments, errors, t) for t in range(mdp.horizon or 1)]
        Q, Q_central, Q_bounds = (list(part) for part in zip(*pairs, strict=True))
        bounds = [max(x) for x in zip(bounds, *Q_bounds, strict=True)]
        J, J_central, J_bounds = self._start(centre[0], moments[0], errors[0])
        raw, raw_bounds = [], []
        for k in range(n + 1):
            values, bound = about_zero(k, V, central, bounds)
            raw.append(values)
            raw_bounds.append(bound)
            self._check(k, values, bound)
        return Answer(V, Q, J, central, Q_central, J_central, raw, bounds, J_bounds, raw_bounds)

    def _central(
        self, centre: FloatArray, moments: list[list[FloatS]], errors: list[list[float]]
    ) -> tuple[FloatArray, list[FloatArray], list[float]]:
        """Mean, central moments 0 to n, and the bounds on their errors."""
        tables = [np.array([at[k] for at in moments]) for k in range(self.order + 1)]
        worst = [max(at[k] for at in errors) for k in range(self.order + 1)]
        return _about_mean(centre, tables, worst)

    def _pairs(
        self, centre: FloatArray, moments: list[list[FloatS]], errors: list[list[float]], t: int
    ) -> tuple[FloatSA, list[FloatSA], list[float]]:
        """Q at time t, its central moments, and the bounds on their errors."""
        mdp, later = self.mdp, min(t + 1, len(moments) - 1)
        refused = ~mdp.allowed.reshape(-1)
        means = np.full(refused.shape, -np.inf)
        tables = [np.full(refused.shape, np.nan) for _ in range(self.order + 1)]
        worst = [0.0] * (self.order + 1)
        for first, last in self._blocks():
            chosen = slice(int(self.law.offsets[first]), int(self.law.offsets[last]))
            row, prob = self.row[chosen] - first, self.law.prob[chosen]
            paid = self.law.reward[chosen] + mdp.gamma * centre[later][self.law.next_state[chosen]]
            before = summed(row, prob * paid, last - first)
            step = self._of(row, chosen, prob, before, centre[later], self.row_defect)
            found, found_errors = _through(step, self.order, moments[later], errors[later])
            mean, central, bounds = _about_mean(before, found, found_errors)
            there = ~refused[first:last]
            means[first:last][there] = mean[there]
            for k in range(self.order + 1):
                tables[k][first:last][there] = central[k][there]
                self._check(k, central[k], bounds[k])
            worst = [max(x) for x in zip(worst, bounds, strict=True)]
        shape = (mdp.n_states, mdp.n_actions)
        return means.reshape(shape), [table.reshape(shape) for table in tables], worst

    def _blocks(self) -> list[tuple[int, int]]:
        """Ranges of pairs that have about `BLOCK` branches together."""
        offsets = self.law.offsets
        n_pairs, first, blocks = len(offsets) - 1, 0, []
        while first < n_pairs:
            last = int(np.searchsorted(offsets, offsets[first] + BLOCK, side="right")) - 1
            last = min(max(last, first + 1), n_pairs)
            blocks.append((first, last))
            first = last
        return blocks

    def _start(
        self, centre: FloatS, moments: list[FloatS], errors: list[float]
    ) -> tuple[float, tuple[float, ...], list[float]]:
        """J, its central moments, and the bounds on their errors: the start is one more step."""
        mu = self.mdp.mu
        begin = np.flatnonzero(mu)
        defect = 2 * abs(float(mu.sum()) - 1) + EPS * len(begin)
        before = np.array([float(mu @ centre)])
        nothing = np.zeros(len(begin))
        step = Step(
            np.zeros_like(begin),
            begin,
            mu[begin],
            nothing,
            None,
            before,
            centre,
            discount=1.0,
            defect=defect,
            order=self.order,
        )
        mean, central, bounds = _about_mean(before, *_through(step, self.order, moments, errors))
        for k in range(2, self.order + 1):
            self._check(k, central[k], bounds[k])
        return float(mean[0]), tuple(float(x[0]) for x in central), bounds


def _through(
    step: Step, order: int, moments: list[FloatS], errors: list[float]
) -> tuple[list[FloatArray], list[float]]:
    """Moments 0 to n before a step, from those after it, all known; and their errors."""
    before, bounds = [np.ones(step.n_rows)], [0.0]
    for k in range(1, order + 1):
        added, added_error = step.moment(k, moments, errors)
        carried, carried_error = step.carry(k, moments[k], errors[k])
        moment = added + carried
        size = float(np.abs(added).max(initial=0.0) + np.abs(carried).max(initial=0.0))
        before.append(np.maximum(moment, 0.0) if k % 2 == 0 else moment)
        bounds.append(added_error + carried_error + EPS * size)
    return before, bounds


def _about_mean(
    centre: FloatArray, moments: list[FloatArray], errors: list[float]
) -> tuple[FloatArray, list[FloatArray], list[float]]:
    """Mean, central moments and bounds from moments about a centre."""
    mean = centre + moments[1]
    central, bounds = [np.ones_like(mean), np.zeros_like(mean)], [0.0]
    bounds.append(errors[1] + EPS * float(np.abs(mean).max(initial=0.0)))
    for k in range(2, len(moments)):
        value, error = about_the_mean(k, moments, errors)
        central.append(np.maximum(value, 0.0) if k % 2 == 0 else value)
        bounds.append(error)
    return mean, central, bounds


def _time(step: Step, kept: BoolS, resolvent: kernel.Resolvent) -> float:
    """L: max(w) / (1 - e) for w close to the expected times to the end, gamma = 1."""
    w = np.zeros(len(kept))
    w[kept] = np.maximum(resolvent.solve(np.ones(int(kept.sum()))), 0.0)
    top = float(w.max())
    carried, error = step.carry(1, w, 0.0)
    e = float(np.abs(1.0 - (w - carried))[kept].max()) + error + 2 * EPS * (1 + top)
    return top / (1 - e) * (1 + 4 * EPS) if e < 1 else np.inf


def leaving(mdp: MDP, pi: FloatSA, law: RewardLaw) -> BoolS:
    """The states an episode leaves for ever; where it stays it must pay nothing."""
    kept = np.ones(mdp.n_states, dtype=bool)
    taken = (pi > 0).reshape(-1)
    paying = np.zeros(mdp.R.size, dtype=bool)
    paying[law.row[(law.reward != 0) & (law.prob > 0)]] = True
    if mdp.reward_std is not None:
        paying |= mdp.reward_std.reshape(-1) > 0
    pays = np.any((taken & paying).reshape(mdp.R.shape), axis=1)
    for members in recurrent_classes(mdp, pi):
        kept[members] = False
        if pays[members].any():
            names = ", ".join(mdp.name_of_state(int(s)) for s in members[:10])
            more = f" and {len(members) - 10} more" if len(members) > 10 else ""
            raise ModelError(
                f"the total reward of this policy has no law: the policy is improper, it stays "
                f"for ever in state{'s' if len(members) > 1 else ''} {names}{more}, not terminal "
                f"and with rewards. Use gamma < 1 or horizon=, or another policy."
            )
    return kept
