"""Edges of a graph as curves that avoid the nodes, and labels that avoid each other.

Takes     places and radii of nodes, which ones are joined, the sizes of labels.
Gives     quadratic and cubic Bezier curves from rim to rim, and a point on each for its label.
Source    de Casteljau's division of a Bezier curve.
Not here  where the nodes stand (`_places`), what is drawn (`_transition_graph`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..arrays import FloatArray

BENDS = (0.0, 0.14, -0.14, 0.28, -0.28, 0.45, -0.45, 0.7, -0.7)
"""Of the distance between two nodes: how far the curve's control point is aside."""
ALONG = (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73)
"""Where on its edge a label may stand, best first."""
SAMPLES = 24
OPENING = np.deg2rad(30.0)  # of a loop, to each side


class Joined(NamedTuple):
    """One edge: its ends as numbers of nodes, the size of its label, how it would like to bend."""

    source: int
    target: int
    size: tuple[float, float]  # (0, 0) without a label
    bend: float = 0.0


class Curve(NamedTuple):
    """One edge as it is drawn."""

    points: FloatArray  # (3, 2) or (4, 2), from rim to rim
    label: FloatArray  # (2,)


class Box(NamedTuple):
    """Room that a text takes."""

    centre: FloatArray  # (2,)
    size: tuple[float, float]


def curves(
    places: FloatArray, radii: FloatArray, edges: Sequence[Joined], taken: Sequence[Box] = ()
) -> list[Curve]:
    """A curve for each edge, and room for its label.

    Parameters
    ----------
    places : (n, 2) array
    radii : (n,) array
    edges : list of Joined
        An edge from a node to itself is a loop.
    taken : list of Box
        Where texts stand already.

    Returns
    -------
    list of Curve

    Notes
    -----
    O(edges x bends x nodes). Each edge takes the bend whose cost is least: bending, running through
    other nodes, and room for the label.
    """
    texts = list(taken)
    directions = _directions(places, edges)
    found = []
    for edge in edges:
        if edge.source == edge.target:
            made = _loop(places, radii, edge, directions[edge.source])
        else:
            made = _between(places, radii, edge, texts)
        if edge.size[0]:
            texts.append(Box(made.label, edge.size))
        found.append(made)
    return found


def bezier(points: FloatArray, t: FloatArray) -> FloatArray:
    """Points of a Bezier curve.

    Parameters
    ----------
    points : (degree + 1, 2) array
    t : (n,) array
        From 0 to 1.

    Returns
    -------
    (n, 2) array

    Examples
    --------
    >>> bezier(np.array([[0.0, 0.0], [1.0, 2.0], [2.0, 0.0]]), np.array([0.5]))
    array([[1., 1.]])
    """
    layers = np.repeat(points[:, None], len(t), axis=1)  # (degree + 1, n, 2)
    while len(layers) > 1:
        layers = layers[:-1] * (1 - t)[:, None] + layers[1:] * t[:, None]
    found: FloatArray = layers[0]
    return found


def _directions(places: FloatArray, edges: Sequence[Joined]) -> dict[int, list[float]]:
    """The angles at which edges meet each node."""
    found: dict[int, list[float]] = {i: [] for i in range(len(places))}
    for edge in edges:
        if edge.source != edge.target:
            x, y = places[edge.target] - places[edge.source]
            angle = float(np.arctan2(y, x))
            found[edge.source].append(angle)
            found[edge.target].append(angle + np.pi)
    return found


def free_angle(angles: Sequence[float], wanted: float) -> float:
    """The middle of the widest gap between angles; the one nearest to ``wanted`` of equal ones.

    Parameters
    ----------
    angles : floats, radians
    wanted : float, radians

    Returns
    -------
    float
        In [0, 2 pi).

    Examples
    --------
    >>> float(round(free_angle([0.0, 3.0], wanted=np.pi / 2), 3))
    4.642
    """
    if not len(angles):
        return wanted
    at = np.sort(np.mod(angles, 2 * np.pi))
    gaps = np.diff(np.append(at, at[0] + 2 * np.pi))
    middles = at + gaps / 2
    widest = np.flatnonzero(gaps >= gaps.max() - 1e-3)
    best = max(widest.tolist(), key=lambda i: float(np.cos(middles[i] - wanted)))
    return float(np.mod(middles[best], 2 * np.pi))


def _loop(places: FloatArray, radii: FloatArray, edge: Joined, angles: list[float]) -> Curve:
    """A loop on the side of a node where no other edge is."""
    at, radius = places[edge.source], radii[edge.source]
    angle = free_angle(angles, wanted=np.pi / 2)
    turns = angle + OPENING * np.array([-1.0, -1.35, 1.35, 1.0])
    lengths = radius * np.array([1.0, 3.0, 3.0, 1.0])
    points = at + lengths[:, None] * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    top = bezier(points, np.array([0.5]))[0]
    outward = np.array([np.cos(angle), np.sin(angle)])
    return Curve(points, top + outward * (np.abs(outward) @ np.array(edge.size)) / 2)


def _between(
    places: FloatArray,
    radii: FloatArray,
    edge: Joined,
    taken: Sequence[Box],
) -> Curve:
    """The best of the bends, and of the places for its label."""
    a, b = places[edge.source], places[edge.target]
    aside = np.array([a[1] - b[1], b[0] - a[0]])  # to the left of the way
    best, least = None, np.inf
    for bend in dict.fromkeys((edge.bend, *BENDS)):
        points = _trimmed(
            np.stack([a, (a + b) / 2 + bend * aside, b]), radii[edge.source], radii[edge.target]
        )
        t = np.linspace(0.0, 1.0, SAMPLES)
        course = bezier(points, t)
        gap = np.hypot(*(course[:, None] - places[None]).transpose(2, 0, 1)) - 1.15 * radii
        gap[:, [edge.source, edge.target]] = np.inf
        cost = abs(bend - edge.bend) + 20.0 * float((gap < 0).mean(axis=0).sum())
        for box in taken:
            over = (np.abs(course - box.centre) < np.array(box.size) / 2).all(axis=1)
            cost += 2.0 * float(over.mean())
        if cost >= least:
            continue
        for k, along in enumerate(ALONG if edge.size[0] else ALONG[:1]):
            spot = bezier(points, np.array([along]))[0]
            total = cost + 0.01 * k
            if edge.size[0]:
                total += 3.0 * crowding(Box(spot, edge.size), places, radii, taken)
            if total < least:
                best, least = Curve(points, spot), total
    assert best is not None
    return best


def crowding(box: Box, places: FloatArray, radii: FloatArray, taken: Sequence[Box]) -> float:
    """How much a text would cover nodes and other texts, as shares of its own size.

    Parameters
    ----------
    box : Box
    places : (n, 2) array
    radii : (n,) array
    taken : list of Box

    Returns
    -------
    float

    Examples
    --------
    >>> here, there = Box(np.zeros(2), (2.0, 1.0)), Box(np.array([1.0, 0.5]), (2.0, 1.0))
    >>> crowding(here, np.zeros((0, 2)), np.zeros(0), [there])
    0.25
    """
    wide, high = box.size
    inside = np.maximum(np.abs(places - box.centre) - np.array([wide, high]) / 2, 0.0)
    depth = np.maximum(radii - np.hypot(inside[:, 0], inside[:, 1]), 0.0)
    total = float((depth / high).sum())
    for other, (its_width, its_height) in taken:
        x, y = np.abs(other - box.centre)
        over = min(wide, its_width, (wide + its_width) / 2 - x)
        deep = min(high, its_height, (high + its_height) / 2 - y)
        if over > 0 and deep > 0:
            total += float(over * deep / (wide * high))
    return total


def _trimmed(points: FloatArray, first: float, last: float) -> FloatArray:
    """A quadratic curve between the rims of two nodes, given from centre to centre."""
    t = np.linspace(0.0, 1.0, 129)
    course = bezier(points, t)
    leaves = np.hypot(*(course - points[0]).T) >= first
    enters = np.hypot(*(course - points[2]).T) >= last
    start = float(t[leaves.argmax()]) if leaves.any() else 0.0
    end = float(t[len(t) - 1 - enters[::-1].argmax()]) if enters.any() else 1.0
    if not start < end:  # the nodes touch
        start, end = 0.0, 1.0
    p0, p1, p2 = points

    def corner(u: float, v: float) -> FloatArray:
        """The blossom of the curve: its control point between u and v."""
        mixed: FloatArray = (1 - u) * (1 - v) * p0 + ((1 - u) * v + u * (1 - v)) * p1 + u * v * p2
        return mixed

    return np.stack([corner(start, start), corner(start, end), corner(end, end)])
