"""Strips over the discount: which action is optimal where."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")

import pictures
from mdptools import MDP, ModelError, discount_sensitivity, plots, problems, solve
from mdptools.plots import _style
from mdptools.problems import garnet
from pictures import plt

HERE = Path(__file__).parent / "pictures"
MODEL = garnet(8, 3, 2, gamma=0.9, rng=4)
FOUND = discount_sensitivity(MODEL)


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def late(reward):
    """Take 1 for ever, or wait a step for a little more for ever: best close to 1."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = P[2, :, 2] = 1
    return MDP(P, [[1.0, 0.0], [reward, reward], [0.0, 0.0]], gamma=0.9)


def bars(ax):
    """(row, from, to, colour, hatch) of each strip that is drawn."""
    found = []
    for patch in ax.patches:
        box = patch.get_bbox()
        found.append((box.y0, box.y1, box.x0, box.x1, patch.get_facecolor(), patch.get_hatch()))
    return found


def at(ax, row, gamma):
    """Colours of the strips of a row at a discount, from above."""
    some = [bar for bar in bars(ax) if round((bar[0] + bar[1]) / 2) == row]
    return [bar[4] for bar in sorted(some) if bar[2] < gamma < bar[3]]


def legend(ax):
    """Colours by name."""
    shown = ax.get_legend()
    labels = [text.get_text() for text in shown.get_texts()]
    return {
        label: one.get_facecolor()
        for one, label in zip(shown.legend_handles, labels, strict=True)
        if hasattr(one, "get_facecolor")
    }


@pytest.mark.parametrize("gamma", [0.1, 0.5, 0.74, 0.79, 0.8, 0.9, 0.97])
def test_strips_have_the_colour_of_the_optimal_action(gamma):
    """By solving at that discount.

    Seen failing: with the policies of the interval before; with the states from below.
    """
    ax = plots.discounts(FOUND, mdp=MODEL)
    inks = legend(ax)
    pi = solve(MODEL.with_objective(gamma=gamma)).pi
    for s in range(8):
        assert at(ax, s, gamma) == [inks[str(pi[s].argmax())]]
    assert ax.yaxis_inverted()


def test_strips_change_colour_only_where_the_action_does():
    """Seven of eight strips are never cut in two where theirs does not change.

    Seen failing: with a strip for each interval.
    """
    assert len(FOUND.breakpoints) == 2
    ax = plots.discounts(FOUND)
    assert len(bars(ax)) == 8 + 2
    cut = {bar[2] for bar in bars(ax)} - {0.0}
    assert cut == set(FOUND.breakpoints.tolist())


def test_breakpoints_are_marked_and_written():
    """Seen failing: without the lines; with numbers that are cut after two digits."""
    ax = plots.discounts(FOUND)
    assert [set(line.get_xdata()) for line in ax.lines] == [{point} for point in FOUND.breakpoints]
    written = [text for text in ax.texts if isinstance(text.xycoords, tuple)]
    assert [text.get_text() for text in written] == [f"{point:.3f}" for point in FOUND.breakpoints]
    assert [text.xy[0] for text in written] == FOUND.breakpoints.tolist()
    ax.figure.canvas.draw()
    first, second = (text.get_window_extent() for text in written)
    assert not first.overlaps(second)
    assert ax.get_xlabel() == r"discount $\gamma$" and ax.get_xlim() == (0.0, 1.0)


def test_ties_are_divided_and_hatched():
    """Seen failing: with the first of the tied actions for all; without the hatch."""
    mdp = problems.discount_mismatch(3)
    found = discount_sensitivity(mdp)
    ax = plots.discounts(found, mdp=mdp)
    inks = legend(ax)
    assert at(ax, 0, 0.1) == [inks["near"]] and at(ax, 0, 0.9) == [inks["far"]]
    assert at(ax, 1, 0.5) == [inks["near"], inks["far"]]
    hatched = {round((bar[0] + bar[1]) / 2) for bar in bars(ax) if bar[5]}
    assert hatched == {1, 2} and "a tie" in inks
    assert "a tie" not in legend(plots.discounts(FOUND))


def test_a_model_gives_names_its_discount_and_leaves_terminal_states_out():
    """Seen failing: with terminal states; with gamma of the last breakpoint."""
    P = np.zeros((3, 2, 3))
    P[0, 0, 2], P[0, 1, 1], P[1, :, 2], P[2, :, 2] = 1, 1, 1, 1
    mdp = MDP(
        P, [[1.0, 0.0], [2.0, 2.0], [0.0, 0.0]], gamma=0.7,
        state_names=("begin", "middle", "end"), action_names=("now", "later"),
    )  # fmt: skip
    found = discount_sensitivity(mdp)
    ax = plots.discounts(found, mdp=mdp)
    assert [text.get_text() for text in ax.get_yticklabels()] == ["begin", "middle"]
    inside = {text.get_text() for text in ax.texts}
    assert inside == {"now", "later", "0.5"}
    (own,) = [line for line in ax.lines if line.get_label() == r"the model's $\gamma$"]
    assert own.get_xdata() == [0.7]
    plain = plots.discounts(found)
    assert [text.get_text() for text in plain.get_yticklabels()] == ["0", "1", "2"]
    assert not [line for line in plain.lines if "model" in line.get_label()]
    average = plots.discounts(found, mdp=mdp.with_objective(horizon=3))
    assert not [line for line in average.lines if "model" in line.get_label()]


@pytest.mark.parametrize("gap", [1e-3, 1e-7])
def test_breakpoints_close_to_one_stretch_the_axis(gap):
    """1 / (1 - gamma) times the gain is the loss of one step: at gamma = 1 / (1 + gap).

    Seen failing: with a linear axis; with 1 for the end of the stretched one.
    """
    mdp = late(1 + gap)
    found = discount_sensitivity(mdp)
    point = 1 / (1 + gap)
    assert found.breakpoints == pytest.approx([point], abs=1e-15)
    ax = plots.discounts(found, mdp=mdp, ax=pictures.canvas())
    where = ax.transAxes.inverted().transform(ax.transData.transform([(point, 0), (0.9, 0)]))[:, 0]
    assert 0.5 < where[0] < 0.95
    assert where[1] == pytest.approx(where[0] / -np.log10(1 - point), rel=1e-6)
    assert gap / 35 < 1 - ax.get_xlim()[1] < gap / 3
    ticks = [text.get_text() for text in ax.get_xticklabels()]
    assert ticks[0] == "0" and len(set(ticks)) == len(ticks) and "1" not in ticks
    assert all(float(word) < 1 for word in ticks)
    assert point == pytest.approx(float(ax.texts[-1].get_text()), abs=gap / 100)
    pictures.drawn(ax)


def test_names_stand_where_they_fit_and_can_be_read():
    """Black on orange, white on blue; none where a strip is narrow.

    Seen failing: with black everywhere; with names everywhere.
    """
    mdp = problems.recycling_robot(gamma=0.9)
    ax = plots.discounts(discount_sensitivity(mdp), mdp=mdp)
    ink = {text.get_text(): text.get_color() for text in ax.texts}
    assert ink["wait"] == "black" and ink["search"] == "white"
    narrow = plots.discounts(
        discount_sensitivity(mdp), mdp=mdp, ax=plt.subplots(figsize=(1.0, 2.0))[1]
    )
    assert "recharge" not in [text.get_text() for text in narrow.texts]
    assert "recharge" in legend(narrow)


def test_many_breakpoints_are_written_above_each_other():
    """Seen failing: with one row; with labels on one another."""
    best = garnet(9, 3, 2, gamma=0.9, rng=12)
    found = discount_sensitivity(best)
    ax = plots.discounts(found)
    ax.figure.canvas.draw()
    boxes = [text.get_window_extent() for text in ax.texts if isinstance(text.xycoords, tuple)]
    assert len(boxes) >= 8 and len(found.breakpoints) == 9
    for i, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[:i])


def test_breakpoints_that_read_the_same_are_written_once():
    """Rounding of 1/3 tells apart what is one in fractions; and near 0 digits are not zeros.

    Seen failing: with each of the eight written; with 0.000000000000000167.
    """
    from mdptools import from_gymnasium

    pytest.importorskip("gymnasium")
    found = discount_sensitivity(from_gymnasium("FrozenLake-v1", gamma=0.99))
    texts = [text.get_text() for text in plots.discounts(found).texts]
    written = [text for text in texts if text[:1].isdigit() and "." in text]
    assert written[-2:] == ["0.809", "0.9783"]  # before them as many as Gymnasium's rounding makes
    assert len({*written}) == len(written) and all(len(text) <= 7 for text in written)


def test_bad_arguments_are_named():
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=r"sensitivity is 3; it must be what discount_sensitivity"):
        plots.discounts(3)
    with pytest.raises(ModelError, match=r"the model has \(S, A\) = \(3, 2\), and the sensitivity"):
        plots.discounts(FOUND, mdp=late(2.0))
    with pytest.raises(ModelError, match=r"mdp is of type int"):
        plots.discounts(FOUND, mdp=3)


def test_axes_that_are_given_are_used():
    """Seen failing: with axes of its own."""
    ax = plt.subplots()[1]
    assert plots.discounts(FOUND, ax=ax) is ax


def test_the_picture_looks_as_it_did():
    """Seen failing: with two colours exchanged; without the hatch; without a strip."""
    mdp = problems.discount_mismatch(3)
    ax = pictures.silent(plots.discounts(discount_sensitivity(mdp), mdp=mdp, ax=pictures.canvas()))
    stored = pictures.stored(ax, HERE / "discounts.png")
    assert pictures.apart(pictures.drawn(ax), stored) < pictures.NEAR
    other = pictures.silent(plots.discounts(FOUND, ax=pictures.canvas()))
    assert pictures.apart(pictures.drawn(other), stored) > pictures.NEAR
    assert _style.colour(0) != _style.colour(1)
