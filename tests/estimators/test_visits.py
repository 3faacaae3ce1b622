"""Discounted visits against the loop, and their mean."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import discounted_visits
from mdptools.sampling import Trajectories, rollout
from mdptools.testing.models import discriminating_mdp, policy_for
from mdptools.verify import check_estimator
from walks import PI, model


def test_visits_are_those_of_the_loop():
    """Seen failing: padding counted; gamma^(t+1); without gamma^t."""
    batch = rollout(model(), PI, 60, rng=0, max_steps=4)
    expected = np.zeros((60, 4))
    for i in range(60):
        for t in range(int(batch.lengths[i])):
            expected[i, batch.s[i, t]] += 0.9**t
    np.testing.assert_allclose(discounted_visits(batch, 0.9, 4), expected, atol=1e-14)
    empty = Trajectories.from_steps([[], []], last=[3, 3])
    np.testing.assert_array_equal(discounted_visits(empty, 0.9, 4), np.zeros((2, 4)))


@pytest.mark.parametrize("seed", range(2))
def test_what_the_harness_says(seed):
    """Seen failing: padding counted; gamma^(t+1); without gamma^t."""
    mdp = discriminating_mdp(seed)
    policy = policy_for(mdp, seed)

    def estimate(gamma):
        return lambda batch: discounted_visits(batch, gamma, 4)

    assert check_estimator(estimate(0.9), mdp, policy, target="visits").outcome == "unbiased"
    assert check_estimator(estimate(1.0), mdp, policy, target="visits").outcome == "biased"
    cut = check_estimator(estimate(0.9), mdp.with_objective(), policy, target="visits", horizon=3)
    assert cut.outcome == "unbiased" and cut.claim.endswith("stop after 3 steps")


def test_the_fisher_information_in_the_harness():
    """Outer products of the scores, each step with gamma^t. Seen failing: undiscounted visits
    in the target."""
    mdp = discriminating_mdp(0)
    family, theta = policy = policy_for(mdp)
    score = family.score(theta)

    def estimate(gamma):
        def rows(batch):
            psi = score[batch.s[:, :-1], batch.a]
            weight = np.where(batch.mask, gamma ** np.arange(batch.n_steps), 0.0)
            return np.einsum("nt,nti,ntj->nij", weight, psi, psi)

        return rows

    assert check_estimator(estimate(0.9), mdp, policy, target="fisher").outcome == "unbiased"
    assert check_estimator(estimate(1.0), mdp, policy, target="fisher").outcome == "biased"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda b: discounted_visits(b, 1.5, 4), "gamma is 1.5"),
        (lambda b: discounted_visits(b, 0.5, 0), "n_states is 0; it must be an int >= 1"),
        (lambda b: discounted_visits(b, 0.5, 3), "n_states is 3; these trajectories visit state 3"),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    """Seen failing: each of the checks in turn left out."""
    with pytest.raises(ModelError, match=message):
        call(rollout(model(), PI, 60, rng=0, max_steps=4))
