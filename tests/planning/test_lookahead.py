"""Lookahead: what k steps from any V lose, in exact fractions; where the bounds are reached."""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import oracles
from mdptools import MDP, ModelError, backward_induction, evaluate, lookahead, solve
from mdptools.problems import small
from mdptools.testing.strategies import mdps
from properties import EPS, Case, assert_right, rescaled, rows

GAMMAS = (0.5, 0.75, 0.9375)


def values(data, case, shape):
    """V* with errors of some size: none, a shift of all states, or anything."""
    size = data.draw(st.sampled_from((0.0, 1e-6, 0.1, 3.0))) * case.scale
    noise = [data.draw(st.integers(-1000, 1000)) / 1000 for _ in range(math.prod(shape))]
    exact = np.broadcast_to(oracles.floats(case.optima[0].V)[: shape[0]], shape)
    return exact + size * np.reshape(noise, shape)


def distance(V, exact):
    """max |V - exact| over a state or time, rounded up; terminal states count as 0 in both."""
    return float(oracles.largest_error(V, exact)) * (1 + 2 * EPS)


@settings(max_examples=100)
@given(data=st.data())
def test_every_answer_is_within_its_bound(data):
    """V, Q, loss, lower, upper and optimal actions, with and without an error that is known.

    Seen failing: with gamma^(k+1) for gamma^k.
    """
    mdp = data.draw(mdps(objective="discounted"))
    mdp = rescaled(mdp, data.draw(st.sampled_from((1.0, 1e-9, 1e9))))
    case = Case(mdp)
    V = values(data, case, (mdp.n_states,))
    k = data.draw(st.integers(1, 4))
    known = distance(np.where(mdp.terminal, 0, V), case.optima[0].V)
    plain, told = lookahead(mdp, V, k), lookahead(mdp, V, k, error=known)
    for solution in (plain, told):
        assert_right(case, solution)
        assert solution.sweeps == k and solution.method == "lookahead"
    assert np.array_equal(plain.V, told.V) and np.array_equal(plain.pi, told.pi)
    assert told.certificate.bound <= plain.certificate.bound
    assert told.certificate.loss <= plain.certificate.loss
    # The classical bounds follow from what is given, up to round-off.
    floor = 1e4 * EPS * (np.abs(V).max() + case.largest_value + case.scale) * case.longest
    assert told.certificate.bound <= mdp.gamma**k * known + floor
    assert told.certificate.loss <= 2 * mdp.gamma**k * known / (1 - mdp.gamma) + floor


@settings(max_examples=60)
@given(data=st.data())
def test_it_is_k_backups_and_the_greedy_policy(data):
    """Against three loops in fractions; what V says of terminal states does not count.

    Seen failing: with k - 1 and k + 1 backups; with V of terminal states used.
    """
    mdp = data.draw(mdps(objective="discounted", max_gamma=0.99))
    W = [data.draw(st.integers(-9, 9)) for _ in range(mdp.n_states)]
    k = data.draw(st.integers(1, 3))
    solution = lookahead(mdp, W, k)
    for _ in range(k - 1):
        W = oracles.backup_by_loops(mdp, W)
    Q = oracles.q_by_loops(mdp, W)
    slack = 1e-13 * (9 + np.abs(mdp.R).max() * k)
    assert oracles.largest_error(solution.Q, Q) <= slack
    best = [0 if over else max(row) for row, over in zip(Q, mdp.terminal, strict=True)]
    assert oracles.largest_error(solution.V, best) <= slack
    for row, a, v in zip(Q, solution.pi.argmax(axis=1), solution.V, strict=True):
        assert row[a] >= v - slack
    # V is not near V*: the interval is what the last differences say.
    assert_right(Case(mdp), solution)


def temptation(k, gamma, e=1.0):
    """Values that are wrong by e and make a policy of k steps lose 2 gamma^k e / (1 - gamma).

    A way 0, 1, ..., k, without rewards; in 0 one can also stay, and pay 2 gamma^k e for it. State
    k - 1 is praised and all others are blamed: who stays once is there after k steps, who goes on
    is beyond. The two plans are worth the same, and the first action is taken.
    """
    n = k + 1
    P = np.zeros((n, 2, n))
    P[range(n), :, [min(s + 1, k) for s in range(n)]] = 1
    P[0, 0] = np.eye(n)[0]
    R = np.zeros((n, 2))
    R[0, 0] = -2 * gamma**k * e
    V = np.full(n, -e)
    V[k - 1] = e
    return MDP(P, R, gamma, terminal=()), V


@pytest.mark.parametrize("k", [1, 2, 3, 5])
@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("known", [None, 1.0])
def test_the_bound_of_the_loss_is_reached(k, gamma, known):
    """All but 1e-12 of it, by what the backups prove and by what is known of V.

    Seen failing: with half of the loss; with the lower end of V* for that of the policy.
    """
    mdp, V = temptation(k, gamma)
    solution = lookahead(mdp, V, k, error=known)
    lost = -evaluate(mdp, solution.pi).V[0]
    assert lost == pytest.approx(2 * gamma**k / (1 - gamma), rel=1e-13)
    assert lost <= solution.certificate.loss <= lost * (1 + 1e-12)
    assert_right(Case(mdp), solution)


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("second", [0.0, 1e-12])
def test_of_two_equal_actions_one_is_praised(gamma, second):
    """State 1 is thought too good by 1, state 2 too bad; from state 0 both are worth the same.

    What is proved leaves room for both actions, and hardly any to spare.
    Seen failing: with half of the error in `_possible`.
    """
    P = np.zeros((3, 2, 3))
    P[0, 0, 1] = P[0, 1, 2] = P[1, :, 1] = P[2, :, 2] = 1
    mdp = MDP(P, [[0, second], [1, 1], [1, 1]], gamma, terminal=())
    top = 1 / (1 - gamma)
    V = [gamma * (top + 1), top + 1, top - 1]
    for known in (None, 1.0):
        solution = lookahead(mdp, V, error=known)
        assert_right(Case(mdp), solution)
        assert solution.optimal_actions[0].all() and solution.pi[0, 0] == 1


@pytest.mark.parametrize("gamma", GAMMAS)
def test_the_bounds_of_the_values_are_reached(gamma):
    """V is e too large everywhere: after k backups gamma^k e, and the backups see it all.

    Seen failing: with the radius contracted once more; with one more backup.
    """
    mdp = small(gamma=gamma)
    best = solve(mdp)
    for k in (1, 2, 4):
        for known in (None, 1.0):
            solution = lookahead(mdp, best.V + 1, k, error=known)
            assert np.abs(solution.V - best.V - gamma**k).max() <= 1e-12
            assert solution.certificate.bound == pytest.approx(gamma**k, rel=1e-10)
            assert solution.certificate.loss <= 1e-11


def test_what_is_known_may_be_much_sharper():
    """One state alone is wrong, by 2: its rise says that V* could be larger by 18 everywhere.

    Seen failing: with the error not used; with it used for the bound and not for the loss.
    """
    mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[0, -2], [1, 1]], gamma=0.9)
    plain, told = lookahead(mdp, [5, 10]), lookahead(mdp, [5, 10], error=2)
    assert plain.certificate.loss == pytest.approx(18)
    assert told.certificate.loss == pytest.approx(1.8)
    assert told.certificate.bound == pytest.approx(1.8)
    assert "gamma^k e" in told.certificate.theorem
    assert "gamma^k e" not in plain.certificate.theorem


@pytest.mark.parametrize("objective", ["discounted", "finite"])
@settings(max_examples=40)
@given(data=st.data())
def test_a_wrong_error_is_refuted_and_a_true_one_never(objective, data):
    """Many backups know V* well: half of the true error is noticed.

    Seen failing: with < for > in the test of the interval; with the horizon itself asked.
    """
    mdp = data.draw(mdps(objective=objective, max_gamma=0.9, max_states=3))
    case = Case(mdp)
    V = values(data, case, (mdp.n_states,) if mdp.horizon is None else (1, mdp.n_states)).ravel()
    exact = rows(case.optima[0].V)[: mdp.horizon]
    known = max(distance(np.where(mdp.terminal, 0, V), row) for row in exact)
    lookahead(mdp, V, 2, error=known)
    assume(known > 1e-6 * case.scale)
    with pytest.raises(ModelError, match=r"error is .*, but V is farther from V\*: in state \d"):
        lookahead(mdp, V, 200, error=known / 2)


def test_the_refuted_state_is_named():
    """Seen failing: with the first state named; with the time left out."""
    mdp = MDP([[[0, 1.0]], [[0, 1.0]]], [[0.0], [1.0]], 0.5, state_names=["on", "up"], terminal=())
    message = (
        r"error is 0.5, but V is farther from V\*: in state 1 \('up'\) V is 9, and V\* is proved "
        r"to be in \[2, 2\]. State a larger error, or none."
    )
    with pytest.raises(ModelError, match=message):
        lookahead(mdp, [1, 9], 200, error=0.5)
    timed = mdp.with_objective(gamma=0.5, horizon=2)
    with pytest.raises(ModelError, match=r"in state 1 \('up'\) at time 1 V is 9, .* in \[1, 1\]"):
        lookahead(timed, [[0.5, 1.5], [0, 9], [0, 0]], error=0.25)


# --- without discounting ------------------------------------------------------------------------


def plan_by_loops(truth, V, k):
    """Q (H, S, A) of planning min(k, what is left) steps from V at each time, in fractions."""
    tables = []
    for t in range(truth.horizon):
        end = min(t + k, truth.horizon)
        W = truth.final if end == truth.horizon else V[end]
        for _ in range(end - t - 1):
            W = oracles.backup_by_loops(truth, W)
        tables.append(oracles.q_by_loops(truth, W))
    return tables


@pytest.mark.parametrize("timed", [False, True])
@settings(max_examples=60)
@given(data=st.data())
def test_a_finite_horizon_is_planned_until_its_end(timed, data):
    """Each time k steps, fewer at the end, where `final` counts; V for all times or for each.

    Seen failing: with V[t + k] one too early; with V for `final` at the horizon; with the same Q
    for each time where V depends on it; with the loss of time 0 alone.
    """
    mdp = data.draw(mdps(objective="finite", max_states=3, max_horizon=5))
    case = Case(mdp)
    k = data.draw(st.integers(1, 6))
    shape = (mdp.horizon + 1, mdp.n_states) if timed else (mdp.n_states,)
    V = values(data, case, shape) if timed else values(data, case, (1, *shape))[0]
    solution = lookahead(mdp, V, k)
    assert_right(case, solution)
    truth = case.truths[0]
    Q = plan_by_loops(truth, V if timed else [V] * mdp.horizon, k)
    slack = 1e-12 * (case.scale + np.abs(V).max())
    assert oracles.largest_error(solution.Q, Q) <= slack
    assert np.array_equal(solution.pi.argmax(axis=2), solution.Q.argmax(axis=2))
    # The loss is what the policy does lose, and not only a bound.
    own = oracles.evaluate(truth, solution.pi, truth.normalised)
    lost = max(
        float(v - w)
        for best, found in zip(rows(case.optima[0].V), rows(own.V), strict=True)
        for v, w in zip(best, found, strict=True)
    )
    assert solution.certificate.loss <= lost + 1e-10 * case.scale
    assert solution.J == pytest.approx(mdp.mu @ solution.V[0], abs=slack)
    if k >= mdp.horizon:
        assert np.array_equal(solution.V, backward_induction(mdp).V)


@settings(max_examples=40)
@given(data=st.data())
def test_total_reward_is_solved_and_evaluated(data):
    """The loss is the true one; inf where the greedy policy goes on among rewards.

    Seen failing: with the error of V left out of the bound.
    """
    mdp = data.draw(mdps(objective="total", min_states=2, terminal=True, exact=True))
    case = Case(mdp)
    assume(case.is_finite and not case.has_balanced_cycle)
    V = values(data, case, (mdp.n_states,))
    solution = lookahead(mdp, V, data.draw(st.integers(1, 3)))
    assert_right(case, solution)
    own = oracles.evaluate(case.truths[0], solution.pi, True).V
    if all(map(math.isfinite, own)):
        lost = max(float(v - w) for v, w in zip(case.optima[0].V, own, strict=True))
        assert solution.certificate.loss <= lost + 1e-9 * case.scale * case.longest
    else:
        assert solution.certificate.loss == np.inf
    assert solution.certificate.bound < np.inf


def test_praise_keeps_a_policy_from_ending():
    """Staying costs 1; from the praised state there is no hurry to leave: the loss is infinite.

    Seen failing: with the ModelError of `evaluate` let through; with a loss of 0 in its place.
    """
    mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[-1, -3], [0, 0]], gamma=1)
    lured = lookahead(mdp, [5, 0])
    assert lured.pi[0].tolist() == [1, 0]
    assert lured.certificate.loss == np.inf
    assert lured.V[0] == 4 and lured.certificate.bound == pytest.approx(8)  # of Q there
    assert (lured.certificate.lower <= [-3, 0]).all() and (lured.certificate.upper >= [-3, 0]).all()
    sober = lookahead(mdp, [-3, 0])
    assert sober.pi[0].tolist() == [0, 1]
    assert sober.certificate.loss <= 1e-13
    with pytest.raises(ModelError, match=r"error is 1, but V is farther .* state 0 V is 5"):
        lookahead(mdp, [5, 0], error=1)


def test_where_the_optimum_is_infinite():
    """Seen failing: with the error of `total_reward` swallowed."""
    mdp = MDP([[[1, 0], [0, 1]], [[0, 1], [0, 1]]], [[1, 0], [0, 0]], gamma=1)
    with pytest.raises(ModelError, match="the optimal total reward is infinite in state 0"):
        lookahead(mdp, [0, 0])


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "match"),
    [
        ({"V": [0.0]}, r"V has shape \(1,\); it must be \(2,\)"),
        ({"V": [[0.0, 0.0]] * 3}, r"V has shape \(3, 2\); it must be \(2,\)"),
        ({"V": [0.0, np.nan]}, r"V\[1\] is nan"),
        ({"k": 0}, r"k is 0; it must be an int >= 1"),
        ({"k": 1.5}, r"k is 1.5"),
        ({"error": -1}, r"error is -1; it must be a number >= 0"),
        ({"error": np.inf}, r"error is inf"),
        ({"error": "small"}, r"error is 'small'"),
    ],
)
def test_wrong_arguments_are_refused(words, match):
    """Seen failing: with each check taken out in turn."""
    given = {"V": [0.0, 0.0], **words}
    with pytest.raises(ModelError, match=match):
        lookahead(small(), **given)


@pytest.mark.parametrize(
    ("V", "match"),
    [
        ([[0.0, 0.0]] * 3, r"V has shape \(3, 2\); it must be \(2,\) or \(5, 2\)"),
        ([[0.0, 0.0]] * 4 + [[0.0, np.inf]], r"V\[4\]\[1\] is inf"),
    ],
)
def test_values_of_a_finite_horizon_are_checked(V, match):
    """Seen failing: with the rows unchecked; with (H, S) accepted."""
    with pytest.raises(ModelError, match=match):
        lookahead(small().with_objective(gamma=1, horizon=4), V)


def test_average_reward_is_refused():
    """Seen failing: with `check_served` taken out."""
    with pytest.raises(ModelError, match=r"lookahead serves the objective .*'s is average"):
        lookahead(small().with_objective(average=True), [0, 0])


@pytest.mark.parametrize("rate", [1e-9, 1e-15, 2.0**-53])
def test_gamma_very_close_to_one(rate):
    """Honest bounds, inf among them; then every action could be optimal.

    Seen failing: with the middle of an infinite interval (nan).
    """
    mdp = small(gamma=1 - rate)
    for known in (None, 1e30):
        assert_right(Case(mdp), lookahead(mdp, [1.0, 2.0], 3, error=known))


def test_gamma_zero_needs_one_backup():
    """Seen failing: with 1 / (1 - gamma) for gamma / (1 - gamma)."""
    mdp = small(gamma=0)
    solution = lookahead(mdp, [100, -100])
    assert solution.V.tolist() == mdp.R.max(axis=1).tolist()
    assert solution.certificate.bound <= 1e-11
    assert_right(Case(mdp), solution)
