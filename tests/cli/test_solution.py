"""The page of a solution: what the tests of the command do not come by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mdptools import MDP, solve
from mdptools.cli import _solution
from mdptools.problems import grid_world


def policy_of(mdp: MDP) -> list[str]:
    return _solution.policy(mdp, solve(mdp), width=80, plain=False)


def test_the_table_names_ties_and_ends():
    """Seen failing: with the first of two actions only; without "(terminal)"."""
    P = np.zeros((3, 3, 3))
    P[:, :, 2] = 1.0
    mdp = MDP(P, [[1, 1, 1], [2, 2, 1], [0, 0, 0]], 0.5)
    assert policy_of(mdp) == [
        "policy",
        "  state  best action   V",
        "      0  any of the 3  1",
        "      1  0 or 1        2",
        "      2  (terminal)    0",
    ]


def test_a_refused_action_is_not_counted():
    """Seen failing: with all actions counted, refused ones too."""
    allowed = [[True, True, True, False]]
    mdp = MDP(np.ones((1, 4, 1)), np.ones((1, 4)), 0.5, allowed=allowed)
    assert "any of the 3" in policy_of(mdp)[2]


def test_a_tall_grid_is_a_table():
    """Seen failing: without the limit on rows."""
    low = policy_of(grid_world(["."] * 40 + ["G"], gamma=0.9))
    assert low[1:3] == ["  \u2193", "  \u2193"] and low[41] == "  G"
    tall = policy_of(grid_world(["."] * 60 + ["G"], gamma=0.9))
    assert tall[1].split() == ["state", "name", "best", "action", "V"]


def test_values_that_do_not_fit_are_left_out():
    """Seen failing: with values drawn at any width."""
    wide = policy_of(grid_world(["." * 30 + "G"], gamma=0.9))
    assert len(wide[1]) == 2 + 31 + 30 and "values" not in wide


@pytest.mark.parametrize(
    ("mu", "text"),
    [
        ([0, 1, 0], "from state 1"),
        ([0.5, 0.5, 0], "the mean over 2 start states"),
        ([0.5, 0.25, 0.25], "the weighted mean over 3 start states"),
    ],
)
def test_where_an_episode_starts(mu, text):
    """Seen failing: with `same` always true."""
    mdp = MDP(np.eye(3)[:, None, :], np.ones((3, 1)), 0.5, mu=mu)
    assert _solution.start(mdp) == text


def test_an_infinite_bound_is_no_proof():
    """Seen failing: with "proved: each value is within inf"."""
    mdp = MDP([[[1.0]]], [[1.0]], 0.5)
    solution = solve(mdp)
    nothing = replace(solution.certificate, bound=np.inf, loss=np.inf)
    lines = _solution.page(
        "x",
        mdp,
        replace(solution, certificate=nothing),
        seconds=0.0,
        missed=None,
        width=80,
        plain=True,
    )
    assert "J            2, with no proved bound, from state 0" in lines
    assert "certificate  none: how far the values are from the optimum is not known" in lines
