"""Episodes followed all at once: pairs (state, paid so far), decision after decision.

Takes     an MDP, a checked policy, and how far to go.
Gives     `ReturnDistribution`.
Source    derived here. Episodes that are cut after T decisions in s have a return in
          paid + gamma^T [low(s), high(s)], where low and high are the least and the largest return
          of any path from s.
Not here  low and high (`_path_ranges`); what can be asked of the law (`_distribution`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..arrays import EPS, TINY, BoolS, FloatArray, FloatSA, IntArray, readonly
from ..certificates import Certificate
from ..errors import ConvergenceError
from ..model import MDP
from ..structure import can_reach
from ._centred import two_product, two_sum
from ._distribution import ReturnDistribution
from ._evaluate import evaluate
from ._path_ranges import Branches, ranges

WASSERSTEIN = (
    "W_1 <= sum p max(upper - x, x - lower) + 2 mass_error (max upper - min lower): each atom is "
    "moved within its interval, and the mass that is off across all of them"
)
MOST_STEPS = 10_000
"""Decisions after which an episode without an end is cut if nobody says when."""

FEW = 1000
"""As many atoms are never rounded to a grid."""

CHUNK = 1_000_000
"""Branches that are followed at once, so that memory is bounded."""


class Atoms(NamedTuple):
    """Pairs (state, paid so far) and their probabilities."""

    state: IntArray
    paid: FloatArray
    prob: FloatArray

    @staticmethod
    def together(parts: list[Atoms]) -> Atoms:
        return Atoms(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    def only(self, which: BoolS) -> Atoms:
        return Atoms(self.state[which], self.paid[which], self.prob[which])

    def merged(self, tolerance: float, grid: float = 0.0) -> tuple[Atoms, float, int]:
        """Equal ones added up; by how much that moved any of them, and how many met at most."""
        if not len(self.paid):
            return self, 0.0, 0
        order = np.lexsort((self.paid, self.state))
        state, paid, prob = self.state[order], self.paid[order], self.prob[order]
        new = np.ones(len(paid), dtype=bool)
        new[1:] = (np.diff(state) != 0) | (np.diff(paid) > tolerance)
        first = np.flatnonzero(new)
        last = np.append(first[1:], len(paid)) - 1
        middle = paid[first] + (paid[last] - paid[first]) / 2
        moved = float(np.maximum(paid[last] - middle, middle - paid[first]).max())
        moved *= 1 + 4 * EPS
        most = int((last - first).max()) + 1
        atoms = Atoms(state[first], middle, np.add.reduceat(prob, first))
        if not (grid > 0 and len(first) > FEW):
            return atoms, moved, most
        rounded = (np.floor(middle / grid) + 0.5) * grid
        moved += float(np.abs(rounded - middle).max()) * (1 + 4 * EPS)
        atoms, _, again = atoms._replace(paid=rounded).merged(0.0)
        return atoms, moved, most + again


class Paths:
    """Episodes on their way, with the error that their sums and probabilities have by now."""

    def __init__(self, mdp: MDP, pi: FloatSA) -> None:
        self.mdp, self.pi = mdp, pi
        self.law = mdp.branches
        self.row = self.law.row
        self.state = self.row // mdp.n_actions
        sums = np.bincount(self.row, self.law.prob, mdp.R.size)[mdp.allowed.reshape(-1)]
        pi_defect = float(np.abs(pi.sum(axis=-1) - 1).max()) + EPS * mdp.n_actions
        terms = int(np.diff(self.law.offsets).max())
        self.defect = 2 * (float(np.abs(sums - 1).max()) + pi_defect) + EPS * terms
        self.over = self._over()
        self.at: tuple[int, Branches] | None = None

        mu = mdp.mu
        begin = np.flatnonzero(mu)
        first = Atoms(begin, np.zeros(len(begin)), mu[begin])
        self.alive = first.only(~self.over[begin])
        self.done = first.only(np.zeros(len(begin), dtype=bool))
        self.t, self.scale, self.off, self.grid = 0, 0.0, 0.0, 0.0
        self.discount, self.discount_error = 1.0, 0.0  # gamma^t, and its relative error
        self.mass_error = 2 * abs(float(mu.sum()) - 1) + EPS * len(begin)
        self._put_aside(first.only(self.over[begin]))

    def _over(self) -> BoolS:
        """States after which this policy pays nothing any more."""
        mdp = self.mdp
        taken = self.pi.reshape(-1, *mdp.R.shape).max(axis=0) > 0
        pays = np.zeros(mdp.R.size, dtype=bool)
        pays[self.row[(self.law.reward != 0) & (self.law.prob > 0)]] = True
        paying = (pays.reshape(mdp.R.shape) & taken).any(axis=1)
        if mdp.final is not None:
            paying |= mdp.final != 0
        over: BoolS = ~can_reach(mdp, np.flatnonzero(paying), pairs=taken) | mdp.terminal
        return over

    def follow(self, cut: int | None, tol: float | None, most: int) -> ReturnDistribution:
        """Until all have ended, or one of the limits is met."""
        horizon = self.mdp.horizon
        self.ranges = ranges(self.mdp, self.over, self._branches)
        self.means = np.atleast_2d(evaluate(self.mdp, self.pi).V)
        endless = horizon is None and cut is None
        self.grid = 0.0 if tol is None else self._coarsest(cut, tol)
        last = min(x for x in (horizon, cut, MOST_STEPS if endless else None) if x)
        while len(self.alive.paid) and self.t < last:
            bound, floor = self._bound()
            if tol is not None and bound <= tol:
                break
            # What has an end comes to it within S decisions; the rest stops at the round-off.
            if endless and self.t >= self.mdp.n_states and bound <= floor:
                break
            following = self._one_step(most)
            if following is None:
                if endless and tol is None:
                    break
                raise ConvergenceError(
                    f"the return has more than max_atoms = {most:,} atoms (state, paid so far) "
                    f"after {self.t + 1} decisions. Give a larger max_atoms, cut episodes earlier "
                    f"with steps=, or use return_moments, which needs no atoms.",
                    solution=self.found(),
                )
            self._take(*following)
        answer = self.found()
        if tol is not None and not answer.certificate.bound <= tol:
            raise ConvergenceError(self._missed(answer, tol), solution=answer)
        return answer

    def _missed(self, answer: ReturnDistribution, tol: float) -> str:
        """What can be had instead of this tol."""
        bound = answer.certificate.bound
        if bound < np.inf:
            return (
                f"the law is certified to {bound:.3g} after {self.t} decisions, not to "
                f"tol = {tol:.3g}: give more steps, or a larger tol."
            )
        return (
            f"the returns of this policy have no bound, and so no tol can be met: an episode may "
            f"last as long, and cost or bring as much, as one likes. Leave tol out: quantiles and "
            f"the distribution function are bracketed, with {answer.running:.2g} of the mass still "
            f"running after {self.t} decisions. return_moments has the mean and the variance."
        )

    # -- one decision more -------------------------------------------------------------------
    def _branches(self, t: int) -> Branches:
        """What can happen at time t."""
        t = t if self.pi.ndim == 3 else 0
        if self.at is None or self.at[0] != t:
            self.at = (t, self._branches_of(self.pi[t] if self.pi.ndim == 3 else self.pi))
        return self.at[1]

    def _branches_of(self, pi: FloatSA) -> Branches:
        weight = pi.reshape(-1)[self.row] * self.law.prob
        chosen = np.flatnonzero((pi.reshape(-1)[self.row] > 0) & (self.law.prob > 0))
        counts = np.bincount(self.state[chosen], minlength=self.mdp.n_states)
        first = np.cumsum(counts) - counts
        law = self.law
        return Branches(first, counts, law.next_state[chosen], law.reward[chosen], weight[chosen])

    def _one_step(self, most: int) -> tuple[Atoms, float, float] | None:
        """The atoms after one more decision, how far they moved, and the error of their mass."""
        first, counts, to, reward, weight = self._branches(self.t)
        alive = self.alive
        paid, lost = two_product(self.discount, reward)
        most_paid = float(np.abs(paid).max())
        size = float(np.abs(alive.paid).max()) + most_paid
        self.scale = max(size, float(np.abs(self.done.paid).max(initial=0.0)))
        tolerance = 8 * EPS * self.scale
        ends = np.cumsum(counts[alive.state])
        merged: list[Atoms] = []
        moved, met, begin, n = 0.0, 0, 0, len(self.done.paid)
        while begin < len(ends):
            before = int(ends[begin - 1]) if begin else 0
            end = max(int(np.searchsorted(ends, before + CHUNK, side="right")), begin + 1)
            here = slice(begin, end)
            number = counts[alive.state[here]]
            origin = np.repeat(np.arange(begin, end), number)
            inside = np.arange(len(origin)) - np.repeat(np.cumsum(number) - number, number)
            branch = first[alive.state[origin]] + inside
            total, gone = two_sum(alive.paid[origin], paid[branch])
            atoms = Atoms(to[branch], total, alive.prob[origin] * weight[branch])
            atoms, shift, meeting = atoms.merged(tolerance, self.grid)
            merged.append(atoms)
            shift += float(np.abs(gone + lost[branch]).max())
            moved, met, begin = max(moved, shift), max(met, meeting), end
            n += len(atoms.paid)
            if n > 2 * most:
                return None
        if len(merged) > 1:
            atoms, shift, meeting = Atoms.together(merged).merged(tolerance, self.grid)
            moved, met = moved + shift, met + meeting
        if len(atoms.paid) + len(self.done.paid) > most:
            return None
        moved += self.discount_error * most_paid
        if 0 < most_paid and self.discount < 1:  # what underflows
            moved += TINY
        return atoms, moved * (1 + 8 * EPS), self.defect + EPS * (met + 4)

    def _take(self, atoms: Atoms, moved: float, mass_error: float) -> None:
        """The step is taken; what has ended is put aside."""
        self.t += 1
        self.off += moved
        product, lost = two_product(self.discount, np.array([self.mdp.gamma]))
        self.discount = float(product[0])
        if lost[0] != 0 or self.discount < TINY:
            self.discount_error += EPS
        # Errors of probabilities are relative, and multiply.
        self.mass_error += mass_error * (1 + self.mass_error) + TINY * len(atoms.paid)
        over = self.over[atoms.state]
        self.alive = atoms.only(~over)
        if over.any():
            self._put_aside(atoms.only(over))
        if self.t == self.mdp.horizon:
            self._end()

    def _end(self) -> None:
        """The horizon: whatever a state is then worth is paid."""
        mdp, atoms = self.mdp, self.alive
        if mdp.final is not None:
            worth, lost = two_product(self.discount, mdp.final[atoms.state])
            total, gone = two_sum(atoms.paid, worth)
            atoms = atoms._replace(paid=total)
            self.off += (1 + 4 * EPS) * float(np.abs(gone + lost).max(initial=0.0))
            self.off += self.discount_error * float(np.abs(worth).max(initial=0.0))
            self.scale = max(self.scale, float(np.abs(atoms.paid).max(initial=0.0)))
        self._put_aside(atoms)
        self.alive = atoms.only(np.zeros(len(atoms.paid), dtype=bool))

    def _put_aside(self, atoms: Atoms) -> None:
        ended = atoms._replace(state=np.zeros_like(atoms.state))
        self.done = self.done._replace(state=np.zeros_like(self.done.state))
        self.done, moved, met = Atoms.together([self.done, ended]).merged(8 * EPS * self.scale)
        self.off += moved
        self.mass_error += EPS * met

    def _coarsest(self, cut: int | None, tol: float) -> float:
        """A grid on which rounding all sums of an episode costs less than half of tol."""
        low, high = (x[0] for x in self.ranges)
        span = float((high - low).max())
        if self.mdp.horizon is not None:
            length = float(self.mdp.horizon)
        elif 0 < self.mdp.gamma < 1:
            length = max(1.0, np.log(max(2 * span / tol, 1.0)) / -np.log(self.mdp.gamma))
        else:
            length = float(self.mdp.n_states)
        return 0.9 * tol / min(length, cut or length)

    # -- what remains ------------------------------------------------------------------------
    def _cut(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Where the return of each running episode is, and what is expected of it."""
        alive, t = self.alive, self.t if self.mdp.horizon is not None else 0
        discount = self.discount
        low, high, mean = (x[t][alive.state] for x in (*self.ranges, self.means))
        if discount < TINY:  # it has lost its digits; whatever is smaller than this is between
            low, high, discount = np.minimum(low, 0.0), np.maximum(high, 0.0), TINY
        lower, upper = alive.paid + discount * low, alive.paid + discount * high
        pad = (self.discount_error + 4 * EPS) * np.maximum(np.abs(lower), np.abs(upper))
        pad += (self.discount_error + 2 * EPS) * np.abs(alive.paid)
        pad = np.where(np.isfinite(pad), pad, 0.0)
        middle = np.clip(alive.paid + discount * mean, lower, upper)
        return lower - pad, middle, upper + pad

    def _bound(self) -> tuple[float, float]:
        """The Wasserstein distance, and what is left of it when cutting matters no more."""
        lower, middle, upper = self._cut()
        reach = np.maximum(upper - middle, middle - lower)
        counted = self.alive.prob > 0
        far = float(self.alive.prob[counted] @ reach[counted])
        ends = np.concatenate((lower, upper, self.done.paid))
        low, high = float(ends.min()) - self.off, float(ends.max()) + self.off
        if high - low < np.inf:
            exact = self.off + 2 * self.mass_error * (high - low)
            exact += EPS * (len(ends) + 4) * max(high, -low)  # of the sums that make the mean
            return far + exact, 2 * exact + 64 * EPS * max(high, -low)
        # No bound; but no use in following what is rarer than the probabilities are exact.
        return np.inf, np.inf if float(self.alive.prob.sum()) <= self.mass_error else 0.0

    def found(self) -> ReturnDistribution:
        """The atoms so far, in ascending order."""
        lower, middle, upper = self._cut()
        values = np.concatenate((self.done.paid, middle))
        low = np.concatenate((self.done.paid, lower))
        high = np.concatenate((self.done.paid, upper))
        if self.off > 0:  # one float further, because the difference is rounded
            low = np.nextafter(low - self.off, -np.inf)
            high = np.nextafter(high + self.off, np.inf)
        prob = np.concatenate((self.done.prob, self.alive.prob))
        order = np.argsort(values, kind="stable")
        bound, _ = self._bound()
        return ReturnDistribution(
            values=readonly(values[order]),
            probabilities=readonly(prob[order]),
            lower=readonly(low[order]),
            upper=readonly(high[order]),
            mass_error=self.mass_error + EPS * len(values),
            running=float(self.alive.prob.sum()),
            steps=self.t,
            certificate=Certificate(bound, np.inf, bound, WASSERSTEIN),
        )
