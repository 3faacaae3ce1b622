"""Upper bounds where one can go round for almost nothing, for longer than float64 can tell."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import oracles
from mdptools import MDP, ConvergenceError, ModelError, total_reward
from mdptools.planning import _episodes, reach_probability
from mdptools.planning._joined_task import Task
from mdptools.planning._nearly_joined import NearlyJoined
from properties import Case


@st.composite
def slippery_models(draw):
    """Up to 4 states of 2 actions that slip as seldom as 2^-52; an end that pays and one that not.

    Some moves cost or earn a little on the way.
    """
    n = draw(st.integers(1, 4))
    good, bad = n, n + 1
    P, R = np.zeros((n + 2, 2, n + 2)), np.zeros((n + 2, 2))
    P[good, :, good] = P[bad, :, bad] = 1
    way = draw(st.sampled_from([0.0, 0.0, -0.25, 2.0**-30]))
    for s in range(n):
        for a in range(2):
            slip = draw(st.sampled_from([0.5, 0.0, 2.0**-20, 2.0**-40, 2.0**-52]))
            P[s, a, draw(st.integers(0, n + 1))] += 1 - slip
            P[s, a, draw(st.integers(0, n + 1))] += slip
            R[s, a] = P[s, a, good] + way * draw(st.integers(0, 1))
    stored = csr_array(P.reshape(-1, n + 2)) if draw(st.booleans()) else P
    return MDP(stored, R, gamma=1.0, terminal=[good, bad])


def best_effort(mdp):
    """What is found, whether or not it is as near as was asked; None if there is no optimum."""
    try:
        return total_reward(mdp, infinite="keep", tol=math.inf)
    except ConvergenceError as error:
        return error.solution
    except ModelError:
        return None


@pytest.mark.parametrize("apart", [1e-12, 0.3, 2.0])
@settings(max_examples=50)
@given(mdp=slippery_models())
def test_the_bound_holds_whatever_is_joined(apart, mdp):
    """Against exact fractions, with states joined at every opportunity.

    Seen failing: with rewards, or probabilities, not divided by q; with an upper bound that is not
    checked; with the places to rest forgotten.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_episodes, "LOOSE", -1.0)
        patch.setattr(_episodes, "APART", (apart,))
        solution = best_effort(mdp)
    assume(solution is not None)
    (truth,) = Case(mdp).optima
    certificate = solution.certificate
    assert oracles.largest_error(solution.V, truth.V) <= certificate.bound
    for low, v, high in zip(certificate.lower, truth.V, certificate.upper, strict=True):
        assert low <= v <= high


def well(leak, gate):
    """0 may wait, or go to the gate; a leak leads from there to 1 and from 1 to the hole.

    1 can go back to 0. 2 is the gate, through which one comes with this probability to 3; 4 is the
    hole. Waiting lasts 1 / leak^2 steps.
    """
    P = np.zeros((5, 2, 5))
    P[0, 0, [0, 1]] = P[1, 0, [0, 4]] = 1 - leak, leak
    P[[0, 1], 1, [2, 4]] = 1
    P[2, :, 3], P[2, :, 4] = gate, 1 - gate
    P[3, :, 3] = P[4, :, 4] = 1
    return P


@pytest.mark.parametrize("leak", [2.0**-20, 2.0**-30, 2.0**-40, 2.0**-50])
@pytest.mark.parametrize("sparse", [False, True])
def test_waiting_for_longer_than_float64_can_tell(leak, sparse):
    """Half of all gates let one pass; waiting only makes it worse, by leak^2 a step.

    Seen failing: without joining; with what ends are worth, or rewards, not divided by q.
    """
    P = well(leak, 0.5)
    mdp = MDP(csr_array(P.reshape(-1, 5)) if sparse else P, np.zeros((5, 2)), gamma=1.0)
    solution = reach_probability(mdp, [3])
    exact = [Fraction(1, 2), (1 - Fraction(leak)) / 2, Fraction(1, 2), Fraction(1), Fraction(0)]
    assert oracles.largest_error(solution.V, exact) <= solution.certificate.bound <= 1e-8
    assert solution.pi[0].tolist() == [0, 1]
    for low, v, high in zip(
        solution.certificate.lower, exact, solution.certificate.upper, strict=True
    ):
        assert low <= v <= high
    low = reach_probability(mdp, [4], sense="min")
    assert oracles.largest_error(low.V, [1 - v for v in exact]) <= low.certificate.bound <= 1e-8


def test_a_prize_beyond_a_well():
    """The same with a reward at the gate, and a reward for each wait that is too dear to join.

    Seen failing: without joining; with a pair that earns for ever passed over; with an upper bound
    that is not checked.
    """
    R = np.zeros((5, 2))
    R[2] = 7
    solution = total_reward(MDP(well(2.0**-40, 0.5), R, gamma=1.0))
    assert np.abs(solution.V[:3] - [7, 7, 7]).max() <= solution.certificate.bound < 1e-8
    task = Task(
        mdp := MDP(well(2.0**-40, 0.5), R + 2.0**-40 * (np.arange(5) == 0)[:, None], gamma=1.0),
        mdp.allowed & ~mdp.terminal[:, None],
        mdp.R,
        mdp.terminal,
        np.zeros(5),
        rests=True,
    )
    assert NearlyJoined(task, np.array([7, 7, 7, 0, 0.0]), 1e-9).earns
