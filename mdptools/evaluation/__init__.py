"""Evaluation: the exact values, advantages and visits of one policy, with their error bounds.

Takes     an MDP and a policy pi, (S, A) or (H, S, A).
Gives     `Evaluation`, the occupancy d, moments of the return (`ReturnMoments`) and its law
          (`ReturnDistribution`).
Source    Sutton and Barto (2018), chapter 3; Puterman (1994), sections 4.2, 6.1, 7.1 and
          8.2.
Not here  choosing a policy (planning), estimates from samples (estimators).
"""

from ._average import deviation_matrix
from ._distribution import ReturnDistribution
from ._evaluate import evaluate
from ._evaluation import Evaluation
from ._moments import ReturnMoments, return_moments
from ._occupancy import occupancy
from ._return_distribution import return_distribution

__all__ = [
    "Evaluation",
    "ReturnDistribution",
    "ReturnMoments",
    "deviation_matrix",
    "evaluate",
    "occupancy",
    "return_distribution",
    "return_moments",
]
