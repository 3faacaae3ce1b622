"""What holds for every command: its help, its example, its JSON. A new command is a row here."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from mdptools.cli import _app

NAMES = sorted(entry.callback.__name__ for entry in _app.app.registered_commands)

JSON = {
    "convert": "example:small small.tra",
    "counterexample": "py:my_claims:holds --models 5",
    "describe": "example:small",
    "evaluate": "example:small",
    "examples": "riverswim",
    "gradient": "example:small",
    "learn": "example:small --learner q_learning --seeds 2 --steps 5",
    "report": "example:small -o small.html",
    "sensitivity": "example:small",
    "simulate": "example:small --episodes 5 --steps 5",
    "solve": "example:small",
    "study": "example:small --rule vi --steps 5",
    "verify": "example:small --gamma 0.5 --trajectories 100",
}
"""Words of a short run of each command."""

FINDS = {"counterexample": 1}
"""Exit codes of the examples that are not 0: this one finds something."""

CLAIMS = """
def holds(mdp):
    return True

def rewards_bound_values(mdp):
    return False
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to write to, with the user's own file that the examples name."""
    (tmp_path / "my_claims.py").write_text(CLAIMS, "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)


def example_of(help_text: str) -> list[str]:
    """The words of the line that begins with "Example:", which may be wrapped."""
    found = re.search(r"Example: mdptools ((?:.+\n)+?) *\n", help_text)
    assert found, "there is no example"
    return shlex.split(found[1])


def test_there_is_a_row_for_every_command():
    """Seen failing: with a command left out."""
    assert sorted(JSON) == NAMES


@pytest.mark.parametrize("command", NAMES)
def test_help_fits_in_80_columns(mdptools, command):
    """Seen failing: with an option of 120 characters, which is cut off."""
    done = mdptools(command, "--help")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.lines)) <= 80
    assert "\x1b" not in done.out and "…" not in done.out


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", NAMES)
def test_the_example_in_the_help_runs(mdptools, command):
    """As it stands there: 80 columns of plain text.

    Seen failing: with an option in the example that the command does not have.
    """
    words = example_of(mdptools(command, "--help").out)
    assert words[0] == command
    if any(word.startswith("gym:") for word in words):
        pytest.importorskip("gymnasium")
    done = mdptools(*words)
    assert done.code == FINDS.get(command, 0), done.err
    assert done.err == "" and done.out and "\x1b" not in done.out
    assert max(map(len, done.lines)) <= 80


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("command", NAMES)
def test_json_has_a_schema_and_the_name_of_its_command(mdptools, command):
    """One object, and nothing that JSON does not have.

    Seen failing: with "evaluation" for the command of `evaluate`.
    """

    def refuse(token):
        raise AssertionError(f"{token} is not JSON")

    done = mdptools(command, *shlex.split(JSON[command]), "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out, parse_constant=refuse)
    assert (found["schema"], found["command"]) == (1, command)
    assert done.err == ""
