"""Distributions and stochastic matrices as arrays.

Takes     sizes.
Gives     strategies of arrays (n,) and (n, m) whose rows sum to one.
Not here  policies (`_policies`), models (`_mdps`).
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ...arrays import FloatArray, readonly
from ...errors import ModelError
from ._codes import codes, decode, draw_style, spread_out


@st.composite
def _matrices(draw: st.DrawFn, n_rows: int, n: int, exact: bool | None) -> FloatArray:
    style = draw_style(draw, exact)
    rows = [spread_out(decode(draw(codes(n, style)), n, n, style), n) for _ in range(n_rows)]
    return readonly(np.array(rows))


@st.composite
def _distributions(draw: st.DrawFn, n: int, exact: bool | None) -> FloatArray:
    style = draw_style(draw, exact)
    return readonly(np.array(spread_out(decode(draw(codes(n, style)), n, n, style), n)))


def distributions(n: int, *, exact: bool | None = None) -> st.SearchStrategy[FloatArray]:
    """Distributions over n things: point masses, ties, probabilities of 0 and 1e-12.

    Parameters
    ----------
    n : int
        How many things.
    exact : bool or None
        True: multiples of powers of two, which sum to one exactly; False: decimal fractions; None:
        either.

    Returns
    -------
    strategy of (n,) arrays
        At most three entries are positive. Shrinks to the point mass on 0.

    Raises
    ------
    ModelError
        If n < 1.

    Examples
    --------
    >>> from random import Random
    >>> from hypothesis import find
    >>> sorted(find(distributions(3), lambda p: p.max() < 1, random=Random(0)).tolist())
    [0.0, 0.5, 0.5]
    """
    if n < 1:
        raise ModelError(f"n is {n}; it must be >= 1: a distribution is over something.")
    return _distributions(n, exact)


def stochastic_matrices(
    n_rows: int, n_columns: int | None = None, *, exact: bool | None = None
) -> st.SearchStrategy[FloatArray]:
    """Matrices whose rows are distributions: chains, observation matrices, tables of outcomes.

    Parameters
    ----------
    n_rows : int
    n_columns : int, optional
        ``n_rows`` if omitted: the transition matrix of a chain.
    exact : bool or None
        As for `distributions`, for all rows alike.

    Returns
    -------
    strategy of (n_rows, n_columns) arrays
        At most three entries of a row are positive. Shrinks to ones in the first column.

    Raises
    ------
    ModelError
        If a size is < 1.

    Examples
    --------
    The smallest chain of period two:

    >>> from random import Random
    >>> from hypothesis import find
    >>> find(stochastic_matrices(2), lambda P: P[0, 1] == P[1, 0] == 1, random=Random(0)).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    n_columns = n_rows if n_columns is None else n_columns
    if n_rows < 1 or n_columns < 1:
        raise ModelError(f"n_rows is {n_rows} and n_columns {n_columns}; both must be >= 1.")
    return _matrices(n_rows, n_columns, exact)
