"""Targets: what estimators estimate, by name, as exact arrays.

Takes     an MDP and a policy, (family, theta) or pi.
Gives     `TARGETS`, name -> function; the answers that are honest for trajectories cut at a cap.
Source    gradients and evaluation, of which each number is certified there.
Not here  the estimators, and whether they are right (`_check`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from ..arrays import FloatArray, as_floats, readonly
from ..errors import ModelError
from ..evaluation import evaluate
from ..gradients import fisher_information, policy_gradient
from ..model import MDP
from ..policies import split_policy

TargetFunction: TypeAlias = Callable[[MDP, Any], Any]
BootstrapFunction: TypeAlias = Callable[[MDP, Any, int], FloatArray]

INFINITE = "_infinite"


def _gradient(mdp: MDP, policy: Any) -> FloatArray:
    _, family, theta = split_policy(mdp, policy)
    return policy_gradient(mdp, family, theta).value


def _return(mdp: MDP, policy: Any) -> FloatArray:
    return np.array(evaluate(mdp, split_policy(mdp, policy)[0]).J)


def _values(mdp: MDP, policy: Any) -> FloatArray:
    V = evaluate(mdp, split_policy(mdp, policy)[0]).V
    return V if V.ndim == 1 else V[0]


def _pair_values(mdp: MDP, policy: Any) -> FloatArray:
    Q = evaluate(mdp, split_policy(mdp, policy)[0]).Q
    first = Q if Q.ndim == 2 else Q[0]
    return np.where(mdp.allowed, first, 0.0)


def _visits(mdp: MDP, policy: Any) -> FloatArray:
    visits = evaluate(mdp, split_policy(mdp, policy)[0]).visits
    return visits if visits.ndim == 1 else visits.sum(axis=0)


def _fisher(mdp: MDP, policy: Any) -> FloatArray:
    _, family, theta = split_policy(mdp, policy)
    normalised = 1 - mdp.gamma if mdp.objective == "discounted" else 1.0
    return fisher_information(mdp, family, theta).matrix() / normalised


def _gradient_per_visit(mdp: MDP, policy: Any) -> FloatArray:
    Z = evaluate(mdp, split_policy(mdp, policy)[0]).Z
    return _gradient(mdp, policy) / Z


def _without_horizon(target: TargetFunction) -> TargetFunction:
    """The target of the same model when nothing stops it."""

    def infinite(mdp: MDP, policy: Any) -> Any:
        return target(mdp if mdp.horizon is None else mdp.with_objective(), policy)

    return infinite


TARGETS: dict[str, TargetFunction] = {
    "policy_gradient": _gradient,
    "policy_gradient_per_visit": _gradient_per_visit,
    "J": _return,
    "V": _values,
    "Q": _pair_values,
    "visits": _visits,
    "fisher": _fisher,
    "policy_gradient_infinite": _without_horizon(_gradient),
    "J_infinite": _without_horizon(_return),
    "V_infinite": _without_horizon(_values),
    "Q_infinite": _without_horizon(_pair_values),
}
"""What an estimator's rows can be compared with: name -> function (mdp, policy) -> array.

``policy_gradient``
    dJ/dtheta, in theta's shape; for a bare pi, theta = log pi.
``policy_gradient_per_visit``
    dJ/dtheta / Z: the mean over states that are drawn from d = visits / Z.
``J``
    The return, ().
``V``
    The values at time 0, (S,).
``Q``
    The values of pairs at time 0, (S, A); 0 at refused pairs.
``visits``
    sum_t gamma^t Pr(s_t = s) while the episode is running, summed over all times, (S,).
``fisher``
    sum_s visits(s) sum_a pi(a|s) psi psi', (D, D). Not multiplied by 1 - gamma.
``..._infinite``
    The same when the model's horizon is taken away.

Yours can be added: ``TARGETS["mine"] = function``.
"""


def _first_gradient_terms(mdp: MDP, policy: Any, cap: int) -> FloatArray:
    """sum_{t < cap} gamma^t E[psi_t A_t] with the advantage of the model without a horizon."""
    pi, family, theta = split_policy(mdp, policy)
    endless = mdp if mdp.horizon is None else mdp.with_objective()
    A = np.where(mdp.allowed, evaluate(endless, pi).A, 0.0)
    visits = evaluate(mdp.with_objective(horizon=cap), pi).visits.sum(axis=0)
    return family.pullback(theta, visits[:, None] * A)


def _no_terms_missing(target: TargetFunction) -> BootstrapFunction:
    """Where the exact V at the cap stands for all that follows, nothing is missing."""
    return lambda mdp, policy, cap: target(mdp, policy)


# What a return that is cut, but goes on with the exact V there, averages to; and the words.
_TERMS = "the first {} terms of {}, returns continued by the exact V"
_WHOLE = "{1}, returns continued by the exact V after {0} steps"
_BOOTSTRAPPED: dict[str, tuple[BootstrapFunction, str]] = {
    "policy_gradient": (_first_gradient_terms, _TERMS),
    "policy_gradient_infinite": (_first_gradient_terms, _TERMS),
    "J": (_no_terms_missing(TARGETS["J_infinite"]), _WHOLE),
    "J_infinite": (_no_terms_missing(TARGETS["J_infinite"]), _WHOLE),
    "V": (_no_terms_missing(TARGETS["V_infinite"]), _WHOLE),
    "V_infinite": (_no_terms_missing(TARGETS["V_infinite"]), _WHOLE),
    "Q": (_no_terms_missing(TARGETS["Q_infinite"]), _WHOLE),
    "Q_infinite": (_no_terms_missing(TARGETS["Q_infinite"]), _WHOLE),
}

_NAMES = {
    "policy_gradient": "the policy gradient",
    "policy_gradient_per_visit": "the policy gradient divided by Z",
    "policy_gradient_infinite": "the policy gradient without a horizon",
    "J": "the return J",
    "J_infinite": "the return J without a horizon",
    "V": "the values V",
    "V_infinite": "the values V without a horizon",
    "Q": "the values Q",
    "Q_infinite": "the values Q without a horizon",
    "visits": "the visits",
    "fisher": "the Fisher information",
}


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """An array that the mean may equal, and the words for it."""

    value: FloatArray
    claim: str
    function: TargetFunction | None = None  # the same of another model or policy
    mdp: MDP | None = None  # the model that the function was asked about


def name_of(target: Any) -> str:
    """A target in words."""
    if isinstance(target, str):
        return _NAMES.get(target, target)
    if callable(target):
        return getattr(target, "__name__", "the target function").replace("<lambda>", "the target")
    return "the given target"


def given(target: Any) -> Answer:
    """An array that the mean should be; it needs no model."""
    name = name_of(target)
    return Answer(_array(target, name), name)


def answers(mdp: MDP, policy: Any, target: Any, cap: int | None) -> tuple[Answer, ...]:
    """The honest answers, the one to report against first.

    Parameters
    ----------
    mdp : MDP
    policy : pi, or (family, theta)
    target : name, function or array
    cap : int or None
        Where trajectories are cut, if some are.

    Returns
    -------
    tuple of Answer
        One, where nothing is cut. At a cap: the target of the model that ends there; that of the
        endless model as far as ``cap`` steps of trajectories can tell it, if returns go on with
        the exact V; that of the endless model. For names that end in "_infinite", and for arrays,
        not the first of these.

    Raises
    ------
    ModelError
        If there is no such name, or no such number.
    """
    name = name_of(target)
    function = _function(target)
    if function is None:
        return (given(target),)
    endless = isinstance(target, str) and target.endswith(INFINITE)
    if cap is None and not endless:
        return (Answer(_array(function(mdp, policy), name), name, function, mdp),)
    found: list[Answer] = []
    if cap is not None and not endless:
        ends = mdp.with_objective(horizon=cap)
        words = f"{name} when returns stop after {cap} steps"
        found.append(Answer(_array(function(ends, policy), name), words, function, ends))
    length = mdp.horizon if cap is None else cap
    continued = _BOOTSTRAPPED.get(target) if isinstance(target, str) else None
    try:
        whole = Answer(_array(function(mdp, policy), name), name, function, mdp)
        if endless:  # what is asked for; reported against
            found.append(whole)
        if continued is not None and length is not None:
            value, words = continued[0](mdp, policy, length), continued[1].format(length, name)
            found.append(Answer(_array(value, name), words))
        if not endless:
            found.append(whole)
    except ModelError:
        if not found:
            raise
        # The endless model may have no such number: then only what stops is left.
    return tuple(found)


def _function(target: Any) -> TargetFunction | None:
    if isinstance(target, str):
        if target not in TARGETS:
            raise ModelError(
                f"there is no target {target!r}; there are {', '.join(TARGETS)}. A target may also "
                f"be an array, or a function (mdp, policy) -> array."
            )
        return TARGETS[target]
    return target if callable(target) else None


def _array(value: Any, name: str) -> FloatArray:
    array = as_floats(value, name)
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ModelError(
            f"{name} is {array[at]} at {list(at)}: {len(bad)} of its {array.size} entries are not "
            f"finite, and no estimator has such a mean."
        )
    return readonly(array)
