"""The softmax family: probabilities at any logits, and derivatives beside complex steps."""

import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import oracles
from mdptools import MDP, ModelError, Softmax, check_policy
from mdptools.policies import SoftmaxAt
from mdptools.testing.strategies import logits, mdps

TEMPERATURES = st.sampled_from([1.0, 0.5, 3.0])
TWO = MDP(np.full((2, 2, 2), 0.5), np.ones(2), 0.9)
MASKED = MDP(
    np.full((2, 3, 2), 0.5),
    np.ones(2),
    0.9,
    allowed=[[True, False, True], [False, True, False]],
    state_names=["x", "y"],
    action_names=["a", "b", "c"],
)


def written_out(mdp, theta, temperature):
    """pi by the formula, one number at a time."""
    pi = np.zeros(np.shape(theta))
    for s, row in enumerate(mdp.allowed):
        weights = {a: math.exp(theta[s][a] / temperature) for a in np.flatnonzero(row)}
        for a, weight in weights.items():
            pi[s, a] = weight / sum(weights.values())
    return pi


# --- probabilities ------------------------------------------------------------------------------


@given(st.data(), TEMPERATURES)
def test_probs_are_the_formula(data, temperature):
    """Seen failing: with logits times the temperature; with the refused in the sum; with the sum
    over states."""
    mdp = data.draw(mdps())
    theta = data.draw(logits(mdp, largest=20))
    family = Softmax(mdp, temperature)
    assert family.shape == theta.shape and family.size == theta.size
    pi = family.probs(theta)
    check_policy(mdp, pi)
    assert not pi.flags.writeable
    assert np.allclose(pi, written_out(mdp, theta, temperature), rtol=1e-13, atol=0)
    with np.errstate(divide="ignore"):
        assert np.allclose(family.log_probs(theta), np.log(pi), rtol=1e-13, atol=1e-13)
    assert np.array_equal(family.probs(theta.tolist()), pi)


@pytest.mark.parametrize("scale", [1e3, 1e6, 1e300])
@pytest.mark.parametrize("temperature", [1.0, 1e-10, 1e10])
def test_huge_logits_give_no_nan_and_no_warning(scale, temperature):
    """Warnings are errors here. Seen failing: with exp of the logits themselves; with the logits
    divided first (1e300 / 1e-10 is infinite, and infinity less infinity no number)."""
    theta = np.array([[scale, -scale], [scale, scale]])
    family = Softmax(TWO, temperature)
    pi, logs = family.probs(theta), family.log_probs(theta)
    assert pi[1].tolist() == [0.5, 0.5] and pi.sum(axis=1).tolist() == [1, 1]
    spread = min(2 * (scale / temperature if scale / temperature < 1e307 else np.inf), 1.7e308)
    if spread > 1e3:
        assert pi[0].tolist() == [1, 0] and logs[0, 0] == 0
        assert logs[0, 1] == pytest.approx(-spread, rel=0.1 if spread > 1e308 else 1e-15)
    assert family.pullback(theta, np.ones((2, 2))).tolist() == [[0, 0], [0, 0]]


def test_near_logits_are_told_apart_however_large_they_are():
    """Seen failing: with the division before the subtraction (off by 0.04)."""
    theta = np.array([[1e15, 1e15 + 1], [-1e15, 1 - 1e15]])
    wanted = 1 / (1 + math.exp(-1 / 3))
    assert np.allclose(Softmax(TWO, 3.0).probs(theta)[:, 1], wanted, rtol=1e-15, atol=0)


def test_refused_actions_have_no_logits():
    """Whatever stands there. Seen failing: with -1e9 added for the mask; with the largest of all
    logits subtracted."""
    family = Softmax(MASKED)
    for junk in (0.0, 1e308, -1e308, np.nan, np.inf, -np.inf):
        theta = np.where(MASKED.allowed, -1e308, junk)
        pi = family.probs(theta)
        assert pi.tolist() == [[0.5, 0, 0.5], [0, 1, 0]]
        half = -math.log(2)
        assert family.log_probs(theta).tolist() == [[half, -np.inf, half], [-np.inf, 0, -np.inf]]
        assert not family.score(theta)[~MASKED.allowed].any()
        assert not family.score(theta)[:, :, ~MASKED.allowed.reshape(-1)].any()


@given(st.data())
def test_a_constant_added_in_a_state_changes_nothing(data):
    """Seen failing: with sigmoids in place of the softmax."""
    mdp = data.draw(mdps())
    theta = data.draw(logits(mdp))
    shift = 8.0 * np.arange(mdp.n_states)[:, None]
    family = Softmax(mdp)
    assert np.allclose(family.probs(theta + shift), family.probs(theta), rtol=1e-13, atol=0)


# --- derivatives --------------------------------------------------------------------------------


@given(st.data(), TEMPERATURES)
def test_score_is_the_derivative_of_the_logarithm(data, temperature):
    """By a complex step through the oracle's softmax, and through log_probs itself.

    Seen failing: without 1 / temperature; with the block of the next state; with the scores of
    refused actions left in."""
    mdp = data.draw(mdps())
    theta = data.draw(logits(mdp))
    family = Softmax(mdp, temperature)
    score = family.score(theta).reshape(*family.shape, *family.shape)
    pi = family.probs(theta)

    def logarithms(x):
        taken = oracles.softmax(np.where(mdp.allowed, x, -np.inf), temperature)
        return np.log(np.where(mdp.allowed, taken, 1.0))

    assert np.allclose(score, oracles.complex_step(logarithms, theta), rtol=0, atol=1e-12)
    own = oracles.complex_step(lambda x: np.where(mdp.allowed, family.log_probs(x), 0), theta)
    assert np.allclose(score, own, rtol=0, atol=1e-12)
    assert np.allclose(np.einsum("sa,sa...->s...", pi, score), 0, atol=1e-13)  # mean zero


def expected_pull(mdp, theta, temperature):
    """dJ/dtheta by complex steps; the model must have a finite J."""

    def J(x):
        return oracles.objective_of_logits(mdp, x, temperature)

    return oracles.complex_step(J, theta)


@pytest.mark.parametrize("objective", ["discounted", "finite", "total"])
@given(st.data(), TEMPERATURES)
def test_pullback_of_visits_times_q_is_the_gradient(objective, data, temperature):
    """dJ/dpi is visits Q, for each time of a horizon: evaluated in exact fractions. The other road
    differentiates J through the softmax by complex steps.

    Seen failing: without 1 / temperature; without the mean subtracted; with the mean of G not
    weighted by pi; with the last time for the sum over time; with visits.sum(0) times Q[0]."""
    ends = True if objective == "total" else None
    mdp = data.draw(mdps(objective=objective, max_gamma=0.9, max_states=3, terminal=ends))
    theta = data.draw(logits(mdp, largest=2))
    family = Softmax(mdp, temperature)
    found = oracles.evaluate(mdp, family.probs(theta), normalise_rows=True)
    assume(objective != "total" or all(map(math.isfinite, found.steps)))
    visits, Q = oracles.floats(found.visits), oracles.floats(found.Q)
    Q = np.where(mdp.allowed, Q, 0.0)
    gradient = family.pullback(theta, visits[..., None] * Q)
    assert gradient.shape == theta.shape and not gradient[~mdp.allowed].any()
    scale = 1 + np.abs(visits).max() * np.abs(Q).max()
    wanted = expected_pull(mdp, theta, temperature)
    assert np.allclose(gradient, wanted, rtol=0, atol=1e-9 * scale)


@given(st.data(), TEMPERATURES)
def test_pullback_is_the_adjoint_of_the_derivative_of_probs(data, temperature):
    """Seen failing: with pi for 1 in the mean; with a pullback_norm of half its size."""
    mdp = data.draw(mdps())
    theta = data.draw(logits(mdp, largest=3))
    family = Softmax(mdp, temperature)
    size = theta.size
    G = np.array(data.draw(st.lists(st.integers(-9, 9), min_size=size, max_size=size)))
    G = G.reshape(theta.shape).astype(float)
    jacobian = oracles.complex_step(family.probs, theta)
    pulled = family.pullback(theta, G)
    assert np.allclose(np.einsum("sa,sa...->...", G, jacobian), pulled, rtol=0, atol=1e-12)
    assert np.array_equal(family.pullback(theta, np.array([G, G])), family.pullback(theta, 2 * G))
    with_junk = np.where(mdp.allowed, G, -np.inf)
    assert np.array_equal(family.pullback(theta, with_junk), pulled)
    largest = np.abs(G).max(axis=1).sum()
    assert np.abs(pulled).sum() <= family.pullback_norm * largest + 1e-12


def test_the_bound_on_the_pullback_is_attained():
    """Seen failing: with a pullback_norm twice its size."""
    family = Softmax(MDP(np.ones((1, 2, 1)), [[0.0, 1.0]], 0.5), 0.25)
    pulled = family.pullback([[0.0, 0.0]], np.array([[1.0, -1.0]]))
    assert np.abs(pulled).sum() == family.pullback_norm == 4


@given(st.data(), TEMPERATURES)
def test_accumulate_is_the_weighted_sum_of_scores(data, temperature):
    """Seen failing: with trajectories summed into one row; with s*S + a; with w squared; without
    1 / temperature."""
    mdp = data.draw(mdps())
    theta = data.draw(logits(mdp))
    family = Softmax(mdp, temperature)
    n, length = data.draw(st.integers(0, 3)), data.draw(st.integers(0, 4))
    pairs = np.argwhere(mdp.allowed)
    taken = st.lists(st.integers(0, len(pairs) - 1), min_size=n * length, max_size=n * length)
    s, a = pairs[np.array(data.draw(taken), dtype=int)].T.reshape(2, n, length)
    weights = st.lists(st.integers(-4, 4), min_size=n * length, max_size=n * length)
    w = np.array(data.draw(weights), dtype=float).reshape(n, length)
    score = family.score(theta)
    wanted = np.zeros((n, family.size))
    for i in range(n):
        for t in range(length):
            wanted[i] += w[i, t] * score[s[i, t], a[i, t]]
    found = family.accumulate(theta, s, a, w)
    assert found.shape == wanted.shape and np.allclose(found, wanted, rtol=0, atol=1e-12)
    if length:  # padding: the last state, action 0 (be it refused there), weight 0
        w[:, -1], a[:, -1] = 0.0, 0
        shorter = family.accumulate(theta, s[:, :-1], a[:, :-1], w[:, :-1])
        assert np.allclose(family.accumulate(theta, s, a, w), shorter, rtol=0, atol=1e-12)


@given(st.data())
def test_the_family_that_is_written_by_pi_itself(data):
    """At theta = log pi, where pi is positive, it is the softmax. Seen failing: with log pi for
    pi; with a score of zero where pi is zero."""
    mdp = data.draw(mdps())
    theta = data.draw(logits(mdp))
    at, family = SoftmaxAt(mdp), Softmax(mdp)
    pi = family.probs(theta)
    assert (at.shape, at.size, at.pullback_norm) == (family.shape, family.size, 1)
    assert np.array_equal(at.probs(pi), pi) and np.array_equal(at.score(pi), family.score(theta))
    G = np.arange(float(theta.size)).reshape(theta.shape)
    assert np.array_equal(at.pullback(pi, G), family.pullback(theta, G))
    s, a = np.argwhere(mdp.allowed).T[:, None, :]
    w = 1.0 + np.arange(s.size)[None, :]
    assert np.array_equal(at.accumulate(pi, s, a, w), family.accumulate(theta, s, a, w))
    sure = np.eye(mdp.n_actions)[mdp.allowed.argmax(axis=1)]  # an action that is never taken
    block = np.eye(mdp.n_actions) - sure[:, None, :]
    for here, row in np.ndenumerate(mdp.allowed):
        wanted = block[here] if row else 0 * block[here]
        mine = at.score(sure)[here].reshape(mdp.n_states, -1)
        assert np.array_equal(mine[here[0]], wanted)


def test_accumulate_takes_many_trajectories():
    """Seen failing: without astype (then s * 4 overflows in int8)."""
    mdp = MDP(np.full((50, 4, 50), 0.02), np.ones(50), 0.9)
    rng = np.random.default_rng(0)
    s, a = rng.integers(50, size=(1000, 30)), rng.integers(4, size=(1000, 30))
    theta, w = np.zeros((50, 4)), np.ones((1000, 30))
    found = Softmax(mdp).accumulate(theta, s, a, w)
    assert found.shape == (1000, 200) and np.allclose(found.sum(axis=1), 0, atol=1e-12)
    small = Softmax(mdp).accumulate(theta, s.astype(np.int8), a.astype(np.int8), w)
    assert np.array_equal(small, found)  # 49 * 4 is no int8


# --- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf, "warm", None, 5e-324])
def test_a_temperature_is_a_number_above_zero(temperature):
    """Seen failing: with `temperature <= 0`, which lets nan pass; with 5e-324, whose inverse
    overflows."""
    message = re.escape(
        f"temperature is {temperature!r}; it must be a number > 0 (at least 2.23e-308)."
    )
    with pytest.raises(ModelError, match=f"^{message}$"):
        Softmax(TWO, temperature)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        (np.zeros(4), "theta has shape (4,); it must be (S, A) = (2, 3), one logit for each pair."),
        (
            np.where(MASKED.allowed, np.inf, 0.0),
            "theta[0, 0] is inf: the logit of action 0 ('a') in state 0 ('x') must be finite (3 "
            "are not).",
        ),
        ([[0.0], [0.0, 1.0]], "theta is no array of real numbers"),
        ([["a"] * 3] * 2, "theta is no array of real numbers: their type is <U1"),
    ],
)
def test_what_are_no_logits(theta, message):
    """Seen failing: with isnan for not isfinite; with np.asarray for as_floats."""
    for ask in ("probs", "log_probs", "score"):
        with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
            getattr(Softmax(MASKED), ask)(theta)


@pytest.mark.parametrize("shape", [(2,), (2, 2), (3, 2), (4, 3), (1, 1, 2, 3), (2, 3, 2)])
def test_a_derivative_of_another_shape(shape):
    """Seen failing: with the last axis alone looked at."""
    message = re.escape(f"dJ_dpi has shape {shape}; it must be (S, A) = (2, 3) or (H, S, A).")
    with pytest.raises(ModelError, match=f"^{message}$"):
        Softmax(MASKED).pullback(np.zeros((2, 3)), np.zeros(shape))


def test_logits_further_apart_than_the_largest_float():
    """Seen failing: with a RuntimeWarning, where the largest logit was subtracted from -1e308."""
    theta = np.where(MASKED.allowed, -1.7e308, 0.0)
    best = MASKED.allowed.argmax(axis=1)
    theta[np.arange(2), best] = 1.7e308
    assert np.array_equal(Softmax(MASKED).probs(theta), np.eye(3)[best])
    assert np.isfinite(Softmax(MASKED).log_probs(theta)[MASKED.allowed]).all()


def test_a_derivative_that_is_not_finite():
    """Seen failing: with a RuntimeWarning and nan in the gradient."""
    taken = tuple(int(i) for i in np.argwhere(MASKED.allowed)[0])
    for value in (np.inf, np.nan):
        dJ_dpi = np.zeros((2, 3))
        dJ_dpi[taken] = value
        with pytest.raises(ModelError, match=rf"^dJ_dpi is {value} at \[.*; it must be finite"):
            Softmax(MASKED).pullback(np.zeros((2, 3)), dJ_dpi)


@pytest.mark.parametrize(
    ("s", "a", "w", "message"),
    [
        ([0, 1], [0, 1], [1.0, 1.0], r"^s, a and w have shapes \(2,\), .* must be \(N, T\)"),
        ([[0, 1]], [[0]], [[1.0, 1.0]], r"^s, a and w have shapes \(1, 2\), \(1, 1\) and \(1, 2\)"),
        ([[0, 1]], [[0, 1]], [[1.0]], r"^s, a and w have shapes"),
        ([[0, 2]], [[0, 1]], [[1.0, 0.0]], r"^s holds int64 from 0 to 2; .* from 0 to 1, also"),
        ([[0, 1]], [[0, 3]], [[1.0, 1.0]], r"^a holds int64 from 0 to 3; .* from 0 to 2, also"),
        ([[0, 1]], [[-1, 0]], [[0.0, 1.0]], r"^a holds int64 from -1 to 0"),
        ([[0.0, 1.0]], [[0, 1]], [[1.0, 1.0]], r"^s holds float64 from 0.0 to 1.0"),
    ],
)
def test_steps_that_are_not_of_this_model(s, a, w, message):
    """An action too large would be counted in the next state. Seen failing: without the limits;
    with padding -1 accepted; without the shapes (one trajectory is then taken for many)."""
    with pytest.raises(ModelError, match=message):
        Softmax(MASKED).accumulate(np.zeros((2, 3)), np.array(s), np.array(a), np.array(w))
