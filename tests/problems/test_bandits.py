"""Bandits: one state, and the objective says how often it is played."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import oracles
from mdptools import ModelError
from mdptools.problems import bandit, bernoulli_bandit


def test_one_pull_is_worth_the_best_arm():
    """Seen failing: with horizon 2 by default; with a terminal state found (worth 0)."""
    mdp = bandit([0.25, 0.5, -1.0])
    assert (mdp.n_states, mdp.n_actions, mdp.horizon, mdp.gamma) == (1, 3, 1, 1.0)
    best = oracles.optimum(mdp)
    assert Fraction(1, 2) == best.J and best.optimal_actions == [[[False, True, False]]]


def test_the_objective_says_how_often_it_is_played():
    """Seen failing: with arms that lead to a terminal state (then 1/2 in every case)."""
    mdp = bandit([0.25, 0.5])
    assert Fraction(7, 2) == oracles.optimum(bandit([0.25, 0.5], horizon=7)).J
    assert oracles.optimum(mdp.with_objective(gamma=0.75)).J == 2
    once = oracles.optimum(mdp.with_objective(gamma=0.0))
    assert Fraction(1, 2) == once.J and len(once.V) == 1  # no time axis


def test_a_bandit_that_pays_nothing_is_still_played():
    """Seen failing: with `terminal=[0]`."""
    assert not bandit([0.0, 0.0]).terminal.any()


def test_gaussian_noise_is_kept_for_each_arm():
    """Seen failing: with `std` squared; with `std[0]` for all the arms."""
    assert bandit([1.0, 2.0]).reward_std is None
    assert bandit([1.0, 2.0], 0.5).reward_std.tolist() == [[0.5, 0.5]]
    assert bandit([1.0, 2.0], [0.5, 0.0]).reward_std.tolist() == [[0.5, 0.0]]


def test_bernoulli_rewards_are_in_the_law():
    """Seen failing: with the mean as the only reward; with p and 1 - p exchanged."""
    mdp = bernoulli_bandit([0.25, 1.0, 0.0])
    assert mdp.R.tolist() == [[0.25, 1.0, 0.0]] and mdp.horizon == 1
    law = mdp.branches
    assert law.offsets.tolist() == [0, 2, 3, 4]
    assert law.reward.tolist() == [0, 1, 1, 0] and law.prob.tolist() == [0.75, 0.25, 1, 1]
    assert law.next_state.tolist() == [0, 0, 0, 0] and not mdp.terminal.any()
    assert bernoulli_bandit([0.5], horizon=4).horizon == 4


def test_arms_have_names():
    """Seen failing: without `action_names`."""
    assert (
        bandit([1, 2]).action_names == bernoulli_bandit([0, 1]).action_names == ("arm 0", "arm 1")
    )


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (bandit, ([],), r"means has shape \(0,\); it must be \(A,\), the mean reward of each arm"),
        (bandit, (0.5,), r"means has shape \(\)"),
        (bandit, ([[1, 2]],), r"means has shape \(1, 2\)"),
        (bandit, ([1, np.inf],), r"means\[1\] is inf; it must be finite"),
        (bandit, ([1, 2], [1, 2, 3]), r"std has shape \(3,\); .* each of the 2 arms"),
        (bandit, ([1, 2], -1.0), r"reward_std\[0, 0\] is -1"),
        (bernoulli_bandit, ([0.5, 1.5],), r"probs\[1\] is 1.5; a probability lies in \[0, 1\]"),
        (bernoulli_bandit, ([-0.5],), r"probs\[0\] is -0.5; a probability lies"),
        (bernoulli_bandit, ([np.nan],), r"probs\[0\] is nan; it must be finite"),
        (bernoulli_bandit, ("x",), "probs is no array of real numbers"),
    ],
)
def test_a_bandit_that_cannot_be(make, arguments, message):
    """Seen failing: each with its check taken out of `_bandits`."""
    with pytest.raises(ModelError, match=message):
        make(*arguments)


@pytest.mark.parametrize("make", [bandit, bernoulli_bandit])
def test_a_horizon_that_cannot_be(make):
    """Seen failing: with `horizon` not handed on."""
    with pytest.raises(ModelError, match=r"horizon.*number of actions"):
        make([0.5], horizon=0)
