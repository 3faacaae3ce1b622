"""The wealth of a sequential test: lines, alarms, where it began anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import pictures
from mdptools import ModelError, check_estimator, plots
from mdptools.plots import _style
from mdptools.verify import WealthHistory
from pictures import plt

HERE = Path(__file__).parent / "pictures"


def coin(p):
    """A verdict on a coin whose mean should be 1/2."""
    return check_estimator(
        lambda n, rng: (rng.random((n, 1)) < p) * 1.0,
        None,
        None,
        target=[0.5],
        style="sampler",
        route="sequential",
        bounds=(0, 1),
        tol=0.1,
        tol_units="absolute",
    )


OFF, FAIR = coin(0.56), coin(0.5)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def named(ax):
    """Lines by label."""
    return {line.get_label(): line for line in ax.lines}


@pytest.mark.parametrize("verdict", [OFF, FAIR])
def test_the_lines_end_where_the_verdict_stands(verdict):
    """Both tests, look by look.

    Seen failing: with the two tests exchanged; without the last look.
    """
    history = verdict.sample.history
    ax = plots.wealth(verdict)
    against = named(ax)["against the mean being right"]
    assert np.array_equal(against.get_xdata(), history.n)
    assert np.array_equal(against.get_ydata(), history.log_e)
    assert max(against.get_ydata().max(), 0.0) == verdict.log_e
    within = named(ax)["for a mean within the tolerance"]
    assert np.array_equal(within.get_ydata(), history.log_claim)
    crossed = against.get_ydata()[-1] >= np.log(1 / verdict.alpha)
    assert crossed == (verdict.outcome == "biased")
    assert (within.get_ydata()[-1] >= np.log(1 / verdict.beta)) == (
        verdict.outcome == "unbiased within tol"
    )
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("rows", r"evidence $\log E$ [nats]")
    assert ax.get_title(loc="left") == f"{verdict.outcome}, {verdict.n:,} rows, seed 0"


def test_alarm_lines_stand_where_each_test_decides():
    """Seen failing: with alpha for beta; with logarithms to base 10."""
    ax = plots.wealth(OFF)
    alarm = named(ax)[r"“biased” from here on, $\log(1/\alpha)$"]
    assert set(alarm.get_ydata()) == {np.log(1 / OFF.alpha)}
    assert alarm.get_color() == _style.ALARM
    enough = named(ax)[r"“within tol” from here on, $\log(1/\beta)$"]
    assert set(enough.get_ydata()) == {np.log(1 / OFF.beta)}
    assert [text.get_text() for text in ax.texts] == ["6.91", "13.8"]
    low, high = ax.get_ylim()
    assert low < 0 and high > max(OFF.log_e, np.log(1 / OFF.alpha))


def test_looks_are_named_and_evenly_spaced():
    """Seen failing: with ticks at powers of ten."""
    ax = plots.wealth(FAIR)
    assert ax.get_xscale() == "log"
    words = [text.get_text() for text in ax.get_xticklabels()]
    assert words[0] == "250" and len(words) <= 9
    assert {int(word.replace(",", "")) for word in words} <= set(FAIR.sample.history.n.tolist())


def test_a_history_alone_and_where_it_began_anew():
    """Seen failing: without the line; with a title for no verdict."""
    n = np.array([250, 375, 563])
    again = np.array([False, True, False])
    history = WealthHistory(
        n, np.array([0.0, 0.0, 2.0]), np.array([0.0, 0.0, 1.0]), again, 3.0, 2.0
    )
    ax = plots.wealth(history)
    assert set(named(ax)["range made wider, both begun anew"].get_xdata()) == {375}
    assert ax.get_title(loc="left") == ""
    assert "range made wider, both begun anew" not in named(plots.wealth(FAIR))


def test_a_hopeless_claim_does_not_flatten_the_rest():
    """Seen failing: with limits down to the least."""
    history = replace(OFF.sample.history, log_claim=-1e4 * np.arange(len(OFF.sample.history.n)))
    low, high = plots.wealth(history).get_ylim()
    assert -0.7 * high < low < 0


def test_exact_verdicts_and_other_things_are_refused():
    """Seen failing: without each of the checks."""
    exact = check_estimator(
        lambda n, rng: rng.integers(0, 2, (n, 1)) * 1.0, None, None, target=[0.5],
        style="sampler", route="tape",
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"exact \(route 'tape'\): nothing was bet.*'sequential'"):
        plots.wealth(exact)
    with pytest.raises(ModelError, match=r"verdict_or_history is 3; it must be a Verdict or its"):
        plots.wealth(3)


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own."""
    ax = plt.subplots()[1]
    assert plots.wealth(FAIR, ax=ax) is ax


def test_the_picture_looks_as_it_did():
    """Seen failing: without the alarm lines; with one test alone."""
    ax = plots.wealth(FAIR, ax=pictures.canvas())
    stored = pictures.stored(ax, HERE / "wealth.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    other = plots.wealth(OFF, ax=pictures.canvas())
    assert pictures.apart(pictures.drawn(other), stored) > pictures.NEAR
