"""What differences of J miss: the exact bias of gradients from perturbed parameters.

Takes     an MDP, a family and theta, directions.
Gives     the mean of `perturbation_gradient` less dJ/dtheta.
Source    formula: the estimator is linear in the values of J that it is given, and these are
          unbiased; so its mean is what it makes of the exact J.
Not here  the estimator (estimators), its variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, readonly
from ..checks import check_model
from ..estimators import perturbation_gradient
from ..evaluation import evaluate
from ..gradients import policy_gradient
from ..model import MDP
from ..policies import Family


def perturbation_bias(
    mdp: MDP, family: Family, theta: Any, directions: Any, *, kind: str = "central"
) -> FloatArray:
    """The mean of finite differences, or of regression on perturbations, minus dJ/dtheta.

    Parameters
    ----------
    mdp : MDP
        Of any objective but average reward.
    family : Family
        It has to serve the perturbed parameters as well.
    theta : array
        In the family's shape.
    directions : float > 0, or (m, D) array_like
        As for `perturbation_gradient`; random ones are held fixed.
    kind : {"central", "forward"}

    Returns
    -------
    array in theta's shape

    Raises
    ------
    ModelError
        If an argument does not fit, or J is not finite at some perturbed parameters.

    Notes
    -----
    Its round-off is that of J divided by the step. Time 2 m evaluations.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> for step in (0.2, 0.1):
    ...     print(perturbation_bias(mdp, Softmax(mdp), [[0.0, 0.0]], step).round(5))
    [[ 0.00166 -0.00166]]
    [[ 0.00042 -0.00042]]
    """
    check_model(mdp)
    exact = policy_gradient(mdp, family, theta).value

    def J(point: Any, rng: Any) -> float:
        return evaluate(mdp, family.probs(point)).J

    mean = perturbation_gradient(J, theta, directions, rng=0, kind=kind)[0]  # type: ignore[arg-type]
    bias: FloatArray = np.asarray(mean).reshape(exact.shape) - exact
    return readonly(bias)
