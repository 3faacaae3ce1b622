"""Total reward: the traps. Cycles that earn, cost, or do neither; policies that never end."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings

import oracles
from mdptools import MDP, ConvergenceError, ModelError, total_reward, uniform_policy
from mdptools.planning import _episodes
from mdptools.problems import cliff_walking, line_world
from mdptools.testing.strategies import mdps
from mdptools.transforms import mix_actions
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


def test_where_any_action_may_slip_to_any_side():
    """One starts from a policy that goes to the goal, not from one that slips there at last.

    Seen failing: with the first of the actions that can come nearer, whose episodes take 1e16
    steps: a return of +2.6e16 without a bound, where all rewards are negative.
    """
    cliff = cliff_walking()
    mdp, _ = mix_actions(cliff, uniform_policy(cliff), 0.1)
    solution = total_reward(mdp)
    V = np.zeros(mdp.n_states)
    for _ in range(1000):
        V = (mdp.R + np.asarray(mdp.P) @ V).max(axis=1)
    assert solution.certificate.bound < 1e-10
    assert np.abs(solution.V - V).max() < 1e-9
    assert solution.J == pytest.approx(-20.70767739866937)


def test_a_cycle_that_earns_is_infinite():
    """The states that can reach it are named, and its actions.

    Seen failing: with the cycle's values returned as they come out of the solver.
    """
    mdp = moves([[1, 2], [0], [2], [0]], [[1, 0], [0], [0], [5]])
    names = r"infinite in states 0, 1, 3: the cycle 0 by action 0, 1 by action 0 \(0.5 a step\)"
    with pytest.raises(ModelError, match=names):
        total_reward(mdp)


def test_a_cycle_that_earns_far_from_the_start_is_infinite():
    """Seen failing: with only the states looked at that mu reaches."""
    mdp = moves([[1], [1], [2]], [[-1], [0], [2]], mu=[1, 0, 0])
    with pytest.raises(
        ModelError, match=r"infinite in state 2: the cycle 2 by action 0 \(2 a step\)"
    ):
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


def test_a_guess_whose_policy_does_not_end_is_not_followed():
    """Seen failing: with the guess's policy taken whether it ends or not."""
    mdp = moves([[0, 1], [1]], [[-1, -5], [0]])
    assert total_reward(mdp, V0=[100, 0]).V.tolist() == [-5, 0]


def test_a_guess_that_leaves_a_resting_place_at_a_loss_is_put_right():
    """Seen failing: with rest never an improvement."""
    mdp = moves([[1, 3], [0], [2], [2]], [[0, -1], [0], [0], [0.5]])
    assert total_reward(mdp, V0=[0, 0, 0, 100]).V.tolist() == [0, 0, 0, 0.5]


def test_a_way_to_a_resting_place():
    """Nothing is terminal here: 1 and 2 go round for nothing.

    Seen failing: with resting places left out of what decides an episode.
    """
    assert total_reward(moves([[1], [2], [1]], [[-1], [0], [0]])).V.tolist() == [-1, 0, 0]


def test_news_travel_far_between_two_policies():
    """A corridor of 200 rooms, each with a dear door straight to the end and a cheap one onwards.

    Seen failing: without the backups between two policies (one policy for each room).
    """
    n = 200
    doors = [[s + 1, n] for s in range(n)] + [[n]]
    solution = total_reward(moves(doors, [[-1, -1.5 * (n - s)] for s in range(n)] + [[0]]))
    assert solution.V.tolist() == [float(s - n) for s in range(n + 1)]
    assert solution.sweeps <= 1 + n // _episodes.BACKUPS + 1


# --- infinite="keep" ------------------------------------------------------------------------------


@settings(max_examples=150)
@given(mdp=mdps(objective="total", max_states=4))
def test_infinite_values_are_kept_exactly_where_they_are(mdp):
    """inf, -inf and numbers against exact policy iteration; an error only where one is due.

    Seen failing: with states that can reach a positive component by chance called finite; with
    every state that cannot end called -inf; with resting components left out of the ends.
    """
    case = Case(mdp)
    (truth,) = case.optima
    undefined = any(math.isnan(v) for v in truth.V)
    try:
        solution = total_reward(mdp, infinite="keep", tol=case.mdp.facts.reward_max or 1.0)
    except ModelError as error:
        assert undefined or case.has_balanced_cycle, str(error)
        return
    except ConvergenceError as error:
        assert error.floor is not None
        solution = error.solution
        if solution is None:
            assert case.has_balanced_cycle
            return
    assert not undefined
    assert oracles.largest_error(solution.V, truth.V) <= solution.certificate.bound
    for low, v, high in zip(
        solution.certificate.lower, truth.V, solution.certificate.upper, strict=True
    ):
        assert low <= v <= high


def worlds():
    """0 may pass by 1, where 2 a step is to be had for ever; 3 must pay for ever; 4 is the end."""
    nexts = [[1, 4], [1, 4], [4], [3], [4]]
    return moves(nexts, [[-1, -2], [2, 0], [-7], [-1], [0]], terminal=[4])


def test_infinite_values_beside_finite_ones():
    """Seen failing: with -inf for 3 turned into inf; with the policy of inf left at action 0."""
    solution = total_reward(worlds(), infinite="keep")
    assert solution.V.tolist() == [math.inf, math.inf, -7, -math.inf, 0]
    assert solution.pi[[0, 1]].argmax(axis=1).tolist() == [0, 0]
    assert solution.Q[0].tolist() == [math.inf, -2]
    assert solution.optimal_actions[0].tolist() == [True, False]
    assert solution.certificate.bound < 1e-12
    assert math.isnan(solution.J)  # inf and -inf both weigh
    assert total_reward(replace(worlds(), mu=[0, 1, 0, 0, 0]), infinite="keep").J == math.inf


def test_the_policy_of_an_infinite_optimum_earns_for_ever():
    """Of two ways round the cycle one pays.

    Seen failing: with the smallest reward of the component sought instead of the largest.
    """
    mdp = moves([[1, 1], [0], [2], [2, 0]], [[0, 3], [0], [0], [0, -9]])
    solution = total_reward(mdp, infinite="keep")
    assert solution.V.tolist() == [math.inf, math.inf, 0, math.inf]
    assert solution.pi[[0, 3]].argmax(axis=1).tolist() == [1, 1]


def test_the_states_without_a_finite_optimum_are_named():
    """Seen failing: with the cycle of another state named."""
    words = r"infinite in states 0, 1: the cycle 1 by action 0 \(2 a step\) can be repeated"
    with pytest.raises(ModelError, match=words):
        total_reward(worlds())
    paying = moves([[1, 2], [1], [2]], [[-1, -2], [-3], [0]])
    words = r"from state 1: .* round the cycle 1 by action 0 \(-3 a step\); .* minus infinity"
    with pytest.raises(ModelError, match=words):
        total_reward(paying)
    assert total_reward(paying, infinite="keep").V.tolist() == [-2, -math.inf, 0]


def test_a_cycle_of_rewards_that_cancel_has_no_value():
    """+1, -1 for ever: the sums do not settle, and nothing can be kept.

    Seen failing: with `level` components taken for negative ones.
    """
    mdp = moves([[1], [0], [2]], [[1], [-1], [0]])
    with pytest.raises(ModelError, match="total reward is infinite or undefined"):
        total_reward(mdp, infinite="keep")


def test_inf_and_minus_inf_that_meet():
    """Half the time 2 a step for ever, half the time -1: no value.

    Seen failing: with every state that can reach inf called inf.
    """
    P = [[[0, 0.5, 0.5]], [[0, 1, 0]], [[0, 0, 1]]]
    mdp = MDP(P, [[0.0], [2.0], [-1.0]], gamma=1.0)
    with pytest.raises(
        ModelError, match=r"from state 0: .* the cycle .* total reward is undefined"
    ):
        total_reward(mdp, infinite="keep")


def test_many_components_with_rewards_of_both_signs():
    """600 states in one component: its gain is found by sweeps.

    Seen failing: with the sign of the upper bound asked for that of the gain.
    """
    n = 600
    nexts = [[(s + 1) % n, n] for s in range(n)] + [[n]]
    rewards = [[1 if s % 2 else -1.5, 0] for s in range(n)] + [[0]]
    solution = total_reward(moves(nexts, rewards))
    assert np.abs(solution.V - [*(s % 2 for s in range(n)), 0]).max() < 1e-9
    rewards = [[1.5 if s % 2 else -1, 0] for s in range(n)] + [[0]]
    assert (total_reward(moves(nexts, rewards), infinite="keep").V[:n] == math.inf).all()


def test_bad_arguments():
    """Seen failing: with each check taken out."""
    with pytest.raises(ModelError, match="infinite is 'drop'; it must be 'refuse' or 'keep'"):
        total_reward(worlds(), infinite="drop")
    with pytest.raises(ModelError, match=r"V0 has shape \(1,\)"):
        total_reward(worlds(), V0=[0.0])
    with pytest.raises(ModelError, match="callback is 3"):
        total_reward(worlds(), callback=3)
