"""Structure: what a model can do at all, whatever the sizes of its probabilities and rewards.

Takes     an MDP, and where a policy is meant pi (S, A); only which entries are positive counts.
Gives     masks (S,) and (S, A), classes and end components as arrays of indices, graphs.
Source    Puterman (1994), appendix A; de Alfaro (1997), chapter 3; Baier and Katoen (2008),
          section 10.6.
Not here  probabilities and expected times of reaching (planning, hardness); layout (plots).
"""

from __future__ import annotations

from ._classes import (
    communicating_classes,
    is_acyclic,
    is_communicating,
    is_deterministic,
    is_unichain,
    period,
    recurrent_classes,
    transient_states,
)
from ._components import EndComponent, end_components
from ._graphs import adjacency, graph
from ._graphs import from_edges as from_edges
from ._graphs import state_mask as state_mask
from ._graphs import strong_labels as strong_labels
from ._order import Topology as Topology
from ._order import backward_levels as backward_levels
from ._order import predecessors as predecessors
from ._order import topological_levels as topological_levels
from ._reachability import (
    almost_surely_reach,
    attractor_policy,
    can_reach,
    every_policy_proper,
    fewest_steps,
    improper_states,
    is_proper,
    reachable,
)

__all__ = [
    "EndComponent",
    "adjacency",
    "almost_surely_reach",
    "attractor_policy",
    "can_reach",
    "communicating_classes",
    "end_components",
    "every_policy_proper",
    "fewest_steps",
    "graph",
    "improper_states",
    "is_acyclic",
    "is_communicating",
    "is_deterministic",
    "is_proper",
    "is_unichain",
    "period",
    "reachable",
    "recurrent_classes",
    "transient_states",
]
