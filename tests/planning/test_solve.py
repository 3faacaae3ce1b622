"""solve: the right planner for each model, and the numbers of Gymnasium's toy environments."""

import gymnasium
import numpy as np
import pytest
from scipy import sparse

from mdptools import MDP, ModelError, from_gymnasium, planning, solve
from mdptools.planning import _solve
from mdptools.problems import grid_world, small
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
        ({"average": True}, "average_policy_iteration", "average reward, and at most 500 states"),
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


@pytest.mark.parametrize(
    ("n_states", "method"), [(500, "policy_iteration"), (501, "modified_policy_iteration")]
)
def test_a_large_dense_model_is_swept(n_states, method):
    """An LU grows with S^3, a sweep with S^2.

    Seen failing: with `<` for `<=`; with policy iteration for all dense models.
    """
    mdp = MDP(np.roll(np.eye(n_states), 1, axis=1)[:, None, :], np.ones((n_states, 1)), 0.9)
    solution = solve(mdp)
    assert solution.method == method and f"{500} states" in solution.reason
    assert np.abs(solution.V - 10).max() <= solution.certificate.bound <= 1e-8


def test_the_caller_may_choose():
    """Seen failing: with `method` ignored; with the reason of "auto" kept."""
    for name in (
        "value_iteration",
        "q_iteration",
        "policy_iteration",
        "linear_program",
        "modified_policy_iteration",
    ):
        solution = solve(small(), method=name)
        assert solution.method == name and solution.reason == "the caller asked for it"
        assert_right(Case(small()), solution)


def test_an_unknown_method_is_refused():
    """Seen failing: with the KeyError let through; with the TypeError of what has no hash."""
    for method in ("magic", ["auto"]):
        with pytest.raises(ModelError, match=r"method is .*; it must be 'auto' or one of \["):
            solve(small(), method=method)


def test_a_method_for_another_objective_is_refused():
    """Seen failing: with `check_served` of total_reward taken out."""
    with pytest.raises(ModelError, match="total_reward serves the objective total"):
        solve(small(), method="total_reward")


def test_planners_go_by_the_names_of_the_face():
    """Seen failing: with the name of a planner misspelt; with another function in its row."""
    from mdptools.planning import _solve

    assert set(_solve.PLANNERS) < set(planning.__all__)
    assert all(_solve.PLANNERS[name] is getattr(planning, name) for name in _solve.PLANNERS)


def one_way(n):
    """Each state leads on, the last one is the end."""
    P = sparse.csr_array((np.ones(n), (np.arange(n), np.minimum(np.arange(n) + 1, n - 1))))
    return MDP(P, np.where(np.arange(n) < n - 1, -1.0, 0.0), 0.9)


def there_and_back(n):
    """A corridor of two lanes with the end at one end."""
    grid = grid_world(["." * n, "." * (n - 1) + "G"], gamma=0.9, step_reward=-1.0)
    return MDP(sparse.csr_array(grid.P.reshape(-1, grid.n_states)), grid.R, 0.9)


@pytest.mark.parametrize(
    ("mdp", "far", "method", "why"),
    [
        (one_way(30), 500, "topological_value_iteration", "no strong component has more than"),
        (there_and_back(30), 20, "gauss_seidel_value_iteration", "blocks backwards from there"),
        (there_and_back(30), 500, "modified_policy_iteration", "P is sparse: an LU may fill in"),
    ],
)
def test_large_sparse_models_with_ends_are_taken_in_their_order(mdp, far, method, why, monkeypatch):
    """Seen failing: with the components not asked; with the depth not compared."""
    for name, value in {"HUGE": 10, "SMALL": 5, "FAR": far, "WIDE": 2}.items():
        monkeypatch.setattr(_solve, name, value)
    solution = solve(mdp, tol=1e-6)
    assert (solution.method, why in solution.reason) == (method, True)
    assert_right(Case(mdp), solution)


def test_infinite_values_can_be_kept():
    """Seen failing: with the argument not handed on; without the check of the objective."""
    P = [[[0, 0, 1], [0, 0, 1]], [[0, 1, 0], [0, 0, 1]], [[0, 0, 1], [0, 0, 1]]]
    mdp = MDP(P, [[-1, -2], [2, 0], [0, 0]], gamma=1.0)
    assert solve(mdp, infinite="keep").V.tolist() == [-1, np.inf, 0]
    with pytest.raises(ModelError, match="infinite in state 1"):
        solve(mdp)
    with pytest.raises(
        ModelError, match=r"infinite='keep' is for total reward; this .* discounted"
    ):
        solve(small(), infinite="keep")
