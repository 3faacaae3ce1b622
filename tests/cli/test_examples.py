"""``mdptools examples``: what comes with the library."""

from __future__ import annotations

import json
import re

import pytest

from mdptools import problems
from mdptools.cli import _examples
from mdptools.interop import load_model


def test_each_problem_has_one_line(mdptools):
    """Name, size, objective; 80 columns.

    Seen failing: with the problems that need options left out; with the first line not shortened.
    """
    done = mdptools("examples")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.lines)) <= 80
    rows = [re.split(r"\s{2,}", line.strip()) for line in done.lines]
    assert rows[0] == ["name", "S x A", "objective", "what it is"]
    table = {row[0]: row[1:] for row in rows[1 : 1 + len(problems.names())]}
    assert tuple(table) == problems.names()
    assert table["riverswim"][:2] == ["6 x 2", "average"]
    assert table["cartpole"][:2] == ["13,690 x 2", "discounted"]
    assert table["garnet"][2].startswith("A Garnet: each pair has bran")


def test_each_name_in_the_list_makes_that_model(mdptools):
    """But for those that need a list, which only Python can write.

    Seen failing: with the options left out of the name.
    """
    result = json.loads(mdptools("examples", "--json").out)
    assert (result["schema"], result["command"]) == (1, "examples")
    assert [one["name"] for one in result["problems"]] == list(problems.names())
    for one in result["problems"]:
        if one["name"] in _examples.FROM_PYTHON:
            mdp = eval(one["model"], {"problems": problems})
        elif one["name"] == "cartpole":  # a fifth of a second, and made for the list already
            continue
        else:
            mdp = load_model(one["model"])
        size = (one["n_states"], one["n_actions"], one["objective"])
        assert (mdp.n_states, mdp.n_actions, mdp.objective) == size


@pytest.mark.parametrize("name", ["riverswim", "example:riverswim", "riverswim@n=10"])
def test_one_is_shown_with_what_it_takes_and_where_it_is_from(mdptools, name):
    """Seen failing: with the options after the @ not used; without the section Notes."""
    done = mdptools("examples", name)
    assert done.code == 0 and max(map(len, done.lines)) <= 80
    text = re.sub(r"\s+", " ", done.out)
    n = 10 if "10" in name else 6
    assert f": {n} states, 2 actions; average reward" in text
    assert "Swim against the stream: a little is paid at once" in text
    assert "n int; 6 if omitted Number of states, at least 2. gamma float; none if omitted" in text
    assert 'source Strehl and Littman (2008), "An analysis of model-based interval' in text
    assert f"facts {n} states, 2 actions;" in text
    assert f"try mdptools solve example:riverswim{'@n=10' if n == 10 else ''}" in text


def test_what_is_needed_is_said_and_given(mdptools):
    """Seen failing: with `needed` shown as a default of none; with the sample over what is said."""
    done = mdptools("examples", "garnet@n_states=7")
    text = re.sub(r"\s+", " ", done.out)
    assert "n_states=7,n_actions=3,branching=2,gamma=0.9,rng=0: 7 states, 3 actions" in text
    assert "branching int; needed" in text and "sparse bool; false if omitted" in text


def test_a_problem_as_json(mdptools):
    """Seen failing: with parameters that are described together under one name."""
    result = json.loads(mdptools("examples", "inventory", "--json").out)
    assert result["name"] == "inventory" and result["model"]["n_states"] == 4
    options = {one["name"]: one for one in result["options"]}
    assert options["unit_cost"]["kind"] == "float, reward units"
    assert options["demand"]["default"] == [0.25, 0.5, 0.25] and not options["demand"]["needed"]
    assert result["source"] == "Puterman (1994), sections 3.2 and 4.6.1, with its numbers."
    assert result["facts"]["refused"] == 6


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("riversim", "there is no problem 'riversim'. There are access_control, baird"),
        ("riverswim@m=3", "the problem riverswim has no option 'm'. It takes n, gamma, horizon."),
        ("riverswim@n", "must be key=value"),
        ("riverswim@n=1", "n is 1"),
    ],
)
def test_bad_names_are_one_clear_paragraph(mdptools, name, complaint):
    """Seen failing: with options that are not read."""
    done = mdptools("examples", name)
    assert done.code == 2 and done.out == ""
    assert complaint in done.complaint
