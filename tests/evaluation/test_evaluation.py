"""Evaluation: the noun. A, Z and d follow from V, Q and visits."""

import math

import numpy as np
import pytest

from mdptools import MDP, Certificate, Evaluation, ModelError, evaluate

ZERO = Certificate(0.0, math.inf, 0.0, "made up")


def made(V, Q, visits):
    """An evaluation of numbers that are given."""
    V, Q, visits = (np.array(x, dtype=float) for x in (V, Q, visits))
    return Evaluation(V, Q, 0.0, visits, ZERO, ZERO, ZERO)


def test_the_advantage_is_q_minus_v():
    """Refused pairs are -inf; on a finite horizon V[H] belongs to no action.

    Seen failing: with V - Q; with V[1:] for V[:-1].
    """
    assert made([1, 2], [[1, 3], [-np.inf, 2]], [1, 1]).A.tolist() == [[0, 2], [-np.inf, 0]]
    timed = made([[1, 2], [0, 5]], [[[1, 3], [2, 2]]], [[1, 1]])
    assert timed.A.tolist() == [[[0, 2], [0, 0]]]
    assert not timed.A.flags.writeable


def test_d_is_a_law():
    """Over states, or over times and states.

    Seen failing: with each time divided by its own sum; without `readonly`.
    """
    assert made([0, 0], [[0], [0]], [1, 3]).d.tolist() == [0.25, 0.75]
    timed = made(np.zeros((3, 2)), np.zeros((2, 2, 1)), [[1, 3], [4, 0]])
    assert timed.d.tolist() == [[0.125, 0.375], [0.5, 0]] and timed.Z == 8
    assert isinstance(timed.Z, float) and not timed.d.flags.writeable


@pytest.mark.parametrize(
    ("visits", "match"),
    [([0, 0], r"episodes last 0\.0 decisions\."), ([1, np.inf], r"for ever in states \[1\]")],
)
def test_no_time_and_endless_time_have_no_law(visits, match):
    """Seen failing: with 0 / 0; with inf / inf."""
    with pytest.raises(ModelError, match=match):
        made([0, 0], [[0], [0]], visits).d  # noqa: B018


def test_infinite_values_have_no_advantage():
    """Seen failing: with inf - inf."""
    with pytest.raises(ModelError, match=r"A does not exist where V is infinite: states \[1\]"):
        made([0, np.inf], [[0], [np.inf]], [1, 0]).A  # noqa: B018


@pytest.mark.parametrize("words", [{"gamma": 0.9}, {"horizon": 2}, {"gamma": 1.0}], ids=str)
def test_numbers_are_python_floats(words):
    """Seen failing: with NumPy's float64 in the certificates of a finite horizon."""
    found = evaluate(MDP([[[0.5, 0.5]], [[0.0, 1.0]]], [[1.0], [0.0]], **words), [[1], [1]])
    numbers = [found.J, found.Z]
    for proof in (found.certificate, found.J_certificate, found.visits_certificate):
        numbers += [proof.bound, proof.loss, proof.residual]
    assert {type(x) for x in numbers} == {float}
