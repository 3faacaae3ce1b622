"""Graphs: who can follow whom, as a sparse pattern and as a networkx graph.

Takes     an MDP, and pi (S, A) or pairs (S, A) to say which actions are meant.
Gives     patterns (S, S); to the other files of this room edges, levels and strong components.
Source    Puterman (1994), appendix A.2. Breadth-first search and strong components are SciPy's.
Not here  what the components mean (classes, components), questions about targets (reachability).
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..arrays import BoolS, BoolSA, FloatSA, IntArray, IntS, as_floats, as_numbers, readonly
from ..checks import check_model
from ..errors import ModelError
from ..kernel import branches

if TYPE_CHECKING:
    import networkx as nx
    from scipy.sparse import csr_array

    from ..model import MDP

    Graph: TypeAlias = "csr_array[np.float64, tuple[int, int]]"


def adjacency(
    mdp: MDP, pi: FloatSA | None = None, pairs: BoolSA | None = None
) -> csr_array[np.bool_, tuple[int, int]]:
    """The pattern of one step: which states can follow which.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array, optional
        Only the actions with ``pi > 0`` count. All allowed ones if omitted.
    pairs : (S, A) array of bool, optional
        Only these pairs count. All allowed ones if omitted.

    Returns
    -------
    (S, S) csr_array of bool
        True at [s, t] if one of those actions goes from s to t with positive probability. Sorted
        indices, no stored False.

    Raises
    ------
    ModelError
        If pi or pairs has the wrong shape, or pi is no policy of this model.

    Notes
    -----
    Time O(S^2 A) if P is dense, O(nnz) if sparse; memory O(number of branches).

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5], [1, 0]], [[0, 1], [0, 1]]], [[1, 1], [0, 0]], gamma=0.9)
    >>> adjacency(mdp).toarray().astype(int)
    array([[1, 1],
           [0, 1]])
    >>> adjacency(mdp, pi=[[0, 1], [1, 0]]).toarray().astype(int)
    array([[1, 0],
           [0, 1]])
    """
    return step_graph(mdp, chosen_pairs(mdp, pi, pairs)).astype(np.bool_)


def graph(mdp: MDP, pi: FloatSA | None = None) -> nx.DiGraph:
    """The transitions as a networkx graph, to draw, to export or to ask further questions.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array, optional
        The chain of this policy. All allowed actions if omitted.

    Returns
    -------
    networkx.DiGraph
        Nodes 0..S-1 with ``name`` (str) and ``terminal`` (bool). An edge s -> t for each pair of
        states that one step can join, with ``actions``, the tuple of those that do; given pi also
        ``probability``, sum_a pi(a|s) P(t|s,a). (It can underflow to 0; the edge is there.)

    Raises
    ------
    ModelError
        If pi has the wrong shape or is no policy of this model.

    Notes
    -----
    O(number of branches) Python objects: for large models use `adjacency`.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0.5, 0.5], [1, 0]], [[0, 1], [0, 1]]], [[1, 1], [0, 0]], gamma=0.9)
    >>> list(graph(mdp).edges(data="actions"))
    [(0, 0, (0, 1)), (0, 1, (0,)), (1, 1, (0, 1))]
    >>> list(graph(mdp, pi=[[0.5, 0.5], [1, 0]]).edges(data="probability"))
    [(0, 0, 0.75), (0, 1, 0.25), (1, 1, 1.0)]
    """
    import networkx as nx

    pairs = chosen_pairs(mdp, pi, None)
    row, target, prob = branches(mdp.P)
    kept = pairs.reshape(-1)[row]
    row, target, prob = row[kept], target[kept], prob[kept]
    source, action = np.divmod(row, mdp.n_actions)
    if pi is not None:
        prob = prob * np.asarray(pi, dtype=np.float64)[source, action]
    order = np.lexsort((action, target, source))
    source, target, action, prob = source[order], target[order], action[order], prob[order]
    first = np.flatnonzero(np.diff(source, prepend=-1) | np.diff(target, prepend=-1))
    last = np.append(first[1:], len(source))
    columns = (source[first], target[first], first, last, np.add.reduceat(prob, first))

    names = mdp.state_names or [str(s) for s in range(mdp.n_states)]
    result = nx.DiGraph()
    for s, name in enumerate(names):
        result.add_node(s, name=name, terminal=bool(mdp.terminal[s]))
    for s, t, i, j, p in zip(*(column.tolist() for column in columns), strict=True):
        result.add_edge(s, t, actions=tuple(action[i:j].tolist()))
        if pi is not None:
            result[s][t]["probability"] = p
    return result


# --- for the other files of this room --------------------------------------------------------


def chosen_pairs(mdp: MDP, pi: Any, pairs: Any) -> BoolSA:
    """The allowed pairs that pi (S, A) takes and that are in pairs (S, A); checked here."""
    check_model(mdp)
    chosen: BoolSA = mdp.allowed
    shape = (mdp.n_states, mdp.n_actions)
    if pairs is not None:
        marks = as_numbers(pairs, "pairs")
        if marks.shape != shape or marks.dtype != np.bool_:
            raise ModelError(
                f"pairs is an array of {marks.dtype} with shape {marks.shape}; it must be of bool "
                f"with shape (S, A) = {shape}, True at each state and action that may be used."
            )
        chosen = chosen & marks
    if pi is not None:
        chosen = chosen & policy_pairs(mdp, as_floats(pi, "pi"))
    return chosen


def chain_graph(mdp: MDP, pi: Any) -> Graph:
    """The graph of one step under pi (S, A), which must be given."""
    check_model(mdp)
    return step_graph(mdp, policy_pairs(mdp, as_floats(pi, "pi")))


def policy_pairs(mdp: MDP, pi: FloatSA) -> BoolSA:
    """The pairs with pi > 0, or a ModelError where pi (S, A) is no policy of this model."""
    shape = (mdp.n_states, mdp.n_actions)
    if pi.shape != shape:
        raise ModelError(
            f"pi has shape {pi.shape}; it must be (S, A) = {shape}. Ask about one time step of a "
            f"time-dependent policy, pi[t]; make one action for each state a policy with "
            f"deterministic_policy(mdp, actions)."
        )
    taken: BoolSA = np.asarray(pi > 0)
    number = (pi >= 0) & (pi < np.inf)  # not (pi < 0): nan must be wrong as well
    wrong = ~number | (taken & ~mdp.allowed)
    if wrong.any():
        s, a = (int(i) for i in np.argwhere(wrong)[0])
        cure = "a probability must be >= 0" if mdp.allowed[s, a] else "that action is refused there"
        raise ModelError(
            f"pi[{s}, {a}] is {pi[s, a]:.6g} in state {mdp.name_of_state(s)}: {cure}. "
            f"Set it to 0 and divide the row by its sum."
        )
    idle = np.flatnonzero(taken.sum(axis=1) == 0)
    if idle.size:
        s = int(idle[0])
        raise ModelError(
            f"pi[{s}] takes no action in state {mdp.name_of_state(s)}: its sum is 0, not 1 "
            f"({idle.size} of {mdp.n_states} rows are so). Give an allowed action weight."
        )
    return taken


def state_mask(mdp: MDP, states: ArrayLike, name: str) -> BoolS:
    """A mask (S,) as a copy, from a mask or from indices; ModelError if it is neither."""
    check_model(mdp)
    given = np.atleast_1d(as_numbers(states, name))
    n_states = mdp.n_states
    mask: BoolS = np.zeros(n_states, dtype=np.bool_)
    if given.size == 0 and given.ndim == 1:
        return mask
    if given.dtype == np.bool_ and given.shape == (n_states,):
        return given.copy()
    if given.dtype.kind not in "iu" or given.ndim != 1:
        raise ModelError(
            f"{name} is an array of {given.dtype} with shape {given.shape}; it must be a mask of "
            f"bool with shape (S,) = ({n_states},), or the indices of states."
        )
    outside = (given < 0) | (given >= n_states)
    if outside.any():
        i = int(outside.argmax())
        raise ModelError(
            f"{name}[{i}] is {int(given[i])}; the states of this model are 0 to {n_states - 1}."
        )
    mask[given] = True
    return mask


def edges(mdp: MDP, pairs: BoolSA) -> tuple[IntArray, IntArray]:
    """Row ``s*A + a`` and successor of each branch of those pairs, in row order."""
    row, target, _ = branches(mdp.P)
    if pairs.all():
        return row, target
    kept = pairs.reshape(-1)[row]
    return row[kept], target[kept]


def from_edges(source: IntArray, target: IntArray, n_states: int) -> Graph:
    """A graph from edges in the order of their sources; each is kept once, however often given."""
    from scipy.sparse import csr_array

    counts = np.bincount(source, minlength=n_states)
    # csgraph counts in int32 and weighs in float64: give it that and it copies nothing.
    indptr = np.concatenate(([0], np.cumsum(counts))).astype(np.int32)
    result = csr_array(
        (np.ones(len(target)), target.astype(np.int32), indptr), shape=(n_states, n_states)
    )
    result.sum_duplicates()  # connected_components never returns if an edge comes twice
    return result


def step_graph(mdp: MDP, pairs: BoolSA) -> Graph:
    """The graph of one step with those pairs."""
    row, target = edges(mdp, pairs)
    return from_edges(row // mdp.n_actions, target, mdp.n_states)


def reverse(forward: Graph) -> Graph:
    """The same edges, backwards."""
    return forward.T.tocsr()


def levels(searched: Graph, starts: BoolS) -> IntS:
    """Steps (S,) from the nearest start along the edges; -1 where no path leads. O(nnz)."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import breadth_first_order

    root = len(starts)  # one more node, before all starts: one search serves them all
    first = np.flatnonzero(starts)
    targets = np.concatenate((searched.indices, first)).astype(np.int32)
    indptr = np.append(searched.indptr, len(targets)).astype(np.int32)
    rooted = csr_array((np.ones(len(targets)), targets, indptr), shape=(root + 1, root + 1))
    _, parent = breadth_first_order(rooted, root)

    # Depth in the search tree by doubling: steps[x] leads from x up to above[x].
    above = np.where(parent < 0, root, parent)
    steps = np.ones(root + 1, dtype=np.int64)
    steps[root] = 0
    while (above != root).any():
        steps += steps[above]
        above = above[above]
    return np.where(parent < 0, -1, steps - 1)[:root]


def strong_labels(searched: Graph) -> IntS:
    """The strong component (S,) of each state, numbered by their smallest members. O(nnz)."""
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(searched, directed=True, connection="strong")
    smallest = np.empty(count, dtype=np.int64)
    smallest[labels[::-1]] = np.arange(len(labels))[::-1]  # the last to write is the smallest
    rank = np.empty(count, dtype=np.int64)
    rank[np.argsort(smallest)] = np.arange(count)
    return rank[labels]


def groups(labels: IntArray, members: IntArray) -> tuple[IntArray, ...]:
    """Members (n, ...) with equal labels (n,), in the order of the labels; read-only."""
    order = np.argsort(labels, kind="stable")
    cuts = np.flatnonzero(np.diff(labels[order])) + 1
    bounds = [0, *cuts.tolist(), len(order)]
    ordered = readonly(members[order])
    return tuple(ordered[i:j] for i, j in pairwise(bounds) if i < j)
