"""Learners of action values: expected steps by the choice tape, step for step against the single
updates, many side by side, and how near they come."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import MDP, ModelError, solve
from mdptools.estimators import (
    ControlLearner,
    Power,
    double_q_update,
    expected_sarsa_update,
    learn_many,
    q_learning_update,
    sarsa_update,
)
from mdptools.problems import line_world
from mdptools.testing.models import discriminating_mdp
from mdptools.verify import program_moments

METHODS = ("q_learning", "double_q_learning", "sarsa", "expected_sarsa")
STEP, EPSILON = 0.3, 0.4


def lab(seed):
    """A model without a horizon, and a table without ties."""
    mdp = discriminating_mdp(seed).with_objective()
    rng = np.random.default_rng(seed)
    return mdp, np.where(mdp.allowed, rng.normal(size=mdp.R.shape), -np.inf)


def greedy_law(mdp, Q, epsilon):
    """Epsilon-greedy by hand, equals sharing."""
    best = Q == Q.max(axis=1, keepdims=True)
    each = mdp.allowed / mdp.allowed.sum(axis=1, keepdims=True)
    return (1 - epsilon) * best / best.sum(axis=1, keepdims=True) + epsilon * each


def finite(Q):
    return np.where(np.isfinite(Q), Q, 0.0)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", METHODS)
def test_the_mean_of_one_step_is_the_expected_step(seed, method):
    """E[Q' - Q] = step d b (T Q - Q), d = mu on live states, b epsilon-greedy; T is T* for
    Q-learning, T_b for both SARSAs; half of T* for each table of double Q-learning, whose two
    tables are equal here. All that can happen, by the choice tape.

    Seen failing: bootstrapping through done; epsilon for 1 - epsilon; the target's maximum at the
    state that is left; the greedy value as expected SARSA's; a next action of SARSA that is greedy;
    the coin of double Q-learning never tossed.
    """
    mdp, Q = lab(seed)
    learner = ControlLearner(method, step_size=STEP, epsilon=EPSILON, steps=1, Q0=Q)
    before = learner.start(mdp, None)
    assert (before.visits == 0).all()

    def program(rng):
        return finite(learner.step(mdp, before, rng)[0].Q) - finite(before.Q)

    moved = program_moments(program).mean.reshape(before.Q.shape)
    d = np.where(mdp.terminal, 0.0, mdp.mu)
    d, b = d / d.sum(), greedy_law(mdp, Q, EPSILON)
    best = method in ("q_learning", "double_q_learning")
    V = Q.max(axis=1) if best else (b * finite(Q)).sum(axis=1)
    T = mdp.R + mdp.gamma * np.einsum("sat,t->sa", mdp.P, np.where(mdp.terminal, 0.0, V))
    expected = STEP * d[:, None] * b * np.where(mdp.allowed, T - finite(Q), 0.0)
    if method == "double_q_learning":
        expected = np.stack((expected, expected)) / 2
    np.testing.assert_allclose(moved, expected, atol=1e-12)


class Same:
    """Random numbers from a list, so that two programs draw the same."""

    def __init__(self, numbers):
        self.numbers = iter(numbers)

    def random(self):
        return next(self.numbers)


def by_updates(mdp, learner, steps, rng):
    """The same algorithm through the single updates on arrays, slow and obvious."""
    method = learner.method
    Q = np.where(mdp.allowed, 0.0, -np.inf)
    tables, n = [Q, Q.copy()], np.zeros((2, *Q.shape), int)
    world = learner.start(mdp, None).world
    s = a = None
    age = 0

    def choose(s):
        values = tables[0][s] + (tables[1][s] if method == "double_q_learning" else 0.0)
        actions = np.flatnonzero(mdp.allowed[s])
        if rng.random() >= EPSILON:
            actions = np.flatnonzero(values == values.max())
        return int(actions[int(rng.random() * len(actions))] if len(actions) > 1 else actions[0])

    for _ in range(steps):
        if s is None:
            s, a, age = world.start(rng), None, 0
        a = choose(s) if a is None else a
        t, r, done = world.step(s, a, rng)
        k = 0
        # The learner tosses the coin anew by swapping: heads the other table than last time.
        if method == "double_q_learning" and rng.random() < 0.5:
            tables.reverse()
            n = n[::-1]
        n[k, s, a] += 1
        size = 1 / n[k, s, a] ** 0.7
        following = None
        if method == "q_learning":
            q_learning_update(tables[0], s, a, r, t, done, size, mdp.gamma)
        elif method == "double_q_learning":
            double_q_update(tables[0], tables[1], s, a, r, t, done, size, mdp.gamma)
        elif method == "expected_sarsa":
            law = greedy_law(mdp, tables[0], EPSILON)[t]
            expected_sarsa_update(tables[0], s, a, r, t, law, done, size, mdp.gamma)
        else:
            following = None if done else choose(t)
            sarsa_update(tables[0], s, a, r, t, following or 0, done, size, mdp.gamma)
        age += 1
        over = done or age >= learner.max_steps
        s, a = (None, None) if over else (t, following)
    return tables


@pytest.mark.parametrize("method", METHODS)
def test_step_for_step_these_are_the_single_updates(method):
    """300 steps from the same random numbers, in one step of the learner and in three.

    Seen failing: counts of the state for those of the pair; the action of SARSA chosen anew;
    max_steps forgotten.
    """
    mdp, _ = lab(1)
    numbers = np.random.default_rng(0).random(3000).tolist()
    whole = ControlLearner(method, epsilon=EPSILON, steps=300, max_steps=5)
    x, _ = whole.step(mdp, whole.start(mdp, None), Same(numbers))
    part = ControlLearner(method, epsilon=EPSILON, steps=100, max_steps=5)
    y, draws = part.start(mdp, None), Same(numbers)
    expected = by_updates(mdp, whole, 300, Same(numbers))
    if method != "double_q_learning":  # whose tables change places only within a step
        for _ in range(3):
            y, _ = part.step(mdp, y, draws)
        assert np.array_equal(x.Q, y.Q) and (x.t, x.s, x.a, x.age) == (y.t, y.s, y.a, y.age)
        np.testing.assert_allclose(x.Q, expected[0], atol=1e-12)
    else:
        got = sorted(np.where(mdp.allowed, table, 0.0).sum() for table in x.Q)
        want = sorted(np.where(mdp.allowed, table, 0.0).sum() for table in expected)
        np.testing.assert_allclose(got, want, atol=1e-12)
    assert x.visits.sum() == 300


@pytest.mark.parametrize("method", METHODS)
def test_side_by_side_they_do_the_same(method):
    """Means of Q and of counts after three steps, 20,000 learners against the choice tape: within 6
    standard errors in each coordinate (false alarm below 1e-7 in all). No pair stays in its state.

    Seen failing: episodes that begin anew in state 0; the old action kept for them; exploring where
    it should not; the state behind an end bootstrapped; sizes by the number of the step; the coin
    of double Q-learning left out; its tables pricing their own choice.
    """
    ring = np.zeros((4, 2, 4))
    for s in range(3):
        ring[s, 0, (s + 1) % 3], ring[s, 0, 3] = 0.75, 0.25
        ring[s, 1, (s + 2) % 3] = 1.0
    ring[3, :, 3] = 1.0
    R = np.array([[1.0, 2.0], [0.5, -1.0], [0.0, 3.0], [0.0, 0.0]])
    mdp = MDP(ring, R, 0.9, mu=[0.5, 0.5, 0.0, 0.0])
    learner = ControlLearner(
        method, step_size=Power(0.5, 0.8), epsilon=EPSILON, steps=3, Q0=1.0, max_steps=2
    )
    start = learner.start(mdp, None)

    def program(rng):
        x = learner.step(mdp, start, rng)[0]
        Q, visits = (y if y.ndim == 2 else y.sum(axis=0) for y in (x.Q, x.visits))
        return np.stack((Q, visits))

    exact = program_moments(program, detail="variance")
    n = 20_000
    found = learn_many(mdp, learner, n, steps=3, rng=0)
    Q, visits = (y if y.ndim == 3 else y.sum(axis=1) for y in found)
    rows = np.stack((Q, visits), axis=1).reshape(n, -1)
    error = np.abs(rows.mean(axis=0) - exact.mean)
    assert (error <= 6 * np.sqrt(exact.variance / n) + 1e-12).all()
    assert (visits.sum(axis=(1, 2)) == 3).all()


def test_sarsa_approaches_the_values_of_its_own_exploration():
    """The fixed point of R + gamma P ((1 - epsilon) max + epsilon mean), not Q*: on the line world
    they differ by more than a tenth of the span; each learner finds its own.

    Seen failing: with the greedy value as expected SARSA's target.
    """
    mdp, epsilon = line_world(), 0.3
    live = ~mdp.terminal
    best = solve(mdp)
    Q = np.zeros(mdp.R.shape)
    for _ in range(300):
        V = (1 - epsilon) * Q.max(axis=1) + epsilon * Q.mean(axis=1)
        Q = mdp.R + mdp.gamma * np.einsum("sat,t->sa", mdp.P, np.where(mdp.terminal, 0.0, V))
    span = np.ptp(best.V)
    assert np.abs(Q - best.Q)[live].max() > 0.1 * span
    for method in METHODS:
        learner = ControlLearner(method, epsilon=epsilon, start_law=live / live.sum())
        found = learn_many(mdp, learner, 20, steps=10_000, rng=0).Q
        mean = found.mean(axis=0) if found.ndim == 3 else found.mean(axis=(0, 1))
        own, theirs = (Q, best.Q) if "sarsa" in method else (best.Q, Q)
        assert np.abs(mean - own)[live].max() < 0.05 * span
        assert np.abs(mean - theirs)[live].max() > 0.05 * span


def test_bad_arguments_are_named():
    """Seen failing: without the check of the method."""
    mdp = line_world()
    with pytest.raises(ModelError, match=r"method is 'td'; it must be one of q_learning"):
        ControlLearner("td")
    with pytest.raises(ModelError, match=r"objective discounted .* or total .*is finite"):
        ControlLearner().start(mdp.with_objective(horizon=3), None)
    with pytest.raises(
        ModelError, match=r"Q0 has shape \(2, 3\); it must be a number, or \(S, A\)"
    ):
        ControlLearner(Q0=np.zeros((2, 3))).start(mdp, None)
    with pytest.raises(ModelError, match=r"Q0 is nan for action 0 \('left'\) in state 0 \('1'\)"):
        ControlLearner(Q0=np.nan).start(mdp, None)
    with pytest.raises(ModelError, match=r"every episode starts in a terminal state"):
        ended = MDP(mdp.P, mdp.R, 1.0, mu=[0, 0, 0, 0, 1.0], terminal=[4])
        ControlLearner().start(ended, None)
    learner = ControlLearner(step_size=3.0, epsilon=1.0, steps=3000)
    with pytest.raises(ModelError, match=r"the step size is too large"):
        learner.step(mdp, learner.start(mdp, None), np.random.default_rng(0))
