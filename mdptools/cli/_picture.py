"""The option ``--plot``: a picture beside the page.

Takes     the path of a file, what is drawn.
Gives     the file.
Not here  the pictures (plots).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import MissingExtraError, ModelError

ENDINGS = (".png", ".pdf", ".svg")
DOTS = 200  # an inch
Plot = Annotated[
    str | None,
    typer.Option(
        "--plot",
        metavar="FILE",
        show_default=False,
        help="Draw it as well: a file that ends in .png, .pdf or .svg.",
    ),
]


def check_plot(path: str | None) -> None:
    """Pass if there is no picture to draw, or it can be drawn: before the work, not after it."""
    if path is None:
        return
    place = Path(path)
    if place.suffix not in ENDINGS:
        raise ModelError(f"--plot is {path!r:.200}; it must end in {', '.join(ENDINGS)}.")
    if not place.parent.is_dir():
        raise ModelError(f"--plot is {path!r:.200}; there is no folder {str(place.parent)!r:.200}.")
    try:
        import matplotlib as mpl
    except ImportError as error:
        raise MissingExtraError("matplotlib", "plots") from error
    mpl.use("agg")  # a file is all that is wanted; no window


def save(path: str, drawn: Sequence[Any], function: str, **options: Any) -> None:
    """Draw each thing with that function of `plots`, one below the other, into one file."""
    from matplotlib import pyplot as plt

    from .. import plots

    figure, axes = plt.subplots(
        len(drawn), figsize=(6.0, 4.2 * len(drawn)), layout="constrained", squeeze=False
    )
    for ax, one in zip(axes[:, 0], drawn, strict=True):
        getattr(plots, function)(one, ax=ax, **options)
    try:
        figure.savefig(path, dpi=DOTS)
    except OSError as error:
        raise ModelError(f"--plot {path} cannot be written: {error.strerror}.") from error
    finally:
        plt.close(figure)
