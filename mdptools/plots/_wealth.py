"""Wealth: how the evidence of a sequential test grew, look by look, up to its alarm.

Takes     a `Verdict` from a sample, or the `WealthHistory` in it.
Gives     axes: log E of both tests against the number of rows, and where each decides.
Source    the numbers are those of the verdict.
Not here  the test (verify).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ModelError
from ..verify import Verdict, WealthHistory
from ._marks import legend_below
from ._style import ALARM, GREY, LINE, THIN, colour, finish, marker, name_lines, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DASH, DOTTED = (0, (6, 2)), (0, (1, 1.5))
TICKS = 9  # at most
LOW = 0.5
"""How far below 0 the picture goes, beside how far above."""


def wealth(verdict_or_history: Verdict | WealthHistory, *, ax: Any = None) -> Axes:
    """The wealth of the bets of a sequential test over the rows, with its alarm line.

    Parameters
    ----------
    verdict_or_history : Verdict, or WealthHistory
        As `check_estimator` gives it with ``route="sequential"``; ``verdict.sample.history``.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If the verdict is exact: nothing was bet.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    Two tests run on the same rows. Evidence against the mean being right stays below log(1 / alpha)
    for ever with a chance of 1 - alpha if the mean is right, however often one looks. Evidence that
    the mean is within the tolerance is that of the coordinate and side that has least. A sampler
    whose range was not declared is never called biased, however high its evidence stands.

    Examples
    --------
    >>> from mdptools import check_estimator
    >>> def coin(n, rng):  # heads are worth 1
    ...     return rng.random((n, 1)) < 0.6
    >>> verdict = check_estimator(
    ...     lambda n, rng: coin(n, rng) * 1.0,
    ...     None,
    ...     None,
    ...     target=[0.5],
    ...     style="sampler",
    ...     route="sequential",
    ...     bounds=(0, 1),
    ... )
    >>> ax = wealth(verdict)
    >>> against = ax.lines[0].get_ydata()
    >>> verdict.outcome, bool(against[-1] == verdict.log_e), bool(against[-1] > np.log(1e6))
    ('biased', True, True)
    """
    history = _history(verdict_or_history)
    axes = new_axes(ax)
    tests = (
        (history.log_e, "against the mean being right", 0),
        (history.log_claim, "for a mean within the tolerance", 2),
    )
    for y, label, i in tests:
        look: Any = {"color": colour(i), "marker": marker(i), "markersize": 4.5}
        axes.plot(history.n, y, linewidth=LINE, label=label, zorder=3, **look)
    lines = (
        (history.alarm, r"“biased” from here on, $\log(1/\alpha)$", ALARM),
        (history.enough, r"“within tol” from here on, $\log(1/\beta)$", colour(2)),
    )
    for height, label, ink in lines:
        axes.axhline(height, color=ink, linewidth=THIN, linestyle=DASH, zorder=2, label=label)
    for k, n in enumerate(history.n[history.restarted]):
        label = "range made wider, both begun anew" if k == 0 else "_again"
        axes.axvline(n, color=GREY, linewidth=THIN, linestyle=DOTTED, zorder=1, label=label)
    _frame(axes, history)
    name_lines(axes, [(f"{height:.3g}", height, ink) for height, _, ink in lines])
    title = ""
    if isinstance(verdict_or_history, Verdict):
        found = verdict_or_history
        title = f"{found.outcome}, {found.n:,} rows, seed {found.seed}"
    finish(axes, x="rows", y=r"evidence $\log E$ [nats]", title=title)
    legend_below(axes)
    return axes


def _frame(axes: Axes, history: WealthHistory) -> None:
    """Looks are evenly spaced, and named; a claim that is hopeless may leave below."""
    axes.set_xscale("log")
    named = history.n[:: -(-len(history.n) // TICKS)]
    axes.set_xticks(named, [f"{n:,}" for n in named])
    axes.set_xticks([], minor=True)
    both = np.concatenate([history.log_e, history.log_claim])
    known = both[np.isfinite(both)]
    highest = max(history.alarm, history.enough, float(known.max(initial=0.0)))
    lowest = min(0.0, max(float(known.min(initial=0.0)), -LOW * highest))
    room = 0.06 * (highest - lowest)
    axes.set_ylim(lowest - room, highest + room)


def _history(found: object) -> WealthHistory:
    """The history of a verdict."""
    match found:
        case WealthHistory():
            return found
        case Verdict() if found.sample is not None:
            return found.sample.history
        case Verdict():
            raise ModelError(
                f"the verdict is exact (route {found.route!r}): nothing was bet. Ask for a sample: "
                f"check_estimator(..., route='sequential')."
            )
    raise ModelError(f"verdict_or_history is {found!r:.80}; it must be a Verdict or its history.")
