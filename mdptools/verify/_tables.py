"""What the recursions run on: weighted transition operators, and sums over actions.

Takes     an MDP, a policy and a behaviour policy.
Gives     P f, P(r f) and P(r^2) as matrices over branches, and the weights q_k = b (pi / b)^k.
Source    law of total expectation over the branches (s', r, p) of a pair.
Not here  the recursions (`_reward_to_go` and its neighbours).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import BoolS, FloatArray, FloatS, FloatSA, IntArray, as_floats
from ..errors import ModelError
from ..model import MDP
from ..policies import check_policy, split_policy
from ..structure import improper_states, reachable

DENSE = 0.2
"""The share of entries above which a dense product is faster than a sparse one."""


class Steps:
    """One step of the model, with rewards that may be shifted by potentials of a critic.

    After its reward a trajectory survives with probability ``survival``: P f and P(r f) hold that
    factor once, because they speak of what follows; r and r^2 alone do not.
    """

    def __init__(self, mdp: MDP, survival: float = 1.0) -> None:
        self.survival = survival
        law = mdp.branches
        self.mdp = mdp
        self.row: IntArray = law.row
        self.next_state: IntArray = law.next_state
        self.prob: FloatArray = law.prob
        self.reward: FloatArray = law.reward
        self.state: IntArray = self.row // mdp.n_actions
        self.live: BoolS = ~mdp.terminal
        std = np.zeros(mdp.R.size) if mdp.reward_std is None else mdp.reward_std.reshape(-1)
        self.noise: FloatS = std**2
        self.offsets: IntArray = law.offsets
        self.go: FloatArray = survival * law.prob  # the probability of a branch, and to go on
        self.P = self._matrix(self.go)
        self._plain: Rewards | None = None

    def _matrix(self, weights: FloatArray) -> Any:
        """(S*A, S): sums of weights over the branches of a pair into a successor."""
        n_pairs, n_states = self.mdp.R.size, self.mdp.n_states
        dense = len(weights) > DENSE * n_pairs * n_states
        return kernel.table(self.row, self.next_state, weights, n_pairs, n_states, dense=dense)

    def rewards(self, shift: FloatArray | None = None) -> Rewards:
        """P(r f) and P(r^2 f) with ``shift`` (one number for each branch) added to the rewards."""
        r = self.reward if shift is None else self.reward + shift
        first, square = self.prob * r, self.prob * (r * r + self.noise[self.row])
        sums: list[Any] = [
            np.bincount(self.row, weights=x, minlength=self.mdp.R.size) for x in (first, square)
        ]
        paid, squared = self.survival * first, self.survival * square
        return Rewards(
            paid=paid,
            squared=squared,
            first=self._matrix(paid),
            square=self._matrix(squared),
            mean=sums[0],
            second=sums[1],
        )

    def rewards_at(self, t: int, length: int, critic: FloatArray | None = None) -> Rewards:
        """The rewards of step t out of ``length``, or with a critic (length + 1, S) its deltas.

        At the model's own horizon ``final`` is paid and nothing is bootstrapped; where ``length``
        only cuts it is the other way round.
        """
        last = t + 1 == length == self.mdp.horizon
        shift = self.final() if last else None
        if critic is not None:
            by_critic = self.critic(critic[t], None if last else critic[t + 1])
            shift = by_critic if shift is None else shift + by_critic
        if shift is not None:
            return self.rewards(shift)
        if self._plain is None:
            self._plain = self.rewards()
        return self._plain

    def mixed(self, weights: FloatArray, q: FloatSA) -> Any:
        """sum_a q(s, a) times the branches' weights, as a matrix (S, S)."""
        n = self.mdp.n_states
        weighted = weights * q.reshape(-1)[self.row]
        dense = len(weights) > DENSE * n * n
        return kernel.table(self.state, self.next_state, weighted, n, n, dense=dense)

    def local(self, weights: FloatArray, f: FloatArray, columns: IntArray) -> FloatArray:
        """Weighted sums over the branches of each pair of f(s', .), in the columns of s alone."""
        picked = f[self.next_state[:, None], columns[self.state]]
        picked *= weights[:, None]
        out = np.zeros((len(self.noise), columns.shape[1]))
        filled = np.diff(self.offsets) > 0
        out[filled] = np.add.reduceat(picked, self.offsets[:-1][filled], axis=0)
        return out

    def final(self) -> FloatArray | None:
        """What is added to the last reward of a finite horizon, for each branch."""
        if self.mdp.final is None:
            return None
        paid: FloatArray = self.mdp.gamma * self.mdp.final[self.next_state]
        return paid

    def critic(self, v: FloatS, v_next: FloatS | None) -> FloatArray:
        """gamma v'(s') - v(s) for each branch; nothing is bootstrapped where v_next is None."""
        after = 0.0 if v_next is None else self.mdp.gamma * (v_next * self.live)[self.next_state]
        return after - v[self.state]


@dataclass(frozen=True, slots=True)
class Rewards:
    """P(r f) and P(r^2 f), and the means of r and r^2, for one kind of reward."""

    paid: FloatArray  # (B,) p r
    squared: FloatArray  # (B,) p r^2
    first: Any  # (S*A, S)
    square: Any  # (S*A, S)
    mean: FloatS  # (S*A,)
    second: FloatS  # (S*A,)


class Acting:
    """Who acts and who is scored: weights q_k(s, a), scores psi(s, a)."""

    def __init__(self, mdp: MDP, policy: Any, behaviour: Any) -> None:
        pi, family, theta = split_policy(mdp, policy)
        b = pi if behaviour is None else check_policy(mdp, behaviour)
        if pi.ndim != 2 or b.ndim != 2:
            raise ModelError(
                "policy and behaviour must be (S, A) tables here; a policy that depends on time "
                "is served by enumeration."
            )
        live = (~mdp.terminal)[:, None]
        missing = np.argwhere(live & (pi > 0) & (b == 0))
        if len(missing):
            s, a = (int(i) for i in missing[0])
            raise ModelError(
                f"behaviour never takes action {mdp.name_of_action(a)} in state "
                f"{mdp.name_of_state(s)}, which the policy takes with {pi[s, a]:.3g}: no "
                f"importance weight can make up for that. Give it some probability."
            )
        ratio = np.divide(pi, b, out=np.zeros_like(pi), where=b > 0)
        self.on_policy = behaviour is None
        self.q1: FloatSA = live * b * ratio
        self.q2: FloatSA = live * b * ratio**2
        self.score: FloatArray = family.score(theta)  # (S, A, D)
        self.size = self.score.shape[2]
        # The coordinates in which the scores of a state can differ from 0: A of them for softmax.
        touched = (self.score != 0).any(axis=1)  # (S, D)
        k = max(int(touched.sum(axis=1).max(initial=0)), 1)
        self.columns: IntArray = np.argsort(~touched, axis=1, kind="stable")[:, :k]
        self.local: FloatArray = np.take_along_axis(self.score, self.columns[:, None], axis=2)
        self.reached: BoolS = reachable(mdp, pi=b)
        endless = improper_states(mdp, pi) & ~mdp.terminal
        self.ends = not (endless & self.reached).any()
        self.ends_everywhere = not endless.any()

    def spread(self, of_states: FloatArray) -> FloatArray:
        """(S, D) from what stands in the columns of each state, (S, k)."""
        out = np.zeros((len(of_states), self.size))
        np.put_along_axis(out, self.columns, of_states, axis=1)
        return out

    def scored(self, weights: FloatS) -> FloatArray:
        """sum_a weights(s, a) psi(s, a), (S, D), from weights (S*A,)."""
        table = weights.reshape(len(self.local), 1, -1)
        return self.spread(np.matmul(table, self.local)[:, 0])


def stationary(x: Any, mdp: MDP, name: str) -> FloatS:
    """(S,) from a number or an array."""
    table = as_floats(0.0 if x is None else x, name)
    if table.shape not in ((), (mdp.n_states,)):
        raise ModelError(
            f"{name} has shape {table.shape}, which depends on time; without a horizon it must be "
            f"a number or (S,) = ({mdp.n_states},)."
        )
    return np.broadcast_to(table, (mdp.n_states,))


def timed(x: Any, mdp: MDP, length: int, name: str) -> FloatArray:
    """(length, S) from a number, (S,) or (length, S)."""
    table = as_floats(0.0 if x is None else x, name)
    if table.shape not in ((), (mdp.n_states,), (length, mdp.n_states)):
        raise ModelError(
            f"{name} has shape {table.shape}; it must be a number, (S,) = ({mdp.n_states},) or "
            f"({length}, {mdp.n_states})."
        )
    return np.broadcast_to(table, (length, mdp.n_states))


def over_actions(weights: FloatSA, of_pairs: FloatArray) -> FloatArray:
    """sum_a weights(s, a) f(s, a, ...), from (S*A, ...) to (S, ...)."""
    n_states, n_actions = weights.shape
    table = of_pairs.reshape(n_states, n_actions, -1)
    summed: FloatArray = np.matmul(weights[:, None, :], table)[:, 0, :]
    return summed.reshape(n_states, *of_pairs.shape[1:])


def apply(matrix: Any, f: FloatArray) -> FloatArray:
    """matrix @ f for f (S, ...): every trailing axis at once."""
    product: FloatArray = matrix @ f.reshape(len(f), -1)
    return product.reshape(matrix.shape[0], *f.shape[1:])


def solve_kept(factor: float, chain: FloatArray, kept: BoolS, right: FloatArray) -> FloatArray:
    """x = factor chain x + right on the kept states, 0 elsewhere; every trailing axis at once."""
    x, part = np.zeros_like(right), right[kept]
    matrix = np.eye(len(chain)) - factor * chain
    flat = part.reshape(len(part), prod(part.shape[1:]))  # there may be no kept state at all
    x[kept] = np.linalg.solve(matrix, flat).reshape(part.shape)
    return x


def squared_radius(steps: Steps, acting: Acting) -> float:
    """The spectral radius of K_2, the chain weighted by squared ratios, where episodes get to."""
    kept = acting.reached & ~steps.mdp.terminal
    weighted = kernel.to_dense(steps.mixed(steps.go, acting.q2))[np.ix_(kept, kept)]
    return float(np.abs(np.linalg.eigvals(weighted)).max(initial=0.0))
