"""Checks that many rooms share: what passes comes back changed into its type, the rest is named."""

import re
from types import SimpleNamespace

import numpy as np
import pytest

from mdptools import MDP, ModelError
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


@pytest.mark.parametrize("word", ["discounted", "finite", "total", "average"])
def test_each_objective_has_words(word):
    """Seen failing: without the entry of "average"."""
    with pytest.raises(ModelError, match=rf"this model's is {word} \(.+\)\. Use"):
        check_served(SimpleNamespace(objective=word), "f", instead="g")


def test_tolerances():
    """Seen failing: with `value <= 0` for `not value > 0`; without `float`."""
    assert check_tol(None) is None
    for tol in (1e-6, np.float64(1e-6), np.float32(0.5), 1, np.inf):
        assert type(check_tol(tol)) is float and check_tol(tol) == tol
    for tol in (0, -1e-9, np.nan, "small", [1e-6, 1e-6]):
        with pytest.raises(ModelError, match=r"^tol is .*; it must be > 0: the error you accept"):
            check_tol(tol)


def test_counts():
    """Seen failing: with `value < 0`; with int() for operator.index."""
    assert check_count(np.int64(3), "n") == 3 and type(check_count(np.int64(3), "n")) is int
    for n in (0, -1, 2.0, "3", None):
        with pytest.raises(
            ModelError, match=rf"^n is {re.escape(repr(n))}; it must be an int >= 1"
        ):
            check_count(n, "n")


def test_values():
    """Seen failing: with isnan for not isfinite; without the shape; with V itself given back."""
    V = np.array([1.0, 2.0])
    assert check_values(V, "V0", 2) is not V
    with pytest.raises(ModelError, match=r"^V0 has shape \(2,\); it must be \(3,\)"):
        check_values(V, "V0", 3)
    for bad in (np.nan, np.inf):
        with pytest.raises(ModelError, match=rf"^V0\[1\] is {bad}; it must be finite"):
            check_values([0.0, bad], "V0", 2)


def test_a_sum_that_is_not_one_does_not_read_as_one():
    """Seen failing: with .6g for all."""
    gaps = (-0.1, 1.0, 5.96e-8, -1e-12)
    assert [words_for_sum(gap) for gap in gaps] == ["0.9", "2", "1 + 5.96e-08", "1 - 1e-12"]
    assert words_for_sum(float("inf")) == "inf"
