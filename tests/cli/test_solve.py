"""``mdptools solve``: what a new user types, and what is seen."""

from __future__ import annotations

import json
import re
import textwrap

import numpy as np
import pytest

from mdptools import bellman, solve
from mdptools.interop import load_model

FROZEN_LAKE = "gym:FrozenLake-v1"


def taxi() -> str:
    """The newest Taxi that is registered."""
    registry = pytest.importorskip("gymnasium").registry
    return "gym:" + max(name for name in registry if name.startswith("Taxi-"))


def section(lines: list[str], label: str) -> list[str]:
    """The indented lines below a label, up to the next label."""
    at = lines.index(label) + 1
    end = next(i for i in range(at, len(lines)) if lines[i] and lines[i][0] != " ")
    return textwrap.dedent("\n".join(lines[at:end])).strip("\n").splitlines()


def value_of(lines: list[str], label: str) -> str:
    """The text beside a label, unwrapped."""
    at = next(i for i, line in enumerate(lines) if line.startswith(f"{label}  "))
    found = [lines[at].removeprefix(label)]
    for line in lines[at + 1 :]:
        if not line.startswith(" " * 13):
            break
        found.append(line)
    return re.sub(r"\s+", " ", " ".join(found)).strip()


# FrozenLake, the README's first command


@pytest.fixture
def frozen_lake(mdptools):
    pytest.importorskip("gymnasium")
    return mdptools("solve", FROZEN_LAKE, "--gamma", "0.99")


def test_frozen_lake_is_solved(frozen_lake):
    """Seen failing: with gamma not passed on; with notes in Python's words."""
    assert (frozen_lake.code, frozen_lake.err) == (0, "")
    assert frozen_lake.lines[0] == (
        "model        gym:FrozenLake-v1: 16 states, 4 actions; discounted, gamma 0.99"
    )
    J = value_of(frozen_lake.lines, "J")
    assert J.startswith("0.5420") and J.endswith(", from state 0")
    assert float(J.split(",")[0]) == pytest.approx(0.5420259320004738, abs=1e-11)
    assert value_of(frozen_lake.lines, "note") == (
        "FrozenLake-v1 is registered with a limit of 100 steps; it is not part of this model. "
        "--horizon limit puts it in."
    )


def test_frozen_lakes_policy_is_a_grid_of_arrows(frozen_lake):
    """Seen failing: with up and down exchanged; with pi for optimal_actions; with all terminal
    states G.
    """
    assert section(frozen_lake.lines, "policy") == [
        "← ↑ ↑ ↑",
        "← x ↔ x",
        "↑ ↓ ← x",
        "x → ↓ G",
        "",
        "↔ left or right   G terminal, entered with the most reward   x terminal",
    ]
    assert section(frozen_lake.lines, "values") == [
        "0.5420 0.4988 0.4707 0.4569",
        "0.5585      0 0.3583      0",
        "0.5918 0.6431 0.6152      0",
        "     0 0.7417 0.8628      0",
    ]


def test_the_proof_is_printed(frozen_lake):
    """Seen failing: with the bound in place of the loss; without the theorem."""
    solution = solve(load_model(FROZEN_LAKE, gamma=0.99))
    text = value_of(frozen_lake.lines, "certificate")
    form = r"proved: each value is within (\S+) of the optimum, and the policy loses at most (\S+)"
    bound, loss = map(float, re.fullmatch(form, text).groups())
    assert solution.certificate.bound <= bound <= 1.1 * solution.certificate.bound
    assert solution.certificate.loss <= loss <= 1.1 * solution.certificate.loss
    assert value_of(frozen_lake.lines, "theorem") == solution.certificate.theorem
    assert value_of(frozen_lake.lines, "method") == (
        f"{solution.method}, because {solution.reason}"
    )
    assert re.fullmatch(
        rf"{solution.sweeps} policies evaluated in [\d.]+ m?s", value_of(frozen_lake.lines, "work")
    )


def test_a_pipe_gets_80_columns_of_plain_text(mdptools, monkeypatch):
    """Seen failing: with 100 columns in a pipe; with styles forced; without the rstrip of a table's
    lines.
    """
    pytest.importorskip("gymnasium")
    monkeypatch.delenv("COLUMNS")
    for model in ("gym:CliffWalking-v1", taxi(), "gym:FrozenLake-v1@map_name=8x8"):
        done = mdptools("solve", model, "--gamma", "0.99")
        assert done.code == 0, done.err
        assert "\x1b" not in done.out
        assert max(map(len, done.lines)) <= 80
        assert not [line for line in done.lines if line != line.rstrip()]


# Other models


def test_cliff_walking_shows_ties_and_what_is_never_visited(mdptools):
    """Seen failing: with every state shown as visited; without corners."""
    pytest.importorskip("gymnasium")
    done = mdptools("solve", "gym:CliffWalking-v1", "--gamma", "0.99")
    assert value_of(done.lines, "J").startswith("-12.2478")
    assert section(done.lines, "policy") == [
        "↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↓",
        "↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↘ ↓",
        "→ → → → → → → → → → → ↓",
        "↑ . . . . . . . . . . G",
        "",
        "↘ right or down   G terminal   . never visited",
    ]


def test_the_line_world(mdptools):
    """Seen failing: with "discounted" for gamma = 1; with the terminal state counted as a start."""
    done = mdptools("solve", "example:line_world")
    assert done.code == 0
    assert value_of(done.lines, "model").endswith("; total reward, gamma 1")
    assert value_of(done.lines, "J").startswith("-9.25, within ")
    assert value_of(done.lines, "J").endswith(", the mean over 4 start states")
    assert section(done.lines, "policy") == ["→ → → → G", "", "G terminal"]
    assert section(done.lines, "values") == ["-13 -12 -11  -1   0"]


def test_a_model_without_a_layout_is_a_table(mdptools):
    """Seen failing: with actions counted from 1."""
    done = mdptools("solve", "example:small")
    assert section(done.lines, "policy") == [
        "state  best action         V",
        "    0  1            392.2991",
        "    1  0            386.1607",
    ]
    assert "values" not in done.lines


def test_a_long_table_says_how_much_is_left_out(mdptools):
    """Seen failing: with the number of all states for those left out."""
    done = mdptools("solve", "example:chain@n=30", "--gamma", "0.9")
    shown = section(done.lines, "policy")
    assert [line.split()[0] for line in shown[1:21]] == [str(s) for s in range(20)]
    assert shown[21:] == ["", "and 10 more states; --json has them all"]


def test_names_of_states_are_in_the_table(mdptools):
    """Seen failing: without names of states."""
    pytest.importorskip("gymnasium")
    done = mdptools("solve", taxi(), "--gamma", "0.99")
    assert value_of(done.lines, "J").startswith("6.3274")
    shown = section(done.lines, "policy")
    cells = [re.split(r"  +", line.strip()) for line in shown[:6]]
    assert cells[0] == ["state", "name", "best action", "V"]
    assert cells[1] == ["0", "taxi (0,0), passenger R, destination R", "pickup", "18.80000"]
    assert cells[5][2] == "south or east"


def test_a_finite_horizon_shows_the_first_step(mdptools):
    """Seen failing: with the last step for the first; without gamma in the line of the model."""
    pytest.importorskip("gymnasium")
    done = mdptools("solve", FROZEN_LAKE, "--horizon", "limit")
    assert done.lines[0] == "model        gym:FrozenLake-v1: 16 states, 4 actions; horizon 100"
    assert "policy       at the first of 100 steps" in done.lines
    assert section(done.lines, "values")[0] == "0.7442 0.7179 0.6992 0.6895"
    two = mdptools("solve", "example:small", "--horizon", "2", "--gamma", "0.5")
    assert "; horizon 2, gamma 0.5" in two.out
    first = section(two.lines, "policy       at the first of 2 steps")[1]
    assert first.split() == ["0", "1", "11.0"]  # 10 + (-1 + 2 * 1.5) / 2


# JSON


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


@pytest.mark.parametrize(
    ("words", "objective"),
    [
        (["example:small"], {}),
        (["example:line_world"], {}),
        (["example:line_world", "--horizon", "3", "--gamma", "0.5"], {"horizon": 3, "gamma": 0.5}),
    ],
)
def test_json_says_the_same_as_the_library(mdptools, words, objective):
    """Seen failing: with argmax over the states; with pi for optimal_actions; with lower and upper
    exchanged.
    """
    done = mdptools("solve", *words, "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out, parse_constant=refuse)
    mdp = load_model(words[0], **objective)
    solution = solve(mdp)
    assert found["schema"] == 1 and found["reached"] is True and found["floor"] is None
    assert found["model"]["name"] == words[0]
    for key in ("n_states", "n_actions", "objective", "gamma", "horizon"):
        assert found["model"][key] == getattr(mdp, key)
    assert found["model"]["notes"] == [*mdp.notes]
    assert found["J"] == solution.J
    np.testing.assert_array_equal(found["V"], solution.V)
    one_hot = np.eye(mdp.n_actions)[np.array(found["pi"])]
    np.testing.assert_array_equal(one_hot, solution.pi)
    marked = np.zeros_like(solution.optimal_actions)
    for place in np.ndindex(marked.shape[:-1]):
        listed = found["optimal_actions"]
        for i in place:
            listed = listed[i]
        marked[(*place, listed)] = True
    np.testing.assert_array_equal(marked, solution.optimal_actions)
    for key in ("bound", "loss", "residual", "theorem", "kind"):
        assert found["certificate"][key] == getattr(solution.certificate, key)
    for key in ("lower", "upper"):
        np.testing.assert_array_equal(found["certificate"][key], getattr(solution.certificate, key))
    for key in ("method", "reason", "sweeps"):
        assert found[key] == getattr(solution, key)


def test_json_has_no_other_text(mdptools):
    """Seen failing: with the page printed as well."""
    done = mdptools("solve", "example:small", "--json")
    assert done.out.startswith("{\n") and done.out.endswith("\n}\n")
    assert done.out.isascii()


# Errors


def test_a_tolerance_that_cannot_be_proved(mdptools):
    """Seen failing: with the error swallowed; without the line "missed"; with "error.solution holds
    ..." left in.
    """
    done = mdptools("solve", "example:small", "--tol", "1e-30")
    assert done.code == 1
    solution = solve(load_model("example:small"))
    assert value_of(done.lines, "J").startswith("389.22991071")
    missed = value_of(done.lines, "missed")
    assert done.complaint == f"mdptools: {missed}"
    floor = float(re.search(r"no bound below (\S+) for", missed)[1])
    assert 0 < floor <= 1.01 * solution.certificate.bound
    assert "tol = 1e-30" in missed and "error.solution" not in done.out + done.err


def test_json_of_a_tolerance_that_cannot_be_proved(mdptools):
    """Seen failing: with "reached": true; without the floor."""
    done = mdptools("solve", "example:small", "--tol", "1e-30", "--json")
    assert done.code == 1
    found = json.loads(done.out, parse_constant=refuse)
    assert found["reached"] is False
    assert 0 < found["floor"] <= found["certificate"]["bound"] * 1.01
    assert found["message"] == done.complaint.removeprefix("mdptools: ")


def test_a_failure_without_an_answer_prints_no_page(mdptools, monkeypatch):
    """Seen failing: without the question whether there is a Solution."""
    from mdptools import ConvergenceError, planning

    def fail(*_, **__):
        raise ConvergenceError("float64 cannot tell.", floor=np.inf)

    monkeypatch.setattr(planning, "solve", fail)
    done = mdptools("solve", "example:small")
    assert done == (1, "", "mdptools: float64 cannot tell.\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["gym:FrozenLake-v1"], r"gamma is missing: gym:FrozenLake-v1 .* Give --gamma G .*horizon"),
        (["gym:CartPole-v1", "--gamma", "0.9"], r"CartPole-v1 has no table P\[s\]\[a\]"),
        (["gym:FrozenLake-v1", "--gamma", "1.5"], r"gamma is 1.5; it must be a number in \[0, 1\]"),
        (["gym:NoSuchLake-v1", "--gamma", "0.9"], r"knows no environment 'NoSuchLake-v1'"),
        (["example:no_such"], r"there is no problem 'no_such'. There are .*line_world"),
        (["FrozenLake-v1"], r"is no name of a model. A model is named gym:ID"),
        (["example:small", "--method", "magic"], r"method is 'magic'; it must be 'auto' or one of"),
        (["example:small", "--tol", "-1"], r"tol"),
        (["example:small", "--horizon", "limit"], r"^mdptools: --horizon limit is for gym: models"),
        (["example:small", "--gamma", "1"], r"states 0, 1: .*gamma < 1, --horizon H or"),
    ],
)
def test_bad_input_is_one_paragraph(mdptools, words, message):
    """Seen failing: with the library's own words where gamma is missing; without `in_flags`;
    without wrapping; with 1 for the code of a ModelError.
    """
    if words[0].startswith("gym:"):
        pytest.importorskip("gymnasium")
    done = mdptools("solve", *words)
    assert (done.code, done.out) == (2, "")
    assert re.search(message, done.complaint)
    assert done.err.startswith("mdptools: ") and "\n\n" not in done.err
    assert max(map(len, done.err.splitlines())) <= 80
    assert "Traceback" not in done.err


def test_options_reach_the_solver(mdptools):
    """Seen failing: with tol not passed on; with method not passed on."""
    words = ["solve", "example:small", "--method", "value_iteration", "--tol", "0.01"]
    done = mdptools(*words, "--gamma", "0.9", "--json")
    found = json.loads(done.out)
    assert (found["method"], found["reason"]) == ("value_iteration", "the caller asked for it")
    assert found["model"]["gamma"] == 0.9
    assert 1e-4 < found["certificate"]["bound"] <= 0.01


def test_average_reward_has_a_gain(mdptools):
    """Seen failing: with the flag not passed on; with "value" for "gain"."""
    done = mdptools("solve", "example:chain@n=4", "--average")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].endswith("average reward")
    assert value_of(done.lines, "J").startswith("1, within")
    assert "each gain is within" in value_of(done.lines, "certificate")
    assert "policy evaluated" in value_of(done.lines, "work")
    result = json.loads(mdptools("solve", "example:chain@n=4", "--average", "--json").out)
    assert result["gain"] == pytest.approx([1] * 4) and result["model"]["objective"] == "average"


# Ctrl-C


@pytest.fixture
def interrupted_at(monkeypatch):
    """Ctrl-C falls into the n-th backup of value iteration."""

    def prepare(n):
        calls = []

        def interrupt(mdp, V):
            calls.append(V)
            if len(calls) == n:
                raise KeyboardInterrupt
            return bellman.backup(mdp, V)

        monkeypatch.setattr("mdptools.planning._sweeps.backup", interrupt)
        return ["solve", "example:small", "--gamma", "0.999", "--method", "value_iteration"]

    return prepare


def test_control_c_gives_the_best_answer_so_far(mdptools, interrupted_at):
    """The page with its proof, that it was interrupted, and the code that the help tells of.

    Seen failing: with the code 0; with KeyboardInterrupt let through (no page).
    """
    done = mdptools(*interrupted_at(4), "--tol", "1e-6")
    assert (done.code, done.err) == (130, "mdptools: interrupted.\n")
    J, bound = re.fullmatch(r"(\S+), within (\S+), .*", value_of(done.lines, "J")).groups()
    truth = solve(load_model("example:small", gamma=0.999)).J
    assert abs(float(J) - truth) <= float(bound) and float(bound) > 1e-6
    assert value_of(done.lines, "missed") == (
        "stopped by Ctrl-C after 3 sweeps; the bound is still above tol = 1e-06"
    )
    assert "stopped by Ctrl-C after 3 sweeps" in value_of(done.lines, "method")
    assert "exit code is 130" in mdptools("solve", "--help").out


def test_json_of_an_interrupted_solve(mdptools, interrupted_at):
    """Before the first sweep nobody has said what the tolerance is.

    Seen failing: with "reached" true.
    """
    done = mdptools(*interrupted_at(1), "--json")
    result = json.loads(done.out)
    assert done.code == 130 and result["reached"] is False and result["sweeps"] == 0
    assert result["message"] == ("stopped by Ctrl-C after 0 sweeps; the bound is still above tol")


def test_control_c_that_comes_too_late_is_no_failure(mdptools, interrupted_at):
    """The bound is small enough when Ctrl-C falls into the last backup of all.

    Seen failing: with 130 whatever the bound.
    """
    done = mdptools(*interrupted_at(2), "--tol", "1e5")
    assert (done.code, done.err) == (0, "")
    done = mdptools(*interrupted_at(1), "--tol", "1e5")
    assert (done.code, done.err) == (0, "") and "missed" not in done.out
    assert "stopped by Ctrl-C after 0 sweeps" in value_of(done.lines, "method")
