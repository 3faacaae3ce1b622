"""Who saw what: probabilities, and draws from the right law."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP, Observation, Softmax, Timed, sight
from mdptools.testing.strategies import distributions

MDP2 = MDP(np.full((2, 2, 2), 0.5), np.ones(2), 0.5, horizon=2)
NOISY = np.array([[0.5, 0.3, 0.2], [0.0, 1.0, 0.0]])


class EvenRandom:
    """Numbers spread evenly in place of random ones: proportions are exact to 1/n."""

    def random(self, n):
        return (np.arange(n) + 0.5) / n


@given(distributions(4), st.integers(0, 99))
def test_draws_have_the_law_of_o_given_s_and_a(chances, seed):
    """Seen failing: with the law of another action; with the last observation left out."""
    mdp = MDP(np.ones((1, 2, 1)), np.zeros((1, 2)), 0.5)
    family = Observation(mdp, chances[None])
    theta = np.random.default_rng(seed).normal(size=(4, 2))
    found, n = sight(family, theta), 3000
    q = Softmax(family.family.mdp).probs(theta)
    for a in range(2):
        here, taken = np.zeros(n, dtype=int), np.full(n, a)
        wanted = chances * q[:, a] / (chances @ q[:, a])
        drawn = np.bincount(found.draw(here, here, taken, EvenRandom()), minlength=4) / n
        assert np.abs(drawn - wanted).max() <= 2 / n
        given_a = found.given(0, here[:1], taken[:1])[0]
        assert np.allclose(given_a, wanted[family.seen[0]], rtol=0, atol=1e-14)


def test_probabilities_by_time():
    """Seen failing: with time 0 at each time."""
    family = Observation(MDP2, NOISY)
    timed, theta = Timed(MDP2, family), np.random.default_rng(0).normal(size=(2, 3, 2))
    found = sight(timed, theta)
    for t in range(2):
        q = Softmax(family.family.mdp).probs(theta[t])
        for s, o, a in np.ndindex(2, 3, 2):
            one = [np.array([x]) for x in (t, s, o, a)]
            assert np.isclose(found.prob(*one)[0], NOISY[s, o] * q[o, a], rtol=1e-14)
            assert found.chosen(t, o, a) == q[o, a]


def test_who_sees_the_state_has_no_sight():
    """Seen failing: without the question whether the family inside has one."""
    softmax = Softmax(MDP2)
    assert sight(softmax, np.zeros((2, 2))) is None
    assert sight(Timed(MDP2, softmax), np.zeros((2, 2, 2))) is None
