"""Steps along the gradient: certified, searched for, projected, restricted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

import smooth
from mdptools import (
    MDP,
    Direct,
    LogLinear,
    ModelError,
    Observation,
    Softmax,
    Timed,
    evaluate,
    hessian,
    log_barrier,
    problems,
    regularised_evaluation,
)
from mdptools import Callable as CallableFamily
from mdptools.studies import (
    Geometric,
    GradientAscent,
    LineSearch,
    ProjectedGradient,
    RestrictedGradient,
    restricted_step,
    smoothness,
)
from mdptools.testing.strategies import logits, mdps

MANY = settings(max_examples=60)


def garnet(seed=0, gamma=0.9):
    return problems.garnet(6, 3, branching=3, gamma=gamma, rng=seed)


def return_of(mdp, pi):
    return evaluate(mdp, pi).J


# Certified steps


@MANY
@given(data=st.data())
def test_smoothness_bounds_the_hessian(data):
    """Seen failing: with 1/2 for 3/2."""
    mdp = data.draw(mdps(max_states=3, max_actions=3, objective=("discounted", "finite")))
    H = hessian(mdp, Softmax(mdp), data.draw(logits(mdp)))
    norm = np.abs(np.linalg.eigvalsh(H)).max()
    assert norm <= smoothness(mdp) * (1 + 1e-9) + 1e-9


def test_smoothness_is_what_its_formula_says():
    """Seen failing: with 1 - gamma for its square; with H for H (H + 1) / 2; with `final` left out
    of the range; with refused actions counted."""
    P = np.full((2, 3, 2), 0.5)
    R = [[1.0, 3.0, 0.0], [2.0, 2.0, 0.0]]
    mdp = MDP(P, R, 0.9, allowed=[[1, 1, 0], [1, 1, 0]])
    assert smoothness(mdp) == pytest.approx(1.0 * (1.5 - 0.5) / 0.01)
    finite = mdp.with_objective(horizon=4)
    assert smoothness(finite) == pytest.approx(1.0 * 10)
    ends = MDP([[[0, 1.0]] * 2, [[0, 1.0]] * 2], [[2.0, 3.0], [0, 0]], gamma=0.5)
    assert smoothness(ends) == pytest.approx(1.5 * 4)
    assert smoothness(MDP(P, np.ones((2, 3)), 0.9)) == 0
    paid_last = MDP(P, np.ones((2, 3)), 0.5, horizon=1, final=[0.0, 8.0], terminal=())
    assert smoothness(paid_last) == pytest.approx(4 / 2 * (1.5 - 1 / 3))
    with pytest.raises(ModelError, match=r"smoothness serves .* this model's is average"):
        smoothness(mdp.with_objective(average=True))


@pytest.mark.parametrize("horizon", [None, 4])
@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_default_step_gains_what_the_descent_lemma_says(horizon, temperature):
    """Seen failing: with no temperature in beta; with a step 100 times too long; with the tabular
    family for all."""
    mdp = garnet() if horizon is None else garnet().with_objective(horizon=horizon)
    family = Softmax(mdp, temperature)
    family = Timed(mdp, family) if horizon else family
    rule = GradientAscent(family=family)
    eta = rule.step_size_at(mdp, 0)
    assert eta == pytest.approx(temperature**2 / smoothness(mdp))
    x = rule.start(mdp)
    for t in range(20):
        g = smooth.gradient_of(mdp, family, x)
        new = rule.step(mdp, x, t)
        np.testing.assert_allclose(new, x + eta * g, atol=1e-12)
        gain = return_of(mdp, rule.policy(mdp, new)) - return_of(mdp, rule.policy(mdp, x))
        assert gain >= eta / 2 * (g**2).sum() - 1e-12
        x = new


def test_entropy_and_barrier_never_lower_their_objective():
    """Seen failing: with the barrier left out of beta; with the barrier subtracted; with the
    entropy left out of beta; with the gradient of J alone for tau."""
    mdp = garnet(1)
    soft, held = GradientAscent(tau=0.5), GradientAscent(barrier=2.0)
    plain = GradientAscent().step_size_at(mdp, 0)
    assert 1 / soft.step_size_at(mdp, 0) - 1 / plain == pytest.approx(
        0.5 * (4 + 8 * np.log(3)) * 1e3
    )
    assert 1 / held.step_size_at(mdp, 0) - 1 / plain == pytest.approx(2.0 / 12)

    def with_entropy(pi, theta):
        return regularised_evaluation(mdp, pi, 0.5).J

    def with_barrier(pi, theta):
        return return_of(mdp, pi) + log_barrier(mdp, Softmax(mdp), theta, 2.0).value

    for rule, value in ((soft, with_entropy), (held, with_barrier)):
        x = np.random.default_rng(0).normal(size=(6, 3))
        for t in range(20):
            new = rule.step(mdp, x, t)
            before, now = value(rule.policy(mdp, x), x), value(rule.policy(mdp, new), new)
            assert now > before
            x = new
        big = GradientAscent(1e-5, tau=rule.tau, barrier=rule.barrier).step(mdp, x) - x
        slope = (value(rule.policy(mdp, x + big), x + big) - value(rule.policy(mdp, x), x)) / 1e-5
        assert slope == pytest.approx(((big / 1e-5) ** 2).sum(), rel=1e-2)


def test_schedules_are_followed():
    """Seen failing: with the first step throughout."""
    mdp = garnet(2)
    rule = GradientAscent(Geometric(0.01, growth=2.0))
    x = rule.start(mdp)
    one = GradientAscent(0.08)
    np.testing.assert_array_equal(rule.step(mdp, x, 3), one.step(mdp, x))
    assert rule.step_size_at(mdp, 3) == 0.08
    np.testing.assert_array_equal(
        GradientAscent(lambda t: 0.02 * t).step(mdp, x, 4), one.step(mdp, x)
    )


# Line search


@pytest.mark.parametrize("seed", range(5))
def test_line_search_finds_the_best_step_to_the_first_summit(seed):
    """Seen failing: with the slope taken at x; with the end of the bracket for the root."""
    mdp = garnet(seed)
    rule = GradientAscent(LineSearch(longest=50.0))
    x = np.random.default_rng(seed).normal(size=(6, 3)) * 2
    new = rule.step(mdp, x)
    g = GradientAscent(1.0).step(mdp, x) - x
    eta = float(((new - x) * g).sum() / (g * g).sum())
    assert rule.step_size_at(mdp, 0) is None
    J = lambda step: return_of(mdp, Softmax(mdp).probs(x + step * g))  # noqa: E731
    found = minimize_scalar(
        lambda s: -J(s),
        bounds=(eta / 2, min(2 * eta, 50.0)),
        method="bounded",
        options={"xatol": 1e-8},
    )
    assert J(eta) >= -found.fun - 1e-9
    assert J(eta) > J(0)


def test_line_search_stops_at_its_longest_step_and_at_the_top():
    """Seen failing: with 0 / 0 where the gradient is 0; with any longest step; with doubling past
    the longest step."""
    mdp = MDP(np.ones((1, 2, 1)), [[0.0, 1.0]], gamma=0.5)
    x = GradientAscent(LineSearch(7.0)).step(mdp, np.zeros((1, 2)))
    np.testing.assert_allclose(x, [[-3.5, 3.5]])  # the gradient is -+1/2, and J rises for ever
    flat = MDP(np.ones((1, 2, 1)), [[1.0, 1.0]], gamma=0.5)
    np.testing.assert_array_equal(
        GradientAscent(LineSearch()).step(flat, np.zeros((1, 2))), [[0, 0]]
    )
    with pytest.raises(ModelError, match=r"longest is -1; it must be a finite number > 0"):
        LineSearch(-1)


# Families


@pytest.mark.parametrize(
    "make",
    [
        Softmax,
        lambda m: LogLinear(m, np.eye(18).reshape(6, 3, 18)),
        lambda m: Observation(m, [0, 0, 1, 1, 2, 2]),
    ],
)
def test_any_family_climbs(make):
    """Seen failing: with the tabular family for all."""
    mdp = garnet(3)
    rule = GradientAscent(0.05, family=make)
    x = rule.start(mdp)
    np.testing.assert_allclose(rule.policy(mdp, x), 1 / 3)
    for t in range(10):
        new = rule.step(mdp, x, t)
        assert rule.values(mdp, new) @ mdp.mu > rule.values(mdp, x) @ mdp.mu
        x = new
    assert x.shape == tuple(make(mdp).shape)


def test_where_a_family_starts():
    """Seen failing: with zeros as the start of Direct; with zeros as the start of a function; with
    one table for all times; with the tabular family for all."""
    mdp = garnet()
    np.testing.assert_allclose(GradientAscent(1.0, family=Direct).start(mdp), 1 / 3)
    finite = mdp.with_objective(horizon=3)
    assert GradientAscent().start(finite).shape == (3, 6, 3)
    assert GradientAscent(family=Timed(finite, Direct(finite))).start(finite).min() > 0.3
    free = CallableFamily(mdp, lambda t: np.zeros((6, 3)), lambda t: np.zeros((6, 3, 1)), (1,))
    with pytest.raises(ModelError, match=r"does not know where to start: say theta0"):
        GradientAscent(1.0, family=free).start(mdp)
    assert GradientAscent(1.0, family=free, theta0=[1.0]).start(mdp) == [1.0]


# Projected


@MANY
@given(data=st.data())
def test_the_default_projected_step_never_loses(data):
    """Seen failing: with the step turned."""
    mdp = data.draw(mdps(max_states=4, max_actions=3, objective="discounted", max_gamma=0.9))
    if mdp.gamma == 0:
        mdp = mdp.with_objective(gamma=0.5)
    rule = ProjectedGradient()
    x = rule.start(mdp)
    for t in range(4):
        new = rule.step(mdp, x, t)
        before, now = evaluate(mdp, x), evaluate(mdp, new)
        slack = before.J_certificate.bound + now.J_certificate.bound
        assert now.J >= before.J - slack
        x = new


def test_projected_steps_are_the_projection():
    """Seen failing: with twice the default step; with visits left out; with the step turned."""
    mdp = garnet(4)
    pi = np.random.default_rng(0).dirichlet(np.ones(3), 6)
    _, Q, visits = smooth.solved(mdp, pi)
    expected = Direct(mdp).project(pi + 0.01 * visits[:, None] * Q)
    rule = ProjectedGradient(0.01, pi)
    np.testing.assert_allclose(rule.step(mdp, rule.start(mdp)), expected, atol=1e-12)
    default = ProjectedGradient().step_size_at(mdp, 0)
    assert default == pytest.approx(0.1**3 / (2 * 0.9 * 3 * np.ptp(mdp.R)))
    finite = mdp.with_objective(horizon=3)
    x = ProjectedGradient(0.1).step(finite, ProjectedGradient(0.1).start(finite))
    _, Q, visits = smooth.solved(finite, np.full((6, 3), 1 / 3))
    expected = [
        Direct(mdp).project(np.full((6, 3), 1 / 3) + 0.1 * v[:, None] * q)
        for v, q in zip(visits, Q, strict=True)
    ]
    np.testing.assert_allclose(x, expected, atol=1e-12)


@pytest.mark.parametrize("eta", [1e-300, 1e6, 1e308, np.inf])
def test_extreme_projected_steps_stay_on_the_simplex(eta):
    """Seen failing: with overflow let through; with no branch for infinite steps; with the step
    turned."""
    mdp = garnet(5)
    rule = ProjectedGradient(eta)
    x = rule.start(mdp)
    for t in range(4):
        x = rule.step(mdp, x, t)
        np.testing.assert_allclose(x.sum(axis=1), 1)
        assert (x >= 0).all()
    if eta >= 1e6:  # every visited state acts greedily: policy iteration
        _, Q, _ = smooth.solved(mdp, np.maximum(x, 1e-300))
        assert (x.argmax(axis=1) == Q.argmax(axis=1)).all()


def test_projected_bad_input():
    """Seen failing: with no check of gamma = 0; with the default step under any objective."""
    with pytest.raises(ModelError, match=r"default step serves the objective discounted"):
        mdp = garnet().with_objective(horizon=3)
        ProjectedGradient().step(mdp, ProjectedGradient().start(mdp))
    with pytest.raises(ModelError, match=r"infinite where gamma is 0"):
        ProjectedGradient().step_size_at(garnet(gamma=0.0), 0)
    with pytest.raises(ModelError, match=r"pi sums to 3 in state 0"):
        ProjectedGradient(1.0).step(garnet(), np.ones((6, 3)))


# Restricted


@given(seed=st.integers(0, 1000), radius=st.sampled_from([1e-6, 0.1, 10.0]))
def test_nothing_within_the_radius_gains_more(seed, radius):
    """Seen failing: with eigenvalues cut off at 0.2; with W g for W^+ g; with sqrt(radius) for
    sqrt(2 radius)."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 5))
    root = rng.normal(size=(n, int(rng.integers(1, 5))))
    W = root @ root.T
    g = W @ rng.normal(size=n) * 10.0 ** rng.integers(-3, 4)
    x = restricted_step(g, W, radius)
    assert x @ W @ x / 2 == pytest.approx(radius, rel=1e-6)
    others = rng.normal(size=(200, n))
    cost = np.einsum("ki,ij,kj->k", others, W, others) / 2
    others = others[cost > 1e-9 * np.abs(W).max()]
    others *= np.sqrt(radius / cost[cost > 1e-9 * np.abs(W).max()])[:, None]
    assert (others @ g <= x @ g * (1 + 1e-6)).all()


def test_a_restricted_step_does_not_see_the_size_of_g():
    """Seen failing: with g not scaled; with no branch for g = 0; with W g for W^+ g; with
    sqrt(radius) for sqrt(2 radius)."""
    W = np.diag([1.0, 4.0])
    for size in (1e-300, 1e-200, 1.0, 1e300):
        x = restricted_step([size, 2 * size], W, 0.5)
        np.testing.assert_allclose(x, np.array([1, 0.5]) / np.sqrt(2))
    np.testing.assert_array_equal(restricted_step([0.0, 0.0], W, 0.5), [0, 0])
    np.testing.assert_allclose(restricted_step([[3.0], [4.0]], None, 2.0), [[1.2], [1.6]])


@pytest.mark.parametrize(
    ("g", "W", "radius", "message"),
    [
        ([1.0, 1.0], [[1.0, 0.0], [0.0, 0.0]], 1.0, r"g\.x is unbounded: 0\.707 of g"),
        ([1.0, 1.0], np.zeros((2, 2)), 1.0, r"g\.x is unbounded"),
        ([1.0, 1.0], [[1.0, 0.0], [0.0, -1.0]], 1.0, r"W has the eigenvalue -1"),
        ([1.0, 1.0], [[1.0, 1.0], [0.0, 1.0]], 1.0, r"W is not symmetric: W - W' reaches 1"),
        ([1.0, 1.0], np.eye(3), 1.0, r"W has shape \(3, 3\); it must be \(2, 2\)"),
        ([1.0, np.nan], np.eye(2), 1.0, r"g holds a number that is not finite"),
        ([1.0, 1.0], np.eye(2), 0.0, r"radius is 0\.0; it must be a finite number > 0"),
    ],
)
def test_what_has_no_restricted_step(g, W, radius, message):
    """Seen failing: with no check of symmetry; with no check of the range of W; with no check of
    the signs of W."""
    with pytest.raises(ModelError, match=message):
        restricted_step(g, W, radius)


def test_restricted_rules_step_in_their_metric():
    """Seen failing: with any word for a metric; with the identity for any metric; with the
    identity for the Fisher matrix; with eigenvalues cut off at 0.2."""
    mdp = garnet(6)
    theta = np.random.default_rng(0).normal(size=(6, 3))
    g = smooth.gradient_of(mdp, Softmax(mdp), theta)
    plain = RestrictedGradient(0.02).step(mdp, theta) - theta
    np.testing.assert_allclose(plain, np.sqrt(0.04) * g / np.linalg.norm(g))
    W = np.diag(np.arange(1.0, 19.0))
    given_W = RestrictedGradient(0.02, W).step(mdp, theta) - theta
    np.testing.assert_allclose(given_W.reshape(-1), restricted_step(g.reshape(-1), W, 0.02))
    assert (RestrictedGradient(0.02, lambda x: W).step(mdp, theta) == theta + given_W).all()
    pi, (_, _, visits) = Softmax(mdp).probs(theta), smooth.solved(mdp, Softmax(mdp).probs(theta))
    move = RestrictedGradient(0.02, "fisher").step(mdp, theta) - theta
    change = move - (pi * move).sum(axis=1, keepdims=True)
    KL = 0.1 * visits @ (pi * change**2).sum(axis=1) / 2  # to second order
    assert pytest.approx(0.02) == KL
    scores = Softmax(mdp).score(theta).reshape(18, 18)
    F = (scores * (0.1 * visits[:, None] * pi).reshape(-1)[:, None]).T @ scores
    by_matrix = RestrictedGradient(0.02, F).step(mdp, theta) - theta
    np.testing.assert_allclose(by_matrix, move - move.mean(axis=1, keepdims=True), atol=1e-8)
    with pytest.raises(ModelError, match=r"metric is 'euclid'; it must be"):
        RestrictedGradient(0.1, "euclid")


# Bad input


def test_bad_input_of_ascent():
    """Seen failing: with infinite theta let through; with a beta for every family; with a beta
    with entropy for every objective; with line search with entropy."""
    mdp = garnet()
    with pytest.raises(ModelError, match=r"gradient of LogLinear can turn is not known"):
        GradientAscent(family=LogLinear(mdp, np.ones((6, 3, 1)))).step_size_at(mdp, 0)
    with pytest.raises(ModelError, match=r"known for gamma < 1: say step_size"):
        GradientAscent(tau=1.0).step_size_at(mdp.with_objective(horizon=3), 0)
    with pytest.raises(ModelError, match=r"barrier is nan; it must be a number >= 0"):
        GradientAscent(barrier=np.nan)
    with pytest.raises(ModelError, match=r"line search serves the plain objective"):
        GradientAscent(LineSearch(), tau=1.0)
    with pytest.raises(ModelError, match=r"theta\[0, 0\] is nan"):
        GradientAscent().step(mdp, np.full((6, 3), np.nan))
    left = pytest.raises(ModelError, match=r"the step left float64; take smaller steps")
    with left, np.errstate(over="ignore"):
        GradientAscent(1e308).step(mdp.with_objective(gamma=0.999), np.zeros((6, 3)))
