"""Models in and out: other libraries' environments, arrays and graphs, files, names.

Takes     a Gymnasium environment or its id; arrays, graphs and files as others write them; observed
          transitions; a name such as ``example:chain@n=6``.
Gives     an `MDP`, with notes on what the other form says and this one does not; and all of these
          from an `MDP`. What a form cannot say is listed in an error, unless ``drop`` names it.
Source    each function names its own.
Not here  layouts of arrays (the constructors of `MDP`), ready-made models (problems).
"""

from __future__ import annotations

from ._cassandra import CassandraModel, read_cassandra
from ._drn import read_drn
from ._environment import to_gymnasium
from ._explicit import ExplicitModel, read_explicit
from ._gymnasium import from_gymnasium
from ._layouts import (
    from_pymdptoolbox,
    from_quantecon,
    to_outcomes,
    to_pymdptoolbox,
    to_quantecon,
)
from ._names import find_function as find_function
from ._names import load_model
from ._names import read_options as read_options
from ._networkx import from_networkx, to_networkx
from ._npz import load, save
from ._transitions import CountedModel, from_transitions
from ._write_explicit import write_explicit

__all__ = [
    "CassandraModel",
    "CountedModel",
    "ExplicitModel",
    "from_gymnasium",
    "from_networkx",
    "from_pymdptoolbox",
    "from_quantecon",
    "from_transitions",
    "load",
    "load_model",
    "read_cassandra",
    "read_drn",
    "read_explicit",
    "save",
    "to_gymnasium",
    "to_networkx",
    "to_outcomes",
    "to_pymdptoolbox",
    "to_quantecon",
    "write_explicit",
]
