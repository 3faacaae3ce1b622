"""Testing: what makes tests of anything that touches an MDP short.

Takes     nothing; each file is imported by its path, because it needs a library of its own.
Gives     `mdptools.testing.strategies`: models, policies, logits and distributions for Hypothesis.
Not here  ready-made models (problems).
"""

from __future__ import annotations

__all__: list[str] = []
