"""Models as Gymnasium environments: the interface kept, draws from the law, ends of episodes."""

from __future__ import annotations

import sys
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.wrappers import TimeLimit
from hypothesis import given, settings

from mdptools import MDP, MissingExtraError, ModelError, problems
from mdptools.interop import _environment, from_gymnasium, to_gymnasium
from round_trips import changed, decorated

# Left or right among five states; entering the last one pays 1 and ends.
_MOVES = [[[(1, max(s - 1, 0), 0, 0)], [(1, s + 1, float(s == 3), s == 3)]] for s in range(4)]
HALL = MDP.from_outcomes([*_MOVES, [[(1, 4, 0, 1)]] * 2], gamma=0.9)


@settings(max_examples=60)
@given(mdp=decorated())
def test_gymnasiums_own_check_passes_on_every_model(mdp):
    """A warning is an error here. Seen failing: with info None; without a spec; with the state as a
    float."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(to_gymnasium(mdp, refused=-1.0, max_steps=3, render_mode="ansi"))


def test_a_plain_training_loop_learns_the_optimum():
    """Q-learning, as any tutorial writes it; without noise it converges to the last digits.

    Seen failing: with states that never change; with the reward of the last branch of all.
    """
    env = to_gymnasium(HALL, max_steps=50)
    rng = np.random.default_rng(0)
    Q = np.zeros((env.observation_space.n, env.action_space.n))
    s, _ = env.reset(seed=0)
    for _ in range(4000):
        a = int(rng.integers(2))
        t, r, terminated, truncated, _ = env.step(a)
        Q[s, a] += 0.5 * (r + 0.9 * (not terminated) * Q[t].max() - Q[s, a])
        s = env.reset()[0] if terminated or truncated else t
    assert Q[:, 1] == pytest.approx([0.9**3, 0.9**2, 0.9, 1.0, 0.0], abs=1e-6)
    assert Q[:, 0] == pytest.approx([0.9**4, 0.9**4, 0.9**3, 0.9**2, 0.0], abs=1e-6)


def test_frequencies_are_the_models_probabilities():
    """10,000 draws: each frequency is within five standard deviations of 0.005 (an error rate below
    1e-5). Seen failing: with the branch before the one that is drawn; with mu left out."""
    rows = [[[(0.5, 0, 1.0, False), (0.3, 0, -1.0, False), (0.2, 1, 0.0, True)]], [[(1, 1, 0, 1)]]]
    env = to_gymnasium(MDP.from_outcomes(rows, gamma=0.9, mu=[1, 0]))
    env.reset(seed=1)
    seen = {(0, 1.0): 0, (0, -1.0): 0, (1, 0.0): 0}
    for _ in range(10_000):
        assert env.reset()[0] == 0
        s, r, terminated, truncated, _ = env.step(0)
        assert (terminated, truncated) == (s == 1, False)
        seen[s, r] += 1
    assert [n / 10_000 for n in seen.values()] == pytest.approx([0.5, 0.3, 0.2], abs=0.025)


def test_the_last_bound_may_round_up():
    """random() * sum can be the sum itself. Seen failing: without the minimum in `_draw`."""

    class Highest:
        def random(self):
            return 1.0

    assert _environment._draw(np.array([0.0, 0.3, 0.7, 0.0]), Highest()) == 2


def test_a_horizon_terminates_and_a_limit_truncates():
    """Seen failing: with truncated at the horizon; with both at once; with final left out, or not
    discounted."""
    stay = MDP([[[1.0]]], [[1.0]], gamma=0.5, horizon=3, final=[10.0])
    env = to_gymnasium(stay, max_steps=3)
    env.reset(seed=0)
    steps = [env.step(0)[:4] for _ in range(4)]
    assert steps[:3] == [
        (0, 1.0, False, False),
        (0, 1.0, False, False),
        (0, 6.0, True, False),
    ]
    assert steps[3] == (0, 0.0, True, False)  # nothing after the end
    env = to_gymnasium(stay.with_objective(average=True), max_steps=2)
    env.reset(seed=0)
    assert [env.step(0)[2:4] for _ in range(2)] == [(False, False), (False, True)]
    env = TimeLimit(to_gymnasium(stay), 2)
    env.reset(seed=0)
    assert [env.step(0)[2:4] for _ in range(2)] == [(False, False), (False, True)]


def test_a_start_in_a_terminal_state_is_one_step_that_pays_nothing():
    """Seen failing: with terminated only where the state changes."""
    env = to_gymnasium(HALL)
    env.reset(seed=0, options={"state": 4})
    assert env.step(0)[:4] == (4, 0.0, True, False)


def test_noise_is_drawn():
    """Seen failing: with reward_std left out; with its square. 4000 draws: the deviation is within
    0.1 of 2 (its own standard deviation is 0.022)."""
    env = to_gymnasium(MDP([[[1.0]]], [[1.0]], gamma=0.5, reward_std=[[2.0]]))
    env.reset(seed=0)
    paid = np.array([env.step(0)[1] for _ in range(4000)])
    assert paid.std() == pytest.approx(2.0, abs=0.1) and paid.mean() == pytest.approx(1, abs=0.2)


def test_refused_actions():
    """Seen failing: with the mask of the state that was left; with a refused action drawn."""
    P = [[[0.0, 1.0], [0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]]
    masked = MDP(P, [[1, 0], [2, 3]], gamma=0.5, allowed=[[1, 0], [1, 1]], action_names=["a", "b"])
    env = to_gymnasium(masked)
    _, info = env.reset(seed=0, options={"state": 0})
    assert info["action_mask"].tolist() == [1, 0] and info["action_mask"].dtype == np.int8
    with pytest.raises(ModelError, match=r"action 1 \('b'\) is not allowed in state 0: see info"):
        env.step(1)
    assert env.step(0)[4]["action_mask"].tolist() == [1, 1]
    env = to_gymnasium(masked, refused=-7.0)
    env.reset(options={"state": 0})
    assert env.step(1)[:4] == (0, -7.0, False, False)


def test_the_same_seed_gives_the_same_episode():
    """Seen failing: with a generator of its own."""
    mdp = problems.garnet(6, 2, 3, gamma=0.9, rng=0)
    runs = []
    for _ in range(2):
        env = to_gymnasium(mdp)
        first, _ = env.reset(seed=5)
        runs.append([first, *(env.step(i % 2)[:2] for i in range(20))])
    assert runs[0] == runs[1]


def test_pictures():
    """Seen failing: with the grid in Fortran order; with the state's number alone."""
    grid = problems.grid_world("S.G/...", gamma=0.9)
    env = to_gymnasium(grid, render_mode="ansi")
    env.reset(seed=0)
    grid_rows = env.render().split("\n")
    assert grid_rows[:2] == ["@.x", "..."]
    assert grid_rows[2] == f"state {grid.name_of_state(0)}"
    named = to_gymnasium(changed(HALL, layout=None, state_names=list("abcde")), render_mode="ansi")
    named.reset(options={"state": 3})
    named.step(1)
    assert named.render() == "state 4 ('e'), after action 1 with reward 1"
    silent = to_gymnasium(grid)
    silent.reset()
    assert silent.render() is None


def test_gymnasium_can_make_it_again():
    """Seen failing: with the keywords left out of the spec."""
    env = gymnasium.make(to_gymnasium(HALL, max_steps=2).spec)
    assert env.unwrapped.mdp.equals(HALL)
    env.reset(options={"state": 2})
    assert [env.step(a)[3] for a in (0, 1)] == [False, True]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"max_steps": 0}, r"max_steps is 0; it must be an int >= 1"),
        ({"refused": float("nan")}, r"refused is nan; it must be a finite reward"),
        ({"refused": "-1"}, r"refused is '-1'"),
        ({"render_mode": "human"}, r"render_mode is 'human'; it must be 'ansi' or None"),
    ],
)
def test_wrong_arguments_are_named(words, message):
    """Seen failing: with each check in turn left out."""
    with pytest.raises(ModelError, match=message):
        to_gymnasium(HALL, **words)


def test_wrong_calls_are_named():
    """Seen failing: with the check of the action left out; with options ignored."""
    env = to_gymnasium(HALL)
    with pytest.raises(gymnasium.error.ResetNeeded, match="comes before the first"):
        env.step(0)
    with pytest.raises(ModelError, match=r"state is 5; states are 0 to 4"):
        env.reset(options={"state": 5})
    with pytest.raises(ModelError, match=r"\['start'\] is no option of reset"):
        env.reset(options={"start": 1})
    env.reset()
    with pytest.raises(ModelError, match=r"action is 2; actions are 0 to 1"):
        env.step(2)
    with pytest.raises(ModelError, match="must be a model"):
        to_gymnasium(from_gymnasium)


def test_without_gymnasium(monkeypatch):
    """Seen failing: with the ImportError let through."""
    _environment._classes.cache_clear()
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingExtraError, match=r"mdptools\[gym\]"):
        to_gymnasium(HALL)
