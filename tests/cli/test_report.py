"""``mdptools report``: one HTML file, and what is said of it."""

from __future__ import annotations

import dataclasses
import json
import sys

import pytest

from documents import Document
from mdptools import report
from mdptools.interop import load_model
from mdptools.verify import gradient_report

SMALL = "example:small"


def test_a_page_about_a_model(mdptools, tmp_path, monkeypatch):
    """Seen failing: with the default options in the call; with gamma not passed on."""
    monkeypatch.chdir(tmp_path)
    done = mdptools("report", SMALL, "--gamma", "0.5", "--no-pictures", "-o", "small.html")
    assert (done.code, done.err) == (0, "")
    assert done.lines[0].startswith("model        example:small: 2 states, 2 actions; discounted")
    text = (tmp_path / "small.html").read_text("utf-8")
    assert done.lines[1].startswith(f"written      small.html, {len(text.encode()):,} bytes, in ")
    found = Document(text)
    call = found.cells[found.cells.index("call") + 1]
    assert call == f"mdptools report {SMALL} --gamma 0.5 --no-pictures -o small.html"
    assert text == report.page(load_model(SMALL, gamma=0.5), title=SMALL, call=call, pictures=False)


def test_a_page_with_pictures(mdptools, tmp_path):
    """Seen failing: with pictures left out by default."""
    pytest.importorskip("matplotlib")
    path = tmp_path / "small.html"
    assert mdptools("report", SMALL, "-o", str(path)).code == 0
    assert Document(path.read_text("utf-8")).all("img")


def test_a_verification(mdptools, tmp_path):
    """Seen failing: with another seed for the logits than for the sample; without the policy."""
    path = tmp_path / "small.html"
    words = ["--verify", "--policy", "uniform", "--seed", "3", "--trajectories", "200"]
    done = mdptools("report", SMALL, *words, "--title", "T & T", "--no-pictures", "-o", str(path))
    assert done.code == 0, done.err
    assert done.lines[-1] == "verified     every row is as theory promises"
    text = path.read_text("utf-8")
    found = Document(text)
    assert "<h1>T &amp; T</h1>" in text
    assert "--verify --policy uniform --seed 3 --trajectories 200 --title 'T & T'" in found.text
    mdp = load_model(SMALL)
    cells = gradient_report(mdp, [[0.5, 0.5]] * 2, n=200, rng=3).cells()
    for row in cells:
        assert row == found.cells[found.cells.index(row[0]) :][: len(row)]


def test_the_same_command_writes_the_same_file(mdptools, tmp_path):
    """Seen failing: with a clock looked at."""
    path = tmp_path / "page.html"
    words = ["report", SMALL, "--verify", "--trajectories", "200", "--no-pictures"]
    words += ["-o", str(path)]
    assert mdptools(*words).code == 0
    first = path.read_bytes()
    assert mdptools(*words, "--force").code == 0
    assert path.read_bytes() == first


def test_a_file_that_is_there_stays(mdptools, tmp_path, monkeypatch):
    """Seen failing: with the model read first; with --force ignored."""
    path = tmp_path / "page.html"
    path.write_text("mine", "utf-8")
    monkeypatch.setattr("mdptools.cli._report.load", lambda *_: pytest.fail("work was done"))
    done = mdptools("report", SMALL, "-o", str(path))
    assert (done.code, done.out) == (2, "")
    assert done.complaint.endswith("is there already: name another file, or give --force.")
    assert path.read_text("utf-8") == "mine"
    monkeypatch.undo()
    assert mdptools("report", SMALL, "--no-pictures", "--force", "-o", str(path)).code == 0
    assert path.read_text("utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [("page.pdf", "it must end in .html."), ("nowhere/page.html", "make it, or name another")],
)
def test_names_that_cannot_be_written(mdptools, tmp_path, name, complaint):
    """Seen failing: without each of the checks."""
    done = mdptools("report", SMALL, "-o", str(tmp_path / name))
    assert done.code == 2
    assert complaint in done.complaint


def test_json_says_what_was_written(mdptools, tmp_path):
    """Seen failing: with the page printed as well; with `holds` false where nothing is verified."""
    path = tmp_path / "page.html"
    words = ["report", SMALL, "--no-pictures", "--json", "-o", str(path)]
    found = json.loads(mdptools(*words).out)
    assert found.pop("seconds") > 0
    model = found.pop("model")
    assert model["name"] == SMALL
    assert found == {
        "schema": 1,
        "command": "report",
        "file": str(path),
        "bytes": path.stat().st_size,
        "policy": None,
        "seed": None,
        "holds": None,
    }


def test_what_there_is_when_interrupted_is_written(mdptools, tmp_path, monkeypatch):
    """Seen failing: with 0 all the same."""
    whole = gradient_report

    def half(*words, **keywords):
        return dataclasses.replace(whole(*words, **keywords), stopped="stopped by Ctrl-C")

    monkeypatch.setattr("mdptools.verify.gradient_report", half)
    path = tmp_path / "page.html"
    words = ["--verify", "--trajectories", "100", "--no-pictures", "-o", str(path)]
    assert mdptools("report", SMALL, *words).code == 130
    assert "stopped by Ctrl-C" in path.read_text("utf-8")


def test_what_does_not_hold_is_written_and_gives_1(mdptools, tmp_path, monkeypatch):
    """Seen failing: with 0 all the same; with the file left out."""
    monkeypatch.setattr(
        sys.modules[gradient_report.__module__].GradientReport, "holds", property(lambda _: False)
    )
    path = tmp_path / "page.html"
    words = ["--verify", "--trajectories", "100", "--no-pictures", "-o", str(path)]
    done = mdptools("report", SMALL, *words)
    assert done.code == 1
    assert done.lines[-1] == "verified     a row is not as theory promises"
    assert path.exists()
