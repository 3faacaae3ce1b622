"""Writing a page into a file."""

from __future__ import annotations

import pytest

from mdptools import ModelError, report


def test_a_page_is_written_as_it_is(tmp_path):
    """Seen failing: with the platform's own encoding; with line ends of the platform."""
    text = "<p>\u2713 J*</p>\n"
    path = report.save(tmp_path / "page.html", text)
    assert path == tmp_path / "page.html"
    assert path.read_bytes() == text.encode("utf-8")


def test_nothing_is_replaced_unasked(tmp_path):
    """Seen failing: with "w" for "x"; with `overwrite` ignored."""
    path = tmp_path / "page.html"
    report.save(str(path), "first")
    with pytest.raises(ModelError, match=r"page\.html is there already; pass overwrite=True"):
        report.save(path, "second")
    assert path.read_text("utf-8") == "first"
    report.save(path, "third", overwrite=True)
    assert path.read_text("utf-8") == "third"


def test_a_folder_that_is_missing_is_named(tmp_path):
    """Seen failing: with the error of the system let through."""
    with pytest.raises(ModelError, match=r"x\.html cannot be written: No such file"):
        report.save(tmp_path / "nowhere" / "x.html", "text")
