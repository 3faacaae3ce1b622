"""Supports: the minimum of a bet is that of a linear program; wrong declarations are errors."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from mdptools import ModelError
from mdptools.verify._support import Assumed, Declared, check_bounds, check_inside, lowest


def by_program(bet, low, high, radius):
    """Min bet . (p - q), p, q >= 0, low <= p - q <= high, sum p + q <= radius."""
    width, each = len(bet), np.eye(len(bet))
    rows = [np.hstack((each, -each)), np.hstack((-each, each)), np.ones((1, 2 * width))]
    found = linprog(
        np.concatenate((bet, -bet)),
        A_ub=np.vstack(rows),
        b_ub=np.concatenate((high, -low, [radius])),
    )
    assert found.status == 0
    return found.fun


@given(seed=st.integers(0, 10**6), width=st.integers(1, 6), inside=st.booleans())
def test_the_minimum_is_that_of_a_linear_program(seed, width, inside):
    """Also where the box does not contain 0: then part of the radius is spent before one begins.

    Seen failing: with the radius ignored; the order of |bet| reversed; nothing spent on the start.
    """
    rng = np.random.default_rng(seed)
    low, high = np.sort(rng.normal(size=(2, width)), axis=0)
    if inside:
        low, high = -np.abs(low), np.abs(high)
    bet = rng.normal(size=width) * (rng.random(width) < 0.8)
    nearest = np.abs(np.clip(0, low, high)).sum()
    radius = nearest + rng.uniform(0, 2) * np.abs(high - low).sum() / 2
    assert lowest(bet, low, high, radius) == pytest.approx(
        by_program(bet, low, high, radius), abs=1e-8
    )
    assert lowest(bet, low, high) == pytest.approx(
        by_program(bet, low, high, 1e6), rel=1e-6, abs=1e-8
    )


@given(seed=st.integers(0, 10**6))
def test_a_direction_that_is_left_out(seed):
    """Y = x - along (along . x): the minimum over corners of the box, coordinate by coordinate.

    Seen failing: with the bet not projected; the target subtracted as well.
    """
    rng = np.random.default_rng(seed)
    low, high = -rng.random(3), rng.random(3)
    target = rng.normal(size=3)
    along = target / np.linalg.norm(target)
    corners = np.array(np.meshgrid(*zip(low, high, strict=True))).reshape(3, -1).T
    y = corners - np.outer(corners @ along, along)
    support = Declared((low, high), np.inf, target, along)
    bet = rng.normal(size=3)
    assert support.minimum(bet) == pytest.approx((y @ bet).min())
    np.testing.assert_allclose(support.low, y.min(axis=0), atol=1e-14)
    np.testing.assert_allclose(support.high, y.max(axis=0), atol=1e-14)


def test_rows_are_shifted_by_the_target():
    """Seen failing: with the box of x."""
    support = Declared((np.array([0.0]), np.array([4.0])), np.inf, np.array([1.0]))
    assert (support.low[0], support.high[0]) == (-1.0, 3.0)
    assert support.minimum(np.array([2.0])) == -2.0
    both = Declared((np.zeros(2), np.full(2, 4.0)), 4.0, np.ones(2))
    assert both.minimum(np.array([-1.0, -1.0])) == -2.0  # (4, 0) or (0, 4), less (1, 1)
    np.testing.assert_allclose(both.high, 3.0)


def test_an_assumed_box_is_four_times_as_wide_and_holds_the_target():
    """Seen failing: with the box that was seen; without 0; with a constant coordinate known."""
    rows = np.array([[1.0, 5.0, -1.0], [3.0, 5.0, 1.0]])
    support = Assumed(rows, np.full(3, 1e-9))
    assert support.known.tolist() == [True, False, True]
    # from 0 to 3: middle 1.5, half 1.5
    assert (support.low[0], support.high[0]) == (1.5 - 6, 1.5 + 6)
    assert (support.low[2], support.high[2]) == (-4.0, 4.0)
    # along (1, 0, 1) rows are 0 and 4; three times as far
    assert support.minimum(np.array([1.0, 0.0, 1.0])) == 2 - 3 * 2
    assert len(support.outside(rows.min(axis=0), rows.max(axis=0))) == 0
    low, high = np.array([-9.0, 5.0, 0.0]), np.array([1.0, 6.0, 0.0])
    assert support.outside(low, high).tolist() == [0, 1]
    support.enlarge(low, high, np.array([-9.0, 6.0, 0.0]))
    assert len(support.outside(low, high)) == 0
    assert support.known.all()
    assert support.minimum(np.array([1.0, 0.0, 1.0])) < -9


@pytest.mark.parametrize(
    ("bounds", "l1", "message"),
    [
        ((1.0, 0.0), None, "bounds are 1 and 0 in coordinate 0"),
        ((0.0, np.inf), None, "must be finite"),
        ((0.0, np.nan), None, "must be finite"),
        ("ab", None, "it must be .low, high."),
        ((0.0, [1.0, 2.0, 3.0]), None, "it must be .low, high."),
        (0.25, None, "the target is 0.5 in coordinate 1, outside of bounds="),
        (None, 0.0, "l1 is 0.0; it must be > 0"),
        (None, 0.4, "the target is 0.5 in coordinate 1"),
        ((0.3, 1.0), 0.5, "the target is 0 in coordinate 0"),
        ((-0.6, 0.6), 0.45, "the target's sum of .x. is 0.5, above l1=0.45"),
    ],
)
def test_declarations_that_cannot_be(bounds, l1, message):
    """Seen failing: each without its check."""
    with pytest.raises(ModelError, match=message):
        check_bounds(bounds, l1, np.array([0.0, 0.5]))


def test_declarations():
    """Seen failing: a number that stands for (0, B)."""
    target = np.zeros((2, 2))
    assert check_bounds(None, None, target) is None
    (low, high), radius = check_bounds(3, None, target)
    assert (low.tolist(), high.tolist(), radius) == ([-3.0] * 4, [3.0] * 4, np.inf)
    (low, high), radius = check_bounds((-1, [[1, 2], [3, 4]]), 2.0, target)
    assert (high.tolist(), radius) == ([1.0, 2.0, 3.0, 4.0], 2.0)
    (low, high), radius = check_bounds(None, 2.0, target)
    assert low.tolist() == [-2.0] * 4


def test_rows_that_are_not_where_they_were_declared_to_be():
    """The message names the row, the coordinate and the number; round-off is no violation.

    Seen failing: with the first row named; without the slack.
    """
    low, high = -np.ones(2), np.ones(2)
    rows = np.array([[0.0, 1.0 + 1e-12], [0.0, 0.0], [0.5, -1.5]])
    with pytest.raises(ModelError, match=r"row 2 of the batch is -1\.5 in coordinate 1"):
        check_inside(rows, (low, high), np.inf, "of the batch")
    check_inside(rows[:2], (low, high), np.inf, "of the batch")
    with pytest.raises(ModelError, match=r"row 1 here has sum of .x. 1\.5, above l1=1 .*0: 0\.75"):
        check_inside(np.array([[0.5, 0.5], [0.75, 0.75]]), (low, high), 1.0, "here")
