"""The e-process: a supermartingale to the last digit, and an alarm that comes."""

import itertools
from fractions import Fraction

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.verify._eprocess import (
    EProcess,
    Wealth,
    coordinate_bets,
    first_look,
    log_growth,
    looks,
    vector_bet,
)
from mdptools.verify._support import Assumed, Declared


def box(width, low=-1.0, high=1.0):
    return Declared((np.full(width, low), np.full(width, high)), np.inf, np.zeros(width))


def of_law(values):
    values = np.asarray(values, dtype=float)
    return Declared((values.min(axis=0), values.max(axis=0)), np.inf, np.zeros(values.shape[1]))


LAWS = {
    "two points": ([[-1.0], [3.0]], [Fraction(3, 4), Fraction(1, 4)]),
    "skewed": ([[-1.0], [0.0], [99.0]], [Fraction(99, 200), Fraction(1, 2), Fraction(1, 200)]),
    "plane": ([[-1.0, 2.0], [1.0, 0.0], [0.0, -2.0]], [Fraction(1, 3)] * 3),
    "flat direction": ([[-1.0, 1.0], [2.0, -2.0]], [Fraction(2, 3), Fraction(1, 3)]),
}


@pytest.mark.parametrize("name", LAWS)
def test_no_strategy_gains_on_average(name):
    """Every sequence of rows of a small law with mean zero, with its exact probability: E[E] is at
    most 1 after each batch, and the mean given any past is not above the wealth before.

    Seen failing: bets made with the batch that they are made on; Z + 2 w_j.
    """
    values, prob = LAWS[name]
    values = np.array(values)
    batches = (2, 1, 1, 1) if len(values) == 3 else (2, 2, 1, 1)
    total = [Fraction(0)] * len(batches)
    past = {}
    for path in itertools.product(range(len(values)), repeat=sum(batches)):
        chance = Fraction(1)
        for k in path:
            chance *= prob[k]
        test, at = EProcess(of_law(values), np.zeros(values.shape[1]), guard=False), 0
        wealth = [1.0]
        for i, n in enumerate(batches):
            test.feed(values[list(path[at : at + n])])
            at += n
            wealth.append(float(np.exp(test.log_e)))
            total[i] += chance * Fraction(wealth[-1])
            before = past.setdefault(path[: at - n], [wealth[-2], Fraction(0), Fraction(0)])
            before[1] += chance * Fraction(wealth[-1])
            before[2] += chance
    assert all(abs(float(mean) - 1) <= 1e-12 for mean in total)
    for before, mean, chance in past.values():
        assert abs(float(mean / chance) - before) <= 1e-12 * before


def test_the_wealth_is_a_mixture_over_starting_times():
    """Sum over starts j of w_j times the product of the factors from j on, and what is left.

    Seen failing: w_j = 1 / j^2; the money that is not yet put in forgotten.
    """
    factors = np.random.default_rng(0).uniform(0.5, 3.0, (5, 2))
    wealth = Wealth(2)
    for factor in factors:
        wealth.multiply(np.log(factor))
    shares = [1 / (j * (j + 1)) for j in range(1, 6)]
    direct = sum(w * factors[j:].prod(axis=0) for j, w in enumerate(shares)) + 1 / 6
    np.testing.assert_allclose(wealth.log_e, np.log(direct), rtol=1e-13)


def test_wealth_beyond_float64_is_kept_in_logarithms():
    """Seen failing: with the wealth itself, inf."""
    wealth = Wealth(1)
    for _ in range(3):
        wealth.multiply(np.array([1000.0]))
    assert 2900 < wealth.log_e[0] < 3000
    poor = Wealth(1)
    poor.multiply(np.array([-5000.0]))
    assert poor.log_e[0] == pytest.approx(-np.log(2))


@pytest.mark.parametrize("width", [1, 5, 40])
def test_no_factor_falls_below_a_half(width):
    """Whatever was seen before: on each corner of the support 1 + bet . y >= 1/2.

    Seen failing: without the scaling, of the vector or of each.
    """
    rng = np.random.default_rng(width)
    support = box(width, -2.0, 0.7)
    test = EProcess(support, np.zeros(width), guard=False)
    for n in (50, 25, 40):
        y = rng.choice([-2.0, 0.7], (n, width), p=[0.1, 0.9])
        test.feed(y)
        bet = test.bet()
        assert bet.share > 0
        assert 1 + bet.share * support.minimum(bet.direction) >= 0.5 - 1e-12
        falls = np.minimum(bet.each * -2.0, bet.each * 0.7)
        assert (1 + falls >= 0.5 - 1e-12).all()


def test_the_bet_of_a_plain_case():
    """Uncorrelated coordinates: u / 1.02, shrunk by 1 - (d / 1.02) / (n |u|^2 / 1.02).

    Seen failing: without the shrinking; with the ridge left out of dof.
    """
    n, mean, scale = 1000, np.array([0.2, 0.0, -0.1]), np.array([1.0, 2.0, 0.5])
    u = mean / scale
    direction, share = vector_bet(n, mean, scale, np.eye(3))
    np.testing.assert_allclose(direction, u / 1.02 / scale)
    assert share == pytest.approx(1 - 3 / (n * (u**2).sum()))
    each = coordinate_bets(n, mean, scale)
    kept = np.array([1 - 1 / (n * 0.04), 0.0, 1 - 1 / (n * 0.04)])
    np.testing.assert_allclose(each, kept * u / 1.02 / scale)
    assert vector_bet(10, mean / 10, scale, np.eye(3))[1] == 0.0
    same = vector_bet(n, mean, scale, None)
    np.testing.assert_allclose(same[0], direction)
    assert same[1] == pytest.approx(share)


def test_a_constraint_without_variance_is_found_at_once():
    """Rows that should sum to zero sum to 0.03: no coordinate shows it, the direction does.

    Seen failing: without correlations.
    """
    rng = np.random.default_rng(0)

    def rows(n):
        y = rng.uniform(-1, 1, (n, 3))
        return y - y.mean(axis=1, keepdims=True) + 0.01

    floor = np.full(3, 1e-9)
    test = EProcess(Assumed(rows(1000), floor), floor, guard=False)
    for n in (250, 125, 188):
        test.feed(rows(n))
    assert test.log_e > np.log(1e6)
    assert test.log_each.max() < np.log(100)


def test_coordinates_without_variance_cost_nothing():
    """Seen failing: with round-off divided by round-off."""
    rng = np.random.default_rng(1)
    support = box(2, -1.0, 1.0)
    test = EProcess(support, np.full(2, 1e-9), guard=False)
    for n in (250, 125, 188, 282):
        y = np.column_stack((rng.choice([-1.0, 1.0], n), np.full(n, 1e-12)))
        test.feed(y)
        assert test.bet().each[1] == 0.0 == test.bet().direction[1]
    assert test.log_e < 2.0


def test_a_coordinate_of_unknown_range_is_not_bet_on():
    """Seen failing: with `known` ignored."""
    rows = np.column_stack((np.linspace(-1, 1, 50), np.full(50, 0.3)))
    test = EProcess(Assumed(rows, np.full(2, 1e-9)), np.full(2, 1e-9), guard=False)
    test.feed(rows)
    assert test.bet().each[1] == 0.0 == test.bet().direction[1]


def test_the_level_holds_in_many_small_runs():
    """200 runs of each of three laws: at level 0.1 at most 20 alarms are expected, four standard
    deviations are 17; at 0.01 at most 2 and 6. (Chance of failing if calibrated: below 1e-2; the
    seed is fixed. The benchmark has 20,000 runs.)

    Seen failing: with 20 times the wealth that was put in.
    """
    for law, (values, prob) in {k: LAWS[k] for k in ("two points", "skewed", "plane")}.items():
        rows, p = np.array(values), np.array([float(x) for x in prob])
        rng = np.random.default_rng(len(law))
        largest = np.zeros(200)
        for run in range(len(largest)):
            test = EProcess(of_law(rows), np.zeros(rows.shape[1]), guard=False)
            for n in (25, 13, 19, 29, 43):
                test.feed(rows[rng.choice(len(p), n, p=p)])
            largest[run] = test.largest
        assert (largest > np.log(10)).sum() <= 20 + 17
        assert (largest > np.log(100)).sum() <= 2 + 6
        assert largest.max() < np.log(1e6)


def test_looks():
    """Seen failing: with a last look beyond the most."""
    assert list(looks(500, 2000)) == [500, 750, 1125, 1688, 2000]
    assert list(looks(500, 300)) == [300]
    assert (first_look(16), first_look(17)) == (250, 500)


def test_logarithms_of_products():
    """Seen failing: with a group of 16 dropped; with the overflow of 17 large factors."""
    rng = np.random.default_rng(0)
    for n in (1, 15, 16, 100):
        x = rng.uniform(-0.5, 3, (n, 3))
        np.testing.assert_allclose(log_growth(x.copy()), np.log1p(x).sum(axis=0), rtol=1e-12)
    huge = np.full((64, 1), 1e200)
    assert log_growth(huge.copy())[0] == pytest.approx(64 * np.log(1e200))


def test_rows_that_repeat_are_refused():
    """Each row ten times: its bets are not independent. Averages of ten are.

    Seen failing: without the guard.
    """
    rng = np.random.default_rng(0)
    rows = rng.choice([-1.0, 1.0], (2000, 2))
    test = EProcess(box(2), np.zeros(2))
    with pytest.raises(ModelError, match=r"correlation of a row with the next is 0\.8.*unit=k"):
        for start in range(0, 20_000, 500):
            test.feed(rows.repeat(10, axis=0)[start : start + 500])
    test = EProcess(box(2), np.zeros(2))
    for start in range(0, 2000, 100):
        test.feed(rows[start : start + 100])


def test_the_guard_is_not_fooled_by_rare_events():
    """Two rare rows next to each other are no dependence.

    Seen failing: with |correlation| sqrt(n) > 6.
    """
    test = EProcess(box(1, -0.01, 0.99), np.zeros(1))
    first, second = np.full((250, 1), -0.01), np.full((250, 1), -0.01)
    first[7] = second[100] = second[101] = 0.99
    test.feed(first)
    test.feed(second)
    assert test.n == 500


def test_many_coordinates_go_without_correlations():
    """Seen failing: with a matrix (600, 600) asked for."""
    rng = np.random.default_rng(3)
    test = EProcess(box(600), np.zeros(600), guard=False)
    assert not test.wants_matrix
    for n in (500, 250, 375):
        test.feed(rng.choice([-1.0, 1.0], (n, 600), p=[0.45, 0.55]))
    assert test.log_e > np.log(1e6)
