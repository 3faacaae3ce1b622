"""Names of learners: they tell apart whatever was chosen."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import pytest

from mdptools import LogLinear, Softmax
from mdptools.estimators import (
    ControlLearner,
    Exponential,
    GradientLearner,
    Linear,
    NaturalGradientLearner,
    Power,
    ProximalLearner,
    RMaxLearner,
    in_few,
)


def plan(model):
    return np.ones(model.R.shape)


OTHERS = {
    "method": "sarsa", "step_size": Power(0.6), "epsilon": Linear(1.0, 0.1, 500), "steps": 7,
    "Q0": 5.0, "max_steps": 9, "start_law": [1.0, 0.0], "v_max": 2.0, "m": 3,
    "estimator": "actor_critic", "batch": 5, "baseline": 0.5, "lam": 0.25, "critic_step": 0.3,
    "family": LogLinear, "theta0": np.zeros(3), "clip": 0.4, "epochs": 9,
}  # fmt: skip
LEARNERS = [
    ControlLearner(), RMaxLearner(plan, 1.0), GradientLearner(), NaturalGradientLearner(),
    ProximalLearner(),
]  # fmt: skip


@pytest.mark.parametrize("learner", LEARNERS, ids=lambda one: type(one).__name__)
def test_each_option_is_told(learner):
    """One option is changed at a time: no two of the names are equal.

    Seen failing: with the names of before (epsilon, Q0, steps, max_steps and start_law of
    `ControlLearner`; v_max, steps and max_steps of `RMaxLearner`; lam, critic_step, family, theta0,
    max_steps and clip of the others).
    """
    keys = {one.name for one in fields(learner)} - {"planner"}
    if type(learner) is ProximalLearner:
        keys -= {"estimator", "baseline"}  # has one of them and none of the other
    names = [learner.name, *(replace(learner, **{key: OTHERS[key]}).name for key in sorted(keys))]
    assert len(set(names)) == len(keys) + 1, names


def test_what_is_left_as_it_is_is_not_told():
    """Seen failing: with all options told; with equal ones told unless they are the same object."""
    assert ControlLearner().name == "q learning, step 1/k^0.7"
    same = ControlLearner(step_size=Power(0.7), epsilon=0.1, Q0=np.float64(0.0), steps=1000)
    assert same.name == "q learning, step 1/k^0.7"
    assert GradientLearner(family=Softmax).name == "GPOMDP, step 0.1, batch 16"
    other = GradientLearner(baseline="fitted", critic_step=0.5)
    assert other.name == "GPOMDP with fitted baseline, step 0.1, batch 16, critic_step 0.5"
    assert ControlLearner(epsilon=0.3, Q0=[[5.0]]).name.endswith("k^0.7, epsilon 0.3, Q0 given")


@dataclass(frozen=True)
class Steep:
    """A schedule of someone else's, with no words."""

    def __call__(self, k):
        return 1 / k


def test_schedules_have_names():
    """Seen failing: with the name of the class for each of them; with the repr of a class
    that has no words."""
    assert str(Power(0.6)) == "1/k^0.6" and str(Power(1, 2.5)) == "2.5/k^1"
    assert str(Linear(1.0, 0.1, 500)) == "1 to 0.1 in 500"
    assert str(Exponential(1.0, 0.99)) == "1 * 0.99^(k-1)"
    assert str(Exponential(1.0, 0.99, 0.05)) == "1 * 0.99^(k-1) >= 0.05"
    assert in_few(plan) == "plan" and in_few(lambda k: 1 / k) == "function"
    assert in_few(Steep()) == "Steep" and in_few(partial(pow, 2)) == "partial"
    assert in_few(np.float64(0.25)) == "0.25" and in_few(np.inf) == "inf"
