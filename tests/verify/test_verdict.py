"""A verdict reads as plain text, and is neither true nor false."""

from dataclasses import replace

import numpy as np
import pytest

import estimator_mutants as mutants
from mdptools import MDP
from mdptools.verify import Hypothesis, check_estimator


@pytest.fixture(scope="module")
def biased():
    lab = mutants.lab(0)
    return check_estimator(**mutants.MUTANTS["B01"].arguments(lab))


def test_a_biased_verdict_says_what_by_how_much_why_and_where(biased):
    """Seen failing: the bias of another coordinate; the target for the mean; trajectories in order
    of probability."""
    lines = str(biased).splitlines()
    at = biased.witness
    assert lines[0] == "biased: the mean of a row is not the policy gradient"
    assert lines[1].startswith("exact: all 480 trajectories of up to 4 steps; standard deviation")
    assert f"{biased.deviation:.4g}" in lines[1]
    s, a = at.index
    assert lines[2].startswith(f"bias {at.bias:.4g} in state {s}, action {a}: mean {at.mean:.4g}, ")
    assert f"target {at.target:.4g}" in lines[2]
    assert lines[3] == "equals what leaving gamma^t out predicts"
    assert len(lines) == 10
    assert all(
        f"{p:.3g} " in line for p, line in zip(at.trajectories.weight, lines[5:], strict=True)
    )
    assert repr(biased) == str(biased)


def test_the_witness_is_the_worst_coordinate_and_its_trajectories(biased):
    """Seen failing: the coordinate of the smallest |bias|; the most probable trajectories."""
    at = biased.witness
    assert np.abs(biased.bias).max() == abs(at.bias) == abs(biased.bias[at.index])
    assert at.bias == pytest.approx(at.mean - at.target)
    assert at.trajectories.n == 5
    parts = np.sign(at.bias) * at.contributions
    assert (np.diff(parts) <= 0).all() and parts[-1] > 0
    assert at.contributions.sum() / at.bias > 0.5


def test_contributions_of_all_trajectories_are_the_bias():
    """Seen failing: contributions to the mean."""
    mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=2)
    found = check_estimator(lambda batch: batch.r.max(axis=1), mdp, [[0.5, 0.5]], target="J")
    assert found.witness.trajectories.n == 4
    assert found.witness.contributions.sum() == pytest.approx(found.witness.bias) == -0.25


def test_an_unbiased_verdict_is_short():
    """Seen failing: with a witness's trajectories."""
    lab = mutants.lab(0)
    found = check_estimator(**mutants.HARMLESS["H04"].arguments(lab))
    lines = str(found).splitlines()
    assert lines[0] == "unbiased: the mean of a row is the policy gradient"
    assert lines[2].startswith("largest |bias| ") and "round-off" in lines[2]
    assert len(lines) == 3
    assert found.alpha is found.beta is found.tol is None


def test_states_and_actions_have_their_names():
    """Seen failing: indices where there are names."""
    lab = mutants.lab(0)
    mdp = replace(lab.mdp, state_names=tuple("pqrs"), action_names=("go", "stay"))
    found = check_estimator(lambda batch: np.zeros((batch.n, 8)), mdp, lab.policy)
    s, a = found.witness.index
    assert f"state {s} ({'pqrs'[s]!r}), action {a} ({('go', 'stay')[a]!r})" in str(found)
    found = check_estimator(lambda batch: np.zeros((batch.n, 4)), mdp, lab.policy, target="V")
    assert f"in state {found.witness.index[0]} (" in str(found)


def test_a_verdict_is_no_truth_value(biased):
    """Seen failing: without __bool__, where `assert check_estimator(...)` always passes."""
    with pytest.raises(TypeError, match="compare its outcome"):
        assert biased


def test_a_hypothesis_is_a_sentence():
    """Seen failing: without the mark; a name that cannot be turned around, turned around."""
    left_out = Hypothesis("gamma^t left out", 0.02914, 0.02914, True)
    assert str(left_out) == "gamma^t left out: predicts bias 0.02914, observed 0.02914 (matches)"
    assert left_out.doing == "leaving gamma^t out"
    assert Hypothesis("rewards clipped", 0.0, 1.0, False).doing == "'rewards clipped'"
    assert Hypothesis("x left out (whole)", 0.0, 1.0, False).doing == "leaving x out (whole)"
