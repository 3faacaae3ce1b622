"""Breakpoints in gamma: exact policy iteration agrees on both sides of each."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mdptools import MDP, ModelError, problems
from mdptools.hardness import discount_sensitivity
from mdptools.hardness._polynomials import Root, compare, gcd, roots_in_unit, sign
from mdptools.planning import solve_exactly
from mdptools.testing.strategies import mdps


def agrees(mdp: MDP) -> int:
    """Assert that exact policy iteration agrees around each breakpoint; how many there are."""
    found = discount_sensitivity(mdp)
    ends = [0.0, *found.breakpoints.tolist(), 1.0]
    for i, (low, high) in enumerate(itertools.pairwise(ends)):
        for part in (1e-7, 0.5, 1 - 1e-7):
            gamma = low + (high - low) * part
            if not low < gamma < high:
                continue  # closer to each other than floats can say
            assert found.interval(gamma) == i
            exact = solve_exactly(mdp.with_objective(gamma=gamma))
            assert (np.array(exact.optimal_actions) == found.optimal_actions[i]).all()
            assert found.optimal_actions[i][np.arange(mdp.n_states), found.policies[i]].all()
    return len(found.breakpoints)


def test_random_models_agree_with_exact_policy_iteration():
    """Seen failing: with roots of even multiplicity as breakpoints (both sides have the same
    actions); with the nearest root of any sign."""
    rng = np.random.default_rng(0)
    count = 0
    for seed in range(40):
        n = int(rng.integers(1, 6))
        n_actions, branching = int(rng.integers(1, 4)), int(rng.integers(1, n + 1))
        count += agrees(problems.garnet(n, n_actions, branching, gamma=0.9, rng=seed))
    assert count >= 10


@settings(max_examples=40, deadline=None)
@given(mdp=mdps(max_states=4, max_actions=3, objective=("discounted", "total")))
def test_degenerate_models_agree(mdp):
    """Seen failing: with pairs of the same value at each discount left out of optimal_actions."""
    agrees(mdp)


@pytest.mark.parametrize("n", [2, 3, 7])
def test_a_breakpoint_with_a_formula(n):
    """Seen failing: with the polynomial of the policy's own actions; with gamma = t, not scaled."""
    found = discount_sensitivity(problems.discount_mismatch(n))
    exact = 10.0 ** (-1 / (n - 1))
    assert abs(found.breakpoints[0] - exact) <= 1e-15
    low, high = found.brackets[0]
    assert low ** (n - 1) <= Fraction(1, 10) <= high ** (n - 1) and high - low <= Fraction(1, 2**60)
    assert found.blackwell[0] == 1 and found.policies[0, 0] == 0


def test_putermans_example_changes_at_ten_elevenths():
    """Seen failing: with a root at 1 taken for one inside."""
    found = discount_sensitivity(problems.two_state())
    np.testing.assert_allclose(found.breakpoints, [10 / 11], atol=1e-15)
    assert "0 < gamma < 0.909091: 1 0" in str(found)
    assert found.interval(0.95) == 1 and found.interval(0.5) == 0


def test_a_model_that_never_changes():
    """Seen failing: with the end 1 as a breakpoint."""
    found = discount_sensitivity(problems.sutton_grid())
    assert len(found.brackets) == len(found.breakpoints) == len(found.policies) - 1
    one = discount_sensitivity(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], 0.5))
    assert one.policies.tolist() == [[1]] and one.breakpoints.size == 0


def test_a_touch_is_no_breakpoint():
    """Seen failing: with every root for a breakpoint.

    Staying pays 1/4 - gamma + gamma**2 by a detour, as much as ending at once at gamma = 1/2 only.
    """
    P = np.zeros((4, 2, 4))
    P[0, 0, 3] = P[0, 1, 1] = 1.0
    P[1, :, 2] = P[2, :, 3] = P[3, :, 3] = 1.0
    mdp = MDP(P, [[0.0, -0.25], [1.0, 1.0], [-1.0, -1.0], [0.0, 0.0]], 0.9, terminal=[3])
    found = discount_sensitivity(mdp)
    assert found.breakpoints.size == 0 and found.policies[0, 0] == 0


def test_bad_input():
    """Seen failing: each with its check taken out."""
    with pytest.raises(ModelError, match="serves models without a horizon"):
        discount_sensitivity(problems.model_win())
    with pytest.raises(ModelError, match=r"31 states that are not terminal.*max_states=31"):
        discount_sensitivity(problems.garnet(31, 2, 2, gamma=0.9, rng=0))
    with pytest.raises(ModelError, match=r"gamma is 1.0; it must be in \[0, 1\)"):
        discount_sensitivity(problems.two_state()).interval(1.0)


def polynomial(roots):
    p = [1]
    for r in roots:
        p = [
            a - b
            for a, b in zip(
                [0, *(r.denominator * c for c in p)],
                [*(r.numerator * c for c in p), 0],
                strict=True,
            )
        ]
    return p


@given(roots=st.lists(st.fractions(-2, 2, max_denominator=12), max_size=6, unique=True))
def test_roots_are_isolated(roots):
    """Seen failing: without the root at a point of bisection; with the shift by 1 forgotten."""
    p = polynomial(roots)
    inside = sorted(r for r in roots if 0 < r < 1)
    found = roots_in_unit(p)
    assert len(found) == len(inside)
    for r, (low, high) in zip(inside, found, strict=True):
        assert low < r < high or low == r == high
        root = Root(p, low, high)
        root.refine(Fraction(1, 10**6))
        assert root.low <= r <= root.high and root.high - root.low <= Fraction(1, 10**6)


@given(
    a=st.lists(st.fractions(0, 1, max_denominator=9), min_size=1, max_size=4, unique=True),
    b=st.lists(st.fractions(0, 1, max_denominator=9), min_size=1, max_size=4, unique=True),
)
def test_roots_are_compared_exactly(a, b):
    """Seen failing: with brackets that overlap for equal roots."""
    p, q = polynomial(a), polynomial(b)
    assert len(gcd(p, q)) - 1 == len(set(a) & set(b))
    inner_a, inner_b = (sorted(r for r in x if 0 < r < 1) for x in (a, b))
    for r, bracket in zip(inner_a, roots_in_unit(p), strict=True):
        for t, other in zip(inner_b, roots_in_unit(q), strict=True):
            assert compare(Root(p, *bracket), Root(q, *other)) == (r > t) - (r < t)


def test_signs_are_exact():
    """Seen failing: with floats (0 at the first)."""
    p = [-1, 10**20]  # 1e20 x - 1
    assert sign(p, Fraction(1, 10**20)) == 0
    assert sign(p, Fraction(1, 10**20) + Fraction(1, 10**60)) == 1
