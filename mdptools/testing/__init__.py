"""Testing: what makes tests of anything that touches an MDP short.

Takes     nothing; each file is imported by its path, because it needs a library of its own.
Gives     `assertions`: verdicts that fail a test; `plugin`: what a run of pytest has risked, and
          fixtures; `environment`: an environment against a model; `models`: those that tell
          mistakes apart;
          `strategies`: models, policies, trajectories and distributions for Hypothesis;
          `counterexample`: the smallest model on which a claim fails.
Not here  ready-made models (problems), the verdicts themselves (verify).
"""

from __future__ import annotations

__all__: list[str] = []
