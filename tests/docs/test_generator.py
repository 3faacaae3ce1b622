"""What makes pages of docstrings: formulas survive, short names are found, failures are seen."""

from __future__ import annotations

import doctest

import pytest

pytest.importorskip("sphinx")
pytest.importorskip("numpydoc")

import examples
import rooms


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("|V - V*| <= eps", r"\|V - V\*\| <= eps"),
        ("``|x|`` and `V*` are code, |x| is not", r"``|x|`` and `V*` are code, \|x\| is not"),
        ("**bold** and a * b", r"**bold** and a \* b"),
        (r"\| and \* already", r"\| and \* already"),
    ],
)
def test_formulas_are_no_markup(text, escaped):
    """Seen failing: with code escaped as well; with bold text taken for two stars; with what is
    escaped escaped again; with `*` left alone."""
    assert rooms.escape(text) == escaped


KNOWN = {
    "mdptools.planning.solve",
    "mdptools.model.MDP",
    "mdptools.model.MDP.with_objective",
    "mdptools.verify.Verdict",
    "mdptools.policies.Softmax.size",
    "mdptools.policies.Direct.size",
}


@pytest.mark.parametrize(
    ("target", "module", "full"),
    [
        ("mdptools.solve", None, "mdptools.planning.solve"),
        ("solve", "mdptools.verify", "mdptools.planning.solve"),
        ("Verdict", "mdptools.verify", "mdptools.verify.Verdict"),
        ("mdptools.MDP.with_objective", None, "mdptools.model.MDP.with_objective"),
        ("planning.solve", None, "mdptools.planning.solve"),
        ("with_objective", None, "mdptools.model.MDP.with_objective"),
        ("size", None, None),
        ("size", "mdptools.policies.Softmax", "mdptools.policies.Softmax.size"),
        ("theta", "mdptools.verify", None),
    ],
)
def test_short_names_are_found(target, module, full):
    """Seen failing: without the front door; without the room; with methods lost at the front door;
    with any of several names taken."""
    assert rooms.full_name(target, module, KNOWN) == full


def test_code_that_fails_is_told_with_its_line():
    """Seen failing: with exceptions passed over; with those that are shown taken for failures."""
    page = ">>> x = 0\n>>> 1 / x\nTraceback (most recent call last):\nZeroDivisionError: by zero\n"
    parser, scope = doctest.DocTestParser(), {}
    assert examples.run_examples(parser.get_examples(page), scope, "page") is None
    said = examples.run_examples(parser.get_examples("\n>>> y = 1 / x\n"), scope, "page")
    assert said is not None and said.startswith("page:2: ZeroDivisionError")
