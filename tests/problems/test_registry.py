"""Problems by name."""

from __future__ import annotations

import inspect

import pytest

from mdptools import MDP, ModelError, problems

NEEDS = {
    "bandit": {"means": [0.0, 1.0]},
    "bernoulli_bandit": {"probs": [0.0, 1.0]},
    "chain": {"n": 4},
    "dirichlet": {"n_states": 3, "n_actions": 2, "gamma": 0.9, "rng": 0},
    "ergodic": {"n_states": 3, "n_actions": 2, "rng": 0},
    "garnet": {"n_states": 3, "n_actions": 2, "branching": 2, "gamma": 0.9, "rng": 0},
    "grid_world": {"text": "S.G"},
    "layered": {"n_layers": 2, "width": 3, "n_actions": 2, "branching": 2, "rng": 0},
    "ring": {"n_states": 3, "rng": 0},
}
OPTIONS = {name: NEEDS.get(name, {}) for name in problems.names()}
BESIDE = {"make", "names", "options"}


def test_every_public_problem_has_its_name():
    """Seen failing: with `chain` left out of `_FUNCTIONS`; with `names` not sorted."""
    beside = ("_features", "_observations")
    models = {name for name in problems.__all__ if not name.endswith(beside)} - BESIDE
    assert problems.names() == tuple(sorted(models))


@pytest.mark.parametrize("name", OPTIONS)
def test_make_calls_the_function_of_that_name(name):
    """Seen failing: with the options not handed on."""
    made = problems.make(name, **OPTIONS[name])
    assert isinstance(made, MDP) and made.equals(getattr(problems, name)(**OPTIONS[name]))


@pytest.mark.parametrize("name", OPTIONS)
def test_options_are_the_parameters(name):
    """Seen failing: with the options without a default left out."""
    parameters = inspect.signature(getattr(problems, name)).parameters
    assert problems.options(name) == tuple(parameters)


@pytest.mark.parametrize("name", ["", "Chain", "make", "_find", "names", None, ["chain"]])
def test_an_unknown_name_lists_what_exists(name):
    """Seen failing: with `getattr(problems, name)` for the table; without the str check."""
    with pytest.raises(
        ModelError, match=r"there is no problem .* There are access_control, .*, small"
    ):
        problems.make(name)
    with pytest.raises(ModelError, match="there is no problem"):
        problems.options(name)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("chain", {"n": 3, "m": 4}, "chain has no option 'm'. It takes n, n_actions, gamma, rew"),
        ("chain", {}, "the problem chain needs n. It takes n, n_actions"),
        ("garnet", {"gamma": 0.9}, "garnet needs n_states and n_actions and branching and rng"),
        ("small", {"name": "x"}, "small has no option 'name'"),
    ],
)
def test_options_that_do_not_fit(name, options, message):
    """Seen failing: with the function called at once (TypeError)."""
    with pytest.raises(ModelError, match=message):
        problems.make(name, **options)
