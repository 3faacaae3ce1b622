"""Every family by the same properties: its derivatives beside those of its own probabilities.

The table of families at the top is all that a new one has to join. What the probabilities are is
tested in each family's own file; here complex steps through `probs` are the oracle.
"""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from mdptools import (
    MDP,
    Callable,
    Direct,
    LogLinear,
    ModelError,
    Observation,
    Softmax,
    SoftmaxAt,
    Timed,
    check_policy,
    evaluate,
    policy_gradient,
)
from mdptools.testing.strategies import mdps


def features(rng, mdp, k=2):
    return rng.integers(-8, 9, size=(mdp.n_states, mdp.n_actions, k)) / 4


def labels(mdp):
    """One for each mask of allowed actions: states that look alike allow the same."""
    return np.unique(mdp.allowed, axis=0, return_inverse=True)[1].reshape(-1)


def channel(rng, mdp):
    """Two observations for each mask, with chances that depend on the state; some are certain."""
    mask, share = labels(mdp), rng.integers(0, 5, size=mdp.n_states) / 4
    chances = np.zeros((mdp.n_states, 2 * mask.max() + 2))
    here = np.arange(mdp.n_states)
    chances[here, 2 * mask], chances[here, 2 * mask + 1] = share, 1 - share
    return chances


def quadratic(rng, mdp, gives="logits"):
    """Logits with a second derivative, and their softmax if probabilities are wanted."""
    first, second = features(rng, mdp), features(rng, mdp) / 4
    allowed = mdp.allowed

    def logits(theta):
        return first @ theta + second @ theta**2

    def slopes(theta):
        return first + 2 * second * theta

    def bend(theta, v, U):
        return np.tensordot(U, 2 * second * v, axes=2)

    def probs(theta):
        return oracles.softmax(np.where(allowed, logits(theta), -np.inf))

    def moved(pi, x):  # x (S, A, ...) through the derivative of softmax
        weights = pi.reshape(*pi.shape, *([1] * (x.ndim - 2)))
        return weights * (x - (weights * x).sum(axis=1, keepdims=True))

    def probs_slopes(theta):
        return moved(probs(theta), np.where(allowed[..., None], slopes(theta), 0))

    def probs_bend(theta, v, U):
        return oracles.complex_step(
            lambda h: np.tensordot(U, probs_slopes(theta + h * v), axes=2), np.zeros(1)
        )[:, 0]

    if gives == "logits":
        return Callable(mdp, logits, slopes, (2,), hessian_product=bend)
    return Callable(mdp, probs, probs_slopes, (2,), gives="probs", hessian_product=probs_bend)


FAMILIES = {
    "softmax": lambda rng, mdp: Softmax(mdp),
    "softmax at temperature 1/2": lambda rng, mdp: Softmax(mdp, 0.5),
    "log-linear": lambda rng, mdp: LogLinear(mdp, features(rng, mdp)),
    "direct": lambda rng, mdp: Direct(mdp),
    "reactive": lambda rng, mdp: Observation(mdp, labels(mdp)),
    "reactive, noisy": lambda rng, mdp: Observation(mdp, channel(rng, mdp)),
    "reactive, log-linear": lambda rng, mdp: Observation(
        mdp, channel(rng, mdp), lambda seen: LogLinear(seen, features(rng, seen))
    ),
    "timed": lambda rng, mdp: Timed(mdp, Softmax(mdp, 2.0)),
    "timed, reactive": lambda rng, mdp: Timed(mdp, Observation(mdp, channel(rng, mdp))),
    "logits by a function": quadratic,
    "probabilities by a function": lambda rng, mdp: quadratic(rng, mdp, "probs"),
}
EACH = pytest.mark.parametrize("name", FAMILIES)
SEEDS = st.integers(0, 2**16)


def case(data, name, **words):
    """A model, a family for it, theta, and a generator."""
    timed = {"objective": "finite", "max_horizon": 2} if name.startswith("timed") else {}
    mdp = data.draw(mdps(max_states=3, max_actions=3, **{**words, **timed}))
    rng = np.random.default_rng(data.draw(SEEDS))
    family = FAMILIES[name](rng, mdp)
    theta = rng.integers(-16, 17, size=family.shape) / 8
    if name == "direct":
        theta = Softmax(mdp).probs(theta)
    return mdp, family, theta, rng


def jacobian(family, theta):
    """d pi / d theta by complex steps; the direct family's is cut to the plane it moves in."""
    found = oracles.complex_step(family.probs, theta)
    if isinstance(family, Direct):
        allowed = family.mdp.allowed
        mean = (found * allowed).sum(axis=-1, keepdims=True) / allowed.sum(axis=1, keepdims=True)
        found = np.where(allowed, found - mean, 0.0) * allowed[..., None, None]
    return found


@EACH
@settings(max_examples=15)
@given(st.data())
def test_probs_are_a_policy(name, data):
    """Seen failing: with the weights of refused actions left in."""
    mdp, family, theta, _ = case(data, name)
    assert family.shape == theta.shape and family.size == theta.size
    pi = family.probs(theta)
    assert not pi.flags.writeable
    assert np.array_equal(check_policy(mdp, pi), pi)
    assert not pi[..., ~mdp.allowed].any()
    assert np.abs(pi.sum(axis=-1) - 1).max() <= 4 * 2.0**-52


@EACH
@settings(max_examples=15)
@given(st.data())
def test_pushforward_and_pullback_are_the_derivative_of_probs_and_its_transpose(name, data):
    """Seen failing: without 1 / temperature in pushforward; with the mean over actions for that
    under pi; a channel whose chances are all 1; Callable without the division by p; the pullback of
    Direct without its mean; a pullback_norm of half its size."""
    mdp, family, theta, rng = case(data, name)
    M = jacobian(family, theta)
    v, G = rng.integers(-9, 10, theta.shape) / 2, rng.integers(-9, 10, M.shape[: -theta.ndim]) / 2
    dpi = family.pushforward(theta, v)
    assert np.allclose(dpi, np.tensordot(M, v, axes=theta.ndim), rtol=0, atol=1e-11)
    assert not dpi[..., ~mdp.allowed].any()
    with_junk = np.where(mdp.allowed, G, -np.inf)
    pulled = family.pullback(theta, with_junk)
    assert np.allclose(pulled, np.tensordot(G, M, axes=G.ndim), rtol=0, atol=1e-11)
    assert np.isclose((dpi * G).sum(), (v * pulled).sum(), rtol=0, atol=1e-10)
    norm = family.pullback_norm
    if norm < np.inf:
        assert np.abs(pulled).sum() <= norm * np.abs(G).max(axis=-1).sum() + 1e-10
    if G.ndim == 2:  # the same policy at each time: derivatives are added up
        twice = family.pullback(theta, np.array([with_junk, with_junk]))
        assert np.allclose(twice, 2 * pulled, rtol=1e-13, atol=1e-13)


@EACH
@settings(max_examples=15)
@given(st.data())
def test_curvature_is_the_derivative_of_pullback(name, data):
    """By a complex step through pullback. Seen failing: without the term - pi dmean; without
    1 / temperature; Callable without the bend, and without the term of J p' / p^2."""
    mdp, family, theta, rng = case(data, name)
    shape = family.probs(theta).shape
    v, G = rng.integers(-9, 10, theta.shape) / 2, rng.integers(-9, 10, shape) / 2
    G = np.where(mdp.allowed, G, -np.inf)
    h = 1e-20
    wanted = family.pullback(theta + 1j * h * v, G).imag / h
    assert np.allclose(family.curvature(theta, v, G), wanted, rtol=0, atol=1e-10)
    u = rng.integers(-9, 10, theta.shape) / 2  # it is a Hessian: symmetric
    there, back = family.curvature(theta, u, G), family.curvature(theta, v, G)
    assert np.isclose((there * v).sum(), (back * u).sum(), rtol=0, atol=1e-9)


@EACH
@settings(max_examples=15)
@given(st.data())
def test_scores_are_derivatives_of_log_pi_and_have_mean_zero(name, data):
    """Seen failing: the score of a mixture with O(o | s) for Pr(o | s, a); of Timed in the block of
    the time after; of Direct without its mean (then their mean is 1)."""
    mdp, family, theta, _ = case(data, name)
    pi, score = family.probs(theta), family.score(theta)
    M = jacobian(family, theta).reshape(*pi.shape, family.size)
    assert score.shape == M.shape
    assert np.allclose(pi[..., None] * score, M, rtol=0, atol=1e-11)
    assert np.allclose((pi[..., None] * score).sum(axis=-2), 0, rtol=0, atol=1e-11)
    assert not score[..., ~mdp.allowed, :].any()


@EACH
@settings(max_examples=15)
@given(st.data())
def test_accumulate_is_the_weighted_sum_of_scores(name, data):
    """Seen failing: Direct without 1 / pi; the mixture with the posterior of another action; Timed
    with all steps at time 0."""
    mdp, family, theta, rng = case(data, name)
    timed = family.probs(theta).ndim == 3
    n, length = rng.integers(0, 4), mdp.horizon if timed else rng.integers(0, 4)
    pairs = np.argwhere(mdp.allowed)[rng.integers(mdp.allowed.sum(), size=(n, length))]
    s, a = pairs.reshape(n, length, 2)[..., 0], pairs.reshape(n, length, 2)[..., 1]
    w = rng.integers(-4, 5, size=(n, length)) / 2
    score = family.score(theta)
    wanted = np.zeros((n, family.size))
    for i in range(n):
        for t in range(length):
            wanted[i] += w[i, t] * score[(t, s[i, t], a[i, t]) if timed else (s[i, t], a[i, t])]
    found = family.accumulate(theta, s, a, w)
    assert found.shape == wanted.shape and np.allclose(found, wanted, rtol=0, atol=1e-9)
    if length:  # padding: action 0, be it refused there, and weight 0
        w[:, -1], a[:, -1] = 0.0, 0
        w_before = w.copy()
        shorter = family.accumulate(theta, s[:, :-1], a[:, :-1], w[:, :-1])
        assert np.allclose(family.accumulate(theta, s, a, w), shorter, rtol=0, atol=1e-12)
        assert np.array_equal(w, w_before)


@EACH
@settings(max_examples=10)
@given(st.data())
def test_the_policy_gradient_is_the_derivative_of_the_return(name, data):
    """Central differences of J of `evaluate`, along one direction; the direct family's stays in the
    simplex. Seen failing: the pullback of Direct with the mean added; Timed with times reversed."""
    words = {"objective": ["discounted", "finite"], "max_gamma": 0.9, "max_reward": 1}
    mdp, family, theta, rng = case(data, name, **words)
    v = rng.normal(size=theta.shape)
    if name == "direct":
        v = family.pushforward(theta, v)
        v *= 0.01 * theta[mdp.allowed].min() / max(np.abs(v).max(), 1e-3)
    h = 0.5 if name == "direct" else 1e-4  # J is smooth; probabilities of 1e-4 stay positive
    gradient = policy_gradient(mdp, family, theta)
    up, down = (evaluate(mdp, family.probs(theta + x * v)).J for x in (h, -h))
    assert (gradient.value * v).sum() == pytest.approx((up - down) / (2 * h), rel=1e-3, abs=1e-5)
    for baseline in (None, np.arange(float(mdp.n_states))):
        other = policy_gradient(mdp, family, theta, baseline=baseline).value
        assert np.allclose(other, gradient.value, rtol=0, atol=1e-9)


@given(st.data())
@settings(max_examples=15)
def test_the_family_written_by_pi_moves_as_the_softmax(data):
    """Seen failing: with log pi for pi in `curvature`."""
    mdp, family, theta, rng = case(data, "softmax")
    at, pi = SoftmaxAt(mdp), family.probs(theta)
    v, G = rng.integers(-9, 10, size=(2, *theta.shape)) / 2
    v = np.where(mdp.allowed, v, np.nan)
    assert np.array_equal(at.pushforward(pi, v), family.pushforward(theta, v))
    assert np.array_equal(at.curvature(pi, v, G), family.curvature(theta, v, G))


# --- what is refused ----------------------------------------------------------------------------

THREE = MDP(np.full((2, 3, 2), 0.5), np.ones(2), 0.9, horizon=2, allowed=[[True, True, False]] * 2)


@EACH
def test_directions_and_parameters_that_do_not_fit(name):
    """Seen failing: with `v.size` compared for `v.shape`; without a check of v, which then gives
    nan; without the check of theta in Callable."""
    family = FAMILIES[name](np.random.default_rng(0), THREE)
    theta = np.zeros(family.shape)
    if name == "direct":
        theta = Softmax(THREE).probs(theta)
    wrong = np.zeros((*family.shape, 1))
    message = f"v has shape {wrong.shape}; it must have theta's, {family.shape}."
    for ask in (family.pushforward, lambda x, v: family.curvature(x, v, family.probs(x))):
        with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
            ask(theta, wrong)
        with pytest.raises(ModelError, match=r"^v\[.*\] is nan; it must be finite"):
            ask(theta, np.full(family.shape, np.nan))
    with pytest.raises(ModelError, match=r"^theta has shape .*; it must be "):
        family.probs(wrong)
    for bad in (np.nan, np.inf):
        with pytest.raises(ModelError, match=r"(is|gives) (nan|inf)"):
            family.probs(theta + bad)
    with pytest.raises(ModelError, match=r"^theta is no array of real numbers"):
        family.probs("theta")


@EACH
@pytest.mark.parametrize("scale", [1e3, 1e6])
def test_large_parameters_neither_overflow_nor_lose_the_sum(name, scale):
    """Warnings are errors here. Seen failing: with exp of the logits themselves."""
    if name in ("direct", "probabilities by a function"):
        pytest.skip("its parameters, or what the user's function returns, are probabilities")
    family = FAMILIES[name](np.random.default_rng(0), THREE)
    theta = scale * np.where(np.arange(family.size) % 2, 1.0, -1.0).reshape(family.shape)
    pi = family.probs(theta)
    assert np.array_equal(check_policy(THREE, pi), pi)
    G = np.ones(pi.shape)
    v = np.ones(family.shape)
    for moved in (
        family.pullback(theta, G),
        family.pushforward(theta, v),
        family.curvature(theta, v, G),
        family.score(theta),
    ):
        assert np.isfinite(moved).all()
