"""Exit codes, errors, help: what is the same for every command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mdptools as package
from mdptools.cli import _app, _options, main


def python(code: str, **keywords) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", code]
    return subprocess.run(words, capture_output=True, text=True, check=False, **keywords)


def test_the_version_is_the_packages(mdptools):
    """Seen failing: with the name left out of the line."""
    assert mdptools("--version") == (0, f"mdptools {package.__version__}\n", "")


def test_help_fits_in_80_columns_and_shows_exit_codes(mdptools):
    """Seen failing: without the epilog."""
    done = mdptools("--help")
    assert done.code == 0 and done.err == ""
    assert max(map(len, done.lines)) <= 80
    for text in ("mdptools verify gym:FrozenLake-v1 --gamma 0.99", "Exit codes: 0 done", "solve"):
        assert text in done.out


@pytest.mark.parametrize(
    "command", [entry.callback.__name__ for entry in _app.app.registered_commands]
)
def test_every_command_helps_with_an_example(mdptools, command):
    """Seen failing: without the example in the docstring of `solve`."""
    done = mdptools(command, "--help")
    assert done.code == 0
    assert f"Example: mdptools {command} " in done.out
    for option in ("--json", "--debug"):
        assert option in done.out


def test_unknown_commands_and_options_are_bad_input(mdptools):
    """Seen failing: with 1 for the code of a usage error."""
    for words in (["slove"], ["solve"], ["solve", "example:small", "--gamma", "x"], []):
        done = mdptools(*words)
        assert done.code == 2, words
        assert "Traceback" not in done.err


def test_python_dash_m_runs_it_and_gives_the_exit_code():
    """Seen failing: without sys.exit in __main__."""
    words = [sys.executable, "-m", "mdptools", "solve", "nothing"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("mdptools: 'nothing' is no name of a model.")


@pytest.mark.parametrize("library", ["typer", "rich"])
def test_a_missing_library_is_named_with_its_extra(library):
    """Seen failing: with `rich` left out of the libraries that may be missing."""
    done = python(
        f"import sys; sys.modules[{library!r}] = None\n"
        f"from mdptools.cli import main\n"
        f"raise SystemExit(main(['solve', 'example:small']))"
    )
    assert done.returncode == 2
    assert done.stderr == (
        f"mdptools: {library} is not installed; it comes with: pip install 'mdptools[cli]'\n"
    )


def test_help_loads_no_numpy():
    """Of any command.

    Seen failing: with `import numpy` at the top of _solve.py.
    """
    done = python(
        "import sys; from mdptools.cli import _app, main\n"
        "for entry in _app.app.registered_commands: main([entry.callback.__name__, '--help'])\n"
        "raise SystemExit('numpy' in sys.modules)"
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("error", "code"), [(KeyError("lost"), 3), (package.ModelError("P[0, 0] is wrong."), 2)]
)
def test_a_traceback_is_shown_under_debug_only(mdptools, monkeypatch, error, code):
    """Seen failing: with the traceback printed always, and never."""

    def fail(*_):
        raise error

    monkeypatch.setattr("mdptools.cli._solve.load", fail)
    quiet = mdptools("solve", "example:small")
    assert (quiet.code, quiet.out) == (code, "")
    assert "Traceback" not in quiet.err and "\n  File" not in quiet.err
    assert str(error) in quiet.complaint
    loud = mdptools("solve", "example:small", "--debug")
    assert (loud.code, loud.out) == (code, "")
    assert loud.err.startswith("Traceback (most recent call last):") and "in fail" in loud.err
    assert loud.err.endswith(quiet.err)


def test_an_unforeseen_error_is_neither_a_wrong_input_nor_a_wrong_claim(mdptools, monkeypatch):
    """Seen failing: with 1 for the code of any other error."""
    monkeypatch.setattr("mdptools.cli._solve.load", lambda *_: 1 / 0)
    done = mdptools("solve", "example:small")
    assert done.code == 3
    assert done.complaint == (
        "mdptools: ZeroDivisionError: division by zero. This was not foreseen; --debug shows "
        "where it happened."
    )


def test_control_c_ends_in_one_line(mdptools, monkeypatch):
    """Seen failing: without the line; with KeyboardInterrupt let through (pytest itself stops)."""

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("mdptools.cli._solve.load", interrupt)
    assert mdptools("solve", "example:small") == (130, "", "mdptools: interrupted.\n")
    monkeypatch.setattr(_app, "run", interrupt)  # before or after the command itself
    assert mdptools("solve", "example:small") == (130, "", "mdptools: interrupted.\n")


def test_nobody_reads_the_pipe():
    """Seen failing: without the except in `write_plain` (the code is 1 then)."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mdptools", "solve", "example:small"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()  # long before Python has started
    complaint = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), complaint) == (141, b"")


def test_words_come_from_the_shell_if_none_are_given(monkeypatch, capsys):
    """Seen failing: with [] for sys.argv[1:]."""
    monkeypatch.setattr(sys, "argv", ["mdptools", "--version"])
    assert main() == 0
    assert capsys.readouterr().out == f"mdptools {package.__version__}\n"


@pytest.mark.parametrize(
    ("word", "steps"), [(None, None), ("limit", "limit"), ("3", 3), ("-3", -3)]
)
def test_a_horizon_is_a_number_or_the_limit(word, steps):
    """Seen failing: with the word itself returned."""
    found = _options._steps(word)
    assert found == steps and type(found) is type(steps)


@pytest.mark.parametrize("word", ["1.5", "", "Limit", "ten"])
def test_a_horizon_that_is_neither_is_refused(word):
    """Seen failing: with float for int."""
    message = f"--horizon is '{word}'; it must be a number of actions, or limit"
    with pytest.raises(package.ModelError, match=message):
        _options._steps(word)


def test_a_file_of_this_directory_is_found(tmp_path):
    """After what is installed: a file `json.py` here takes nobody's place.

    Seen failing: without this directory on the path; with it at the front.
    """
    text = "from mdptools.problems import small\n\n\ndef model():\n    return small(gamma=0.9)\n"
    (tmp_path / "mine.py").write_text(text, "utf-8")
    (tmp_path / "json.py").write_text("raise SystemExit(9)", "utf-8")
    where = Path(package.__file__).parents[1]
    command = f"import sys; sys.path.insert(0, {str(where)!r})\n"
    command += "from mdptools.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-I", "-c", command, "solve", "py:mine:model", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"command": "solve"' in done.stdout
