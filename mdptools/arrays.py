"""Words for arrays: what the letters after Float, Bool and Int say is the shape.

Takes     arrays and nested lists.
Gives     float64 arrays, read-only where they are kept; numbers as JSON can hold them.
Not here  what the numbers mean (checks, model).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from .errors import ModelError

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.int64]
FloatS: TypeAlias = FloatArray
FloatSA: TypeAlias = FloatArray
FloatSAS: TypeAlias = FloatArray
BoolS: TypeAlias = BoolArray
BoolSA: TypeAlias = BoolArray
IntS: TypeAlias = IntArray

EPS = float(np.finfo(np.float64).eps)
"""The distance from 1 to the next float64, 2**-52; one rounding errs by at most half of it."""

TINY = float(np.finfo(np.float64).smallest_normal)
"""2**-1022. Below it a rounding errs by up to 2**-1075, whatever the size of the number."""

LARGEST = 1e290
"""The largest reward or value that may come in: summed over 2**53 steps it stays finite."""

_T = TypeVar("_T", bound=np.generic)


def plain(x: Any) -> Any:
    """Numbers and arrays as JSON can hold them.

    Parameters
    ----------
    x : number, str, array, None, or a dict, list, tuple or set of these

    Returns
    -------
    object
        What ``json.dumps(..., allow_nan=False)`` takes: nan is None, infinities are the strings
        "inf" and "-inf", a fraction is a string such as "1/3"; keys are strings, sets are sorted.

    Examples
    --------
    >>> plain({"V": np.array([0.5, np.inf, np.nan]), "n": np.int64(2)})
    {'V': [0.5, 'inf', None], 'n': 2}
    """
    match x:
        case np.ndarray():
            return plain(x.tolist())
        case np.generic():
            return plain(x.item())
        case Fraction():
            return str(x)
        case float() if math.isnan(x):
            return None
        case float() if math.isinf(x):
            return "inf" if x > 0 else "-inf"
        case dict():
            return {str(key): plain(item) for key, item in x.items()}
        case list() | tuple():
            return [plain(item) for item in x]
        case set() | frozenset():
            return [plain(item) for item in sorted(x)]
    return x


def json_text(entries: Mapping[str, Any]) -> str:
    """A dictionary as JSON that every reader accepts, each of its entries on a line of its own.

    Parameters
    ----------
    entries : dict
        Of what `plain` takes.

    Returns
    -------
    str

    Examples
    --------
    >>> print(json_text({"schema": 1, "V": [0.5, float("-inf"), float("nan")]}))
    {
      "schema": 1,
      "V": [0.5, "-inf", null]
    }
    """
    lines = (
        f"  {json.dumps(key)}: {json.dumps(plain(value), allow_nan=False)}"
        for key, value in entries.items()
    )
    return "{\n" + ",\n".join(lines) + "\n}"


def readonly(x: NDArray[_T]) -> NDArray[_T]:
    """Return ``x`` itself with writing switched off.

    Parameters
    ----------
    x : array
        Any array; it is not copied.

    Returns
    -------
    array
        The same object.

    Examples
    --------
    >>> readonly(np.zeros(2)).flags.writeable
    False
    """
    x.setflags(write=False)
    return x


def is_frozen(x: NDArray[Any]) -> bool:
    """Whether ``x`` is an array in C order into which nobody can write: it needs no copy.

    Parameters
    ----------
    x : array

    Returns
    -------
    bool
        False for a read-only view of an array that can be written.

    Examples
    --------
    >>> x = np.zeros(2)
    >>> is_frozen(x), is_frozen(readonly(x[:])), is_frozen(readonly(x))
    (False, False, True)
    """
    base: Any = x.base
    return (
        x.flags.c_contiguous
        and not x.flags.writeable
        and (base is None or (isinstance(base, np.ndarray) and not base.flags.writeable))
    )


def precision(x: Any) -> float:
    """The machine epsilon of the type in which numbers came, not below that of float64.

    Parameters
    ----------
    x : array or SciPy sparse
        Of any type; integers and fractions count as float64, which they become.

    Returns
    -------
    float

    Examples
    --------
    >>> precision(np.zeros(2, dtype=np.float32)) == 2**-23, precision(np.zeros(2, int)) == EPS
    (True, True)
    """
    return max(float(np.finfo(x.dtype).eps), EPS) if x.dtype.kind == "f" else EPS


def as_numbers(x: Any, name: str) -> NDArray[Any]:
    """``x`` as an array of its own real type, or a ModelError that says why there is none.

    Parameters
    ----------
    x : array_like
        Numbers of any real type: floats, integers, fractions.
    name : str
        What the argument is called, for the message.

    Returns
    -------
    array
        ``x`` itself if it is an array.

    Raises
    ------
    ModelError
        If ``x`` is ragged, complex, sparse or no array of numbers.

    Examples
    --------
    >>> as_numbers([1, 2], "mu").dtype.kind
    'i'
    """
    if hasattr(x, "tocsr"):
        raise ModelError(f"{name} is no array of real numbers: it is sparse; use .toarray().")
    try:
        raw = np.asarray(x)
    except (TypeError, ValueError) as error:
        raise ModelError(f"{name} is no array of real numbers: {error}") from None
    if raw.dtype.kind not in "biufO":
        raise ModelError(f"{name} is no array of real numbers: their type is {raw.dtype}.")
    return raw


def as_floats(x: Any, name: str) -> FloatArray:
    """A float64 copy of ``x``, or a ModelError that says why there is none.

    Parameters
    ----------
    x : array_like
        Numbers of any real type: floats, integers, fractions.
    name : str
        What the argument is called, for the message.

    Returns
    -------
    array
        float64, C order, never sharing memory with ``x``.

    Raises
    ------
    ModelError
        If ``x`` is ragged, complex or no array of numbers, or an integer is too large.

    Examples
    --------
    >>> as_floats([1, 2], "mu")
    array([1., 2.])
    """
    raw = as_numbers(x, name)
    try:
        return np.array(raw, dtype=np.float64, order="C")
    except (TypeError, ValueError, OverflowError) as error:  # from what objects hold
        raise ModelError(f"{name} is no array of real numbers: {error}.") from None
