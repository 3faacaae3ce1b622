"""A walk on a line that ends outside an interval: values of a continuous state.

Takes     a number of nodes.
Gives     `LineWalk`: V at the nodes and anywhere between them.
Source    V(x) = -1 + int_{-3}^{3} p(y | x) V(y) dy, a Fredholm equation of the second kind; solved
          by the method of Nystroem with Gauss-Legendre nodes (Atkinson 1997, chapter 4).
Not here  other walks, discretised ones (problems).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, as_floats, readonly
from ..certificates import Certificate
from ..checks import check_count
from ..errors import ModelError

EDGE = 3.0
STD = 0.25  # of a step: its variance is 1/16


@dataclass(frozen=True, slots=True, eq=False)
class LineWalk:
    """The values of the walk.

    Attributes
    ----------
    x : (2n,) array
        The nodes, in (-3, 3).
    V : (2n,) array, reward units
        At the nodes: minus the expected number of moves until the walk is outside.
    weights : (2n,) array
        Of the quadrature.
    certificate : Certificate
        Of kind "estimated": the difference to half as many nodes.
    """

    x: FloatArray
    V: FloatArray
    weights: FloatArray
    certificate: Certificate

    def at(self, x: Any) -> FloatArray:
        """V anywhere: 0 outside [-3, 3], between the nodes the equation itself.

        Parameters
        ----------
        x : array_like

        Returns
        -------
        array of that shape, reward units

        Raises
        ------
        ModelError
            If x holds no numbers.
        """
        places = as_floats(x, "x")
        V: FloatArray = _density(places, self.x) @ (self.weights * self.V) - 1
        return np.where(np.abs(places) <= EDGE, V, 0.0)


def line_walk_values(n: int = 64) -> LineWalk:
    """The expected (negative) number of moves of a walk until it leaves [-3, 3].

    Each move goes left or right with probability 1/2 each, by N(-1, 1/16) or N(+1, 1/16), and pays
    -1; outside the interval it is over.

    Parameters
    ----------
    n : int
        Nodes, at least 8. The answer is that of 2n; the difference to that of n is the estimated
        error.

    Returns
    -------
    LineWalk

    Raises
    ------
    ModelError
        If n is less than 8 or more than 2048.

    Notes
    -----
    The density is entire, so the error falls faster than any power of the nodes once they are as
    close as a step is wide: 1e-12 from n = 64 on. Time O(n^3).

    Examples
    --------
    >>> walk = line_walk_values()
    >>> walk.at([0.0, 2.9, 3.1]).round(6)
    array([-11.436652,  -4.97254 ,   0.      ])
    >>> walk.certificate.bound < 1e-10
    True
    """
    count = check_count(n, "n")
    if not 8 <= count <= 2048:
        raise ModelError(f"n is {count}; it must be from 8 to 2048.")
    x, w, V = _solved(2 * count)
    nodes, weights, coarse = _solved(count)
    between = _density(x, nodes) @ (weights * coarse) - 1
    change = float(np.abs(V - between).max())
    roundoff = 4 * EPS * count * float(np.abs(V).max() ** 2)  # |(I - K)^-1| is max |V|
    certificate = Certificate(
        change + roundoff,
        np.inf,
        change,
        "the difference between n and 2n Gauss-Legendre nodes",
        kind="estimated",
    )
    return LineWalk(readonly(x), readonly(V), readonly(w), certificate)


def _solved(n: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Nodes, weights and V of n nodes."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    x, w = EDGE * nodes, EDGE * weights
    V: Any = np.linalg.solve(np.eye(n) - _density(x, x) * w, -np.ones(n))
    return x, w, V


def _density(x: FloatArray, y: FloatArray) -> FloatArray:
    """p(y | x), of the shape of x with that of y behind it."""
    moved: Any = y - x[..., None]
    left, right = (np.exp(-0.5 * ((moved + side) / STD) ** 2) for side in (1.0, -1.0))
    density: FloatArray = (left + right) / (STD * (8 * np.pi) ** 0.5)
    return density
