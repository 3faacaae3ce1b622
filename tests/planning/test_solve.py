"""solve: the right planner for each model, and the numbers of Gymnasium's toy environments."""

import gymnasium
import numpy as np
import pytest

from mdptools import MDP, ModelError, from_gymnasium, planning, solve
from mdptools.problems import small
from properties import Case, assert_right


def newest(name):
    """The newest version of an environment that this Gymnasium has."""
    versions = [
        int(key.rpartition("-v")[2]) for key in gymnasium.registry if key.startswith(f"{name}-v")
    ]
    if not versions:
        pytest.skip(f"this Gymnasium has no {name}")
    return f"{name}-v{max(versions)}"


@pytest.mark.parametrize(
    ("name", "J", "digits"),
    [
        ("FrozenLake", 0.5420, 4),
        ("CliffWalking", -12.248, 3),
        ("Taxi", 6.3275, 4),
        ("CliffWalkingSlippery", -46.353, 3),
    ],
)
def test_gymnasium_at_gamma_99(name, J, digits):
    """The optimal start-weighted return.

    Seen failing: with the mean of V for J (mu ignored); with `done` ignored in `from_outcomes`.
    """
    solution = solve(from_gymnasium(newest(name), gamma=0.99), tol=1e-6)
    assert round(solution.J, digits) == J
    assert solution.certificate.bound <= 1e-6


def test_four_states_of_taxi_are_entered_both_ways():
    """With a passenger to drop they end, with one to carry they go on: V* is 18.8, not 0.

    Seen failing: with every state terminal that is entered by ending.
    """
    solution = solve(from_gymnasium(newest("Taxi"), gamma=0.99), tol=1e-6)
    assert np.abs(solution.V[[0, 85, 410, 475]] - 18.8).max() <= 1e-6


@pytest.mark.parametrize(
    ("words", "method", "reason"),
    [
        ({"gamma": 0.9}, "policy_iteration", "P is dense"),
        ({"horizon": 3}, "backward_induction", "the horizon is finite"),
        ({"gamma": 1.0}, "total_reward", "gamma = 1 without a horizon"),
    ],
)
def test_the_method_fits_the_objective_and_says_why(words, method, reason):
    """Seen failing: with the reason of another row; with "the caller asked for it" kept."""
    mdp = MDP([[[0.5, 0.5]], [[0, 1]]], [[1], [0]], gamma=0.9).with_objective(**words)
    solution = solve(mdp)
    assert solution.method == method and reason in solution.reason


def test_a_sparse_model_is_swept():
    """Seen failing: with policy iteration for all discounted models."""
    from scipy.sparse import csr_array

    mdp = MDP(csr_array([[0.5, 0.5], [1.0, 0.0]]), [[1.0], [0.0]], gamma=0.9)
    solution = solve(mdp)
    assert solution.method == "modified_policy_iteration" and "sparse" in solution.reason
    assert_right(Case(mdp), solution)


def test_the_caller_may_choose():
    """Seen failing: with `method` ignored; with the reason of "auto" kept."""
    for name in (
        "value_iteration",
        "q_iteration",
        "policy_iteration",
        "modified_policy_iteration",
    ):
        solution = solve(small(), method=name)
        assert solution.method == name and solution.reason == "the caller asked for it"
        assert_right(Case(small()), solution)


def test_an_unknown_method_is_refused():
    """Seen failing: with the KeyError let through."""
    with pytest.raises(ModelError, match=r"method is 'magic'; it must be 'auto' or one of \["):
        solve(small(), method="magic")


def test_a_method_for_another_objective_is_refused():
    """Seen failing: with `check_served` of total_reward taken out."""
    with pytest.raises(ModelError, match="total_reward serves the objective total"):
        solve(small(), method="total_reward")


def test_average_reward_is_refused():
    """Seen failing: with "average" among the objectives that are served."""
    with pytest.raises(ModelError, match=r"solve serves .*this model's is average"):
        solve(small().with_objective(average=True))


def test_planners_go_by_the_names_of_the_face():
    """Seen failing: with a row of PLANNERS taken out."""
    from mdptools.planning import _solve

    assert set(_solve.PLANNERS) == set(planning.__all__) - {"Solution", "solve"}
    assert all(_solve.PLANNERS[name] is getattr(planning, name) for name in _solve.PLANNERS)
