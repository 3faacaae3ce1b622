"""Pictures for a page: drawn by plots, put into the page as text.

Takes     a function that draws, words for those who do not see the picture.
Gives     a figure element whose picture is an SVG inside the page, the same each time.
Source    none; matplotlib names the parts of an SVG at random unless it is told not to.
Not here  what is drawn (plots).
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError, ModelError
from ..markup import Html, tag

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SETTINGS: dict[str, Any] = {"svg.hashsalt": "mdptools", "svg.fonttype": "path"}
LARGEST = 3_000_000
"""Bytes of an SVG; what is larger is drawn in dots, `DPI` of them to an inch."""
DPI = 110
POINT = 4 / 3  # pixels

# The names that matplotlib gives to parts, such as "m1a2b3c4d5e": a letter or two, ten digits.
_NAMES = re.compile(r"\b[a-zA-Z]{1,2}[0-9a-f]{10}\b")


def figure(draw: Callable[[], Axes], *, alt: str, caption: str = "") -> Html:
    """A figure element; a line that says why, where there is no picture.

    Parameters
    ----------
    draw : function of nothing
        It draws on new axes, and returns them.
    alt : str
        What the picture shows, for those who do not see it.
    caption : str

    Returns
    -------
    Html
    """
    try:
        source, size = _drawn(draw)
    except MissingExtraError as error:
        return tag("p", f"No picture here: {error}.", class_="quiet")
    except ModelError as error:
        return tag("p", f"No picture here: {error}", class_="quiet")
    image = tag("img", src=source, alt=alt, width=size[0], height=size[1])
    return tag("figure", image, tag("figcaption", caption) if caption else Html(""))


def _drawn(draw: Callable[[], Axes]) -> tuple[str, tuple[int, int]]:
    """A data URL, and the size in pixels."""
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    with plt.style.context(["default", SETTINGS]):  # whatever the user's own settings are
        drawn: Any = draw().figure
        try:
            file = io.StringIO()
            drawn.savefig(file, format="svg", bbox_inches="tight", metadata={"Date": None})
            text = _renamed(file.getvalue())
            size = _size(text)
            if len(text) <= LARGEST:
                return _data_url("image/svg+xml", text.encode()), size
            dots = io.BytesIO()
            drawn.savefig(
                dots, format="png", dpi=DPI, bbox_inches="tight", metadata={"Software": None}
            )
            return _data_url("image/png", dots.getvalue()), size
        finally:
            plt.close(drawn)


def _renamed(svg: str) -> str:
    """Parts by the order in which they come: older releases name some of them at random."""
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        return names.setdefault(found[0], f"part{len(names)}")

    return _NAMES.sub(name, svg)


def _size(svg: str) -> tuple[int, int]:
    """Width and height in pixels, which matplotlib writes in points."""
    found = re.search(r'<svg[^>]*? width="([\d.]+)pt"', svg)
    other = re.search(r'<svg[^>]*? height="([\d.]+)pt"', svg)
    if found is None or other is None:
        raise ModelError("the picture has no size.")
    return round(float(found[1]) * POINT), round(float(other[1]) * POINT)


def _data_url(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
