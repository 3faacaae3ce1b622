"""The vector field of learning as a picture: where each point of two parameters is sent.

Takes     a `VectorField`, paths of parameters.
Gives     axes: arrows whose shade is the speed, lines of equal J, stationary points, paths.
Source    the numbers are those of the field; between its points they are interpolated.
Not here  computing the field (gradients).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..gradients import VectorField
from ._heat import bar
from ._marks import (
    as_paths,
    check_labels,
    dots_every,
    draw_path,
    legend_below,
    shades,
    words_for_dots,
)
from ._style import finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ARROWS = 19
"""On each side, at most."""
LEVELS = 9
EQUAL = "#B5B5B5"
"""Of lines of equal J."""
ALIKE = 3.0
"""Axes whose lengths differ by no more than this have one scale: angles are true."""
WIDTH, INNER, ROOM = 5.6, 4.4, 1.2  # inches: of a figure, of its axes, of what is above and below
NOISE = 1e-9
"""A field this small beside its largest is taken for 0 and not searched."""
WIDE = 30.0
"""Speeds that differ more are told apart by their logarithms."""


def vector_field(
    field: VectorField, *, paths: Any = (), labels: Any = None, ax: Any = None
) -> Axes:
    r"""Arrows along a gradient field on two parameters, with stationary points and paths.

    Parameters
    ----------
    field : VectorField
        As `mdptools.vector_field` returns it.
    paths : (T+1, 2) array, or a list of them, or (T+1, *theta.shape) arrays
        The (x, y) that an algorithm went through; of parameters of a field on a plane, the nearest
        points of the plane.
    labels : list of str, optional
        A name for each path.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If the field has not two rows and two columns, or a path is none of pairs.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Arrows are equally long; the darker, the faster. Thin lines are those of equal J. A stationary
    point is a zero of the field, interpolated between four neighbours: full if both eigenvalues of
    its derivative have a negative real part (all paths near it end there), a cross if it is a
    saddle, hollow if it repels.

    Examples
    --------
    >>> from mdptools import Softmax
    >>> from mdptools import vector_field as field_of
    >>> from mdptools.problems import bandit
    >>> mdp = bandit([1.0, 0.0]).with_objective(gamma=0.0)
    >>> field = field_of(mdp, Softmax(mdp), np.linspace(-2, 2, 9), np.linspace(-2, 2, 9))
    >>> ax = vector_field(field, paths=[[[0.0, 0.0], [0.25, -0.25]]], labels=["one step"])
    >>> ax.get_xlabel(), [text.get_text() for text in ax.get_legend().get_texts()]
    ('$\\theta_1$', ['equal $J$', 'one step'])
    """
    if not isinstance(field, VectorField):
        raise ModelError(f"field is {field!r:.80}; it must be what vector_field returns.")
    if min(len(field.x), len(field.y)) < 2:
        raise ModelError(
            f"the field has {len(field.x)} x {len(field.y)} points; a picture needs two or more "
            f"each way."
        )
    lines = _paths(paths, field)
    names = check_labels(labels, len(lines))
    spans = float(np.ptp(field.x)), float(np.ptp(field.y))
    alike = max(spans) <= ALIKE * min(spans)
    height = ROOM + INNER * (spans[1] / spans[0] if alike else 0.8)
    axes = new_axes(ax, size=(WIDTH, height), layout="compressed")
    _draw_levels(axes, field)
    _draw_arrows(axes, field)
    _mark_stationary(axes, field)
    every = dots_every(max((len(line) for line in lines), default=1) - 1)
    for i, (line, name) in enumerate(zip(lines, names, strict=True)):
        draw_path(axes, line, i, every=every, label=name)
    _frame(axes, field)
    if alike:
        axes.set_aspect("equal")
    title = "natural gradient" if field.natural else "gradient"
    if lines:
        title += f", {words_for_dots(every)}"
    on_plane = field.plane is not None
    finish(
        axes,
        x="$x$, steps along $u$" if on_plane else r"$\theta_1$",
        y="$y$, steps along $v$" if on_plane else r"$\theta_2$",
        title=title,
    )
    axes.grid(False)
    legend_below(axes)
    return axes


def _paths(paths: Any, field: VectorField) -> list[FloatArray]:
    """Checked, as arrays (T+1, 2)."""
    shape = (2,) if field.plane is None else field.plane[0].shape
    if isinstance(paths, np.ndarray) and paths.shape[1:] == shape:
        paths = [paths]
    found = as_paths(paths, "paths", 2)
    for i, path in enumerate(found):
        whole = field.plane is not None and path.shape[1:] == shape
        if not len(path) or not np.isfinite(path).all() or not (path.shape[1:] == (2,) or whole):
            more = "" if field.plane is None else f", or (T+1, *{shape}) as theta has"
            raise ModelError(
                f"paths[{i}] has shape {path.shape}; it must be finite and (T+1, 2): two "
                f"parameters for each update{more}."
            )
    return [path if path.shape[1:] == (2,) else _on_plane(path, field) for path in found]


def _on_plane(path: FloatArray, field: VectorField) -> FloatArray:
    """The nearest points of the plane, (T+1, 2)."""
    assert field.plane is not None
    origin, u, v = (part.reshape(-1) for part in field.plane)
    away = path.reshape(len(path), -1) - origin
    xy = np.linalg.lstsq(np.stack([u, v], axis=1), away.T, rcond=None)[0].T
    return np.asarray(xy, dtype=np.float64)


def _frame(axes: Axes, field: VectorField) -> None:
    """Limits that cut no arrow."""
    for line, limit in ((field.x, axes.set_xlim), (field.y, axes.set_ylim)):
        shown = line[_some(line)]
        edge = 0.5 * float(np.ptp(shown)) / (len(shown) - 1)
        limit(float(line.min()) - edge, float(line.max()) + edge)


def _draw_levels(axes: Axes, field: VectorField) -> None:
    """Lines of equal J, if it differs."""
    if np.ptp(field.J) > 1e-12 * np.abs(field.J).max():
        look: Any = {"colors": EQUAL, "linewidths": 0.8, "linestyles": "solid"}
        axes.contour(field.x, field.y, field.J, LEVELS, zorder=0, **look)
        axes.plot([], [], color=EQUAL, linewidth=0.8, label="equal $J$")


def _draw_arrows(axes: Axes, field: VectorField) -> None:
    """Equally long, darker where the field is stronger."""
    from matplotlib.colors import LogNorm, Normalize

    rows, columns = _some(field.y), _some(field.x)
    dx, dy = field.dx[rows, columns], field.dy[rows, columns]
    speed = np.hypot(dx, dy)
    some = speed > 0
    if not some.any():
        return
    x, y = (part[some] for part in np.meshgrid(field.x[columns], field.y[rows]))
    fast, slow = float(speed.max()), float(max(speed[some].min(), speed.max() * 1e-4))
    norm = LogNorm(slow, fast) if fast > WIDE * slow else Normalize(0.0, fast)
    arrows = axes.quiver(
        x,
        y,
        dx[some] / speed[some],
        dy[some] / speed[some],
        speed[some],
        cmap=shades(0.18, 1.0),
        norm=norm,
        angles="xy",
        scale=1.25 * max(speed.shape),
        scale_units="width",
        width=0.004,
        headwidth=4,
        headlength=4.5,
        headaxislength=4,
        pivot="mid",
        zorder=2,
    )
    bar(axes, arrows, "speed [units of the gradient]")


def _some(line: FloatArray) -> slice:
    """So many points that their arrows can be seen, as far from one end as from the other."""
    every = -(-len(line) // ARROWS)
    return slice((len(line) - 1) % every // 2, None, every)


def _mark_stationary(axes: Axes, field: VectorField) -> None:
    """By what happens near them."""
    looks: dict[str, dict[str, Any]] = {
        "stationary: attracts": {"marker": "o", "markerfacecolor": "black"},
        "stationary: a saddle": {"marker": "X", "markerfacecolor": "black"},
        "stationary: repels": {"marker": "o", "markerfacecolor": "white"},
    }
    found = _stationary(field)
    for kind, look in looks.items():
        points = np.array([(x, y) for x, y, its in found if its == kind])
        if len(points):
            axes.plot(
                *points.T,
                linestyle="none",
                markersize=8,
                markeredgecolor="black",
                label=kind,
                zorder=6,
                **look,
            )


def _stationary(field: VectorField) -> list[tuple[float, float, str]]:
    """Zeros of the field, interpolated bilinearly in each square of its grid, and their kind.

    Only those that stand alone: where the derivative is singular there is a line of them.
    """
    dx, dy = field.dx, field.dy
    size = max(float(np.abs(dx).max()), float(np.abs(dy).max()))
    corners = [np.stack([d[:-1, :-1], d[:-1, 1:], d[1:, :-1], d[1:, 1:]]) for d in (dx, dy)]
    maybe = np.ones(corners[0].shape[1:], dtype=bool)
    for part in corners:
        maybe &= (part.min(axis=0) <= 0) & (part.max(axis=0) >= 0)
    maybe &= np.maximum(*(np.abs(part).max(axis=0) for part in corners)) > NOISE * size
    found: list[tuple[float, float, str]] = []
    for i, j in np.argwhere(maybe):
        zero = _zero(corners[0][:, i, j], corners[1][:, i, j])
        if zero is None:
            continue
        (u, v), slopes = zero
        width, height = field.x[j + 1] - field.x[j], field.y[i + 1] - field.y[i]
        x, y = float(field.x[j] + u * width), float(field.y[i] + v * height)
        close = 1e-6 * max(width, height)
        if any(abs(x - a) < close and abs(y - b) < close for a, b, _ in found):
            continue
        rates = np.linalg.eigvals(slopes / [width, height]).real
        kind = "attracts" if rates.max() < 0 else "repels" if rates.min() > 0 else "a saddle"
        found.append((x, y, f"stationary: {kind}"))
    return found


def _zero(f: FloatArray, g: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Where two bilinear functions on the unit square are 0, by Newton's method."""
    at = np.array([0.5, 0.5])
    for _ in range(30):
        u, v = at
        weights = np.array([(1 - u) * (1 - v), u * (1 - v), (1 - u) * v, u * v])
        slopes = np.array(
            [[(1 - v) * (h[1] - h[0]) + v * (h[3] - h[2]),
              (1 - u) * (h[2] - h[0]) + u * (h[3] - h[1])] for h in (f, g)]
        )  # fmt: skip
        if abs(np.linalg.det(slopes)) <= 1e-9 * np.abs(slopes).max() ** 2:
            return None
        step = np.linalg.solve(slopes, np.array([weights @ f, weights @ g]))
        at = at - step
        if np.abs(at - 0.5).max() > 3:
            return None
        if np.abs(step).max() < 1e-12:
            inside = bool((at >= -1e-9).all() and (at <= 1 + 1e-9).all())
            return (at, slopes) if inside else None
    return None
