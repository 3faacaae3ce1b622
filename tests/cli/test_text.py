"""Paragraphs and tables of plain text."""

from __future__ import annotations

import pytest

from mdptools.cli import _text


def test_long_words_stay_whole():
    """Seen failing: with break_on_hyphens."""
    lines = _text.labelled("note", "short then gym:a-very-long-name-with-hyphens end", 30)
    assert lines == [
        "note         short then",
        "             gym:a-very-long-name-with-hyphens",
        "             end",
    ]


def test_a_table_is_shortened_where_it_is_longest():
    """Seen failing: with the first column shortened."""
    rows = [["1", "a long name of a state", "up"], ["10", "short", "left or right"]]
    assert _text.table(["state", "name", "action"], rows, 34, right={0}) == [
        "state  name          action",
        "    1  a long na...  up",
        "   10  short         left or right",
    ]
    full = _text.table(["state", "name", "action"], rows, 80, right={0})
    assert full[1] == "    1  a long name of a state  up"


@pytest.mark.parametrize(
    ("python", "shell"),
    [
        ("horizon='limit' puts it in", "--horizon limit puts it in"),
        ("give gamma=1 or horizon= (finite)", "give --gamma 1 or --horizon H (finite)"),
        ("0 <= gamma < 1, tol = 1e-3", "0 <= gamma < 1, tol = 1e-3"),
        ("tol=1e-9", "--tol 1e-9"),
        ("allowed=", "allowed="),
        ("horizon= or average=True", "--horizon H or --average"),
        ("pass max_states=40", "pass --max-states 40"),
        (
            "Use evaluate, or look at the model under another objective: mdp.with_objective(...).",
            "Use evaluate, or name another objective: --gamma G or --horizon H.",
        ),
    ],
)
def test_messages_speak_the_language_of_the_shell(python, shell):
    """Seen failing: without placeholders; with the quotes kept."""
    assert _text.in_flags(python) == shell


@pytest.mark.parametrize(("seconds", "text"), [(0.0001234, "0.123 ms"), (12.34, "12.3 s")])
def test_durations(seconds, text):
    """Seen failing: with milliseconds always."""
    assert _text.duration(seconds) == text


def test_a_table_of_numbers_that_is_too_wide_stays_as_it_is():
    """Seen failing: with the longest of no columns asked for."""
    assert _text.table(["a", "b"], [["1" * 30, "2"]], 20, right={0, 1})[1] == "1" * 30 + "  2"
