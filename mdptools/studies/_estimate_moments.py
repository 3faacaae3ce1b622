"""The exact bias and variance of what a learner of policies estimates, at one theta.

Takes     a model, a learner, what it remembers.
Gives     the exact target, mean and total variance of its estimate from a whole batch.
Source    recursions of verify; a mean of N independent rows has their mean and 1/N of their
          variance. Batch baselines: the factor 1 - 1/N (see `batch_mean_baseline`), or none.
Not here  running the learner (`_learn`).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray
from ..errors import ModelError
from ..estimators import Actor, GradientLearner
from ..gradients import natural_gradient, policy_gradient
from ..model import MDP
from ..policies import sight
from ..verify import Moments, exact_moments, reward_to_go_moments, whole_return_moments


class EstimateMoments(NamedTuple):
    """Exact moments of an estimate.

    Attributes
    ----------
    target : (D,) array
        What it should be: the gradient of J, or the natural gradient.
    mean : (D,) array
        nan where it cannot be computed.
    variance : float
        The trace of its covariance; nan where it cannot be computed.
    why : str
        Why something could not be computed; empty if all was.
    """

    target: FloatArray
    mean: FloatArray
    variance: float
    why: str

    @property
    def bias(self) -> FloatArray:
        """mean - target, (D,)."""
        return self.mean - self.target


def estimate_moments(
    mdp: MDP, learner: GradientLearner, x: Actor, *, limit: int = 100_000
) -> EstimateMoments:
    """Exact mean and variance of the next estimate of a learner of policies, given x.

    Parameters
    ----------
    mdp : MDP
        What it acts in.
    learner : GradientLearner
        Or one of its kin.
    x : Actor
        Theta and critic are held fixed.
    limit : int
        Where there is no recursion, so many batches are enumerated, and no more.

    Returns
    -------
    EstimateMoments

    Raises
    ------
    ModelError
        As `policy_gradient`.

    Notes
    -----
    Recursions serve REINFORCE with a constant baseline, reward to go with a constant, a fitted or a
    given baseline, and the actor-critic with any lambda, of families that see the state, at any
    batch size. For baselines from the batch they give the mean. All else is enumerated if it is
    small: for families that see observations all trajectories; for what may depend on the whole
    batch all batches, the number of trajectories to the power of the batch.

    Examples
    --------
    >>> from mdptools.problems import bandit
    >>> mdp = bandit([1.0, 0.0]).with_objective(horizon=1)
    >>> learner = GradientLearner("reinforce", batch=2)
    >>> found = estimate_moments(mdp, learner, learner.start(mdp, 0))
    >>> found.bias, found.variance
    (array([0., 0.]), 0.0625)
    """
    policy = (x.family, x.theta)
    exact = natural_gradient if learner.follows == "natural_gradient" else policy_gradient
    target = exact(mdp, x.family, x.theta).value.ravel()
    unknown = np.full(target.shape, np.nan)
    mean, variance, why = unknown, np.nan, ""
    if learner.follows == "gradient" and sight(*policy) is None:
        try:
            rows = _of_rows(mdp, learner, x)
        except ModelError as error:
            rows, why = None, str(error)
        if rows is not None:
            scale = 1 - 1 / learner.batch if _named(learner) == "batch_mean" else 1.0
            mean = scale * rows.mean
            if _named(learner) is None and rows.variance is not None:
                return EstimateMoments(target, mean, float(rows.variance.sum()) / learner.batch, "")
    try:
        if _independent(learner):
            rows = _enumerated(mdp, learner, x, limit, one_each=True)
            assert rows.variance is not None  # asked for
            return EstimateMoments(
                target, rows.mean, float(rows.variance.sum()) / learner.batch, ""
            )
        whole = _enumerated(mdp, learner, x, limit)
    except ModelError as error:
        return EstimateMoments(target, mean, variance, why or str(error))
    assert whole.variance is not None  # asked for
    return EstimateMoments(target, whole.mean, float(whole.variance.sum()), "")


def _named(learner: GradientLearner) -> str | None:
    """The baseline from the batch, if there is one."""
    b = learner.baseline
    return b if isinstance(b, str) and b != "fitted" else None


def _of_rows(mdp: MDP, learner: GradientLearner, x: Actor) -> Moments | None:
    """Moments of one row, without a baseline from the batch; None where no recursion serves."""
    policy, horizon = (x.family, x.theta), _cut(mdp, learner)
    b: Any = None if _named(learner) else learner.baseline
    if learner.estimator == "reinforce":
        constant = 0.0 if b is None else float(b)
        return whole_return_moments(
            mdp, policy, horizon=horizon, baseline=constant, detail="variance"
        )
    if learner.estimator == "gpomdp":
        b = x.v if isinstance(b, str) else b
        b = _up_to(b, horizon, 0)
        return reward_to_go_moments(mdp, policy, horizon=horizon, baseline=b, detail="variance")
    if learner.estimator == "actor_critic":
        return reward_to_go_moments(
            mdp,
            policy,
            horizon=horizon,
            critic=_up_to(x.v, horizon, 1),
            return_discount=mdp.gamma * learner.lam,
            detail="variance",
        )
    return None


def _cut(mdp: MDP, learner: GradientLearner) -> int | None:
    """After how many steps trajectories are cut, or end; None if never."""
    ends = [n for n in (mdp.horizon, learner.max_steps) if n is not None]
    return min(ends) if ends else None


def _up_to(table: Any, length: int | None, more: int) -> Any:
    """A table by time, as far as it is needed."""
    return table if np.ndim(table) != 2 or length is None else np.asarray(table)[: length + more]


def _independent(learner: GradientLearner) -> bool:
    """Whether the estimate is known to be a mean of rows that do not depend on each other."""
    named = _named(learner) is not None or callable(learner.estimator)
    return learner.follows == "gradient" and not named


def _enumerated(
    mdp: MDP, learner: GradientLearner, x: Actor, limit: int, *, one_each: bool = False
) -> Moments:
    """Moments of the estimate from all batches that there can be; or those of one row."""

    def estimate(batch: Any) -> FloatArray:
        if one_each:
            return learner.rows(mdp, x, batch)
        if learner.batch > 1:
            return learner.direction(mdp, x, batch).reshape(1, -1)
        # Batches of one come many at a time.
        return np.stack([learner.direction(mdp, x, batch[i]).ravel() for i in range(batch.n)])

    if mdp.horizon is None and learner.max_steps is not None:
        raise ModelError(
            "trajectories that max_steps cuts are not enumerated: give the model a horizon."
        )
    return exact_moments(
        estimate,
        mdp,
        (x.family, x.theta),
        horizon=_cut(mdp, learner),
        batch=1 if one_each else learner.batch,
        detail="variance",
        limit=limit,
    )
