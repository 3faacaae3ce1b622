"""Truths and traces of every objective: what a study needs besides the discounted ones.

Takes     a model; the policies a rule went through.
Gives     `truth`, for any objective; `trace_of`, the `Trace` that goes with it.
Source    the performance-difference lemma. Total: ``J* - J = sum_s visits(s) sum_a pi (V* - Q*)``
          if pi ends every episode; average: the same with the stationary law and ``V* - Q* = g* +
          h* - R - P h*``, which telescopes for any solution (g*, h*) of the optimality equation.
Not here  a horizon (`_finite_trace`), sweeps of average reward (`_average_trace`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import EPS, BoolArray, FloatArray, FloatS, FloatSA, readonly
from ..bellman import backup, best_actions, expect_actions
from ..checks import check_model
from ..errors import ModelError
from ..evaluation import Evaluation, evaluate
from ..model import MDP
from ..planning import average_policy_iteration, solve
from ..structure import can_reach
from ._average_trace import AverageTruth
from ._finite_trace import FiniteTrace, finite_truth
from ._trace import Trace
from ._truth import POLISHED, Truth, shortfalls, solve_each
from ._truth import truth as discounted_truth


@dataclass(frozen=True, eq=False)
class TotalTruth(Truth):
    """The optimum without discounting; ``time`` bounds the steps that an optimal policy takes."""

    time: float

    @cached_property
    def trivial(self) -> float:
        """inf: episodes may be as long as a policy makes them."""
        return np.inf

    @cached_property
    def floor(self) -> float:
        """Below it float64 does not judge: 100 eps max(|V*|, |R|) time."""
        size = max(float(np.abs(self.mdp.R).max()), float(np.abs(self.V).max()))
        return 100 * EPS * size * self.time

    @cached_property
    def smoothness(self) -> float:
        """inf: none is known."""
        return np.inf

    def d(self, pi: FloatSA, measure: FloatS) -> FloatS:
        """Visits of pi from ``measure``, 0 on terminal states, (S,); inf where it may rest."""
        law: FloatS = _visits(self.mdp, pi[None], measure)[0]
        return law


@dataclass(frozen=True, eq=False)
class TotalTrace(Trace):
    """A trace without discounting; a policy that may rest for ever has visits of inf or nan."""

    @cached_property
    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        truth, short = self.truth, self.truth.shortfall
        logs = np.log(short, out=np.full(short.shape, -np.inf), where=short > 0)
        terms = self.log_pi + logs
        top = terms.max(axis=(1, 2))
        size = np.where(np.isfinite(top), top, 0.0)
        proper = ends(truth.mdp, self.pi)
        size[~proper] = 0.0
        scaled = np.empty(self.pi.shape[:2])
        mean = np.exp(terms[proper] - size[proper, None, None]).sum(axis=2)
        scaled[proper] = solve_each(truth.mdp, self.pi[proper], mean, adjoint=False)
        for t in np.flatnonzero(~proper):
            scaled[t] = truth.V - _resting(truth.mdp, self.pi[t])[0]
        return size, scaled

    @cached_property
    def visits(self) -> FloatArray:
        """Visits from mu, (T+1, S); inf where the policy may rest for ever."""
        return readonly(_visits(self.truth.mdp, self.pi, self.truth.mdp.mu))

    @cached_property
    def floor(self) -> float:
        """That of the truth."""
        return self.truth.floor


@dataclass(frozen=True, eq=False)
class GainTruth(AverageTruth):
    """The largest gain, the same from every start; V is h*, the shortfall that of the gain."""

    @cached_property
    def smoothness(self) -> float:
        """inf: none is known."""
        return np.inf

    def d(self, pi: FloatSA, measure: FloatS) -> FloatS:
        """The stationary law of pi, (S,), from ``measure`` if it has several classes."""
        law: FloatS = evaluate(_from(self.mdp, measure), pi).visits
        return law


@dataclass(frozen=True, eq=False)
class GainTrace(Trace):
    """A trace of average reward: gaps are of gains, visits are the stationary law."""

    @cached_property
    def _found(self) -> list[Evaluation]:
        return [evaluate(self.truth.mdp, pi) for pi in self.pi]

    @cached_property
    def _scaled(self) -> tuple[FloatArray, FloatArray]:
        short = self.truth.shortfall
        terms = self.log_pi + np.log(short, out=np.full(short.shape, -np.inf), where=short > 0)
        top = terms.max(axis=(1, 2))
        size = np.where(np.isfinite(top), top, 0.0)
        mean = np.exp(terms - size[:, None, None]).sum(axis=2)
        lost = (self.visits * mean).sum(axis=1)
        return size, np.repeat(lost[:, None], self.truth.mdp.n_states, axis=1)

    @cached_property
    def J(self) -> FloatArray:
        """The gain of each policy, (T+1,)."""
        return readonly(best_return(self.truth) - self.gap())

    @cached_property
    def visits(self) -> FloatArray:
        """The stationary law of each policy, (T+1, S)."""
        return readonly(np.stack([found.visits for found in self._found]))

    @cached_property
    def advantage(self) -> FloatArray:
        """Q - V of each policy, differential values, (T+1, S, A); 0 at refused pairs."""
        A = np.stack([found.A for found in self._found])
        return readonly(np.where(self.truth.mdp.allowed, A, 0.0))

    @cached_property
    def floor(self) -> float:
        """That of the truth."""
        return self.truth.floor


def truth(mdp: MDP) -> Truth:
    """Solve a model as exactly as float64 can, and keep what theorems and studies ask for.

    Parameters
    ----------
    mdp : MDP
        Of any objective. Total reward: with finite V*. Average reward: with the same largest gain
        from every start.

    Returns
    -------
    Truth
        With a horizon V is (H+1, S), what else is by states (H, S, ...). Average reward: V is the
        bias h* of an optimal policy, the shortfall ``g* + h* - R - P h*``.

    Raises
    ------
    ModelError
        If V* is infinite somewhere; if the largest gain depends on the start.

    Notes
    -----
    Discounted: policy iteration, then policies are changed until no action is better by more than
    ``4 eps max |V*|``. Time O(S^3 + S^2 A) an iteration if P is dense.

    Examples
    --------
    >>> found = truth(MDP([[[1.0], [1.0], [1.0]]], [[1.0, 0.5, 1.0]], gamma=0.5))
    >>> found.V, found.shortfall, found.smallest_shortfall
    (array([2.]), array([[0. , 0.5, 0. ]]), 0.5)
    """
    check_model(mdp)
    match mdp.objective:
        case "discounted":
            return discounted_truth(mdp)
        case "finite":
            return finite_truth(mdp)
        case "total":
            return _total_truth(mdp)
    return _gain_truth(mdp)


def trace_of(
    truth: Truth,
    algorithm: str,
    log_pi: FloatArray,
    x: FloatArray,
    step_sizes: FloatArray,
    options: Mapping[str, Any],
) -> Trace:
    """The trace that goes with a truth.

    Parameters
    ----------
    truth : Truth
    algorithm : str
    log_pi : (T+1, S, A) array, or (T+1, H, S, A) with a horizon
    x : (T+1, ...) array
    step_sizes : (T,) array
    options : mapping

    Returns
    -------
    Trace
    """
    kinds = {"discounted": Trace, "finite": FiniteTrace, "total": TotalTrace, "average": GainTrace}
    return kinds[truth.mdp.objective](truth, algorithm, log_pi, x, step_sizes, options)


def best_return(truth: Truth) -> float:
    """J of an optimal policy, from mu, in the sense of the objective."""
    if isinstance(truth, AverageTruth):
        return float(truth.mdp.mu @ truth.gain)
    return float(truth.mdp.mu @ (truth.V if truth.V.ndim == 1 else truth.V[0]))


def ends(mdp: MDP, pi: FloatArray) -> BoolArray:
    """Which of many policies (T, S, A) end every episode, whatever the start, (T,)."""
    known: dict[bytes, bool] = {}
    for taken in pi > 0:
        key = taken.tobytes()
        if key not in known:
            known[key] = bool(can_reach(mdp, mdp.terminal, taken).all())
    return np.array([known[taken.tobytes()] for taken in pi > 0], dtype=bool)


def _visits(mdp: MDP, pi: FloatArray, measure: FloatS) -> FloatArray:
    """Visits of many policies from one law, (T, S), 0 on terminal states."""
    proper = ends(mdp, pi)
    found = np.empty(pi.shape[:2])
    starts = np.broadcast_to(measure, found[proper].shape)
    found[proper] = solve_each(mdp, pi[proper], starts, adjoint=True)
    for t in np.flatnonzero(~proper):
        found[t] = _resting(_from(mdp, measure), pi[t])[1]
    return np.where(mdp.terminal, 0.0, found)


def _resting(mdp: MDP, pi: FloatSA) -> tuple[FloatS, FloatS]:
    """V and visits of a policy that may rest for ever; nan if its return is infinite."""
    try:
        found = evaluate(mdp, pi)
    except ModelError:
        nothing = np.full(mdp.n_states, np.nan)
        return nothing, nothing
    return found.V, found.visits


def _from(mdp: MDP, measure: FloatS) -> MDP:
    """The same model, started from another law."""
    if np.array_equal(mdp.mu, measure):
        return mdp
    return MDP(
        mdp.P,
        mdp.R,
        mdp.gamma,
        average=mdp.average,
        mu=measure,
        allowed=mdp.allowed,
        terminal=mdp.terminal if mdp.terminal.any() else (),
    )


def _total_truth(mdp: MDP) -> TotalTruth:
    """The planner's policy, evaluated, and changed until nothing is better but for round-off."""
    planned = solve(mdp)
    pi = np.asarray(planned.pi)
    V = np.where(mdp.terminal, 0.0, evaluate(mdp, pi).V)
    time, doubt = 1.0, planned.certificate.bound
    if ends(mdp, pi[None])[0]:
        pi, V = _polished(mdp, pi, V)
        ones = np.ones((1, mdp.n_states))
        time = max(1.0, float(solve_each(mdp, pi[None], ones, adjoint=False).max()))
        doubt = 0.0
    Q = backup(mdp, V)
    there = mdp.allowed & ~mdp.terminal[:, None]
    best = np.where(mdp.terminal, 0.0, Q.max(axis=1))
    size = max(float(np.abs(V).max()), float(np.abs(mdp.R).max()))
    tol = 100 * EPS * size * time + 2 * doubt
    shortfall = shortfalls(best, Q, there, tol)
    return TotalTruth(
        mdp=mdp,
        V=readonly(V),
        Q=readonly(Q),
        shortfall=readonly(shortfall),
        optimal=readonly(mdp.allowed & (shortfall == 0)),
        pi=readonly(pi),
        tol=tol,
        warning="",
        time=time,
    )


def _polished(mdp: MDP, pi: FloatSA, V: FloatS) -> tuple[FloatSA, FloatS]:
    """Policy iteration from a policy that ends every episode, to the last digits."""
    for _ in range(POLISHED):
        Q = backup(mdp, V)
        best_action, best = best_actions(Q)
        better = best > expect_actions(pi, Q) + 4 * EPS * float(np.abs(V).max())
        if not (better & ~mdp.terminal).any():
            break
        new = np.where(better[:, None], np.eye(mdp.n_actions)[best_action], pi)
        if not ends(mdp, new[None])[0]:
            break
        pi = new
        V = solve_each(mdp, pi[None], expect_actions(pi, mdp.R)[None], adjoint=False)[0]
    return pi, V


def _gain_truth(mdp: MDP) -> GainTruth:
    """The planner's gain and bias; how far each action falls short of them."""
    planned = average_policy_iteration(mdp)
    gain, h = np.asarray(planned.gain), np.asarray(planned.V)
    error = float(planned.certificate.bound)
    size = float(np.abs(h).max()) + float(np.abs(mdp.R).max())
    tol = 100 * EPS * size + 2 * error
    if float(np.ptp(gain)) > tol:
        low, high = int(gain.argmin()), int(gain.argmax())
        raise ModelError(
            f"the largest gain depends on the start: {gain[low]:.6g} from state "
            f"{mdp.name_of_state(low)}, {gain[high]:.6g} from {mdp.name_of_state(high)}. A study "
            f"needs a model where it is the same."
        )
    Q = backup(mdp, h)
    shortfall = shortfalls(gain + h, Q, mdp.allowed, tol)
    return GainTruth(
        mdp=mdp,
        V=readonly(h.copy()),
        Q=readonly(Q),
        shortfall=readonly(shortfall),
        optimal=readonly(mdp.allowed & (shortfall == 0)),
        pi=readonly(np.array(planned.pi, dtype=float)),
        tol=tol,
        warning="",
        gain=readonly(gain.copy()),
        error=error,
    )
