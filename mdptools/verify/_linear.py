"""Linear forms: numbers that are not known yet, but are sums of a few that are.

Takes     arrays of plain numbers, and the operations that keep a form linear.
Gives     arrays whose entries are c_0 + c_1 x_1 + ... + c_k x_k, as the coefficients c.
Not here  what the x are (`_registers`).
"""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError


class Linear:
    """An array of linear forms: what NumPy's arithmetic does to it stays linear, or is refused.

    Attributes
    ----------
    forms : (k + 1, *shape) array
        The coefficients, that of the constant first.
    """

    __slots__ = ("forms",)
    __array_ufunc__ = None  # arrays leave ``array * form`` to this class
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, forms: FloatArray) -> None:
        self.forms = forms

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array of numbers."""
        return self.forms.shape[1:]

    @property
    def ndim(self) -> int:
        """As of an array of numbers."""
        return self.forms.ndim - 1

    def __len__(self) -> int:
        return self.shape[0]

    # -- sums --------------------------------------------------------------------------------
    def __add__(self, other: Any) -> Linear:
        right = other if isinstance(other, Linear) else self.constant(_numbers(other))
        width = max(self.ndim, right.ndim)
        return Linear(self._wide(width) + right._wide(width))

    __radd__ = __add__

    def __neg__(self) -> Linear:
        return Linear(-self.forms)

    def __sub__(self, other: Any) -> Linear:
        return self.__add__(-other if isinstance(other, Linear) else -_numbers(other))

    def __rsub__(self, other: Any) -> Linear:
        return self.__neg__().__add__(other)

    def sum(self, axis: int | None = None) -> Linear:
        """As of an array of numbers."""
        if axis is None:
            return Linear(self.forms.reshape(len(self.forms), -1).sum(axis=1))
        return Linear(self.forms.sum(axis=axis if axis < 0 else axis + 1))

    # -- products with plain numbers ---------------------------------------------------------
    def __mul__(self, other: Any) -> Linear:
        factor = _numbers(other)
        return Linear(self._wide(max(self.ndim, factor.ndim)) * factor)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Linear:
        divisor = _numbers(other)
        return Linear(self._wide(max(self.ndim, divisor.ndim)) / divisor)

    def __matmul__(self, other: Any) -> Linear:
        return Linear(np.tensordot(self.forms, _numbers(other), axes=(-1, 0)))

    def __rmatmul__(self, other: Any) -> Linear:
        left = _numbers(other)
        product = np.tensordot(left, self.forms, axes=(-1, max(1, self.ndim - 1)))
        return Linear(np.moveaxis(product, left.ndim - 1, 0))

    # -- parts -------------------------------------------------------------------------------
    def __getitem__(self, index: Any) -> Linear:
        return Linear(self.forms[_behind(index)])

    def __setitem__(self, index: Any, value: Any) -> None:
        form = value if isinstance(value, Linear) else self.constant(_numbers(value))
        self.forms[_behind(index)] = form._wide(self[index].ndim)

    # -- what is not linear ------------------------------------------------------------------
    def _refuse(self, *_: Any) -> NoReturn:
        raise ModelError(
            "the step asks for the value of a register: it compares it, divides by it or uses it "
            "as an index. Only sums of registers, and products with plain numbers, are linear; "
            "what has few values (a count, a flag) can be kept in the memory."
        )

    __lt__ = __le__ = __gt__ = __ge__ = __eq__ = __ne__ = _refuse
    __float__ = __int__ = __index__ = __abs__ = _refuse
    __rtruediv__ = __pow__ = __rpow__ = __floordiv__ = __mod__ = _refuse

    def __bool__(self) -> bool:  # noqa: PLE0304 - it never returns
        self._refuse()

    def constant(self, x: FloatArray) -> Linear:
        """Plain numbers as forms of the same registers."""
        forms = np.zeros((len(self.forms), *x.shape))
        forms[0] = x
        return Linear(forms)

    def _wide(self, ndim: int) -> FloatArray:
        """The coefficients with axes put in so that shapes align at the right, as in NumPy."""
        missing = (1,) * (ndim - self.ndim)
        return self.forms.reshape(len(self.forms), *missing, *self.shape)


def _behind(index: Any) -> tuple[Any, ...]:
    """An index of the shape as one of the coefficients."""
    return (slice(None), *(index if isinstance(index, tuple) else (index,)))


def _numbers(x: Any) -> FloatArray:
    """Plain numbers; two registers cannot be multiplied."""
    if isinstance(x, Linear):
        raise ModelError(
            "the step multiplies two registers: the product is not linear. Keep it in a register "
            "of its own, whose step is again linear: (G + r)(Z + psi) = GZ + G psi + r Z + r psi."
        )
    return np.asarray(x, dtype=np.float64)
