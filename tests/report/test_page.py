"""The page about a model or a verification: what stands on it, and what cannot get onto it."""

from __future__ import annotations

import dataclasses
import itertools
import re
import sys

import numpy as np
import pytest

from documents import Document
from mdptools import (
    MDP,
    ConvergenceError,
    ModelError,
    evaluate,
    plots,
    problems,
    report,
    solve,
    verify,
)
from mdptools.policies import uniform_policy

ATTACK = """<img src="https://example.org/x.png" onerror=alert(1)><script>alert(2)</script>"""


def page(mdp, **keywords):
    """A page without pictures, as text and read."""
    text = report.page(mdp, **{"pictures": False, **keywords})
    return text, Document(text)


def row(document, name):
    """What stands beside a name in a table."""
    return document.cells[document.cells.index(name) + 1]


def sections(document):
    return [attributes["id"] for attributes in document.all("section")]


@pytest.fixture(scope="module")
def line():
    return problems.line_world()


@pytest.fixture(scope="module")
def drawn(line):
    """Its page with pictures."""
    pytest.importorskip("matplotlib")
    return report.page(line, title="A line")


@pytest.fixture(scope="module")
def verified(line):
    mdp = line.with_objective(gamma=0.9, horizon=4)
    return mdp, verify.gradient_report(mdp, uniform_policy(mdp), n=200)


# What stands on it


def test_a_page_says_what_the_model_is_and_what_is_optimal(line):
    """Seen failing: with the bound left out of J; with actions by number; without `describe`."""
    text, found = page(line, title="A line")
    assert found.all("html") == [{"lang": "en"}]
    assert "<title>A line</title>" in text and "<h1>A line</h1>" in text
    assert sections(found) == [
        "model",
        "structure",
        "optimum",
        "discounts",
        "certificates",
        "made",
    ]
    assert "5 states, 2 actions; total reward, gamma 1" in found.text
    assert "total reward until a terminal state: 4 ('5')." in found.text
    solution = solve(line)
    J = row(found, "J")
    assert float(J.split(",")[0]) == pytest.approx(solution.J, abs=1e-12)
    assert ", within " in J and J.endswith(", the mean over 4 start states")
    assert row(found, "certificate").startswith("proved: within ")
    first = found.cells[found.cells.index("optimal actions") + 3 :][:4]
    assert first[:2] == ["0 ('1')", "right"]
    assert float(first[2]) == pytest.approx(solution.V[0], abs=1e-5)
    visits = evaluate(line, solution.pi).visits
    assert float(first[3]) == pytest.approx(visits[0], abs=1e-5)
    assert solution.certificate.theorem in found.text
    assert row(found, "every policy ends") == "no"


def test_every_link_leads_somewhere(verified):
    """Seen failing: with titles for anchors."""
    mdp, made = verified
    _, found = page(mdp, verification=made)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert [link["href"] for link in found.all("a")] == [f"#{anchor}" for anchor in ids]
    assert len(set(ids)) == len(ids)


def test_headings_go_down_one_step_at_a_time(verified):
    """Seen failing: with h4 for the name of an estimator."""
    mdp, made = verified
    verdict = verify.check_estimator(
        lambda batch: np.zeros((batch.n, 5, 2)), mdp, uniform_policy(mdp)
    )
    for verification in (made, verdict):
        _, found = page(mdp, verification=verification)
        levels = [int(name[1]) for name, _ in found.elements if re.fullmatch(r"h[1-6]", name)]
        assert levels[0] == 1 and levels.count(1) == 1
        assert all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))


def test_a_finite_horizon_says_when_actions_change():
    """Seen failing: with the last step for the first; with changes counted from 0; without the
    limit on changes."""
    P = np.zeros((2, 2, 2))
    P[0, 0, 0] = P[0, 1, 1] = P[1, :, 1] = 1
    mdp = MDP(P, [[1.0, 0.0], [3.0, 0.0]], horizon=3, terminal=())
    solution = solve(mdp)
    assert solution.pi[:, 0].argmax(axis=1).tolist() == [1, 1, 0]
    _, found = page(mdp)
    assert "Each state at the first of 3 steps" in found.text
    at = [i for i, cell in enumerate(found.cells) if cell == "1; from step 2 on: 0"]
    assert len(at) == 1 and float(found.cells[at[0] + 1]) == solution.V[0, 0]
    assert "discounts" not in sections(found)


def test_an_average_model_shows_gain_and_bias():
    """Seen failing: without the column of gains; with "V" for the bias."""
    _, found = page(problems.riverswim().with_objective(average=True))
    heads = found.cells[found.cells.index("optimal actions") :][:4]
    assert heads == ["optimal actions", "gain", "bias", "share of time"]
    assert "optimal gain J*" in found.text


def test_the_discounts_at_which_the_optimum_changes():
    """Seen failing: with every state repeated in each row; with short intervals shown."""
    _, found = page(problems.discount_mismatch(3))
    assert "changes at 1 discount." in found.text
    at = found.cells.index("0.316228")
    first, second = found.cells[at - 1 : at + 2], found.cells[at + 2 : at + 5]
    assert first[0] == "0" and first[2].startswith("0: ")
    assert second[:2] == ["0.316228", "1"] and second[2] == "now 0: far"


def test_slivers_of_discounts_are_counted():
    """Seen failing: without the line below the table; with the sliver kept, or its actions."""
    third = 1 / 3
    mdp = MDP(
        [[[third, 1 - third], [1 - third, third]], [[0.0, 1.0], [0.0, 1.0]]],
        [[0.0, 1e-9], [1.0, 1.0]],
        gamma=0.9,
    )
    _, found = page(mdp)
    assert "The set of optimal actions changes at 1 discount." in found.text
    first = found.cells.index("to") + 2
    assert found.cells[first : first + 3] == ["0", "1", "0: 0; 1: 0 or 1"]
    assert "1 interval shorter than 1e-06 or like a neighbour left out" in found.text


def test_a_verification_shows_each_estimator(verified):
    """Seen failing: with the sign of what does not hold for each; without the table."""
    mdp, made = verified
    text, found = page(mdp, verification=made, policy="uniform", seed=0)
    assert sections(found)[1] == "estimators"
    assert "\u2713 every row is as theory promises" in found.text
    assert "\u2717" not in text
    for cells in made.cells():
        at = found.cells.index(cells[0])
        assert found.cells[at : at + len(cells)] == cells
    assert row(found, "policy") == "uniform" and row(found, "seed") == "0"
    assert made.gradient.certificate.theorem in found.text


def test_a_sample_that_was_stopped_is_told(verified):
    """Seen failing: without the line."""
    mdp, made = verified
    stopped = dataclasses.replace(made, stopped="stopped by Ctrl-C after 100 of 200 trajectories")
    assert (
        "Not all that was asked for: stopped by Ctrl-C" in page(mdp, verification=stopped)[1].text
    )
    assert "Not all that" not in page(mdp, verification=made)[1].text


def test_what_does_not_hold_is_marked(verified, monkeypatch):
    """Seen failing: with the mark of what holds."""
    mdp, made = verified
    monkeypatch.setattr(verify.GradientReport, "holds", property(lambda _: False))
    _, found = page(mdp, verification=made)
    assert found.text.count("\u2717") == 2  # at a glance, and in the section
    assert "not as promised" in found.text


def test_verdicts_on_estimators_of_ones_own(line):
    """Seen failing: with all verdicts under one name; with the first line twice."""
    mdp = line.with_objective(gamma=0.9, horizon=3)
    wrong = verify.check_estimator(
        lambda batch: np.zeros((batch.n, 5, 2)), mdp, uniform_policy(mdp)
    )
    _, found = page(mdp, verification={"mine <1>": wrong, "again": wrong}, policy="uniform")
    assert "0 of 2 right" in found.text
    assert found.text.count(wrong.claim) == 2
    assert "mine <1>" in found.text
    _, alone = page(mdp, verification=wrong)
    assert "0 of 1 right" in alone.text


def test_a_verdict_from_a_sample_shows_its_evidence():
    """Seen failing: without the picture; with one for an exact verdict."""
    pytest.importorskip("matplotlib")
    mdp = problems.bandit([1.0, 0.0]).with_objective(horizon=1)
    pi = uniform_policy(mdp)
    for route, pictures in (("sequential", 1), ("exact", 0)):
        verdict = verify.check_estimator(
            lambda batch: batch.r.sum(axis=1), mdp, pi, target="J", route=route, tol=0.1
        )
        found = Document(report.page(mdp, verification=verdict))
        alts = [image["alt"] for image in found.all("img")]
        assert sum("evidence of a sequential test" in alt for alt in alts) == pictures
        assert "nothing was bet" not in found.text


def test_how_it_was_made():
    """Seen failing: with a clock looked at; with the call not escaped."""
    call = 'mdptools report "a & b" -o <x>.html'
    _, found = page(problems.small(), call=call, date="2026-11-20", seed=7)
    assert row(found, "call") == call
    assert row(found, "date") == "2026-11-20" and row(found, "seed") == "7"
    assert row(found, "numpy") == np.__version__
    assert row(found, "Python") == ".".join(map(str, sys.version_info[:3]))
    _, without = page(problems.small())
    assert not {"call", "date", "seed"} & set(without.cells)


# What is left out is said


def test_a_large_model_says_what_is_left_out():
    """Seen failing: with all states in the table; without each of the lines."""
    mdp = problems.garnet(300, 4, 3, gamma=0.9, rng=0)
    text = report.page(mdp)
    assert len(text) < 200_000
    found = Document(text)
    for line in (
        "and 200 more states",
        "and 1,100 more pairs",
        "The transition graph is left out: it is drawn for up to 12 states and 40 transitions.",
        "No picture: grids are drawn for up to 600 cells, tables for up to 30 states and 12 act",
        "exact breakpoints are part of a page for up to 12 states that are not terminal",
    ):
        assert line in found.text
    assert not found.all("img")


def test_no_finite_optimum_is_told():
    """Seen failing: with the error let through."""
    mdp = MDP([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 1.0]]], [[1.0, 0.0], [0.0, 0.0]], 1.0)
    _, found = page(mdp)
    assert "There is no finite optimum. " in found.text
    assert "certificates" not in sections(found)


def test_a_missed_tolerance_is_told():
    """Seen failing: with `missed` left out of the page; with the hint to Python's error kept."""
    mdp = problems.small()
    with pytest.raises(ConvergenceError, match=r"reached a bound") as caught:
        solve(mdp, tol=1e-30)
    module = sys.modules["mdptools.report._page"]
    original = module.solve

    def fail(_):
        raise caught.value

    module.solve = fail
    try:
        _, found = page(mdp)
    finally:
        module.solve = original
    assert "Not as exact as was asked. policy_iteration reached a bound of" in found.text
    assert "error.solution" not in found.text
    assert row(found, "J").startswith("389.2299")


def test_a_search_that_was_stopped_is_told(monkeypatch):
    """Seen failing: without a look at the reason."""
    mdp = problems.small()
    half = dataclasses.replace(solve(mdp), reason="the caller asked for it; stopped by Ctrl-C")
    monkeypatch.setattr(sys.modules["mdptools.report._page"], "solve", lambda _: half)
    _, found = page(mdp)
    assert "Not as exact as was asked. The search was stopped by Ctrl-C." in found.text


def test_a_solution_that_is_handed_in_is_the_one_that_is_shown():
    """Seen failing: with `solve` asked all the same."""
    mdp = problems.small()
    _, found = page(mdp, solution=solve(mdp, method="value_iteration"))
    assert row(found, "method").startswith("value_iteration, because")


# What cannot get onto it


def test_nothing_from_outside_becomes_an_element():
    """Seen failing: with Html(title); with Html(note); with Html(call) in `_made`."""
    mdp = MDP(
        [[[0.5, 0.5], [1.0, 0.0]], [[0.0, 1.0], [0.25, 0.75]]],
        [[1.0, 0.0], [0.0, 2.0]],
        gamma=0.5,
        state_names=[ATTACK, "b"],
        action_names=[ATTACK, "c"],
        notes=[ATTACK],
    )
    verdict = verify.check_estimator(
        lambda batch: np.zeros((batch.n, 2, 2)),
        mdp.with_objective(horizon=2),
        uniform_policy(mdp),
    )
    _, found = page(
        mdp,
        title=ATTACK,
        call=ATTACK,
        date=ATTACK,
        policy=ATTACK,
        verification={ATTACK: verdict},
    )
    assert not found.all("script") and not found.all("img")
    assert found.text.count(ATTACK) >= 10
    names = {key for _, attributes in found.elements for key in attributes}
    assert not [key for key in names if key.startswith("on")]


def test_nothing_is_loaded(drawn):
    """Seen failing: with a link to a style sheet; without the policy; with scripts allowed."""
    found = Document(drawn)
    (policy,) = [
        attributes["content"]
        for attributes in found.all("meta")
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy.startswith("default-src 'none'; img-src data:; ") and "script" not in policy
    assert drawn.index("Content-Security-Policy") < drawn.index("<style")
    assert not {"script", "link", "iframe", "object", "embed", "form", "base"} & {
        name for name, _ in found.elements
    }
    assert "url(" not in drawn and "@import" not in drawn
    for image in found.all("img"):
        assert image["src"].startswith("data:image/")
        assert len(image["alt"]) > 20
    assert {"width", "height"} <= set(found.all("img")[0])


def test_the_same_call_gives_the_same_page(verified):
    """Seen failing: with the date of today in the SVG; with names of parts left at random."""
    mdp, made = verified
    first, second = (report.page(mdp, verification=made, title="T") for _ in range(2))
    assert first == second


def test_progress_is_told(line):
    """Seen failing: without a call of `say`."""
    told = []
    report.page(line, pictures=False, progress=told.append)
    assert told[0] == "the optimum" and len(told) >= 4


# Arguments


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"solution": 3}, r"^solution is 3; it must be a Solution"),
        ({"verification": 3}, r"^verification is of type int; it must be a GradientReport, a Ver"),
        ({"verification": {"a": 3}}, r"^verification is of type dict; it must be"),
    ],
)
def test_wrong_arguments(keywords, message):
    """Seen failing: without each of the checks."""
    with pytest.raises(ModelError, match=message):
        report.page(problems.small(), **keywords)
    with pytest.raises(ModelError, match=r"^mdp is of type int; it must be a model"):
        report.page(3)


# Pictures


def test_a_line_stands_where_matplotlib_is_missing(line, monkeypatch):
    """Seen failing: with the error let through."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    found = Document(report.page(line))
    assert not found.all("img")
    assert found.text.count("No picture here: matplotlib is not installed") >= 2


def test_a_picture_that_cannot_be_drawn_says_why(line, monkeypatch):
    """Seen failing: with MissingExtraError alone caught."""

    def fail(*_, **__):
        raise ModelError("the layout is <odd>.")

    monkeypatch.setattr(plots, "grid_world", fail)
    assert "No picture here: the layout is <odd>." in Document(report.page(line)).text


def test_drawing_leaves_no_trace_and_follows_none(line, drawn):
    """Seen failing: without plt.close; without the style context."""
    matplotlib = pytest.importorskip("matplotlib")
    plt = pytest.importorskip("matplotlib.pyplot")
    before = plt.get_fignums()
    with matplotlib.rc_context({"font.size": 20, "savefig.facecolor": "black"}):
        assert report.page(line, title="A line") == drawn
    assert plt.get_fignums() == before
