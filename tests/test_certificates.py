"""Certificates: each inequality, round-off included, against exact fractions."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from mdptools import MDP, Certificate, certificates, evaluate, solve
from mdptools.bellman import backup, expect_actions
from mdptools.problems import small
from mdptools.testing.strategies import mdps, policies
from properties import Case, rescaled


@st.composite
def models_and_values(draw, **kinds):
    """A discounted model at some scale, and any V (0 on terminal states) at the scale of V*."""
    mdp = rescaled(
        draw(mdps(objective="discounted", **kinds)), draw(st.sampled_from((1.0, 1e-9, 1e9)))
    )
    size = np.abs(mdp.R).max() / (1 - mdp.gamma)
    parts = st.integers(-1000, 1000)
    V = np.array([draw(parts) * size / 700 for _ in range(mdp.n_states)])
    V[mdp.terminal] = 0
    return mdp, V


@pytest.mark.parametrize("scale", [1e-322, 1e-310, 1e-300])
@pytest.mark.parametrize(
    "words", [{"gamma": 0.9}, {"gamma": 0.9, "horizon": 3}, {"gamma": 1.0}], ids=str
)
def test_rewards_so_small_that_products_underflow(words, scale):
    """Seen failing: without TINY; bounds of 0 stood beside true errors of 2e-323."""
    P = [[[0.3, 0.2, 0.5], [0.0, 0.1, 0.9]], [[0.8, 0.0, 0.2], [0.1, 0.7, 0.2]], [[0, 0, 1]] * 2]
    R = np.array([[5.0, 7.0], [-1.0, 2.0], [0.0, 0.0]]) * scale
    mdp = MDP(P, R, **words)
    for case in (mdp, MDP(P, np.stack((R, 0 * R, R / 3), axis=2), **words)):
        exact, solution = oracles.optimum(case, normalise_rows=True), solve(case)
        assert oracles.largest_error(solution.V, exact.V) <= solution.certificate.bound
        assert oracles.largest_error(solution.Q, exact.Q) <= solution.certificate.bound
        policy = np.full(R.shape, 0.5)
        truth = oracles.evaluate(case, policy, normalise_rows=True)
        found = evaluate(case, policy)
        assert oracles.largest_error(found.V, truth.V) <= found.certificate.bound
        assert abs(Fraction(found.J) - truth.J) <= found.J_certificate.bound


@pytest.mark.parametrize(
    ("bound", "loss"), [(-1e-300, 1.0), (1.0, -1.0), (math.nan, 1.0), (1.0, math.nan)]
)
def test_a_bound_is_a_number_from_zero_up(bound, loss):
    """Seen failing: with `bound < 0` for `not bound >= 0` (nan); with the loss not looked at."""
    with pytest.raises(ValueError, match=r"a bound must be >= 0, got bound .* from a theorem"):
        Certificate(bound, loss, 0.0, "a theorem")


def test_an_infinite_bound_says_that_nothing_is_proved():
    """Seen failing: with finite bounds alone accepted."""
    certificate = Certificate(math.inf, math.inf, 0.0, "a theorem")
    assert certificate.kind == "proved" and certificate.lower is None


@settings(max_examples=150)
@given(pair=models_and_values())
def test_round_off_of_a_backup(pair):
    """|computed - exact| of R + gamma P V, for both truths.

    Seen failing: with eps for the whole; with the defect of the row sums left out (models whose
    rows are thirds); with R left out where gamma = 0.
    """
    mdp, V = pair
    roundoff = certificates.backup_roundoff(mdp, float(np.abs(V).max()))
    Q = backup(mdp, V)
    for truth in Case(mdp).truths:
        exact = oracles.q_by_loops(truth, list(V), truth.normalised)
        assert oracles.largest_error(Q, exact) <= roundoff


@settings(max_examples=150)
@given(data=st.data())
def test_round_off_of_a_backup_of_a_policy(data):
    """|computed - exact| of sum_a pi Q - V.

    Seen failing: with no round-off.
    """
    mdp, V = data.draw(models_and_values())
    pi = data.draw(policies(mdp))
    Q = backup(mdp, V)
    computed = expect_actions(pi, Q) - V
    roundoff = certificates.mixing_roundoff(mdp, pi, V, Q)
    for truth in Case(mdp).truths:
        exact = oracles.backup_of_policy_by_loops(truth, pi, list(V), truth.normalised)
        for s in range(mdp.n_states):
            error = abs(Fraction(float(computed[s])) - (exact[s] - Fraction(float(V[s]))))
            assert error <= roundoff


@settings(max_examples=60)
@given(mdp=mdps(objective="discounted", terminal=False))
def test_no_time_is_longer_than_the_horizon(mdp):
    """L of any policy, for both truths; it is 1 / (1 - gamma) or a little less where rows leak.

    Seen failing: with 1 / (1 - gamma) rounded down; with the defect with the wrong sign.
    """
    longest = mdp.facts.time
    actions = mdp.allowed.argmax(axis=1).tolist()
    for truth in Case(mdp).truths:
        exact = oracles.evaluate(truth, oracles.policy_of(truth, actions), truth.normalised)
        assert exact.L <= longest <= float(exact.L) * (1 + 1e-9)


def test_where_rows_leak_as_much_as_gamma_there_is_no_horizon():
    """Seen failing: with a division by zero; with a negative time."""
    assert small(gamma=1 - 2.0**-53).facts.time == math.inf
    assert small(gamma=1 - 1e-15).facts.time > 1e15


@settings(max_examples=150)
@given(pair=models_and_values(max_gamma=0.999))
def test_the_bracket_holds_the_optimum_and_the_greedy_policy(pair):
    """MacQueen: for any V whatever, V* and V^greedy lie between the ends.

    Seen failing: with 1 - gamma left out of the factor; with min and max exchanged; with the
    round-off left out (at V = V*).
    """
    mdp, V = pair
    assert_bracket(mdp, V)


@settings(max_examples=60)
@given(mdp=mdps(objective="discounted"))
def test_the_bracket_at_the_optimum_is_round_off(mdp):
    """V* rounded to floats leaves a width of a few floors.

    Seen failing: with the round-off left out; with a width that does not fall with the residual.
    """
    case = Case(mdp)
    V = oracles.floats(case.optima[0].V)
    found = assert_bracket(mdp, V)
    assert found.width <= 3 * found.floor or case.largest_value == 0


def assert_bracket(mdp, V):
    """Both certificates of one backup of V: lower <= V^pi <= V* <= upper, bound and loss."""
    case = Case(mdp)
    Q = backup(mdp, V)
    actions = Q.argmax(axis=1)
    best = Q.max(axis=1)
    found = certificates.bracket(mdp, V, best, best)
    shifted = best + found.shift
    shifted[mdp.terminal] = 0
    kept = best.copy()
    kept[mdp.terminal] = 0
    for values, certified in (
        (shifted, certificates.certify(mdp, best, best, found, found.shift)),
        (kept, certificates.certify(mdp, best, best, found)),
    ):
        bound, loss, lower, upper = certified
        for truth, optimum in zip(case.truths, case.optima, strict=True):
            exact = oracles.evaluate(truth, oracles.policy_of(truth, actions), truth.normalised)
            for s in range(mdp.n_states):
                assert lower[s] <= exact.V[s] <= optimum.V[s] <= upper[s]
                assert optimum.V[s] - exact.V[s] <= loss
            assert oracles.largest_error(values, optimum.V) <= bound
        assert not lower[mdp.terminal].any() and not upper[mdp.terminal].any()
    return found


@settings(max_examples=60)
@given(pair=models_and_values(max_gamma=0.99))
def test_the_middle_is_half_as_wrong_as_an_end(pair):
    """The width is half of the distance between the ends, and the shift leads to the middle.

    Seen failing: with the whole distance; with the shift of the wrong sign.
    """
    mdp, V = pair
    best = backup(mdp, V).max(axis=1)
    found = certificates.bracket(mdp, V, best, best)
    low, high = found.factor * found.low, found.factor * found.high
    size = abs(low) + abs(high)
    assert abs(found.width - found.roundoff - (high - low) / 2) <= 1e-12 * size
    assert abs(found.shift - (high + low) / 2) <= 1e-12 * size


def test_actions_within_twice_the_error_are_marked():
    """Seen failing: with the error once; with the best action alone; with refused ones marked."""
    Q = np.array([[1.0, 0.8, 0.79, -np.inf]])
    marked = certificates.optimal_actions(Q, Q.max(axis=1), 0.1)
    assert marked.tolist() == [[True, True, False, False]]
    assert not marked.flags.writeable


def test_magnitudes_of_small_arrays():
    """Seen failing: with the absolute value of the largest number."""
    x = np.array([-3.0, 2.0])
    assert (certificates.largest(x), certificates.smallest(x)) == (2.0, -3.0)
    assert certificates.magnitude(x) == 3.0
    assert math.isnan(certificates.largest(np.array([1.0, np.nan])))


def test_a_time_that_is_not_proved_makes_every_number_infinite():
    """Where the horizon is inf, the bound is: nan once, from inf * 0 at a fixed point.

    Seen failing: with inf * 0 for the reach.
    """
    mdp = MDP([[[0.1, 0.2, 0.7]]] * 3, np.zeros((3, 1)), 1 - 2.0**-53)
    V = np.zeros(3)
    found = certificates.bracket(mdp, V, V, V)
    assert found.roundoff == found.width == math.inf
    assert found.shift == 0
    assert certificates.certify(mdp, V, V, found)[0] == math.inf
    assert certificates.certify(mdp, V, V, found, found.shift)[0] == math.inf
