"""Laws for the end of a run: limits that traces tend to, which are no inequalities.

Takes     the `Truth` of a model.
Gives     the constant of the 1/t law of gradient ascent, the slope of natural gradient, the
          gradient flow of two arms.
Source    derived; Khodadadian et al. (2021) for the slope of natural gradient.
Not here  bounds that hold for each step (`_bounds_*`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import FloatArray, as_floats
from ..checks import number_or_nan
from ..errors import ModelError
from ._truth import Truth, ratios


def gradient_limit(truth: Truth, measure: Any = None) -> float:
    """What (sum of steps) times gap tends to under gradient ascent on softmax logits.

    Parameters
    ----------
    truth : Truth
    measure : (S,) array_like, optional
        The law that the gap is measured with; mu if omitted.

    Returns
    -------
    float
        ``sum_s n_s / (1 + n_s)``, n_s the number of suboptimal actions; from another measure state
        s weighs ``d*_measure(s) / d*_mu(s)``. It does not depend on rewards, gamma or the start.

    Raises
    ------
    ModelError
        If mu is 0 in a live state, or some of several optimal actions are not all of a state's.

    Notes
    -----
    At the end ``gap = sum x``, ``x = d*(s) pi(a|s) (V* - Q*)(s, a) / (1-gamma)``, and
    ``d log pi_a / d time = -(x_sa + sum_b x_sb)``; with ``x = y / time`` it is ``y_sa + Y_s = 1``.
    The approach is slow, like time^(-1/A).

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.studies import truth
    >>> gradient_limit(truth(MDP([[[1.0]] * 3], [[2.0, 1.0, 0.0]], gamma=0.5)))
    0.6667
    """
    law = truth.check_measure(measure)
    if (truth.live & ~(truth.mdp.mu > 0)).any():
        raise ModelError("the 1/t law does not apply: it assumes mu > 0 in every live state.")
    count = truth.suboptimal.sum(axis=1)
    tied = truth.live & (count > 0) & (truth.optimal.sum(axis=1) > 1)
    if tied.any():
        s = int(tied.argmax())
        raise ModelError(
            f"the 1/t law does not apply: it assumes one optimal action, or only such, in each "
            f"state; state {truth.mdp.name_of_state(s)} has {int(truth.optimal[s].sum())}."
        )
    weight = ratios(truth.d(truth.pi, law), truth.d(truth.pi, truth.mdp.mu))
    return float((weight * count / (1 + count)).sum())


def natural_slope(truth: Truth, step_size: float) -> float:
    """What -log(gap) / t tends to under natural policy gradient with a constant step.

    Parameters
    ----------
    truth : Truth
    step_size : float
        In the unit of theta: ``theta + step_size A / (1-gamma)``.

    Returns
    -------
    float
        ``step_size * (smallest shortfall) / (1-gamma)``, from a measure > 0 in all live states;
        otherwise the limit is at least this. inf where every action is optimal.

    Raises
    ------
    ModelError
        If the step is not > 0.

    Examples
    --------
    >>> from mdptools import MDP
    >>> from mdptools.studies import truth
    >>> natural_slope(truth(MDP([[[1.0], [1.0]]], [[1.0, 0.5]], gamma=0.5)), 0.1)
    0.1
    """
    eta = number_or_nan(step_size)
    if not eta > 0:
        raise ModelError(f"step_size is {step_size!r:.80}; it must be a number > 0.")
    return eta * truth.smallest_shortfall / (1 - truth.gamma)


def two_arm_flow(shortfall: float, time: Any, start: float = 0.0) -> FloatArray:
    """The gap of gradient flow on a bandit with two arms, at any time, exactly.

    Parameters
    ----------
    shortfall : float > 0, reward units
        How much the worse arm pays less.
    time : (T,) array_like
        Sums of steps, >= 0.
    start : float
        The logit of the better arm less that of the other, at time 0.

    Returns
    -------
    (T,) array, reward units
        ``shortfall / (1 + e^x)``, where ``e^x - e^-x + 2 x = 2 shortfall time + const`` because
        ``x' = 2 shortfall p (1 - p)``.

    Raises
    ------
    ModelError
        If the shortfall is not > 0, or a time is negative.

    Examples
    --------
    >>> (two_arm_flow(1.0, [0.0, 1e6]) * [2, 2e6]).round(4)
    array([1., 1.])
    """
    size, times = number_or_nan(shortfall), as_floats(time, "time")
    if not 0 < size < np.inf or not (times >= 0).all():
        raise ModelError("two_arm_flow takes a shortfall > 0 and times >= 0.")
    goal = 2 * size * times + 2 * np.sinh(start) + 2 * start
    low, high = np.full(times.shape, start), np.maximum(np.arcsinh(goal), start) + 1.0
    for _ in range(200):  # bisection: the left side grows with x
        middle = (low + high) / 2
        above = 2 * np.sinh(middle) + 2 * middle > goal
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    gap: FloatArray = size / (1 + np.exp(low))
    return gap
