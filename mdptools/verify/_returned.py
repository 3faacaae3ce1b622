"""Returned: what somebody's estimator gave back, read as rows of numbers.

Takes     a number, a list, an array, a torch or JAX tensor, or a dict of such.
Gives     (n, D) arrays of finite float64, or one clear error; names for their columns.
Not here  calling the estimator (`_rows`), the forms in which it takes its data (`_styles`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import FloatArray
from ..errors import ModelError


@dataclass(frozen=True, slots=True)
class Layout:
    """Which columns of a row belong to which key of a dict.

    Attributes
    ----------
    shapes : tuple of (key, shape)
        In the order of the columns; nested dicts have keys joined by dots.
    """

    shapes: tuple[tuple[str, tuple[int, ...]], ...]

    @property
    def size(self) -> int:
        """The number of columns."""
        return sum(_size(shape) for _, shape in self.shapes)

    def name(self, column: int) -> str:
        """A column in words: ``"'w'[0, 1]"``."""
        for key, shape in self.shapes:
            if column < _size(shape):
                index = [int(i) for i in np.unravel_index(column, shape)] if shape else None
                return f"'{key}'" if index is None else f"'{key}'{index}"
            column -= _size(shape)
        raise IndexError(f"there are {self.size} columns")

    def sort(self, parts: dict[str, NDArray[Any]], what: str) -> dict[str, NDArray[Any]]:
        """The parts in the order of the columns; every key, and no other."""
        wanted = [key for key, _ in self.shapes]
        missing = [key for key in wanted if key not in parts]
        unknown = [key for key in parts if key not in wanted]
        if missing or unknown:
            wrong = f"lacks key '{missing[0]}'" if missing else f"has a key '{unknown[0]}' too many"
            raise ModelError(f"{what} {wrong}: its keys must be {wanted}.")
        return {key: parts[key] for key in wanted}


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape, dtype=np.int64))


def as_array(x: Any, what: str) -> NDArray[Any]:
    """``x`` as a NumPy array of real numbers, in its own type if that is one of NumPy's.

    Tensors are told by what they can do: ``detach`` cuts them out of a graph of derivatives,
    ``cpu`` fetches them from a device. No library of tensors is imported.
    """
    if isinstance(x, np.ndarray) and x.dtype.kind in "biuf":
        return x
    if x is None:
        raise ModelError(f"{what} is None: is a return statement missing?")
    if isinstance(x, (list, tuple)) and any(hasattr(part, "detach") for part in x):
        x = [as_array(part, what) for part in x]
    if hasattr(x, "detach"):
        x = x.detach()
    if hasattr(x, "cpu"):
        x = x.cpu()
    try:
        array = np.asarray(x)
        if array.dtype.kind == "O":  # fractions, and numbers of which nobody knows more
            array = array.astype(np.float64)
    except ModelError:
        raise
    except (TypeError, ValueError) as error:
        raise ModelError(f"{what} is no array of real numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise ModelError(
            f"{what} is {array.dtype} instead of real numbers of a type that NumPy knows: float32 "
            f"or float64."
        )
    return array


def flat(
    x: Any, what: str, lead: int = 0, order: Layout | None = None
) -> tuple[NDArray[Any], Layout | None, float]:
    """An array of any shape; a dict of arrays side by side.

    Parameters
    ----------
    x : number, array, tensor, or dict of them
    what : str
        For messages.
    lead : int
        So many leading axes are not flattened; they are the same for all keys.
    order : Layout, optional
        Which keys a dict must have, and in which order they are wanted: its own if omitted.

    Returns
    -------
    array
        ``x`` itself; of a dict its leaves side by side, (..., D).
    layout : Layout or None
        Of a dict.
    precision : float
        The coarsest eps; 0 for integers.
    """
    if not isinstance(x, Mapping):
        array = as_array(x, what)
        return array, None, _eps(array)
    parts = leaves(x, what)
    if not parts:
        raise ModelError(f"{what} is a dict without keys.")
    if order is not None:
        parts = order.sort(parts, what)
    first = next(iter(parts))
    for key, part in parts.items():
        if part.ndim < lead or part.shape[:lead] != parts[first].shape[:lead]:
            raise ModelError(
                f"{what} has shape {part.shape} at key '{key}' and {parts[first].shape} at key "
                f"'{first}': they must have the same number of rows."
            )
    layout = Layout(tuple((key, part.shape[lead:]) for key, part in parts.items()))
    joined = [part.reshape(*part.shape[:lead], -1) for part in parts.values()]
    return np.concatenate(joined, axis=lead), layout, max(map(_eps, parts.values()))


def leaves(x: Any, what: str, path: str = "") -> dict[str, NDArray[Any]]:
    """The arrays in nested dicts, by keys joined with dots; what is no dict has the key ""."""
    if not isinstance(x, Mapping):
        return {path: as_array(x, f"{what} at key '{path}'" if path else what)}
    found: dict[str, NDArray[Any]] = {}
    for key, value in x.items():
        found |= leaves(value, what, f"{path}.{key}" if path else str(key))
    return found


def _eps(array: NDArray[Any]) -> float:
    return float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


@dataclass(slots=True)
class Reader:
    """Reads one answer after the other, and asks that they fit together.

    Parameters
    ----------
    who : str
        Who answers, for messages: "the estimator".
    unit : str
        What a row is about: "trajectories".
    cure : str
        What to say to somebody who returned another number of rows.
    shape : tuple of int, optional
        Of what the rows estimate; that of the first answer if omitted.
    layout : Layout, optional
        Of the target, if that is a dict; that of the first answer if omitted.
    """

    who: str
    unit: str
    cure: str = ""
    shape: tuple[int, ...] | None = None
    layout: Layout | None = None
    precision: float = field(default=0.0, init=False)  # the coarsest eps so far
    _before: tuple[int, ...] | None = field(default=None, init=False)

    def read(
        self, answer: Any, n: int, about: Callable[[int], str], *, one: bool = False
    ) -> FloatArray:
        """(n, D) finite float64; with ``one``, a single estimate (1, D) is welcome too.

        It may then be a number, and in the target's shape, or flat, do without the axis of rows.
        n numbers without a target are refused: they might be n rows, or one.
        ``about(i)`` says for messages what row i belongs to.
        """
        what = f"what {self.who} returned"
        if one and not isinstance(answer, Mapping):
            answer = self._one_row(as_array(answer, what))
        array, layout, eps = flat(answer, what, 1, self.layout)
        if one and self.shape is None and array.shape[:1] == (n,) and array.size == n:
            self._check_rows_of_one_number(array, layout)
        if array.ndim == 0 or (len(array) != n and not (one and len(array) == 1)):
            got = "one number" if array.ndim == 0 else f"{len(array)} rows"
            either = f"1 row or {n}" if one else f"one row for each: {n}"
            raise ModelError(
                f"{self.who} returned {got} (shape {np.shape(array)}) for {n} {self.unit}; it must "
                f"return {either}. {self.cure}".rstrip()
            )
        self._check_shape(array, layout)
        self.precision = max(self.precision, eps)
        rows: FloatArray = array.reshape(len(array), -1).astype(np.float64, copy=False)
        bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(bad):
            i = int(bad[0])
            j = int(np.flatnonzero(~np.isfinite(rows[i]))[0])
            raise ModelError(
                f"{len(bad)} of the {len(rows)} rows that {self.who} returned are not finite; the "
                f"first is row {i}, with {rows[i, j]} in {self.column(j)}, for {about(i)}. Such "
                f"an estimator has no mean."
            )
        return rows

    def read_one(self, answer: Any, about: str) -> FloatArray:
        """(D,): an answer that is one row, whatever its shape."""
        table = {key: x[None] for key, x in leaves(answer, f"what {self.who} returned").items()}
        row: FloatArray = self.read(table.get("", table), 1, lambda _: about)[0]
        return row

    def column(self, j: int) -> str:
        """Column j in words."""
        return f"column {j}" if self.layout is None else self.layout.name(j)

    def _one_row(self, array: NDArray[Any]) -> NDArray[Any]:
        """An estimate that is not in a list of rows, in a list of its own."""
        if self.shape is None:
            return array.reshape(1) if array.ndim == 0 else array
        # n > 1 rows have n times as many numbers: no answer can be read both ways
        return array[None] if array.shape in {(), self.shape, (_size(self.shape),)} else array

    def _check_rows_of_one_number(self, array: NDArray[Any], layout: Layout | None) -> None:
        """Pass if n numbers have two axes, so that they can only be n rows."""
        shapes = [array.shape[1:]] if layout is None else [shape for _, shape in layout.shapes]
        if () in shapes:
            n = len(array)
            raise ModelError(
                f"{self.who} returned {n} numbers (shape ({n},)) for {n} {self.unit}: that might "
                f"be {n} rows of one number, or one row of {n} numbers. Return x[:, None] for "
                f"rows, x[None] for one row."
            )

    def _check_shape(self, array: NDArray[Any], layout: Layout | None) -> None:
        if layout is not None:
            self.layout = layout if self.layout is None else self.layout
            pairs = zip(layout.shapes, self.layout.shapes, strict=True)
            for (key, got), (_, wanted) in pairs:
                if got != wanted:
                    raise ModelError(
                        f"{self.who}'s rows have shape {got} at key '{key}'; it must be {wanted}."
                    )
        got = array.shape[1:]
        if self.shape is None:
            self._before = got if self._before is None else self._before
            if got != self._before:
                raise ModelError(
                    f"{self.who}'s rows had shape {self._before} at first, and then {got}: they "
                    f"must all have the same."
                )
            return
        size = _size(self.shape)
        either_flat = len(got) <= 1 or len(self.shape) <= 1 or size == 1
        if got != self.shape and not (either_flat and _size(got) == size):
            raise ModelError(
                f"{self.who}'s rows have shape {got}, the target has shape {self.shape}: they must "
                f"be the same, or one of them flat, ({size},)."
            )
