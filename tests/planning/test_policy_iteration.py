"""Policy iteration: where it starts, that it stops, that ties do not keep it going; the rules."""

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from mdptools import MDP, ConvergenceError, ModelError, evaluate, policy_iteration, value_iteration
from mdptools.planning import _policy_iteration
from mdptools.planning._simplex import Tableau
from mdptools.problems import garnet, small
from mdptools.testing.strategies import mdps, policies
from properties import Case, assert_greedy_improves, assert_plans, assert_right

RULES = ("howard", "simplex")


@settings(max_examples=100)
@given(data=st.data())
def test_the_greedy_policy_is_nowhere_worse(data):
    """The step that policy iteration stands on, decided in exact fractions.

    Seen failing: with min for max in the greedy step; with Q of `evaluate` lacking gamma.
    """
    mdp = data.draw(mdps(objective="discounted"))
    assert_greedy_improves(Case(mdp), data.draw(policies(mdp)), evaluate)


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60)
@given(data=st.data())
def test_any_first_policy_leads_to_the_optimum(rule, data):
    """Seen failing: with `stable = True` after the first evaluation."""
    mdp = data.draw(mdps(objective="discounted"))
    case = Case(mdp)
    solution = policy_iteration(mdp, tol=np.inf, pi0=data.draw(policies(mdp)), rule=rule)
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


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_states", [2, 3, 7])
def test_ties_do_not_keep_it_going(n_states, rule):
    """Copies of actions whose probabilities differ in the last bit: no strict improvement.

    Seen failing: with any improvement taken, at once or after the first one of the simplex rule;
    with the optimal actions by equality.
    """
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(n_states), size=n_states)
    up, down = P.copy(), P.copy()
    for moved, first, second in ((up, 0, 1), (down, 1, 0)):
        moved[:, first] = np.nextafter(moved[:, first], 1)
        moved[:, second] = np.nextafter(moved[:, second], 0)
    R = rng.standard_normal(n_states)[:, None] * np.ones(3)
    mdp = MDP(np.stack([P, up, down], axis=1), R, 0.999)
    mixed = np.eye(3)[np.arange(n_states) % 3]
    solution = policy_iteration(mdp, pi0=mixed, rule=rule)
    assert solution.sweeps == 1
    assert solution.optimal_actions.all()
    # And after a change that is worth it.
    worse = MDP(np.stack([P, up, down, P], axis=1), np.column_stack([R, R[:, 0] - 1]), 0.999)
    bad = np.column_stack([mixed, np.zeros(n_states)])
    bad[0] = [0, 0, 0, 1]
    assert policy_iteration(worse, pi0=bad, rule=rule).sweeps == 2


@pytest.mark.parametrize("rule", RULES)
def test_history_has_one_bound_for_each_policy(rule):
    """And each is one: V of a policy that was stopped there is that near.

    Seen failing: with nothing kept; with half the width of the bracket, the bound of its middle.
    """
    mdp = garnet(8, 3, 3, gamma=0.9, rng=2)
    worst = np.eye(3)[mdp.R.argmin(axis=1)]
    solution = policy_iteration(mdp, pi0=worst, history=True, rule=rule)
    assert solution.history.shape == (solution.sweeps,) and solution.sweeps > 1
    assert solution.history[-1] <= solution.certificate.bound
    for n, bound in enumerate(solution.history[:-1], start=1):
        with pytest.raises(ConvergenceError, match=f"max_iterations = {n} were not") as caught:
            policy_iteration(mdp, pi0=worst, max_iterations=n, rule=rule)
        early = caught.value.solution
        assert_right(Case(mdp), early)
        assert early.sweeps == n
        assert early.certificate.bound == pytest.approx(bound, rel=1e-9)


def test_an_early_answer_keeps_every_action_that_could_be_optimal():
    """Two ways to 0.25: at once, or through a state that the first policy does not exploit.

    gamma = 0.25: what is proved of V, times gamma, says less than what is proved of Q.
    Seen failing: with the bound of `certify` alone.
    """
    P = [[[0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 1, 0]], [[0, 0, 1], [0, 0, 1]]]
    mdp = MDP(P, [[0, 0.25], [0, 0.75], [0, 0]], 0.25)

    def stop(step):
        raise StopIteration

    solution = policy_iteration(mdp, pi0=[[1, 0]] * 3, callback=stop)
    assert_right(Case(mdp), solution)
    assert solution.optimal_actions[0].all()


# --- the simplex rule ---------------------------------------------------------------------------


@settings(max_examples=40)
@given(data=st.data())
def test_every_answer_of_the_simplex_rule_is_within_its_bound(data):
    """The table of planners runs Howard's rule: here is the other.

    Seen failing: with the state of the smallest advantage.
    """
    mdp = data.draw(mdps(objective="discounted"))
    assert_plans(
        Case(mdp),
        lambda mdp, tol: policy_iteration(mdp, tol=tol, rule="simplex"),
        (1.0, 1e-6, 1e-17),
    )


@pytest.mark.parametrize("refactor", [1, 3, 50])
@pytest.mark.parametrize("seed", range(3))
def test_the_simplex_rule_takes_the_largest_advantage(seed, refactor, monkeypatch):
    """One state at a time, and which one is decided in fractions.

    Seen failing: with all states that improve; with the first one that does; with an LU that does
    not follow the changes; with the sign of the denominator's second term turned round.
    """
    monkeypatch.setattr(_policy_iteration, "REFACTOR", refactor)
    mdp = garnet(7, 3, 3, gamma=0.9, rng=seed)
    worst = np.eye(3)[mdp.R.argmin(axis=1)]
    last = policy_iteration(mdp, pi0=worst, rule="simplex")
    assert last.sweeps > 5
    pi = worst
    for n in range(2, last.sweeps + 1):
        exact = oracles.evaluate(mdp, pi)
        A = np.array(exact.A, dtype=float)
        s, a = np.unravel_index(A.argmax(), A.shape)
        pi = pi.copy()
        pi[s] = np.eye(3)[a]
        if n == last.sweeps:
            found = last
        else:
            with pytest.raises(ConvergenceError, match="max_iterations") as caught:
                policy_iteration(mdp, pi0=worst, rule="simplex", max_iterations=n)
            found = caught.value.solution
        assert np.array_equal(found.pi, pi), f"policy {n} is another"


@pytest.mark.parametrize("sparse", [False, True])
def test_updates_of_rank_one_are_as_good_as_solves(sparse, monkeypatch):
    """The bounds of hundreds of policies, each from a fresh LU, or from one for 50 of them.

    Seen failing: with the factor gamma left out of the update; with the columns of the first LU.
    """
    mdp = garnet(150, 4, 5, gamma=0.99, rng=0, sparse=sparse)
    worst = np.eye(4)[mdp.R.argmin(axis=1)]
    updated = policy_iteration(mdp, pi0=worst, rule="simplex", history=True)
    monkeypatch.setattr(_policy_iteration, "REFACTOR", 1)
    solved = policy_iteration(mdp, pi0=worst, rule="simplex", history=True)
    assert updated.sweeps == solved.sweeps > 100
    assert updated.history == pytest.approx(solved.history, rel=1e-8, abs=1e-9)
    howard = policy_iteration(mdp, pi0=worst)
    assert np.array_equal(updated.pi, howard.pi) and np.array_equal(updated.V, howard.V)
    assert howard.sweeps < 20


def test_a_denominator_that_is_lost_ends_the_updates():
    """gamma so close to 1 that 1 - gamma d.c is no number above 0: V stays, the action changes.

    Seen failing: with a division by it all the same.
    """
    mdp = small()
    wild = SimpleNamespace(solve=lambda b: np.array([-1e30, 1e30]))
    tableau = Tableau(mdp, np.array([0, 2]), np.ones(2), wild)
    assert not tableau.change(1, 3, 1.0)
    assert tableau.pairs.tolist() == [0, 3] and tableau.V.tolist() == [1, 1]
    for rate in (1e-9, 1e-15, 2.0**-53):
        near = small(gamma=1 - rate)
        try:
            solution = policy_iteration(near, rule="simplex", tol=1e-9, pi0=[[1, 0], [0, 1]])
        except ConvergenceError as error:
            solution = error.solution
        assert_right(Case(near), solution)


# --- warm starts, and being stopped -------------------------------------------------------------


def test_a_warm_start_from_values(monkeypatch):
    """The greedy policy of V0; its entries on terminal states do not count.

    Seen failing: with V0 ignored; with V0 of terminal states used.
    """
    mdp = garnet(40, 4, 5, gamma=0.99, rng=3)
    best = policy_iteration(mdp)
    assert policy_iteration(mdp, V0=best.V).sweeps == 1
    V0 = -1e3 * mdp.R.max(axis=1)
    monkeypatch.setattr(_policy_iteration, "WARM_UP", 0)
    with pytest.raises(ConvergenceError, match="max_iterations") as caught:
        policy_iteration(mdp, V0=V0, max_iterations=1)
    greedy = np.eye(4)[(mdp.R + mdp.gamma * mdp.P @ V0).argmax(axis=1)]
    assert np.array_equal(caught.value.solution.pi, greedy)
    ends = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 5], [0, 0]], 0.5)
    assert policy_iteration(ends, V0=[0, -1e6]).sweeps == 1


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("signal", [StopIteration, KeyboardInterrupt])
@pytest.mark.parametrize("after", [1, 2])
def test_who_stops_it_gets_the_best_answer_so_far(rule, signal, after):
    """The bound of the last step holds for the answer.

    Seen failing: with V of the last LU, not of the tableau; with the stop raised as an error; with
    half the width of the bracket told to the callback.
    """
    mdp = garnet(8, 3, 3, gamma=0.9, rng=2)
    worst = np.eye(3)[mdp.R.argmin(axis=1)]
    steps = []

    def stop(step):
        steps.append(step)
        if step.sweep == after:
            raise signal

    solution = policy_iteration(mdp, tol=1e-9, pi0=worst, rule=rule, callback=stop, history=True)
    assert [step.sweep for step in steps] == list(range(1, after + 1))
    assert {step.method for step in steps} == {"policy_iteration"}
    assert solution.sweeps == after == len(solution.history)
    assert_right(Case(mdp), solution)
    assert 1e-9 < solution.certificate.bound <= steps[-1].bound * (1 + 1e-9)
    with pytest.raises(ConvergenceError, match="max_iterations") as caught:
        policy_iteration(mdp, pi0=worst, rule=rule, max_iterations=after)
    assert solution.V == pytest.approx(caught.value.solution.V, rel=1e-12)
    who = "Ctrl-C" if signal is KeyboardInterrupt else "the callback"
    assert solution.reason.endswith(f"; stopped by {who} after {after} sweep{'s' * (after > 1)}")


@pytest.mark.parametrize("words", [{}, {"V0": [3.0, 4.0]}])
def test_ctrl_c_before_anything_was_evaluated(words, monkeypatch):
    """Then V0, or 0, is what there is: one backup, and its bracket.

    Seen failing: with None for V.
    """

    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(_policy_iteration, "_first_pairs", interrupted)
    solution = policy_iteration(small(), **words)
    assert solution.sweeps == 0 and "stopped by Ctrl-C after 0 sweeps" in solution.reason
    assert_right(Case(small()), solution)
    expected = value_iteration(
        small(), V0=words.get("V0", [0.0, 0.0]), max_sweeps=1, tol=np.inf
    ).certificate
    assert solution.certificate.lower == pytest.approx(expected.lower)


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
        ({"pi0": [[1, 0]] * 2, "V0": [0, 0]}, "pi0 and V0 are both given"),
        ({"V0": [0.0]}, r"V0 has shape \(1,\)"),
        ({"rule": "dantzig"}, "rule is 'dantzig'; it must be 'howard' or 'simplex'"),
        ({"callback": 3}, "callback is 3; it must be a function"),
    ],
)
def test_wrong_arguments_are_refused(wrong, match):
    """Seen failing: with each check taken out in turn."""
    with pytest.raises(ModelError, match=match):
        policy_iteration(small(), **wrong)
