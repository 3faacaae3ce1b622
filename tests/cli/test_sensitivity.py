"""``mdptools sensitivity``: breakpoints in gamma, and the policies between them."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest

from mdptools import MDP, discount_sensitivity, save
from mdptools.interop import load_model


def test_policies_are_arrows_where_the_model_is_a_grid(mdptools):
    """From small discounts to large ones the swimmer turns to the right, state by state.

    Seen failing: with the policies in the opposite order; with the intervals one further.
    """
    done = mdptools("sensitivity", "example:riverswim")
    assert (done.code, done.err) == (0, "") and max(map(len, done.lines)) <= 80
    arrows = [line.strip() for line in done.lines if line.strip().startswith(("←", "→"))]
    assert arrows == ["← ← ← → → →", "← ← → → → →", "← → → → → →", "→ → → → → →"]
    ends = [line.split()[1:] for line in done.lines if line.startswith("policy")]
    assert ends[0] == ["0", "<=", "gamma", "<", "0.09615406782"]
    assert ends[1] == ["0.09615406782", "<", "gamma", "<", "0.4685641621"]
    assert ends[3] == ["0.6143009488", "<", "gamma", "<", "1"]
    assert done.value("changes") == "at 3 discounts"
    assert "now in state 1: right, was left" in done.out


def test_a_table_says_what_changes(mdptools):
    """Seen failing: with the table printed at each breakpoint."""
    done = mdptools("sensitivity", "example:discount_mismatch@n=3")
    assert done.section("policy")[:2] == ["state  best action", "    0  near"]
    assert done.out.count("best action") == 1
    assert "  now in state 0: far, was near" in done.lines


@pytest.mark.parametrize(
    ("gamma", "which"), [("0.05", "first"), ("0.3", "2."), ("0.5", "3."), ("0.99", "last")]
)
def test_where_a_discount_lies(mdptools, gamma, which):
    """Seen failing: with the interval one further."""
    done = mdptools("sensitivity", "example:riverswim", "--gamma", gamma)
    assert done.value("gamma") == f"{gamma} lies where the {which} policy is optimal"


def test_breakpoints_that_round_off_tells_apart_are_spoken_of(mdptools):
    """Two states of toymaker change at 20/29; in floats one of them is first.

    Seen failing: with ten digits always, "0.689... < gamma < 0.689...", and no word of it.
    """
    done = mdptools("sensitivity", "example:toymaker")
    assert done.value("note").startswith("breakpoints that all but meet")
    assert "0.6896551724137931" in done.out
    assert "note" not in mdptools("sensitivity", "example:riverswim").out


def test_one_policy_for_all(mdptools):
    """Seen failing: with the maximum of no brackets."""
    done = mdptools("sensitivity", "example:chain@n=4", "--gamma", "0.5")
    assert done.value("changes").startswith("nowhere")
    assert done.value("gamma") == "0.5 lies where the only policy is optimal"


def test_models_under_any_discount_need_none(mdptools):
    """Seen failing: with the complaint that gamma is missing; with "--horizon limit" in a note."""
    pytest.importorskip("gymnasium")
    done = mdptools("sensitivity", "gym:FrozenLake-v1@is_slippery=false", "--json")
    assert done.code == 0
    page = mdptools("sensitivity", "gym:FrozenLake-v1@is_slippery=false")
    assert page.value("note").endswith("it is not part of this model.")


def test_other_objectives_and_large_models_are_refused(mdptools, tmp_path):
    """Seen failing: with a horizon left out in silence; with "max_states=" in the message."""
    path = str(tmp_path / "timed.npz")
    save(MDP([[[1.0], [1.0]]], [[0.0, 1.0]], horizon=3), path)
    done = mdptools("sensitivity", path)
    assert (done.code, done.out) == (2, "")
    assert "has a horizon of 3, and discounts are compared without one: --gamma 0.9 takes" in (
        done.complaint
    )
    assert mdptools("sensitivity", path, "--gamma", "0.5").code == 0
    done = mdptools("sensitivity", "example:chain@n=40")
    assert done.code == 2 and "pass --max-states 4" in done.complaint
    done = mdptools("sensitivity", "example:small", "--max-states", "1")
    assert done.code == 2 and "pass --max-states 2 and be patient" in done.complaint
    done = mdptools("sensitivity", "example:small", "--gamma", "1")
    assert done.code == 2 and "--gamma is 1; a discount is sought in [0, 1)" in done.complaint


def test_json_says_the_same_as_the_library(mdptools):
    """Seen failing: with pi of one interval in the next; with brackets as floats."""
    done = mdptools("sensitivity", "example:riverswim", "--gamma", "0.5", "--json")
    told = json.loads(done.out)
    found = discount_sensitivity(load_model("example:riverswim"))
    assert told["breakpoints"] == found.breakpoints.tolist()
    assert [tuple(map(Fraction, pair)) for pair in told["brackets"]] == [*found.brackets]
    assert [piece["policy"] for piece in told["intervals"]] == found.policies.tolist()
    assert [piece["low"] for piece in told["intervals"]] == [0.0, *found.breakpoints]
    marked = [np.flatnonzero(row).tolist() for row in found.optimal_actions[0]]
    assert told["intervals"][0]["optimal_actions"] == marked
    assert told["interval"] == found.interval(0.5) == 2
    assert told["blackwell"] == found.blackwell.tolist()
