"""The register machine: exact moments of a loop that is linear in its registers, without a tree.

Takes     an MDP, a policy, and `Registers`.
Gives     `Moments`; the same loop as a function of `Trajectories`.
Source    derived: if x_{t+1} = B(t, s, a, r, s') x_t, x_0 fixed and a constant among the x, then
          m_t(s) = E[x_t 1{s_t = s}] and M_t(s) = E[x_t x_t' 1{s_t = s}] go on as
          m'(s') = sum p B m(s) and M'(s') = sum p B M(s) B', sums over what leads to s'. B is read
          off by running the step once on linear forms. A memory with few values is part of s.
Not here  the noun (`_machine`); recursions with less work per step for single families
          (`_reward_to_go`, `_whole_return`).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import ModelError
from ..model import MDP
from ..policies import sight, split_policy
from ..sampling import Trajectories
from ._enumeration import Detail, served
from ._machine import Now, Registers, answer_of, forms_of, stepped
from ._moments import Moments
from ._rows import Estimator
from ._tree import Branches, Tree, check_length

MEMORIES = 10_000  # values that the memory may take
_NUMBERS = 2**22  # so many float64 in one product: 32 MB


def register_moments(
    mdp: MDP,
    policy: Any,
    machine: Registers,
    *,
    behaviour: Any = None,
    horizon: int | None = None,
    detail: Detail = "covariance",
) -> Moments:
    """Exact mean and covariance of an estimator that is declared as `Registers`.

    Parameters
    ----------
    mdp : MDP
        Of any objective but average reward.
    policy : pi, (S, A) or (H, S, A), or (family, theta)
        Whose score and ratio the steps see.
    machine : Registers
    behaviour : pi, or (family, theta), optional
        Who acts instead of ``policy``.
    horizon : int, optional
        A cap on the number of actions. Without one and without a horizon of the model, every path
        must end by itself.
    detail : {"covariance", "variance", "mean"}

    Returns
    -------
    Moments
        ``mean`` (D,), the answer flattened. For any length of trajectories: nothing is enumerated.

    Raises
    ------
    ModelError
        If a step is not linear in the registers, changes their shape or makes new ones; if the
        memory takes more than 10,000 values; if paths never end and there is no horizon.

    Notes
    -----
    Gaussian noise on rewards counts as +-reward_std, half each: exact, as mean and covariance of a
    linear machine know no more of it than two moments (of one use of r in each product). Time
    O(T B k^3) for B branches (s, a, s', r), times the memory's values, and k numbers in all
    registers; O(T B k^2) for the mean. Steps that do not ask for t are run once for each branch.

    Examples
    --------
    Per-decision importance sampling over 50 steps:

    >>> def step(x, now):
    ...     x.ratio *= now.w
    ...     x.G += 0.9**now.t * now.r * x.ratio
    >>> pdis = Registers({"ratio": 1.0, "G": 0.0}, step, "G")
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.9)
    >>> found = register_moments(mdp, [[0.5, 0.5]], pdis, behaviour=[[0.4, 0.6]], horizon=50)
    >>> float(found.mean[0]), 0.5 * (1 - 0.9**50) / 0.1
    (4.97423112..., 4.97423112...)
    """
    tree = Tree(served(mdp), policy if behaviour is None else behaviour)
    length = _length(tree, horizon)
    run = _Run(machine, tree, _Scored(mdp, policy, on_policy=behaviour is None), detail)
    return run.moments(length)


def register_estimator(
    mdp: MDP, policy: Any, machine: Registers, *, off_policy: bool = False
) -> Estimator:
    """The same loop on numbers: a function of `Trajectories`, for `check_estimator` and samples.

    Parameters
    ----------
    mdp, policy, machine
        As for `register_moments`.
    off_policy : bool
        Let ``now.w`` be pi(a | s) / exp(logp); else it is 1.

    Returns
    -------
    function Trajectories -> (N, ...) array

    Raises
    ------
    ModelError
        When called: if the loop is not linear.

    Notes
    -----
    A Python loop over all steps: some 10,000 to 100,000 steps a second.

    Examples
    --------
    >>> from mdptools.verify import exact_moments
    >>> def step(x, now):
    ...     x.G += now.r
    >>> machine = Registers({"G": 0.0}, step, "G")
    >>> mdp, pi = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2), [[0.5, 0.5]]
    >>> exact_moments(register_estimator(mdp, pi, machine), mdp, pi).variance
    array([0.5])
    >>> register_moments(mdp, pi, machine).variance
    array([0.5])
    """
    scored = _Scored(mdp, policy, on_policy=not off_policy)

    def rows(batch: Trajectories) -> FloatArray:
        found = []
        psi, w = scored.of_trajectories(batch)
        for i, length in enumerate(batch.lengths.tolist()):
            x, g = forms_of(machine, 0), machine.memory
            for t in range(length):
                s, a, after = int(batch.s[i, t]), int(batch.a[i, t]), int(batch.s[i, t + 1])
                o = None if batch.o is None else int(batch.o[i, t])
                r = float(batch.r[i, t])
                now = Now(s, a, r, after, float(w[i, t]), psi[i, t], o, g, t, mdp)
                x, g = stepped(machine, x, now)
            found.append(answer_of(machine, x, g).forms[0])
        return np.stack(found)

    return rows


def _length(tree: Tree, horizon: Any) -> int:
    """The number of steps of every path."""
    length = check_length(tree.mdp, horizon)
    length = tree.depth(2**1000) if length is None else length
    if length is None:
        raise ModelError(
            "without a horizon some trajectories go on for ever. Give horizon=: a cap on the "
            "number of actions."
        )
    return length


class _Scored:
    """Scores and ratios of steps, in arrays."""

    def __init__(self, mdp: MDP, policy: Any, *, on_policy: bool) -> None:
        self.mdp, self.on_policy = mdp, on_policy
        self.pi, self._family, self._theta = split_policy(mdp, policy)
        self._sight = sight(self._family, self._theta)

    @property
    def timed(self) -> bool:
        """Whether the policy depends on time."""
        return self.pi.ndim == 3

    def of_steps(
        self, t: int, s: IntArray, a: IntArray, o: IntArray | None, logp: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """psi (n, D) and w (n,) of n steps at time t."""
        o = None if self._sight is None else o  # it was another policy that saw it
        n, width = len(s), t + 1 if self.timed else 1

        def at_t(x: Any, dtype: Any) -> Any:
            table = np.zeros((n, width), dtype=dtype)
            table[:, -1] = x
            return table

        seen = None if o is None else at_t(o, np.int64)
        weights = at_t(1.0, np.float64)
        psi = self._family.accumulate(
            self._theta, at_t(s, np.int64), at_t(a, np.int64), weights, seen
        )
        if self.on_policy:
            return psi, np.ones(n)
        pi = self.pi[t] if self.timed else self.pi
        chosen = pi[s, a] if o is None or self._sight is None else self._sight.chosen(t, o, a)
        return psi, chosen / np.exp(logp)

    def of_trajectories(self, batch: Trajectories) -> tuple[FloatArray, FloatArray]:
        """psi (N, T, D) and w (N, T)."""
        found = [
            self.of_steps(
                t,
                batch.s[:, t],
                batch.a[:, t],
                None if batch.o is None else batch.o[:, t],
                batch.logp[:, t],
            )
            for t in range(batch.n_steps)
        ]
        size = int(np.size(self._theta))
        if not found:
            return np.zeros((batch.n, 0, size)), np.zeros((batch.n, 0))
        return np.stack([x for x, _ in found], axis=1), np.stack([w for _, w in found], axis=1)


class _Run:
    """The forward recursion over (memory, state)."""

    def __init__(self, machine: Registers, tree: Tree, scored: _Scored, detail: Detail) -> None:
        self.machine, self.tree, self.scored = machine, tree, scored
        self.squares = detail != "mean"
        self.detail = detail
        first = np.concatenate([np.ones(1), *(x.ravel() for x in machine.start.values())])
        self.size = len(first) - 1
        self.mass = tree.mdp.mu
        law = np.outer(first, first) if self.squares else first
        # Of each memory: M (S, k, k), or m (S, k); the constant is entry 0.
        self.tables: dict[Hashable, FloatArray] = {
            machine.memory: np.multiply.outer(tree.mdp.mu, law)
        }
        self._known: dict[tuple[int, int, int, Hashable], tuple[FloatArray, Hashable]] = {}

    def moments(self, length: int) -> Moments:
        for t in range(length):
            self._advance(t)
        mean: Any = 0.0
        second: Any = 0.0
        mass = 0.0
        for g, table in self.tables.items():
            total = table.sum(axis=0)
            forms = answer_of(self.machine, forms_of(self.machine, self.size), g).forms
            read = forms.reshape(self.size + 1, -1).T  # (D, k)
            first = total[0] if self.squares else total
            mass += float(first[0])
            mean = mean + read @ first
            if self.squares:
                second = second + read @ total @ read.T
        if not self.squares:
            return Moments(mean, None, mass=mass)
        covariance = second - np.outer(mean, mean)
        variance = np.maximum(np.diag(covariance), 0.0)
        if self.detail == "variance":
            return Moments(mean, variance, mass=mass)
        return Moments(mean, variance, (covariance + covariance.T) / 2, mass=mass)

    def _advance(self, t: int) -> None:
        """One step of all that can happen."""
        step, ended = self.tree.step(t), self.tree.mdp.terminal
        psi, w = self.scored.of_steps(t, step.state, step.action, step.seen, step.logp)
        after: dict[Hashable, FloatArray] = {}
        for g, table in self.tables.items():
            self._target(after, g)[ended] += table[ended]
            alive = table.reshape(len(table), -1)[:, 0] > 0  # E[1 1{s, g}], the probability
            branches = np.flatnonzero((alive & ~ended)[step.state])
            found = [self._matrix(t, step, int(b), g, psi[b], float(w[b])) for b in branches]
            groups: dict[Hashable, list[int]] = {}
            for i, (_, following) in enumerate(found):
                groups.setdefault(following, []).append(i)
            for following, members in groups.items():
                target = self._target(after, following)
                block = max(1, _NUMBERS // (self.size + 1) ** 2)
                for low in range(0, len(members), block):
                    some = members[low : low + block]
                    B = np.stack([found[i][0] for i in some])
                    self._add(target, step, branches[some], B, table)
        self.tables = after

    def _add(
        self,
        target: FloatArray,
        step: Branches,
        branches: IntArray,
        B: FloatArray,
        table: FloatArray,
    ) -> None:
        p, x = step.prob[branches], table[step.state[branches]]
        if self.squares:
            moved = p[:, None, None] * (B @ x @ B.transpose(0, 2, 1))
        else:
            moved = p[:, None] * (B @ x[:, :, None])[:, :, 0]
        np.add.at(target, step.next_state[branches], moved)

    def _target(self, after: dict[Hashable, FloatArray], g: Hashable) -> FloatArray:
        if g not in after:
            if len(after) >= MEMORIES:
                raise ModelError(
                    f"the memory takes more than {MEMORIES:,} values; it must forget what the "
                    f"answer does not need."
                )
            width = (self.size + 1,) * (2 if self.squares else 1)
            after[g] = np.zeros((self.tree.mdp.n_states, *width))
        return after[g]

    def _matrix(
        self, t: int, step: Branches, b: int, g: Hashable, psi: FloatArray, w: float
    ) -> tuple[FloatArray, Hashable]:
        """B (k, k) of one branch, and the memory after it."""
        key = (id(step), t if self.scored.timed else 0, b, g)
        if key in self._known:
            return self._known[key]
        s, a, after = (int(x[b]) for x in (step.state, step.action, step.next_state))
        o = None if step.seen is None else int(step.seen[b])
        now = Now(s, a, float(step.reward[b]), after, w, psi, o, g, t, self.tree.mdp)
        x, following = stepped(self.machine, forms_of(self.machine, self.size), now)
        rows = [getattr(x, name).forms.reshape(self.size + 1, -1) for name in self.machine.start]
        constant = np.eye(self.size + 1)[:, :1]
        B: FloatArray = np.concatenate([constant, *rows], axis=1).T
        if not now.asked:
            self._known[key] = (B, following)
        return B, following
