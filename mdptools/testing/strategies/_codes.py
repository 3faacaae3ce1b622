"""Codes: a distribution as one number, so that it is one draw and shrinks as a number does.

Takes     how many things there can be, and in which style their probabilities are written.
Gives     strategies of numbers, and what a number means; coins and bits.
Not here  what the distributions are of (`_distributions`, `_models`, `_policies`).

Point masses come first, then pairs, then triples, then point masses once more, so that they are no
rarity. The digits of a code are things, taken modulo how many there are; two that fall on one thing
are added there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from functools import cache

from hypothesis import strategies as st

TINY = 2.0**-40
"""About 1e-12, and 1 - TINY is a float: such rows sum to one exactly."""

Outcomes = Sequence[tuple[int, float]]
"""(thing, positive probability)."""


class Style(IntEnum):
    """Which probabilities there are; a dyadic row sums to one exactly, a decimal one may not."""

    POINT = 0
    DYADIC = 1
    DECIMAL = 2
    DYADIC_PLAIN = 3  # nothing below 0.1
    DECIMAL_PLAIN = 4
    DYADIC_TINY = 5  # about 1e-12 in each
    DECIMAL_TINY = 6


_PAIRS: dict[Style, tuple[float, ...]] = {
    Style.POINT: (),
    Style.DYADIC: (0.5, TINY, 0.25, TINY),
    Style.DECIMAL: (0.1, 1e-12, 0.3, 0.7, 0.45, 0.001, 0.123, 1e-12),
    Style.DYADIC_PLAIN: (0.5, 0.25, 0.125),
    Style.DECIMAL_PLAIN: (0.1, 0.3, 0.7, 0.45, 0.123),
    Style.DYADIC_TINY: (TINY, 1 - TINY),
    Style.DECIMAL_TINY: (1e-12, 1 - 1e-12),
}
_TRIPLES: dict[Style, tuple[tuple[float, float, float], ...]] = {
    Style.POINT: (),
    Style.DYADIC: ((0.5, 0.25, 0.25), (0.75, 0.25 - TINY, TINY)),
    Style.DECIMAL: ((0.1, 0.2, 0.7), (0.3, 0.6, 0.1), (0.7, 0.1, 0.2), (1 / 3, 1 / 3, 1 / 3)),
    Style.DYADIC_PLAIN: ((0.5, 0.25, 0.25), (0.5, 0.375, 0.125)),
    Style.DECIMAL_PLAIN: ((0.1, 0.2, 0.7), (0.3, 0.6, 0.1), (1 / 3, 1 / 3, 1 / 3)),
    Style.DYADIC_TINY: ((0.75, 0.25 - TINY, TINY),),
    Style.DECIMAL_TINY: ((0.7, 0.3 - 1e-12, 1e-12),),
}
_STYLES = st.sampled_from(
    (Style.POINT, Style.DYADIC, Style.DECIMAL) * 2 + (Style.POINT, Style.DYADIC)
)
_EXACT_STYLES = st.sampled_from((Style.POINT, Style.DYADIC))
COIN = st.booleans()
_BITS = 16


def draw_style(draw: st.DrawFn, exact: bool | None) -> Style:
    """One style for everything that is drawn together."""
    return Style.DECIMAL if exact is False else draw(_EXACT_STYLES if exact else _STYLES)


def with_tiny(style: Style, tiny: bool | None) -> Style:
    """The same kind of numbers, with about 1e-12 always, never, or (None) as they were."""
    if tiny is None or (style is Style.POINT and not tiny):
        return style
    if style is Style.DECIMAL:
        return Style.DECIMAL_TINY if tiny else Style.DECIMAL_PLAIN
    return Style.DYADIC_TINY if tiny else Style.DYADIC_PLAIN


@cache
def codes(base: int, style: Style) -> st.SearchStrategy[int]:
    """The numbers that `decode` reads."""
    mixed = len(_PAIRS[style]) * base**2 + len(_TRIPLES[style]) * base**3
    return st.integers(0, base - 1 + mixed + mixed // 2)


def decode(code: int, base: int, n: int, style: Style) -> Outcomes:
    """(thing, probability) of each of n <= base things of positive probability."""
    if code < base or n == 1:
        return ((code % n, 1.0),)
    code -= base
    kind, places = divmod(code, base**2)
    if kind < len(_PAIRS[style]):
        a, b = divmod(places, base)
        weight = _PAIRS[style][kind]
        return _added(((a % n, weight), (b % n, 1 - weight)))
    code -= len(_PAIRS[style]) * base**2
    kind, places = divmod(code, base**3)
    if kind < len(_TRIPLES[style]):
        a, rest = divmod(places, base**2)
        b, c = divmod(rest, base)
        return _added(zip((a % n, b % n, c % n), _TRIPLES[style][kind], strict=True))
    return ((places % n, 1.0),)


def _added(outcomes: Iterable[tuple[int, float]]) -> Outcomes:
    """Each thing once; a thing that has everything has exactly 1."""
    total: dict[int, float] = {}
    for thing, probability in outcomes:
        total[thing] = total.get(thing, 0.0) + probability
    return tuple((t, 1.0) for t in total) if len(total) == 1 else tuple(total.items())


def spread_out(outcomes: Outcomes, n: int) -> list[float]:
    """The probabilities of n things, zeros included."""
    row = [0.0] * n
    for thing, probability in outcomes:
        row[thing] = probability
    return row


def sometimes(draw: st.DrawFn, wanted: bool | None, coin: st.SearchStrategy[bool] = COIN) -> bool:
    """True and False are what was asked for; None tosses a coin."""
    return draw(coin) if wanted is None else wanted


@cache
def bits(n: int) -> st.SearchStrategy[int]:
    """Yes or no for each of n things: bit i, or bit i % 16."""
    return st.integers(0, 2 ** min(n, _BITS) - 1)


def bit(word: int, i: int) -> int:
    """The i-th of those bits."""
    return word >> (i % _BITS) & 1
