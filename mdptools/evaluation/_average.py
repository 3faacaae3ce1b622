"""Average reward: gain, bias and stationary law of a policy, whatever its classes and periods.

Takes     an MDP of average reward and a policy (S, A).
Gives     an `Evaluation`; the deviation matrix.
Source    Puterman (1994), appendix A.4 to A.6 and section 8.2. The bounds are derived below.
Not here  the elimination itself (`_elimination`), choosing a policy (planning).

In each recurrent class one state is the anchor, the one that is visited most. Stopped at its
anchors the chain is absorbing, and everything follows from solving (I - K) x = b, K the chain among
the other states, T >= |(I - K)^-1| the longest mean time to an anchor:

- the stationary law w of a class: visits between two returns to its anchor, divided by their sum;
- the gain g of a class: w . R; elsewhere the mean over the classes in which the chain can end;
- the bias h: the solution of (I - P) h = R - g with w . h = 0 in each class.

Bounds. Let r = R + P h - g - h for the numbers found. The true gain of a class is the one that was
found plus w . r (multiply by w): it is off by max |r| at most. It is also off by at most the
relative error of w times the mean of |R - g|, which does not know how slowly the chain mixes. The
error of h solves (I - P) e = q, |q| <= max |r| + the error of g, so it is T |q| at most, but for
what it is at the anchors, and that is T |q| + |w . h| at most, because w . e = w . h.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .. import kernel
from ..arrays import EPS, BoolS, FloatArray, FloatS, FloatSA, IntS, readonly
from ..bellman import backup, expect_actions
from ..certificates import Certificate, backup_roundoff
from ..checks import check_served
from ..errors import ConvergenceError
from ..model import MDP
from ..policies import check_policy
from ..structure import recurrent_classes
from ._elimination import SAFE, Elimination
from ._evaluation import Evaluation
from ._finite import start_defect
from ._stationary import longest, value_residual

BIAS = (
    "|h^pi - h| <= 2 T |q| + |w.h|, |q| <= |R_pi + P_pi h - g - h| + the error of g, T the longest "
    "mean time to the anchor of a recurrent class"
)
GAIN = (
    "|g^pi - g| <= max |R_pi + P_pi h - g - h| in a recurrent class (Odoni 1969), or the relative "
    "error of w times the mean of |R_pi - g|; elsewhere a mean of these"
)
LAW = "stationary laws by elimination without subtraction; O'Cinneide (1993)"

ELIMINATED = 1_000
"""States up to which nothing is subtracted; above, an LU is quicker and its residual tells more."""


class Anchored(NamedTuple):
    """A chain, stopped at one state of each recurrent class."""

    chain: Any  # (S, S), dense or sparse
    label: IntS  # (S,) the recurrent class of each state; -1 where it is transient
    anchors: IntS  # (C,)
    kept: BoolS  # (S,) all but the anchors
    solver: Any  # of (I - K) x = b; None if nothing is kept
    relative: float  # log of the factor by which a solution >= 0 can be off
    time: float  # T
    laws: FloatS  # (S,) the stationary law of each class; 0 where the chain is transient
    law_error: float  # of each law: the sum of all its errors
    law_relative: float  # of each law: the relative error of each entry; may be inf

    @property
    def is_transient(self) -> BoolS:
        """(S,) True outside all classes."""
        mask: BoolS = self.label < 0
        return mask

    def solve(self, b: FloatS) -> FloatS:
        """(I - K)^-1 b, 0 at the anchors."""
        x = np.zeros(b.shape)
        if self.solver is not None:
            x[self.kept] = self.solver.solve(b[self.kept])
        return x

    def solve_adjoint(self, b: FloatS) -> FloatS:
        """(I - K)'^-1 b for b >= 0, 0 at the anchors."""
        x = np.zeros(b.shape)
        if self.solver is not None:
            x[self.kept] = np.maximum(self.solver.solve_adjoint(b[self.kept]), 0.0)
        return x

    def from_anchors(self, values: FloatArray) -> FloatArray:
        """What one step into an anchor is worth, (S,), if the anchors are worth ``values`` (C,)."""
        worth = np.zeros(len(self.label))
        worth[self.anchors] = values
        step: FloatArray = self.chain @ worth
        return step

    def means(self, x: FloatS) -> FloatS:
        """The mean (C,) of x (S,) under the law of each class."""
        inside = ~self.is_transient
        mean: Any = np.bincount(self.label[inside], (self.laws * x)[inside], len(self.anchors))
        return np.asarray(mean, dtype=np.float64)

    def largest(self, x: FloatS) -> FloatS:
        """The largest x (S,) in each class, (C,)."""
        inside = ~self.is_transient
        top = np.full(len(self.anchors), -np.inf)
        np.maximum.at(top, self.label[inside], x[inside])
        return top


def evaluate_average(mdp: MDP, pi: FloatSA) -> Evaluation:
    """Gain, bias and stationary law.

    Parameters
    ----------
    mdp : MDP
        Of average reward.
    pi : (S, A) array
        Checked.

    Returns
    -------
    Evaluation
        Time O(S^3) if dense.
    """
    found = _anchor(mdp, pi, most=ELIMINATED)
    rewards = expect_actions(pi, mdp.R)
    of_class = found.means(rewards)
    gain, unsure = _spread(mdp, pi, found, of_class)

    # The bias: values relative to the anchors, then each anchor where the mean of its class is 0.
    paid = rewards - gain
    h = found.solve(paid)
    if np.isfinite(h).all():
        level = -found.means(h)
        h = found.solve(paid + found.from_anchors(level))
        h[found.anchors] = level
    if not np.isfinite(h).all():
        raise ConvergenceError(
            "the bias of this policy is beyond the range of float64: from some state it takes more "
            "than 1e300 steps to settle. Leave such small probabilities out of the model.",
            floor=np.inf,
        )
    Q = backup(mdp, h) - gain[:, None]
    everywhere = np.ones(mdp.n_states, dtype=bool)
    residual, roundoff = value_residual(mdp, pi, h, Q, everywhere)
    gap = np.abs(expect_actions(pi, Q) - h)
    scale = float(np.abs(h).max())
    roundoff += 2 * EPS * float(np.abs(gain).max())

    # The gain of each class, in two ways.
    count = np.bincount(found.label[~found.is_transient], minlength=len(of_class))
    spread = found.means(np.abs(rewards - np.where(found.is_transient, 0.0, gain)))
    own = _times(found.law_relative, spread) + EPS * (count + 4) * found.means(np.abs(rewards))
    own += _reward_roundoff(mdp, pi)
    class_error = np.minimum(own, found.largest(gap) + roundoff)
    gain_error = np.where(found.is_transient, class_error.max() + unsure, class_error[found.label])
    worst = float(gain_error.max())

    centre = np.abs(found.means(h)) + _times(found.law_error, found.largest(np.abs(h)))
    centre += EPS * (count + 4) * found.means(np.abs(h))
    bound = float(centre.max()) + 2 * float(_times(found.time, residual + roundoff + worst))
    bound += worst + backup_roundoff(mdp, scale)  # so that it holds for Q as well
    d, law_error = _law(mdp, pi, found)
    J = float(mdp.mu @ gain)
    dot = start_defect(mdp) * float(mdp.mu @ np.abs(gain))
    return Evaluation(
        V=readonly(h),
        Q=readonly(Q),
        J=J,
        visits=readonly(d),
        certificate=Certificate(bound, np.inf, residual, BIAS),
        J_certificate=Certificate(float(mdp.mu @ gain_error) + dot, np.inf, residual, GAIN),
        visits_certificate=Certificate(law_error, np.inf, law_error, LAW),
        gain=readonly(gain),
        gain_certificate=Certificate(
            worst,
            np.inf,
            residual,
            GAIN,
            lower=readonly(gain - gain_error),
            upper=readonly(gain + gain_error),
        ),
    )


def deviation_matrix(mdp: MDP, pi: Any) -> FloatArray:
    """D = sum_t (P_pi^t - W), W the limit: what the start adds to a sum that never ends.

    Parameters
    ----------
    mdp : MDP
        Of average reward.
    pi : (S, A) array_like

    Returns
    -------
    (S, S) array, decisions
        The group inverse of I - P_pi: ``D @ R_pi`` is the bias, ``(I - P_pi) D = I - W``, rows sum
        to zero, and the laws of the recurrent classes are mapped to zero. Periodic chains have it
        as well (the sum is then one of Cesaro).

    Raises
    ------
    ModelError
        If the model is not of average reward, or pi is no policy of it.
    ConvergenceError
        If float64 cannot tell a recurrent class from a transient one.

    Notes
    -----
    D = (I - W) X (I - W) for the inverse X of I - P_pi among the states that are no anchors (see
    the head of this file). Time O(S^3), memory O(S^2). Its relative error in the maximum norm is
    about eps S times the longest mean time to an anchor.

    Examples
    --------
    >>> from mdptools import MDP
    >>> mdp = MDP([[[0, 1]], [[1, 0]]], [[1], [0]], average=True)
    >>> deviation_matrix(mdp, [[1], [1]])
    array([[ 0.25, -0.25],
           [-0.25,  0.25]])
    """
    check_served(mdp, "deviation_matrix", "average", instead="with_objective(average=True)")
    found = _anchor(mdp, check_policy(mdp, pi), most=mdp.n_states)
    n = mdp.n_states
    X = np.zeros((n, n))
    if found.solver is not None:
        X[np.ix_(found.kept, found.kept)] = found.solver.solve(np.eye(int(found.kept.sum())))
    ends = np.zeros((n, len(found.anchors)))  # the chance to end in each class
    ends[found.anchors, np.arange(len(found.anchors))] = 1.0
    ends = np.where(found.kept[:, None], X @ (found.chain @ ends), ends)
    laws = np.zeros((len(found.anchors), n))
    inside = np.flatnonzero(~found.is_transient)
    laws[found.label[inside], inside] = found.laws[inside]
    D = X - ends @ (laws @ X)
    D -= (D @ ends) @ laws
    return readonly(D)


def _times(factor: float, x: Any) -> Any:
    """The product; an error of exactly 0 is none, even where the factor is not known."""
    return np.where(x == 0, 0.0, factor * np.where(x == 0, 1.0, x))


def _reward_roundoff(mdp: MDP, pi: FloatSA) -> float:
    """How far a computed sum_a pi R can be from the true one."""
    relative = EPS * (mdp.n_actions / 2 + 1) + 2 * float(np.abs(pi.sum(axis=1) - 1).max())
    return relative * mdp.facts.reward_max + mdp.facts.reward_roundoff


def _defect(mdp: MDP, pi: FloatSA) -> float:
    """How far rows of P and pi are from summing to one: a relative error of the chain's entries."""
    return 2 * (mdp.facts.row_defect + float(np.abs(pi.sum(axis=1) - 1).max()))


def _anchor(mdp: MDP, pi: FloatSA, *, most: int) -> Anchored:
    """Anchors, the solver between them, stationary laws. Up to ``most`` states by elimination."""
    chain: Any = kernel.mix(mdp.P, pi)
    classes = recurrent_classes(mdp, pi)
    label = np.full(mdp.n_states, -1)
    for c, members in enumerate(classes):
        label[members] = c
    inside = label >= 0
    defect = _defect(mdp, pi) + EPS * (mdp.n_actions + len(classes) + 2) / 2
    if _may_underflow(mdp, pi):
        defect = np.inf
    anchors = np.array([members[0] for members in classes])
    for attempt in range(2):
        kept = np.ones(mdp.n_states, dtype=bool)
        kept[anchors] = False
        solver, relative = _factored(chain, kept, anchors, defect, most)
        found = Anchored(
            chain, label, anchors, kept, solver, relative, 0.0, np.zeros(mdp.n_states), 0.0, 0.0
        )
        y = np.zeros(mdp.n_states)  # visits between two returns to the anchor
        y[anchors] = 1.0
        y = np.where(inside & kept, found.solve_adjoint(y @ chain), y)
        total = np.bincount(label[inside], y[inside], len(classes))
        if not np.isfinite(total).all():
            raise _unclear()
        laws = np.where(inside, y / total[label], 0.0)
        best = np.array([members[laws[members].argmax()] for members in classes])
        if attempt or (laws[best] <= 2 * laws[anchors]).all():
            break
        anchors = best  # a state that is hardly ever visited makes a poor anchor

    time = _time(mdp, pi, found)
    # The error of y, as a sum, by its residual; that of a quotient is at most twice as large.
    terms = kernel.column_length(chain) + mdp.n_actions
    wrong = np.abs(y @ chain - y) + (EPS * (terms / 2 + 3) + _defect(mdp, pi)) * y
    off = np.bincount(label[inside], np.where(kept, wrong, 0.0)[inside], len(classes)) / total
    count = np.bincount(label[inside], minlength=len(classes))
    slack = EPS * (int(count.max()) + 2)
    law_relative = float(np.expm1(min(2 * relative, 700.0))) if relative < np.inf else np.inf
    law_error = min(law_relative, 2 * float(_times(time, off).max())) + slack
    return found._replace(
        time=time, laws=laws, law_error=law_error, law_relative=law_relative + slack
    )


def _may_underflow(mdp: MDP, pi: FloatSA) -> bool:
    """Whether a product pi P can be so small that it is lost."""
    least = float(pi.min(initial=1.0, where=pi > 0))
    if least == 1.0:
        return False
    _, _, prob = kernel.branches(mdp.P)
    return not least * float(prob.min()) > SAFE


def _factored(
    chain: Any, kept: BoolS, anchors: IntS, defect: float, most: int
) -> tuple[Any, float]:
    """A solver for the states kept, and the relative error of its solutions >= 0."""
    if not kept.any():
        return None, 0.0
    among = kernel.restrict(chain, kept)
    is_anchor = np.zeros(len(kept))
    is_anchor[anchors] = 1.0
    try:
        if int(kept.sum()) > most:
            return kernel.Resolvent(among, 1.0), np.inf
        solver = Elimination(kernel.to_dense(among), (chain @ is_anchor)[kept], defect)
    except ArithmeticError:
        raise _unclear() from None
    return solver, solver.relative


def _unclear() -> ConvergenceError:
    return ConvergenceError(
        "float64 cannot tell the recurrent classes of this policy apart: the chance to go from one "
        "state to another is below 1e-300. Leave such small probabilities out of the model.",
        floor=np.inf,
    )


def _time(mdp: MDP, pi: FloatSA, found: Anchored) -> float:
    """T: the longest mean time to an anchor, rounded up."""
    if found.solver is None:
        return 0.0
    w = found.solver.solve(np.ones(int(found.kept.sum())))
    by_residual = longest(kernel.restrict(found.chain, found.kept), w, mdp, pi)
    if found.relative > 1:
        return by_residual
    return min(by_residual, float(w.max()) * float(np.exp(found.relative)))


def _spread(mdp: MDP, pi: FloatSA, found: Anchored, of_class: FloatS) -> tuple[FloatS, float]:
    """The gain (S,) from that of each class, and what that adds to its error where transient."""
    low = float(of_class.min())
    more = np.maximum(found.solve(found.from_anchors(of_class - low)), 0.0)
    more = np.minimum(more, float(of_class.max()) - low)
    outside = found.is_transient
    more = np.where(outside, more, of_class[found.label] - low)
    gain = np.where(outside, low + more, of_class[found.label])
    if not outside.any():
        return gain, 0.0
    top = float(more.max())
    terms = mdp.facts.terms * mdp.n_actions
    roundoff = (EPS * (terms / 2 + 4) + _defect(mdp, pi)) * top
    residual = float(np.abs(found.chain @ more - more)[outside].max()) + roundoff
    growth = float(np.expm1(found.relative + EPS * len(of_class))) if found.relative < 1 else np.inf
    unsure = min(float(_times(found.time, residual)), float(_times(growth, more[outside]).max()))
    return gain, unsure + 2 * EPS * float(np.abs(gain).max())


def _law(mdp: MDP, pi: FloatSA, found: Anchored) -> tuple[FloatS, float]:
    """d = lim 1/n sum_t Pr(s_t = s) from mu, and the sum of its errors."""
    slack = start_defect(mdp)
    if len(found.anchors) == 1:
        return found.laws.copy(), found.law_error + slack
    v = found.solve_adjoint(mdp.mu)
    start = np.where(found.kept, 0.0, mdp.mu)
    weight = (start + v @ found.chain)[found.anchors]
    weight = np.where(found.is_transient, 0.0, weight[found.label])
    terms = kernel.column_length(found.chain) + mdp.n_actions
    wrong = np.abs(mdp.mu + v @ found.chain - v)[found.kept].sum()
    wrong += (EPS * (terms / 2 + 3) + _defect(mdp, pi)) * (float(v.sum()) + 1)
    growth = float(np.expm1(found.relative)) if found.relative < 1 else np.inf
    # What goes astray on the way goes astray once: no more can end in a wrong class.
    roundoff = (EPS * (terms / 2 + 3) + _defect(mdp, pi)) * float(mdp.mu.sum())
    return found.laws * weight, min(growth, float(wrong)) + roundoff + found.law_error + slack
