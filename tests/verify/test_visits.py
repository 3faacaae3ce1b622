"""First- and every-visit Monte Carlo: against walking every trajectory, and long horizons."""

import itertools
from dataclasses import replace

import numpy as np
import pytest

from mdptools import MDP, ModelError, evaluate
from mdptools.verify import visit_moments
from recursion_models import (
    HORIZON,
    MODELS,
    assert_moments,
    assert_same,
    moments_of,
    random_model,
    walked,
)


def counted(mdp, steps, state, kind):
    """The number of visits, and the sum of the returns from them."""
    G, found = 0.0, []
    for s, _, r, _ in reversed(steps):
        G = r + mdp.gamma * G
        if s == state:
            found.append(G)
    if kind == "first":
        found = found[-1:]
    return len(found), sum(found)


@pytest.mark.parametrize("seed", range(MODELS))
@pytest.mark.parametrize("kind", ["first", "every"])
def test_moments_are_what_enumeration_says(seed, kind):
    """On the horizon and cut before; given a visit as well; a terminal state is never visited.

    Seen failing: E that decays after the visit is counted; 2 e left out of E^2; later visits of
    first-visit counted; final left out.
    """
    mdp, pi, *_ = random_model(seed)
    for length in (HORIZON, 2):
        chances, paths = walked(mdp, pi, length)
        for state in (0, 1):
            rows = [counted(mdp, steps, state, kind) for steps in paths]
            values = [y / n if n else 0.0 for n, y in rows]
            expected = moments_of((chances, values), lambda x: x)
            assert_moments(visit_moments(mdp, pi, state, kind=kind, horizon=length), *expected)
            seen = np.array([n > 0 for n, _ in rows])
            among = chances[seen] / chances[seen].sum(), np.array(values)[seen]
            given = visit_moments(mdp, pi, state, kind=kind, horizon=length, given_visit=True)
            assert_moments(given, *moments_of(among, lambda x: x))
    never = visit_moments(mdp, pi, 3, kind=kind)
    assert never.mean[0] == never.variance[0] == 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", ["first", "every"])
@pytest.mark.parametrize("episodes", [2, 3])
def test_pooled_episodes_are_what_all_tuples_say(seed, kind, episodes):
    """Seen failing: k for k (k - 1) in the cross term; the number of visits of one episode."""
    mdp, pi, *_ = random_model(seed)
    chances, paths = walked(mdp, pi, 2)
    rows = np.array([counted(mdp, steps, 0, kind) for steps in paths])
    same, where = np.unique(rows.round(12), axis=0, return_inverse=True)
    chances = np.bincount(where.reshape(-1), chances)
    tuples = np.array(list(itertools.product(range(len(same)), repeat=episodes)))
    n, y = same[tuples].sum(axis=1).T
    values = np.where(n > 0, y / np.maximum(n, 1), 0.0)
    weights = chances[tuples].prod(axis=1)
    found = visit_moments(mdp, pi, 0, kind=kind, episodes=episodes, horizon=2)
    assert_moments(found, *moments_of((weights, values), lambda x: x), 1e-11)
    given = visit_moments(mdp, pi, 0, kind=kind, episodes=episodes, horizon=2, given_visit=True)
    some = weights[n > 0] / weights[n > 0].sum(), values[n > 0]
    assert_moments(given, *moments_of(some, lambda x: x), 1e-11)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("kind", ["first", "every"])
@pytest.mark.parametrize("episodes", [1, 3])
def test_without_a_horizon_it_is_the_limit(seed, kind, episodes):
    """Renewal against counting over 80 steps.

    Seen failing: gamma for gamma^2 in DD, RD or RR; E[S (R + D G)] once; the chance to come to the
    state at all left out.
    """
    mdp, pi, *_ = random_model(seed, hurry=0.4)
    for gamma in (0.8, 1.0):
        forever = replace(mdp, final=None).with_objective(gamma=gamma)
        keywords = {"kind": kind, "episodes": episodes}
        for state in (0, 2):
            limit, long = (
                visit_moments(forever, pi, state, **keywords, horizon=length)
                for length in (None, 80)
            )
            assert_same(limit, long)


def test_first_visit_is_unbiased_given_a_visit_and_every_visit_is_not():
    """But not under a fixed horizon, where a later visit sees less of the rewards.

    Seen failing: the division by the chance of a visit left out.
    """
    mdp, pi, *_ = random_model(1, hurry=0.1)
    forever = replace(mdp, final=None).with_objective(gamma=0.9)
    V = evaluate(forever, pi).V[0]

    def bias(mdp, V, **keywords):
        return visit_moments(mdp, pi, 0, given_visit=True, **keywords).mean[0] - V

    assert abs(bias(forever, V, kind="first")) <= 1e-12
    assert abs(bias(forever, V, kind="every")) > 0.01
    pooled = [abs(bias(forever, V, kind="every", episodes=k)) for k in (10, 100, 1000)]
    assert 8 < pooled[0] / pooled[1] < 12 and 9 < pooled[1] / pooled[2] < 11  # like 1 / k
    short = forever.with_objective(horizon=4)
    assert abs(bias(short, evaluate(short, pi).V[0, 0], kind="first")) > 0.01


def test_a_loop_of_one_state_by_hand():
    """Reward 1, again with probability p = 0.46: N is geometric and each return is a sum of ones.

    Seen failing: a count of visits that starts at 0.
    """
    p = 0.46
    mdp = MDP([[[p, 1 - p]], [[0, 1]]], [[1.0], [0.0]], gamma=1.0, mu=[1, 0])
    found = visit_moments(mdp, [[1.0], [1.0]], 0)  # (1 + ... + N) / N = (N + 1) / 2
    assert found.mean[0] == pytest.approx((1 / (1 - p) + 1) / 2, abs=1e-14)
    assert found.variance[0] == pytest.approx(p / (1 - p) ** 2 / 4, abs=1e-13)
    first = visit_moments(mdp, [[1.0], [1.0]], 0, kind="first")
    assert first.mean[0] == pytest.approx(1 / (1 - p), abs=1e-14)
    assert first.variance[0] == pytest.approx(p / (1 - p) ** 2, abs=1e-13)


def test_refusals():
    """Seen failing: an endless count; a state that does not exist; 0 / 0 given a visit."""
    mdp, pi, *_ = random_model(0)
    for state in (4, -1, True, 0.5):
        with pytest.raises(ModelError, match=r"state is (4|-1|True|0.5)"):
            visit_moments(mdp, pi, state)
    with pytest.raises(ModelError, match="kind is 'last'"):
        visit_moments(mdp, pi, 0, kind="last")
    with pytest.raises(ModelError, match="state 3 is never visited"):
        visit_moments(mdp, pi, 3, given_visit=True)
    endless = MDP([[[1.0]]], [[1.0]], gamma=0.9)
    with pytest.raises(ModelError, match="visits can be counted only if episodes end"):
        visit_moments(endless, [[1.0]], 0)
    loyal = MDP([[[1 - 1e-7, 1e-7]], [[0, 1]]], [[1.0], [0.0]], gamma=0.9, mu=[1, 0])
    with pytest.raises(ModelError, match="more than 100,000 visits are not rare"):
        visit_moments(loyal, [[1.0], [1.0]], 0)
