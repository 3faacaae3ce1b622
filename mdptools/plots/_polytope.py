"""The value-function polytope as a picture: what V can be, and how an algorithm moves in it.

Takes     a `ValuePolytope`, values that an algorithm went through.
Gives     axes: the set of values, the deterministic policies with their actions, paths.
Source    Dadashi, Taiga, Le Roux, Schuurmans and Bellemare (2019). Policies that mix two actions in
          each state have values in the (perhaps crossed) quadrilateral of four deterministic
          ones, and all of it; the whole set is the union of these.
Not here  the values (hardness).
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..hardness import ValuePolytope
from ._marks import as_paths, check_labels, dots_every, draw_path, legend_below, words_for_dots
from ._style import GREY, SMALL, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INSIDE = "#E4E4E4"
MOST_NAMES = 16
"""With more policies only the best is named."""
CLOSE = 0.03  # of the picture: names nearer than this stand below each other


def polytope(
    polytope: ValuePolytope, *, path: Any = None, labels: Any = None, ax: Any = None
) -> Axes:
    """The set of value functions of a model with two states, and paths over it.

    Parameters
    ----------
    polytope : ValuePolytope
        As `hardness.value_polytope` returns it.
    path : (T+1, S) or (T+1, 2) array, or a list of them, optional
        The values that an algorithm went through: of all states, or of the two that are drawn.
    labels : str or list of str, optional
        A name for each path.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If a path does not have these shapes.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Deterministic policies stand by their actions in the two states. The star is the optimum, which
    is best in both. Values that an algorithm holds on its way, like those of value iteration, need
    not be those of any policy: such a path runs outside. Time and space O(A^2) for what is filled,
    O(A^3) for the lines.

    Examples
    --------
    >>> from mdptools import problems
    >>> from mdptools.hardness import value_polytope
    >>> ax = polytope(value_polytope(problems.polytope("c")))
    >>> len(ax.lines[0].get_xdata()), ax.get_xlabel()
    (9, '$V$(0) [reward units]')
    """
    if not isinstance(polytope, ValuePolytope):
        raise ModelError(f"polytope is {polytope!r:.80}; it must be what value_polytope returns.")
    paths = _paths(path, polytope)
    names = check_labels(labels, len(paths))
    axes = new_axes(ax, size=(5.2, 4.4))
    _fill(axes, polytope)
    every = dots_every(max((len(one) for one in paths), default=1) - 1)
    for i, (one, name) in enumerate(zip(paths, names, strict=True)):
        draw_path(axes, one, i, every=every, label=name)
    _draw_corners(axes, polytope)
    x, y = polytope.V[_best(polytope)]
    axes.plot(
        x, y, marker="*", markersize=14, color="black", markeredgecolor="white",
        linestyle="none", label="optimum", zorder=6,
    )  # fmt: skip
    _name_corners(axes, polytope)
    first, second = polytope.state_names
    finish(
        axes,
        x=f"$V$({first}) [reward units]",
        y=f"$V$({second}) [reward units]",
        title=words_for_dots(every) if paths else "",
    )
    legend_below(axes)
    return axes


def _paths(path: Any, polytope: ValuePolytope) -> list[FloatArray]:
    """Checked, as arrays (T+1, 2)."""
    if path is None:
        return []
    found, last = as_paths(path, "path", 2), polytope.states[1]
    for i, one in enumerate(found):
        fits = one.ndim == 2 and len(one) and (one.shape[1] == 2 or one.shape[1] > last)
        if not fits or not np.isfinite(one).all():
            raise ModelError(f"path[{i}] has shape {one.shape}; it must be finite and (T+1, S).")
    return [one if one.shape[1] == 2 else one[:, polytope.states] for one in found]


def _pieces(polytope: ValuePolytope) -> FloatArray:
    """The quadrilaterals whose union is the set, (n, 4, 2).

    With one state's policy fixed, the values of all others lie on a line. There the stretches from
    each action to the next leave no gap, so that no other pairs of actions are needed.
    """
    each = [np.unique(polytope.policies[:, k]) for k in (0, 1)]
    place = {tuple(actions): i for i, actions in enumerate(polytope.policies.tolist())}
    pairs = [list(itertools.pairwise(some.tolist())) or [(some[0],) * 2] for some in each]
    around = [
        [place[a, c], place[b, c], place[b, d], place[a, d]]
        for (a, b), (c, d) in itertools.product(*pairs)
    ]
    made: FloatArray = polytope.V[np.array(around)]
    return made


def _fill(axes: Axes, polytope: ValuePolytope) -> None:
    """The set, and the straight lines that its policies lie on."""
    from matplotlib.collections import LineCollection, PolyCollection

    inside = PolyCollection(
        list(_pieces(polytope)), facecolor=INSIDE, edgecolor=INSIDE, linewidth=0.4
    )
    inside.set_zorder(0)
    axes.add_collection(inside)
    ends = list(polytope.V[polytope.edges])
    axes.add_collection(LineCollection(ends, colors=GREY, linewidths=0.7, zorder=1))


def _best(polytope: ValuePolytope) -> int:
    """The optimal policy: no other is better in either state."""
    return int(polytope.V.sum(axis=1).argmax())


def _draw_corners(axes: Axes, polytope: ValuePolytope) -> None:
    """Deterministic policies."""
    axes.plot(
        *polytope.V.T, linestyle="none", marker="o", markersize=5, color=GREY,
        markeredgecolor="white", label="deterministic policies", zorder=3,
    )  # fmt: skip


def _name_corners(axes: Axes, polytope: ValuePolytope) -> None:
    """Policies by their actions, away from the middle; those close together in one place."""
    from matplotlib import patheffects

    V, best = polytope.V, _best(polytope)
    size = np.where(np.ptp(V, axis=0) > 0, np.ptp(V, axis=0), 1.0)
    groups: list[list[int]] = []
    for i in np.lexsort(-V.T):
        near = [group for group in groups if (np.abs(V[group[0]] - V[i]) <= CLOSE * size).all()]
        if near:
            near[0].append(int(i))
        else:
            groups.append([int(i)])
    if len(groups) > MOST_NAMES:
        groups = [[best]]
    for group in groups:
        out = (V[group[0]] - V.mean(axis=0)) / size
        out = out / (np.hypot(*out) or 1.0)
        far = 12.0 if best in group else 8.0
        axes.annotate(
            "\n".join(polytope.names[i] for i in group),
            tuple(V[group[0]]),
            tuple(far * out),
            textcoords="offset points",
            fontsize=SMALL,
            ha="left" if out[0] > 0.3 else "right" if out[0] < -0.3 else "center",
            va="bottom" if out[1] > 0.3 else "top" if out[1] < -0.3 else "center",
            zorder=7,
            path_effects=[patheffects.withStroke(linewidth=2.0, foreground="white")],
        )
    longest = max((len(polytope.names[i]) for group in groups for i in group), default=0)
    axes.margins(x=0.08 + 0.014 * longest, y=0.12)
