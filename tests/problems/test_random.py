"""Random models: the law they are drawn from, seeds, sizes."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.problems import _random, dirichlet, garnet


@pytest.mark.parametrize("branching", [1, 2, 5, 11, 12])
def test_a_pair_has_as_many_successors_as_asked_for(branching):
    """Seen failing: with successors drawn with replacement; with one cut too many."""
    mdp = garnet(12, 3, branching, gamma=0.9, rng=0)
    assert ((mdp.P > 0).sum(axis=2) == branching).all()
    assert np.abs(mdp.P.sum(axis=2) - 1).max() <= 4e-16
    assert mdp.gamma == 0.9 and mdp.mu.tolist() == [1 / 12] * 12
    assert not mdp.terminal.any() and mdp.allowed.all()


@pytest.mark.parametrize("method", ["_floyd", "_first_ranks"])
@pytest.mark.parametrize("k", [1, 2, 4])
def test_all_sets_of_successors_are_equally_likely(method, k):
    """Chi-square on the C(5, k) sets from 20000 rows; wrong alarms 1e-6. Seen failing: with
    `rng.integers(0, j)`, with `range(n - k - 1, n - 1)` and with the next number for a repeated
    one (Floyd); with keys rounded to one digit (ranks)."""
    n, n_rows = 5, 20_000
    rows = getattr(_random, method)(np.random.default_rng(1), n_rows, n, k)
    assert (np.diff(rows, axis=1) > 0).all()
    sets = list(itertools.combinations(range(n), k))
    index = {chosen: i for i, chosen in enumerate(sets)}
    counts = np.bincount([index[tuple(row)] for row in rows.tolist()], minlength=len(sets))
    expected = n_rows / len(sets)
    statistic = ((counts - expected) ** 2 / expected).sum()
    quantile = {4: 33.4, 9: 45.1}[len(sets) - 1]  # chi-square, 1 - 1e-6
    assert statistic < quantile


def test_probabilities_are_the_pieces_of_a_cut_interval():
    """Each piece of 3 has mean 1/3 and Pr(piece > 1/2) = 1/4, whichever successor it belongs to:
    12000 rows, 5.5 standard errors, wrong alarms below 1e-6 in all. Seen failing: with
    normalised uniform numbers; with the largest piece put first."""
    n_rows = 12_000
    P = garnet(3000, 4, 3, gamma=0.9, rng=2, sparse=True).P
    pieces = P.data.reshape(n_rows, 3)
    large = (pieces > 0.5).mean(axis=0)
    assert np.abs(pieces.mean(axis=0) - 1 / 3).max() < 5.5 * np.sqrt(1 / 18 / n_rows)
    assert np.abs(large - 0.25).max() < 5.5 * np.sqrt(0.25 * 0.75 / n_rows)


def test_rewards_are_standard_normal():
    """40000 rewards; mean and second moment within 5.5 standard errors. Seen failing: with
    uniform rewards; with a standard deviation of 1.05."""
    R = garnet(10_000, 4, 1, gamma=0.9, rng=3, sparse=True).R
    assert abs(R.mean()) < 5.5 / np.sqrt(R.size)
    assert abs((R**2).mean() - 1) < 5.5 * np.sqrt(2 / R.size)


def test_sparse_is_the_same_model_kept_otherwise():
    """Seen failing: with the successors reversed in `sparse`; with other draws if sparse."""
    dense, sparse = (garnet(30, 2, 4, gamma=0.9, rng=5, sparse=kept) for kept in (False, True))
    assert dense.facts.dense and not sparse.facts.dense
    assert np.array_equal(sparse.P.toarray().reshape(30, 2, 30), dense.P)
    assert np.array_equal(sparse.R, dense.R)


def test_a_large_garnet_is_made():
    """Seen failing: with `_first_ranks` for every size (it does not end in a minute)."""
    mdp = garnet(200_000, 2, 3, gamma=0.99, rng=0, sparse=True)
    assert mdp.n_states == 200_000 and mdp.P.nnz == 1_200_000


def test_branching_near_the_number_of_states():
    """Seen failing: with the rows of a second chunk forgotten."""
    mdp = garnet(60, 3, 50, gamma=0.9, rng=0)
    assert ((mdp.P > 0).sum(axis=2) == 50).all()


def test_noise_of_a_garnet():
    """Seen failing: with `reward_std` not handed on."""
    assert garnet(3, 2, 1, gamma=0.9, rng=0).reward_std is None
    assert garnet(3, 2, 1, gamma=0.9, rng=0, reward_std=0.1).reward_std.tolist() == [[0.1] * 2] * 3


@pytest.mark.parametrize("concentration", [0.01, 1.0, 50.0])
def test_dirichlet_rows_have_the_variance_of_their_law(concentration):
    """E[p^2] = (c + 1) / (S (S c + 1)): 3 states, 15000 entries of 5000 rows, 6 standard errors
    taken from the sample. Seen failing: with normalised uniform rows; with 1 / concentration."""
    rng = np.random.default_rng(4)
    n, c = 3, concentration
    draws = [dirichlet(n, 50, concentration=c, gamma=0.9, rng=rng) for _ in range(33)]
    squares = np.concatenate([(mdp.P**2).sum(axis=2).ravel() for mdp in draws])
    expected = (c + 1) / (n * c + 1)
    assert abs(squares.mean() - expected) < 6 * squares.std() / np.sqrt(len(squares)) + 1e-12


def test_a_dirichlet_model():
    """Seen failing: with normal rewards; with terminal states looked for."""
    mdp = dirichlet(4, 3, gamma=0.8, rng=0)
    assert mdp.P.shape == (4, 3, 4) and mdp.gamma == 0.8
    assert 0 <= mdp.R.min() <= mdp.R.max() < 1
    assert not mdp.terminal.any()


MAKERS = [
    lambda rng: garnet(5, 2, 3, gamma=0.9, rng=rng),
    lambda rng: dirichlet(5, 2, gamma=0.9, rng=rng),
]


@pytest.mark.parametrize("make", MAKERS)
def test_seeds_and_generators(make):
    """Seen failing: with `default_rng()` in `_generator`; with a Generator copied."""
    assert make(7).equals(make(7)) and make(7).equals(make(np.random.default_rng(7)))
    assert make(np.int64(7)).equals(make(7)) and not make(7).equals(make(8))
    rng = np.random.default_rng(7)
    assert not make(rng).equals(make(rng))  # it goes on


@pytest.mark.parametrize("make", MAKERS)
@pytest.mark.parametrize("rng", [None, -1, 1.5, "0", True, np.random.RandomState(0)])
def test_what_is_no_generator(make, rng):
    """Seen failing: with `default_rng(rng)` for everything (None, True)."""
    with pytest.raises(ModelError, match=r"or a seed \(an int >= 0\)"):
        make(rng)


def test_rng_must_be_given():
    """Seen failing: with `rng=0` in the signatures."""
    with pytest.raises(TypeError, match="'rng'"):
        garnet(5, 2, 3, gamma=0.9)
    with pytest.raises(TypeError, match="'rng'"):
        dirichlet(5, 2, gamma=0.9)


@pytest.mark.parametrize(
    ("make", "arguments", "message"),
    [
        (garnet, {"n_states": 0}, "n_states is 0; it must be an int >= 1"),
        (garnet, {"n_actions": 1.5}, "n_actions is 1.5; it must be an int >= 1"),
        (garnet, {"branching": 0}, "branching is 0; it must be an int >= 1"),
        (garnet, {"branching": 6}, "branching is 6 and n_states 5: a pair cannot have more"),
        (garnet, {"n_states": 10**6}, "14901 GiB: pass sparse"),
        (garnet, {"sparse": "yes"}, "sparse is 'yes'; it must be True or False"),
        (garnet, {"reward_std": -1.0}, r"reward_std\[0, 0\] is -1"),
        (garnet, {"gamma": 1.5}, "gamma is 1.5"),
        (dirichlet, {"n_states": 0}, "n_states is 0; it must be an int >= 1"),
        (dirichlet, {"n_states": 10**6}, "14901 GiB: use garnet with sparse=True"),
        (dirichlet, {"concentration": 0.0}, "concentration is 0.0; it must be a number > 0"),
        (dirichlet, {"concentration": np.nan}, "concentration is nan; it must be a number > 0"),
        (dirichlet, {"concentration": [1, 2]}, "concentration is .1, 2.; it must be a number > 0"),
        (dirichlet, {"gamma": None}, "gamma is missing"),
    ],
)
def test_a_random_model_that_cannot_be(make, arguments, message):
    """Seen failing: each with its check taken out of `_random`."""
    usual = {"n_states": 5, "n_actions": 2, "gamma": 0.9, "rng": 0}
    if make is garnet:
        usual["branching"] = 3
    with pytest.raises(ModelError, match=message):
        make(**{**usual, **arguments})
