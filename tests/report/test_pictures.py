"""Pictures inside a page: as SVG, as dots where that is too long, the same each time."""

from __future__ import annotations

import base64

import pytest

from documents import Document
from mdptools.report import _pictures

plt = pytest.importorskip("matplotlib.pyplot")


def clipped():
    """A line inside a round hole, whose name older releases of matplotlib choose at random."""
    ax = plt.subplots(figsize=(2, 1))[1]
    (line,) = ax.plot([0, 1], [0, 1])
    line.set_clip_path(plt.Circle((0.5, 0.5), 0.3, transform=ax.transData))
    return ax


def content(made, kind):
    """What the image of a figure holds."""
    (image,) = Document(made).all("img")
    prefix = f"data:{kind};base64,"
    assert image["src"].startswith(prefix)
    return base64.b64decode(image["src"].removeprefix(prefix)), image


def test_a_picture_is_an_svg_in_the_page():
    """Seen failing: without the caption; with points for pixels."""
    made = _pictures.figure(clipped, alt="a <line>", caption="A & B")
    svg, image = content(made, "image/svg+xml")
    assert svg.startswith(b"<?xml") and b"<svg" in svg
    assert image["alt"] == "a <line>"
    assert Document(made).text == "A & B"
    width, height = int(image["width"]), int(image["height"])
    assert 150 < width < 230 and 75 < height < 130  # 2 x 1 inches of 96 pixels


def test_parts_are_named_in_their_order():
    """Seen failing: without `_renamed`; with a new name each time that one comes."""
    svg, _ = content(_pictures.figure(clipped, alt="a line"), "image/svg+xml")
    assert b'<clipPath id="part' in svg and b"url(#part" in svg
    text = 'id="p0123456789" id="m9876543210" href="#p0123456789" "DejaVuSans-41" #ffffff'
    assert _pictures._renamed(text) == (
        'id="part0" id="part1" href="#part0" "DejaVuSans-41" #ffffff'
    )


def test_a_long_svg_is_drawn_in_dots(monkeypatch):
    """Seen failing: with the SVG whatever its length."""
    monkeypatch.setattr(_pictures, "LARGEST", 100)
    first, image = content(_pictures.figure(clipped, alt="a line"), "image/png")
    assert first.startswith(b"\x89PNG") and int(image["width"]) > 150
    assert content(_pictures.figure(clipped, alt="a line"), "image/png")[0] == first
