"""Traces of average reward: sweeps of relative value iteration.

Takes     a model of average reward, a number of sweeps.
Gives     `average_trace`: a `Trace` whose x are the relative values h and whose gaps are of gains.
Source    ``h <- T h - (T h)(0)``, ``T h = max_a R + P h``; Puterman (1994), section 8.5.
Not here  the bounds (`_bounds_average`), a planner that certifies its answer (planning).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..arrays import EPS, FloatArray, FloatS, as_floats, readonly
from ..bellman import backup, best_actions
from ..checks import check_count, check_served
from ..errors import ModelError
from ..evaluation import evaluate
from ..model import MDP
from ..planning import average_policy_iteration
from ..policies import deterministic_policy
from ._trace import Trace, log_of
from ._truth import Truth


@dataclass(frozen=True, eq=False)
class AverageTruth(Truth):
    """The largest gains; V is a bias."""

    gain: FloatS
    error: float  # of the gains

    @cached_property
    def trivial(self) -> float:
        """What no difference of gains exceeds: max R - min R."""
        return self.reward_range

    @cached_property
    def floor(self) -> float:
        """Below it float64 does not judge: the proved error of gains, and that of sweeps."""
        size = float(np.abs(self.V).max()) + float(np.abs(self.mdp.R).max())
        return 2 * self.error + 100 * EPS * size


@dataclass(frozen=True, eq=False)
class AverageTrace(Trace):
    """A trace of values h and of policies that are greedy for them."""

    @cached_property
    def gaps(self) -> FloatArray:
        """g* - g of each policy, in each state, (T+1, S), reward units."""
        mdp, gain = self.truth.mdp, np.asarray(getattr(self.truth, "gain"))  # noqa: B009
        known: dict[bytes, FloatArray] = {}
        for pi in self.pi:
            if pi.tobytes() not in known:
                known[pi.tobytes()] = gain - np.asarray(evaluate(mdp, pi).gain)
        return readonly(np.stack([known[pi.tobytes()] for pi in self.pi]))

    @cached_property
    def floor(self) -> float:
        """That of the truth, with the largest h."""
        return self.truth.floor + 100 * EPS * float(np.abs(self.values).max())


def average_trace(mdp: MDP, steps: int, *, h0: Any = None) -> Trace:
    """Relative value iteration, sweep by sweep, ready for `bounds`.

    Parameters
    ----------
    mdp : MDP
        Of average reward.
    steps : int
        How many sweeps.
    h0 : (S,) array_like, reward units, optional
        Where to start; zeros if omitted.

    Returns
    -------
    Trace
        ``x`` are the h, (T+1, S), the policies greedy for them; its gaps are of gains.

    Raises
    ------
    ModelError
        If the model is not of average reward, ``steps`` is no int >= 1, or h0 does not fit.

    Notes
    -----
    Time O(S^2 A) a sweep if P is dense, and O(S^3) for each policy whose gain is asked for. If the
    chain of an optimal policy is periodic h may turn in circles, as the bounds then say: their
    contraction factor is 1.

    Examples
    --------
    >>> from mdptools.studies import bound
    >>> P = [[[0.5, 0.5], [1, 0]], [[0, 1], [0.5, 0.5]]]
    >>> made = average_trace(MDP(P, [[1, 0], [2, 0]], average=True), 10)
    >>> bound("K1", made).first_violation, float(made.gap()[-1])
    (None, 0.0)
    """
    check_served(mdp, "average_trace", "average", instead="run_study")
    steps = check_count(steps, "steps")
    h = np.zeros(mdp.n_states) if h0 is None else as_floats(h0, "h0")
    if h.shape != (mdp.n_states,) or not np.isfinite(h).all():
        raise ModelError(f"h0 has shape {h.shape}; it must be ({mdp.n_states},), and finite.")
    values, actions = [], []
    for _ in range(steps + 1):
        chosen, best = best_actions(backup(mdp, h))
        values.append(h)
        actions.append(chosen)
        h = best - best[0]
    solution = average_policy_iteration(mdp)
    policies = np.stack([deterministic_policy(mdp, chosen) for chosen in actions])
    best_pi = np.asarray(solution.pi)
    truth = AverageTruth(
        mdp=mdp,
        V=np.asarray(solution.V),
        Q=backup(mdp, np.asarray(solution.V)),
        shortfall=readonly(np.zeros(mdp.R.shape)),
        optimal=best_pi > 0,
        pi=best_pi,
        tol=0.0,
        warning="",
        gain=np.asarray(solution.gain),
        error=float(solution.certificate.bound),
    )
    return AverageTrace(
        truth=truth,
        algorithm="relative_value_iteration",
        log_pi=readonly(log_of(policies)),
        x=readonly(np.stack(values)),
        step_sizes=readonly(np.full(steps, np.nan)),
    )
