"""Value iteration and Q-iteration: where they start, when they stop, whose Q it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from mdptools import MDP, ConvergenceError, ModelError, evaluate, q_iteration, value_iteration
from mdptools.problems import small
from mdptools.testing.strategies import mdps, policies
from properties import Case, assert_right

CYCLE = MDP([[[0, 1]], [[1, 0]]], [[1.0], [0.0]], 0.9)


@settings(max_examples=100)
@given(data=st.data())
def test_q_of_a_policy(data):
    """|Q - Q^pi| and |V - V^pi| are within the bound, and pi is what was asked.

    Seen failing: with the maximum for the mean over pi.
    """
    mdp = data.draw(mdps(objective="discounted", max_gamma=0.99))
    pi = data.draw(policies(mdp))
    case = Case(mdp)
    tol = data.draw(st.sampled_from((1e-3, 1e-6, 1e-9))) * case.scale
    try:
        solution = q_iteration(mdp, pi, tol=tol)
    except ConvergenceError as error:
        solution = error.solution
        assert solution.certificate.bound <= 4 * error.floor
    else:
        assert solution.certificate.bound <= tol
    bound = solution.certificate.bound
    for truth in case.truths:
        exact = oracles.evaluate(truth, pi, truth.normalised)
        assert oracles.largest_error(solution.V, exact.V) <= bound
        assert oracles.largest_error(solution.Q, exact.Q) <= bound
        lower, upper = solution.certificate.lower, solution.certificate.upper
        assert all(x <= v <= y for x, v, y in zip(lower, exact.V, upper, strict=True))
    assert np.array_equal(solution.pi, pi)
    assert solution.certificate.loss == np.inf


def test_q_iteration_agrees_with_evaluate():
    """Two roads to Q^pi: sweeps, and a linear solve.

    Seen failing: with gamma squared in the backup of the sweeps.
    """
    pi = [[0.25, 0.75], [0.5, 0.5]]
    sweeps, solved = q_iteration(small(), pi, tol=1e-7), evaluate(small(), pi)
    most = sweeps.certificate.bound + solved.certificate.bound
    assert np.abs(sweeps.Q - solved.Q).max() <= most <= 2e-7


@settings(max_examples=40)
@given(data=st.data())
def test_any_start_gives_the_same(data):
    """From V0 or Q0, far away or not a number where it does not matter.

    Seen failing: with a thousandth of the old V added in each sweep.
    """
    mdp = data.draw(mdps(objective="discounted", max_gamma=0.99))
    numbers = st.integers(-100, 100)
    V0 = [data.draw(numbers) for _ in range(mdp.n_states)]
    Q0 = np.where(mdp.allowed, np.array(V0)[:, None], np.nan)
    case = Case(mdp)
    for solution in (
        value_iteration(mdp, tol=1e-6 * case.scale, V0=V0),
        q_iteration(mdp, tol=1e-6 * case.scale, Q0=Q0),
    ):
        assert_right(case, solution)


def test_a_start_at_the_optimum_takes_one_sweep():
    """Seen failing: with V0, and with Q0, ignored."""
    solution = value_iteration(small(), tol=1e-6)
    assert value_iteration(small(), tol=1e-6, V0=solution.V).sweeps == 1
    assert q_iteration(small(), tol=1e-6, Q0=solution.Q).sweeps == 1
    assert solution.sweeps > 1


def test_the_bracket_is_much_quicker_than_the_norm():
    """A model that mixes is done in a few sweeps, whatever gamma is.

    The norm of the differences would need log(1e-6 (1 - gamma)) / log(gamma), about 2e6 sweeps.
    Seen failing: with max |TV - V| for the difference of the bracket's ends.
    """
    assert value_iteration(small(gamma=1 - 1e-5), tol=1e-2).sweeps < 200


def test_a_periodic_chain_stops_in_the_middle():
    """The shift of the bracket converges though V itself cannot settle: 41 sweeps at gamma 0.9.

    Seen failing: with `max_sweeps` as the only way out.
    """
    solution = value_iteration(CYCLE, tol=1e-3)
    assert solution.sweeps < 100
    assert np.allclose(solution.V, [1 / 0.19, 0.9 / 0.19], rtol=0, atol=1e-3)


def test_a_periodic_chain_at_gamma_9999():
    """The slowest there is: the bracket shrinks by gamma alone.

    Seen failing: with `max_sweeps` of 10,000.
    """
    mdp = CYCLE.with_objective(gamma=0.9999)
    case = Case(mdp)
    solution = value_iteration(mdp, tol=1e-2 * case.scale)
    assert_right(case, solution)
    assert solution.certificate.bound <= 1e-2 * case.scale


def test_history_is_the_bound_of_each_sweep():
    """Falling by gamma at least, the last one small enough.

    Seen failing: with a history of the residuals; with one entry too few.
    """
    solution = value_iteration(small(), tol=1e-6, history=True)
    assert solution.history.shape == (solution.sweeps,)
    assert (np.diff(solution.history) < 0).all()
    assert solution.history[-1] <= 1e-6 < solution.history[-2]
    assert value_iteration(small(), tol=1e-6).history is None


def test_too_few_sweeps_are_an_error_with_an_answer():
    """Seen failing: with the last iterate returned in silence; with a floor claimed."""
    with pytest.raises(ConvergenceError, match="max_sweeps = 2 were not enough") as caught:
        value_iteration(small(), tol=1e-6, max_sweeps=2)
    assert caught.value.floor is None
    assert caught.value.solution.sweeps == 2
    assert_right(Case(small()), caught.value.solution)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"V0": [1.0]}, r"V0 has shape \(1,\); it must be \(2,\)"),
        ({"V0": [0.0, np.nan]}, r"V0\[1\] is nan"),
        ({"max_sweeps": 0}, "max_sweeps is 0; it must be an int >= 1"),
        ({"max_sweeps": 1.5}, "max_sweeps is 1.5"),
    ],
)
def test_wrong_arguments_are_refused(wrong, match):
    """Seen failing: with each check taken out in turn."""
    with pytest.raises(ModelError, match=match):
        value_iteration(small(), **wrong)


@pytest.mark.parametrize("Q0", [[1.0, 2.0], [[0.0, np.nan], [0.0, 0.0]]])
def test_a_wrong_q0_is_refused(Q0):
    """Seen failing: with the check of Q0 taken out."""
    with pytest.raises(ModelError, match=r"Q0 has shape .*; it must be \(S, A\) = \(2, 2\)"):
        q_iteration(small(), Q0=Q0)


def test_terminal_states_are_worth_nothing_whatever_they_start_with():
    """Seen failing: with the shift applied to terminal states."""
    mdp = MDP([[[0.5, 0.5]], [[0, 1]]], [[1.0], [0.0]], 0.5)
    solution = value_iteration(mdp, V0=[0.0, 7.0], max_sweeps=50)
    assert solution.V[1] == 0
    assert abs(solution.V[0] - 4 / 3) <= solution.certificate.bound
