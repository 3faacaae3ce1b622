"""Names of rules: they tell apart whatever was chosen, and runs of a study are never alike."""

from __future__ import annotations

from dataclasses import MISSING, fields, replace

import numpy as np
import pytest

from mdptools import LogLinear, problems
from mdptools.estimators import Power
from mdptools.studies import (
    Adaptive,
    ConservativePolicyIteration,
    ConstrainedSurrogate,
    Geometric,
    GradientAscent,
    LinearQLearning,
    LinearSarsa,
    LinearTD,
    LineSearch,
    MirrorDescent,
    ModifiedPolicyIteration,
    MultiplicativeWeights,
    NaturalPolicyGradient,
    PolicyIteration,
    ProjectedGradient,
    ProximalPenalty,
    ProximalPolicy,
    QIteration,
    QLearning,
    RestrictedGradient,
    Sarsa,
    SoftPolicyIteration,
    TargetTable,
    TemporalDifference,
    TrustRegion,
    ValueIteration,
    experiments,
    run_study,
)

MODEL = problems.garnet(4, 2, 2, gamma=0.9, rng=0)
PI = np.full((4, 2), 0.5)
RULES = [
    GradientAscent(), NaturalPolicyGradient(), MultiplicativeWeights(), SoftPolicyIteration(0.5),
    MirrorDescent(0.25), ProjectedGradient(), ConservativePolicyIteration(0.5), PolicyIteration(),
    ValueIteration(), ModifiedPolicyIteration(), QIteration(), TrustRegion(), RestrictedGradient(),
    ConstrainedSurrogate(), ProximalPolicy(), ProximalPenalty(), TemporalDifference(PI, 0.25),
    Sarsa(0.25, epsilon=0.2), QLearning(0.25), TargetTable(3), LinearTD(PI, pi=PI),
    LinearSarsa(PI, epsilon=0.2), LinearQLearning(PI, weights=PI),
]  # fmt: skip
OTHERS = {
    "step_size": 0.7, "tau": 0.3, "barrier": 0.3, "method": "pinv", "use": "Q", "weight": 0.3,
    "divergence": "euclidean", "error": PI, "backups": 7, "radius": 0.3, "kl": "new||old",
    "cg_steps": 7, "halvings": 7, "metric": "fisher", "constraint": "max", "objective": "J",
    "rounds": 7, "epsilon": 0.3, "inner_steps": 7, "stop_kl": 0.3, "penalty": 0.3, "target": 0.3,
    "lam": 0.3, "weights": PI, "every": 7, "family": LogLinear, "theta0": PI, "logits0": PI,
    "pi0": PI, "V0": PI[:, 0], "Q0": PI, "w0": PI[0],
}  # fmt: skip
NOT_TOLD = {"pi", "phi"}  # of a rule that cannot do without


@pytest.mark.parametrize("rule", RULES, ids=lambda one: type(one).__name__)
def test_each_option_is_told(rule):
    """One option is changed at a time: no two of the names are equal.

    Seen failing: with the names of before, for each of the rules (first policies and tables,
    families, weights, methods, cg_steps, halvings, rounds, the error of Q).
    """
    needed = {one.name for one in fields(rule) if one.default is MISSING}
    keys = {one.name for one in fields(rule)} - NOT_TOLD - {"kind"}
    if type(rule) is LinearQLearning:
        keys -= {"weights"}  # as good as needed
    names = [rule.name, *(replace(rule, **{key: OTHERS[key]}).name for key in sorted(keys))]
    assert len(set(names)) == len(keys) + 1, names
    assert needed - NOT_TOLD <= keys


def test_steps_of_every_kind_have_a_name():
    """Seen failing: with "scheduled step" for all that can be called."""

    def halving(t):
        return 0.5**t

    steps = (0.5, np.inf, Geometric(0.5), Geometric(0.5, 2), Power(0.6), halving, lambda t: 1.0)
    assert [QLearning(step).name.partition(", ")[2] for step in steps] == [
        "step 0.5", "step inf", "step 0.5 * 1/gamma^t", "step 0.5 * 2^t", "step 1/k^0.6",
        "step halving", "step function",
    ]  # fmt: skip
    assert MirrorDescent(Adaptive(2.0)).name == "mirror descent (kl), adaptive step 2"
    assert GradientAscent(LineSearch()).name == "gradient ascent, line search"
    assert GradientAscent(LineSearch(10.0)).name == "gradient ascent, line search, longest 10"


def test_runs_of_experiments_have_names_of_their_own():
    """Seen failing: with the names of before: three of the four schedules had one."""
    study = experiments.q_learning_schedules(MODEL, 3)
    assert [run.name.partition(", ")[2] for run in study.runs] == [
        "step 0.5", "step 1/(1 + k)", "step 1/(1 + 0.1 k)", "step 1/(1 + k)^0.6",
    ]  # fmt: skip
    for run, at in zip(
        study.runs, (lambda k: 0.5, lambda k: 1 / (k + 1), lambda k: 1 / (1 + 0.1 * k),
                     lambda k: (k + 1) ** -0.6), strict=True,
    ):  # fmt: skip
        assert run.trace.step_sizes == pytest.approx([at(k) for k in range(3)])
    greedy, careful = experiments.wrong_q(MODEL, 0.1, 3).study.runs
    assert greedy.name == "policy iteration with ties shared out, Q in error"
    assert careful.name == "conservative policy iteration, guaranteed weight, Q in error"


def test_runs_that_only_tables_tell_apart_are_numbered():
    """Seen failing: with one name for all three; with the callback told another name."""
    heard = []
    rules = [QLearning(0.5, Q0=PI * scale) for scale in (1.0, 2.0, 3.0)]
    study = run_study(MODEL, [*rules, QIteration()], 1, callback=lambda step: heard.append(step[0]))
    first = "expected Q-learning, step 0.5, Q0 given"
    names = [first, f"{first} (2)", f"{first} (3)", "Q-iteration"]
    assert [run.name for run in study.runs] == names == heard
    assert study[f"{first} (2)"] is study.runs[1]
