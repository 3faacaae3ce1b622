"""Checks that many rooms share: what passes comes back changed into its type, the rest is named."""

import functools
import re
from types import SimpleNamespace

import numpy as np
import pytest

from mdptools import (
    MDP,
    ModelError,
    Softmax,
    can_reach,
    check_policy,
    deterministic_policy,
    dumps,
    end_components,
    epsilon_greedy,
    evaluate,
    is_deterministic,
    is_proper,
    occupancy,
    reachable,
    solve,
    uniform_policy,
)
from mdptools.checks import check_count, check_served, check_tol, check_values, words_for_sum


def test_an_objective_that_is_not_served():
    """Seen failing: with `served` for `instead` in the message; with `not` left out."""
    mdp = MDP([[[1.0]]], [[1.0]], horizon=2)
    check_served(mdp, "plan", "discounted", "finite", instead="solve")
    message = (
        "plan serves the objective discounted (gamma < 1 and no horizon) or total (gamma = 1 and "
        "no horizon); this model's is finite (horizon=). Use solve, or look at the model under "
        "another objective: mdp.with_objective(...)."
    )
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        check_served(mdp, "plan", "discounted", "total", instead="solve")


@pytest.mark.parametrize("thing", [None, "model", 3, np.eye(2), MDP])
@pytest.mark.parametrize(
    "ask",
    [
        solve,
        functools.partial(evaluate, pi=[[1.0]]),
        functools.partial(occupancy, pi=[[1.0]], start=0),
        functools.partial(check_policy, pi=[[1.0]]),
        functools.partial(deterministic_policy, actions=[0]),
        functools.partial(epsilon_greedy, Q=[[1.0]], epsilon=0.1),
        uniform_policy,
        Softmax,
        end_components,
        functools.partial(is_proper, pi=[[1.0]]),
        functools.partial(can_reach, targets=[0]),
        reachable,
        is_deterministic,
        dumps,
    ],
)
def test_what_is_no_model(ask, thing):
    """Seen failing: with the AttributeError let through in each of them."""
    with pytest.raises(ModelError, match=r"^mdp is of type \w+; it must be a model: MDP\(P, R"):
        ask(thing)


@pytest.mark.parametrize("word", ["discounted", "finite", "total", "average"])
def test_each_objective_has_words(word):
    """Seen failing: without the entry of "average"."""
    with pytest.raises(ModelError, match=rf"this model's is {word} \(.+\)\. Use"):
        check_served(SimpleNamespace(objective=word), "f", instead="g")


def test_tolerances():
    """Seen failing: with `value <= 0` for `not value > 0`; without `float`; with the OverflowError
    of an int let through; with a string read as the number that it spells."""
    assert check_tol(None) is None
    for tol in (1e-6, np.float64(1e-6), np.float32(0.5), 1, np.inf):
        assert type(check_tol(tol)) is float and check_tol(tol) == tol
    for tol in (0, -1e-9, np.nan, "small", "1e-6", [1e-6, 1e-6], np.ones(1), 10**400):
        with pytest.raises(ModelError, match=r"^tol is .*; it must be > 0: the error you accept"):
            check_tol(tol)


def test_counts():
    """Seen failing: with `value < 0`; with int() for operator.index; with True for 1."""
    assert check_count(np.int64(3), "n") == 3 and type(check_count(np.int64(3), "n")) is int
    for n in (0, -1, 2.0, "3", None, True):
        with pytest.raises(
            ModelError, match=rf"^n is {re.escape(repr(n))}; it must be an int >= 1"
        ):
            check_count(n, "n")


def test_values():
    """Seen failing: with isnan for not isfinite; without the shape; with V itself given back; with
    -1e300 let through, whose differences can overflow."""
    V = np.array([1.0, 2.0])
    assert check_values(V, "V0", 2) is not V
    with pytest.raises(ModelError, match=r"^V0 has shape \(2,\); it must be \(3,\)"):
        check_values(V, "V0", 3)
    for bad in (np.nan, np.inf, -1e300):
        with pytest.raises(
            ModelError, match=rf"^V0\[1\] is {re.escape(str(bad))}; it must be finite"
        ):
            check_values([0.0, bad], "V0", 2)


def test_a_sum_that_is_not_one_does_not_read_as_one():
    """Seen failing: with .6g for all."""
    gaps = (-0.1, 1.0, 5.96e-8, -1e-12)
    assert [words_for_sum(gap) for gap in gaps] == ["0.9", "2", "1 + 5.96e-08", "1 - 1e-12"]
    assert words_for_sum(float("inf")) == "inf"
