"""The direct family: the projection beside brute force in fractions, and what has no score."""

import itertools
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP, Direct, ModelError, check_policy, uniform_policy
from mdptools.testing.strategies import mdps, policies

MASKED = MDP(
    np.full((2, 3, 2), 0.5),
    np.ones(2),
    0.9,
    allowed=[[True, False, True], [True, True, True]],
    action_names=["a", "b", "c"],
)


def nearest(x):
    """The nearest distribution to a row: of all supports the one with the smallest distance."""
    x = [Fraction(float(v)) for v in x]
    best = None
    for size in range(1, len(x) + 1):
        for support in itertools.combinations(range(len(x)), size):
            c = (sum(x[i] for i in support) - 1) / size
            p = [x[i] - c if i in support else Fraction(0) for i in range(len(x))]
            distance = sum((u - v) ** 2 for u, v in zip(p, x, strict=True))
            if min(p) >= 0 and (best is None or distance < best[0]):
                best = distance, p
    return [float(v) for v in best[1]]


@given(st.data())
def test_project_is_the_nearest_policy(data):
    """Seen failing: with clip and division by the sum; with refused actions in the sort; with one
    action too many kept; with the sort rising."""
    mdp = data.draw(mdps(max_actions=4))
    shape = mdp.allowed.shape
    size = shape[0] * shape[1]
    numbers = st.integers(-300, 300).map(lambda i: i / 100) | st.floats(-2, 2)
    x = np.array(data.draw(st.lists(numbers, min_size=size, max_size=size))).reshape(shape)
    family = Direct(mdp)
    pi = family.project(np.where(mdp.allowed, x, np.nan))
    assert np.array_equal(check_policy(mdp, pi), pi) and not pi.flags.writeable
    for s, row in enumerate(mdp.allowed):
        assert np.allclose(pi[s, row], nearest(x[s, row]), rtol=0, atol=1e-14)
    shifted = family.project(x + 0.5 * np.arange(shape[0])[:, None])
    assert np.allclose(shifted, pi, rtol=0, atol=1e-14)


@given(st.data())
def test_a_policy_is_its_own_projection(data):
    """Seen failing: with the sum - 1 divided by the number of actions."""
    mdp = data.draw(mdps())
    pi = data.draw(policies(mdp, timed=False))
    assert np.allclose(Direct(mdp).project(pi), pi, rtol=0, atol=1e-15)
    assert np.array_equal(Direct(mdp).probs(pi), pi)


@pytest.mark.parametrize("scale", [1e3, 1e16, 1e308, 1.7e308])
def test_numbers_as_far_apart_as_floats_go(scale):
    """Warnings are errors here. Seen failing: without the halving, where 1e308 -
    -1e308 is infinite."""
    x = np.array([[scale, 0.0, -scale], [-scale, scale, scale]])
    assert Direct(MASKED).project(x).tolist() == [[1, 0, 0], [0, 0.5, 0.5]]


def test_many_actions_keep_the_sum_and_their_shares():
    """One is 0.99 above the others, so that all stay. Seen failing: without the step that puts c
    right (the shares are off by 1e-8 of themselves); without the division at the end."""
    mdp = MDP(np.ones((1, 5000, 1)), np.zeros((1, 5000)), 0.5)
    x = 1e-7 * np.random.default_rng(0).normal(size=(1, 5000))
    x[0, 0] += 0.99
    pi = Direct(mdp).project(x)
    assert abs(pi.sum() - 1) <= 2.0**-51
    c = (sum(map(Fraction, x[0].tolist())) - 1) / 5000
    wanted = np.array([float(Fraction(v) - c) for v in x[0].tolist()])
    assert wanted.min() > 0 and np.allclose(pi[0], wanted, rtol=1e-10, atol=0)


def test_the_bound_on_the_pullback_is_attained():
    """Seen failing: with half the number of actions."""
    mdp = MDP(np.ones((1, 4, 1)), np.zeros((1, 4)), 0.5)
    pulled = Direct(mdp).pullback(uniform_policy(mdp), np.array([[1.0, -1.0, 1.0, -1.0]]))
    assert np.abs(pulled).sum() == Direct(mdp).pullback_norm == 4


def test_zeros_have_gradients_but_no_scores():
    """Without the action that is never taken scores would not have mean zero.

    Seen failing: without the check."""
    family, pi = Direct(MASKED), [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]
    assert family.pullback(pi, np.eye(3)[:2]).round(3).tolist() == [
        [0.5, 0, -0.5],
        [-0.333, 0.667, -0.333],
    ]
    message = r"^pi is 0 for action 2 \('c'\) in state 0: the scores of the direct family are 1/pi"
    step = np.zeros((1, 1), dtype=int)
    for ask in (family.score, lambda x: family.accumulate(x, step, step, np.ones((1, 1)))):
        with pytest.raises(ModelError, match=message):
            ask(pi)


def test_probabilities_of_1e_300():
    """Seen failing: with pi clipped at eps."""
    mdp = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    score = Direct(mdp).score([[1.0, 1e-300]])[0]
    assert np.allclose(score, [[0.5, -0.5], [-5e299, 5e299]], rtol=1e-15)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        (np.full((2, 2), 0.5), "theta has shape (2, 2); it must be (S, A) = (2, 3)."),
        ([[0.5, 0.0, 0.4], [1, 0, 0]], "pi sums to 0.9 in state 0, not 1"),
        ([[1.5, 0.0, -0.5], [1, 0, 0]], "pi is -0.5 for action 2 ('c') in state 0"),
        ([[0.5, 0.5, 0.0], [1, 0, 0]], "pi gives 0.5 to action 1 ('b') in state 0, which is not"),
    ],
)
def test_tables_that_are_no_policies(theta, message):
    """Seen failing: with theta given back unchecked."""
    for ask in (Direct(MASKED).probs, Direct(MASKED).score):
        with pytest.raises(ModelError, match=f"^{re.escape(message)}"):
            ask(theta)


def test_what_cannot_be_projected():
    """Seen failing: without the check (a row of nan)."""
    with pytest.raises(ModelError, match=r"^x has shape \(3,\); it must be \(S, A\) = \(2, 3\)"):
        Direct(MASKED).project(np.zeros(3))
    with pytest.raises(ModelError, match=r"^x\[1, 0\] is inf; it must be finite"):
        Direct(MASKED).project([[0, 0, 0], [np.inf, 0, 0]])
