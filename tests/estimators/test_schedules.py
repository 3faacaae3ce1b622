"""Schedules: their numbers, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import ControlLearner, Exponential, Linear, Power
from mdptools.problems import line_world


def test_the_numbers():
    """Seen failing: with the end reached a step early; with the rate applied once too often."""
    assert [Power(1.0, scale=2.0)(k) for k in (1, 2, 4)] == [2.0, 1.0, 0.5]
    assert [Linear(1.0, 0.0, steps=4)(k) for k in (1, 2, 5, 6)] == [1.0, 0.75, 0.0, 0.0]
    assert [Linear(0.0, 1.0, steps=2)(k) for k in (1, 2, 3)] == [0.0, 0.5, 1.0]
    assert [Exponential(0.5, 0.5, end=0.1)(k) for k in (1, 2, 3, 4)] == [0.5, 0.25, 0.125, 0.1]


def test_bad_numbers_are_named():
    """Seen failing: without the check of the range."""
    with pytest.raises(ModelError, match=r"exponent is -1; it must be a number >= 0"):
        Power(-1)
    with pytest.raises(ModelError, match=r"scale is 0; it must be a number > 0"):
        Power(1.0, scale=0)
    with pytest.raises(ModelError, match=r"rate is 2; it must be a number > 0 and at most 1"):
        Exponential(1.0, 2)
    with pytest.raises(ModelError, match=r"steps is 0; it must be an int >= 1"):
        Linear(1.0, 0.0, steps=0)
    with pytest.raises(ModelError, match=r"end is nan; it must be a number >= 0"):
        Linear(1.0, np.nan, steps=2)
    with pytest.raises(ModelError, match=r"epsilon is 1.5; it must be a number >= 0 and at most 1"):
        ControlLearner(epsilon=1.5)
    with pytest.raises(ModelError, match=r"step_size is -0.5; it must be a number >= 0, or a fun"):
        ControlLearner(step_size=-0.5)
    late = ControlLearner(step_size=lambda k: 0.5 if k < 3 else np.nan, steps=100)
    mdp, rng = line_world(), np.random.default_rng(0)
    with pytest.raises(ModelError, match=r"step_size is nan"):
        late.step(mdp, late.start(mdp, rng), rng)
