"""run_stacked: one rule on many models, or from many starts, in one call.

Takes     models of one shape, a rule that is a formula of pi, Q, A and visits, a number of steps.
Gives     a `StackedRun`: J and the gap of each, step by step, and where each ended.
Source    the gap by the performance-difference lemma, as `_truth`: a sum of terms >= 0.
Not here  bounds and other records of a single run (`run_study`); the steps (`_stack`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, as_floats, readonly
from ..checks import check_count, check_model
from ..errors import ModelError
from ..model import MDP
from ._rule import Rule
from ._stack import Stack, evaluator, top_of
from ._truth import POLISHED, shortfalls
from ._watch import STOPPED, StudyStep, check_callback, who_stopped


@dataclass(frozen=True, slots=True, eq=False)
class StackedRun:
    """N runs of one rule, step by step; index t of an axis T+1 is after t updates.

    Attributes
    ----------
    rule : str
        Its name.
    J : (N, T+1) array
        mu . V of each policy, reward units.
    gap : (N, T+1) array
        mu . (V* - V) of each policy, reward units; small relative errors as long as probabilities
        stay above 1e-308, 0 below.
    x : (N, S, A) or (N, T+1, S, A) array
        Where each run ended, in the form of the rule's x; every iterate if ``keep="all"``.
    pi : (N, S, A) array
        The last policies.
    step_sizes : (N, T) array
        As the rule counts them.
    seconds : float
    stopped : str
        By what the runs were stopped before the last step; empty if they were not.
    """

    rule: str
    J: FloatArray
    gap: FloatArray
    x: FloatArray
    pi: FloatArray
    step_sizes: FloatArray
    seconds: float
    stopped: str = ""

    @property
    def updates(self) -> int:
        """T, how many updates were made."""
        return int(self.J.shape[1]) - 1

    def __len__(self) -> int:
        return len(self.J)


def run_stacked(
    models: MDP | Sequence[MDP],
    rule: Rule,
    steps: int,
    *,
    starts: Any = None,
    keep: str = "last",
    callback: Callable[[StudyStep], object] | None = None,
) -> StackedRun:
    """Iterate one rule on many models, or from many starts, exactly and all at once.

    Parameters
    ----------
    models : MDP, or a list of N of them
        Discounted, with the same numbers of states and actions; gamma, mu, masks and terminal
        states may differ.
    rule : GradientAscent, NaturalPolicyGradient, MultiplicativeWeights or MirrorDescent
        On tables (tabular softmax), without tau or barrier, steps by size or schedule.
    steps : int
        How many updates are made.
    starts : (N, S, A) or (S, A) array_like, optional
        The first x of each run, in the form of the rule's own x. With one model, N starts make N
        runs. What ``rule.start`` gives if omitted.
    keep : {"last", "all"}
        Which iterates are kept. "all" takes memory O(N steps S A).
    callback : callable, optional
        Called with a `StudyStep` after each update, whose pi is (N, S, A); `show_progress` is one.
        If it raises StopIteration, or the user presses Ctrl-C, the runs end there.

    Returns
    -------
    StackedRun

    Raises
    ------
    ModelError
        If the models differ in shape; if the rule, its step, or an objective is not served, with
        the reason; if starts do not fit; if theta leaves float64.

    Notes
    -----
    The same iterates as ``rule.step`` in a loop, to round-off. A step takes time O(N (S^3 + S^2 A))
    in stacked calls up to 32 states, and one LU for each model above. The optima are found by
    policy iteration, once.

    Examples
    --------
    >>> from mdptools import problems
    >>> from mdptools.studies import NaturalPolicyGradient
    >>> models = [problems.garnet(4, 2, 2, gamma=0.9, rng=i) for i in range(100)]
    >>> runs = run_stacked(models, NaturalPolicyGradient(0.5), 200)
    >>> runs.gap.shape, bool((runs.gap[:, -1] < 1e-3 * runs.gap[:, 0]).all())
    ((100, 201), True)
    """
    several = _checked(models)
    steps = check_count(steps, "steps")
    check_callback(callback)
    if keep not in ("last", "all"):
        raise ModelError(f"keep is {keep!r:.80}; it must be 'last' or 'all'.")
    began = perf_counter()
    stack = Stack(rule, several, _starts(several, rule, starts))
    n = len(stack.x)
    short = _shortfalls(several)
    mu = np.stack([mdp.mu for mdp in several])
    J, gap = np.empty((n, steps + 1)), np.empty((n, steps + 1))
    sizes = np.empty((n, steps))
    path = [stack.tables()] if keep == "all" else []
    last = stack.tables()
    done, stopped = 0, ""

    def record(t: int) -> None:
        here = stack.found
        J[:, t] = (mu * here.V).sum(axis=1)
        assert here.visits is not None
        gap[:, t] = (here.visits * (here.pi * short).sum(axis=2)).sum(axis=1)

    record(0)
    pi = stack.found.pi
    try:
        for t in range(steps):
            sizes[:, t] = stack.sizes(t)
            stack.advance(t)
            record(t + 1)
            if keep == "all":
                path.append(stack.tables())
            last, pi, done = stack.tables(), stack.found.pi, t + 1
            if callback is not None:
                callback(StudyStep(rule.name, t + 1, steps, pi, perf_counter() - began))
    except STOPPED as signal:
        stopped = who_stopped(signal, rule.name, done, steps)
    x = np.stack(path[: done + 1], axis=1) if keep == "all" else last.copy()
    return StackedRun(
        rule=rule.name,
        J=readonly(J[:, : done + 1]),
        gap=readonly(gap[:, : done + 1]),
        x=readonly(x),
        pi=readonly(pi.copy()),
        step_sizes=readonly(sizes[:, :done]),
        seconds=perf_counter() - began,
        stopped=stopped,
    )


def _checked(models: Any) -> list[MDP]:
    """The models as a list, all of one shape."""
    several = list(models) if isinstance(models, Sequence) else [models]
    if not several:
        raise ModelError("models is empty; a stack needs at least one model.")
    for mdp in several:
        check_model(mdp)
    shape = several[0].R.shape
    for i, mdp in enumerate(several):
        if mdp.R.shape != shape:
            raise ModelError(
                f"models[{i}] has (S, A) = {mdp.R.shape}, models[0] has {shape}: a stack is of one "
                f"shape. Run those of each shape together."
            )
    return several


def _starts(several: list[MDP], rule: Rule, starts: Any) -> FloatArray:
    """The first x of each run, (N, S, A), each as the rule itself would start."""
    shape = several[0].R.shape
    if starts is None:
        first = [np.asarray(rule.start(mdp)) for mdp in several]
        wrong = [one.shape for one in first if one.shape != shape]
        if wrong:
            raise ModelError(
                f"{rule.name} starts from shape {wrong[0]}; a stack is of tables {shape}."
            )
        return np.stack(first)
    x = as_floats(starts, "starts")
    if x.shape == shape:
        x = np.broadcast_to(x, (len(several), *shape))
    fits = x.ndim == 3 and x.shape[1:] == shape and len(x) > 0
    if not fits or (len(several) > 1 and len(x) != len(several)):
        raise ModelError(
            f"starts has shape {x.shape}; it must be (N, S, A) with (S, A) = {shape}"
            + (f" and N = {len(several)}." if len(several) > 1 else ".")
        )
    for i, one in enumerate(x):
        try:
            rule.policy(several[i % len(several)], one)
        except ModelError as error:
            raise ModelError(f"starts[{i}] is no x of {rule.name}: {error}") from None
    return x


def _shortfalls(several: list[MDP]) -> FloatArray:
    """V* - Q* of each model, (M, S, A), as in its `Truth`: policy iteration on all at once."""
    evaluate = evaluator(several, len(several))
    allowed = np.stack([mdp.allowed for mdp in several])
    live = np.stack([~mdp.terminal for mdp in several])
    R = np.stack([mdp.R for mdp in several])
    gamma = np.array([mdp.gamma for mdp in several])
    choices = np.eye(R.shape[2])
    actions = np.where(allowed, R, -np.inf).argmax(axis=2)
    for _ in range(POLISHED):
        V, Q, _ = evaluate(choices[actions], False)
        Q = np.where(allowed, Q, -np.inf)
        best = top_of(Q)[..., 0]
        chosen = np.take_along_axis(Q, actions[..., None], axis=2)[..., 0]
        size = np.abs(V).max(axis=1)
        better = live & (best > chosen + 4 * EPS * size[:, None])
        if not better.any():
            break
        actions = np.where(better, Q.argmax(axis=2), actions)
    size = np.maximum(size, np.abs(R).max(axis=(1, 2)))
    tol = 100 * EPS * size / (1 - gamma)
    return shortfalls(best, Q, allowed & live[..., None], tol[:, None, None])
