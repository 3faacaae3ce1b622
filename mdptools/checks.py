"""Checks that many rooms share: is the objective served, is a number what it must be.

Takes     what a user handed to a public function.
Gives     the checked value, or a ModelError with the place, the number and the cure.
Not here  the checks of a model's own arrays (model) and of policies (policies).
"""

from __future__ import annotations

import operator
from typing import Any, Protocol

import numpy as np

from .arrays import LARGEST, FloatS, as_floats
from .errors import ModelError

MOST_NUMBERS = 1 << 30  # in one array
_SERVED_BY = {
    "discounted": "gamma < 1 and no horizon",
    "finite": "horizon=",
    "total": "gamma = 1 and no horizon",
    "average": "average=True",
}


class HasObjective(Protocol):
    """Anything with an objective."""

    @property
    def objective(self) -> str:
        """One of the four words."""


def check_model(mdp: Any) -> None:
    """Pass if ``mdp`` is a model.

    Parameters
    ----------
    mdp : MDP

    Raises
    ------
    ModelError
        Saying what it is instead.
    """
    if not isinstance(getattr(mdp, "objective", None), str):
        raise ModelError(
            f"mdp is of type {type(mdp).__name__}; it must be a model: MDP(P, R, gamma)."
        )


def check_served(mdp: HasObjective, function: str, *served: str, instead: str) -> None:
    """Pass if ``mdp.objective`` is one of ``served``.

    Parameters
    ----------
    mdp : MDP
    function : str
        Who asks, for the message.
    *served : str
        Objectives.
    instead : str
        What to call for another objective.

    Raises
    ------
    ModelError
        Naming the objective, what is served, and the cure; or if ``mdp`` is no model.
    """
    check_model(mdp)
    if mdp.objective not in served:
        these = " or ".join(f"{word} ({_SERVED_BY[word]})" for word in served)
        raise ModelError(
            f"{function} serves the objective {these}; this model's is {mdp.objective} "
            f"({_SERVED_BY[mdp.objective]}). Use {instead}, or look at the model under another "
            f"objective: mdp.with_objective(...)."
        )


def number_or_nan(x: Any) -> float:
    """``x`` as a float; nan if it is no real number. A string is none, whatever it spells.

    Parameters
    ----------
    x : float

    Returns
    -------
    float

    Examples
    --------
    >>> number_or_nan(1), number_or_nan("1"), number_or_nan([1]), number_or_nan(10**400)
    (1.0, nan, nan, nan)
    """
    if isinstance(x, (str, bytes)) or getattr(x, "ndim", False):
        return float("nan")
    try:
        return float(x)
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def check_tol(tol: Any) -> float | None:
    """A tolerance: a number > 0 in reward units, or None.

    Parameters
    ----------
    tol : float or None

    Returns
    -------
    float or None

    Raises
    ------
    ModelError
        If it is not a number > 0.
    """
    if tol is None:
        return None
    value = number_or_nan(tol)
    if not value > 0:
        raise ModelError(
            f"tol is {tol!r:.80}; it must be > 0: the error you accept, in reward units."
        )
    return value


def check_fits(horizon: int, n_states: int, n_actions: int, function: str) -> None:
    """Pass if a table with a number for each time, state and action may be made.

    Parameters
    ----------
    horizon, n_states, n_actions : int
    function : str
        Who asks, for the message.

    Raises
    ------
    ModelError
        If it had more than 2^30 numbers, 8 GiB.

    Examples
    --------
    >>> check_fits(10**9, 6, 2, "solve")
    Traceback (most recent call last):
    ...
    mdptools.errors.ModelError: solve makes tables (horizon, S, A) = (1000000000, 6, 2), 89 GiB
    each. Take a shorter horizon, ...
    """
    size = (horizon + 1) * n_states * n_actions
    if size > MOST_NUMBERS:
        raise ModelError(
            f"{function} makes tables (horizon, S, A) = ({horizon}, {n_states}, {n_actions}), "
            f"{size >> 27} GiB each. Take a shorter horizon, or none: with "
            f"gamma < 1 or average=True the answer no longer depends on time."
        )


def check_count(n: Any, name: str) -> int:
    """An int >= 1; a bool is none.

    Parameters
    ----------
    n : int
    name : str

    Returns
    -------
    int

    Raises
    ------
    ModelError
        If it is not an int >= 1.
    """
    try:
        value = 0 if isinstance(n, bool) else operator.index(n)
    except TypeError:
        value = 0
    if value < 1:
        raise ModelError(f"{name} is {n!r:.80}; it must be an int >= 1.")
    return value


def check_values(V: Any, name: str, n_states: int) -> FloatS:
    """An array (S,) of numbers up to 1e290, as a fresh copy.

    Parameters
    ----------
    V : (S,) array_like, reward units
    name : str
    n_states : int

    Returns
    -------
    (S,) array

    Raises
    ------
    ModelError
        Naming the first state with a number that is larger or nan, or the shape.
    """
    values = as_floats(V, name)
    if values.shape != (n_states,):
        raise ModelError(f"{name} has shape {values.shape}; it must be ({n_states},).")
    bad = np.flatnonzero(~(np.abs(values) <= LARGEST))
    if len(bad):
        raise ModelError(
            f"{name}[{bad[0]}] is {values[bad[0]]}; it must be finite, and at most {LARGEST:g}."
        )
    return values


def words_for_sum(gap: float) -> str:
    """What a sum of probabilities is, in digits that show that it is not 1.

    Parameters
    ----------
    gap : float
        The sum minus 1.

    Returns
    -------
    str

    Examples
    --------
    >>> words_for_sum(-0.1), words_for_sum(5.96e-8)
    ('0.9', '1 + 5.96e-08')
    """
    if abs(gap) > 1e-5:
        return f"{1 + gap:.6g}"
    return f"1 {'-' if gap < 0 else '+'} {abs(gap):.3g}"


def check_rng(rng: Any) -> Any:
    """A Generator from a seed; what behaves as a Generator is passed through.

    Parameters
    ----------
    rng : Generator, int, or an object with the methods of a Generator

    Returns
    -------
    Generator, or the object itself

    Raises
    ------
    ModelError
        If it is neither.
    """
    if hasattr(rng, "integers") and hasattr(rng, "random"):
        return rng
    try:
        seed = -1 if isinstance(rng, bool) else operator.index(rng)
    except TypeError:
        seed = -1
    if seed < 0:
        raise ModelError(
            f"rng is {rng!r:.80}; it must be a numpy.random.Generator, or a seed (an int >= 0)."
        )
    return np.random.default_rng(seed)
