"""Memory as part of the state: what is preserved, beside a walk with the memory carried by hand."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import oracles
from mdptools import (
    MDP,
    ModelError,
    Observation,
    Softmax,
    check_estimator,
    evaluate,
    policy_gradient,
    remember,
    solve,
    uniform_policy,
)
from mdptools.estimators import gpomdp
from mdptools.problems import grid_world
from mdptools.testing.strategies import distributions, mdps, policies

EVERY = ("discounted", "finite", "total", "average")


@st.composite
def worlds(draw, **words):
    """A model, a channel and k. States with different actions are never taken for one another."""
    words = {"objective": EVERY, "max_states": 3, "max_gamma": 0.9} | words
    mdp = draw(mdps(**words))
    mask = np.unique(mdp.allowed, axis=0, return_inverse=True)[1].reshape(-1)
    channel = np.zeros((mdp.n_states, 2 * mask.max() + 2))
    for s, m in enumerate(mask):
        channel[s, 2 * m : 2 * m + 2] = draw(distributions(2))
    return mdp, channel, draw(st.integers(1, 3))


@given(worlds(), st.data())
@settings(max_examples=60)
def test_policies_of_the_hidden_state_are_worth_what_they_were(world, data):
    """V and Q state by state, J, and visits added up; terminal states, rewards for the end, laws of
    rewards and refused pairs included.

    Seen failing: with O(o | s) for O(o' | s'); with final left out; with terminal states that are
    not declared."""
    mdp, channel, k = world
    pi = data.draw(policies(mdp))
    try:
        old = evaluate(mdp, pi)
    except ModelError:
        assume(False)  # rewards for ever
    assume(np.isfinite(old.V).all())
    new, memory = remember(mdp, channel, k)
    assert (new.objective, new.gamma, new.horizon) == (mdp.objective, mdp.gamma, mdp.horizon)
    found = evaluate(new, memory.lift(pi, axis=pi.ndim - 2))
    time = int(mdp.objective == "finite")
    scale = 1 + np.abs(old.V).max()
    assert np.allclose(found.V, memory.lift(old.V, axis=time), rtol=0, atol=1e-9 * scale)
    Q = memory.lift(old.Q, axis=time)
    assert np.allclose(found.Q, Q, rtol=0, atol=1e-9 * scale)
    assert found.J == pytest.approx(old.J, abs=1e-9 * scale)
    if mdp.objective in ("discounted", "finite"):
        visits = memory.collect(found.visits, axis=time)
        assert np.allclose(visits, old.visits, rtol=0, atol=1e-9 * (1 + old.visits.max()))


@given(worlds(objective=("discounted", "finite")), st.integers(0, 99))
@settings(max_examples=40)
def test_policies_of_the_last_observation_are_worth_what_they_were(world, seed):
    """J of the mixture in the old model. Seen failing: with the first observation of the window for
    the last; with mu spread evenly over the copies of a state."""
    mdp, channel, k = world
    old = Observation(mdp, channel)
    theta = np.random.default_rng(seed).normal(size=old.shape)
    new, memory = remember(mdp, channel, k)
    last = memory.windows[memory.labels][:, -1]
    reactive = Observation(new, last)
    assert reactive.n_obs <= old.n_obs
    value = evaluate(new, reactive.probs(theta[: reactive.n_obs])).J
    assert value == pytest.approx(evaluate(mdp, old.probs(theta)).J, abs=1e-10)
    if k == 1:
        assert len(memory.windows) <= old.n_obs


def by_hand(mdp, channel, policy, k, length):
    """J of a policy that is told what was seen and done lately: every path, one by one."""
    total, law = 0.0, mdp.branches
    paths = [
        (mdp.mu[s] * channel[s, o], int(s), (int(o),), 0)
        for s, o in np.argwhere(mdp.mu[:, None] * channel)
    ]
    while paths:
        chance, s, window, t = paths.pop()
        if mdp.terminal[s] or t == length:
            continue
        for a in np.flatnonzero(mdp.allowed[s]):
            row = s * mdp.n_actions + a
            for j in range(law.offsets[row], law.offsets[row + 1]):
                then, p = int(law.next_state[j]), chance * policy(window)[a] * law.prob[j]
                total += p * mdp.gamma**t * law.reward[j]
                for o in np.flatnonzero(channel[then]):
                    seen = (*window, int(a), int(o))[-(2 * k - 1) :]
                    paths.append((p * channel[then, o], then, seen, t + 1))
    return total


@given(worlds(objective="finite", max_horizon=3, final=False), st.integers(0, 99))
@settings(max_examples=40)
def test_policies_of_the_memory_are_worth_what_a_walk_says(world, seed):
    """Seen failing: with the last action dropped from the window; with one observation too many
    kept."""
    mdp, channel, k = world
    new, memory = remember(mdp, channel, k)
    family = Observation(new, memory.labels)
    theta = np.random.default_rng(seed).normal(size=family.shape)
    table = family.family.probs(theta)
    number = {tuple(w[w >= 0]): i for i, w in enumerate(memory.windows.tolist() and memory.windows)}
    walked = by_hand(mdp, channel, lambda seen: table[number[seen]], k, mdp.horizon)
    assert evaluate(new, family.probs(theta)).J == pytest.approx(walked, abs=1e-11)


@given(worlds(objective="discounted", max_states=2), st.integers(0, 99))
@settings(max_examples=25)
def test_the_gradient_with_memory_is_the_complex_step(world, seed):
    """Seen failing: with derivatives sent back to the labels of other states."""
    mdp, channel, k = world
    new, memory = remember(mdp, channel, min(k, 2))
    family = Observation(new, memory.labels)
    theta = np.random.default_rng(seed).normal(size=family.shape)

    def value(x):
        logits = np.where(family.family.mdp.allowed, x, -np.inf)
        return oracles.objective_of_policy(new, oracles.softmax(logits)[memory.labels])

    found = policy_gradient(new, family, theta).value
    assert np.allclose(found, oracles.complex_step(value, theta), rtol=0, atol=1e-9)


def test_memory_finds_the_goal_where_reacting_does_not():
    """Two cells that look alike need different moves; who knows what was seen before can tell.

    Seen failing: with k = 1."""
    world = grid_world("S..\n##.\n##G", gamma=0.9)  # three to the right, then down
    alike = np.where(world.terminal, 1, 0)
    best = solve(world).V @ world.mu
    new, memory = remember(world, alike, k=5)
    family = Observation(new, memory.labels)
    theta = np.zeros(family.shape)
    for _ in range(60):  # ascent, uphill without noise
        gradient = policy_gradient(new, family, theta).value
        theta = theta + gradient / np.abs(gradient).max()
    assert evaluate(new, family.probs(theta)).J > 0.98 * best
    reactive = Observation(world, alike)
    grid = [[0.0, a, b, -50.0] for a in np.linspace(-5, 5, 21) for b in np.linspace(-5, 5, 21)]
    highest = max(evaluate(world, reactive.probs([x, [0.0] * 4])).J for x in grid)
    assert highest < 0.8 * best


def test_the_optimum_is_preserved_and_estimators_too():
    """Noise of rewards, two rewards on one successor. Seen failing: with reward_std left out; with
    the law left out."""
    outcomes = [[[(0.5, 1, 1.0, False), (0.5, 1, -1.0, False)], [(1.0, 0, 0.25, False)]]]
    outcomes += [[[(1.0, 0, 0.0, False)], [(1.0, 1, 0.5, False)]]]
    mdp = MDP.from_outcomes(outcomes, gamma=0.9, horizon=3)
    mdp = MDP(
        mdp.P, mdp.R, 0.9, horizon=3, law=mdp.law, reward_std=[[0.5, 0.0], [0.0, 1.0]], mu=[1, 0]
    )
    new, memory = remember(mdp, [[0.75, 0.25], [0.5, 0.5]], k=2)
    assert np.allclose(solve(new).V, memory.lift(solve(mdp).V, axis=1), rtol=0, atol=1e-12)
    assert np.array_equal(new.reward_std, memory.lift(mdp.reward_std))
    assert new.law is not None and new.action_names == mdp.action_names
    short = new.with_objective(gamma=0.9, horizon=2)
    family = Observation(short, memory.labels)
    theta = np.random.default_rng(0).normal(size=family.shape)
    verdict = check_estimator(
        lambda batch: gpomdp(batch, family, theta, 0.9), short, (family, theta)
    )
    assert verdict.outcome == "unbiased"


def test_sizes_are_known_before_they_are_made():
    """Seen failing: with a limit ten times as high; with >= for >; with keys that wrap round."""
    rng = np.random.default_rng(0)
    P = rng.dirichlet(np.ones(20), size=(20, 4))
    mdp = MDP(P, np.zeros((20, 4)), 0.9)
    message = (
        r"^the model with a memory of k=4 has at least .* transitions, more than limit=5,000,000"
    )
    with pytest.raises(ModelError, match=message):
        remember(mdp, np.arange(20), 4)
    new, _ = remember(mdp, np.arange(20), 2)
    assert new.n_states == 20 * (1 + 20 * 4)
    n = len(new.branches.prob)
    assert remember(mdp, np.arange(20), 2, limit=n)[0].n_states == new.n_states
    with pytest.raises(ModelError, match=rf"transitions, more than limit={n - 1:,}\b"):
        remember(mdp, np.arange(20), 2, limit=n - 1)
    with pytest.raises(
        ModelError, match=r"^k is 60: with 20 observations and 4 actions .* 64 bits"
    ):
        remember(mdp, np.arange(20), 60)
    for k in (0, -1, 1.5, True):
        with pytest.raises(ModelError, match=r"^k is .*; it must be an int >= 1"):
            remember(mdp, np.arange(20), k)
    with pytest.raises(ModelError, match=r"^O has shape \(3,\)"):
        remember(mdp, np.arange(3), 1)


def test_uniform_is_worth_the_same_in_a_model_of_many_states():
    """A long corridor with noise. Seen failing: with mu uniform over the new states."""
    world = grid_world("S" + "." * 60 + "G", gamma=0.99, slip=0.1)
    near = np.minimum(np.arange(62) % 5, 4)
    new, memory = remember(world, near, k=3)
    assert new.n_states > 2000
    J = evaluate(new, uniform_policy(new)).J
    assert J == pytest.approx(evaluate(world, uniform_policy(world)).J, abs=1e-10)
    assert Softmax(new).shape == (len(memory.state), 4)
