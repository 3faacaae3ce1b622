"""Classes: which states communicate, which ones a policy keeps visiting, and in what rhythm.

Takes     an MDP, and pi (S, A) where a chain is meant.
Gives     tuples of sorted index arrays, masks (S,), periods.
Source    Puterman (1994), appendix A.2 to A.4 and section 8.3; Denardo (1977) for the period.
Not here  end components, which mind that an action has several outcomes (components).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..arrays import BoolS, FloatSA, IntArray, IntS, readonly
from ..kernel import row_lengths
from ._graphs import chain_graph, chosen_pairs, groups, levels, step_graph, strong_labels

if TYPE_CHECKING:
    from ..model import MDP
    from ._graphs import Graph


def communicating_classes(mdp: MDP) -> tuple[IntArray, ...]:
    """The sets of states that can reach each other, if all allowed actions are used.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    tuple of int arrays
        The strong components of the graph over all allowed actions, each sorted, ordered by their
        smallest members. Together they hold each state once.

    Notes
    -----
    Time O(number of branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0, 1, 0]], [[0.5, 0, 0.5]], [[0, 0, 1]]], [[1], [1], [0]], gamma=0.9)
    >>> communicating_classes(mdp)
    (array([0, 1]), array([2]))
    """
    labels = strong_labels(step_graph(mdp, chosen_pairs(mdp, None, None)))
    return groups(labels, np.arange(mdp.n_states))


def is_communicating(mdp: MDP) -> bool:
    """Whether each state can be reached from each other one, terminal states included.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    bool

    Examples
    --------
    >>> from mdptools import MDP
    >>> is_communicating(MDP([[[0, 1]], [[1, 0]]], [[1], [0]], gamma=0.9))
    True
    """
    return not strong_labels(step_graph(mdp, chosen_pairs(mdp, None, None))).any()


def is_deterministic(mdp: MDP) -> bool:
    """Whether each allowed action has one successor; its reward may still be random.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    bool

    Examples
    --------
    >>> from mdptools import MDP
    >>> is_deterministic(MDP([[[0, 1]], [[1, 0]]], [[1], [0]], gamma=0.9))
    True
    >>> is_deterministic(MDP([[[0.5, 0.5]], [[1, 0]]], [[1], [0]], gamma=0.9))
    False
    """
    allowed = chosen_pairs(mdp, None, None)
    return bool((row_lengths(mdp.P)[allowed] == 1).all())


def is_acyclic(mdp: MDP) -> bool:
    """Whether no live state can be visited twice, whatever the policy.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    bool
        True if the graph over the live states (those that are not terminal) has no cycle. Then
        each episode takes fewer than S steps, and one backward pass solves the model.

    Examples
    --------
    >>> from mdptools import MDP
    >>> is_acyclic(MDP([[[0, 1]], [[0, 1]]], [[1], [0]], gamma=1))
    True
    >>> is_acyclic(MDP([[[0.5, 0.5]], [[0, 1]]], [[1], [0]], gamma=1))
    False
    """
    searched = step_graph(mdp, chosen_pairs(mdp, None, None) & ~mdp.terminal[:, None])
    labels = strong_labels(searched)
    source, target = _ends(searched)
    return not (labels[source] == labels[target]).any()


def recurrent_classes(mdp: MDP, pi: FloatSA) -> tuple[IntArray, ...]:
    """The sets of states that the chain of a policy never leaves and visits for ever.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array

    Returns
    -------
    tuple of int arrays
        The closed strong components of the chain, each sorted, ordered by their smallest members.
        Each terminal state is one.

    Raises
    ------
    ModelError
        If pi has the wrong shape or is no policy of this model.

    Notes
    -----
    Time O(number of branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0, 1, 0]], [[0.5, 0, 0.5]], [[0, 0, 1]]], [[1], [1], [0]], gamma=0.9)
    >>> recurrent_classes(mdp, [[1], [1], [1]])
    (array([2]),)
    """
    labels, recurrent = _recurrence(chain_graph(mdp, pi))
    states = np.flatnonzero(recurrent)
    return groups(labels[states], states)


def transient_states(mdp: MDP, pi: FloatSA) -> BoolS:
    """The states that the chain of a policy leaves for ever, sooner or later.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array

    Returns
    -------
    (S,) array of bool
        True outside all recurrent classes.

    Raises
    ------
    ModelError
        If pi has the wrong shape or is no policy of this model.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0, 1, 0]], [[0.5, 0, 0.5]], [[0, 0, 1]]], [[1], [1], [0]], gamma=0.9)
    >>> transient_states(mdp, [[1], [1], [1]])
    array([ True,  True, False])
    """
    _, recurrent = _recurrence(chain_graph(mdp, pi))
    return readonly(~recurrent)


def is_unichain(mdp: MDP, pi: FloatSA) -> bool:
    """Whether the chain of a policy has one recurrent class.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array

    Returns
    -------
    bool
        Two terminal states are two classes.

    Raises
    ------
    ModelError
        If pi has the wrong shape or is no policy of this model.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [1, 0]]], [[0, 0], [1, 1]], gamma=0.9)
    >>> is_unichain(mdp, [[0.5, 0.5], [1, 0]]), is_unichain(mdp, [[1, 0], [1, 0]])
    (True, False)
    """
    labels, recurrent = _recurrence(chain_graph(mdp, pi))
    return len(np.unique(labels[recurrent])) == 1


def period(mdp: MDP, pi: FloatSA) -> tuple[int, ...]:
    """The greatest common divisor of the lengths of all cycles, for each recurrent class.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array

    Returns
    -------
    tuple of int
        In the order of `recurrent_classes`. 1 is an aperiodic class; a terminal state is one.

    Raises
    ------
    ModelError
        If pi has the wrong shape or is no policy of this model.

    Notes
    -----
    With the level of a state its distance from one member of its class, the period is the gcd of
    level(u) + 1 - level(v) over the edges u -> v of the class (Denardo 1977). Time O(number of
    branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> period(MDP([[[0, 1]], [[1, 0]]], [[1], [0]], gamma=0.9), [[1], [1]])
    (2,)
    """
    chain = chain_graph(mdp, pi)
    labels, recurrent = _recurrence(chain)
    roots = np.zeros(mdp.n_states, dtype=np.bool_)
    states = np.flatnonzero(recurrent)
    roots[states[np.unique(labels[states], return_index=True)[1]]] = True
    level = levels(chain, roots)  # no class sees another's root: classes are closed
    source, target = _ends(chain)
    inside = recurrent[source]
    source, target = source[inside], target[inside]
    gaps = groups(labels[source], level[source] + 1 - level[target])
    return tuple(int(np.gcd.reduce(gap)) for gap in gaps)


def _recurrence(chain: Graph) -> tuple[IntS, BoolS]:
    """Strong components (S,) of a chain, and the mask (S,) of those that no edge leaves."""
    labels = strong_labels(chain)
    source, target = _ends(chain)
    is_open = np.zeros(len(labels), dtype=np.bool_)
    is_open[labels[source[labels[source] != labels[target]]]] = True
    return labels, ~is_open[labels]


def _ends(searched: Graph) -> tuple[IntArray, IntArray]:
    """Source and target of each edge."""
    source = np.repeat(np.arange(searched.shape[0]), np.diff(searched.indptr))
    return source, searched.indices.astype(np.int64)
