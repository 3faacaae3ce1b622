"""Graphs of networkx with a probability on each edge.

Takes     an MDP; a DiGraph or MultiDiGraph whose edges carry numbers.
Gives     a MultiDiGraph that says everything; an MDP.
Source    the attributes are this library's own, and named in the docstrings.
Not here  the bare graph of who can follow whom (`structure.graph`).
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import check_model, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ._branches import check_pairs, model_of

if TYPE_CHECKING:
    import networkx as nx

_WHOLE = ("gamma", "horizon", "average", "n_actions", "action_names", "layout", "notes")


def to_networkx(mdp: MDP) -> nx.MultiDiGraph:
    """The model as a graph with an edge for each branch; nothing is lost.

    Parameters
    ----------
    mdp : MDP

    Returns
    -------
    networkx.MultiDiGraph
        Nodes 0..S-1 with ``mu``, ``terminal``, and ``name``, ``final`` and ``pos`` where the model
        has them. Edges with ``action`` (int), ``probability``, ``reward``, and ``reward_std`` where
        there is noise. The graph has ``gamma``, ``horizon``, ``average``, ``n_actions``,
        ``action_names``, ``layout`` (of a grid) and ``notes``.

    Raises
    ------
    ModelError
        If ``mdp`` is no model.

    Notes
    -----
    A refused action has no edges. O(branches) Python objects.

    Examples
    --------
    >>> from mdptools.problems import small
    >>> graph = to_networkx(small())
    >>> list(graph.edges(data="probability"))[:3]
    [(0, 0, 0.5), (0, 1, 0.5), (0, 1, 1.0)]
    >>> from_networkx(graph).equals(small())
    True
    """
    import networkx as nx

    check_model(mdp)
    graph = nx.MultiDiGraph(
        gamma=mdp.gamma,
        horizon=mdp.horizon,
        average=mdp.average,
        n_actions=mdp.n_actions,
        action_names=mdp.action_names,
        layout=mdp.layout if isinstance(mdp.layout, tuple) else None,
        notes=mdp.notes,
    )
    for s in range(mdp.n_states):
        words: dict[str, Any] = {"mu": float(mdp.mu[s]), "terminal": bool(mdp.terminal[s])}
        if mdp.state_names is not None:
            words["name"] = mdp.state_names[s]
        if mdp.final is not None:
            words["final"] = float(mdp.final[s])
        if isinstance(mdp.layout, np.ndarray):
            words["pos"] = tuple(mdp.layout[s].tolist())
        graph.add_node(s, **words)
    law = mdp.branches
    source, action = np.divmod(law.row, mdp.n_actions)
    columns = (source, law.next_state, action, law.prob, law.reward)
    noise = None if mdp.reward_std is None else mdp.reward_std[source, action].tolist()
    for i, (u, v, a, p, r) in enumerate(zip(*map(np.ndarray.tolist, columns), strict=True)):
        words = {"action": a, "probability": p, "reward": r}
        if noise is not None:
            words["reward_std"] = noise[i]
        graph.add_edge(u, v, **words)
    return graph


def from_networkx(
    graph: Any, gamma: float | None = None, *, probability: str = "probability", **keywords: Any
) -> MDP:
    """The model of a directed graph with probabilities on its edges.

    Parameters
    ----------
    graph : networkx.DiGraph or MultiDiGraph
        Each edge has a probability, an ``action`` (an int, or a name; one action for all if no edge
        has one) and a ``reward`` (0 if it has none). States are the nodes, in their order. A node
        that no edge leaves is absorbing, with reward 0. What `to_networkx` writes besides is read
        where it is there.
    gamma : float, optional
        As for `MDP`; the graph's own objective if this and ``horizon=`` and ``average=`` are
        omitted.
    probability : str
        The name of that attribute; ``"weight"`` in many graphs.
    **keywords
        As for `MDP`, in place of what the graph says.

    Returns
    -------
    MDP
        P is sparse where (S, A, S) would have more than four million entries.

    Raises
    ------
    ModelError
        Naming the edge or node that is wrong.

    Notes
    -----
    Nodes that are not 0, 1, ... become names, unless they have a ``name``. An action that leaves a
    state by no edge is refused there. Edges of one state, action, successor and reward add up.

    Examples
    --------
    >>> import networkx as nx
    >>> walk = nx.DiGraph()
    >>> walk.add_edge("home", "work", weight=0.5, reward=-1.0)
    >>> walk.add_edge("home", "home", weight=0.5)
    >>> mdp = from_networkx(walk, gamma=1.0, probability="weight")
    >>> mdp.state_names, mdp.terminal, mdp.R[0]
    (('home', 'work'), array([False,  True]), array([-0.5]))
    """
    if not (hasattr(graph, "is_directed") and graph.is_directed()):
        raise ModelError(f"graph is of type {type(graph).__name__}; it must be a directed graph.")
    nodes = list(graph.nodes)
    if not nodes:
        raise ModelError("graph has no nodes: a model has at least one state.")
    n_states, index = len(nodes), {node: s for s, node in enumerate(nodes)}
    whole = {key: graph.graph[key] for key in _WHOLE if graph.graph.get(key) is not None}
    if gamma is not None or keywords.get("horizon") is not None or keywords.get("average"):
        whole = {k: v for k, v in whole.items() if k not in ("gamma", "horizon", "average")}
    edges = list(graph.edges(data=True))
    numbers, n_actions, names = _actions(edges, whole)
    check_pairs(n_states, n_actions, "graph")
    noise = np.zeros((n_states, n_actions))
    branches: list[tuple[int, int, int, float, float]] = []
    for (u, v, words), a in zip(edges, numbers, strict=True):
        p, r = number_or_nan(words.get(probability)), number_or_nan(words.get("reward", 0.0))
        if not (0 <= p < np.inf and np.isfinite(r)):
            raise ModelError(
                f"the edge from {u!r:.40} to {v!r:.40} has {probability} "
                f"{words.get(probability)!r:.40} and reward {words.get('reward', 0.0)!r:.40}: a "
                f"number >= 0 and a finite one are needed."
            )
        branches.append((index[u], a, index[v], r, p))
        noise[index[u], a] = number_or_nan(words.get("reward_std", 0.0))
    left = {branch[0] for branch in branches}
    for s in range(n_states):
        if s not in left:
            branches += [(s, a, s, 0.0, 1.0) for a in range(n_actions)]
    said: dict[str, Any] = {
        "reward_std": noise if _any(edges, "reward_std") else None,
        "action_names": names,
        **{k: whole[k] for k in ("horizon", "average", "layout", "notes") if k in whole},
        **_of_nodes(graph, nodes, keywords),
    }
    columns: Any = tuple(zip(*branches, strict=True))
    gamma = whole.get("gamma") if gamma is None else gamma
    return model_of(columns, n_states, n_actions, gamma, **(said | keywords))


def _any(edges: list[Any], key: str) -> bool:
    return any(key in words for _, _, words in edges)


def _actions(edges: list[Any], whole: dict[str, Any]) -> tuple[list[int], int, Any]:
    """The number of each edge's action, how many there are, and their names."""
    given = [words.get("action") for _, _, words in edges]
    if any(a is None for a in given) and _any(edges, "action"):
        i = given.index(None)
        raise ModelError(
            f"the edge from {edges[i][0]!r:.40} to {edges[i][1]!r:.40} has no action, but others "
            f"have one."
        )
    least = whole.get("n_actions", 1)
    if all(a is None for a in given):
        return [0] * len(edges), max(least, 1), whole.get("action_names")
    if all(isinstance(a, int | np.integer) and not isinstance(a, bool) for a in given):
        if min(given) < 0 or max(given) >= 1_000_000:
            raise ModelError(f"actions are {min(given)} to {max(given)}; they must start at 0.")
        return [int(a) for a in given], max(least, max(given) + 1), whole.get("action_names")
    names = list(dict.fromkeys(str(a) for a in given))
    return [names.index(str(a)) for a in given], len(names), names


def _of_nodes(graph: Any, nodes: list[Hashable], keywords: dict[str, Any]) -> dict[str, Any]:
    """What the nodes say of states."""
    data = [graph.nodes[node] for node in nodes]
    said: dict[str, Any] = {}
    if any("name" in words for words in data):
        said["state_names"] = [
            words.get("name", node) for words, node in zip(data, nodes, strict=True)
        ]
    elif nodes != list(range(len(nodes))):
        said["state_names"] = nodes
    if any("mu" in words for words in data):
        said["mu"] = [number_or_nan(words.get("mu", 0.0)) for words in data]
    if any("terminal" in words for words in data) and not keywords.get("average"):
        said["terminal"] = [s for s, words in enumerate(data) if words.get("terminal")]
    if any("final" in words for words in data):
        said["final"] = [number_or_nan(words.get("final", 0.0)) for words in data]
    if any("pos" in words for words in data):
        said["layout"] = [words.get("pos", (np.nan, np.nan)) for words in data]
    return said
