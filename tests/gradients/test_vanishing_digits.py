"""Vanishing gradients with 60 digits: the truth where float64 can no longer tell.

The chain of Agarwal et al. (2021), Proposition 4.1, from a policy without opinion. Values and
visits are two tridiagonal systems, solved by elimination in mpmath.
"""

import mpmath
import numpy as np
import pytest
from mpmath import mpf

from mdptools import Softmax, direct_gradient, policy_gradient
from mdptools.problems import chain
from mdptools.studies import GradientAscent, run_study

DIGITS = 60
FAR = [64, 128, 256, 570]
"""Lengths at which float64 cannot tell; from 570 on the proposition covers the gradient itself."""


def eliminated(lower, diagonal, upper, right):
    """The solution of a tridiagonal system."""
    b, d, n = list(diagonal), list(right), len(right)
    for i in range(1, n):
        w = lower[i - 1] / b[i - 1]
        b[i] -= w * upper[i - 1]
        d[i] -= w * d[i - 1]
    x = [d[-1] / b[-1]]
    for i in reversed(range(n - 1)):
        x.insert(0, (d[i] - upper[i] * x[0]) / b[i])
    return x


def solved(gamma, p):
    """V and visits from state 0; p[s] the chance of "forward", the state after the last pays 1."""
    n = len(p)
    forward = [-gamma * p[s] for s in range(n - 1)]
    back = [-gamma * (1 - p[s]) for s in range(1, n)]
    diagonal = [1 - gamma * (1 - p[0])] + [mpf(1)] * (n - 1)
    last = 1 / (1 - gamma)
    V = eliminated(back, diagonal, forward, [mpf(0)] * (n - 1) + [gamma * p[-1] * last])
    visits = eliminated(forward, diagonal, back, [mpf(1)] + [mpf(0)] * (n - 1))
    return [*V, last], visits


def truth(H):
    """The model, and dJ/dpi and dJ/dtheta of the softmax at 1/4 each, (H + 1, 4) of mpf."""
    mdp = chain(H + 2)
    gamma, p = mpf(float(mdp.gamma)), [mpf(1) / 4] * (H + 1)
    V, visits = solved(gamma, p)
    Q = [[gamma * V[s + 1]] + [gamma * V[max(s - 1, 0)]] * 3 for s in range(H + 1)]
    direct = [[visits[s] * q for q in Q[s]] for s in range(H + 1)]
    soft = [[visits[s] / 4 * (q - V[s]) for q in Q[s]] for s in range(H + 1)]
    return mdp, direct, soft


def size(rows):
    """The sum of absolute values, and the Euclidean norm."""
    flat = [x for row in rows for x in row]
    return sum(abs(x) for x in flat), mpmath.sqrt(sum(x * x for x in flat))


def apart(found, rows):
    """The sum of absolute errors of an array of floats."""
    return sum(
        abs(mpf(float(x)) - y)
        for ours, row in zip(found, rows, strict=False)
        for x, y in zip(ours, row, strict=True)
    )


@mpmath.workdps(DIGITS)
def test_elimination_is_right():
    """Beside LU with pivots, and Bellman's equation.

    Seen failing: with the diagonals of the transposed system exchanged.
    """
    gamma, p = mpf(7) / 8, [mpf(k + 2) / 20 for k in range(9)]
    V, visits = solved(gamma, p)
    P = mpmath.zeros(9)
    for s in range(9):
        P[s, max(s - 1, 0)] += 1 - p[s]
        if s < 8:
            P[s, s + 1] += p[s]
    start = mpmath.matrix([1] + [0] * 8)
    other = mpmath.lu_solve((mpmath.eye(9) - gamma * P).T, start)
    assert max(abs(x - y) for x, y in zip(visits, other, strict=True)) < mpf(10) ** -(DIGITS - 5)
    for s in range(9):
        assert abs(V[s] - gamma * (p[s] * V[s + 1] + (1 - p[s]) * V[max(s - 1, 0)])) < 1e-55


@pytest.mark.parametrize("H", [4, 16, *FAR])
@mpmath.workdps(DIGITS)
def test_the_bound_covers_the_truth_and_says_where_it_cannot_be_told(H):
    """At H = 64 the truth is 2e-28, at 570 1e-267; float64 is right to 1e-11 there, and says so.

    Seen failing: with a bound of 0; with `is_nonzero` without the bound.
    """
    mdp, direct, soft = truth(H)
    one_norm, norm = size(soft)
    found = policy_gradient(mdp, Softmax(mdp), np.zeros((H + 2, 4)))
    assert apart(found.value, soft) <= found.certificate.bound
    assert found.is_nonzero is (H < 64)
    assert (one_norm > found.certificate.bound) is (H < 64)
    assert norm <= mpf(1) / 3 ** (mpf(H) / 4)
    flow = direct_gradient(mdp, np.full((H + 2, 4), 0.25))
    assert apart(flow.value, direct) <= flow.certificate.bound


@mpmath.workdps(DIGITS)
def test_the_published_gradient_vanishes_as_published():
    """By three free coordinates in each state: 8.4e-28 at H = 64, 6.9e-267 at 570; (1/3)^(H/4) is
    an upper bound at every length.

    Seen failing: with dJ/dpi itself, whose fourth coordinate is free as well.
    """
    for H, known in ((64, "8.36857e-28"), (128, "1.31964e-57"), (570, "6.90636e-267")):
        _, direct, _ = truth(H)
        free = [[q - row[3] for q in row[:3]] for row in direct]
        norm = size(free)[1]
        assert abs(norm / mpf(known) - 1) < 1e-4
        assert norm <= mpf(1) / 3 ** (mpf(H) / 4)


@pytest.mark.parametrize("H", [16, *FAR[:3]])
@mpmath.workdps(DIGITS)
def test_a_study_says_where_its_gradient_norm_is_round_off(H):
    """What a study records is within its floor of the truth; at 64 and more it is below the floor.

    Seen failing: with a floor of 0; with one of 1.
    """
    mdp, _, soft = truth(H)
    norm = size(soft)[1]
    run = run_study(mdp, GradientAscent(), 1)[0]
    assert abs(mpf(float(run.gradient_norm[0])) - norm) <= run.gradient_floor[0]
    assert (run.gradient_norm[0] > run.gradient_floor[0]) == (H < 64)
    if H >= 64:  # what is recorded has no right digit
        assert run.gradient_norm[0] > 1e10 * norm
    assert run.to_json()["series"]["gradient_floor"] == run.gradient_floor.tolist()


@pytest.mark.parametrize("seed", range(3))
@mpmath.workdps(DIGITS)
def test_derivatives_of_order_two_to_six_vanish_too(seed):
    """Along random directions of the chances of "forward", by differences at twice the digits.

    Seen failing: at 3/4 in the place of 1/4, from where the far side is seen.
    """
    H = 64
    gamma = mpf(float(chain(H + 2).gamma))
    u = np.random.default_rng(seed).normal(size=H + 1)
    u /= np.linalg.norm(u)

    def J(step):
        return solved(gamma, [mpf(1) / 4 + step * mpf(float(x)) for x in u])[0][0]

    with mpmath.workdps(2 * DIGITS):
        slopes = mpmath.diffs(J, mpf(0), 6, h=mpf(10) ** -12)
        found = [abs(x) for x in slopes]
    for slope in found[1:]:
        assert 0 < slope <= mpf(1) / 3 ** (mpf(H) / 4)
