"""Modified policy iteration: sweeps in between, linear solves where they do not help."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from mdptools import (
    MDP,
    ConvergenceError,
    ModelError,
    bellman,
    kernel,
    modified_policy_iteration,
    value_iteration,
)
from mdptools.kernel import _follower, _products
from mdptools.problems import garnet, small
from mdptools.testing.strategies import mdps
from properties import Case, assert_right


def ring(n_states, gamma, *, sparse=False):
    """Steps to the left or to the right, which mix slowly."""
    states = np.arange(n_states)
    P = np.zeros((n_states, 2, n_states))
    for action, step in enumerate((1, -1)):
        P[states, action, (states + step) % n_states] = 0.75
        P[states, action, states] = 0.25
    R = np.random.default_rng(0).standard_normal((n_states, 2))
    return MDP(csr_array(P.reshape(-1, n_states)) if sparse else P, R, gamma)


@settings(max_examples=60)
@given(data=st.data())
def test_any_start_and_any_number_of_sweeps_give_the_same(data):
    """Also far away from the optimum, and above it, where the iterates are not monotone.

    Seen failing: with the rewards, and with the chain, of the first policy kept; with the shift
    added to V and not to Q; with the values of one backup beside the actions of the one before.
    """
    mdp = data.draw(mdps(objective="discounted"))
    case = Case(mdp)
    tol = data.draw(st.sampled_from((1.0, 1e-3, 1e-6))) * case.scale
    numbers = st.integers(-100, 100)
    V0 = [data.draw(numbers) * case.scale for _ in range(mdp.n_states)]
    inner = data.draw(st.integers(1, 30))
    solution = modified_policy_iteration(mdp, tol=tol, inner=inner, max_sweeps=500, V0=V0)
    assert_right(case, solution)
    assert solution.certificate.bound <= tol


def test_fewer_backups_than_value_iteration():
    """Eight sweeps of one policy do nearly what eight backups do.

    Seen failing: with the sweeps left out; with the sweeps made and thrown away.
    """
    mdp = garnet(200, 5, 4, gamma=0.99, rng=0)
    few = modified_policy_iteration(mdp, tol=1e-8, max_sweeps=500)
    many = value_iteration(mdp, tol=1e-8)
    assert 4 * few.sweeps < many.sweeps
    one = modified_policy_iteration(mdp, tol=1e-8, inner=1)
    assert few.sweeps < one.sweeps < many.sweeps
    for solution in (few, one):
        apart = np.abs(solution.V - many.V).max()
        assert apart <= solution.certificate.bound + many.certificate.bound <= 2e-8


def test_a_policy_that_settles_is_swept_longer():
    """One that is found at once needs no backup but the first and the last two.

    Seen failing: with LONGER = 1; with SETTLED = -1.
    """
    mdp = garnet(30, 1, 20, gamma=0.9, rng=0)
    assert modified_policy_iteration(mdp, tol=1e-8, inner=4).sweeps == 3


@pytest.mark.parametrize(("tol", "most"), [(1e-2, 12), (1e-6, 24)])
def test_a_policy_is_swept_no_longer_than_tol_asks_for(tol, most, monkeypatch):
    """Its own bracket is looked at every few sweeps.

    Seen failing: with no look; with 1e-9 for enough.
    """
    products, expect = [], kernel.Follower.expect
    monkeypatch.setattr(
        kernel.Follower, "expect", lambda self, V: products.append(V) or expect(self, V)
    )
    mdp = garnet(30, 1, 20, gamma=0.9, rng=0)
    solution = modified_policy_iteration(mdp, tol=tol, inner=1000)
    assert solution.sweeps == 2 and solution.certificate.bound <= tol
    assert 0 < len(products) <= most


@pytest.mark.parametrize(("n_actions", "usual"), [(2, 4), (6, 6), (25, 20)])
def test_as_many_sweeps_as_cost_one_backup(n_actions, usual):
    """Seen failing: without the smallest and the largest number; with twice as many."""
    mdp = garnet(50, n_actions, 3, gamma=0.99, rng=0)
    default = modified_policy_iteration(mdp, tol=1e-6, history=True)
    chosen = modified_policy_iteration(mdp, tol=1e-6, history=True, inner=usual)
    assert np.array_equal(default.history, chosen.history) and default.sweeps > 2
    other = modified_policy_iteration(mdp, tol=1e-6, history=True, inner=usual - 1)
    assert not np.array_equal(default.history, other.history)


def test_a_policy_that_stays_is_swept_longer_and_longer():
    """A sparse ring that mixes slowly, and is too large for linear solves: 1,500 sweeps to make.

    Seen failing: with LONGEST = 4; with the number of sweeps not kept for the next time.
    """
    mdp = ring(1501, 0.99, sparse=True)
    solution = modified_policy_iteration(mdp, tol=1e-6, history=True)
    assert solution.sweeps < 120
    assert (np.diff(solution.history[-5:]) < 0).all()


def test_sweeping_ends_at_the_round_off():
    """A tolerance of nearly nothing does not keep the sweeps going that float64 lets no further.

    Seen failing: with the round-off left out of what is enough.
    """
    mdp, products = garnet(30, 1, 20, gamma=0.9, rng=0), []
    expect = kernel.Follower.expect
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            kernel.Follower, "expect", lambda self, V: products.append(V) or expect(self, V)
        )
        with pytest.raises(ConvergenceError, match="float64 proves no bound below"):
            modified_policy_iteration(mdp, tol=1e-300, inner=10_000)
    assert len(products) < 100


@settings(max_examples=60)
@given(data=st.data())
def test_how_p_is_stored_and_swept_makes_no_difference(data):
    """Dense P without its zeros, sparse P in blocks on threads, chains with rows apart.

    Seen failing: with `compact` keeping the last block of rows alone; with blocks that overlap by
    a state; with the rows apart of the policy before.
    """
    mdp = data.draw(mdps(objective="discounted"))
    case = Case(mdp)
    tol = data.draw(st.sampled_from((1.0, 1e-6))) * case.scale
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_follower, "THIN", 0)
        patch.setattr(_follower, "AT_ONCE", data.draw(st.integers(1, 20)))
        patch.setattr(_follower, "FEW", data.draw(st.sampled_from((0.0, 0.5, 1.0))))
        patch.setattr(_products, "MANY", 1)
        patch.setattr(_products, "BLOCK", data.draw(st.integers(1, 20)))
        patch.setattr(bellman, "SHORT", 0)
        patch.setenv("OMP_NUM_THREADS", "2")
        two = modified_policy_iteration(mdp, tol=tol)
        patch.setenv("OMP_NUM_THREADS", "1")
        one = modified_policy_iteration(mdp, tol=tol)
    assert_right(case, two)
    assert two.certificate.bound <= tol
    for word in ("V", "Q", "pi", "optimal_actions"):
        assert getattr(one, word).tobytes() == getattr(two, word).tobytes()


def test_a_dense_model_of_few_successors_is_solved_by_its_dense_chain(monkeypatch):
    """Its sweeps leave the zeros out, but an LU of a random graph is quicker with them.

    Seen failing: with the chain of the compact P solved.
    """
    chains, real = [], kernel.Resolvent
    monkeypatch.setattr(
        kernel, "Resolvent", lambda chain, gamma: chains.append(chain) or real(chain, gamma)
    )
    mdp = ring(101, 0.9999)
    assert kernel.compact(mdp.P, mdp.facts.terms) is not mdp.P
    modified_policy_iteration(mdp)
    assert chains and all(isinstance(chain, np.ndarray) for chain in chains)


def counted(monkeypatch, name):
    """How often a function of the kernel is called from now on, as a list that grows."""
    calls, real = [], getattr(kernel, name)
    monkeypatch.setattr(kernel, name, lambda *words: calls.append(name) or real(*words))
    return calls


def test_the_first_backup_is_free_and_the_last_one_is_not_repeated(monkeypatch):
    """One product less than backups: from zero, Q is R; and the answer is the shifted last Q.

    Seen failing: with a backup of zeros; with a backup of the middle, as value iteration does it.
    """
    products = counted(monkeypatch, "expect_in_blocks")
    assert modified_policy_iteration(small(), tol=1e-6).sweeps == len(products) + 1 > 1


def test_a_chain_that_mixes_slowly_is_solved(monkeypatch):
    """A ring at gamma 0.9999: sweeps alone would need 10,000 backups and more.

    Seen failing: with `solving = False`; with solves that stop after the first.
    """
    mdp = ring(101, 0.9999)
    solves = counted(monkeypatch, "Resolvent")
    solution = modified_policy_iteration(mdp, max_sweeps=1000)
    assert 1 < len(solves) <= solution.sweeps < 100
    assert_fits(mdp, solution)


def assert_fits(mdp, solution):
    """V = R_pi + gamma P_pi V and no action is better, up to the bound, by NumPy alone."""
    flat = mdp.P.reshape(-1, mdp.n_states) @ solution.V
    best = (mdp.R + mdp.gamma * flat.reshape(mdp.R.shape)).max(axis=1)
    assert np.abs(best - solution.V).max() <= 2 * solution.certificate.bound


def test_a_model_that_mixes_well_is_not_solved(monkeypatch):
    """Seen failing: with SLOW = 0; with gamma left out of the sweeps."""
    solves = counted(monkeypatch, "Resolvent")
    mdp = garnet(50, 3, 20, gamma=0.99, rng=0)
    assert modified_policy_iteration(mdp, max_sweeps=1000).sweeps > 1
    assert not solves


@pytest.mark.parametrize("sparse", [False, True])
def test_large_models_are_swept_however_slow_they_are(sparse, monkeypatch):
    """Seen failing: with no limit; with the limit of dense models for sparse ones."""
    if sparse:
        mdp = ring(1001, 0.97, sparse=True)
    else:
        monkeypatch.setattr("mdptools.planning._modified_policy_iteration.LARGE_DENSE", 20)
        mdp = ring(21, 0.97)
    solves = counted(monkeypatch, "Resolvent")
    slow = modified_policy_iteration(mdp, tol=1e-3, inner=1, max_sweeps=1000, history=True)
    assert (slow.history[2:] > 0.7 * slow.history[1:-1]).any()
    assert not solves
    assert_fits(mdp, slow)


@pytest.mark.parametrize("broken", ["raises", "is nan", "is anything"])
def test_a_linear_solve_that_fails_does_no_harm(broken, monkeypatch):
    """A zero pivot, numbers that are none, or wrong numbers: sweeps go on from there.

    Seen failing: with the ArithmeticError let through; with V taken whatever it is, or as it is on
    a terminal state; with a policy solved again when it comes back.
    """
    rng, calls = np.random.default_rng(0), []

    class Broken:
        def __init__(self, chain, gamma):
            calls.append(gamma)
            if broken == "raises":
                raise ArithmeticError("singular")

        def solve(self, b):
            return b * np.nan if broken == "is nan" else rng.standard_normal(len(b))

    monkeypatch.setattr(kernel, "Resolvent", Broken)
    P = np.zeros((6, 2, 6))
    P[:5, :, :5] = np.stack([np.roll(np.eye(5), k, axis=1) for k in (1, 2)], axis=1)  # mixes never
    P[5, :, 5] = 1.0
    R = np.vstack([np.random.default_rng(1).random((5, 2)), [0.0, 0.0]])
    mdp = MDP(P, R, 0.9, terminal=[5])
    solution = modified_policy_iteration(mdp, tol=1e-6, inner=1, max_sweeps=500)
    assert calls
    assert_right(Case(mdp), solution)


def test_ties_do_not_keep_it_going():
    """Copies of actions on a chain that hardly mixes, down to the floor of float64.

    Seen failing: with the floor left out of the stopping rule.
    """
    P = np.random.default_rng(0).dirichlet(np.ones(4), size=4)
    cycle = 0.001 * P + 0.999 * np.roll(np.eye(4), 1, axis=1)
    rewards = np.array([[1.0], [2.0], [0.0], [5.0]]) * np.ones(3)
    mdp = MDP(np.stack([cycle, cycle + 0.0, cycle], axis=1), rewards, 0.9999)
    with pytest.raises(ConvergenceError, match="float64 proves no bound below") as caught:
        modified_policy_iteration(mdp, tol=1e-300, max_sweeps=1000)
    assert caught.value.solution.sweeps < 1000
    assert caught.value.solution.optimal_actions.all()
    assert_right(Case(mdp), caught.value.solution)


def test_a_start_at_the_optimum_takes_one_backup():
    """Seen failing: with V0 ignored."""
    solution = modified_policy_iteration(small(), tol=1e-6)
    again = modified_policy_iteration(small(), tol=1e-6, V0=solution.V)
    assert again.sweeps == 1 < solution.sweeps
    assert_right(Case(small()), again)


def test_history_is_the_bound_of_each_backup():
    """Falling, the last one small enough.

    Seen failing: with a history of the residuals; with one entry too few; with half of the
    differences' spread left out of the bound, which Q needs.
    """
    solution = modified_policy_iteration(small(), tol=1e-6, history=True)
    assert solution.history.shape == (solution.sweeps,)
    assert solution.history[-1] <= solution.certificate.bound <= 1e-6 < solution.history[-2]
    assert modified_policy_iteration(small(), tol=1e-6).history is None


def test_terminal_states_are_worth_exactly_nothing():
    """V and Q, for every action, however far they are shifted elsewhere and wherever V0 is.

    Seen failing: with the shift applied to terminal states; with V0 kept there.
    """
    P = [[[0.5, 0.5, 0], [0.9, 0.1, 0]], [[0.2, 0.8, 0], [0, 0.5, 0.5]], [[0, 0, 1], [0, 0, 1]]]
    mdp = MDP(
        P, [[1, 2], [3, -1], [0, 0]], 0.9, allowed=[[True, True], [True, True], [True, False]]
    )
    for start in (None, [0.0, 0.0, 7.0]):
        solution = modified_policy_iteration(mdp, tol=10.0, V0=start)
        assert solution.V[2] == 0 == solution.Q[2, 0]
        assert solution.Q[2, 1] == -np.inf
        assert_right(Case(mdp), solution)


def test_too_few_backups_are_an_error_with_an_answer():
    """Seen failing: with the last iterate returned in silence; with a floor claimed."""
    with pytest.raises(ConvergenceError, match="max_sweeps = 2 were not enough") as caught:
        modified_policy_iteration(small(), tol=1e-6, max_sweeps=2)
    assert caught.value.floor is None
    assert caught.value.solution.sweeps == 2
    assert_right(Case(small()), caught.value.solution)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"V0": [1.0]}, r"V0 has shape \(1,\); it must be \(2,\)"),
        ({"V0": [0.0, np.nan]}, r"V0\[1\] is nan"),
        ({"max_sweeps": 0}, "max_sweeps is 0; it must be an int >= 1"),
        ({"inner": 0}, "inner is 0; it must be an int >= 1"),
        ({"inner": 2.5}, "inner is 2.5"),
    ],
)
def test_wrong_arguments_are_refused(wrong, match):
    """Seen failing: with each check taken out in turn."""
    with pytest.raises(ModelError, match=match):
        modified_policy_iteration(small(), **wrong)
