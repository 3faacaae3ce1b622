"""Which algorithm of the catalogue a rule is.

Takes     a rule and a model.
Gives     a `Description`: the word that bounds ask for, and what they have to know besides.
Not here  running the rule (`_run`), the bounds (`_bounds_*`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..model import MDP
from ..policies import Softmax, Timed
from ._line_search import LineSearch
from ._linear_rules import stationary_law
from ._steps import Adaptive


class Description(NamedTuple):
    """What bounds have to know about a rule."""

    algorithm: str
    options: Mapping[str, Any] = {}
    temperature: float | None = None  # of logits x; None if x holds no logits


OTHER = Description("other")


def describe(rule: Any, mdp: MDP) -> Description:
    """Which algorithm of the catalogue a rule is, from its class and its fields.

    A rule of your own may say so itself, by an attribute ``algorithm``.
    """
    read = _KNOWN.get(type(rule).__name__)
    own = Description(str(getattr(rule, "algorithm", "other")))
    made = own if read is None else read(rule, mdp)
    if mdp.objective == "discounted":
        return made
    name: str = mdp.objective
    if name == "finite" and made.temperature == 1.0:
        timed = np.ndim(rule.start(mdp)) == 3
        bounded = ("natural_gradient", "gradient_ascent") if timed else ("gradient_ascent",)
        name = f"finite_{made.algorithm}" if made.algorithm in bounded else "finite"
    kept = {key: x for key, x in made.options.items() if key == "evaluates"}
    return Description(name, kept, made.temperature)


def _softmax(rule: Any, mdp: MDP) -> float | None:
    """The temperature of a tabular softmax; None for another family."""
    family = rule.family_of(mdp)
    family = family.family if isinstance(family, Timed) else family
    return float(family.temperature) if isinstance(family, Softmax) else None


def _gradient_ascent(rule: Any, mdp: MDP) -> Description:
    temperature = _softmax(rule, mdp)
    if temperature != 1.0:
        return Description("other", temperature=temperature)
    if rule.tau and rule.barrier:
        return Description("other", temperature=1.0)
    if rule.tau:
        return Description("entropy_gradient", {"tau": rule.tau}, 1.0)
    if rule.barrier:
        return Description("barrier_gradient", {"weight": rule.barrier}, 1.0)
    return Description("gradient_ascent", temperature=1.0)


def _natural(rule: Any, mdp: MDP) -> Description:
    temperature = _softmax(rule, mdp)
    if temperature is None or rule.method not in ("auto", "advantage"):
        return Description("other", temperature=temperature)
    if rule.tau:
        return Description("regularised_natural_gradient", {"tau": rule.tau}, temperature)
    return Description("natural_gradient", temperature=temperature)


def _mirror(rule: Any, mdp: MDP) -> Description:
    options: dict[str, Any] = {}
    if isinstance(rule.step_size, Adaptive):
        options["errors"] = rule.step_size.error
    if rule.divergence != "kl":
        return Description("mirror_descent_euclid", options)
    if rule.tau:
        return Description("regularised_mirror_descent", {"tau": rule.tau}, 1.0)
    return Description("mirror_descent_kl", options, 1.0)


def _conservative(rule: Any, mdp: MDP) -> Description:
    if rule.error is not None:
        return OTHER
    if isinstance(rule.weight, LineSearch):
        return Description("frank_wolfe")
    fixed = rule.weight is not None
    return Description("interpolated_policy_iteration" if fixed else "conservative")


def _td(rule: Any, mdp: MDP) -> Description:
    return Description("td", {"lam": rule.lam, "weights": rule.weights, "evaluates": True})


def _sarsa(rule: Any, mdp: MDP) -> Description:
    fixed = rule.epsilon is None
    options = {"epsilon": rule.epsilon, "weights": rule.weights, "evaluates": fixed}
    return Description("sarsa", options)


def _q_learning(rule: Any, mdp: MDP) -> Description:
    name = "q_learning" if rule.weights is None else "asynchronous_q_learning"
    return Description(name, {"weights": rule.weights})


def _linear_td(rule: Any, mdp: MDP) -> Description:
    weights = stationary_law(mdp, rule.policy(mdp, None)) if rule.weights is None else rule.weights
    options = {"phi": rule.phi, "weights": weights, "lam": rule.lam, "evaluates": True}
    return Description("linear_td", options)


def _follows(rule: Any, mdp: MDP) -> Description:
    """Rules of values without a theorem: all that matters is whose values they are after."""
    return Description("other", {"evaluates": getattr(rule, "pi", None) is not None})


_KNOWN: dict[str, Callable[[Any, MDP], Description]] = {
    "GradientAscent": _gradient_ascent,
    "NaturalPolicyGradient": _natural,
    "MultiplicativeWeights": lambda rule, mdp: Description("natural_gradient", temperature=1.0),
    "SoftPolicyIteration": lambda rule, mdp: Description(
        "soft_policy_iteration", {"tau": rule.tau}, 1.0
    ),
    "MirrorDescent": _mirror,
    "ProjectedGradient": lambda rule, mdp: Description("projected_gradient"),
    "ConservativePolicyIteration": _conservative,
    "PolicyIteration": lambda rule, mdp: (
        Description("policy_iteration") if rule.error is None else OTHER
    ),
    "ValueIteration": lambda rule, mdp: Description("value_iteration"),
    "ModifiedPolicyIteration": lambda rule, mdp: Description("modified_policy_iteration"),
    "QIteration": lambda rule, mdp: Description("q_iteration"),
    "TemporalDifference": _td,
    "Sarsa": _sarsa,
    "QLearning": _q_learning,
    "LinearTD": _linear_td,
    "LinearSarsa": _follows,
    "LinearQLearning": _follows,
    "TargetTable": _follows,
}
