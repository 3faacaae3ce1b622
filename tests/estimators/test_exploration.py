"""Counted models, optimism, and R-max where epsilon-greedy Q-learning is lost."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools import MDP, ModelError, Trajectories, evaluate, rollout, solve
from mdptools.estimators import (
    ControlLearner,
    RMaxLearner,
    certainty_equivalence,
    count_transitions,
    optimistic_model,
)
from mdptools.problems import combination_lock, riverswim
from mdptools.testing.strategies import mdps


def plan(model):
    return solve(model).pi


def test_counts_and_the_plan_made_of_them():
    """By hand, then on a thousand uniform episodes, whose plan is optimal.

    Seen failing: with the state that is left counted for the one that follows.
    """
    batch = Trajectories.from_steps([[(0, 1, 2.0), (1, 0, 1.0)], [(0, 1, 4.0)], []], last=[2, 0, 1])
    N, R_sum = count_transitions(batch, 3, 2)
    assert N.sum() == 3 and N[0, 1, 1] == N[0, 1, 0] == N[1, 0, 2] == 1
    assert R_sum.tolist() == [[0.0, 6.0], [1.0, 0.0], [0.0, 0.0]]
    mdp = combination_lock(4, code=[1, 0, 0, 1])
    uniform = np.full((5, 2), 0.5)
    data = rollout(mdp, uniform, 1000, rng=0, max_steps=20)
    pi = certainty_equivalence(data, plan, mdp.gamma, n_states=5, n_actions=2, mu=mdp.mu)
    assert evaluate(mdp, pi).J == pytest.approx(float(mdp.mu @ solve(mdp).V), abs=1e-12)


@given(mdps(max_states=4, objective="discounted", max_reward=10, max_gamma=0.95), st.data())
def test_optimism_with_the_true_law_bounds_every_value_from_above(mdp, data):
    """For any set of known pairs; with all of them it is V*, with none v_max on live states.

    Seen failing: with v_max for (1 - gamma) v_max as what a step in the utopia pays; with known and
    unknown pairs swapped.
    """
    bits = data.draw(st.lists(st.booleans(), min_size=mdp.R.size, max_size=mdp.R.size))
    known = np.array(bits).reshape(mdp.R.shape)
    best = solve(mdp)
    v_max = float(best.V.max())
    slack = best.certificate.bound + 1e-8 * (1 + np.abs(best.V).max())
    for mask in (known, np.ones_like(known), np.zeros_like(known)):
        hopeful = solve(optimistic_model(mdp, mask, v_max))
        assert (hopeful.V[:-1] >= best.V - slack - hopeful.certificate.bound).all()
        assert abs(hopeful.V[-1] - v_max) <= slack + hopeful.certificate.bound
        if mask.all():
            assert (np.abs(hopeful.V[:-1] - best.V) <= slack + hopeful.certificate.bound).all()
        if not mask.any():
            live = ~mdp.terminal
            assert (hopeful.V[:-1][live] >= v_max - slack - hopeful.certificate.bound).all()


CODE = [1, 0, 1, 1, 0, 0, 1, 0, 1, 1]
LABS = {
    # model, the utopia's worth, steps, how many of 20 Q-learning may solve by then
    "riverswim": (riverswim(6, gamma=0.95), 20.0, 1000, 0),
    "lock": (combination_lock(10, code=CODE), 1.0, 1000, 3),
}


@pytest.mark.parametrize("name", LABS)
def test_rmax_is_nearly_optimal_within_a_thousand_steps_where_epsilon_greedy_is_not(name):
    """Known after 16 visits: 99 % of J* after 1000 steps, and still after 2000, on 20 of 20 seeds.
    Epsilon-greedy Q-learning: on none on RiverSwim, on at most 3 on the lock.

    Seen failing: with a utopia worth 0; with counts that go on after the pair is known.
    """
    mdp, v_max, steps, few = LABS[name]
    wanted = 0.99 * float(mdp.mu @ solve(mdp).V)
    for seed in range(20):
        rng = np.random.default_rng(seed)
        learner = RMaxLearner(plan, v_max=v_max, m=16, steps=steps)
        x = learner.start(mdp, rng)
        for _ in range(2):
            x, _ = learner.step(mdp, x, rng)
            assert evaluate(mdp, learner.policy(mdp, x)).J >= wanted
        assert x.visits.max() == 16 and x.t == 2 * steps
    for epsilon in (0.1, 0.3):
        solved = 0
        for seed in range(20):
            rng = np.random.default_rng(seed)
            learner = ControlLearner(epsilon=epsilon, steps=steps)
            x, _ = learner.step(mdp, learner.start(mdp, rng), rng)
            solved += evaluate(mdp, learner.policy(mdp, x)).J >= wanted
        assert solved <= few


def test_what_it_believes_is_what_it_counted():
    """Its model at known pairs has the frequencies of the first m visits, as fractions; the rest
    leads to the utopia, terminal states that were seen end.

    Seen failing: with pairs known after one visit (the new learner's are not there).
    """
    mdp, rng = combination_lock(2, gamma=0.5), np.random.default_rng(3)
    learner = RMaxLearner(plan, v_max=10.0, m=3, steps=40)
    x, _ = learner.step(mdp, learner.start(mdp, rng), rng)
    model, known = learner.model(mdp, x), x.visits == 3
    assert known[:2].all() and x.ended.tolist() == [False, False, True]
    for s in range(2):
        for a in range(2):
            row = [Fraction(int(n), 3) for n in x.N[s, a]]
            assert [Fraction(p).limit_denominator(9) for p in model.P[s, a, :3]] == row
            assert model.R[s, a] == pytest.approx(mdp.R[s, a], abs=1e-12)
    assert model.terminal.tolist() == [False, False, True, False]
    assert solve(model).V[3] == pytest.approx(10.0)
    new = learner.model(mdp, learner.start(mdp, rng))
    assert (new.P[:3, :, 3] == 1).all()


def test_a_planned_policy_that_is_random_is_acted_out():
    """Seen failing: with the first of its actions always taken."""
    mdp = MDP(np.ones((1, 3, 1)), np.zeros((1, 3)), 0.5, terminal=())
    half = np.array([[0.5, 0.0, 0.5], [1.0, 0.0, 0.0]])
    learner = RMaxLearner(lambda model: half, v_max=1.0, m=1000, steps=400)
    rng = np.random.default_rng(0)
    x, _ = learner.step(mdp, learner.start(mdp, rng), rng)
    assert x.visits[0, 1] == 0 and abs(int(x.visits[0, 0]) - 200) < 5 * 10


def test_bad_arguments_are_named():
    """Seen failing: without the check of known."""
    mdp = combination_lock(2)
    with pytest.raises(ModelError, match=r"known has shape \(2, 2\) and type bool"):
        optimistic_model(mdp, np.ones((2, 2), bool), 1.0)
    with pytest.raises(ModelError, match=r"v_max is nan; it must be a finite number"):
        optimistic_model(mdp, np.ones((3, 2), bool), np.nan)
    with pytest.raises(ModelError, match=r"optimistic_model serves the objective discounted"):
        optimistic_model(mdp.with_objective(horizon=2), np.ones((3, 2), bool), 1.0)
    with pytest.raises(ModelError, match=r"planner is 3; it must be a function model -> pi"):
        RMaxLearner(3, v_max=1.0)
    with pytest.raises(ModelError, match=r"v_max is inf; it must be a finite number"):
        RMaxLearner(plan, v_max=np.inf)
    with pytest.raises(ModelError, match=r"m is 0; it must be an int >= 1"):
        RMaxLearner(plan, v_max=1.0, m=0)
    with pytest.raises(ModelError, match=r"there are 1 states and 1 actions; .* 1 and 0"):
        count_transitions(Trajectories.from_steps([[(0, 0, 1.0)]], last=[1]), 1, 1)
