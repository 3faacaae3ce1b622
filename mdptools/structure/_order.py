"""Orders of states: which to update first, so that what is known already is used.

Takes     an MDP.
Gives     levels: steps back from a set of states; strong components, each after what it leads to.
Source    Dai and Goldsmith (2007) for the topological order; Kahn (1962) for its levels.
Not here  what is updated (planning).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import BoolS, IntArray, IntS
from ._graphs import levels, reverse

if TYPE_CHECKING:
    from ..model import MDP
    from ._graphs import Graph


def backward_levels(mdp: MDP, targets: BoolS) -> IntS:
    """Steps from each state to the nearest target, with some luck: `fewest_steps` in less memory.

    Parameters
    ----------
    mdp : MDP
    targets : (S,) array of bool

    Returns
    -------
    (S,) array of int
        0 on the targets; -1 where they cannot be reached. Time and memory O(branches).
    """
    return levels(reverse(kernel.pattern(mdp.P)), targets)


class Topology(NamedTuple):
    """States in levels: a level leads to earlier levels, and inside its own strong components."""

    states: IntS  # (S,) level after level; in each, first the states that are a component alone
    begins: IntArray  # (levels,) where each level begins among them
    joined: IntArray  # (levels,) where its larger components begin
    ends: IntArray  # (levels,) where it ends
    largest: IntArray  # (levels,) states of its largest component


def topological_levels(mdp: MDP) -> Topology:
    """The strong components in levels, each of which leads to earlier ones only.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    Topology
        A component's level is the longest way that leads from it through other components.

    Notes
    -----
    Kahn (1962): take what leads nowhere else, take it out, repeat; all of a level at a time. Time
    O(branches), and some microseconds for each level; memory O(branches).
    """
    graph = kernel.pattern(mdp.P)
    from scipy.sparse.csgraph import connected_components

    count, labels = connected_components(graph, directed=True, connection="strong")
    indptr: Any = graph.indptr  # of 32 bits
    target: Any = graph.indices
    del graph  # and what its edges weigh: two thirds of its memory
    forward = _condensed(indptr, target, labels, count)
    left = np.diff(forward.indptr)  # what each component leads to and has no level yet
    backward = reverse(forward)
    del forward
    rank = _levels(backward, left)
    members = np.bincount(labels, minlength=count)
    largest = np.zeros(int(rank.max()) + 1, dtype=np.int64)
    np.maximum.at(largest, rank, members)
    if count == len(labels):  # then SciPy's numbers were not used
        level, together = rank, np.zeros(count, dtype=np.bool_)
    else:
        level, together = rank[labels], members[labels] > 1
    key = 2 * level + together
    sizes = np.bincount(key, minlength=2 * len(largest))
    ends = np.cumsum(sizes)
    return Topology(
        states=key.argsort(kind="stable"),
        begins=ends[0::2] - sizes[0::2],
        joined=ends[0::2],
        ends=ends[1::2],
        largest=largest,
    )


def _condensed(indptr: Any, target: Any, labels: Any, count: int) -> Graph:
    """Which component leads to which other."""
    from scipy.sparse import csr_array

    source = np.repeat(np.arange(len(labels), dtype=np.int32), np.diff(indptr))
    if count == len(labels):  # the states themselves, without their loops
        other = source != target
        if other.all():
            lengths, target = np.diff(indptr), target.copy()
        else:
            lengths = np.bincount(source[other], minlength=count)
            target = target[other]
        indptr = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
        return _bytes(csr_array, target, indptr, count)
    rank = labels.astype(np.int32)
    source, target = rank[source], rank[target]
    other = source != target
    source, target = source[other], target[other]
    condensed: Graph = csr_array((np.ones(len(target)), (source, target)), shape=(count, count))
    return _bytes(csr_array, condensed.indices, condensed.indptr, count)


def _bytes(csr_array: Any, target: Any, indptr: Any, count: int) -> Graph:
    """A graph that weighs each edge with one byte: their number is what matters."""
    edges = np.ones(len(target), dtype=np.int8)
    graph: Graph = csr_array((edges, target, indptr), shape=(count, count))
    return graph


def _levels(backward: Graph, left: IntArray) -> IntArray:
    """The longest way from each node, by taking out what leads nowhere, again and again."""
    starts: Any = backward.indptr  # of 32 bits
    sources: Any = backward.indices
    level = np.empty(len(left), dtype=np.int64)
    stamp = np.empty(len(left), dtype=np.int64)
    frontier = np.flatnonzero(left == 0)
    now = 0
    while frontier.size:
        level[frontier] = now
        now += 1
        if frontier.size == 1:  # a long line is made of these
            node = frontier[0]
            before = sources[starts[node] : starts[node + 1]]
            left[before] -= 1
            frontier = before[left[before] == 0]
            continue
        frontier.sort()
        first, last = frontier[0], frontier[-1]
        if last - first == frontier.size - 1:
            before = sources[starts[first] : starts[last + 1]]
        else:
            before = _gathered(starts, sources, frontier)
        low = int(before.min(initial=len(left)))
        width = int(before.max(initial=-1)) + 1 - low
        if 0 < width <= len(before):  # close together: count them, which is quicker
            hits = np.bincount(before - low, minlength=width)
            part = left[low : low + width]
            part -= hits.astype(part.dtype)
            frontier = low + np.flatnonzero((part == 0) & (hits > 0))
            continue
        np.subtract.at(left, before, 1)
        frontier = _once(before[left[before] == 0], stamp)
    return level


def predecessors(mdp: MDP) -> Callable[[IntS], IntS]:
    """Who can come to some states in one step.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    function of (n,) array of int -> (k,) array of int
        The predecessors of these states, each once. Time O(edges to these states).
    """
    backward = reverse(kernel.pattern(mdp.P))
    starts: Any = backward.indptr  # of 32 bits
    sources: Any = backward.indices
    stamp = np.empty(mdp.n_states, dtype=np.int64)

    def before(states: IntS) -> IntS:
        if len(states) == 1:
            single: IntS = sources[starts[states[0]] : starts[states[0] + 1]]
            return single
        return _once(_gathered(starts, sources, states), stamp)

    return before


def _gathered(starts: Any, sources: Any, nodes: IntArray) -> IntArray:
    """The sources of several nodes, one list after the other."""
    begin = starts[nodes].astype(np.int64)
    length = starts[nodes + 1] - begin
    end = np.cumsum(length)
    gathered: IntArray = sources[np.repeat(begin - end + length, length) + np.arange(end[-1])]
    return gathered


def _once(numbers: IntArray, stamp: IntArray) -> IntArray:
    """Each of them once, as `np.unique` but without sorting: of equal ones the last to stamp."""
    index = np.arange(len(numbers))
    stamp[numbers] = index
    once: IntArray = numbers[stamp[numbers] == index]
    return once
