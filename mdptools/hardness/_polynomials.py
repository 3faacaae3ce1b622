"""Polynomials with integer coefficients: their values, their common factors, their real roots.

Takes     coefficients as a list of int, the constant first.
Gives     exact signs; isolating intervals of the roots between 0 and 1; roots as exact numbers.
Source    Collins and Akritas (1976): bisection by Descartes' rule of signs.
Not here  which polynomial (`_discount`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

Poly: TypeAlias = list[int]

PRIME = 2**61 - 1

APART = Fraction(1, 2**50)
"""Roots nearer to each other than that are suspected to be the same."""


def trimmed(p: Sequence[int]) -> Poly:
    """Without leading zeros, and divided by the common factor of the coefficients."""
    top = len(p)
    while top and not p[top - 1]:
        top -= 1
    factor = math.gcd(*p[:top]) if top else 1
    return [c // factor for c in p[:top]]


def sign(p: Poly, x: Fraction) -> int:
    """The sign of p at x, exactly."""
    value, scale = 0, 1
    for c in reversed(p):  # Horner in integers: value is that of the leading part times scale
        value = value * x.numerator + c * scale
        scale *= x.denominator
    return (value > 0) - (value < 0)


def without_multiplicity(p: Poly) -> Poly:
    """The polynomial with the same roots, each once."""
    common = gcd(p, [k * c for k, c in enumerate(p)][1:])
    return p if len(common) <= 1 else trimmed(_divide(p, common))


def gcd(p: Poly, q: Poly) -> Poly:
    """The greatest common divisor, primitive, up to its sign."""
    if _coprime_by_residues(p, q):
        return [1]
    while q:
        p, q = q, trimmed(_pseudo_remainder(p, q))
    return trimmed(p)


def _coprime_by_residues(p: Poly, q: Poly) -> bool:
    """Whether there is no common factor modulo a prime; if so there is none at all.

    Modulo a prime that divides neither leading coefficient a common factor keeps its degree. So
    this proves that there is none in a small part of the time, where numbers are long.
    """
    if not q or not p[-1] % PRIME or not q[-1] % PRIME:
        return False
    p, q = [c % PRIME for c in p], [c % PRIME for c in q]
    while q:
        inverse = pow(q[-1], -1, PRIME)
        while len(p) >= len(q):
            factor, shift = p[-1] * inverse % PRIME, len(p) - len(q)
            for i, c in enumerate(q):
                p[i + shift] = (p[i + shift] - factor * c) % PRIME
            while p and not p[-1]:
                p.pop()
        p, q = q, p
    return len(p) == 1


def roots_in_unit(p: Poly) -> list[tuple[Fraction, Fraction]]:
    """Isolating intervals of the roots in the open interval (0, 1), from left to right.

    p has no multiple roots. Each interval contains one: between its ends, or, where they are equal,
    there.
    """
    found: list[tuple[Fraction, Fraction]] = []
    # (q, c, k): the roots of q in (0, 1) stand for those of p in (c, c + 1) / 2**k.
    todo = [(p, 0, 0)]
    while todo:
        q, c, k = todo.pop()
        if not q or len(q) == 1:
            continue
        width = Fraction(1, 2**k)
        if q[0] == 0:  # a root at the left end, which is a point of bisection
            if c:
                found.append((c * width, c * width))
            q = q[1:]
        changes = _variations(q)
        if changes == 1:
            found.append((c * width, (c + 1) * width))
        elif changes > 1:
            n = len(q) - 1
            left = [a << (n - i) for i, a in enumerate(q)]  # 2**n q(x / 2)
            todo += [(left, 2 * c, k + 1), (_shifted(left), 2 * c + 1, k + 1)]
    return sorted(found)


@dataclass(slots=True)
class Root:
    """A real root of a polynomial without multiple roots, the only one between low and high."""

    poly: Poly
    low: Fraction
    high: Fraction

    def refine(self, width: Fraction) -> None:
        """Bisect until the bracket is that narrow."""
        if self.low == self.high:
            return
        right = sign(self.poly, self.high)
        if right == 0:  # then the root is inside, and the end is another one
            right = -sign(self.poly, self.low)
        if right == 0:
            right = self._sign_before_high()
        while self.high - self.low > width:
            middle = (self.low + self.high) / 2
            at = sign(self.poly, middle)
            if at == 0:
                self.low = self.high = middle
                return
            if at == right:
                self.high = middle
            else:
                self.low = middle

    def _sign_before_high(self) -> int:
        """Of the polynomial between its root inside and a root at the right end."""
        slope = [k * c for k, c in enumerate(self.poly)][1:]
        return -sign(slope, self.high)


def compare(a: Root, b: Root) -> int:
    """-1, 0 or 1 as a < b, a = b or a > b, exactly."""
    common: Poly | None = None
    width = Fraction(1, 2**10)
    while True:
        if a.high < b.low or (a.high == b.low and a.low < a.high and b.low < b.high):
            return -1
        if b.high < a.low or (b.high == a.low and b.low < b.high and a.low < a.high):
            return 1
        if width < APART:  # hardly ever: a common factor is dear
            common = gcd(a.poly, b.poly) if common is None else common
            if _same(a, b, common):
                return 0
        width /= 2**10
        a.refine(width)
        b.refine(width)


def _same(a: Root, b: Root, common: Poly) -> bool:
    """Whether a common root lies in both brackets, narrow enough to be the root of both."""
    if a.low == a.high and b.low == b.high:
        return a.low == b.low
    if len(common) <= 1:
        return False
    low, high = max(a.low, b.low), min(a.high, b.high)
    if low == high:
        return sign(common, low) == 0 and sign(a.poly, low) == sign(b.poly, low) == 0
    # A root of the common factor in both brackets is the one root of each.
    return sign(common, low) * sign(common, high) < 0


def _variations(q: Poly) -> int:
    """Changes of sign of (1 + x)^n q(1 / (1 + x)): the roots in (0, 1), or 2, 4, ... more."""
    signs = [c > 0 for c in _shifted(q[::-1]) if c]
    return sum(a != b for a, b in itertools.pairwise(signs))


def _shifted(q: Sequence[int]) -> Poly:
    """q(x + 1)."""
    out = list(q)
    for i in range(len(out)):
        for j in range(len(out) - 2, i - 1, -1):
            out[j] += out[j + 1]
    return out


def _pseudo_remainder(p: Poly, q: Poly) -> Poly:
    """The remainder of a multiple of p by q."""
    rest = list(p)
    while len(rest) >= len(q):
        top, shift = rest[-1], len(rest) - len(q)
        rest = [c * q[-1] for c in rest]
        for i, c in enumerate(q):
            rest[i + shift] -= top * c
        rest.pop()
        while rest and not rest[-1]:
            rest.pop()
    return rest


def _divide(p: Poly, q: Poly) -> Poly:
    """A multiple of p / q, which is a polynomial."""
    scale = abs(q[-1]) ** (len(p) - len(q) + 1)
    rest, quotient = [c * scale for c in p], [0] * (len(p) - len(q) + 1)
    for shift in range(len(quotient) - 1, -1, -1):
        quotient[shift] = rest[shift + len(q) - 1] // q[-1]
        for i, c in enumerate(q):
            rest[i + shift] -= quotient[shift] * c
    return quotient
