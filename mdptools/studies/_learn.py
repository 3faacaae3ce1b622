"""Running learners from several seeds, and watching them with exact numbers.

Takes     a model, a learner, a number of iterations, a random generator.
Gives     a `Learning`.
Source    a learner is start, step and policy, see `Learner`.
Not here  the learners (estimators), what is made of the record (`_learning`).
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np

from ..arrays import FloatArray, readonly
from ..checks import check_count, check_model, check_rng
from ..errors import ModelError
from ..estimators import GradientLearner, Learner
from ..evaluation import evaluate
from ..gradients import natural_gradient, policy_gradient
from ..model import MDP
from ._estimate_moments import estimate_moments
from ._learning import Learning
from ._objectives import best_return, truth
from ._watch import STOPPED, who_stopped


class LearnStep(NamedTuple):
    """What `learn` tells its callback after each iteration.

    Attributes
    ----------
    learner : str
        Its name.
    t : int
        How many iterations each seed has made.
    iterations : int
        How many it is to make.
    J : (n,) array, reward units
        Of the policies now.
    best : float, reward units
    seconds : float
    """

    learner: str
    t: int
    iterations: int
    J: FloatArray
    best: float
    seconds: float

    @property
    def sweep(self) -> int:
        """t, for `show_progress`."""
        return self.t

    @property
    def done(self) -> bool:
        """Whether this was the last iteration."""
        return self.t == self.iterations

    @property
    def text(self) -> str:
        """For the line of `show_progress`."""
        J = float(self.J.mean())
        reached = f", {J / self.best:.0%} of J*" if self.best > 0 else ""
        return (
            f"{self.learner}: iteration {self.t:,} of {self.iterations:,}, "
            f"mean J {J:.4g}{reached}, {self.seconds:.1f} s"
        )


def learn(
    mdp: MDP,
    learner: Learner,
    iterations: int,
    *,
    rng: Any,
    seeds: int = 1,
    moments: int = 0,
    limit: int = 100_000,
    callback: Callable[[LearnStep], object] | None = None,
) -> Learning:
    """Train a learner, and write beside each iterate what is true of it.

    Parameters
    ----------
    mdp : MDP
    learner : Learner
    iterations : int
        Steps of the learner in each run.
    rng : numpy.random.Generator or int
        Each run has a child of it; with an int, run i is the same whatever ``seeds`` is.
    seeds : int
        How many independent runs.
    moments : int
        Compute the exact bias and variance of the estimator at every so-manieth iterate; 0 for
        never. Learners of policies only.
    limit : int
        On what is enumerated for it, see `estimate_moments`.
    callback : callable, optional
        Called with a `LearnStep` after each iteration of all runs; `show_progress` is one. If it
        raises StopIteration, or the user presses Ctrl-C, all runs end there and the result holds
        what there is.

    Returns
    -------
    Learning

    Raises
    ------
    ModelError
        If an argument does not fit; as `truth` and the learner.

    Notes
    -----
    The learner sees samples only; J, gradients, bias and variance are exact and never told to it.
    Beside the learner's own time one evaluation, O(S^3), for each iterate. Memory O(seeds
    iterations D).

    Examples
    --------
    >>> from mdptools.estimators import GradientLearner
    >>> from mdptools.problems import bandit
    >>> mdp = bandit([1.0, 0.0]).with_objective(horizon=1)
    >>> found = learn(mdp, GradientLearner("reinforce", batch=4), 20, rng=0, seeds=3, moments=10)
    >>> found.J.shape, found.angle.shape, found.moments_at
    ((3, 21), (3, 20), array([ 0, 10]))
    >>> bool(found.bias_norm.max() < 1e-15)
    True
    """
    check_model(mdp)
    T, n = check_count(iterations, "iterations"), check_count(seeds, "seeds")
    every = 0 if moments == 0 else check_count(moments, "moments")
    if every and not isinstance(learner, GradientLearner):
        raise ModelError(
            f"moments is {moments}, but {learner.name} estimates no gradient: leave it away."
        )
    if callback is not None and not callable(callback):
        raise ModelError(
            f"callback is {callback!r:.80}; it must be a function of one argument, a LearnStep."
        )
    began = perf_counter()
    best = best_return(truth(mdp))
    watch = _Watch(mdp, learner, every, limit)
    children = _children(rng, n)
    states = [learner.start(mdp, child) for child in children]
    last, done, stopped = states, 0, ""
    watch.returns.append([watch.exact(x) for x in states])
    try:
        for t in range(T):
            moved = []
            for x, child in zip(last, children, strict=True):
                watch.before(t, x)
                after, estimate = learner.step(mdp, x, child)
                watch.estimated(estimate)
                moved.append(after)
            watch.returns.append([watch.exact(x) for x in moved])
            last, done = moved, t + 1
            if callback is not None:
                J = readonly(np.array(watch.returns[-1]))
                callback(LearnStep(learner.name, done, T, J, best, perf_counter() - began))
    except STOPPED as signal:
        stopped = who_stopped(signal, learner.name, done, T)
    return watch.record(best, tuple(last), n, done, perf_counter() - began, stopped)


class _Watch:
    """What is kept, seed by seed within iterate; the last iterate may be cut short."""

    def __init__(self, mdp: MDP, learner: Learner, every: int, limit: int) -> None:
        self.mdp, self.learner, self.every, self.limit = mdp, learner, every, limit
        self.returns: list[list[float]] = []
        self._gradients: list[FloatArray] = []
        self._estimates: list[FloatArray] = []
        self._bias: list[FloatArray] = []
        self._variance: list[float] = []
        self._why = ""
        self._next: list[FloatArray] = []  # the gradients at the newest iterates

    def exact(self, x: Any) -> float:
        """J at x; the gradient there is kept for the step that follows."""
        learner, mdp = self.learner, self.mdp
        if isinstance(learner, GradientLearner):
            found = policy_gradient(mdp, x.family, x.theta)
            g = found.value
            if learner.follows == "natural_gradient":
                g = natural_gradient(mdp, x.family, x.theta).value
            self._next.append(g.ravel())
            return found.J
        try:
            return evaluate(mdp, learner.policy(mdp, x)).J
        except ModelError:
            if mdp.objective != "total":
                raise
            return float("nan")  # it may go on for ever

    def before(self, t: int, x: Any) -> None:
        """Bias and variance of the estimate that is about to be made."""
        if self.every and t % self.every == 0 and isinstance(self.learner, GradientLearner):
            found = estimate_moments(self.mdp, self.learner, x, limit=self.limit)
            self._bias.append(found.bias)
            self._variance.append(found.variance)
            self._why = self._why or found.why

    def estimated(self, estimate: FloatArray | None) -> None:
        """What the learner took for the gradient."""
        if estimate is not None and self._next:
            self._gradients.append(self._next.pop(0))
            self._estimates.append(np.ravel(estimate))

    def record(
        self, best: float, final: tuple[Any, ...], n: int, done: int, seconds: float, stopped: str
    ) -> Learning:
        """As arrays, up to the last iterate that all seeds have reached."""
        gradients = estimates = None
        if len(self._estimates) >= n * done > 0:
            gradients = _by_seed(self._gradients[: n * done], n, axes=3)
            estimates = _by_seed(self._estimates[: n * done], n, axes=3)
        at = np.arange(0, done, self.every) if self.every else np.arange(0)
        size = n * len(at)
        return Learning(
            mdp=self.mdp,
            learner=self.learner,
            best=best,
            J=readonly(np.array(self.returns[: done + 1]).T.copy()),
            gradients=gradients,
            estimates=estimates,
            moments_at=readonly(at),
            bias=_by_seed(self._bias[:size], n, axes=3),
            variance=_by_seed(self._variance[:size], n, axes=2),
            final=final,
            why=self._why,
            seconds=seconds,
            stopped=stopped,
        )


def _by_seed(rows: list[Any], n: int, *, axes: int) -> FloatArray:
    """From a list, seed by seed within iterate, (n, T) or (n, T, D)."""
    if not rows:
        return readonly(np.zeros((n, *(0,) * (axes - 1))))
    table = np.array(rows, dtype=float)
    by_time = table.reshape(len(rows) // n, n, *table.shape[1:])
    return readonly(np.swapaxes(by_time, 0, 1).copy())


def _children(rng: Any, n: int) -> list[Any]:
    """A generator for each run."""
    generator = check_rng(rng)
    if generator is not rng:
        return [
            np.random.default_rng(np.random.SeedSequence(int(rng), spawn_key=(k,)))
            for k in range(n)
        ]
    return [generator] if n == 1 else list(generator.spawn(n))
