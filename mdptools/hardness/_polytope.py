"""The value-function polytope: what V can be, over all policies of a model with two states.

Takes     an MDP with two states that are not terminal.
Gives     a `ValuePolytope`: the values of the deterministic policies, and of policies between.
Source    Dadashi, Taiga, Le Roux, Schuurmans and Bellemare (2019).
Not here  the picture (plots).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from ..arrays import FloatArray, IntArray, readonly
from ..checks import check_served
from ..errors import ModelError
from ..evaluation import evaluate
from ..markup import Shown
from ..model import MDP

MOST = 10_000


@dataclass(frozen=True, slots=True, eq=False)
class ValuePolytope(Shown):
    """The set of value functions of a model, drawn by its corners and edges.

    Attributes
    ----------
    states : (2,) array of int
        The two states that are not terminal: the axes.
    policies : (n, 2) array of int
        The deterministic policies: their actions in the two states.
    V : (n, 2) array, reward units
        Their values. The optimum is the largest in both coordinates.
    bound : float
        The largest error of V.
    edges : (m, 2) array of int
        Pairs of policies that differ in one state. The values of all policies between two such lie
        on the straight line between their values, and the boundary of the set is made of these.
    names : tuple of n str
        Of the policies: their actions by name, or by number, "(left, right)".
    state_names : tuple of 2 str
    """

    states: IntArray
    policies: IntArray
    V: FloatArray
    bound: float
    edges: IntArray
    names: tuple[str, ...]
    state_names: tuple[str, ...]


def value_polytope(mdp: MDP) -> ValuePolytope:
    """Corners and edges of the set of value functions.

    Parameters
    ----------
    mdp : MDP
        Discounted, with two states that are not terminal.

    Returns
    -------
    ValuePolytope

    Raises
    ------
    ModelError
        If there are not two such states, or more than 10,000 deterministic policies.

    Notes
    -----
    Dadashi and others (2019): policies that agree but in one state have values on a line segment,
    whose ends are deterministic there. Time O(A^2).

    Examples
    --------
    >>> from mdptools.problems import polytope
    >>> found = value_polytope(polytope())
    >>> found.V.round(3)[found.V.sum(axis=1).argmax()], len(found.edges)
    (array([0.164, 1.891]), 4)
    """
    check_served(mdp, "value_polytope", "discounted", instead="with_objective(gamma=...)")
    states = np.flatnonzero(~mdp.terminal)
    if len(states) != 2:
        raise ModelError(
            f"the model has {len(states)} states that are not terminal; the set of values can be "
            f"drawn for 2."
        )
    choices = [np.flatnonzero(mdp.allowed[s]) for s in states]
    if len(choices[0]) * len(choices[1]) > MOST:
        raise ModelError(f"the model has more than {MOST} deterministic policies.")
    policies = np.array(list(itertools.product(*choices)))
    V, bound = [], 0.0
    pi = np.where(mdp.allowed, 1.0, 0.0) / mdp.allowed.sum(axis=1, keepdims=True)
    for actions in policies:
        table = pi.copy()
        table[states] = np.eye(mdp.n_actions)[actions]
        found = evaluate(mdp, table)
        V.append(found.V[states])
        bound = max(bound, found.certificate.bound)
    differ = (policies[:, None] != policies).sum(axis=2) == 1
    edges = np.argwhere(np.triu(differ))
    state_names, action_names = (
        known or tuple(map(str, range(n)))
        for known, n in zip((mdp.state_names, mdp.action_names), mdp.allowed.shape, strict=True)
    )
    return ValuePolytope(
        states=readonly(states),
        policies=readonly(policies),
        V=readonly(np.array(V)),
        bound=bound,
        edges=readonly(edges),
        names=tuple(f"({action_names[a]}, {action_names[b]})" for a, b in policies.tolist()),
        state_names=tuple(state_names[s] for s in states.tolist()),
    )
