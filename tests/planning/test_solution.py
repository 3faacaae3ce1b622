"""Solution: the noun, and the last step of every planner."""

from dataclasses import replace

import numpy as np
import pytest

from mdptools import Certificate, ConvergenceError, solve
from mdptools.planning import _solution
from mdptools.problems import small


def solved(bound):
    """A solution of "small" with another bound."""
    return replace(solve(small()), certificate=Certificate(bound, bound, 0.0, "made up"))


def test_arrays_are_read_only():
    """Seen failing: with `readonly` left out for V."""
    solution = solve(small())
    with pytest.raises(ValueError, match="read-only"):
        solution.V[0] = 0
    with pytest.raises(AttributeError, match="cannot assign to field"):
        solution.V = np.zeros(2)


def test_a_small_enough_bound_passes():
    """Seen failing: with `<` for `<=`."""
    solution = solved(1.0)
    assert _solution.within(solution, 1.0, 1.0, floor=None, cure="") is solution


@pytest.mark.parametrize(("floor", "message"), [(None, "more work"), (0.25, "no bound below 0.25")])
def test_a_bound_that_is_too_large_is_an_error(floor, message):
    """Seen failing: with the cure in place of the floor; without the solution."""
    solution = solved(2.0)
    with pytest.raises(ConvergenceError, match=message) as caught:
        _solution.within(solution, 1.0, 1.0, floor=floor, cure="more work")
    assert caught.value.solution is solution and caught.value.floor == floor


def test_round_off_is_accepted_where_nobody_asked_for_less():
    """Seen failing: with the tolerance of `tol=None` insisted on."""
    solution = solved(2.0)
    assert _solution.within(solution, None, 1.0, floor=2.0, cure="") is solution
    with pytest.raises(ConvergenceError, match="more work"):
        _solution.within(solution, None, 1.0, floor=None, cure="more work")


def test_no_bound_at_all_is_always_an_error():
    """Seen failing: with `bound <= wanted` alone, where inf <= inf; with the advice to ask for a
    larger tol than inf."""
    with pytest.raises(ConvergenceError, match=r"proves no bound at all .* use a smaller gamma"):
        _solution.within(solved(np.inf), None, np.inf, floor=np.inf, cure="")


def test_one_hot_puts_a_one_at_each_action():
    """Seen failing: with rows and columns exchanged."""
    pi = _solution.one_hot(np.array([[2, 0], [1, 1]]), 3)
    assert pi.tolist() == [[[0, 0, 1], [1, 0, 0]], [[0, 1, 0], [0, 1, 0]]]
    assert not pi.flags.writeable
