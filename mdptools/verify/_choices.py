"""Choices: a generator whose every draw is one of a few options, noted on a tape.

Takes     the calls that code makes to a random generator.
Gives     a draw for each, played back from the tape; the probability of all of them.
Source    depth first, like counting: the last choice that has another option left is changed.
Not here  running the code (`_tape`), numbers that are compared (`_uniform`).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ..checks import words_for_sum
from ..errors import ModelError
from ._uniform import Interval, Uniform, Uniforms, Waiting

DEEPEST = 100_000  # choices in one path
_WHOLE = (int, np.integer)

_CURES = {
    "normal": "choice([-1.0, 1.0]) has the same mean and variance as a standard normal",
    "standard_normal": "choice([-1.0, 1.0]) has the same mean and variance",
    "exponential": "compare random() with the probability instead",
    "standard_exponential": "compare random() with the probability instead",
    "bytes": "use integers(256, size=...)",
    "spawn": "draw from the generator that was handed in",
}


class Tape:
    """The choices of one path, and those that are still to be tried."""

    def __init__(self) -> None:
        self._options: list[tuple[float, ...]] = []  # probabilities at each choice
        self._taken: list[int] = []
        self._at = 0
        self.probability = 1.0

    def rewind(self) -> None:
        """To the start of the path that the tape holds."""
        self._at, self.probability = 0, 1.0

    def advance(self) -> bool:
        """To the next path; False if there is none."""
        if self._at < len(self._taken):
            self._changed()
        while self._taken:
            options, taken = self._options[-1], self._taken[-1]
            following = next((k for k in range(taken + 1, len(options)) if options[k] > 0), None)
            if following is not None:
                self._taken[-1] = following
                return True
            self._options.pop()
            self._taken.pop()
        return False

    def choose(self, probabilities: Sequence[float]) -> int:
        """One of the options of positive probability, the same as before where it was played."""
        options = tuple(probabilities)
        if self._at == len(self._taken):
            if self._at >= DEEPEST:
                raise ModelError(
                    f"one path of the code has made {DEEPEST:,} draws and goes on: nothing says "
                    f"that it ends. Cap its loop, or sample it: route='sequential'."
                )
            self._options.append(options)
            self._taken.append(next(k for k, p in enumerate(options) if p > 0))
        elif self._options[self._at] != options:
            self._changed()
        taken = self._taken[self._at]
        self.probability *= options[taken]
        self._at += 1
        return taken

    def _changed(self) -> NoReturn:
        raise ModelError(
            f"the code did something else when it was run again with the same draws (at draw "
            f"{self._at + 1}): it draws from another source, or remembers earlier runs. Its draws "
            f"must all come from the generator that is handed in, and its state be made anew."
        )


class _Draws:
    """The methods of a Generator whose every draw is a choice on a tape."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def _one_of(self, n: int) -> int:
        if n < 1:
            raise ValueError(f"a choice between {n} things")
        return self._tape.choose((1 / n,) * n) if n > 1 else 0

    def _by(self, law: Sequence[float]) -> int:
        """An index with a probability in proportion to its weight."""
        total = math.fsum(law)
        return self._tape.choose([x / total for x in law])

    def random(self, size: Any = None, dtype: Any = np.float64, out: Any = None) -> Any:
        """Uniform numbers in [0, 1) that can be compared."""
        if out is not None:
            raise ModelError("random(out=...) is not served by the choice tape: leave out= away.")
        drawn = self._filled(size, lambda: Uniform(Interval(self._tape.choose)), object)
        return drawn if size is None else drawn.view(Uniforms)

    def uniform(self, low: Any = 0.0, high: Any = 1.0, size: Any = None) -> Any:
        """low + (high - low) random()."""
        size = np.broadcast_shapes(np.shape(low), np.shape(high)) if size is None else size
        return low + (np.asarray(high) - low)[()] * self.random(size or None)

    def integers(
        self,
        low: Any,
        high: Any = None,
        size: Any = None,
        dtype: Any = np.int64,
        endpoint: bool = False,
    ) -> Any:
        """Whole numbers from low to high - 1, or to high with ``endpoint``; 0 to low - 1."""
        start, end = (0, low) if high is None else (low, high)
        if isinstance(start, _WHOLE) and isinstance(end, _WHOLE):
            n = int(end) - int(start) + bool(endpoint)
            drawn = self._filled(size, lambda: int(start) + self._one_of(n), dtype)
            return np.dtype(dtype).type(drawn) if size is None else drawn
        shape = np.broadcast_shapes(
            np.shape(start), np.shape(end), *([] if size is None else [size])
        )
        lows, highs = (np.broadcast_to(x, shape).ravel().tolist() for x in (start, end))
        each = [a + self._one_of(b - a + bool(endpoint)) for a, b in zip(lows, highs, strict=True)]
        return np.array(each, dtype=dtype).reshape(shape)

    def choice(
        self,
        a: Any,
        size: Any = None,
        replace: bool = True,
        p: Any = None,
        axis: int = 0,
        shuffle: bool = True,
    ) -> Any:
        """Elements of a; without replacement in random order, whatever ``shuffle`` says."""
        items = None if isinstance(a, _WHOLE) else np.asarray(a)
        n = operator.index(a) if items is None else int(items.shape[axis])
        law = None if p is None else _law(p, n)
        shape = () if size is None else tuple(np.atleast_1d(size).tolist())
        count = math.prod(shape)
        if replace:
            index = [self._one_of(n) if law is None else self._by(law) for _ in range(count)]
        else:
            index = self._without_replacement(n, count, law)
        if size is None and items is None:
            return np.int64(index[0])
        places: NDArray[np.int64] = np.array(index, dtype=np.int64).reshape(shape)
        return places if items is None else np.take(items, places[()], axis=axis)

    def _without_replacement(self, n: int, count: int, law: list[float] | None) -> list[int]:
        possible = n if law is None else n - law.count(0.0)
        if count > possible:
            raise ValueError(f"{count} of {possible} things cannot be drawn without replacement")
        left, index = list(range(n)), []
        for _ in range(count):
            k = self._one_of(len(left)) if law is None else self._by([law[i] for i in left])
            index.append(left.pop(k))
        return index

    def permutation(self, x: Any, axis: int = 0) -> Any:
        """The elements of x, or 0 to x - 1, in random order."""
        items = np.arange(x) if np.ndim(x) == 0 else np.asarray(x)
        order = self._without_replacement(items.shape[axis], items.shape[axis], None)
        return np.take(items, order, axis=axis)

    def shuffle(self, x: Any, axis: int = 0) -> None:
        """The elements of a list or an array in random order, in place."""
        if isinstance(x, np.ndarray):
            x[...] = self.permutation(x, axis)
        else:
            x[:] = [x[i] for i in self._without_replacement(len(x), len(x), None)]

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        """How many of n trials succeed."""
        chance = [math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)]
        return self._filled(size, lambda: self._by(chance), np.int64)

    def geometric(self, p: Any, size: Any = None) -> Any:
        """Numbers of trials up to the first success, that can be compared."""
        return self._filled(size, lambda: Waiting(Interval(self._tape.choose), 1 - p), object)

    def multinomial(self, n: int, pvals: Any, size: Any = None) -> Any:
        """Counts of n draws by pvals: one binomial after the other."""
        law = _law(pvals, len(pvals))
        shape = () if size is None else tuple(np.atleast_1d(size).tolist())
        counts = np.zeros((math.prod(shape), len(law)), dtype=np.int64)
        for row in counts:
            for k in range(len(law)):
                rest, share = n - int(row[:k].sum()), math.fsum(law[k:])
                if rest and share > 0:
                    row[k] = self.binomial(rest, min(law[k] / share, 1.0))
        return counts.reshape(*shape, len(law))

    @staticmethod
    def _filled(size: Any, draw: Callable[[], Any], dtype: Any) -> Any:
        """One draw, or an array of draws."""
        if size is None:
            return draw()
        shape = tuple(np.atleast_1d(size).tolist())
        drawn = np.empty(math.prod(shape), dtype=dtype)
        for i in range(len(drawn)):
            drawn[i] = draw()
        return drawn.reshape(shape)


class TapeGenerator(_Draws, np.random.Generator):  # type: ignore[misc]
    """A Generator by type, so that ``default_rng(rng)`` hands it on; its draws are choices."""

    def __init__(self, tape: Tape) -> None:
        np.random.Generator.__init__(self, np.random.PCG64(0))
        _Draws.__init__(self, tape)

    def __repr__(self) -> str:
        return "<a generator whose draws are choices on a tape>"

    __str__ = __repr__

    @property
    def bit_generator(self) -> NoReturn:
        raise AttributeError("the choice tape makes no bits: draw from rng itself")


def _refused(name: str) -> Callable[..., NoReturn]:
    def refused(*_: Any, **__: Any) -> NoReturn:
        cure = _CURES.get(name, "draw by choice, integers or random() < c")
        raise ModelError(
            f"the code draws by rng.{name}, which has no finite list of outcomes for the choice "
            f"tape to follow: {cure}; or sample it: route='sequential'."
        )

    return refused


# What is not served must not draw in earnest.
for _name in dir(np.random.Generator):
    if not _name.startswith("_") and _name not in vars(TapeGenerator) | vars(_Draws):
        setattr(TapeGenerator, _name, _refused(_name))


def _law(p: Any, n: int) -> list[float]:
    """The probabilities of n things."""
    law = np.asarray(p, dtype=np.float64)
    listed: list[float] = law.tolist() if law.ndim == 1 else []
    gap = math.fsum(listed) - 1
    if len(listed) != n or not abs(gap) <= 1e-8 or min(listed) < 0:
        raise ModelError(
            f"p has shape {law.shape} and sums to {words_for_sum(gap)}; the probabilities of {n} "
            f"things are needed, each >= 0, with sum 1."
        )
    return listed
