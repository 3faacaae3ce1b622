"""Continuous actions and a continuous state: a Gaussian action for each state; a walk on a line.

Takes     functions r(s, a) and P(. | s, a) of a real action, a Gaussian policy.
Gives     V, J and the gradient by quadrature; the same gradient estimated in two ways.
Source    Gauss-Hermite quadrature; Williams (1992) and Kingma and Welling (2014) for estimators.
Not here  finite actions (`MDP`). What is computed here is estimated, never proved.

`_exact` and `_sampled` do not import each other: that they agree proves something.
"""

from ._exact import ContinuousEvaluation, Nodes, evaluate_continuous, quadrature_nodes
from ._line_walk import LineWalk, line_walk_values
from ._model import ContinuousMDP, GaussianPolicy
from ._sampled import reparameterised_gradient, sample, score_gradient

__all__ = [
    "ContinuousEvaluation",
    "ContinuousMDP",
    "GaussianPolicy",
    "LineWalk",
    "Nodes",
    "evaluate_continuous",
    "line_walk_values",
    "quadrature_nodes",
    "reparameterised_gradient",
    "sample",
    "score_gradient",
]
