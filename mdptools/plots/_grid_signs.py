"""What the signs in a grid world mean: rows and columns by number, a legend.

Takes     axes with the cells of a `Look`.
Gives     ticks, and a legend that names the signs that are there and no others.
Not here  drawing the signs (`_grid_world`, `_arrows`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import STAY
from ._arrows import LEAST, longest, marks, towards
from ._grid import FEW, Look, rewards, starts
from ._heat import DOTS, FAINT, MINUS, WIDE, cell_size
from ._style import SMALL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

WALL = "#4D4D4D"
TICKS = 20  # at most, on each axis


def explain(ax: Axes, look: Look) -> None:
    """Rows and columns by number, and what the signs mean.

    Parameters
    ----------
    ax : matplotlib.axes.Axes
        With the limits of the grid.
    look : Look
    """
    rows, columns = look.where.shape
    for axis, count, first, name in (
        (ax.xaxis, columns, look.origin[1], "column"),
        (ax.yaxis, rows, look.origin[0], "row"),
    ):
        step = -(-count // TICKS)
        at = np.arange(0, count, step) if count > 1 else np.zeros(0)
        axis.set_ticks(at, labels=[f"{first + i:.0f}" for i in at])
        axis.set_label_text(name if count > 1 else "", fontsize=SMALL)
    ax.tick_params(labelsize=SMALL, length=0)
    for spine in ax.spines.values():
        spine.set(color=WALL, linewidth=0.9)
    handles = [*_policy(look), *_cells(look)]
    if handles:
        widest = max(len(str(handle.get_label())) for handle in handles)
        room = columns * cell_size(ax)[0] / ((widest + 5) * WIDE * SMALL)
        ax.legend(
            handles=handles,
            fontsize=SMALL,
            frameon=False,
            loc="upper center",
            bbox_to_anchor=(0.5, 0.0),
            borderaxespad=4.2 if columns > 1 else 1.0,  # sizes of text: below the axis's label
            ncols=min(max(round(room), 1), len(handles)),
            handlelength=1.4,
            columnspacing=1.2,
        )


def _policy(look: Look) -> list[Line2D]:
    """How long arrows are, and what other actions the letters stand for."""
    if look.weight is None:
        return []
    mdp, found = look.mdp, []
    weight = np.where(look.acting[:, None], look.weight, 0.0)
    ways = towards(mdp, weight)
    most = longest(ways)
    arrows = [much for step, much in ways.items() if step != STAY]
    if any(((much >= LEAST) & (much <= 1 - LEAST)).any() for much in arrows):
        found.append(_sign("→", f"length: probability, up to {most:.2g}"))
    if (ways.get(STAY, np.zeros(1)) >= LEAST).any():
        found.append(_sign("○", "stay"))
    if mdp.n_actions == 1:
        return found
    names = mdp.action_names or tuple(f"action {a}" for a in range(mdp.n_actions))
    unlike = [
        (text, name)
        for text, name, taken in zip(marks(mdp), names, (weight >= LEAST).T, strict=True)
        if taken.any() and text not in ("", name)
    ]
    if len(unlike) > FEW:
        text, name = unlike[0]
        return [*found, _sign(text, f"{name}, and so on")]
    return found + [_sign(text, name) for text, name in unlike]


def _cells(look: Look) -> list[Any]:
    """What frames and patterns mean."""
    from matplotlib.patches import Patch

    found: list[Any] = [_sign("S", "start")] if starts(look) else []
    if (look.mdp.terminal & look.placed).any():
        paid = set(rewards(look).values()) - {"end"}
        words = "terminal, with the reward on entering" if paid else "terminal"
        found.append(Patch(fill=False, edgecolor=WALL, label=words))
    if (look.placed & ~look.visited).any():
        found.append(
            Patch(facecolor="white", hatch=DOTS * 2, edgecolor=FAINT, label="never visited")
        )
    return found


def _sign(text: str, meaning: str) -> Line2D:
    """A sign as it stands in cells, and its meaning."""
    from matplotlib.lines import Line2D

    plain = "".join(c for c in text if c.isalnum() or c in f"+→○{MINUS}") or "?"
    return Line2D(
        [],
        [],
        marker=rf"$\mathrm{{{plain}}}$",
        markersize=4.5 * len(plain),
        markeredgewidth=0,
        color="black",
        linestyle="",
        label=meaning,
    )
