"""Kullback-Leibler divergences of policies, state by state, without cancellation.

Takes     two policies.
Gives     KL(p || q) at each state, in nats.
Source    ``sum_a p log(p / q) = sum_a (p log(p / q) - p + q)``, of which no term is negative.
Not here  means over states, gradients (`_surrogate`).
"""

from __future__ import annotations

import numpy as np

from ..arrays import FloatS, FloatSA

NEAR = 0.01
SERIES = [(-1) ** k / k for k in range(10, 1, -1)]
"""Of ``(x - log(1 + x)) / x^2``, the highest power first: exact to 1e-17 up to NEAR."""


def divergences(p: FloatSA, q: FloatSA) -> FloatS:
    """KL(p || q) at each state, (S,) or (H, S): inf where p takes what q never does.

    The terms ``p log(p / q) - p + q`` are >= 0, and small where p is near q; there their series in
    ``q / p - 1`` cancels nothing.
    """
    p, q = np.broadcast_arrays(p, q)
    both = (p > 0) & (q > 0)
    one, two = np.where(both, p, 1.0), np.where(both, q, 1.0)
    terms = np.where(both, one * (np.log(one) - np.log(two)) - one + two, q)
    close = both & (np.abs(two - one) <= NEAR * one)
    x = np.where(close, two - one, 0.0) / one
    terms = np.where(close, one * x**2 * np.polyval(SERIES, x), terms)
    total: FloatS = np.maximum(terms, 0.0).sum(axis=-1)
    return np.where(((p > 0) & (q == 0)).any(axis=-1), np.inf, total)
