"""Models from elsewhere: other libraries' environments, and models that are named by a string.

Takes     a Gymnasium environment or its id; a name such as ``example:chain@n=6``.
Gives     an `MDP`, with notes on what the other form says and this one does not.
Source    each function names its own.
Not here  layouts of arrays (the constructors of `MDP`), ready-made models (problems).
"""

from __future__ import annotations

from ._gymnasium import from_gymnasium
from ._names import load_model

__all__ = ["from_gymnasium", "load_model"]
