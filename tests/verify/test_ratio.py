"""Ratios of sums: against all pairs, in exact fractions, and the 1/n of weighted sampling."""

import itertools
from fractions import Fraction
from math import comb

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.testing.models import behaviour_for, discriminating_mdp, policy_for
from mdptools.verify import enumerate_trajectories, exact_moments, ratio_mean, ratio_moments


def weighted(mdp, family, theta, batch):
    """w G and w of each trajectory."""
    pi = family.probs(theta)
    chosen = np.where(batch.mask, pi[batch.s[:, :-1], batch.a], 1.0)
    w = (chosen / np.exp(batch.logp)).prod(axis=1)
    return w * (mdp.gamma ** np.arange(batch.n_steps) * batch.r).sum(axis=1), w


def law_of(seed):
    mdp, (family, theta) = discriminating_mdp(seed), policy_for(discriminating_mdp(seed))
    b = behaviour_for(mdp, seed)
    (batch,) = enumerate_trajectories(mdp, b)
    return (*weighted(mdp, family, theta, batch), batch.weight)


def by_tuples(a, b, p, n):
    """Mean and covariance over all n-tuples of atoms."""
    a = np.reshape(a, (len(b), -1))
    mean, second = 0.0, 0.0
    for some in map(list, itertools.product(range(len(b)), repeat=n)):
        below = sum(b[k] for k in some)
        x = a[some].sum(axis=0) / below if below else 0.0 * a[0]
        mean = mean + p[some].prod() * x
        second = second + p[some].prod() * np.outer(x, x)
    return mean, second - np.outer(mean, mean)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_importance_sampling_of_two_is_what_all_pairs_say(seed):
    """All 480^2 pairs. Seen failing: a power n of E exp(-uB); half the step at one end."""
    a, b, p = law_of(seed)
    pairs = (a[:, None] + a) / (b[:, None] + b)
    mean = p @ pairs @ p
    found = ratio_moments(a, b, p, 2)
    assert abs(found.mean[0] - mean) <= 1e-12
    assert abs(found.variance[0] - (p @ (pairs - mean) ** 2 @ p)) <= 1e-12
    assert ratio_mean(a, b, p, 2) == found.mean[0]
    assert abs(found.mass - 1) <= 1e-13


def test_it_is_the_mean_of_the_estimator_itself():
    """Called with pairs of trajectories of a shorter model. Seen failing: p squared."""
    mdp = discriminating_mdp(0).with_objective(horizon=2)
    family, theta = policy_for(mdp)
    b = behaviour_for(mdp)

    def estimator(batch):
        a, w = weighted(mdp, family, theta, batch)
        return a.sum() / w.sum()

    exact = exact_moments(estimator, mdp, (family, theta), behaviour=b, batch=2)
    (batch,) = enumerate_trajectories(mdp, b)
    found = ratio_moments(*weighted(mdp, family, theta, batch), batch.weight, 2)
    assert abs(found.mean[0] - exact.mean[0]) <= 1e-12
    assert abs(found.variance[0] - exact.variance[0]) <= 1e-12


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_vectors_zeros_and_many_decades(n):
    """0/0 is 0; B over ten decades. Seen failing: nodes from -30 to 30; 0/0 as 1."""
    rng = np.random.default_rng(n)
    b = np.array([0.0, 1e-5, 0.3, 2.0, 1e5])
    a, p = rng.normal(size=(5, 2)) * b[:, None], rng.dirichlet(np.ones(5))
    found, (mean, covariance) = ratio_moments(a, b, p, n), by_tuples(a, b, p, n)
    assert np.abs(found.mean - mean).max() <= 1e-13
    assert np.abs(found.covariance - covariance).max() <= 1e-13
    assert (ratio_mean(a, b, p, n) == found.mean).all()


@pytest.mark.parametrize("n", [1, 2, 10, 100, 1000])
def test_two_atoms_in_fractions(n):
    """Sums of binomials.

    Seen failing: the log of E exp(-uB) from its rounded value; nodes by arange(low, high, 0.2),
    whose distances are rounded.
    """
    exact = sum(Fraction(comb(n, k), 2**n) * Fraction(3 * k, 3 * k + (n - k)) for k in range(n + 1))
    square = sum(
        Fraction(comb(n, k), 2**n) * Fraction(3 * k, 3 * k + (n - k)) ** 2 for k in range(n + 1)
    )
    found = ratio_moments([0.0, 1.5], [0.5, 1.5], [0.5, 0.5], n)
    assert abs(found.mean[0] - float(exact)) <= 1e-15
    assert abs(found.variance[0] - float(square - exact**2)) <= 1e-15


@pytest.mark.parametrize("seed", range(3))
def test_the_bias_of_weighted_importance_sampling_shrinks_like_1_over_n(seed):
    """n bias tends to (E[W] E[A] Var W - Cov(A, W)) / E[W]^2, and E[W] = 1 (delta method).

    Seen failing: n + 1 for n.
    """
    a, b, p = law_of(seed)
    J = p @ a
    limit = J * (p @ b**2 - 1) - (p @ (a * b) - J)
    scaled = [n * (float(ratio_mean(a, b, p, n)) - J) for n in (10, 100, 1000, 10_000)]
    errors = np.abs(np.array(scaled) - limit)
    assert errors[-1] <= 1e-3 * abs(limit)
    assert (errors[1:] <= 0.2 * errors[:-1]).all()


@pytest.mark.parametrize(
    ("a", "b", "p", "message"),
    [
        ([0.0, 1.0], [1.0, -1.0], [0.5, 0.5], "atom 1 has b = -1 "),
        ([0.0, 1.0], [1.0, 0.0], [0.5, 0.5], "atom 1 has b = 0 and a = .* division by zero"),
        ([0.0, np.nan], [1.0, 1.0], [0.5, 0.5], "atom 1 has b = 1 and a = .nan"),
        ([0.0, 1.0], [1.0, 1.0], [0.5, 0.4], "p sums to 0.9"),
        ([0.0, 1.0, 2.0], [1.0, 1.0], [0.5, 0.5], r"shapes \(3,\), \(2,\) and \(2,\)"),
        ([0.0, 1.0], [1.0, 1e-200], [0.5, 0.5], "more than 100 decades"),
    ],
)
def test_laws_that_have_no_ratio(a, b, p, message):
    """Seen failing: each without its check."""
    with pytest.raises(ModelError, match=message):
        ratio_mean(a, b, p, 2)


def test_nothing_below_is_nothing():
    """Seen failing: the logarithm of an empty law; atoms of probability 0 kept."""
    assert abs(ratio_mean([3.0, 1.0], [1.5, 1e-200], [1.0, 0.0], 2) - 2) <= 1e-15
    assert ratio_mean([0.0, 0.0], [0.0, 0.0], [0.5, 0.5], 3) == 0
    assert ratio_mean([0.0, 1.0], [0.0, 2.0], [1.0, 0.0], 3) == 0
