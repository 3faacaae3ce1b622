"""What cutting costs: against the recursion without a horizon and against evaluation."""

import math
from dataclasses import replace

import numpy as np
import pytest

from mdptools import MDP, ModelError, evaluate, policy_gradient
from mdptools.policies import Softmax, SoftmaxAt
from mdptools.problems import garnet
from mdptools.verify import reward_to_go_moments, truncation_bias
from recursion_models import random_model


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("gamma", [0.5, 0.9, 1.0])
def test_both_biases_are_differences_of_exact_numbers(seed, gamma):
    """Seen failing: gamma^(H+1); the sign."""
    mdp, pi, *_ = random_model(seed, hurry=0.2)
    forever = replace(mdp, final=None).with_objective(gamma=gamma)
    whole = evaluate(forever, pi).J
    gradient = policy_gradient(forever, SoftmaxAt(forever), pi).value.reshape(-1)
    for horizon in (1, 2, 7):
        found = truncation_bias(forever, pi, horizon)
        short = forever.with_objective(horizon=horizon)
        assert found.value == pytest.approx(evaluate(short, pi).J - whole, abs=1e-12)
        cut = policy_gradient(short, SoftmaxAt(short), pi).value.reshape(-1)
        np.testing.assert_allclose(found.gradient, cut - gradient, atol=1e-12)
        assert np.linalg.norm(found.gradient) <= found.gradient_bound
        assert math.isinf(found.gradient_bound) == (gamma == 1)


def test_the_bound_is_its_series():
    """For two actions, temperature 1: max|R| sqrt(B) sum gamma^k sqrt(k+1), B = max_s 1 - |pi|^2.

    Seen failing: the sum from H + 1; a tail left out; B without the root.
    """
    rng = np.random.default_rng(0)
    mdp = garnet(6, n_actions=2, branching=2, gamma=0.9, rng=0)
    theta = rng.normal(size=(6, 2))
    pi = Softmax(mdp).probs(theta)
    B = (1 - (pi**2).sum(axis=1)).max()
    k = np.arange(5, 3000)
    series = np.abs(mdp.R).max() * B**0.5 * (0.9**k * np.sqrt(k + 1)).sum()
    found = truncation_bias(mdp, (Softmax(mdp), theta), 5)
    assert series <= found.gradient_bound <= series * (1 + 1e-5)
    near_one = MDP(mdp.P, mdp.R, gamma=1 - 1e-9, mu=mdp.mu)
    assert math.isinf(truncation_bias(near_one, (Softmax(mdp), theta), 1).gradient_bound)
    # More terms than are added: e^x Li_{-1/2}(e^-x) = Gamma(3/2) x^-3/2 - 0.2079 + ...
    slow, x = MDP(mdp.P, mdp.R, gamma=1 - 1e-5, mu=mdp.mu), -math.log1p(-1e-5)
    whole = np.abs(mdp.R).max() * B**0.5 * (math.gamma(1.5) * x**-1.5 * math.exp(x) - 1)
    bound = truncation_bias(slow, (Softmax(mdp), theta), 1).gradient_bound
    assert whole * (1 - 1e-7) <= bound <= whole * (1 + 1e-3)
    nothing = MDP(mdp.P, 0 * mdp.R, gamma=0.9)
    assert truncation_bias(nothing, pi, 1).gradient_bound == 0


def test_stopping_at_random_has_no_bias_and_more_variance():
    """Seen failing: nothing; it is what `truncation_bias` is to be compared with."""
    mdp, pi, *_ = random_model(0, hurry=0.1)
    forever = replace(mdp, final=None).with_objective(gamma=0.9)
    plain = reward_to_go_moments(forever, pi)
    stopped = reward_to_go_moments(forever, pi, truncation="geometric")
    np.testing.assert_allclose(stopped.mean, plain.mean, atol=1e-12)
    assert stopped.variance.sum() > plain.variance.sum()
    assert np.abs(truncation_bias(forever, pi, 2).gradient).max() > 1e-3


def test_refusals():
    """Seen failing: a model that has a horizon of its own."""
    mdp, pi, *_ = random_model(0)
    with pytest.raises(ModelError, match="truncation_bias serves the objective discounted"):
        truncation_bias(mdp, pi, 2)
    with pytest.raises(ModelError, match="horizon is 0"):
        truncation_bias(mdp.with_objective(), pi, 0)
