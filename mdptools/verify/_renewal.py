"""Renewal: what episodes of an endless model earn after their visits of one state.

Takes     the step of a model, a state.
Gives     `Counted`: for each number of visits its probability, and moments of the summed returns.
Source    derived here. Starting in the state, let D = gamma^tau, tau the time of the return to it,
          and R the discounted reward before; excursions are independent. With j visits to come the
          return G and the sum S of the returns obey G <- R + D G, S <- S + R + D G, and start from
          the reward of an excursion that does not return.
Not here  a fixed horizon, where excursions are not alike (`_visits`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import FloatArray, FloatS
from ..errors import ModelError
from ._tables import Acting, Steps, solve_kept

RARE = 1e-20
"""Episodes with more visits than occur with this probability are left out."""

_MOST = 100_000


@dataclass(frozen=True, slots=True)
class Counted:
    """Pr(N = n), E[Y 1{N = n}] and E[Y^2 1{N = n}], (L,) each, n = 0, 1, ..."""

    p: FloatArray
    y: FloatArray
    yy: FloatArray


class Excursion(NamedTuple):
    """Moments of one excursion from the state, on {it returns}, then on {it does not}."""

    back: float  # Pr(return)
    D: float
    DD: float
    R: float
    RD: float
    RR: float
    f: float  # E[R 1{no return}]
    ff: float


def renewed(steps: Steps, acting: Acting, state: int, *, first: bool) -> Counted:
    """The visits of one episode, and what follows them."""
    mdp = steps.mdp
    if not acting.ends:
        raise ModelError(
            "without a horizon visits can be counted only if episodes end almost surely, and under "
            "this policy they need not. Give horizon=."
        )
    if mdp.terminal[state]:  # nothing is decided there
        return Counted(np.ones(1), np.zeros(1), np.zeros(1))
    found, hit = _excursion(steps, acting, state)
    if not hit > 0:
        return Counted(np.ones(1), np.zeros(1), np.zeros(1))
    if first:
        V = (found.R + found.f) / (1 - found.D)
        square = (found.RR + 2 * found.RD * V + found.ff) / (1 - found.DD)
        return Counted(*(np.array(x) for x in ([1 - hit, hit], [0, hit * V], [0, hit * square])))
    return _layers(found, hit)


def _excursion(steps: Steps, acting: Acting, state: int) -> tuple[Excursion, float]:
    """Moments of an excursion, and the probability to come to the state at all."""
    mdp, gamma, q = steps.mdp, steps.mdp.gamma, acting.q1
    rewards = steps.rewards()
    K, K_r, K_rr = (steps.mixed(w, q) for w in (steps.go, rewards.paid, rewards.squared))
    kept = acting.reached & ~mdp.terminal
    at_state = np.zeros(mdp.n_states)
    at_state[state] = 1.0
    among = kept & (at_state == 0)
    chain = kernel.to_dense(K)[np.ix_(among, among)]

    def solved(power: int, known: Any) -> tuple[FloatS, FloatS]:
        """x = known + gamma^power K x among the other states; and one step from all of them."""
        right = known + gamma**power * (K @ ends)
        x = ends + solve_kept(gamma**power, chain, among, right * among)
        return x, known + gamma**power * (K @ x)

    ends = at_state  # coming to the state ends the excursion: worth 1, or gamma^0, there
    h, back = solved(0, 0.0)
    D, first_D = solved(1, 0.0)
    _, first_DD = solved(2, 0.0)
    n = 1.0 - h  # no return; where nothing leads to the state h is 0
    n[state] = 0.0
    ends = np.zeros(mdp.n_states)
    R, first_R = solved(1, K_r @ h)
    _, first_RD = solved(2, gamma * (K_r @ D))
    _, first_RR = solved(2, K_rr @ h + 2 * gamma * (K_r @ R))
    f, first_f = solved(1, K_r @ n)
    _, first_ff = solved(2, K_rr @ n + 2 * gamma * (K_r @ f))
    parts = (back, first_D, first_DD, first_R, first_RD, first_RR, first_f, first_ff)
    return Excursion(*(float(x[state]) for x in parts)), float(mdp.mu @ h)


def _layers(found: Excursion, hit: float) -> Counted:
    """Numbers of visits one after the other: each puts an excursion before what is there."""
    none = 1 - found.back
    if not none > 0:
        raise ModelError("round-off: an episode that comes to the state never leaves it for good.")
    count = 1 if found.back == 0 else int(np.ceil(np.log(RARE) / np.log(found.back))) + 1
    if count > _MOST:
        raise ModelError(
            f"an episode comes back to the state with probability {found.back:.9g}: more than "
            f"{_MOST:,} visits are not rare. Give horizon=."
        )
    p, y, yy = (np.zeros(count + 1) for _ in range(3))
    p[0] = 1 - hit
    # On {j visits}: weight w, and E[G], E[S], E[G^2], E[G S], E[S^2], each on that event.
    w, g, s, gg, gs, ss = none, found.f, found.f, found.ff, found.ff, found.ff
    for j in range(1, count + 1):
        p[j], y[j], yy[j] = hit * w, hit * s, hit * ss
        x = found.R * w + found.D * g
        xx = found.RR * w + 2 * found.RD * g + found.DD * gg
        cross = found.R * s + found.D * gs  # E[S (R + D G)]
        s, ss = found.back * s + x, found.back * ss + 2 * cross + xx
        w, g, gg, gs = found.back * w, x, xx, cross + xx
    return Counted(p, y, yy)
