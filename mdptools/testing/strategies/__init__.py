"""Strategies: random models, policies and trajectories for Hypothesis, degenerate ones included.

Takes     sizes, objectives, and which kinds of structure to draw always, sometimes or never.
Gives     `mdps`, `policies`, `logits`, `trajectories`, `distributions`, `stochastic_matrices`:
          Hypothesis strategies.
Source    styles that are drawn once for a whole model: Groce et al. (2012), Swarm testing.
Not here  large random models (problems), searching for the smallest model of a kind
          (`mdptools.testing.counterexample`).

Everything shrinks towards few states, one action, point masses on state 0, rewards of zero, and no
mask, law or start distribution at all. The way of drawing serves that: how many numbers are drawn
depends on the number of states alone, what is not used is drawn all the same, and a model with
fewer states or actions reads the same numbers and skips the rest.
"""

from __future__ import annotations

from ...errors import MissingExtraError

try:
    import hypothesis as _hypothesis  # noqa: F401  # the files below need it
except ImportError as error:
    raise MissingExtraError("hypothesis", "test") from error

from ._chains import CHAINS
from ._distributions import distributions, stochastic_matrices
from ._mdps import OBJECTIVES, mdps
from ._policies import logits, policies
from ._trajectories import trajectories

__all__ = [
    "CHAINS",
    "OBJECTIVES",
    "distributions",
    "logits",
    "mdps",
    "policies",
    "stochastic_matrices",
    "trajectories",
]
