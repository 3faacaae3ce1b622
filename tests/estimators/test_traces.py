"""TD(lambda): forward and backward are the same, and both are what the book says."""

from __future__ import annotations

import numpy as np
import pytest

from mdptools import ModelError
from mdptools.estimators import lambda_return, reward_to_go, td, td_lambda
from mdptools.sampling import Trajectories, rollout
from walks import PI, model

GAMMA = 0.9
V0 = np.array([1.5, -0.5, 2.0, 7.0])  # 7 where the episode has ended: nobody may look there
V0_BY_TIME = np.random.default_rng(3).standard_normal((5, 4))


def mixed() -> Trajectories:
    """Terminated, truncated and empty trajectories of several lengths; some cut before others."""
    parts = [rollout(model(), PI, 30, rng=k, max_steps=n) for k, n in ((0, 4), (1, 2))]
    return Trajectories.concatenate(parts)


def one_by_one(V, batch, lam, step):
    """The forward view, from the lambda-returns of a critic held fixed for each trajectory."""
    V, seen = V.copy(), {}
    for i in range(batch.n):
        G = lambda_return(batch[i], V, GAMMA, lam)[0]
        old, L = V.copy(), int(batch.lengths[i])
        for t in range(L):
            here = (t, batch.s[i, t]) if V.ndim == 2 else batch.s[i, t]
            seen[here] = seen.get(here, 0) + 1
            V[here] += step(seen[here]) * (G[t] - old[here])
    return V


@pytest.mark.parametrize("table", [V0, V0_BY_TIME], ids=["states", "by time"])
@pytest.mark.parametrize("lam", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("step", [0.3, lambda k: k**-0.7])
def test_the_offline_views_are_the_same(table, lam, step):
    """To 1e-12. Seen failing: a trace that is not empty at first; a decay by lambda alone; a
    termination bootstrapped; a truncation taken for one; V moved at once; the step sizes of the
    first trajectory for all."""
    batch = mixed()
    assert batch.truncated.any() and batch.terminated.any()
    size = step if callable(step) else lambda k: step
    expected = one_by_one(table, batch, lam, size)
    for view in ("forward", "backward"):
        found = td_lambda(table, batch, GAMMA, lam, step, view=view)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_lambda_1_regresses_on_whole_returns():
    """Every-visit Monte Carlo with V fixed in each trajectory, on the same data, to 1e-12.

    Seen failing: a decay by lambda alone; a termination bootstrapped; V moved at once."""
    batch = rollout(model(), PI, 200, rng=1)
    G, V = reward_to_go(batch, GAMMA), V0.copy()
    for i in range(batch.n):
        steps = batch.mask[i]
        np.add.at(V, batch.s[i, :-1][steps], 0.1 * (G[i] - V[batch.s[i, :-1]])[steps])
    np.testing.assert_allclose(td_lambda(V0, batch, GAMMA, 1.0, 0.1), V, atol=1e-12)


@pytest.mark.parametrize("trace", ["accumulating", "replacing"])
@pytest.mark.parametrize("view", ["backward", "online"])
def test_traces_are_those_of_the_book(view, trace):
    """All states have a trace, and all move at every step.

    Seen failing: a decay by lambda alone; accumulating for replacing; online for offline; a
    truncation taken for a termination."""
    batch, lam = mixed(), 0.8
    V = V0.copy()
    for i in range(batch.n):
        e, moves, L = np.zeros(4), np.zeros(4), int(batch.lengths[i])
        for t in range(L):
            s, after = batch.s[i, t], batch.s[i, t + 1]
            e *= GAMMA * lam
            e[s] = 1.0 if trace == "replacing" else e[s] + 1.0
            done = batch.terminated[i] and t == L - 1
            delta = batch.r[i, t] + (0.0 if done else GAMMA * V[after]) - V[s]
            if view == "online":
                V += 0.3 * delta * e
            else:
                moves += 0.3 * delta * e
        V += moves
    found = td_lambda(V0, batch, GAMMA, lam, 0.3, view=view, trace=trace)
    np.testing.assert_allclose(found, V, atol=1e-12)


def test_lambda_0_online_is_td():
    """Seen failing: offline."""
    batch = mixed()
    for table in (V0, V0_BY_TIME):
        found = td_lambda(table, batch, GAMMA, 0.0, 0.3, view="online")
        np.testing.assert_allclose(found, td(table, batch, GAMMA, 0.3), atol=1e-13)
    offline = td_lambda(V0, batch, GAMMA, 0.0, 0.3)
    assert np.abs(offline - td(V0, batch, GAMMA, 0.3)).max() > 1e-3


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"lam": -0.1}, "lam is -0.1; it must be a number"),
        ({"gamma": np.nan}, "gamma is nan; it must be a number"),
        ({"view": "both"}, "view is 'both'; it must be 'forward', 'backward' or 'online'"),
        ({"trace": "dutch"}, "trace is 'dutch'; it must be 'accumulating' or 'replacing'"),
        ({"trace": "replacing", "view": "forward"}, "which has no forward view"),
        ({"step_size": np.inf}, "step_size is inf"),
        ({"step_size": 1e300}, "the step size is too large"),
    ],
)
def test_wrong_arguments_are_refused(keywords, message):
    """Seen failing: each of the checks in turn left out."""
    arguments = {"gamma": 1.0, "lam": 0.5, "step_size": 0.1} | keywords
    with pytest.raises(ModelError, match=message):
        td_lambda(V0, mixed(), **arguments)
