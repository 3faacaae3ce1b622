"""The plugin: what a run has risked, on all workers; nothing where nothing was checked."""

import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import mdptools
from mdptools.testing import plugin
from mdptools.verify._ledger import KEPT, Ledger, Spent

PACKAGE = Path(mdptools.__file__).parents[1]

CHECKS = """
from mdptools.estimators import gpomdp
from mdptools.testing.assertions import assert_unbiased

def estimate(lab, gamma):
    return lambda batch: gpomdp(batch, *lab.policy, gamma)

def test_exact(mdptools_discriminating):
    lab = mdptools_discriminating
    assert_unbiased(estimate(lab, lab.mdp.gamma), lab.mdp, lab.policy)

def test_sampled(mdptools_discriminating):
    lab = mdptools_discriminating
    right = estimate(lab, lab.mdp.gamma)
    assert_unbiased(right, lab.mdp, lab.policy, route="sequential", alpha=1e-4)

def test_wrong(mdptools_discriminating):
    lab = mdptools_discriminating
    assert_unbiased(estimate(lab, 1.0), lab.mdp, lab.policy)
"""

FOREIGN = """
import sys

def test_nothing():
    assert "numpy" not in sys.modules
    print("loaded:", *sorted(name for name in sys.modules if name.startswith("mdptools")))
"""


def run(folder, text, *arguments):
    (folder / "test_it.py").write_text(text)
    plugins = ["-p", "mdptools.testing.plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *plugins, *arguments, "test_it.py"],
        cwd=folder,
        env={"PYTHONPATH": str(PACKAGE), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_run_that_checks_nothing_loads_nothing_and_says_nothing(tmp_path):
    """Seen failing: with `from .models import lab` at the top of the plugin; a section always."""
    code, text = run(tmp_path, FOREIGN, "-s")
    assert code == 0
    assert "loaded: mdptools mdptools.testing mdptools.testing.plugin\n" in text
    assert "= mdptools =" not in text


@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n2"]])
def test_the_account_of_a_run(tmp_path, workers):
    """Three models, three tests; the sum is over the workers.

    Seen failing: the account kept on each worker; alpha of exact verdicts counted.
    """
    code, text = run(tmp_path, CHECKS, *workers)
    assert code == 1
    section = text.partition("= mdptools =")[2]
    assert "\n9 verdicts: 6 exact, 3 from samples\n" in section
    assert "to expect in this run: at most 0.0003 false alarms, and at most" in section
    for seed in range(3):
        assert f"\nbiased: test_it.py::test_wrong[seed{seed}]: the mean of a row is not " in section
    assert "test_sampled[" not in section.partition("short test summary")[0]


def test_every_verdict_with_v(tmp_path):
    """Seen failing: with those of failed tests alone."""
    _, text = run(tmp_path, CHECKS, "-v")
    section = text.partition("= mdptools =")[2]
    assert (
        "\nunbiased: test_it.py::test_exact[seed2]: the mean of a row is the policy gr" in section
    )
    assert "\nunbiased within tol: test_it.py::test_sampled[seed0]: " in section


@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n2"]])
def test_a_cap_on_the_run(tmp_path, workers):
    """Seen failing: a cap for each worker; the report without the exit code."""
    cap = "--mdptools-max-alpha=2.9e-4"
    found, text = run(tmp_path, CHECKS, "-q", "-k", "sampled", cap, *workers)
    assert found == 1
    assert "mdptools_max_alpha: 0.0003 is more than 0.00029: give checks a smaller alpha=" in text


def test_the_cap_in_the_configuration(tmp_path):
    """The command line has the last word.

    Seen failing: the command line read alone; a run that keeps within the cap failed.
    """
    (tmp_path / "pytest.ini").write_text("[pytest]\nmdptools_max_alpha = 1e-5\n")
    code, text = run(tmp_path, CHECKS, "-k", "sampled and seed0")
    assert code == 1 and "0.0001 is more than 1e-05" in text
    code, text = run(tmp_path, CHECKS, "-k", "sampled and seed0", "--mdptools-max-alpha=1e-3")
    assert code == 0 and "is more than" not in text


class Config:
    def __init__(self, given, said):
        self.given, self.said = given, said

    def getoption(self, name):
        return self.given

    def getini(self, name):
        return self.said


@pytest.mark.parametrize("bad", ["-1", "few", "nan"])
def test_a_cap_that_is_none(bad):
    """Seen failing: a negative number accepted."""
    for config in (Config(bad, ""), Config(None, bad)):
        with pytest.raises(pytest.UsageError, match=f"mdptools_max_alpha is '{bad}'; it must be a"):
            plugin._cap(config)
    assert plugin._cap(Config(None, "")) is None
    assert plugin._cap(Config("0", "1e-3")) == 0.0


def test_degenerate_models_one_by_one(tmp_path):
    """Seen failing: all of them in one test."""
    text = "def test_it(mdptools_degenerate):\n    assert mdptools_degenerate.n_states > 0\n"
    code, out = run(tmp_path, text, "-v")
    assert code == 0
    assert "test_it[starts_where_it_ends] PASSED" in out and "24 passed" in out


def test_what_is_spent_outside_of_tests_is_counted(tmp_path):
    """Seen failing: without the last `take`."""
    (tmp_path / "conftest.py").write_text(
        "import pytest\n"
        "from mdptools import MDP, check_estimator\n"
        "@pytest.hookimpl(tryfirst=True)\n"
        "def pytest_sessionfinish():\n"
        "    coin = MDP([[[1.0]]], [[1.0]], gamma=0.5, horizon=2)\n"
        "    check_estimator(lambda b: b.r[:, 0], coin, [[1.0]], target=1.0, route='sequential')\n"
    )
    code, out = run(tmp_path, "def test_nothing(): pass\n", "-v")
    assert code == 0
    assert "1 verdict: 0 exact, 1 from samples" in out
    assert ": outside of tests: " in out


def test_pytest_finds_it():
    """Seen failing: with the entry point misspelt."""
    written = Path(__file__).parents[2] / "pyproject.toml"
    project = tomllib.loads(written.read_text("utf-8"))["project"]
    name = project["entry-points"]["pytest11"]["mdptools"]
    assert import_module(name) is plugin


# --- the ledger -----------------------------------------------------------------------------------


class Said:
    outcome, claim = "biased", "it is not"

    def __init__(self, alpha, beta):
        self.alpha, self.beta = alpha, beta


def test_the_ledger_adds_up_and_starts_anew():
    """Seen failing: exact verdicts among the samples; the sums kept after they were taken."""
    ledger = Ledger()
    for verdict in (Said(1e-6, 1e-3), Said(None, None), Said(2e-6, 1e-3)):
        assert ledger.note(verdict) is verdict
    spent = ledger.take()
    assert (spent.checks, spent.samples, spent.beta) == (3, 2, 2e-3)
    assert spent.alpha == pytest.approx(3e-6)
    assert ledger.take() == Spent()


def test_the_ledger_does_not_grow_for_ever():
    """All are counted, a thousand are remembered in words.

    Seen failing: without the slice.
    """
    ledger = Ledger()
    for _ in range(KEPT + 10):
        ledger.note(Said(1e-9, 1e-9))
    spent = ledger.take()
    assert spent.checks == KEPT + 10 and len(spent.said) == KEPT
