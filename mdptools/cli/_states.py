"""A number for each state as text: a grid where the model is one, else a table.

Takes     a model, numbers and words for each state, how wide the page is.
Gives     lines of text.
Not here  arrows (`_grid`), what the numbers are (the pages).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from ..arrays import BoolS, FloatS
from ..model import MDP, cells
from . import _grid
from ._text import aligned, count, table

MANY_STATES = 20  # rows of the table
MARGIN = 2  # columns before tables and pictures
TALLEST = 50  # rows of a picture


def indented(lines: Iterable[str]) -> list[str]:
    """Lines behind the margin."""
    return [" " * MARGIN + line if line else "" for line in lines]


def numbers(x: Sequence[float], digits: int = 4) -> list[str]:
    """As `aligned`, but what is infinite does not change how the others are written."""
    finite = [value if np.isfinite(value) else 0.0 for value in x]
    texts = aligned(finite, digits)
    return [
        text if np.isfinite(value) else f"{value:g}" for text, value in zip(texts, x, strict=True)
    ]


def grid(
    mdp: MDP, x: FloatS, width: int, *, shown: BoolS | None = None, fewest: int = 3
) -> list[str] | None:
    """The numbers where their states are; None if the model is no grid, or it does not fit.

    Parameters
    ----------
    mdp : MDP
    x : (S,) array
    width : int
        Columns.
    shown : (S,) array of bool, optional
        The others are dots.
    fewest : int
        Digits of the largest number that must fit; 4 if there is room.

    Returns
    -------
    list of str, or None

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> grid(line_world(), np.array([0.25, 0.5, 1.0, 2.0, 0.0]), 80)
    ['0.25 0.50 1.00 2.00    0']
    """
    where = cells(mdp.layout, mdp.n_states)
    if where is None or len(where) > TALLEST:
        return None
    seen = np.ones(mdp.n_states, dtype=bool) if shown is None else shown
    for digits in range(4, fewest - 1, -1):
        texts = numbers(np.where(seen, x, 0.0).tolist(), digits)
        for s in np.flatnonzero(mdp.terminal):
            texts[s] = "0"
        for s in np.flatnonzero(~seen):
            texts[s] = _grid.NEVER
        drawn = _grid.draw(where, texts, width)
        if drawn is not None:
            return drawn
    return None


def rows(
    mdp: MDP,
    columns: Mapping[str, Sequence[str]],
    width: int,
    *,
    right: Collection[str] = (),
    most: int = MANY_STATES,
) -> list[str]:
    """A table with a row for each of the first states.

    Parameters
    ----------
    mdp : MDP
        Its states are numbered, and named if they have names.
    columns : mapping from a heading to the text of each state
        For at least the first ``most`` states.
    width : int
    right : headings
        Of columns that end in one line.
    most : int
        Rows.

    Returns
    -------
    list of str

    Examples
    --------
    >>> from mdptools.problems import line_world
    >>> mdp = line_world()
    >>> for line in rows(mdp, {"V": ["1", "2"]}, 80, right={"V"}, most=2):
    ...     print(line)
    state  name  V
        0  1     1
        1  2     2
    <BLANKLINE>
    and 3 more states; --json has them all
    """
    n = min(mdp.n_states, most)
    first: dict[str, Sequence[str]] = {"state": [f"{s}" for s in range(n)]}
    if mdp.state_names is not None:
        first["name"] = mdp.state_names
    together = {**first, **columns}
    body = [[texts[s] for texts in together.values()] for s in range(n)]
    ends = {i for i, head in enumerate(together) if head in right or head == "state"}
    lines = table([*together], body, width, right=ends)
    if n < mdp.n_states:
        lines += ["", f"and {count(mdp.n_states - n, 'more state')}; --json has them all"]
    return lines
