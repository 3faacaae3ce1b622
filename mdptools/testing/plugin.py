"""Plugin: what a run of pytest has checked, with which chance of error; fixtures.

Takes     the verdicts given while tests run, on every worker of pytest-xdist.
Gives     a section of pytest's report; a cap on the run's chance of a false alarm; fixtures.
Source    formula: the chance that any verdict is wrong is at most the sum of their chances.
Not here  the verdicts (verify), failing one test (`assertions`).

pytest finds this file by itself where mdptools is installed. It loads NumPy, and the rest of
mdptools, only if a test does: whoever does not use it pays for three small files.
PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .models import Lab

__all__ = ["mdptools_degenerate", "mdptools_discriminating"]

CAP = "mdptools_max_alpha"
_FIELDS = ("checks", "samples", "alpha", "beta")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--mdptools-max-alpha``, on the command line or in the configuration."""
    words = (
        "fail the run if the error rates (alpha) of all verdicts that rest on samples sum to more "
        "than this"
    )
    group = parser.getgroup("mdptools", "exact and statistical verdicts on estimators")
    group.addoption("--mdptools-max-alpha", dest=CAP, metavar="CAP", default=None, help=words)
    parser.addini(CAP, words, default="")


def pytest_configure(config: pytest.Config) -> None:
    """Keep the account, on the controller of several workers only."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(Account(_cap(config)), "mdptools-account")


def _cap(config: pytest.Config) -> float | None:
    """The cap, as the command line has it, or else the configuration."""
    given = config.getoption(CAP)
    said = config.getini(CAP) if given is None else given
    if said == "":
        return None
    try:
        cap = float(said)
    except ValueError:
        cap = -1.0
    if not cap >= 0:
        raise pytest.UsageError(f"{CAP} is {said!r}; it must be a number >= 0, such as 1e-4.")
    return cap


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note on a test's report what was spent in it: reports travel from workers."""
    report = yield
    spent = _taken()
    if spent is not None:
        report.__dict__["mdptools"] = spent  # whatever is there travels from a worker
    return report


def _taken() -> dict[str, Any] | None:
    """What was spent in this process since the last time; None if nothing was."""
    ledger = getattr(sys.modules.get("mdptools.verify"), "LEDGER", None)
    spent = None if ledger is None else ledger.take()
    if spent is None or not spent.checks:
        return None
    found: dict[str, Any] = {name: getattr(spent, name) for name in _FIELDS}
    return found | {"said": [list(one) for one in spent.said]}


class Account:
    """What the whole run has spent."""

    def __init__(self, cap: float | None) -> None:
        self.cap = cap
        self.sums = dict.fromkeys(_FIELDS, 0.0)
        self.said: list[tuple[str, str, str, bool]] = []  # test, outcome, claim, whether it failed

    @property
    def over(self) -> bool:
        """Whether more was spent than is allowed."""
        return self.cap is not None and self.sums["alpha"] > self.cap

    def add(self, test: str, spent: dict[str, Any], *, failed: bool) -> None:
        """What one phase of one test has spent."""
        for name in _FIELDS:
            self.sums[name] += spent[name]
        self.said += [(test, outcome, claim, failed) for outcome, claim in spent["said"]]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A test's report, from this process or a worker."""
        spent = getattr(report, "mdptools", None)
        if spent is not None:
            self.add(report.nodeid, spent, failed=report.failed)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """What was spent outside of tests; the run fails if it was too much."""
        spent = _taken()
        if spent is not None:
            self.add("outside of tests", spent, failed=False)
        if self.over and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(
        self, terminalreporter: pytest.TerminalReporter, config: pytest.Config
    ) -> None:
        """The section; none where nothing was checked."""
        verbosity = config.get_verbosity()
        if not self.sums["checks"] or (verbosity < 0 and not self.over):
            return
        terminalreporter.section("mdptools")
        for line in self.lines(every=verbosity > 0):
            terminalreporter.line(line)
        if self.over:
            terminalreporter.line(
                f"{CAP}: {self.sums['alpha']:.3g} is more than {self.cap:.3g}: give checks a "
                f"smaller alpha=, or fewer of them a sample",
                red=True,
            )

    def lines(self, *, every: bool) -> list[str]:
        """The account in words; the verdicts of tests that failed, or every one."""
        sums = self.sums
        exact = sums["checks"] - sums["samples"]
        noun = "verdict" if sums["checks"] == 1 else "verdicts"
        lines = [f"{sums['checks']:.0f} {noun}: {exact:.0f} exact"]
        if sums["samples"]:
            lines[0] += f", {sums['samples']:.0f} from samples"
            lines.append(
                f"to expect in this run: at most {sums['alpha']:.2g} false alarms, and at most "
                f"{sums['beta']:.2g} times a false 'unbiased within tol'"
            )
        shown = Counter(
            (outcome, test, claim)
            for test, outcome, claim, failed in self.said
            if every or (failed and outcome in ("biased", "inconclusive"))
        )
        for (outcome, test, claim), times in shown.items():
            often = f" ({times} times)" if times > 1 else ""
            lines.append(f"{outcome}: {test}: {claim}{often}")
        return lines


@pytest.fixture(params=range(3), ids="seed{}".format)
def mdptools_discriminating(request: pytest.FixtureRequest) -> Lab:
    """Models that hide no common mistake (mdptools.testing.models.lab), three of them.

    A test that asks for it runs on each: ``mdp``, ``family``, ``theta``, ``policy`` (both), ``pi``,
    a ``behaviour`` policy and a wrong ``critic``.
    """
    from .models import lab

    return lab(request.param)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give the degenerate models to the tests that ask for them, and load them for no other."""
    if "mdptools_degenerate" in metafunc.fixturenames:
        from .models import degenerate_mdps

        models = degenerate_mdps()
        given = [*models.values()]
        metafunc.parametrize("mdptools_degenerate", given, indirect=True, ids=[*models])


@pytest.fixture
def mdptools_degenerate(request: pytest.FixtureRequest) -> Any:
    """Models at the edge of what is a model (mdptools.testing.models.degenerate_mdps), each."""
    return request.param
