"""Policies and logits that fit a model.

Takes     an MDP.
Gives     strategies of arrays (S, A), or (H, S, A) where time counts; 0 at refused pairs.
Not here  families of policies (policies).
"""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from ...arrays import FloatSA, readonly
from ...errors import ModelError
from ...model import MDP
from ._codes import COIN, Style, codes, decode, draw_style, sometimes


@st.composite
def _policies(
    draw: st.DrawFn, mdp: MDP, exact: bool | None, timed: bool | None, mixed: bool | None
) -> FloatSA:
    """State after state, and time after time where it counts."""
    style = Style.POINT if mixed is False else draw_style(draw, exact)
    times = 1
    timed = mdp.horizon is not None and sometimes(draw, timed)
    if timed and mdp.horizon is not None:
        times = mdp.horizon
    pi = np.zeros((times, mdp.n_states, mdp.n_actions))
    menus = [np.flatnonzero(row).tolist() for row in mdp.allowed]
    numbers = codes(mdp.n_actions, style)
    for t in range(times):
        for s, menu in enumerate(menus):
            code = draw(numbers) if len(menu) > 1 else 0
            for i, probability in decode(code, mdp.n_actions, len(menu), style):
                pi[t, s, menu[i]] = probability
    return readonly(pi if timed else pi[0].copy())


def policies(
    mdp: MDP,
    *,
    exact: bool | None = None,
    timed: bool | None = None,
    mixed: bool | None = None,
) -> st.SearchStrategy[FloatSA]:
    """Policies of a model: deterministic, mixed, and nearly deterministic ones.

    Parameters
    ----------
    mdp : MDP
    exact : bool or None
        As for `distributions`: whether rows sum to one exactly.
    timed : bool or None
        On a finite horizon: policies that depend on time always, never, or sometimes. Without a
        horizon none does.
    mixed : bool or None
        False: deterministic policies alone.

    Returns
    -------
    strategy of (S, A) or (H, S, A) arrays
        0 at refused pairs. Shrinks to the first allowed action of each state.

    Examples
    --------
    >>> from random import Random
    >>> from hypothesis import find
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> find(policies(mdp), lambda pi: pi[0, 1] > 0, random=Random(0))
    array([[0., 1.]])
    """
    return _policies(mdp, exact, timed, mixed)


@st.composite
def _logits(draw: st.DrawFn, mdp: MDP, largest: float) -> FloatSA:
    """Multiples of a thousandth or of a tenth of the largest."""
    theta = np.zeros((mdp.n_states, mdp.n_actions))
    unit = largest / 1000 if draw(COIN) else largest / 10
    steps = st.integers(-round(largest / unit), round(largest / unit))
    for s, a in np.argwhere(mdp.allowed).tolist():
        theta[s, a] = draw(steps) * unit
    return readonly(theta)


def logits(mdp: MDP, *, largest: float = 10.0) -> st.SearchStrategy[FloatSA]:
    """Logits for the softmax family of a model: ties, round numbers, nearly deterministic ones.

    Parameters
    ----------
    mdp : MDP
    largest : float
        Largest |theta|.

    Returns
    -------
    strategy of (S, A) arrays
        0 at refused pairs. Shrinks to zeros, the uniform policy.

    Raises
    ------
    ModelError
        If ``largest`` is not a number > 0.

    Examples
    --------
    >>> from random import Random
    >>> from hypothesis import find
    >>> mdp = MDP([[[1.0], [1.0]]], [[0.0, 1.0]], gamma=0.5)
    >>> find(logits(mdp), lambda theta: theta.any(), random=Random(0)).shape
    (1, 2)
    """
    if not 0 < largest < np.inf:
        raise ModelError(f"largest is {largest}; it must be > 0 and finite.")
    return _logits(mdp, float(largest))
