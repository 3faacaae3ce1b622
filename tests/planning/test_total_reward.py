"""Total reward: the traps. Cycles that earn, cost, or do neither; policies that never end."""

import math
from fractions import Fraction

import numpy as np
import pytest

import oracles
from mdptools import MDP, ConvergenceError, ModelError, total_reward
from mdptools.problems import line_world
from properties import Case, assert_right


def moves(nexts, rewards, **keywords):
    """A deterministic model: nexts[s][a] and rewards[s][a]; a missing action is refused."""
    n_states, n_actions = len(nexts), max(len(row) for row in nexts)
    P, R = np.zeros((n_states, n_actions, n_states)), np.zeros((n_states, n_actions))
    allowed = np.zeros((n_states, n_actions), dtype=bool)
    for s, row in enumerate(nexts):
        for a, t in enumerate(row):
            P[s, a, t], R[s, a], allowed[s, a] = 1, rewards[s][a], True
    return MDP(P, R, gamma=1.0, allowed=allowed, **keywords)


def walk(n_steps):
    """A fair walk on 0..n_steps, paid 1 on entering the last state; both ends are terminal."""
    n_states = n_steps + 1
    P, R = np.zeros((n_states, 1, n_states)), np.zeros((n_states, 1))
    inner = np.arange(1, n_steps)
    P[inner, 0, inner - 1] = P[inner, 0, inner + 1] = 0.5
    P[[0, n_steps], 0, [0, n_steps]] = 1
    R[n_steps - 1] = 0.5
    return MDP(P, R, gamma=1.0)


def test_the_line_world():
    """A lecture's table of V*, Q* and the advantage.

    Seen failing: with the cost of the big step moved to state 4.
    """
    solution = total_reward(line_world())
    bound = solution.certificate.bound
    assert bound < 1e-9
    V = [-13, -12, -11, -1, 0]
    left, right = [-14, -14, -13, -12, 0], [-13, -12, -11, -1, 0]
    assert np.abs(solution.V - V).max() <= bound
    assert np.abs(solution.Q - np.transpose([left, right])).max() <= bound
    assert solution.pi[:4].argmax(axis=1).tolist() == [1, 1, 1, 1]
    assert (solution.optimal_actions[:4] == [False, True]).all()


def test_a_cycle_that_earns_is_infinite():
    """The states that can reach it are named, and its actions.

    Seen failing: with the cycle's values returned as they come out of the solver.
    """
    mdp = moves([[1, 2], [0], [2], [0]], [[1, 0], [0], [0], [5]])
    names = "infinite in states 0, 1, 3: the cycle 0 by action 0, 1 by action 0 earns 0.5 a step"
    with pytest.raises(ModelError, match=names):
        total_reward(mdp)


def test_a_cycle_that_earns_far_from_the_start_is_infinite():
    """Seen failing: with only the states looked at that mu reaches."""
    mdp = moves([[1], [1], [2]], [[-1], [0], [2]], mu=[1, 0, 0])
    with pytest.raises(ModelError, match="no policy ends almost surely from state 2: "):
        total_reward(mdp)


def test_no_policy_that_ends_is_refused():
    """Seen failing: without the check; with the states that do end named instead."""
    mdp = moves([[1], [0], [2], [2]], [[-1], [-1], [0], [-7]], terminal=[2])
    with pytest.raises(ModelError, match="no policy ends almost surely from states 0, 1: "):
        total_reward(mdp)


def test_names_of_states_and_actions_are_used():
    """Seen failing: with the numbers alone."""
    words = {"state_names": ("left", "right", "end"), "action_names": ("go", "stop")}
    with pytest.raises(ModelError, match=r"cycle 0 \('left'\) by action 0 \('go'\), 1 \('right'\)"):
        total_reward(moves([[1, 2], [0], [2]], [[1, 0], [1], [0]], **words))


def test_rest_is_better_than_a_costly_end():
    """A cycle without cost beside an exit that costs 1: V* is 0, by resting for ever.

    Seen failing: with the cycle refused because it is not terminal.
    """
    solution = total_reward(moves([[1, 2], [0], [2]], [[0, -1], [0], [0]]))
    assert solution.V.tolist() == [0, 0, 0]
    assert solution.certificate.bound < 1e-12
    assert solution.optimal_actions[:2].tolist() == [[True, False], [True, False]]


def test_an_end_that_pays_is_better_than_rest():
    """Seen failing: with resting places left out of the improvement."""
    solution = total_reward(moves([[1, 2], [0], [2]], [[0, 1], [0], [0]]))
    assert np.abs(solution.V - [1, 1, 0]).max() <= solution.certificate.bound < 1e-12
    assert_right(Case(moves([[1, 2], [0], [2]], [[0, 1], [0], [0]])), solution)


@pytest.mark.parametrize("exit_reward", [0.0, -5.0, 5.0])
def test_rewards_that_cancel_round_a_cycle(exit_reward):
    """+1 and -1 for ever: no float has room for round-off, so the bound is checked in fractions.

    Seen failing: with the cycle called infinite; with the fractions not asked.
    """
    mdp = moves([[1, 2], [0], [2]], [[1, exit_reward], [-1], [0]])
    assert_right(Case(mdp), total_reward(mdp))
    assert total_reward(mdp).certificate.bound < 1e-12


@pytest.mark.parametrize("odd", ["rewards", "rows"])
def test_rewards_that_only_nearly_cancel_are_not_decided(odd):
    """Values that are no floats, or rows that do not sum to one exactly: nothing is proved.

    Seen failing: with a finite bound, from an upper bound without margin; with rows not asked.
    """
    mdp = moves([[1, 2], [0, 2], [2, 2]], [[0.1, 0], [-0.1, 0.3], [0, 0]])
    if odd == "rows":
        P = np.zeros((4, 2, 4))
        P[0, 0, [1, 3]] = P[3, 0, [1, 3]] = 0.9, 0.1 - 2**-56
        P[1, 0, 0] = P[:3, 1, 2] = P[3, 1, 2] = P[2, 0, 2] = 1
        mdp = MDP(P, [[1, 0], [-1, 0], [0, 0], [0, -9]], gamma=1.0)
        assert sum(map(Fraction, mdp.P[0, 0])) != 1
    with pytest.raises(ConvergenceError, match=r"cycle 0 by action 0, 1 .*cancel") as caught:
        total_reward(mdp)
    solution = caught.value.solution
    assert caught.value.floor == math.inf == solution.certificate.bound
    assert (solution.certificate.lower <= solution.V).all()


def test_the_fair_walk_is_a_half():
    """Plain value iteration with a small step for a stop says 0.49995.

    Seen failing: with the margin of the upper bound left out (no bound is proved then).
    """
    solution = total_reward(walk(40))
    exact = [Fraction(s, 40) for s in range(40)] + [Fraction(0)]
    assert oracles.largest_error(solution.V, exact) <= solution.certificate.bound < 1e-9
    assert abs(solution.V[20] - 0.5) <= solution.certificate.bound


def test_rewards_of_both_signs():
    """A cycle that costs, an end that pays after a step that pays.

    Seen failing: with the sign of rewards dropped when actions are compared.
    """
    mdp = moves([[1, 2], [0, 2], [2]], [[3, -1], [-4, 2], [0]])
    solution = total_reward(mdp)
    assert np.abs(solution.V - [5, 2, 0]).max() <= solution.certificate.bound < 1e-12
    assert_right(Case(mdp), solution)


def test_an_end_that_is_hardly_ever_reached():
    """2^-40 a step: V is -1e12; the bound knows.

    Seen failing: with the margin of the upper bound left out.
    """
    mdp = MDP([[[1 - 2**-40, 2**-40]], [[0, 1]]], [[-1.0], [0.0]], gamma=1.0)
    solution = total_reward(mdp, tol=1e12)
    assert_right(Case(mdp), solution)


def two_doors(reward):
    """2^-40 leads on, and from there 2^-40 to the end: it takes 2^80 steps."""
    stay, pass_on = 1 - 2**-40, 2**-40
    P = [[[stay, pass_on, 0]], [[stay, 0, pass_on]], [[0, 0, 1]]]
    return MDP(P, [[reward], [0.0], [0.0]], gamma=1.0, terminal=[2])


def test_nothing_is_paid_until_an_end_that_float64_can_hardly_see():
    """No time is proved, but the bound is 0.

    Seen failing: with inf * 0 for the bound (nan).
    """
    assert total_reward(two_doors(0.0)).certificate.bound == 0


def test_an_end_that_float64_can_hardly_see():
    """No time is proved, so no bound is.

    Seen failing: with an upper bound that is not checked, and max(w) for the longest time.
    """
    mdp = two_doors(1.0)
    with pytest.raises(ConvergenceError, match="bound of inf") as caught:
        total_reward(mdp)
    assert caught.value.solution.certificate.bound == math.inf


def test_nothing_to_decide():
    """Terminal states alone, or a state that rests by itself.

    Seen failing: with the LU of an empty matrix.
    """
    assert not total_reward(MDP([[[1.0]]], [[0.0]], gamma=1.0)).V.any()
    assert not total_reward(MDP([[[1.0]]], [[0.0]], gamma=1.0, terminal=[0])).V.any()


def test_too_few_iterations():
    """More work would help, so no floor is stated; what there is holds.

    Seen failing: with a floor of inf for the reason.
    """
    mdp = moves([[1, 2], [2], [3], [3]], [[-1, -9], [-1], [-1], [0]])
    with pytest.raises(ConvergenceError, match="max_iterations = 1 were not enough") as caught:
        total_reward(mdp, max_iterations=1)
    assert caught.value.floor is None
    assert_right(Case(mdp), caught.value.solution)
    with pytest.raises(ModelError, match="max_iterations is 0"):
        total_reward(mdp, max_iterations=0)
