"""Derivatives by pi alone, and the checks that families share.

Takes     pi (S, A), directions and derivatives by pi; steps (N, T).
Gives     what softmax does to them; counts of pairs.
Source    ``M v = pi (v - sum_b pi v)``, M the derivative of softmax, which is symmetric; and the
          product rule for the derivative of ``M G``.
Not here  parameters and what they mean (the families).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..arrays import BoolSA, FloatArray, FloatSA, IntArray, as_floats
from ..errors import ModelError


def as_parameters(theta: Any, name: str) -> FloatArray:
    """``theta`` as floats; a complex array passes as it is, for complex steps."""
    complex_step = isinstance(theta, np.ndarray) and theta.dtype.kind == "c"
    return theta if complex_step else as_floats(theta, name)


def check_direction(v: Any, shape: tuple[int, ...]) -> FloatArray:
    """``v`` as an array, if it has theta's shape; it may hold anything at refused pairs."""
    direction = as_parameters(v, "v")
    if direction.shape != shape:
        raise ModelError(f"v has shape {direction.shape}; it must have theta's, {shape}.")
    return direction


def check_finite(theta: FloatArray, name: str = "theta") -> FloatArray:
    """Pass if all entries are finite; else raise ModelError naming the first."""
    bad = np.argwhere(~np.isfinite(theta))
    if len(bad):
        at = tuple(int(i) for i in bad[0])
        raise ModelError(
            f"{name}[{', '.join(map(str, at))}] is {theta[at]}; it must be finite ({len(bad)} are "
            f"not)."
        )
    return theta


def centred(pi: FloatSA, x: FloatSA) -> FloatSA:
    """pi (x - sum_b pi x): the derivative of softmax in direction x, and its own transpose."""
    moved: FloatSA = pi * (x - (pi * x).sum(axis=-1, keepdims=True))
    return moved


def pull_back(pi: FloatSA, dJ_dpi: FloatSA) -> FloatSA:
    """pi (G - sum_b pi G), with G summed over time where it has a time axis."""
    return centred(pi, summed_over_time(pi, dJ_dpi))


def curve(pi: FloatSA, v: FloatSA, dJ_dpi: FloatSA) -> FloatSA:
    """The derivative of ``pull_back`` when the logits move in direction v."""
    G, dpi = summed_over_time(pi, dJ_dpi), centred(pi, v)
    mean, dmean = ((x * G).sum(axis=-1, keepdims=True) for x in (pi, dpi))
    bent: FloatSA = dpi * (G - mean) - pi * dmean
    return bent


def summed_over_time(pi: FloatSA, dJ_dpi: FloatSA) -> FloatSA:
    """dJ/dpi (S, A), 0 where pi is: nothing flows back there, and at refused pairs Q is -inf."""
    G = np.asarray(dJ_dpi)
    if G.shape[-2:] != pi.shape or G.ndim not in (2, 3):
        raise ModelError(
            f"dJ_dpi has shape {G.shape}; it must be (S, A) = {pi.shape} or (H, S, A)."
        )
    if G.ndim == 3:
        G = G.sum(axis=0)
    G = np.where(pi == 0, 0.0, G)
    bad = np.argwhere(~np.isfinite(G))
    if len(bad):
        s, a = (int(i) for i in bad[0])
        raise ModelError(f"dJ_dpi is {G[s, a]} at [{s}, {a}]; it must be finite where pi > 0.")
    return G


def accumulate_scores(pi: FloatSA, s: IntArray, a: IntArray, w: FloatArray) -> FloatArray:
    """sum_t w[:, t] (1{a_t} - pi(. | s_t)), (N, S*A): counts of pairs less those of states."""
    taken = count_pairs(pi, s, a, w)
    total: FloatArray = taken - taken.sum(axis=2, keepdims=True) * pi
    return total.reshape(len(total), pi.size)


def count_pairs(pi: FloatArray, s: IntArray, a: IntArray, w: FloatArray) -> FloatArray:
    """sum_t w[:, t] 1{(s_t, a_t)}, (N, S, A), for the sizes of pi (S, A)."""
    n_states, n_actions = pi.shape
    w, (s, a) = check_steps(w, s=(s, n_states), a=(a, n_actions))
    n, size = len(s), n_states * n_actions
    cell = np.arange(n)[:, None] * size + s * n_actions + a
    weights: Any = w.reshape(-1)
    counted: Any = np.bincount(cell.reshape(-1), weights, minlength=n * size)
    table: FloatArray = counted.reshape(n, n_states, n_actions)
    return table


def check_steps(w: Any, **steps: tuple[Any, int]) -> tuple[FloatArray, list[IntArray]]:
    """w and arrays of int beside it, all (N, T); of each is given how many values it may take."""
    weights = np.asarray(w)
    arrays = {name: np.asarray(x) for name, (x, _) in steps.items()}
    if weights.ndim != 2 or any(x.shape != weights.shape for x in arrays.values()):
        names, shapes = ", ".join(arrays), ", ".join(str(x.shape) for x in arrays.values())
        raise ModelError(
            f"{names} and w have shapes {shapes} and {weights.shape}; they must be (N, T), one row "
            f"for each trajectory."
        )
    for name, x in arrays.items():
        size = steps[name][1]
        if x.size and not (x.dtype.kind in "iu" and x.min() >= 0 and x.max() < size):
            raise ModelError(
                f"{name} holds {x.dtype} from {x.min()} to {x.max()}; it must hold ints from 0 to "
                f"{size - 1}, also where w is 0."
            )
    # Small integers would overflow when they are multiplied.
    return weights, [x.astype(np.int64) for x in arrays.values()]


def dense_scores(pi: FloatSA, allowed: BoolSA) -> FloatArray:
    """(S, A, S*A): 1{a = b} - pi(b | s) in the block of s, zero at refused pairs."""
    n_states, n_actions = pi.shape
    block = np.where(allowed[:, :, None], np.eye(n_actions) - pi[:, None, :], 0.0)
    dense = np.zeros((n_states, n_actions, n_states, n_actions), dtype=block.dtype)
    dense[np.arange(n_states), :, np.arange(n_states)] = block
    return dense.reshape(n_states, n_actions, n_states * n_actions)
