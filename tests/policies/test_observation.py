"""Reactive policies: the mixture, the two scores, and what may be taken for what."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import oracles
from mdptools import MDP, LogLinear, ModelError, Observation, Softmax, policy_gradient
from mdptools.testing.strategies import distributions, mdps

MASKED = MDP(
    np.full((3, 2, 3), 1 / 3),
    np.ones(3),
    0.9,
    allowed=[[True, True], [True, False], [True, True]],
    state_names=["x", "y", "z"],
    action_names=["stay", "go"],
)


@st.composite
def worlds(draw, **words):
    """A model, a channel (S, n_obs) and logits of observations."""
    words = {"objective": "discounted", "max_gamma": 0.9, "max_states": 3, "refused": False} | words
    mdp = draw(mdps(**words))
    n_obs = draw(st.integers(1, 3))
    channel = np.array([draw(distributions(n_obs)) for _ in range(mdp.n_states)])
    rng = np.random.default_rng(draw(st.integers(0, 999)))
    return mdp, channel, rng.integers(-16, 17, size=(n_obs, mdp.n_actions)) / 8


@given(worlds())
def test_probs_are_the_mixture(world):
    """One number at a time. Seen failing: with the first observation alone."""
    mdp, channel, theta = world
    by_observation = oracles.softmax(theta)
    wanted = np.zeros(mdp.allowed.shape)
    for s, o, a in np.ndindex(*channel.shape, mdp.n_actions):
        wanted[s, a] += channel[s, o] * by_observation[o, a]
    family = Observation(mdp, channel)
    assert (family.n_obs, family.shape) == (len(theta), theta.shape)
    assert np.allclose(family.probs(theta), wanted, rtol=0, atol=1e-14)


@given(worlds())
def test_labels_are_a_channel_without_noise(world):
    """Seen failing: with n_obs the number of different labels."""
    mdp, _, theta = world
    theta = np.concatenate((theta, -theta, theta))[:3]
    labels = np.arange(mdp.n_states)[::-1] % 3
    labels[labels == 1] = 0
    labels[-1] = 2
    by_label, by_row = Observation(mdp, labels), Observation(mdp, np.eye(3)[labels])
    assert np.array_equal(by_label.probs(theta), by_row.probs(theta))
    assert np.allclose(by_label.probs(theta), oracles.softmax(theta)[labels], rtol=0, atol=1e-15)
    assert np.array_equal(by_label.seen, labels[:, None])


@given(worlds())
def test_both_scores_have_mean_zero_and_one_is_the_mean_of_the_other(world):
    """Of pi(a | o) given (s, a), by Bayes, one number at a time; and through accumulate.

    Seen failing: accumulate with o not looked at; the posterior not divided by pi(a | s)."""
    mdp, channel, theta = world
    family = Observation(mdp, channel)
    q, psi = oracles.softmax(theta), Softmax(family.family.mdp).score(theta)
    n_states, n_obs = channel.shape
    mixture = family.score(theta)
    for s in range(n_states):
        joint = channel[s][:, None] * q  # (n_obs, A)
        assert np.allclose(np.tensordot(joint, psi, axes=2), 0, atol=1e-13)
        for a in range(mdp.n_actions):
            mean = (joint[:, a, None] * psi[:, a]).sum(axis=0) / joint[:, a].sum()
            assert np.allclose(mixture[s, a], mean, rtol=0, atol=1e-12)
    s, o, a = (x.reshape(-1, 1) for x in np.indices((n_states, n_obs, mdp.n_actions)))
    rows = family.accumulate(theta, s, a, np.full(s.shape, 2.0), o)
    assert np.allclose(rows, 2 * psi[o[:, 0], a[:, 0]], rtol=0, atol=1e-14)


@given(worlds(), st.booleans())
@settings(max_examples=50)
def test_the_gradient_is_the_complex_step_through_the_tied_parameters(world, linear):
    """J by the oracle's own loops. Seen failing: with the pullback of state s alone."""
    mdp, channel, theta = world
    if linear:
        phi = np.random.default_rng(0).normal(size=(*theta.shape, 2))
        family, theta = Observation(mdp, channel, lambda seen: LogLinear(seen, phi)), theta[0, :1]
        theta = np.concatenate((theta, 1 - theta))
        table = lambda x: oracles.softmax(phi @ x)  # noqa: E731
    else:
        family, table = Observation(mdp, channel), oracles.softmax
    wanted = oracles.complex_step(
        lambda x: oracles.objective_of_policy(mdp, channel @ table(x)), theta
    )
    found = policy_gradient(mdp, family, theta)
    scale = 1 + np.abs(found.evaluation.V).max()
    assert np.allclose(found.value, wanted, rtol=0, atol=1e-10 * scale)
    assert np.abs(found.value - wanted).sum() <= found.certificate.bound + 1e-11 * scale


def test_an_action_that_is_hardly_ever_taken():
    """pi(a | s) of 1e-300 and 0. Seen failing: with 0 / 0 in the posterior."""
    mdp = MDP(np.full((2, 2, 2), 0.5), np.ones(2), 0.9)
    family = Observation(mdp, [[0.25, 0.75], [1.0, 0.0]])
    for low in (-690.0, -1e6):
        theta = np.array([[0.0, low], [0.0, low]])
        score, posterior = family.score(theta), family.posterior(theta)
        assert np.allclose(score[0, 1], [-0.25, 0.25, -0.75, 0.75])
        assert np.allclose(posterior.sum(axis=1), 1) and np.isfinite(family.probs(theta)).all()


def test_many_observations_keep_the_sum():
    """Seen failing: without the division of pi (off by 30 eps, which check_policy refuses)."""
    rng = np.random.default_rng(0)
    mdp = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.9)
    family = Observation(mdp, rng.dirichlet(np.ones(20000), size=1))
    pi = family.probs(rng.normal(size=family.shape))
    assert abs(pi.sum() - 1) <= 2 * 2.0**-52


# --- what is refused ----------------------------------------------------------------------------


def test_states_that_look_alike_allow_the_same_actions():
    """Seen failing: without the check; with the two states in the wrong order; with
    observations of probability 0 counted."""
    message = (
        "observation 1 is seen in states 2 ('z') and 1 ('y'), but action 1 ('go') is allowed only "
        "in the first of them: who sees 1 cannot know. Give them different observations, or allow "
        "the same actions."
    )
    with pytest.raises(ModelError, match=f"^{re.escape(message)}$"):
        Observation(MASKED, [0, 1, 1])
    with pytest.raises(ModelError, match=r"^observation 0 is seen in states 0 \('x'\) and 1"):
        Observation(MASKED, [[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])
    family = Observation(MASKED, [[0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    assert family.family.mdp.allowed.tolist() == [[True, True], [True, False], [True, True]]
    assert family.probs(np.zeros((3, 2))).tolist() == [[0.5, 0.5], [1, 0], [0.5, 0.5]]
    assert not family.score(np.zeros((3, 2)))[1].any()


def test_an_observation_that_nobody_makes_allows_everything():
    """Seen failing: with the mask of the first state there."""
    family = Observation(MASKED, [3, 1, 3])
    other = MDP(MASKED.P[[1, 0, 2]], np.ones(3), 0.9, allowed=MASKED.allowed[[1, 0, 2]])
    assert Observation(other, [3, 1, 1]).family.mdp.allowed[[0, 2]].all()
    assert family.family.mdp.allowed.tolist() == [[True] * 2, [True, False], [True] * 2, [True] * 2]
    with pytest.raises(ModelError, match=r"in state 3 \('observation 3'\) must be finite"):
        family.probs([[0, 0]] * 3 + [[np.nan, 0]])


@pytest.mark.parametrize(
    ("O", "message"),
    [
        ([0, 1], "O has shape (2,) and type int64; it must be labels, ints (S,) = (3,), or"),
        ([0.0, 1.0, 0.0], "O has shape (3,) and type float64; it must be labels"),
        ([0, -1, 0], "O is -1 in state 1 ('y'); labels are >= 0."),
        (np.ones((3, 0)), "O has shape (3, 0) and type float64"),
        (np.ones((3, 2)), "O sums to 2 in state 0 ('x'), not 1: divide each row by its sum."),
        ([[1.5, -0.5]] * 3, "O[0, 1] is -0.5 in state 0 ('x'): a probability must be >= 0."),
        ([[np.nan, 1.0]] * 3, "O[0, 0] is nan in state 0"),
    ],
)
def test_what_is_no_channel(O, message):  # noqa: E741
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
        Observation(MASKED, O)


def test_observations_that_do_not_exist():
    """Seen failing: with o not checked (then the family speaks of states)."""
    family = Observation(MASKED, [0, 1, 0])
    steps = np.zeros((1, 2), dtype=int)
    with pytest.raises(ModelError, match=r"^o holds int64 from 0 to 2; .* from 0 to 1, also"):
        family.accumulate(np.zeros((2, 2)), steps, steps, np.ones((1, 2)), np.array([[0, 2]]))
    with pytest.raises(ModelError, match=r"^s, a, o and w have shapes \(1, 2\), \(1, 2\), \(2,\)"):
        family.accumulate(np.zeros((2, 2)), steps, steps, np.ones((1, 2)), np.array([0, 1]))
