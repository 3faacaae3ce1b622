"""Estimators side by side: each number in its row, words where there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import pictures
from mdptools import ModelError, Softmax, check_estimator, plots
from mdptools.estimators import gpomdp, reinforce
from mdptools.problems import bandit, line_world
from mdptools.verify import gradient_report
from pictures import plt

HERE = Path(__file__).parent / "pictures"
REPORT = gradient_report(line_world(gamma=0.9), [[0.5, 0.5]] * 5, n=500)
MODEL = bandit([1.0, 0.0]).with_objective(horizon=2)
POLICY = Softmax(MODEL), np.array([[0.3, 0.0]])


def verdict(factor, **more):
    """On reward-to-go times a factor."""
    return check_estimator(
        lambda batch: factor * gpomdp(batch, *POLICY, 1.0), MODEL, POLICY, **more
    )


PAIRS = [
    ("right", verdict(1.0)),
    ("wrong", verdict(1.1)),
    ("right, sampled", verdict(1.0, route="sequential")),
    ("wrong, sampled", verdict(1.1, route="sequential")),
    ("few rows", verdict(1.0, route="sequential", max_samples=300, control_variates=False)),
]


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def points(ax, label):
    """The numbers of a series by row, without nan."""
    (line,) = [line for line in ax.lines if line.get_label() == label]
    x, y = line.get_xdata(), line.get_ydata()
    return {int(row): float(size) for size, row in zip(x, y, strict=True) if np.isfinite(size)}


def words(ax):
    """What is written in each row."""
    return {int(text.xy[1]): text.get_text() for text in ax.texts}


def test_each_row_of_a_report():
    """Bias, standard deviation, the error of the sample; the names in order from above.

    Seen failing: with relative for absolute biases; with variances; with errors in standard errors;
    with round-off drawn as a bias; with the rows from below.
    """
    ax = plots.estimators(REPORT)
    assert ax.get_xscale() == "log" and ax.yaxis_inverted()
    names = [text.get_text() for text in ax.get_yticklabels()]
    assert names == [row.name.replace("gamma^t", r"$\gamma^t$") for row in REPORT.rows]
    for i, row in enumerate(REPORT.rows):
        assert points(ax, "standard deviation of one row")[i] == row.deviation
        error = row.sampled * row.deviation / np.sqrt(REPORT.n)
        assert points(ax, "error of the sample mean")[i] == pytest.approx(error)
        if row.outcome == "unbiased":
            assert words(ax)[i] == "unbiased" and i not in points(ax, "|bias|")
        else:
            assert points(ax, "|bias|")[i] == row.bias and i not in words(ax)
    assert set(words(ax).values()) == {"unbiased"} and len(points(ax, "|bias|")) == 2
    (norm,) = [line for line in ax.lines if line.get_label() == "|gradient|"]
    assert set(norm.get_xdata()) == {REPORT.norm}
    assert ax.get_title(loc="left") == "sample: 500 trajectories"
    assert ax.get_xlabel() == "Euclidean norm [units of the gradient]"


def test_the_words_have_room():
    """The longest word ends left of every mark in its row.

    Seen failing: with limits at the smallest number.
    """
    for found in (REPORT, PAIRS):
        ax = plots.estimators(found)
        ax.figure.canvas.draw()
        for text in ax.texts:
            end = text.get_window_extent().x1
            for line in ax.lines:
                for x, y in line.get_xydata():
                    if np.isfinite(x) and y == text.xy[1]:
                        assert ax.transData.transform((x, y))[0] > end


def test_what_was_not_sampled_and_what_is_infinite():
    """Seen failing: with nan in a series; without the arrow."""
    rows = [replace(row, sampled=None) for row in REPORT.rows]
    rows[0] = replace(rows[0], deviation=np.inf)
    ax = plots.estimators(replace(REPORT, rows=tuple(rows)))
    assert "error of the sample mean" not in [line.get_label() for line in ax.lines]
    assert 0 not in points(ax, "standard deviation of one row")
    assert [text.get_text() for text in ax.texts if text.xy[1] == 0] == ["unbiased", "infinite →"]


def test_verdicts_exact_and_sampled():
    """Seen failing: with the estimated bias of a right one for a bias; with one coordinate for the
    norm; with what is open called biased.
    """
    ax = plots.estimators(PAIRS)
    found = [one for _, one in PAIRS]
    assert [one.outcome for one in found] == [
        "unbiased", "biased", "unbiased within tol", "biased", "inconclusive",
    ]  # fmt: skip
    assert words(ax) == {0: "unbiased", 2: "unbiased within tol", 4: "inconclusive"}
    norm = np.linalg.norm
    assert points(ax, "|bias|") == {1: pytest.approx(norm(found[1].bias))}
    assert points(ax, "|bias|, estimated") == {3: pytest.approx(norm(found[3].bias))}
    assert points(ax, "|bias| is less") == {2: pytest.approx(norm(found[2].sample.certified))}
    errors = {i: pytest.approx(norm(found[i].bias)) for i in (2, 4)}
    assert points(ax, "error of the sample mean") == errors
    for i, one in enumerate(found):
        assert points(ax, "standard deviation of one row")[i] == one.deviation
    (target,) = [line for line in ax.lines if line.get_label() == "|target|"]
    assert set(target.get_xdata()) == {norm(found[0].target)}
    assert [text.get_text() for text in ax.get_yticklabels()] == [name for name, _ in PAIRS]


def test_a_dict_of_verdicts_and_several_targets():
    """Without one target there is no line at its norm.

    Seen failing: with the norm of the first.
    """
    other = check_estimator(
        lambda batch: reinforce(batch, *POLICY, 1.0), MODEL, POLICY, target=np.ones((1, 2))
    )
    ax = plots.estimators({"a": PAIRS[0][1], "b": other})
    assert "|target|" not in [line.get_label() for line in ax.lines]
    assert words(ax) == {0: "unbiased"}


def test_rows_that_never_vary_are_drawn():
    """Neither a bias nor a standard deviation: nothing but a word.

    Seen failing: with limits of no numbers.
    """
    still = check_estimator(
        lambda batch: np.zeros((len(batch.a), 1, 2)), MODEL, POLICY, target=np.zeros((1, 2))
    )
    ax = plots.estimators([("still", still)], ax=pictures.canvas())
    assert words(ax) == {0: "unbiased"} and not ax.get_legend()
    pictures.drawn(ax)


def test_bad_arguments_are_named():
    """Seen failing: without each of the checks."""
    for wrong in ([], 3, [PAIRS[0][1]], [(1, PAIRS[0][1])], {"a": 3}, {}):
        with pytest.raises(
            ModelError, match=r"report is of type \w+; it must be what gradient_report ret"
        ):
            plots.estimators(wrong)


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own."""
    ax = plt.subplots()[1]
    assert plots.estimators(PAIRS, ax=ax) is ax


def test_the_picture_looks_as_it_did():
    """Seen failing: without the biases; without the standard deviations; upside down."""
    ax = pictures.silent(plots.estimators(REPORT, ax=pictures.canvas()))
    stored = pictures.stored(ax, HERE / "estimators.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    turned = replace(REPORT, rows=REPORT.rows[::-1])
    other = pictures.silent(plots.estimators(turned, ax=pictures.canvas()))
    assert pictures.apart(pictures.drawn(other), stored) > pictures.NEAR
