"""The affine recursion that a linear rule is, and whether it diverges.

Takes     a rule with linear features, a model.
Gives     `expected_recursion`, `spectral_radius`.
Source    Tsitsiklis and Van Roy (1997); Sutton and Barto (2018), section 11.2.
Not here  the rules (`_linear_rules`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import readonly
from ..errors import ModelError
from ..model import MDP
from ._linear_rules import LinearRule, Recursion
from ._steps import step_at


def expected_recursion(rule: Any, mdp: MDP, x: Any = None, t: int = 0) -> Recursion:
    """M and b with which the next w of a linear rule is ``M @ w + b``.

    Parameters
    ----------
    rule : LinearTD, LinearSarsa or LinearQLearning
    mdp : MDP
    x : (k,) array_like, optional
        Where; the recursion depends on it where the policy follows it. The start if omitted.
    t : int
        For steps that change.

    Returns
    -------
    Recursion
        ``M`` (k, k) and ``b`` (k,).

    Raises
    ------
    ModelError
        As the rule's ``step``; if the rule has no linear features.

    Examples
    --------
    >>> from mdptools.studies import LinearTD
    >>> mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    >>> expected_recursion(LinearTD([[2.0]], 0.1, [1.0], pi=[[1.0]]), mdp)
    Recursion(M=array([[0.8]]), b=array([0.2]))
    """
    if not isinstance(rule, LinearRule):
        raise ModelError(
            f"{type(rule).__name__} has no linear features; there are LinearTD, LinearSarsa and "
            f"LinearQLearning."
        )
    A, c = rule.system(mdp, rule.start(mdp) if x is None else x)
    eta = step_at(rule.step_size, mdp, t)
    return Recursion(readonly(np.eye(len(c)) - eta * A), readonly(eta * c))


def spectral_radius(rule: Any, mdp: MDP, x: Any = None, t: int = 0) -> float:
    """The largest absolute eigenvalue of the expected recursion: it diverges above 1.

    Parameters
    ----------
    rule, mdp, x, t
        As `expected_recursion`.

    Returns
    -------
    float
        To a few eps times the condition of the eigenvalue. Above 1, w grows without bound from
        almost every start; at 1 some direction of w is not seen by the features, or never updated.

    Raises
    ------
    ModelError
        As `expected_recursion`.

    Examples
    --------
    >>> from mdptools import problems
    >>> from mdptools.studies import LinearTD
    >>> mdp, phi = problems.baird(), problems.baird_features()
    >>> solid = [[0.0, 1.0]] * 7
    >>> off = LinearTD(phi, 0.01, [1 / 7] * 7, pi=solid)
    >>> on = LinearTD(phi, 0.01, [0.0] * 6 + [1.0], pi=solid)
    >>> round(spectral_radius(off, mdp), 6), round(spectral_radius(on, mdp), 6)
    (1.002393, 1.0)
    """
    return float(np.abs(np.linalg.eigvals(expected_recursion(rule, mdp, x, t).M)).max())
