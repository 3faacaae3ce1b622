"""Words as HTML: what notebooks and reports are made of.

Takes     numbers, names, cells.
Gives     HTML in which all that was not HTML before is escaped.
Not here  what of a result is worth showing (its noun, report), the words themselves (words).

Names of states and actions come from users and files. So text becomes part of a page in one way
only, through `tag`, which escapes it unless it is `Html` already.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence, Sized
from dataclasses import fields
from html import escape
from itertools import islice
from numbers import Real
from typing import Any

from .words import brief, count

ROWS = 20
"""Rows of a table in a notebook; a line below says how many more there are."""
EMPTY = frozenset({"br", "img", "meta"})
"""Elements that hold nothing and are not closed."""

# Borders that show on white and on black; colours are those of the notebook.
_CARD = "border:1px solid rgba(128,128,128,.5);border-radius:4px;padding:.5em .8em;max-width:60em"
_WIDE = "overflow-x:auto"
_LEFT = "text-align:left"
_RIGHT = "text-align:right"


class Html(str):
    """Text that is HTML: what came from elsewhere was escaped when this was made.

    Examples
    --------
    >>> tag("p", "a < b", Html("<br>"))
    '<p>a &lt; b<br></p>'
    """

    __slots__ = ()


def tag(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. Children that are not `Html` are escaped, and so are all attributes.

    Parameters
    ----------
    name : str
        Of the element.
    *children : Html, str or number
    **attributes
        A trailing underscore is left out, as in ``class_``; other ones become hyphens. None leaves
        the attribute out.

    Returns
    -------
    Html

    Examples
    --------
    >>> tag("th", "<script>", scope="col"), tag("img", alt='a "b"')
    ('<th scope="col">&lt;script&gt;</th>', '<img alt="a &quot;b&quot;">')
    """
    inside = "".join(child if isinstance(child, Html) else escape(str(child)) for child in children)
    given = "".join(
        f' {key.removesuffix("_").replace("_", "-")}="{escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>" if name in EMPTY else f"<{name}{given}>{inside}</{name}>")


def table(
    head: Sequence[object],
    rows: Iterable[Sequence[object]],
    *,
    caption: str = "",
    most: int = ROWS,
    total: int | None = None,
    what: str = "row",
    right: Collection[str] = (),
) -> Html:
    """A table with a head; numbers stand to the right, text to the left.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequences of cells
        A number is written by `number`; what is not `Html` is escaped. Only the first ``most`` are
        asked for.
    caption : str
    most : int
        More rows than these are left out, and a last line says so.
    total : int, optional
        How many rows there are, where ``rows`` has no length.
    what : str
        What a row is: "state", as for `count`.
    right : heads
        Of columns that hold numbers in words.

    Returns
    -------
    Html

    Examples
    --------
    >>> shown = table(["s", "V"], [["<a>", 1.0], ["b", 2.0]], most=1, what="state")
    >>> "&lt;a&gt;" in shown, "and 1 more state" in shown
    (True, True)
    """
    shown = list(islice(rows, most))
    if total is None:
        total = len(rows) if isinstance(rows, Sized) else len(shown)
    numeric = [
        name in right or (bool(shown) and all(isinstance(row[i], Real) for row in shown))
        for i, name in enumerate(head)
    ]
    sides = [_RIGHT if ends else _LEFT for ends in numeric]
    parts = [tag("caption", caption)] if caption else []
    names = [tag("th", x, scope="col", style=side) for x, side in zip(head, sides, strict=True)]
    parts.append(tag("thead", tag("tr", *names)))
    parts.append(tag("tbody", *(tag("tr", *_cells(row, sides)) for row in shown)))
    if total > len(shown):
        more = count(total - len(shown), "more " + what.replace("/", "/more "))
        cell = tag("td", f"and {more}", style=_LEFT, colspan=len(head))
        parts.append(tag("tfoot", tag("tr", cell)))
    return tag("div", tag("table", *parts), style=_WIDE)


def _cells(row: Sequence[object], sides: Sequence[str]) -> Iterator[Html]:
    for x, side in zip(row, sides, strict=True):
        shown = x if isinstance(x, Html) else brief(x)
        yield tag("td", shown, style=side)


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Names and what belongs to them, one in a line; those that say nothing are left out.

    Parameters
    ----------
    pairs : iterable of (str, anything)
        The second is written by `brief`, unless it is `Html`.

    Returns
    -------
    Html

    Examples
    --------
    >>> shown = facts([("J", 0.5), ("gain", None)])
    >>> ">0.5</td>" in shown, "gain" in shown
    (True, False)
    """
    written = ((name, x if isinstance(x, Html) else brief(x)) for name, x in pairs)
    rows = [
        tag("tr", tag("th", name, scope="row", style=_LEFT), tag("td", text, style=_LEFT))
        for name, text in written
        if text
    ]
    return tag("div", tag("table", tag("tbody", *rows)), style=_WIDE)


def listed(items: Iterable[object]) -> Html:
    """A list with a dot before each item.

    Parameters
    ----------
    items : iterable of Html or str

    Returns
    -------
    Html

    Examples
    --------
    >>> listed(["a", "<b>"])
    '<ul><li>a</li><li>&lt;b&gt;</li></ul>'
    """
    return tag("ul", *(tag("li", item) for item in items))


def card(title: str, *parts: object) -> Html:
    """What a notebook shows: a title, and what stands below it, in a frame.

    Parameters
    ----------
    title : str
    *parts : Html, or str

    Returns
    -------
    Html
        Without a style sheet, which some notebooks drop; in the notebook's own colours.

    Examples
    --------
    >>> card("V", tag("p", "1 < 2")).endswith("<p><strong>V</strong></p><p>1 &lt; 2</p></div>")
    True
    """
    return tag("div", tag("p", tag("strong", title)), *parts, style=_CARD)


class Shown:
    """A result that notebooks show as a table: a mixin for dataclasses.

    Examples
    --------
    >>> from mdptools import Certificate
    >>> "loss" in Certificate(0.5, 1.0, 0.1, "by hand")._repr_html_()
    True
    """

    __slots__ = ()

    def _repr_html_(self) -> str:
        """What Jupyter shows."""
        return card(type(self).__name__, *self._shown())

    def _shown(self) -> Iterator[Html]:
        """What stands in the frame: each public field in a line, unless a noun knows better."""
        named: Any = self
        public = [f.name for f in fields(named) if not f.name.startswith("_")]
        yield facts((name, getattr(self, name)) for name in public)
