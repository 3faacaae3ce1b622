"""Uniform numbers that are not drawn: each comparison splits what is still possible.

Takes     a function that chooses between outcomes of given probabilities.
Gives     numbers a U + b that can be compared, added to, multiplied and rounded down; geometric
          numbers that can be compared.
Source    given lo <= U < hi, U is uniform there: Pr(U < c) = (c - lo) / (hi - lo).
Not here  who chooses (`_tape`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, NoReturn

import numpy as np

from ..arrays import EPS
from ..errors import ModelError

Choose = Callable[[Sequence[float]], int]
"""From probabilities that sum to one, the index of one that is positive."""

NARROW = 4 * EPS
"""An interval of this length is round-off of a threshold; nothing is drawn there."""

_CURE = (
    "The choice tape follows a uniform number through comparisons (u < c), u + c, u * c and "
    "rounding down only. Draw by choice(n, p=...), integers(n) or random() < c, or let the check "
    "sample: route='sequential'."
)


class Interval:
    """One uniform number in [0, 1), as far as it is known: lo <= U < hi."""

    __slots__ = ("_choose", "hi", "lo")

    def __init__(self, choose: Choose) -> None:
        self._choose = choose
        self.lo, self.hi = 0.0, 1.0

    def below(self, c: float) -> bool:
        """Whether U < c; if both can be, one is chosen."""
        if c - self.lo <= NARROW:
            return False
        if self.hi - c <= NARROW:
            return True
        share = (c - self.lo) / (self.hi - self.lo)
        if self._choose((share, 1 - share)) == 0:
            self.hi = c
            return True
        self.lo = c
        return False

    def cell(self, edges: Sequence[float]) -> int:
        """Between which of the increasing edges U is: 0 below the first."""
        low = [i for i, c in enumerate(edges) if c - self.lo > NARROW and self.hi - c > NARROW]
        first = sum(c - self.lo <= NARROW for c in edges)
        ends = [self.lo, *(edges[i] for i in low), self.hi]
        widths = np.diff(ends) / (self.hi - self.lo)
        k = self._choose(tuple(widths.tolist())) if len(widths) > 1 else 0
        self.lo, self.hi = ends[k], ends[k + 1]
        return first + k


class Uniform:
    """a U + b for a uniform U that is only known as far as it was compared.

    Arithmetic with plain numbers gives the same U on another scale; comparisons, ``int``,
    ``math.floor``, ``//`` and ``%`` choose a branch. In NumPy arrays of objects all of this works
    elementwise, ``searchsorted`` and ``argmax`` of a comparison included. Whatever would need the
    number itself raises a ModelError.
    """

    __slots__ = ("_interval", "_scale", "_shift")

    def __init__(self, interval: Interval, scale: float = 1.0, shift: float = 0.0) -> None:
        self._interval, self._scale, self._shift = interval, scale, shift

    # -- comparisons: U has no atoms, so < and <= are the same -------------------------------
    def __lt__(self, other: Any) -> Any:
        return self._below(other)

    def __le__(self, other: Any) -> Any:
        return self._below(other)

    def __gt__(self, other: Any) -> Any:
        return self._above(other)

    def __ge__(self, other: Any) -> Any:
        return self._above(other)

    def __eq__(self, other: Any) -> Any:
        return NotImplemented if _number(other) is None else False

    def __ne__(self, other: Any) -> Any:
        return NotImplemented if _number(other) is None else True

    __hash__ = object.__hash__

    def _above(self, other: Any) -> Any:
        below = self._below(other)
        return below if below is NotImplemented else not below

    def _below(self, other: Any) -> Any:
        if isinstance(other, Uniform):
            if other._interval is self._interval and other._scale == self._scale:
                return self._shift < other._shift
            _refuse(
                "compare two uniform numbers with each other (edges.searchsorted(u) does so "
                "for many u, np.searchsorted(edges, u) does not)"
            )
        c = _number(other)
        if c is None:
            return NotImplemented
        if self._scale > 0:
            return self._interval.below((c - self._shift) / self._scale)
        return not self._interval.below((c - self._shift) / self._scale)

    # -- another scale -----------------------------------------------------------------------
    def __add__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else self._moved(1.0, c)

    __radd__ = __add__

    def __mul__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else self._moved(c, 0.0)

    __rmul__ = __mul__

    def __sub__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else self._moved(1.0, -c)

    def __rsub__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else self._moved(-1.0, c)

    def __truediv__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else self._moved(1 / c, 0.0)

    def __neg__(self) -> Any:
        return self._moved(-1.0, 0.0)

    def __pos__(self) -> Any:
        return self

    def _moved(self, scale: float, shift: float) -> Any:
        if scale == 0:
            return shift
        return Uniform(self._interval, scale * self._scale, scale * self._shift + shift)

    # -- rounding down -----------------------------------------------------------------------
    def __floor__(self) -> int:
        lo, hi, a, b = self._interval.lo, self._interval.hi, self._scale, self._shift
        ends = sorted((a * lo + b, a * hi + b))
        if ends[1] - ends[0] > 1e6:
            _refuse(f"round down a number between {ends[0]:.3g} and {ends[1]:.3g}")
        low, high = math.floor(ends[0]), math.ceil(ends[1])
        edges = [(k - b) / a for k in range(low + 1, high)]
        if a > 0:
            return low + self._interval.cell(edges)
        return low + len(edges) - self._interval.cell(edges[::-1])

    def __trunc__(self) -> int:
        return math.floor(self) if self >= 0 else -math.floor(-self)

    __int__ = __trunc__

    def __floordiv__(self, other: Any) -> Any:
        whole = self / other
        return NotImplemented if whole is NotImplemented else math.floor(whole)

    def __mod__(self, other: Any) -> Any:
        return self - (self // other) * other

    # -- the number itself, which nobody knows -----------------------------------------------
    def __float__(self) -> NoReturn:
        _refuse("make a float of a uniform number")

    def __bool__(self) -> bool:  # noqa: PLE0304 - it never returns
        _refuse("ask a uniform number whether it is zero")

    def __pow__(self, other: Any) -> NoReturn:
        _refuse("take a power of a uniform number")

    def __rpow__(self, other: Any) -> NoReturn:
        _refuse("raise something to a uniform number")

    def __rtruediv__(self, other: Any) -> NoReturn:
        _refuse("divide by a uniform number")

    def __abs__(self) -> NoReturn:
        _refuse("take the size of a uniform number")

    def __repr__(self) -> str:
        lo, hi = self._interval.lo, self._interval.hi
        return f"{self._scale:g} U + {self._shift:g} with U in [{lo:.6g}, {hi:.6g})"


class Waiting:
    """A geometric number X >= 1 with Pr(X > k) = stay^k, only known as far as it was compared."""

    __slots__ = ("_interval", "_stay")

    def __init__(self, interval: Interval, stay: float) -> None:
        self._interval, self._stay = interval, stay

    def __gt__(self, other: Any) -> Any:
        c = _number(other)
        if c is None:
            return NotImplemented
        return c < 1 or self._interval.below(self._stay ** math.floor(c))

    def __ge__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else self > math.ceil(c) - 1

    def __le__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else not self > c

    def __lt__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else not self >= c

    def __eq__(self, other: Any) -> Any:
        c = _number(other)
        return NotImplemented if c is None else c == int(c) and self >= c and self <= c

    __hash__ = object.__hash__

    def _refuse(self, *_: Any) -> NoReturn:
        _refuse("list all values of a geometric number, which have no end")

    __int__ = __index__ = __float__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _refuse


class Uniforms(np.ndarray[Any, np.dtype[Any]]):
    """An array of them: ``np.searchsorted`` looks up one at a time.

    NumPy's own also compares neighbours, to save itself some steps: nobody knows which is smaller.
    """

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.searchsorted and len(args) > 1 and args[1] is self:
            edges, rest = args[0], args[2:]
            found = [np.searchsorted(edges, u, *rest, **kwargs) for u in self.ravel().tolist()]
            return np.array(found, dtype=np.intp).reshape(self.shape)
        return super().__array_function__(func, types, args, kwargs)


def _elementary(name: str) -> Callable[[Uniform], NoReturn]:
    def refused(self: Uniform) -> NoReturn:
        _refuse(f"take the {name} of a uniform number")

    return refused


# np.log of an array of objects asks each of them for its method `log`.
for _name in ("arccos", "arcsin", "arctan", "cos", "exp", "exp2", "expm1", "log", "log10", "log1p"):
    setattr(Uniform, _name, _elementary(_name))
for _name in ("log2", "sin", "sqrt", "tan", "tanh"):
    setattr(Uniform, _name, _elementary(_name))


def _number(x: Any) -> float | None:
    """A plain number; None for arrays, which then work element by element."""
    if type(x) is float:  # most are
        return x
    if isinstance(x, Uniform):
        _refuse("join two uniform numbers")
    return float(x) if isinstance(x, (Real, np.bool_)) else None


def _refuse(what: str) -> NoReturn:
    raise ModelError(f"the code wants to {what}. {_CURE}")
