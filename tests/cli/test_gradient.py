"""``mdptools gradient``: the page, the natural gradient, entropy, JSON."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from mdptools import (
    Softmax,
    natural_gradient,
    policy_gradient,
    regularised_gradient,
    uniform_policy,
)
from mdptools.interop import load_model

WORDS = ("example:line_world", "--gamma", "0.9")


@pytest.fixture
def mdp():
    return load_model("example:line_world", gamma=0.9)


def table_of(lines):
    """The rows below "components"."""
    at = next(i for i, line in enumerate(lines) if line.startswith("components")) + 1
    at += next(i for i, line in enumerate(lines[at:]) if line.split()[:1] in (["state"], ["time"]))
    end = at + lines[at:].index("")
    return [re.split(r"\s{2,}", line.strip()) for line in lines[at:end]]


def test_the_largest_components_come_first_with_their_names(mdptools, mdp):
    """The gradient is visits times pi times A, and the table shows it.

    Seen failing: with the smallest first; with Q for A.
    """
    done = mdptools("gradient", *WORDS, "--show", "3", "--policy", "random")
    assert (done.code, done.err) == (0, "") and max(map(len, done.lines)) <= 80
    head, *rows = table_of(done.lines)
    assert head == ["state", "action", "gradient", "pi", "visits", "A"] and len(rows) == 3
    theta = np.random.default_rng(0).standard_normal((5, 2))
    g = policy_gradient(mdp, Softmax(mdp), theta).value
    order = np.argsort(-np.abs(g).reshape(-1), kind="stable")
    for row, place in zip(rows, order, strict=False):
        s, a = divmod(int(place), 2)
        assert row[:2] == [mdp.name_of_state(s), mdp.name_of_action(a)]
        shown, pi, visits, A = map(float, row[2:])
        assert shown == pytest.approx(g[s, a], abs=1e-3)
        assert shown == pytest.approx(pi * visits * A, abs=5e-3)
    norm, bound = re.match(r"\|g\| = (\S+), within (\S+)", done.value("gradient")).groups()
    assert abs(float(norm) - np.linalg.norm(g)) <= float(bound) < 1e-9


def test_the_natural_gradient_stands_beside_it(mdptools, mdp):
    """Seen failing: with the gradient in the column of the natural one."""
    told = json.loads(mdptools("gradient", *WORDS, "--natural", "--json").out)
    found = natural_gradient(mdp, Softmax(mdp), np.zeros((5, 2)))
    np.testing.assert_allclose(told["natural"], found.value, atol=1e-12)
    assert told["natural_method"] == "advantage"
    done = mdptools("gradient", *WORDS, "--natural")
    head, *rows = table_of(done.lines)
    assert head[2:4] == ["gradient", "natural"]
    assert float(rows[0][3]) == pytest.approx(
        found.value.reshape(-1)[np.abs(found.value).argmax()], abs=1e-3
    )
    size = float(re.match(r"\|F\^\+ g\| = (\S+):", done.value("natural"))[1])
    assert size == pytest.approx(np.linalg.norm(found.value), rel=1e-6)


def test_entropy_counts_if_it_is_paid(mdptools, mdp):
    """Seen failing: with tau passed on as 0; without the word on J."""
    told = json.loads(
        mdptools("gradient", *WORDS, "--tau", "2", "--policy", "random", "--json").out
    )
    theta = np.random.default_rng(0).standard_normal((5, 2))
    found = regularised_gradient(mdp, Softmax(mdp), theta, 2.0)
    np.testing.assert_array_equal(told["gradient"], found.value)
    assert (told["J"], told["tau"]) == (found.J, 2.0)
    page = mdptools("gradient", *WORDS, "--tau", "2")
    assert "2 times the entropy counts in it" in page.value("J")


def test_time_is_a_column_where_the_policy_depends_on_it(mdptools):
    """Seen failing: with state and time exchanged; with A of a sum over time."""
    words = ("example:line_world", "--horizon", "3")
    timed = table_of(mdptools("gradient", *words, "--policy", "greedy:0.2").lines)
    assert timed[0] == ["time", "state", "action", "gradient", "pi", "visits", "A"]
    assert {row[0] for row in timed[1:]} <= {"0", "1", "2"}
    still = table_of(mdptools("gradient", *words).lines)
    assert still[0] == ["state", "action", "gradient", "pi"]


def test_json_says_the_same_as_the_library(mdptools, mdp):
    """Seen failing: with the largest components alone."""
    told = json.loads(mdptools("gradient", *WORDS, "--json", "--show", "1").out)
    found = policy_gradient(mdp, Softmax(mdp), np.zeros((5, 2)))
    np.testing.assert_allclose(told["gradient"], found.value, atol=1e-12)
    np.testing.assert_array_equal(told["pi"], uniform_policy(mdp))
    assert told["J"] == pytest.approx(found.J) and told["natural"] is None
    assert told["certificate"]["bound"] == pytest.approx(found.certificate.bound, rel=0.1)


def test_a_deterministic_policy_is_where_a_softmax_is_flat(mdptools):
    """Seen failing: without the note; with an empty table."""
    done = mdptools("gradient", *WORDS, "--policy", "optimal")
    assert done.code == 0
    assert done.value("gradient").startswith("|g| = 0, within")
    assert done.value("note") == "each probability is 0 or 1, where a softmax is flat"
    assert "components   of" not in done.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["example:small", "--natural", "--tau", "1"], "leave --tau out"),
        (["example:small", "--tau", "-1"], "tau is -1.0; it must be a number >= 0"),
        (["example:riverswim", "--tau", "1"], "name another objective: --gamma G or --horizon H"),
        (["example:multichain"], "it has 2 recurrent classes"),
    ],
)
def test_bad_input_is_one_paragraph(mdptools, words, message):
    """Seen failing: with --tau ignored beside --natural."""
    done = mdptools("gradient", *words)
    assert (done.code, done.out) == (2, "") and message in done.complaint
