"""Backward induction: time, the reward at the end, and policies that depend on the time left."""

import numpy as np
import pytest
from hypothesis import given, settings

import oracles
from mdptools import (
    MDP,
    ConvergenceError,
    ModelError,
    backward_induction,
    evaluate,
    policy_iteration,
)
from mdptools.problems import small
from mdptools.testing.strategies import mdps
from properties import Case, assert_right


@settings(max_examples=60)
@given(mdp=mdps(objective="finite", max_states=3, max_actions=2, max_horizon=3))
def test_no_policy_of_all_is_better(mdp):
    """Against every deterministic policy there is, time-dependent ones included.

    Seen failing: with the same actions at each time; with `final` at the wrong end.
    """
    best = oracles.best_by_enumeration(mdp)
    solution = backward_induction(mdp, tol=np.inf)
    assert oracles.largest_error(solution.V, best) <= solution.certificate.bound


def test_what_pays_depends_on_the_time_left():
    """Waiting for 10 takes two steps; with one step left, take 1.

    Seen failing: with time running forward in pi.
    """
    P = np.zeros((3, 2, 3))
    P[0, 0, 2] = P[0, 1, 1] = P[1, :, 2] = P[2, :, 2] = 1
    mdp = MDP(P, [[1, 0], [10, 10], [0, 0]], horizon=2)
    solution = backward_induction(mdp)
    assert solution.pi[:, 0].argmax(axis=1).tolist() == [1, 0]
    assert solution.V.tolist() == [[10, 10, 0], [1, 10, 0], [0, 0, 0]]
    assert solution.J == 10  # mu: states 0 and 1, half each


def test_final_is_paid_once_at_the_end():
    """Seen failing: with `final` not discounted; with `final` paid at each step."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5, horizon=3, final=[8.0])
    solution = backward_induction(mdp)
    assert solution.V.ravel().tolist() == [1 + 0.5 + 0.25 + 1, 1 + 0.5 + 2, 1 + 4, 8]
    assert solution.sweeps == 3


def test_a_long_horizon_is_the_discounted_model():
    """|V_H - V*| <= gamma^H max|V*|.

    Seen failing: with gamma left out of one backup; with V[-1] compared.
    """
    long = backward_induction(small(gamma=0.5).with_objective(gamma=0.5, horizon=60))
    limit = policy_iteration(small(gamma=0.5))
    most = 0.5**60 * np.abs(limit.V).max() + long.certificate.bound + limit.certificate.bound
    assert np.abs(long.V[0] - limit.V).max() <= most


def test_the_policy_is_worth_what_it_says():
    """Seen failing: with the worst action in pi."""
    mdp = small().with_objective(gamma=1.0, horizon=5)
    solution = backward_induction(mdp)
    found = evaluate(mdp, solution.pi)
    assert np.array_equal(found.V, solution.V)
    assert abs(found.J - solution.J) <= found.J_certificate.bound + solution.certificate.bound


def test_below_the_round_off_is_an_error_with_the_answer():
    """Seen failing: with the answer returned in silence."""
    mdp = small().with_objective(gamma=0.99, horizon=5)
    with pytest.raises(ConvergenceError, match="float64 proves no bound below") as caught:
        backward_induction(mdp, tol=1e-20)
    assert caught.value.floor == caught.value.solution.certificate.bound
    assert_right(Case(mdp), caught.value.solution)


def test_a_model_without_rewards_needs_no_tolerance():
    """Seen failing: with `tol=None` standing for 1e-9 times 0 and nothing else."""
    solution = backward_induction(MDP([[[1.0]]], [[0.0]], horizon=2))
    assert not solution.V.any() and solution.certificate.bound == 0


@pytest.mark.parametrize("horizon", [10**9, 10**26])
def test_tables_that_do_not_fit_are_refused(horizon):
    """Seen failing: without the check, by a MemoryError or by NumPy's largest dimension."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5, horizon=horizon * 2)
    with pytest.raises(ModelError, match=r"backward_induction makes tables .* GiB each\. Take a"):
        backward_induction(mdp)
    with pytest.raises(ModelError, match=r"evaluate makes tables"):
        evaluate(mdp, [[1.0]])
