"""Policy iteration: where it starts, that it stops, and that ties do not keep it going."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdptools import MDP, ConvergenceError, ModelError, evaluate, policy_iteration
from mdptools.problems import small
from mdptools.testing.strategies import mdps, policies
from properties import Case, assert_greedy_improves, assert_right


@settings(max_examples=100)
@given(data=st.data())
def test_the_greedy_policy_is_nowhere_worse(data):
    """The step that policy iteration stands on, decided in exact fractions.

    Seen failing: with min for max in the greedy step; with Q of `evaluate` lacking gamma.
    """
    mdp = data.draw(mdps(objective="discounted"))
    assert_greedy_improves(Case(mdp), data.draw(policies(mdp)), evaluate)


@settings(max_examples=60)
@given(data=st.data())
def test_any_first_policy_leads_to_the_optimum(data):
    """Seen failing: with `stable = True` after the first evaluation."""
    mdp = data.draw(mdps(objective="discounted"))
    case = Case(mdp)
    solution = policy_iteration(mdp, tol=np.inf, pi0=data.draw(policies(mdp)))
    assert_right(case, solution)
    assert solution.certificate.bound <= max(1e-8 * case.scale, 1e5 * case.floor)
    assert solution.sweeps <= mdp.n_actions**mdp.n_states


def test_the_most_probable_action_comes_first():
    """Seen failing: with pi0 ignored; with the least probable action taken."""
    with pytest.raises(ConvergenceError, match="max_iterations = 1 were not enough") as caught:
        policy_iteration(small(), pi0=[[0.9, 0.1], [0.2, 0.8]], max_iterations=1)
    assert caught.value.solution.pi.tolist() == [[1, 0], [0, 1]]
    assert_right(Case(small()), caught.value.solution)


def test_too_few_iterations_are_no_floor():
    """Seen failing: with a floor stated where more work would help."""
    with pytest.raises(ConvergenceError, match="max_iterations") as caught:
        policy_iteration(small(), pi0=[[1, 0], [0, 1]], max_iterations=1)
    assert caught.value.floor is None


@pytest.mark.parametrize("n_states", [2, 3, 7])
def test_ties_do_not_keep_it_going(n_states):
    """Copies of actions whose probabilities differ in the last bit: no strict improvement.

    Seen failing: with any improvement taken, and with the optimal actions by equality.
    """
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(n_states), size=n_states)
    up, down = P.copy(), P.copy()
    for moved, first, second in ((up, 0, 1), (down, 1, 0)):
        moved[:, first] = np.nextafter(moved[:, first], 1)
        moved[:, second] = np.nextafter(moved[:, second], 0)
    R = rng.standard_normal(n_states)[:, None] * np.ones(3)
    mdp = MDP(np.stack([P, up, down], axis=1), R, 0.999)
    solution = policy_iteration(mdp, pi0=np.eye(3)[np.arange(n_states) % 3])
    assert solution.sweeps == 1
    assert solution.optimal_actions.all()


def test_history_has_one_bound_for_each_policy():
    """Seen failing: with nothing kept."""
    solution = policy_iteration(small(), pi0=[[1, 0], [0, 1]], history=True)
    assert solution.history.shape == (solution.sweeps,) and solution.sweeps > 1
    assert solution.history[-1] <= solution.certificate.bound


def test_terminal_states_are_worth_exactly_nothing():
    """Pivoting in a sparse LU left -1.1e-16 there.

    Seen failing: without `V[mdp.terminal] = 0`.
    """
    from scipy.sparse import csr_array

    P = csr_array(([1.0, 1.0], [0, 0], [0, 1, 2]), shape=(2, 2))
    solution = policy_iteration(MDP(P, [[0.0], [1.0]], gamma=0.95))
    assert solution.V.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"max_iterations": 0}, "max_iterations is 0"),
        ({"pi0": [[1.0, 0.5], [0.0, 1.0]]}, "pi sums to 1.5 in state 0"),
        ({"pi0": [1, 0]}, r"pi has shape \(2,\)"),
    ],
)
def test_wrong_arguments_are_refused(wrong, match):
    """Seen failing: with each check taken out in turn."""
    with pytest.raises(ModelError, match=match):
        policy_iteration(small(), **wrong)
