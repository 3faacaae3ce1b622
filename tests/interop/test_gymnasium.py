"""Gymnasium's environments arrive without a silent mistake."""

from __future__ import annotations

import inspect
import re
import sys
from types import SimpleNamespace

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces, wrappers

from mdptools import MissingExtraError, ModelError, from_gymnasium, kernel


def newest(name: str) -> str | None:
    """The id of the newest version that this Gymnasium has."""
    found = [re.fullmatch(rf"{name}-v(\d+)", key) for key in gymnasium.registry]
    versions = [int(match[1]) for match in found if match]
    return f"{name}-v{max(versions)}" if versions else None


FROZEN, CLIFF, TAXI = newest("FrozenLake"), newest("CliffWalking"), newest("Taxi")
SLIPPERY = newest("CliffWalkingSlippery")
TABLES = [env_id for env_id in (FROZEN, CLIFF, TAXI, SLIPPERY) if env_id]


def needs(env_id: str | None) -> str:
    if env_id is None:
        pytest.skip("this Gymnasium has no such environment")
    return env_id


class Made(gymnasium.Env):
    """An environment with any table; nobody steps it."""

    def __init__(self, P, n_states=None, n_actions=1, **attributes):
        self.P = P
        self.observation_space = spaces.Discrete(len(P) if n_states is None else n_states)
        self.action_space = spaces.Discrete(n_actions)
        for name, value in attributes.items():
            setattr(self, name, value)


TWO = {0: {0: [(1.0, 1, 2.0, True)]}, 1: {0: [(1.0, 1, 0.0, True)]}}


# Against the table and against step()


@pytest.mark.parametrize("env_id", TABLES)
def test_one_backup_is_the_tables_own(env_id):
    """sum p (r + gamma (1 - terminated) V(s')), by loops over the table, for any V.

    Seen failing: with `done` ignored; with the states that are entered by ending all terminal
    (Taxi); with a repeated outcome overwriting the first (FrozenLake); with the rewards of equal
    successors merged (CliffWalkingSlippery).
    """
    mdp = from_gymnasium(env_id, gamma=0.9)
    V = np.random.default_rng(0).normal(size=mdp.n_states)
    Q = mdp.R + 0.9 * kernel.expect(mdp.P, np.where(mdp.terminal, 0.0, V))
    with gymnasium.make(env_id) as env:
        rows = env.unwrapped.P
        for s in np.flatnonzero(~mdp.terminal[: len(rows)]):
            for a in range(mdp.n_actions):
                exact = sum(p * (r + 0.9 * (not done) * V[t]) for p, t, r, done in rows[s][a])
                assert Q[s, a] == pytest.approx(exact, rel=1e-13, abs=1e-13)


@pytest.mark.parametrize("env_id", TABLES)
def test_steps_of_the_environment_are_branches_of_the_model(env_id):
    """The other road: step() itself, from every state. Seen failing: with rewards negated; with
    `terminated` ignored; with mu moved on by one state."""
    mdp = from_gymnasium(env_id, gamma=0.9)
    law = mdp.branches
    with gymnasium.make(env_id) as outside:
        env = outside.unwrapped
        assert all(mdp.mu[env.reset(seed=seed)[0]] > 0 for seed in range(20))
        n_states = env.observation_space.n
        for s in np.flatnonzero(~mdp.terminal[:n_states]):
            for a in [*range(mdp.n_actions)] * 3:
                env.s = int(s)
                t, r, terminated, _, _ = env.step(a)
                row = slice(*law.offsets[s * mdp.n_actions + a :][:2])
                to = law.next_state[row]
                here = (to == t) | (to == n_states)  # or the added state
                assert (here & (law.reward[row] == r) & (mdp.terminal[to] == terminated)).any()


# FrozenLake


def test_frozen_lake():
    """Seen failing: with repeated outcomes overwritten; with mu left out."""
    mdp = from_gymnasium(FROZEN, gamma=0.99)
    assert (mdp.n_states, mdp.n_actions, mdp.objective) == (16, 4, "discounted")
    assert mdp.P[0, 0, 0] == pytest.approx(2 / 3, abs=1e-15)  # left and up both stay
    assert mdp.P[0, 0, 4] == pytest.approx(1 / 3, abs=1e-15)
    assert np.flatnonzero(mdp.terminal).tolist() == [5, 7, 11, 12, 15]
    assert mdp.R[14].tolist() == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    assert mdp.mu.tolist() == [1] + [0] * 15
    assert mdp.action_names == ("left", "down", "right", "up") and mdp.state_names is None
    assert mdp.layout == (4, 4)


def test_options_reach_make():
    """Seen failing: with `env_options` dropped."""
    mdp = from_gymnasium(FROZEN, gamma=0.99, map_name="8x8", is_slippery=False)
    assert mdp.layout == (8, 8) and mdp.facts.terms == 1


def test_the_limit_is_in_the_notes_or_the_horizon():
    """Seen failing: without the note; with the limit always in; with 100 whatever the wrapper."""
    mdp = from_gymnasium(FROZEN, gamma=0.99)
    assert mdp.horizon is None
    assert mdp.notes == (
        f"{FROZEN} is registered with a limit of 100 steps; it is not part of this model. "
        f"horizon='limit' puts it in.",
    )
    limited = from_gymnasium(FROZEN, horizon="limit")
    assert (limited.horizon, limited.gamma, limited.objective) == (100, 1.0, "finite")
    assert limited.notes == (f"The horizon is the limit of 100 steps of {FROZEN}.",)
    shorter = from_gymnasium(FROZEN, horizon="limit", max_episode_steps=7)
    assert shorter.horizon == 7
    assert from_gymnasium(FROZEN, horizon=3).horizon == 3
    noted = from_gymnasium(FROZEN, gamma=0.9, max_episode_steps=7).notes
    assert noted[0].startswith(f"{FROZEN} has a limit of 7 steps; it is not part")
    assert from_gymnasium(CLIFF, gamma=0.99).notes == ()  # registered without a limit


def test_limits_of_wrappers():
    """Seen failing: with the outermost limit for the smallest; with the registered one (100) for
    an environment that was taken out of its wrappers."""
    with gymnasium.make(FROZEN) as env:
        assert from_gymnasium(wrappers.TimeLimit(env, 9), horizon="limit").horizon == 9
        assert from_gymnasium(wrappers.TimeLimit(env, 900), horizon="limit").horizon == 100
        with pytest.raises(ModelError, match=r"asks for the time limit of FrozenLake.* has none"):
            from_gymnasium(env.unwrapped, horizon="limit")
        assert from_gymnasium(env.unwrapped, gamma=0.9).notes == ()


def test_other_objectives():
    """Seen failing: with `average` not handed on."""
    mdp = from_gymnasium(FROZEN, average=True)
    assert mdp.objective == "average" and not mdp.terminal.any()
    assert from_gymnasium(FROZEN, gamma=1.0).objective == "total"
    with pytest.raises(ModelError, match="gamma is missing"):
        from_gymnasium(FROZEN)


# CliffWalking


def test_cliff_walkings_goal_is_terminal_though_its_table_goes_on():
    """Seen failing: with terminal taken from the table's own rows (absorbing ones only); with
    `done` ignored; with names in the order of `_ARROWS` whatever the constants."""
    with gymnasium.make(CLIFF) as env:
        leaves = {t for a in range(4) for _, t, _, _ in env.unwrapped.P[47][a]}
    assert leaves - {47}
    mdp = from_gymnasium(CLIFF, gamma=0.99)
    assert mdp.n_states == 48 and np.flatnonzero(mdp.terminal).tolist() == [47]
    assert mdp.R[47].tolist() == [0] * 4 and mdp.P[47, :, 47].tolist() == [1] * 4
    assert np.flatnonzero(mdp.mu).tolist() == [36]
    assert mdp.action_names == ("up", "right", "down", "left")
    assert mdp.layout == (4, 12)
    assert mdp.P[36, 1, 36] == 1 and mdp.R[36, 1] == -100  # over the cliff, and back


def test_cliff_walking_slippery_has_two_rewards_on_one_successor():
    """Seen failing: with outcomes merged by successor alone (then no pair has both)."""
    mdp = from_gymnasium(needs(SLIPPERY), gamma=0.99)
    law = mdp.branches
    both = []
    for row in range(48 * 4):
        here = slice(law.offsets[row], law.offsets[row + 1])
        for t in set(law.next_state[here].tolist()):
            if set(law.reward[here][law.next_state[here] == t]) == {-1.0, -100.0}:
                both.append((row // 4, row % 4))
                assert t == 36
    assert len(both) == 6 and mdp.law is not None
    up = slice(*law.offsets[36 * 4 :][:2])  # from the start: up, or left (stay), or off the cliff
    assert law.next_state[up].tolist() == [24, 36, 36]
    assert law.reward[up].tolist() == [-1, -100, -1]
    assert law.prob[up].tolist() == pytest.approx([1 / 3] * 3)


# Taxi


def test_taxi_ends_in_an_added_state():
    """Seen failing: with the four states terminal (a drop-off where a journey may also go by);
    with no state added (then a drop-off goes on)."""
    mdp = from_gymnasium(TAXI, gamma=0.99)
    assert mdp.n_states == 501 and mdp.state_names[500] == "end"
    assert np.flatnonzero(mdp.terminal).tolist() == [500]
    row, successor, _ = kernel.branches(mdp.P)
    assert sorted(set(row[(successor == 500) & (row < 3000)].tolist())) == [
        s * 6 + 5 for s in (16, 97, 418, 479)
    ]
    at_the_place, on_board, pickup, dropoff = 0, 16, 4, 5
    P = np.zeros((501, 6, 501))
    P.reshape(-1, 501)[row, successor] = kernel.branches(mdp.P)[2]
    assert P[at_the_place, pickup, on_board] == 1 and mdp.R[at_the_place, pickup] == -1
    assert P[on_board, dropoff, 500] == 1 and mdp.R[on_board, dropoff] == 20
    assert "added state 'end'" in mdp.notes[-1] and "limit of 200 steps" in mdp.notes[0]


def test_taxis_words():
    """Seen failing: with the passenger's place for the destination; with a layout (5, 5)."""
    mdp = from_gymnasium(TAXI, gamma=0.99)
    assert mdp.action_names == ("south", "north", "east", "west", "pickup", "dropoff")
    assert mdp.state_names[1] == "taxi (0,0), passenger R, destination G"
    assert mdp.state_names[479] == "taxi (4,3), passenger in it, destination B"
    assert mdp.layout is None
    assert np.count_nonzero(mdp.mu) == 300 and mdp.mu[0] == 0


def test_a_fickle_passenger_is_not_in_the_table():
    """Its step() changes the destination by itself. Seen failing: with the check taken out."""
    with gymnasium.make(TAXI) as env:
        known = inspect.signature(type(env.unwrapped)).parameters
    if "fickle_passenger" not in known:
        pytest.skip("this Gymnasium's passengers are firm")
    with pytest.raises(ModelError, match=r"fickle_passenger=True: .* outside of the table P"):
        from_gymnasium(TAXI, gamma=0.99, fickle_passenger=True)
    assert from_gymnasium(TAXI, gamma=0.99, is_rainy=True).facts.terms == 3


# Which environments


def test_an_environment_is_left_as_it_is():
    """Seen failing: with its state changed by a reset, or without one."""
    with gymnasium.make(FROZEN) as env:
        env.reset(seed=0)
        before = env.unwrapped.s, env.np_random.bit_generator.state
        mdp = from_gymnasium(env, gamma=0.99)
        assert (env.unwrapped.s, env.np_random.bit_generator.state) == before
        assert mdp.equals(from_gymnasium(FROZEN, gamma=0.99))
        assert mdp.equals(from_gymnasium(env.unwrapped, gamma=0.99))
        env.step(0)


@pytest.mark.parametrize("gamma", [0.9, 1.9])
def test_an_environment_that_is_made_here_is_closed(monkeypatch, gamma):
    """Seen failing: without `finally` (a model that is refused); without `close`."""
    made = []
    make = gymnasium.make

    def remember(*arguments, **options):
        env = make(*arguments, **options)
        monkeypatch.setattr(env, "close", lambda: made.append(env))
        return env

    monkeypatch.setattr(gymnasium, "make", remember)
    try:
        from_gymnasium(FROZEN, gamma=gamma)
    except ModelError:
        assert gamma > 1
    assert len(made) == 1


def test_harmless_wrappers_pass():
    """Seen failing: with "Autoreset" taken out of `_HARMLESS`."""
    plain = from_gymnasium(FROZEN, gamma=0.9)
    with gymnasium.make(FROZEN, render_mode="rgb_array") as env:
        wrapped = wrappers.RecordEpisodeStatistics(wrappers.Autoreset(env))
        assert from_gymnasium(wrapped, gamma=0.9).equals(plain)


class TimeLimit(gymnasium.Wrapper):
    """Nobody knows what it does: it only has a known name."""


@pytest.mark.parametrize(
    ("wrap", "name"),
    [
        (lambda env: wrappers.TransformReward(env, abs), "TransformReward"),
        (lambda env: wrappers.Autoreset(wrappers.ClipReward(env, 0, 1)), "ClipReward"),
        (TimeLimit, "TimeLimit"),
    ],
)
def test_a_wrapper_that_may_change_the_model_is_refused(wrap, name):
    """Seen failing: with only the outermost wrapper asked; with names alone compared."""
    with (
        gymnasium.make(FROZEN) as env,
        pytest.raises(ModelError, match=rf"is wrapped in {name}, .* pass env\.unwrapped"),
    ):
        from_gymnasium(wrap(env), gamma=0.9)


def test_a_wrapper_without_an_inside():
    """Seen failing: with the check taken out of `_layers` (AttributeError)."""
    odd = SimpleNamespace(unwrapped=Made(TWO))
    with pytest.raises(ModelError, match="SimpleNamespace says that it wraps an environment"):
        from_gymnasium(odd, gamma=0.9)


def test_an_unversioned_id_is_silent_and_noted():
    """Warnings are errors here. Seen failing: without `catch_warnings`; without the note."""
    mdp = from_gymnasium("FrozenLake", gamma=0.9)
    assert mdp.notes[0].startswith("Gymnasium: Using the latest versioned environment")


@pytest.mark.parametrize(
    ("env", "options", "message"),
    [
        ("Nope-v0", {}, r"^Gymnasium [\d.]+ knows no environment 'Nope-v0': .*pprint_registry"),
        ("FrozenLake-v9", {}, "knows no environment 'FrozenLake-v9': .*`v1`"),
        ("nowhere/FrozenLake-v1", {}, "knows no environment 'nowhere/FrozenLake-v1'"),
        ("FrozenLake-v0", {}, r"FrozenLake-v0 is out of date: Gymnasium \S+ has FrozenLake-v1 in"),
        ("", {}, r"gymnasium.make\(''\) failed with Error"),
        ("CartPole-v1", {}, r"CartPole-v1 has no table P\[s\]\[a\] = .* use MDP.from_counts"),
        ("FrozenLake-v1", {"map_name": "9x9"}, r"'FrozenLake-v1', map_name='9x9'\) failed with Ke"),
        ("FrozenLake-v1", {"size": 3}, r"failed with TypeError: .* argument 'size'"),
        ("FrozenLake-v1", {"horizon": "max"}, "horizon is 'max'; it must be a number of actions"),
        ("FrozenLake-v1", {"horizon": 0}, "horizon.*number of actions"),
        (3, {}, "int has no table P"),
        (Made(TWO), {"is_slippery": True}, "'is_slippery' is for gymnasium.make, but an envir"),
        (Made(TWO), {"horizon": "limit"}, "the time limit of Made, and it has none"),
        (Made(np.ones((2, 1, 2))), {}, r"P of Made is of type ndarray; .* goes to MDP\(P, R\)"),
        (Made({}, n_states=1), {}, "rows is empty"),
        (Made({0: {0: [(1.0, 0, 0, False)]}, 2: {}}), {}, "2 states but none called 1"),
        (Made([[[(1.0, 0)]]]), {}, r"rows\[0\]\[0\]\[0\] is \(1.0, 0\); an outcome is"),
        (Made([[[(1.0, 0.5, 0.0, False)]]]), {}, r"rows\[0\]\[0\]\[0\] is \(1.0, 0.5"),
        (Made([[[(1.0, 7, 0.0, False)]]]), {}, "goes to state 7; states are 0 to 0"),
        (Made([[[(0.5, 0, 0.0, False)]]]), {}, r"P\[0, 0\] sums to 0.5"),
        (Made([[7]]), {}, r"rows\[0\]\[0\] is 7; rows\[s\]\[a\] must be a list of outcomes"),
        (Made([7]), {}, r"rows\[0\] is 7; rows\[s\]\[a\] must be a list of outcomes"),
        (Made([{"left": [(1.0, 0, 0.0, False)]}]), {}, r"rows\[0\]\[left\]\[0\]"),
        (Made(TWO, n_states=3), {}, r"has 2 states, but its observation_space is Discrete\(3\)"),
        (Made(TWO, n_actions=2), {}, r"has 1 actions, but its action_space is Discrete\(2\)"),
        (
            Made(TWO, observation_space=spaces.Discrete(2, start=1)),
            {},
            r"observation_space is Discrete\(2, start=1\), not Discrete\(2\)",
        ),
        (
            Made(TWO, observation_space=spaces.MultiBinary([1, 2])),
            {},
            "observation_space is MultiBinary.* give it to MDP.from_outcomes",
        ),
        (Made(TWO, isd=[0.5, 0.25, 0.25]), {}, r"mu has shape \(3,\)"),
    ],
)
def test_what_cannot_be_converted(env, options, message):
    """One clear error each. Seen failing: with each check of `_gymnasium`, and of the numbers in
    `_outcomes`, taken out in turn."""
    with pytest.raises(ModelError, match=message):
        from_gymnasium(env, **{"gamma": 0.9, **options})


def test_an_old_taxi_names_the_newer():
    """Seen failing: with Gymnasium's DeprecationWarning let through (an error here)."""
    old = f"Taxi-v{int(TAXI[-1]) - 1}"
    with pytest.raises(ModelError, match=f"{old} is out of date: .* has {TAXI} in its place"):
        from_gymnasium(old, gamma=0.9)


def test_a_vector_of_environments():
    """Seen failing: with the branch for `num_envs` taken out."""
    vector = gymnasium.make_vec(FROZEN, num_envs=2, vectorization_mode="sync")
    with pytest.raises(ModelError, match="is here a vector of environments"):
        from_gymnasium(vector, gamma=0.9)
    vector.close()


def test_without_gymnasium(monkeypatch):
    """An id needs it, an object with a table does not. Seen failing: with `import gymnasium`
    outside of the try; with the import needed by `_convert`."""
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'mdptools\[gym\]'"):
        from_gymnasium(FROZEN, gamma=0.9)
    assert from_gymnasium(SimpleNamespace(P=TWO), gamma=0.9).n_states == 2


# Tables that others wrote


def test_lists_and_missing_actions():
    """Seen failing: with `items()` asked of lists; with a missing action allowed."""
    table = [[[(1.0, 1, 1.0, True)], [(1.0, 0, 0.0, False)]], [[(1.0, 1, 0.0, True)]]]
    mdp = from_gymnasium(Made(table, n_actions=2, isd=np.array([1.0, 0.0])), gamma=0.9)
    assert mdp.terminal.tolist() == [False, True] and mdp.mu.tolist() == [1, 0]
    partial = {0: {1: [(1.0, 0, 1.0, False)]}, 1: {0: [(1.0, 0, 0.0, False)]}}
    mdp = from_gymnasium(Made(partial, n_actions=2), gamma=0.9)
    assert mdp.allowed.tolist() == [[False, True], [True, False]]
    assert mdp.action_names is None and mdp.layout is None


def test_where_an_episode_starts_is_noted_if_nobody_says():
    """Seen failing: without the note; with mu uniform over the terminal state too."""
    mdp = from_gymnasium(Made(TWO), gamma=0.9)
    assert mdp.mu.tolist() == [1, 0]
    assert mdp.notes == (
        "Made does not say where an episode starts: mu is uniform over the states that are not "
        "terminal.",
    )


def test_rows_that_no_other_state_leads_into_are_kept():
    """An episode may start in such a state. Seen failing: with the states that an ending leads
    into taken for over, whoever takes it (then the rewards 5 and 7 vanish)."""
    loop = [[[(1.0, 0, 5.0, True)]], [[(1.0, 1, 3.0, False)]]]
    assert from_gymnasium(Made(loop), gamma=0.9).R[:2, 0].tolist() == [5, 3]
    pair = [[[(1.0, 1, 5.0, True)]], [[(1.0, 0, 7.0, True)]], [[(1.0, 2, 3.0, False)]]]
    mdp = from_gymnasium(Made(pair), gamma=0.9)
    assert mdp.R[:3, 0].tolist() == [5, 7, 3] and mdp.terminal.tolist() == [False] * 3 + [True]


class Named(Made):
    """Its module, this one, has no constants; its parent's neither."""


def test_a_grid_without_words(monkeypatch):
    """Seen failing: with a module that is not loaded asked; with some of the four constants."""
    table = [{a: [(1.0, (s + a) % 4, 1.0, False)] for a in range(4)} for s in range(4)]
    env = Named(table, n_actions=4, shape=(2, 2))
    assert from_gymnasium(env, gamma=0.9).action_names is None
    assert from_gymnasium(env, gamma=0.9).layout == (2, 2)
    monkeypatch.setattr(Named, "__module__", "a.module.that.is.gone")
    assert from_gymnasium(env, gamma=0.9).action_names is None
    here = sys.modules[Made.__module__]
    for word, a in (("LEFT", 3), ("DOWN", 1), ("RIGHT", 0)):
        monkeypatch.setattr(here, word, a, raising=False)
    assert from_gymnasium(env, gamma=0.9).action_names is None
    monkeypatch.setattr(here, "UP", 2, raising=False)
    assert from_gymnasium(env, gamma=0.9).action_names == ("right", "down", "up", "left")


@pytest.mark.parametrize(
    ("shape", "layout"), [((4, 1), (4, 1)), ((3, 2), None), ((4,), None), ("22", None)]
)
def test_a_layout_has_a_place_for_every_state(shape, layout):
    """Seen failing: without comparing rows * cols with the number of states."""
    table = [[[(1.0, s, 1.0, False)]] for s in range(4)]
    assert from_gymnasium(Made(table, shape=shape), gamma=0.9).layout == layout
