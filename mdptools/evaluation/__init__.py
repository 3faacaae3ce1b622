"""Evaluation: the exact values, advantages and visits of one policy, with their error bounds.

Takes     an MDP and a policy pi, (S, A) or (H, S, A).
Gives     `Evaluation`, and the occupancy d.
Source    Sutton and Barto (2018), chapter 3; Puterman (1994), sections 4.2, 6.1, 7.1 and
          8.2.
Not here  choosing a policy (planning), estimates from samples (estimators).
"""

from ._average import deviation_matrix
from ._evaluate import evaluate
from ._evaluation import Evaluation
from ._occupancy import occupancy

__all__ = ["Evaluation", "deviation_matrix", "evaluate", "occupancy"]
