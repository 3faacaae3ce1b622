"""The question: what was asked of an estimator, checked once.

Takes     the arguments of `check_estimator`.
Gives     `Question`, which all routes answer.
Not here  the answers (`_exact`, `_sampled`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray
from ..checks import check_count, check_model, number_or_nan
from ..errors import ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..policies import split_policy
from ._enumeration import served
from ._returned import Layout
from ._rows import Estimator
from ._styles import adapt, check_style, read_target
from ._targets import Answer, answers, given
from ._tree import noisy_law

ROUTES = ("auto", "exact", "tape", "sequential")
ROUNDOFF = 1e-9  # relative, for float64 rows
ROUNDOFF_SINGLE = 3e-6  # for float32 rows
MOST_VISITS = 10**6  # numbers (time, state), for a note


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """What was asked, apart from error rates.

    Attributes
    ----------
    estimator : function
        Of `Trajectories`; of (n, rng) if ``sampler``.
    sampler : bool
    mdp, policy
        None if a sampler was given without them.
    target : str, array, or function (mdp, policy) -> array
        What a dict was is a vector here.
    layout : Layout or None
        The names in that dict.
    behaviour, horizon
        As they were given.
    batch : int
    up_to_scale : bool
    limit : int
    """

    estimator: Any
    sampler: bool
    mdp: MDP | None
    policy: Any
    target: Any
    layout: Layout | None
    behaviour: Any
    horizon: Any
    batch: int
    up_to_scale: bool
    limit: int

    @property
    def acting(self) -> Any:
        """Who acts."""
        return self.policy if self.behaviour is None else self.behaviour

    def answers(self, cap: int | None) -> tuple[Answer, ...]:
        """What the mean may honestly be, where trajectories are cut at ``cap``."""
        if self.mdp is None:
            return (given(self.target),)
        return answers(self.mdp, self.policy, self.target, cap)


def asked(
    estimator: Any,
    mdp: MDP | None,
    policy: Any,
    *,
    target: Any,
    behaviour: Any,
    horizon: Any,
    style: str,
    batch: Any,
    up_to_scale: bool,
    limit: int,
) -> Question:
    """The question, or a ModelError that says what is wrong with it."""
    check_style(style)
    batch = check_count(batch, "batch")
    sampler = style == "sampler"
    if mdp is None:
        if not sampler:
            raise ModelError(
                "mdp is None: who does not draw by itself (style='sampler') needs a model."
            )
        if isinstance(target, str) or callable(target):
            raise ModelError(
                f"target is {target!r:.80}, but there is no model to compute it from: give mdp and "
                f"policy, or the array that the mean should be."
            )
    else:
        check_model(mdp)
        served(mdp)
        if not sampler or policy is not None:
            split_policy(mdp, policy)  # for its checks
    if sampler and batch > 1:
        raise ModelError("a sampler returns one row for each unit: batch= has no meaning for it.")
    if sampler and not callable(estimator):
        raise ModelError(f"the estimator is of type {type(estimator).__name__}; it must be called.")
    found: Estimator | Any = estimator if sampler else adapt(estimator, style)
    target, layout = _flattened(target, mdp, policy)
    return Question(
        found, sampler, mdp, policy, target, layout, behaviour, horizon, batch, up_to_scale, limit
    )


def _flattened(target: Any, mdp: MDP | None, policy: Any) -> tuple[Any, Layout | None]:
    """A target that is a dict, or a function that returns one, as a vector; and its names."""
    if not callable(target):
        return read_target(target)
    first = target(mdp, policy)
    if not isinstance(first, Mapping):
        return target, None
    whole: Callable[..., Any] = target
    return lambda model, acting: read_target(whole(model, acting))[0], read_target(first)[1]


def check_route(route: Any) -> None:
    """Pass if this is one of `ROUTES`."""
    if route not in ROUTES:
        raise ModelError(
            f"route is {route!r:.80}; it must be 'auto', or 'exact' (all trajectories), 'tape' "
            f"(all that a sampler can draw) or 'sequential' (a sample)."
        )


def check_rate(x: Any, name: str) -> float:
    """A chance between 0 and 1."""
    value = number_or_nan(x)
    if not 0 < value < 1:
        raise ModelError(f"{name} is {x!r:.80}; it must be between 0 and 1: a chance of error.")
    return value


def relative_roundoff(precision: float) -> float:
    """The round-off that is accepted, relative to the scale, by the type of the rows."""
    if precision <= EPS:
        return ROUNDOFF
    return max(ROUNDOFF_SINGLE, 25 * precision)


def reward_roundoff(mdp: MDP, length: int) -> float:
    """Round-off of sums of rewards, which stays where they cancel."""
    law, final = noisy_law(mdp), mdp.final
    largest = float(np.abs(law.reward).max(initial=0.0))
    if final is not None:
        largest += float(np.abs(final).max())
    return 64 * EPS * length * largest


def offset(answer: Answer, mean: FloatArray, *, up_to_scale: bool) -> FloatArray:
    """The bias; up to a factor >= 0, what of the mean no such factor explains."""
    if not up_to_scale:
        return mean - answer.value
    check_direction(answer)
    factor = float((mean * answer.value).sum() / (answer.value**2).sum())
    return mean - max(factor, 0.0) * answer.value


def claim(answer: Answer, *, up_to_scale: bool, biased: bool, within: bool = False) -> str:
    """What the mean is, or is not, in a sentence."""
    multiple = "a multiple of " if up_to_scale else ""
    word = "not " if biased else "within tol of " if within else ""
    return f"the mean of a row is {word}{multiple}{answer.claim}"


def check_direction(answer: Answer) -> None:
    """Pass if the target has a direction."""
    if not (answer.value**2).sum() > 0:
        raise ModelError("up_to_scale: the target is 0 and has no direction.")


def cut_words(mdp: MDP, acting: Any, length: int) -> str:
    """That trajectories are cut after so many steps, and how many of all that is."""
    said = f"trajectories that run for {length} steps are cut there (truncated)"
    if length * mdp.n_states > MOST_VISITS:
        return said
    longer = mdp.with_objective(gamma=1.0, horizon=length + 1)
    running = float(evaluate(longer, split_policy(mdp, acting)[0]).visits[length].sum())
    return f"{said}, {'all' if running > 1 - 1e-9 else f'{100 * running:.2g} %'} of them"
