"""Numbers, paragraphs and tables."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdptools.cli import _text


@given(st.floats(1e-300, 1e300))
def test_a_bound_is_never_rounded_down(x):
    """Seen failing: with ROUND_HALF_EVEN."""
    shown = _text.upper(x)
    assert x <= float(shown) <= 1.1 * x
    assert len(shown.partition("e")[0].replace(".", "").strip("0")) <= 2


@pytest.mark.parametrize(
    ("x", "shown"), [(0.0, "0"), (math.inf, "inf"), (0.25, "0.25"), (500.0, "500")]
)
def test_special_bounds(x, shown):
    """Seen failing: with two digits for hundreds (5e+02)."""
    assert _text.upper(x) == shown


@given(st.floats(-1e12, 1e12), st.floats(1e-18, 1e3))
def test_what_is_printed_is_within_what_is_printed(x, bound):
    """Seen failing: without what rounding loses; with float for Decimal; with two digits fewer."""
    number, within = _text.bounded(x, bound).split(", within ")
    # exactly: the truth may be anywhere in x +- bound
    assert abs(Decimal(number) - Decimal(x)) + Decimal(bound) <= Decimal(within) * (
        1 + Decimal("1e-15")
    )
    assert float(within) <= 1.2 * bound + 4e-16 * abs(x)


@pytest.mark.parametrize(
    ("x", "bound", "text"),
    [
        (0.542025932000473, 1e-3, "0.54203, within 0.0011"),
        (-9.25, 6e-13, "-9.25, within 6e-13"),
        (100.0, 0.0, "100, within 0"),
        (100.0, 500.0, "100, within 500"),
        (1e-10, 1e-25, "1e-10, within 1.1e-25"),
        (2.0, math.inf, "2, with no proved bound"),
        (1e-9, 1e-20, "1e-09, within 1.1e-20"),
    ],
)
def test_numbers_with_their_bounds(x, bound, text):
    """Seen failing: with zeros left at the end; with zeros taken from whole numbers."""
    assert _text.bounded(x, bound) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.542, 0.49881, 0.0], ["0.5420", "0.4988", "0.0000"]),
        ([-13.0, 0.0, -1.0], ["-13", "0", "-1"]),
        ([-12.2478, 100.0], ["-12.2", "100.0"]),
        ([-0.00001, 0.5], ["0.0", "0.5"]),
        ([12345.6, 1.0], ["12346", "1"]),
        ([1e9, 0.0], ["1.000e+09", "0"]),
        ([1e-7], ["1.000e-07"]),
        ([math.inf, 1.0], ["inf", "1.000e+00"]),
        ([], []),
    ],
)
def test_aligned_numbers(values, texts):
    """Seen failing: without taking off zeros; with "-0.0"."""
    assert _text.aligned(values, 4) == texts


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
    ],
)
def test_messages_speak_the_language_of_the_shell(python, shell):
    """Seen failing: without placeholders; with the quotes kept."""
    assert _text.in_flags(python) == shell


@pytest.mark.parametrize(
    ("n", "what", "text"),
    [
        (1, "state", "1 state"),
        (2, "state", "2 states"),
        (1, "policy evaluated/policies evaluated", "1 policy evaluated"),
        (1000, "policy evaluated/policies evaluated", "1,000 policies evaluated"),
    ],
)
def test_counts(n, what, text):
    """Seen failing: without irregular plurals."""
    assert _text.count(n, what) == text


@pytest.mark.parametrize(("seconds", "text"), [(0.0001234, "0.123 ms"), (12.34, "12.3 s")])
def test_durations(seconds, text):
    """Seen failing: with milliseconds always."""
    assert _text.duration(seconds) == text
