"""Vanishing gradients: where float64 can no longer tell, the library says so.

On the chain of Agarwal et al. (2021), Proposition 4.1, from a policy without opinion. The truth is
computed in fractions: the chain has only neighbours, so visits and values follow from one sweep.
"""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from mdptools import Softmax
from mdptools.arrays import EPS
from mdptools.gradients import direct_gradient, hessian_vector_product, policy_gradient
from mdptools.problems import chain


def exact_values(p, gamma, shift=Fraction(0)):
    """V and visits from state 0; p[s] the chance of "forward", the last state pays 1 for ever.

    V(s) = gamma (p V(s+1) + (1-p) V(s-1)), so V(s) = x(s) V(s+1) by elimination from the left.
    """
    n = len(p) + 1
    x = []
    for s in range(n - 1):
        back = gamma * (1 - p[s])
        before = x[s - 1] if s else Fraction(1)
        x.append(gamma * p[s] / (1 - back * before))
    V = [Fraction(0)] * n
    V[-1] = 1 / (1 - gamma)
    for s in reversed(range(n - 1)):
        V[s] = x[s] * V[s + 1]
    # visits(s) = 1{s = 0} + gamma (p visits(s-1) + (1-p) visits(s+1)), from the right.
    y = [Fraction(0)] * n
    for s in reversed(range(1, n - 1)):
        ahead = gamma * (1 - p[s + 1]) * y[s + 1] if s + 1 < n - 1 else Fraction(0)
        y[s] = gamma * p[s - 1] / (1 - ahead)
    stay = gamma * (1 - p[0])
    first = gamma * (1 - p[1]) * y[1] if n > 2 else Fraction(0)
    visits = [1 / (1 - stay - first)]
    for s in range(1, n - 1):
        visits.append(y[s] * visits[-1])
    visits.append(gamma * p[-1] * visits[-1] / (1 - gamma))
    return V, visits


def exact_gradient(H):
    """dJ/dtheta of the softmax at theta = 0, (n, 4), as fractions; gamma as float64 has it."""
    mdp = chain(H + 2)
    gamma = Fraction(float(mdp.gamma))
    p = [Fraction(1, 4)] * (H + 1)
    V, visits = exact_values(p, gamma)
    rows = []
    for s in range(H + 1):
        Q = [gamma * V[s + 1]] + [gamma * V[max(s - 1, 0)]] * 3
        rows.append([visits[s] * Fraction(1, 4) * (q - V[s]) for q in Q])
    rows.append([Fraction(0)] * 4)
    return mdp, rows, visits


def test_the_oracle_solves_its_equations():
    """Bellman's equation and the balance of visits hold exactly.

    Seen failing: gamma left out of the visits.
    """
    mdp, _, visits = exact_gradient(5)
    gamma, p = Fraction(float(mdp.gamma)), Fraction(1, 4)
    V, _ = exact_values([p] * 6, gamma)
    for s in range(6):
        assert V[s] == gamma * (p * V[s + 1] + (1 - p) * V[max(s - 1, 0)])
    assert sum(visits) == 1 / (1 - gamma)


@pytest.mark.parametrize(("H", "told"), [(16, True), (64, False), (128, False)])
def test_float64_says_where_it_cannot_tell_the_gradient_from_zero(H, told):
    """The bound holds at any H; at 64 and 128 it is far above the truth, 3e-27 and 6e-57.

    Seen failing: `is_nonzero` without the bound; a bound of 0.
    """
    mdp, rows, _ = exact_gradient(H)
    found = policy_gradient(mdp, Softmax(mdp), np.zeros((H + 2, 4)))
    truth = np.array([[float(x) for x in row] for row in rows])
    apart = sum(
        abs(Fraction(float(x)) - y)
        for ours, row in zip(found.value, rows, strict=True)
        for x, y in zip(ours, row, strict=True)
    )
    assert apart <= found.certificate.bound
    assert found.is_nonzero is told
    norm = np.abs(truth).sum()
    assert 0 < norm <= (1 / 3) ** (H / 4)
    if told:
        assert found.value == pytest.approx(truth, abs=found.certificate.bound)
        assert found.certificate.bound < norm
    else:
        assert norm < 1e-12 * found.certificate.bound


def test_the_bound_is_round_off_and_no_more():
    """Seen failing: a bound of 1."""
    mdp, _, _ = exact_gradient(128)
    found = policy_gradient(mdp, Softmax(mdp), np.zeros((130, 4)))
    assert found.certificate.bound <= 1e5 * EPS / (1 - mdp.gamma) ** 2


def test_no_direction_helps_on_a_plateau():
    """Directional derivatives of order 1 to 6 are below (1/3)^(H/4), in exact arithmetic.

    Along p, the chance of "forward" in all states at once; J is a rational function of p, and its
    differences over a step of 1e-6 are its derivatives to several digits.

    Seen failing: a step of 1/10, which sees the far side.
    """
    H, step = 64, Fraction(1, 10**6)
    gamma = Fraction(float(chain(H + 2).gamma))
    values = [exact_values([Fraction(1, 4) + k * step] * (H + 1), gamma)[0][0] for k in range(7)]
    for order in range(1, 7):
        values = [after - before for before, after in pairwise(values)]
        assert 0 < float(values[0] / step**order) <= (1 / 3) ** (H / 4)


def test_a_constant_reward_leaves_round_off():
    """One more reward at each step changes no gradient; the numbers are 1e40 times too large then.

    Seen failing: `is_nonzero` without the bound.
    """
    mdp, rows, _ = exact_gradient(128)
    truth = float(sum(abs(x) for row in rows for x in row))
    shifted = replace(mdp, R=mdp.R + 0.1, terminal=(), law=None)
    found = policy_gradient(shifted, Softmax(shifted), np.zeros((130, 4)))
    assert np.abs(found.value).sum() <= found.certificate.bound
    assert np.abs(found.value).sum() > 1e30 * truth
    assert not found.is_nonzero


def test_the_direct_gradient_and_the_hessian_vanish_too():
    """Seen failing: visits left out."""
    mdp, rows, visits = exact_gradient(16)
    n = len(rows)
    found = direct_gradient(mdp, np.full((n, 4), 0.25))
    assert found.value[0, 0] == pytest.approx(
        float(
            visits[0]
            * Fraction(float(mdp.gamma))
            * exact_values([Fraction(1, 4)] * 17, Fraction(float(mdp.gamma)))[0][1]
        ),
        rel=1e-9,
    )
    v = np.zeros((n, 4))
    v[:, 0] = 1.0
    bent = hessian_vector_product(mdp, Softmax(mdp), np.zeros((n, 4)), v)
    assert np.abs(bent).max() <= 1e-4
