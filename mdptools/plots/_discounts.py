"""Discount sensitivity as a picture: which action is optimal in each state, gamma by gamma.

Takes     a `DiscountSensitivity`, perhaps its model for names.
Gives     axes: a strip for each state, coloured by its optimal action, breakpoints marked.
Source    the numbers are those of the sensitivity, which are exact.
Not here  finding the breakpoints (hardness).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import TINY, BoolArray, FloatArray
from ..checks import check_model
from ..errors import ModelError
from ..hardness import DiscountSensitivity
from ..model import MDP
from ._heat import WIDE, inks
from ._marks import legend_below, names_of
from ._style import GREY, SMALL, THIN, colour, finish, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.patches import Patch

ROW, LOW, ROOM = 0.34, 0.2, 1.3  # inches: of a strip, of many, and of what stands around them
MANY = 14
CLOSE = 0.95
"""A breakpoint above this is drawn on a scale that stretches towards 1."""
NEAREST = 1e-14
"""Floats can hardly tell breakpoints apart that are nearer to 1: they are drawn there."""
THICK = 0.74  # of a row
TIE = "////"
STOREYS = 4
"""In so many rows the breakpoints are written above each other, where they are close."""


def discounts(sensitivity: DiscountSensitivity, *, mdp: MDP | None = None, ax: Any = None) -> Axes:
    r"""The optimal actions as strips over the discount, one for each state.

    Parameters
    ----------
    sensitivity : DiscountSensitivity
        As `discount_sensitivity` returns it.
    mdp : MDP, optional
        Its model: for names, for its own discount, and to leave out terminal states.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as high as its strips, if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If the model is another one.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Where several actions are optimal the strip is divided among them and hatched. If a breakpoint
    is above 0.95 the axis is that of log(1 - gamma): equal lengths are equal factors of the
    horizon 1 / (1 - gamma).

    Examples
    --------
    >>> from mdptools.hardness import discount_sensitivity
    >>> from mdptools.problems import discount_mismatch
    >>> mdp = discount_mismatch(3)
    >>> ax = discounts(discount_sensitivity(mdp), mdp=mdp)
    >>> [text.get_text() for text in ax.texts][-1], ax.get_xlabel()
    ('0.316', 'discount $\\gamma$')
    """
    states, state_names, action_names = _checked(sensitivity, mdp)
    axes = new_axes(ax, size=(6.4, ROOM + (ROW if len(states) <= MANY else LOW) * len(states)))
    marked = [min(float(point), 1 - NEAREST) for point in sensitivity.breakpoints]
    own = mdp.gamma if mdp is not None and mdp.objective == "discounted" else None
    last = _scale(axes, marked)
    ends = np.array([0.0, *marked, last])
    axes.set_ylim(len(states) - 0.5, -0.5)
    finish(axes, x=r"discount $\gamma$", y="state", title="")
    axes.grid(False)
    used = sensitivity.optimal_actions[:, states].any(axis=(0, 1))
    looks = {int(a): colour(i) for i, a in enumerate(np.flatnonzero(used))}
    ties = False
    for row, s in enumerate(states):
        for low, high, optimal in _cells(ends, sensitivity.optimal_actions[:, s]):
            actions = np.flatnonzero(optimal).tolist()
            ties = ties or len(actions) > 1
            _draw_cell(axes, row, (low, high), actions, looks)
            if len(actions) == 1:
                free = [low, *(point for point in marked if low < point < high), high]
                name, ink = action_names[actions[0]], looks[actions[0]]
                _write_name(axes, row, free, name, ink)
    for point in marked:
        axes.axvline(point, color="black", linewidth=THIN, linestyle=(0, (1, 1.5)), zorder=4)
    if own is not None and own <= last:
        axes.plot(
            own, len(states) - 0.5, marker="^", markersize=8, color="black", clip_on=False,
            linestyle="none", label=r"the model's $\gamma$", zorder=5,
        )  # fmt: skip
    _write_breakpoints(axes, marked)
    axes.set_yticks(range(len(states)), [state_names[s] for s in states], fontsize=SMALL)
    axes.tick_params(axis="y", length=0)
    known = _patches({action_names[a]: ink for a, ink in looks.items()}, ties=ties)
    legend_below(axes, columns=min(5, len(known) + (own is not None)), first=known)
    return axes


def _patches(looks: dict[str, str], *, ties: bool) -> list[Patch]:
    """For the legend: the colour of each action, and what a tie looks like."""
    from matplotlib.patches import Patch

    made = [Patch(color=ink, label=name) for name, ink in looks.items()]
    if ties:
        made.append(Patch(facecolor=GREY, hatch=TIE, edgecolor="white", label="a tie"))
    return made


def _scale(axes: Axes, marked: list[float]) -> float:
    """Up to 1, or stretched and up to ten times nearer to 1 than any breakpoint; where it ends."""
    highest = max(marked, default=0.0)
    if highest <= CLOSE:
        axes.set_xlim(0.0, 1.0)
        return 1.0
    nines = math.ceil(-math.log10(1 - highest) + 0.5)
    axes.set_xscale("function", functions=(_stretch, _shrink))
    last = 1 - 10.0**-nines
    axes.set_xlim(0.0, last)
    every = -(-nines // 6)
    kept = [k for k in range(1, nines + 1) if k % every == 0 or k == nines]
    axes.set_xticks(
        [0.0, 0.5, *(1 - 10.0**-k for k in kept)],
        ["0", "0.5", *(f"{1 - 10.0**-k:.{k}f}" for k in kept)],
    )
    return last


def _stretch(gamma: Any) -> Any:
    """-log10(1 - gamma)."""
    return -np.log10(np.maximum(1 - np.asarray(gamma), TINY))


def _shrink(x: Any) -> Any:
    """Its inverse."""
    return 1 - 10.0 ** -np.asarray(x)


def _digits(point: float) -> str:
    """Enough of them to tell it from 0 and from 1.

    Examples
    --------
    >>> [_digits(point) for point in (0.31622, 0.5, 0.9990009, 0.00123456, 1.6653e-16)]
    ['0.316', '0.5', '0.999001', '0.00123', '1.7e-16']
    """
    if point < 1e-4:
        return f"{point:.2g}"
    nearest = min(point, 1 - point)
    zeros = max(0, math.floor(-math.log10(nearest)))
    return f"{point:.{zeros + 3}f}".rstrip("0")


def _write_breakpoints(axes: Axes, marked: list[float]) -> None:
    """Above the strips; where two are close, the second in a row above, as long as there is one.

    What reads the same is written once.
    """
    ends = [-np.inf] * STOREYS
    points = 72 / axes.figure.dpi
    for text, point in {_digits(point): point for point in marked}.items():
        at = float(axes.transData.transform((point, 0))[0]) * points
        half = WIDE / 2 * SMALL * len(text)
        storey = next((k for k, end in enumerate(ends) if at - half > end), None)
        if storey is None:
            continue
        ends[storey] = at + half + 2
        axes.annotate(
            text, (point, 1.0), (0, 2 + 1.2 * SMALL * storey),
            xycoords=("data", "axes fraction"), textcoords="offset points", fontsize=SMALL,
            ha="center", va="bottom",
        )  # fmt: skip


def _cells(ends: FloatArray, optimal: BoolArray) -> list[tuple[float, float, BoolArray]]:
    """Neighbouring intervals on which a state has the same optimal actions, joined."""
    changed = [0, *(k for k in range(1, len(optimal)) if (optimal[k] != optimal[k - 1]).any())]
    return [
        (float(ends[first]), float(ends[last]), optimal[first])
        for first, last in zip(changed, [*changed[1:], len(optimal)], strict=True)
    ]


def _draw_cell(
    axes: Axes,
    row: int,
    ends: tuple[float, float],
    actions: list[int],
    looks: dict[int, str],
) -> None:
    """One colour, or as many bands as there are optimal actions."""
    low, high = ends
    band = THICK / len(actions)
    for i, a in enumerate(actions):
        y = row - THICK / 2 + (i + 0.5) * band
        axes.barh(
            y, high - low, band, left=low, color=looks[a], edgecolor="white", linewidth=0.4,
            hatch=TIE if len(actions) > 1 else None, zorder=2,
        )  # fmt: skip


def _write_name(axes: Axes, row: int, free: list[float], name: str, behind: str) -> None:
    """A name in the widest part of a strip that no breakpoint crosses, if there is room."""
    from matplotlib.colors import to_rgba

    at = axes.transData.transform([(gamma, 0) for gamma in free])[:, 0] * 72 / axes.figure.dpi
    widest = int(np.diff(at).argmax())
    if at[widest + 1] - at[widest] > WIDE * SMALL * (len(name) + 1):
        axes.annotate(
            name, (free[widest], row), (4, 0), textcoords="offset points", fontsize=SMALL,
            color=inks(np.array([to_rgba(behind)]))[0], va="center", zorder=3,
        )  # fmt: skip


def _checked(found: DiscountSensitivity, mdp: MDP | None) -> tuple[list[int], list[str], list[str]]:
    """States that are drawn, names of states and of actions."""
    if not isinstance(found, DiscountSensitivity):
        raise ModelError(
            f"sensitivity is {found!r:.80}; it must be what discount_sensitivity returns."
        )
    n_states, n_actions = found.optimal_actions.shape[1:]
    if mdp is None:
        return list(range(n_states)), names_of(None, n_states), names_of(None, n_actions)
    check_model(mdp)
    if mdp.allowed.shape != (n_states, n_actions):
        raise ModelError(
            f"the model has (S, A) = {mdp.allowed.shape}, and the sensitivity is that of one with "
            f"{(n_states, n_actions)}: hand in the model that it was made from."
        )
    live = np.flatnonzero(~mdp.terminal).tolist()
    return (
        live or list(range(n_states)),
        names_of(mdp.state_names, n_states),
        names_of(mdp.action_names, n_actions),
    )
