"""Bisimulation: states that no test can tell apart, and the model of their classes.

Takes     an MDP.
Gives     a `Quotient`: the smaller model, and the class of each state.
Source    Givan, Dean and Greig (2003): partition refinement to the coarsest stable partition.
Not here  metrics of how nearly alike states are.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from .. import kernel
from ..arrays import FloatArray, IntArray, readonly
from ..checks import check_model
from ..markup import Shown
from ..model import MDP


@dataclass(frozen=True, slots=True, eq=False)
class Quotient(Shown):
    """A model whose states are classes of states that are alike.

    Attributes
    ----------
    mdp : MDP
        One state for each class, in the order of their first members.
    label : (S,) array of int
        The class of each state.
    """

    mdp: MDP
    label: IntArray

    def lift(self, x: Any) -> Any:
        """V (C,), Q or pi (C, A) of the classes as those of the states.

        Parameters
        ----------
        x : (C, ...) array_like

        Returns
        -------
        (S, ...) array
        """
        return np.asarray(x)[self.label]

    def collect(self, x: Any) -> FloatArray:
        """Visits or mu (S,) of the states as those of the classes: sums.

        Parameters
        ----------
        x : (S,) array_like

        Returns
        -------
        (C,) array
        """
        weights = np.asarray(x, dtype=np.float64)
        return np.asarray(np.bincount(self.label, weights, self.mdp.n_states), dtype=np.float64)


def bisimulation(mdp: MDP) -> Quotient:
    """The smallest model in which each state has a state that behaves as it does.

    Parameters
    ----------
    mdp : MDP
        Of any objective.

    Returns
    -------
    Quotient
        Two states are in one class if they are both terminal or both not, allow the same actions,
        pay the same expected reward (and noise, and final reward) and lead to each class with the
        same probability. V* and V of each lifted policy are those of the quotient.

    Raises
    ------
    ModelError
        If ``mdp`` is no model.

    Notes
    -----
    Probabilities are compared exactly, as fractions of the stored numbers divided by the sum of
    their row: 0.1 + 0.2 and 0.3 differ, because as floats they do. Actions are not permuted.
    Time O(rounds nnz) with at most S rounds.

    Examples
    --------
    >>> from mdptools.problems import bisimilar
    >>> found = bisimulation(bisimilar(3))
    >>> found.mdp.n_states, found.label
    (2, array([0, 1, 1, 1]))
    """
    check_model(mdp)
    n_actions = mdp.n_actions
    row, successor, prob = kernel.branches(mdp.P)
    ends = np.searchsorted(row, np.arange(mdp.allowed.size + 1)).tolist()
    exact = [Fraction(p) for p in prob.tolist()]
    after = successor.tolist()
    pairs = np.flatnonzero(mdp.allowed).tolist()
    whole = {pair: sum(exact[ends[pair] : ends[pair + 1]]) for pair in pairs}
    allowed = mdp.allowed.tolist()

    label = _numbered([_what_is_seen(mdp, s) for s in range(mdp.n_states)])
    while True:
        keys: list[Hashable] = []
        for s in range(mdp.n_states):
            laws: list[Hashable] = [label[s]]
            for a in range(n_actions):
                pair = s * n_actions + a
                mass: dict[int, Fraction] = {}
                if allowed[s][a]:
                    for k in range(ends[pair], ends[pair + 1]):
                        t = label[after[k]]
                        mass[t] = mass.get(t, Fraction(0)) + exact[k]
                laws.append(frozenset((t, m / whole[pair]) for t, m in mass.items()))
            keys.append(tuple(laws))
        finer = _numbered(keys)
        if max(finer) == max(label):
            break
        label = finer
    classes = np.array(label)
    return Quotient(_model_of(mdp, classes), readonly(classes))


def _what_is_seen(mdp: MDP, s: int) -> Hashable:
    """What tells a state from another before anything is known of its successors."""
    final = None if mdp.final is None else float(mdp.final[s])
    noise = None if mdp.reward_std is None else tuple(mdp.reward_std[s].tolist())
    rewards = tuple((mdp.R[s] + 0.0).tolist())
    return (bool(mdp.terminal[s]), tuple(mdp.allowed[s].tolist()), rewards, final, noise)


def _numbered(keys: list[Any]) -> list[int]:
    """Equal keys get one number, in the order of their first appearance."""
    seen: dict[Any, int] = {}
    return [seen.setdefault(key, len(seen)) for key in keys]


def _model_of(mdp: MDP, label: IntArray) -> MDP:
    """The first member of each class speaks for it."""
    _, first = np.unique(label, return_index=True)
    n = len(first)
    rows = (first[:, None] * mdp.n_actions + np.arange(mdp.n_actions)).reshape(-1)
    return MDP(
        kernel.of_rows(kernel.lump(mdp.P, rows, label, n), mdp.n_actions),
        mdp.R[first],
        mdp.gamma,
        horizon=mdp.horizon,
        average=mdp.objective == "average",
        mu=np.bincount(label, mdp.mu, n),
        final=None if mdp.final is None else mdp.final[first],
        allowed=mdp.allowed[first],
        terminal=() if mdp.objective == "average" else mdp.terminal[first],
        reward_std=None if mdp.reward_std is None else mdp.reward_std[first],
        action_names=mdp.action_names,
    )
