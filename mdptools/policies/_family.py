"""What a family of policies must be able to do.

Takes     theta, its parameters.
Gives     pi, and the ways from pi back to theta that gradients and estimators need.
Not here  the families themselves.
"""

from __future__ import annotations

from typing import Any, Protocol

from ..arrays import FloatArray, FloatSA, IntArray


class Family(Protocol):
    """A differentiable map from parameters theta to policies pi.

    Where pi depends on time, (S, A) is (H, S, A) throughout. Everything is exactly 0 at refused
    pairs, and what arrays hold there does not matter. With M the derivative of `probs` at theta,
    `pushforward` is v -> M v and `pullback` is G -> M' G, so that ``<M v, G> = <v, M' G>``.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of theta."""

    @property
    def size(self) -> int:
        """D, the number of parameters."""

    @property
    def pullback_norm(self) -> float:
        """n with ``|pullback(theta, G)|_1 <= n sum_s max_a |G(s, a)|`` for every theta and G.

        ``inf`` if there is none, or none is known.
        """

    def probs(self, theta: Any) -> FloatSA:
        """pi(a | s), (S, A)."""

    def pullback(self, theta: Any, dJ_dpi: FloatSA) -> FloatArray:
        """dJ/dtheta, in theta's shape, from dJ/dpi (S, A), or (H, S, A) summed over time."""

    def pushforward(self, theta: Any, v: Any) -> FloatSA:
        """The derivative of pi in direction v, (S, A), from v in theta's shape."""

    def curvature(self, theta: Any, v: Any, dJ_dpi: FloatSA) -> FloatArray:
        """The derivative of ``pullback(theta, dJ_dpi)`` in direction v, dJ_dpi held fixed."""

    def accumulate(
        self, theta: Any, s: IntArray, a: IntArray, w: FloatArray, o: IntArray | None = None
    ) -> FloatArray:
        """sum_t w[:, t] grad log pi(a_t | s_t), (N, D); of pi(a_t | o_t) if o is given."""

    def score(self, theta: Any) -> FloatArray:
        """grad log pi(a | s), (S, A, D); for small models."""
