"""Pictures held against stored ones, loosely enough for the fonts of another matplotlib.

Takes     axes, best those of `canvas`, and the path of a picture.
Gives     both as arrays, and how far apart they are: the root mean square of differences, 0 to 1,
          after both were blurred over blocks of pixels.
Source    `MDPTOOLS_PICTURES=write` stores what is drawn, to be looked at and committed.
Not here  what a picture shows: tests read that from the axes.
"""

import os
from pathlib import Path

import numpy as np
import pytest

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402 - after the backend

DPI = 60
BLOCK = 4  # pixels, each way
NEAR = 0.006
"""What another version of matplotlib may differ by; it is 0.003; a bound less differs by 0.012."""


def canvas(size=(6.0, 4.2)):
    """Axes whose place in the figure no version of matplotlib chooses."""
    figure, ax = plt.subplots(figsize=size, dpi=DPI)
    figure.subplots_adjust(left=0.12, right=0.85, bottom=0.35, top=0.92)
    return ax


def drawn(ax):
    """What is between the axes, as an array (rows, columns, 3), 0 to 1.

    Not what stands around them: text is drawn a little differently by each version of matplotlib.
    """
    canvas = ax.figure.canvas
    canvas.draw()
    whole = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    box = ax.get_window_extent()
    rows = len(whole) - np.array([box.y1, box.y0]).round().astype(int)
    columns = np.array([box.x0, box.x1]).round().astype(int)
    return whole[slice(*rows), slice(*columns)]


def silent(ax):
    """The axes without what is written in them, for the same reason."""
    for text in ax.texts:
        text.set_visible(False)
    return ax


def blurred(picture):
    """Means over blocks."""
    rows, columns = (size - size % BLOCK for size in picture.shape[:2])
    kept = picture[:rows, :columns]
    return kept.reshape(rows // BLOCK, BLOCK, columns // BLOCK, BLOCK, 3).mean((1, 3))


def apart(first, second):
    """The root mean square of differences after blurring."""
    return float(np.sqrt(((blurred(first) - blurred(second)) ** 2).mean()))


def stored(ax, path):
    """The stored picture; that of the axes, if it is to be stored."""
    path = Path(path)
    if os.environ.get("MDPTOOLS_PICTURES") == "write":
        path.parent.mkdir(exist_ok=True)
        plt.imsave(path, drawn(ax))
    return plt.imread(path)[..., :3]
