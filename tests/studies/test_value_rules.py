"""Expected TD, SARSA, Q-learning and target tables."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import smooth
from mdptools import MDP, ModelError, evaluate, problems, solve
from mdptools.studies import (
    Geometric,
    QIteration,
    QLearning,
    Sarsa,
    TargetTable,
    TemporalDifference,
    ValueIteration,
)
from mdptools.testing.strategies import mdps, policies

MANY = settings(max_examples=60)


def garnet(seed=0, gamma=0.9):
    return problems.garnet(6, 3, branching=3, gamma=gamma, rng=seed)


def after(rule, mdp, steps, x=None):
    x = rule.start(mdp) if x is None else x
    for t in range(steps):
        x = rule.step(mdp, x, t)
    return x


def chain_of(mdp, pi):
    return np.einsum("sa,sat->st", pi, mdp.P)


# TD


@pytest.mark.parametrize("lam", [0.0, 0.4, 1.0])
def test_td_is_its_matrix(lam):
    """Seen failing: with the weights squared; with lam^2 in the resolvent; with the step squared;
    with gamma left out of the resolvent."""
    mdp = garnet(1)
    pi = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    w = np.array([0.1, 0.5, 1.0, 0.3, 0.0, 0.2])
    V0 = np.arange(6.0)
    P = chain_of(mdp, pi)
    R = (pi * mdp.R).sum(axis=1)
    error = np.linalg.solve(np.eye(6) - 0.9 * lam * P, R + 0.9 * P @ V0 - V0)
    rule = TemporalDifference(pi, 0.3, lam, w, V0)
    np.testing.assert_allclose(rule.step(mdp, rule.start(mdp)), V0 + 0.3 * w * error)
    np.testing.assert_array_equal(rule.policy(mdp, V0), pi)
    np.testing.assert_array_equal(rule.values(mdp, V0), V0)


def test_td_one_with_step_one_is_the_value():
    """Seen failing: with gamma left out of the resolvent; with the error turned."""
    for mdp in (garnet(2), problems.line_world()):
        pi = np.full(mdp.R.shape, 1 / mdp.n_actions)
        V, _, _ = smooth.solved(mdp, pi)
        np.testing.assert_allclose(after(TemporalDifference(pi, 1.0, 1.0), mdp, 1), V)


@MANY
@given(data=st.data(), lam=st.sampled_from([0.0, 0.5, 0.9]), a=st.sampled_from([0.1, 0.5, 1.0]))
def test_td_contracts_at_its_rate(data, lam, a):
    """Seen failing: with lam^2 in the resolvent; with the step squared; with V0 kept on terminal
    states; with gamma left out of the resolvent."""
    mdp = data.draw(mdps(max_states=4, max_actions=3, objective="discounted", max_gamma=0.99))
    pi = data.draw(policies(mdp))
    found = evaluate(mdp, pi)
    kappa = mdp.gamma * (1 - lam) / (1 - mdp.gamma * lam)
    rule = TemporalDifference(pi, a, lam, V0=np.full(mdp.n_states, 7.0))
    x = rule.start(mdp)
    first = np.abs(x - found.V).max()
    for k in range(1, 6):
        x = rule.step(mdp, x, k - 1)
        slack = 100 * 2.2e-16 * (np.abs(x).max() + first + 1) / (1 - mdp.gamma)
        rate = (1 - a * (1 - kappa)) ** k
        assert np.abs(x - found.V).max() <= rate * first + slack + found.certificate.bound


def test_terminal_states_stay_at_zero():
    """Seen failing: with V0 kept on terminal states; with the error turned."""
    mdp = problems.line_world()
    pi = [[0.0, 1.0]] * 5
    for lam in (0.0, 0.5):
        rule = TemporalDifference(pi, 1.0, lam, V0=np.full(5, 3.0))
        assert rule.start(mdp)[4] == 0
        np.testing.assert_allclose(after(rule, mdp, 80), [-13, -12, -11, -1, 0])


# SARSA and Q-learning


def test_sarsa_is_td_on_pairs():
    """Seen failing: with the weights of pairs left out; with max for the mean over pi; with the
    step of pairs squared."""
    mdp = garnet(3)
    pi = np.random.default_rng(1).dirichlet(np.ones(3), 6)
    w = np.random.default_rng(2).random((6, 3))
    Q0 = np.random.default_rng(3).normal(size=(6, 3))
    goal = mdp.R + 0.9 * mdp.P @ (pi * Q0).sum(axis=1)
    rule = Sarsa(0.2, pi, weights=w, Q0=Q0)
    np.testing.assert_allclose(rule.step(mdp, rule.start(mdp)), Q0 + 0.2 * w * (goal - Q0))
    np.testing.assert_allclose(rule.values(mdp, Q0), (pi * Q0).sum(axis=1))
    _, Q, _ = smooth.solved(mdp, pi)
    np.testing.assert_allclose(after(Sarsa(0.9, pi), mdp, 400), Q, atol=1e-10)


def test_epsilon_greedy_sarsa_goes_to_its_own_fixed_point():
    """Seen failing: with 1 - epsilon for epsilon; with max for the mean over pi; with mean for
    max."""
    mdp = garnet(4)
    rule = Sarsa(1.0, epsilon=0.3)
    Q = after(rule, mdp, 600)
    goal = mdp.R + 0.9 * mdp.P @ (0.7 * Q.max(axis=1) + 0.3 * Q.mean(axis=1))
    np.testing.assert_allclose(goal, Q, atol=1e-10)
    np.testing.assert_allclose(rule.policy(mdp, Q).max(axis=1), 0.8)
    greedy = after(Sarsa(0.5, epsilon=0.0), mdp, 20)
    np.testing.assert_array_equal(greedy, after(QLearning(0.5), mdp, 20))


@MANY
@given(data=st.data(), low=st.sampled_from([0.2, 1.0]), a=st.sampled_from([0.3, 1.0]))
def test_q_learning_contracts_at_its_rate(data, low, a):
    """Seen failing: with refused pairs finite; with mean for max; with the step of pairs
    squared."""
    mdp = data.draw(mdps(max_states=4, max_actions=3, objective="discounted", max_gamma=0.99))
    best = solve(mdp)
    w = np.linspace(low, 1, mdp.R.size).reshape(mdp.R.shape)
    rule = QLearning(a, w, np.full(mdp.R.shape, 5.0))
    x = rule.start(mdp)

    def distance(Q):
        return np.abs((Q - np.where(mdp.allowed, best.Q, 0))[mdp.allowed]).max()

    first = distance(x)
    for n in range(1, 6):
        x = rule.step(mdp, x, n - 1)
        assert (x[~mdp.allowed] == -np.inf).all()
        slack = 2 * best.certificate.bound + 1e-12 * (first + np.abs(best.V).max() + 1)
        assert distance(x) <= (1 - a * low * (1 - mdp.gamma)) ** n * first + slack


def test_a_whole_step_of_q_learning_is_q_iteration():
    """Seen failing: with gamma / 2 in Q-iteration; with mean for max."""
    mdp = garnet(5)
    np.testing.assert_allclose(after(QLearning(1.0), mdp, 7), after(QIteration(), mdp, 7))
    Q = after(QLearning(1.0), mdp, 500)
    best = solve(mdp, tol=1e-10)
    np.testing.assert_allclose(QLearning().values(mdp, Q), best.V, atol=1e-9)
    assert (QLearning().policy(mdp, Q)[best.optimal_actions] == 1).any()


def test_steps_of_one_over_k_have_the_exact_product():
    """Seen failing: with the first step throughout; with the step of pairs squared."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=0.5)
    rule = QLearning(lambda t: 1 / (1 + 0.5 * t), Q0=[[0.0]])
    for n in (1, 2, 10):
        assert 2 - after(rule, mdp, n)[0, 0] == pytest.approx(2 * 0.5 / (1 + 0.5 * (n - 1)))
    assert rule.step_size_at(mdp, 2) == 0.5


# Target tables


def test_a_target_renewed_each_time_is_q_learning():
    """Seen failing: with the target renewed one step late; with whole steps of a target table;
    with 1 - epsilon for epsilon; with max for the mean over pi."""
    mdp = garnet(6)
    pi = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    one = after(TargetTable(1, 0.4), mdp, 9)
    np.testing.assert_array_equal(one[0], after(QLearning(0.4), mdp, 9))
    of_pi = after(TargetTable(1, 0.4, pi), mdp, 9)
    np.testing.assert_array_equal(of_pi[0], after(Sarsa(0.4, pi), mdp, 9))


def test_a_target_renewed_seldom_is_value_iteration():
    """Seen failing: with the target renewed at every step; with the target renewed one step late;
    with whole steps of a target table; with 1 - epsilon for epsilon."""
    mdp = garnet(7)
    slow = TargetTable(200, 0.3)
    x = after(slow, mdp, 200 * 4)
    V = after(ValueIteration(), mdp, 4)
    np.testing.assert_allclose(slow.values(mdp, x), V, atol=1e-10)
    exact = TargetTable(3, 1.0)
    np.testing.assert_allclose(exact.values(mdp, after(exact, mdp, 3 * 4 - 1)), V, atol=1e-12)
    half = TargetTable(2, 0.5)
    Q = mdp.R * (1 - 0.5**2)
    np.testing.assert_allclose(after(half, mdp, 2)[0], Q)
    goal = mdp.R + 0.9 * mdp.P @ Q.max(axis=1)
    np.testing.assert_allclose(after(half, mdp, 3)[0], Q + 0.5 * (goal - Q))


# Bad input


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda m: TemporalDifference(m.R, 0.0), r"step_size is 0\.0; it must be a number > 0"),
        (lambda m: TemporalDifference(m.R, 1.0, 1.5), r"lam is 1\.5; it must be a number in \[0"),
        (
            lambda m: TemporalDifference(m.R).step(m, np.zeros(6)),
            r"pi is -?\d.*, which|pi sums|pi is",
        ),
        (
            lambda m: TemporalDifference(np.full((6, 3), 1 / 3), weights=-np.ones(6)).step(
                m, np.zeros(6)
            ),
            r"weights must be finite numbers >= 0 of shape \(6,\)",
        ),
        (lambda m: Sarsa(1.0), r"say which policy is followed: pi=, or epsilon="),
        (lambda m: Sarsa(1.0, m.R, 0.1), r"say which policy is followed"),
        (lambda m: Sarsa(1.0, epsilon=2), r"epsilon is 2; it must be a number in \[0, 1\]"),
        (
            lambda m: QLearning(0.1, Q0=np.zeros(3)).start(m),
            r"Q0 has shape \(3,\); it must be \(S, A",
        ),
        (
            lambda m: QLearning(0.1).step(m, np.full((6, 3), np.nan)),
            r"x\[0, 0\] is nan; it must be",
        ),
        (lambda m: QLearning(0.1, np.ones(3)).step(m, np.zeros((6, 3))), r"of shape \(6, 3\), not"),
        (lambda m: TargetTable(0), r"every is 0; it must be an int >= 1"),
        (lambda m: TargetTable(2).step(m, np.zeros((6, 3))), r"it must be \(2, S, A\): Q and its"),
        (
            lambda m: QLearning().start(m.with_objective(horizon=2)),
            r"Q-learning serves the objective",
        ),
        (lambda m: TemporalDifference(m.R).start(m.with_objective(average=True)), r"TD serves the"),
    ],
)
def test_bad_input(make, message):
    """Seen failing: with any lam; with any number of updates; with pi and epsilon together."""
    with pytest.raises(ModelError, match=message):
        make(garnet())


def test_divergence_is_named():
    """Seen failing: with infinite tables let through; with the first step throughout."""
    mdp = garnet(8)
    rule = QLearning(Geometric(3.0, 1e30))
    with (
        pytest.raises(ModelError, match=r"the table left float64: it diverges"),
        np.errstate(all="ignore"),
    ):
        after(rule, mdp, 100)


def test_td_one_without_an_end_is_refused():
    """Seen failing: with a singular chain not caught."""
    mdp = MDP([[[1.0]]], [[1.0]], gamma=1.0, terminal=())
    with pytest.raises(ModelError, match=r"needs a policy that ends every episode"):
        TemporalDifference([[1.0]], 1.0, 1.0).step(mdp, np.zeros(1))
