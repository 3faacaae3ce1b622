"""JSON that every reader accepts."""

from __future__ import annotations

import json
import math

from mdptools.cli import _json


def refuse(token):
    raise AssertionError(f"{token} is not JSON")


def test_numbers_that_json_does_not_have():
    """Seen failing: with inf left to json.dumps; with tuples left as they are."""
    given = {"a": math.inf, "b": [-math.inf, (math.nan, 1.5)], "c": {"d": math.inf}, "e": None}
    text = _json.dumps(given)
    assert json.loads(text, parse_constant=refuse) == {
        "a": "inf",
        "b": ["-inf", [None, 1.5]],
        "c": {"d": "inf"},
        "e": None,
    }


def test_numbers_keep_their_last_bit():
    """Seen failing: with numbers rounded to 12 digits."""
    assert json.loads(_json.dumps({"x": 0.1 + 0.2}))["x"] == 0.1 + 0.2
