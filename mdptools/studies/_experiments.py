"""Experiments: nine comparisons, each a line to run, that show a theorem at work.

Takes     a small model, or its size.
Gives     studies, and the few numbers that the comparison is about.
Source    each function names what it shows.
Not here  pictures (plots), the rules and bounds themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray
from ..checks import check_count
from ..errors import ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..problems import chain
from ._gradient_rules import GradientAscent
from ._laws import gradient_limit, natural_slope
from ._mirror_rules import MirrorDescent
from ._mixture_rules import ConservativePolicyIteration
from ._natural_rules import NaturalPolicyGradient, SoftPolicyIteration
from ._run import run_study
from ._steps import Adaptive, Geometric
from ._study import Run, Study
from ._truth import truth as solve_for_truth
from ._value_experiments import Features, linear_features, q_learning_schedules, sweeps

__all__ = [
    "Entropy",
    "Features",
    "Plain",
    "Plateaus",
    "Slopes",
    "Wrong",
    "entropy",
    "gradient_steps",
    "linear_features",
    "mirror_schedules",
    "natural_steps",
    "plateaus",
    "q_learning_schedules",
    "sweeps",
    "wrong_q",
]


class Plain(NamedTuple):
    """What `gradient_steps` shows."""

    study: Study  # published step, certified step
    limit: float  # what time * gap tends to
    approach: tuple[FloatArray, FloatArray]  # (sum of steps) * gap of each run, (T+1,)


def gradient_steps(mdp: MDP, steps: int = 2000) -> Plain:
    """Gradient ascent with the published step and with the certified one.

    A plateau, then a gap like limit / (sum of steps), whatever the rewards are (D10). The published
    bound (D2) is vacuous throughout, the certified one (D3) hugs the curve.

    Parameters
    ----------
    mdp : MDP
        Discounted, mu > 0, no ties.
    steps : int

    Returns
    -------
    Plain

    Examples
    --------
    >>> from mdptools.problems import bandit
    >>> found = gradient_steps(bandit([1.0, 0.0]).with_objective(gamma=0.0), 1000)
    >>> found.limit, round(float(found.approach[1][-1]), 2)
    (0.5, 0.5)
    """
    found = solve_for_truth(mdp)
    limit = gradient_limit(found)
    rules = [GradientAscent(step_size=1 / found.smoothness_published), GradientAscent()]
    study = run_study(mdp, rules, steps, truth=found)
    both = [np.append(0.0, np.cumsum(run.step_sizes)) * run.gap for run in study.runs]
    return Plain(study, limit, (both[0], both[1]))


class Plateaus(NamedTuple):
    """Steps until the gap from the first state of the chain is halved, for each length."""

    lengths: tuple[int, ...]
    gradient: tuple[int, ...]  # mu on the first state
    gradient_spread: tuple[int, ...]  # mu uniform
    natural: tuple[int, ...]
    natural_spread: tuple[int, ...]  # mu uniform: the same
    soft: tuple[int, ...]  # soft policy iteration, which knows no mu either


def plateaus(
    lengths: Sequence[int] = (1, 2, 3, 4),
    *,
    step_size: float = 0.1,
    tau: float = 0.1,
    most: int = 20_000,
) -> Plateaus:
    """How long plain and natural gradient and soft policy iteration take to see a chain's end.

    From one state the plateau of plain gradient grows by a factor with each link, from a uniform
    start like a power; that of natural gradient, whose steps do not depend on mu, shrinks. Soft
    policy iteration has none.

    Parameters
    ----------
    lengths : sequence of int
        H, the number of links; the chain has H + 2 states and gamma = H / (H + 1).
    step_size : float
        Of natural gradient.
    tau : float, reward units
        Of soft policy iteration; with a large one the entropy outweighs the end of the chain.
    most : int
        Give up after so many steps; the entry is ``most`` then.

    Returns
    -------
    Plateaus

    Examples
    --------
    >>> plateaus((1, 2))
    Plateaus(lengths=(1, 2), gradient=(53, 123), gradient_spread=(62, 107), natural=(18, 10),
             natural_spread=(18, 10), soft=(1, 1))
    """
    most = check_count(most, "most")
    rows = []
    for H in lengths:
        point = chain(check_count(H, "a length") + 2)
        spread = replace(point, mu=np.full(point.n_states, 1 / point.n_states))
        gradients = (GradientAscent(), NaturalPolicyGradient(step_size=step_size))
        runs: list[tuple[Any, MDP]] = [(rule, mdp) for rule in gradients for mdp in (point, spread)]
        runs.append((SoftPolicyIteration(tau), point))
        rows.append([_halved(rule, mdp, most) for rule, mdp in runs])
    return Plateaus(tuple(lengths), *(tuple(column) for column in zip(*rows, strict=True)))


def _halved(rule: Any, mdp: MDP, most: int) -> int:
    """Steps until V* - V in state 0 is at most half of what it was."""
    best = float(solve_for_truth(mdp).V[0])
    x = rule.start(mdp)
    found = evaluate(mdp, rule.policy(mdp, x))
    first = best - float(found.V[0])
    for t in range(most):
        if best - float(found.V[0]) <= first / 2:
            return t
        x = rule.step(mdp, x, t, found=found)
        found = evaluate(mdp, rule.policy(mdp, x))
    return most


class Slopes(NamedTuple):
    """What `natural_steps` shows."""

    study: Study  # one run for each step size, then policy iteration
    predicted: tuple[float, ...]  # -log(gap) / t in the end
    measured: tuple[float, ...]


def natural_steps(
    mdp: MDP, step_sizes: Sequence[float] = (0.03, 0.1, 0.3), steps: int = 300
) -> Slopes:
    """Natural policy gradient with several steps, and with an infinite one.

    The gap ends as a straight line on a logarithmic axis, of slope eta (smallest shortfall) /
    (1-gamma) (F10), far below F1 and F2; the infinite step is policy iteration.

    Parameters
    ----------
    mdp : MDP
        Discounted, mu > 0.
    step_sizes : sequence of float
    steps : int

    Returns
    -------
    Slopes

    Examples
    --------
    >>> from mdptools.problems import bandit
    >>> found = natural_steps(bandit([1.0, 0.0]).with_objective(gamma=0.5), (0.1, 0.5), 100)
    >>> found.predicted, [round(x, 6) for x in found.measured]
    ((0.2, 1.0), [0.2, 1.0])
    """
    found = solve_for_truth(mdp)
    rules: list[Any] = [NaturalPolicyGradient(step_size=eta) for eta in step_sizes]
    rules.append(NaturalPolicyGradient(step_size=np.inf))
    study = run_study(mdp, rules, steps, truth=found)
    predicted = tuple(natural_slope(found, eta) for eta in step_sizes)
    with np.errstate(divide="ignore"):
        measured = tuple(float(-np.log(run.local_rate)) for run in study.runs[:-1])
    return Slopes(study, predicted, measured)


class Entropy(NamedTuple):
    """What `entropy` shows."""

    studies: tuple[Study, ...]  # one for each tau: natural gradient by parts, soft iteration last
    bias: tuple[float, ...]  # the plain gap of the last run at the end, in the worst state
    most: tuple[float, ...]  # tau log A / (1-gamma), which bounds it


def entropy(
    mdp: MDP,
    taus: Sequence[float] = (0.01, 0.1, 1.0),
    steps: int = 100,
    *,
    parts: Sequence[float] = (0.1, 0.5),
) -> Entropy:
    """Natural gradient with entropy: fast and biased, or slow and exact.

    The soft error falls like (1 - eta tau)^t (G3), the plain gap comes to rest below tau log A /
    (1-gamma). The largest step, (1-gamma) / tau, is soft policy iteration: by gamma at least (G2),
    and in the end each error is like the square of the one before (G4).

    Parameters
    ----------
    mdp : MDP
        Discounted.
    taus : sequence of float, reward units
    steps : int
    parts : sequence of float in (0, 1)
        Of the largest step, one run each.

    Returns
    -------
    Entropy

    Examples
    --------
    >>> from mdptools.problems import garnet
    >>> found = entropy(garnet(4, 2, 2, gamma=0.9, rng=0), (0.1, 1.0), 60)
    >>> all(bias <= most for bias, most in zip(found.bias, found.most))
    True
    """
    found = solve_for_truth(mdp)
    studies = []
    for tau in taus:
        largest = (1 - mdp.gamma) / tau
        rules: list[Any] = [NaturalPolicyGradient(part * largest, tau=tau) for part in parts]
        studies.append(run_study(mdp, [*rules, SoftPolicyIteration(tau)], steps, truth=found))
    bias = tuple(float(study[-1].trace.worst_gap[-1]) for study in studies)
    most = tuple(float(tau * np.log(found.n_choices) / (1 - mdp.gamma)) for tau in taus)
    return Entropy(tuple(studies), bias, most)


def mirror_schedules(mdp: MDP, step_size: float = 0.1, steps: int = 60) -> Study:
    """Mirror descent, KL and Euclidean, with constant, growing and adaptive steps.

    The schedule decides: like 1/t (F3), by 1 - 1/theta (F4), by gamma (F6). The Euclidean one ends
    at the optimum itself.

    Parameters
    ----------
    mdp : MDP
        Discounted, gamma > 0.
    step_size : float
        In policy space; the first step of the growing schedule.
    steps : int

    Returns
    -------
    Study
        Three runs with KL, then three Euclidean ones.

    Examples
    --------
    >>> from mdptools.problems import garnet
    >>> study = mirror_schedules(garnet(4, 2, 2, gamma=0.9, rng=0), steps=40)
    >>> len(study), float(study[4].gap[-1]), study.violated
    (6, 0.0, [])
    """
    schedules = (step_size, Geometric(step_size), Adaptive(1 / step_size))
    kinds = ("kl", "euclidean")
    rules = [MirrorDescent(step, divergence=kind) for kind in kinds for step in schedules]
    return run_study(mdp, rules, steps)


class Wrong(NamedTuple):
    """What `wrong_q` shows."""

    study: Study
    greedy: Run
    conservative: Run


def wrong_q(mdp: MDP, epsilon: float, steps: int = 200, *, error: Any = None) -> Wrong:
    """Greedy against conservative policy iteration when Q is in error by epsilon.

    The greedy policy of a wrong Q may be worse than the one before, for ever; conservative policy
    iteration mixes it in only as far as its gain is guaranteed (Kakade and Langford 2002), so that
    J never falls.

    Parameters
    ----------
    mdp : MDP
        Discounted.
    epsilon : float, reward units
        How wrong Q is at most.
    steps : int
    error : (S, A) array_like, optional
        What is added to Q, within +-epsilon. If omitted the worst case for the optimal actions:
        -epsilon at those, +epsilon elsewhere.

    Returns
    -------
    Wrong

    Raises
    ------
    ModelError
        If the error is larger than epsilon somewhere.

    Examples
    --------
    >>> from mdptools.problems import garnet
    >>> found = wrong_q(garnet(5, 3, 2, gamma=0.9, rng=1), 0.5, 100)
    >>> found.conservative.falls
    []
    """
    found = solve_for_truth(mdp)
    added = np.where(found.optimal, -epsilon, epsilon) if error is None else np.asarray(error)
    if not np.abs(added).max() <= epsilon:
        raise ModelError(f"error is {np.abs(added).max():.4g} at most; epsilon is {epsilon:.4g}.")
    rules = [
        ConservativePolicyIteration(1.0, error=added),
        ConservativePolicyIteration(error=added),
    ]
    study = run_study(mdp, rules, steps, truth=found)
    return Wrong(study, study[0], study[1])
