"""``mdptools evaluate``: what is seen of a policy, and what comes back."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from mdptools import evaluate, return_moments, uniform_policy
from mdptools.cli import _evaluation
from mdptools.interop import load_model


def test_values_and_visits_stand_where_their_states_are(mdptools):
    """A line of five states, the last terminal: 0.5 each way, until the end.

    Seen failing: with visits for values; with the visits of a horizon's first step alone.
    """
    done = mdptools("evaluate", "example:line_world", "--horizon", "2")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.lines)) <= 80
    mdp = load_model("example:line_world", horizon=2)
    found = evaluate(mdp, uniform_policy(mdp))
    assert done.value("policy") == "uniform"
    assert done.value("values") == "at the first of 2 steps"
    shown = done.section("values")[0]
    np.testing.assert_allclose([*map(float, shown.split())], found.V[0], atol=1e-3)
    visits = done.section("visits")[0]
    np.testing.assert_allclose([*map(float, visits.split())], found.visits.sum(axis=0), atol=1e-3)
    assert float(done.value("J").split(",")[0]) == pytest.approx(found.J)
    assert float(done.value("length").split(",")[0]) == pytest.approx(found.Z)


def test_the_spread_is_that_of_the_return(mdptools):
    """Seen failing: with the variance for its root; with a state's own for the start's."""
    done = mdptools("evaluate", "example:small", "--gamma", "0.9")
    mdp = load_model("example:small", gamma=0.9)
    moments = return_moments(mdp, uniform_policy(mdp))
    text = done.value("spread")
    shown, bound = re.match(r"(\S+), within (\S+): standard deviation", text).groups()
    assert abs(float(shown) - moments.start_std) <= float(bound) < 1e-9


@pytest.mark.parametrize(("variance", "bound"), [(4.0, 0.5), (1e-12, 1e-10), (0.0, 0.0)])
def test_the_bound_of_a_root_covers_it(variance, bound):
    """Whatever the variance is within its bound.

    Seen failing: with the bound of the variance for that of its root.
    """

    class Moments:
        start_variance = variance
        J_certificates = (None, None, type("C", (), {"bound": bound}))

    root, within = _evaluation.deviation(Moments())
    for truth in np.linspace(max(variance - bound, 0.0), variance + bound, 11):
        assert abs(np.sqrt(truth) - root) <= within


def test_average_reward_has_gain_bias_and_shares(mdptools):
    """Seen failing: with "visits" for shares; with the gain of several classes as one number."""
    one = mdptools("evaluate", "example:riverswim")
    assert one.value("gain") == "0.002778571 from each state"
    assert one.value("share").startswith("of all steps")
    assert "values" not in one.lines and "spread" not in one.out
    several = mdptools("evaluate", "example:multichain")
    table = several.section("states")
    assert table[0].split() == ["state", "gain", "bias", "share"]
    assert table[1].split()[:2] == ["0", "1.5"]


def test_a_policy_that_never_ends_is_refused(mdptools, tmp_path):
    """In one paragraph, in the words of the shell.

    Seen failing: with "average=True" in the message.
    """
    path = str(tmp_path / "left.npy")
    np.save(path, [[1.0, 0.0]] * 5)
    done = mdptools("evaluate", "example:line_world", "--policy", path)
    assert (done.code, done.out) == (2, "")
    assert "the policy is improper, it stays for ever in state 0" in done.complaint
    assert "Use gamma < 1, --horizon H or --average, or another policy" in done.complaint


def test_states_without_moments_are_spoken_of(mdptools, tmp_path):
    """A loop with rewards that no episode enters: V is -inf there, and there is no variance.

    Seen failing: with the error of `return_moments` let through; with all values as exponents.
    """
    model = tmp_path / "loop.npz"
    from mdptools import MDP, save

    P = np.zeros((3, 1, 3))
    P[0, 0, 1] = P[1, 0, 1] = P[2, 0, 2] = 1.0
    save(MDP(P, [[2.5], [0.0], [-1.0]], gamma=1.0, mu=[1, 0, 0], terminal=[1]), model)
    done = mdptools("evaluate", str(model))
    assert (done.code, done.err) == (0, "")
    assert done.value("spread").startswith("no standard deviation: ")
    assert [line.split()[1] for line in done.section("states")[1:]] == ["2.5", "0.0", "-inf"]


def test_a_tolerance_that_float64_cannot_prove(mdptools):
    """The page all the same, and exit code 1.

    Seen failing: with 0 for the code; with "reached" true.
    """
    done = mdptools("evaluate", "example:small", "--tol", "1e-30")
    assert done.code == 1
    assert done.complaint == f"mdptools: {done.value('missed')}"
    found = json.loads(mdptools("evaluate", "example:small", "--tol", "1e-30", "--json").out)
    assert found["reached"] is False and "1e-30" in found["message"]


@pytest.mark.parametrize(
    "words",
    [
        ["example:small"],
        ["example:small", "--horizon", "3", "--policy", "greedy:0.5"],
        ["example:chain@n=4", "--average"],
    ],
)
def test_json_says_the_same_as_the_library(mdptools, words):
    """Seen failing: with V for Q; with the certificate of J for that of V."""
    done = mdptools("evaluate", *words, "--json")
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    mdp = load_model(
        words[0],
        **({"horizon": 3} if "--horizon" in words else {}),
        average="--average" in words,
    )
    found = evaluate(mdp, told["pi"])
    assert told["J"] == found.J and told["length"] == found.Z
    for key in ("V", "Q", "visits"):
        np.testing.assert_array_equal(told[key], getattr(found, key))
    for key in ("certificate", "J_certificate", "visits_certificate"):
        assert told[key]["bound"] == getattr(found, key).bound
    if mdp.objective == "average":
        assert told["gain"] == found.gain.tolist() and told["return_deviation"] is None
    else:
        assert told["gain"] is None
        assert told["return_deviation"] == return_moments(mdp, told["pi"]).start_std
