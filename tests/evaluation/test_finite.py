"""Evaluation on a finite horizon: time in front, policies that change with it, the end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from mdptools import MDP, ModelError, evaluate
from mdptools.problems import small
from mdptools.testing.strategies import mdps, policies
from properties import Case, assert_evaluates, total_error


@settings(max_examples=150)
@given(data=st.data())
def test_visits_by_powers_of_the_chain(data):
    """The other road: gamma^t mu P_pi^t, from products of whole matrices.

    Seen failing: with gamma^(t+1); with the policies in reverse order; with terminal states
    counted.
    """
    mdp = data.draw(mdps(objective="finite"))
    pi = data.draw(policies(mdp))
    found = evaluate(mdp, pi)
    for truth in Case(mdp).truths:
        exact = oracles.visits_by_powers(truth, pi, None, truth.normalised)
        assert total_error(found.visits, exact) <= found.visits_certificate.bound


@settings(max_examples=60)
@given(data=st.data())
def test_a_policy_that_changes_with_time(data):
    """Seen failing: with the first step's policy used throughout; with time reversed."""
    mdp = data.draw(mdps(objective="finite", max_actions=2))
    assert_evaluates(Case(mdp), data.draw(policies(mdp, timed=True)), evaluate)


def test_a_stationary_policy_is_repeated():
    """Seen failing: with the policy used at the first step alone."""
    mdp = small().with_objective(gamma=0.5, horizon=3)
    pi = np.array([[0.25, 0.75], [1.0, 0.0]])
    once, repeated = evaluate(mdp, pi), evaluate(mdp, np.tile(pi, (3, 1, 1)))
    for name in ("V", "Q", "A", "visits", "d"):
        assert np.array_equal(getattr(once, name), getattr(repeated, name))
    assert once.J == repeated.J and once.Z == 1 + 0.5 + 0.25


def test_the_value_at_the_end_is_final():
    """Seen failing: with V of H rows; with `final` left out of Q."""
    mdp = MDP([[[0.5, 0.5]], [[0, 1]]], [[1.0], [1.0]], gamma=0.5, horizon=2, final=[4.0, 8.0])
    found = evaluate(mdp, [[1.0], [1.0]])
    assert found.V.tolist() == [[3.25, 3.5], [4, 5], [4, 8]]
    assert found.Q.shape == (2, 2, 1) and found.A.tolist() == [[[0], [0]]] * 2
    assert found.J == 3.375


def test_the_length_of_an_episode():
    """With gamma = 1 it is H where nothing ends, the mean time to the end elsewhere.

    Seen failing: with terminal states counted.
    """
    P = [[[0.5, 0.5]], [[0, 1]]]
    assert evaluate(MDP(P, [[1.0], [1.0]], horizon=4), [[1.0], [1.0]]).Z == 4
    assert evaluate(MDP(P, [[1.0], [0.0]], horizon=3), [[1.0], [1.0]]).Z == 1.75


def test_a_policy_for_another_horizon_is_refused():
    """Seen failing: with the missing steps made up by broadcasting."""
    mdp = small().with_objective(gamma=1.0, horizon=3)
    with pytest.raises(
        ModelError, match=r"must be \(S, A\) = \(2, 2\) or \(H, S, A\) = \(3, 2, 2\)"
    ):
        evaluate(mdp, np.full((1, 2, 2), 0.5))
