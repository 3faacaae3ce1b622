"""Learners as a picture: what runs from many seeds did, as a band round their median.

Takes     a `Learning`, or several of one model.
Gives     axes: return, gap, angle, bias or spread against iterations; J* where it belongs.
Source    the numbers are those of the record, which are exact.
Not here  running (studies).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import FloatArray, IntArray
from ..checks import number_or_nan
from ..errors import ModelError
from ..studies import Learning
from ._style import GREY, LINE, SMALL, THIN, colour, finish, marker, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

QUANTITIES = {
    "J": "return $J$ [reward units]",
    "gap": "$J^* - J$ [reward units]",
    "angle": "angle to the exact gradient [degrees]",
    "bias": "norm of the exact bias",
    "deviation": "exact standard deviation of the estimate",
}
FAINT = 0.18
"""How much of its colour a band has."""


def learning(
    runs: Learning | Sequence[Learning],
    *,
    quantity: str = "J",
    band: float = 0.8,
    ax: Any = None,
) -> Axes:
    """What learners did, iteration by iteration: the median over the seeds, and a band.

    Parameters
    ----------
    runs : Learning, or a list of them
        As `learn` returns it; all of one model.
    quantity : {"J", "gap", "angle", "bias", "deviation"}
        "bias" is the norm of the estimator's exact bias at each theta where it was computed,
        "deviation" the square root of its total variance.
    band : float in [0, 1]
        Which share of the seeds it holds, the same left out above and below: 0.8 goes from the 10th
        to the 90th percentile. 0 draws none.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure if omitted.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ModelError
        If no run has the quantity, the models differ, or an argument is none of those named.
    MissingExtraError
        If matplotlib is not installed.

    Notes
    -----
    A grey line is J*. Gaps, bias and deviation stand on a logarithmic axis; what is 0 or not a
    number is not drawn.

    Examples
    --------
    >>> from mdptools.estimators import GradientLearner
    >>> from mdptools.problems import bandit
    >>> from mdptools.studies import learn
    >>> mdp = bandit([1.0, 0.0]).with_objective(horizon=1)
    >>> found = learn(mdp, GradientLearner("reinforce", step_size=1.0), 20, rng=0, seeds=5)
    >>> ax = learning(found)  # ax.figure.savefig("learning.pdf") keeps it
    >>> ax.get_ylabel(), len(ax.collections)
    ('return $J$ [reward units]', 1)
    """
    several = [runs] if isinstance(runs, Learning) else list(runs)
    _check(several, quantity, band)
    axes = new_axes(ax)
    series = [_series(one, quantity) for one in several]
    if not any(np.isfinite(y).any() for _, y in series):
        why = next((f": {one.why}" for one in several if one.why), "")
        raise ModelError(f"no run has the quantity {quantity!r}{why or '.'}")
    logarithmic = quantity in ("gap", "bias", "deviation")
    for i, (one, (x, y)) in enumerate(zip(several, series, strict=True)):
        _draw(axes, x, _positive(y) if logarithmic else y, one.name, i, band)
    if quantity == "J":
        axes.axhline(several[0].best, color=GREY, linewidth=THIN, zorder=0, label="$J^*$")
    if quantity == "angle":
        axes.axhline(90, color=GREY, linewidth=THIN, zorder=0, label="no better than chance")
        axes.set_ylim(0, 180)
        axes.set_yticks(range(0, 181, 30))
    if logarithmic:
        axes.set_yscale("log")
        axes.tick_params(which="minor", labelsize=SMALL)
    n = several[0].seeds
    share = f", band: {band:.0%} of them" if band and n > 1 else ""
    title = f"median of {n} seeds{share}" if n > 1 else "one seed"
    return finish(axes, x="iterations", y=QUANTITIES[quantity], title=title)


def _check(runs: list[Learning], quantity: str, band: float) -> None:
    """Pass if there is something to draw."""
    if not runs or not all(isinstance(one, Learning) for one in runs):
        raise ModelError(f"runs is {runs!r:.80}; it must be a Learning, or a list of them.")
    if quantity not in QUANTITIES:
        raise ModelError(
            f"quantity is {quantity!r:.80}; it must be one of {', '.join(QUANTITIES)}."
        )
    if not 0 <= number_or_nan(band) <= 1:
        raise ModelError(f"band is {band!r:.80}; it must be a number in [0, 1].")
    first = runs[0].mdp
    if not all(one.mdp is first or one.mdp.equals(first) for one in runs):
        raise ModelError("the runs are of different models: draw each on axes of its own.")


def _series(one: Learning, quantity: str) -> tuple[IntArray, FloatArray]:
    """Iterations, and the numbers (n, K) there; none if the run does not have them."""
    nothing = np.zeros(0, dtype=np.int64), np.zeros((one.seeds, 0))
    if quantity in ("J", "gap"):
        y = one.J if quantity == "J" else one.gap
        return np.arange(y.shape[1]), y
    if quantity == "angle":
        return nothing if one.estimates is None else (np.arange(one.iterations), one.angle)
    y = one.bias_norm if quantity == "bias" else one.deviation
    return one.moments_at, y


def _positive(y: FloatArray) -> FloatArray:
    """What a logarithmic axis can show, nan elsewhere."""
    return np.where(y > 0, y, np.nan)


def _draw(ax: Axes, x: IntArray, y: FloatArray, name: str, i: int, band: float) -> None:
    """A median and its band."""
    known = np.isfinite(y).any(axis=0)
    if not known.any():
        return
    x, y = x[known], y[:, known]
    ax.plot(
        x,
        np.nanmedian(y, axis=0),
        color=colour(i),
        linewidth=LINE,
        marker=marker(i),
        markersize=4,
        markevery=max(1, len(x) // 8),
        label=name,
        zorder=3,
    )
    if band and len(y) > 1:
        low, high = np.nanquantile(y, [(1 - band) / 2, (1 + band) / 2], axis=0)
        ax.fill_between(x, low, high, color=colour(i), alpha=FAINT, linewidth=0, zorder=2)
