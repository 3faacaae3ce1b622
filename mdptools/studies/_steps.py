"""Step sizes: constant, changing, certified by smoothness.

Takes     a model, the number of steps done.
Gives     numbers > 0.
Source    `smoothness`: derived there. Geometric steps: Xiao (2022); adaptive ones: Johnson,
          Pike-Burke and Rebeschini (2023), theorem 4.1.
Not here  exact line search (`_line_search`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..checks import check_model, check_served, number_or_nan
from ..errors import ModelError
from ..estimators import in_few
from ..model import MDP


@dataclass(frozen=True, slots=True)
class Geometric:
    """Steps that grow by a factor: ``first * growth**t``.

    Parameters
    ----------
    first : float > 0
    growth : float >= 1, optional
        ``1 / gamma`` if omitted, with which mirror descent converges at a linear rate. Once a step
        exceeds float64 it is infinite, and the next policy is that of policy iteration.

    Examples
    --------
    >>> Geometric(0.5, growth=2.0)
    Geometric(first=0.5, growth=2.0)
    """

    first: float
    growth: float | None = None

    def __post_init__(self) -> None:
        check_size(self.first, "first")
        growth = 1.0 if self.growth is None else number_or_nan(self.growth)
        if not 1 <= growth < np.inf:
            raise ModelError(f"growth is {self.growth!r:.80}; it must be a number >= 1.")


@dataclass(frozen=True, slots=True)
class Adaptive:
    """Steps just large enough to come within ``error * gamma**(2 (t + 1))`` of policy iteration.

    Parameters
    ----------
    error : float > 0, reward units
        What the first step may lose against the step of policy iteration, but for the discount.

    Notes
    -----
    Johnson, Pike-Burke and Rebeschini (2023), theorem 4.1: with the step ``max_s min_p D(p, pi) /
    c``, p among greedy policies, ``|V* - V_next| <= gamma |V* - V| + c`` in the largest norm.
    """

    error: float

    def __post_init__(self) -> None:
        check_size(self.error, "error")


StepSize: TypeAlias = float | Geometric | Callable[[int], float]


def check_step(step: Any, *also: Any) -> None:
    """Pass if ``step`` is a number > 0 (inf is one), a schedule, or one of the types ``also``."""
    if isinstance(step, (Geometric, *also)) or (callable(step) and not isinstance(step, type)):
        return
    if not number_or_nan(step) > 0:
        raise ModelError(
            f"step_size is {step!r:.80}; it must be a number > 0, or a schedule: Geometric, or a "
            f"function of the number of steps done."
        )


def check_size(x: Any, name: str) -> float:
    """A finite number > 0."""
    value = number_or_nan(x)
    if not 0 < value < np.inf:
        raise ModelError(f"{name} is {x!r:.80}; it must be a finite number > 0.")
    return value


def step_at(step: StepSize, mdp: MDP, t: int) -> float:
    """The size of step t, in (0, inf].

    Parameters
    ----------
    step : float, Geometric or function
    mdp : MDP
    t : int

    Returns
    -------
    float

    Raises
    ------
    ModelError
        If a function returns no number > 0; if a geometric schedule meets gamma = 0.
    """
    if isinstance(step, Geometric):
        if step.growth is None and mdp.gamma == 0:
            raise ModelError("steps cannot grow by 1 / gamma where gamma is 0: say growth=.")
        growth = 1 / mdp.gamma if step.growth is None else float(step.growth)
        with np.errstate(over="ignore"):
            return float(np.float64(step.first) * np.float64(growth) ** t)
    if not callable(step):
        return float(step)
    try:
        size = number_or_nan(step(t))
    except ZeroDivisionError:  # 1/t
        size = np.nan
    if not size > 0:
        raise ModelError(
            f"the step size after {t} steps is {size!r}; it must be a number > 0. The first step "
            f"asks for t = 0: a schedule that counts from 1 is lambda t: schedule(t + 1)."
        )
    return size


def words_for(step: Any) -> str:
    """A step size in a few characters, for names of rules."""
    if isinstance(step, Geometric):
        growth = "1/gamma" if step.growth is None else f"{step.growth:g}"
        return f"step {step.first:g} * {growth}^t"
    if isinstance(step, Adaptive):
        return f"adaptive step {step.error:g}"
    return f"step {in_few(step)}"


def scale_of(mdp: MDP) -> float:
    """1 - gamma if discounted, otherwise 1: what natural steps are divided by."""
    return 1 - mdp.gamma if mdp.objective == "discounted" else 1.0


def smoothness(mdp: MDP) -> float:
    """A bound on the second derivatives of J(softmax(theta)) by theta, for every theta.

    Parameters
    ----------
    mdp : MDP
        Discounted or finite.

    Returns
    -------
    float, reward units
        ``(range / 2) (3/2 - 1/A) / (1 - gamma)^2``, or with a horizon ``(range / 2) (3/2 - 1/A)
        H (H + 1) / 2``. Ascent with step 1 / smoothness gains ``|gradient|^2 / (2 smoothness)``.

    Raises
    ------
    ModelError
        If the model is of total or average reward.

    Notes
    -----
    The Hessian is ``E sum_t gamma^t r_t (c_t c_t' + sum_{k<=t} Hessian log pi_k)``, c_t the sum of
    the scores up to t: ``E |c_t|^2 <= (t + 1) (1 - 1/A)``, because scores of different times are
    uncorrelated, ``|Hessian log pi| <= 1/2`` and ``sum gamma^t (t + 1) = 1 / (1 - gamma)^2``. A
    constant in the reward moves J and not its derivatives, so r can be taken in +-range/2; where
    episodes end, the 0 that is paid ever after is in the range, and ``final`` in that of the last
    step. A is the largest number of allowed actions.

    Examples
    --------
    >>> smoothness(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5))
    2.0
    """
    check_served(mdp, "smoothness", "discounted", "finite", instead="an explicit step size")
    factor = 1.5 - 1 / most_actions(mdp)
    if mdp.horizon is not None:
        return reward_range(mdp) / 2 * factor * mdp.horizon * (mdp.horizon + 1) / 2
    return float(reward_range(mdp) / 2 * factor / (1 - mdp.gamma) ** 2)


def most_actions(mdp: MDP) -> int:
    """The largest number of actions allowed in a live state, at least 1."""
    return int(mdp.allowed[~mdp.terminal].sum(axis=1).max(initial=1))


def reward_range(mdp: MDP) -> float:
    """The largest reward of a step less the smallest; what ends pays 0 ever after."""
    check_model(mdp)
    paid = mdp.R[mdp.allowed & ~mdp.terminal[:, None]]
    if not len(paid):
        return 0.0
    low, high = float(paid.min()), float(paid.max())
    if mdp.final is not None:
        last = mdp.gamma * mdp.final
        low, high = min(low, low + float(last.min())), max(high, high + float(last.max()))
    if mdp.terminal.any():
        low, high = min(low, 0.0), max(high, 0.0)
    return high - low
