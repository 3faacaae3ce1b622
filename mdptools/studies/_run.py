"""Running rules exactly, and watching them.

Takes     a discounted model, one rule or several, a number of steps.
Gives     a `Study`.
Source    a rule is start, step, policy and values, see `Rule`.
Not here  the rules (`_*_rules`), what is made of their traces (`_study`, `_bounds_*`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, FloatSA, readonly
from ..checks import check_count, check_served
from ..errors import ModelError
from ..model import MDP
from ..policies import Softmax
from ._bounds_mirror import greedy_distance
from ._line_search import LineSearch
from ._linear_rules import stationary_law
from ._rule import Rule
from ._steps import Adaptive
from ._study import Run, Study
from ._trace import Trace, log_of
from ._truth import Truth
from ._truth import truth as solve_for_truth

STOPPED = (StopIteration, KeyboardInterrupt)


class StudyStep(NamedTuple):
    """What a study tells its callback after each step.

    Attributes
    ----------
    rule : str
        The rule's name.
    t : int
        How many updates it has made.
    steps : int
        How many it is to make.
    pi : (S, A) array
        Its policy now.
    seconds : float
        Since this rule began.
    """

    rule: str
    t: int
    steps: int
    pi: FloatSA
    seconds: float


class Description(NamedTuple):
    """What bounds have to know about a rule."""

    algorithm: str
    options: Mapping[str, Any] = {}
    temperature: float | None = None  # of logits x; None if x holds no logits


OTHER = Description("other")


def run_study(
    mdp: MDP,
    rules: Rule | Sequence[Rule],
    steps: int,
    *,
    measure: Any = None,
    truth: Truth | None = None,
    callback: Callable[[StudyStep], object] | None = None,
) -> Study:
    """Iterate rules exactly, without any sampling, and hold every theorem against what they do.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    rules : Rule, or a list of them
    steps : int
        How many updates each rule makes.
    measure : (S,) array_like, optional
        The law over states that gaps are measured with; mu if omitted.
    truth : Truth, optional
        Of this model, from who has it already.
    callback : callable, optional
        Called with a `StudyStep` after each update. If it raises StopIteration, or the user presses
        Ctrl-C, the study ends there and holds what there is.

    Returns
    -------
    Study
        Its numbers and bounds are computed when they are first looked at.

    Raises
    ------
    ModelError
        If the model is not discounted, ``steps`` is no int >= 1, or a rule has a theta that is not
        finite.

    Notes
    -----
    A step of a policy rule takes one solve, O(S^3); looking at gaps one more. Memory O(steps S A).

    Examples
    --------
    >>> from mdptools.studies import NaturalPolicyGradient
    >>> mdp = MDP([[[1.0], [1.0]]], [[1.0, 0.0]], gamma=0.5)
    >>> study = run_study(mdp, NaturalPolicyGradient(step_size=1.0), 400)
    >>> run = study[0]
    >>> f"{run.gap[300]:.3g}", round(run.local_rate, 6), run.violated
    ('5.3e-261', 0.135335, [])
    """
    check_served(mdp, "run_study", "discounted", instead="the rules themselves")
    steps = check_count(steps, "steps")
    several = list(rules) if isinstance(rules, Sequence) else [rules]
    if not several:
        raise ModelError("rules is empty; a study needs at least one rule.")
    if callback is not None and not callable(callback):
        raise ModelError(
            f"callback is {callback!r:.80}; it must be a function of one argument, a StudyStep."
        )
    found = solve_for_truth(mdp) if truth is None else truth
    if found.mdp is not mdp and not found.mdp.equals(mdp):
        raise ModelError("truth is that of another model: use truth(mdp).")
    law = found.check_measure(measure)
    runs = []
    for rule in several:
        run = _run(found, rule, steps, law, callback)
        runs.append(run)
        if run.stopped:
            break
    return Study(found, law, tuple(runs), runs[-1].stopped)


def _run(
    truth: Truth, rule: Rule, steps: int, law: FloatArray, callback: Callable[..., object] | None
) -> Run:
    """One rule, until it is done or stopped."""
    mdp = truth.mdp
    began = perf_counter()
    x: Any = rule.start(mdp)
    iterates, policies, sizes = [x], [rule.policy(mdp, x)], []
    stopped = ""
    try:
        for t in range(steps):
            size = rule.step_size_at(mdp, t)
            after = rule.step(mdp, x, t)
            pi = rule.policy(mdp, after)
            x = after
            iterates.append(x)
            policies.append(pi)
            sizes.append(np.nan if size is None else float(size))
            if callback is not None:
                callback(StudyStep(rule.name, t + 1, steps, pi, perf_counter() - began))
    except STOPPED as signal:
        who = "Ctrl-C" if isinstance(signal, KeyboardInterrupt) else "the callback"
        done = min(len(iterates), len(policies), len(sizes) + 1)
        iterates, policies, sizes = iterates[:done], policies[:done], sizes[: done - 1]
        stopped = f"{rule.name} was stopped by {who} after {done - 1:,} of {steps:,} updates"
    seconds = perf_counter() - began
    made = describe(rule, mdp)
    xs = np.stack([np.asarray(one, dtype=float) for one in iterates])
    logs = _logs(mdp, xs, np.stack(policies), made)
    trace = Trace(truth, made.algorithm, logs, readonly(xs), _sizes(sizes), dict(made.options))
    if "errors" in made.options:  # adaptive steps: what they were is known from the policies
        trace = _adapted(trace)
    values = None
    if rule.kind == "value":
        values = readonly(np.stack([rule.values(mdp, one) for one in iterates]))
    return Run(rule.name, trace, law, values, seconds, stopped)


def _sizes(sizes: list[float]) -> FloatArray:
    return readonly(np.array(sizes, dtype=float))


def _logs(mdp: MDP, xs: FloatArray, pi: FloatArray, made: Description) -> FloatArray:
    """log pi: from the logits where there are any, which keeps what pi loses below 1e-308."""
    if made.temperature is None or xs.shape != pi.shape:
        return readonly(log_of(pi))
    z = np.where(mdp.allowed, xs / made.temperature, -np.inf)
    z = z - z.max(axis=2, keepdims=True)
    return readonly(z - np.log(np.exp(z).sum(axis=2, keepdims=True)))


def _adapted(trace: Trace) -> Trace:
    """The same trace with the steps and tolerances of `Adaptive` written down."""
    gamma, first = trace.truth.gamma, float(trace.options["errors"])
    tolerances = first * gamma ** (2 * (np.arange(trace.updates) + 1.0))
    apart = greedy_distance(trace)[:-1]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        steps = np.where(apart > 0, apart / tolerances, 1 / first)
    options = {**trace.options, "tolerances": tolerances}
    return Trace(trace.truth, trace.algorithm, trace.log_pi, trace.x, readonly(steps), options)


def describe(rule: Any, mdp: MDP) -> Description:
    """Which algorithm of the catalogue a rule is, from its class and its fields.

    A rule of your own may say so itself, by an attribute ``algorithm``.
    """
    read = _KNOWN.get(type(rule).__name__)
    if read is not None:
        return read(rule, mdp)
    return Description(str(getattr(rule, "algorithm", "other")))


def _softmax(rule: Any, mdp: MDP) -> float | None:
    """The temperature of a tabular softmax; None for another family."""
    family = rule.family_of(mdp)
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
    return Description("linear_td", {"phi": rule.phi, "weights": weights, "evaluates": True})


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
