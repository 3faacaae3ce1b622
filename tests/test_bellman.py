"""Bellman operators beside three loops over exact fractions."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

import oracles
from mdptools import MDP, bellman
from mdptools.testing.strategies import mdps, policies


def twins(mdp):
    """The model as it is, and with P stored the other way."""
    if mdp.facts.dense:
        return mdp, replace(mdp, P=sparse.csr_array(mdp.P.reshape(-1, mdp.n_states)))
    return mdp, replace(mdp, P=mdp.P.toarray().reshape(*mdp.R.shape, mdp.n_states))


@given(st.data())
def test_backup_is_three_loops(data):
    """Seen failing: without gamma; with gamma on the reward as well; with 0 for -inf at refused
    pairs; with V changed in place."""
    mdp = data.draw(mdps())
    eighths = st.lists(st.integers(-80, 80), min_size=mdp.n_states, max_size=mdp.n_states)
    V = np.where(mdp.terminal, 0.0, np.array(data.draw(eighths)) / 8)
    before = V.copy()
    exact = oracles.q_by_loops(mdp, V)
    for model in twins(mdp):
        Q = bellman.backup(model, V)
        assert oracles.largest_error(Q, exact) <= Fraction(1, 10**13)
        assert Q.flags.writeable and not np.shares_memory(Q, model.R)
    assert np.array_equal(V, before)


@pytest.mark.parametrize("short", [0, 1000])
@given(data=st.data())
def test_improve_is_a_backup_with_its_first_best_actions(data, short):
    """The same bits as `backup`, whatever was in Q; ties go to the first.

    Seen failing: with the last of several best; with the actions counted where an action is the
    best; with -inf left out at refused pairs; with the old Q added; with mdp.P for another P.
    """
    mdp = data.draw(mdps(objective="discounted"))
    eighths = st.lists(st.integers(-8, 8), min_size=mdp.n_states, max_size=mdp.n_states)
    V = np.where(mdp.terminal, 0.0, np.array(data.draw(eighths)) / 8)
    before = V.copy()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bellman, "SHORT", short)
        for model in twins(mdp):
            Q = np.full(mdp.R.shape, np.nan)
            actions, TV = bellman.improve(model, V, Q)
            exact = bellman.backup(model, V)
            assert Q.tobytes() == exact.tobytes()
            assert np.array_equal(actions, exact.argmax(axis=1))
            assert np.array_equal(TV, exact.max(axis=1))
            best = bellman.best_actions(np.repeat(exact, 2, axis=1))
            assert np.array_equal(best[0], 2 * actions) and np.array_equal(best[1], TV)
            other = np.empty(mdp.R.shape)
            mine, theirs = twins(mdp)
            bellman.improve(mine, V, other, theirs.P)
            assert np.allclose(other, exact, rtol=0, atol=1e-12 * (1 + np.abs(mdp.R).max()))
            bellman.improve(mine, V, other, np.zeros((*mdp.R.shape, mdp.n_states)))
            assert np.array_equal(other, np.where(mdp.allowed, mdp.R, -np.inf))
    assert np.array_equal(V, before)


@given(st.data())
def test_backup_of_complex_values(data):
    """Derivatives by complex steps pass through. Seen failing: with the real part alone."""
    mdp = data.draw(mdps(refused=False))
    V = np.arange(mdp.n_states) * 1j
    for model in twins(mdp):
        Q = bellman.backup(model, V)
        assert np.array_equal(Q.real, mdp.R)
        assert np.allclose(Q.imag, bellman.backup(model, V.imag) - mdp.R, rtol=0, atol=1e-12)


@given(st.data())
def test_expect_actions_skips_what_is_never_done(data):
    """Seen failing: with pi * Q, which is nan at refused pairs; with Q = -inf skipped where pi is
    not 0."""
    mdp = data.draw(mdps())
    pi = data.draw(policies(mdp))
    Q = bellman.backup(mdp, np.arange(mdp.n_states) / 8.0)
    Q = np.broadcast_to(Q, pi.shape)
    exact = [
        sum(Fraction(p) * Fraction(q) for p, q in zip(*rows, strict=True) if p)
        for rows in zip(
            pi.reshape(-1, mdp.n_actions).tolist(),
            Q.reshape(-1, mdp.n_actions).tolist(),
            strict=True,
        )
    ]
    mean = bellman.expect_actions(pi, Q)
    assert mean.shape == pi.shape[:-1]
    assert oracles.largest_error(mean.reshape(-1), exact) <= Fraction(1, 10**13)


def test_expect_actions_of_infinite_values():
    """Seen failing: with nan_to_num."""
    pi, Q = np.array([[0.5, 0.5], [1.0, 0.0]]), np.array([[1.0, -np.inf], [np.inf, -np.inf]])
    assert bellman.expect_actions(pi, Q).tolist() == [-np.inf, np.inf]
    assert bellman.expect_actions(pi.astype(complex), np.ones((2, 2))).tolist() == [1, 1]
    assert bellman.expect_actions(pi, np.ones((3, 2, 2))).shape == (3, 2)


def test_advantage():
    """Seen failing: with V - Q; with V of the wrong axis."""
    Q, V = np.array([[1.0, -np.inf], [5.0, 6.0]]), np.array([3.0, 4.0])
    assert bellman.advantage(Q, V).tolist() == [[-2, -np.inf], [1, 2]]
    timed = bellman.advantage(np.array([Q, Q]), np.array([V, 2 * V]))
    assert timed[1].tolist() == [[-5, -np.inf], [-3, -2]]


@pytest.mark.parametrize("gamma", [0.0, 1.0])
def test_backup_at_the_ends_of_gamma(gamma):
    """Seen failing: with `if mdp.gamma` for `!= 1`."""
    P = np.array([[[0.25, 0.75]], [[1.0, 0.0]]])
    for model in twins(MDP(P, [1.0, 2.0], gamma)):
        Q = bellman.backup(model, np.array([4.0, 8.0]))
        assert Q[:, 0].tolist() == [1 + 7 * gamma, 2 + 4 * gamma]
