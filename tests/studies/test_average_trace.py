"""Sweeps of relative value iteration, and what they say of gains."""

import numpy as np
import pytest

import iterations as it
from mdptools import MDP, ModelError, evaluate, relative_value_iteration
from mdptools.problems import dirichlet
from mdptools.studies import average_trace, bound, bounds

MODEL = dirichlet(4, 3, gamma=0.9, rng=0).with_objective(average=True)


def test_sweeps_are_relative_and_their_policies_greedy():
    """Seen failing: with h <- T h, which drifts; with the policy of the sweep before."""
    one = average_trace(MODEL, 30, h0=[1.0, 2.0, 0.0, 0.0])
    assert one.x[0].tolist() == [1.0, 2.0, 0.0, 0.0]
    assert (one.x[1:, 0] == 0).all()
    h = one.x[3]
    Q = MODEL.R + np.asarray(MODEL.P) @ h
    assert np.abs(one.x[4] - (Q.max(1) - Q.max(1)[0])).max() < 1e-14
    greedy = [(MODEL.R + np.asarray(MODEL.P) @ h).argmax(1) for h in one.x]
    assert (one.pi.argmax(2) == greedy).all() and (greedy[0] != greedy[30]).any()
    assert np.abs(one.rise[3] - (Q.max(1) - h)).max() < 1e-14


def test_gaps_are_those_of_gains():
    """Seen failing: with the bias for the gain; with the gain of another policy."""
    one = average_trace(MODEL, 12, h0=[5.0, 0.0, -5.0, 1.0])
    best = relative_value_iteration(MODEL, tol=1e-10).gain
    for t in (0, 5):
        lost = best - evaluate(MODEL, one.pi[t]).gain
        assert np.abs(one.gaps[t] - lost).max() < 1e-9
    assert one.gap()[0] > 0 and abs(one.gap()[-1]) <= one.floor


def test_every_bound_holds_and_odoni_s_are_attained():
    """Also with two classes, whose gains differ, and on a chain with a period.

    Seen failing: with delta^(k+1) for delta^k; with half of the span.
    """
    two = MDP(np.eye(2)[:, None].repeat(2, 1), [[1.0, 0.0], [2.0, 3.0]], average=True)
    turns = MDP([[[0, 1], [0, 1]], [[1, 0], [1, 0]]], [[1.0, 0.0], [0.0, -1.0]], average=True)
    for mdp in (MODEL, two, turns):
        applied, refused = bounds(average_trace(mdp, 15))
        assert [held.name for held in applied] == ["K1", "K1u", "K1l", "K2"] and not refused
        assert all(held.first_violation is None for held in applied)
    held = bound("K2", average_trace(turns, 15))
    assert held.constants["delta"] == 1 and (held.values == held.values[0]).all()
    mixes = bound("K2", average_trace(MODEL, 15))
    assert 0 < mixes.constants["delta"] < 1 and mixes.values[15] < 0.3 * mixes.values[0]
    assert bound("K1", average_trace(MODEL, 15)).trivial == np.ptp(MODEL.R)


def test_refusals_name_what_is_missing():
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=r"average_trace.*run_study"):
        average_trace(it.random_mdp(0), 3)
    with pytest.raises(ModelError, match=r"h0 has shape \(2,\); it must be \(4,\), and finite"):
        average_trace(MODEL, 3, h0=[0.0, 1.0])
    with pytest.raises(ModelError, match=r"h0 has shape \(4,\); it must be \(4,\), and finite"):
        average_trace(MODEL, 3, h0=[0.0, 1.0, np.inf, 0.0])
