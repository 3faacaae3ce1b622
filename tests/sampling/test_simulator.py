"""Single steps: exactly the law of the model, by the choice tape; and what is refused."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from mdptools import MDP, ModelError
from mdptools.sampling import Simulator, step
from mdptools.testing.models import discriminating_mdp
from mdptools.verify import enumerate_program


def law_of(program):
    """Probability of each answer."""
    found = defaultdict(float)
    for p, answer in enumerate_program(program):
        found[answer] += p
    return dict(found)


@pytest.mark.parametrize("seed", range(4))
def test_a_step_has_the_law_of_the_model(seed):
    """Seen failing: with bounds that are not cumulative; with done of the state that is left."""
    mdp = discriminating_mdp(seed).with_objective()
    world, law = Simulator(mdp), mdp.branches
    for s in np.flatnonzero(~mdp.terminal).tolist():
        for a in np.flatnonzero(mdp.allowed[s]).tolist():
            expected = defaultdict(float)
            for k in np.flatnonzero(law.row == s * mdp.n_actions + a):
                t = int(law.next_state[k])
                expected[t, float(law.reward[k]), bool(mdp.terminal[t])] += law.prob[k]
            for found in (
                law_of(lambda rng, s=s, a=a: world.step(s, a, rng)),
                law_of(lambda rng, s=s, a=a: step(mdp, s, a, rng=rng)),
            ):
                assert found.keys() == expected.keys()
                assert all(abs(found[x] - expected[x]) < 1e-12 for x in expected)


def test_a_start_has_the_law_mu_or_the_one_that_is_given():
    """Seen failing: with state 0 where there is only one."""
    mdp = MDP(np.tile(np.eye(4)[3], (4, 1, 1)), np.ones((4, 1)), 0.5, mu=[0.5, 0.0, 0.5, 0.0])
    assert law_of(Simulator(mdp).start) == {0: 0.5, 2: 0.5}
    assert law_of(Simulator(mdp, start=[0.0, 0.0, 1.0, 0.0]).start) == {2: 1.0}
    found = law_of(Simulator(mdp, start=[0.1, 0.2, 0.0, 0.7]).start)
    assert found == pytest.approx({0: 0.1, 1: 0.2, 3: 0.7}, abs=1e-12)


def test_nothing_is_drawn_where_there_is_no_choice():
    """Seen failing: with a draw for a single start, which has no generator here."""
    world = Simulator(MDP([[[0.0, 1.0]], [[0.0, 1.0]]], [[1.0], [0.0]], gamma=0.9))
    assert (world.start(None), world.step(0, 0, None)) == (0, (1, 1.0, True))


def test_noise_of_rewards_is_drawn():
    """Mean and deviation of 4000 rewards, within 5 standard errors (false alarm 1e-6).

    Seen failing: with the variance of the noise for its deviation.
    """
    mdp = MDP([[[1.0]]], [[3.0]], 0.5, reward_std=[[0.5]])
    world, rng = Simulator(mdp), np.random.default_rng(0)
    r = np.array([world.step(0, 0, rng)[1] for _ in range(4000)])
    assert abs(r.mean() - 3) < 5 * 0.5 / 4000**0.5
    assert abs(r.std() - 0.5) < 5 * 0.5 / 8000**0.5


def test_what_does_not_exist_is_refused():
    """Seen failing: without the check of terminal states in the law."""
    mdp = MDP([[[0.0, 1.0]] * 2, [[0.0, 1.0]] * 2], [[1.0, 2.0], [0.0, 0.0]], 0.9,
              allowed=[[True, False], [True, True]])  # fmt: skip
    with pytest.raises(ModelError, match=r"action 1 is not allowed in state 0"):
        step(mdp, 0, 1, rng=0)
    with pytest.raises(ModelError, match=r"no pair \(2, 0\): the model has 2 states"):
        step(mdp, 2, 0, rng=0)
    with pytest.raises(ModelError, match=r"start must be a law over the 2 states.*sum 0.5"):
        Simulator(mdp, start=[0.5, 0.0])
    with pytest.raises(ModelError, match=r"start gives 1 to state 1, which is terminal"):
        Simulator(mdp, start=[0.0, 1.0])
