"""check_environment: the model passes, planted differences are found and named."""

import re

import gymnasium
import numpy as np
import pytest
from scipy.stats import beta as beta_law

from mdptools import MDP, ModelError, from_gymnasium
from mdptools.problems import grid_world
from mdptools.testing._counts import Groups
from mdptools.testing.environment import check_environment
from mdptools.testing.models import degenerate_mdps, discriminating_mdp
from mdptools.verify import LEDGER

IDS = sorted(
    key for key in gymnasium.registry if re.match(r"(FrozenLake|CliffWalking|Taxi)-v", key)
)
NEWEST = {key.partition("-v")[0]: key for key in IDS}


class Simulated:
    """An environment that draws from a model: each planted difference overrides one method."""

    def __init__(self, mdp, limit=None):
        self.mdp, self.limit, self.resets = mdp, limit, 0

    def reset(self, seed=None):
        self.resets += 1
        if seed is not None:
            self.rng = np.random.default_rng(seed)
        self.t, self.s = 0, self.drawn(self.mdp.mu)
        return self.s, {}

    def drawn(self, law):
        return int(self.rng.choice(len(law), p=law))

    def branch(self, s, a):
        law = self.mdp.branches
        row = slice(*law.offsets[s * self.mdp.n_actions + a :][:2])
        k = self.drawn(law.prob[row])
        return int(law.next_state[row][k]), float(law.reward[row][k])

    def step(self, a):
        self.t += 1
        self.before = self.s
        self.s, r = self.branch(self.s, a)
        done = bool(self.mdp.terminal[self.s]) or self.t == self.mdp.horizon
        if self.mdp.final is not None and self.t == self.mdp.horizon:
            r += self.mdp.gamma * self.mdp.final[self.s]
        return self.s, r, done, self.t == self.limit, {}


def slow(slip):
    """Three cells in a row; one slips to either side with this probability."""
    return grid_world("S.G", gamma=0.9, slip=slip)


# --- the model passes -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["FrozenLake", "CliffWalking", "Taxi"])
def test_gymnasiums_environments_are_their_models(name):
    """Seen failing: Taxi, without the added end; FrozenLake, with truncation held for an ending."""
    env = gymnasium.make(NEWEST[name])
    found = check_environment(env, from_gymnasium(env, gamma=0.99), max_samples=40_000)
    assert found.outcome == "unbiased within tol"
    assert found.differences == ()
    assert found.n == 40_000 and found.log_e < 6
    assert found.tried > 0.9 * found.pairs


def test_with_the_limit_as_horizon_episodes_end_there():
    """Seen failing: "the episode went on" said of those that are truncated at the horizon."""
    env = gymnasium.make(NEWEST["FrozenLake"], max_episode_steps=5)
    mdp = from_gymnasium(env, horizon="limit")
    assert check_environment(env, mdp, max_samples=5000).outcome != "biased"
    longer = mdp.with_objective(gamma=1.0, horizon=4)
    found = check_environment(env, longer, max_samples=5000)
    assert found.outcome == "biased"
    assert "the episode went on after 4 steps" in str(found)


MODELS = {
    name: mdp
    for name, mdp in degenerate_mdps().items()
    if name not in ("starts_where_it_ends", "reward_noise", "average_reward")
}


@pytest.mark.parametrize("name", MODELS)
def test_degenerate_models_pass(name):
    """Seen failing: refused actions played; final rewards forgotten; no reset in the trap."""
    env = Simulated(MODELS[name], limit=None if MODELS[name].terminal.any() else 20)
    found = check_environment(env, MODELS[name], max_samples=3000)
    assert found.outcome != "biased"
    assert found.n == 3000


def test_noise_is_left_out_and_said():
    """Seen failing: without the note; with rewards compared."""
    mdp = degenerate_mdps()["reward_noise"]

    class Noisy(Simulated):
        def step(self, a):
            s, r, *rest = super().step(a)
            return s, r + mdp.reward_std[self.before, a] * self.rng.normal(), *rest

    found = check_environment(Noisy(mdp), mdp, max_samples=2000)
    assert found.outcome != "biased"
    assert found.notes == ("rewards with Gaussian noise were not compared",)


# --- planted differences --------------------------------------------------------------------------


def slipping(chance, outcome):
    """An outcome of FrozenLake's table with another probability; cells that end are left alone."""
    return (chance if outcome[0] < 0.9 else outcome[0], *outcome[1:])


def test_a_slip_of_three_tenths_for_a_third_is_found():
    """Within 8,000 steps; without the product over pairs it takes 25,000.

    Seen failing: without it.
    """
    lake = gymnasium.make(NEWEST["FrozenLake"])
    mdp = from_gymnasium(lake, gamma=0.99)
    other = {
        s: {a: list(map(slipping, (0.3, 0.4, 0.3), outcomes)) for a, outcomes in row.items()}
        for s, row in lake.unwrapped.P.items()
    }
    env = Simulated(MDP.from_outcomes(other, gamma=0.99, mu=mdp.mu))
    found = check_environment(env, mdp)
    assert found.outcome == "biased"
    assert found.n < 8000 and found.log_e >= np.log(1e6)
    worst = found.differences[0]
    assert worst.expected == pytest.approx(1 / 3)
    assert abs(worst.observed - 1 / 3) > 0.02
    assert f"state {worst.state}, action {worst.action}" in str(found)


def test_a_reward_on_the_wrong_step_is_named():
    """Seen failing: rewards not compared."""

    class Late(Simulated):
        owed = 0.0

        def step(self, a):
            s, r, *rest = super().step(a)
            paid, self.owed = self.owed, r
            return s, paid, *rest

    mdp = slow(0.0)
    found = check_environment(Late(mdp), mdp)
    assert found.outcome == "biased" and found.log_e == np.inf
    assert found.n == 1000
    (words,) = {str(one) for one in found.differences if "with reward 0:" in str(one)}
    assert "impossible in the model, seen " in words
    assert (
        check_environment(Late(mdp), mdp, max_samples=3000, compare_rewards=False).outcome
        != "biased"
    )


def test_truncation_as_termination_is_named():
    """Seen failing: the flags joined."""

    class Ending(Simulated):
        def step(self, a):
            s, r, done, cut, info = super().step(a)
            return s, r, done or cut, False, info

    mdp = slow(0.3)
    found = check_environment(Ending(mdp, limit=6), mdp)
    assert found.outcome == "biased"
    assert all("terminated, where the model goes on" in one.outcome for one in found.differences)
    cut = check_environment(Simulated(mdp, limit=2), mdp, max_samples=3000)
    assert cut.outcome != "biased"
    assert re.search(r"[\d,]+ episodes were truncated after 2 steps", cut.notes[0])


def test_an_end_that_is_not_told_is_named():
    """Seen failing: without the check of the other direction."""

    class Blind(Simulated):
        def step(self, a):
            s, r, _, cut, info = super().step(a)
            return s, r, False, cut, info

    mdp = slow(0.3)
    found = check_environment(Blind(mdp), mdp)
    assert found.outcome == "biased"
    assert "not terminated, where the model's episodes are over" in found.differences[0].outcome


def test_other_starts_are_found():
    """Seen failing: starts not counted."""
    mdp = discriminating_mdp()

    class Even(Simulated):
        def reset(self, seed=None):
            super().reset(seed)
            self.s = int(self.rng.integers(3))
            return self.s, {}

    found = check_environment(Even(mdp), mdp)
    assert found.outcome == "biased"
    assert found.differences[0].place == "start"
    assert found.differences[0].state is None
    elsewhere = MDP(mdp.P, mdp.R, 0.9, mu=[1.0, 0, 0, 0], horizon=4, law=mdp.law)
    found = check_environment(Simulated(mdp), elsewhere)
    assert "start: in state 1: impossible in the model" in str(found)


def test_a_state_that_the_model_has_not():
    """Seen failing: an IndexError."""

    class Beyond(Simulated):
        def step(self, a):
            _, *rest = super().step(a)
            return 7, *rest

    mdp = slow(0.1)
    found = check_environment(Beyond(mdp), mdp)
    assert found.outcome == "biased"
    assert "to state 7, which the model has not, with reward" in str(found)


# --- numbers --------------------------------------------------------------------------------------


def test_the_evidence_is_a_martingale():
    """E of the next step, exactly, by all outcomes of six draws.

    Seen failing: gammaln(c + n) left out; the product over groups of the mean over c.
    """
    groups = Groups(np.array([0.2, 0.3, 0.5, 0.9, 0.1]), np.array([0, 0, 0, 1, 1]), 2)

    def mean(counts, left):
        if not left:
            return np.exp(groups.log_evidence(counts)[0])
        inside = np.flatnonzero(groups.group == left % 2)
        return sum(groups.prob[k] * mean(counts + np.eye(5)[k], left - 1) for k in inside.tolist())

    assert mean(np.zeros(5), 6) == pytest.approx(1.0, abs=1e-12)
    assert groups.log_evidence(np.zeros(5))[0] == pytest.approx(0.0, abs=1e-12)


def test_what_is_within_the_tolerance():
    """Against the mixture by quadrature: all further laws are refuted by 1 / beta.

    Seen failing: log(beta) for its negative; one side only.
    """
    groups = Groups(np.array([0.3, 0.7]), np.array([0, 0]), 1)
    x = np.linspace(0, 1, 20_001)[1:-1]
    for heads in range(500, 701, 10):
        n = 2000
        grid = heads * np.log(x) + (n - heads) * np.log1p(-x)
        mixture = (np.exp(grid - grid.max()) * beta_law.pdf(x, 0.5, 0.5)).sum() * (x[1] - x[0])
        log_e = np.log(mixture) + grid.max() - grid
        possible = x[log_e < np.log(1e3)]
        expected = 0.26 < possible.min() and possible.max() < 0.34
        counts = np.array([heads, n - heads], dtype=float)
        assert groups.within(counts, 0.04, 1e-3) == expected, heads
    assert not groups.within(np.zeros(2), 0.04, 1e-3)
    three = Groups(np.array([0.3, 0.3, 0.4]), np.zeros(3, dtype=int), 1)
    assert not three.within(200_000 * np.array([0.24, 0.33, 0.43]), 0.04, 1e-3)  # the first alone
    assert three.within(200_000 * np.array([0.28, 0.31, 0.41]), 0.04, 1e-3)


def test_false_alarms_are_rarer_than_alpha():
    """Forty runs of the right environment at alpha = 1/10: four are allowed, fewer are seen.

    Seen failing: each look's evidence added up.
    """
    mdp = discriminating_mdp()
    env = Simulated(mdp)
    alarms = sum(
        check_environment(env, mdp, alpha=0.1, max_samples=1500, rng=seed).outcome == "biased"
        for seed in range(40)
    )
    assert alarms <= 3


def test_the_same_seed_the_same_numbers():
    """Seen failing: with the seed of the clock."""
    mdp = discriminating_mdp()
    one, two = (check_environment(Simulated(mdp), mdp, max_samples=2000, rng=7) for _ in range(2))
    assert str(one) == str(two) and one.seed == 7
    other = check_environment(Simulated(mdp), mdp, max_samples=2000, rng=np.random.default_rng(8))
    assert other.episodes != one.episodes and other.seed is None


def test_it_is_written_in_the_ledger():
    """Seen failing: without note()."""
    LEDGER.take()
    mdp = slow(0.1)
    check_environment(Simulated(mdp), mdp, max_samples=1000, alpha=1e-4)
    spent = LEDGER.take()
    assert (spent.checks, spent.samples, spent.alpha) == (1, 1, 1e-4)


# --- bad input ------------------------------------------------------------------------------------


class Answers:
    """An environment that answers what it is told to."""

    def __init__(self, reset, step=None):
        self.first, self.then = reset, step

    def reset(self, seed=None):
        return self.first

    def step(self, a):
        if isinstance(self.then, Exception):
            raise self.then
        return self.then


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (object(), r"env is of type object and has no reset\(\)"),
        (Answers(0), r"reset\(\) returned 0; it must return \(observation, info\)"),
        (
            Answers((0, {}), (0, 1.0, True, {})),
            r"step\(\) returned \(0, 1.0, True, \{\}\); it must",
        ),
        (Answers((0.5, {})), r"the observation 0.5 is not the number of a state .*state_of="),
        (Answers((2, {})), r"episodes start in state 2, where none of the model's goes on"),
    ],
)
def test_an_environment_of_another_kind(env, message):
    """Seen failing: each without its check; a loop without end."""
    with pytest.raises(ModelError, match=message):
        check_environment(env, slow(0.1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha is 0; it must be between 0 and 1"),
        ({"beta": "1e-3"}, "beta is '1e-3'; it must be"),
        ({"tol": 1.0}, "tol is 1.0; it must be"),
        ({"max_samples": 0}, "max_samples is 0; it must be an int >= 1"),
        ({"rng": -1}, "rng is -1; it must be"),
        ({"actions": ["left"]}, "actions has 1 entries; the model has 4 actions"),
    ],
)
def test_bad_arguments(options, message):
    """Seen failing: each without its check."""
    mdp = slow(0.1)
    with pytest.raises(ModelError, match=message):
        check_environment(Simulated(mdp), mdp, **options)
    with pytest.raises(ModelError, match="it must be a model"):
        check_environment(Simulated(mdp), None)


def test_an_environment_that_breaks_says_where():
    """Seen failing: without the note."""
    with pytest.raises(RuntimeError, match="stuck") as caught:
        check_environment(Answers((0, {}), RuntimeError("stuck")), slow(0.1))
    (note,) = caught.value.__notes__
    assert re.match(r"mdptools called step\(\d\) .* after 0 steps in 1 episodes, in state 0", note)


def test_names_of_observations_and_actions():
    """Seen failing: without either."""
    mdp = slow(0.2)

    class Named(Simulated):
        def reset(self, seed=None):
            s, info = super().reset(seed)
            return {"cell": np.array([s])}, info

        def step(self, a):
            s, *rest = super().step("nesw".index(a))
            return {"cell": np.array([s])}, *rest

    found = check_environment(
        Named(mdp),
        mdp,
        max_samples=3000,
        state_of=lambda seen: seen["cell"][0],
        actions="nesw",
    )
    assert found.outcome != "biased"
    with pytest.raises(TypeError, match="compare its outcome with a word"):
        bool(found)


def test_what_was_found_until_an_interruption_is_kept():
    """Seen failing: with the interrupt passed on."""
    mdp = slow(0.2)

    class Tired(Simulated):
        def step(self, a):
            if self.resets > 50:
                raise KeyboardInterrupt
            return super().step(a)

    found = check_environment(Tired(mdp), mdp)
    assert found.outcome == "inconclusive" and found.episodes == 51
