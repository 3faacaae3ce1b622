"""Families from functions: what is asked of a user's function. Derivatives: test_families.py."""

import re

import numpy as np
import pytest

from mdptools import MDP, Callable, LogLinear, ModelError, Softmax, policy_gradient

MASKED = MDP(
    np.full((2, 2, 2), 0.5), [[1.0, 0.0], [0.0, 2.0]], 0.9, allowed=[[True, True], [True, False]]
)
EYE = np.eye(4).reshape(2, 2, 2, 2)


def table(theta):
    return theta


def unit(theta):
    return EYE


def test_the_identity_is_the_softmax():
    """Seen failing: with the temperature of another family."""
    family, softmax = Callable(MASKED, table, unit, (2, 2)), Softmax(MASKED)
    theta = np.array([[0.5, -1.0], [2.0, 7.0]])
    for ask in ("probs", "log_probs", "score"):
        assert np.array_equal(getattr(family, ask)(theta), getattr(softmax, ask)(theta))
    found = policy_gradient(MASKED, family, theta)
    assert np.array_equal(found.value, policy_gradient(MASKED, softmax, theta).value)
    assert found.certificate.bound == family.pullback_norm == np.inf  # nothing is proved


def test_what_stands_at_refused_pairs_does_not_matter():
    """Seen failing: with the Jacobian not cut (nan); with the probability of a refused action asked
    to be > 0."""
    allowed = MASKED.allowed
    wild = Callable(
        MASKED,
        lambda theta: np.where(allowed, theta, np.nan),
        lambda theta: np.where(allowed[..., None, None], EYE, np.inf),
        (2, 2),
    )
    theta, G = np.array([[0.5, -1.0], [2.0, 7.0]]), np.array([[1.0, 2.0], [3.0, -np.inf]])
    assert np.array_equal(wild.pullback(theta, G), Softmax(MASKED).pullback(theta, G))
    certain = Callable(
        MASKED, lambda x: [[x[0], 1 - x[0]], [1.0, 0.0]], lambda x: UNIT[..., None], (1,), "probs"
    )
    assert np.allclose(certain.probs([0.25]), [[0.25, 0.75], [1, 0]], rtol=1e-15)
    assert np.allclose(certain.pullback([0.25], G), [-1.0])


UNIT = np.array([[1.0, -1.0], [0.0, 0.0]])


def test_without_second_derivatives_curvature_says_what_to_hand_in():
    """Seen failing: with curvature that leaves the bend out."""
    family = Callable(MASKED, table, unit, (2, 2))
    with pytest.raises(ModelError, match=r"no second derivatives: give .* hessian_product="):
        family.curvature(np.zeros((2, 2)), np.ones((2, 2)), np.ones((2, 2)))
    wrong = Callable(MASKED, table, unit, (2, 2), hessian_product=lambda theta, v, U: 0.0)
    with pytest.raises(ModelError, match=r"^hessian_product returns shape \(\); .* \(2, 2\)"):
        wrong.curvature(np.zeros((2, 2)), np.ones((2, 2)), np.ones((2, 2)))
    phi = np.ones((2, 2, 1))
    zero = Callable(MASKED, lambda x: phi @ x, lambda x: phi, (1,), hessian_product=lambda *x: [0])
    G = np.eye(2)
    assert zero.curvature([1.0], [1.0], G) == LogLinear(MASKED, phi).curvature([1.0], [1.0], G)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"function": 3}, "function is 3; it must be a function of theta."),
        ({"jacobian": None}, "jacobian is None; it must be a function of theta."),
        ({"hessian_product": 1}, "hessian_product is 1; it must be a function of theta."),
        ({"gives": "scores"}, "gives is 'scores'; it must be 'logits' or 'probs'."),
        ({"shape": (2, 0)}, "shape is (2, 0); it must be that of theta: ints > 0."),
        ({"shape": 4}, "shape is 4; it must be that of theta"),
    ],
)
def test_what_is_no_family(words, message):
    """Seen failing: without each of the checks."""
    given = {"function": table, "jacobian": unit, "shape": (2, 2)} | words
    with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
        Callable(MASKED, **given)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"function": np.ravel}, "function(theta) has shape (4,); it must be (S, A) = (2, 2)."),
        ({"function": lambda x: x / 0.0 * 0}, "function(theta)[0, 0] is nan; it must be finite"),
        ({"jacobian": table}, "jacobian(theta) has shape (2, 2); it must be (S, A, *shape) = (2,"),
        ({"jacobian": lambda x: EYE * np.inf}, "jacobian(theta)[0, 0, 0, 0] is inf"),
        ({"gives": "probs"}, "function(theta)[0, 0] is 0; a probability must be > 0 where the"),
        (
            {"gives": "probs", "function": lambda x: x + 0.25},
            "function(theta) sums to 0.25 in state 1, not 1; for logits: gives='logits'.",
        ),
    ],
)
@np.errstate(all="ignore")
def test_functions_that_return_something_else(words, message):
    """Seen failing: without each of the checks."""
    family = Callable(MASKED, **({"function": table, "jacobian": unit, "shape": (2, 2)} | words))
    with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
        family.score(np.zeros((2, 2)))
