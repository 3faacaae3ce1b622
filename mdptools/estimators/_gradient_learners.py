"""Learners of policies: ascent along estimated gradients, natural gradients, and PPO.

Takes     a model to act in, an estimator, step sizes.
Gives     learners: start, step, policy.
Source    Williams (1992); Sutton and Barto (2018), chapter 13; Kakade (2001) for the natural
          gradient; Schulman et al. (2017) for the clipped surrogate.
Not here  the estimators (`_gradient`, `_actor_critic`, `_clipped`, `_compatible`), learners of
          action values (`_table_learners`).

A critic, where there is one, is a table of values that is moved after theta: what is estimated from
a batch never uses a critic that has seen it. So the estimate's bias and variance given x are those
of the estimator with that critic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from ..arrays import FloatArray, FloatSA, as_floats, readonly
from ..checks import check_count, check_served, number_or_nan
from ..errors import ModelError
from ..model import MDP
from ..policies import Family, Softmax
from ..sampling import Trajectories, rollout
from ._actor_critic import gae_actor_critic
from ._bootstrapped import gae
from ._clipped import clipped_surrogate_gradient
from ._compatible import sampled_natural_gradient
from ._gradient import (
    batch_mean_baseline,
    gpomdp,
    leave_one_out_baseline,
    reinforce,
    state_baseline,
)
from ._names import in_few, with_options
from ._returns import reward_to_go
from ._schedules import Schedule, Table, number_at
from ._temporal_difference import return_regression, td

Rows: TypeAlias = Callable[[Trajectories, Family, FloatArray, float], FloatArray]
Named: TypeAlias = Literal["reinforce", "gpomdp", "actor_critic"]
NAMED = ("reinforce", "gpomdp", "actor_critic")
WORDS = {"reinforce": "REINFORCE", "gpomdp": "GPOMDP", "actor_critic": "actor-critic"}
BASELINES = ("batch_mean", "leave_one_out", "fitted")


class Actor(NamedTuple):
    """What a learner of policies has, between two steps.

    Attributes
    ----------
    theta : array
        In the family's shape.
    v : (S,) array, or (H+1, S) on a finite horizon; reward units
        The critic, or the fitted baseline; zeros where there is none.
    t : int
        Updates made.
    family : Family
    """

    theta: FloatArray
    v: FloatArray
    t: int
    family: Family


@dataclass(frozen=True)
class GradientLearner:
    """theta += step_size * (an estimate of dJ/dtheta from a batch of trajectories).

    Parameters
    ----------
    estimator : {"reinforce", "gpomdp", "actor_critic"}, or a function
        "actor_critic" is `gae_actor_critic`: temporal differences of a critic alone where lam is 0.
        A function takes ``(trajectories, family, theta, gamma)`` and gives one row (D,) for each
        trajectory, as the estimators of this room do.
    step_size : float >= 0, or function int -> float
        A function is asked for the k-th update, k = 1, 2, ...
    batch : int
        Trajectories for each update.
    baseline : None, float, "leave_one_out", "batch_mean", "fitted" or (S,) array_like, reward units
        "fitted" is a table moved towards the returns of earlier batches. REINFORCE takes a number
        or one of the two names of batches.
    lam : float in [0, 1]
        Of the actor-critic's advantages.
    critic_step : float >= 0, or function int -> float
        For the critic or the fitted baseline; asked for the k-th batch. The other of the two steps.
    family : function MDP -> Family
    theta0 : array_like, optional
        Zeros if omitted.
    max_steps : int, optional
        Cut trajectories there. Returns then stop, which biases them; a critic is bootstrapped.

    Raises
    ------
    ModelError
        If an argument does not fit; when it starts: if the objective is average reward.

    Notes
    -----
    x is `Actor`. The critic is moved by TD(0) along the batch, a fitted baseline by regression on
    whole returns. With a step small enough and an unbiased estimator J rises on the average; it
    converges to a stationary point of J with steps whose sum is infinite and whose squares have a
    finite sum.

    Examples
    --------
    >>> from mdptools.problems import bandit
    >>> mdp, rng = bandit([1.0, 0.0]).with_objective(horizon=1), np.random.default_rng(0)
    >>> learner = GradientLearner("reinforce", step_size=0.5, batch=8)
    >>> x = learner.start(mdp, rng)
    >>> for _ in range(50):
    ...     x, estimate = learner.step(mdp, x, rng)
    >>> bool(learner.policy(mdp, x)[0, 0] > 0.9), estimate.shape
    (True, (1, 2))
    """

    estimator: Named | Rows = "gpomdp"
    step_size: Schedule = 0.1
    batch: int = 16
    baseline: Any = None
    lam: float = 0.0
    critic_step: Schedule = 0.1
    family: Callable[[MDP], Family] = field(default=Softmax)
    theta0: Any = None
    max_steps: int | None = None

    def __post_init__(self) -> None:
        if not callable(self.estimator) and self.estimator not in NAMED:
            raise ModelError(
                f"estimator is {self.estimator!r:.80}; it must be one of {', '.join(NAMED)}, or a "
                f"function (trajectories, family, theta, gamma) -> rows."
            )
        check_count(self.batch, "batch")
        if self.max_steps is not None:
            check_count(self.max_steps, "max_steps")
        if not 0 <= number_or_nan(self.lam) <= 1:
            raise ModelError(f"lam is {self.lam!r:.80}; it must be a number in [0, 1].")
        Table(self.step_size, "step_size", most=np.inf).up_to(1)
        Table(self.critic_step, "critic_step", most=np.inf).up_to(1)
        if isinstance(self.baseline, str) and self.baseline not in BASELINES:
            raise ModelError(
                f"baseline is {self.baseline!r}; those with a name are {', '.join(BASELINES)}."
            )
        if self.baseline is not None and self.estimator not in ("reinforce", "gpomdp"):
            raise ModelError(
                f"baseline is {self.baseline!r:.80}, which goes with reinforce and gpomdp only."
            )
        if self.estimator == "reinforce" and self._fits:
            raise ModelError(
                "baseline is 'fitted', which depends on the state; reinforce takes one number. Use "
                "gpomdp."
            )

    # -- words -----------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        """What a report calls it."""
        head = f"{self._what()}, step {in_few(self.step_size)}, batch {self.batch}"
        named = ["baseline"] if isinstance(self.baseline, str) else []
        return with_options(head, self, "estimator", "step_size", "batch", "epochs", *named)

    @property
    def follows(self) -> str:
        """What it estimates: "gradient" or "natural_gradient"."""
        return "gradient"

    @property
    def _fits(self) -> bool:
        """Whether the baseline is fitted."""
        return isinstance(self.baseline, str) and self.baseline == "fitted"

    def _what(self) -> str:
        if callable(self.estimator):
            return str(getattr(self.estimator, "__name__", "gradient ascent"))
        word = WORDS[self.estimator]
        if isinstance(self.baseline, str):
            word += f" with {self.baseline.replace('_', '-')} baseline"
        return word

    # -- the protocol ----------------------------------------------------------------------------
    def start(self, mdp: MDP, rng: Any) -> Actor:
        """theta0, and a critic of zeros; nothing is drawn."""
        check_served(
            mdp, "this learner", "discounted", "finite", "total", instead="a model with episodes"
        )
        family = self.family(mdp)
        theta = np.zeros(family.shape) if self.theta0 is None else as_floats(self.theta0, "theta0")
        if theta.shape != tuple(family.shape):
            raise ModelError(
                f"theta0 has shape {theta.shape}; the family's parameters have {family.shape}."
            )
        times = () if mdp.horizon is None else (mdp.horizon + 1,)
        return Actor(readonly(theta), readonly(np.zeros((*times, mdp.n_states))), 0, family)

    def step(self, mdp: MDP, x: Actor, rng: Any) -> tuple[Actor, FloatArray]:
        """One batch, one move of theta, and one of the critic."""
        batch = self.sample(mdp, x, rng)
        estimate = self.direction(mdp, x, batch)
        size = number_at(self.step_size, x.t + 1, "step_size")
        theta = _moved(x.theta, size, estimate)
        return x._replace(theta=theta, v=self._critic(mdp, x, batch), t=x.t + 1), estimate

    def policy(self, mdp: MDP, x: Actor) -> FloatSA:
        """The policy at theta."""
        return x.family.probs(x.theta)

    # -- its parts -------------------------------------------------------------------------------
    def sample(self, mdp: MDP, x: Actor, rng: Any) -> Trajectories:
        """The batch of one update.

        Parameters
        ----------
        mdp : MDP
        x : Actor
        rng : Generator, or an object with its methods

        Returns
        -------
        Trajectories
        """
        return rollout(mdp, (x.family, x.theta), self.batch, rng=rng, max_steps=self.max_steps)

    def rows(self, mdp: MDP, x: Actor, batch: Trajectories) -> FloatArray:
        """One estimate of dJ/dtheta from each trajectory.

        Parameters
        ----------
        mdp : MDP
        x : Actor
        batch : Trajectories

        Returns
        -------
        (N, D) array
        """
        gamma, b = float(mdp.gamma), self.baseline
        if callable(self.estimator):
            return self.estimator(batch, x.family, x.theta, gamma)
        if self.estimator == "reinforce":
            return reinforce(batch, x.family, x.theta, gamma, baseline=0.0 if b is None else b)
        if self.estimator == "gpomdp":
            b = x.v if self._fits else b
            return gpomdp(batch, x.family, x.theta, gamma, baseline=b)
        return gae_actor_critic(batch, x.family, x.theta, gamma, x.v, self.lam)

    def direction(self, mdp: MDP, x: Actor, batch: Trajectories) -> FloatArray:
        """The estimate, in theta's shape.

        Parameters
        ----------
        mdp : MDP
        x : Actor
        batch : Trajectories

        Returns
        -------
        array
        """
        mean: FloatArray = self.rows(mdp, x, batch).mean(axis=0)
        return mean.reshape(x.family.shape)

    def _critic(self, mdp: MDP, x: Actor, batch: Trajectories) -> FloatArray:
        """The critic, or the fitted baseline, after this batch."""
        if not self._fits and self.estimator != "actor_critic":
            return x.v
        size = number_at(self.critic_step, x.t + 1, "critic_step")
        if size == 0:
            return x.v
        follow = return_regression if self._fits else td
        return readonly(follow(x.v, batch, float(mdp.gamma), size))


@dataclass(frozen=True)
class NaturalGradientLearner(GradientLearner):
    """theta += step_size * (the natural gradient, fitted to a batch by compatible regression).

    Parameters
    ----------
    estimator : {"gpomdp", "actor_critic"}
        Where the advantages come from: returns less the baseline, or `gae` of the critic.
    step_size, batch, baseline, lam, critic_step, family, theta0, max_steps
        As for `GradientLearner`.

    Notes
    -----
    `sampled_natural_gradient`, divided by 1 - gamma where the objective is discounted: Kakade
    (2001). It is a ratio of means: biased like 1/N, and consistent where the advantages have the
    right means. Directions that the batch does not show stay 0.

    Examples
    --------
    >>> from mdptools.problems import bandit
    >>> mdp, rng = bandit([1.0, 0.0]).with_objective(horizon=1), np.random.default_rng(0)
    >>> learner = NaturalGradientLearner(step_size=0.5, batch=64)
    >>> x, estimate = learner.step(mdp, learner.start(mdp, rng), rng)
    >>> estimate.round(1)  # the advantages are +-0.5
    array([[ 0.5, -0.5]])
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.estimator not in ("gpomdp", "actor_critic"):
            raise ModelError(
                f"estimator is {self.estimator!r:.80}; the regression needs a number for each "
                f"step, from 'gpomdp' or 'actor_critic'."
            )

    @property
    def follows(self) -> str:
        """The natural gradient."""
        return "natural_gradient"

    def _what(self) -> str:
        return f"natural {super()._what()}"

    def direction(self, mdp: MDP, x: Actor, batch: Trajectories) -> FloatArray:
        """F^+ g of the batch, in theta's shape."""
        gamma = float(mdp.gamma)
        A = self._advantages(x, batch, gamma)
        found = sampled_natural_gradient(batch, x.family, x.theta, gamma, A)
        return found / (1 - gamma) if mdp.objective == "discounted" else found

    def _advantages(self, x: Actor, batch: Trajectories, gamma: float) -> FloatArray:
        """One number for each step, (N, T)."""
        if self.estimator == "actor_critic":
            return gae(batch, x.v, gamma, self.lam)
        b = x.v if self._fits else self.baseline
        if isinstance(b, str):
            named = batch_mean_baseline if b == "batch_mean" else leave_one_out_baseline
            b = named(batch, gamma)
        elif b is not None and np.ndim(b) > 0:
            b = state_baseline(batch, x.family, x.theta, b)
        above: FloatArray = reward_to_go(batch, gamma) - (0.0 if b is None else b)
        return above


@dataclass(frozen=True)
class ProximalLearner(GradientLearner):
    """PPO: several steps along the clipped surrogate of one batch.

    Parameters
    ----------
    estimator : "actor_critic"
        Advantages are `gae` of the critic.
    step_size, batch, baseline, lam, critic_step, family, theta0, max_steps
        As for `GradientLearner`; lam is 0.95 if omitted, the size is that of each of the steps.
    clip : float > 0
        A step's term stops counting where its ratio has left [1 - clip, 1 + clip] to the good.
    epochs : int
        Steps for each batch.

    Notes
    -----
    Schulman et al. (2017): ``sum_t gamma^t min(ratio_t A_t, clip(ratio_t) A_t)`` summed over a
    trajectory and averaged over the batch; the weight gamma^t, which implementations leave out,
    makes the first of the steps the gradient of J. The estimate is that first one.

    Examples
    --------
    >>> from mdptools.problems import bandit
    >>> mdp, rng = bandit([1.0, 0.0]).with_objective(horizon=1), np.random.default_rng(0)
    >>> learner = ProximalLearner(step_size=1.0, batch=16)
    >>> x = learner.start(mdp, rng)
    >>> for _ in range(50):
    ...     x, estimate = learner.step(mdp, x, rng)
    >>> bool(learner.policy(mdp, x)[0, 0] > 0.9)
    True
    """

    estimator: Named | Rows = "actor_critic"
    lam: float = 0.95
    clip: float = 0.2
    epochs: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.estimator != "actor_critic":
            raise ModelError(
                f"estimator is {self.estimator!r:.80}; PPO's advantages come from 'actor_critic'."
            )
        if not 0 < number_or_nan(self.clip) < np.inf:
            raise ModelError(f"clip is {self.clip!r:.80}; it must be a number > 0.")
        check_count(self.epochs, "epochs")

    def _what(self) -> str:
        return f"PPO, {self.epochs} epochs"

    def step(self, mdp: MDP, x: Actor, rng: Any) -> tuple[Actor, FloatArray]:
        """One batch, several moves of theta, and one of the critic."""
        batch, gamma = self.sample(mdp, x, rng), float(mdp.gamma)
        A = gae(batch, x.v, gamma, self.lam)
        size = number_at(self.step_size, x.t + 1, "step_size")
        estimate, theta = self.direction(mdp, x, batch), x.theta
        for epoch in range(self.epochs):
            g = estimate
            if epoch:
                rows = clipped_surrogate_gradient(batch, x.family, theta, gamma, A, self.clip)
                g = rows.mean(axis=0).reshape(x.family.shape)
            theta = _moved(theta, size, g)
        moved = x._replace(theta=theta, v=self._critic(mdp, x, batch), t=x.t + 1)
        return moved, estimate


def _moved(theta: FloatArray, size: float, direction: FloatArray) -> FloatArray:
    """theta + size direction, if it has not run away."""
    with np.errstate(over="ignore", invalid="ignore"):
        moved: FloatArray = theta + size * direction
    if not np.isfinite(moved).all():
        raise ModelError("theta is no longer finite after this update: the step is too large.")
    return readonly(moved)
