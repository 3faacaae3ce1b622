"""Episodes in batches, and what their mean return should be.

Takes     a model, a policy, a number of episodes, a seed.
Gives     `Drawn`: returns and lengths; `Truth`: their exact mean and standard deviation.
Not here  drawing one batch (sampling), exact numbers (evaluation), the page (`_sample_page`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from time import perf_counter

import numpy as np

from ..arrays import EPS, FloatArray, FloatSA, IntArray
from ..errors import ConvergenceError, ModelError
from ..estimators import discounted_return
from ..evaluation import evaluate, return_moments
from ..hardness import truncation_horizon
from ..model import MDP
from ..sampling import Trajectories, rollout
from ..structure import improper_states, reachable
from ._terminal import Say
from ._text import reason

WORTHLESS = 1e-9  # share of max |R| / (1 - gamma) that may be cut off without being spoken of
LONG_RUN = 1_000  # steps of an episode of average reward
WORK = 5_000_000  # steps in all that are drawn unless somebody asks for more
CELLS = 1 << 23  # steps of one batch, padding counted: 200 MB
FIRST = 1_000  # episodes of a first batch of unknown length
TABLE = 5_000_000  # numbers (H, S, A) that an exact mean over H steps may take


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """What was drawn."""

    returns: FloatArray  # (N,): discounted; of average reward the mean of a step
    lengths: IntArray  # (N,)
    n_terminated: int
    steps: int | None  # after which episodes were cut
    worthless: bool  # whether what was cut off counts for nothing
    kept: Trajectories | None
    seconds: float
    stopped: bool  # by Ctrl-C

    @property
    def mean(self) -> float:
        """Of the returns."""
        return float(self.returns.mean())

    @property
    def deviation(self) -> float:
        """Of the returns, with N - 1; nan for one."""
        return float(self.returns.std(ddof=1)) if len(self.returns) > 1 else math.nan


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What the mean of the returns should be."""

    J: float | None  # of whole episodes
    J_bound: float
    mean: float | None  # of the episodes as they were cut
    mean_bound: float
    deviation: float | None  # standard deviation of one return, as an upper bound
    why: str  # what is not known, and why


def draw(
    mdp: MDP,
    pi: FloatSA,
    n: int,
    *,
    steps: int | None,
    seed: int,
    kept: int,
    say: Say,
) -> Drawn:
    """N episodes; Ctrl-C ends it with those that there are.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array
    n : int
    steps : int or None
        Cut episodes after so many; None chooses.
    seed : int
    kept : int
        How many episodes are wanted with all that happened in them.
    say : function
        Told how many there are.

    Returns
    -------
    Drawn

    Raises
    ------
    ModelError
        If episodes need not end, and nothing says where to cut them.
    """
    limit, worthless = (steps, False) if steps is not None else _limit(mdp, pi, n)
    if mdp.horizon is not None and limit is not None and limit >= mdp.horizon:
        limit = None
    rng = np.random.default_rng(seed)
    returns, lengths, first = [], [], []
    done = terminated = 0
    size = max(1, min(n, CELLS // limit if limit else FIRST, CELLS))
    began, stopped = perf_counter(), False
    try:
        while done < n:
            say("drawing", done)
            batch = rollout(mdp, pi, min(size, n - done), rng=rng, max_steps=limit)
            returns.append(_returns(mdp, batch))
            lengths.append(batch.lengths)
            if done < kept:
                first.append(batch[: kept - done])
            done += batch.n
            terminated += int(np.count_nonzero(batch.terminated))
            size = max(1, CELLS // max(batch.n_steps, 1))
    except KeyboardInterrupt:
        if not done:
            raise
        stopped = True
    return Drawn(
        returns=np.concatenate(returns),
        lengths=np.concatenate(lengths),
        n_terminated=terminated,
        steps=limit,
        worthless=worthless,
        kept=Trajectories.concatenate(first) if first else None,
        seconds=perf_counter() - began,
        stopped=stopped,
    )


def _limit(mdp: MDP, pi: FloatSA, n: int) -> tuple[int | None, bool]:
    """Where episodes are cut if nobody says, and whether nothing that counts is lost by it."""
    if mdp.objective == "average":
        return LONG_RUN, False
    if mdp.objective != "discounted":
        return None, False
    if not (improper_states(mdp, pi) & reachable(mdp, pi=pi)).any():
        return None, False
    scale = mdp.facts.reward_max / (1 - mdp.gamma)
    far = max(1, truncation_horizon(mdp, WORTHLESS * scale)) if scale else 1
    limit = min(far, max(1_000, WORK // n))
    return limit, limit == far


def _returns(mdp: MDP, batch: Trajectories) -> FloatArray:
    G = discounted_return(batch, mdp.gamma)
    return G / batch.n_steps if mdp.objective == "average" else G


def exact(mdp: MDP, pi: FloatSA, drawn: Drawn) -> Truth:
    """The exact mean of the returns that were drawn, and J beside it.

    Parameters
    ----------
    mdp : MDP
    pi : (S, A) or (H, S, A) array
    drawn : Drawn

    Returns
    -------
    Truth
        What is not known is None, and ``why`` says why.
    """
    J, J_bound, why = None, math.inf, ""
    try:
        found = evaluate(mdp, pi)
        J, J_bound = found.J, found.J_certificate.bound
    except (ModelError, ConvergenceError) as error:
        why = reason(error)
    cut = drawn.steps
    if cut is None or drawn.worthless:
        lost = WORTHLESS * mdp.facts.reward_max / (1 - mdp.gamma) if drawn.worthless else 0.0
        return Truth(J, J_bound, J, J_bound + lost, _deviation(mdp, pi, lost), why)
    if cut * mdp.R.size > TABLE:
        many = f"no exact mean of episodes of {cut:,} steps: too large a table"
        return Truth(J, J_bound, None, math.inf, None, why or many)
    shorter = mdp.with_objective(horizon=cut, gamma=mdp.gamma)
    part = pi if pi.ndim == 2 else pi[:cut]
    if mdp.horizon is not None and mdp.final is not None:
        shorter = mdp.with_objective(horizon=cut, gamma=mdp.gamma, final=np.zeros(mdp.n_states))
    found = evaluate(shorter, part)
    each = cut if mdp.objective == "average" else 1
    deviation = _deviation(shorter, part, 0.0)
    return Truth(
        J,
        J_bound,
        found.J / each,
        found.J_certificate.bound / each + EPS * abs(found.J),
        None if deviation is None else deviation / each,
        why,
    )


def _deviation(mdp: MDP, pi: FloatSA, lost: float) -> float | None:
    """An upper bound on the standard deviation of a return, of which ``lost`` may be cut off."""
    try:
        moments = return_moments(mdp, pi)
    except (ModelError, ConvergenceError):
        return None
    return math.sqrt(moments.start_variance + moments.J_certificates[2].bound) + lost
