"""Running rules exactly, and watching them.

Takes     a model, one rule or several, a number of steps.
Gives     a `Study`; `finite_trace`, the trace alone.
Source    a rule is start, step, policy and values, see `Rule`.
Not here  the rules (`_*_rules`), what is made of their traces (`_study`, `_bounds_*`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

import numpy as np

from ..arrays import FloatArray, FloatSA, readonly
from ..checks import check_count, check_model, check_served
from ..errors import ModelError
from ..model import MDP
from ._bounds_mirror import greedy_distance
from ._describe import Description, describe
from ._objectives import trace_of
from ._objectives import truth as solve_for_truth
from ._rule import Rule
from ._stack import Recipe, Stack, recipe, top_of, total
from ._study import Run, Study
from ._trace import Trace, log_of
from ._truth import Truth
from ._watch import STOPPED, StudyStep, check_callback, who_stopped


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
        Of any objective. Total reward: where V* is finite. Average reward: where the largest gain
        is the same from every start; rules of policies.
    rules : Rule, or a list of them
        Runs go by their names; a name that has been there gets a number, as in "... (2)".
    steps : int
        How many updates each rule makes.
    measure : (S,) array_like, optional
        The law over states that gaps are measured with; mu if omitted.
    truth : Truth, optional
        Of this model, from who has it already.
    callback : callable, optional
        Called with a `StudyStep` after each update; `show_progress` is one. If it raises
        StopIteration, or the user presses Ctrl-C, the study ends there and holds what there is.

    Returns
    -------
    Study
        Its numbers and bounds are computed when they are first looked at.

    Raises
    ------
    ModelError
        If ``steps`` is no int >= 1, a rule does not serve the objective, or has a theta that is not
        finite; as `truth`.

    Notes
    -----
    A step of a policy rule takes one solve, O(S^3); looking at gaps one more. Memory O(steps S A),
    or O(steps H S A) with a horizon.

    With a horizon the gap is that at time 0, and states count once for each time. Total reward: a
    policy that may rest for ever has inf or nan for visits, and for what is made of them; its gap
    is nan too if it may do so among rewards, where its return is infinite or undefined. Average
    reward: the gap is one of gains, visits are the stationary law. Bounds that need a discount are
    held against discounted runs alone.

    Examples
    --------
    >>> from mdptools.studies import NaturalPolicyGradient
    >>> mdp = MDP([[[1.0], [1.0]]], [[1.0, 0.0]], gamma=0.5)
    >>> study = run_study(mdp, NaturalPolicyGradient(step_size=1.0), 400)
    >>> run = study[0]
    >>> f"{run.gap[300]:.3g}", round(run.local_rate, 6), run.violated
    ('5.3e-261', 0.135335, [])
    """
    check_model(mdp)
    steps = check_count(steps, "steps")
    several = list(rules) if isinstance(rules, Sequence) else [rules]
    if not several:
        raise ModelError("rules is empty; a study needs at least one rule.")
    check_callback(callback)
    found = solve_for_truth(mdp) if truth is None else truth
    if found.mdp is not mdp and not found.mdp.equals(mdp):
        raise ModelError("truth is that of another model: use truth(mdp).")
    law = found.check_measure(measure)
    runs = []
    for rule, name in zip(several, _distinct([rule.name for rule in several]), strict=True):
        run = _run(found, rule, name, steps, law, callback)
        runs.append(run)
        if run.stopped:
            break
    return Study(found, law, tuple(runs), runs[-1].stopped)


def finite_trace(mdp: MDP, rule: Rule, steps: int) -> Trace:
    """What a rule of policies does on a model with a horizon, ready for `bounds`.

    Parameters
    ----------
    mdp : MDP
        With a horizon; gamma may be 1.
    rule : Rule
        Of policies: `NaturalPolicyGradient`, `MultiplicativeWeights` and `GradientAscent` have
        bounds of their own.
    steps : int
        How many updates.

    Returns
    -------
    Trace
        That of `run_study`, with policies (H, S, A); its gaps are those at time 0, exact to their
        last digits.

    Raises
    ------
    ModelError
        If the model has no horizon; as `run_study`.

    Notes
    -----
    Time O(H S^2 A) a step if P is dense; memory O(steps H S A).

    Examples
    --------
    >>> from mdptools.studies import NaturalPolicyGradient, bound
    >>> mdp = MDP([[[1.0], [1.0]]], [[1.0, 0.0]], horizon=2)
    >>> made = finite_trace(mdp, NaturalPolicyGradient(step_size=1.0), 100)
    >>> held = bound("F2f", made)
    >>> f"{made.gap()[100]:.3g}", round(float(held.values[0]), 3), held.first_violation
    ('7.44e-44', 2.886, None)
    """
    check_served(mdp, "finite_trace", "finite", instead="run_study")
    return run_study(mdp, rule, steps)[0].trace


def _distinct(names: list[str]) -> list[str]:
    """The names, the second and later ones of a kind numbered: tables of numbers have no names."""
    told: list[str] = []
    for name in names:
        times = names[: len(told)].count(name)
        told.append(f"{name} ({times + 1})" if times else name)
    return told


def _run(
    truth: Truth,
    rule: Rule,
    name: str,
    steps: int,
    law: FloatArray,
    callback: Callable[..., object] | None,
) -> Run:
    """One rule, until it is done or stopped."""
    mdp = truth.mdp
    began = perf_counter()
    start = rule.start(mdp)
    iterates, policies, sizes = [start], [rule.policy(mdp, start)], []
    stopped = ""
    try:
        for t, (x, pi, size) in enumerate(_steps(mdp, rule, start, steps)):
            iterates.append(x)
            policies.append(pi)
            sizes.append(size)
            if callback is not None:
                callback(StudyStep(name, t + 1, steps, pi, perf_counter() - began))
    except STOPPED as signal:
        done = min(len(iterates), len(policies), len(sizes) + 1)
        iterates, policies, sizes = iterates[:done], policies[:done], sizes[: done - 1]
        stopped = who_stopped(signal, name, done - 1, steps)
    seconds = perf_counter() - began
    made = describe(rule, mdp)
    xs = np.array(iterates, dtype=float)
    logs = _logs(mdp, xs, policies, made)
    options = dict(made.options)
    if mdp.horizon is not None:
        logs, options["tied"] = _over_time(logs, mdp.horizon), logs.ndim == 3
    trace = trace_of(truth, made.algorithm, logs, readonly(xs), _sizes(sizes), options)
    if "errors" in made.options:  # adaptive steps: what they were is known from the policies
        trace = _adapted(trace)
    values = None
    if rule.kind == "value":
        values = readonly(np.stack([rule.values(mdp, one) for one in iterates]))
    return Run(name, trace, law, values, seconds, stopped)


def _steps(mdp: MDP, rule: Rule, x: Any, steps: int) -> Iterator[tuple[Any, FloatSA, float]]:
    """x, its policy, and the size of the step to it, after each update.

    A rule that is a formula on tables goes by it, with one LU a step and no checks on the way.
    """
    if isinstance(recipe(rule, mdp), Recipe):
        stack = Stack(rule, [mdp], np.asarray(x, dtype=float)[None], visits=False)
        for t in range(steps):
            size = float(stack.sizes(t)[0])
            stack.advance(t)
            yield stack.tables()[0], stack.found.pi[0], size
        return
    for t in range(steps):
        length = rule.step_size_at(mdp, t)
        x = rule.step(mdp, x, t)
        yield x, rule.policy(mdp, x), np.nan if length is None else float(length)


def _sizes(sizes: list[float]) -> FloatArray:
    return readonly(np.array(sizes, dtype=float))


def _logs(mdp: MDP, xs: FloatArray, pi: list[FloatSA], made: Description) -> FloatArray:
    """log pi: from the logits where there are any, which keeps what pi loses below 1e-308."""
    if made.temperature is None or xs.shape[1:] != pi[0].shape:
        return readonly(log_of(np.array(pi)))
    z = xs if made.temperature == 1 else xs / made.temperature
    if not mdp.facts.all_allowed:
        z = np.where(mdp.allowed, z, -np.inf)
    z = z - top_of(z)
    z -= np.log(total(np.exp(z)))
    return readonly(z)


def _over_time(logs: FloatArray, horizon: int) -> FloatArray:
    """log pi (T+1, H, S, A), also of policies that do not depend on time."""
    if logs.ndim == 4:
        return logs
    timed = np.broadcast_to(logs[:, None], (len(logs), horizon, *logs.shape[1:]))
    return readonly(timed.copy())


def _adapted(trace: Trace) -> Trace:
    """The same trace with the steps and tolerances of `Adaptive` written down."""
    gamma, first = trace.truth.gamma, float(trace.options["errors"])
    tolerances = first * gamma ** (2 * (np.arange(trace.updates) + 1.0))
    apart = greedy_distance(trace)[:-1]
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        steps = np.where(apart > 0, apart / tolerances, 1 / first)
    options = {**trace.options, "tolerances": tolerances}
    return Trace(trace.truth, trace.algorithm, trace.log_pi, trace.x, readonly(steps), options)
