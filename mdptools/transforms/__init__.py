"""Transforms: a new model, the map of answers between the two, and what is preserved.

Takes     an MDP.
Gives     another MDP, and an object that carries arrays from one to the other.
Not here  the same P and R under another objective (`MDP.with_objective`).
"""

from ._memory import Memory, remember

__all__ = ["Memory", "remember"]
