"""From a residual that was measured to an error bound that is proved, round-off included.

Takes     a model, an answer, and one Bellman backup of it.
Gives     `Certificate`, and the numbers it is made of.
Source    MacQueen (1966) and Porteus (1971) for optimal values; the residual bounds of a linear
          system for a policy's. The formulas stand where they are used.
Not here  iterating until a bound is small enough (planning).

What is bounded is the distance to the truth of the numbers that the model holds: of P as it is
stored, and also of P with each row divided by its sum. The two differ by as much as a row's sum
differs from one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from .arrays import EPS, TINY, BoolSA, FloatArray, FloatS, FloatSA, readonly
from .markup import Shown
from .model import MDP
from .words import upper


@dataclass(frozen=True, slots=True, eq=False)
class Certificate(Shown):
    """A bound on an error, and the theorem that proves it.

    Attributes
    ----------
    bound : float
        The values are at most this far from the truth in any state, in reward units (visits: the
        sum of all errors, in steps). inf says that nothing is proved; it is never nan.
    loss : float
        What the returned policy can lose against the optimum in any state; inf where there is no
        such statement.
    residual : float
        The number that was measured and put into the theorem.
    theorem : str
        The inequality, and where it is from.
    kind : {"proved", "estimated"}
        "estimated" where nothing proves it.
    lower, upper : (S,) or (H+1, S) array or None
        Bounds of the true value in each state, where they are known.

    Raises
    ------
    ValueError
        If a bound is negative or nan.

    Examples
    --------
    >>> from mdptools import MDP, solve
    >>> certificate = solve(MDP([[[1.0]]], [[1.0]], gamma=0.5)).certificate
    >>> certificate.kind, certificate.bound < 1e-14
    ('proved', True)
    """

    bound: float
    loss: float
    residual: float
    theorem: str
    kind: Literal["proved", "estimated"] = "proved"
    lower: FloatS | None = None
    upper: FloatS | None = None

    @property
    def in_words(self) -> str:
        """What it says, in a line: "proved: within 1.2e-09, and the policy loses at most 0"."""
        if self.bound == np.inf:
            return "nothing is proved"
        loss = "" if self.loss == np.inf else f", and the policy loses at most {upper(self.loss)}"
        return f"{self.kind}: within {upper(self.bound)}{loss}"

    def __post_init__(self) -> None:
        if not (self.bound >= 0 and self.loss >= 0):  # written so that nan fails too
            raise ValueError(
                f"a bound must be >= 0, got bound {self.bound!r} and loss {self.loss!r} from "
                f"{self.theorem}"
            )


MACQUEEN = (
    "TV + g min(TV - V) <= V^pi <= V* <= TV + g max(TV - V), g = gamma / (1 - gamma); "
    "MacQueen (1966), Porteus (1971)"
)


def largest(x: FloatArray) -> float:
    """The largest number of x; on small arrays much quicker than ``float(x.max())``. nan wins."""
    value: float = x.item(x.argmax())
    return value


def smallest(x: FloatArray) -> float:
    """The smallest number of x. nan wins."""
    value: float = x.item(x.argmin())
    return value


def magnitude(x: FloatArray) -> float:
    """The largest |x|. nan wins."""
    return max(largest(x), -smallest(x))


def backup_roundoff(mdp: MDP, scale: float) -> float:
    """How far a computed R + gamma P V can be from the true one, in any pair.

    Parameters
    ----------
    mdp : MDP
    scale : float, reward units
        max |V|.

    Returns
    -------
    float, reward units
        The dot product of n terms errs by n u sum |p V|, u = eps / 2 (Higham 2002, eq. (3.5));
        gamma and R by one rounding each; and twice the defect of the row sums. Products that
        underflow err by 2**-1075 each; what stands for them also covers what underflows in the
        bounds that are made of this number. Exactly 0 where all rewards and V are 0
        and no horizon ends with another reward.
    """
    facts = mdp.facts
    products: float = mdp.gamma * scale * (EPS * (facts.terms / 2 + 2) + 2 * facts.row_defect)
    worthless = scale == 0 and facts.reward_max == 0 and mdp.final is None
    underflow = 0.0 if worthless else TINY * facts.terms
    return products + EPS * facts.reward_max + facts.reward_roundoff + underflow


def mixing_roundoff(mdp: MDP, pi: FloatSA, V: FloatS, Q: FloatSA) -> float:
    """Round-off of sum_a pi(a|s) Q(s, a) - V(s), in any state.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) array
    V : (k,) array, reward units
        The finite values.
    Q : (S, A) array

    Returns
    -------
    float, reward units
    """
    scale = float(np.abs(V).max(initial=0.0))
    largest = float(np.abs(Q[(pi > 0) & np.isfinite(Q)]).max(initial=0.0))
    defect = float(np.abs(pi.sum(axis=-1) - 1).max()) + EPS * mdp.n_actions / 2
    return (
        backup_roundoff(mdp, scale)
        + EPS * scale
        + (EPS * (mdp.n_actions / 2 + 1) + 2 * defect) * largest
    )


class Bracket(NamedTuple):
    """MacQueen's interval for V* and V^pi around one backup of V."""

    low: float  # min(T_pi V - V), round-off included
    high: float  # max(TV - V), round-off included
    roundoff: float  # of the backup, in any pair
    factor: float  # g = gamma / (1 - gamma)
    scale: float  # max |V|

    @property
    def width(self) -> float:
        """Half of the interval's length: the bound for its midpoint."""
        return self.factor * (self.high - self.low) / 2 + self.roundoff

    @property
    def shift(self) -> float:
        """What to add to TV to be in the middle."""
        middle = self.factor * (self.high + self.low) / 2
        return middle if self.roundoff < np.inf else 0.0

    @property
    def floor(self) -> float:
        """The width that would be left if TV were V."""
        return self.roundoff * (2 * self.factor + 1)


def bracket(mdp: MDP, V: FloatS, best: FloatS, chosen: FloatS) -> Bracket:
    """MacQueen's numbers for a discounted model.

    Parameters
    ----------
    mdp : MDP
        gamma < 1.
    V : (S,) array, reward units
    best : (S,) array
        TV = max_a Q, Q the backup of V.
    chosen : (S,) array
        Q at the actions of the policy pi that is returned.

    Returns
    -------
    Bracket
        Time O(S).
    """
    rise = best - V
    low = smallest(rise if chosen is best else chosen - V)
    return bracket_of(mdp, low, largest(rise), magnitude(V))


def bracket_of(mdp: MDP, low: float, high: float, scale: float) -> Bracket:
    """The same from min and max of the differences and max |V|.

    Parameters
    ----------
    mdp : MDP
    low, high : float, reward units
    scale : float, reward units

    Returns
    -------
    Bracket
    """
    time = mdp.facts.time
    factor = mdp.gamma / (1 - mdp.gamma)
    # V* itself may be larger than V by far; a defect of the row sums acts on V*.
    # Where no time is proved (inf), neither is anything else, even if nothing rises (inf * 0).
    reach = scale + time * max(abs(low), abs(high)) if time < np.inf else np.inf
    roundoff = backup_roundoff(mdp, scale) + EPS * (scale + abs(low) + abs(high))
    roundoff += 2 * mdp.gamma * mdp.facts.row_defect * reach
    return Bracket(low - roundoff, high + roundoff, roundoff, factor, scale)


def optimal_actions(Q: FloatSA, best: FloatS, error: float) -> BoolSA:
    """Every action that could be optimal, (S, A) bool.

    Parameters
    ----------
    Q : (S, A) or (H, S, A) array, reward units
        -inf at refused pairs.
    best : (S,) or (H, S) array
        max_a Q.
    error : float, reward units
        A bound on |Q - Q*|.

    Returns
    -------
    array of bool
        Actions within ``2 error`` of the best: a superset of the optimal set always, and the set
        itself where all other actions are worse by more than ``4 error``.
    """
    # On small arrays a copy of the thresholds costs less than a broadcast.
    thresholds = (best - 2 * error).repeat(Q.shape[-1]).reshape(Q.shape)
    return readonly(Q >= thresholds)


def certify(
    mdp: MDP, best: FloatS, chosen: FloatS, found: Bracket, shift: float = 0.0
) -> tuple[float, float, FloatS, FloatS]:
    """Bound, loss, lower and upper for the values ``best + shift``, 0 on terminal states.

    Parameters
    ----------
    mdp : MDP
    best, chosen : (S,) arrays
        As in `bracket`; the same object if the policy is greedy.
    found : Bracket
    shift : float, reward units
        ``found.shift`` is the middle of the bracket.

    Returns
    -------
    bound, loss : float
    lower, upper : (S,) arrays
    """
    # max |best| is at most max |V| and the larger end of the bracket.
    slack = 2 * EPS * (found.scale + (1 + found.factor) * max(abs(found.low), abs(found.high)))
    above = found.roundoff + slack + found.factor * found.high
    below = found.roundoff + slack - found.factor * found.low
    lower, upper = chosen - below, best + above
    if mdp.facts.any_terminal:
        lower[mdp.terminal] = upper[mdp.terminal] = 0.0
    if chosen is not best:
        below += largest(best - chosen)
    bound = max(above - shift, below + shift, 0.0) + slack
    return bound, max(above + below, 0.0) + slack, readonly(lower), readonly(upper)
