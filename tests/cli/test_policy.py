"""``--policy``: one word means the same policy everywhere."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mdptools import ModelError, check_policy, solve, split_policy, uniform_policy
from mdptools.cli._policy import read_policy
from mdptools.interop import load_model


@pytest.fixture
def mdp():
    return load_model("example:line_world", horizon=3)


def table(mdp, name, seed=0):
    words, chosen = read_policy(mdp, name, seed)
    assert words
    return split_policy(mdp, chosen)[0]


def test_greedy_depends_on_time_where_there_is_a_horizon(mdp):
    """Seen failing: with the policy of the first step for all; with EPS and 1 - EPS exchanged."""
    pi = table(mdp, "greedy:0.2")
    assert pi.shape == (3, 5, 2)
    np.testing.assert_allclose(check_policy(mdp, pi), 0.8 * solve(mdp).pi + 0.2 * 0.5)
    assert (pi[0] != pi[2]).any()  # far from the goal the last step does not matter


def test_optimal_and_uniform_and_random(mdp):
    """Seen failing: with "optimal" read as greedy:1; with the seed left out."""
    np.testing.assert_array_equal(table(mdp, "optimal"), solve(mdp).pi)
    np.testing.assert_array_equal(table(mdp, "uniform"), uniform_policy(mdp))
    np.testing.assert_array_equal(table(mdp, "random", 1), table(mdp, "random", 1))
    assert (table(mdp, "random", 1) != table(mdp, "random", 2)).any()


@pytest.mark.parametrize("name", ["optimal", "greedy:0.1", "FILE"])
def test_a_command_of_one_table_refuses_those_of_many(mdp, tmp_path, name):
    """Seen failing: with a file (H, S, A) let through."""
    if name == "FILE":
        name = str(tmp_path / "pi.npy")
        np.save(name, np.full((3, 5, 2), 0.5))
    with pytest.raises(ModelError, match=r"is a policy that depends on time"):
        read_policy(mdp, name, 0, timed=False)


@pytest.mark.parametrize("command", ["evaluate", "gradient", "simulate"])
def test_every_command_reads_the_same_words(mdptools, tmp_path, command):
    """A file with the probabilities of greedy:0.2 is greedy:0.2, and so is J.

    Seen failing: with the uniform policy for any file.
    """
    mdp = load_model("example:line_world", gamma=0.9)
    path = str(tmp_path / "pi.npy")
    np.save(path, table(mdp, "greedy:0.2"))
    words = [command, "example:line_world", "--gamma", "0.9", "--json", "--policy"]
    named, read = (json.loads(mdptools(*words, name).out) for name in ("greedy:0.2", path))
    assert named["J"] == read["J"] != json.loads(mdptools(*words, "uniform").out)["J"]
    assert named["policy"] == "the optimal policy mixed with 0.2 of uniform"
    assert read["policy"] == f"probabilities from {path}"
